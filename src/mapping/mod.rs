//! PURE: the config's mapping compiled to SQL that Postgres evaluates (rules 15 and 16).
//!
//! [`shape`] is what the catalog says of a mapped table; [`lexer`] finds `:names`; [`read`] compiles the statements
//! that turn a row into what Deskie needs; [`list`] and [`expand`] those that tell the messages of one row apart; [`attachment`]
//! those that find its files; [`moment`] tells the type of its time; [`gap`] those of the repair; [`scan`] those that look
//! through the tables; [`mod@write`] those that turn a Deskie message into rows of the site; [`scope`] says what each name
//! may mean, [`named`] which columns are named at all; [`alone`] asks one expression by itself.
//! Statements over one row can be asked of many at once.
//!
//! Invariant: no expression language of ours. A value is the user's SQL, at most a bare column name is quoted, a
//! `:name` becomes `$n`. No value ever becomes part of a statement's text.

pub mod alone;
pub mod attachment;
pub mod expand;
pub mod gap;
mod given;
pub mod lexer;
pub mod list;
mod many;
pub mod moment;
pub mod named;
mod naming;
pub mod read;
pub mod scan;
pub mod scope;
pub mod shape;
pub mod write;

pub use given::gives;
pub use read::{Reading, Source};
pub use shape::{Column, Shape};
pub use write::{Batch, Parameters, Statement};

use crate::config::Expr;
use shape::quote_ident;

/// The SQL of a mapping value: a bare column of the section's own row is quoted and qualified by us.
pub fn value_sql(expr: &Expr, alias: &str, shape: &Shape) -> String {
    match bare_column(expr, shape) {
        Some(column) => format!("{alias}.{}", quote_ident(column)),
        // The row as a whole is no column: it is looked for as one, and not found.
        None if lone_name(&expr.sql).is_some_and(|name| lexer::folded(&name) == alias) => {
            format!("{alias}.{}", quote_ident(alias))
        }
        None => format!("({})", expr.sql.trim()),
    }
}

/// The column of the section's own row that a value names: exactly as it is written, in quotes or without, else as
/// Postgres folds a name without quotes.
pub fn bare_column<'a>(expr: &Expr, shape: &'a Shape) -> Option<&'a str> {
    // Whatever signs it has: `e-mail` is that column, where there is one.
    if let Some(column) = shape.column(expr.sql.trim()) {
        return Some(&column.name);
    }
    let name = lone_name(&expr.sql)?;
    let is_quoted = expr.sql.trim_start().starts_with('"');
    let folded = (!is_quoted).then(|| lexer::folded(&name));
    let column = shape
        .column(&name)
        .or_else(|| folded.and_then(|name| shape.column(&name)));
    column.map(|column| column.name.as_str())
}

/// The name that an expression consists of, if it is nothing else: out of its quotes, or as it was written.
pub fn lone_name(sql: &str) -> Option<String> {
    let text = sql.trim();
    if let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        let name = inner.replace("\"\"", "\u{0}");
        return (!inner.is_empty() && !name.contains('"')).then(|| name.replace('\u{0}', "\""));
    }
    lexer::is_name(text).then(|| text.to_owned())
}
