//! What the catalog says of a table that the mapping names.

use crate::model::RelationName;

/// A column of a mapped table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, unquoted.
    pub name: String,
    /// The type that its text is cast to: schema-qualified, quoted, a domain's base type, without type modifier.
    pub cast: String,
    /// The operator that finds equal values of that type, with its schema: what these statements add to the site's own
    /// expressions runs on the site's path, and must not resolve to what somebody has put there (rule 4).
    pub equals: String,
    /// Values that are equal may be written otherwise: 7 and 7.0, two spellings of a `citext`.
    pub loose: bool,
    /// The server makes it of other columns, and may leave it out of the stream: an image without it says nothing.
    pub generated: bool,
}

/// Equality of the server's own types.
pub const EQUALS: &str = "OPERATOR(pg_catalog.=)";

/// A mapped table as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The table.
    pub relation: RelationName,
    /// Key columns in the order of the key.
    pub key: Vec<String>,
    pub columns: Vec<Column>,
}

impl Shape {
    /// The qualified and quoted name.
    pub fn sql(&self) -> String {
        format!(
            "{}.{}",
            quote_ident(&self.relation.schema),
            quote_ident(&self.relation.table)
        )
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// A key column that the server generates: the stream may not hold it.
    pub fn generated_key(&self) -> Option<&str> {
        let mut key = self.key.iter().map(String::as_str);
        key.find(|name| self.column(name).is_some_and(|column| column.generated))
    }

    /// The cast type of each key column.
    pub fn key_casts(&self) -> Vec<&str> {
        self.key
            .iter()
            .map(|name| {
                self.column(name)
                    .map_or("pg_catalog.text", |column| column.cast.as_str())
            })
            .collect()
    }

    /// The operator that finds equal values of each key column.
    pub fn key_equals(&self) -> Vec<&str> {
        self.key
            .iter()
            .map(|name| self.column(name).map_or(EQUALS, |column| column.equals.as_str()))
            .collect()
    }

    /// `alias."k1" = $n::text::type and …`, the parameters counted from `first`.
    pub fn key_condition(&self, alias: &str, first: usize) -> String {
        self.key_is_text(alias, |n| format!("${}::pg_catalog.text", first + n))
    }

    /// The same for the texts of values: `text` gives that of each key column, the first of which is 0.
    pub fn key_is_text(&self, alias: &str, text: impl Fn(usize) -> String) -> String {
        let casts = self.key_casts().into_iter().enumerate();
        let values: Vec<String> = casts.map(|(n, cast)| format!("{}::{cast}", text(n))).collect();
        self.key_is(alias, &values)
    }

    /// `alias."k1" = value and …`, for values of the key's own types.
    pub fn key_is(&self, alias: &str, values: &[String]) -> String {
        let parts: Vec<String> = self
            .key
            .iter()
            .zip(self.key_equals())
            .zip(values)
            .map(|((column, equals), value)| format!("{alias}.{} {equals} {value}", quote_ident(column)))
            .collect();
        parts.join(" and ")
    }

    /// The same for the site's own expressions, which may be of other types. An operator of the server's own takes them
    /// as `=` would; one of an extension (citext) takes its own type only.
    pub fn key_joins(&self, alias: &str, expressions: &[String]) -> String {
        let values: Vec<String> = expressions
            .iter()
            .zip(self.key_casts())
            .zip(self.key_equals())
            .map(|((expression, cast), equals)| match equals == EQUALS {
                true => expression.clone(),
                false => format!("({expression})::{cast}"),
            })
            .collect();
        self.key_is(alias, &values)
    }

    /// Equal keys of it may be written otherwise.
    pub fn is_loose(&self) -> bool {
        let mut columns = self.key.iter().filter_map(|name| self.column(name));
        columns.any(|column| column.loose)
    }

    /// The texts of a key of this table that `values` give, which are of its types, and what to join for them. Where equal keys
    /// may be written otherwise they are as the table's own row writes them, if it is there: by its key's text it is known.
    pub fn keys_as_written(&self, values: &[String]) -> (Vec<String>, String) {
        if !self.is_loose() {
            let own = values.iter().map(|value| format!("{value}::pg_catalog.text"));
            return (own.collect(), String::new());
        }
        // As the stream writes it: a cast to text takes the blanks from the end of a `char`.
        let own = values
            .iter()
            .map(|value| format!("case when {value} is not null then pg_catalog.concat({value}) end"));
        let columns = self.key.iter().enumerate();
        let columns: Vec<String> = columns
            .map(|(n, name)| {
                format!(
                    "pg_catalog.concat(deskie_cdc_s.{}) as deskie_cdc_k{n}",
                    quote_ident(name)
                )
            })
            .collect();
        let join = format!(
            "left join lateral (select {} from {} deskie_cdc_s where {} limit 1) deskie_cdc_own on true",
            columns.join(", "),
            self.sql(),
            self.key_is("deskie_cdc_s", values)
        );
        let texts = own
            .enumerate()
            .map(|(n, text)| format!("coalesce(deskie_cdc_own.deskie_cdc_k{n}, {text})"));
        (texts.collect(), join)
    }

    /// The text of a column as the stream writes it: a cast to text takes the blanks from the end of a `char`.
    pub fn text_of(&self, alias: &str, column: &str) -> String {
        let value = format!("{alias}.{}", quote_ident(column));
        match self
            .column(column)
            .is_some_and(|column| column.cast.ends_with("bpchar"))
        {
            true => format!("case when {value} is not null then pg_catalog.concat({value}) end"),
            false => format!("{value}::pg_catalog.text"),
        }
    }

    /// An expression that gives the text of the key, as [`key_text`] does.
    pub fn key_sql(&self, alias: &str) -> String {
        let parts: Vec<String> = self
            .key
            .iter()
            .map(|column| self.text_of(alias, column))
            .collect();
        match parts.as_slice() {
            [one] => one.clone(),
            many => format!(
                "pg_catalog.jsonb_build_array({})::pg_catalog.text",
                many.join(", ")
            ),
        }
    }
}

/// The text of a key: the one value, or a JSON array of the values (contract: `:ticket`), written as Postgres writes
/// a jsonb array, since [`Shape::key_sql`] makes the same text in SQL.
pub fn key_text<S: AsRef<str>>(values: &[S]) -> String {
    match values {
        [one] => one.as_ref().to_owned(),
        many => {
            let values: Vec<String> = many
                .iter()
                .map(|value| serde_json::Value::String(value.as_ref().to_owned()).to_string())
                .collect();
            format!("[{}]", values.join(", "))
        }
    }
}

/// The values of a key of `columns` columns; `None` where the text is no such key.
pub fn key_values(text: &str, columns: usize) -> Option<Vec<String>> {
    if columns == 1 {
        return Some(vec![text.to_owned()]);
    }
    let values: Vec<String> = serde_json::from_str(text).ok()?;
    (values.len() == columns).then_some(values)
}

/// A name as an identifier: always in quotes, so that `user`, `createdAt` and `a"b` mean themselves.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The nearest of the names, if any is near.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .filter(|other| *other != name)
        .map(|other| {
            (
                strsim::jaro_winkler(&other.to_lowercase(), &name.to_lowercase()),
                other,
            )
        })
        .filter(|(score, _)| *score > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_survives_its_text(values in proptest::collection::vec(".*", 1..4)) {
            prop_assert_eq!(key_values(&key_text(&values), values.len()), Some(values));
        }
    }

    #[test]
    fn only_near_names_are_offered() {
        assert_eq!(
            nearest("emial", ["id", "email", "full_name"].into_iter()),
            Some("email")
        );
        assert_eq!(nearest("zzz", ["id", "email"].into_iter()), None);
    }
}
