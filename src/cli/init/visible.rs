//! PURE: which rows the customer may see, and what a reply has to give so that he sees it.

use std::collections::BTreeSet;

use super::catalog::Candidate;
use super::columns::{dotted, is_counted, json_body, literal, literals};
use super::draft::Value;
use super::hidden;
use super::lookup::{self, Held};
use super::times;
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// What was found.
#[derive(Debug, Default, Clone)]
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
    /// The rows are tickets.
    pub is_ticket: bool,
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
        let question = match self.is_ticket {
            true => "which rows are tickets for Deskie? It may depend on",
            false => "does it matter for what the customer may see:",
        };
        let end = match self.is_ticket {
            true => ". Take the line out where all are",
            false => "?",
        };
        let end = if beside.is_empty() || !self.is_ticket {
            end
        } else {
            "."
        };
        Some(Value::todo(
            format!("{question} {}{end}{beside}", columns.join("; ")),
            all.join(" and "),
        ))
    }
}

/// Looks at every column that may hide a row. `used`: columns that are explained already.
pub(super) fn visible(
    of: &Candidate,
    alias: &str,
    used: &[String],
    is_ticket: bool,
    tables: &[Candidate],
) -> Visible {
    let mut found = Visible {
        is_ticket,
        ..Visible::default()
    };
    for column in &of.table.columns {
        let is_explained =
            used.contains(&column.name) || of.polymorphic.iter().any(|pair| pair.kind == column.name);
        if !is_explained && is_ticket {
            board(of, column, alias, tables, &mut found);
        } else if !is_explained
            && let Some(held) = lookup::lookup(of, column, tables)
            && !has(&column.name, words::AUTHOR)
            && !has(&column.name, words::HARMLESS)
            && !is_owner(of, column, tables)
        {
            kinds(of, column, alias, &held, &mut found);
            continue;
        }
        let is_key = of.table.primary_key.contains(&column.name)
            || of.keys.iter().any(|key| key.columns.contains(&column.name));
        if is_key || used.contains(&column.name) || of.polymorphic.iter().any(|pair| pair.kind == column.name)
        {
            continue;
        }
        match column.type_category {
            _ if times::seconds(of, column, alias, &mut found) => {}
            _ if yes_or_no(of, column, alias, &mut found) => {}
            _ if !is_ticket && hidden::lists(of, column, &mut found) => {}
            'B' => flag(of, column, alias, is_ticket, &mut found),
            'D' => times::time(of, column, alias, &mut found),
            'S' | 'E' => word(of, column, alias, is_ticket, &mut found),
            'N' if !is_ticket => number(of, column, &mut found),
            'N' => number_flag(of, column, &mut found),
            _ => {}
        }
    }
    let body = json_body(of);
    let is_json =
        |column: &&TableColumn| column.type_text.starts_with("json") && !used_by(used, column, &body);
    for column in of.table.columns.iter().filter(is_json).filter(|_| !is_ticket) {
        let key = body.as_ref().filter(|(of_body, _)| of_body.name == column.name);
        hidden::json(of, column, key.map(|(_, key)| key.as_str()), alias, &mut found);
    }
    if !is_ticket {
        hidden::keys(of, alias, used, &mut found);
        hidden::tables(of, alias, tables, &mut found);
    }
    found
}

/// Whether a column leads to people, to accounts, to inboxes: whose a row is, and not of which kind.
fn is_owner(of: &Candidate, column: &TableColumn, tables: &[Candidate]) -> bool {
    let to = of.key_of(&column.name).map(|key| key.to);
    let mut target = tables.iter().filter(|other| Some(other.table.oid) == to);
    target.any(|target| {
        let last = words::last(&target.table.name.table);
        has(&last, words::USER) || has(&last, words::NOT_PERSON)
    })
}

