//! Postgres: connections, the replication transport, the catalog. Knows nothing of tickets.

mod param;
mod quote;
pub mod url;
mod url_text;

pub use param::TextParam;
pub use quote::{qualified, quote_ident, quote_literal};
pub use url::{ConnectUrl, UrlError};
