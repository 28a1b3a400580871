//! What a name of the mapping may mean (rule 22): a name without an alias is a column of the section's own row, or of
//! the list that `expand` makes of it, and of nothing else. Else a column that is gone (renamed, or never there) would
//! be looked for, and perhaps found, in the ticket or in a joined table: another text, sent as this one.
//!
//! Postgres itself says what a name means. Each statement here joins one row more, the decoy, which has every
//! column that is in scope and not the section's own: a name without an alias that would mean one of them is
//! ambiguous then (42702), while one with its alias, one of a subquery and one of the own row are untouched by it.
//!
//! That holds for the moment of compiling. That it goes on to hold is by the statements of [`super::read`] and
//! [`super::attachment`]: they name each column that is read of the own row, so that one which goes makes them fail.

use super::attachment::{self, Around};
use super::lexer::{Token, tokens};
use super::read::{self, Piece};
use super::shape::{Shape, quote_ident};
use super::{bare_column, lone_name, value_sql};
use crate::config::{Attachment, Expr, Message, Ticket};

/// Columns that every table has and no catalog lists.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// A section with everything that is in scope of its expressions.
pub struct Scope<'a> {
    alias: &'static str,
    shape: &'a Shape,
    /// The own row, then the joins in their order.
    pieces: Vec<Piece<'a>>,
    /// Which of the pieces is the list that `expand` makes.
    list: Option<usize>,
    values: Vec<&'a Expr>,
}

/// The names in scope, as the server tells them: after none of the pieces of FROM, after the first, and so on.
#[derive(Debug, Clone, Default)]
pub struct Names(pub Vec<Vec<String>>);

/// What is to be asked of an expression's names.
pub struct Question<'a> {
    pub expr: &'a Expr,
    /// Succeeds if the expression is a value by itself, without any table; asked where it is a single name that is no
    /// column of the own row. `true`, `current_date` and their like are told by the server's own grammar.
    pub constant: Option<String>,
    /// Fails with 42702 where a name would mean another row's column; `None`: there is nothing that it could mean.
    pub decoyed: Option<String>,
}

/// `[ticket]`.
pub fn ticket<'a>(config: &'a Ticket, shape: &'a Shape) -> Scope<'a> {
    let mut pieces = vec![table("t", shape)];
    pieces.extend(config.join.iter().map(own));
    let values = read::ticket_expressions(config);
    Scope::new("t", shape, pieces, None, values)
}

/// `[message]`.
pub fn message<'a>(
    config: &'a Message,
    ticket: &'a Ticket,
    shape: &'a Shape,
    ticket_shape: &'a Shape,
) -> Scope<'a> {
    let mut pieces = vec![table("m", shape)];
    pieces.extend(read::message_pieces(config, ticket, shape, ticket_shape));
    let values = read::message_expressions(config);
    Scope::new("m", shape, pieces, config.expand.as_ref(), values)
}

/// `[[attachment]]`.
pub fn attachment<'a>(config: &'a Attachment, shape: &'a Shape, around: &Around<'a>) -> Scope<'a> {
    let pieces = attachment::pieces(config, shape, around);
    Scope::new(
        "a",
        shape,
        pieces,
        config.expand.as_ref(),
        attachment::expressions(config),
    )
}

fn table<'a>(alias: &str, shape: &Shape) -> Piece<'a> {
    Piece {
        sql: format!("{} {alias}", shape.sql()),
        own: None,
    }
}

fn own(join: &Expr) -> Piece<'_> {
    Piece {
        sql: join.sql.clone(),
        own: Some(join),
    }
}

