//! Postgres: connections, the replication transport, the catalog.
//!
//! - [`url`]: connection strings, read by ourselves (rule 18), strict about TLS away from this machine.
//! - [`connect()`] and [`Pool`]: ordinary connections, all alike whatever the role has set (rule 4).
//! - [`replication`]: the walsender's connection and its stream of frames; [`pgoutput`](crate::pgoutput) reads them.
//! - [`catalog`]: what the server, its tables, publications and slots are, and what we may do.
//! - [`TextParam`] (rule 16), [`quote_ident`], [`quote_literal`], [`qualified`]: values and names in SQL.
//!
//! Both kinds of connections go through the same addresses, `sslmode`s and time-outs, and fail with the same
//! [`ConnectError`], which names the class and the mend.
//!
//! Invariants: knows nothing of tickets. No password is ever shown, and no detail of a server's error, which may hold
//! values of rows. Nothing is written to the site's database but by [`catalog::slot_drop`] and
//! [`replication::ReplicationConnection::create_slot`].

pub mod catalog;
mod connect;
#[cfg(test)]
mod connect_tests;
mod dial;
mod error;
pub mod names;
mod param;
mod quote;
pub mod replication;
pub mod shape;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
pub mod url;
mod url_text;

pub use connect::{Pool, PoolError, PooledClient, SessionOptions, application_name, connect, server_error};
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
