//! PURE: which rows the customer may see, and what a reply has to give so that he sees it.

use super::catalog::Candidate;
use super::columns::{dotted, literal, literals};
use super::draft::Value;
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Visible {
    /// Conditions, joined by AND.
    pub conditions: Vec<String>,
    /// What the columns are that may be conditions, too; each with a condition that may be right.
    pub open: Vec<(String, String)>,
    /// What a reply gives.
    pub sets: Vec<(String, Value)>,
    /// Times that say nothing sure.
    pub questions: Vec<String>,
}

impl Visible {
    /// `where`, if there is any.
    pub(super) fn filter(&self) -> Option<Value> {
        let mut all = self.conditions.clone();
        if self.open.is_empty() {
            return (!all.is_empty()).then(|| Value::Sql(all.join(" and ")));
        }
        all.extend(self.open.iter().map(|(_, condition)| condition.clone()));
        let columns: Vec<&str> = self.open.iter().map(|(column, _)| column.as_str()).collect();
        Some(Value::todo(
            format!(
                "does it matter for what the customer may see: {}?",
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
            'B' => flag(column, alias, is_ticket, &mut found),
            'D' if !column.not_null => time(column, alias, &mut found),
            'S' | 'E' => word(of, column, alias, is_ticket, &mut found),
            'N' if !is_ticket => number(of, column, alias, &mut found),
            _ => {}
        }
    }
    found
}

fn needed(column: &TableColumn) -> bool {
    column.not_null && !column.has_default && !column.generated && column.identity.is_none()
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
        found.open.push((format!("{} (true or false)", column.name), not));
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
    if is_ticket {
        if !hidden.is_empty() {
            found
                .conditions
                .push(format!("{name} not in ({})", literals(&hidden)));
        }
        return;
    }
    if words.is_empty() || has(&column.name, words::NAME) || has(&column.name, words::SUBJECT) {
        return;
    }
    let rows = of.values(&column.name).len();
    let is_few = of.is_closed(column) || words.len() < rows;
    let known: Vec<String> = shown
        .iter()
        .filter(|word| has(word, words::PUBLIC_KIND) || has(word, words::PUBLIC))
        .cloned()
        .collect();
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
            found.sets.push((column.name.clone(), open_word(&words)));
        }
    } else if !hidden.is_empty() && is_known && !shown.is_empty() {
        found.conditions.push(format!("{name} in ({})", literals(&shown)));
        let first = shown.first().cloned().unwrap_or_default();
        found
            .sets
            .push((column.name.clone(), Value::Sql(literal(&first))));
    } else {
        let offer = if shown.is_empty() { &words } else { &shown };
        let first: Vec<String> = offer.iter().take(1).cloned().collect();
        found.open.push((
            format!("{} (it holds {})", column.name, words.join(", ")),
            format!("{name} in ({})", literals(&first)),
        ));
        found.sets.push((column.name.clone(), open_word(&words)));
    }
}

fn open_word(words: &[String]) -> Value {
    let offer = words.first().map(|word| literal(word));
    Value::Todo {
        question: format!(
            "what stands here in a reply that the customer sees? It holds {}",
            words.join(", ")
        ),
        offer,
    }
}

fn number(of: &Candidate, column: &TableColumn, alias: &str, found: &mut Visible) {
    let values = of.words(column);
    let is_harmless = has(&column.name, words::HARMLESS) || has(&column.name, words::KEY_PART);
    // Eight words are the most that `words` gives.
    if is_harmless || values.len() < 2 || values.len() >= of.values(&column.name).len() {
        return;
    }
    let first = values.first().cloned().unwrap_or_default();
    found.open.push((
        format!("{} (it holds {})", column.name, values.join(", ")),
        format!("{} = {first}", dotted(alias, &column.name)),
    ));
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
