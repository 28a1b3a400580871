//! What `status` and `trace` show, and the metrics.

use super::parked::PARKED;
use super::{Overview, Particulars, Skipped, Stands, Store, StoreError, Tickets};
use crate::model::{Seen, TroubleKind};

/// The age of the oldest thing that waits for anything but a person, in seconds.
pub(super) const OLDEST: &str = "extract(epoch from clock_timestamp() - least(
    (select committed_at from {s}.event order by id limit 1),
    (select min(queued_at) from {s}.delivery where state in ('unresolved', 'queued', 'sending', 'doubt') and not dormant),
    (select min(received_at) from {s}.inbox where state = 'waiting'),
    (select min(seen_at) from {s}.remote where state = 'pending')))::float8";

/// The same without what a person has paused, which is told as that.
const OLDEST_THAT_MAY: &str = "extract(epoch from clock_timestamp() - least(
    (select committed_at from {s}.event order by id limit 1),
    (select min(queued_at) from {s}.delivery where state in ('unresolved', 'doubt') and not dormant),
    (select min(queued_at) from {s}.delivery where state in ('queued', 'sending') and not dormant
        and not exists (select from {s}.pause where way = 'to_deskie')),
    (select min(received_at) from {s}.inbox where state = 'waiting'),
    (select min(seen_at) from {s}.remote where state = 'pending'
        and not exists (select from {s}.pause where way = 'to_site'))))::float8";

/// How much waits where.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Queues {
    /// Captured row changes that are not resolved; many are not counted but told by their numbers.
    pub events: i64,
    /// Rows in their lanes, resolved or not, that are not delivered; those of tickets that are none of ours aside.
    pub deliveries: i64,
    /// Of these: it is not known whether Deskie did it.
    pub in_doubt: i64,
    /// Deliveries and replies that wait for a person.
    pub parked: i64,
    /// Webhooks that are not dealt with.
    pub inbox: i64,
    /// Cases that wait for being read.
    pub reads: i64,
    /// Replies that wait for being written to the site.
    pub replies: i64,
    /// The age of the oldest thing that waits, parked ones aside, in seconds.
    pub oldest_seconds: Option<f64>,
    /// The same without what a person has paused.
    #[serde(skip)]
    pub oldest_unpaused_seconds: Option<f64>,
    /// Tickets with a case; from 10000 on it is the server's estimate.
    pub tickets: i64,
    /// Messages delivered to Deskie; in a table of more than 10000 rows the server's estimate, as the next.
    pub delivered: i64,
    /// Messages written to the site.
    pub written: i64,
}

/// Who leads, and the times of the last steps.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Standing {
    /// The term of office; 0: nobody ever led.
    pub epoch: i64,
    /// Who holds the lease.
    pub holder: Option<String>,
    /// Seconds since it was renewed, by the server's clock.
    pub renewed_seconds: Option<f64>,
    /// Commit time of the last captured transaction.
    pub captured_at: Option<jiff::Timestamp>,
    /// Our last call to Deskie that may have changed something, by its clock.
    pub last_call_at: Option<jiff::Timestamp>,
}

/// What a line of a ticket's story is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Chapter {
    /// A row of the site was seen.
    #[default]
    Row,
    /// Something for Deskie was queued.
    Queued,
    /// A webhook came.
    Webhook,
    /// A message was seen in Deskie.
    Message,
    /// A row was written to the site.
    Written,
    /// Anything else that was noted, in the words of `what`.
    Note,
}

impl Chapter {
    fn of_word(word: &str) -> Chapter {
        match word {
            "row" => Chapter::Row,
            "queued" => Chapter::Queued,
            "webhook" => Chapter::Webhook,
            "message" => Chapter::Message,
            "written" => Chapter::Written,
            _ => Chapter::Note,
        }
    }
}

/// One line of a ticket's story.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Told {
    /// When, in UTC.
    pub at: String,
    /// What kind of thing happened.
    pub kind: Chapter,
    /// What happened.
    pub what: String,
    /// To what, and how it ended.
    pub detail: String,
    /// The same in its parts, for whoever says it in another language.
    #[serde(skip)]
    pub particulars: Particulars,
    /// Who: `customer`, `agent`, and the name where it is known.
    pub who: Option<String>,
    /// How many seconds it took from then until it was done.
    pub took: Option<f64>,
    /// What was said, as it was sent or received; only where it was asked for, and not past `retain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The same where only HTML was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

impl Store {
    /// The database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.client().await?.simple_query("select 1").await?;
        Ok(())
    }
}

