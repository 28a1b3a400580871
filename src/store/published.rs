//! Which mapped tables are published, and since when one was not: its rows were not streamed meanwhile.

use std::collections::HashMap;

use super::captured::TransactionWriter;
use super::{Published, Store, StoreError, execute_in, query_in};
use crate::model::{RelationName, Seen, TroubleKind};

/// Stands for what publishes a table that nothing has published yet.
const NOTHING: u32 = 0;

/// Since when a table that was mapped later than the others is our business.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MappedSince {
    /// Seconds since 1970, by the server's clock.
    pub at: f64,
    /// All transactions before it had ended.
    pub xid: u64,
}

/// A mapped table as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTable {
    /// As the mapping calls it, `schema.table`.
    pub relation: String,
    /// Which table that is.
    pub oid: Option<u32>,
}

/// A mapped table as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenTable {
    /// Which one it is.
    pub oid: Option<u32>,
    /// What publishes it; `None`: nothing does.
    pub member: Option<u32>,
    /// What a person is told of it.
    pub trouble: Option<String>,
}

impl Published<'_, Store> {
    /// The tables as they were seen last; none: a table that is new is not mapped later than others.
    pub async fn known(self) -> Result<Vec<KnownTable>, StoreError> {
        let rows = self
            .0
            .query("select relation, table_oid from {s}.published order by 1", &[])
            .await?;
        let known = |row: &tokio_postgres::Row| KnownTable {
            relation: row.get("relation"),
            oid: row.get("table_oid"),
        };
        Ok(rows.iter().map(known).collect())
    }

    /// Compares a table with how it was seen last. `is_later`: if it is new, it was mapped later than the others. True
    /// where it is published again after it was not: what was written since is a gap, which is then open.
    pub async fn see(self, relation: &str, seen: &SeenTable, is_later: bool) -> Result<bool, StoreError> {
        let is_away = seen.member.is_none();
        let member = seen.member.unwrap_or(NOTHING);
        let mut client = self.0.client().await?;
        let step = self.0.step(&mut client).await?;
        let sql = "update {s}.meta m set
                gap_since = least(m.gap_since, p.checked_at), gap_from = coalesce(m.gap_from, m.captured_lsn, '0/1'),
                gap_xid = least(m.gap_xid, p.checked_xid)
            from {s}.published p where p.relation = $1 and (p.is_away or p.member <> $2) and not $3";
        let reopened = step.execute(sql, &[&relation, &member, &is_away]).await? > 0;
        // What was written before by a transaction that is still open comes neither by the stream nor by the repair.
        let sql = "update {s}.published p set again_xid = pg_snapshot_xmax(pg_current_snapshot()),
                again_since = least(p.again_since, p.checked_at), again_from = least(p.again_from, p.checked_xid)
            where p.relation = $1 and (p.is_away or p.member <> $2) and not $3
                and exists (select from pg_snapshot_xip(pg_current_snapshot()))";
        step.execute(sql, &[&relation, &member, &is_away]).await?;
        // While it is away it stays as it was seen last.
        let sql =
            "insert into {s}.published as p (relation, member, is_away, since, since_xid, table_oid, trouble)
            values ($1, $2, $3, case when $4 then clock_timestamp() end,
                case when $4 then pg_snapshot_xmin(pg_current_snapshot()) end, $5, $6)
            on conflict (relation) do update set is_away = excluded.is_away, trouble = excluded.trouble,
                member = case when $3 then p.member else excluded.member end,
                table_oid = case when $3 then p.table_oid else excluded.table_oid end,
                checked_at = case when $3 then p.checked_at else excluded.checked_at end,
                checked_xid = case when $3 then p.checked_xid else excluded.checked_xid end
            where p.trouble is distinct from excluded.trouble
                or case when $3 then not p.is_away else p.is_away or p.member <> excluded.member
                    or p.table_oid is distinct from excluded.table_oid
                    or p.checked_at < excluded.checked_at - interval '1 minute' end";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&relation, &member, &is_away, &is_later, &seen.oid, &seen.trouble];
        step.execute(sql, &values).await?;
        step.commit().await?;
        Ok(reopened)
    }

    /// Opens the gap of tables once more that came back while transactions were open, when all of these have ended; not while
    /// another is open, which is looked through by what could be seen before. The tables.
    pub async fn again(self) -> Result<Vec<String>, StoreError> {
        // `min` takes no xid8 before 16.
        let sql = "with due as (
                select p.relation, p.again_since, p.again_from from {s}.published p, {s}.meta m
                where p.again_xid <= pg_snapshot_xmin(pg_current_snapshot()) and m.gap_from is null
                order by p.relation for update of p
            ), opened as (
                update {s}.meta m set gap_since = d.since, gap_from = coalesce(m.captured_lsn, '0/1'), gap_xid = d.xid
                from (select min(again_since) as since, (array_agg(again_from order by again_from))[1] as xid from due) d where exists (select from due)
            )
            update {s}.published p set again_xid = null, again_since = null, again_from = null
            from due where due.relation = p.relation returning p.relation";
        let rows = self.0.query(sql, &[]).await?;
        Ok(rows.iter().map(|row| row.get("relation")).collect())
    }

    /// The mapping calls a table by its new name: what we have of it goes along. Nobody may capture meanwhile.
    pub async fn follow(self, old: &str, new: &RelationName) -> Result<(), StoreError> {
        let name = new.to_string();
        let mut client = self.0.client().await?;
        let step = self.0.step(&mut client).await?;
        step.execute("delete from {s}.published where relation = $1", &[&name])
            .await?;
        let sql = "update {s}.published set relation = $2, trouble = null where relation = $1";
        step.execute(sql, &[&old, &name]).await?;
        let sql = "update {s}.event set schema_name = $2, table_name = $3 where schema_name || '.' || table_name = $1";
        step.execute(sql, &[&old, &new.schema, &new.table]).await?;
        // Keys of files bear their table's name.
        let sql = "update {s}.link l set key = $2 || substr(l.key, length($1) + 1) where l.section = 'attachment'
                and left(l.key, length($1) + 1) in ($1 || ' ', $1 || '#')
                and not exists (select from {s}.link o where o.section = l.section and o.generation = l.generation
                    and o.key = $2 || substr(l.key, length($1) + 1))";
        step.execute(sql, &[&old, &name]).await?;
        step.commit().await
    }

    /// What was told of tables that are not mapped any more is over.
    pub async fn forget(self, mapped: &[String]) -> Result<(), StoreError> {
        let sql =
            "update {s}.published set trouble = null where trouble is not null and relation <> all ($1)";
        self.0.execute(sql, &[&mapped]).await?;
        Ok(())
    }

    /// What a person is told of mapped tables, by table.
    pub async fn troubles(self) -> Result<Vec<Seen>, StoreError> {
        let sql = "select relation, trouble from {s}.published where trouble is not null order by relation";
        let seen = |row: &tokio_postgres::Row| {
            let (relation, trouble): (String, String) = (row.get("relation"), row.get("trouble"));
            Seen::of(TroubleKind::TableChanged, relation, trouble)
        };
        Ok(self.0.query(sql, &[]).await?.iter().map(seen).collect())
    }

    /// The tables that were mapped later than the others.
    pub async fn later(self) -> Result<HashMap<String, MappedSince>, StoreError> {
        let sql =
            "select relation, extract(epoch from since)::float8 as at, since_xid::text from {s}.published
            where since is not null";
        let rows = self.0.query(sql, &[]).await?;
        let since = |row: &tokio_postgres::Row| {
            let xid: Option<String> = row.get("since_xid");
            let xid = xid.and_then(|xid| xid.parse().ok()).unwrap_or_default();
            (
                row.get("relation"),
                MappedSince {
                    at: row.get("at"),
                    xid,
                },
            )
        };
        Ok(rows.iter().map(since).collect())
    }
}

impl TransactionWriter<'_> {
    /// As what the mapping knows a table that bears another name now; `None`: it is none of the mapped ones, or another
    /// table has taken its name. Then the mapped one counts as away from that moment on (rule 12).
    pub async fn relation_of(&self, oid: u32) -> Result<Option<String>, StoreError> {
        let sql = "select p.relation, exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where n.nspname || '.' || c.relname = p.relation and c.oid <> p.table_oid and c.relkind in ('r', 'p')) as is_taken
            from {s}.published p where p.table_oid = $1";
        let rows = query_in(&self.transaction, self.store.sql(sql), &[&oid]).await?;
        let mut found = None;
        for row in &rows {
            let (relation, is_taken): (String, bool) = (row.get("relation"), row.get("is_taken"));
            if is_taken {
                let sql = "update {s}.published set is_away = true where relation = $1 and not is_away";
                execute_in(&self.transaction, self.store.sql(sql), &[&relation]).await?;
            } else {
                found = Some(relation);
            }
        }
        Ok(found)
    }
}
