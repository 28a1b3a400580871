//! How it was, a row a minute, for the console's charts.

use super::parked::PARKED;
use super::status::OLDEST;
use super::{Samples, Store, StoreError};

/// How it was in one minute, or at its end; of several minutes the sums and the greatest.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The end of the time that it is of.
    pub at: jiff::Timestamp,
    /// Messages that Deskie took.
    pub sent: i64,
    /// Messages that were written to the site.
    pub written: i64,
    /// Seconds that the oldest thing has waited; `None`: nothing waited.
    pub oldest: Option<f64>,
    /// Bytes of WAL that were not captured; `None`: there was no slot.
    pub lag: Option<i64>,
    /// Units of Deskie's quota used within a minute.
    pub budget_used: Option<i32>,
    /// Units a minute that we allow ourselves.
    pub budget_limit: Option<i32>,
}

/// What of Deskie's quota was used, and how much there is, in units a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetUse {
    /// Units used within the last minute.
    pub used: u32,
    /// Units that we allow ourselves.
    pub limit: u32,
}

impl Samples<'_, Store> {
    /// Takes the sample of the minute that has ended, by the server's clock, and forgets those of more than two days ago;
    /// one that is there stays. Seconds until the next minute's end.
    pub async fn take(self, budget: Option<BudgetUse>) -> Result<f64, StoreError> {
        let units = |units: u32| i32::try_from(units).unwrap_or(i32::MAX);
        let used = budget.map(|budget| units(budget.used));
        let limit = budget.map(|budget| units(budget.limit));
        let sql = format!(
            "with minute as (select date_trunc('minute', clock_timestamp()) as at),
            past as (delete from {{s}}.sample where at < clock_timestamp() - interval '2 days'),
            new as (insert into {{s}}.sample (at, sent, written, oldest, lag, parked, budget_used, budget_limit)
                select at,
                    (select count(*) from {{s}}.delivery d where d.body is not null and d.state = 'delivered'
                        and d.done_at >= at - interval '1 minute' and d.done_at < at),
                    (select count(*) from {{s}}.remote r where r.state = 'written'
                        and r.done_at >= at - interval '1 minute' and r.done_at < at),
                    {OLDEST},
                    (select pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)::int8
                        from pg_replication_slots s join {{s}}.meta m on m.slot = s.slot_name::text),
                    {PARKED}, $1, $2
                from minute on conflict (at) do nothing)
            select extract(epoch from at + interval '1 minute' - clock_timestamp())::float8 from minute"
        );
        let rows = self.0.query(&sql, &[&used, &limit]).await?;
        Ok(rows.first().map_or(60.0, |row| row.get(0)))
    }

    /// The samples of the last `minutes`, `step` minutes in one, the oldest first; times without any are left out.
    pub async fn newest(self, minutes: i32, step: i32) -> Result<Vec<Sample>, StoreError> {
        let sql = "select date_bin(make_interval(mins => $2), at - interval '1 second', timestamptz '2000-01-01')
                    + make_interval(mins => $2) as till,
                sum(sent)::int8 as sent, sum(written)::int8 as written, max(oldest) as oldest, max(lag) as lag,
                max(budget_used) as budget_used, max(budget_limit) as budget_limit
            from {s}.sample where at > clock_timestamp() - make_interval(mins => $1)
            group by till order by till";
        let read = |row: &tokio_postgres::Row| Sample {
            at: row.get("till"),
            sent: row.get("sent"),
            written: row.get("written"),
            oldest: row.get("oldest"),
            lag: row.get("lag"),
            budget_used: row.get("budget_used"),
            budget_limit: row.get("budget_limit"),
        };
        Ok(self
            .0
            .query(sql, &[&minutes, &step])
            .await?
            .iter()
            .map(read)
            .collect())
    }
}
