//! Writing one message to the site.
//!
//! Everything is prepared beforehand; then BEGIN … COMMIT goes to the server as one pipelined batch, so that no lock
//! on the site's rows outlives a round trip (rule 2). What a later statement needs of an earlier one (the new row's
//! key) travels in a setting of the transaction; what must not be committed raises an error on the server.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio_postgres::types::ToSql;

use super::WriteBack;
use super::contended::{Item, Patience};
use super::files::{Ready, comes_with_files};
use super::gate::{Gate, Meaning};
use super::neutral::Neutral;
use super::pipeline::{Claim, Planned, begin, run_all, text};
use super::refusal::{WriteError, classify};
use super::same_row::{Sighting, deleted, until_sure};
use super::writer::WrittenBy;
use crate::config::Config;
use crate::lanes::backoff;
use crate::mapping::{Batch, Parameters, Statement, shape::Shape, write};
use crate::model::{CrashPoint, Kind, clock};
use crate::postgres::shape::{load_message_shape, load_table, shape_of};
use crate::postgres::{Pool, TextParam, site};
use crate::store::{self, Payload, PendingRemote, Store, StoreError, Ticket};

/// The statements of `[reply]` for the tables as they are now.
#[derive(Debug, Clone)]
pub struct ReplyStatements {
    /// The ticket table.
    pub tickets: Shape,
    /// Whether its row security holds for us.
    pub has_policies: bool,
    /// The message table.
    pub messages: Option<Shape>,
    /// For agents' answers.
    pub agent: Batch,
    /// For customers' answers.
    pub customer: Batch,
}

/// So many tickets are written to at once.
const HEADS: usize = 16;

/// The same, of messages whose files are fetched first.
const WITH_FILES: usize = 4;

pub(super) const ALREADY: &str = "already written";

impl ReplyStatements {
    /// Compiles `[reply]`; `None` where there is none.
    pub async fn load(
        client: &tokio_postgres::Client,
        config: &Config,
    ) -> Result<Option<ReplyStatements>, WriteError> {
        let Some(reply) = &config.reply else {
            return Ok(None);
        };
        let table = load_table(client, &config.ticket.table).await?;
        let tickets = shape_of(&table, &config.ticket.key)?;
        let messages = match &config.message {
            Some(message) => Some(load_message_shape(client, message).await?),
            None => None,
        };
        let batch = |kind| {
            write::reply(reply, kind, &tickets, messages.as_ref())
                .map_err(|(expr, fault)| WriteError::Refused(format!("{}: {fault}", expr.name)))
        };
        let (mut agent, mut customer) = (batch(Kind::Agent)?, batch(Kind::Customer)?);
        for batch in [&mut agent, &mut customer] {
            let all = batch
                .filter
                .iter_mut()
                .chain(batch.insert.iter_mut())
                .chain(batch.after.iter_mut())
                .chain(batch.files.iter_mut());
            for statement in all {
                prepare(client, statement).await?;
            }
        }
        Ok(Some(ReplyStatements {
            tickets,
            has_policies: table.row_security,
            messages,
            agent,
            customer,
        }))
    }

    /// The statements for one kind of author.
    pub fn batch(&self, kind: Kind) -> &Batch {
        match kind {
            Kind::Agent => &self.agent,
            Kind::Customer => &self.customer,
        }
    }
}

/// Prepares a statement.
pub(super) async fn prepare(
    client: &tokio_postgres::Client,
    statement: &mut Statement,
) -> Result<(), WriteError> {
    let Err(error) = site::prepare_typed(client, statement).await else {
        return Ok(());
    };
    Err(match classify(&error) {
        WriteError::Refused(text) | WriteError::Value { text, .. } | WriteError::Mapping(text) => {
            WriteError::Mapping(format!("{}: {text}", statement.name))
        }
        other => other,
    })
}

impl WriteBack {
    /// Writes what waits, the heads of some tickets; true where there may be more.
    pub async fn write_round(&self) -> Result<bool, StoreError> {
        let with_files = self.fetches_files().then_some(false);
        let handed = self.store.handed().remotes().into_iter();
        let at_once: Vec<PendingRemote> = handed
            .filter(|head| with_files.is_none() || !comes_with_files(head))
            .collect();
        if self.reply_gate.is_shut() {
            return Ok(false);
        }
        // Whatever came of them, the tables tell what is to be done now.
        self.write_heads(at_once, HEADS).await?;
        let heads = self.store.remotes().heads(HEADS as i64, with_files).await?;
        self.write_heads(heads, HEADS).await
    }

    /// The same for messages whose files are fetched first, which may take a while.
    pub async fn file_round(&self) -> Result<bool, StoreError> {
        if self.files_gate.is_shut() {
            return Ok(false);
        }
        let heads = self.store.remotes().heads(WITH_FILES as i64, Some(true)).await?;
        self.write_heads(heads, WITH_FILES).await
    }

