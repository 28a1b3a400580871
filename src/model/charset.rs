//! What a database that is not in UTF-8 can hold, and how what it holds is read.
//!
//! The stream is asked for in the database's own encoding: were the server to convert it, one byte without an equivalent
//! in UTF-8 would stop it for ever (rule 19). What comes from Deskie is fitted to what the database can hold, a character that it
//! lacks becomes `?`: else a statement would be refused for it, again and again.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use encoding_rs::Encoding;
use serde_json::Value;

/// A database's encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Charset {
    encoding: Option<&'static Encoding>,
    /// To the server the bytes from 0x80 to 0x9f are control characters; the web takes Windows' superset for it.
    is_iso: bool,
}

/// The encoding of the database that this process works with.
static OURS: RwLock<Charset> = RwLock::new(Charset {
    encoding: None,
    is_iso: false,
});

/// Whether it was told that a character was replaced.
static TOLD: AtomicBool = AtomicBool::new(false);

/// <https://www.postgresql.org/docs/current/multibyte.html>: the server's names of encodings, and those of the web that
/// hold the same characters.
const NAMES: [(&str, &str); 27] = [
    ("LATIN1", "windows-1252"),
    ("LATIN2", "iso-8859-2"),
    ("LATIN3", "iso-8859-3"),
    ("LATIN4", "iso-8859-4"),
    ("LATIN5", "windows-1254"),
    ("LATIN6", "iso-8859-10"),
    ("LATIN7", "iso-8859-13"),
    ("LATIN8", "iso-8859-14"),
    ("LATIN9", "iso-8859-15"),
    ("LATIN10", "iso-8859-16"),
    ("ISO_8859_5", "iso-8859-5"),
    ("ISO_8859_6", "iso-8859-6"),
    ("ISO_8859_7", "iso-8859-7"),
    ("ISO_8859_8", "iso-8859-8"),
    ("WIN866", "ibm866"),
    ("WIN874", "windows-874"),
    ("WIN1250", "windows-1250"),
    ("WIN1251", "windows-1251"),
    ("WIN1252", "windows-1252"),
    ("WIN1253", "windows-1253"),
    ("WIN1254", "windows-1254"),
    ("WIN1255", "windows-1255"),
    ("WIN1256", "windows-1256"),
    ("WIN1257", "windows-1257"),
    ("WIN1258", "windows-1258"),
    ("KOI8R", "koi8-r"),
    ("KOI8U", "koi8-u"),
];

impl Charset {
    /// By the name that `server_encoding` has; `None`: what the server converts to UTF-8 itself, or leaves as it is.
    pub fn named(server_encoding: &str) -> Option<Charset> {
        let (_, label) = NAMES.iter().find(|(name, _)| *name == server_encoding)?;
        Some(Charset {
            encoding: Some(Encoding::for_label(label.as_bytes())?),
            is_iso: server_encoding.starts_with("LATIN"),
        })
    }

    /// The text of bytes. What is none becomes U+FFFD in UTF-8, and `?` in a database that could not hold that.
    pub fn text(self, bytes: &[u8]) -> String {
        let Some(encoding) = self.encoding else {
            return String::from_utf8_lossy(bytes).into_owned();
        };
        let (text, _) = encoding.decode_without_bom_handling(bytes);
        self.fit(&text).into_owned()
    }

    /// The text with what the database cannot hold replaced.
    pub fn fit(self, text: &str) -> Cow<'_, str> {
        match self.encoding {
            Some(_) if !text.is_ascii() && !text.chars().all(|c| self.holds(c)) => Cow::Owned(
                text.chars()
                    .map(|c| if self.holds(c) { c } else { '?' })
                    .collect(),
            ),
            _ => Cow::Borrowed(text),
        }
    }

    fn holds(self, c: char) -> bool {
        let Some(encoding) = self.encoding else {
            return true;
        };
        // Bytes without a character are control characters to the web, and nothing to the server.
        if c.is_ascii() || ('\u{80}'..'\u{a0}').contains(&c) || c == '\u{fffd}' {
            return c.is_ascii();
        }
        let mut buffer = [0; 4];
        let (bytes, _, unmappable) = encoding.encode(c.encode_utf8(&mut buffer));
        let is_control = self.is_iso && bytes.iter().any(|byte| (0x80..0xa0).contains(byte));
        !unmappable && !is_control
    }
}

/// Notes the encoding of the database that this process works with.
pub fn is_database_of(server_encoding: &str) {
    let charset = Charset::named(server_encoding).unwrap_or_default();
    *OURS.write().unwrap_or_else(PoisonError::into_inner) = charset;
}

/// What came from outside, with what our database cannot hold replaced; that is told once.
pub fn fitted(mut value: Value) -> Value {
    let charset = *OURS.read().unwrap_or_else(PoisonError::into_inner);
    if charset.encoding.is_some() && fit_value(charset, &mut value) && !TOLD.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "Deskie holds characters that the database's encoding lacks: each of them becomes `?`"
        );
    }
    value
}

/// Whether anything was replaced.
fn fit_value(charset: Charset, value: &mut Value) -> bool {
    // All of them, whatever the first says.
    let count = |replaced: Vec<bool>| replaced.contains(&true);
    match value {
        Value::String(text) => match charset.fit(text) {
            Cow::Owned(fitted) => {
                *text = fitted;
                true
            }
            Cow::Borrowed(_) => false,
        },
        Value::Array(items) => count(items.iter_mut().map(|item| fit_value(charset, item)).collect()),
        Value::Object(object) => count(object.values_mut().map(|item| fit_value(charset, item)).collect()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_lacks_is_replaced() {
        let check = |name: &str, text: &str, expected: &str| {
            assert_eq!(Charset::named(name).unwrap().fit(text), expected, "{name}");
        };
        check("LATIN5", "\u{15f}ey \u{1f600} \u{20ac}", "\u{15f}ey ? ?");
        check("WIN1254", "\u{15f}ey \u{1f600} \u{20ac}", "\u{15f}ey ? \u{20ac}");
        check(
            "WIN1251",
            "\u{442}\u{435}\u{441}\u{442} \u{e9}",
            "\u{442}\u{435}\u{441}\u{442} ?",
        );
        check("LATIN1", "caf\u{e9} \u{2019}", "caf\u{e9} ?");
        assert_eq!(Charset::default().fit("\u{1f600}"), "\u{1f600}");
        assert!(Charset::named("UTF8").is_none() && Charset::named("SQL_ASCII").is_none());
    }

    #[test]
    fn every_byte_of_every_encoding_is_a_text_that_the_database_can_hold() {
        let all: Vec<u8> = (1..=255).collect();
        for (name, _) in NAMES {
            let charset = Charset::named(name).unwrap();
            let text = charset.text(&all);
            assert_eq!(charset.fit(&text), text, "{name}");
            assert_eq!(text.chars().count(), 255, "{name}");
        }
        assert_eq!(Charset::default().text(b"a\xffb"), "a\u{fffd}b");
    }
}
