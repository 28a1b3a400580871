//! One expression of a row by itself, with only the joins that it needs (rule 22).
//!
//! Everything of a row is asked in one statement, which is what the good case costs. Where that gives no answer (a join
//! finds nothing or several, the database refuses a value), it is not known yet what the trouble matters for: these
//! statements then say whether the row is for Deskie at all. A condition whose parts are joined by AND is asked part by
//! part: one that does not hold decides, whatever became of the others.

use std::collections::HashSet;

use super::expand;
use super::lexer::{Token, conjuncts, tokens};
use super::read::{Piece, Reading, Source, condition, message_pieces, seconds, source_sql, text};
use super::shape::{EQUALS, Shape};
use crate::config::{Expr, Message, Ticket};

/// One output of a row; a row for each that the joins give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alone {
    /// From the row as it was captured; with `expand` one parameter more, the message's identity.
    pub image: Reading,
    /// From the table's row, alike.
    pub table: Reading,
    /// From many rows as they were captured; not with `expand`.
    pub images: Option<Reading>,
}

/// What decides whether a row is for Deskie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deciding {
    /// The parts of `where`, those first that need the fewest joins.
    pub filter: Vec<Alone>,
    /// `author`, where it is mapped.
    pub author: Option<Alone>,
    /// `created_at`, where it is mapped.
    pub created_at: Option<Alone>,
    /// `status`, where it is mapped.
    pub status: Option<Alone>,
    /// With `expand`, everything of one message of the row.
    pub element: Option<Alone>,
}

/// What a section's expressions stand on.
struct Ground<'a> {
    alias: &'static str,
    shape: &'a Shape,
    pieces: Vec<Piece<'a>>,
    /// With `expand`: the message's name, and the expressions that it is made of.
    identity: Option<(String, Vec<&'a Expr>)>,
    /// The expressions by which the ticket is found.
    ticket: &'a [Expr],
}

/// The deciding expressions of `[ticket]`.
pub fn ticket(config: &Ticket, shape: &Shape) -> Deciding {
    let join = config.join.iter().map(|join| Piece {
        sql: join.sql.clone(),
        own: Some(join),
    });
    let ground = Ground {
        alias: "t",
        shape,
        pieces: join.collect(),
        identity: None,
        ticket: &[],
    };
    Deciding {
        filter: ground.filter(config.filter.as_ref()),
        author: None,
        created_at: config
            .created_at
            .as_ref()
            .map(|expr| ground.alone(expr, &seconds)),
        status: config.status.as_ref().map(|expr| ground.alone(expr, &text)),
        element: None,
    }
}

/// The deciding expressions of `[message]`.
pub fn message(config: &Message, ticket: &Ticket, shape: &Shape, ticket_shape: &Shape) -> Deciding {
    let identity = config.expand.is_some().then(|| {
        let parts = config
            .element
            .iter()
            .chain([&config.body])
            .chain(&config.created_at);
        (expand::identity(config, shape), parts.collect())
    });
    let ground = Ground {
        alias: "m",
        shape,
        pieces: message_pieces(config, ticket, shape, ticket_shape),
        identity,
        ticket: &config.ticket,
    };
    let whole = |source| {
        let mut reading = super::read::message(config, ticket, shape, ticket_shape, source);
        let identity = expand::identity(config, shape);
        reading.sql = format!(
            "{}\nwhere {identity} {EQUALS} ${}::pg_catalog.text",
            reading.sql,
            reading.columns.len() + 1
        );
        reading
    };
    Deciding {
        filter: ground.filter(config.filter.as_ref()),
        author: config.author.as_ref().map(|expr| ground.alone(expr, &text)),
        created_at: config
            .created_at
            .as_ref()
            .map(|expr| ground.alone(expr, &seconds)),
        status: None,
        element: config.expand.is_some().then(|| Alone {
            image: whole(Source::Image),
            table: whole(Source::Table),
            images: None,
        }),
    }
}

/// How an expression becomes an output.
type Output = dyn Fn(Option<&Expr>, &str, &Shape) -> String;

impl Ground<'_> {
    fn filter(&self, filter: Option<&Expr>) -> Vec<Alone> {
        let Some(filter) = filter else { return Vec::new() };
        let part = |sql: &str| Expr {
            sql: sql.trim().to_owned(),
            ..filter.clone()
        };
        let mut parts: Vec<(usize, Alone)> = conjuncts(&filter.sql)
            .into_iter()
            .map(part)
            .map(|part| (self.needed(&[&part]).len(), self.alone(&part, &condition)))
            .collect();
        parts.sort_by_key(|(joins, _)| *joins);
        parts.into_iter().map(|(_, alone)| alone).collect()
    }

    /// The pieces of FROM that the expressions need, and those that these need: each whose names they mention before a
    /// dot. Rather one too many than one too few.
    fn needed(&self, expressions: &[&Expr]) -> Vec<&Piece<'_>> {
        let mut qualifiers: HashSet<String> = HashSet::new();
        let mut needed = Vec::new();
        for expression in expressions {
            qualifiers.extend(idents(&expression.sql, true));
        }
        for piece in self.pieces.iter().rev() {
            let is_list = piece.own.is_some_and(|own| own.name == "message.expand");
            let names = idents(&piece.sql, false);
            if is_list || names.iter().any(|name| qualifiers.contains(name)) {
                qualifiers.extend(idents(&piece.sql, true));
                needed.push(piece);
            }
        }
        needed.reverse();
        needed
    }

    fn alone(&self, expression: &Expr, output: &Output) -> Alone {
        let mut asked = vec![expression];
        if let Some((_, parts)) = &self.identity {
            asked.extend(parts);
        }
        let needed = self.needed(&asked);
        asked.extend(needed.iter().filter_map(|piece| piece.own));
        // Something joins the ticket.
        if needed.iter().any(|piece| piece.own.is_none()) {
            asked.extend(self.ticket);
        }
        let output = output(Some(expression), self.alias, self.shape);
        let reading = |source| {
            let (from, columns) = source_sql(source, self.alias, self.shape, &asked);
            let joins: Vec<&str> = needed.iter().map(|piece| piece.sql.as_str()).collect();
            let is_it = match &self.identity {
                Some((identity, _)) => format!(
                    "\nwhere {identity} {EQUALS} ${}::pg_catalog.text",
                    columns.len() + 1
                ),
                None => String::new(),
            };
            let joins = joins.join("\n");
            let sql = format!("select distinct {output}\nfrom {from}\n{joins}{is_it}\nlimit 2");
            source.reading(sql, columns)
        };
        Alone {
            image: reading(Source::Image),
            table: reading(Source::Table),
            images: self.identity.is_none().then(|| reading(Source::Images)),
        }
    }
}

fn idents(sql: &str, before_a_dot: bool) -> Vec<String> {
    let ident = |token| match token {
        Token::Ident(name, dotted) if dotted == before_a_dot => Some(name),
        _ => None,
    };
    tokens(sql).into_iter().filter_map(ident).collect()
}
