//! Who did what: the newest acts of people and programs, told in the console.

use super::{Store, StoreError};

/// So many acts are kept.
const KEPT: i64 = 10_000;

/// By which way somebody acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A person in the console.
    Console,
    /// A program with the admin token.
    Program,
    /// A command.
    Command,
}

impl Via {
    fn as_str(self) -> &'static str {
        match self {
            Via::Console => "console",
            Via::Program => "program",
            Via::Command => "command",
        }
    }

    fn of_word(word: &str) -> Option<Via> {
        [Via::Console, Via::Program, Via::Command]
            .into_iter()
            .find(|via| via.as_str() == word)
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Somebody logged in to the console.
    LogIn,
    /// Parked things are tried again.
    Retry,
    /// Parked things were given up.
    Discard,
    /// A direction was paused.
    Pause,
    /// It goes on.
    Resume,
}

impl Done {
    /// The word in `audit.act`.
    pub fn as_str(self) -> &'static str {
        match self {
            Done::LogIn => "log_in",
            Done::Retry => "retry",
            Done::Discard => "discard",
            Done::Pause => "pause",
            Done::Resume => "resume",
        }
    }

    /// What a word means.
    pub fn of_word(word: &str) -> Option<Done> {
        [Done::LogIn, Done::Retry, Done::Discard, Done::Pause, Done::Resume]
            .into_iter()
            .find(|done| done.as_str() == word)
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

impl Store {
    /// Notes an act, and forgets the oldest of more than are kept.
    pub async fn audit_add(
        &self,
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
        self.execute(sql, &values).await?;
        Ok(())
    }

    /// The newest acts, the newest first.
    pub async fn audit(&self, limit: i64) -> Result<Vec<AuditLine>, StoreError> {
        let sql = "select at, who, via, act, target, count, reason from {s}.audit order by id desc limit $1";
        // A later version may know other ways and acts; that version tells them.
        let read = |row: &tokio_postgres::Row| {
            Some(AuditLine {
                at: row.get(0),
                who: row.get(1),
                via: Via::of_word(row.get(2))?,
                done: Done::of_word(row.get(3))?,
                target: row.get(4),
                count: row.get(5),
                reason: row.get(6),
            })
        };
        Ok(self
            .query(sql, &[&limit])
            .await?
            .iter()
            .filter_map(read)
            .collect())
    }
}
