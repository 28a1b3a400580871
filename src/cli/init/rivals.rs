//! PURE: who else may be a ticket's customer: two persons in one row, staff who type in what was told to them.

use std::collections::BTreeSet;

use super::catalog::{Candidate, ForeignKey};
use super::columns::{dotted, email, is_people, is_staff};
use super::customers::{Customer, is_record, is_somebody, only_agents};
use super::sections::Found;
use super::speech::table_name;
use super::tables::Link;
use super::words::{self, has};

/// The ticket's columns that lead to persons who may be meant instead of the one who was chosen by `rank` of their names.
pub(super) fn rivals<'a>(
    ticket: &'a Candidate,
    chosen: &ForeignKey,
    rank: usize,
    tables: &'a [Candidate],
) -> Vec<(&'a Candidate, &'a ForeignKey)> {
    let ours = chosen.columns.concat();
    let fits = |key: &&'a ForeignKey| key.columns.len() == 1 && key.columns != chosen.columns;
    let keys = ticket.keys.iter().filter(fits);
    let found = keys.filter_map(|key| {
        let column = key.columns.concat();
        let people = tables.iter().find(|other| other.table.oid == key.to)?;
        // A student, an animal: whoever has an address and belongs to somebody may be asked through him.
        let is_ward = rank >= 2
            && is_people(people)
            && is_record(people, tables)
            && !has(&people.table.name.table, words::TICKET);
        let is_other = is_staff(people)
            || [words::NOT_CUSTOMER, words::AGENT, words::HANDLED]
                .iter()
                .any(|list| has(&column, list))
            || only_agents(ticket, people, &column, tables);
        if is_other || !(is_somebody(people, tables) || is_ward || people.table.oid == chosen.to) {
            return None;
        }
        let is_behalf = has(&column, words::ON_BEHALF);
        let theirs = words::CUSTOMER_ID.iter().position(|list| has(&column, list));
        let is_empty = !ticket.rows.is_empty() && ticket.values(&column).is_empty();
        let is_rival = match (is_behalf, rank, theirs) {
            (true, ..) => !is_same(ticket, &ours, &column),
            // Whoever is named for the customer is he, whoever typed it in; unless he is missing where the other is named.
            (false, 0, _) => is_beside(ticket, &ours, &column),
            (false, 1, Some(2..)) => is_beside(ticket, &ours, &column),
            (false, 1, _) => !is_empty && !is_same(ticket, &ours, &column),
            (false, ..) => !is_same(ticket, &ours, &column),
        };
        is_rival.then_some((people, key))
    });
    found.collect()
}

fn cells<'a>(of: &'a Candidate, column: &str) -> Vec<Option<&'a str>> {
    let place = of.table.columns.iter().position(|known| known.name == column);
    of.rows
        .iter()
        .map(|row| {
            row.get(place?)?
                .as_deref()
                .filter(|key| !matches!(*key, "" | "0"))
        })
        .collect()
}

/// Whether both columns name the same in all rows.
fn is_same(of: &Candidate, left: &str, right: &str) -> bool {
    !of.rows.is_empty() && cells(of, left) == cells(of, right)
}

/// Whether the other is named where the chosen one is not.
fn is_beside(of: &Candidate, chosen: &str, other: &str) -> bool {
    let pairs = cells(of, chosen).into_iter().zip(cells(of, other));
    pairs
        .into_iter()
        .any(|(chosen, other)| chosen.is_none() && other.is_some())
}

/// What the rows say against the customer: some of those who are named so are staff.
pub(super) fn staff_doubt(people: &Candidate, key: &ForeignKey, found: &Found<'_>) -> Option<String> {
    let (ticket, column) = (found.ticket.0, key.columns.first()?);
    let question = |of: &str| {
        Some(format!(
            "{column} names staff in some tickets ({of}): did they type in what a customer told them? Then who is the customer there?"
        ))
    };
    // An agent may ask for himself: whoever is named for the customer is he.
    let is_named = has(column, words::CUSTOMER_ID[0]) || has(column, "contact kontakt контакт");
    if is_named {
        return None;
    }
    let is_own = found
        .message
        .as_ref()
        .is_some_and(|of| matches!(of.link, Link::Own(_)));
    let named: BTreeSet<&str> = match &found.message {
        // Answers are rows of the same table.
        Some(message) if is_own => message
            .rows
            .iter()
            .filter_map(|row| row.owner.as_deref())
            .collect(),
        _ => ticket.values(column).into_iter().collect(),
    };
    if let Some(flag) = super::columns::staff_flag(people, found.tables) {
        let place = |name: &str| people.table.columns.iter().position(|known| known.name == name);
        let (id, told) = (place(&key.their.concat())?, place(&flag.column)?);
        let is_staff = |row: &&Vec<Option<String>>| {
            let cell = |place: usize| row.get(place).and_then(Option::as_deref);
            cell(id).is_some_and(|id| named.contains(id))
                && cell(told).is_some_and(|word| flag.verdict(word) == Some(true))
        };
        if people.rows.iter().any(|row| is_staff(&row)) {
            return question(&format!("{} of {}", flag.column, people.table.name));
        }
    }
    let message = found.message.as_ref()?;
    let writer = message
        .writer
        .as_ref()
        .filter(|writer| writer.people.table.oid == people.table.oid)?;
    let place = message
        .table
        .table
        .columns
        .iter()
        .position(|known| known.name == writer.column)?;
    // Else the column may name the customer in an agent's rows as well.
    if !message.author.used.contains(&writer.column) {
        return None;
    }
    let rows = message.rows.iter().zip(&message.author.verdicts);
    let mut own = rows.filter(|(row, verdict)| {
        **verdict == Some(true)
            && row
                .owner
                .as_deref()
                .is_some_and(|owner| !matches!(owner, "" | "0"))
            && row.cells.get(place).and_then(Option::as_deref) == row.owner.as_deref()
    });
    own.next().and_then(|_| question("they answer in them as agents"))
}

/// Whether some who are named as the customer are staff.
pub(super) fn is_staffed(customer: &Customer<'_>, found: &Found<'_>) -> bool {
    match customer {
        Customer::Row(people, key) => staff_doubt(people, key, found).is_some(),
        _ => false,
    }
}

/// Whether one is likelier by its name alone: an offer would be a guess.
pub(super) fn is_rivalled(customers: &[Customer<'_>]) -> bool {
    let rank = |customer: &Customer<'_>| match customer {
        Customer::Row(_, key) => {
            let column = key.columns.concat();
            Some(words::CUSTOMER_ID.iter().position(|list| has(&column, list)))
        }
        _ => None,
    };
    let ranks: Option<BTreeSet<_>> = customers.iter().map(rank).collect();
    ranks.is_some_and(|ranks| ranks.len() > 1)
}

/// The address of whoever a ticket was opened for, else of whoever opened it, where both are rows of one table.
pub(super) fn either(found: &Found<'_>) -> Option<String> {
    let [Customer::Row(people, key), Customer::Row(others, other)] = found.customers.as_slice() else {
        return None;
    };
    let column = other.columns.concat();
    let is_both = people.table.oid == others.table.oid && has(&column, words::ON_BEHALF);
    let address = email(people).filter(|_| is_both)?;
    Some(format!(
        "(select {} from {} u where {} = coalesce({}, {}))",
        dotted("u", &address.name),
        table_name(people),
        dotted("u", &key.their.concat()),
        dotted("t", &column),
        dotted("t", &key.columns.concat())
    ))
}
