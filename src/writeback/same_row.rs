//! Whether the site's row is still the one that our ticket stands for.
//!
//! A site may delete a ticket and use its key anew (TRUNCATE RESTART IDENTITY, a restored sequence), and what was said
//! to the one customer must not be shown to the next. The stream tells of both, but later than the table shows it. So:
//!
//! 1. *Sight* the row: its version (`xmin`) and, in the same statement, the log's end. What made that version was
//!    committed before that end, since the statement's snapshot sees it.
//! 2. Wait until capture has read the log up to there: then the DELETE or TRUNCATE of any earlier row of that key, which
//!    was committed before this one was made, stands in `event`, or is resolved and the ticket is gone. Of a version whose
//!    own transaction capture has read already that is known without waiting.
//! 3. In the transaction that writes: the ticket is not gone, no such event waits for its key, and the row that was
//!    locked is of the sighted version. A later version is sighted anew, since nobody knows what lies between.
//!
//! Costs one read by key, and a wait where the version is old and was never sighted, or is just being read. It does not hold where the
//! site deletes what the stream does not bring: rows of a table without replica identity, a partition that is detached.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::WriteBack;
use super::contended::Patience;
use super::pipeline::{Planned, text};
use super::refusal::{WriteError, classify};
use crate::mapping::shape::{Shape, key_values};
use crate::model::{LaneId, Lsn, TicketKey, clock};
use crate::postgres::{TextParam, site};
use crate::store::{MadeBy, Store, Ticket, UNHELD};

/// What a statement raises that met a row of another version; it stands in SQL between quotes.
pub(super) const UNSURE: &str = "the row of the ticket is just being changed";

/// How often a row that changes is sighted before it is left for later; one that was sighted and is missed each time is hidden.
const SIGHTS: u32 = 5;

/// How long capture is waited for.
const CAPTURED_WITHIN: Duration = Duration::from_secs(3);

/// A row as it was before the transaction.
pub(super) struct Sighting {
    /// Absent: there is no such row.
    version: Option<String>,
}

/// So long a row that was sighted ahead may be written to by that: it is for the reply that is being read.
const AHEAD: Duration = Duration::from_secs(2);

/// Rows that were sighted before there was anything to write, and when.
#[derive(Default)]
pub(super) struct Ahead(Mutex<HashMap<LaneId, (TicketKey, Instant, Sighting)>>);

impl Ahead {
    /// Nothing panics while it is held, so it cannot be poisoned.
    fn all(&self) -> MutexGuard<'_, HashMap<LaneId, (TicketKey, Instant, Sighting)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was sighted for a ticket, once.
    pub(super) fn take(&self, ticket: &Ticket) -> Option<Sighting> {
        let (key, at, sighting) = self.all().remove(&ticket.id)?;
        let is_young = at.elapsed() < AHEAD;
        (key == ticket.key && is_young).then_some(sighting)
    }
}

impl WriteBack {
    /// Sights the rows of tickets to which a reply is expected: when the case has been read, it is known already. Whenever it
    /// was sighted, the row that is locked has to be of that version.
    pub async fn sight_ahead(&self) {
        let sighting = self
            .store
            .handed()
            .expected_replies()
            .into_iter()
            .map(|ticket| async move {
                let Ok(Some(statements)) = self.statements().await else {
                    return;
                };
                let sighted = self.sight(&ticket, &statements.tickets, statements.has_policies);
                if let Ok(sighting) = sighted.await {
                    let mut all = self.ahead.all();
                    all.retain(|_, (_, at, _)| at.elapsed() < AHEAD);
                    all.insert(ticket.id, (ticket.key, clock::monotonic(), sighting));
                }
            });
        futures::future::join_all(sighting).await;
    }

    /// Sights the ticket's row. Only a policy of the site's, whose functions look for their names by its path, needs that.
    pub(super) async fn sight(
        &self,
        ticket: &Ticket,
        tickets: &Shape,
        has_policies: bool,
    ) -> Result<Sighting, WriteError> {
        let sql = format!(
            "select (select t.xmin::pg_catalog.text from {} t where {}) as version,
                 pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text as end,
                 pg_catalog.pg_snapshot_xmin(seen)::pg_catalog.text as over_below,
                 pg_catalog.pg_snapshot_xmax(seen)::pg_catalog.text as next
             from (select pg_catalog.pg_current_snapshot() as seen) s",
            tickets.sql(),
            tickets.key_condition("t", 1)
        );
        let key = key(ticket, tickets)?;
        let client = self
            .site
            .get()
            .await
            .map_err(|error| WriteError::Passing(error.to_string()))?;
        let key: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            key.iter().map(|value| value as _).collect();
        let rows = match has_policies {
            true => site::query_cached(&client, &sql, &key).await,
            false => match client.prepare_cached(&sql).await {
                Ok(statement) => client.query(&statement, &key).await,
                Err(error) => Err(error),
            },
        };
        let rows = rows.map_err(|error| classify(&error))?;
        drop(client);
        let [row] = rows.as_slice() else {
            return Err(WriteError::Passing("one row was asked for".into()));
        };
        let text = |name: &str| {
            row.try_get::<_, Option<&str>>(name)
                .map_err(|error| classify(&error))
        };
        let number = |name: &str| -> Result<u64, WriteError> {
            let number = text(name)?.and_then(|text| text.parse().ok());
            number.ok_or_else(|| WriteError::Passing(format!("the server gave no number for {name}")))
        };
        let version = text("version")?;
        let end: Lsn = text("end")?
            .unwrap_or_default()
            .parse()
            .map_err(|error: crate::model::ParseLsnError| WriteError::Refused(error.to_string()))?;
        let made = match version.and_then(|version| version.parse().ok()) {
            Some(xid) => Some(MadeBy {
                xid,
                over_below: number("over_below")?,
                next: number("next")?,
            }),
            None => None,
        };
        let is_streamed = match made {
            Some(made) => {
                self.store
                    .capture()
                    .streamed_version(made, end, CAPTURED_WITHIN)
                    .await?
            }
            None => self.store.capture().streamed_past(end, CAPTURED_WITHIN).await?,
        };
        if is_streamed {
            return Ok(Sighting {
                version: version.map(str::to_owned),
            });
        }
        Err(WriteError::Passing(format!(
            "the log has not been read up to {end} yet, where the ticket may have been deleted"
        )))
    }
}

