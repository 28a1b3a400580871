//! What the site does to a message that stands in Deskie already: deliveries of act `edit` and `note`, of the message's
//! own link, in their place in the lane. Their part is negative, so that they are never taken for parts of the message, and
//! each is greater than those before it, since what one change brings is sent in the order of the parts.

use serde_json::Value;

use super::{Act, Delivery, Edits, Step, Store, StoreError, word};
use crate::model::{CallKind, DeliveryId, EventId, Kind, LinkId, MessageId, TicketKey};
use crate::text::Body;

/// A message of the site as it was sent last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSent {
    pub ticket_key: TicketKey,
    /// Whether that is gone.
    pub ticket_gone: bool,
    /// Who wrote it.
    pub author: Kind,
    /// Its text; `None` where that is past `retain`.
    pub text: Option<String>,
    /// In how many messages it went; one that went together with others counts as two, since no edit is its own.
    pub parts: i64,
    /// It goes as an internal note.
    pub as_note: bool,
    /// Part of it has reached Deskie, or may have.
    pub is_sent: bool,
}

/// A delivery that follows up on a message.
#[derive(Debug, Clone)]
pub struct FollowUp<'a> {
    /// The message.
    pub link: LinkId,
    /// Its place in the lane.
    pub event: EventId,
    /// `edit` or `note`.
    pub act: Act,
    /// What is sent.
    pub body: &'a Body,
    /// What the mapping gave for the message's body; `None`: it did not change.
    pub text: Option<&'a str>,
    /// When it was committed, in seconds since 1970.
    pub at: i64,
}

impl Edits<'_, Store> {
    /// The message in Deskie that a delivery of act `edit` is about, once its number is known.
    pub async fn target(self, delivery: &Delivery) -> Result<Option<MessageId>, StoreError> {
        let sql = "select d.message_id from {s}.delivery d where d.link_id = $1 and d.act = 'message' and d.part = 1";
        let rows = self.0.query(sql, &[&delivery.link.0]).await?;
        let id: Option<i64> = rows.first().and_then(|row| row.get(0));
        Ok(id.map(MessageId))
    }

    /// The message's number is not known yet: later.
    pub async fn wait(self, id: DeliveryId, after: std::time::Duration) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set looks = looks + 1, error = 'waits for the number of the message',
                not_before = clock_timestamp() + make_interval(secs => $2)
            where id = $1 and state = 'queued' and (select {s}.fence($3))";
        self.0
            .execute(sql, &[&id.0, &after.as_secs_f64(), &self.0.epoch().0])
            .await?;
        Ok(())
    }
}

impl Edits<'_, Step<'_>> {
    /// What was sent, or is to be sent, of a message; `None`: nothing, or it is not resolved yet. What was not sent by now is
    /// not sent before this step has ended.
    pub async fn last(self, link: LinkId) -> Result<Option<LastSent>, StoreError> {
        let hold = "select from {s}.delivery where link_id = $1 and state in ('unresolved', 'queued')
            order by id for no key update";
        self.0.execute(hold, &[&link.0]).await?;
        let sql = "select t.key, t.gone, coalesce(min(d.author), 'customer') as author,
                count(*) + max((d.lead is not null or exists (select from {s}.delivery f where f.lead = d.id))::int) as parts,
                bool_or(d.call is not distinct from 'add_note') as as_note,
                coalesce((select e.edited from {s}.delivery e where e.link_id = $1 and e.edited is not null
                          order by e.id desc limit 1),
                         case when bool_and(d.body is not null) then string_agg(d.body->>'text', E'\\n' order by d.part) end) as text,
                bool_or(d.intent_at is not null) as is_sent
            from {s}.delivery d join {s}.ticket t on t.id = d.ticket_id
            where d.link_id = $1 and d.act = 'message' and d.part > 0
            group by t.id, t.key, t.gone
            having bool_and(d.state not in ('unresolved', 'skipped', 'discarded'))";
        let rows = self.0.query(sql, &[&link.0]).await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(LastSent {
                ticket_key: TicketKey(row.get("key")),
                ticket_gone: row.get("gone"),
                author: word(row, "author")?,
                parts: row.get("parts"),
                as_note: row.get("as_note"),
                text: row.get("text"),
                is_sent: row.get("is_sent"),
            })
        };
        rows.first().map(read).transpose()
    }

    /// Puts what follows up on a message into its lane. An edit that was not tried yet becomes the newer one.
    pub async fn queue(self, new: &FollowUp<'_>) -> Result<(), StoreError> {
        let body: Value =
            serde_json::to_value(new.body).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let (link, text) = (new.link.0, new.text);
        if new.act == Act::Edit {
            let sql = "update {s}.delivery set body = $2, edited = $3
                where link_id = $1 and act = 'edit' and state = 'queued' and intent_at is null";
            if self.0.execute(sql, &[&link, &body, &text]).await? > 0 {
                return Ok(());
            }
            // Who is about to join the message with others waits for this row, and sees by it that the edit is its own alone.
            let sql = "update {s}.delivery set edited = $2 where link_id = $1 and act = 'message' and state = 'queued'";
            self.0.execute(sql, &[&link, &text]).await?;
        }
        let sql = "insert into {s}.delivery
                (position, ticket_id, link_id, section, act, part, author, body, written_at, state, edited)
            select $2, l.ticket_id, l.id, 'message', $3, coalesce(max(d.part) filter (where d.part < -1000), -1000000000) + 1, 'agent', $4, $5, 'queued', $6
            from {s}.link l join {s}.delivery d on d.link_id = l.id where l.id = $1 group by l.id, l.ticket_id";
        self.0
            .execute(
                sql,
                &[&link, &new.event.0, &new.act.as_str(), &body, &new.at, &text],
            )
            .await?;
        Ok(())
    }

    /// Deskie has the text that was sent; a newer one that came meanwhile is next.
    pub async fn done(
        self,
        delivery: &Delivery,
        message: MessageId,
        answered_at: Option<jiff::Timestamp>,
    ) -> Result<(), StoreError> {
        let sql = "update {s}.delivery set error = null, answer = null, doubt_since = null,
                state = case when body->>'text' = $2 then 'delivered' else 'queued' end,
                intent_at = case when body->>'text' = $2 then intent_at end,
                done_at = case when body->>'text' = $2 then clock_timestamp() end
            where id = $1 and state in ('sending', 'doubt')";
        self.0
            .execute(sql, &[&delivery.id.0, &delivery.body.text])
            .await?;
        let sql = "update {s}.ticket set called_at = coalesce($2, called_at) where id = $1";
        self.0.execute(sql, &[&delivery.ticket_id, &answered_at]).await?;
        let text = format!("message {message}");
        self.0
            .journal()
            .add(Some(delivery.ticket_id), CallKind::EditMessage.as_str(), &text)
            .await
    }
}