    /// True where there may be more.
    async fn write_heads(&self, heads: Vec<PendingRemote>, limit: usize) -> Result<bool, StoreError> {
        let has_more = heads.len() >= limit || heads.iter().any(|head| head.has_more);
        for result in join_all(heads.into_iter().map(|head| self.write_head(head))).await {
            result?;
        }
        Ok(has_more)
    }

    async fn write_head(&self, head: PendingRemote) -> Result<(), StoreError> {
        let (id, ticket, begun) = (head.message_id, &head.ticket, clock::monotonic());
        let remotes = self.store.remotes();
        let item = Item::Reply(id.0);
        let gate = self.gate_of(&head);
        let result = if ticket.gone {
            Err(WriteError::Refused(deleted(ticket)))
        } else {
            self.write(&head, ticket).await
        };
        if !matches!(result, Err(WriteError::Locked(_) | WriteError::Passing(_))) {
            self.contended.ended(item);
        }
        match result {
            Ok(true) => {
                CrashPoint::WritebackCommitted.reached();
                gate.passed(id.0, head.kind.as_str(), &self.store).await?;
                tracing::info!(ticket = %ticket.key, message = %id, kind = head.kind.as_str(), "reply written");
                metrics::counter!("deskie_cdc_written_total").increment(1);
                metrics::histogram!("deskie_cdc_to_site_seconds")
                    .record(head.age + begun.elapsed().as_secs_f64());
                Ok(())
            }
            Ok(false) | Err(WriteError::Already | WriteError::NotLeader | WriteError::Unsure) => Ok(()),
            Err(WriteError::Locked(error)) => {
                let (times, after) = self.contended.met(item);
                if times.is_power_of_two() && times >= 4 {
                    tracing::warn!(ticket = %ticket.key, message = %id, times, "the reply could not be written yet: {error}");
                }
                self.store.remotes().wait(id, &error, after).await?;
                self.contended.rings_in(after);
                Ok(())
            }
            Err(WriteError::Passing(error)) => {
                *self.statements.lock().await = None;
                let after = backoff::retry_delay(head.attempts.unsigned_abs() + 1, rand::random());
                tracing::warn!(ticket = %ticket.key, message = %id, "the reply could not be written yet: {error}");
                remotes
                    .retry(id, &error, after.min(Duration::from_secs(30)))
                    .await
            }
            Err(WriteError::Taken { text, .. }) => match gate.clashed(id.0) {
                Some(after) => {
                    tracing::warn!(ticket = %ticket.key, message = %id, "the reply is tried again: {text}");
                    self.store.remotes().wait(id, &text, after).await?;
                    self.contended.rings_in(after);
                    Ok(())
                }
                None => self.park_reply(&head, ticket, &text).await,
            },
            // New plans were refused as well.
            Err(WriteError::Mapping(error) | WriteError::Folder(error) | WriteError::Stale(error)) => {
                self.forget_statements().await;
                match gate
                    .refused((id.0, head.kind.as_str()), &error, &self.store)
                    .await?
                {
                    Meaning::Stopped => Ok(()),
                    Meaning::Again => remotes.retry(id, &error, Duration::from_secs(1)).await,
                    Meaning::Own => self.park_reply(&head, ticket, &error).await,
                }
            }
            Err(
                WriteError::Refused(error)
                | WriteError::Hidden(error)
                | WriteError::Value { text: error, .. }
                | WriteError::Missed(error)
                | WriteError::NoValue { text: error, .. },
            ) => self.park_reply(&head, ticket, &error).await,
        }
    }

    /// The part of the mapping that a message belongs to: with files that are fetched it is another one.
    fn gate_of(&self, head: &PendingRemote) -> &Gate {
        match self.fetches_files() && comes_with_files(head) {
            true => &self.files_gate,
            false => &self.reply_gate,
        }
    }

