//! Which of Deskie's two rules of ours have been heard: each is to tell of its answers by a webhook within seconds. What no
//! webhook tells of comes all the same, by the sweep, minutes later; so a rule that is missing would go unnoticed.
//!
//! A webhook is its rule's by who wrote the message that it names.

use super::{Rules, Store, StoreError, word};
use crate::model::{Kind, Seen, TroubleKind};

/// How a rule has been heard of late.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RuleHeard {
    /// Whose answers it tells of.
    pub of: Kind,
    /// When it was heard last; `None`: not among the newest webhooks that are kept.
    pub last_at: Option<jiff::Timestamp>,
    /// So many of their newest answers were looked at.
    pub answers: i64,
    /// Of these no webhook told.
    pub untold: i64,
}

/// So many untold answers say something of a rule that was never heard, and of one that was.
const NEVER: i64 = 3;
const NO_MORE: i64 = 10;

impl RuleHeard {
    fn is_silent(&self) -> bool {
        let enough = if self.last_at.is_none() { NEVER } else { NO_MORE };
        self.untold == self.answers && self.untold >= enough
    }
}

impl Rules<'_, Store> {
    /// How both rules have been heard: the newest 50 answers that were written to the site within a week, and the newest 500
    /// webhooks.
    pub async fn heard(self) -> Result<Vec<RuleHeard>, StoreError> {
        // Webhooks are forgotten with `retain`: of older answers nothing can be said. One that names no message is any
        // rule's that speaks of the case.
        let sql = "with answers as materialized (
                select message_id, case_id, kind, seen_at from {s}.remote
                where state = 'written' and kind is not null and via_rule is not true
                  and done_at > greatest(now() - interval '7 days',
                      (select received_at from {s}.inbox order by id limit 1) - interval '10 minutes')
                order by done_at desc limit 50),
            webhooks as materialized (
                select i.case_id, i.message_id, i.received_at, i.kind = 'channel' as whole, coalesce(r.kind, d.author) as by
                from (select * from {s}.inbox order by id desc limit 500) i
                left join {s}.remote r on r.message_id = i.message_id
                left join {s}.delivery d on d.id = r.delivery_id),
            answered as (
                select a.kind, exists (select from webhooks w where w.case_id = a.case_id
                    and (w.message_id >= a.message_id and (w.whole or w.by = a.kind)
                        or w.message_id is null and w.received_at > a.seen_at - interval '1 hour')) as told
                from answers a)
            select k.kind,
                (select max(w.received_at) from webhooks w where not w.whole
                    and (w.by = k.kind or w.message_id is null and exists (select from answers a
                        where a.case_id = w.case_id and a.kind = k.kind and w.received_at > a.seen_at - interval '1 hour'))) as last_at,
                (select count(*) from answered a where a.kind = k.kind) as answers,
                (select count(*) from answered a where a.kind = k.kind and not a.told) as untold
            from (values ('agent'), ('customer')) k (kind)";
        let read = |row: &tokio_postgres::Row| {
            Ok(RuleHeard {
                of: word(row, "kind")?,
                last_at: row.get("last_at"),
                answers: row.get("answers"),
                untold: row.get("untold"),
            })
        };
        self.0.query(sql, &[]).await?.iter().map(read).collect()
    }

    /// The rules of which nothing is heard while their people answer.
    pub async fn silent(self) -> Result<Vec<Seen>, StoreError> {
        let told = |heard: RuleHeard| {
            let (whose, step) = match heard.of {
                Kind::Agent => ("agents'", 2),
                Kind::Customer => ("customers'", 3),
            };
            let text = format!(
                "no webhook told of any of the newest {} {whose} answers: they come to the site all the same, minutes later. \
                 Deskie's rule for them is missing, or its address leads elsewhere: step {step} of `deskie-cdc rules`",
                heard.answers
            );
            Seen::of(TroubleKind::RuleSilent, heard.of.as_str(), text)
        };
        let heard = self.heard().await?.into_iter();
        Ok(heard.filter(RuleHeard::is_silent).map(told).collect())
    }
}
