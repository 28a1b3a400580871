//! What of the site's changes could not be taken: counted before it is tried by itself, out of the way of all others at
//! the third time, and tried again or given up as a person says (rule 19).

use super::event::event;
use super::{Attempts, Event, Events, ParkedEvents, Step, Store, StoreError};
use crate::model::{DeliveryId, EventId, LaneId, Op, RelationName};

/// Where a change that cannot be taken is shown, and what waits behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The site's key of the ticket, where it can be told.
    pub ticket_key: Option<String>,
    /// The lane whose later things wait behind it.
    pub ticket_id: Option<LaneId>,
    /// Its place there: 0 for the ticket's own row.
    pub position: i64,
}

impl Attempts<'_, Store> {
    /// Counts an attempt at events before it is made, so that it is known should the process die of it.
    pub async fn count_events(self, ids: &[EventId]) -> Result<(), StoreError> {
        let sql =
            "update {s}.event set failures = failures + 1 where id = any($1) and (select {s}.fence($2))";
        self.0.execute(sql, &[&ids, &self.0.epoch().0]).await?;
        let sql =
            "update {s}.parked_event set failures = failures + 1 where id = any($1) and state = 'retry'";
        self.0.execute(sql, &[&ids]).await?;
        Ok(())
    }

    /// The same for rows that wait in their lanes, or in none.
    pub async fn count_deliveries(self, ids: &[DeliveryId]) -> Result<(), StoreError> {
        let sql =
            "update {s}.delivery set failures = failures + 1 where id = any($1) and (select {s}.fence($2))";
        self.0.execute(sql, &[&ids, &self.0.epoch().0]).await?;
        Ok(())
    }

    /// Takes back what was counted for attempts that the process has survived, and that were no matter of these.
    pub async fn take_back(self, events: &[EventId], deliveries: &[DeliveryId]) -> Result<(), StoreError> {
        let events: Vec<i64> = events.iter().map(|id| id.0).collect();
        let deliveries: Vec<i64> = deliveries.iter().map(|id| id.0).collect();
        for (table, ids) in [
            ("event", &events),
            ("parked_event", &events),
            ("delivery", &deliveries),
        ] {
            let sql = format!(
                "update {{s}}.{table} set failures = failures - 1 where id = any($1) and failures > 0 and (select {{s}}.fence($2))"
            );
            self.0.execute(&sql, &[ids, &self.0.epoch().0]).await?;
        }
        Ok(())
    }
}

impl ParkedEvents<'_, Store> {
    /// The parked changes that a person wants to be tried again, in order.
    pub async fn retried(self) -> Result<Vec<Event>, StoreError> {
        let sql = "select id, xid::text, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, echo, failures,
                found
            from {s}.parked_event where state = 'retry' order by id limit 200";
        self.0.query(sql, &[]).await?.iter().map(event).collect()
    }
}

impl Events<'_, Step<'_>> {
    /// Parks a change that cannot be taken; one that was parked before is parked again.
    pub async fn park(self, id: EventId, place: &Place, error: &str) -> Result<(), StoreError> {
        let sql = "with e as (delete from {s}.event where id = $1 returning *),
            p as (insert into {s}.parked_event (id, xid, commit_lsn, committed_at, schema_name, table_name, op, image,
                    old_key, echo, found, failures, ticket_key, ticket_id, position, error)
                select id, xid, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, echo, found, failures,
                    $2, $3, $4, $5 from e returning id),
            again as (update {s}.parked_event set state = 'parked', error = $5, parked_at = now()
                where id = $1 and state = 'retry' returning id)
            insert into {s}.journal (ticket_id, what, detail)
            select $3::int8, 'change parked', 'e' || id || ': ' || $5 from (select id from p union all select id from again) parked";
        self.0
            .execute(
                sql,
                &[
                    &id.0,
                    &place.ticket_key,
                    &place.ticket_id,
                    &place.position,
                    &error,
                ],
            )
            .await?;
        Ok(())
    }
}

impl ParkedEvents<'_, Step<'_>> {
    /// A parked change was taken after all.
    pub async fn done(self, id: EventId) -> Result<(), StoreError> {
        self.0
            .execute("delete from {s}.parked_event where id = $1", &[&id.0])
            .await?;
        Ok(())
    }

    /// The row of a parked change changed since: what is tried again is the newest version; what the site deleted meanwhile
    /// is not tried at all. `key`: the cells of the row's key; absent where the whole table was emptied.
    pub async fn overtaken(
        self,
        relation: &RelationName,
        key: Option<&serde_json::Value>,
        by: &Event,
    ) -> Result<(), StoreError> {
        let (schema, table) = (&relation.schema, &relation.table);
        if matches!(by.op, Op::Delete | Op::Truncate) {
            let sql = "with gone as (delete from {s}.parked_event
                    where schema_name = $1 and table_name = $2 and op in ('I', 'U') and id < $4
                      and ($3::jsonb is null or image @> $3::jsonb)
                    returning id, ticket_id)
                insert into {s}.journal (ticket_id, what, detail)
                select ticket_id, 'change dropped', 'e' || id || ': the site deleted the row' from gone";
            self.0.execute(sql, &[schema, table, &key, &by.id.0]).await?;
        } else {
            let sql = "update {s}.parked_event set image = image || $4::jsonb
                where schema_name = $1 and table_name = $2 and op in ('I', 'U') and image @> $3::jsonb and id < $5";
            self.0
                .execute(sql, &[schema, table, &key, &by.image, &by.id.0])
                .await?;
        }
        Ok(())
    }
}

impl Attempts<'_, Step<'_>> {
    /// Work on these rows went well.
    pub async fn went_well(self, ids: &[DeliveryId]) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set failures = 0 where id = any($1) and failures > 0";
        self.0.execute(sql, &[&ids]).await?;
        Ok(())
    }
}
