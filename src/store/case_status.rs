//! The status of a case and of its ticket, both ways. It is a state: only the newest counts, in either direction.
//!
//! `ticket.status` is what both sides have. What Deskie says differs from it: a row of `status_write` until the site
//! has it. What the site says differs from it: a delivery of act `status` until Deskie has it. While the second is
//! open the first is not made, and making the second ends the first: the site's people and Deskie's cannot both win.

use super::{CaseStatuses, Delivery, Opening, StatusWrites, Step, Store, StoreError};
use crate::model::{CallKind, CaseId, LaneId};

/// A status as Deskie shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenStatus {
    pub case_id: CaseId,
    /// `open`, `waiting` or `closed`.
    pub status: String,
    /// When Deskie last changed the case.
    pub at: jiff::Timestamp,
}

/// A status that waits for being written to the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusWrite {
    pub ticket_id: LaneId,
    /// The word.
    pub status: String,
    /// How often writing failed for a passing reason.
    pub attempts: i32,
}

/// What is known of a ticket's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusKnown {
    /// It has a case.
    pub has_case: bool,
    /// What Deskie has; `None` where a message may have changed it since we learned it.
    pub deskie: Option<String>,
    /// What the mapping last gave for the site's row.
    pub site: Option<String>,
}

/// Queues a status; `of` gives the ticket, the place in its lane, and the word.
pub(super) fn queue(of: &str) -> String {
    format!(
        "insert into {{s}}.delivery as d (ticket_id, position, body, section, act, author, state)
        select q.ticket_id, q.position, jsonb_build_object('text', q.status, 'html', ''), 'ticket', 'status', 'agent', 'queued'
        from (select {of}) q (ticket_id, position, status)
        on conflict (ticket_id) where act = 'status' do update set position = excluded.position, body = excluded.body,
            state = case when d.state in ('sending', 'doubt') then d.state else 'queued' end,
            intent_at = case when d.state in ('sending', 'doubt') then d.intent_at end,
            attempts = 0, not_before = now(), queued_at = now(), error = null, done_at = null"
    )
}

impl CaseStatuses<'_, Store> {
    /// Compares statuses that Deskie shows with what is known. With `write`, what is new there is to be written to the
    /// site; else it is only noted. Returns how many are to be written.
    pub async fn seen(self, cases: &[SeenStatus], write: bool) -> Result<u64, StoreError> {
        let ids: Vec<i64> = cases.iter().map(|case| case.case_id.0).collect();
        let words: Vec<&str> = cases.iter().map(|case| case.status.as_str()).collect();
        let times: Vec<jiff::Timestamp> = cases.iter().map(|case| case.at).collect();
        let sql = "with seen as (
                select distinct on (case_id) * from unnest($1::int8[], $2::text[], $3::timestamptz[]) u (case_id, status, at)
                order by case_id, at desc),
            news as (
                select t.id, s.status, s.at, t.status as known from seen s join {s}.ticket t using (case_id)
                where not t.gone and (t.status_at is null or s.at >= t.status_at) and (select {s}.fence($5))
                  and not exists (select from {s}.delivery d where d.ticket_id = t.id and d.act = 'status'
                                  and d.state in ('queued', 'sending', 'doubt'))),
            noted as (
                update {s}.ticket t set status = n.status, status_at = n.at, status_seen_at = clock_timestamp() from news n
                where t.id = n.id and case when n.status is distinct from n.known then not $4
                    else exists (select from {s}.remote r where r.case_id = t.case_id and r.seen_at > t.status_seen_at) end),
            taken_back as (
                delete from {s}.status_write w using news n
                where w.ticket_id = n.id and n.status = n.known and n.at >= w.at)
            insert into {s}.status_write as w (ticket_id, status, at)
            select id, status, at from news where $4 and status is distinct from known
            on conflict (ticket_id) do update set status = excluded.status, at = excluded.at, state = 'pending',
                attempts = 0, not_before = now(), error = null
                where w.status <> excluded.status and excluded.at >= w.at";
        let wanted = self
            .0
            .execute(sql, &[&ids, &words, &times, &write, &self.0.epoch().0])
            .await?;
        if wanted > 0 {
            self.0.wake.ring_remotes();
        }
        Ok(wanted)
    }

    /// Reopens cases that are closed although their customer wrote since, through us: Deskie may leave them so. For each
    /// its closing time. How many.
    pub async fn reopen_stale(self, closed: &[(CaseId, jiff::Timestamp)]) -> Result<usize, StoreError> {
        let ids: Vec<i64> = closed.iter().map(|(case, _)| case.0).collect();
        let times: Vec<jiff::Timestamp> = closed.iter().map(|(_, at)| *at).collect();
        let sql = "select t.id from unnest($1::int8[], $2::timestamptz[]) u (case_id, at)
            join {s}.ticket t using (case_id) where t.customer_at >= u.at and not t.gone
              and not exists (select from {s}.delivery d where d.ticket_id = t.id and d.act = 'status'
                              and d.state in ('queued', 'sending', 'doubt', 'parked'))";
        let stale: Vec<LaneId> = self
            .0
            .query(sql, &[&ids, &times])
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect();
        if stale.is_empty() {
            return Ok(0);
        }
        let mut client = self.0.client().await?;
        let step = self.0.step(&mut client).await?;
        for ticket in &stale {
            let position = step.tickets().next_position().await?;
            step.case_statuses().queue(*ticket, position, "open").await?;
        }
        step.commit().await?;
        self.0.wake.lanes.notify_one();
        Ok(stale.len())
    }
}

