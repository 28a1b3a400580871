//! Calls to Deskie as durable states: unresolved → queued → sending → delivered, with doubt and parked aside. What a
//! step of resolve or deliver does to them is in `delivery_step`.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Deliveries, EnteredHead, FileRef, NewRow, Store, StoreError, Ticket, word, word_or_none};
pub use crate::decide::Opening;
use crate::lanes;
use crate::model::{
    CallKind, CaseId, DeliveryId, DeliveryState, Kind, LaneId, LinkId, Section, TicketKey, UserId, clock,
    words,
};
use crate::text::{self, Body};

/// What resolve found out about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Who wrote it.
    pub author: Kind,
    /// The body in as many parts as Deskie's limit asks for; never empty.
    pub bodies: Vec<Body>,
    /// What create_case needs, where the ticket has no case yet.
    pub opening: Option<Opening>,
    /// `created_at` as it is sent, in seconds since 1970.
    pub written_at: i64,
    /// The files of the last part.
    pub files: Vec<FileRef>,
}

impl Resolution {
    /// The text of all parts.
    pub fn whole_text(&self) -> String {
        let texts: Vec<&str> = self.bodies.iter().map(|body| body.text.as_str()).collect();
        texts.join("\n")
    }
}

/// A row that enters its lane.
#[derive(Debug, Clone)]
pub struct NewDelivery<'a> {
    /// 0 for the ticket's own row, else the event.
    pub position: i64,
    /// The lane; `None` where the mapping cannot tell it, which parks the row.
    pub ticket_id: Option<LaneId>,
    /// The row.
    pub link: LinkId,
    pub section: Section,
    /// The row as captured, for another attempt at resolving it.
    pub image: &'a Value,
    /// When it was committed, in seconds since 1970.
    pub committed_at: i64,
    /// Whether it goes behind live traffic.
    pub backfill: bool,
}

/// A row that could not be resolved yet.
#[derive(Debug, Clone)]
pub struct Unresolved {
    pub id: DeliveryId,
    pub ticket_id: LaneId,
    /// The ticket's key.
    pub ticket_key: TicketKey,
    /// Whether it has a case.
    pub has_case: bool,
    /// The row.
    pub link: LinkId,
    pub section: Section,
    /// As it was captured.
    pub image: Value,
    /// When it was committed, in seconds since 1970.
    pub committed_at: i64,
    /// For how many seconds something has been waited for.
    pub waited: f64,
    /// Attempts so far.
    pub attempts: i32,
    /// The message's key.
    pub key: String,
    /// Why it was not resolved before.
    pub error: Option<String>,
    /// It was resolved before, and the row or what it needs has changed since.
    pub is_again: bool,
    /// How often work on it has failed, or the process died of it.
    pub failures: i16,
}

/// A row that is in no lane, since its ticket cannot be told.
#[derive(Debug, Clone)]
pub struct Stray {
    pub id: DeliveryId,
    /// The row.
    pub link: LinkId,
    pub key: String,
    /// As it was captured.
    pub image: Value,
    /// Its place in the lane to be.
    pub position: i64,
    /// When it was committed, in seconds since 1970.
    pub committed_at: i64,
    /// How often work on it has failed, or the process died of it.
    pub failures: i16,
}

