//! PURE: which rows the customer may see, and what a reply has to give so that he sees it.

use std::collections::BTreeSet;

use super::catalog::Candidate;
use super::columns::{dotted, json_body, json_value, literal, literals, objects};
use super::draft::Value;
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Visible {
    /// Conditions, joined by AND.
    pub conditions: Vec<String>,
    /// What the columns are that may be conditions, too; each with the condition that surely holds for what the customer
    /// sees, if there is one.
    pub open: Vec<(String, Option<String>)>,
    /// What a reply gives.
    pub sets: Vec<(String, Value)>,
    /// Columns that say nothing sure.
    pub questions: Vec<String>,
}

impl Visible {
    /// `where`, if there is any. What may be the answer never lets out more than what is surely seen: `…` stands for what
    /// nobody but the site's people can say.
    pub(super) fn filter(&self) -> Option<Value> {
        let mut all = self.conditions.clone();
        if self.open.is_empty() {
            return (!all.is_empty()).then(|| Value::Sql(all.join(" and ")));
        }
        let unsaid = || "…".to_owned();
        let open = self
            .open
            .iter()
            .map(|(_, condition)| condition.clone().unwrap_or_else(unsaid));
        all.extend(open);
        let columns: Vec<&str> = self.open.iter().map(|(column, _)| column.as_str()).collect();
        // Whoever answers only what is asked would let out what is known to be hidden.
        let beside = match self.conditions.as_slice() {
            [] => String::new(),
            known => format!(
                " The answer begins with what is known: {} and",
                known.join(" and ")
            ),
        };
        Some(Value::todo(
            format!(
                "does it matter for what the customer may see: {}?{beside}",
                columns.join("; ")
            ),
            all.join(" and "),
        ))
    }
}

/// Looks at every column that may hide a row. `used`: columns that are explained already.
pub(super) fn visible(of: &Candidate, alias: &str, used: &[String], is_ticket: bool) -> Visible {
    let mut found = Visible::default();
    for column in &of.table.columns {
        let is_key = of.table.primary_key.contains(&column.name)
            || of.keys.iter().any(|key| key.columns.contains(&column.name));
        if is_key || used.contains(&column.name) || of.polymorphic.iter().any(|pair| pair.kind == column.name)
        {
            continue;
        }
        match column.type_category {
            _ if yes_or_no(of, column, alias, &mut found) => {}
            'B' => flag(column, alias, is_ticket, &mut found),
            'D' if !column.not_null => time(column, alias, &mut found),
            'S' | 'E' => word(of, column, alias, is_ticket, &mut found),
            'N' if !is_ticket => number(of, column, &mut found),
            _ => {}
        }
    }
    if let Some((column, key)) = json_body(of).filter(|_| !is_ticket) {
        json(of, column, &key, alias, &mut found);
    }
    found
}

fn needed(column: &TableColumn) -> bool {
    column.not_null && !column.has_default && !column.generated && column.identity.is_none()
}

/// A flag that is no boolean, `'Y'` and `'N'` or 1 and 0, where its name says what it means.
fn yes_or_no(of: &Candidate, column: &TableColumn, alias: &str, found: &mut Visible) -> bool {
    let (internal, public) = (is_internal(&column.name), has(&column.name, words::PUBLIC));
    let is_counted = column.type_category == 'N'
        && (has(&column.name, words::HARMLESS) || has(&column.name, words::KEY_PART));
    if internal == public || is_counted || !matches!(column.type_category, 'S' | 'E' | 'N') {
        return false;
    }
    let held = of.words(column);
    let pair = words::YES_NO.iter().find(|(yes, no)| {
        let fits = |word: &String| [*yes, *no].contains(&word.to_lowercase().as_str());
        !held.is_empty() && held.iter().all(fits)
    });
    let Some((yes, _)) = pair else {
        return false;
    };
    let (yes, no): (Vec<String>, Vec<String>) =
        held.into_iter().partition(|word| word.to_lowercase() == *yes);
    let value = |word: &String| match column.type_category {
        'N' => word.clone(),
        _ => literal(word),
    };
    let (shown, hidden) = if internal { (no, yes) } else { (yes, no) };
    let name = dotted(alias, &column.name);
    // NULL means no.
    found
        .conditions
        .push(match (shown.first().map(value), hidden.first().map(value)) {
            (Some(shown), _) if internal && !column.not_null => {
                format!("coalesce({name}, {shown}) = {shown}")
            }
            (Some(shown), _) => format!("{name} = {shown}"),
            (None, Some(hidden)) if internal => format!("{name} is distinct from {hidden}"),
            (None, hidden) => format!("{name} <> {}", hidden.unwrap_or_default()),
        });
    if public || needed(column) {
        let set = match shown.first() {
            Some(shown) => Value::Sql(value(shown)),
            None => Value::Todo {
                question: "what stands here in a reply that the customer sees?".to_owned(),
                offer: None,
            },
        };
        found.sets.push((column.name.clone(), set));
    }
    true
}

