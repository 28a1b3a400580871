//! Have the site's rows kept their numbers, though their key is another column, their table another one, or all of them were
//! written anew (rule 11)?
//!
//! What our links know of the rows is compared with the tables as they are: a ticket's `created_at` and subject, a message's
//! ticket and `created_at`. They have where all known rows that are still there agree, at least one does, and no two tickets
//! are so alike that they could have changed places. They have not where most of the known tickets stand under other numbers:
//! a table that was emptied, and perhaps filled with others, is none of that, and the stream has told of it.

use super::bind::column_named;
use crate::config::{Config, Expr};
use crate::mapping::shape::quote_ident;
use crate::mapping::{Shape, scan};
use crate::model::{LaneId, TicketKey};
use crate::postgres::shape::{load_message_shape, load_shape};
use crate::postgres::site;
use crate::store::{Store, StoreError};

/// So many rows, the newest, are compared.
const COMPARED: usize = 2000;

/// What the rows tell of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// They are certainly the same.
    Same,
    /// Most of the known tickets stand under other numbers.
    Others,
    /// That cannot be told.
    Untold,
}

/// What the rows of the mapped tables tell.
pub(super) async fn numbers(config: &Config, store: &Store) -> Result<Numbers, StoreError> {
    let client = store.client().await?;
    let Ok(tickets) = load_shape(&client, &config.ticket.table, &config.ticket.key).await else {
        return Ok(Numbers::Untold);
    };
    let mut comparisons = vec![of_tickets(config, &tickets)];
    if let Some(message) = &config.message {
        let Ok(messages) = load_message_shape(&client, message).await else {
            return Ok(Numbers::Untold);
        };
        let parent = message
            .ticket
            .iter()
            .map(|expr| named(Some(expr), &messages, "m"))
            .collect();
        let at = named(message.created_at.as_ref(), &messages, "m");
        comparisons.push(of_messages(&messages, parent, at));
    }
    let mut told = Numbers::Same;
    for comparison in comparisons {
        let Some(sql) = comparison else {
            told = Numbers::Untold;
            continue;
        };
        let row = client.query_one(&store.sql(&sql), &[]).await?;
        let count = |name| row.try_get::<_, i64>(name);
        let (known, agree) = (count("known")?, count("agree")?);
        if count("moved")? * 2 > known {
            return Ok(Numbers::Others);
        }
        if count("differ")? > 0 || count("alike")? > 0 || (known > 0 && agree == 0) {
            told = Numbers::Untold;
        }
    }
    Ok(told)
}

/// The known tickets with a case that stand in the table under one number, certainly: by `created_at`, subject and
/// customer, as the mapping gives them, and none is like another.
pub(super) async fn renumbered(
    config: &Config,
    store: &Store,
) -> Result<Vec<(LaneId, TicketKey)>, StoreError> {
    let client = store.client().await?;
    let Ok(tickets) = load_shape(&client, &config.ticket.table, &config.ticket.key).await else {
        return Ok(Vec::new());
    };
    let Some(identities) = scan::identities(&config.ticket, &tickets) else {
        return Ok(Vec::new());
    };
    // With the site's expressions in it, so that what is ours names everything with its schema.
    let sql = format!(
        "with known as materialized (
             select k.id, (o.o OPERATOR(pg_catalog.->>) 'created_at')::pg_catalog.int8 as at,
                 coalesce(pg_catalog.btrim(o.o OPERATOR(pg_catalog.->>) 'subject'), '') as subject,
                 coalesce(pg_catalog.lower(pg_catalog.btrim(o.o OPERATOR(pg_catalog.->>) 'email') COLLATE pg_catalog.\"C\"),
                     o.o OPERATOR(pg_catalog.->>) 'phone', o.o OPERATOR(pg_catalog.->>) 'custom_id') as customer
             from {{s}}.ticket k cross join lateral (
                 select coalesce(k.opening, (select d.opening from {{s}}.delivery d
                     where d.ticket_id OPERATOR(pg_catalog.=) k.id and d.opening is not null order by d.id limit 1)) as o) o
             where not k.gone and k.case_id is not null),
         stands as ({identities}),
         pairs as (
             select k.id, s.key, pg_catalog.count(*) over (partition by k.id) as rows,
                 pg_catalog.count(*) over (partition by s.key) as tickets
             from known k join stands s on s.at OPERATOR(pg_catalog.=) k.at and s.subject OPERATOR(pg_catalog.=) k.subject
                 and s.customer OPERATOR(pg_catalog.=) k.customer)
         select id, key from pairs where rows OPERATOR(pg_catalog.=) 1 and tickets OPERATOR(pg_catalog.=) 1"
    );
    let rows = site::query_sql(&client, &store.sql(&sql), &[]).await?;
    rows.iter()
        .map(|row| Ok((LaneId(row.try_get("id")?), TicketKey(row.try_get("key")?))))
        .collect()
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
             from known k join {table} t on {is_row})
         select (select count(*) from known) as known, count(*) filter (where agrees) as agree,
             count(*) filter (where not agrees) as differ,
             (select count(*) from (select from known group by at, subject having count(*) > 1) a) as alike,
             (select count(*) from known k
              where not exists (select from {table} t
                      where {is_row} and ({at} = k.at or btrim({subject}) = btrim(k.subject)))
                  and exists (select from {table} t where {at} = k.at and btrim({subject}) = btrim(k.subject))) as moved
         from seen",
        table = shape.sql(),
        is_row = is_row(shape, "t")
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
             from known k join {table} m on {is_row})
         select (select count(*) from known) as known, count(*) filter (where agrees) as agree,
             count(*) filter (where not agrees) as differ, 0::int8 as alike, 0::int8 as moved
         from seen",
        table = shape.sql(),
        is_row = is_row(shape, "m")
    ))
}
