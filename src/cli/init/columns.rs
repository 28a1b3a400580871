//! PURE: what a column is, by its name, its type and what stands in it.

use std::collections::BTreeMap;

use super::catalog::Candidate;
use super::lookup::{self, Held, Sides};
use super::words::{self, has, same};
use crate::mapping::shape::quote_ident;
use crate::postgres::catalog::TableColumn;

/// Where the first message of a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstMessage {
    /// In its own row.
    InTicket,
    /// In the messages, and perhaps in its own row, too.
    InMessages,
    /// The rows do not tell.
    Unknown,
}

/// The column that one of the words names exactly, the first word first; else the first whose name has one of them.
pub(super) fn named<'a>(of: &'a Candidate, words: &str, categories: &str) -> Option<&'a TableColumn> {
    let fits = |column: &&TableColumn| {
        categories.contains(column.type_category)
            && (column.type_category != 'U'
                || ["citext", "uuid"]
                    .iter()
                    .any(|kind| column.type_text.ends_with(kind)))
    };
    let columns = || of.table.columns.iter().filter(fits);
    let exact = words::each(words).find_map(|word| columns().find(|column| same(&column.name, word)));
    exact.or_else(|| {
        columns()
            .filter(|column| !is_key(of, column))
            .find(|column| has(&column.name, words))
    })
}

/// A column that is, or leads to, a key.
fn is_key(of: &Candidate, column: &TableColumn) -> bool {
    of.table.primary_key.contains(&column.name)
        || of.keys.iter().any(|key| key.columns.contains(&column.name))
        || words::parts(&column.name).last().is_some_and(|last| last == "id")
}

/// A column in an expression, quoted only where it has to be.
pub(super) fn dotted(alias: &str, name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    // After a dot every word is a name.
    if is_plain {
        format!("{alias}.{name}")
    } else {
        format!("{alias}.{}", quote_ident(name))
    }
}

/// A text as an SQL literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The column of e-mail addresses: by its name, unless something else stands there, or by its values.
pub(super) fn email(of: &Candidate) -> Option<&TableColumn> {
    let may = |column: &&TableColumn| {
        (column.type_category == 'S' || column.type_text.ends_with("citext"))
            && !is_key(of, column)
            && !words::has_part(&column.name, words::NOT_EMAIL)
            && !has(&column.name, words::NOT_CUSTOMER)
    };
    let share = |column: &TableColumn| {
        let mut values = of.values(&column.name);
        values.retain(|text| !text.trim().is_empty());
        let addresses = values.iter().filter(|text| {
            text.trim()
                .split_once('@')
                .is_some_and(|(_, host)| host.contains('.') && !text.trim().contains(' '))
        });
        (addresses.count(), values.len())
    };
    let columns = || of.table.columns.iter().filter(may);
    let by_name =
        words::each(words::EMAIL).find_map(|word| columns().find(|column| same(&column.name, word)));
    let by_name = by_name.or_else(|| columns().find(|column| has(&column.name, words::EMAIL)));
    let by_name = by_name.filter(|column| {
        let (addresses, all) = share(column);
        all == 0 || addresses * 2 >= all
    });
    by_name.or_else(|| {
        columns().find(|column| {
            let (addresses, all) = share(column);
            all > 1 && addresses * 10 >= all * 9
        })
    })
}

/// Whether the rows are people who can be written to, and no departments.
pub(super) fn is_people(of: &Candidate) -> bool {
    let name = &of.table.name.table;
    (email(of).is_some() || named(of, words::PHONE, "S").is_some())
        && !has(name, words::NOT_PERSON)
        && !has(name, words::TICKET)
        && !has(name, words::MESSAGE)
}

/// Whether the rows are agents alone, by the table's name.
pub(super) fn is_staff(of: &Candidate) -> bool {
    has(&of.table.name.table, words::AGENT)
}

