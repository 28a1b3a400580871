//! Cases born in Deskie on their way to become tickets of the site (`[case]`).

use super::{Births, Opening, Store, StoreError};
use crate::config::Config;
use crate::deskie::Case;
use crate::model::{CaseId, UserId};

/// A case that nobody opened for the site, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Birth {
    pub case_id: CaseId,
    /// Its number for people.
    pub case_number: String,
    pub subject: String,
    /// The customer.
    pub user_id: Option<UserId>,
    /// The address that it came from, where it is one.
    pub recipient: String,
    /// `cchN` and so on.
    pub channel: String,
    pub status: String,
    /// When Deskie last changed it.
    pub changed_at: Option<jiff::Timestamp>,
    /// When it was opened.
    pub created_at: Option<jiff::Timestamp>,
    /// How often it failed for a passing reason.
    pub attempts: i32,
}

/// Deskie's dates are whole seconds, and its clock may differ a little from the database's.
const MARGIN: std::time::Duration = std::time::Duration::from_secs(5);

impl Birth {
    /// A case that was born in Deskie since the connector's start, and that nobody opened for the site. `None`: it is
    /// none, or `[case]` is absent.
    pub fn of_case(config: &Config, case: &Case, started_at: jiff::Timestamp) -> Option<Birth> {
        config.case.as_ref()?;
        let field = format!("cf_{}", config.deskie.ticket_field);
        let is_ours = case.custom_fields.get(&field).is_some_and(|key| !key.is_empty());
        let since = started_at.checked_sub(MARGIN).unwrap_or(started_at);
        let is_old = case.created_at.is_some_and(|at| at < since);
        if is_ours || is_old || case.deleted || case.spam || case.parent_case_id.is_some() {
            return None;
        }
        Some(Birth {
            case_id: case.case_id,
            case_number: case.case_number.clone(),
            subject: case.subject.clone(),
            user_id: case.user_id,
            recipient: case.recipient.clone(),
            channel: case.channel.clone(),
            status: case.status.as_str().to_owned(),
            changed_at: case.updated_at,
            created_at: case.created_at,
            attempts: 0,
        })
    }
}

impl Births<'_, Store> {
    /// Remembers cases that were born in Deskie; what webhooks said of them is thereby dealt with. Returns how many are new.
    pub async fn add(self, births: &[Birth]) -> Result<u64, StoreError> {
        let mut added = 0;
        for birth in births {
            let sql = "with done as (
                    update {s}.inbox set state = 'done', done_at = now() where case_id = $1 and state = 'waiting')
                insert into {s}.birth (case_id, case_number, subject, user_id, recipient, channel, status, changed_at, created_at)
                select $1, $2, $3, $4, $5, $6, $7, $8, $9 where (select {s}.fence($10))
                    and not exists (select from {s}.ticket where case_id = $1)
                on conflict do nothing";
            added += self
                .0
                .execute(
                    sql,
                    &[
                        &birth.case_id.0,
                        &birth.case_number,
                        &birth.subject,
                        &birth.user_id.map(|user| user.0),
                        &birth.recipient,
                        &birth.channel,
                        &birth.status,
                        &birth.changed_at,
                        &birth.created_at,
                        &self.0.epoch().0,
                    ],
                )
                .await?;
        }
        if added > 0 {
            self.0.wake.inbox.notify_one();
        }
        Ok(added)
    }

    /// The cases that can become tickets now, the oldest first.
    pub async fn heads(self, limit: i64) -> Result<Vec<Birth>, StoreError> {
        let sql = "select case_id, case_number, subject, user_id, recipient, channel, status, changed_at, created_at, attempts
            from {s}.birth where state = 'pending' and not_before <= clock_timestamp() and not exists (select from {s}.hold)
              and not exists (select from {s}.pause where way = 'to_site')
            order by case_id limit $1";
        let read = |row: &tokio_postgres::Row| Birth {
            case_id: row.get("case_id"),
            case_number: row.get("case_number"),
            subject: row.get("subject"),
            user_id: row.get("user_id"),
            recipient: row.get("recipient"),
            channel: row.get("channel"),
            status: row.get("status"),
            changed_at: row.get("changed_at"),
            created_at: row.get("created_at"),
            attempts: row.get("attempts"),
        };
        Ok(self.0.query(sql, &[&limit]).await?.iter().map(read).collect())
    }

    /// Keeps what the customer is called, for the replies of the ticket to be.
    pub async fn set_opening(self, case: CaseId, opening: &Opening) -> Result<(), StoreError> {
        let opening =
            serde_json::to_value(opening).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let sql = "update {s}.birth set opening = $2 where case_id = $1 and state = 'pending' and (select {s}.fence($3))";
        self.0
            .execute(sql, &[&case.0, &opening, &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// It failed for a passing reason.
    pub async fn retry(
        self,
        case: CaseId,
        error: &str,
        after: std::time::Duration,
    ) -> Result<(), StoreError> {
        let sql = "update {s}.birth set attempts = attempts + 1, error = $2,
                not_before = clock_timestamp() + make_interval(secs => $3)
            where case_id = $1 and state = 'pending' and (select {s}.fence($4))";
        self.0
            .execute(sql, &[&case.0, &error, &after.as_secs_f64(), &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// A person has to mend something first.
    pub async fn park(self, case: CaseId, error: &str) -> Result<(), StoreError> {
        let sql = "with parked as (
                update {s}.birth set state = 'parked', error = $2
                where case_id = $1 and state = 'pending' and (select {s}.fence($3)) returning case_id)
            insert into {s}.journal (what, detail) select 'case parked', 'case ' || case_id || ': ' || $2::text from parked";
        self.0.execute(sql, &[&case.0, &error, &self.0.epoch().0]).await?;
        Ok(())
    }
}
