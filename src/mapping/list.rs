//! Rows that hold a list (`expand`), of messages or of files: which element is which, whatever becomes of the list.
//!
//! An element is named by its row's key and by what `key` says of the element itself, where that is there. Where it is not
//! (no such entry, NULL, or only its place in the list), its *content* names it, and how many equal ones stand before it
//! in its row. A place is no name: it shifts.

use super::lexer::{Token, tokens};
use super::shape::{Shape, quote_ident};
use super::{bare_column, value_sql};
use crate::config::Expr;

/// The lateral join as SQL; a bare function call or subquery is made one.
pub fn lateral(expand: &Expr) -> String {
    let sql = expand.sql.trim();
    let sql = sql.strip_prefix(',').map_or(sql, str::trim);
    let is_join = match tokens(sql).first() {
        Some(Token::Ident(word, false)) => {
            ["cross", "join", "inner", "left", "right", "full", "natural"].contains(&word.as_str())
        }
        _ => false,
    };
    match is_join {
        true => sql.to_owned(),
        false if sql.to_lowercase().starts_with("lateral") => format!("cross join {sql}"),
        false => format!("cross join lateral {sql}"),
    }
}

/// The names in an expression, and whether a dot follows.
pub(super) fn idents(sql: &str) -> Vec<(String, bool)> {
    let ident = |token| match token {
        Token::Ident(name, dotted) => Some((name, dotted)),
        _ => None,
    };
    tokens(sql).into_iter().filter_map(ident).collect()
}

/// A list in a row.
pub(super) struct List<'a> {
    /// The row's alias.
    pub(super) alias: &'static str,
    /// The lateral join.
    pub(super) expand: Option<&'a Expr>,
    /// The entries of `key`.
    pub(super) key: &'a [Expr],
}

/// What [`List::numbered`] is made of.
pub(super) struct Numbered<'a> {
    /// The row with its list, and what else is joined.
    pub(super) from: &'a str,
    /// Which of it counts.
    pub(super) condition: &'a str,
    /// An element's place in its list, where that can be told; else they are counted as they come.
    pub(super) place: Option<String>,
    /// See [`List::identity`].
    pub(super) identity: &'a str,
    /// More outputs, each with its name.
    pub(super) outputs: &'a [String],
}

impl List<'_> {
    /// Whether an entry of `key` is a column of the row's own key.
    pub(super) fn is_of_row(entry: &Expr, shape: &Shape) -> bool {
        bare_column(entry, shape).is_some_and(|column| shape.key.iter().any(|key| key == column))
    }

    /// What the element itself says of its name.
    pub(super) fn own_parts<'s>(&'s self, shape: &'s Shape) -> impl Iterator<Item = &'s Expr> {
        let place = self.expand.and_then(|expand| place(&expand.sql));
        let own = move |entry: &&Expr| {
            !Self::is_of_row(entry, shape)
                && !is_place(entry, place.as_ref().map(|place| place.column.as_str()))
        };
        self.key.iter().filter(own)
    }

    /// The element's own name as a JSON array of texts; NULL where it has none.
    fn own_name(&self, shape: &Shape) -> String {
        let parts: Vec<String> = self
            .own_parts(shape)
            .map(|expr| format!("({})::pg_catalog.text", value_sql(expr, self.alias, shape)))
            .collect();
        if parts.is_empty() {
            return "null::pg_catalog.jsonb".to_owned();
        }
        let there: Vec<String> = parts.iter().map(|part| format!("{part} is not null")).collect();
        format!(
            "case when {} then pg_catalog.jsonb_build_array({}) end",
            there.join(" and "),
            parts.join(", ")
        )
    }

    /// What tells an element from the others of its row, as text: its own name, else its content, of these texts.
    pub(super) fn identity(&self, shape: &Shape, content: &[String]) -> String {
        let content: Vec<String> = content
            .iter()
            .map(|text| format!("coalesce({text}, '')"))
            .collect();
        format!(
            "coalesce('i' OPERATOR(pg_catalog.||) ({})::pg_catalog.text, 'c' OPERATOR(pg_catalog.||) pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(\
             {}, 'UTF8')), 'hex'))",
            self.own_name(shape),
            content.join(" OPERATOR(pg_catalog.||) E'\\x01' OPERATOR(pg_catalog.||) ")
        )
    }

    /// An element's place in its list, as SQL; `None` where the list does not tell it (`with ordinality`).
    pub(super) fn place_sql(&self, shape: &Shape) -> Option<String> {
        let place = place(&self.expand?.sql)?;
        let entry = self.key.iter().find(|entry| {
            let names = idents(&entry.sql);
            names.iter().all(|(name, _)| name != "row_number") && is_place(entry, Some(place.column.as_str()))
        });
        Some(match (entry, &place.alias) {
            (Some(entry), _) => value_sql(entry, self.alias, shape),
            (None, Some(alias)) => format!("{}.{}", quote_ident(alias), quote_ident(&place.column)),
            (None, None) => quote_ident(&place.column),
        })
    }

    /// The elements as a subquery `e`: `key`, `identity`, `row_key`, `place` and the outputs.
    pub(super) fn numbered(&self, shape: &Shape, of: &Numbered<'_>) -> String {
        let row: Vec<String> = shape
            .key
            .iter()
            .map(|column| format!("{}.{}::pg_catalog.text", self.alias, quote_ident(column)))
            .collect();
        let outputs: String = of.outputs.iter().map(|output| format!(", {output}")).collect();
        // Where the place is told, a row of a join more is no element more.
        let (place, nth) = match &of.place {
            Some(place) => (format!("({place})::pg_catalog.int8"), "dense_rank"),
            None => ("pg_catalog.row_number() over ()".to_owned(), "row_number"),
        };
        format!(
            "(select *, (case when own is null
                 then row_parts OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_array(
                     '~' OPERATOR(pg_catalog.||) pg_catalog.substr(identity, 2, 32), nth::pg_catalog.text)
                 when nth OPERATOR(pg_catalog.>) 1
                 then row_parts OPERATOR(pg_catalog.||) own OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_array(nth::pg_catalog.text)
                 else row_parts OPERATOR(pg_catalog.||) own end)::pg_catalog.text as key
             from (select *, pg_catalog.{nth}() over (partition by row_key, identity order by place) as nth
               from (select {place} as place, {} as row_key,
                   pg_catalog.jsonb_build_array({}) as row_parts, {} as own, {} as identity{outputs}
                 from {}\nwhere {}) found) counted) e",
            shape.key_sql(self.alias),
            row.join(", "),
            self.own_name(shape),
            of.identity,
            of.from,
            of.condition,
        )
    }
}

