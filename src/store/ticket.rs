//! Tickets: one lane each, both ways.

use super::{Step, Store, StoreError, Tickets};
use crate::model::{CaseId, LaneId, TicketKey, UserId};

/// A lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Our number of it.
    pub id: LaneId,
    /// The site's key.
    pub key: TicketKey,
    /// Whether the site deleted its row.
    pub gone: bool,
    /// Deskie's case, once there is one.
    pub case_id: Option<CaseId>,
    /// The number of the case that people see.
    pub case_number: Option<String>,
    /// What the case's ticket field holds.
    pub claim: String,
    /// The case is another ticket's, as it seems.
    pub is_estranged: bool,
    /// The cells of the site's row that said who the customer is, and when it was made, where they are known.
    pub named_by: Option<serde_json::Value>,
    /// Deskie's number of the customer.
    pub user_id: Option<UserId>,
    /// The custom channel of the case.
    pub channel: Option<String>,
    /// The customer's identity in it.
    pub custom_id: Option<String>,
    /// What our last read of the case explains.
    pub case_updated_at: Option<jiff::Timestamp>,
    /// The class and the order of a wanted read.
    pub read_wanted: Option<(i16, jiff::Timestamp)>,
    /// How often the read has failed.
    pub read_attempts: i32,
    /// How many more messages the case showed than we knew, when it was read whole: deleted ones make it less.
    pub read_surplus: Option<i64>,
    /// What the case holds from before is another customer's.
    pub read_from: Option<jiff::Timestamp>,
    /// What the mapping last gave for the status of the site's row.
    pub site_status: Option<String>,
    /// The status that the case has, as far as we know.
    pub case_status: Option<String>,
}

/// What [`ticket`] reads of a ticket `t`; the names stand beside those of a delivery.
pub(super) const COLUMNS: &str = "t.id as lane_id, t.key as lane_key, t.gone as lane_gone, t.case_id as lane_case_id,
    t.case_number as lane_case_number, t.user_id as lane_user_id, t.channel as lane_channel, t.custom_id as lane_custom_id,
    t.case_updated_at as lane_case_updated_at, t.read_wanted as lane_read_wanted, t.read_wanted_at as lane_read_wanted_at,
    t.read_attempts as lane_read_attempts, t.read_surplus as lane_read_surplus, t.read_from as lane_read_from,
    coalesce(t.case_key, t.key) as lane_claim, t.estranged is not null as lane_is_estranged, t.site_status as lane_site_status,
    t.named_by as lane_named_by, t.status as lane_case_status";

/// The ticket whose [`COLUMNS`] the row has.
pub(super) fn ticket(row: &tokio_postgres::Row) -> Ticket {
    let wanted: Option<i16> = row.get("lane_read_wanted");
    let wanted_at: Option<jiff::Timestamp> = row.get("lane_read_wanted_at");
    Ticket {
        id: row.get("lane_id"),
        key: TicketKey(row.get("lane_key")),
        gone: row.get("lane_gone"),
        case_id: row.get("lane_case_id"),
        case_number: row.get("lane_case_number"),
        named_by: row.get("lane_named_by"),
        user_id: row.get("lane_user_id"),
        channel: row.get("lane_channel"),
        custom_id: row.get("lane_custom_id"),
        case_updated_at: row.get("lane_case_updated_at"),
        read_wanted: wanted.zip(wanted_at),
        read_attempts: row.get("lane_read_attempts"),
        read_surplus: row.get::<_, Option<i32>>("lane_read_surplus").map(i64::from),
        read_from: row.get("lane_read_from"),
        claim: row.get("lane_claim"),
        is_estranged: row.get("lane_is_estranged"),
        site_status: row.get("lane_site_status"),
        case_status: row.get("lane_case_status"),
    }
}

/// A case in the list of recently updated ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenCase {
    pub case_id: CaseId,
    /// When Deskie last changed it.
    pub updated_at: jiff::Timestamp,
}