/// The head of a lane.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    pub ticket_id: LaneId,
    /// The site's key of the ticket.
    pub ticket_key: TicketKey,
    /// Deskie's case, where there is one.
    pub case_id: Option<CaseId>,
    /// Deskie's number of the customer.
    pub user_id: Option<UserId>,
    /// The custom channel's identity of the customer.
    pub custom_id: Option<String>,
    /// The site's row.
    pub link: LinkId,
    pub section: Section,
    /// Which part of the text, from 1.
    pub part: i32,
    /// Of how many.
    pub parts: i32,
    /// Who wrote it.
    pub author: Kind,
    /// The body; with those that are joined to it.
    pub body: Body,
    /// What create_case needs.
    pub opening: Option<Opening>,
    /// `created_at` as sent.
    pub written_at: i64,
    /// Where it stands.
    pub state: DeliveryState,
    /// The call that is in doubt.
    pub call: Option<CallKind>,
    /// Attempts so far.
    pub attempts: i32,
    /// Looks so far.
    pub looks: i32,
    /// For how many seconds it has been in doubt.
    pub doubt_age: f64,
    /// When the intent was made durable, by the database's clock.
    pub intent_at: Option<jiff::Timestamp>,
    /// How many seconds before this was read that was.
    pub intent_age: Option<f64>,
    /// Whether it goes behind live traffic.
    pub backfill: bool,
    /// What it brings to Deskie.
    pub act: Act,
    /// One look decides whether Deskie has it already (rule 11).
    pub ask_first: bool,
    /// Files that go along.
    pub files: Vec<FileRef>,
    /// For how many seconds its files have been waited for.
    pub waited: f64,
    /// When the mapping was asked for it last.
    pub resolved_at: jiff::Timestamp,
    /// How many seconds after it took its place in its lane this was read, and when.
    age: f64,
    /// The same of when the mapping was asked for it last.
    made: f64,
    read_at: Instant,
}

impl Delivery {
    /// A row that has just entered its lane, as a look at the tables would read it; `None` where it is not all there.
    pub fn entered(head: EnteredHead, lane: &Ticket, row: &NewRow<'_>) -> Option<Delivery> {
        Some(Delivery {
            id: head.id,
            ticket_id: lane.id,
            ticket_key: lane.key.clone(),
            case_id: Some(lane.case_id?),
            user_id: lane.user_id,
            custom_id: lane.custom_id.clone(),
            link: head.link,
            section: row.section,
            part: row.part,
            parts: row.parts,
            author: row.author?,
            body: row.body?.clone(),
            opening: None,
            written_at: row.written_at,
            state: row.state,
            call: None,
            attempts: 0,
            looks: 0,
            doubt_age: 0.0,
            intent_at: None,
            intent_age: None,
            backfill: false,
            act: Act::Message,
            ask_first: false,
            files: Vec::new(),
            waited: 0.0,
            resolved_at: head.resolved_at,
            age: 0.0,
            made: 0.0,
            read_at: clock::monotonic(),
        })
    }

    /// As whose message it stands in Deskie.
    pub fn author_there(&self) -> lanes::Author {
        match (self.call, self.user_id) {
            (Some(CallKind::AddNote), _) => lanes::Author::Note,
            (_, Some(user)) if self.author == Kind::Customer => lanes::Author::Customer(user),
            _ => lanes::Author::Staff(None),
        }
    }

    /// For how many seconds it has stood in its lane.
    pub fn age(&self) -> f64 {
        self.age + self.read_at.elapsed().as_secs_f64()
    }

    /// How many seconds ago the mapping was asked for it last.
    pub fn made_ago(&self) -> f64 {
        self.made + self.read_at.elapsed().as_secs_f64()
    }

    /// When the intent was made by Deskie's clock, which said `date` when this had been read `ago`; by the database's
    /// where Deskie did not say.
    pub fn intended_at(&self, date: Option<jiff::Timestamp>, ago: Duration) -> Option<jiff::Timestamp> {
        let age = self.intent_age.filter(|age| *age >= 0.0);
        let by_deskie = date.zip(age).and_then(|(date, age)| {
            let age = Duration::try_from_secs_f64(age).ok()?;
            date.checked_sub(age.checked_add(ago)?).ok()
        });
        by_deskie.or(self.intent_at)
    }
}

words! {
    /// What a delivery brings to Deskie. Rows that a repair holds for a person (`held`) are a delivery as well; nothing is
    /// ever sent of it.
    Act {
        /// A message, the first of a case or a further one.
        Message = "message",
        /// The ticket's status; the body's text is the word.
        Status = "status",
        /// The newer text of a message that was sent.
        Edit = "edit",
        /// An internal note on what the site did to a message.
        Note = "note",
        /// Files that came too late for their message, or did not fit.
        File = "file",
    }
}

