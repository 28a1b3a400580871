//! A person looks for a ticket.

use super::delivery::opening_of;
use super::parked::Parked;
use super::{ParkedItems, Store, StoreError, Tickets};

/// A ticket that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTicket {
    /// The site's key.
    pub key: String,
    /// The case's number in Deskie; `None`: it has no case.
    pub case_number: Option<String>,
    /// The subject that its case was opened with, where that is known.
    pub subject: Option<String>,
    /// The customer's address that its case was opened with, where it is one.
    pub email: Option<String>,
    /// The site deleted it.
    pub gone: bool,
    /// Since when we know it.
    pub created_at: jiff::Timestamp,
}

impl Tickets<'_, Store> {
    /// The tickets whose key, case number, case id or customer's e-mail address is this, the newest first; each is found by
    /// an index, however many tickets there are.
    pub async fn search(self, text: &str, limit: i64) -> Result<Vec<FoundTicket>, StoreError> {
        let text = text.trim();
        let number = text.trim_start_matches('#');
        let case_id: Option<i64> = number.parse().ok();
        let sql = format!(
            "with found as materialized (select id from (
                select id from {{s}}.ticket where key = $1
                union select id from {{s}}.ticket where case_number = $2
                union select id from {{s}}.ticket where case_id = $3
                union select ticket_id from {{s}}.delivery
                    where opening is not null and lower((opening->>'email') collate \"C\") = lower($1::text collate \"C\")
                union select ticket_id from {{s}}.birth where lower(recipient collate \"C\") = lower($1::text collate \"C\")) any_of
                where id is not null order by id desc limit $4)
            select key, case_number, said->>'subject' as subject, said->>'email' as email, gone, created_at
            from (select t.*, {} as said from found join {{s}}.ticket t using (id)) newest
            order by id desc",
            opening_of("t.id")
        );
        let read = |row: &tokio_postgres::Row| FoundTicket {
            key: row.get("key"),
            case_number: row.get("case_number"),
            subject: row.get("subject"),
            email: row.get("email"),
            gone: row.get("gone"),
            created_at: row.get("created_at"),
        };
        let rows = self.0.query(&sql, &[&text, &number, &case_id, &limit]).await?;
        Ok(rows.iter().map(read).collect())
    }
}

impl ParkedItems<'_, Store> {
    /// What of the tickets of this key waits for a person, the oldest first.
    pub async fn of_ticket(self, key: &str, limit: i64) -> Result<Vec<Parked>, StoreError> {
        let sql = "with t as (select id from {s}.ticket where key = $1)
            select id, $1::text as ticket, error, since::text from (
                select 'd' || id as id, coalesce(error, '') as error, queued_at as since from {s}.delivery
                    where ticket_id in (select id from t) and state = 'parked' and lead is null
                union all select 'r' || message_id, coalesce(error, ''), seen_at from {s}.remote
                    where ticket_id in (select id from t) and state = 'parked'
                union all select 's' || ticket_id, coalesce(error, ''), seen_at from {s}.status_write
                    where ticket_id in (select id from t) and state = 'parked'
                union all select 'e' || id, error, parked_at from {s}.parked_event
                    where ticket_id in (select id from t) and state = 'parked') parked
            order by parked.since, id limit $2";
        let rows = self.0.query(sql, &[&key, &limit]).await?;
        rows.iter().map(Parked::of_row).collect()
    }
}
