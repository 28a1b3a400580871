//! What is to be known of a large transaction until it is over, whatever happens to the process meanwhile.
//!
//! A transaction that empties a table and loads it again brings rows that look new and are not. One that would open
//! more cases than `[capture] max_new_cases` is taken for an import until a person has said otherwise: its lanes are
//! held, all together. Lanes are counted while their transaction is not over, so that a long one cannot open its first
//! cases before it is known how many there will be.

use super::{Bulk, Step, StoreError};
use crate::model::{LaneId, Section};

/// A transaction whose new cases wait for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The transaction.
    pub xid: u64,
    /// How many cases.
    pub cases: i64,
}

impl Bulk<'_, Step<'_>> {
    /// A transaction that is not over has emptied these sections.
    pub async fn set_emptied(self, xid: u64, sections: &[Section]) -> Result<(), StoreError> {
        let names: Vec<&str> = sections.iter().map(|section| section.as_str()).collect();
        let sql = "insert into {s}.bulk as b (xid, emptied) values ($1::text::xid8, $2)
            on conflict (xid) do update set emptied = excluded.emptied where not b.emptied @> excluded.emptied";
        self.0.execute(sql, &[&xid.to_string(), &names]).await?;
        Ok(())
    }

    /// The transaction `xid` brings the first messages of these lanes, which have no case.
    pub async fn opens(self, tickets: &[LaneId], xid: u64) -> Result<(), StoreError> {
        let sql = "update {s}.ticket t set opened_by = $2::text::xid8
            where id = any($1) and case_id is null and opened_by is null
              and not exists (select from {s}.delivery d where d.ticket_id = t.id
                   and d.state in ('sending', 'doubt'))";
        self.0.execute(sql, &[&tickets, &xid.to_string()]).await?;
        Ok(())
    }

    /// Judges the transactions that are over, all but `cut`: the lanes of those that open no more than `most` cases are let go,
    /// the others are held, and told.
    pub async fn judge(self, cut: Option<u64>, most: i64) -> Result<Vec<Held>, StoreError> {
        let cut = cut.map(|xid| xid.to_string());
        let sql = "with over as (select opened_by as xid, count(*) as cases from {s}.ticket
                where opened_by is not null and opened_by is distinct from $1::text::xid8
                  and not exists (select from {s}.bulk b where b.xid = opened_by and b.held_since is not null)
                group by opened_by),
            few as (update {s}.ticket t set opened_by = null from over where t.opened_by = over.xid and over.cases <= $2),
            past as (delete from {s}.bulk where held_since is null and xid is distinct from $1::text::xid8
                and xid not in (select xid from over where cases > $2)),
            many as (insert into {s}.bulk (xid, held_since) select xid, now() from over where cases > $2
                on conflict (xid) do update set held_since = now(), emptied = '{}' returning xid)
            select over.xid::text, over.cases from over join many using (xid)";
        let read = |row: &tokio_postgres::Row| {
            let xid: &str = row.get("xid");
            Some(Held {
                xid: xid.parse().ok()?,
                cases: row.get("cases"),
            })
        };
        let rows = self.0.query(sql, &[&cut, &most]).await?;
        Ok(rows.iter().filter_map(read).collect())
    }
}
