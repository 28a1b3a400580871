//! What is known of the server and of our own position (rule 11), and the lease (rule 13).

use super::{Lease, MetaRow, OpenGap, Store, StoreError};
use crate::model::{Epoch, Lsn};

/// So many rows are pruned in one statement, so that none runs long.
const PRUNE_AT_ONCE: u64 = 2000;

/// The one row of `meta`.
#[derive(Debug, Clone)]
pub struct Meta {
    /// The connector's start.
    pub started_at: jiff::Timestamp,
    /// The server's system identifier.
    pub system_id: Option<String>,
    /// The server's timeline.
    pub timeline: Option<i32>,
    /// The database's name.
    pub database: Option<String>,
    /// Our slot.
    pub slot: Option<String>,
    /// End of the last captured transaction.
    pub captured_lsn: Option<Lsn>,
    /// Whether Deskie keeps the `created_at` that we send.
    pub created_at_kept: Option<bool>,
    /// Cases updated before this have been compared.
    pub swept_to: Option<jiff::Timestamp>,
    /// Cases of the Deskie account from before are not our business.
    pub account_since: Option<jiff::Timestamp>,
    /// Which `[message] expand` the elements from before the start were noted for.
    pub baseline: Option<String>,
    /// What the repair of a gap is at, or what came of the last one.
    pub repair_note: Option<String>,
}

impl Meta {
    /// Since when cases that are born in Deskie are our business.
    pub fn cases_since(&self) -> jiff::Timestamp {
        self.account_since.unwrap_or(self.started_at)
    }
}

/// What was not streamed between a lost slot and the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where capture ended.
    pub from: Lsn,
    /// The last captured commit's time.
    pub since: Option<jiff::Timestamp>,
    /// The last captured transaction; the connector's start where none was captured.
    /// `None`: it was captured on another server, whose transactions say nothing here.
    pub xid: Option<String>,
}

impl MetaRow<'_, Store> {
    /// Reads it.
    pub async fn read(self) -> Result<Meta, StoreError> {
        let rows = self.0
            .query(
                "select started_at, system_id, timeline, database_name, slot, captured_lsn, created_at_kept, swept_to,
                        baseline, account_since, repair_note from {s}.meta",
                &[],
            )
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| StoreError::Damaged("the table meta is empty".into()))?;
        let lsn: Option<tokio_postgres::types::PgLsn> = row.get("captured_lsn");
        Ok(Meta {
            started_at: row.get("started_at"),
            system_id: row.get("system_id"),
            timeline: row.get("timeline"),
            database: row.get("database_name"),
            slot: row.get("slot"),
            captured_lsn: lsn.map(|lsn| Lsn(u64::from(lsn))),
            created_at_kept: row.get("created_at_kept"),
            swept_to: row.get("swept_to"),
            baseline: row.get("baseline"),
            account_since: row.get("account_since"),
            repair_note: row.get("repair_note"),
        })
    }

    /// Writes down which server our state belongs to.
    pub async fn set_server(
        self,
        system_id: &str,
        timeline: i32,
        database: &str,
        slot: &str,
    ) -> Result<(), StoreError> {
        // On another server, or in another database, an OID of a table means another table.
        let sql =
            "with moved as (update {s}.published set table_oid = null where exists (select from {s}.meta
                where (system_id, database_name) is distinct from ($1::text, $3::text)))
            update {s}.meta set system_id = $1, timeline = $2, database_name = $3, slot = $4";
        self.0
            .execute(sql, &[&system_id, &timeline, &database, &slot])
            .await?;
        Ok(())
    }

    /// Sets the position of a new slot.
    pub async fn set_position(self, lsn: Lsn) -> Result<(), StoreError> {
        let lsn = tokio_postgres::types::PgLsn::from(lsn.0);
        self.0
            .execute("update {s}.meta set captured_lsn = $1", &[&lsn])
            .await?;
        Ok(())
    }

    /// Remembers whether Deskie keeps `created_at`.
    pub async fn set_created_at_kept(self, kept: bool) -> Result<(), StoreError> {
        self.0
            .execute(
                "update {s}.meta set created_at_kept = $1 where created_at_kept is distinct from $1",
                &[&kept],
            )
            .await?;
        Ok(())
    }

    /// Remembers how far cases have been compared.
    pub async fn set_swept(self, to: jiff::Timestamp) -> Result<(), StoreError> {
        self.0
            .execute("update {s}.meta set swept_to = $1", &[&to])
            .await?;
        Ok(())
    }
}

impl OpenGap<'_, Store> {
    /// Sets the position of a new slot where an older one was lost: what lies between is a gap, to be repaired. An
    /// older gap that is still open stays where it began.
    pub async fn open(self, lsn: Lsn) -> Result<(), StoreError> {
        let lsn = tokio_postgres::types::PgLsn::from(lsn.0);
        let sql = "update {s}.meta set gap_since = case when gap_from is null then coalesce(captured_at, started_at)
                       else gap_since end,
                   gap_xid = case when gap_from is null then captured_xid else gap_xid end,
                   gap_from = coalesce(gap_from, captured_lsn, $1), captured_lsn = $1";
        self.0.execute(sql, &[&lsn]).await?;
        Ok(())
    }

    /// An open gap: rows from there to the new slot were not streamed.
    pub async fn read(self) -> Result<Option<Gap>, StoreError> {
        let sql = "select gap_from, gap_since, case when not gap_by_keys then greatest(coalesce(gap_xid, started_xid), started_xid)::text end as xid
            from {s}.meta where gap_from is not null";
        let rows = self.0.query(sql, &[]).await?;
        Ok(rows.first().map(|row| Gap {
            from: Lsn(u64::from(row.get::<_, tokio_postgres::types::PgLsn>("gap_from"))),
            since: row.get("gap_since"),
            xid: row.get("xid"),
        }))
    }
}

