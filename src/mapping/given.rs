//! Which columns an INSERT gives values to, and which the table numbers by itself.

use super::lexer::{Token, tokens};

/// Whether a statement gives values to this column itself, in an INSERT into that table.
pub fn gives(sql: &str, table: &str, column: &str) -> bool {
    let tokens = tokens(sql);
    let is = |token: &Token, word: &str| matches!(token, Token::Ident(name, false) if name == word);
    let mut rest = tokens.as_slice();
    while let Some(place) = rest
        .windows(2)
        .position(|two| matches!(two, [first, second] if is(first, "insert") && is(second, "into")))
    {
        rest = rest.get(place + 2..).unwrap_or_default();
        // The last part of the name is the table.
        let dotted = rest
            .iter()
            .take_while(|token| matches!(token, Token::Ident(_, true)));
        let named = dotted.count();
        let into_this = rest.get(named).is_some_and(|token| is(token, table));
        let mut behind = rest.get(named + 1..).unwrap_or_default();
        if let [first, _, more @ ..] = behind
            && is(first, "as")
        {
            behind = more;
        }
        let names_it = match behind.first() {
            // A query in brackets gives all columns.
            Some(Token::Open) => behind
                .iter()
                .take_while(|token| **token != Token::Close)
                .any(|token| is(token, column) || is(token, "select") || is(token, "with")),
            Some(first) => !is(first, "default"),
            None => false,
        };
        if into_this && names_it {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_insert_gives_is_told_from_what_it_only_names() {
        for (sql, given) in [
            (
                "insert into tickets (id, subject) values ($1, $2) returning id",
                true,
            ),
            (
                "insert into tickets (user_id, subject) select id, $1 from users where id = 5 returning id",
                false,
            ),
            ("INSERT INTO public.\"tickets\" AS t (\"id\") values ($1)", true),
            (
                "insert into shop.tickets as t (subject) values ($1) returning t.id",
                false,
            ),
            ("insert into tickets select $1, $2", true),
            ("insert into tickets (select $1, $2)", true),
            ("insert into tickets values ($1) returning id", true),
            ("insert into tickets default values returning id", false),
            ("insert into users (id) values (1) on conflict do nothing", false),
            (
                "with u as (insert into users (id) values (1) returning id) insert into tickets (subject) select 'a' from u",
                false,
            ),
            (
                "with u as (insert into users (x) values (1) returning x) insert into tickets (id) select x from u",
                true,
            ),
            ("select make_ticket($1, 'insert into tickets (id)')", false),
            ("insert into", false),
            ("insert into tickets", false),
        ] {
            assert_eq!(gives(sql, "tickets", "id"), given, "{sql}");
        }
    }
}
