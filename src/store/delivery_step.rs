//! What becomes of deliveries inside a step of resolve or deliver.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio_postgres::types::ToSql;

use super::delivery::MADE_BEFORE;
use super::{Deliveries, Delivery, NewDelivery, Resolution, Step, Store, StoreError};
use crate::model::{CallKind, CaseId, DeliveryId, Kind, LaneId, LinkId, MessageId, UserId};

fn json<T: Serialize>(value: &T) -> Result<Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

impl Deliveries<'_, Step<'_>> {
    /// Puts a row into its lane, not resolved yet.
    pub async fn add(self, new: &NewDelivery<'_>) -> Result<DeliveryId, StoreError> {
        let sql = "insert into {s}.delivery (position, ticket_id, link_id, section, image, written_at, backfill, state)
            values ($1, $2, $3, $4, $5, $6, $7, 'unresolved')
            on conflict (link_id, part) do update set state = 'unresolved', image = excluded.image,
                written_at = excluded.written_at, position = excluded.position, ticket_id = excluded.ticket_id, error = null, done_at = null where delivery.state = 'skipped'
            returning id";
        let rows = self
            .0
            .query(
                sql,
                &[
                    &new.position,
                    &new.ticket_id,
                    &new.link.0,
                    &new.section.as_str(),
                    &new.image,
                    &new.committed_at,
                    &new.backfill,
                ],
            )
            .await?;
        rows.first()
            .map(|row| DeliveryId(row.get(0)))
            .ok_or_else(|| StoreError::Damaged(format!("row {} is in its lane already", new.link)))
    }

    /// A row is resolved: it is queued, in parts where it is long.
    pub async fn resolved(self, id: DeliveryId, found: &Resolution) -> Result<(), StoreError> {
        let parts = i32::try_from(found.bodies.len()).unwrap_or(i32::MAX);
        let opening = found.opening.as_ref().map(json).transpose()?;
        let first =
            "update {s}.delivery set state = case when ask = 'first' then 'doubt' else 'queued' end, author = $2, body = $3,
                opening = $4, written_at = $5, parts = $6, files = $7, error = null,
                call = case when ask = 'first' then case when $2 = 'customer' then 'add_message' else call end end, intent_at = case when ask = 'first' then to_timestamp($5::int8) end,
                doubt_since = case when ask = 'first' then clock_timestamp() end, waits_since = null, attempts = 0, not_before = now(),
                resolved_at = now()
            where id = $1 and state = 'unresolved'";
        let rest = "insert into {s}.delivery
                (position, ticket_id, link_id, section, backfill, part, parts, author, body, opening, written_at, files, state,
                 ask, call, intent_at, doubt_since)
            select position, ticket_id, link_id, section, backfill, $2, $3, $4, $5, $6, $7, $8, state,
                ask, call, intent_at, doubt_since
            from {s}.delivery where id = $1
            on conflict (link_id, part) do update set state = excluded.state, position = excluded.position,
                ticket_id = excluded.ticket_id, parts = excluded.parts, author = excluded.author, body = excluded.body,
                opening = excluded.opening, written_at = excluded.written_at, files = excluded.files, ask = excluded.ask,
                call = excluded.call, intent_at = excluded.intent_at, doubt_since = excluded.doubt_since,
                error = null, done_at = null, attempts = 0, not_before = now(), resolved_at = now()
                where delivery.state = 'skipped'";
        if let Some(status) = found.opening.as_ref().and_then(|opening| opening.status.as_ref()) {
            let sql = "update {s}.ticket set site_status = $2
                where id = (select ticket_id from {s}.delivery where id = $1)";
            self.0.execute(sql, &[&id.0, status]).await?;
        }
        for (n, body) in found.bodies.iter().enumerate() {
            let body = json(body)?;
            let part = i32::try_from(n + 1).unwrap_or(i32::MAX);
            // They stand below the whole text.
            let last = n + 1 == found.bodies.len() && !found.files.is_empty();
            let files = last.then(|| json(&found.files)).transpose()?;
            match part {
                1 => {
                    self.0
                        .execute(
                            first,
                            &[
                                &id.0,
                                &found.author.as_str(),
                                &body,
                                &opening,
                                &found.written_at,
                                &parts,
                                &files,
                            ],
                        )
                        .await?
                }
                _ => {
                    self.0
                        .execute(
                            rest,
                            &[
                                &id.0,
                                &part,
                                &parts,
                                &found.author.as_str(),
                                &body,
                                &opening,
                                &found.written_at,
                                &files,
                            ],
                        )
                        .await?
                }
            };
        }
        Ok(())
    }

