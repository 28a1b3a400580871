//! The table of troubles (rule 21): a flow notes and ends its own; what is looked for is compared as a whole.

use super::{Store, StoreError, Troubles};
use crate::model::{Seen, TroubleKind};

/// A trouble that lasts is written again after so many seconds at the earliest, though it is met many times a second.
const SEEN_EVERY: f64 = 20.0;

/// A trouble as it stands in the table.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Trouble {
    pub kind: TroubleKind,
    /// What it is about; empty where there is one of the kind only.
    pub subject: String,
    /// What happened, and what to do.
    pub text: String,
    /// When it began.
    pub since: jiff::Timestamp,
    /// When it was met last.
    pub seen_at: jiff::Timestamp,
    /// How often it was met.
    pub count: i64,
    /// When it ended; `None`: it lasts.
    pub ended_at: Option<jiff::Timestamp>,
    /// Whether it ends by a person's doing only.
    pub needs_a_person: bool,
}

impl Troubles<'_, Store> {
    /// A flow meets a trouble of its own. True where it is new.
    pub async fn seen(self, seen: &Seen) -> Result<bool, StoreError> {
        let sql = "with n as (
                insert into {s}.trouble as t (kind, subject, text) values ($1, $2, $3)
                on conflict (kind, subject) where ended_at is null
                do update set text = excluded.text, seen_at = clock_timestamp(), count = t.count + 1
                    where t.text <> excluded.text or t.seen_at < clock_timestamp() - make_interval(secs => $4)
                returning count)
            select coalesce((select count = 1 from n), false)";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&seen.kind.as_str(), &seen.subject, &seen.text, &SEEN_EVERY];
        let rows = self.0.query(sql, &values).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// It is over. True where it was there.
    pub async fn over(self, kind: TroubleKind, subject: &str) -> Result<bool, StoreError> {
        let sql = "update {s}.trouble set ended_at = clock_timestamp()
            where kind = $1 and subject = $2 and ended_at is null";
        Ok(self.0.execute(sql, &[&kind.as_str(), &subject]).await? > 0)
    }

    /// Everything of these kinds that is there: what is new begins, what is not among it any more ends.
    pub async fn compare(self, kinds: &[TroubleKind], seen: &[Seen]) -> Result<(), StoreError> {
        let of = |kind: &TroubleKind| kind.as_str();
        let kinds: Vec<&str> = kinds.iter().map(of).collect();
        let words: Vec<&str> = seen.iter().map(|seen| seen.kind.as_str()).collect();
        let subjects: Vec<&str> = seen.iter().map(|seen| seen.subject.as_str()).collect();
        let texts: Vec<&str> = seen.iter().map(|seen| seen.text.as_str()).collect();
        let sql =
            "with n as (select * from unnest($2::text[], $3::text[], $4::text[]) as n (kind, subject, text)),
            over as (update {s}.trouble t set ended_at = clock_timestamp()
                where t.ended_at is null and t.kind = any ($1)
                  and not exists (select from n where n.kind = t.kind and n.subject = t.subject))
            insert into {s}.trouble as t (kind, subject, text)
            select distinct on (kind, subject) kind, subject, text from n
            on conflict (kind, subject) where ended_at is null
            do update set text = excluded.text, seen_at = clock_timestamp(), count = t.count + 1
                where t.text <> excluded.text or t.seen_at < clock_timestamp() - make_interval(secs => $5)";
        self.0
            .execute(sql, &[&kinds, &words, &subjects, &texts, &SEEN_EVERY])
            .await?;
        Ok(())
    }

    /// What lasts, the oldest first; the moment by the server's clock.
    pub async fn lasting(self) -> Result<Vec<Trouble>, StoreError> {
        self.list("ended_at is null order by since, id limit 1000").await
    }

    /// What is over, the newest first.
    pub async fn past(self, limit: i64) -> Result<Vec<Trouble>, StoreError> {
        self.list(&format!(
            "ended_at is not null order by ended_at desc, id desc limit {limit}"
        ))
        .await
    }

    async fn list(self, which: &str) -> Result<Vec<Trouble>, StoreError> {
        let sql = format!(
            "select kind, subject, text, since, seen_at, count, ended_at from {{s}}.trouble where {which}"
        );
        // One of a later version has another word for it; that version tells it.
        let known = |row: &tokio_postgres::Row| {
            let kind = TroubleKind::from_word(row.get("kind"))?;
            Some(Trouble {
                kind,
                subject: row.get("subject"),
                text: row.get("text"),
                since: row.get("since"),
                seen_at: row.get("seen_at"),
                count: row.get("count"),
                ended_at: row.get("ended_at"),
                needs_a_person: kind.needs_a_person(),
            })
        };
        Ok(self.0.query(&sql, &[]).await?.iter().filter_map(known).collect())
    }
}
