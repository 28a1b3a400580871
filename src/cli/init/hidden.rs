//! PURE: what else may take a message away from the customer: who let it through, the row in its place, a row of another table.

use std::collections::BTreeSet;

use super::catalog::Candidate;
use super::columns::{dotted, json_value, objects};
use super::draft::Value;
use super::speech::table_name;
use super::tables::{Link, link};
use super::visible::{Visible, is_internal};
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// Columns that lead to somebody or to another row, and are empty in other rows.
pub(super) fn keys(of: &Candidate, alias: &str, used: &[String], found: &mut Visible) {
    for column in &of.table.columns {
        let is_key = of.keys.iter().any(|key| key.columns.contains(&column.name));
        let is_like = matches!(column.type_category, 'N' | 'U') && named_as_key(&column.name);
        let is_counted = column.type_category == 'N' && of.values(&column.name).contains(&"0");
        if used.contains(&column.name)
            || of.table.primary_key.contains(&column.name)
            || !(is_key || is_like)
            || (column.not_null && !is_counted)
            || is_told(column, found)
        {
            continue;
        }
        let name = dotted(alias, &column.name);
        let (none, some) = match is_counted {
            true => (format!("coalesce({name}, 0) = 0"), format!("{name} <> 0")),
            false => (format!("{name} is null"), format!("{name} is not null")),
        };
        let is_gone = has(&column.name, words::GONE_AT) || has(&column.name, words::REPLACED);
        if is_gone || is_internal(&column.name) {
            let text = format!("{} (it names a row, or none)", column.name);
            found.open.push((text, Some(none)));
        } else if has(&column.name, words::LET_OUT_BY) {
            let (filled, all) = (of.values(&column.name).len(), of.rows.len());
            let text = format!(
                "{} (filled in {filled} of {all} rows: is a row without it not let out yet?)",
                column.name
            );
            // The customer's own rows need nobody's leave.
            found.open.push((text, (filled == all).then_some(some)));
            if filled > 0 {
                let question = "who let a reply through? Take the line out where it stays empty".to_owned();
                let set = Value::Todo {
                    question,
                    offer: None,
                };
                found.sets.push((column.name.clone(), set));
            }
        }
    }
}

fn named_as_key(name: &str) -> bool {
    let last = words::last(name);
    words::each(words::KEY_PART).any(|part| part == last)
        || words::has_part(name, "by von tarafindan кем kem")
}

/// Whether the time beside it says the same: `deleted_by` beside `deleted_at`.
fn is_told(column: &TableColumn, found: &Visible) -> bool {
    let Some(first) = words::parts(&column.name).into_iter().next() else {
        return false;
    };
    let open = found.open.iter().map(|(text, _)| text);
    found
        .conditions
        .iter()
        .chain(open)
        .any(|known| words::parts(known).contains(&first))
}

/// Tables of which a row says that a message was withheld, hidden, recalled.
pub(super) fn tables(of: &Candidate, alias: &str, tables: &[Candidate], found: &mut Visible) {
    let [key] = of.table.primary_key.as_slice() else {
        return;
    };
    let own = words::parts(&of.table.name.table);
    for other in tables.iter().filter(|other| other.table.oid != of.table.oid) {
        let said = words::parts(&other.table.name.table);
        let hides = said
            .iter()
            .any(|part| !own.contains(part) && has(part, words::HIDES));
        if !hides {
            continue;
        }
        let Some(Link::Key { columns, .. }) = link(other, of) else {
            continue;
        };
        let [column] = columns.as_slice() else { continue };
        found.open.push((
            format!("whether a row of {} names it", other.table.name),
            Some(format!(
                "not exists (select from {} h where {} = {})",
                table_name(other),
                dotted("h", column),
                dotted(alias, key)
            )),
        ));
    }
}

/// Lists in which a word says that the row is not for the customer, and columns that say to whom it went.
pub(super) fn lists(of: &Candidate, column: &TableColumn, found: &mut Visible) -> bool {
    let values = of.values(&column.name);
    let text = match column.type_category {
        'A' => {
            let elements = values
                .iter()
                .flat_map(|text| text.trim_matches(['{', '}']).split(','))
                .map(|element| element.trim_matches('"'));
            let hidden = |word: &str| is_internal(word) || has(word, words::MACHINE);
            let mut hidden = elements.filter(|word| hidden(word));
            hidden
                .next()
                .map(|word| format!("{} (a list, with {word} in some rows)", column.name))
        }
        'S' if has(&column.name, words::RECIPIENT) => {
            let is_address = values.iter().any(|text| text.contains('@'));
            is_address.then(|| {
                format!(
                    "{} (to whom it went: to the customer, or to others?)",
                    column.name
                )
            })
        }
        _ => None,
    };
    let is_told = text.is_some();
    found.open.extend(text.map(|text| (text, None)));
    is_told
}

/// What stands in the JSON beside what was written.
pub(super) fn json(
    of: &Candidate,
    column: &TableColumn,
    body: Option<&str>,
    alias: &str,
    found: &mut Visible,
) {
    let objects: Vec<_> = objects(of, column)
        .into_iter()
        .filter(|object| body.is_none_or(|body| object.contains_key(body)))
        .collect();
    let keys: BTreeSet<&String> = objects.iter().flat_map(|object| object.keys()).collect();
    for key in keys.into_iter().filter(|key| Some(key.as_str()) != body) {
        let held: BTreeSet<String> = objects
            .iter()
            .map(|object| object.get(key).map_or("nothing".to_owned(), plain))
            .collect();
        let is_kind = held.len() <= 8 && held.iter().all(|word| word.chars().count() <= 40);
        let is_flag = is_internal(key) || has(key, words::PUBLIC);
        if is_kind && ((held.len() > 1 && held.len() < objects.len()) || is_flag) {
            let held: Vec<String> = held.into_iter().collect();
            let name = json_value(alias, column, key);
            let is_boolean = held
                .iter()
                .all(|word| ["true", "false", "nothing"].contains(&word.as_str()));
            let condition = match (is_boolean, is_internal(key), has(key, words::PUBLIC)) {
                (true, true, false) => Some(format!("coalesce({name}, 'false') <> 'true'")),
                (true, false, true) => Some(format!("{name} = 'true'")),
                _ => None,
            };
            found
                .open
                .push((format!("{name} (it holds {})", held.join(", ")), condition));
        }
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
