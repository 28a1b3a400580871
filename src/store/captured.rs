//! Captured row changes, as capture appends them: in commit order, whole transactions, with the position.
//!
//! A few rows and the position are one statement. Many go through COPY, which costs the server two thirds of what the
//! same rows cost as an INSERT over arrays.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use deadpool_postgres::Transaction;
use futures::SinkExt;
use tokio_postgres::types::{PgLsn, ToSql};

use super::{Events, Store, StoreError, execute_in, query_in};
use crate::model::{Lsn, Op, RelationName};

/// From so many rows on COPY costs less than its round trips.
const COPIED: usize = 100;

/// A row change that is not stored yet. Its `Debug` shows none of the row's cells.
pub struct Captured {
    /// The transaction, in the 32 bits of the stream.
    pub xid: u32,
    /// Its commit's position in the log.
    pub commit_lsn: Lsn,
    /// When it was committed.
    pub committed_at: jiff::Timestamp,
    /// The table.
    pub relation: Arc<RelationName>,
    /// What happened.
    pub op: Op,
    /// The row as a JSON object: column to text or null; unchanged cells are absent.
    pub image: Option<String>,
    /// The old key alike, where the change sent one.
    pub old_key: Option<String>,
    /// Whether we wrote it ourselves.
    pub echo: bool,
}

crate::model::debug_shows!(Captured: xid, commit_lsn, committed_at, relation, op, echo);

impl Captured {
    /// Bytes of its cells.
    pub fn size(&self) -> usize {
        let length = |json: &Option<String>| json.as_ref().map_or(0, String::len);
        length(&self.image) + length(&self.old_key)
    }
}

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
    /// The server's next transaction, in 64 bits, when this one began.
    next_xid: u64,
}

/// Rows as the columns that [`INSERT`] takes.
struct Columns<'a> {
    xids: Vec<i64>,
    lsns: Vec<PgLsn>,
    times: Vec<jiff::Timestamp>,
    schemas: Vec<&'a str>,
    tables: Vec<&'a str>,
    ops: Vec<&'static str>,
    images: Vec<Option<&'a str>>,
    old_keys: Vec<Option<&'a str>>,
    echoes: Vec<bool>,
}

