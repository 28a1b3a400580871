//! PURE: which table is which.

use super::catalog::{Candidate, Polymorphic};
use super::columns::{body, email, named, said};
use super::customers::{has_somebody, is_record};
use super::words::{self, has};

/// How the rows of a table name a row of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// These columns hold its key, in the order of that key.
    Key {
        columns: Vec<String>,
        /// No foreign key says so.
        guessed: bool,
    },
    /// A pair of columns, and the word by which the kind is meant.
    Polymorphic { pair: Polymorphic, word: String },
}

impl Link {
    /// The columns that hold the key.
    pub(super) fn columns(&self) -> Vec<String> {
        match self {
            Link::Key { columns, .. } => columns.clone(),
            Link::Polymorphic { pair, .. } => vec![pair.id.clone()],
        }
    }

    fn why(&self, parent: &Candidate) -> String {
        let parent = &parent.table.name.table;
        match self {
            Link::Key { guessed: false, .. } => format!("its foreign key to {parent}"),
            Link::Key { columns, .. } => format!("every {} is a key of {parent}", columns.join(", ")),
            Link::Polymorphic { pair, word } => format!("{} names {parent} as {word}", pair.kind),
        }
    }
}

/// What was chosen, or why nothing was.
pub(super) enum Choice<'a> {
    /// This one, and why.
    One(&'a Candidate, String),
    /// Several that are as likely.
    Several(Vec<&'a Candidate>),
    None,
}

/// How a table names another one's rows.
pub(super) fn link(of: &Candidate, parent: &Candidate) -> Option<Link> {
    if of.table.oid == parent.table.oid {
        return None;
    }
    for key in of.keys.iter().filter(|key| key.to == parent.table.oid) {
        let place = |column: &String| key.their.iter().position(|their| their == column);
        let columns: Option<Vec<String>> = parent
            .table
            .primary_key
            .iter()
            .map(|column| key.columns.get(place(column)?).cloned())
            .collect();
        if let Some(columns) = columns {
            return Some(Link::Key {
                columns,
                guessed: key.guessed,
            });
        }
    }
    let [_] = parent.table.primary_key.as_slice() else {
        return None;
    };
    of.polymorphic.iter().find_map(|pair| {
        let kinds = of.values(&pair.kind);
        let word = kinds.into_iter().find(|word| is_class_of(word, parent))?;
        Some(Link::Polymorphic {
            pair: pair.clone(),
            word: word.to_owned(),
        })
    })
}

/// `Request`, `App\Models\SupportRequest` → requests, support_requests.
fn is_class_of(word: &str, table: &Candidate) -> bool {
    let class = word.rsplit(['\\', ':', '.', '/']).next().unwrap_or(word);
    words::kin(
        &words::parts(class).concat(),
        &words::parts(&table.table.name.table).concat(),
    )
}

/// The children that hold what people say about the rows of `parent`, those that are surely none left out.
pub(super) fn speaking<'a>(parent: &Candidate, tables: &'a [Candidate]) -> Vec<&'a Candidate> {
    let fits = |other: &&Candidate| {
        let name = &other.table.name.table;
        link(other, parent).is_some()
            && !other.table.primary_key.is_empty()
            && !has(name, words::ASIDE)
            && !has(name, words::FILE)
            && said(other, "m").is_some()
    };
    tables.iter().filter(fits).collect()
}

/// All children of a table that were not taken.
pub(super) fn children<'a>(parent: &Candidate, taken: &[u32], tables: &'a [Candidate]) -> Vec<&'a Candidate> {
    let fits = |other: &&Candidate| link(other, parent).is_some() && !taken.contains(&other.table.oid);
    tables.iter().filter(fits).collect()
}

/// Whether the rows are somebody who has an address: people, agents, queues.
fn has_addresses(of: &Candidate, tables: &[Candidate]) -> bool {
    (email(of).is_some() || named(of, words::PHONE, "S").is_some())
        && !has(&of.table.name.table, words::TICKET)
        && !is_record(of, tables)
}

