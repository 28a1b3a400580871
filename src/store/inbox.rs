//! Webhooks: stored before they are answered, then turned into wanted reads or messages.

use std::time::Duration;

use serde_json::Value;
use tokio_postgres::types::ToSql;

use super::delivery::unidentified_of;
use super::handed::WantedRead;
use super::merge::absorbs;
use super::{Inbox, Step, Store, StoreError, ticket};
use crate::model::{CaseId, InboxId, LaneId, MessageId, words};

words! {
    /// Which of Deskie's webhooks it is.
    InboxKind {
        /// A rule's: it says that something happened to a case.
        Rule = "rule",
        /// A custom channel's: it carries a message.
        Channel = "channel",
    }

    /// Where a webhook stands (docs/states.md).
    InboxState {
        /// Nobody has dealt with it yet.
        Waiting = "waiting",
        /// What it told is known.
        Done = "done",
        /// Its case is none of the site's.
        Foreign = "foreign",
    }
}

/// A webhook to be stored.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// A digest of what it says: equal ones that wait are one.
    pub digest: Vec<u8>,
    pub case_id: CaseId,
    /// The newest message, as far as a rule webhook tells.
    pub message_id: Option<MessageId>,
    /// A custom channel's message, whole; absent: a rule webhook.
    pub message: Option<Value>,
    /// The site's ticket, as far as a rule webhook names it.
    pub ticket_key: Option<String>,
}

/// A stored webhook.
#[derive(Debug, Clone)]
pub struct InboxRow {
    /// Its number.
    pub id: InboxId,
    pub case_id: CaseId,
    /// A custom channel's message.
    pub message: Option<Value>,
    /// The lane of the case, where it is known.
    pub ticket_id: Option<LaneId>,
    /// Attempts that failed.
    pub attempts: i32,
}

/// What came of a look into the inbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Rule webhooks of known cases were dealt with.
    pub rules: bool,
    /// Something else waits: a channel's message, or an unknown case.
    pub others: bool,
}

