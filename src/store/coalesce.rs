//! Intents, and messages that go together: with `[message] coalesce` a lane's head takes those with it that wait right
//! behind it. Which ones is written down with the intent, so that a doubt, a crash and an answer are about all of them:
//! `lead` names the head whose call carries a delivery, and the sent text is made of their bodies again whenever it is
//! needed. What was refused or was not done lets go of them.

use std::time::Duration;

use super::{Deliveries, Delivery, Intent, Store, StoreError};
use crate::model::{CallKind, DeliveryId};
use crate::text::Body;

/// What stands behind a head in its lane.
#[derive(Debug, Clone)]
pub struct Follower {
    pub id: DeliveryId,
    /// When the mapping was asked for it last.
    pub resolved_at: jiff::Timestamp,
    pub body: Body,
    /// It is a customer's whole message that was not tried yet, and no agent spoke before it.
    pub joins: bool,
}

/// Why a row is passed over that the site has deleted before it was sent; if it comes back, it is sent after all.
pub const DROPPED: &str = "deleted before it was sent";

/// The most that is looked at.
const MOST: i64 = 100;

impl Deliveries<'_, Store> {
    /// What stands behind a head, in the lane's order. An agent's answer in between is a delivery of its own, or a row
    /// that we wrote or passed over meanwhile.
    pub async fn followers(self, head: &Delivery) -> Result<Vec<Follower>, StoreError> {
        let sql = "select f.id, f.resolved_at, f.body,
                f.state = 'queued' and f.act = 'message' and f.author = 'customer' and f.parts = 1 and f.body is not null
                and coalesce(pg_catalog.jsonb_array_length(f.files), 0) = 0
                and f.intent_at is null and f.lead is null and not f.backfill and f.not_before <= clock_timestamp()
                and not exists (select from {s}.link g where g.id = f.link_id and g.gone)
                and not exists (select from {s}.delivery e where e.link_id in (f.link_id, h.link_id) and e.act = 'edit')
                and not exists (select from {s}.link w where w.ticket_id = f.ticket_id and w.id between h.link_id and f.link_id
                    and w.section = 'message' and (w.state = 'written' or w.reason like 'an agent''s answer%'))
                and not exists (select from {s}.remote r where r.ticket_id = f.ticket_id and r.kind = 'agent'
                    and coalesce(r.done_at, r.seen_at) between h.queued_at and f.queued_at) as joins
            from {s}.delivery f, {s}.delivery h
            where h.id = $1 and f.ticket_id = h.ticket_id and (f.position, f.part, f.id) > (h.position, h.part, h.id)
              and f.state in ('unresolved', 'queued', 'sending', 'doubt', 'parked')
            order by f.position, f.part, f.id limit $2";
        let rows = self.0.query(sql, &[&head.id.0, &MOST]).await?;
        let read = |row: &tokio_postgres::Row| {
            let body = row
                .get::<_, Option<serde_json::Value>>("body")
                .map(serde_json::from_value);
            let body = body.transpose().map_err(|error| {
                StoreError::Damaged(format!("delivery {}: {error}", row.get::<_, i64>("id")))
            })?;
            Ok(Follower {
                id: row.get("id"),
                resolved_at: row.get("resolved_at"),
                body: body.unwrap_or_default(),
                joins: row.get("joins"),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Makes the intent durable before the call (rule 9), for the head and those that go with it; `None` where one of
    /// them is no longer as it was read: the site may have changed it, and it was resolved again. A message whose row the site has deleted meanwhile is not sent any more, however often
    /// it was tried before: what is queued is certainly not in Deskie.
    pub async fn intend(
        self,
        head: &Delivery,
        call: CallKind,
        send_within: Duration,
        with: &[(DeliveryId, jiff::Timestamp)],
    ) -> Result<Option<Intent>, StoreError> {
        let (with, resolved): (Vec<i64>, Vec<jiff::Timestamp>) =
            with.iter().map(|(id, at)| (id.0, *at)).unzip();
        let sql = "with gone as materialized (select d.id, d.link_id, d.files from {s}.delivery d
                join {s}.link l on l.id = d.link_id and l.gone
                where d.id = $1 and d.state = 'queued' and d.act in ('message', 'file') and (select {s}.fence($3))
                  and not exists (select from {s}.event e where e.xid = l.gone_xid)),
            dropped as (update {s}.delivery set state = 'skipped', error = $6, done_at = now(), image = null, body = null
                where id in (select id from gone)),
            unsent as (update {s}.link set state = 'skipped', reason = $6
                where state <> 'delivered' and id in (select link_id from gone
                    union all select (o->>'link')::int8 from gone, jsonb_array_elements(gone.files) o)),
            f as materialized (select d.id from {s}.delivery d
                join unnest($5::int8[], $8::timestamptz[]) w (id, resolved_at) on w.id = d.id and w.resolved_at = d.resolved_at
                where d.state = 'queued' and d.intent_at is null and d.edited is null for no key update of d),
            h as (update {s}.delivery set state = 'sending', call = $2, attempts = attempts + 1, epoch = $3,
                    intent_at = clock_timestamp(), send_before = clock_timestamp() + make_interval(secs => $4),
                    doubt_since = null, looks = 0, ask = case when ask is not null then 'asked' end
                where id = $1 and state = 'queued' and resolved_at = $7 and (select count(*) from f) = cardinality($5)
                  and not exists (select from gone) and (cardinality($5) = 0 or edited is null)
                  and (cardinality($5) = 0 or not exists (select from {s}.delivery e where e.act = 'edit' and e.link_id in
                       (select link_id from {s}.delivery where id = $1 or id = any($5))))
                  and (select {s}.fence($3)) and (select {s}.same_server()) and not exists (select from {s}.hold)
                  and not exists (select from {s}.pause where way = 'to_deskie')
                  and not exists (select from {s}.changed_key) returning id, intent_at, send_before),
            m as (update {s}.delivery d set state = 'sending', call = $2, epoch = $3, lead = h.id,
                    intent_at = h.intent_at, send_before = h.send_before, doubt_since = null, error = null
                from h where d.id in (select id from f))
            select intent_at, set_config('synchronous_commit', 'on', true) from h";
        let rows = self
            .0
            .query(
                sql,
                &[
                    &head.id.0,
                    &call.as_str(),
                    &self.0.epoch().0,
                    &send_within.as_secs_f64(),
                    &with,
                    &DROPPED,
                    &head.resolved_at,
                    &resolved,
                ],
            )
            .await?;
        Ok(rows.first().map(|row| Intent { at: row.get(0) }))
    }
}