/// A durable intent: the call may be begun until `send_within` has passed since it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// When it was made durable, by the server's clock.
    pub at: jiff::Timestamp,
}

/// Nothing that is open stands before it in its lane; a status that Deskie refuses, and a file that cannot be had, hold
/// up no message. One look into an index a row: a backlog of any length costs the site's server no more than its head.
pub(super) const IS_HEAD: &str = "not exists (select from {s}.delivery o where o.ticket_id = d.ticket_id
    and o.state in ('unresolved', 'queued', 'sending', 'doubt', 'parked')
    and not (o.act in ('status', 'file') and o.state = 'parked')
    and (o.position, o.part, o.id) < (d.position, d.part, d.id))
    and not exists (select from {s}.parked_event p where p.ticket_id = d.ticket_id and p.position < d.position)";

/// What [`delivery`] reads, of `delivery d` and `ticket t`. The last one are the texts that go with it.
pub(super) const COLUMNS: &str = "d.id, d.ticket_id, t.key as ticket_key, coalesce(t.merged_into, t.case_id) as case_id,
    t.user_id, t.custom_id, d.link_id, d.section, d.part, d.parts,
    d.author, d.body, d.opening, d.written_at, d.state, d.call, d.attempts, d.looks,
    coalesce(extract(epoch from clock_timestamp() - d.doubt_since), 0)::float8 as doubt_age, d.intent_at, d.backfill, d.act,
    extract(epoch from clock_timestamp() - d.intent_at)::float8 as intent_age, d.files,
    coalesce(extract(epoch from clock_timestamp() - d.waits_since), 0)::float8 as waited,
    (select jsonb_agg(f.body order by f.position, f.part, f.id) filter (where f.body is not null)
        from {s}.delivery f where f.lead = d.id) as followers,
    d.ask is not distinct from 'first' as ask_first, extract(epoch from clock_timestamp() - d.queued_at)::float8 as age,
    d.resolved_at, extract(epoch from clock_timestamp() - d.resolved_at)::float8 as made";

/// `resolved_at` of what the site changed while a call was under way or in doubt.
pub(super) const MADE_BEFORE: &str = "'epoch'::timestamptz";

