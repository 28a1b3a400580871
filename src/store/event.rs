//! Captured row changes, as resolve takes them; what appends them is [`super::captured`].

use serde_json::Value;
use tokio_postgres::types::PgLsn;

use super::{Events, Store, StoreError, word};
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

impl Events<'_, Store> {
    /// The events of one table that came after `id`, the newest last: for `settle`, where the newest version counts.
    pub async fn later(
        self,
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
            .0
            .query(sql, &[&after.0, &relation.schema, &relation.table, key])
            .await?;
        rows.iter().map(event).collect()
    }

    /// Which events of a transaction are of rows that it changes again later, in order; `None`: of all of them that may be, since
    /// it empties a table. `tables`: the mapped ones, each with a column of its key.
    pub async fn followed(
        self,
        xid: u64,
        tables: &[(&RelationName, &str)],
    ) -> Result<Option<Vec<EventId>>, StoreError> {
        let xid = xid.to_string();
        let sql = "select coalesce(bool_or(op = 'T'), false) as empties, coalesce(bool_or(op <> 'I'), false) as changes
            from {s}.event where xid = $1::text::xid8";
        let rows = self.0.query(sql, &[&xid]).await?;
        let is = |name: &str| rows.first().is_some_and(|row| row.get(name));
        if is("empties") {
            return Ok(None);
        }
        if !is("changes") {
            return Ok(Some(Vec::new()));
        }
        let schemas: Vec<&str> = tables.iter().map(|(table, _)| table.schema.as_str()).collect();
        let names: Vec<&str> = tables.iter().map(|(table, _)| table.table.as_str()).collect();
        let columns: Vec<&str> = tables.iter().map(|(_, column)| *column).collect();
        let sql = "with k as materialized (
                select e.id, u.n, e.image->>u.c as key, true as own
                from {s}.event e join unnest($2::text[], $3::text[], $4::text[]) with ordinality u (s, t, c, n)
                    on e.schema_name = u.s and e.table_name = u.t
                where e.xid = $1::text::xid8 and e.image is not null
                union all
                select e.id, u.n, e.old_key->>u.c, false
                from {s}.event e join unnest($2::text[], $3::text[], $4::text[]) with ordinality u (s, t, c, n)
                    on e.schema_name = u.s and e.table_name = u.t
                where e.xid = $1::text::xid8 and e.old_key is not null)
            select id from (select id, own, max(id) over (partition by n, key) as last from k where key is not null) k
            where own and last > id order by id";
        let rows = self.0.query(sql, &[&xid, &schemas, &names, &columns]).await?;
        Ok(Some(rows.iter().map(|row| row.get(0)).collect()))
    }

    /// What a transaction has behind an event of rows of one table that have, or had, one of these texts in a column.
    pub async fn rest(
        self,
        xid: u64,
        after: EventId,
        relation: &RelationName,
        (column, values): (&str, &[&str]),
    ) -> Result<Vec<Event>, StoreError> {
        let sql = "select id, xid::text, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, echo, failures,
                found
            from {s}.event
            where xid = $1::text::xid8 and id > $2 and schema_name = $3 and table_name = $4
              and (op = 'T' or image->>$5 in (select unnest($6::text[])) or old_key->>$5 in (select unnest($6::text[])))
            order by id";
        let xid = xid.to_string();
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
            &xid,
            &after.0,
            &relation.schema,
            &relation.table,
            &column,
            &values,
        ];
        self.0.query(sql, &values).await?.iter().map(event).collect()
    }
}

pub(super) fn event(row: &tokio_postgres::Row) -> Result<Event, StoreError> {
    let xid: &str = row.get("xid");
    Ok(Event {
        id: row.get("id"),
        xid: xid
            .parse()
            .map_err(|_| StoreError::Damaged(format!("event.xid is `{xid}`")))?,
        commit_lsn: Lsn(u64::from(row.get::<_, PgLsn>("commit_lsn"))),
        committed_at: row.get("committed_at"),
        relation: RelationName {
            schema: row.get("schema_name"),
            table: row.get("table_name"),
        },
        op: word(row, "op")?,
        image: row.get::<_, Option<Value>>("image").unwrap_or(Value::Null),
        old_key: row.get("old_key"),
        echo: row.get("echo"),
        failures: row.get("failures"),
        found: row.get("found"),
    })
}
