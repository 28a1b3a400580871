//! The directions that a person has paused.
//!
//! What would take something to be sent or written looks here, in its own statement; what is under way is finished. Capture,
//! the receivers, resolving and the reading of cases go on, and what is in doubt is looked for: so nothing is lost, and all
//! is there when it goes on.

use super::{Pauses, Store, StoreError};
use crate::model::{Seen, TroubleKind, words};

words! {
    /// A direction.
    Way {
        /// From the site to Deskie.
        ToDeskie = "to_deskie",
        /// From Deskie to the site.
        ToSite = "to_site",
    }
}

impl Way {
    /// What a person is told while it is paused.
    fn told(self) -> &'static str {
        match self {
            Way::ToDeskie => {
                "somebody has paused the way to Deskie: what the site writes is captured and waits, nothing is sent; \
                 `deskie-cdc resume to_deskie`, or the console, resumes it"
            }
            Way::ToSite => {
                "somebody has paused the way to the site: what Deskie says is stored and waits, nothing is written; \
                 `deskie-cdc resume to_site`, or the console, resumes it"
            }
        }
    }
}

/// A direction that is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Paused {
    /// Which.
    pub way: Way,
    /// Since when, by the server's clock.
    pub since: jiff::Timestamp,
}

impl Pauses<'_, Store> {
    /// Pauses a direction, until it is resumed, over restarts. True where that is news.
    pub async fn set(self, way: Way) -> Result<bool, StoreError> {
        let sql = "insert into {s}.pause (way) values ($1) on conflict (way) do nothing";
        Ok(self.0.execute(sql, &[&way.as_str()]).await? > 0)
    }

    /// It goes on. True where it was paused.
    pub async fn lift(self, way: Way) -> Result<bool, StoreError> {
        // What has waited meanwhile may be another text in Deskie by now, or deleted.
        let sql = "with lifted as (delete from {s}.pause where way = $1 returning way),
            again as (update {s}.ticket t set read_wanted = 0, read_wanted_at = clock_timestamp(), read_not_before = null, read_error = null
                from lifted where lifted.way = 'to_site' and t.case_id is not null
                    and t.id in (select ticket_id from {s}.remote where state = 'pending'))
            select 1 from lifted";
        Ok(!self.0.query(sql, &[&way.as_str()]).await?.is_empty())
    }

    /// What is paused.
    pub async fn all(self) -> Result<Vec<Paused>, StoreError> {
        let rows = self
            .0
            .query("select way, since from {s}.pause order by way", &[])
            .await?;
        let read = |row: &tokio_postgres::Row| {
            Some(Paused {
                way: Way::of_word(row.get("way"))?,
                since: row.get("since"),
            })
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// What is paused, as troubles.
    pub async fn troubles(self) -> Result<Vec<Seen>, StoreError> {
        let seen = |paused: Paused| Seen::of(TroubleKind::Paused, paused.way.as_str(), paused.way.told());
        Ok(self.all().await?.into_iter().map(seen).collect())
    }
}
