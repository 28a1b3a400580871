//! PURE: the body of a webhook as flat names and values: JSON, a form, or the parts of one, in whatever character set.
//!
//! Where a template puts a customer's words in as they are, they may end their value and begin fields of their own. The
//! first of several values stays, and a body that shows any sign of it is no more than a poke: [`Fields::doubtful`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{json, wire};

/// A body as flat names with PHP brackets: `object[attachments][0][url]`.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub values: BTreeMap<String, String>,
    /// Something does not stand as its sender meant it: it was broken, named twice, or in a character set that is not
    /// told.
    pub doubtful: bool,
}

impl Fields {
    /// What is put in can be stored: `%00` and `\u0000` come in forms and JSON alike. The first value stays.
    pub fn put(&mut self, name: String, value: String) {
        let value = match value.contains('\0') {
            true => value.replace('\0', ""),
            false => value,
        };
        match self.values.entry(name) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(value);
            }
            std::collections::btree_map::Entry::Occupied(_) => self.doubtful = true,
        }
    }

    fn put_json(&mut self, name: String, value: &Value) {
        let inner = |key: &str| {
            if name.is_empty() {
                key.to_owned()
            } else {
                format!("{name}[{key}]")
            }
        };
        match value {
            Value::Object(object) => object
                .iter()
                .for_each(|(key, value)| self.put_json(inner(key), value)),
            Value::Array(values) => {
                values
                    .iter()
                    .enumerate()
                    .for_each(|(i, value)| self.put_json(inner(&i.to_string()), value));
            }
            scalar => {
                if let Some(text) = wire::scalar(scalar) {
                    self.put(name, text);
                }
            }
        }
    }

    /// A form or a query, its bytes in this character set.
    pub fn from_form(form: &[u8], charset: BodyCharset) -> Fields {
        let mut fields = Fields::default();
        let mut within = Vec::new();
        for pair in form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(equals);
            let (mut name, odd_name) = charset.text(&unescaped(name));
            let mut value: Cow<'_, [u8]> = unescaped(value.get(1..).unwrap_or_default()).into();
            // A sender that encodes twice does so with names and values alike.
            for _ in 0..3 {
                let again = percent_encoding::percent_decode_str(&name).decode_utf8();
                let Some(again) = again.ok().filter(|again| *again != name) else {
                    break;
                };
                (name, value) = (again.into_owned(), unescaped(&value).into());
            }
            let (value, odd_value) = charset.text(&value);
            fields.doubtful |= odd_name || odd_value;
            let inner = decoded(value.clone());
            if inner.trim_start().starts_with('{') {
                within.extend(json_within(&inner).map(|(object, _)| object));
            }
            fields.put(name, value);
        }
        // Some senders put the whole JSON into one field. A customer's words may be JSON as well: what the form itself names
        // stays, wherever it stands.
        for object in within.iter().filter(|object| object.is_object()) {
            fields.put_json(String::new(), object);
        }
        fields
    }

    /// A form, if it looks like one: `name=value` where the name is a name.
    pub fn from_plausible_form(form: &[u8], charset: BodyCharset) -> Option<Fields> {
        let plausible = form.split(|byte| *byte == b'&').any(|pair| {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
            (1..=200).contains(&name.len())
                && name.len() < pair.len()
                && name
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]%+".contains(byte))
        });
        plausible.then(|| Fields::from_form(form, charset))
    }

    /// JSON, with something around it or not.
    pub fn from_json(text: &str) -> Option<Fields> {
        let (value, as_it_should_be) = json_within(text)?;
        let object = match &value {
            Value::Array(values) => values.iter().find(|value| value.is_object()).unwrap_or(&value),
            other => other,
        };
        let mut fields = Fields::default();
        fields.put_json(String::new(), object);
        fields.doubtful |= !as_it_should_be;
        Some(fields)
    }

    /// The parts of `multipart/form-data`; files are passed over.
    pub fn from_parts(body: &[u8], content_type: &str, charset: BodyCharset) -> Option<Fields> {
        let boundary = parameter(content_type, "boundary")?;
        let boundary = format!("--{boundary}");
        let mut fields = Fields::default();
        for part in split_at(body, boundary.as_bytes()).into_iter().skip(1) {
            let part = part
                .strip_prefix(b"\r\n")
                .or(part.strip_prefix(b"\n"))
                .unwrap_or(part);
            let Some((head, content)) = head_and_content(part) else {
                continue;
            };
            let head = String::from_utf8_lossy(head);
            let header = |wanted: &str| {
                head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
                })
            };
            let disposition = header("content-disposition").unwrap_or_default();
            let Some(name) =
                parameter(disposition, "name").filter(|_| parameter(disposition, "filename").is_none())
            else {
                continue;
            };
            let own = header("content-type").map(|kind| BodyCharset::of(Some(kind)));
            let (value, odd) = own.filter(|own| own.told).unwrap_or(charset).text(content);
            fields.doubtful |= odd;
            fields.put(name, value);
        }
        (!fields.values.is_empty()).then_some(fields)
    }

    /// What a field says; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }
}

/// Between the separators, without the line end that belongs to each.
fn split_at<'a>(body: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = body;
    while let Some(at) = rest
        .windows(separator.len().max(1))
        .position(|window| window == separator)
    {
        let (piece, after) = rest.split_at(at);
        let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
        pieces.push(piece.strip_suffix(b"\r").unwrap_or(piece));
        rest = after.get(separator.len()..).unwrap_or_default();
    }
    pieces.push(rest);
    pieces
}

