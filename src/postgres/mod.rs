//! Postgres: connections, the replication transport, the catalog.
//!
//! - [`url`]: connection strings, read by ourselves (rule 18), strict about TLS away from this machine.
//! - [`connect()`] and [`Pool`]: ordinary connections, all alike whatever the role has set (rule 4).
//! - [`site`]: the site's own `search_path`, around the mapping's statements only.
//! - [`replication`]: the walsender's connection and its stream of frames; [`pgoutput`](crate::pgoutput) reads them.
//! - [`catalog`]: what the server, its tables, publications and slots are, and what we may do.
//! - [`provider`]: whose server it is, and each provider's own ways.
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
pub mod provider;
mod quote;
pub mod replication;
mod session;
#[cfg(test)]
mod session_tests;
pub mod shape;
pub mod site;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
pub mod url;
mod url_text;

pub use connect::{Pool, PoolError, PooledClient, connect, server_error};
pub use error::{ConnectError, ConnectFault, ServerError};
pub use param::TextParam;
pub use provider::Provider;
pub use quote::{qualified, quote_ident, quote_literal};
pub use session::{SessionOptions, application_name, restore};
pub use tls::{TlsSetupError, install_tls_provider};
pub use url::{ConnectUrl, UrlError};

/// A prepared statement that is there already, or is not there. Ours bear names of their own in each session.
const POOLED: [&str; 2] = ["42P05", "26000"];

/// Whether a SQLSTATE's class is of the connection, the server or a lock, and not of what was asked. A single code of them may
/// still say otherwise, such as a statement that takes too long.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
pub fn is_of_the_server(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    ["08", "25", "40", "53", "55", "57", "58"].contains(&class)
}

/// A driver's error in the server's own words, with its SQLSTATE, and without the values that it quotes: they may be a
/// customer's text. Names that it quotes of tables, columns and constraints stay.
pub fn describe(error: &tokio_postgres::Error) -> String {
    match server_error(error) {
        Some(server) if POOLED.contains(&server.code.as_str()) => format!(
            "{server}; our statements come to another session than the one that they were prepared in: most likely a \
             connection pooler in transaction mode stands between; use the database's direct connection string"
        ),
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

/// What may be told of a server's message.
fn without_values(error: &tokio_postgres::error::DbError) -> String {
    /// Where functions of the site's say what they like: PL/pgSQL's RAISE and ASSERT, and the other languages' ways.
    const RAISED: [&str; 5] = [
        "exec_stmt_raise",
        "exec_stmt_assert",
        "PLy_",
        "plperl",
        "throw_tcl_error",
    ];
    /// Classes of which the server itself quotes nothing but names.
    const NAMES: [&str; 8] = ["0A", "23", "28", "3D", "3F", "42", "55", "57"];
    let (code, message) = (error.code().code(), error.message());
    // What a function of the site's says in its RAISE is made of whatever it likes; our own functions say what is fixed.
    let routine = error.routine().unwrap_or_default();
    if RAISED.iter().any(|raised| routine.starts_with(raised)) && !code.starts_with("DC") {
        let place = error.where_().and_then(|place| place.lines().next());
        return match place {
            Some(place) => format!("a function of the site's refuses it, {}", without_quoted(place)),
            None => "a function of the site's refuses it".to_owned(),
        };
    }
    // Text searches and paths in JSON call what they cannot read a syntax error.
    let is_a_value =
        code == tokio_postgres::error::SqlState::SYNTAX_ERROR.code() && routine != "scanner_yyerror";
    let are_names = NAMES.iter().any(|class| code.starts_with(class)) && !is_a_value;
    match are_names || code.starts_with("DC") {
        true => message.to_owned(),
        false => without_quoted(message),
    }
}

/// What stands between quotation marks of any language is cut; an opening one that nothing closes cuts the rest.
fn without_quoted(text: &str) -> String {
    const MARKS: [(char, &[char]); 5] = [
        ('"', &['"']),
        ('\u{ab}', &['\u{bb}']),
        ('\u{201e}', &['\u{201c}', '\u{201d}']),
        ('\u{201c}', &['\u{201d}']),
        ('\u{300c}', &['\u{300d}']),
    ];
    let mut out = String::new();
    let mut rest = text;
    while let Some((at, closing)) = rest.char_indices().find_map(|(at, c)| {
        let (_, closing) = MARKS.iter().find(|(open, _)| *open == c)?;
        Some((at, *closing))
    }) {
        let (before, quoted) = rest.split_at(at);
        let mut inner = quoted.chars();
        let open = inner.next().unwrap_or('"');
        let inner = inner.as_str();
        // The last mark: a value may hold marks itself.
        let (end, close) = match inner.char_indices().rev().find(|(_, c)| closing.contains(c)) {
            Some((end, close)) => (end + close.len_utf8(), close),
            None => (inner.len(), open),
        };
        out.push_str(before);
        out.push(open);
        out.push_str("...");
        out.push(close);
        rest = inner.get(end..).unwrap_or_default();
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::without_quoted;

    #[test]
    fn values_are_cut_out_of_a_servers_words() {
        let check = |text: &str, expected: &str| assert_eq!(without_quoted(text), expected, "{text}");
        check("division by zero", "division by zero");
        check(
            "invalid input syntax for type integer: \"my card 4111\"",
            "invalid input syntax for type integer: \"...\"",
        );
        check("a \"value with \" a mark\" in it", "a \"...\" in it");
        check(
            "ung\u{fc}ltige Eingabe: \u{201e}geheim\u{201c}",
            "ung\u{fc}ltige Eingabe: \u{201e}...\u{201c}",
        );
        check(
            "\u{ab}\u{442}\u{430}\u{439}\u{43d}\u{430}\u{bb} bad",
            "\u{ab}...\u{bb} bad",
        );
        check("open \"never closed", "open \"...\"");
    }
}
