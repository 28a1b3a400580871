//! PURE: the JSON of an answer or a webhook, however it comes. serde_json and Postgres each refuse a whole page for one
//! character of one message, so what they would refuse is mended before they see it (rule 19), here and nowhere else:
//!
//! - bytes that are not UTF-8, half a surrogate pair (`\ud83d` alone): U+FFFD;
//! - U+0000, which no text of Postgres can hold: taken out;
//! - raw control characters in a string, an escape that is none: escaped;
//! - a number that is none (`1e999`, `NaN`, `007`), a value that nests without end: `null`;
//! - a byte order mark, a PHP notice before the JSON, a comment or another notice behind it: passed over.
//!
//! What breaks off, or is broken beyond that, stays unreadable: a part of a list must never be taken for all of it.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::error::Category;

/// No answer nests as deep; serde_json reads 128 levels.
const DEEPEST: usize = 100;

/// So many places are tried at most at which JSON might begin.
const BEGINNINGS: usize = 64;

/// What was read.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    /// The JSON.
    pub value: Value,
    /// Something that is not JSON stood before or behind it.
    pub surrounded: bool,
    /// It was not as JSON should be.
    pub mended: bool,
}

/// Why nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// There is nothing.
    Empty,
    /// A page for people: whoever answered, it was not the API.
    Page,
    /// JSON that breaks off.
    CutOff,
    /// Anything else.
    NotJson,
}

impl Unread {
    /// What the answer looked like, for the operator.
    pub fn looks(self) -> &'static str {
        match self {
            Unread::Empty => "without a body",
            Unread::Page => "with an HTML page instead of JSON",
            Unread::CutOff => "with JSON that breaks off",
            Unread::NotJson => "with a body that is not JSON",
        }
    }
}

/// Reads the JSON in a body. What has something around it counts only where `is_answer` knows it for an answer: a page's
/// script holds `{}` as well.
pub(super) fn read(body: &[u8], is_answer: impl Fn(&Value) -> bool) -> Result<Parsed, Unread> {
    let may_hold_nul = body.windows(6).any(|window| window == b"\\u0000");
    if !may_hold_nul && let Ok(value) = serde_json::from_slice(body) {
        return Ok(Parsed {
            value,
            surrounded: false,
            mended: false,
        });
    }
    let whole = String::from_utf8_lossy(body);
    let text = whole.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0');
    if text.is_empty() {
        return Err(Unread::Empty);
    }
    let unread = match text.starts_with('<') {
        true => Unread::Page,
        false => Unread::NotJson,
    };
    let mut found: Vec<(usize, Parsed)> = Vec::new();
    let mut at = 0;
    for _ in 0..BEGINNINGS {
        let Some(start) = next_beginning(text, at) else {
            break;
        };
        let rest = text.get(start..).unwrap_or_default();
        let (json, end) = mended(rest);
        match serde_json::from_str::<Value>(&json) {
            Ok(value) => {
                let length = end.unwrap_or(rest.len());
                at = start + length;
                let before = text.get(..start).unwrap_or_default();
                let (json_before, after) = (rest.get(..length), rest.get(length..).unwrap_or_default());
                // A part of something larger that is broken is never taken for the whole.
                if before.is_empty() || !is_inside(before, after) {
                    let odd = Parsed {
                        value,
                        surrounded: !before.is_empty() || !after.is_empty(),
                        mended: json_before != Some(json.as_str()) || matches!(whole, Cow::Owned(_)),
                    };
                    found.push((length, odd));
                }
            }
            // Up to where it ends it is JSON: what stands inside is a part of it.
            Err(error) if error.classify() == Category::Eof => {
                return Err(match unread {
                    Unread::Page => Unread::Page,
                    _ => Unread::CutOff,
                });
            }
            Err(_) => at = start + 1,
        }
    }
    // The longest one is the answer: a notice quotes but a few words.
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    let mut answer = found
        .into_iter()
        .map(|(_, found)| found)
        .find(|found| !found.surrounded || is_answer(&found.value))
        .ok_or(unread)?;
    // A mark that stands before it is nothing that its meaning could hang on.
    answer.surrounded |= whole.trim().len() != text.len();
    Ok(answer)
}

/// Where an object or a list may begin, at or behind `from`: what people write in braces begins otherwise.
fn next_beginning(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    rest.match_indices(['{', '[']).find_map(|(at, opening)| {
        let next = rest.get(at + 1..)?.trim_start().chars().next()?;
        let fits = match opening {
            "{" => matches!(next, '"' | '}'),
            _ => matches!(next, '{' | ']'),
        };
        fits.then_some(from + at)
    })
}

