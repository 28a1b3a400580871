//! Cases that agents merged: the ticket goes on in the parent (rule of `parent_case_id`).
//!
//! A parent that is no ticket's becomes the ticket's case. One that is another ticket's stays that ticket's, with what is
//! said in it: the absorbed ticket's messages go there, and its customer is answered there.

use super::{Merges, Store, StoreError};
use crate::model::{CaseId, LaneId, MessageId, UserId, clock};

/// What became of a ticket whose case was merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// It goes on in the parent.
    There,
    /// Its messages go into the parent, which is this ticket's.
    Of(String),
}

/// The case that another one was merged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    pub case_id: CaseId,
    /// Its number for people.
    pub case_number: String,
    /// Since when its messages are this customer's as well; `None`: they are all his.
    pub since: Option<jiff::Timestamp>,
}

impl Parent {
    /// Since when the messages of a case are a ticket's that was merged into it: all are, unless the case is another
    /// customer's. Where Deskie does not tell when it was merged, that was just now: what is older is not shown to him.
    pub fn since(is_anothers: bool, merged_at: Option<jiff::Timestamp>) -> Option<jiff::Timestamp> {
        is_anothers.then(|| merged_at.unwrap_or_else(clock::now))
    }
}

/// Whether other customers' tickets, or cases that are no ticket's, were merged into a case.
pub(super) fn absorbs(case: &str) -> String {
    format!(
        "(exists (select from {{s}}.ticket a where a.merged_into = {case} and a.read_from is not null)
            or exists (select from {{s}}.ticket a where a.case_id = {case} and a.absorbed_at is not null))"
    )
}