impl Sighting {
    /// The query on our own tables that raises where it is not our ticket's row; its parameters count from `first`.
    pub(super) fn own(
        &self,
        ticket: &Ticket,
        tickets: &Shape,
        first: usize,
    ) -> Result<(String, Vec<TextParam>), WriteError> {
        let image: serde_json::Map<String, serde_json::Value> = tickets
            .key
            .iter()
            .cloned()
            .zip(key(ticket, tickets)?.into_iter().map(|value| value.0.into()))
            .collect();
        let values = vec![
            text(&ticket.id.0.to_string()),
            text(ticket.key.as_str()),
            text(&deleted(ticket)),
            text(&tickets.relation.schema),
            text(&tickets.relation.table),
            text(&serde_json::Value::Object(image).to_string()),
        ];
        let [id, name, gone, schema, table, image]: [usize; 6] = std::array::from_fn(|n| first + n);
        let sql = format!(
            "select {{s}}.expect(not t.gone, ${gone}::text), {{s}}.expect(t.key = ${name}::text and not exists (
                     select from {{s}}.event e where e.old_key @> ${image}::text::jsonb and e.op in ('D', 'U')
                         and e.schema_name = ${schema}::text and e.table_name = ${table}::text
                         and (e.op = 'D' or not e.image @> ${image}::text::jsonb))
                 and not exists (select from {{s}}.event e where e.op = 'T' and e.schema_name = ${schema}::text
                         and e.table_name = ${table}::text), '{UNSURE}', 'DC004')
             from claims, {{s}}.ticket t where t.id = ${id}::text::int8"
        );
        Ok((sql, values))
    }

    /// The statement that locks the row, by key, in a statement of its own, and weakly enough not to block the site's
    /// INSERT of a message (rule 2). It raises where that is another version than the sighted one, and while a person has
    /// to decide whether our state belongs to what is there: once the table is locked, nobody can make its keys anew.
    ///
    /// A row that was sighted and is not there has got another key, or was made anew, while its lock was waited for.
    pub(super) fn locked(
        &self,
        store: &Store,
        ticket: &Ticket,
        tickets: &Shape,
        patience: Patience,
    ) -> Result<Planned, WriteError> {
        let missed = match self.version {
            Some(_) => "DC006",
            None => "DC007",
        };
        let locked = store.sql(&format!(
            "select {{s}}.expect(pg_catalog.count(*) OPERATOR(pg_catalog.=) 1, $1::pg_catalog.text, '{missed}'),
                 {{s}}.expect(pg_catalog.bool_and(version OPERATOR(pg_catalog.=) $2::pg_catalog.text), '{UNSURE}', 'DC004'),
                 {UNHELD} from
                 (select t.xmin::pg_catalog.text as version from {} t where {} for no key update {}) locked",
            tickets.sql(),
            tickets.key_condition("t", 3),
            patience.of_row()
        ));
        let missing = format!(
            "the ticket {} is not in {}, or row security hides it from UPDATE",
            ticket.key, tickets.relation
        );
        let version = TextParam(Some(self.version.clone().unwrap_or_default()));
        let values = [text(&missing), version].into_iter().chain(key(ticket, tickets)?);
        Ok(Planned::on_site(locked, values.collect()))
    }
}

/// Why nothing is written to a ticket whose row is gone.
pub(super) fn deleted(ticket: &Ticket) -> String {
    format!("the ticket {} was deleted on the site", ticket.key)
}

pub(super) fn key(ticket: &Ticket, tickets: &Shape) -> Result<Vec<TextParam>, WriteError> {
    let values = key_values(ticket.key.as_str(), tickets.key.len())
        .ok_or_else(|| WriteError::Refused(format!("`{}` is no key of {}", ticket.key, tickets.relation)))?;
    Ok(values.into_iter().map(TextParam::new).collect())
}

/// Tries again at once while the row is just being changed; a row that changes all the time is left for later.
pub(super) async fn until_sure<F>(mut attempt: impl FnMut() -> F) -> Result<(), WriteError>
where
    F: Future<Output = Result<(), WriteError>>,
{
    let mut missed = 0;
    for n in 1..=SIGHTS {
        match attempt().await {
            Err(WriteError::Unsure) => {}
            Err(WriteError::Missed(why)) => {
                missed += 1;
                if missed == SIGHTS {
                    return Err(WriteError::Hidden(why));
                }
            }
            ended => return ended,
        }
        tokio::time::sleep(Duration::from_millis(20 << n)).await;
    }
    Err(WriteError::Passing(format!(
        "{UNSURE}, or a deletion of it was captured and is not dealt with yet"
    )))
}
