//! Messages that stand in Deskie: each is seen once, and goes to the site once.

use serde_json::Value;
use tokio_postgres::types::ToSql;

use super::delivery::{opening, opening_of, unidentified_of};
use super::merge::absorbs;
use super::{Opening, Remotes, Step, Store, StoreError, Ticket, ticket, word};
use crate::model::{CaseId, DeliveryId, Kind, LaneId, MessageId, words};

words! {
    /// What a message of a case is to us when it is first seen.
    RemoteState {
        /// We sent it.
        Ours = "ours",
        /// An internal note: it never leaves Deskie.
        Note = "note",
        /// Not for the site, with a reason.
        Skipped = "skipped",
        /// To be written.
        Pending = "pending",
        /// A person has to say whether it is for the site.
        Parked = "parked",
    }
}

/// A message seen for the first time.
#[derive(Debug, Clone)]
pub struct NewRemote {
    /// Its number.
    pub message_id: MessageId,
    /// What it is to us.
    pub state: RemoteState,
    /// Why it is skipped.
    pub reason: Option<String>,
    /// Who wrote it.
    pub kind: Option<Kind>,
    /// The message, where it is to be written.
    pub payload: Option<Value>,
    /// Our delivery that it is, where it is ours.
    pub delivery: Option<DeliveryId>,
}

/// A message that waits for being written.
#[derive(Debug, Clone)]
pub struct PendingRemote {
    /// Its number.
    pub message_id: MessageId,
    pub case_id: CaseId,
    /// Its lane.
    pub ticket: Ticket,
    /// What the case was opened with.
    pub opening: Opening,
    /// More of the ticket waits behind it.
    pub has_more: bool,
    /// Who wrote it.
    pub kind: Kind,
    /// The message.
    pub payload: Value,
    /// How often writing failed for a passing reason.
    pub attempts: i32,
    /// For how many seconds it had been known when this was read.
    pub age: f64,
}

/// What is known of the messages of a page, and of their ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownOf {
    /// Those of them that are known.
    pub known: Vec<MessageId>,
    /// All of the ticket that wait for being written, or for a person.
    pub waiting: Vec<MessageId>,
    /// Something of the ticket is unidentified (`Deliveries::unidentified`).
    pub has_unidentified: bool,
}

/// A read of the ticket's case is about to be made. What waited for long is not written before it: it may be another text by now,
/// or deleted. A read that fails holds nothing up.
const IS_READ_SOON: &str =
    "(t.read_wanted is not null and t.read_error is null and t.case_id is not null and t.merged_into is null
    and not t.gone and not t.ask_first and coalesce(t.read_not_before <= clock_timestamp(), true))";

/// Which of the messages `$1` are known.
const KNOWN: &str = "select message_id from {s}.remote where message_id = any($1)
    union select message_id from {s}.delivery where message_id = any($1)";