impl Deliveries<'_, Store> {
    /// The call was not done and is tried again later; where the site has changed the row meanwhile (`MADE_BEFORE`) the
    /// mapping is asked again first, and what was to tell of the change falls away.
    pub async fn retry(self, id: DeliveryId, error: &str, after: Duration) -> Result<(), StoreError> {
        let sql = format!(
            "with d as (update {{s}}.delivery set error = $2, intent_at = null, doubt_since = null, looks = 0,
                state = case when resolved_at = {MADE_BEFORE} then 'unresolved' else 'queued' end,
                ask = case when ask = 'first' then 'asked' end,
                not_before = clock_timestamp() + make_interval(secs => $3)
                where id = $1 and state in ('sending', 'doubt', 'queued') and (select {{s}}.fence($4))
                returning id, link_id, state),
            told as (update {{s}}.delivery o set state = 'skipped', error = 'the row has changed', done_at = now(),
                body = null, edited = null
                from d where d.state = 'unresolved' and o.link_id = d.link_id and o.act in ('edit', 'note')
                  and o.state = 'queued' and o.intent_at is null),
            freed as (update {{s}}.delivery set lead = null, intent_at = null, doubt_since = null,
                state = case when resolved_at = {MADE_BEFORE} then 'unresolved' else 'queued' end
                where lead in (select id from d) returning state)
            select exists (select from d where state = 'unresolved') or exists (select from freed where state = 'unresolved')"
        );
        let rows = self
            .0
            .query(&sql, &[&id.0, &error, &after.as_secs_f64(), &self.0.epoch().0])
            .await?;
        if rows.first().is_some_and(|row| row.get(0)) {
            self.0.wake.events.notify_one();
        }
        Ok(())
    }

    /// It is not known whether Deskie did it.
    pub async fn doubt(self, id: DeliveryId, error: &str, look_after: Duration) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set state = 'doubt', error = $2, looks = 0,
                doubt_since = coalesce(doubt_since, clock_timestamp()),
                not_before = clock_timestamp() + make_interval(secs => $3)
            where (id = $1 or lead = $1) and state = 'sending' and (select {s}.fence($4))";
        self.0
            .execute(
                sql,
                &[&id.0, &error, &look_after.as_secs_f64(), &self.0.epoch().0],
            )
            .await?;
        Ok(())
    }

    /// It was looked for and not found so far.
    pub async fn look_again(self, id: DeliveryId, error: &str, after: Duration) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set looks = looks + 1, error = $2,
                not_before = clock_timestamp() + make_interval(secs => $3)
            where id = $1 and state = 'doubt' and (select {s}.fence($4))";
        self.0
            .execute(sql, &[&id.0, &error, &after.as_secs_f64(), &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// Calls that another epoch began and did not finish come into doubt; they are not judged before the call can
    /// no longer be under way: `send_before` plus the time-out.
    pub async fn adopt(self, timeout: Duration) -> Result<u64, StoreError> {
        let sql = "update {s}.delivery set state = 'doubt', doubt_since = clock_timestamp(), looks = 0,
                error = 'the connector was stopped during the call',
                not_before = least(greatest(clock_timestamp(), send_before + make_interval(secs => $2)),
                                   clock_timestamp() + interval '10 minutes')
            where state = 'sending' and epoch < $1 and (select {s}.fence($1))";
        self.0
            .execute(sql, &[&self.0.epoch().0, &timeout.as_secs_f64()])
            .await
    }

    /// A delivery waits for a person (rule 10); `answer`: what Deskie answered, where it refused.
    pub async fn park(self, id: DeliveryId, error: &str, answer: Option<&str>) -> Result<(), StoreError> {
        let sql = "with d as (update {s}.delivery set state = 'parked', error = $2, answer = $4
                where id = $1 and state in ('unresolved', 'queued', 'sending', 'doubt') and (select {s}.fence($3))
                returning link_id, ticket_id, id, doubt_since is not null as doubted),
            -- What went with it is in doubt as well; refused, it goes by itself.
            f as (update {s}.delivery m set state = case when doubted then 'parked' else 'queued' end,
                    error = case when doubted then $2 end, lead = case when doubted then m.lead end,
                    intent_at = case when doubted then m.intent_at end
                from d where m.lead = d.id returning case when doubted then m.link_id end as link_id),
            l as (update {s}.link set state = 'parked', reason = $2
                where id in (select link_id from d union all select link_id from f))
            insert into {s}.journal (ticket_id, what, detail)
            select ticket_id, 'delivery parked', 'delivery ' || id || ': ' || $2 from d";
        self.0
            .execute(sql, &[&id.0, &error, &self.0.epoch().0, &answer])
            .await?;
        Ok(())
    }

    /// The same where Deskie has done it or may have: what it answered cannot be true, or nobody knows what it means. Who looks at
    /// it is told so.
    pub async fn park_doubted(
        self,
        id: DeliveryId,
        error: &str,
        answer: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set doubt_since = coalesce(doubt_since, clock_timestamp())
            where id = $1 and state in ('sending', 'doubt') and (select {s}.fence($2))";
        self.0.execute(sql, &[&id.0, &self.0.epoch().0]).await?;
        self.park(id, error, answer).await
    }

    /// A delivery turns out not to be for Deskie.
    pub async fn skip(self, id: DeliveryId, reason: &str) -> Result<(), StoreError> {
        let sql =
            "with d as (update {s}.delivery set state = 'skipped', error = $2, done_at = now(), image = null
                where id = $1 and state in ('unresolved', 'queued', 'sending') and (select {s}.fence($3))
                returning link_id, files)
            update {s}.link set state = 'skipped', reason = $2 where id in (select link_id from d
                union all select (f->>'link')::int8 from d, jsonb_array_elements(d.files) f)";
        self.0.execute(sql, &[&id.0, &reason, &self.0.epoch().0]).await?;
        self.0.wake.lanes.notify_one();
        Ok(())
    }

    /// A queued delivery lacks what create_case needs: it is resolved again.
    pub async fn unresolve(self, id: DeliveryId) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set state = 'unresolved', not_before = now()
            where id = $1 and state = 'queued' and (select {s}.fence($2))";
        self.0.execute(sql, &[&id.0, &self.0.epoch().0]).await?;
        self.0.wake.events.notify_one();
        Ok(())
    }

    /// The rows at the head of their lanes that are to be resolved again.
    pub async fn unresolved(self, limit: i64) -> Result<Vec<Unresolved>, StoreError> {
        let sql = format!(
            "select {UNRESOLVED}
             where d.state = 'unresolved' and d.not_before <= now() and not exists (select from {{s}}.hold) and {IS_HEAD}
             order by d.id limit $1"
        );
        self.0
            .query(&sql, &[&limit])
            .await?
            .iter()
            .map(unresolved)
            .collect()
    }

    /// The rows of which the mapping could not tell the ticket and which a person wants to be tried again: the link, its
    /// key, the row, its place, and when it was committed.
    pub async fn strays(self, limit: i64) -> Result<Vec<Stray>, StoreError> {
        let sql =
            "select d.id, d.link_id, l.key, coalesce(d.image, '{}') as image, d.position, coalesce(d.written_at, 0) as committed_at, d.failures
            from {s}.delivery d join {s}.link l on l.id = d.link_id
            where d.ticket_id is null and d.state = 'unresolved' and d.not_before <= now()
                and not exists (select from {s}.hold) order by d.id limit $1";
        let read = |row: &tokio_postgres::Row| Stray {
            id: row.get("id"),
            link: row.get("link_id"),
            key: row.get("key"),
            image: row.get("image"),
            position: row.get("position"),
            committed_at: row.get("committed_at"),
            failures: row.get("failures"),
        };
        Ok(self.0.query(sql, &[&limit]).await?.iter().map(read).collect())
    }

    /// Our deliveries of a ticket whose message in Deskie is not known: in doubt, parked out of doubt, given up out of
    /// doubt (it stands there, a person said), or the first message of a case, whose number create_case does not tell.
    /// Those of tickets whose cases were merged into this one's, too.
    pub async fn unidentified(self, ticket: LaneId) -> Result<Vec<Delivery>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from {{s}}.delivery d join {{s}}.ticket t on t.id = d.ticket_id
            where {} order by d.position, d.part, d.id",
            unidentified_of("$1")
        );
        self.0
            .query(&sql, &[&ticket])
            .await?
            .iter()
            .map(delivery)
            .collect()
    }

    /// What the ticket's case was opened with.
    pub async fn opening(self, ticket: LaneId) -> Result<Option<Opening>, StoreError> {
        let sql = format!("select {}", opening_of("$1"));
        let rows = self.0.query(&sql, &[&ticket]).await?;
        opening(rows.first().and_then(|row| row.get(0)))
    }
}