/// Where `WITH ORDINALITY` gives the place.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    alias: Option<String>,
    column: String,
}

/// The same in a lateral join.
fn place(expand: &str) -> Option<Place> {
    let tokens = tokens(expand);
    let is = |at: usize, word: &str| matches!(tokens.get(at), Some(Token::Ident(name, _)) if name == word);
    let at = (0..tokens.len()).find(|at| is(*at, "with") && is(at + 1, "ordinality"))?;
    let mut at = at + 2;
    if is(at, "as") {
        at += 1;
    }
    let alias = match tokens.get(at) {
        Some(Token::Ident(name, _)) => Some(name.clone()),
        _ => None,
    };
    let mut names = Vec::new();
    if let Some(Token::Open) = tokens.get(at + 1) {
        for token in tokens.iter().skip(at + 2) {
            match token {
                Token::Ident(name, _) => names.push(name.clone()),
                Token::Comma => {}
                _ => break,
            }
        }
    }
    let column = match names.as_slice() {
        [_, .., last] => last.clone(),
        _ => "ordinality".to_owned(),
    };
    Some(Place { alias, column })
}

/// Whether an entry of `key` only says where the message stands.
fn is_place(entry: &Expr, place: Option<&str>) -> bool {
    let names = idents(&entry.sql);
    let first = names.iter().find(|(_, dotted)| !dotted);
    names.iter().any(|(name, _)| name == "row_number")
        || (names.len() <= 3 && first.zip(place).is_some_and(|((name, _), place)| name == place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expr(sql: &str) -> Expr {
        Expr {
            sql: sql.into(),
            span: 0..0,
            name: "x".into(),
        }
    }

    #[test]
    fn a_list_becomes_a_lateral_join() {
        for (expand, sql) in [
            ("cross join lateral f(m.x) e", "cross join lateral f(m.x) e"),
            (
                "left join lateral f(m.x) e on true",
                "left join lateral f(m.x) e on true",
            ),
            (
                "f(m.x) with ordinality e(v, n)",
                "cross join lateral f(m.x) with ordinality e(v, n)",
            ),
            (", f(m.x) e", "cross join lateral f(m.x) e"),
            ("lateral (select 1) e", "cross join lateral (select 1) e"),
            ("(select 1) e", "cross join lateral (select 1) e"),
        ] {
            assert_eq!(lateral(&expr(expand)), sql);
        }
    }

    #[test]
    fn a_place_in_the_list_is_no_name() {
        let with =
            |columns: &str| format!("cross join lateral jsonb_array_elements(m.x) with ordinality {columns}");
        for (columns, entry, expected) in [
            ("as e(value, nr)", "nr", true),
            ("as e(value, nr)", "e.nr", true),
            ("as e(value, nr)", "e.nr::text", true),
            ("e(value, \"Nr\")", "e.\"Nr\"", true),
            ("as e", "ordinality", true),
            ("as e", "e.ordinality", true),
            ("as e(v)", "ordinality", true),
            ("as e(value, nr)", "e.value->>'nr'", false),
            ("as e(value, nr)", "value", false),
            ("as e(value, nr)", "row_number() over ()", true),
        ] {
            let found = is_place(
                &expr(entry),
                place(&with(columns)).as_ref().map(|place| place.column.as_str()),
            );
            assert_eq!(found, expected, "{columns}: {entry}");
        }
        assert_eq!(place("cross join lateral f(m.x) e(v, n)"), None);
    }
}
