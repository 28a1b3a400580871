//! Entries of Deskie's lists that cannot be read: passed over, counted and told (rule 19).

use super::{Journal, Store, StoreError};
use crate::model::LaneId;

/// The line in the story, and what they are counted as.
const UNREADABLE: &str = "unreadable in Deskie";

impl Journal<'_, Store> {
    /// Tells of entries that cannot be read, of a ticket's case or of nobody's. It is met with each read; told once a day.
    /// Which of them are news.
    pub async fn add_unreadable(
        self,
        ticket: Option<LaneId>,
        entries: &[String],
    ) -> Result<Vec<String>, StoreError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let sql = "with news as (
                insert into {s}.journal (ticket_id, what, detail)
                select $1, $2, u.detail from unnest($3::text[]) u (detail)
                where not exists (select from {s}.journal j where j.ticket_id is not distinct from $1
                    and j.what = $2 and j.detail = u.detail and j.at > now() - interval '1 day')
                returning detail),
            counted as (
                insert into {s}.skipped (reason, count) select $2, count(*) from news having count(*) > 0
                on conflict (reason) do update set count = skipped.count + excluded.count)
            select detail from news";
        let rows = self.0.query(sql, &[&ticket, &UNREADABLE, &entries]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