impl Lease<'_, Store> {
    /// Takes office: raises the epoch. Waits for durable steps of the former leader that are under way.
    pub async fn take(self, holder: &str) -> Result<Epoch, StoreError> {
        let mut client = self.0.client().await?;
        let transaction = client.transaction().await?;
        transaction
            .execute(&self.0.sql("select 1 from {s}.lease for update"), &[])
            .await?;
        let sql = self.0.sql(
            "update {s}.lease set epoch = epoch + 1, holder = $1, renewed_at = clock_timestamp(),
                server_started = pg_postmaster_start_time() returning epoch",
        );
        let epoch: i64 = transaction.query_one(&sql, &[&holder]).await?.get(0);
        transaction.commit().await?;
        self.0.set_epoch(Epoch(epoch));
        Ok(Epoch(epoch))
    }

    /// Whether the server is certainly not the one on which the term was begun.
    pub async fn is_elsewhere(self) -> bool {
        let asked = self.0.query("select {s}.same_server()", &[]).await;
        asked.is_err_and(|error| error.lost_leadership())
    }

    /// Gives the lease back, so that a standby need not wait until it is stale.
    pub async fn give_back(self) -> Result<(), StoreError> {
        self.0
            .execute(
                "update {s}.lease set renewed_at = null where epoch = $1",
                &[&self.0.epoch().0],
            )
            .await?;
        Ok(())
    }

    /// How many seconds ago the lease was renewed, by the server's clock; `None` where nobody holds it.
    pub async fn age(self) -> Result<Option<f64>, StoreError> {
        let sql = "select extract(epoch from clock_timestamp() - renewed_at)::float8 from {s}.lease";
        Ok(self.0.query(sql, &[]).await?.first().and_then(|row| row.get(0)))
    }
}

impl Store {
    /// Deletes what is past `retain`, some rows at a time: bodies and images of what is done, webhooks, the story,
    /// cases that are none of ours (asked about again then). Links
    /// stay (rule 5), and what a case was opened with, which later replies tell the site.
    pub async fn prune(&self, retain: std::time::Duration) -> Result<(), StoreError> {
        let seconds = retain.as_secs_f64();
        for sql in [
            "update {s}.delivery set body = null, image = null, edited = null, files = null,
                 opening = case when call = 'create_case' or ask is not null then opening end
             where id in (select d.id from {s}.delivery d
                 where d.done_at < now() - make_interval(secs => $1) and d.body is not null
                   and (d.message_id is not null or d.state <> 'delivered' or d.act = 'edit'
                        or exists (select from {s}.delivery h where h.id = d.lead
                                   and (h.message_id is not null or h.body is null))) order by d.done_at limit {n})",
            // Whose the ticket was, once it is certain that its row does not come back.
            "update {s}.delivery set opening = null
             where id in (select d.id from {s}.link l join {s}.delivery d on d.ticket_id = l.ticket_id
                 where l.section = 'ticket' and l.gone and d.opening is not null and d.state in ('delivered', 'skipped', 'discarded')
                   and l.gone_at between now() - interval '2 days' - make_interval(secs => $1) and now() - interval '1 hour'
                 limit {n})",
            "update {s}.ticket set given_to = null, estranged = null
             where id in (select l.ticket_id from {s}.link l join {s}.ticket t on t.id = l.ticket_id
                 where l.section = 'ticket' and l.gone and t.gone and t.given_to is not null
                   and l.gone_at between now() - interval '2 days' - make_interval(secs => $1) and now() - interval '1 hour'
                 limit {n})",
            "update {s}.remote set payload = null
             where message_id in (select message_id from {s}.remote
                 where done_at < now() - make_interval(secs => $1) and payload is not null order by done_at limit {n})",
            "update {s}.birth set opening = null
             where case_id in (select case_id from {s}.birth
                 where done_at < now() - make_interval(secs => $1) and opening is not null and ticket_id is null
                 order by done_at limit {n})",
            "delete from {s}.inbox where id in (select id from {s}.inbox
                 where state <> 'waiting' and done_at < now() - make_interval(secs => $1) order by done_at limit {n})",
            "delete from {s}.foreign_case where case_id in (select case_id from {s}.foreign_case
                 where (claims is null or seen_by <> 'adopted') and checked_at < now() - make_interval(secs => $1)
                 order by checked_at limit {n})",
            "delete from {s}.journal where id in (select id from {s}.journal
                 where at < now() - make_interval(secs => $1) order by at limit {n})",
            "delete from {s}.trouble where id in (select id from {s}.trouble
                 where ended_at < now() - make_interval(secs => $1) order by ended_at limit {n})",
        ] {
            // In the text, and by the index of the times: by a limit that is not known the plan would read the whole table.
            let sql = sql.replace("{n}", &PRUNE_AT_ONCE.to_string());
            while self.execute(&sql, &[&seconds]).await? >= PRUNE_AT_ONCE {}
        }
        Ok(())
    }
}
