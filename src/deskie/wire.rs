//! PURE: reads the API's JSON as it really comes: lists as objects with numeric keys, ids as text, three kinds of
//! "nothing", dates in several forms (`[D]` D-cases, `[C]` winlex, dpone, rdm; dossier 1.2, 1.3 and 9).
//!
//! What cannot be a value of the wanted kind counts as absent; only a missing id makes an entity unreadable.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T> {
    /// The entities in the order of their numeric keys.
    pub items: Vec<T>,
    /// `total_count`, where the answer has one.
    pub total: Option<i64>,
    /// Entries that cannot be read: they are left out, told, and met again with the next read (rule 19).
    pub unreadable: Vec<Unreadable>,
}

impl<T> List<T> {
    pub(super) fn empty(total: Option<i64>) -> List<T> {
        List {
            items: Vec::new(),
            total,
            unreadable: Vec::new(),
        }
    }

    /// How many entries the page has, readable or not.
    pub fn len(&self) -> usize {
        self.items.len() + self.unreadable.len()
    }

    /// Whether the page has no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Entity> List<T> {
    /// Adds a later part of the list. An entity that comes twice is one.
    pub(super) fn append(&mut self, part: List<T>) {
        let known: HashSet<i64> = self.items.iter().map(Entity::number).collect();
        let is_new = |entity: &T| !known.contains(&entity.number());
        self.items.extend(part.items.into_iter().filter(is_new));
        self.total = part.total.or(self.total);
        self.unreadable.extend(part.unreadable);
    }
}

impl<T> List<T> {
    /// With places as they are in the whole list, of which so many entries come before this page.
    pub(super) fn at(mut self, before: usize) -> List<T> {
        self.unreadable.iter_mut().for_each(|entry| entry.place += before);
        self
    }
}

/// An entry of a list that cannot be read, told without any of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What it should have been: `case`, `message` and so on.
    pub what: &'static str,
    /// Its place in the whole list, from 1.
    pub place: usize,
    /// What stands for its number, if it is short and a number, or what is in its stead.
    pub id: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "entry {} of the list is no `{}`: {}",
            self.place, self.what, self.id
        )
    }
}

/// An entity that the API returns, alone or in a list.
pub trait Entity: Sized {
    /// The key that wraps it: `{"case": {...}}`.
    const ROOT: &'static str;
    /// The key of its number.
    const ID: &'static str;

    fn number(&self) -> i64;

    /// Reads the object inside the wrapper; `None` where its id is missing.
    fn read(object: &Map<String, Value>) -> Option<Self>;
}

/// The one entity of an answer such as `{"case": {...}}`; a note is answered as a `message`.
pub(crate) fn single<T: Entity>(value: &Value) -> Option<T> {
    let inner = value.get(T::ROOT).or_else(|| value.get("note"))?;
    inner.as_object().and_then(T::read)
}

/// The entities of a list answer; `Err` says why it is none.
pub(crate) fn list<T: Entity>(value: &Value) -> Result<List<T>, String> {
    match value {
        Value::String(text) if text.is_empty() => Ok(List::empty(None)),
        Value::Array(items) => entities(items.iter(), None),
        Value::Object(object) => {
            let total = object.get("total_count").and_then(int);
            let mut numbered: Vec<(u64, &Value)> = object
                .iter()
                .filter_map(|(key, value)| Some((key.parse().ok()?, value)))
                .collect();
            numbered.sort_by_key(|(key, _)| *key);
            if !numbered.is_empty() {
                return entities(numbered.into_iter().map(|(_, value)| value), total);
            }
            if object.get("error").is_some_and(|error| !error.is_null()) {
                return Err(format!("the answer is an error, not a list of `{}`", T::ROOT));
            }
            match object.get(T::ROOT) {
                Some(Value::Array(items)) => entities(items.iter(), total),
                Some(Value::String(text)) if text.is_empty() => Ok(List::empty(total)),
                Some(Value::Object(inner)) if inner.is_empty() => Ok(List::empty(total)),
                Some(single @ Value::Object(_)) => entities([single].into_iter(), total),
                None if object.contains_key("total_count") || object.is_empty() => Ok(List::empty(total)),
                _ => Err(format!(
                    "the list holds neither numbered `{}` entries nor `total_count`",
                    T::ROOT
                )),
            }
        }
        _ => Err(format!("the answer is not a list of `{}`", T::ROOT)),
    }
}

