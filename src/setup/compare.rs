//! Have the site's rows kept their numbers, though their key is another column or their table another one (rule 11)?
//!
//! What our links know of the rows is compared with the tables as they are: a ticket's `created_at` and subject, a message's
//! ticket and `created_at`. They have where all known rows that are still there agree, at least one does, and no two tickets
//! are so alike that they could have changed places. What cannot be compared is left to a person.

use super::bind::column_named;
use crate::config::{Config, Expr};
use crate::mapping::Shape;
use crate::mapping::shape::quote_ident;
use crate::postgres::shape::{load_message_shape, load_shape};
use crate::store::{Store, StoreError};

/// So many rows, the newest, are compared.
const COMPARED: usize = 2000;

/// Whether the rows have certainly kept their numbers.
pub(super) async fn rows_are_the_same(config: &Config, store: &Store) -> Result<bool, StoreError> {
    // Of a file nothing is known but its number.
    if store.keys_changed("attachment%").await?.is_some() {
        return Ok(false);
    }
    let client = store.client().await?;
    let Ok(tickets) = load_shape(&client, &config.ticket.table, &config.ticket.key).await else {
        return Ok(false);
    };
    let mut comparisons = vec![of_tickets(config, &tickets)];
    if let Some(message) = &config.message {
        let Ok(messages) = load_message_shape(&client, message).await else {
            return Ok(false);
        };
        let parent = message
            .ticket
            .iter()
            .map(|expr| named(Some(expr), &messages, "m"))
            .collect();
        let at = named(message.created_at.as_ref(), &messages, "m");
        comparisons.push(of_messages(&messages, parent, at));
    }
    for comparison in comparisons {
        let Some(sql) = comparison else { return Ok(false) };
        let row = client.query_one(&store.sql(&sql), &[]).await?;
        let (known, agree, disagree): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        if disagree > 0 || (known > 0 && agree == 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn named(expr: Option<&Expr>, shape: &Shape, alias: &str) -> Option<String> {
    let name = column_named(expr?, shape, alias)?;
    Some(format!("{alias}.{}", quote_ident(name)))
}

/// Seconds since 1970, as they are known of a row.
fn seconds(column: &str) -> String {
    format!("floor(extract(epoch from {column}))::pg_catalog.int8")
}

/// The row of a known key.
fn is_row(shape: &Shape, alias: &str) -> String {
    match (shape.key.as_slice(), shape.key_casts().as_slice()) {
        ([column], [cast]) => format!("{alias}.{} = k.key::{cast}", quote_ident(column)),
        _ => format!("{} = k.key", shape.key_sql(alias)),
    }
}

fn of_tickets(config: &Config, shape: &Shape) -> Option<String> {
    let at = seconds(&named(config.ticket.created_at.as_ref(), shape, "t")?);
    let subject = named(config.ticket.subject.as_ref(), shape, "t");
    let subject = subject.map_or("k.subject".to_owned(), |column| format!("{column}::text"));
    Some(format!(
        "with known as (
             select k.key, d.opening->>'subject' as subject, (d.opening->>'created_at')::int8 as at
             from {{s}}.ticket k join lateral (
                 select d.opening from {{s}}.delivery d where d.ticket_id = k.id and d.opening is not null
                 order by d.id limit 1) d on true
             where not k.gone order by k.id desc limit {COMPARED}),
         seen as (
             select k.*, ({at} = k.at and btrim({subject}) = btrim(k.subject)) is true as agrees
             from known k join {} t on {})
         select (select count(*) from known), count(*) filter (where agrees),
             count(*) filter (where not agrees)
                 + (select count(*) from (select from known group by at, subject having count(*) > 1) alike)
         from seen",
        shape.sql(),
        is_row(shape, "t")
    ))
}

fn of_messages(shape: &Shape, parent: Vec<Option<String>>, at: Option<String>) -> Option<String> {
    let parent: Vec<String> = parent.into_iter().collect::<Option<_>>()?;
    let parent = match parent.as_slice() {
        [one] => format!("{one}::text"),
        many => {
            let texts: Vec<String> = many.iter().map(|column| format!("{column}::text")).collect();
            format!("pg_catalog.jsonb_build_array({})::text", texts.join(", "))
        }
    };
    let at = seconds(&at?);
    Some(format!(
        "with known as (
             select k.key, t.key as ticket, d.written_at as at
             from {{s}}.link k join {{s}}.ticket t on t.id = k.ticket_id
             join {{s}}.delivery d on d.link_id = k.id and d.part = 1 and d.act = 'message'
             where k.section = 'message' and not k.gone and d.state = 'delivered' and d.written_at is not null
             order by k.id desc limit {COMPARED}),
         seen as (
             select ({parent} = k.ticket and {at} = k.at) is true as agrees
             from known k join {} m on {})
         select (select count(*) from known), count(*) filter (where agrees), count(*) filter (where not agrees) from seen",
        shape.sql(),
        is_row(shape, "m")
    ))
}