impl Overview<'_, Store> {
    /// Who leads, and when something moved last.
    pub async fn standing(self) -> Result<Standing, StoreError> {
        let sql = "select l.epoch, l.holder, extract(epoch from clock_timestamp() - l.renewed_at)::float8 as renewed_seconds,
                m.captured_at, (select max(called_at) from {s}.ticket) as last_call_at
            from {s}.lease l, {s}.meta m";
        let rows = self.0.query(sql, &[]).await?;
        Ok(rows.first().map_or_else(Standing::default, |row| Standing {
            epoch: row.get("epoch"),
            holder: row.get("holder"),
            renewed_seconds: row.get("renewed_seconds"),
            captured_at: row.get("captured_at"),
            last_call_at: row.get("last_call_at"),
        }))
    }

    /// Counts what waits; by partial indexes, and without a look through what is done, since it is asked at each scrape.
    pub async fn queues(self) -> Result<Queues, StoreError> {
        let sql = format!(
            "select
            (select case when n < 10000 then n else greatest(n, (select reltuples::int8 from pg_class
                    where oid = '{{s}}.event'::regclass)) end
                from (select count(*) as n from (select from {{s}}.event limit 10000) e) c) as events,
            (select count(*) from {{s}}.delivery where state in ('unresolved', 'queued', 'sending', 'doubt') and not dormant) as deliveries,
            (select count(*) from {{s}}.delivery where state = 'doubt') as in_doubt,
            {PARKED} as parked,
            (select count(*) from {{s}}.inbox where state = 'waiting') as inbox,
            (select count(*) from {{s}}.ticket where read_wanted < 3) as reads,
            (select count(*) from {{s}}.remote where state = 'pending') as replies,
            {OLDEST} as oldest_seconds,
            (select case when n < 10000 then n else greatest(n, (select reltuples::int8 from pg_class
                    where oid = '{{s}}.ticket'::regclass)) end
                from (select count(*) as n from (select from {{s}}.ticket where case_id is not null limit 10000) t) c) as tickets,
            {{s}}.about('{{s}}.delivery', 'delivered') as delivered,
            {{s}}.about('{{s}}.remote', 'written') as written,
            {OLDEST_THAT_MAY} as oldest_unpaused_seconds"
        );
        let rows = self.0.query(&sql, &[]).await?;
        Ok(rows.first().map_or_else(Queues::default, |row| Queues {
            events: row.get("events"),
            deliveries: row.get("deliveries"),
            in_doubt: row.get("in_doubt"),
            parked: row.get("parked"),
            inbox: row.get("inbox"),
            reads: row.get("reads"),
            replies: row.get("replies"),
            oldest_seconds: row.get("oldest_seconds"),
            tickets: row.get("tickets"),
            delivered: row.get("delivered"),
            written: row.get("written"),
            oldest_unpaused_seconds: row.get("oldest_unpaused_seconds"),
        }))
    }

    /// How much waits for a person, and the age of the oldest other thing that waits and is not paused, in seconds.
    pub async fn attention(self) -> Result<(i64, Option<f64>), StoreError> {
        let sql = format!("select {PARKED} as parked, {OLDEST_THAT_MAY} as age");
        let rows = self.0.query(&sql, &[]).await?;
        Ok(rows
            .first()
            .map_or((0, None), |row| (row.get("parked"), row.get("age"))))
    }
}

impl Skipped<'_, Store> {
    /// Rows that were passed over, by reason, the most frequent first.
    pub async fn counts(self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = self
            .0
            .query(
                "select reason, count from {s}.skipped order by count desc, reason",
                &[],
            )
            .await?;
        Ok(rows
            .iter()
            .map(|row| (row.get("reason"), row.get("count")))
            .collect())
    }
}