/// The entries that can be read, and the others by their place. Where none can be read it is no list of these, unless it
/// is a lone one that says what it should be.
fn entities<'a, T: Entity>(
    values: impl Iterator<Item = &'a Value>,
    total: Option<i64>,
) -> Result<List<T>, String> {
    let mut list = List::empty(total);
    let (mut is_one, mut seen) = (true, HashSet::new());
    for (index, value) in values.enumerate() {
        is_one = index == 0 && value.get(T::ROOT).is_some();
        let inner = value.get(T::ROOT).unwrap_or(value);
        match inner.as_object().and_then(T::read) {
            Some(entity) if seen.insert(entity.number()) => list.items.push(entity),
            Some(_) => {}
            None => list.unreadable.push(Unreadable {
                what: T::ROOT,
                place: index + 1,
                id: stands_for_an_id::<T>(inner),
            }),
        }
    }
    match list.items.is_empty() && !list.unreadable.is_empty() && !is_one {
        true => Err(format!(
            "none of the list's entries is a `{}` with an id",
            T::ROOT
        )),
        false => Ok(list),
    }
}

/// What a person needs to find an entry by; none of its text.
fn stands_for_an_id<T: Entity>(value: &Value) -> String {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let Value::Object(object) = value else {
        return format!("{} in its place", kind(value));
    };
    match object.get(T::ID) {
        None => format!("it has no `{}`", T::ID),
        Some(Value::Number(number)) => format!("its `{}` is {number}", T::ID),
        Some(other) => format!("its `{}` is {}", T::ID, kind(other)),
    }
}

/// A whole number, also written as text, or as PHP of 32 bits writes it: `5654846848.0`.
pub(crate) fn int(value: &Value) -> Option<i64> {
    /// Beyond this a float is not exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && float.abs() <= EXACT)?;
            Some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A positive number: `0`, `""` and `"-"` mean "none" where an id is expected.
pub(crate) fn id(object: &Map<String, Value>, key: &str) -> Option<i64> {
    object.get(key).and_then(int).filter(|id| *id > 0)
}

/// `true`, `1`, `"1"` and `"true"` are true; everything else is false.
pub(crate) fn flag(object: &Map<String, Value>, key: &str) -> bool {
    object.get(key).is_some_and(truthy)
}

/// See [`flag`].
pub(crate) fn truthy(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => truthy_text(text),
        _ => false,
    }
}

/// See [`flag`].
pub(crate) fn truthy_text(text: &str) -> bool {
    let text = text.trim();
    text == "1" || text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("yes")
}

/// A text; a number becomes its digits, anything else `""`.
pub(crate) fn text(object: &Map<String, Value>, key: &str) -> String {
    object.get(key).and_then(scalar).unwrap_or_default()
}

/// A text that is not empty.
pub(crate) fn some_text(object: &Map<String, Value>, key: &str) -> Option<String> {
    Some(text(object, key)).filter(|text| !text.is_empty())
}

/// A scalar as text; `None` for null, lists and objects.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A map of scalars; an empty one comes as `[]` (PHP), and a null value is left out.
pub(crate) fn scalars(object: &Map<String, Value>, key: &str) -> BTreeMap<String, String> {
    match object.get(key) {
        Some(Value::Object(fields)) => fields
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), scalar(value)?)))
            .collect(),
        _ => BTreeMap::new(),
    }
}

/// The values of a list, or of an object used as a list.
pub(crate) fn elements<'a>(object: &'a Map<String, Value>, key: &str) -> Vec<&'a Value> {
    match object.get(key) {
        Some(Value::Array(values)) => values.iter().collect(),
        Some(Value::Object(values)) => values.values().collect(),
        _ => Vec::new(),
    }
}

/// A point in time, see [`parse_date`].
pub(crate) fn date(object: &Map<String, Value>, key: &str) -> Option<Timestamp> {
    match object.get(key)? {
        Value::Number(number) => unix(number.as_i64()?),
        Value::String(text) => parse_date(text),
        _ => None,
    }
}

/// RFC 2822 with its own offset (`[D]` D-cases); also unix seconds, RFC 3339, and `YYYY-MM-DD[ HH:MM:SS]`, taken as
/// UTC, each also with the name of a zone. `"-"` and `""` mean "none" (`[C]` ref56, etl, dpone).
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() || text == "-" {
        return None;
    }
    if let Ok(seconds) = text.parse() {
        return unix(seconds);
    }
    let (moment, offset) = match text.rsplit_once(char::is_whitespace) {
        Some((moment, name)) if name.chars().all(|c| c.is_ascii_alphabetic()) => {
            (moment.trim(), offset(name)?)
        }
        _ => (text, "+0000"),
    };
    let rfc2822 = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let civil = || {
        let civil: DateTime = moment.parse().ok()?;
        let offset: TimeZone = jiff::fmt::strtime::parse("%z", offset)
            .ok()?
            .offset()?
            .to_time_zone();
        civil.to_zoned(offset).ok().map(|zoned| zoned.timestamp())
    };
    let read = rfc2822
        .parse_timestamp(moment)
        .or_else(|_| rfc2822.parse_timestamp(format!("{moment} {offset}")))
        .or_else(|_| moment.parse::<Timestamp>())
        .or_else(|_| without_last_blank(moment).parse::<Timestamp>());
    read.ok().or_else(civil).filter(is_a_date)
}

