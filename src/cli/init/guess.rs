//! PURE: which table is which, and who writes in it.

use super::catalog::{Candidate, ForeignKey};
use super::words::{self, rank, same};
use crate::mapping::shape::quote_ident;
use crate::postgres::catalog::{Table, TableColumn};

/// What was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The tickets.
    pub ticket: Ticket,
    /// Their messages.
    pub message: Option<Message>,
    /// Their files.
    pub file: Option<File>,
    /// Other tables that may be the tickets, next best first.
    pub others: Vec<String>,
}

/// The table of tickets.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    /// The table.
    pub table: Table,
    /// Why this one.
    pub why: String,
    /// The customers' table and the foreign key to it.
    pub user: Option<(Table, ForeignKey)>,
}

/// The table of messages.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The table.
    pub table: Table,
    /// Why this one.
    pub why: String,
    /// Our columns that hold the ticket's key, in the order of the ticket's key.
    pub ticket: Vec<String>,
    /// The foreign key to the customers' table.
    pub user: Option<ForeignKey>,
    /// Who wrote it.
    pub author: Author,
}

/// The table of files.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// The table.
    pub table: Table,
    /// Of a message, not of a ticket.
    pub of_message: bool,
    /// The columns that hold its key.
    pub parent: Vec<String>,
}

/// How one tells who wrote a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Author {
    /// The expression; `None`: it cannot be told.
    pub sql: Option<String>,
    /// Why.
    pub why: String,
    /// The column and what a reply sets it to.
    pub set: Option<(String, String)>,
}

impl Found {
    /// In one line.
    pub(super) fn summary(&self) -> String {
        let message = self.message.as_ref().map_or("no messages".to_owned(), |m| {
            format!("messages in {}", m.table.name)
        });
        format!("tickets in {}, {message}", self.ticket.table.name)
    }
}

/// The column that one of the words names exactly, the first word first.
pub(super) fn column<'a>(table: &'a Table, words: &[&str], categories: &str) -> Option<&'a TableColumn> {
    let fits = |column: &&TableColumn| categories.contains(column.type_category);
    words.iter().find_map(|word| {
        table
            .columns
            .iter()
            .filter(fits)
            .find(|column| same(&column.name, word))
    })
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

/// Finds the tables; `None`: none looks like tickets.
pub(super) fn guess(tables: &[Candidate]) -> Option<Found> {
    let mut scored: Vec<(i32, String, &Candidate)> =
        tables.iter().filter_map(|table| score(table, tables)).collect();
    scored.sort_by_key(|(score, ..)| -score);
    let (_, why, best) = scored.first()?;
    let user = customer(best, tables);
    let message = message(best, tables, user.as_ref().map(|(table, _)| table.oid));
    let file = file(best, message.as_ref(), tables);
    Some(Found {
        others: scored
            .iter()
            .skip(1)
            .take(3)
            .map(|(_, _, other)| other.table.name.to_string())
            .collect(),
        ticket: Ticket {
            table: best.table.clone(),
            why: why.clone(),
            user,
        },
        message,
        file,
    })
}

fn score<'a>(of: &'a Candidate, tables: &[Candidate]) -> Option<(i32, String, &'a Candidate)> {
    let table = &of.table;
    let name = &table.name.table;
    let rank_ = rank(name, words::TICKET)?;
    if table.primary_key.is_empty() {
        return None;
    }
    let mut score = 12 - i32::try_from(rank_ / 2).unwrap_or(10);
    let mut why = vec!["its name".to_owned()];
    for aside in [words::MESSAGE, words::FILE, words::ASIDE] {
        score -= if rank(name, aside).is_some() { 9 } else { 0 };
    }
    if let Some(column) = column(table, words::SUBJECT, "S") {
        score += 4;
        why.push(format!("its column {}", column.name));
    }
    if column(table, &["status", "state", "durum", "статус"], "SEN").is_some() {
        score += 2;
    }
    let is_child = |other: &&Candidate| {
        other.keys.iter().any(|key| key.to == table.oid)
            && rank(&other.table.name.table, words::MESSAGE).is_some()
    };
    if let Some(child) = tables.iter().find(is_child) {
        score += 4;
        why.push(format!("{} refers to it", child.table.name.table));
    }
    (score >= 6).then(|| (score, why.join(", "), of))
}