    /// The part, the group in it, and the message's number.
    fn place_of<'a>(&'a self, head: &PendingRemote) -> (&'a Gate, &'static str, i64) {
        (self.gate_of(head), head.kind.as_str(), head.message_id.0)
    }

    async fn park_reply(&self, head: &PendingRemote, ticket: &Ticket, error: &str) -> Result<(), StoreError> {
        *self.statements.lock().await = None;
        // A ticket that is not there may only be called otherwise since a moment ago.
        if let Some(why) = self.store.keys().doubt().await? {
            let remotes = self.store.remotes();
            return remotes.retry(head.message_id, &why, Duration::from_secs(1)).await;
        }
        tracing::error!(ticket = %ticket.key, message = %head.message_id, "the reply is parked: {error}; `deskie-cdc failed show r{}`", head.message_id);
        self.store.remotes().park(head.message_id, error).await
    }

    /// [`WriteBack::try_write`]; where the session's plans may be those of tables that have changed, once more with new ones.
    async fn write(&self, head: &PendingRemote, ticket: &Ticket) -> Result<bool, WriteError> {
        match self.try_write(head, ticket).await {
            Err(WriteError::Stale(_)) => {
                self.forget_statements().await;
                self.try_write(head, ticket).await
            }
            done => done,
        }
    }

    pub(super) async fn statements(&self) -> Result<Option<Arc<ReplyStatements>>, WriteError> {
        let mut statements = self.statements.lock().await;
        if let Some(found) = statements.as_ref() {
            return Ok(Some(found.clone()));
        }
        let client = self
            .site
            .get()
            .await
            .map_err(|error| WriteError::Passing(error.to_string()))?;
        let made = ReplyStatements::load(&client, &self.config).await?.map(Arc::new);
        statements.clone_from(&made);
        Ok(made)
    }

    /// True where a row was written, false where `[reply]` leaves the message out.
    async fn try_write(&self, head: &PendingRemote, ticket: &Ticket) -> Result<bool, WriteError> {
        let Some(statements) = self.statements().await? else {
            self.store
                .remotes()
                .skip(head.message_id, "there is no [reply] in the config")
                .await?;
            return Ok(false);
        };
        let item = Item::Reply(head.message_id.0);
        let patience = self.contended.patience(item);
        let is_fetched = !statements.batch(head.kind).files.is_empty();
        if self.contended.has_met(item) && (patience == Patience::None || is_fetched) {
            self.is_free(ticket, &statements.tickets).await?;
        }
        let payload: Payload = serde_json::from_value(head.payload.clone())
            .map_err(|error| WriteError::Refused(format!("the stored message is damaged: {error}")))?;
        let parameters = self
            .parameters(head, &payload, ticket, statements.tickets.key.len())
            .await?;
        let batch = statements.batch(head.kind);
        if let Some(filter) = &batch.filter {
            let client = self
                .site
                .get()
                .await
                .map_err(|error| WriteError::Passing(error.to_string()))?;
            match holds(&client, filter, &parameters).await {
                Ok(true) => {}
                Ok(false) => {
                    self.store
                        .remotes()
                        .skip(head.message_id, "[reply] where does not hold")
                        .await?;
                    return Ok(false);
                }
                Err(error) => {
                    drop(client);
                    let item = Neutral::of(ticket, &statements.tickets, &parameters, batch);
                    return Err(self
                        .of_everybody(self.place_of(head), classify(&error), &item)
                        .await);
                }
            }
        }
        let ready = self
            .ready_files(
                head.message_id,
                head.attempts,
                &payload.attachments,
                &batch.files,
                &parameters,
            )
            .await?;
        let mut ahead = self.ahead.take(ticket);
        let (made, values) = (&statements, (&parameters, &ready));
        let written = until_sure(|| {
            let ahead = ahead.take();
            async move {
                let sighting = match ahead {
                    Some(sighting) => sighting,
                    None => self.sight(ticket, &made.tickets, made.has_policies).await?,
                };
                let sighted = (&sighting, patience);
                transaction(&self.store, &self.site, made, head, ticket, sighted, values).await
            }
        })
        .await;
        let Err(error) = written else {
            let (gate, group, _) = self.place_of(head);
            gate.trials().took(group, ticket, &parameters);
            return Ok(true);
        };
        if error.is_refusal() {
            crate::files::forget(ready.stored).await;
        }
        let all = batch.insert.iter().chain(&batch.after).chain(&batch.files);
        let all: Vec<&Statement> = all.collect();
        let error = error.of_statements(all.iter().copied());
        let error = self.of_sequence(error, &all).await;
        let error = self.of_row_security(error, ticket, &statements.tickets).await;
        // What refuses a file's statement may be that file: a neutral item tells nothing certain of it.
        if !ready.parameters.is_empty() {
            return Err(error);
        }
        let item = Neutral::of(ticket, &statements.tickets, &parameters, batch);
        Err(self.of_everybody(self.place_of(head), error, &item).await)
    }

    async fn parameters(
        &self,
        head: &PendingRemote,
        payload: &Payload,
        ticket: &Ticket,
        key_columns: usize,
    ) -> Result<Parameters, WriteError> {
        let opening = &head.opening;
        let mut parameters = Parameters::default();
        parameters.set_ticket(&ticket.key, key_columns);
        let key = format!("message {}", head.message_id);
        let body = self
            .body(Some(ticket.id), &key, payload, self.files_are_links())
            .await?;
        parameters.set("kind", head.kind.as_str());
        parameters.set("markdown", WriteBack::markdown(&body).await);
        parameters.set("text", body.text);
        parameters.set("html", body.html);
        let mut set_some = |name: &str, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                parameters.set(name, value);
            }
        };
        set_some("subject", Some(opening.subject.clone()));
        set_some(
            "created_at",
            Some(
                payload
                    .created_at
                    .unwrap_or_else(crate::model::clock::now)
                    .to_string(),
            ),
        );
        set_some("case_number", ticket.case_number.clone());
        parameters.set("message_id", head.message_id.to_string());
        parameters.set("case_id", head.case_id.to_string());
        parameters.set("via_rule", payload.via_rule.to_string());
        let files: Vec<serde_json::Value> = payload
            .attachments
            .iter()
            .map(|file| serde_json::json!({"name": file.safe_name(), "url": file.url, "mime": file.mime}))
            .collect();
        parameters.set("attachments", serde_json::Value::Array(files).to_string());
        let by = WrittenBy {
            staff: payload.staff_id,
            user: payload.user_id,
            customer: ticket.user_id,
        };
        self.set_writer(&mut parameters, &by, opening, head.attempts)
            .await?;
        Ok(parameters)
    }
}