impl<'a> Scope<'a> {
    fn new(
        alias: &'static str,
        shape: &'a Shape,
        pieces: Vec<Piece<'a>>,
        list: Option<&Expr>,
        mut values: Vec<&'a Expr>,
    ) -> Scope<'a> {
        let is_join = |expr: &Expr| {
            let joins = pieces.iter().filter_map(|piece| piece.own);
            joins.map(|own| &own.name).any(|name| *name == expr.name)
        };
        values.retain(|expr| !is_join(expr));
        let list = list.and_then(|list| {
            let is_list = |piece: &Piece| piece.own.is_some_and(|own| own.name == list.name);
            pieces.iter().position(is_list)
        });
        Scope {
            alias,
            shape,
            pieces,
            list,
            values,
        }
    }

    /// The section's own table.
    pub fn shape(&self) -> &'a Shape {
        self.shape
    }

    fn from(&self, pieces: usize) -> String {
        let pieces = self.pieces.iter().take(pieces);
        let sql: Vec<&str> = pieces.map(|piece| piece.sql.as_str()).collect();
        format!("from {}", sql.join("\n"))
    }

    /// Statements whose columns are [`Names`].
    pub fn names(&self) -> Vec<String> {
        let prefixes = 1..=self.pieces.len();
        let names = prefixes.map(|count| format!("select *\n{}\nlimit 0", self.from(count)));
        std::iter::once("select".to_owned()).chain(names).collect()
    }

    /// The names of the list that `expand` makes of the row.
    fn of_list<'n>(&self, names: &'n Names) -> Vec<&'n str> {
        let at = |n: usize| names.0.get(n).map_or(&[][..], Vec::as_slice);
        let Some(list) = self.list else { return Vec::new() };
        let mut with: Vec<&str> = at(list + 1).iter().map(String::as_str).collect();
        for before in at(list) {
            if let Some(place) = with.iter().position(|name| name == before) {
                with.swap_remove(place);
            }
        }
        with
    }

    /// A row that has each name which is not the section's own, and what every table has.
    fn decoy(&self, names: &Names, pieces: usize) -> String {
        let own = self.of_list(names);
        let all = names.0.get(pieces).into_iter().flatten().map(String::as_str);
        let foreign: std::collections::BTreeSet<&str> = all
            .chain(SYSTEM_COLUMNS)
            .filter(|name| self.shape.column(name).is_none() && !own.contains(name))
            .collect();
        let columns: Vec<String> = foreign
            .into_iter()
            .map(|name| format!("null::pg_catalog.text as {}", quote_ident(name)))
            .collect();
        format!("cross join (select {}) deskie_cdc_decoy", columns.join(", "))
    }

    /// A statement that finds a column under the alias that it has in scope, for a hint.
    pub fn has(&self, alias: &str, column: &str) -> String {
        let from = self.from(self.pieces.len());
        format!(
            "select {}.{}\n{from}\nlimit 0",
            quote_ident(alias),
            quote_ident(column)
        )
    }

    /// The words of FROM: the aliases are among them.
    pub fn words(&self) -> std::collections::BTreeSet<String> {
        let words = self.pieces.iter().flat_map(|piece| idents(&piece.sql));
        words.collect()
    }

    fn value(&self, expr: &Expr) -> String {
        value_sql(expr, self.alias, self.shape)
    }

    /// A single name that is no column of the own row.
    fn is_open(&self, expr: &Expr) -> bool {
        lone_name(&expr.sql).is_some() && bare_column(expr, self.shape).is_none()
    }

    fn decoyed(&self, values: &[String], names: &Names) -> String {
        let from = self.from(self.pieces.len());
        let decoy = self.decoy(names, self.pieces.len());
        format!("select {}\n{from}\n{decoy}\nlimit 0", values.join(",\n  "))
    }

    /// All values as one question, which is enough where nothing is wrong; `None` where it would not tell.
    pub fn at_once(&self, names: &Names) -> Option<String> {
        let values: Vec<String> = self.values.iter().map(|expr| self.value(expr)).collect();
        let is_open = self.values.iter().any(|expr| self.is_open(expr));
        (!is_open).then(|| self.decoyed(&values, names))
    }

    /// Each value by itself.
    pub fn values(&self, names: &Names) -> Vec<Question<'a>> {
        let own = self.of_list(names);
        let list = self.list.and_then(|list| self.pieces.get(list));
        let aliases = list.map_or(Vec::new(), |list| idents(&list.sql));
        let question = |expr: &&'a Expr| {
            let lone = lone_name(&expr.sql).filter(|_| self.is_open(expr));
            // A row is no column, but for the list's: `jsonb_array_elements(m.thread) e` gives `e`.
            let is_nothing = lone.as_ref().is_some_and(|name| {
                let name = super::lexer::folded(name);
                let is_alias = name != "t" && name != "m" && aliases.contains(&name);
                !is_alias && !own.iter().any(|own| super::lexer::folded(own) == name)
            });
            Question {
                expr,
                constant: lone.map(|_| format!("select {}", expr.sql.trim())),
                decoyed: (!is_nothing).then(|| self.decoyed(&[self.value(expr)], names)),
            }
        };
        self.values.iter().map(question).collect()
    }

    /// Each join of the section.
    pub fn joins(&self, names: &Names) -> Vec<Question<'a>> {
        let question = |(n, piece): (usize, &Piece<'a>)| {
            let expr = piece.own?;
            // A join that merges columns of one name has them on both sides.
            let of = if merges_columns(expr) {
                n
            } else {
                self.pieces.len()
            };
            let (from, decoy) = (self.from(n), self.decoy(names, of));
            Some(Question {
                expr,
                constant: None,
                decoyed: Some(format!("select 1\n{from}\n{decoy}\n{}\nlimit 0", piece.sql)),
            })
        };
        self.pieces.iter().enumerate().filter_map(question).collect()
    }
}

fn idents(sql: &str) -> Vec<String> {
    let ident = |token| match token {
        Token::Ident(word, false) => Some(word),
        _ => None,
    };
    tokens(sql).into_iter().filter_map(ident).collect()
}

fn merges_columns(join: &Expr) -> bool {
    let words = idents(&join.sql);
    words.iter().any(|word| word == "using" || word == "natural")
}