impl Merges<'_, Store> {
    /// The tickets of cases that may have been merged into these parents: ticket, case, parent.
    pub async fn candidates(
        self,
        cases: &[(CaseId, CaseId)],
    ) -> Result<Vec<(LaneId, CaseId, CaseId)>, StoreError> {
        let ids: Vec<i64> = cases.iter().map(|(case, _)| case.0).collect();
        let parents: Vec<i64> = cases.iter().map(|(_, parent)| parent.0).collect();
        let sql = "select t.id, u.case_id, u.parent from unnest($1::int8[], $2::int8[]) u (case_id, parent)
            join {s}.ticket t on t.case_id = u.case_id
            where u.parent is distinct from t.merged_into and u.parent is distinct from t.child_of";
        let read = |row: &tokio_postgres::Row| (row.get("id"), row.get("case_id"), row.get("parent"));
        Ok(self
            .0
            .query(sql, &[&ids, &parents])
            .await?
            .iter()
            .map(read)
            .collect())
    }

    /// Whether any of these messages is known to belong to a ticket: then the case that holds them has absorbed its own.
    pub async fn holds(self, ticket: LaneId, messages: &[MessageId]) -> Result<bool, StoreError> {
        let ids: Vec<i64> = messages.iter().map(|id| id.0).collect();
        let sql = "select exists (select from {s}.remote where message_id = any($2) and ticket_id = $1)
            or exists (select from {s}.delivery where message_id = any($2) and ticket_id = $1)";
        let rows = self.0.query(sql, &[&ticket, &ids]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// The other tickets of these customers whose cases may have been merged into this ticket's: ticket, case.
    pub async fn suspects(
        self,
        ticket: LaneId,
        users: &[UserId],
    ) -> Result<Vec<(LaneId, CaseId)>, StoreError> {
        let users: Vec<i64> = users.iter().map(|user| user.0).collect();
        let sql = "select id, case_id from {s}.ticket
            where user_id = any($1) and id <> $2 and case_id is not null and merged_into is null and not gone
            order by id desc limit 5";
        let rows = self.0.query(sql, &[&users, &ticket]).await?;
        Ok(rows
            .iter()
            .map(|row| (row.get("id"), row.get("case_id")))
            .collect())
    }

    /// A case that is no ticket's was merged into a ticket's at that time. True where that is news.
    pub async fn absorb(self, ticket: LaneId, until: jiff::Timestamp) -> Result<bool, StoreError> {
        let sql = "with t as (update {s}.ticket set absorbed_at = $2
                where id = $1 and absorbed_at is distinct from greatest(absorbed_at, $2) and (select {s}.fence($3)) returning id)
            insert into {s}.journal (ticket_id, what) select id, 'another customer''s case was merged into its own' from t";
        Ok(self.0.execute(sql, &[&ticket, &until, &self.0.epoch().0]).await? > 0)
    }

    /// Until when a ticket's case may hold what was said in other customers' cases, which were merged into it then; `None`: none
    /// were.
    pub async fn absorbed(self, ticket: LaneId, case: CaseId) -> Result<Option<jiff::Timestamp>, StoreError> {
        let sql =
            "select greatest((select max(read_from) from {s}.ticket where merged_into = $1 and id <> $2),
            (select absorbed_at from {s}.ticket where id = $2))";
        let rows = self.0.query(sql, &[&case.0, &ticket]).await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    /// The parent is none that the case was merged into.
    pub async fn rule_out(self, ticket: LaneId, parent: CaseId) -> Result<(), StoreError> {
        let sql = "update {s}.ticket set child_of = $2 where id = $1 and (select {s}.fence($3))";
        self.0
            .execute(sql, &[&ticket, &parent.0, &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// The ticket goes on in the parent of its case.
    pub async fn follow(self, ticket: LaneId, from: CaseId, parent: &Parent) -> Result<Followed, StoreError> {
        let mut client = self.0.client().await?;
        let step = self.0.step(&mut client).await?;
        let other = "select key from {s}.ticket where case_id = $1 and id <> $2";
        let rows = step.query(other, &[&parent.case_id.0, &ticket]).await?;
        let followed = match rows.first() {
            Some(row) => Followed::Of(row.get(0)),
            None => Followed::There,
        };
        let detail = match &followed {
            Followed::Of(key) => {
                // Its own number may show the whole parent: it is read as the parent's, and by that one's ticket alone.
                let sql =
                    "update {s}.ticket set merged_into = $2, read_wanted = null, read_not_before = null,
                        read_error = null, read_from = $3 where id = $1";
                step.execute(sql, &[&ticket, &parent.case_id.0, &parent.since])
                    .await?;
                let sql = "update {s}.ticket set read_wanted = least(coalesce(read_wanted, 2), 2),
                        read_wanted_at = clock_timestamp(),
                        read_not_before = case when read_error is not null then read_not_before end
                    where case_id = $1";
                step.execute(sql, &[&parent.case_id.0]).await?;
                format!(
                    "case {from} is part of case {}, which is ticket {key}'s: what the customer writes here goes there, \
                     what is said there is shown in ticket {key} alone",
                    parent.case_id
                )
            }
            Followed::There => {
                let sql = "update {s}.ticket set case_id = $2, case_number = coalesce(nullif($3, ''), case_number), case_key = null,
                        estranged = case when given_to is not null then estranged end,
                        read_from = $4, merged_into = null, case_updated_at = null, read_surplus = null, read_error = null,
                        read_wanted = 0, read_wanted_at = clock_timestamp(), read_not_before = null
                    where id = $1";
                step.execute(
                    sql,
                    &[&ticket, &parent.case_id.0, &parent.case_number, &parent.since],
                )
                .await?;
                let sql = "delete from {s}.foreign_case where case_id = $1";
                step.execute(sql, &[&parent.case_id.0]).await?;
                let sql = "insert into {s}.foreign_case (case_id, seen_by) values ($1, 'merged') on conflict do nothing";
                step.execute(sql, &[&from.0]).await?;
                format!("case {from} is part of case {} now", parent.case_id)
            }
        };
        step.journal().add(Some(ticket), "case merged", &detail).await?;
        step.commit().await?;
        tracing::warn!("a merge in Deskie: {detail}");
        self.0.wake.lanes.notify_one();
        Ok(followed)
    }
}

#[cfg(test)]
mod tests {
    use super::Parent;

    #[test]
    fn of_anothers_case_nothing_is_his_from_before_a_merge_of_which_nobody_tells_when() {
        let merged = jiff::Timestamp::from_second(5).unwrap();
        assert_eq!(Parent::since(true, Some(merged)), Some(merged));
        assert!(Parent::since(true, None).is_some());
        assert_eq!(Parent::since(false, Some(merged)), None);
        assert_eq!(Parent::since(false, None), None);
    }
}