/// The foreign key that leads to the customer, and the table that it leads to.
fn customer(ticket: &Candidate, tables: &[Candidate]) -> Option<(Table, ForeignKey)> {
    let mut best: Option<(i32, &Candidate, &ForeignKey)> = None;
    for key in ticket.keys.iter().filter(|key| key.columns.len() == 1) {
        let Some(target) = tables.iter().find(|other| other.table.oid == key.to) else {
            continue;
        };
        let has_address = column(&target.table, words::EMAIL, "SU")
            .or(column(&target.table, words::PHONE, "S"))
            .is_some();
        let name = key.columns.concat();
        let mut score = if has_address { 6 } else { 0 };
        score += if rank(&target.table.name.table, words::USER).is_some() {
            3
        } else {
            0
        };
        score += if rank(&name, words::CUSTOMER_ID).is_some() {
            3
        } else {
            0
        };
        score -= if rank(&name, words::NOT_CUSTOMER).is_some() {
            8
        } else {
            0
        };
        if score > 3 && best.as_ref().is_none_or(|(other, ..)| score > *other) {
            best = Some((score, target, key));
        }
    }
    best.map(|(_, target, key)| (target.table.clone(), key.clone()))
}

/// Our columns that hold a parent's key: by a foreign key, else by the name `<parent>_id`.
fn leads_to(of: &Candidate, parent: &Table) -> Option<(Vec<String>, String)> {
    for key in of.keys.iter().filter(|key| key.to == parent.oid) {
        let ordered: Option<Vec<String>> = parent
            .primary_key
            .iter()
            .map(|column| {
                Some(
                    key.columns
                        .get(key.their.iter().position(|their| their == column)?)?
                        .clone(),
                )
            })
            .collect();
        if let Some(columns) = ordered {
            return Some((columns, format!("its foreign key to {}", parent.name.table)));
        }
    }
    let singular = parent
        .name
        .table
        .strip_suffix("es")
        .filter(|_| parent.name.table.ends_with("ses"));
    let singular = singular
        .or(parent.name.table.strip_suffix('s'))
        .unwrap_or(&parent.name.table);
    let wanted = [
        format!("{singular}_id"),
        "ticket_id".to_owned(),
        "case_id".to_owned(),
    ];
    let found = wanted
        .iter()
        .find_map(|name| of.table.columns.iter().find(|column| same(&column.name, name)))?;
    (parent.primary_key.len() == 1).then(|| (vec![found.name.clone()], format!("its column {}", found.name)))
}

fn message(ticket: &Candidate, tables: &[Candidate], users: Option<u32>) -> Option<Message> {
    let mut best: Option<(usize, Message)> = None;
    for other in tables.iter().filter(|other| other.table.oid != ticket.table.oid) {
        let Some(rank) = rank(&other.table.name.table, words::MESSAGE) else {
            continue;
        };
        let Some((columns, why)) = leads_to(other, &ticket.table) else {
            continue;
        };
        let is_aside = words::rank(&other.table.name.table, words::FILE).is_some()
            || words::rank(&other.table.name.table, words::ASIDE).is_some();
        if is_aside || other.table.primary_key.is_empty() || column(&other.table, words::BODY, "S").is_none()
        {
            continue;
        }
        if best.as_ref().is_none_or(|(known, _)| rank < *known) {
            let user = other
                .keys
                .iter()
                .find(|key| Some(key.to) == users && key.columns.len() == 1)
                .cloned();
            let why = format!("its name, {why}");
            let message = Message {
                table: other.table.clone(),
                why,
                ticket: columns,
                user,
                author: Author::default(),
            };
            best = Some((rank, message));
        }
    }
    best.map(|(_, message)| message)
}

