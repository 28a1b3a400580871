//! The rows of the site that we know, for ever.

use super::{Deliveries, Event, Events, Links, Skipped, Step, Store, StoreError, UNHELD, word};
use crate::model::{DeliveryId, EventId, LaneId, LinkId, Section, words};

words! {
    /// What became of a row of the site.
    LinkState {
        /// Its INSERT was seen; so far it is not for Deskie.
        Seen = "seen",
        /// It waits in its lane.
        Queued = "queued",
        /// It stands in Deskie.
        Delivered = "delivered",
        /// It is not for Deskie, for good.
        Skipped = "skipped",
        /// It could not be delivered and waits for a person.
        Parked = "parked",
        /// A person gave it up.
        Discarded = "discarded",
        /// We wrote it ourselves.
        Written = "written",
    }
}

/// A row of the site that we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub id: LinkId,
    /// How often its key has been used anew.
    pub generation: i32,
    /// What became of it.
    pub state: LinkState,
    /// Whether the site deleted it.
    pub gone: bool,
    /// The transaction that did.
    pub gone_in: Option<u64>,
    /// When that was committed.
    pub gone_at: Option<jiff::Timestamp>,
    pub ticket_id: Option<LaneId>,
    /// It stood in its list at the start.
    pub is_baseline: bool,
}

impl Links<'_, Store> {
    /// What became of the row that has this key now, and why; `None` where it is not known.
    pub async fn fate(
        self,
        section: Section,
        key: &str,
    ) -> Result<Option<(LinkState, Option<String>)>, StoreError> {
        let sql = "select state, reason, gone from {s}.link
            where section = $1 and key = $2 order by generation desc limit 1";
        let rows = self.0.query(sql, &[&section.as_str(), &key]).await?;
        match rows.first().filter(|row| !row.get::<_, bool>("gone")) {
            Some(row) => Ok(Some((word(row, "state")?, row.get("reason")))),
            None => Ok(None),
        }
    }
}

/// What [`link`] reads.
pub(super) const COLUMNS: &str =
    "id as link_id, generation as link_generation, state as link_state, gone as link_gone,
    ticket_id as link_ticket_id, gone_xid::text as link_gone_xid,
    gone_at as link_gone_at, coalesce(reason = 'baseline', false) as link_is_baseline";

/// The link whose [`COLUMNS`] the row has.
pub(super) fn link(row: &tokio_postgres::Row) -> Result<Link, StoreError> {
    Ok(Link {
        id: row.get("link_id"),
        generation: row.get("link_generation"),
        state: word(row, "link_state")?,
        gone: row.get("link_gone"),
        ticket_id: row.get("link_ticket_id"),
        gone_in: row
            .get::<_, Option<&str>>("link_gone_xid")
            .and_then(|xid| xid.parse().ok()),
        gone_at: row.get("link_gone_at"),
        is_baseline: row.get("link_is_baseline"),
    })
}

/// A message or file that stands in a row with others (`expand`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLink {
    pub key: String,
    /// What is known of it. `gone` without a transaction: it left its list, the row stands.
    pub link: Link,
    /// Why it is in its state.
    pub reason: Option<String>,
}

impl Links<'_, Step<'_>> {
    /// The newest generation of each message, or file, of a row.
    pub async fn of_row(self, section: Section, row_key: &str) -> Result<Vec<RowLink>, StoreError> {
        let sql = format!(
            "select distinct on (key) {COLUMNS}, key, reason
            from {{s}}.link where section = $1 and row_key = $2 order by key, generation desc"
        );
        let read = |row: &tokio_postgres::Row| {
            Ok(RowLink {
                key: row.get("key"),
                link: link(row)?,
                reason: row.get("reason"),
            })
        };
        let rows = self.0.query(&sql, &[&section.as_str(), &row_key]).await?;
        rows.iter().map(read).collect()
    }

    /// Notes in which row a message or file stands.
    pub async fn set_row(self, link: LinkId, row_key: &str) -> Result<(), StoreError> {
        self.0
            .execute(
                "update {s}.link set row_key = $2 where id = $1",
                &[&link.0, &row_key],
            )
            .await?;
        Ok(())
    }