impl StatusWrites<'_, Store> {
    /// The statuses that can be written to the site now.
    pub async fn heads(self, limit: i64) -> Result<Vec<StatusWrite>, StoreError> {
        let sql = "select ticket_id, status, attempts from {s}.status_write
            where state = 'pending' and not_before <= clock_timestamp() and not exists (select from {s}.hold)
              and not exists (select from {s}.pause where way = 'to_site')
              and not exists (select from {s}.ticket t where t.id = ticket_id and t.given_to is not null)
            order by seen_at limit $1";
        let read = |row: &tokio_postgres::Row| StatusWrite {
            ticket_id: row.get("ticket_id"),
            status: row.get("status"),
            attempts: row.get("attempts"),
        };
        Ok(self.0.query(sql, &[&limit]).await?.iter().map(read).collect())
    }

    /// A status could not be written for a passing reason.
    pub async fn retry(
        self,
        write: &StatusWrite,
        error: &str,
        after: std::time::Duration,
    ) -> Result<(), StoreError> {
        let sql = "update {s}.status_write set attempts = attempts + 1, error = $3,
                not_before = clock_timestamp() + make_interval(secs => $4)
            where ticket_id = $1 and status = $2 and state = 'pending' and (select {s}.fence($5))";
        self.0
            .execute(
                sql,
                &[
                    &write.ticket_id,
                    &write.status,
                    &error,
                    &after.as_secs_f64(),
                    &self.0.epoch().0,
                ],
            )
            .await?;
        Ok(())
    }

    /// A status cannot be written until a person has mended something; the next change of it is tried all the same.
    pub async fn park(self, write: &StatusWrite, error: &str) -> Result<(), StoreError> {
        let sql = "with parked as (
                update {s}.status_write set state = 'parked', error = $3
                where ticket_id = $1 and status = $2 and state = 'pending' and (select {s}.fence($4)) returning ticket_id)
            insert into {s}.journal (ticket_id, what, detail)
            select ticket_id, 'status parked', $2::text || ': ' || $3::text from parked";
        self.0
            .execute(sql, &[&write.ticket_id, &write.status, &error, &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// A status is not for the site.
    pub async fn skip(self, write: &StatusWrite, reason: &str) -> Result<(), StoreError> {
        let sql = "with w as (
                delete from {s}.status_write where ticket_id = $1 and status = $2 and (select {s}.fence($4)) returning *),
            t as (update {s}.ticket t set status = w.status, status_at = w.at, status_seen_at = clock_timestamp() from w where t.id = w.ticket_id)
            insert into {s}.journal (ticket_id, what, detail)
            select ticket_id, 'status skipped', $2::text || ': ' || $3::text from w";
        self.0
            .execute(
                sql,
                &[&write.ticket_id, &write.status, &reason, &self.0.epoch().0],
            )
            .await?;
        Ok(())
    }
}