/// The text that somebody wrote: by name, else by what stands there.
pub(super) fn body(of: &Candidate) -> Option<&TableColumn> {
    // What is NULL in every row holds no body, whatever its name is.
    let is_empty = |column: &TableColumn| !of.rows.is_empty() && of.values(&column.name).is_empty();
    let may = |column: &&TableColumn| {
        column.type_category == 'S' && !is_key(of, column) && !of.is_closed(column) && !is_empty(column)
    };
    let has_blanks = |column: &&TableColumn| {
        let values = of.values(&column.name);
        values.is_empty() || values.iter().any(|text| text.trim().contains(' '))
    };
    let is_other = |column: &&TableColumn| {
        let parts = words::parts(&column.name);
        parts.len() > 1 && has(&column.name, words::NOT_BODY)
    };
    let columns = || {
        of.table
            .columns
            .iter()
            .filter(may)
            .filter(|column| !is_other(column))
    };
    let exact = words::each(words::BODY).find_map(|word| columns().find(|column| same(&column.name, word)));
    let stem = |column: &&TableColumn| {
        has(&column.name, words::BODY)
            && !words::has_part(&column.name, "type format id count status lang at by")
    };
    exact
        .or_else(|| columns().filter(has_blanks).find(stem))
        .or_else(|| {
            let text = columns()
                .filter(|column| !has(&column.name, words::SUBJECT) && !has(&column.name, words::NAME));
            text.filter(|column| is_prose(&of.values(&column.name)))
                .max_by_key(|column| length(&of.values(&column.name)))
        })
}

/// A JSON column under whose key the sentences stand, where no column of text holds what was written.
pub(super) fn json_body(of: &Candidate) -> Option<(&TableColumn, String)> {
    if body(of).is_some() {
        return None;
    }
    let columns = of.table.columns.iter().filter(|column| is_json(column));
    columns.into_iter().find_map(|column| {
        let objects = objects(of, column);
        let mut texts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, value) in objects.iter().flatten() {
            if let Some(text) = value.as_str() {
                texts.entry(key).or_default().push(text);
            }
        }
        let by_name = words::each(words::BODY).find(|word| {
            texts
                .get(*word)
                .is_some_and(|texts| texts.iter().any(|text| text.contains(' ')))
        });
        let prose = || {
            let prose = texts.iter().filter(|(_, texts)| is_prose(texts));
            prose.max_by_key(|(_, texts)| length(texts)).map(|(key, _)| *key)
        };
        Some((column, by_name.or_else(prose)?.to_owned()))
    })
}

/// What was written, as an expression over the row; in JSON under its key.
pub(super) fn said(of: &Candidate, alias: &str) -> Option<String> {
    match (body(of), json_body(of)) {
        (Some(column), _) => Some(column.name.clone()),
        (None, Some((column, key))) => Some(json_value(alias, column, &key)),
        (None, None) => None,
    }
}

/// A key of a JSON column, as text.
pub(super) fn json_value(alias: &str, column: &TableColumn, key: &str) -> String {
    format!("{} ->> {}", dotted(alias, &column.name), literal(key))
}

fn is_json(column: &TableColumn) -> bool {
    column.type_text.starts_with("json")
}

/// The JSON objects of a column that were read whole.
pub(super) fn objects(
    of: &Candidate,
    column: &TableColumn,
) -> Vec<serde_json::Map<String, serde_json::Value>> {
    let cells = of.values(&column.name).into_iter();
    cells.filter_map(|text| serde_json::from_str(text).ok()).collect()
}

fn length(texts: &[&str]) -> usize {
    texts.iter().map(|text| text.chars().count()).sum::<usize>() / texts.len().max(1)
}

/// Sentences.
pub(super) fn is_prose(texts: &[&str]) -> bool {
    let sentences = texts
        .iter()
        .filter(|text| text.split_whitespace().count() >= 4)
        .count();
    !texts.is_empty() && sentences * 2 >= texts.len() && length(texts) >= 20
}

/// Whether a column numbers the rows from one on, anew for each value of another column.
pub(super) fn is_counted(of: &Candidate, column: &TableColumn, by: &str) -> bool {
    let place = |name: &str| of.table.columns.iter().position(|known| known.name == name);
    let (Some(number), Some(by)) = (place(&column.name), place(by)) else {
        return false;
    };
    let mut numbers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for row in &of.rows {
        let cell = |place: usize| row.get(place).and_then(Option::as_deref);
        let (Some(by), Some(Ok(number))) = (cell(by), cell(number).map(str::parse)) else {
            return false;
        };
        numbers.entry(by).or_default().push(number);
    }
    let is_row = |numbers: &mut Vec<usize>| {
        numbers.sort_unstable();
        numbers.iter().copied().eq(1..=numbers.len())
    };
    let is_more = numbers.values().filter(|numbers| numbers.len() > 1).count() > 1;
    column.type_category == 'N' && is_more && numbers.values_mut().all(is_row)
}