    /// A message or file left its list; its row stands.
    pub async fn set_left(self, link: LinkId) -> Result<(), StoreError> {
        self.0
            .execute(
                "update {s}.link set gone = true, gone_xid = null where id = $1",
                &[&link.0],
            )
            .await?;
        Ok(())
    }

    /// The site changed the key, of so many columns, of a row that holds messages.
    pub async fn rename_row(self, old: &str, new: &str, columns: usize) -> Result<(), StoreError> {
        let sql = "update {s}.link l set row_key = $2, key = renamed.key, generation = coalesce(
                (select max(o.generation) from {s}.link o where o.section = 'message' and o.key = renamed.key), 0) + 1
            from (select o.id, (select jsonb_agg(v order by part, n)::text from (
                        select 0 as part, n, v from jsonb_array_elements($3::jsonb) with ordinality as a (v, n)
                        union all
                        select 1, n, v from jsonb_array_elements(o.key::jsonb) with ordinality as b (v, n) where n > $4) parts) as key
                  from {s}.link o where o.section = 'message' and o.row_key = $1 and (not o.gone or o.gone_xid is null)) renamed
            where l.id = renamed.id";
        let values = if columns == 1 {
            serde_json::json!([new])
        } else {
            serde_json::from_str(new)
                .map_err(|error| StoreError::Damaged(format!("the key {new}: {error}")))?
        };
        let columns = i64::try_from(columns).unwrap_or(1);
        self.0.execute(sql, &[&old, &new, &values, &columns]).await?;
        Ok(())
    }

    /// The newest generation of a key.
    pub async fn find(self, section: Section, key: &str) -> Result<Option<Link>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from {{s}}.link where section = $1 and key = $2 order by generation desc limit 1"
        );
        let rows = self.0.query(&sql, &[&section.as_str(), &key]).await?;
        rows.first().map(link).transpose()
    }

    /// Makes a key known.
    pub async fn add(
        self,
        section: Section,
        key: &str,
        generation: i32,
        ticket: Option<LaneId>,
        state: LinkState,
        reason: Option<&str>,
    ) -> Result<LinkId, StoreError> {
        let sql = "insert into {s}.link (section, key, generation, ticket_id, state, reason)
            values ($1, $2, $3, $4, $5, $6) returning id";
        let rows = self
            .0
            .query(
                sql,
                &[
                    &section.as_str(),
                    &key,
                    &generation,
                    &ticket,
                    &state.as_str(),
                    &reason,
                ],
            )
            .await?;
        rows.first()
            .map(|row| LinkId(row.get(0)))
            .ok_or_else(|| StoreError::Damaged("link_add gave no id".into()))
    }

    /// Writes down what became of a row.
    pub async fn set_state(
        self,
        link: LinkId,
        state: LinkState,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        self.0
            .execute(
                "update {s}.link set state = $2, reason = $3 where id = $1",
                &[&link.0, &state.as_str(), &reason],
            )
            .await?;
        Ok(())
    }

    /// The row's ticket, once it is known.
    pub async fn set_ticket(self, link: LinkId, ticket: LaneId) -> Result<(), StoreError> {
        self.0
            .execute(
                "update {s}.link set ticket_id = $2 where id = $1",
                &[&link.0, &ticket],
            )
            .await?;
        Ok(())
    }

    /// The site deleted the row by this event.
    pub async fn set_gone(self, link: LinkId, by: &Event) -> Result<(), StoreError> {
        let sql = "update {s}.link set gone = true, gone_xid = $2::text::xid8, gone_at = $3 where id = $1";
        self.0
            .execute(sql, &[&link.0, &by.xid.to_string(), &by.committed_at])
            .await?;
        Ok(())
    }

    /// The site brought the row back.
    pub async fn set_back(self, link: LinkId) -> Result<(), StoreError> {
        let sql = "update {s}.link set gone = false, gone_xid = null, gone_at = null where id = $1";
        self.0.execute(sql, &[&link.0]).await?;
        Ok(())
    }

    /// The row came back before it was sent, and may go as if it had not been away; whether it was dropped.
    pub async fn revive(self, link: LinkId, dropped: &str) -> Result<bool, StoreError> {
        let sql = "update {s}.link set state = 'seen', reason = null
            where id = $1 and state = 'skipped' and reason = $2";
        Ok(self.0.execute(sql, &[&link.0, &dropped]).await? > 0)
    }

    /// Whether the transaction that deleted a ticket's row is not dealt with to its end: it may bring the row back.
    pub async fn may_come_back(self, section: Section, key: &str) -> Result<bool, StoreError> {
        let sql = "select exists (select from {s}.link l join {s}.event e on e.xid = l.gone_xid
            where l.section = $1 and l.key = $2)";
        let rows = self.0.query(sql, &[&section.as_str(), &key]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// The site changed the row's key.
    pub async fn set_key(self, link: LinkId, key: &str) -> Result<(), StoreError> {
        let sql = "update {s}.link l set key = $2, generation = coalesce(
                (select max(o.generation) from {s}.link o where o.section = l.section and o.key = $2), 0) + 1
            where id = $1";
        self.0.execute(sql, &[&link.0, &key]).await?;
        Ok(())
    }

    /// The site emptied the table by this event; `dropped`: the reason of what was not sent before.
    pub async fn set_all_gone(self, section: Section, by: &Event, dropped: &str) -> Result<(), StoreError> {
        let xid = by.xid.to_string();
        self.0
            .execute(
                "update {s}.link set gone = true, gone_xid = $2::text::xid8, gone_at = $3
             where section = $1 and (not gone or (row_key is not null and gone_xid is null))",
                &[&section.as_str(), &xid, &by.committed_at],
            )
            .await?;
        // As with a deletion: what was not sent yet is not sent at all, unless the row is loaded again.
        let drop = "with d as (
                update {s}.delivery d set state = 'skipped', error = 'the site emptied the table before it was sent',
                    done_at = now(), image = null, body = null, edited = null, opening = null
                from {s}.link l where l.id = d.link_id and l.section = $1 and l.gone_xid = $2::text::xid8
                    and d.act <> 'file' and (d.state = 'unresolved' or (d.state = 'queued' and d.intent_at is null))
                    and not exists (select from {s}.delivery o where o.link_id = d.link_id
                                    and o.state in ('sending', 'doubt', 'delivered', 'parked'))
                returning d.link_id)
            update {s}.link set state = 'skipped', reason = $3 where id in (select link_id from d)";
        self.0.execute(drop, &[&section.as_str(), &xid, &dropped]).await?;
        if section == Section::Ticket {
            self.0
                .execute("update {s}.ticket set gone = true where not gone", &[])
                .await?;
        }
        Ok(())
    }

    /// The greatest key that is known of a section, where keys are numbers.
    pub async fn greatest_number(self, section: Section) -> Result<Option<i64>, StoreError> {
        let sql = "select max(key::int8) from {s}.link where section = $1 and key ~ '^[0-9]{1,18}$'";
        let rows = self.0.query(sql, &[&section.as_str()]).await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }
}

impl Deliveries<'_, Step<'_>> {
    /// The same for the message of a delivery; its ticket, too, where that was not known.
    pub async fn set_row(self, delivery: DeliveryId, row_key: &str) -> Result<(), StoreError> {
        let sql = "update {s}.link l set row_key = $2, ticket_id = coalesce(l.ticket_id, d.ticket_id)
            from {s}.delivery d where d.id = $1 and l.id = d.link_id";
        self.0.execute(sql, &[&delivery.0, &row_key]).await?;
        Ok(())
    }
}

impl Skipped<'_, Step<'_>> {
    /// Counts a row that was passed over.
    pub async fn count(self, reason: &str) -> Result<(), StoreError> {
        self.add(&[(reason, 1)]).await
    }
}

impl Events<'_, Step<'_>> {
    /// Removes events that are resolved; fails while a person has to decide something before anything goes on.
    pub async fn delete_unheld(self, ids: &[EventId]) -> Result<(), StoreError> {
        let sql = format!("with d as (delete from {{s}}.event where id = any($1)) select {UNHELD}");
        self.0.query(&sql, &[&ids]).await.map(drop)
    }
}