impl Columns<'_> {
    fn of(rows: &[Captured]) -> Columns<'_> {
        let all = || rows.iter();
        Columns {
            xids: all().map(|row| i64::from(row.xid)).collect(),
            lsns: all().map(|row| PgLsn::from(row.commit_lsn.0)).collect(),
            times: all().map(|row| row.committed_at).collect(),
            schemas: all().map(|row| &*row.relation.schema).collect(),
            tables: all().map(|row| &*row.relation.table).collect(),
            ops: all().map(|row| row.op.as_str()).collect(),
            images: all().map(|row| row.image.as_deref()).collect(),
            old_keys: all().map(|row| row.old_key.as_deref()).collect(),
            echoes: all().map(|row| row.echo).collect(),
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
           l, at, s, t, o, i::jsonb, k::jsonb, coalesce(octet_length(i), 0) + coalesce(octet_length(k), 0), e
    from b, unnest($1::int8[], $2::pg_lsn[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bool[])
         with ordinality as u (x, l, at, s, t, o, i, k, e, place)
    order by place";

/// The same by COPY, in the form of [`copy_of`].
const COPY: &str = "copy {s}.event
        (xid, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, size, echo)
    from stdin (format binary)";

/// What [`INSERT`] widens by.
const NEXT_XID: &str = "pg_snapshot_xmax(pg_current_snapshot())::text::int8 as n";

/// Moves the position: `$1` to `$3` are those of [`Position`]. `b` as in [`INSERT`].
const MOVE: &str = "update {s}.meta set captured_lsn = greatest(captured_lsn, $1),
        captured_at = coalesce($2, captured_at),
        captured_xid = coalesce((n + ($3 - n % 4294967296 + 6442450944) % 4294967296 - 2147483648)::text::xid8,
                                captured_xid)
    from b";

impl<'a> Events<'a, Store> {
    /// Begins a batch of events on a connection of capture's own.
    pub async fn writer(
        self,
        client: &'a mut deadpool_postgres::Object,
    ) -> Result<TransactionWriter<'a>, StoreError> {
        let transaction = client.transaction().await?;
        let sql = self.0.sql(&format!("select {NEXT_XID}, {{s}}.fence($1)"));
        let rows = query_in(&transaction, sql, &[&self.0.epoch().0]).await?;
        let next_xid = rows.first().map(|row| row.get::<_, i64>(0));
        let next_xid = next_xid.and_then(|xid| u64::try_from(xid).ok());
        Ok(TransactionWriter {
            transaction,
            store: self.0,
            next_xid: next_xid.ok_or_else(|| StoreError::Damaged("no transaction is the next one".into()))?,
        })
    }

    /// Stores whole transactions and the position that may then be acknowledged, in one statement where they are few rows.
    pub async fn store(self, rows: &[Captured], position: Position) -> Result<(), StoreError> {
        if rows.len() >= COPIED {
            let mut client = self.0.client().await?;
            let writer = self.writer(&mut client).await?;
            writer.append(rows).await?;
            return writer.commit(position).await;
        }
        let moved = ["$1", "$2", "$3"].iter().zip(["$11", "$12", "$13"]);
        let moved = moved.fold(MOVE.to_owned(), |sql, (from, to)| sql.replace(from, to));
        let sql = format!(
            "with b as materialized (select {{s}}.fence($10), {NEXT_XID}), stored as ({INSERT}) {moved}"
        );
        let columns = Columns::of(rows);
        let mut values = columns.values().to_vec();
        let epoch = self.0.epoch().0;
        let (end, xid) = (PgLsn::from(position.end.0), position.xid.map(i64::from));
        values.extend([&epoch as &(dyn ToSql + Sync), &end, &position.committed_at, &xid]);
        self.0.execute(&sql, &values).await?;
        if !rows.is_empty() {
            self.0.wake.events.notify_one();
        }
        Ok(())
    }
}

impl TransactionWriter<'_> {
    /// Appends rows in order.
    pub async fn append(&self, rows: &[Captured]) -> Result<(), StoreError> {
        if rows.len() < COPIED {
            let sql = format!("with b as materialized (select {NEXT_XID}) {INSERT}");
            let columns = Columns::of(rows);
            execute_in(&self.transaction, self.store.sql(&sql), &columns.values()).await?;
            return Ok(());
        }
        let copy = self.transaction.prepare_cached(&self.store.sql(COPY)).await?;
        let sink = self.transaction.copy_in::<_, Bytes>(&copy).await?;
        let mut sink = std::pin::pin!(sink);
        sink.send(copy_of(rows, self.next_xid)).await?;
        sink.finish().await?;
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

/// From 1970 to 2000, where Postgres's clock begins, in microseconds.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// Rows as COPY takes them in its binary format: <https://www.postgresql.org/docs/current/sql-copy.html>.
fn copy_of(rows: &[Captured], next_xid: u64) -> Bytes {
    let size: usize = rows.iter().map(|row| 160 + row.size()).sum();
    let mut out = BytesMut::with_capacity(size);
    out.put_slice(b"PGCOPY\n\xff\r\n\0");
    // No flags, no extension of the header.
    out.put_u64(0);
    for row in rows {
        out.put_i16(10);
        out.put_i32(8);
        out.put_u64(widened(row.xid, next_xid));
        out.put_i32(8);
        out.put_u64(row.commit_lsn.0);
        out.put_i32(8);
        out.put_i64(row.committed_at.as_microsecond() - POSTGRES_EPOCH);
        for text in [&row.relation.schema, &row.relation.table, row.op.as_str()] {
            put_field(&mut out, &[], text);
        }
        for json in [&row.image, &row.old_key] {
            match json {
                // The version of the format, which is the text.
                Some(json) => put_field(&mut out, &[1], json),
                None => out.put_i32(-1),
            }
        }
        out.put_i32(4);
        out.put_i32(i32::try_from(row.size()).unwrap_or(i32::MAX));
        out.put_i32(1);
        out.put_u8(u8::from(row.echo));
    }
    out.put_i16(-1);
    out.freeze()
}

fn put_field(out: &mut BytesMut, before: &[u8], text: &str) {
    let length = before.len() + text.len();
    // The server refuses a row of that size whatever is said of its length.
    out.put_i32(i32::try_from(length).unwrap_or(i32::MAX));
    out.put_slice(before);
    out.put_slice(text.as_bytes());
}

/// The 64 bits of a transaction of which 32 are known: those nearest to the next one's.
fn widened(xid: u32, next: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is compared")]
    let ahead = xid.wrapping_sub(next as u32).cast_signed();
    next.saturating_add_signed(i64::from(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_the_one_nearest_to_the_next() {
        const EPOCH: u64 = 1 << 32;
        for (xid, next, expected) in [
            (700, 800, 700),
            (800, 700, 800),
            (u32::MAX, EPOCH + 3, EPOCH - 1),
            (5, EPOCH - 3, EPOCH + 5),
            (5, 7 * EPOCH + 9, 7 * EPOCH + 5),
        ] {
            assert_eq!(widened(xid, next), expected, "{xid} {next}");
        }
    }
}
