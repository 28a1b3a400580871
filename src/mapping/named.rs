//! Which columns of the mapped tables the mapping names, and where: what they mean is what the mapping means.

use std::collections::BTreeMap;

use super::lexer::{Token, tokens};
use super::read::{mentioned, message_expressions, ticket_expressions};
use super::{Shape, attachment, write};
use crate::config::{Attachment, Config, Expr};
use crate::model::{Kind, RelationName};

/// What stands between two expressions.
pub const BETWEEN: &str = "\u{1f}";

/// A column that the mapping reads or writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedColumn {
    pub relation: RelationName,
    pub column: String,
    /// The expressions that name it, as they stand in the config, with [`BETWEEN`] between them.
    pub named_in: String,
}

/// What has been found, each column once.
#[derive(Default)]
struct Named<'a>(BTreeMap<(&'a str, &'a str, String), Vec<&'a str>>);

impl<'a> Named<'a> {
    fn add(&mut self, shape: &'a Shape, column: &str, sql: &'a str) {
        // A key is watched by itself.
        if shape.key.iter().any(|key| key == column) || shape.column(column).is_none() {
            return;
        }
        let name = &shape.relation;
        let named_in = self.0.entry((&name.schema, &name.table, column.to_owned()));
        let named_in = named_in.or_default();
        if !named_in.contains(&sql) {
            named_in.push(sql);
        }
    }

    /// What a section reads of its own row.
    fn own(&mut self, shape: &'a Shape, alias: &str, expressions: &[&'a Expr]) {
        for expression in expressions {
            for column in mentioned(&[expression], alias, shape) {
                self.add(shape, &column, &expression.sql);
            }
        }
    }

    /// What a section reads of another one's row, which it has to name by its alias.
    fn of_other(&mut self, shape: &'a Shape, alias: &str, expressions: &[&'a Expr]) {
        for expression in expressions {
            let mut follows = false;
            for token in tokens(&expression.sql) {
                match token {
                    Token::Ident(name, _) if follows => {
                        self.add(shape, &name, &expression.sql);
                        follows = false;
                    }
                    Token::Ident(name, dotted) => follows = dotted && name == alias,
                    Token::Star if follows => {
                        for column in &shape.columns {
                            self.add(shape, &column.name, &expression.sql);
                        }
                        follows = false;
                    }
                    _ => follows = false,
                }
            }
        }
    }
}

/// All of them but the keys. The tables that are not there now are left out.
pub fn named_columns(
    config: &Config,
    ticket: Option<&Shape>,
    message: Option<&Shape>,
    attachments: &[(&Attachment, &Shape)],
) -> Vec<NamedColumn> {
    let mut named = Named::default();
    let of_message = config
        .message
        .as_ref()
        .map(message_expressions)
        .unwrap_or_default();
    let written: Vec<(&String, &Expr)> = config.reply.iter().flat_map(assigned).collect();
    if let Some(shape) = ticket {
        named.own(shape, "t", &ticket_expressions(&config.ticket));
        named.of_other(shape, "t", &of_message);
        let values: Vec<&Expr> = written.iter().map(|(_, value)| *value).collect();
        named.own(shape, "t", &values);
        for attachment in &config.attachments {
            named.of_other(shape, "t", &attachment::expressions(attachment));
        }
    }
    if let Some(shape) = message {
        named.own(shape, "m", &of_message);
        for (column, value) in &written {
            named.add(shape, column, &value.sql);
        }
        for attachment in &config.attachments {
            named.of_other(shape, "m", &attachment::expressions(attachment));
        }
    }
    for (attachment, shape) in attachments {
        named.own(shape, "a", &attachment::expressions(attachment));
    }
    let columns = named.0.into_iter();
    let column = |((schema, table, column), named_in): ((&str, &str, String), Vec<&str>)| NamedColumn {
        relation: RelationName {
            schema: schema.to_owned(),
            table: table.to_owned(),
        },
        column,
        named_in: named_in.join(BETWEEN),
    };
    columns.map(column).collect()
}

/// What `[reply]` sets, for both kinds of authors.
fn assigned(reply: &crate::config::Reply) -> Vec<(&String, &Expr)> {
    let of = |kind| write::assignments(reply, kind);
    of(Kind::Agent).into_iter().chain(of(Kind::Customer)).collect()
}