fn flag(column: &TableColumn, alias: &str, is_ticket: bool, found: &mut Visible) {
    let name = dotted(alias, &column.name);
    let not = if column.not_null {
        format!("not {name}")
    } else {
        format!("{name} is not true")
    };
    let (internal, public) = (is_internal(&column.name), has(&column.name, words::PUBLIC));
    if internal && !public {
        found.conditions.push(not);
        if needed(column) {
            found.sets.push((column.name.clone(), Value::Sql("false".into())));
        }
    } else if public && !internal && !words::parts(&column.name).iter().any(|part| part == "not") {
        found.conditions.push(name);
        found.sets.push((column.name.clone(), Value::Sql("true".into())));
    } else if !internal
        && !public
        && (has(&column.name, words::HARMLESS) || (is_ticket && has(&column.name, words::STATE)))
    {
        if needed(column) {
            found.sets.push((column.name.clone(), Value::Sql("false".into())));
        }
    } else {
        found
            .open
            .push((format!("{} (true or false)", column.name), None));
        if needed(column) {
            found
                .sets
                .push((column.name.clone(), Value::todo("true or false?", "false")));
        }
    }
}

/// `staff_only` is internal, though neither word is.
fn is_internal(name: &str) -> bool {
    has(name, words::INTERNAL)
        || (words::parts(name).last().is_some_and(|last| last == "only") && has(name, words::AGENT))
}

fn time(column: &TableColumn, alias: &str, found: &mut Visible) {
    let name = dotted(alias, &column.name);
    if has(&column.name, words::GONE_AT) {
        found.conditions.push(format!("{name} is null"));
    } else if has(&column.name, words::SHOWN_AT) {
        found.conditions.push(format!("{name} is not null"));
        found
            .sets
            .push((column.name.clone(), Value::Sql(":created_at".into())));
    } else if !has(&column.name, words::OTHER_AT)
        && !words::each(words::CREATED).any(|word| words::same(&column.name, word))
    {
        found.questions.push(format!(
            "{} may be NULL or a time: does that say whether the customer sees it? Then it belongs into where.",
            column.name
        ));
    }
}