fn file(ticket: &Candidate, message: Option<&Message>, tables: &[Candidate]) -> Option<File> {
    let candidates = tables
        .iter()
        .filter(|other| rank(&other.table.name.table, words::FILE).is_some());
    candidates
        .filter(|other| !other.table.primary_key.is_empty())
        .find_map(|other| {
            let of_message = message.and_then(|message| leads_to(other, &message.table));
            let of_ticket = || leads_to(other, &ticket.table);
            let (of_message, (parent, _)) = match of_message {
                Some(found) => (true, found),
                None => (false, of_ticket()?),
            };
            Some(File {
                table: other.table.clone(),
                of_message,
                parent,
            })
        })
}

/// How one tells who wrote a message; `found`: the words that stand in its author column.
pub(super) fn author(message: &Message, ticket: &Ticket, found: &[String]) -> Author {
    let table = &message.table;
    let quoted = |word: &str| format!("'{}'", word.replace('\'', "''"));
    if let Some(column) = column(table, words::AUTHOR, "SE").filter(|_| !found.is_empty()) {
        let is = |words: &[&str], word: &str| words.contains(&word.to_lowercase().as_str());
        let customers: Vec<&String> = found
            .iter()
            .filter(|word| is(words::CUSTOMER_WORDS, word))
            .collect();
        let agents: Vec<&String> = found.iter().filter(|word| is(words::AGENT_WORDS, word)).collect();
        let why = format!("{} holds {}", column.name, found.join(", "));
        if found
            .iter()
            .all(|word| ["customer", "agent", "skip"].contains(&word.as_str()))
        {
            let set = Some((column.name.clone(), ":kind".to_owned()));
            return Author {
                sql: Some(column.name.clone()),
                why,
                set,
            };
        }
        if let (Some(customer), Some(agent)) = (customers.first(), agents.first()) {
            let list = |words: &[&String]| {
                words
                    .iter()
                    .map(|word| quoted(word))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let name = dotted("m", &column.name);
            let sql = format!(
                "case when {name} in ({}) then 'customer' when {name} in ({}) then 'agent' else 'skip' end",
                list(&customers),
                list(&agents)
            );
            let set = format!(
                "case when :kind = 'agent' then {} else {} end",
                quoted(agent),
                quoted(customer)
            );
            return Author {
                sql: Some(sql),
                why: format!("{why}; what is neither is left out"),
                set: Some((column.name.clone(), set)),
            };
        }
    }
    for (words, yes, no, kind) in [
        (words::IS_AGENT, "agent", "customer", "agent"),
        (words::IS_CUSTOMER, "customer", "agent", "customer"),
    ] {
        if let Some(column) = column(table, words, "B") {
            let sql = format!(
                "case when {} then '{yes}' else '{no}' end",
                dotted("m", &column.name)
            );
            let set = Some((column.name.clone(), format!(":kind = '{kind}'")));
            return Author {
                sql: Some(sql),
                why: format!("{} tells", column.name),
                set,
            };
        }
    }
    if let Some(column) = column(table, words::AGENT_ID, "NSU") {
        let sql = format!(
            "case when {} is not null then 'agent' else 'customer' end",
            dotted("m", &column.name)
        );
        return Author {
            sql: Some(sql),
            why: format!("{} is the agent, where an agent wrote it", column.name),
            set: None,
        };
    }
    if let (Some(key), Some((_, customer))) = (&message.user, &ticket.user)
        && let (Some(writer), Some(owner)) = (key.columns.first(), customer.columns.first())
    {
        let (writer_sql, owner_sql) = (dotted("m", writer), dotted("t", owner));
        let sql = format!("case when {writer_sql} = {owner_sql} then 'customer' else 'agent' end");
        let why = format!("who wrote it ({writer}) is the ticket's customer ({owner}), or not");
        return Author {
            sql: Some(sql),
            why,
            set: None,
        };
    }
    Author {
        sql: None,
        why: "nothing tells who wrote a message".to_owned(),
        set: None,
    }
}