    /// A row cannot be resolved yet and is tried again `after` that; `dormant`: its ticket is none of ours as it is, so that
    /// nobody waits for it.
    pub async fn wait(
        self,
        id: DeliveryId,
        why: &str,
        after: Duration,
        dormant: bool,
    ) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set error = $2, attempts = attempts + 1, dormant = $4,
                waits_since = coalesce(waits_since, clock_timestamp()),
                not_before = clock_timestamp() + make_interval(secs => $3)
            where id = $1 and state = 'unresolved'";
        self.0
            .execute(sql, &[&id.0, &why, &after.as_secs_f64(), &dormant])
            .await?;
        Ok(())
    }

    /// A row in its lane turns out not to be for Deskie now; it may become so later.
    pub async fn withdraw(self, id: DeliveryId, reason: &str) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set state = 'skipped', error = $2, done_at = now(), image = null where id = $1";
        self.0.execute(sql, &[&id.0, &reason]).await?;
        Ok(())
    }

    /// The same as `Deliveries::park`, inside a step.
    pub async fn park(self, id: DeliveryId, error: &str) -> Result<(), StoreError> {
        let sql =
            "with d as (update {s}.delivery set state = 'parked', error = $2 where id = $1 returning link_id)
            update {s}.link set state = 'parked', reason = $2 where id in (select link_id from d)";
        self.0.execute(sql, &[&id.0, &error]).await?;
        Ok(())
    }

    /// A row whose messages cannot be told, again: one that a person gave up is parked anew, since what it holds now is
    /// something else. False where it was not in question.
    pub async fn park_again(self, link: LinkId, image: &Value, error: &str) -> Result<bool, StoreError> {
        let sql = "with d as (update {s}.delivery set state = 'parked', error = $2, done_at = null,
                    image = coalesce(image, '{}'::jsonb) || $3::jsonb
                where link_id = $1 and ticket_id is null and state in ('unresolved', 'parked', 'discarded')
                returning link_id)
            update {s}.link set state = 'parked', reason = $2 where id in (select link_id from d)";
        Ok(self.0.execute(sql, &[&link.0, &error, &image]).await? > 0)
    }

    /// A row that could not be told can be told now, and goes as its messages.
    pub async fn withdraw_row(self, link: LinkId, reason: &str) -> Result<(), StoreError> {
        let sql = "with d as (update {s}.delivery set state = 'skipped', error = $2, done_at = now(), image = null
                where link_id = $1 and ticket_id is null and state in ('unresolved', 'parked') returning link_id)
            update {s}.link set state = 'skipped', reason = $2 where id in (select link_id from d)";
        self.0.execute(sql, &[&link.0, &reason]).await?;
        Ok(())
    }

    /// What was sent of a row that the site has deleted is forgotten: nothing needs its text, since a message is known by its
    /// number, and what was not sent never will be.
    pub async fn forget(self, link: LinkId) -> Result<(), StoreError> {
        let sql = "update {s}.delivery d set body = null, image = null, edited = null, answer = null
            where d.link_id = $1 and d.body is not null and (d.state = 'skipped' or (d.state = 'discarded' and d.doubt_since is null)
                or (d.state = 'delivered' and (d.message_id is not null or d.act = 'edit'
                    or exists (select from {s}.delivery h where h.id = d.lead and h.message_id is not null))))";
        self.0.execute(sql, &[&link.0]).await?;
        Ok(())
    }

    /// Drops what the site deleted before it was sent, and what was to follow up on that. Returns how many deliveries that were.
    /// What tells of a ticket's own row, which is no message itself, stays.
    pub async fn drop_unsent(self, link: LinkId, reason: &str) -> Result<u64, StoreError> {
        let sql = "update {s}.delivery set state = 'skipped', error = $2, done_at = now(), image = null, body = null,
                edited = null, opening = null
            where link_id = $1 and act <> 'file' and (state = 'unresolved' or (state = 'queued' and intent_at is null))
              and not exists (select from {s}.delivery o where o.link_id = $1 and o.state
                              in ('sending', 'doubt', 'delivered', 'parked'))
              and exists (select from {s}.delivery m where m.link_id = $1 and m.act = 'message')";
        self.0.execute(sql, &[&link.0, &reason]).await
    }

    /// A newer version of a row that is not resolved yet; one that is parked, or of which a call is under way, has it for the
    /// next attempt. What was found in the table has the key alone: all else is read anew.
    pub async fn newer_image(self, link: LinkId, image: &Value, found: bool) -> Result<(), StoreError> {
        let sql = format!(
            "update {{s}}.delivery set
                image = case when $3 then '{{}}'::jsonb else coalesce(image, '{{}}'::jsonb) end || $2::jsonb,
                not_before = case when state in ('unresolved', 'parked') then now() else not_before end,
                resolved_at = case when state = 'unresolved' or body is null then resolved_at else {MADE_BEFORE} end
            where link_id = $1 and (state = 'unresolved' or state = 'parked' and body is null
                or state in ('sending', 'doubt', 'parked')
                    and act = 'message' and part = 1 and parts = 1 and image is not null)"
        );
        self.0.execute(&sql, &[&link.0, &image, &found]).await?;
        Ok(())
    }

    /// The site handed a row that is not resolved yet to another ticket, or it can be told now which one it is of. False where
    /// it is resolved.
    pub async fn move_to(self, link: LinkId, ticket: LaneId) -> Result<bool, StoreError> {
        let sql = "with moved as (update {s}.delivery set ticket_id = $2, not_before = now(), state = 'unresolved'
                where link_id = $1 and (state = 'unresolved' or (state = 'parked' and ticket_id is null)) returning link_id)
            update {s}.link set ticket_id = $2, state = 'queued', reason = null where id in (select link_id from moved)";
        Ok(self.0.execute(sql, &[&link.0, &ticket]).await? > 0)
    }

    /// Something of a ticket changed: what waits in its lane is looked at again.
    pub async fn wake(self, ticket: LaneId) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set not_before = now() where ticket_id = $1 and state = 'unresolved'";
        self.0.execute(sql, &[&ticket]).await?;
        Ok(())
    }

    /// create_case was done: the ticket has its case. One that was found after a lost answer (`answered_at` is absent) is
    /// read, since it may have been answered long ago, when nobody knew whose it was.
    pub async fn done_case(
        self,
        delivery: &Delivery,
        (case, number, held): (CaseId, &str, &str),
        user: UserId,
        answered_at: Option<jiff::Timestamp>,
    ) -> Result<(), StoreError> {
        let opening = delivery.opening.as_ref();
        let channel = opening.and_then(|opening| opening.channel.as_deref());
        let custom_id = opening.and_then(|opening| opening.custom_id.as_deref());
        let named_by = opening.and_then(|opening| opening.named_by.as_ref());
        let sql = "update {s}.ticket set case_id = $2, case_number = nullif($3, ''), case_key = $8, user_id = $4, channel = $5, custom_id = $6,
                named_by = $9,
                opened_at = clock_timestamp(), called_at = $7::timestamptz,
                read_wanted = case when $7::timestamptz is null then least(coalesce(read_wanted, 2), 2) else read_wanted end,
                read_wanted_at = case when $7::timestamptz is null then clock_timestamp() else read_wanted_at end
            where id = $1";
        self.0
            .execute(
                sql,
                &[
                    &delivery.ticket_id,
                    &case.0,
                    &number,
                    &user.0,
                    &channel,
                    &custom_id,
                    &answered_at,
                    &held,
                    &named_by,
                ],
            )
            .await?;
        self.0
            .execute("delete from {s}.foreign_case where case_id = $1", &[&case.0])
            .await?;
        self.delivered(delivery).await?;
        self.0
            .journal()
            .add(
                Some(delivery.ticket_id),
                CallKind::CreateCase.as_str(),
                &format!("case {case} ({number})"),
            )
            .await
    }

    async fn delivered(self, delivery: &Delivery) -> Result<(), StoreError> {
        let sql = format!("with {LEADS}, {DELIVERED} select exists (select from d where id = $1)");
        let links = delivery.file_links();
        let rows = self
            .0
            .query(
                &sql,
                &[&delivery.id.0, &None::<i64>, &links, &self.0.store.epoch().0],
            )
            .await?;
        is_under_way(delivery, &rows)
    }
}