/// A column that says of which kind a ticket is, or whose: of several kinds one alone may be the support's.
fn board(of: &Candidate, column: &TableColumn, alias: &str, tables: &[Candidate], found: &mut Visible) {
    let key = of.key_of(&column.name);
    let target = key.and_then(|key| tables.iter().find(|other| other.table.oid == key.to));
    let of_target = target.map_or("", |target| target.table.name.table.as_str());
    let is_person = target.is_some_and(|target| {
        let last = words::last(of_target);
        has(&last, words::USER) || has(&last, words::AGENT) || target.table.oid == of.table.oid
    });
    let names = [column.name.as_str(), of_target];
    let is_named = |list: &str| names.iter().any(|name| has(name, list));
    let is_other = names
        .iter()
        .any(|name| has(name, words::HARMLESS) || has(name, words::STATE) || has(name, words::STATUS));
    // A natural key may begin with whose the ticket is.
    let is_key = of.table.primary_key.as_slice() == [column.name.as_str()];
    if is_person || is_other || is_key || column.type_category == 'B' {
        return;
    }
    let mut there: Vec<&str> = of.values(&column.name);
    there.sort_unstable();
    there.dedup();
    let mut held = lookup::held(of, column, tables);
    // A part of the key, and a name of more than one word (`Technical help`) or an address, are as good as a word here.
    let is_text = column.type_category == 'S' && there.len() < of.values(&column.name).len();
    let is_part = of.table.primary_key.contains(&column.name);
    let is_few = there.len() <= 8 && there.iter().all(|value| value.chars().count() <= 40);
    if held.is_empty() && (is_part || is_text) && is_few && has(&column.name, words::BOARD) {
        let sql = |value: &&str| Held {
            value: (*value).to_owned(),
            sql: lookup::value_of(column, value),
            words: (*value).to_owned(),
        };
        held = there.iter().map(sql).collect();
    }
    let is_closed = of.is_closed(column) && held.len() > 1;
    if there.len() < 2 && !is_closed {
        return;
    }
    let is_board = is_named(words::BOARD);
    let (name, values) = (dotted(alias, &column.name), of.values(&column.name).len());
    if held.is_empty() {
        // Many rows of each: tenants, projects.
        let is_many = is_board && (key.is_some() || column.type_category == 'U') && there.len() * 2 <= values;
        let text = format!("{} ({} different)", column.name, there.len());
        match is_many {
            true if is_named(words::TOPIC) => found.questions.push(of_topic(&text)),
            true => found.open.push((text, None)),
            false => {}
        }
        return;
    }
    let is_kind = is_closed || key.is_some() || there.len() < values || values <= 3;
    let held: Vec<Held> = match is_closed {
        true => held,
        false => held
            .into_iter()
            .filter(|one| there.contains(&one.value.as_str()))
            .collect(),
    };
    let of_words =
        |list: &str| -> Vec<Held> { held.iter().filter(|one| has(&one.words, list)).cloned().collect() };
    let (support, others) = (of_words(words::SUPPORT), of_words(words::OTHER_BUSINESS));
    let is_mixed = !others.is_empty() && (is_board || others.len() < held.len());
    let is_topic = is_named(words::TOPIC);
    let is_number = column.type_category == 'N' && key.is_none();
    if !(is_kind && (is_board || is_mixed)) || (is_number && !is_board) {
        return;
    }
    let text = format!("{} (it holds {})", column.name, lookup::shown(&held));
    if is_topic && !is_mixed && support.is_empty() {
        found.questions.push(of_topic(&text));
        return;
    }
    let condition = (!support.is_empty()).then(|| format!("{name} in ({})", lookup::list(&support)));
    let open = condition.unwrap_or_else(|| format!("{name} in (…)"));
    found.open.push((text, Some(open)));
}

/// Of topics the support's tickets are told apart: that is a remark.
fn of_topic(column: &str) -> String {
    format!("{column}. If some are not for the support, say which are in where.")
}