impl Remotes<'_, Store> {
    /// Which of these messages are known.
    pub async fn known(self, ids: &[MessageId]) -> Result<Vec<MessageId>, StoreError> {
        Ok(self
            .0
            .query(KNOWN, &[&ids])
            .await?
            .iter()
            .map(|row| MessageId(row.get(0)))
            .collect())
    }

    /// The same of a ticket's case, and what of the ticket waits there and here.
    pub async fn known_of(self, ticket: LaneId, ids: &[MessageId]) -> Result<KnownOf, StoreError> {
        let sql = format!(
            "select message_id, 'known' as what from ({KNOWN}) k
            union all select null, 'unidentified' where exists (select from {{s}}.delivery d where {})
            union all select message_id, 'waiting' from {{s}}.remote where ticket_id = $2 and state in ('pending', 'parked')",
            unidentified_of("$2")
        );
        let mut known = KnownOf::default();
        for row in self.0.query(&sql, &[&ids, &ticket]).await? {
            let id: Option<i64> = row.get("message_id");
            match (row.get("what"), id.map(MessageId)) {
                ("known", Some(id)) => known.known.push(id),
                ("waiting", Some(id)) => known.waiting.push(id),
                _ => known.has_unidentified = true,
            }
        }
        Ok(known)
    }

    /// What waits of a ticket's case for being written goes as Deskie has it by now: `shown` are those that a read has shown,
    /// each with its message where it is for the site still. `is_whole`: what is not among them is not in the case any more. How
    /// many are others now.
    pub async fn follow(
        self,
        ticket: LaneId,
        case: CaseId,
        shown: &[(MessageId, Option<Value>)],
        is_whole: bool,
    ) -> Result<u64, StoreError> {
        let sql = "with w as (
                select r.message_id, s.payload, s.id is not null as is_shown
                from {s}.remote r left join unnest($3::int8[], $4::jsonb[]) s (id, payload) on s.id = r.message_id
                where r.ticket_id = $1 and r.case_id = $2 and r.state in ('pending', 'parked') and (s.id is not null or $5)
                  and (select {s}.fence($6))),
            changed as (
                update {s}.remote r set payload = w.payload from w
                where r.message_id = w.message_id and r.state in ('pending', 'parked') and w.payload is not null
                  and r.payload is distinct from w.payload
                returning r.ticket_id, r.message_id, 'goes as it was changed in Deskie' as told),
            gone as (
                update {s}.remote r set payload = null, done_at = now(), state = case when w.is_shown then 'note' else 'skipped' end,
                    reason = case when not w.is_shown then 'deleted in Deskie before it was written' end
                from w where r.message_id = w.message_id and r.state in ('pending', 'parked') and w.payload is null
                returning r.ticket_id, r.message_id,
                    case when w.is_shown then 'is an internal note by now' else 'was deleted in Deskie before it was written' end as told)
            insert into {s}.journal (ticket_id, what, detail)
            select ticket_id, 'changed in Deskie', 'message ' || message_id || ' ' || told
            from (select * from changed union all select * from gone) told";
        let (ids, payloads): (Vec<i64>, Vec<&Option<Value>>) =
            shown.iter().map(|(id, payload)| (id.0, payload)).unzip();
        let epoch = self.0.epoch().0;
        let changed = self
            .0
            .execute(sql, &[&ticket, &case.0, &ids, &payloads, &is_whole, &epoch])
            .await?;
        self.0.wake.ring_remotes();
        Ok(changed)
    }

    /// How many messages of a case are known.
    pub async fn count(self, case: CaseId) -> Result<i64, StoreError> {
        let sql = "select count(*) from {s}.remote where case_id = $1";
        Ok(self
            .0
            .query(sql, &[&case.0])
            .await?
            .first()
            .map_or(0, |row| row.get(0)))
    }

    /// Whether a later message of the case is written, or is about to be: this one was overtaken.
    pub async fn overtaken(self, case: CaseId, message: MessageId) -> Result<bool, StoreError> {
        let sql = "select exists (select from {s}.remote
            where case_id = $1 and message_id > $2 and state in ('pending', 'written', 'parked'))";
        let rows = self.0.query(sql, &[&case.0, &message.0]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// The next message of each ticket that can be written now, those that were not tried yet first; a parked one holds those
    /// behind it (rule 10).
    /// `with_files`: only those that have files, or only those that have none.
    pub async fn heads(self, limit: i64, with_files: Option<bool>) -> Result<Vec<PendingRemote>, StoreError> {
        let sql = format!(
            "select {}, head.message_id, head.case_id, head.kind, head.payload, head.attempts, {} as opening,
                exists (select from {{s}}.remote n
                    where n.ticket_id = head.ticket_id and n.state = 'pending' and n.seq > head.seq) as has_more,
                extract(epoch from clock_timestamp() - head.seen_at)::float8 as age
            from (select distinct on (ticket_id) * from {{s}}.remote
                where state in ('pending', 'parked') and ticket_id is not null order by ticket_id, seq) head
            join {{s}}.ticket t on t.id = head.ticket_id
            where head.state = 'pending' and head.not_before <= clock_timestamp() and not exists (select from {{s}}.hold)
              and not exists (select from {{s}}.pause where way = 'to_site')
              and t.given_to is null
              and (head.seen_at > clock_timestamp() - interval '1 minute' or not {IS_READ_SOON})
              and ($2::bool is null or $2 = (coalesce(jsonb_array_length(head.payload->'attachments'), 0) > 0))
            order by head.error is not null, head.not_before, head.seq limit $1",
            ticket::COLUMNS,
            opening_of("t.id")
        );
        let read = |row: &tokio_postgres::Row| {
            Ok(PendingRemote {
                message_id: row.get("message_id"),
                case_id: row.get("case_id"),
                kind: word(row, "kind")?,
                payload: row.get("payload"),
                attempts: row.get("attempts"),
                opening: opening(row.get("opening"))?.unwrap_or_default(),
                has_more: row.get("has_more"),
                ticket: ticket::ticket(row),
                age: row.get("age"),
            })
        };
        self.0
            .query(&sql, &[&limit, &with_files])
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// A message could not be written for a passing reason.
    pub async fn retry(
        self,
        id: MessageId,
        error: &str,
        after: std::time::Duration,
    ) -> Result<(), StoreError> {
        let sql = "update {s}.remote set attempts = attempts + 1, error = $2,
                not_before = clock_timestamp() + make_interval(secs => $3)
            where message_id = $1 and (select {s}.fence($4))";
        self.0
            .execute(sql, &[&id.0, &error, &after.as_secs_f64(), &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// A message waits for what others hold just now: no failure of its own.
    pub async fn wait(
        self,
        id: MessageId,
        error: &str,
        after: std::time::Duration,
    ) -> Result<(), StoreError> {
        let sql =
            "update {s}.remote set error = $2, not_before = clock_timestamp() + make_interval(secs => $3)
            where message_id = $1 and (select {s}.fence($4))";
        self.0
            .execute(sql, &[&id.0, &error, &after.as_secs_f64(), &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// A message cannot be written until a person has mended something.
    pub async fn park(self, id: MessageId, error: &str) -> Result<(), StoreError> {
        let sql = "with parked as (
                update {s}.remote set state = 'parked', error = $2 where message_id = $1 and (select {s}.fence($3))
                returning ticket_id, message_id)
            insert into {s}.journal (ticket_id, what, detail)
            select ticket_id, 'reply parked', 'message ' || message_id || ': ' || $2 from parked";
        self.0.execute(sql, &[&id.0, &error, &self.0.epoch().0]).await?;
        Ok(())
    }

    /// A message is not for the site after all (`[reply] where`).
    pub async fn skip(self, id: MessageId, reason: &str) -> Result<(), StoreError> {
        let sql = "update {s}.remote set state = 'skipped', reason = $2, payload = null, done_at = now()
            where message_id = $1 and (select {s}.fence($3))";
        self.0.execute(sql, &[&id.0, &reason, &self.0.epoch().0]).await?;
        Ok(())
    }
}

/// What a read of a case has brought.
#[derive(Debug, Default)]
pub struct ReadCase {
    /// The messages that were not known, in the order in which they go to the site.
    pub new: Vec<NewRemote>,
    /// Deliveries of ours whose messages were found.
    pub identified: Vec<(DeliveryId, MessageId)>,
    /// Everything up to this moment of the case is explained by it; `None`: not everything.
    pub explained: Option<jiff::Timestamp>,
    /// How many messages the case shows, where it was read whole: what differs from what we know of it stays so.
    pub whole: Option<i64>,
    /// When the read was asked for: one that was asked for since is made.
    pub wanted_at: jiff::Timestamp,
    /// It is read again after this.
    pub again_after: Option<std::time::Duration>,
    /// It was read as soon as it was asked for: what waits first is handed to the write-back.
    pub is_at_once: bool,
    /// Which messages were known was found out before the read: what has become ours since, or may be, or another customer's case
    /// that was merged into this one, speaks against it.
    pub is_by_what_was_known: bool,
}

impl Remotes<'_, Store> {
    /// Stores a read in one statement; how many messages wait for being written because of it. `None`: nothing is stored, since
    /// more was known than it was read by.
    pub async fn read(
        self,
        ticket: &Ticket,
        case: CaseId,
        read: &ReadCase,
    ) -> Result<Option<i64>, StoreError> {
        let sql = "with f as materialized (select {s}.fence($1) as leads where not $17::bool or not (
                exists (select from {s}.delivery where message_id = any($4::int8[]))
                or exists (select from {s}.remote where message_id = any($4::int8[]))
                or exists (select from {s}.delivery d where {UNIDENTIFIED}) or {ABSORBS})),
            u as materialized (select u.* from f, unnest($4::int8[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::int8[])
                with ordinality u (id, state, reason, kind, payload, delivery, place)),
            news as materialized (select u.id from u where not exists (select from {s}.remote r where r.message_id = u.id)),
            found as (update {s}.delivery d set message_id = i.message
                from f, unnest($10::int8[], $11::int8[]) i (id, message) where d.id = i.id and d.message_id is null),
            stored as (insert into {s}.remote
                    (message_id, case_id, ticket_id, state, reason, error, kind, payload, delivery_id, done_at)
                select id, $3::int8, $2::int8, state, reason, case when state = 'parked' then reason end, kind, payload, delivery, case when state not in ('pending', 'parked') then now() end
                from u order by place
                on conflict (message_id) do update
                    set state = excluded.state, payload = null, delivery_id = excluded.delivery_id
                    where excluded.state = 'ours' and remote.state in ('pending', 'parked')),
            t as (update {s}.ticket set read_error = null, read_attempts = 0,
                    case_updated_at = greatest(case_updated_at, $12::timestamptz),
                    read_surplus = case when $13::int8 is null then read_surplus else $13::int8 - (select count(*) from news)
                        - (select count(*) from {s}.remote where case_id = $3) end,
                    read_wanted = case when $15::float8 is not null or read_wanted_at > $14 then read_wanted end,
                    read_not_before = case when $15::float8 is not null
                        then clock_timestamp() + make_interval(secs => $15::float8) end
                from f where id = $2),
            pending as (select u.id, u.place from u join news using (id) where u.state = 'pending')
            select exists (select from f) as is_stored, (select count(*) from pending) as pending,
                (select id from pending where $16::bool
                    and not exists (select from {s}.remote o where o.ticket_id = $2 and o.state in ('pending', 'parked'))
                    and not exists (select from {s}.hold) and not exists (select from {s}.pause where way = 'to_site')
                 order by place limit 1) as head,
                case when exists (select from pending) then {OPENING} end as opening";
        let sql = sql
            .replace("{OPENING}", &opening_of("$2"))
            .replace("{UNIDENTIFIED}", &unidentified_of("$2"))
            .replace("{ABSORBS}", &absorbs("$3::int8"));
        let all = || read.new.iter();
        let ids: Vec<i64> = all().map(|new| new.message_id.0).collect();
        let states: Vec<&str> = all().map(|new| new.state.as_str()).collect();
        let reasons: Vec<Option<&str>> = all().map(|new| new.reason.as_deref()).collect();
        let kinds: Vec<Option<&str>> = all().map(|new| new.kind.map(Kind::as_str)).collect();
        let payloads: Vec<Option<&Value>> = all().map(|new| new.payload.as_ref()).collect();
        let deliveries: Vec<Option<i64>> = all().map(|new| new.delivery.map(|id| id.0)).collect();
        let (own, messages): (Vec<i64>, Vec<i64>) = read
            .identified
            .iter()
            .map(|(id, message)| (id.0, message.0))
            .unzip();
        let again = read.again_after.map(|after| after.as_secs_f64());
        let values: [&(dyn ToSql + Sync); 17] = [
            &self.0.epoch().0,
            &ticket.id,
            &case.0,
            &ids,
            &states,
            &reasons,
            &kinds,
            &payloads,
            &deliveries,
            &own,
            &messages,
            &read.explained,
            &read.whole,
            &read.wanted_at,
            &again,
            &read.is_at_once,
            &read.is_by_what_was_known,
        ];
        let rows = self.0.query(&sql, &values).await?;
        let row = rows.first().filter(|row| row.get("is_stored"));
        let Some(row) = row else { return Ok(None) };
        let pending = row.get("pending");
        if let Some(head) = row.get::<_, Option<i64>>("head")
            && let Some(new) = read.new.iter().find(|new| new.message_id.0 == head)
            && let (Some(kind), Some(payload)) = (new.kind, &new.payload)
        {
            self.0.handed().add_remote(PendingRemote {
                message_id: new.message_id,
                case_id: case,
                ticket: ticket.clone(),
                opening: opening(row.get("opening"))?.unwrap_or_default(),
                has_more: pending > 1,
                kind,
                payload: payload.clone(),
                attempts: 0,
                age: 0.0,
            });
        }
        if pending > 0 {
            self.0.wake.ring_remotes();
        }
        Ok(Some(pending))
    }
}

/// A reply that was written to a ticket: a message of the site may be a copy of it.
#[derive(Debug, Clone)]
pub struct Written {
    message: i64,
    said: Vec<String>,
    is_of_agent: bool,
    is_copied: bool,
    is_via_rule: bool,
    /// In seconds since 1970.
    at: f64,
}

/// What the replies that were written to a ticket mean for a row of the site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// An agent said the same within the hour before.
    pub is_copy: bool,
    /// So it was of another reply within that hour.
    pub copied_before: bool,
    /// How many replies of Deskie's rules were written in the ten minutes before.
    pub automatic: usize,
    /// What it is a copy of, and is not known to have been copied.
    pub copies: Vec<i64>,
}

impl Heard {
    /// `said`: what makes the row known; `at`: when it was committed, in seconds since 1970. That is cut to the second,
    /// hence the two of grace.
    pub fn of(written: &[Written], said: &[String], at: i64) -> Heard {
        let at = at as f64;
        let mut heard = Heard::default();
        let lately = written
            .iter()
            .filter(|reply| (at - 3600.0..=at + 2.0).contains(&reply.at));
        for reply in lately {
            let is_same = reply.is_of_agent && reply.said.iter().any(|one| said.contains(one));
            heard.is_copy |= is_same;
            heard.copied_before |= reply.is_copied && !is_same;
            heard.automatic += usize::from(reply.is_via_rule && reply.at > at - 600.0);
            if is_same && !reply.is_copied {
                heard.copies.push(reply.message);
            }
        }
        heard
    }
}

/// The replies that were written to the ticket `t` within the hour before any moment from `$FROM` to `$TO`, in seconds
/// since 1970: what [`written`] reads.
pub(super) const WRITTEN: &str =
    "(select jsonb_agg(jsonb_build_array(r.message_id, r.said, coalesce(r.kind = 'agent', false),
            r.copied, coalesce(r.via_rule, false), extract(epoch from r.done_at)::float8))
        from {s}.remote r
        where r.ticket_id = t.id and r.state = 'written' and r.said is not null
          and r.done_at between to_timestamp($FROM::int8::float8) - interval '1 hour'
                            and to_timestamp($TO::int8::float8) + interval '2 seconds')";

