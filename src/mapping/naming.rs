//! Which cells of a ticket's own row say who its customer is, and when it was made.
//!
//! A customer's address may change without a word of the ticket's row: that is the same customer. Only where these cells change
//! may the row have become another one's. So there must be none too many among them: of the joins only those count by which
//! the customer is found, and not that of a status.

use super::bare_column;
use super::lexer::{Token, tokens};
use super::shape::{Shape, quote_ident};
use crate::config::{Expr, Ticket};

/// The cells as JSON, by what they say and by their columns.
pub(super) fn named_by_sql(config: &Ticket, shape: &Shape) -> String {
    let customer = &config.customer;
    let naming = [
        &config.channel,
        &customer.email,
        &customer.phone,
        &customer.custom_id,
    ];
    let naming: Vec<&Expr> = naming.into_iter().flatten().collect();
    let making: Vec<&Expr> = config.created_at.iter().collect();
    let [customer, created_at] =
        [naming, making].map(|expressions| cells_sql(&columns(&expressions, config.join.as_ref(), shape)));
    format!(
        "pg_catalog.jsonb_build_object('customer', {customer}, 'created_at', {created_at})::pg_catalog.text"
    )
}

fn cells_sql(columns: &[String]) -> String {
    let cell = |column: &String| {
        let name = column.replace('\'', "''");
        format!("'{name}', t.{}::pg_catalog.text", quote_ident(column))
    };
    let cells: Vec<String> = columns.iter().map(cell).collect();
    format!("pg_catalog.jsonb_build_object({})", cells.join(", "))
}

/// The columns of the ticket's row, but for its key, that these expressions may read, be it through joins.
fn columns(expressions: &[&Expr], join: Option<&Expr>, shape: &Shape) -> Vec<String> {
    let mut read: Vec<Token> = expressions
        .iter()
        .flat_map(|expression| tokens(&expression.sql))
        .collect();
    let names_own = read
        .iter()
        .any(|token| matches!(token, Token::Ident(name, false) if shape.column(name).is_some()));
    let is_qualified = read.iter().any(|token| matches!(token, Token::Ident(_, true)));
    for part in join
        .map(|join| joins(&join.sql))
        .unwrap_or_default()
        .into_iter()
        .rev()
    {
        let is_named = |name: &str| {
            read.iter()
                .any(|token| matches!(token, Token::Ident(of, true) if of == name))
        };
        let is_needed = part
            .iter()
            .any(|token| matches!(token, Token::Ident(name, false) if is_named(name)));
        // What names nothing of its own row may be of any of them.
        if is_needed || !names_own && !is_qualified {
            read.extend(part);
        }
    }
    let is_read = |name: &String| {
        let is_bare = expressions
            .iter()
            .any(|expression| bare_column(expression, shape) == Some(name));
        is_bare
            || read
                .iter()
                .any(|token| matches!(token, Token::Ident(of, false) if of == name))
    };
    let names = shape.columns.iter().map(|column| &column.name);
    names
        .filter(|name| !shape.key.contains(name) && is_read(name))
        .cloned()
        .collect()
}

/// The joins one by one: each from its JOIN to the next one outside of brackets.
fn joins(sql: &str) -> Vec<Vec<Token>> {
    let (mut parts, mut depth) = (vec![Vec::new()], 0_usize);
    for token in tokens(sql) {
        match &token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Ident(name, false) if depth == 0 && name == "join" => parts.push(Vec::new()),
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(token);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::shape::{Column, EQUALS};
    use crate::model::RelationName;

    fn expr(sql: &str) -> Expr {
        Expr {
            sql: sql.to_owned(),
            span: 0..0,
            name: String::new(),
        }
    }

    #[test]
    fn of_the_joins_only_those_count_by_which_the_customer_is_found() {
        let names = [
            "id",
            "user_id",
            "status_id",
            "account_id",
            "email",
            "subject",
            "created_at",
        ];
        let shape = Shape {
            columns: names
                .map(|name| Column {
                    name: name.to_owned(),
                    cast: "text".to_owned(),
                    equals: EQUALS.to_owned(),
                    loose: false,
                    generated: false,
                })
                .into(),
            key: vec!["id".to_owned()],
            relation: RelationName {
                schema: "public".to_owned(),
                table: "tickets".to_owned(),
            },
        };
        let join = expr(
            "left join accounts a on a.id = t.account_id JOIN public.users AS u ON u.id = a.owner_id \
             join statuses s on s.id = t.status_id left join lateral (select x.n from x join y on y.id = t.subject) z on true",
        );
        let of = |sql: &str| columns(&[&expr(sql)], Some(&join), &shape);
        assert_eq!(of("u.mail"), ["account_id"]);
        assert_eq!(of("coalesce(t.email, u.mail)"), ["account_id", "email"]);
        assert_eq!(of("t.email"), ["email"]);
        assert_eq!(of("email"), ["email"]);
        assert_eq!(
            of("(select u.mail from users u where u.id = t.user_id)"),
            ["user_id", "account_id"]
        );
        assert_eq!(of("z.n"), ["subject"]);
        assert_eq!(of("s.name"), ["status_id"]);
        assert_eq!(
            of("lower(mail)"),
            ["user_id", "status_id", "account_id", "subject"][1..]
        );
        assert_eq!(
            columns(&[&expr("created_at")], Some(&join), &shape),
            ["created_at"]
        );
    }
}
