//! `[deskie] site`: what goes before the key in the ticket field, so that several sites share one account and one field.
//!
//! The field holds `site:key` then. A case whose field names another site is that site's, and none of our business. A
//! value without any site is of the time before this site had a name (or of one that has none).

use super::Deskie;
use super::value::Problem;

/// The longest name of a site, in characters.
const LONGEST: usize = 32;

/// What a value of the ticket field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// A ticket of this site, by its key.
    Ours(&'a str),
    /// A ticket of a site without a name, by its key.
    Nameless(&'a str),
    /// A ticket of another site.
    OtherSite,
}

/// Letters, digits, `-`, `_` and `.`: nothing that a key's JSON array begins with, and no `:`.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= LONGEST && text.chars().all(fits)
}

/// Reads `[deskie] site`.
pub(super) fn parse(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(
        "is not a site's name",
        format!("1 to {LONGEST} letters (a-z), digits, `-`, `_`, `.`, e.g. \"shop1\""),
    ))
}

impl Deskie {
    /// What the ticket field of a ticket's case holds.
    pub fn field_value(&self, key: &str) -> String {
        match &self.site {
            Some(site) => format!("{site}:{key}"),
            None => key.to_owned(),
        }
    }

    /// What a value of the ticket field names; without `site` any value is a key.
    pub fn named<'a>(&self, value: &'a str) -> Named<'a> {
        let value = value.trim();
        let Some(site) = &self.site else {
            return Named::Ours(value);
        };
        match value.split_once(':') {
            Some((name, key)) if name == site => Named::Ours(key.trim()),
            Some((name, key)) if is_name(name) && !key.is_empty() => Named::OtherSite,
            _ => Named::Nameless(value),
        }
    }

    /// Whether a case whose field holds `claims` is that of a ticket whose case was known to hold `held`: a person, or an
    /// installation that got its name later, may have written the same key with or without the site.
    pub fn is_claim_of(&self, claims: &str, held: &str) -> bool {
        let plain = |value: &'_ str| match self.named(value) {
            Named::Ours(key) | Named::Nameless(key) => key.to_owned(),
            Named::OtherSite => value.trim().to_owned(),
        };
        plain(claims) == plain(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deskie(site: Option<&str>) -> Deskie {
        Deskie {
            site: site.map(str::to_owned),
            ..crate::config::tests::sample_config().deskie
        }
    }

    #[test]
    fn a_value_names_its_site() {
        use Named::{Nameless, OtherSite, Ours};
        let named = deskie(Some("shop1"));
        for (value, expected) in [
            ("shop1:42", Ours("42")),
            (" shop1:42 ", Ours("42")),
            ("shop1:a:b", Ours("a:b")),
            ("shop1:[\"7\", \"9\"]", Ours("[\"7\", \"9\"]")),
            ("shop10:42", OtherSite),
            ("shop2:42", OtherSite),
            ("42", Nameless("42")),
            ("[\"7:1\", \"9\"]", Nameless("[\"7:1\", \"9\"]")),
            ("two words: 3", Nameless("two words: 3")),
            ("shop2:", Nameless("shop2:")),
        ] {
            assert_eq!(named.named(value), expected, "{value}");
        }
        let nameless = deskie(None);
        assert_eq!(nameless.named(" shop1:42 "), Ours("shop1:42"));
        assert_eq!(
            (named.field_value("42"), nameless.field_value("42")),
            ("shop1:42".to_owned(), "42".to_owned())
        );
    }

    #[test]
    fn a_claim_is_the_same_with_the_site_and_from_before_it() {
        let named = deskie(Some("shop1"));
        for (claims, held, expected) in [
            ("shop1:42", "shop1:42", true),
            ("42", "42", true),
            ("shop1:42", "42", true),
            ("42", "shop1:42", true),
            ("shop2:42", "shop2:42", true),
            ("shop2:42", "42", false),
            ("shop2:42", "shop1:42", false),
            ("43", "42", false),
        ] {
            assert_eq!(named.is_claim_of(claims, held), expected, "{claims} {held}");
        }
        assert!(!deskie(None).is_claim_of("shop1:42", "42"));
    }
}