pub(super) fn written(list: Option<Value>) -> Vec<Written> {
    let Some(Value::Array(list)) = list else {
        return Vec::new();
    };
    let read = |reply: &Value| {
        let said = reply[1].as_array()?.iter().filter_map(Value::as_str);
        Some(Written {
            message: reply[0].as_i64()?,
            said: said.map(str::to_owned).collect(),
            is_of_agent: reply[2].as_bool()?,
            is_copied: reply[3].as_bool()?,
            is_via_rule: reply[4].as_bool()?,
            at: reply[5].as_f64()?,
        })
    };
    list.iter().filter_map(read).collect()
}

impl Remotes<'_, Step<'_>> {
    /// What was written to a ticket shortly before a row that was committed at `at`, in seconds since 1970.
    pub async fn written(self, ticket: LaneId, at: i64) -> Result<Vec<Written>, StoreError> {
        let written_at = WRITTEN.replace("$FROM", "$2").replace("$TO", "$2");
        let sql = format!("select {written_at} from {{s}}.ticket t where t.id = $1");
        let rows = self.0.query(&sql, &[&ticket, &at]).await?;
        Ok(rows.first().map_or_else(Vec::new, |row| written(row.get(0))))
    }

    /// Remembers of replies that the site has copied them.
    pub async fn copied(self, messages: &[i64]) -> Result<(), StoreError> {
        let sql = "update {s}.remote set copied = true where message_id = any($1)";
        self.0.execute(sql, &[&messages]).await?;
        Ok(())
    }

