//! PURE: who a ticket's customer is.

use super::catalog::{Candidate, ForeignKey};
use super::columns::{self, dotted, email, is_people, is_staff, named};
use super::draft::{Section, Value};
use super::sections::Found;
use super::words::{self, has};

/// Who may be a ticket's customer.
#[derive(Debug, Clone)]
pub(super) enum Customer<'a> {
    /// The ticket's own row says it.
    Own,
    /// A row of this table, by this key.
    Row(&'a Candidate, &'a ForeignKey),
}

/// The likeliest customers, all that are as likely as the likeliest.
pub(super) fn customers<'a>(ticket: &'a Candidate, tables: &'a [Candidate]) -> Vec<Customer<'a>> {
    let mut found: Vec<(usize, Customer<'a>)> = Vec::new();
    let has_own = email(ticket).is_some() || named(ticket, words::PHONE, "S").is_some();
    if has_own {
        found.push((1, Customer::Own));
    }
    for key in ticket.keys.iter().filter(|key| key.columns.len() == 1) {
        let column = key.columns.concat();
        let Some(target) = tables.iter().find(|other| other.table.oid == key.to) else {
            continue;
        };
        let rank = words::CUSTOMER_ID.iter().position(|list| has(&column, list));
        // The column that is named for the customer comes first even where the address stands elsewhere, unless the ticket
        // has one itself: else a mailbox's or an agent's would be taken for it.
        let is_nameless = rank == Some(0)
            && !has_own
            && has(&target.table.name.table, words::USER)
            && !has(&target.table.name.table, words::NOT_PERSON);
        if !(columns::is_people(target) || is_nameless)
            || has(&column, words::NOT_CUSTOMER)
            || only_agents(ticket, target, &column)
        {
            continue;
        }
        found.push((
            rank.unwrap_or(words::CUSTOMER_ID.len()),
            Customer::Row(target, key),
        ));
    }
    let best = found.iter().map(|(rank, _)| *rank).min();
    found
        .into_iter()
        .filter(|(rank, _)| Some(*rank) == best)
        .map(|(_, customer)| customer)
        .collect()
}

/// Whether all people whom a column names are staff.
fn only_agents(ticket: &Candidate, people: &Candidate, column: &str) -> bool {
    let Some(flag) = columns::staff_flag(people) else {
        return false;
    };
    let (Some(key), Some(place)) = (
        people
            .table
            .primary_key
            .first()
            .and_then(|key| people.table.columns.iter().position(|c| c.name == *key)),
        people
            .table
            .columns
            .iter()
            .position(|column| column.name == flag.column),
    ) else {
        return false;
    };
    let named = ticket.values(column);
    let known = people
        .rows
        .iter()
        .filter_map(|row| Some((row.get(key)?.as_deref()?, row.get(place)?.as_deref())));
    let flags: Vec<bool> = known
        .filter(|(key, _)| named.contains(key))
        .map(|(_, word)| word.is_some_and(|word| flag.is_agent(word)))
        .collect();
    !flags.is_empty() && flags.into_iter().all(|is_agent| is_agent)
}

fn customer_parts(customer: &Customer<'_>, ticket: &Candidate) -> Vec<(&'static str, String)> {
    let (of, alias) = match customer {
        Customer::Own => (ticket, "t"),
        Customer::Row(people, _) => (*people, "u"),
    };
    let mut parts = Vec::new();
    if let Some(column) = email(of) {
        parts.push(("email", dotted(alias, &column.name)));
    }
    if let Some(column) = named(of, words::PHONE, "S") {
        parts.push(("phone", dotted(alias, &column.name)));
    }
    let exact = |word: &str| {
        of.table
            .columns
            .iter()
            .find(|column| column.type_category == 'S' && words::same(&column.name, word))
    };
    let both = words::FIRST_LAST
        .iter()
        .find_map(|(first, last)| Some((exact(first)?, exact(last)?)));
    let whole = words::each(words::NAME).find_map(exact);
    if let Some((first, last)) = both {
        parts.push((
            "name",
            format!(
                "concat_ws(' ', {}, {})",
                dotted(alias, &first.name),
                dotted(alias, &last.name)
            ),
        ));
    } else if let Some(column) = whole {
        parts.push(("name", dotted(alias, &column.name)));
    }
    parts
}

/// Why the likeliest customer may be none.
pub(super) fn doubt(customer: &Customer<'_>, found: &Found<'_>) -> Option<String> {
    let ticket = found.ticket.0;
    let column = match customer {
        Customer::Own => email(ticket)?.name.clone(),
        Customer::Row(_, key) => key.columns.first()?.clone(),
    };
    let values: Vec<String> = ticket
        .values(&column)
        .into_iter()
        .map(str::to_lowercase)
        .collect();
    if values.len() >= 2 && values.iter().all(|value| Some(value) == values.first()) {
        return Some(
            "all tickets lead to one address, which looks like a mailbox of the site's: whose is the customer's?"
                .to_owned(),
        );
    }
    let Customer::Row(people, _) = customer else {
        return None;
    };
    if !has(&column, words::CUSTOMER_ID[0]) && writes(people, found) && values.len() < ticket.rows.len() {
        return Some(format!(
            "{column} is NULL in some tickets, and {} has the people of the messages, too: is it the customer, or whoever the ticket is assigned to?",
            people.table.name
        ));
    }
    let is_named = words::CUSTOMER_ID.iter().any(|list| has(&column, list));
    let other = found.message.as_ref().and_then(|message| {
        let leads_to = |of: &Candidate| message.table.keys.iter().any(|key| key.to == of.table.oid);
        let is_other = |of: &&Candidate| {
            of.table.oid != people.table.oid
                && leads_to(of)
                && !is_staff(of)
                && (is_people(of) || has(&of.table.name.table, words::USER))
        };
        found.tables.iter().find(is_other).filter(|_| !leads_to(people))
    });
    let other = other.filter(|_| !is_named)?;
    Some(format!(
        "who is the customer: {} ({column}), or {}, whom the messages name? It may need a join",
        people.table.name, other.table.name
    ))
}

/// Whether the messages name the same people.
fn writes(people: &Candidate, found: &Found<'_>) -> bool {
    let message = found.message.as_ref();
    message.is_some_and(|message| message.table.keys.iter().any(|key| key.to == people.table.oid))
}

/// The lines of `[ticket]` for the customer.
pub(super) fn lines(section: &mut Section, found: &Found<'_>, doubt: Option<String>) {
    let ticket = found.ticket.0;
    let open = |question: String, offer: Option<String>| Value::Todo { question, offer };
    match found.customers.as_slice() {
        [one] if doubt.is_none() => {
            let parts = customer_parts(one, ticket);
            if parts.iter().any(|(key, _)| *key != "name") {
                for (key, value) in parts {
                    section.line(&format!("customer.{key}"), value, "");
                }
                return;
            }
            section.value(
                "customer.email",
                open("which expression gives the customer's address?".to_owned(), None),
                "",
            );
        }
        [one] => {
            let offer = customer_parts(one, ticket)
                .into_iter()
                .find(|(key, _)| *key != "name")
                .map(|(_, value)| value);
            section.value("customer.email", open(doubt.unwrap_or_default(), offer), "");
        }
        [] => {
            let question = "who is the customer? No address was found; it may need a join";
            section.value("customer.email", open(question.to_owned(), None), "");
        }
        many => {
            let name = |customer: &Customer<'_>| match customer {
                Customer::Own => "the ticket's own address".to_owned(),
                Customer::Row(people, key) => format!("{} ({})", people.table.name, key.columns.concat()),
            };
            let names: Vec<String> = many.iter().map(name).collect();
            section.value(
                "customer.email",
                open(
                    format!("who is the customer: {}? It may need a join", names.join(", or ")),
                    None,
                ),
                "",
            );
        }
    }
}
