//! Captured row changes, as resolve takes them; what appends them is [`super::captured`].

use serde_json::Value;
use tokio_postgres::types::PgLsn;

use super::{Store, StoreError};
use crate::model::{EventId, Lsn, Op, RelationName};

/// A round of resolving takes the events that begin within so many bytes.
const TAKEN_BYTES: i64 = 2 << 20;

/// A captured row change. Its `Debug` shows none of the row's cells.
#[derive(Clone)]
pub struct Event {
    /// Its place in commit order; 0 until it is stored.
    pub id: EventId,
    /// The transaction: 32 bits from the stream before it is stored, 64 after.
    pub xid: u64,
    /// Its commit's position in the log.
    pub commit_lsn: Lsn,
    /// When it was committed.
    pub committed_at: jiff::Timestamp,
    /// The table.
    pub relation: RelationName,
    /// What happened.
    pub op: Op,
    /// The row: column → text or null; unchanged cells are absent.
    pub image: Value,
    /// The old key, where the change sent one.
    pub old_key: Option<Value>,
    /// Whether we wrote it ourselves.
    pub echo: bool,
    /// How often work on it has failed, or the process died of it.
    pub failures: i16,
    /// Whether a look through the tables brought it, not the stream.
    pub found: bool,
}

crate::model::debug_shows!(Event: id, xid, commit_lsn, committed_at, relation, op, echo, failures, found);

impl Store {
    /// The oldest events whose turn it is, in order, up to whole transactions of at least `limit` rows, but not more than
    /// memory should hold (what is left of a transaction comes with the next round): visible to everybody (rule 7; a number beyond all that servers count to is
    /// another server's), and committed at least `settle` ago. An event that is not ready holds those behind it. With them
    /// the transaction of the last one, where that goes on behind it.
    pub async fn event_take(
        &self,
        limit: i64,
        settle: std::time::Duration,
    ) -> Result<(Vec<Event>, Option<u64>), StoreError> {
        let sql = "with head as (
                select id, xid,
                       (pg_visible_in_snapshot(xid, pg_current_snapshot()) or xid >= '4611686018427387904')
                       and committed_at <= clock_timestamp() - make_interval(secs => $2) as ready
                from {s}.event order by id limit $1),
            blocked as (select min(id) as id from head where not ready),
            last as (select xid, id from head
                     where id < coalesce((select id from blocked), 9223372036854775807) order by id desc limit 1),
            taken as materialized (
                select e.* from (
                    select e.*, sum(e.size) over (order by e.id) - e.size as before from {s}.event e
                    where e.id <= (select id + 10000 from last)
                      and (e.id <= (select id from last) or e.xid = (select xid from last))) e
                where before < $3 and not exists (select from {s}.hold)),
            behind as (
                select n.xid = l.xid as goes_on from (select id, xid from taken order by id desc limit 1) l
                cross join lateral (select xid from {s}.event n where n.id > l.id order by n.id limit 1) n)
            select id, xid::text, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, echo, failures, found,
                coalesce((select goes_on from behind), false)
            from taken order by id";
        let rows = self
            .query(sql, &[&limit, &settle.as_secs_f64(), &TAKEN_BYTES])
            .await?;
        let events: Vec<Event> = rows.iter().map(event).collect::<Result<_, _>>()?;
        let goes_on = rows.last().is_some_and(|row| row.get(12));
        let last = events.last().filter(|_| goes_on).map(|event| event.xid);
        Ok((events, last))
    }

    /// The events of one table that came after `id`, the newest last: for `settle`, where the newest version counts.
    pub async fn event_later(
        &self,
        after: EventId,
        relation: &RelationName,
        key: &Value,
    ) -> Result<Vec<Event>, StoreError> {
        let sql = "select id, xid::text, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, echo, failures,
                found
            from {s}.event
            where id > $1 and schema_name = $2 and table_name = $3 and (pg_visible_in_snapshot(xid, pg_current_snapshot()) or xid >= '4611686018427387904')
              and (op = 'T' or image @> $4 or old_key @> $4)
            order by id";
        let rows = self
            .query(sql, &[&after.0, &relation.schema, &relation.table, key])
            .await?;
        rows.iter().map(event).collect()
    }

    /// How many events wait, and the age of the oldest in seconds.
    pub async fn event_waiting(&self) -> Result<(i64, Option<f64>), StoreError> {
        let sql = "select count(*), extract(epoch from clock_timestamp() - min(committed_at))::float8 from {s}.event";
        let rows = self.query(sql, &[]).await?;
        Ok(rows.first().map_or((0, None), |row| (row.get(0), row.get(1))))
    }
}

pub(super) fn event(row: &tokio_postgres::Row) -> Result<Event, StoreError> {
    let xid: &str = row.get(1);
    let op: &str = row.get(6);
    Ok(Event {
        id: EventId(row.get(0)),
        xid: xid
            .parse()
            .map_err(|_| StoreError::Damaged(format!("event.xid is `{xid}`")))?,
        commit_lsn: Lsn(u64::from(row.get::<_, PgLsn>(2))),
        committed_at: row.get(3),
        relation: RelationName {
            schema: row.get(4),
            table: row.get(5),
        },
        op: Op::from_letter(op).ok_or_else(|| StoreError::Damaged(format!("event.op is `{op}`")))?,
        image: row.get::<_, Option<Value>>(7).unwrap_or(Value::Null),
        old_key: row.get(8),
        echo: row.get(9),
        failures: row.get(10),
        found: row.get(11),
    })
}