/// A column of a message that leads to a list of kinds.
fn kinds(of: &Candidate, column: &TableColumn, alias: &str, held: &[Held], found: &mut Visible) {
    let name = dotted(alias, &column.name);
    let (hidden, shown): (Vec<Held>, Vec<Held>) = held
        .iter()
        .cloned()
        .partition(|one| is_internal(&one.words) || has(&one.words, words::MACHINE));
    let is_seen = |one: &&Held| has(&one.words, words::PUBLIC_KIND) || has(&one.words, words::PUBLIC);
    let known: Vec<Held> = shown.iter().filter(is_seen).cloned().collect();
    let replies: Vec<Held> = known
        .iter()
        .filter(|one| !has(&one.words, words::COMMENT))
        .cloned()
        .collect();
    let known = if replies.is_empty() { known } else { replies };
    let is_known = known.len() == shown.len() && !shown.is_empty();
    let set = Value::Todo {
        question: format!(
            "what stands here in a reply that the customer sees? It holds {}",
            lookup::shown(held)
        ),
        offer: known.first().map(|one| one.sql.clone()),
    };
    // Languages, devices: nothing in them is a kind of a message.
    let says_nothing = hidden.is_empty() && (is_known || known.is_empty());
    match (hidden.is_empty(), is_known) {
        _ if held.len() < 2 || (says_nothing && !has(&column.name, words::BOARD)) => {
            if needed(column) {
                found.sets.push((column.name.clone(), set));
            }
        }
        (false, true) => {
            found
                .conditions
                .push(format!("{name} in ({})", lookup::list(&known)));
            let set = match known.as_slice() {
                [one] => Value::Sql(one.sql.clone()),
                _ => set,
            };
            found.sets.push((column.name.clone(), set));
        }
        _ => {
            let condition = (!known.is_empty()).then(|| format!("{name} in ({})", lookup::list(&known)));
            found.open.push((
                format!("{} (it holds {})", column.name, lookup::shown(held)),
                condition,
            ));
            if needed(column) || !of.values(&column.name).is_empty() {
                found.sets.push((column.name.clone(), set));
            }
        }
    }
}

/// Whether a JSON column is explained; the one of the body holds more than that.
fn used_by(used: &[String], column: &TableColumn, body: &Option<(&TableColumn, String)>) -> bool {
    used.contains(&column.name)
        && body
            .as_ref()
            .is_none_or(|(of_body, _)| of_body.name != column.name)
}

fn needed(column: &TableColumn) -> bool {
    column.not_null && !column.has_default && !column.generated && column.identity.is_none()
}

