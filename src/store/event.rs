//! Captured row changes: appended by capture in commit order, taken by resolve.

use deadpool_postgres::Transaction;
use serde_json::Value;
use tokio_postgres::types::PgLsn;

use super::{Store, StoreError, execute_in, query_in};
use crate::model::{EventId, Lsn, Op, RelationName};

/// A round of resolving takes the events that begin within so many bytes.
const TAKEN_BYTES: i64 = 8 << 20;

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

/// Where capture stands after a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    /// The end of the transaction.
    pub end: Lsn,
    /// When it was committed; `None` for a keepalive.
    pub committed_at: Option<jiff::Timestamp>,
    /// The transaction, in 32 bits.
    pub xid: Option<u32>,
}

/// An open transaction into which capture writes a batch, so that a huge one needs no memory.
pub struct TransactionWriter<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) store: &'a Store,
}

impl Store {
    /// Begins a batch of events on a connection of capture's own.
    pub async fn event_writer<'a>(
        &'a self,
        client: &'a mut deadpool_postgres::Object,
    ) -> Result<TransactionWriter<'a>, StoreError> {
        let transaction = client.transaction().await?;
        query_in(&transaction, self.sql("select {s}.fence($1)"), &[&self.epoch().0]).await?;
        Ok(TransactionWriter {
            transaction,
            store: self,
        })
    }

    /// The oldest events whose turn it is, in order, up to whole transactions of at least `limit` rows, but not more than
    /// memory should hold (what is left of a transaction comes with the next round): visible to everybody (rule 7; a number beyond all that servers count to is
    /// another server's), and committed at least `settle` ago. An event that is not ready holds those behind it.
    pub async fn event_take(
        &self,
        limit: i64,
        settle: std::time::Duration,
    ) -> Result<Vec<Event>, StoreError> {
        let sql = "with head as (
                select id, xid,
                       (pg_visible_in_snapshot(xid, pg_current_snapshot()) or xid >= '4611686018427387904')
                       and committed_at <= clock_timestamp() - make_interval(secs => $2) as ready
                from {s}.event order by id limit $1),
            blocked as (select min(id) as id from head where not ready),
            last as (select xid, id from head
                     where id < coalesce((select id from blocked), 9223372036854775807) order by id desc limit 1)
            select id, xid::text, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, echo, failures, found
            from (select e.*, sum(e.size) over (order by e.id) - e.size as before from {s}.event e
                  where e.id <= (select id from last)
                     or (e.xid = (select xid from last) and e.id <= (select id from last) + 10000)) e
            where before < $3 and not exists (select from {s}.hold)
            order by e.id";
        let rows = self
            .query(sql, &[&limit, &settle.as_secs_f64(), &TAKEN_BYTES])
            .await?;
        rows.iter().map(event).collect()
    }

    /// Whether the transaction of an event, the last one of a round, goes on behind it.
    pub async fn event_goes_on(&self, last: &Event) -> Result<bool, StoreError> {
        let sql = "select coalesce((select xid::text = $2 from {s}.event where id > $1 order by id limit 1), false)";
        let rows = self.query(sql, &[&last.id.0, &last.xid.to_string()]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
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

impl TransactionWriter<'_> {
    /// Appends rows in order. The 32-bit xid is widened to the nearest 64-bit one.
    pub async fn append(&self, events: &[Event]) -> Result<(), StoreError> {
        let column = |text: fn(&Event) -> String| events.iter().map(text).collect::<Vec<String>>();
        let xids: Vec<i64> = events.iter().map(|event| i64::from(event.xid as u32)).collect();
        let lsns: Vec<PgLsn> = events
            .iter()
            .map(|event| PgLsn::from(event.commit_lsn.0))
            .collect();
        let times: Vec<jiff::Timestamp> = events.iter().map(|event| event.committed_at).collect();
        let images = column(|event| event.image.to_string());
        let old_keys: Vec<Option<String>> = events
            .iter()
            .map(|event| event.old_key.as_ref().map(Value::to_string))
            .collect();
        let echoes: Vec<bool> = events.iter().map(|event| event.echo).collect();
        let sql = "insert into {s}.event
                (xid, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, size, echo)
            select (n + (x - n % 4294967296 + 6442450944) % 4294967296 - 2147483648)::text::xid8,
                   l, at, s, t, o, nullif(i::jsonb, 'null'), k::jsonb, octet_length(i) + coalesce(octet_length(k), 0), e
            from unnest($1::int8[], $2::pg_lsn[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bool[])
                 with ordinality as u (x, l, at, s, t, o, i, k, e, place),
                 (select pg_snapshot_xmax(pg_current_snapshot())::text::int8 as n) b
            order by place";
        execute_in(
            &self.transaction,
            self.store.sql(sql),
            &[
                &xids,
                &lsns,
                &times,
                &column(|event| event.relation.schema.clone()),
                &column(|event| event.relation.table.clone()),
                &column(|event| event.op.letter().to_owned()),
                &images,
                &old_keys,
                &echoes,
            ],
        )
        .await?;
        Ok(())
    }

    /// Commits a position that covers no row, if it is `step` bytes ahead of the stored one; whether it was. Storing it
    /// writes WAL, and servers before 15 stream each transaction, ours too, however little it concerns us: storing each
    /// would never end.
    pub async fn commit_if_far(self, position: Position, step: u64) -> Result<bool, StoreError> {
        let sql = "update {s}.meta set captured_lsn = $1::pg_lsn, captured_at = coalesce($2, captured_at)
            where captured_lsn is null or $1::pg_lsn - captured_lsn >= $3::int8";
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let stored = execute_in(
            &self.transaction,
            self.store.sql(sql),
            &[&PgLsn::from(position.end.0), &position.committed_at, &step],
        )
        .await?;
        self.transaction.commit().await?;
        Ok(stored == 1)
    }

    /// Commits the batch together with the position that may then be acknowledged.
    pub async fn commit(self, position: Position) -> Result<(), StoreError> {
        let sql = "update {s}.meta set captured_lsn = greatest(captured_lsn, $1),
                captured_at = coalesce($2, captured_at),
                captured_xid = coalesce((n + ($3 - n % 4294967296 + 6442450944) % 4294967296 - 2147483648)::text::xid8,
                                        captured_xid)
            from (select pg_snapshot_xmax(pg_current_snapshot())::text::int8 as n) b";
        let sql = self.store.sql(sql);
        execute_in(
            &self.transaction,
            sql,
            &[
                &PgLsn::from(position.end.0),
                &position.committed_at,
                &position.xid.map(i64::from),
            ],
        )
        .await?;
        self.transaction.commit().await?;
        self.store.wake.events.notify_one();
        Ok(())
    }
}
