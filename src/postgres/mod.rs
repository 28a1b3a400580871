//! Postgres: connections, the replication transport, the catalog. Knows nothing of tickets.

pub mod catalog;
mod connect;
#[cfg(test)]
mod connect_tests;
mod dial;
mod error;
mod param;
mod quote;
pub mod replication;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
pub mod url;
mod url_text;

pub use connect::{Pool, PoolError, PooledClient, SessionOptions, connect, server_error};
pub use error::{ConnectError, ConnectFault, ServerError};
pub use param::TextParam;
pub use quote::{qualified, quote_ident, quote_literal};
pub use tls::{TlsSetupError, install_tls_provider};
pub use url::{ConnectUrl, UrlError};