/// Whether what stands around a value shows that it is a member of something.
fn is_inside(before: &str, after: &str) -> bool {
    let before = before.trim_end();
    let is_value = before
        .strip_suffix(':')
        .is_some_and(|key| key.trim_end().ends_with('"'));
    is_value || before.ends_with([',', '[']) || after.trim_start().starts_with([',', '}', ']'])
}

/// The value at the start of a text, mended, and where it ends; `None`: it does not.
pub(super) fn mended(text: &str) -> (String, Option<usize>) {
    let mut json = String::with_capacity(text.len().min(1 << 20));
    let (mut depth, mut at) = (0usize, 0usize);
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        let is_shown = depth <= DEEPEST;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                match depth.cmp(&(DEEPEST + 1)) {
                    std::cmp::Ordering::Less => json.push(char::from(*byte)),
                    std::cmp::Ordering::Equal => json.push_str("null"),
                    std::cmp::Ordering::Greater => {}
                }
                at += 1;
            }
            b'}' | b']' => {
                if is_shown {
                    json.push(char::from(*byte));
                }
                depth = depth.saturating_sub(1);
                at += 1;
                if depth == 0 {
                    return (json, Some(at));
                }
            }
            b'"' => {
                let (string, length) = string(text.get(at..).unwrap_or_default());
                if is_shown {
                    json.push_str(&string);
                }
                at += length;
            }
            b'+' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                let rest = text.get(at..).unwrap_or_default();
                let is_word = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                if is_shown {
                    let word = rest.get(..length).unwrap_or_default();
                    let is_value = matches!(word, "true" | "false" | "null")
                        || serde_json::from_str::<serde_json::Number>(word).is_ok();
                    json.push_str(if is_value { word } else { "null" });
                }
                at += length;
            }
            _ => {
                let rest = text.get(at..).unwrap_or_default();
                let Some(c) = rest.chars().next() else { break };
                if is_shown && c != '\0' {
                    json.push(c);
                }
                at += c.len_utf8();
            }
        }
    }
    (json, None)
}

/// The string at the start of a text, with its quotes, and how long it was.
fn string(text: &str) -> (Cow<'_, str>, usize) {
    let inner = text.get(1..).unwrap_or_default();
    let is_odd = |c: char| c == '\\' || c == '"' || u32::from(c) < 0x20;
    let mut mended: Option<String> = None;
    let mut at = 0;
    while let Some(next) = inner.get(at..).and_then(|rest| rest.find(is_odd)) {
        let plain = inner.get(at..at + next).unwrap_or_default();
        at += next;
        let (length, instead): (usize, Cow<'_, str>) = match inner.as_bytes().get(at) {
            Some(b'"') => {
                let whole = text.get(..at + 2).unwrap_or_default();
                let json = mended.map_or(Cow::Borrowed(whole), |mut json| {
                    json.push_str(plain);
                    json.push('"');
                    Cow::Owned(json)
                });
                return (json, at + 2);
            }
            Some(b'\\') => escape(inner.get(at..).unwrap_or_default()),
            Some(b'\n') => (1, "\\n".into()),
            Some(b'\t') => (1, "\\t".into()),
            _ => (1, "".into()),
        };
        // From the start of the text: the quote is one more.
        let before = at - next + 1;
        let json = mended.get_or_insert_with(|| text.get(..before).unwrap_or_default().to_owned());
        json.push_str(plain);
        json.push_str(&instead);
        at += length;
    }
    // It does not end: so does the JSON.
    (Cow::Borrowed(text), text.len())
}

/// An escape: how long it is, and what stands for it.
fn escape(text: &str) -> (usize, Cow<'_, str>) {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    };
    let whole = |length: usize| text.get(..length).unwrap_or_default().into();
    match (unit(text), text.as_bytes().get(1)) {
        (Some(0), _) => (6, "".into()),
        (Some(0xd800..=0xdbff), _) => {
            let low = text.get(6..).and_then(unit);
            match low.is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) {
                true => (12, whole(12)),
                false => (6, "\\ufffd".into()),
            }
        }
        (Some(0xdc00..=0xdfff), _) => (6, "\\ufffd".into()),
        (Some(_), _) => (6, whole(6)),
        (None, Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => (2, whole(2)),
        // A backslash that a template did not escape.
        (None, _) => (1, "\\\\".into()),
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
