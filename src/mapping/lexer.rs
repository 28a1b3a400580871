//! The lexer of `:names` in the user's SQL. It knows just enough of Postgres's lexical rules to tell a parameter
//! from everything that merely looks like one: strings, quoted identifiers, dollar quotes, comments, `::`, `:=` and
//! array slices.

/// A piece of SQL that matters to us; everything else is skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// An identifier or key word as Postgres sees it: unquoted ones in lower case. The flag says that a dot follows.
    Ident(String, bool),
    /// `:name`, with its place in bytes.
    Param(String, std::ops::Range<usize>),
    /// `*`
    Star,
    /// `=` standing alone, as in the SET list of an UPDATE.
    Equals,
    /// `,` at any depth.
    Comma,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;` outside of strings and comments.
    Semicolon,
}

/// What encloses the place that is being read.
#[derive(Clone, Copy, PartialEq)]
enum Bracket {
    Paren,
    /// `[` of an array constructor: a colon starts a parameter.
    Array,
    /// `[` of a subscript: a colon separates the bounds of a slice.
    Subscript,
}

/// Splits `sql` into [`Token`]s. Never fails: what is not understood is skipped, since Postgres will say what is wrong.
pub fn tokens(sql: &str) -> Vec<Token> {
    spanned(sql).into_iter().map(|(token, _)| token).collect()
}

/// The same, each with the place in bytes where it begins.
fn spanned(sql: &str) -> Vec<(Token, usize)> {
    let bytes = sql.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let mut found = Vec::new();
    let mut brackets: Vec<Bracket> = Vec::new();
    // Whether the last token can be subscripted: an identifier other than ARRAY, `)` or `]`.
    let mut subscriptable = false;
    let mut index = 0;
    while index < bytes.len() {
        let byte = at(index);
        match byte {
            b'\'' => {
                index = end_of_quoted(bytes, index, b'\'', false);
                subscriptable = false;
            }
            b'"' => {
                let end = end_of_quoted(bytes, index, b'"', false);
                let inner = sql.get(index + 1..end.saturating_sub(1)).unwrap_or_default();
                found.push((Token::Ident(inner.replace("\"\"", "\""), at(end) == b'.'), index));
                subscriptable = true;
                index = end;
            }
            b'-' if at(index + 1) == b'-' => {
                index = sql
                    .get(index..)
                    .and_then(|rest| rest.find('\n'))
                    .map_or(bytes.len(), |n| index + n);
            }
            b'/' if at(index + 1) == b'*' => index = end_of_comment(bytes, index),
            b'$' => match end_of_dollar_quoted(sql, index) {
                Some(end) => {
                    index = end;
                    subscriptable = false;
                }
                None => index += 1,
            },
            b':' if at(index + 1) == b':' || at(index + 1) == b'=' => index += 2,
            b':' if brackets.last() != Some(&Bracket::Subscript) && starts_name(at(index + 1)) => {
                let end = end_of_name(bytes, index + 1);
                let name = sql.get(index + 1..end).unwrap_or_default();
                found.push((Token::Param(name.to_owned(), index..end), index));
                subscriptable = true;
                index = end;
            }
            b'[' => {
                brackets.push(if subscriptable {
                    Bracket::Subscript
                } else {
                    Bracket::Array
                });
                subscriptable = false;
                index += 1;
            }
            b']' => {
                brackets.pop();
                subscriptable = true;
                index += 1;
            }
            b'(' => {
                brackets.push(Bracket::Paren);
                found.push((Token::Open, index));
                subscriptable = false;
                index += 1;
            }
            b')' => {
                brackets.pop();
                found.push((Token::Close, index));
                subscriptable = true;
                index += 1;
            }
            b'*' | b'=' | b',' | b';' => {
                let alone = !is_operator(at(index + 1)) && (index == 0 || !is_operator(at(index - 1)));
                match byte {
                    b'*' => found.push((Token::Star, index)),
                    b'=' if alone => found.push((Token::Equals, index)),
                    b',' => found.push((Token::Comma, index)),
                    b';' => found.push((Token::Semicolon, index)),
                    _ => {}
                }
                subscriptable = false;
                index += 1;
            }
            _ if starts_name(byte) => {
                let end = end_of_name(bytes, index);
                let name = sql.get(index..end).unwrap_or_default();
                // E'…' knows backslashes; B, X, N and U& strings do not.
                if at(end) == b'\'' && name.eq_ignore_ascii_case("e") {
                    index = end_of_quoted(bytes, end, b'\'', true);
                    subscriptable = false;
                    continue;
                }
                let name = folded(name);
                subscriptable = name != "array";
                found.push((Token::Ident(name, at(end) == b'.'), index));
                index = end;
            }
            b'0'..=b'9' => {
                index = end_of_name(bytes, index);
                subscriptable = false;
            }
            _ => {
                if !byte.is_ascii_whitespace() {
                    subscriptable = false;
                }
                index += 1;
            }
        }
    }
    found
}

/// Whether a statement makes a function for its own session alone, and does nothing else.
pub fn makes_session_function(sql: &str) -> bool {
    let mut rest = tokens(sql);
    if rest.last() == Some(&Token::Semicolon) {
        rest.pop();
    }
    let mut words = rest.iter().map_while(|token| match token {
        Token::Ident(word, dot) => Some((word.as_str(), *dot)),
        _ => None,
    });
    let mut next = words.next();
    let mut takes = |word: (&str, bool)| {
        let is_there = next == Some(word);
        if is_there {
            next = words.next();
        }
        is_there
    };
    let begins = takes(("create", false)) && (!takes(("or", false)) || takes(("replace", false)));
    begins && takes(("function", false)) && takes(("pg_temp", true)) && !rest.contains(&Token::Semicolon)
}

/// The conditions that an expression joins by AND, where it is certain that it does nothing else.
pub fn conjuncts(sql: &str) -> Vec<&str> {
    let whole = vec![sql];
    // What stands behind a comment would be part of it once it is taken out of its line.
    if sql.contains("--") {
        return whole;
    }
    let (mut depth, mut start, mut parts) = (0usize, 0, Vec::new());
    for (token, at) in spanned(sql) {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Ident(word, _) if depth == 0 && sql.as_bytes().get(at) != Some(&b'"') => {
                match word.as_str() {
                    "and" => {
                        parts.push(sql.get(start..at).unwrap_or_default());
                        start = at + word.len();
                    }
                    "or" | "case" | "between" | "select" | "array" => return whole,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    parts.push(sql.get(start..).unwrap_or_default());
    parts
}

/// A name without quotes as Postgres folds it: in UTF-8 the letters of ASCII alone.
pub fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Whether a text is one name without quotes.
pub(super) fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(starts_name) && end_of_name(bytes, 0) == bytes.len()
}

/// The dotted name that begins at a position (in characters, from 1, as Postgres counts) of a statement.
pub fn name_at(sql: &str, position: u32) -> Option<Vec<String>> {
    let start = sql
        .char_indices()
        .nth(usize::try_from(position).ok()?.checked_sub(1)?)?
        .0;
    let mut names = Vec::new();
    for token in tokens(sql.get(start..)?) {
        let Token::Ident(name, dotted) = token else { break };
        names.push(name);
        if !dotted {
            break;
        }
    }
    (!names.is_empty()).then_some(names)
}

fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?:".contains(&byte)
}

fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn end_of_name(bytes: &[u8], start: usize) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'$' || *byte >= 0x80;
    start + bytes.iter().skip(start).take_while(|byte| is_part(byte)).count()
}

/// The end of a quoted token that starts at `start`; a doubled quote is part of it.
fn end_of_quoted(bytes: &[u8], start: usize, quote: u8, backslashes: bool) -> usize {
    let mut index = start + 1;
    while let Some(&byte) = bytes.get(index) {
        if backslashes && byte == b'\\' {
            index += 2;
        } else if byte == quote {
            if bytes.get(index + 1) != Some(&quote) {
                return index + 1;
            }
            index += 2;
        } else {
            index += 1;
        }
    }
    bytes.len()
}

/// Comments nest in Postgres.
fn end_of_comment(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut index = start;
    while index < bytes.len() {
        match (bytes.get(index), bytes.get(index + 1)) {
            (Some(b'/'), Some(b'*')) => {
                depth += 1;
                index += 2;
            }
            (Some(b'*'), Some(b'/')) => {
                depth -= 1;
                index += 2;
                if depth == 0 {
                    return index;
                }
            }
            _ => index += 1,
        }
    }
    bytes.len()
}

fn end_of_dollar_quoted(sql: &str, start: usize) -> Option<usize> {
    let rest = sql.get(start..)?;
    let tag_length = rest.get(1..)?.find('$')? + 2;
    let tag = rest.get(..tag_length)?;
    let name = tag.get(1..tag_length - 1)?;
    let valid = name
        .chars()
        .enumerate()
        .all(|(n, c)| c == '_' || c.is_alphabetic() || (n > 0 && c.is_numeric()));
    if !valid {
        return None;
    }
    Some(
        rest.get(tag_length..)?
            .find(tag)
            .map_or(sql.len(), |n| start + tag_length * 2 + n),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn params(sql: &str) -> Vec<String> {
        tokens(sql)
            .into_iter()
            .filter_map(|token| match token {
                Token::Param(name, range) => {
                    assert_eq!(&sql[range], format!(":{name}"));
                    Some(name)
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_function_of_the_session_is_told_from_anything_else() {
        for (sql, expected) in [
            (
                "create function pg_temp.f(text) returns text language sql as $$ select $1; $$",
                true,
            ),
            (
                "\n CREATE OR REPLACE FUNCTION pg_temp.f() returns int language sql return 1;",
                true,
            ),
            (
                "create or replace function pg_temp.f() returns int language sql return 1; set role x",
                false,
            ),
            ("create function f() returns int language sql return 1", false),
            (
                "create function public.f() returns int language sql return 1",
                false,
            ),
            ("set role site_reader", false),
            ("create table pg_temp.t ()", false),
            ("select 'create function pg_temp.f'", false),
            ("", false),
        ] {
            assert_eq!(makes_session_function(sql), expected, "{sql}");
        }
    }

    #[test]
    fn parameters_are_told_from_what_looks_like_them() {
        for (sql, expected) in [
            (":ticket", vec!["ticket"]),
            (":ticket::int", vec!["ticket"]),
            ("x::int + :row", vec!["row"]),
            ("':text' || :text", vec!["text"]),
            ("'it''s :text' || :html", vec!["html"]),
            (r"E'\':text' || :kind", vec!["kind"]),
            (r"'\' || :kind", vec!["kind"]),
            ("$$ :text $$ || $a$ $$ :text $a$ || :html", vec!["html"]),
            ("\":text\" = :text", vec!["text"]),
            ("-- :text\n:html", vec!["html"]),
            ("/* /* :a */ :b */ :html", vec!["html"]),
            ("a[1:n] = :text", vec!["text"]),
            ("a[lo:hi]", vec![]),
            ("array[:text, :html]", vec!["text", "html"]),
            ("array[[:text]]", vec!["text"]),
            ("a[(:row)::int]", vec!["row"]),
            ("f(a := 1, b => :kind)", vec!["kind"]),
            ("left(:text, 255)", vec!["text"]),
            ("set x=:text", vec!["text"]),
            ("jsonb_build_object('k',:text)", vec!["text"]),
            ("'10:30'::time", vec![]),
        ] {
            assert_eq!(params(sql), expected, "{sql}");
        }
    }

    #[test]
    fn identifiers_are_folded_as_postgres_does() {
        assert_eq!(
            tokens("U.Email || \"createdAt\""),
            vec![
                Token::Ident("u".into(), true),
                Token::Ident("email".into(), false),
                Token::Ident("createdAt".into(), false)
            ]
        );
    }

    #[test]
    fn the_name_at_a_place_is_read_whole() {
        assert_eq!(
            name_at("select u.emial from x u", 8),
            Some(vec!["u".into(), "emial".into()])
        );
        assert_eq!(name_at("select ş, nmae from x", 11), Some(vec!["nmae".into()]));
        assert_eq!(name_at("select 1", 80), None);
    }

    #[test]
    fn conditions_are_told_apart_only_where_that_is_certain() {
        for (sql, expected) in [
            ("not m.private", vec!["not m.private"]),
            ("not m.private and u.active", vec!["not m.private ", " u.active"]),
            ("a AND (b and c) And d", vec!["a ", " (b and c) ", " d"]),
            ("a and b or c", vec!["a and b or c"]),
            ("a between 1 and 2 and b", vec!["a between 1 and 2 and b"]),
            (
                "case when a and b then c end",
                vec!["case when a and b then c end"],
            ),
            ("\"and\" and m.x = ' and '", vec!["\"and\" ", " m.x = ' and '"]),
            ("a -- b\n and c", vec!["a -- b\n and c"]),
            ("array[a and b] = x and c", vec!["array[a and b] = x and c"]),
        ] {
            assert_eq!(conjuncts(sql), expected, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(sql in "\\PC*") {
            let _ = tokens(&sql);
        }

        #[test]
        fn quoting_hides_any_text(text in "[^']*") {
            prop_assert_eq!(params(&format!("'{text}'")), Vec::<String>::new());
        }
    }
}
