//! What a person decides of what is held (rule 11).

use super::compare::Numbers;
use super::error::SetupError;
use super::{Options, Rekey, compare, named};
use crate::config::{Config, Expr, TableName};
use crate::mapping::{Shape, moment};
use crate::postgres::shape::{load_attachment_shape, load_message_shape, load_shape};
use crate::postgres::{ConnectUrl, Pool, SessionOptions, describe, is_of_the_server, site};
use crate::store::{HoldKind, KeyColumn, Store, StoreError};

/// Carries out what the options say, and tells what is still to be decided.
pub(super) async fn settle(
    config: &Config,
    url: &ConnectUrl,
    options: &Options,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), SetupError> {
    let pool = Pool::new(url.clone(), SessionOptions::new("setup"), 1)?;
    let store = Store::new(pool, &config.postgres.schema);
    let here = config.deskie.account();
    if store.account().noted().await?.is_none() && !store.account().matters().await? {
        store.account().note(&here).await?;
    }
    if options.adopt && store.holds().reason(HoldKind::Account).await?.is_some() {
        let unbound = store.account().adopt(&here).await?;
        say(&format!(
            "adopted: the Deskie account {here}. The cases of {unbound} tickets are of the former one and not ours any more: \
             what is said there does not come to the site, and the next message of a customer opens a new case"
        ));
    }
    if options.adopt && store.holds().adopt_copy().await? {
        say("adopted: this server may send, whatever Deskie has from another one");
    }
    let columns = key_columns(config, &store).await?;
    match options.rekey {
        Some(Rekey::Same) => {
            store.keys().same(&columns).await?;
            say("keys: the rows have kept their numbers");
        }
        Some(Rekey::Anew) if store.holds().reason(HoldKind::Keys).await?.is_none() => {
            return Err(SetupError::with(
                "no key was made anew, as far as the connector sees; nothing was changed",
                "run `deskie-cdc status`: where keys were made anew, it says `held`",
            ));
        }
        Some(Rekey::Anew) => {
            let oldest = oldest_waiting(config, &store).await;
            let renumbered = match compare::renumbered(config, &store).await {
                Ok(renumbered) => renumbered,
                Err(error) => {
                    let why = of_the_mapping(error)?;
                    say(&format!(
                        "keys: the tickets could not be looked for under their new numbers: {why}"
                    ));
                    Vec::new()
                }
            };
            let done = store.keys().anew(&columns, oldest, &renumbered).await?;
            say(&format!(
                "keys: the rows were numbered anew. {} tickets were found under their new numbers by created_at, subject and \
                 customer, and go on in their cases. {} others are known no more: what is said in their cases does not come to \
                 the site, and the next message of a customer opens a new case. The rows of {} changes that waited are \
                 looked for in the tables by their created_at; {} that waited for a row, or with a file, are skipped",
                done.renumbered, done.tickets, done.events, done.skipped
            ));
        }
        None => note_keys(config, &store).await?,
    }
    if options.remap {
        say(match store.keys().remap().await? {
            true => "columns: the mapping means those that are there now",
            false => "columns: none was in question; they are noted as they are now",
        });
    }
    // What a start was refused for has just been gone through: the next one tells it anew where it is still so.
    store.holds().lift(HoldKind::Start).await?;
    for why in store.holds().all().await? {
        say(&format!("held: {why}"));
    }
    Ok(())
}

/// Compares the keys of the mapped tables, and the other columns that the mapping names, with what is noted of them, and notes
/// what is new. True where the mapping's statements have to be made anew.
pub async fn note_mapped(config: &Config, store: &Store) -> Result<bool, StoreError> {
    note_keys(config, store).await?;
    named::note(config, store).await
}

/// The keys of these. Those that were made anew are held, unless the rows tell that they have kept their numbers.
async fn note_keys(config: &Config, store: &Store) -> Result<(), StoreError> {
    let columns = key_columns(config, store).await?;
    store.keys().note(&columns).await?;
    if store.holds().reason(HoldKind::Keys).await?.is_none() {
        return note_rewritten(config, store).await;
    }
    // Of a file nothing is known but its number.
    if store.keys().changed("attachment%").await?.is_some() {
        return Ok(());
    }
    match compare::numbers(config, store).await {
        Ok(Numbers::Same) => {
            store.keys().same(&columns).await?;
            tracing::warn!(
                "a key of the site's was made anew, and its rows have kept their numbers: it goes on"
            );
        }
        Ok(Numbers::Others | Numbers::Untold) => {}
        Err(error) => tracing::debug!("the rows could not be compared: {error}"),
    }
    Ok(())
}

/// Tables whose rows were written anew, their key being the same column: mostly by VACUUM FULL or a migration of another
/// column, so that only rows which tell that they have other numbers are held.
async fn note_rewritten(config: &Config, store: &Store) -> Result<(), StoreError> {
    let rewritten = store.keys().rewritten().await?;
    if rewritten.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = rewritten.iter().map(|table| table.name.as_str()).collect();
    let names = names.join(" and ");
    match compare::numbers(config, store).await {
        Ok(Numbers::Others) => return store.keys().hold(&rewritten).await,
        Ok(Numbers::Same) => tracing::info!("{names} was written anew, with the same numbers"),
        Ok(Numbers::Untold) => tracing::warn!(
            "{names} was written anew; whether its rows have kept their numbers cannot be told from `created_at` and \
             `subject`: it goes on"
        ),
        Err(error) => {
            let why = of_the_mapping(error)?;
            tracing::warn!(
                "{names} was written anew; whether its rows have kept their numbers cannot be told: {why}; it goes on"
            );
        }
    }
    store.keys().compared(&rewritten).await
}

