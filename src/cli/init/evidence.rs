//! What the rows of two tables together say.

use tokio_postgres::Client;

use super::catalog::{Candidate, texts};
use super::columns::{FirstMessage, body, created};
use super::customers::Customer;
use super::speech::{Spoken, Writer};
use super::tables::Link;
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
    texts(client, &sql).await.into_iter().map(row).collect()
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