/// `2014-05-05 00:15:17 +0300` as the standard writes it.
fn without_last_blank(text: &str) -> String {
    match text.rsplit_once(' ') {
        Some((moment, offset)) => format!("{moment}{offset}"),
        None => text.to_owned(),
    }
}

/// What the name of a zone says, where it says one thing. Of another name nothing is known, and an hour that is off by
/// some is worse than none.
fn offset(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_uppercase().as_str() {
        "UTC" | "UT" | "GMT" | "Z" | "WET" => "+0000",
        "WEST" | "CET" => "+0100",
        "CEST" | "EET" => "+0200",
        "EEST" | "MSK" | "TRT" => "+0300",
        "MSD" | "SAMT" => "+0400",
        "YEKT" => "+0500",
        "OMST" => "+0600",
        "KRAT" | "NOVT" => "+0700",
        "IRKT" => "+0800",
        "YAKT" => "+0900",
        "VLAT" => "+1000",
        "EDT" => "-0400",
        "EST" | "CDT" => "-0500",
        "MDT" => "-0600",
        "PDT" => "-0700",
        "PST" => "-0800",
        _ => return None,
    })
}

fn unix(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok().filter(is_a_date)
}

/// The first days of 1970 are a zero of PHP's, in whichever zone it was written; and what is before the calendar is
/// nothing that Postgres takes.
fn is_a_date(time: &Timestamp) -> bool {
    const DAYS: i64 = 2 * 24 * 3600;
    time.as_second() > DAYS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_in_every_form_that_was_seen() {
        let expected = "2014-05-04T21:15:17Z".parse::<Timestamp>().ok();
        for text in [
            "Mon, 05 May 2014 00:15:17 +0300",
            "Sun, 04 May 2014 21:15:17 GMT",
            "Tue, 05 May 2014 00:15:17 +0300", // a wrong weekday is no reason to lose the date
            "1399238117",
            "2014-05-04 21:15:17",
            "Sun, 04 May 2014 21:15:17", // without an offset
            "2014-05-05T00:15:17+03:00",
            "Mon, 05 May 2014 00:15:17 MSK",
            "Mon, 05 May 2014 01:15:17 msd",
            "2014-05-05 00:15:17 TRT",
            "2014-05-04 21:15:17 UTC",
            "Mon, 05 May 2014 00:15:17 +0300 (MSK)",
            "Mon, 5 May 2014 02:15:17 YEKT",
            "2014-05-05 00:15:17 +0300",
            "2014-05-05 00:15:17 +03:00",
            "2014-05-05T00:15:17+0300",
            "2014-05-04T21:15:17.000Z",
        ] {
            assert_eq!(parse_date(text), expected, "{text}");
        }
        for none in [
            "",
            "-",
            " ",
            "0",
            "0000-00-00 00:00:00",
            "0000-00-00",
            "-0001-11-30 00:00:00",
            "Wed, 30 Nov -0001 00:00:00 +0000",
            "1970-01-01T00:00:00+00:00",
            "-62169984000",
            "2014-02-30 00:00:00",
            "2014-05-05 00:15:17 Europe/Istanbul",
            "soon",
            "Thu, 01 Jan 1970 03:00:00 +0300",
            "Thu, 01 Jan 1970 00:00:00 -0500",
            "Thu, 01 Jan 1970 03:00:00",
            "Thu, 01 Jan 1970 00:00:00 MSK",
            "1970-01-01 03:00:00",
            "10800",
            "Mon, 05 May 2014 00:15:17 XYZT", // whichever zone that is
        ] {
            assert_eq!(parse_date(none), None, "{none}");
        }
    }

    #[test]
    fn booleans_in_every_form_that_was_seen() {
        for (json, expected) in [
            ("true", true),
            ("1", true),
            ("\"1\"", true),
            ("\"true\"", true),
            ("false", false),
            ("0", false),
            ("\"0\"", false),
            ("\"\"", false),
            ("null", false),
            ("[]", false),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(truthy(&value), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_date_parser_panic(text in ".*") {
            parse_date(&text);
        }
    }
}
