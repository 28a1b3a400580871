//! What `created_at` is worth: by its type, and by the rows whose INSERT was seen (rule 22); and whether our own rows are of the
//! site's time.

use tokio_postgres::{Client, Row};

use super::Checks;
use crate::config::Config;
use crate::mapping::read::MESSAGE_OUTPUTS;
use crate::model::{Kind, RowClock};
use crate::postgres::shape::created_at_types;
use crate::postgres::{ConnectUrl, Pool, SessionOptions};
use crate::setup::error::SetupError;
use crate::setup::mapped::Mapped;
use crate::store::{CreatedAt, Store};

pub(super) async fn check(
    config: &Config,
    client: &Client,
    url: &ConnectUrl,
    mapped: &Mapped,
    is_set_up: bool,
) -> Result<Checks, SetupError> {
    let mut found = Checks::default();
    let store = Store::new(
        Pool::new(url.clone(), SessionOptions::new("check"), 1)?,
        &config.postgres.schema,
    );
    let learned = if is_set_up {
        store.clocks().all().await?
    } else {
        Vec::new()
    };
    let shape = |section| mapped.table(section).and_then(|table| table.shape.as_ref());
    let Some(tickets) = shape("ticket") else {
        return Ok(found);
    };
    // What is wrong with the statements themselves the mapping's own check has told.
    let Ok(types) = created_at_types(client, config, tickets, shape("message")).await else {
        return Ok(found);
    };
    for (section, mapped) in types {
        let Some((expression, zoned)) = mapped else {
            continue;
        };
        let known = learned
            .iter()
            .find(|known| known.section == section && known.expression == expression);
        let known = known.cloned().unwrap_or_else(|| CreatedAt {
            section,
            expression,
            zoned,
            lags: Vec::new(),
            last_xid: None,
            sampled_ago: None,
        });
        if known.clock() == RowClock::Right {
            continue;
        }
        let zone = store.clocks().zone().await?;
        let (trouble, mend) = known.trouble(zone.as_ref());
        found.warn("clock", trouble, mend);
    }
    if found.0.is_empty() {
        found.ok(
            "clock",
            "nothing says that created_at is anything but when a row was made",
        );
    }
    Ok(found)
}

/// How far zones lie apart, in seconds: they are whole quarters of an hour from UTC.
const STEP: f64 = 900.0;

/// A row that was written just now is so old at most, in seconds.
const JUST_NOW: f64 = 10.0;

/// Whether the reply that was written just now, read back as the mapping reads the site's own rows, is of now: our sessions have
/// UTC, and a column without a zone takes that over.
pub(super) async fn of_reply(
    client: &Client,
    config: &Config,
    kind: Kind,
    rows: &[Row],
    found: &mut Checks,
) -> Result<(), SetupError> {
    let place = MESSAGE_OUTPUTS.iter().position(|known| *known == "created_at");
    let (Some(place), [row]) = (place, rows) else {
        return Ok(());
    };
    let read: Option<String> = row.try_get(place)?;
    let Some(read) = read.and_then(|read| read.parse::<f64>().ok()) else {
        return Ok(());
    };
    let sql = "select reset_val, extract(epoch from (pg_catalog.now() at time zone reset_val)
            - (pg_catalog.now() at time zone 'UTC'))::float8, extract(epoch from pg_catalog.now())::float8
        from pg_catalog.pg_settings where name = 'TimeZone'";
    let zone = client.query_one(sql, &[]).await?;
    let (name, offset, now): (String, f64, f64) = (zone.try_get(0)?, zone.try_get(1)?, zone.try_get(2)?);
    let away = ((read - now) / STEP).round() * STEP;
    // What is away by anything else is no matter of a zone.
    if away == 0.0 || (read - now - away).abs() > JUST_NOW {
        return Ok(());
    }
    let zone = match offset + away == 0.0 {
        true => name.as_str(),
        false => "the zone that the site writes in",
    };
    let both = config.reply.iter().flat_map(|reply| match kind {
        Kind::Agent => reply.both.set.iter().chain(&reply.agent.set),
        Kind::Customer => reply.both.set.iter().chain(&reply.customer.set),
    });
    let given = both
        .into_iter()
        .find(|(_, expr)| expr.sql.contains(":created_at"));
    let session = &config.capture.session;
    let has_zone = session
        .iter()
        .any(|statement| statement.sql.to_lowercase().contains("timezone"));
    let read = config
        .message
        .as_ref()
        .and_then(|message| message.created_at.as_ref());
    let read = read.map_or("", |read| read.sql.trim());
    let mend = match given {
        Some((column, given)) if !given.sql.to_lowercase().contains("at time zone") => {
            format!("write in [reply.set]: {column} = \":created_at::timestamptz at time zone '{zone}'\"")
        }
        None if !has_zone => format!("write: [capture] session = [\"set timezone = '{zone}'\"]"),
        // What was said before has not helped: what the column is given does not go by the session's zone.
        _ => format!(
            "whatever the session's zone, the column is given another one than [message] created_at reads (`{read}`): say in it the \
             one that the site writes, which of a column in UTC is `at time zone 'UTC'`"
        ),
    };
    let side = if away < 0.0 { "before" } else { "after" };
    let span = jiff::SignedDuration::from_secs(away.abs() as i64);
    found.warn(
        ("reply read back", "reply_other_time"),
        format!(
            "a reply of kind `{}`, read back as a row of the site's: [message] created_at is {span:#} {side} it was written: the \
             column has no time zone, and the site writes its own time in it, we UTC",
            kind.as_str()
        ),
        mend,
    );
    Ok(())
}
