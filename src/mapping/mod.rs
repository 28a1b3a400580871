//! PURE: the config's mapping compiled to SQL that Postgres evaluates (rules 15 and 16).
//!
//! [`shape`] is what the catalog says of a mapped table; [`lexer`] finds `:names`; [`read`] compiles the statements
//! that turn a row into what Deskie needs; [`expand`] those that tell the messages of one row apart; [`attachment`]
//! those that find its files; [`moment`] tells the type of its time; [`gap`] those of the repair; [`scan`] those that look through the tables; [`mod@write`] those that turn a
//! Deskie message into rows of the site.
//!
//! Invariant: no expression language of ours. A value is the user's SQL, at most a bare column name is quoted, a
//! `:name` becomes `$n`. No value ever becomes part of a statement's text.

pub mod attachment;
pub mod expand;
pub mod gap;
pub mod lexer;
pub mod moment;
pub mod read;
pub mod scan;
pub mod shape;
pub mod write;

pub use read::{Reading, Source};
pub use shape::{Column, Shape};
pub use write::{Batch, Parameters, Statement};

use crate::config::Expr;
use shape::quote_ident;

/// The SQL of a mapping value: a bare column of the section's own row is quoted and qualified by us.
pub fn value_sql(expr: &Expr, alias: &str, shape: &Shape) -> String {
    match bare_column(expr, shape) {
        Some(column) => format!("{alias}.{}", quote_ident(column)),
        None => format!("({})", expr.sql.trim()),
    }
}

/// The column that a value names exactly, quoted or not.
pub fn bare_column<'a>(expr: &Expr, shape: &'a Shape) -> Option<&'a str> {
    let text = expr.sql.trim();
    let unquoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .map(|inner| inner.replace("\"\"", "\""));
    let name = unquoted.as_deref().unwrap_or(text);
    shape
        .columns
        .iter()
        .find(|column| column.name == name)
        .map(|column| column.name.as_str())
}