impl CaseStatuses<'_, Step<'_>> {
    /// What is known of a ticket's status; holds it until the step ends, so that a write-back of it waits.
    pub async fn known(self, ticket: LaneId) -> Result<Option<StatusKnown>, StoreError> {
        let sql = "select t.case_id is not null as has_case,
                case when not exists (select from {s}.remote r where r.case_id = t.case_id and r.seen_at > t.status_seen_at)
                    then coalesce(w.status, t.status) end as deskie, t.site_status
            from {s}.ticket t left join {s}.status_write w on w.ticket_id = t.id where t.id = $1 for update of t";
        let rows = self.0.query(sql, &[&ticket]).await?;
        Ok(rows.first().map(|row| StatusKnown {
            has_case: row.get("has_case"),
            deskie: row.get("deskie"),
            site: row.get("site_status"),
        }))
    }

    /// What the mapping gives for the site's row now.
    pub async fn set_of_site(self, ticket: LaneId, status: &str) -> Result<(), StoreError> {
        self.0
            .execute(
                "update {s}.ticket set site_status = $2 where id = $1",
                &[&ticket, &status],
            )
            .await?;
        Ok(())
    }

    /// The site changed the ticket's status: Deskie is to have it.
    pub async fn queue(self, ticket: LaneId, position: i64, status: &str) -> Result<(), StoreError> {
        self.0
            .execute("delete from {s}.status_write where ticket_id = $1", &[&ticket])
            .await?;
        let sql = queue("$1::int8, $2::int8, $3::text");
        self.0.execute(&sql, &[&ticket, &position, &status]).await?;
        Ok(())
    }

    /// The site says again what Deskie has: what was not sent yet is not, and what may have been is sent over.
    pub async fn unqueue(self, ticket: LaneId, status: &str) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set body = jsonb_build_object('text', $2::text, 'html', ''),
                state = case when intent_at is null or state = 'parked' then 'skipped' else state end,
                done_at = case when intent_at is null or state = 'parked' then now() end,
                error = 'the status changed back'
            where ticket_id = $1 and act = 'status' and state in ('queued', 'sending', 'doubt', 'parked')";
        self.0.execute(sql, &[&ticket, &status]).await?;
        Ok(())
    }

    /// A case was opened: both sides have this status. What the site has changed since is queued.
    pub async fn opened(
        self,
        ticket: LaneId,
        opening: Option<&Opening>,
        shown: &str,
        at: Option<jiff::Timestamp>,
    ) -> Result<(), StoreError> {
        let asked = opening.and_then(|opening| opening.status.as_deref());
        let sql = "update {s}.ticket set status = coalesce($2, nullif($3, '')), status_at = $4,
                status_seen_at = clock_timestamp() where id = $1
            returning site_status";
        let rows = self.0.query(sql, &[&ticket, &asked, &shown, &at]).await?;
        let site: Option<String> = rows.first().and_then(|row| row.get(0));
        match (site.as_deref(), asked) {
            (Some(now), Some(asked)) if now != asked => self.queue(ticket, 0, now).await,
            _ => Ok(()),
        }
    }

    /// Deskie has the status that was sent; a newer one that came meanwhile is next.
    pub async fn sent(
        self,
        delivery: &Delivery,
        changed_at: Option<jiff::Timestamp>,
        answered_at: Option<jiff::Timestamp>,
    ) -> Result<(), StoreError> {
        let sent = &delivery.body.text;
        let sql = "update {s}.delivery set error = null, answer = null, doubt_since = null,
                state = case when body->>'text' = $2 then 'delivered' else 'queued' end,
                done_at = case when body->>'text' = $2 then clock_timestamp() end
            where id = $1 and state in ('sending', 'doubt')";
        self.0.execute(sql, &[&delivery.id.0, sent]).await?;
        let sql = "update {s}.ticket set status = $2, status_at = coalesce($3, $4, status_at), status_seen_at = clock_timestamp(),
                called_at = coalesce($4, called_at) where id = $1";
        self.0
            .execute(sql, &[&delivery.ticket_id, sent, &changed_at, &answered_at])
            .await?;
        self.0
            .journal()
            .add(
                Some(delivery.ticket_id),
                CallKind::UpdateCase.as_str(),
                &format!("status {sent} (delivery {})", delivery.id),
            )
            .await
    }
}
