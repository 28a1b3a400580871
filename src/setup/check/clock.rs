//! What `created_at` is worth: by its type, and by the rows whose INSERT was seen (rule 22).

use tokio_postgres::Client;

use super::Checks;
use crate::config::Config;
use crate::model::RowClock;
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
        store.clocks().await?
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
        let zone = store.clock_zone().await?;
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
