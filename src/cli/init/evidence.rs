//! What the rows of two tables together say.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use super::catalog::{Candidate, ForeignKey, texts};
use super::columns::{FirstMessage, body, created};
use super::customers::Customer;
use super::speech::{Spoken, Writer};
use super::tables::{Link, Own};
use crate::postgres::{qualified, quote_ident};

/// So many messages are looked at.
const MESSAGES: usize = 1000;
/// So many tickets.
const TICKETS: usize = 200;

/// How a message's row `m` meets its ticket's row `t`; keys are compared as texts, since their types may differ.
fn joins(ticket: &Candidate, link: &Link) -> String {
    let columns = link.columns();
    let pairs = columns.iter().zip(&ticket.table.primary_key);
    let mut on: Vec<String> = pairs
        .map(|(ours, theirs)| {
            format!(
                "m.{}::pg_catalog.text OPERATOR(pg_catalog.=) t.{}::pg_catalog.text",
                quote_ident(ours),
                quote_ident(theirs)
            )
        })
        .collect();
    if let Link::Polymorphic { pair, word } = link {
        on.push(format!(
            "m.{}::pg_catalog.text OPERATOR(pg_catalog.=) {}::pg_catalog.text",
            quote_ident(&pair.kind),
            super::columns::literal(word)
        ));
    }
    on.join(" and ")
}

fn newest(of: &Candidate, count: usize) -> String {
    let order: Vec<String> = of
        .table
        .primary_key
        .iter()
        .map(|key| format!("{} desc", quote_ident(key)))
        .collect();
    let order = if order.is_empty() {
        String::new()
    } else {
        format!(" order by {}", order.join(", "))
    };
    format!(
        "(select * from {}{order} limit {count})",
        qualified(&of.table.name)
    )
}

/// The newest messages, with their ticket's customer and their writer's staff flag.
pub(super) async fn spoken(
    client: &Client,
    (ticket, message, link): (&Candidate, &Candidate, &Link),
    customer: &Customer<'_>,
    writer: Option<&Writer<'_>>,
) -> Vec<Spoken> {
    let null = "null::pg_catalog.text".to_owned();
    let mut outputs: Vec<String> = message
        .table
        .columns
        .iter()
        .map(|column| match column.type_text.as_str() {
            "bytea" => null.clone(),
            _ => format!(
                "pg_catalog.left(m.{}::pg_catalog.text, 100)",
                quote_ident(&column.name)
            ),
        })
        .collect();
    let owner = match customer {
        Customer::Row(_, key) => key
            .columns
            .first()
            .map(|column| format!("t.{}::pg_catalog.text", quote_ident(column))),
        Customer::Kinds(pair, _) => Some(format!("t.{}::pg_catalog.text", quote_ident(&pair.id))),
        Customer::Own | Customer::Through(_) => None,
    };
    outputs.push(owner.unwrap_or_else(|| null.clone()));
    let flag = writer.and_then(|writer| writer.flag.as_ref());
    outputs.push(flag.map_or(null, |flag| {
        format!("w.{}::pg_catalog.text", quote_ident(&flag.column))
    }));
    let written = writer.map_or(String::new(), |writer| {
        format!(
            " left join {} w on w.{}::pg_catalog.text OPERATOR(pg_catalog.=) m.{}::pg_catalog.text",
            qualified(&writer.people.table.name),
            quote_ident(&writer.key),
            quote_ident(&writer.column)
        )
    });
    let sql = format!(
        "select {} from {} m join {} t on {}{written}",
        outputs.join(", "),
        newest(message, MESSAGES),
        qualified(&ticket.table.name),
        joins(ticket, link)
    );
    let row = |mut cells: Vec<Option<String>>| {
        let (flag, owner) = (cells.pop().flatten(), cells.pop().flatten());
        Spoken { cells, owner, flag }
    };
    let mut rows: Vec<Spoken> = texts(client, &sql).await.into_iter().map(row).collect();
    if let (Link::Own(own), Customer::Row(_, key)) = (link, customer)
        && own.is_nested
    {
        of_root(message, own, key, &mut rows);
    }
    rows
}

