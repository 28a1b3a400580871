//! Names and texts put into SQL.

pub use crate::mapping::shape::quote_ident;
use crate::model::RelationName;

/// A text as a literal, right whatever `standard_conforming_strings` is.
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

/// A table's name with its schema, both quoted.
pub fn qualified(name: &RelationName) -> String {
    format!("{}.{}", quote_ident(&name.schema), quote_ident(&name.table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_mean_themselves() {
        assert_eq!(quote_ident("user"), r#""user""#);
        assert_eq!(quote_ident(r#"a"b"#), r#""a""b""#);
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal(r"a\'b"), r"E'a\\''b'");
        let name = RelationName {
            schema: "Public".into(),
            table: "a.b".into(),
        };
        assert_eq!(qualified(&name), r#""Public"."a.b""#);
    }
}
