//! Which mapped tables are published, and since when one was not: its rows were not streamed meanwhile.

use super::{Store, StoreError};
use crate::model::RelationName;

impl Store {
    /// Compares a table with how it was seen last. `member` is what publishes it, `None` where nothing does. True where it
    /// is published again after it was not: what was written since is a gap, which is then open.
    pub async fn published_see(
        &self,
        relation: &RelationName,
        member: Option<u32>,
    ) -> Result<bool, StoreError> {
        let name = relation.to_string();
        let Some(member) = member else {
            let sql = "update {s}.published set is_away = true where relation = $1 and not is_away";
            self.execute(sql, &[&name]).await?;
            return Ok(false);
        };
        let mut client = self.client().await?;
        let step = self.step(&mut client).await?;
        let sql = "update {s}.meta m set
                gap_since = least(m.gap_since, p.checked_at), gap_from = coalesce(m.gap_from, m.captured_lsn, '0/1'),
                gap_xid = least(m.gap_xid, p.checked_xid)
            from {s}.published p where p.relation = $1 and (p.is_away or p.member <> $2)";
        let reopened = step.execute(sql, &[&name, &member]).await? > 0;
        let sql = "insert into {s}.published as p (relation, member) values ($1, $2)
            on conflict (relation) do update set member = excluded.member, is_away = false,
                checked_at = excluded.checked_at, checked_xid = excluded.checked_xid
            where p.is_away or p.member <> excluded.member or p.checked_at < excluded.checked_at - interval '1 minute'";
        step.execute(sql, &[&name, &member]).await?;
        step.commit().await?;
        Ok(reopened)
    }
}
