//! Postgres: connections, the replication transport, the catalog. Knows nothing of tickets.

pub mod catalog;
mod connect;
mod dial;
mod error;
mod param;
mod quote;
pub mod replication;
pub mod shape;
mod tls;
pub mod url;
mod url_text;

pub use connect::{Pool, PoolError, PooledClient, SessionOptions, connect, server_error};
pub use error::{ConnectError, ConnectFault, ServerError};
pub use param::TextParam;
pub use quote::{qualified, quote_ident, quote_literal};
pub use tls::{TlsSetupError, install_tls_provider};
pub use url::{ConnectUrl, UrlError};

/// A driver's error in the server's own words, with its SQLSTATE.
pub fn describe(error: &tokio_postgres::Error) -> String {
    match server_error(error) {
        Some(server) => server.to_string(),
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            text
        }
    }
}