/// Whoever opened the thread is the customer of an answer to an answer, too.
fn of_root(message: &Candidate, own: &Own, customer: &ForeignKey, rows: &mut [Spoken]) {
    let place = |name: &String| message.table.columns.iter().position(|known| known.name == *name);
    let (Some(key), Some(parent), Some(owner)) = (
        message.table.primary_key.first().and_then(place),
        place(&own.column),
        customer.columns.first().and_then(place),
    ) else {
        return;
    };
    let cell = |row: &[Option<String>], place: usize| row.get(place).cloned().flatten();
    let known = message.rows.iter().filter_map(|row| Some((cell(row, key)?, row)));
    let known: BTreeMap<String, &Vec<Option<String>>> = known.collect();
    for row in rows {
        let mut met = BTreeSet::new();
        let mut root = None;
        let mut next = cell(&row.cells, parent);
        while let Some(id) = next.filter(|id| met.insert(id.clone()))
            && let Some(of) = known.get(&id)
        {
            root = Some(*of);
            next = cell(of, parent);
        }
        if let Some(root) = root {
            row.owner = cell(root, owner);
        }
    }
}

/// The keys of the newest messages for which the conditions hold, which are about the row `m` alone; `None`: they cannot be asked.
pub(super) async fn seen(
    client: &Client,
    message: &Candidate,
    conditions: &[String],
) -> Option<BTreeSet<Vec<Option<String>>>> {
    let keys: Vec<String> = message
        .table
        .primary_key
        .iter()
        .map(|key| format!("m.{}::pg_catalog.text", quote_ident(key)))
        .collect();
    if conditions.is_empty() || keys.is_empty() {
        return None;
    }
    let sql = format!(
        "select {} from {} m where {}",
        keys.join(", "),
        newest(message, MESSAGES),
        conditions.join(" and ")
    );
    let rows = texts(client, &sql).await;
    (!rows.is_empty()).then(|| rows.into_iter().collect())
}

/// Whether the first message stands in the ticket's own row: where the messages begin with the same text, it does not
/// stand there alone.
pub(super) async fn first_message(
    client: &Client,
    ticket: &Candidate,
    message: &Candidate,
    link: &Link,
) -> FirstMessage {
    let Some(own) = body(ticket) else {
        return FirstMessage::InTicket;
    };
    if matches!(link, Link::Own(_)) {
        return FirstMessage::InTicket;
    }
    // What stands in JSON is not compared.
    let Some(said) = body(message) else {
        return FirstMessage::Unknown;
    };
    let order = created(message)
        .map(|column| column.name.clone())
        .or_else(|| message.table.primary_key.first().cloned());
    let order = order.map_or(String::new(), |column| {
        format!("order by m.{}", quote_ident(&column))
    });
    let text = |alias: &str, column: &str| {
        format!(
            "pg_catalog.btrim({alias}.{}::pg_catalog.text)",
            quote_ident(column)
        )
    };
    let sql = format!(
        "select coalesce({}, ''), {} from {} t left join lateral (select * from {} m where {} {order} limit 1) f on true",
        text("t", &own.name),
        text("f", &said.name),
        newest(ticket, TICKETS),
        qualified(&message.table.name),
        joins(ticket, link)
    );
    let rows = texts(client, &sql).await;
    let filled = rows
        .iter()
        .filter(|row| row.first().is_some_and(|own| own.as_deref() != Some("")));
    let filled: Vec<bool> = filled.map(|row| row.first() == row.get(1)).collect();
    let same = filled.iter().filter(|same| **same).count();
    match () {
        () if rows.is_empty() => FirstMessage::Unknown,
        () if filled.is_empty() || same == filled.len() => FirstMessage::InMessages,
        () if same == 0 && filled.len() * 2 > rows.len() => FirstMessage::InTicket,
        () => FirstMessage::Unknown,
    }
}
