//! What is queued, and of which nothing went to Deskie, is resolved again when the site changes the row that it was made
//! of: it goes as the row stands, to whom it is of now, or not at all. It keeps its place in its lane.

use std::collections::HashSet;

use serde_json::Value;
use tokio_postgres::types::ToSql;

use super::delivery::{MADE_BEFORE, UNRESOLVED, unresolved};
use super::{Deliveries, Step, StoreError, Unresolved, Within};
use crate::model::{DeliveryId, LaneId, LinkId};

/// Takes back what the mapping made of the rows of `delivery d` that `$WHICH` names: further parts and what was to follow
/// up on them fall away, and their files are free again. Nothing is taken back of which a part is on its way.
const AGAIN: &str = "with again as (
        update {s}.delivery d set state = 'unresolved', $SET error = null, edited = null, files = null, attempts = 0,
            waits_since = null, not_before = now(), resolved_at = now()
        where $WHICH and d.act = 'message' and d.part = 1 and d.state = 'queued' and d.intent_at is null and d.image is not null
          and not exists (select from {s}.delivery o where o.link_id = d.link_id and o.act = 'message' and o.part > 1
                          and (o.state not in ('queued', 'skipped') or o.intent_at is not null))
        returning d.id, d.link_id),
    rest as (
        update {s}.delivery o set state = 'skipped', error = 'the row has changed', done_at = now(), body = null, edited = null,
            files = null
        from again a where o.link_id = a.link_id and o.id <> a.id and o.act in ('message', 'edit', 'note')
          and o.state = 'queued' and o.intent_at is null),
    freed as (
        update {s}.link set state = 'seen', reason = null where state = 'queued' and id in (
            select (f->>'link')::int8 from again a join {s}.delivery o on o.link_id = a.link_id and o.act = 'message'
            cross join jsonb_array_elements(o.files) f))
    select id from again";

impl Within<'_> {
    /// Which of these lanes have something queued that is to open a case and was resolved before the ticket's row was changed
    /// at these times.
    pub async fn openings_before(
        self,
        changes: &[(LaneId, jiff::Timestamp)],
    ) -> Result<HashSet<LaneId>, StoreError> {
        let sql = "select distinct u.ticket_id from unnest($1::int8[], $2::timestamptz[]) u (ticket_id, at)
            join {s}.delivery d on d.ticket_id = u.ticket_id and d.opening is not null
                and d.state in ('queued', 'sending', 'doubt') and u.at > d.resolved_at - interval '1 second'";
        let (lanes, times): (Vec<LaneId>, Vec<jiff::Timestamp>) = changes.iter().copied().unzip();
        let rows = self.query(sql, &[&lanes, &times]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

impl Deliveries<'_, Step<'_>> {
    /// The site changed a queued row. `found`: it was found in the table, and all but its key is read anew. `None` where
    /// something of it is on its way or is there.
    pub async fn again(
        self,
        link: LinkId,
        image: &Value,
        found: bool,
    ) -> Result<Option<DeliveryId>, StoreError> {
        let set = "image = case when $3 then '{}'::jsonb else d.image end || $2::jsonb,";
        self.again_where("d.link_id = $1", set, &[&link.0, &image, &found])
            .await
    }

    /// The site changed the row of a ticket without a case, at `committed_at`: what is to open it was made of that row too,
    /// unless it was resolved later, or in this step.
    pub async fn opening_again(
        self,
        ticket: LaneId,
        committed_at: jiff::Timestamp,
    ) -> Result<Option<DeliveryId>, StoreError> {
        // What a transaction wrote is visible a moment after the time that its commit bears.
        let which = "d.id = (select o.id from {s}.delivery o where o.ticket_id = $1 and o.opening is not null
                and o.state = 'queued' order by o.position, o.part, o.id limit 1)
            and d.section = 'message' and d.resolved_at < now() and $2 > d.resolved_at - interval '1 second'";
        let under_way = format!(
            "update {{s}}.delivery set resolved_at = {MADE_BEFORE}
            where ticket_id = $1 and opening is not null and state in ('sending', 'doubt') and section = 'message'
              and parts = 1 and image is not null"
        );
        self.0.execute(&under_way, &[&ticket]).await?;
        let first = self.again_where(which, "", &[&ticket, &committed_at]).await?;
        if let Some(first) = first {
            // Should another one have to open the case after all, it is resolved by then.
            let sql = "update {s}.delivery set opening = null, resolved_at = now()
                where ticket_id = $1 and opening is not null and id <> $2 and state = 'queued' and intent_at is null";
            self.0.execute(sql, &[&ticket, &first.0]).await?;
        }
        Ok(first)
    }

    /// The site changed the row of a file that goes along with a queued message.
    pub async fn message_of_file_again(self, file: LinkId) -> Result<Option<DeliveryId>, StoreError> {
        let which = "d.ticket_id = (select ticket_id from {s}.link where id = $1)
            and d.link_id = (select o.link_id from {s}.delivery o, jsonb_array_elements(o.files) f
                where o.ticket_id = d.ticket_id and o.act = 'message' and o.state = 'queued' and (f->>'link')::int8 = $1 limit 1)";
        self.again_where(which, "", &[&file.0]).await
    }

    async fn again_where(
        self,
        which: &str,
        set: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<DeliveryId>, StoreError> {
        let sql = AGAIN.replace("$WHICH", which).replace("$SET", set);
        let rows = self.0.query(&sql, params).await?;
        Ok(rows.first().map(|row| DeliveryId(row.get(0))))
    }

    /// A row that is to be resolved again.
    pub async fn to_resolve(self, id: DeliveryId) -> Result<Option<Unresolved>, StoreError> {
        let sql = format!("select {UNRESOLVED} where d.id = $1 and d.state = 'unresolved'");
        let rows = self.0.query(&sql, &[&id.0]).await?;
        rows.first().map(unresolved).transpose()
    }
}
