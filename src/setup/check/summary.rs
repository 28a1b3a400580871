//! What becomes of rows, summed up.

use std::collections::BTreeMap;

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
    newest: Option<f64>,
}

impl Told {
    pub(super) fn new(section: &'static str) -> Told {
        Told {
            section,
            summary: Summary::default(),
            lonely: 0,
            several: 0,
            refused: Vec::new(),
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

    pub(super) fn time(&mut self, seconds: Option<&str>) {
        let seconds = seconds
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|seconds| seconds.is_finite());
        self.newest = self.newest.into_iter().chain(seconds).reduce(f64::max);
    }

    pub(super) fn finish(self, table: &str, found: &mut Checks) {
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
        let ahead = self
            .newest
            .map_or(0.0, |newest| newest - clock::now().as_second() as f64);
        if ahead > 300.0 && ahead < 86_400.0 {
            found.warn(
                ("rows", "created_in_future"),
                format!("the newest created_at of [{section}] lies {:.1} hours in the future: it shows local time, which is read as UTC", ahead / 3600.0),
                "say the zone: created_at = \"… at time zone 'Europe/Istanbul'\"",
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
