//! What stands in lists at the start (`expand`, of messages and of files): all of it is noted as known, so that only what comes later is
//! sent. A row of its own tells by its INSERT that it is new; a message in a list tells it only by not being known.
//!
//! Where the slot is made, the table is looked through with the slot's own snapshot: a message is in it or in the
//! stream, never in both and never in neither, however much the site writes meanwhile. If that look fails, the slot is
//! made anew the next time. Where the mapping is changed later, names change and all is noted anew: then what is not
//! captured and resolved yet is left out by its `created_at`; without it such a message counts as old, and that is said.

use tokio_postgres::Client;

use super::error::SetupError;
use crate::config::{Config, Message};
use crate::files;
use crate::mapping::attachment::{self, Around};
use crate::mapping::{Shape, expand};
use crate::postgres::shape::{ShapeError, load_message_shape, load_shape};
use crate::postgres::{ConnectUrl, SessionOptions, TextParam, site};
use crate::store::{Meta, Store};

/// What stands between the signatures in `meta.baseline`: of `[message]`, then of each `[[attachment]]` that has one.
const BETWEEN: char = '\u{1e}';

/// What lists the config knows, as `meta.baseline` notes it; `None`: none.
fn signature(config: &Config) -> Option<String> {
    let message = config.message.as_ref().and_then(expand::signature);
    let files: Vec<String> = config
        .attachments
        .iter()
        .filter_map(attachment::signature)
        .collect();
    if message.is_none() && files.is_empty() {
        return None;
    }
    let mut all = message.unwrap_or_default();
    for file in files {
        all.push(BETWEEN);
        all.push_str(&file);
    }
    Some(all)
}

/// Whether one of its parts is noted already.
fn is_noted(noted: Option<&str>, part: &str) -> bool {
    noted.is_some_and(|noted| noted.split(BETWEEN).any(|other| other == part))
}

/// Whether what stands in lists is not noted yet, or for another mapping.
pub(super) fn is_wanted(config: &Config, meta: &Meta) -> bool {
    let Some(signature) = signature(config) else {
        return false;
    };
    let mut parts = signature.split(BETWEEN);
    !parts.all(|part| part.is_empty() || is_noted(meta.baseline.as_deref(), part))
}

impl From<ShapeError> for SetupError {
    fn from(error: ShapeError) -> SetupError {
        SetupError::with(
            error.to_string(),
            "mend [ticket], [message] or [[attachment]] in the config",
        )
    }
}

/// Notes what is not noted yet. `snapshot`: that of the slot, which was made just now.
pub(super) async fn note(
    config: &Config,
    url: &ConnectUrl,
    store: &Store,
    snapshot: Option<&str>,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), SetupError> {
    let Some(signature) = signature(config) else {
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
    let tickets = load_shape(&client, &config.ticket.table, &config.ticket.key).await?;
    let messages = match &config.message {
        Some(message) => Some(load_message_shape(&client, message).await?),
        None => None,
    };
    let attachments = files::load(&client, config, &tickets, messages.as_ref()).await?;
    client
        .batch_execute("begin isolation level repeatable read")
        .await?;
    if let Some(snapshot) = snapshot {
        let quoted = snapshot.replace('\'', "''");
        client
            .batch_execute(&format!("set transaction snapshot '{quoted}'"))
            .await?;
    }
    let noted: Option<String> = client
        .query_one(&store.sql("select baseline from {s}.meta"), &[])
        .await?
        .try_get(0)?;
    let noted = noted.as_deref();
    let of_message = config.message.as_ref().zip(messages.as_ref());
    if let Some((message, shape)) = of_message
        && expand::signature(message).is_some_and(|part| !is_noted(noted, &part))
    {
        note_messages(
            (config, message),
            (shape, &tickets),
            (&client, store),
            snapshot,
            say,
        )
        .await?;
    }
    for attached in attachments {
        let part = attachment::signature(&attached.config);
        if part.is_none_or(|part| is_noted(noted, &part)) {
            continue;
        }
        let around = Around {
            ticket: (&config.ticket, &tickets),
            message: of_message,
        };
        let links = store.sql("{s}.link");
        let of = (links.as_str(), attached.source.as_str());
        client.batch_execute("savepoint lists").await?;
        let whole = attachment::baseline(&attached.config, &attached.shape, &around, of);
        match site::batch(&client, &whole).await {
            Ok(()) => {}
            // A row of it holds no list.
            Err(error) if error.code().is_some_and(|code| code.code().starts_with("22")) => {
                client.batch_execute("rollback to savepoint lists").await?;
                let by_row = attachment::baseline_by_row(&attached.config, &attached.shape, &around, of);
                site::batch(&client, &by_row).await?;
            }
            Err(error) => return Err(error.into()),
        }
        let sql = store.sql("select count(*) from {s}.link where section = 'attachment' and reason = $1 and starts_with(key, $2)");
        let prefix = attached.link_key("");
        let count: i64 = client
            .query_one(&sql, &[&expand::BASELINE, &prefix])
            .await?
            .try_get(0)?;
        say(&format!(
            "baseline: {count} files stand in lists of {} already and are not sent",
            attached.shape.relation
        ));
    }
    client
        .execute(&store.sql("update {s}.meta set baseline = $1"), &[&signature])
        .await?;
    client.batch_execute("commit").await?;
    Ok(())
}

async fn note_messages(
    (config, message): (&Config, &Message),
    (shape, tickets): (&Shape, &Shape),
    (client, store): (&Client, &Store),
    snapshot: Option<&str>,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), SetupError> {
    let until = match snapshot {
        Some(_) => None,
        None if message.created_at.is_some() => captured_at(client, store).await?,
        None => None,
    };
    let links = store.sql("{s}.link");
    let sql = expand::baseline(message, &config.ticket, shape, tickets, &links, until.is_some());
    let until: Vec<TextParam> = until.into_iter().map(|at| TextParam(Some(at))).collect();
    let params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = until
        .iter()
        .map(|at| at as &(dyn tokio_postgres::types::ToSql + Sync))
        .collect();
    let statement = site::prepare(client, &sql).await?;
    let noted = site::execute(client, &statement, &params).await?;
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