/// The tickets: whose name says so, behind whose rows somebody stands, and about which something is said, in rows of a
/// child or in the row itself.
pub(super) fn tickets(tables: &[Candidate]) -> Choice<'_> {
    let has_form = |of: &&Candidate| {
        !of.table.primary_key.is_empty()
            && has_somebody(of, tables)
            && (body(of).is_some() || !speaking(of, tables).is_empty())
    };
    let of_form: Vec<&Candidate> = tables.iter().filter(has_form).collect();
    let is_named = |of: &&&Candidate| {
        let name = &of.table.name.table;
        has(name, words::TICKET)
            && ![words::FILE, words::ASIDE]
                .into_iter()
                .any(|aside| has(name, aside))
    };
    let mut found: Vec<&Candidate> = of_form.iter().filter(is_named).copied().collect();
    // What other rows belong to comes before what belongs to them: a message names its ticket. A ticket may name people,
    // queues and orders, too, which does not make it a part of theirs.
    let is_part = |of: &Candidate| {
        of_form.iter().any(|parent| {
            link(of, parent).is_some()
                && !has_addresses(parent, tables)
                && (has(&parent.table.name.table, words::TICKET) || has(&of.table.name.table, words::MESSAGE))
        })
    };
    let whole: Vec<&Candidate> = of_form
        .iter()
        .filter(|of| !is_part(of) && !has_addresses(of, tables))
        .copied()
        .collect();
    let parts: Vec<&Candidate> = found.iter().filter(|of| is_part(of)).copied().collect();
    found.retain(|of| !is_part(of));
    if found.is_empty() {
        // The name may stand on the messages alone: `thread` and `ticket_message`.
        found = whole
            .iter()
            .filter(|of| parts.iter().any(|part| link(part, of).is_some()))
            .copied()
            .collect();
    }
    let with_children: Vec<&Candidate> = found
        .iter()
        .filter(|of| !speaking(of, tables).is_empty())
        .copied()
        .collect();
    if with_children.is_empty() {
        // About rows of another name (orders) messages are written: they may be the tickets as well.
        let is_spoken_of = |of: &&&Candidate| {
            let mut children = speaking(of, tables).into_iter();
            children.any(|child| !child.rows.is_empty() && has(&child.table.name.table, words::MESSAGE))
        };
        let spoken_of: Vec<&Candidate> = whole.iter().filter(is_spoken_of).copied().collect();
        found.extend(spoken_of);
    } else {
        found = with_children;
    }
    let filled: Vec<&Candidate> = found.iter().filter(|of| !of.rows.is_empty()).copied().collect();
    if filled.len() == 1 {
        found = filled;
    }
    match found.as_slice() {
        [one] => Choice::One(one, why(one, tables)),
        [] if whole.is_empty() => Choice::None,
        [] => Choice::Several(whole),
        _ => Choice::Several(found),
    }
}

/// Why a table may be the tickets.
pub(super) fn why(of: &Candidate, tables: &[Candidate]) -> String {
    let mut why = Vec::new();
    if has(&of.table.name.table, words::TICKET) {
        why.push("its name".to_owned());
    }
    if let Some(column) = named(of, words::SUBJECT, "S") {
        why.push(format!("its column {}", column.name));
    }
    let children: Vec<&str> = speaking(of, tables)
        .iter()
        .map(|child| child.table.name.table.as_str())
        .collect();
    match children.as_slice() {
        [] => why.push("a text in its row".to_owned()),
        [one] => why.push(format!("{one} refers to it")),
        many => why.push(format!("{} refer to it", many.join(", "))),
    }
    why.join(", ")
}

/// The messages of the tickets.
pub(super) fn messages<'a>(ticket: &Candidate, tables: &'a [Candidate]) -> Choice<'a> {
    let found = speaking(ticket, tables);
    let named: Vec<&Candidate> = found
        .iter()
        .filter(|of| has(&of.table.name.table, words::MESSAGE))
        .copied()
        .collect();
    let (chosen, is_named) = if named.is_empty() {
        (found, false)
    } else {
        (named, true)
    };
    match chosen.as_slice() {
        [] => Choice::None,
        [one] => {
            let how = link(one, ticket).map(|link| link.why(ticket)).unwrap_or_default();
            Choice::One(one, if is_named { format!("its name, {how}") } else { how })
        }
        _ => Choice::Several(chosen),
    }
}

/// Tables that are named for messages and hold texts, but name no row of any other table.
pub(super) fn unlinked(tables: &[Candidate]) -> Vec<&Candidate> {
    let is_message = |of: &&Candidate| {
        let name = &of.table.name.table;
        has(name, words::MESSAGE) && !has(name, words::ASIDE) && !has(name, words::FILE) && body(of).is_some()
    };
    let is_linked = |of: &Candidate| tables.iter().any(|other| link(of, other).is_some());
    tables
        .iter()
        .filter(is_message)
        .filter(|of| !is_linked(of))
        .collect()
}

/// The table of files, whether they are a message's, and how it names what they belong to.
pub(super) fn files<'a>(
    ticket: &Candidate,
    message: Option<&Candidate>,
    tables: &'a [Candidate],
) -> Option<(&'a Candidate, bool, Link)> {
    let named = tables
        .iter()
        .filter(|other| has(&other.table.name.table, words::FILE) && !other.table.primary_key.is_empty());
    named.into_iter().find_map(|other| {
        let of_message = message.and_then(|message| link(other, message));
        match of_message {
            Some(found) => Some((other, true, found)),
            None => Some((other, false, link(other, ticket)?)),
        }
    })
}
