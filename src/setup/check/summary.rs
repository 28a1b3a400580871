//! What becomes of rows, summed up.

use std::collections::{BTreeMap, BTreeSet};

use super::Checks;
use crate::model::clock;

/// So many examples are shown.
const EXAMPLES: usize = 2;
/// So many characters of a text.
const SHOWN: usize = 40;

/// What a statement gave for a row.
pub(super) enum Given {
    One(Vec<Option<String>>),
    None,
    Several,
    Refused(String),
}

/// Rows of which the same becomes.
#[derive(Default)]
struct Bucket {
    count: usize,
    examples: Vec<String>,
}

/// All rows of a section, by what becomes of them.
#[derive(Default)]
pub(super) struct Summary(BTreeMap<(u8, String), Bucket>);

impl Summary {
    pub(super) fn add(&mut self, rank: u8, what: impl Into<String>, key: &str, text: Option<&str>) {
        let bucket = self.0.entry((rank, what.into())).or_default();
        bucket.count += 1;
        if bucket.examples.len() < EXAMPLES {
            bucket.examples.push(match text {
                Some(text) => format!("{key} \"{}\"", short(text)),
                None => key.to_owned(),
            });
        }
    }

    pub(super) fn count(&self, ranks: std::ops::RangeInclusive<u8>) -> usize {
        let of = self.0.iter().filter(|((rank, _), _)| ranks.contains(rank));
        of.map(|(_, bucket)| bucket.count).sum()
    }

    pub(super) fn text(&self, table: &str) -> String {
        let lines = self.0.iter().map(|((_, what), bucket)| {
            format!(
                "\n      {:>5}  {what}: {}",
                bucket.count,
                bucket.examples.join(", ")
            )
        });
        format!(
            "the newest {} of {table}:{}",
            self.count(0..=u8::MAX),
            lines.collect::<String>()
        )
    }
}

/// On one line, at most [`SHOWN`] characters, without what a terminal would obey.
pub(super) fn short(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line: String = line.join(" ").chars().filter(|c| !c.is_control()).collect();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default().trim_end()),
        None => line,
    }
}

// What becomes of a row: the order in which it is told.
pub(super) const CUSTOMER: u8 = 0;
pub(super) const AGENT: u8 = 1;
pub(super) const LEFT_OUT: u8 = 2;
pub(super) const OTHERWISE: u8 = 3;
pub(super) const WAITS: u8 = 4;
pub(super) const PARKED: u8 = 5;

/// What is told of a section's rows.
pub(super) struct Told {
    section: &'static str,
    pub(super) summary: Summary,
    lonely: usize,
    several: usize,
    refused: Vec<String>,
    /// What `format` gives that is none.
    formats: BTreeSet<String>,
    newest: Option<f64>,
}

/// What `created_at` of a section is.
pub(super) struct Time {
    /// As the mapping has it.
    pub(super) expression: String,
    /// Its type has a time zone.
    pub(super) is_zoned: bool,
    /// The database's zone, and how far it is ahead of UTC, in seconds.
    pub(super) zone: (String, f64),
}

impl Time {
    /// What is to be done where the newest row lies so many seconds in the future.
    fn mend(&self, ahead: f64) -> String {
        if self.is_zoned {
            return "its type has a time zone, so that none is to be said again: look for an `at time zone` too many, or of another \
                    zone, in the expression, and for what the site writes"
                .to_owned();
        }
        // A row is a moment old, and zones lie whole quarters of an hour from UTC.
        let is_own = ((ahead / 900.0).round() * 900.0 - self.zone.1).abs() < 1.0;
        let zone = match is_own {
            true => self.zone.0.as_str(),
            false => "the zone that the site writes in",
        };
        let expression = format!("{} at time zone '{zone}'", self.expression);
        format!("say the zone: created_at = {}", toml::Value::String(expression))
    }
}

impl Told {
    pub(super) fn new(section: &'static str) -> Told {
        Told {
            section,
            summary: Summary::default(),
            lonely: 0,
            several: 0,
            refused: Vec::new(),
            formats: BTreeSet::new(),
            newest: None,
        }
    }

    /// The outputs of a row, if there are any.
    pub(super) fn row(&mut self, key: &str, given: Given) -> Option<Vec<Option<String>>> {
        match given {
            Given::One(cells) => return Some(cells),
            Given::None => {
                self.lonely += 1;
                self.summary.add(WAITS, "wait: the joins find nothing", key, None);
            }
            Given::Several => {
                self.several += 1;
                self.summary
                    .add(PARKED, "would be parked: the joins find several rows", key, None);
            }
            Given::Refused(error) => {
                self.summary
                    .add(PARKED, "would be parked: the database refuses a value", key, None);
                self.refused.push(error);
            }
        }
        None
    }

    /// A row whose `format` is none.
    pub(super) fn unformatted(&mut self, format: Option<&str>, key: &str, body: Option<&str>) {
        let format = short(format.unwrap_or_default());
        self.summary.add(
            PARKED,
            format!("would be parked: format is `{format}`"),
            key,
            body,
        );
        self.formats.insert(format);
    }

    pub(super) fn time(&mut self, seconds: Option<&str>) {
        let seconds = seconds
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|seconds| seconds.is_finite());
        self.newest = self.newest.into_iter().chain(seconds).reduce(f64::max);
    }

    pub(super) fn finish(self, table: &str, time: Option<&Time>, found: &mut Checks) {
        let (section, all) = (self.section, self.summary.count(0..=u8::MAX));
        if self.lonely > 0 {
            found.warn(
                ("rows", "join_finds_nothing"),
                format!("the joins of [{section}] find nothing for {} of the newest {all} rows: these wait, and are parked in the end", self.lonely),
                "write left join where the other row may be missing; look whether row security hides it",
            );
        }
        if self.several > 0 {
            found.warn(
                ("rows", "join_finds_several"),
                format!(
                    "the joins of [{section}] find several rows for {} of the newest {all}: these are parked",
                    self.several
                ),
                "join on what is unique, or left join lateral (select … limit 1) x on true",
            );
        }
        if let Some(error) = self.refused.first() {
            found.warn(
                ("rows", "value_refused"),
                format!("the database refuses a value of {} of the newest {all} rows of [{section}], which are parked: {error}", self.refused.len()),
                "mend the expression so that it takes every value of the column",
            );
        }
        if !self.formats.is_empty() {
            let formats: Vec<String> = self
                .formats
                .iter()
                .take(8)
                .map(|format| format!("`{format}`"))
                .collect();
            found.warn(
                ("rows", "format_word"),
                format!(
                    "[{section}] format gives {}, and knows only text, html and markdown: these rows are parked",
                    formats.join(", ")
                ),
                "format = \"'html'\", or an expression that gives one of the three words",
            );
        }
        let ahead = self
            .newest
            .map_or(0.0, |newest| newest - clock::now().as_second() as f64);
        if ahead > 300.0 && ahead < 86_400.0 {
            found.warn(
                ("rows", "created_in_future"),
                format!("the newest created_at of [{section}] lies {:.1} hours in the future: it shows local time, which is read as UTC", ahead / 3600.0),
                time.map_or_else(|| "say its zone".to_owned(), |time| time.mend(ahead)),
            );
        }
        found.ok("rows", self.summary.text(table));
    }
}

pub(super) fn output<'a>(names: &[&str], cells: &'a [Option<String>], name: &str) -> Option<&'a str> {
    let place = names.iter().position(|known| *known == name)?;
    cells
        .get(place)?
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}