/// What [`Deliveries::unidentified`] finds, as a condition on `d`.
pub(super) fn unidentified_of(ticket: &str) -> String {
    format!(
        "d.ticket_id in (select {ticket} union all
                select o.id from {{s}}.ticket o join {{s}}.ticket t on o.merged_into = t.case_id where t.id = {ticket})
          and d.message_id is null and d.body is not null and d.act in ('message', 'note', 'file') and d.lead is null
          and (d.state in ('sending', 'doubt') or (d.state in ('parked', 'discarded') and d.doubt_since is not null)
               or (d.state = 'delivered' and d.call = 'create_case'))"
    )
}

/// What the case of a ticket was opened with, as an expression.
pub(super) fn opening_of(ticket: &str) -> String {
    format!(
        "(select opening from (
            select id, opening from {{s}}.delivery where ticket_id = {ticket}
            union all select 0, opening from {{s}}.birth where ticket_id = {ticket}
            union all select -1, opening from {{s}}.ticket where id = {ticket}) found
        where opening is not null order by id limit 1)"
    )
}

/// The same, read.
pub(super) fn opening(stored: Option<Value>) -> Result<Option<Opening>, StoreError> {
    let opening = stored.map(serde_json::from_value).transpose();
    opening.map_err(|error| StoreError::Damaged(format!("delivery.opening: {error}")))
}