fn word(of: &Candidate, column: &TableColumn, alias: &str, is_ticket: bool, found: &mut Visible) {
    let words = of.words(column);
    let name = dotted(alias, &column.name);
    let (hidden, shown): (Vec<String>, Vec<String>) =
        words.iter().cloned().partition(|word| is_internal(word));
    if words.is_empty() || has(&column.name, words::NAME) || has(&column.name, words::SUBJECT) {
        return;
    }
    if is_ticket {
        // NULL is none of the hidden.
        let or_null = if column.not_null { "" } else { " is not false" };
        if !hidden.is_empty() {
            let list = literals(&hidden);
            found.conditions.push(match or_null {
                "" => format!("{name} not in ({list})"),
                or_null => format!("({name} not in ({list})){or_null}"),
            });
        }
        return;
    }
    let rows = of.values(&column.name).len();
    let is_few = of.is_closed(column) || words.len() < rows;
    let known = surely_seen(&shown);
    let is_known = known.len() == shown.len();
    if hidden.is_empty() && (is_known || has(&column.name, words::HARMLESS) || !is_few) {
        if needed(column)
            && let [one] = words.as_slice()
        {
            found.sets.push((
                column.name.clone(),
                Value::todo(
                    format!("what stands here in a reply? So far always {one}"),
                    literal(one),
                ),
            ));
        } else if needed(column) {
            found.sets.push((column.name.clone(), open_word(&words, &known)));
        }
    } else if hidden.is_empty() && !of.is_closed(column) && words.len() == 1 && rows >= ROWS_OF_ONE {
        found.questions.push(format!(
            "{} is {} in all rows. Would another word there say that the customer does not see the row? Then it belongs into where.",
            column.name,
            words.concat()
        ));
        if needed(column) {
            found.sets.push((column.name.clone(), open_word(&words, &[])));
        }
    } else if !hidden.is_empty() && is_known && !shown.is_empty() {
        found.conditions.push(format!("{name} in ({})", literals(&shown)));
        let first = shown.first().cloned().unwrap_or_default();
        found
            .sets
            .push((column.name.clone(), Value::Sql(literal(&first))));
    } else {
        let condition = (!known.is_empty()).then(|| format!("{name} in ({})", literals(&known)));
        found.open.push((
            format!("{} (it holds {})", column.name, words.join(", ")),
            condition,
        ));
        found.sets.push((column.name.clone(), open_word(&words, &known)));
    }
}

/// A single word in so many rows tells nothing of any of them.
const ROWS_OF_ONE: usize = 20;

/// The words that say that the customer sees it. Of `Comment` and `Reply` the comment may be the staff's own.
fn surely_seen(shown: &[String]) -> Vec<String> {
    let class = |word: &str| word.rsplit(['\\', ':', '/']).next().unwrap_or(word).to_owned();
    let seen = shown
        .iter()
        .filter(|word| has(&class(word), words::PUBLIC_KIND) || has(&class(word), words::PUBLIC));
    let seen: Vec<String> = seen.cloned().collect();
    let replies = seen
        .iter()
        .filter(|word| !has(&class(word), words::COMMENT))
        .cloned();
    let replies: Vec<String> = replies.collect();
    if replies.is_empty() { seen } else { replies }
}

/// A question with an offer only where a word surely says that the customer sees it.
fn open_word(words: &[String], known: &[String]) -> Value {
    let offer = known.first().map(|word| literal(word));
    Value::Todo {
        question: format!(
            "what stands here in a reply that the customer sees? It holds {}",
            words.join(", ")
        ),
        offer,
    }
}

/// What stands in the JSON beside what was written.
fn json(of: &Candidate, column: &TableColumn, body: &str, alias: &str, found: &mut Visible) {
    let objects: Vec<_> = objects(of, column)
        .into_iter()
        .filter(|object| object.contains_key(body))
        .collect();
    let keys: BTreeSet<&String> = objects.iter().flat_map(|object| object.keys()).collect();
    for key in keys.into_iter().filter(|key| *key != body) {
        let held: BTreeSet<String> = objects
            .iter()
            .map(|object| object.get(key).map_or("nothing".to_owned(), plain))
            .collect();
        let is_kind = held.len() <= 8 && held.iter().all(|word| word.chars().count() <= 40);
        if is_kind && held.len() > 1 && held.len() < objects.len() {
            let held: Vec<String> = held.into_iter().collect();
            found.open.push((
                format!(
                    "{} (it holds {})",
                    json_value(alias, column, key),
                    held.join(", ")
                ),
                None,
            ));
        }
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(of: &Candidate, column: &TableColumn, found: &mut Visible) {
    let values = of.words(column);
    let is_harmless = has(&column.name, words::HARMLESS) || has(&column.name, words::KEY_PART);
    // Eight words are the most that `words` gives.
    if is_harmless || values.len() < 2 || values.len() >= of.values(&column.name).len() {
        return;
    }
    found
        .open
        .push((format!("{} (it holds {})", column.name, values.join(", ")), None));
    // Of so many kinds the default need not be the one of an answer; a column that has to be given is asked about anyway.
    if values.len() > 3 && !needed(column) {
        let question = format!("what stands here in a reply? It holds {}", values.join(", "));
        found.sets.push((
            column.name.clone(),
            Value::Todo {
                question,
                offer: None,
            },
        ));
    }
}