/// When the row was made.
pub(super) fn created(of: &Candidate) -> Option<&TableColumn> {
    let times = || {
        of.table
            .columns
            .iter()
            .filter(|column| column.type_category == 'D' && column.type_text.starts_with("timestamp"))
    };
    let by = |fits: fn(&str, &str) -> bool| {
        words::each(words::CREATED).find_map(|word| times().find(|column| fits(&column.name, word)))
    };
    by(same).or_else(|| by(words::alike)).or_else(|| {
        let mut now = times()
            .filter(|column| of.made_now.contains(&column.name) && !has(&column.name, words::OTHER_AT));
        now.next().filter(|_| now.next().is_none())
    })
}

/// When the row was made, in seconds since 1970.
pub(super) fn epoch(of: &Candidate) -> Option<&TableColumn> {
    let is_seconds = |column: &&TableColumn| {
        let values = of.values(&column.name);
        let is_time = |text: &&str| {
            text.parse::<i64>()
                .is_ok_and(|seconds| (946_684_800..4_102_444_800).contains(&seconds))
        };
        column.type_category == 'N' && !values.is_empty() && values.iter().all(is_time)
    };
    let numbers = || of.table.columns.iter().filter(is_seconds);
    words::each(words::CREATED).find_map(|word| numbers().find(|column| same(&column.name, word)))
}

/// How staff are told in a table of people.
#[derive(Debug, Clone)]
pub(super) struct StaffFlag {
    pub column: String,
    /// It is a boolean.
    pub is_boolean: bool,
    /// What its values mean.
    pub sides: Sides,
}

impl StaffFlag {
    /// Whether that value means staff; `None`: that is not known.
    pub(super) fn verdict(&self, word: &str) -> Option<bool> {
        self.sides.verdict(Some(word))
    }

    /// True for staff, false for customers, NULL for what is not known.
    pub(super) fn sql(&self, alias: &str) -> String {
        let name = dotted(alias, &self.column);
        match self.is_boolean {
            true => name,
            false => format!("{name} in ({})", lookup::list(&self.sides.agents)),
        }
    }
}

/// A list for IN.
pub(super) fn literals(words: &[String]) -> String {
    words
        .iter()
        .map(|word| literal(word))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The column by which staff and customers are told in a table of people: a flag, its words, or those that its key leads to.
pub(super) fn staff_flag(of: &Candidate, tables: &[Candidate]) -> Option<StaffFlag> {
    let flags = [
        "is_staff",
        "is_admin",
        "is_agent",
        "staff",
        "admin",
        "agent",
        "is_operator",
        "is_support",
        "is_employee",
    ];
    let flag = flags.iter().find_map(|word| {
        of.table
            .columns
            .iter()
            .find(|column| column.type_category == 'B' && same(&column.name, word))
    });
    if let Some(flag) = flag {
        let held = |word: &str| {
            vec![Held {
                value: word.to_owned(),
                sql: word.to_owned(),
                words: word.to_owned(),
            }]
        };
        return Some(StaffFlag {
            column: flag.name.clone(),
            is_boolean: true,
            sides: Sides {
                agents: held("true"),
                customers: held("false"),
                ..Sides::default()
            },
        });
    }
    of.table.columns.iter().find_map(|column| {
        let is_role = has(&column.name, words::ROLE);
        let held = lookup::held(of, column, tables);
        // A number says nothing, unless it leads to a word.
        let is_said =
            matches!(column.type_category, 'S' | 'E') || held.iter().any(|one| one.value != one.words);
        let sides = lookup::sides(&held);
        let is_whole = sides.skipped.is_empty() && sides.bots.is_empty() && sides.unknown.is_empty();
        (is_said && sides.has_both() && (is_whole || is_role)).then(|| StaffFlag {
            column: column.name.clone(),
            is_boolean: false,
            sides,
        })
    })
}

/// Whether the texts are HTML.
pub(super) fn is_html(of: &Candidate, column: &TableColumn) -> bool {
    let values = of.values(&column.name);
    let tagged = values.iter().filter(|text| {
        ["</p>", "<br", "</div>", "<p>"]
            .iter()
            .any(|tag| text.contains(tag))
    });
    let count = tagged.count();
    (count > 0 && count * 2 >= values.len()) || (values.is_empty() && has(&column.name, "html"))
}