/// What [`unresolved`] reads.
pub(super) const UNRESOLVED: &str = "d.id, d.ticket_id, t.key as ticket_key, t.case_id is not null as has_case, d.link_id,
    d.section, d.image, coalesce(extract(epoch from clock_timestamp() - d.waits_since), 0)::float8 as waited, d.attempts,
    d.written_at, l.key, d.error, d.failures, d.author is not null as is_again
    from {s}.delivery d join {s}.ticket t on t.id = d.ticket_id join {s}.link l on l.id = d.link_id";

pub(super) fn unresolved(row: &tokio_postgres::Row) -> Result<Unresolved, StoreError> {
    Ok(Unresolved {
        id: row.get("id"),
        ticket_id: row.get("ticket_id"),
        ticket_key: TicketKey(row.get("ticket_key")),
        has_case: row.get("has_case"),
        link: row.get("link_id"),
        section: word(row, "section")?,
        image: row.get::<_, Option<Value>>("image").unwrap_or(Value::Null),
        waited: row.get("waited"),
        attempts: row.get("attempts"),
        committed_at: row.get::<_, Option<i64>>("written_at").unwrap_or_default(),
        key: row.get("key"),
        error: row.get("error"),
        is_again: row.get("is_again"),
        failures: row.get("failures"),
    })
}

pub(super) fn delivery(row: &tokio_postgres::Row) -> Result<Delivery, StoreError> {
    let damaged = |error: serde_json::Error| {
        StoreError::Damaged(format!("delivery {}: {error}", row.get::<_, i64>("id")))
    };
    let body: Option<Value> = row.get("body");
    let followers: Option<Vec<Body>> = row
        .get::<_, Option<Value>>("followers")
        .map(serde_json::from_value)
        .transpose()
        .map_err(damaged)?;
    let mut body: Body = serde_json::from_value(body.unwrap_or(Value::Null)).map_err(damaged)?;
    if let Some(followers) = followers {
        body = text::joined(std::iter::once(&body).chain(&followers));
    }
    let opening: Option<Value> = row.get("opening");
    let files: Option<Value> = row.get("files");
    Ok(Delivery {
        id: row.get("id"),
        ticket_id: row.get("ticket_id"),
        ticket_key: TicketKey(row.get("ticket_key")),
        case_id: row.get("case_id"),
        user_id: row.get("user_id"),
        custom_id: row.get("custom_id"),
        link: row.get::<_, Option<LinkId>>("link_id").unwrap_or(LinkId(0)),
        section: word(row, "section")?,
        part: row.get("part"),
        parts: row.get("parts"),
        // What follows up on a message, and a status, has none.
        author: word_or_none(row, "author")?.unwrap_or(Kind::Customer),
        body,
        opening: opening.map(serde_json::from_value).transpose().map_err(damaged)?,
        written_at: row.get::<_, Option<i64>>("written_at").unwrap_or_default(),
        state: word(row, "state")?,
        call: word_or_none(row, "call")?,
        attempts: row.get("attempts"),
        looks: row.get("looks"),
        doubt_age: row.get("doubt_age"),
        intent_at: row.get("intent_at"),
        backfill: row.get("backfill"),
        act: word(row, "act")?,
        intent_age: row.get("intent_age"),
        files: files
            .map(serde_json::from_value)
            .transpose()
            .map_err(damaged)?
            .unwrap_or_default(),
        waited: row.get("waited"),
        ask_first: row.get("ask_first"),
        resolved_at: row.get("resolved_at"),
        age: row.get("age"),
        made: row.get("made"),
        read_at: clock::monotonic(),
    })
}
