//! Who did what: the newest acts of people and programs, told in the console.

use super::{Audit, Store, StoreError};
use crate::model::words;

/// So many acts are kept.
const KEPT: i64 = 10_000;

words! {
    /// By which way somebody acted.
    Via {
        /// A person in the console.
        Console = "console",
        /// A program with the admin token.
        Program = "program",
        Command = "command",
    }

    /// What was done.
    Done {
        /// Somebody logged in to the console.
        LogIn = "log_in",
        /// Parked things are tried again.
        Retry = "retry",
        /// Parked things were given up.
        Discard = "discard",
        /// A direction was paused.
        Pause = "pause",
        /// It goes on.
        Resume = "resume",
    }
}

/// An act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// When, by the server's clock.
    pub at: jiff::Timestamp,
    /// The name that was given; empty: none.
    pub who: String,
    /// By which way.
    pub via: Via,
    /// What.
    pub done: Done,
    /// To which item, to all of a kind (its letter), or to which direction.
    pub target: String,
    /// How many items.
    pub count: i64,
    /// Why, in that person's words.
    pub reason: String,
}

impl Audit<'_, Store> {
    /// Notes an act, and forgets the oldest of more than are kept.
    pub async fn add(
        self,
        (who, via): (&str, Via),
        done: Done,
        target: &str,
        count: u64,
        reason: &str,
    ) -> Result<(), StoreError> {
        let sql = "with new as (insert into {s}.audit (who, via, act, target, count, reason)
                values ($1, $2, $3, $4, $5, $6) returning id)
            delete from {s}.audit where id <= (select id from new) - $7";
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] = [
            &who,
            &via.as_str(),
            &done.as_str(),
            &target,
            &count,
            &reason,
            &KEPT,
        ];
        self.0.execute(sql, &values).await?;
        Ok(())
    }

    /// The newest acts, the newest first.
    pub async fn newest(self, limit: i64) -> Result<Vec<AuditLine>, StoreError> {
        let sql = "select at, who, via, act, target, count, reason from {s}.audit order by id desc limit $1";
        // A later version may know other ways and acts; that version tells them.
        let read = |row: &tokio_postgres::Row| {
            Some(AuditLine {
                at: row.get("at"),
                who: row.get("who"),
                via: Via::of_word(row.get("via"))?,
                done: Done::of_word(row.get("act"))?,
                target: row.get("target"),
                count: row.get("count"),
                reason: row.get("reason"),
            })
        };
        Ok(self
            .0
            .query(sql, &[&limit])
            .await?
            .iter()
            .filter_map(read)
            .collect())
    }
}
