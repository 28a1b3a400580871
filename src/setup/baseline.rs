//! What stands in lists at the start (`[message] expand`): all of it is noted as known, so that only what comes later is
//! sent. A row of its own tells by its INSERT that it is new; a message in a list tells it only by not being known.
//!
//! Where the slot is made, the table is looked through with the slot's own snapshot: a message is in it or in the
//! stream, never in both and never in neither, however much the site writes meanwhile. If that look fails, the slot is
//! made anew the next time. Where the mapping is changed later, names change and all is noted anew: then what is not
//! captured and resolved yet is left out by its `created_at`; without it such a message counts as old, and that is said.

use tokio_postgres::Client;

use super::error::SetupError;
use crate::config::Config;
use crate::mapping::expand;
use crate::postgres::shape::{ShapeError, load_message_shape, load_shape};
use crate::postgres::{ConnectUrl, SessionOptions, TextParam, site};
use crate::store::{Meta, Store};

/// Whether what stands in lists is not noted yet, or for another mapping.
pub(super) fn is_wanted(config: &Config, meta: &Meta) -> bool {
    let signature = config.message.as_ref().and_then(expand::signature);
    signature.is_some() && signature != meta.baseline
}

impl From<ShapeError> for SetupError {
    fn from(error: ShapeError) -> SetupError {
        SetupError::with(error.to_string(), "mend [ticket] or [message] in the config")
    }
}

/// Notes it. `snapshot`: that of the slot, which was made just now.
pub(super) async fn note(
    config: &Config,
    url: &ConnectUrl,
    store: &Store,
    snapshot: Option<&str>,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), SetupError> {
    let Some((message, signature)) = config
        .message
        .as_ref()
        .and_then(|message| Some((message, expand::signature(message)?)))
    else {
        return Ok(());
    };
    // Row security may show it other rows than the stream brings, so it looks as the connector does.
    let session = config
        .capture
        .session
        .iter()
        .map(|statement| statement.sql.clone());
    let options = SessionOptions::new("setup")
        .with_statements(session.collect())
        .with_statement_timeout(None);
    let client = crate::postgres::connect(url, &options).await?;
    client
        .batch_execute("begin isolation level repeatable read")
        .await?;
    if let Some(snapshot) = snapshot {
        let quoted = snapshot.replace('\'', "''");
        client
            .batch_execute(&format!("set transaction snapshot '{quoted}'"))
            .await?;
    }
    let tickets = load_shape(&client, &config.ticket.table, &config.ticket.key).await?;
    let shape = load_message_shape(&client, message).await?;
    let until = match snapshot {
        Some(_) => None,
        None if message.created_at.is_some() => captured_at(&client, store).await?,
        None => None,
    };
    let links = store.sql("{s}.link");
    let sql = expand::baseline(message, &config.ticket, &shape, &tickets, &links, until.is_some());
    let until: Vec<TextParam> = until.into_iter().map(|at| TextParam(Some(at))).collect();
    let params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = until
        .iter()
        .map(|at| at as &(dyn tokio_postgres::types::ToSql + Sync))
        .collect();
    let statement = site::prepare(&client, &sql).await?;
    let noted = site::execute(&client, &statement, &params).await?;
    client
        .execute(&store.sql("update {s}.meta set baseline = $1"), &[&signature])
        .await?;
    client.batch_execute("commit").await?;
    say(&format!(
        "baseline: {noted} messages stand in {} already and are not sent",
        shape.relation
    ));
    if snapshot.is_none() && message.created_at.is_none() {
        say(
            "baseline: the mapping of lists was changed; without [message] created_at what the site wrote while the \
             connector was stopped counts as old",
        );
    }
    Ok(())
}

/// Up to which time all is captured and resolved, in seconds since 1970.
async fn captured_at(client: &Client, store: &Store) -> Result<Option<String>, SetupError> {
    let sql = store.sql("select extract(epoch from least((select min(committed_at) from {s}.event), coalesce(captured_at, started_at)))::text
            from {s}.meta");
    Ok(client.query_one(&sql, &[]).await?.try_get(0)?)
}
