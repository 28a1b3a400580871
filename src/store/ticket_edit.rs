//! What the site does to a ticket that stands in Deskie already: notes of the ticket's own link, in their place in the
//! lane. `delivery.edited` holds subject and body as they were told last, as a JSON array.

use super::{Links, Step, StoreError, Tickets};
use crate::model::{EventId, LaneId, LinkId};
use crate::text::Body;

/// A ticket's own texts as Deskie has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketSent {
    pub subject: String,
    /// The text of the ticket's row, where that is the first message; `None` where it is none, or is past `retain`.
    pub body: Option<String>,
    /// The case is there, or may be.
    pub is_sent: bool,
}

/// A note about a ticket.
#[derive(Debug, Clone)]
pub struct TicketNote<'a> {
    pub ticket: LaneId,
    /// The ticket's row.
    pub link: LinkId,
    /// Its place in the lane.
    pub event: EventId,
    /// What it says.
    pub body: &'a Body,
    /// Subject and body from now on; `None`: they did not change.
    pub told: Option<(&'a str, Option<&'a str>)>,
    /// When it was committed, in seconds since 1970.
    pub at: i64,
}

impl Tickets<'_, Step<'_>> {
    /// What Deskie has of a ticket's row; `None`: nothing, and nothing is on its way.
    /// What was not sent by now is not sent before this step has ended.
    pub async fn sent(self, ticket: LaneId) -> Result<Option<TicketSent>, StoreError> {
        let hold = "select from {s}.delivery
            where ticket_id = $1 and opening is not null and state in ('unresolved', 'queued') order by id for no key update";
        self.0.execute(hold, &[&ticket]).await?;
        let sql = "select o.opening->>'subject' as subject, t.case_id is not null or o.intent_at is not null as is_sent,
                (select case when bool_and(p.body is not null) then string_agg(p.body->>'text', E'\\n' order by p.part) end
                 from {s}.delivery p
                 where p.ticket_id = $1 and p.section = 'ticket' and p.act = 'message' and p.part > 0
                   and p.state not in ('unresolved', 'skipped', 'discarded')) as body,
                (select n.edited from {s}.delivery n
                 where n.ticket_id = $1 and n.section = 'ticket' and n.act = 'note' and n.edited is not null
                 order by n.id desc limit 1) as told
            from {s}.delivery o join {s}.ticket t on t.id = o.ticket_id
            where o.ticket_id = $1 and o.opening is not null and o.act = 'message'
              and o.state not in ('unresolved', 'skipped', 'discarded')
            order by o.id desc limit 1";
        let rows = self.0.query(sql, &[&ticket]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let opened: Option<String> = row.get("subject");
        let (mut subject, mut body) = (opened.unwrap_or_default(), row.get("body"));
        if let Some(told) = row.get::<_, Option<&str>>("told") {
            (subject, body) = serde_json::from_str(told)
                .map_err(|error| StoreError::Damaged(format!("delivery.edited of a ticket: {error}")))?;
        }
        Ok(Some(TicketSent {
            subject,
            body,
            is_sent: row.get("is_sent"),
        }))
    }

    /// Puts a note about a ticket into its lane.
    pub async fn note(self, note: &TicketNote<'_>) -> Result<(), StoreError> {
        let damaged = |error: serde_json::Error| StoreError::Damaged(error.to_string());
        let body = serde_json::to_value(note.body).map_err(damaged)?;
        let told = note.told.map(|told| serde_json::to_string(&told)).transpose();
        let told = told.map_err(damaged)?;
        let sql = "insert into {s}.delivery
                (position, ticket_id, link_id, section, act, part, author, body, written_at, state, edited)
            select $3, $1, $2, 'ticket', 'note', coalesce(max(d.part) filter (where d.part < -1000), -1000000000) + 1, 'agent', $4, $5, 'queued', $6
            from {s}.delivery d where d.link_id = $2";
        self.0
            .execute(
                sql,
                &[&note.ticket, &note.link.0, &note.event.0, &body, &note.at, &told],
            )
            .await?;
        Ok(())
    }

    /// Notes that a ticket is out of its `where`, or in it; true where that is news.
    pub async fn set_hidden(self, ticket: LaneId, hidden: bool) -> Result<bool, StoreError> {
        let sql = "update {s}.ticket set hidden = $2 where id = $1 and hidden <> $2";
        Ok(self.0.execute(sql, &[&ticket, &hidden]).await? > 0)
    }
}

impl Links<'_, Step<'_>> {
    /// The same of a message.
    pub async fn set_hidden(self, link: LinkId, hidden: bool) -> Result<bool, StoreError> {
        let sql = "update {s}.link set hidden = $2 where id = $1 and hidden <> $2";
        Ok(self.0.execute(sql, &[&link.0, &hidden]).await? > 0)
    }
}
