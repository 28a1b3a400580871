//! Captured row changes: appended by capture in commit order, taken by resolve.

use deadpool_postgres::Transaction;
use serde_json::Value;
use tokio_postgres::types::{PgLsn, ToSql};

use super::{Store, StoreError, execute_in, query_in};
use crate::model::{EventId, Lsn, Op, RelationName};

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

/// Rows as the columns that [`INSERT`] takes.
struct Columns {
    xids: Vec<i64>,
    lsns: Vec<PgLsn>,
    times: Vec<jiff::Timestamp>,
    schemas: Vec<String>,
    tables: Vec<String>,
    ops: Vec<&'static str>,
    images: Vec<String>,
    old_keys: Vec<Option<String>>,
    echoes: Vec<bool>,
}

impl Columns {
    fn of(events: &[Event]) -> Columns {
        let all = || events.iter();
        Columns {
            xids: all().map(|event| i64::from(event.xid as u32)).collect(),
            lsns: all().map(|event| PgLsn::from(event.commit_lsn.0)).collect(),
            times: all().map(|event| event.committed_at).collect(),
            schemas: all().map(|event| event.relation.schema.clone()).collect(),
            tables: all().map(|event| event.relation.table.clone()).collect(),
            ops: all().map(|event| event.op.letter()).collect(),
            images: all().map(|event| event.image.to_string()).collect(),
            old_keys: all()
                .map(|event| event.old_key.as_ref().map(Value::to_string))
                .collect(),
            echoes: all().map(|event| event.echo).collect(),
        }
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.xids,
            &self.lsns,
            &self.times,
            &self.schemas,
            &self.tables,
            &self.ops,
            &self.images,
            &self.old_keys,
            &self.echoes,
        ]
    }
}

/// Appends rows in order. `b.n` is the next transaction's number: the stream's 32 bits are widened to the nearest 64.
const INSERT: &str = "insert into {s}.event
        (xid, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, size, echo)
    select (n + (x - n % 4294967296 + 6442450944) % 4294967296 - 2147483648)::text::xid8,
           l, at, s, t, o, nullif(i::jsonb, 'null'), k::jsonb, octet_length(i) + coalesce(octet_length(k), 0), e
    from b, unnest($1::int8[], $2::pg_lsn[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bool[])
         with ordinality as u (x, l, at, s, t, o, i, k, e, place)
    order by place";

/// What [`INSERT`] widens by.
const NEXT_XID: &str = "pg_snapshot_xmax(pg_current_snapshot())::text::int8 as n";

/// Moves the position: `$1` to `$3` are those of [`Position`]. `b` as in [`INSERT`].
const MOVE: &str = "update {s}.meta set captured_lsn = greatest(captured_lsn, $1),
        captured_at = coalesce($2, captured_at),
        captured_xid = coalesce((n + ($3 - n % 4294967296 + 6442450944) % 4294967296 - 2147483648)::text::xid8,
                                captured_xid)
    from b";

impl Store {
    /// Stores whole transactions and the position that may then be acknowledged, in one statement.
    pub async fn event_store(&self, events: &[Event], position: Position) -> Result<(), StoreError> {
        let moved = ["$1", "$2", "$3"].iter().zip(["$11", "$12", "$13"]);
        let moved = moved.fold(MOVE.to_owned(), |sql, (from, to)| sql.replace(from, to));
        let sql = format!(
            "with b as materialized (select {{s}}.fence($10), {NEXT_XID}), stored as ({INSERT}) {moved}"
        );
        let columns = Columns::of(events);
        let mut values = columns.values().to_vec();
        let epoch = self.epoch().0;
        let (end, xid) = (PgLsn::from(position.end.0), position.xid.map(i64::from));
        values.extend([&epoch as &(dyn ToSql + Sync), &end, &position.committed_at, &xid]);
        self.execute(&sql, &values).await?;
        if !events.is_empty() {
            self.wake.events.notify_one();
        }
        Ok(())
    }
}

impl TransactionWriter<'_> {
    /// Appends rows in order.
    pub async fn append(&self, events: &[Event]) -> Result<(), StoreError> {
        let sql = format!("with b as materialized (select {NEXT_XID}) {INSERT}");
        let columns = Columns::of(events);
        execute_in(&self.transaction, self.store.sql(&sql), &columns.values()).await?;
        Ok(())
    }

    /// Commits what was learned of tables, without a position.
    pub async fn keep(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }

    /// Commits the batch together with the position that may then be acknowledged.
    pub async fn commit(self, position: Position) -> Result<(), StoreError> {
        let sql = format!("with b as materialized (select {NEXT_XID}) {MOVE}");
        let sql = self.store.sql(&sql);
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