/// The fence of what is stored; `$4`: our epoch.
const LEADS: &str = "f as materialized (select {s}.fence($4) as leads)";

/// The same once the row of the ticket `$6` is locked, as resolving locks it: the ticket first, then what stands in its lane.
const TICKET_FIRST: &str = "k as materialized (select id from {s}.ticket where id = $6 for no key update),
    f as materialized (select {s}.fence($4) as leads from k)";

/// A delivery has reached Deskie, and those that went in the same call with it; `$1`: it, `$2`: the message's number,
/// `$3`: the links of the files that went along, behind [`LEADS`]. `d` is empty where it is not under way: then nothing
/// may be stored.
const DELIVERED: &str = "d as (update {s}.delivery set state = 'delivered', message_id = case when id = $1 then $2::int8 else message_id end,
            error = null, answer = null, image = null, doubt_since = null, done_at = clock_timestamp(),
            body = case when $2::int8 is null or not exists (select from {s}.link g where g.id = link_id and g.gone) then body end
        from f where (id = $1 or lead = $1) and state in ('sending', 'doubt', 'parked')
            and exists (select from {s}.delivery h where h.id = $1 and h.state in ('sending', 'doubt', 'parked'))
        returning id, link_id),
    l as (update {s}.link l set state = 'delivered', reason = null
        where id in (select link_id from d) and not exists (select from {s}.delivery o
            where o.link_id = l.id and o.state <> 'delivered' and o.id not in (select id from d))),
    taken as (update {s}.link set state = 'delivered', reason = null
        where id = any($3) and state = 'queued' and exists (select from d)
            and id not in (select link_id from d where link_id is not null))";