fn head_and_content(part: &[u8]) -> Option<(&[u8], &[u8])> {
    [&b"\r\n\r\n"[..], b"\n\n"].into_iter().find_map(|end| {
        let at = part.windows(end.len()).position(|window| window == end)?;
        Some((part.get(..at)?, part.get(at + end.len()..)?))
    })
}

/// A parameter of a header, such as the `charset` of `text/html; charset="koi8-r"`.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let is_wanted = name.trim().eq_ignore_ascii_case(wanted);
        is_wanted.then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// The character set of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyCharset {
    encoding: &'static Encoding,
    /// The sender names it.
    told: bool,
}

impl BodyCharset {
    /// What a `Content-Type` says; UTF-8 where it says nothing that is known.
    pub fn of(content_type: Option<&str>) -> BodyCharset {
        let named = content_type
            .and_then(|kind| parameter(kind, "charset"))
            .and_then(|name| Encoding::for_label(name.as_bytes()));
        BodyCharset {
            encoding: named.unwrap_or(UTF_8),
            told: named.is_some(),
        }
    }

    /// The whole of a body that is in an encoding of two bytes, as UTF-8: nothing can be searched in it before.
    pub fn widened<'a>(self, body: &'a [u8]) -> (Cow<'a, [u8]>, BodyCharset) {
        let marked = Encoding::for_bom(body).map(|(encoding, _)| encoding);
        let encoding = marked.unwrap_or(self.encoding);
        if encoding != UTF_16LE && encoding != UTF_16BE {
            return (Cow::Borrowed(body), self);
        }
        let text = encoding.decode(body).0.into_owned();
        let charset = BodyCharset {
            encoding: UTF_8,
            told: true,
        };
        (Cow::Owned(text.into_bytes()), charset)
    }

    /// The text of bytes, and whether some were none. What is UTF-8 is UTF-8, whatever a header says of one byte for each
    /// character: such a text does not come about by chance.
    pub fn text(self, bytes: &[u8]) -> (String, bool) {
        if let (true, Ok(text)) = (
            self.encoding == UTF_8 || self.encoding.is_single_byte(),
            std::str::from_utf8(bytes),
        ) {
            return (text.to_owned(), false);
        }
        let (text, odd) = self.encoding.decode_without_bom_handling(bytes);
        (text.into_owned(), odd)
    }
}

/// The bytes of a form's name or value.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let blanks: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_encoding::percent_decode(&blanks).collect()
}

/// Undoes further url-encodings (iridi decodes rule bodies twice, `[C]`); used where a `%` cannot be meant.
pub(super) fn decoded(mut text: String) -> String {
    for _ in 0..3 {
        if !is_encoded(&text) {
            break;
        }
        text = percent_encoding::percent_decode_str(&text)
            .decode_utf8_lossy()
            .into_owned();
    }
    text
}

/// Whether a text holds what looks url-encoded.
pub(super) fn is_encoded(text: &str) -> bool {
    text.as_bytes().windows(3).any(
        |window| matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    )
}

/// The JSON object or list in a text: as it is, without what stands around it, with raw control characters escaped; and
/// whether nothing of that was needed, and no name stood twice.
fn json_within(text: &str) -> Option<(Value, bool)> {
    let text = text.trim();
    let structured = |text: &str| {
        let FirstWins(value, once) = serde_json::from_str(text).ok()?;
        let value = crate::model::charset::fitted(value);
        (value.is_object() || value.is_array()).then_some((value, once))
    };
    structured(text).or_else(|| {
        let inner = text.get(text.find('{')?..=text.rfind('}')?)?;
        let (value, _) = structured(inner).or_else(|| structured(&json::mended(inner).0))?;
        Some((value, false))
    })
}

/// JSON of which the first value under a name stays, and whether each name stood once.
struct FirstWins(Value, bool);

impl<'de> Deserialize<'de> for FirstWins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FirstWins, D::Error> {
        deserializer.deserialize_any(FirstWinsVisitor)
    }
}

struct FirstWinsVisitor;

impl<'de> Visitor<'de> for FirstWinsVisitor {
    type Value = FirstWins;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<FirstWins, E> {
        Ok(FirstWins(value.into(), true))
    }

    fn visit_i64<E>(self, value: i64) -> Result<FirstWins, E> {
        Ok(FirstWins(value.into(), true))
    }

    fn visit_u64<E>(self, value: u64) -> Result<FirstWins, E> {
        Ok(FirstWins(value.into(), true))
    }

    fn visit_f64<E>(self, value: f64) -> Result<FirstWins, E> {
        Ok(FirstWins(value.into(), true))
    }

    fn visit_str<E>(self, value: &str) -> Result<FirstWins, E> {
        Ok(FirstWins(value.into(), true))
    }

    fn visit_unit<E>(self) -> Result<FirstWins, E> {
        Ok(FirstWins(Value::Null, true))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<FirstWins, A::Error> {
        let (mut values, mut all_once) = (Vec::new(), true);
        while let Some(FirstWins(value, once)) = seq.next_element()? {
            all_once &= once;
            values.push(value);
        }
        Ok(FirstWins(Value::Array(values), all_once))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FirstWins, A::Error> {
        let (mut object, mut all_once) = (serde_json::Map::new(), true);
        while let Some((name, FirstWins(value, once))) = map.next_entry::<String, FirstWins>()? {
            all_once &= once && !object.contains_key(&name);
            object.entry(name).or_insert(value);
        }
        Ok(FirstWins(Value::Object(object), all_once))
    }
}