impl Inbox<'_, Store> {
    /// Stores a webhook; durable when this returns, by whichever instance took it (no fence: rule 13).
    pub async fn add(self, new: &NewWebhook) -> Result<(), StoreError> {
        let kind = match new.message {
            Some(_) => InboxKind::Channel,
            None => InboxKind::Rule,
        };
        // Whoever deals with it need not wait for the disk: all that follows from it stands behind it in the log, so that a
        // server that loses it has lost all of that as well, and no row of the site's is written but by a commit that waits
        // for the disk itself. The sender does wait, since he sends once: the second statement's commit waits, and with it
        // all that was committed before is there. Both travel together.
        let sql =
            "with stored as (
                insert into {s}.inbox (digest, kind, case_id, message_id, message, ticket_key) values ($1, $2, $3, $4, $5, $6)
                on conflict (digest) where state = 'waiting' do update set repeats = inbox.repeats + 1,
                    ticket_key = coalesce(inbox.ticket_key, excluded.ticket_key))
            select set_config('synchronous_commit', 'off', true)";
        let flush = "select pg_logical_emit_message(true, 'deskie_cdc_mark', '')";
        let message_id = new.message_id.map(|id| id.0);
        let values: [&(dyn ToSql + Sync); 6] = [
            &new.digest,
            &kind.as_str(),
            &new.case_id.0,
            &message_id,
            &new.message,
            &new.ticket_key,
        ];
        let client = self.0.client().await?;
        let insert = client.prepare_cached(&self.0.sql(sql)).await?;
        let flush = client.prepare_cached(flush).await?;
        let storing = async {
            client.execute(&insert, &values).await?;
            self.0.wake.inbox.notify_one();
            Ok::<(), tokio_postgres::Error>(())
        };
        // Polled in order, so sent in order.
        let (stored, flushed) = futures::join!(storing, client.execute(&flush, &[]));
        stored?;
        flushed?;
        Ok(())
    }

    /// Turns the rule webhooks of known cases into wanted reads, and lays aside those of cases that are none of ours, and of
    /// cases born in Deskie, which are read whole once they are tickets.
    /// However many there are for one case, it is read once. While a call of the ticket is in flight they wait, since
    /// they may be about our own message (rule 8). Each message of ours causes one webhook, which costs nothing; a
    /// further one that names it may be about another message that hides behind it: the case is read a little later, and
    /// with what the budget can spare.
    pub async fn take(self) -> Result<Taken, StoreError> {
        let sql = "with w as (select i.id, i.message_id, t.id as ticket_id, r.message_id as ours,
                           case when r.message_id is null then 0 when r.told or i.repeats > 0 then 3 end::int2 as class
                       from {s}.inbox i join {s}.ticket t using (case_id)
                       left join {s}.remote r on r.message_id = i.message_id and r.state = 'ours'
                       where i.state = 'waiting' and i.kind = 'rule' and not exists (select from {s}.hold)
                         and (select {s}.fence($1))
                         and not exists (select from {s}.delivery d
                                         where d.ticket_id = t.id and d.state = 'sending')),
            told as (update {s}.remote set told = true where not told and message_id in (select ours from w)),
            wanted as (update {s}.ticket t set read_wanted_at = clock_timestamp(),
                           read_wanted = least(coalesce(read_wanted, asked.class), asked.class),
                           read_not_before = case
                               when read_error is not null then least(read_not_before, clock_timestamp() + interval '10 seconds')
                               when least(read_wanted, asked.class) = 3
                                   then clock_timestamp() + interval '2 seconds' end
                       from (select ticket_id, min(class) as class, max(message_id) as named from w
                             group by ticket_id having min(class) is not null) asked
                       where t.id = asked.ticket_id and t.merged_into is null
                       returning t.*, asked.named,
                           not exists (select from {s}.remote k where k.message_id = asked.named) as is_news,
                           case when not exists (select from {s}.delivery d where {UNIDENTIFIED}) and not {ABSORBS} then
                               array(select k.message_id from {s}.remote k where k.case_id = any(array(
                                         select t.case_id union all
                                         select o.case_id from {s}.ticket o where o.merged_into = t.case_id))
                                     order by k.message_id desc limit {KNOWN}) end as known,
                           t.read_wanted = 0 and t.read_not_before is null and not t.ask_first
                               and (select {s}.same_server()) as is_due),
            aside as (select i.id, case when exists (select from {s}.foreign_case f where f.case_id = i.case_id)
                               then 'foreign' else 'done' end as state
                      from {s}.inbox i
                      where i.state = 'waiting' and not exists (select from {s}.hold)
                        and not exists (select from {s}.ticket t where t.case_id = i.case_id)
                        and (exists (select from {s}.foreign_case f where f.case_id = i.case_id)
                             or exists (select from {s}.birth b where b.case_id = i.case_id and b.state <> 'done'))),
            done as (update {s}.inbox i set state = o.state, done_at = now()
                     from (select id, 'done' as state from w union all select id, state from aside) o
                     where i.id = o.id)
            select seen.*, {COLUMNS}, t.named, t.is_news, t.known, t.is_due from (
                select (select count(*) from w) as rules,
                    exists (select from {s}.inbox i left join {s}.ticket t using (case_id)
                            where i.state = 'waiting' and (i.kind = 'channel' or t.id is null) and i.id not in (select id from aside))
                        and not exists (select from {s}.hold) as others) seen
            left join wanted t on true";
        let sql = sql
            .replace("{COLUMNS}", ticket::COLUMNS)
            .replace("{UNIDENTIFIED}", &unidentified_of("t.id"))
            .replace("{ABSORBS}", &absorbs("t.case_id"))
            .replace("{KNOWN}", &WantedRead::KNOWN.to_string());
        let rows = self.0.query(&sql, &[&self.0.epoch().0]).await?;
        let is_wanted = |row: &&tokio_postgres::Row| row.get::<_, Option<LaneId>>("lane_id").is_some();
        for row in rows.iter().filter(is_wanted) {
            match row.get("is_due") {
                true => self.0.handed().add_read(WantedRead {
                    ticket: ticket::ticket(row),
                    named: row.get::<_, Option<i64>>("named").map(MessageId),
                    is_news: row.get("is_news"),
                    known: row
                        .get::<_, Option<Vec<i64>>>("known")
                        .map(|known| known.into_iter().map(MessageId).collect()),
                }),
                false => self.0.wake.lanes.notify_one(),
            }
        }
        Ok(rows.first().map_or(Taken::default(), |row| Taken {
            rules: row.get::<_, i64>("rules") > 0,
            others: row.get("others"),
        }))
    }

    /// What is left: custom channel messages, in the order of their numbers, and webhooks of unknown cases. A channel's
    /// message is held for `hold`, so that one that it overtook comes before it.
    /// A ticket whose call is in flight or in doubt is left out, since the message may be our own (rule 8).
    pub async fn waiting(self, limit: i64, hold: Duration) -> Result<Vec<InboxRow>, StoreError> {
        let sql = "select i.id, i.case_id, i.message, t.id as ticket_id, i.attempts
            from {s}.inbox i left join {s}.ticket t using (case_id)
            where i.state = 'waiting' and i.not_before <= clock_timestamp()
              and (t.id is null or i.kind = 'channel' and exists (select from {s}.inbox o
                   where o.case_id = i.case_id and o.state = 'waiting' and o.kind = 'channel'
                     and o.message_id >= i.message_id
                     and o.received_at <= clock_timestamp() - make_interval(secs => $2)))
              and not exists (select from {s}.delivery d
                              where d.ticket_id = t.id and d.state in ('sending', 'doubt'))
            order by case when i.message ? 'message_id' then (i.message->>'message_id')::int8 end nulls last, i.id
            limit $1";
        let read = |row: &tokio_postgres::Row| InboxRow {
            id: row.get("id"),
            case_id: row.get("case_id"),
            message: row.get("message"),
            ticket_id: row.get("ticket_id"),
            attempts: row.get("attempts"),
        };
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&limit, &hold.as_secs_f64()];
        Ok(self.0.query(sql, &values).await?.iter().map(read).collect())
    }

    /// How long until the first channel's message that is held is held no more; `None` where none is.
    pub async fn held(self, hold: Duration) -> Result<Option<Duration>, StoreError> {
        let sql =
            "select greatest(0, extract(epoch from min(i.received_at) - clock_timestamp())::float8 + $1)
            from {s}.inbox i join {s}.ticket t using (case_id)
            where i.state = 'waiting' and i.kind = 'channel'
              and i.received_at > clock_timestamp() - make_interval(secs => $1)";
        let rows = self.0.query(sql, &[&hold.as_secs_f64()]).await?;
        let seconds: Option<f64> = rows.first().and_then(|row| row.get(0));
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }

    /// Whether a create is in flight or in doubt: an unknown case may be its case.
    pub async fn must_wait_for_creates(self) -> Result<bool, StoreError> {
        let sql = "select exists (select from {s}.delivery where state in ('sending', 'doubt') and call = 'create_case')";
        Ok(self
            .0
            .query(sql, &[])
            .await?
            .first()
            .is_some_and(|row| row.get(0)))
    }

    /// A webhook of an unknown case that names a ticket whose create_case is in doubt ends the waiting: it is looked at
    /// now, once a webhook.
    pub async fn hasten_doubts(self) -> Result<u64, StoreError> {
        let sql = "with named as (
                select i.id as inbox, d.id as delivery
                from {s}.inbox i join {s}.ticket t on t.key = i.ticket_key and t.case_id is null
                join {s}.delivery d on d.ticket_id = t.id and d.state = 'doubt' and d.call = 'create_case'
                where i.state = 'waiting' and i.attempts = 0 and (select {s}.fence($1))),
            told as (update {s}.inbox set attempts = 1 where id in (select inbox from named))
            update {s}.delivery set not_before = clock_timestamp() where id in (select delivery from named)";
        let hastened = self.0.execute(sql, &[&self.0.epoch().0]).await?;
        if hastened > 0 {
            self.0.wake.lanes.notify_one();
        }
        Ok(hastened)
    }

    /// The unknown cases that waiting webhooks name for a ticket: what its lost create_case may have made.
    pub async fn cases_named(self, ticket_key: &str) -> Result<Vec<CaseId>, StoreError> {
        let sql = "select case_id from (
                select case_id from {s}.inbox where state = 'waiting' and ticket_key = $1
                union select case_id from {s}.foreign_case where claims = $1) named
            where not exists (select from {s}.ticket t where t.case_id = named.case_id)
            order by case_id limit 5";
        let rows = self.0.query(sql, &[&ticket_key]).await?;
        Ok(rows.iter().map(|row| CaseId(row.get(0))).collect())
    }

    /// Whether a case is known to be none of ours.
    pub async fn is_foreign(self, case: CaseId) -> Result<bool, StoreError> {
        let sql = "select exists (select from {s}.foreign_case where case_id = $1)";
        let rows = self.0.query(sql, &[&case.0]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// Remembers that a case is none of ours; what it `claims` to be is kept with it.
    pub async fn note_foreign(self, case: CaseId, claims: Option<&str>) -> Result<(), StoreError> {
        let sql = "with f as (insert into {s}.foreign_case as f (case_id, claims) values ($1, $2)
                on conflict (case_id) do update set claims = excluded.claims where f.claims is null)
            update {s}.inbox set state = 'foreign', done_at = now() where case_id = $1 and state = 'waiting'";
        self.0.execute(sql, &[&case.0, &claims]).await?;
        Ok(())
    }

    /// A look-up for a webhook failed and is tried again later.
    pub async fn retry(self, id: InboxId, error: &str, after: std::time::Duration) -> Result<(), StoreError> {
        let sql = "update {s}.inbox set attempts = attempts + 1, error = $2,
            not_before = clock_timestamp() + make_interval(secs => $3) where id = $1";
        self.0
            .execute(sql, &[&id.0, &error, &after.as_secs_f64()])
            .await?;
        Ok(())
    }
}

impl Inbox<'_, Step<'_>> {
    /// A webhook is dealt with.
    pub async fn done(self, id: InboxId) -> Result<(), StoreError> {
        self.0
            .execute(
                "update {s}.inbox set state = 'done', done_at = now() where id = $1",
                &[&id.0],
            )
            .await?;
        Ok(())
    }
}