fn is_under_way(delivery: &Delivery, rows: &[tokio_postgres::Row]) -> Result<(), StoreError> {
    match rows.first().is_some_and(|row| row.get(0)) {
        true => Ok(()),
        false => Err(StoreError::Damaged(format!(
            "delivery {} is not under way",
            delivery.id
        ))),
    }
}

/// What add_message or add_note has brought.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// The case that it stands in.
    pub case: CaseId,
    /// Its number: it is ours from now on.
    pub message: MessageId,
    /// When Deskie answered, by its own clock; `None`: the message was found after a lost answer.
    pub at: Option<jiff::Timestamp>,
    /// A case that is closed, as far as is known, is opened again: the customer wrote into it. One that was closed since
    /// we learned of it is found by the sweep.
    pub reopens: bool,
}

/// What stands behind a message that was sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behind {
    /// A webhook of the case waits, which may be about it.
    pub webhook: bool,
    /// Something is to be sent, looked for or read in the lane. What is queued after this was asked rings.
    pub more: bool,
}

impl Deliveries<'_, Store> {
    /// add_message or add_note was done, which is stored in one statement.
    pub async fn sent(self, delivery: &Delivery, sent: &Sent) -> Result<Behind, StoreError> {
        let sql = format!(
            "with {TICKET_FIRST}, {DELIVERED},
            closed as (select id from {{s}}.ticket where id = $6 and $9 and status = 'closed' and exists (select from d)),
            t as (update {{s}}.ticket set called_at = coalesce($7::timestamptz, called_at),
                    customer_at = case when $8 then coalesce($7::timestamptz, clock_timestamp()) else customer_at end
                where id = $6 and exists (select from d)),
            r as (insert into {{s}}.remote (message_id, case_id, ticket_id, state, delivery_id, done_at)
                select $2::int8, $5::int8, $6::int8, 'ours', $1::int8, now() from d where d.id = $1
                on conflict (message_id) do update
                    set state = excluded.state, payload = null, delivery_id = excluded.delivery_id
                    where remote.state in ('pending', 'parked')),
            j as (insert into {{s}}.journal (ticket_id, what, detail)
                select $6::int8, $10::text, 'message ' || $2::int8 from d where d.id = $1),
            w as (delete from {{s}}.status_write where ticket_id in (select id from closed)),
            o as ({})
            select exists (select from d where id = $1),
                exists (select from {{s}}.inbox where case_id = $5 and state = 'waiting') as webhook,
                exists (select from closed) or exists (select from {{s}}.ticket where id = $6 and read_wanted is not null)
                    or exists (select from {{s}}.delivery where ticket_id = $6 and state in ('queued', 'doubt')
                        and id not in (select id from d)) as more",
            super::case_status::queue(
                "id, nextval(pg_get_serial_sequence('{s}.event', 'id')), 'open' from closed"
            ),
        );
        let is_customers = delivery.author == Kind::Customer;
        let call = delivery.call.unwrap_or(CallKind::AddMessage).as_str();
        let values: [&(dyn ToSql + Sync); 10] = [
            &delivery.id.0,
            &sent.message.0,
            &delivery.file_links(),
            &self.0.epoch().0,
            &sent.case.0,
            &delivery.ticket_id,
            &sent.at,
            &is_customers,
            &sent.reopens,
            &call,
        ];
        let rows = self.0.query(&sql, &values).await?;
        is_under_way(delivery, &rows)?;
        Ok(rows.first().map_or(Behind::default(), |row| Behind {
            webhook: row.get("webhook"),
            more: row.get("more"),
        }))
    }
}