pub(super) async fn holds(
    client: &deadpool_postgres::Object,
    filter: &Statement,
    parameters: &Parameters,
) -> Result<bool, tokio_postgres::Error> {
    let values: Vec<TextParam> = parameters.of(filter).into_iter().map(TextParam).collect();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
    let rows = site::query_cached(client, &filter.sql(), &values).await?;
    rows.first().map_or(Ok(false), |row| row.try_get(0))
}

/// The write-back of one message as one pipelined transaction.
async fn transaction(
    store: &Store,
    site: &Pool,
    statements: &ReplyStatements,
    head: &PendingRemote,
    ticket: &Ticket,
    (sighting, patience): (&Sighting, Patience),
    (parameters, files): (&Parameters, &Ready),
) -> Result<(), WriteError> {
    let batch = statements.batch(head.kind);
    let message_id = head.message_id.to_string();
    let texts = ["text", "html"].map(|name| parameters.get(name).unwrap_or_default());
    let said = format!("{{{}}}", store::fingerprints(texts[0], texts[1]).await.join(","));
    let claimed =
        "claimed as (update {s}.remote set state = 'written', done_at = clock_timestamp(), error = null,
            said = $4::text::text[], via_rule = $5::text::boolean
        where message_id = $3::text::int8 and state = 'pending' returning 1)";
    let query = format!("select {{s}}.expect(count(*) = 1, '{ALREADY}', 'DC003') from claimed");
    let values = vec![
        text(&message_id),
        text(&said),
        text(parameters.get("via_rule").unwrap_or("false")),
    ];
    let own = sighting.own(ticket, &statements.tickets, 3 + values.len())?;
    let claim = Claim {
        ctes: claimed,
        query: &query,
        values,
    };
    let mut plan = vec![
        begin(store, &message_id, claim, Some(own), Some(patience.limit())),
        sighting.locked(store, ticket, &statements.tickets, patience)?,
    ];
    if let Some(insert) = &batch.insert {
        plan.push(Planned::site(insert, parameters));
    }
    for after in &batch.after {
        plan.push(Planned::site(after, parameters));
    }
    for parameters in &files.parameters {
        for statement in &batch.files {
            plan.push(Planned::site(statement, parameters));
        }
    }
    if batch.insert.is_some() {
        // The link is the second line against the echo, and what makes a later UPDATE of the row nothing new. It stays on
        // the site's path, which the COMMIT needs: deferred triggers look for their names by it.
        plan.push(Planned::on_site(
            store.sql(&format!(
                "with written as materialized (
                     select pg_catalog.current_setting('{}', true) as key),
                 told as materialized (select {{s}}.expect(key OPERATOR(pg_catalog.<>) '',
                     'the INSERT of [reply] gave no row', 'DC008') as met, key from written),
                 linked as (insert into {{s}}.link (section, key, generation, ticket_id, state, reason)
                     select 'message', told.key,
                         (select coalesce(pg_catalog.max(l.generation), 0) OPERATOR(pg_catalog.+) 1 from {{s}}.link l
                          where l.section OPERATOR(pg_catalog.=) 'message' and l.key OPERATOR(pg_catalog.=) told.key),
                         $1::pg_catalog.text::pg_catalog.int8, 'written', 'written by us'
                     from told where told.met)
                 update {{s}}.remote set row_key = told.key, payload = null
                 from told where message_id OPERATOR(pg_catalog.=) $2::pg_catalog.text::pg_catalog.int8",
                write::ROW_SETTING
            )),
            vec![text(&ticket.id.0.to_string()), text(&message_id)],
        ));
    }
    run_all(site, plan).await
}
