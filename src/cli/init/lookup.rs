//! PURE: columns that lead to a small table of words, and what stands there.

use super::catalog::Candidate;
use super::columns::{is_people, is_prose, literal, named};
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// More rows than that are no list of kinds.
const MOST: usize = 20;

/// A value of a column, and what is known of its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// As it stands in the rows.
    pub value: String,
    /// As an SQL literal.
    pub sql: String,
    /// Its words, by which it is judged.
    pub words: String,
}

impl Held {
    /// For a person: `2 (Empleado)`.
    pub(super) fn shown(&self) -> String {
        match self.value == self.words {
            true => self.value.clone(),
            false => format!("{} ({})", self.value, self.words),
        }
    }
}

/// All of them, for a person.
pub(super) fn shown(held: &[Held]) -> String {
    held.iter().map(Held::shown).collect::<Vec<_>>().join(", ")
}

/// As a list for IN.
pub(super) fn list(held: &[Held]) -> String {
    held.iter()
        .map(|held| held.sql.clone())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The value of a column as a literal.
pub(super) fn value_of(column: &TableColumn, word: &str) -> String {
    match column.type_category {
        'N' | 'B' => word.to_owned(),
        _ => literal(word),
    }
}

/// What a column may hold, where its key leads to a small table of words.
pub(super) fn lookup(of: &Candidate, column: &TableColumn, tables: &[Candidate]) -> Option<Vec<Held>> {
    let key = of.key_of(&column.name)?;
    let target = tables.iter().find(|other| other.table.oid == key.to)?;
    let place = |name: &str| target.table.columns.iter().position(|known| known.name == name);
    let their = place(&key.their.concat())?;
    // Tickets and messages are no list, though lists may be named for them: those hold no text and no subject.
    let name = &target.table.name.table;
    let is_named = has(name, words::TICKET) || has(name, words::MESSAGE);
    let is_bare = || {
        let is_text = |column: &&TableColumn| is_prose(&target.values(&column.name));
        named(target, words::SUBJECT, "S").is_none() && !target.table.columns.iter().any(|of| is_text(&of))
    };
    // People are no list, also where their addresses stand elsewhere.
    let has_column = |word: &str| {
        target
            .table
            .columns
            .iter()
            .any(|column| words::same(&column.name, word))
    };
    let is_list = target.table.oid != of.table.oid
        && !target.rows.is_empty()
        && target.rows.len() <= MOST
        && !is_people(target)
        && !has(&words::last(name), words::USER)
        && !words::FIRST_LAST
            .iter()
            .any(|(first, last)| has_column(first) && has_column(last))
        && (!is_named || is_bare());
    if !is_list {
        return None;
    }
    let held = |row: &Vec<Option<String>>| {
        let value = row.get(their)?.clone()?;
        let mut said: Vec<String> = Vec::new();
        // A natural key is a word only where no other column holds one.
        let is_key = |known: &TableColumn| target.table.primary_key.contains(&known.name);
        let others = target
            .table
            .columns
            .iter()
            .zip(row)
            .filter(|(known, _)| !is_key(known));
        for (known, cell) in others {
            let Some(cell) = cell.as_deref() else { continue };
            let word = match known.type_category {
                'S' | 'E' if cell.chars().count() <= 40 => cell.to_owned(),
                // Whether a kind is in use is not what it is.
                'B' if has(&known.name, "active aktif enabled default valid") => continue,
                'B' if cell == "true" => known.name.clone(),
                'B' if has(&known.name, words::PUBLIC) => "internal".to_owned(),
                _ => continue,
            };
            if !said.contains(&word) {
                said.push(word);
            }
        }
        let words = match said.is_empty() {
            true if matches!(target.table.columns.get(their)?.type_category, 'S' | 'E') => value.clone(),
            true => return None,
            false => said.join(" "),
        };
        Some(Held {
            sql: value_of(column, &value),
            value,
            words,
        })
    };
    let mut found: Vec<Held> = target.rows.iter().map(held).collect::<Option<_>>()?;
    found.sort_by(|left, right| (left.value.len(), &left.value).cmp(&(right.value.len(), &right.value)));
    Some(found)
}

/// What a column may hold: words of its own, or those that its key leads to.
pub(super) fn held(of: &Candidate, column: &TableColumn, tables: &[Candidate]) -> Vec<Held> {
    if let Some(found) = lookup(of, column, tables) {
        return found;
    }
    let is_key = of.key_of(&column.name).is_some() || of.table.primary_key.contains(&column.name);
    if is_key || !matches!(column.type_category, 'S' | 'E' | 'N') {
        return Vec::new();
    }
    let words = of.words(column);
    words
        .into_iter()
        .map(|word| Held {
            sql: value_of(column, &word),
            value: word.clone(),
            words: word,
        })
        .collect()
}

/// Which side each value means.
#[derive(Debug, Default, Clone)]
pub(super) struct Sides {
    pub agents: Vec<Held>,
    pub customers: Vec<Held>,
    /// The system's.
    pub skipped: Vec<Held>,
    /// A program's that may speak to the customer.
    pub bots: Vec<Held>,
    pub unknown: Vec<Held>,
}

pub(super) fn sides(held: &[Held]) -> Sides {
    let mut found = Sides::default();
    for one in held {
        let word = one.words.rsplit(['\\', ':', '/']).next().unwrap_or(&one.words);
        // `Contact::Lead` is a contact where nothing is known of leads.
        let word = match [words::AGENT, words::CUSTOMER, words::BOT]
            .iter()
            .any(|list| has(word, list))
        {
            true => word,
            false => &one.words,
        };
        let place = match () {
            () if has(word, words::MACHINE) || (has(word, words::INTERNAL) && !has(word, words::AGENT)) => {
                &mut found.skipped
            }
            // A chat bot is no agent, though its name may say so.
            () if has(word, words::BOT) => &mut found.bots,
            () if has(word, words::AGENT) => &mut found.agents,
            () if has(word, words::CUSTOMER) => &mut found.customers,
            () => &mut found.unknown,
        };
        place.push(one.clone());
    }
    found
}

impl Sides {
    pub(super) fn has_both(&self) -> bool {
        !self.agents.is_empty() && !self.customers.is_empty()
    }

    /// Who each of them is, as SQL over `name`: what is the system's goes to nobody, nor does a bot unless a person says so.
    pub(super) fn sql(&self, name: &str) -> String {
        let when = |held: &[Held], side: &str| match held {
            [] => String::new(),
            held => format!(" when {name} in ({}) then '{side}'", list(held)),
        };
        let skipped: Vec<Held> = self.skipped.iter().chain(&self.bots).cloned().collect();
        format!(
            "case{}{}{}{} end",
            when(&self.customers, "customer"),
            when(&self.agents, "agent"),
            when(&skipped, "skip"),
            when(&self.unknown, "…")
        )
    }

    /// Why a person has to say it.
    pub(super) fn doubt(&self) -> Option<String> {
        let open: Vec<Held> = self.unknown.iter().chain(&self.bots).cloned().collect();
        let bot = match self.bots.as_slice() {
            [] => "",
            _ => " What a bot says to customers is an agent's; 'skip' goes to nobody",
        };
        (!open.is_empty()).then(|| format!("whose is {}?{bot}", shown(&open)))
    }

    /// By the value of a row: true for an agent.
    pub(super) fn verdict(&self, value: Option<&str>) -> Option<bool> {
        let value = value?;
        let is = |held: &[Held]| held.iter().any(|one| one.value == value);
        match () {
            () if is(&self.agents) => Some(true),
            () if is(&self.customers) => Some(false),
            () => None,
        }
    }
}
