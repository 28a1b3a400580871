//! What was said in a ticket, either way: a mail of its customer's may quote it.

use super::risk::HARMLESS;
use super::{Store, StoreError, Tickets};
use crate::model::LaneId;

/// So many of each way are compared, the newest: a mail quotes what came shortly before it.
const NEWEST: i64 = 100;

impl Tickets<'_, Store> {
    /// The fingerprints of what was written to the site for a ticket, and the texts, each in both forms, of what was sent to
    /// Deskie; those that are past `retain`, and long ones, are not among them.
    pub async fn said(self, ticket: LaneId) -> Result<(Vec<String>, Vec<(String, String)>), StoreError> {
        let written =
            "select said from {s}.remote where ticket_id = $1 and state = 'written' and said is not null
            order by seq desc limit $2";
        let sent = "select coalesce(body->>'text', '') as text, coalesce(body->>'html', '') as html from {s}.delivery
            where ticket_id = $1 and state = 'delivered' and act = 'message' and octet_length(body::text) < $3
            order by id desc limit $2";
        let written = self.0.query(written, &[&ticket, &NEWEST]).await?;
        let longest = i32::try_from(HARMLESS).unwrap_or(i32::MAX);
        let sent = self.0.query(sent, &[&ticket, &NEWEST, &longest]).await?;
        let said = written.iter().flat_map(|row| row.get::<_, Vec<String>>("said"));
        let sent = sent.iter().map(|row| (row.get("text"), row.get("html")));
        Ok((said.collect(), sent.collect()))
    }
}
