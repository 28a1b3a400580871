//! Which mapped tables are published, and since when one was not: its rows were not streamed meanwhile.

use std::collections::HashMap;

use super::{Store, StoreError};
use crate::model::RelationName;

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

impl Store {
    /// Whether any table was looked at before: one that is new then was mapped later.
    pub async fn published_any(&self) -> Result<bool, StoreError> {
        let rows = self.query("select 1 from {s}.published limit 1", &[]).await?;
        Ok(!rows.is_empty())
    }

    /// Compares a table with how it was seen last. `member` is what publishes it, `None` where nothing does; `is_later`:
    /// if it is new, it was mapped later than the others. True where it is published again after it was not: what was
    /// written since is a gap, which is then open.
    pub async fn published_see(
        &self,
        relation: &RelationName,
        member: Option<u32>,
        is_later: bool,
    ) -> Result<bool, StoreError> {
        let name = relation.to_string();
        let is_away = member.is_none();
        let member = member.unwrap_or(NOTHING);
        let mut client = self.client().await?;
        let step = self.step(&mut client).await?;
        let sql = "update {s}.meta m set
                gap_since = least(m.gap_since, p.checked_at), gap_from = coalesce(m.gap_from, m.captured_lsn, '0/1'),
                gap_xid = least(m.gap_xid, p.checked_xid)
            from {s}.published p where p.relation = $1 and (p.is_away or p.member <> $2) and not $3";
        let reopened = step.execute(sql, &[&name, &member, &is_away]).await? > 0;
        // While it is away it stays as it was seen last.
        let sql = "insert into {s}.published as p (relation, member, is_away, since, since_xid)
            values ($1, $2, $3, case when $4 then clock_timestamp() end,
                case when $4 then pg_snapshot_xmin(pg_current_snapshot()) end)
            on conflict (relation) do update set is_away = excluded.is_away,
                member = case when $3 then p.member else excluded.member end,
                checked_at = case when $3 then p.checked_at else excluded.checked_at end,
                checked_xid = case when $3 then p.checked_xid else excluded.checked_xid end
            where case when $3 then not p.is_away else p.is_away or p.member <> excluded.member
                or p.checked_at < excluded.checked_at - interval '1 minute' end";
        step.execute(sql, &[&name, &member, &is_away, &is_later]).await?;
        step.commit().await?;
        Ok(reopened)
    }

    /// The tables that were mapped later than the others.
    pub async fn published_later(&self) -> Result<HashMap<String, MappedSince>, StoreError> {
        let sql = "select relation, extract(epoch from since)::float8, since_xid::text from {s}.published
            where since is not null";
        let rows = self.query(sql, &[]).await?;
        let since = |row: &tokio_postgres::Row| {
            let xid: Option<String> = row.get(2);
            let xid = xid.and_then(|xid| xid.parse().ok()).unwrap_or_default();
            (row.get(0), MappedSince { at: row.get(1), xid })
        };
        Ok(rows.iter().map(since).collect())
    }
}