impl Tickets<'_, Store> {
    /// Keys of known tickets that come near a key that is not known: by the number of its case, or by its beginning.
    pub async fn near(self, key: &str) -> Result<Vec<String>, StoreError> {
        let sql = "select key from (
                select distinct key, case when case_number = $1 or case_id::text = $1 then 0
                    when lower(key) = lower(btrim($1, ' #')) then 1 else 2 end as far
                from {s}.ticket
                where case_number = $1 or case_id::text = $1 or lower(key) = lower(btrim($1, ' #'))
                   or starts_with(key, $1) or (key <> '' and starts_with($1, key))) near
            order by far, length(key), key limit 5";
        Ok(self
            .0
            .query(sql, &[&key])
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect())
    }

    /// The cases that Deskie does not let us read, as one trouble. One that is gone has nothing more to say.
    pub async fn unreadable(self) -> Result<Option<Seen>, StoreError> {
        let sql = "select count(*) as count, min(key) as first, (array_agg(read_error order by key))[1] as why from {s}.ticket
            where read_wanted is not null and read_error is not null and read_refused";
        let rows = self.0.query(sql, &[]).await?;
        let told = |row: &tokio_postgres::Row| {
            let (count, key, why): (i64, Option<String>, Option<String>) =
                (row.get("count"), row.get("first"), row.get("why"));
            let (key, why) = key.zip(why)?;
            let text = format!(
                "the cases of {count} tickets cannot be read, so that what is said there does not come to the site (ticket \
                 {key}: {why}); once that is mended, `deskie-cdc failed retry --all`"
            );
            Some(Seen::new(TroubleKind::CaseUnreadable, text))
        };
        Ok(rows.first().and_then(told))
    }

    /// One ticket's story, in time order: the newest `limit` lines of it, or all; `with_texts`: what was said as well.
    pub async fn trace(
        self,
        key: &str,
        limit: Option<i64>,
        with_texts: bool,
    ) -> Result<Vec<Told>, StoreError> {
        let sql = "with t as (select id, key, case_id from {s}.ticket where key = $1)
            select at::text, kind, what, detail, of, about, stands, more, who, extract(epoch from done_at - at)::float8 as took,
                case when $3 then nullif(said, '') end as text, case when $3 and coalesce(said, '') = '' then nullif(html, '') end as html
            from (select at, kind, what, coalesce(detail, '') as detail, of, about, stands, more, who, done_at, said, html from (
                select created_at as at, 'row' as kind, 'row seen' as what, section || ' ' || key || ': ' || state || coalesce(' (' || reason || ')', '') as detail,
                        section as of, key as about, state as stands, reason as more,
                        null as who, null::timestamptz as done_at, null as said, null as html
                    from {s}.link where ticket_id in (select id from t)
                union all
                select queued_at, 'queued', 'queued', section || case when part > 0 then ' part ' || part || '/' || parts else ' ' || act end || ', ' || state || coalesce(': ' || error, ''),
                        section, case when part > 0 then part || '/' || parts else act end, state, error,
                        author, case state when 'delivered' then done_at end,
                        coalesce(edited, body->>'text'), body->>'html'
                    from {s}.delivery where ticket_id in (select id from t)
                union all
                select received_at, 'webhook', 'webhook', kind || ', ' || state || case when repeats > 0 then ', repeated ' || repeats || ' times' else '' end,
                        kind, nullif(repeats, 0)::text, state, null,
                        null, null, null, null
                    from {s}.inbox where case_id in (select case_id from t)
                union all
                select seen_at, 'message', 'message in Deskie', 'message ' || message_id || ': ' || state || coalesce(' (' || reason || ')', '') || coalesce(': ' || error, ''),
                        null, message_id::text, state, nullif(concat_ws(': ', reason, error), ''),
                        case when via_rule or (payload->>'via_rule')::bool then 'a rule of Deskie''s'
                            else concat_ws(' ', kind, coalesce(payload->>'staff_id', payload->>'user_id')) end,
                        case state when 'written' then done_at end, payload->>'content', payload->>'content_html'
                    from {s}.remote where ticket_id in (select id from t)
                union all
                select done_at, 'written', 'row written', 'message ' || message_id || ' became row ' || coalesce(row_key, '-'),
                        null, message_id::text, 'written', coalesce(row_key, '-'), null, null, null, null
                    from {s}.remote where ticket_id in (select id from t) and state = 'written'
                union all
                select at, 'note', what, detail, what, null, null, detail, null, null, null, null from {s}.journal where ticket_id in (select id from t)) story
            order by at desc, kind = 'row', kind = 'queued' limit $2) newest
            order by at, kind = 'row' desc, kind = 'queued' desc";
        let rows = self.0.query(sql, &[&key, &limit, &with_texts]).await?;
        Ok(rows
            .iter()
            .map(|row| Told {
                at: row.get("at"),
                kind: Chapter::of_word(row.get("kind")),
                what: row.get("what"),
                detail: row.get("detail"),
                particulars: Particulars {
                    of: row.get("of"),
                    key: row.get("about"),
                    stands: row.get::<_, Option<&str>>("stands").and_then(Stands::of_word),
                    more: row.get("more"),
                },
                who: row
                    .get::<_, Option<String>>("who")
                    .filter(|who| !who.trim().is_empty()),
                took: row.get("took"),
                text: row.get("text"),
                html: row.get("html"),
            })
            .collect())
    }
}