/// What the server says of a statement with the site's expressions in it; an error that is the server's own state's, or the
/// connection's, is none of theirs.
fn of_the_mapping(error: StoreError) -> Result<String, StoreError> {
    match error {
        StoreError::Postgres(error) if error.code().is_some_and(|code| !is_of_the_server(code.code())) => {
            Ok(describe(&error))
        }
        error => Err(error),
    }
}

/// The columns by which the site's rows are known. A table that cannot be looked up now is left out: resolving says so.
async fn key_columns(config: &Config, store: &Store) -> Result<Vec<KeyColumn>, StoreError> {
    let client = store.client().await?;
    let mut found = Vec::new();
    let mut add = |section: &str, shape: &Shape, is_primary: bool, parent: &[Expr], alias: &str| {
        let column = |part, name: &String, is_primary| KeyColumn {
            section: section.to_owned(),
            part,
            schema: shape.relation.schema.clone(),
            table: shape.relation.table.clone(),
            column: name.clone(),
            is_primary,
        };
        found.extend(shape.key.iter().map(|name| column("key", name, is_primary)));
        // What is more than a column is read with the row, and not known by a number of its own.
        let parents = parent.iter().filter_map(|expr| column_named(expr, shape, alias));
        found.extend(parents.map(|name| column("parent", name, false)));
    };
    let (ticket, message) = (&config.ticket, config.message.as_ref());
    match load_shape(&client, &ticket.table, &ticket.key).await {
        Ok(shape) => add("ticket", &shape, ticket.key.is_empty(), &[], "t"),
        Err(error) => unseen(&ticket.table, &error),
    }
    if let Some(message) = message {
        match load_message_shape(&client, message).await {
            Ok(shape) => add("message", &shape, message.key.is_empty(), &message.ticket, "m"),
            Err(error) => unseen(&message.table, &error),
        }
    }
    for attachment in &config.attachments {
        // With `expand` the key holds what is no column.
        match load_attachment_shape(&client, attachment).await {
            Ok(shape) => {
                let section = format!("attachment {}", shape.relation);
                add(
                    &section,
                    &shape,
                    attachment.key.is_empty(),
                    &attachment.parent,
                    "a",
                );
            }
            Err(error) => unseen(&attachment.table, &error),
        }
    }
    // Several sections may be of one table.
    let mut seen = std::collections::HashSet::new();
    found.retain(|column| seen.insert((column.section.clone(), column.part, column.column.clone())));
    Ok(found)
}

/// When the oldest row was made whose INSERT waits, in seconds since 1970, as far as `created_at` tells: a row is made
/// before it is committed, so the moment of the oldest commit alone would leave that row out.
async fn oldest_waiting(config: &Config, store: &Store) -> Option<f64> {
    let client = store.client().await.ok()?;
    let events = store.sql("{s}.event");
    let ticket = load_shape(&client, &config.ticket.table, &config.ticket.key)
        .await
        .ok();
    let message = config.message.as_ref().filter(|message| message.expand.is_none());
    let message_shape = match message {
        Some(message) => load_message_shape(&client, message).await.ok(),
        None => None,
    };
    let of_message = message.and_then(|message| message.created_at.as_ref());
    let mapped = [
        ("t", config.ticket.created_at.as_ref().zip(ticket)),
        ("m", of_message.zip(message_shape)),
    ];
    let mut oldest: Option<f64> = None;
    for (alias, mapped) in mapped {
        let Some((created_at, shape)) = mapped else {
            continue;
        };
        let Some(sql) = moment::oldest_captured(created_at, alias, &shape, &events) else {
            continue;
        };
        let name = &shape.relation;
        match site::query_sql(&client, &sql, &[&name.schema, &name.table]).await {
            Ok(rows) => {
                let made = rows.first().and_then(|row| row.get::<_, Option<f64>>(0));
                oldest = oldest.into_iter().chain(made).reduce(f64::min);
            }
            Err(error) => tracing::warn!(
                "when the waiting rows of {name} were made cannot be told: {}",
                describe(&error)
            ),
        }
    }
    oldest
}

fn unseen(table: &TableName, error: &dyn std::fmt::Display) {
    tracing::debug!("the keys of {} cannot be looked at: {error}", table.table);
}

/// The column that an expression is, where it is nothing else.
pub(super) fn column_named<'a>(expr: &Expr, shape: &'a Shape, alias: &str) -> Option<&'a String> {
    let text = expr.sql.trim();
    let text = text
        .strip_prefix(alias)
        .and_then(|text| text.strip_prefix('.'))
        .unwrap_or(text);
    let name = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    shape
        .columns
        .iter()
        .map(|column| &column.name)
        .find(|column| *column == name)
}