/// A flag that is no boolean, `'Y'` and `'N'` or 1 and 0, where its name says what it means.
fn yes_or_no(of: &Candidate, column: &TableColumn, alias: &str, found: &mut Visible) -> bool {
    let (internal, public) = (is_internal(&column.name), has(&column.name, words::PUBLIC));
    // Whom a ticket is shown to beside its customer is not whether it is for Deskie.
    let public = public && !found.is_ticket;
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
    let is_hidden =
        |default: String| Some(default.as_str()) != shown.first().map(|one| one.to_lowercase()).as_deref();
    if public || needed(column) || of.default_word(&column.name).is_some_and(is_hidden) {
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

fn flag(of: &Candidate, column: &TableColumn, alias: &str, is_ticket: bool, found: &mut Visible) {
    let name = dotted(alias, &column.name);
    let not = if column.not_null {
        format!("not {name}")
    } else {
        format!("{name} is not true")
    };
    let (internal, public) = (is_internal(&column.name), has(&column.name, words::PUBLIC));
    // What a reply does not give is what the default says.
    let is_set = needed(column)
        || of
            .default_word(&column.name)
            .is_some_and(|default| default != "false");
    if internal && !public {
        found.conditions.push(not);
        if is_set {
            found.sets.push((column.name.clone(), Value::Sql("false".into())));
        }
    } else if public && is_ticket {
        of_public(column, found);
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
        // Which of both is the default is no matter: what it means is not known.
        if needed(column) || of.default_word(&column.name).is_some() {
            found
                .sets
                .push((column.name.clone(), Value::todo("true or false?", "false")));
        }
    }
}

/// Whether a word of the column says that the customer must not see the row.
pub(super) fn is_any_hidden(of: &Candidate, column: &TableColumn) -> bool {
    of.words(column).iter().any(|word| is_internal(word))
}

/// Whom a ticket is shown to beside its customer is not whether it is for Deskie.
fn of_public(column: &TableColumn, found: &mut Visible) {
    found.questions.push(format!(
        "{} says that others may see a ticket. If it says which are for Deskie, that belongs into where.",
        column.name
    ));
}

/// `staff_only` is internal, though neither word is.
pub(super) fn is_internal(name: &str) -> bool {
    has(name, words::INTERNAL)
        || (words::parts(name).last().is_some_and(|last| last == "only") && has(name, words::AGENT))
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
    // Of channels and devices one may be the staff's own.
    let of_staff = |word: &String| {
        let lists = [words::AGENT, words::MACHINE, words::BOT, words::ASIDE_VALUE];
        lists.iter().any(|list| has(word, list))
    };
    let is_harmless = has(&column.name, words::HARMLESS) && !shown.iter().any(of_staff);
    let is_audience = has(&column.name, words::AUDIENCE);
    let has_null = of.nulls(&column.name) > 0;
    if hidden.is_empty() && !is_audience && (is_known || is_harmless || !is_few) {
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
    } else if hidden.is_empty()
        && !has_null
        && !of.is_closed(column)
        && words.len() == 1
        && rows >= ROWS_OF_ONE
    {
        found.questions.push(format!(
            "{} is {} in all rows. Would another word there say that the customer does not see the row? Then it belongs into where.",
            column.name,
            words.concat()
        ));
        if needed(column) {
            found.sets.push((column.name.clone(), open_word(&words, &[])));
        }
    } else if !hidden.is_empty() && is_known && !shown.is_empty() && !has_null {
        found.conditions.push(format!("{name} in ({})", literals(&shown)));
        let first = shown.first().cloned().unwrap_or_default();
        found
            .sets
            .push((column.name.clone(), Value::Sql(literal(&first))));
    } else {
        let condition = (!known.is_empty()).then(|| format!("{name} in ({})", literals(&known)));
        // Who is named there may see it: nobody named is no limit.
        let is_limit = has_null && is_audience && words.iter().all(|word| has(word, words::AGENT));
        let condition = condition.or_else(|| is_limit.then(|| format!("{name} is null")));
        let or_null = if has_null { ", or NULL" } else { "" };
        found.open.push((
            format!("{} (it holds {}{or_null})", column.name, words.join(", ")),
            condition,
        ));
        let mut set = open_word(&words, &known);
        if let Value::Todo { offer, .. } = &mut set
            && is_limit
        {
            *offer = Some("null".to_owned());
        }
        found.sets.push((column.name.clone(), set));
    }
}

/// A single word in so many rows tells nothing of any of them.
const ROWS_OF_ONE: usize = 20;

/// The words that say that the customer sees it. Of `Comment` and `Reply` the comment may be the staff's own.
fn surely_seen(shown: &[String]) -> Vec<String> {
    let class = |word: &str| word.rsplit(['\\', ':', '/']).next().unwrap_or(word).to_owned();
    // Of `public` and `public_third` the second one may be for somebody else.
    let known = [
        words::PUBLIC_KIND,
        words::PUBLIC,
        words::AGENT,
        words::CUSTOMER,
        words::MESSAGE,
    ];
    let is_known = |word: &str| {
        let mut parts = words::parts(word).into_iter();
        parts.all(|part| known.iter().any(|list| has(&part, list)))
    };
    let seen = shown.iter().filter(|word| {
        let class = class(word);
        (has(&class, words::PUBLIC_KIND) || has(&class, words::PUBLIC)) && is_known(&class)
    });
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

/// A flag of a ticket that is a number: it may say that the ticket is deleted.
fn number_flag(of: &Candidate, column: &TableColumn, found: &mut Visible) {
    let values: BTreeSet<&str> = of.values(&column.name).into_iter().collect();
    let is_flag = values == BTreeSet::from(["0", "1"]);
    let is_explained = has(&column.name, words::STATUS)
        || has(&column.name, words::HARMLESS)
        || has(&column.name, words::STATE)
        || has(&column.name, words::KEY_PART);
    if is_flag && !is_explained {
        found.open.push((format!("{} (0 or 1)", column.name), None));
    }
}

fn number(of: &Candidate, column: &TableColumn, found: &mut Visible) {
    let values = of.words(column);
    let is_harmless = has(&column.name, words::HARMLESS) || has(&column.name, words::KEY_PART);
    let is_counter = of.keys.iter().any(|key| match key.columns.as_slice() {
        [by] => is_counted(of, column, by),
        _ => false,
    });
    // Eight words are the most that `words` gives.
    if is_harmless || is_counter || values.len() < 2 || values.len() >= of.values(&column.name).len() {
        return;
    }
    found
        .open
        .push((format!("{} (it holds {})", column.name, values.join(", ")), None));
    // Of so many kinds the default need not be the one of an answer; a column that has to be given is asked about anyway.
    let usual = usual(&of.values(&column.name));
    let is_default = of
        .default_word(&column.name)
        .is_some_and(|default| Some(default) != usual);
    if (values.len() > 3 || is_default) && !needed(column) {
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

/// The value that stands most often.
fn usual(values: &[&str]) -> Option<String> {
    let count = |value: &&&str| values.iter().filter(|other| other == value).count();
    values.iter().max_by_key(count).map(|value| value.to_lowercase())
}