    /// The oldest reply of ours that was written and not found on the site so far is this row.
    pub async fn claim_next(self, ticket: LaneId, key: &str) -> Result<(), StoreError> {
        let sql = "update {s}.remote set row_key = $2 where message_id = (
                select message_id from {s}.remote
                where ticket_id = $1 and state = 'written' and row_key is null and said is not null order by seq limit 1)";
        self.0.execute(sql, &[&ticket, &key]).await?;
        Ok(())
    }

    /// Whether a reply of ours was written to a ticket and not found on the site so far.
    pub async fn unclaimed(self, ticket: LaneId) -> Result<bool, StoreError> {
        let sql = "select exists (select from {s}.remote
            where ticket_id = $1 and state = 'written' and row_key is null and said is not null)";
        let rows = self.0.query(sql, &[&ticket]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// Whether a row of the site is a reply of ours that was written and not found on the site so far; it is then.
    pub async fn claim(self, ticket: LaneId, said: &[String], key: &str) -> Result<bool, StoreError> {
        let sql = "update {s}.remote set row_key = $3 where message_id = (
                select message_id from {s}.remote
                where ticket_id = $1 and state = 'written' and row_key is null and said && $2 order by seq limit 1)";
        Ok(self.0.execute(sql, &[&ticket, &said, &key]).await? > 0)
    }

    /// Stores a message that was seen; false where it was known. One that was taken for somebody else's and turns
    /// out to be ours becomes ours while it is not written.
    pub async fn add(self, case: CaseId, ticket: LaneId, new: &NewRemote) -> Result<bool, StoreError> {
        let sql = "insert into {s}.remote
                (message_id, case_id, ticket_id, state, reason, error, kind, payload, delivery_id, done_at)
            values ($1, $2, $3, $4, $5, case when $4 = 'parked' then $5 end, $6, $7, $8, case when $4 not in ('pending', 'parked') then now() end)
            on conflict (message_id) do update
                set state = excluded.state, payload = null, delivery_id = excluded.delivery_id
                where excluded.state = 'ours' and remote.state in ('pending', 'parked')";
        let added = self
            .0
            .execute(
                sql,
                &[
                    &new.message_id.0,
                    &case.0,
                    &ticket,
                    &new.state.as_str(),
                    &new.reason,
                    &new.kind.map(Kind::as_str),
                    &new.payload,
                    &new.delivery.map(|id| id.0),
                ],
            )
            .await?;
        Ok(added == 1)
    }
}