impl Tickets<'_, Store> {
    /// One lane.
    pub async fn get(self, id: LaneId) -> Result<Option<Ticket>, StoreError> {
        let rows = self
            .0
            .query(
                &format!("select {COLUMNS} from {{s}}.ticket t where id = $1"),
                &[&id],
            )
            .await?;
        Ok(rows.first().map(ticket))
    }

    /// The newest tickets that have cases.
    pub async fn newest(self, limit: i64) -> Result<Vec<Ticket>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from {{s}}.ticket t where case_id is not null and not gone order by id desc limit $1"
        );
        Ok(self.0.query(&sql, &[&limit]).await?.iter().map(ticket).collect())
    }

    /// The lane of a case.
    pub async fn of_case(self, case: CaseId) -> Result<Option<Ticket>, StoreError> {
        let sql = format!("select {COLUMNS} from {{s}}.ticket t where case_id = $1");
        Ok(self.0.query(&sql, &[&case.0]).await?.first().map(ticket))
    }

    /// All lanes of a key, the newest generation first.
    pub async fn of_key(self, key: &str) -> Result<Vec<Ticket>, StoreError> {
        let sql = format!("select {COLUMNS} from {{s}}.ticket t where key = $1 order by generation desc");
        Ok(self.0.query(&sql, &[&key]).await?.iter().map(ticket).collect())
    }

    /// Asks for a read of a ticket's case (class: 0 webhook, 2 sweep, 3 at leisure); the more urgent class wins. One
    /// that was merged into another ticket's is read by that one.
    pub async fn want_read(
        self,
        id: LaneId,
        class: i16,
        after: std::time::Duration,
    ) -> Result<(), StoreError> {
        let sql = "update {s}.ticket set read_wanted = least(coalesce(read_wanted, $2), $2),
                read_wanted_at = clock_timestamp(),
                read_not_before = clock_timestamp() + make_interval(secs => $3)
            where id = coalesce((select p.id from {s}.ticket t join {s}.ticket p on p.case_id = t.merged_into
                                 where t.id = $1), $1)";
        self.0.execute(sql, &[&id, &class, &after.as_secs_f64()]).await?;
        self.0.wake.lanes.notify_one();
        Ok(())
    }

    /// A read failed and is tried again later.
    pub async fn read_failed(
        self,
        id: LaneId,
        error: &str,
        after: std::time::Duration,
    ) -> Result<(), StoreError> {
        self.read_ended(id, error, false, after).await
    }

    /// Deskie's own word is that this case may not be read: it is asked again later, and a person is told.
    pub async fn read_refused(
        self,
        id: LaneId,
        error: &str,
        after: std::time::Duration,
    ) -> Result<(), StoreError> {
        self.read_ended(id, error, true, after).await
    }

    async fn read_ended(
        self,
        id: LaneId,
        error: &str,
        refused: bool,
        after: std::time::Duration,
    ) -> Result<(), StoreError> {
        let sql =
            "update {s}.ticket set read_error = $2, read_refused = $3, read_attempts = read_attempts + 1,
                read_not_before = clock_timestamp() + make_interval(secs => $4)
            where id = $1 and (select {s}.fence($5))";
        let after = after.as_secs_f64();
        self.0
            .execute(sql, &[&id, &error, &refused, &after, &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// Compares cases that were updated with what our reads and our own calls explain, and asks for the others to be
    /// read. A case whose last update may be our own call is read half a minute later, not at once.
    /// Returns how many were asked for, and the cases that are not known at all.
    pub async fn sweep(self, cases: &[SeenCase]) -> Result<(u64, Vec<CaseId>), StoreError> {
        let ids: Vec<i64> = cases.iter().map(|case| case.case_id.0).collect();
        let times: Vec<jiff::Timestamp> = cases.iter().map(|case| case.updated_at).collect();
        let sql = "with seen as (select * from unnest($1::int8[], $2::timestamptz[]) as u (case_id, at))
            update {s}.ticket t set
                read_wanted = least(coalesce(read_wanted, 3), case when own then 3 else 2 end),
                read_wanted_at = coalesce(read_wanted_at, clock_timestamp()),
                read_not_before = case
                    when own and read_wanted is null then clock_timestamp() + interval '30 seconds'
                    when own or read_error is not null then read_not_before end
            from (select s.case_id, s.at, t.called_at is not null
                    and s.at between t.called_at - interval '2 seconds' and t.called_at + interval '1 second' as own
                  from seen s join {s}.ticket t using (case_id)) s
            where t.case_id = s.case_id and t.merged_into is null and (t.case_updated_at is null or s.at > t.case_updated_at)
              and (t.read_wanted is null or t.read_wanted > case when own then 3 else 2 end)
              and (select {s}.fence($3))";
        let wanted = self.0.execute(sql, &[&ids, &times, &self.0.epoch().0]).await?;
        let unknown = "select u from unnest($1::int8[]) u
            where not exists (select from {s}.ticket t where t.case_id = u)
              and not exists (select from {s}.foreign_case f where f.case_id = u)";
        let unknown = self
            .0
            .query(unknown, &[&ids])
            .await?
            .iter()
            .map(|row| CaseId(row.get(0)))
            .collect();
        if wanted > 0 {
            self.0.wake.lanes.notify_one();
        }
        Ok((wanted, unknown))
    }
}

impl Tickets<'_, Step<'_>> {
    /// The lane of a key that the site uses now; made where there is none. A lane whose row is gone is another one,
    /// unless `revive` says that the row only moved.
    pub async fn find_or_add(self, key: &TicketKey) -> Result<Ticket, StoreError> {
        let newest =
            format!("select {COLUMNS} from {{s}}.ticket t where key = $1 order by generation desc limit 1");
        let rows = self.0.query(&newest, &[&key.0]).await?;
        if let Some(found) = rows.first().map(ticket).filter(|found| !found.gone) {
            return Ok(found);
        }
        let sql = format!(
            "insert into {{s}}.ticket as t (key, generation)
             select $1, coalesce(max(generation), 0) + 1 from {{s}}.ticket where key = $1 returning {COLUMNS}"
        );
        let rows = self.0.query(&sql, &[&key.0]).await?;
        rows.first()
            .map(ticket)
            .ok_or_else(|| StoreError::Damaged("ticket_find_or_add gave no row".into()))
    }

    /// One lane.
    pub async fn by_id(self, id: LaneId) -> Result<Option<Ticket>, StoreError> {
        let sql = format!("select {COLUMNS} from {{s}}.ticket t where id = $1");
        Ok(self.0.query(&sql, &[&id]).await?.first().map(ticket))
    }

    /// Whether anything was ever put into a lane.
    pub async fn has_deliveries(self, id: LaneId) -> Result<bool, StoreError> {
        let sql = "select exists (select from {s}.delivery where ticket_id = $1)";
        Ok(self
            .0
            .query(sql, &[&id])
            .await?
            .first()
            .is_some_and(|row| row.get(0)))
    }

    /// A position before everything that will be captured from now on.
    pub async fn next_position(self) -> Result<i64, StoreError> {
        let sql = "select nextval(pg_get_serial_sequence($1, 'id'))";
        let rows = self.0.query(sql, &[&self.0.store.sql("{s}.event")]).await?;
        rows.first()
            .map(|row| row.get(0))
            .ok_or_else(|| StoreError::Damaged("the table event has no sequence".into()))
    }

    /// The newest lane of a key, gone or not.
    pub async fn newest(self, key: &str) -> Result<Option<Ticket>, StoreError> {
        let sql =
            format!("select {COLUMNS} from {{s}}.ticket t where key = $1 order by generation desc limit 1");
        Ok(self.0.query(&sql, &[&key]).await?.first().map(ticket))
    }

    /// The site changed the ticket's key: the lane, its case and all that waits in it go with it.
    pub async fn set_key(self, old: &str, new: &str) -> Result<(), StoreError> {
        let sql = "update {s}.ticket set key = $2, generation = coalesce(
                (select max(o.generation) from {s}.ticket o where o.key = $2), 0) + 1
            where id = (select id from {s}.ticket where key = $1 order by generation desc limit 1) and not gone";
        self.0.execute(sql, &[&old, &new]).await?;
        Ok(())
    }

    /// The site deleted the ticket's row, or (false) only moved it.
    pub async fn set_gone(self, id: LaneId, gone: bool) -> Result<(), StoreError> {
        // What its customer is called goes with the row.
        let sql =
            "update {s}.ticket set gone = $2, opening = case when not $2 then opening end where id = $1";
        self.0.execute(sql, &[&id, &gone]).await?;
        Ok(())
    }
}
