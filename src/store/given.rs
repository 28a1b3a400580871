//! Tickets that the site gives to another customer while their cases are open.

use serde_json::Value;

use super::delivery::opening;
use super::ticket::{COLUMNS, ticket};
use super::{Opening, Step, Store, StoreError, Ticket, Tickets};
use crate::model::{CaseId, LaneId, UserId};

impl Tickets<'_, Step<'_>> {
    /// The ticket's row is of the customer whose case it has, and says so by these cells; what was held for that goes on.
    pub async fn is_his(self, ticket: LaneId, named_by: Option<&Value>) -> Result<(), StoreError> {
        let sql = "with was as (select given_to from {s}.ticket where id = $1),
            t as (update {s}.ticket set named_by = coalesce($2, named_by), given_to = null,
                    estranged = case when given_to is null then estranged end
                where id = $1 returning id)
            insert into {s}.journal (ticket_id, what, detail)
            select t.id, 'the case is its own again', 'the site has given the ticket back' from t, was where was.given_to is not null";
        self.0.execute(sql, &[&ticket, &named_by]).await?;
        Ok(())
    }

    /// The site has given the ticket to another customer than its case is of, and why nothing goes either way. True where
    /// that is news. The case is read soon: it may be his by now.
    pub async fn give(self, ticket: LaneId, to: &Opening, why: &str) -> Result<bool, StoreError> {
        let to = serde_json::to_value(to).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let sql = "with t as (update {s}.ticket set given_to = $2, estranged = $3, read_wanted = least(coalesce(read_wanted, 2), 2),
                    read_wanted_at = clock_timestamp(), read_not_before = null
                where id = $1 and given_to is distinct from $2 returning id)
            insert into {s}.journal (ticket_id, what, detail) select id, 'the ticket is another customer''s', $3 from t";
        Ok(self.0.execute(sql, &[&ticket, &to, &why]).await? > 0)
    }
}

impl Tickets<'_, Store> {
    /// Whose the ticket is on the site, where its case is another customer's, and what is told of that.
    pub async fn given_to(self, ticket: LaneId) -> Result<Option<(Opening, String)>, StoreError> {
        let sql = "select given_to, estranged from {s}.ticket where id = $1";
        let rows = self.0.query(sql, &[&ticket]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(opening(row.get("given_to"))?.zip(row.get("estranged")))
    }

    /// The case is his under another profile: what he says is said by that one.
    pub async fn follow_customer(self, ticket: LaneId, user: UserId) -> Result<(), StoreError> {
        let sql = "with t as (update {s}.ticket set user_id = $2 where id = $1 and (select {s}.fence($3)) returning id)
            insert into {s}.journal (ticket_id, what) select id, 'the customer has another profile in Deskie' from t";
        self.0
            .execute(sql, &[&ticket, &user.0, &self.0.epoch().0])
            .await?;
        Ok(())
    }

    /// The tickets whose cases are shown with other customers than we know: each with the place of its case among these.
    pub async fn of_others(self, cases: &[(CaseId, UserId)]) -> Result<Vec<(usize, Ticket)>, StoreError> {
        let sql = format!(
            "select u.n, {COLUMNS} from unnest($1::int8[], $2::int8[]) with ordinality u (case_id, user_id, n)
             join {{s}}.ticket t on t.case_id = u.case_id and t.user_id <> u.user_id
             where t.merged_into is null and t.read_from is null and t.estranged is null and not t.gone"
        );
        let (ids, users): (Vec<i64>, Vec<i64>) = cases.iter().map(|(case, user)| (case.0, user.0)).unzip();
        let place =
            |row: &tokio_postgres::Row| usize::try_from(row.get::<_, i64>("n") - 1).unwrap_or(usize::MAX);
        let rows = self.0.query(&sql, &[&ids, &users]).await?;
        Ok(rows.iter().map(|row| (place(row), ticket(row))).collect())
    }

    /// The case is of the customer too to whom the site has given the ticket: it goes on as his.
    pub async fn taken_over(
        self,
        ticket: LaneId,
        by: &Opening,
        user: Option<UserId>,
    ) -> Result<(), StoreError> {
        let json = serde_json::to_value(by).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let sql = "with t as (update {s}.ticket set opening = $2, named_by = $2->'named_by', user_id = coalesce($3, user_id),
                    channel = $4, custom_id = $5, given_to = null, estranged = null
                where id = $1 and given_to = $2 and (select {s}.fence($6)) returning id)
            insert into {s}.journal (ticket_id, what) select id, 'the case is the ticket''s new customer''s' from t";
        let user = user.map(|user| user.0);
        let epoch = self.0.epoch().0;
        self.0
            .execute(sql, &[&ticket, &json, &user, &by.channel, &by.custom_id, &epoch])
            .await?;
        self.0.wake.lanes.notify_one();
        Ok(())
    }
}
