//! Has our own state gone back (rule 11)? What Deskie shows that we do not know, and what is asked before it is sent.
//!
//! A rolled back snapshot, or a standby that was promoted without the last commits, forgets calls that Deskie has
//! carried out; `swept_to` has gone back with the rest, so the first sweep of a term shows every case that they touched.
//! A case that claims a ticket's key and is not known is kept in `foreign_case`; before a case is opened for that key it
//! is looked at. A known case that changed since our last call may hold forgotten messages: its lane is held until
//! everything older has been captured and resolved, and what waits in it then comes into doubt, of which one look
//! decides.

use super::{Claims, Delivery, Opening, Recall, SeenCase, Step, Store, StoreError, Tickets};
use crate::config::{Deskie, Named};
use crate::model::{CallKind, CaseId, DeliveryId, LaneId, Lsn, TicketKey, UserId};

/// Why a case is left alone.
const OTHER_SITE: &str = "a case of another site that shares the ticket field ([deskie] site)";

/// One look decides about it before it is sent; `$3` is how an agent's answer goes.
const FIRST: &str = "ask = 'first', state = case when d.state = 'queued' then 'doubt' else d.state end,
    call = case when d.act = 'note' then 'add_note' when d.author = 'customer' then 'add_message' else $3 end,
    doubt_since = case when d.state = 'queued' then clock_timestamp() end,
    intent_at = coalesce(d.intent_at, to_timestamp(d.written_at))";

/// What may stand in a case already, and was not asked about.
const ASKED_ABOUT: &str =
    "d.act in ('message', 'note', 'file') and d.state in ('unresolved', 'queued') and d.ask is null";

/// A case that nobody knows and that says which ticket it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub case_id: CaseId,
    /// The ticket that its ticket field names.
    pub key: String,
}

/// Whether an adopted case became its ticket's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopted {
    /// It did.
    Taken(LaneId),
    /// What is on its way in the ticket's lane finds out by itself.
    NotYet,
    /// The ticket has another case, or another one names it as well.
    Disputed,
}

impl Recall<'_, Store> {
    /// Where the log ends: what is to be sent from before that is older than the question.
    pub async fn begin(self) -> Result<Lsn, StoreError> {
        let rows = self
            .0
            .query("select pg_catalog.pg_current_wal_insert_lsn()::text", &[])
            .await?;
        let text: &str = rows.first().map_or("0/0", |row| row.get(0));
        text.parse()
            .map_err(|error: crate::model::ParseLsnError| StoreError::Damaged(error.to_string()))
    }

    /// Holds the lanes of cases that changed at or since our last call to them, and that no read explains. How many.
    pub async fn hold(self, cases: &[SeenCase]) -> Result<u64, StoreError> {
        let ids: Vec<i64> = cases.iter().map(|case| case.case_id.0).collect();
        let times: Vec<jiff::Timestamp> = cases.iter().map(|case| case.updated_at).collect();
        let sql = "update {s}.ticket t set ask_first = true
            from (select case_id, max(at) as at from unnest($1::int8[], $2::timestamptz[]) u (case_id, at) group by case_id) s
            where t.case_id = s.case_id and not t.gone and (t.case_updated_at is null or s.at > t.case_updated_at)
              and (t.called_at is null or s.at >= t.called_at) and (select {s}.fence($3))";
        self.0.execute(sql, &[&ids, &times, &self.0.epoch().0]).await
    }

    /// Lets go of the held lanes once everything before `end` is captured and resolved: what waits in them for its first
    /// attempt is looked for first. True where nothing is held any more.
    pub async fn settle(self, end: Lsn, agent_call: CallKind) -> Result<bool, StoreError> {
        let held = "select exists (select from {s}.ticket where ask_first)";
        if !self
            .0
            .query(held, &[])
            .await?
            .first()
            .is_some_and(|row| row.get(0))
        {
            return Ok(true);
        }
        if !self
            .0
            .capture()
            .streamed_past(end, std::time::Duration::from_secs(1))
            .await?
        {
            return Ok(false);
        }
        let sql = format!(
            "with ready as (
                select id from {{s}}.ticket where ask_first and (select {{s}}.fence($2))
                    and not exists (select from {{s}}.event where commit_lsn <= $1::text::pg_lsn)),
            d as (
                update {{s}}.delivery d set {FIRST}
                where d.ticket_id in (select id from ready) and {ASKED_ABOUT})
            update {{s}}.ticket set ask_first = false where id in (select id from ready)"
        );
        let end = end.to_string();
        let released = self
            .0
            .execute(&sql, &[&end, &self.0.epoch().0, &agent_call.as_str()])
            .await?;
        if released > 0 {
            self.0.wake.lanes.notify_one();
        }
        Ok(released > 0)
    }

    /// Whether nothing of Deskie's is known yet, nor was ever asked about: a connector that has just been set up.
    pub async fn is_fresh(self) -> Result<bool, StoreError> {
        let sql = "select swept_to is null from {s}.meta";
        let never = self
            .0
            .query(sql, &[])
            .await?
            .first()
            .is_some_and(|row| row.get(0));
        Ok(never && !self.0.account().matters().await?)
    }
}

impl Claims<'_, Store> {
    /// Cases from before the connector that claim to be tickets of the site, once a person has adopted them: each becomes
    /// its ticket's when something is said in it, or when its ticket's customer writes again.
    pub async fn adopt(self, cases: &[CaseId]) -> Result<(), StoreError> {
        let ids: Vec<i64> = cases.iter().map(|case| case.0).collect();
        let sql =
            "update {s}.foreign_case set seen_by = 'adopted' where case_id = any ($1) and claims is not null
            and seen_by is null and (select {s}.fence($2))";
        self.0.execute(sql, &[&ids, &self.0.epoch().0]).await?;
        Ok(())
    }

    /// Those of these cases that are adopted and are no ticket's yet.
    pub async fn adopted(self, cases: &[CaseId]) -> Result<Vec<Claim>, StoreError> {
        let ids: Vec<i64> = cases.iter().map(|case| case.0).collect();
        let sql =
            "select case_id, claims from {s}.foreign_case where case_id = any ($1) and seen_by = 'adopted'";
        let read = |row: &tokio_postgres::Row| Claim {
            case_id: CaseId(row.get("case_id")),
            key: row.get("claims"),
        };
        Ok(self.0.query(sql, &[&ids]).await?.iter().map(read).collect())
    }

    /// An adopted case may be another ticket's than that which it names: a person is shown it.
    pub async fn lay_aside(self, case: CaseId) -> Result<(), StoreError> {
        let sql = "update {s}.foreign_case set seen_by = null, checked_at = now()
            where case_id = $1 and seen_by = 'adopted' and (select {s}.fence($2))";
        self.0.execute(sql, &[&case.0, &self.0.epoch().0]).await?;
        Ok(())
    }

    /// Keeps cases that nobody knows and that claim to be tickets; how many are new. One that may be that of a create in
    /// flight or in doubt is left until that is settled.
    pub async fn add(self, claims: &[Claim]) -> Result<u64, StoreError> {
        let ids: Vec<i64> = claims.iter().map(|claim| claim.case_id.0).collect();
        let keys: Vec<&str> = claims.iter().map(|claim| claim.key.as_str()).collect();
        let sql = "insert into {s}.foreign_case as f (case_id, claims)
            select u.case_id, u.key from unnest($1::int8[], $2::text[]) u (case_id, key)
            where (select {s}.fence($3))
              and not exists (select from {s}.ticket t where t.case_id = u.case_id)
              and not exists (select from {s}.birth b where b.case_id = u.case_id)
              and not exists (select from {s}.delivery d join {s}.ticket t on t.id = d.ticket_id
                  where t.key = u.key and d.call = 'create_case'
                    and (d.state in ('sending', 'doubt') or d.state = 'parked' and d.doubt_since is not null))
            on conflict (case_id) do update set claims = excluded.claims where f.claims is null";
        self.0.execute(sql, &[&ids, &keys, &self.0.epoch().0]).await
    }

    /// Cases of other sites that share the account and the ticket field: none of ours, asked about no more, counted once.
    pub async fn lay_aside_other_sites(self, cases: &[CaseId]) -> Result<(), StoreError> {
        if cases.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = cases.iter().map(|case| case.0).collect();
        let sql = "with f as (
                insert into {s}.foreign_case (case_id) select u from unnest($1::int8[]) u where (select {s}.fence($2))
                on conflict do nothing returning 1),
            n as (select count(*) as new from f)
            insert into {s}.skipped (reason, count) select $3, new from n where new > 0
            on conflict (reason) do update set count = skipped.count + excluded.count";
        self.0
            .execute(sql, &[&ids, &self.0.epoch().0, &OTHER_SITE])
            .await?;
        Ok(())
    }

    /// A case that claims this ticket's key may be its own: opening one comes into doubt, of which one look decides.
    /// False where nothing claims it, or where it was asked about.
    pub async fn doubt(self, id: DeliveryId) -> Result<bool, StoreError> {
        let sql = "update {s}.delivery d set ask = 'first', state = 'doubt', call = 'create_case',
                doubt_since = clock_timestamp(), intent_at = coalesce(d.intent_at, to_timestamp(d.written_at))
            from {s}.ticket t where d.id = $1 and t.id = d.ticket_id and d.state = 'queued' and d.ask is null
              and exists (select from {s}.foreign_case f where f.claims = t.key) and (select {s}.fence($2))";
        let doubted = self.0.execute(sql, &[&id.0, &self.0.epoch().0]).await? > 0;
        if doubted {
            self.0.wake.lanes.notify_one();
        }
        Ok(doubted)
    }
}

impl Tickets<'_, Store> {
    /// Which ticket of this site a value of the ticket field names, by its key; `None`: another site's.
    ///
    /// A value without a site counts as ours only where our own cases were once opened without one: what the case that was
    /// opened first holds tells that.
    pub async fn named(self, deskie: &Deskie, held: &str) -> Result<Option<String>, StoreError> {
        let key = match deskie.named(held) {
            Named::Ours(key) => key,
            Named::OtherSite => return Ok(None),
            Named::Nameless(key) => {
                let sql = "select case_key from {s}.ticket where case_key is not null order by id limit 1";
                let rows = self.0.query(sql, &[]).await?;
                let first: Option<String> = rows.first().map(|row| row.get(0));
                let was_nameless =
                    first.is_some_and(|first| matches!(deskie.named(&first), Named::Nameless(_)));
                if !was_nameless {
                    return Ok(None);
                }
                key
            }
        };
        Ok(Some(key.to_owned()))
    }
}

impl Recall<'_, Step<'_>> {
    /// A case that our state had forgotten is this ticket's. The delivery that was to open it is looked for in it before it
    /// is sent there; nothing that was said there before `since` goes to the site: it is from before the connector.
    pub async fn found_case(
        self,
        delivery: &Delivery,
        (case, number, held): (CaseId, &str, &str),
        user: UserId,
        since: Option<jiff::Timestamp>,
    ) -> Result<(), StoreError> {
        let sql = "with d as (update {s}.delivery set ask = 'first', state = 'doubt', call = 'add_message', looks = 0,
                    not_before = clock_timestamp() where id = $1 and state = 'doubt' returning ticket_id)
            update {s}.ticket t set case_id = $2, case_number = nullif($3, ''), case_key = $4, user_id = $5, channel = $6,
                custom_id = $7, opened_at = clock_timestamp(), read_from = $8, read_wanted = least(coalesce(read_wanted, 2), 2),
                read_wanted_at = clock_timestamp(), named_by = $9
            from d where t.id = d.ticket_id";
        let opening = delivery.opening.as_ref();
        let channel = opening.and_then(|opening| opening.channel.as_deref());
        let custom_id = opening.and_then(|opening| opening.custom_id.as_deref());
        let named_by = opening.and_then(|opening| opening.named_by.as_ref());
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] = [
            &delivery.id.0,
            &case.0,
            &number,
            &held,
            &user.0,
            &channel,
            &custom_id,
            &since,
            &named_by,
        ];
        self.0.execute(sql, &values).await?;
        self.0
            .execute("delete from {s}.foreign_case where case_id = $1", &[&case.0])
            .await?;
        let detail = format!("case {case} ({number}) is its own: it goes on in it");
        self.0
            .journal()
            .add(Some(delivery.ticket_id), "case found", &detail)
            .await
    }

    /// A case that our state had forgotten is found: what waits behind its opening may stand in it as well, and is looked
    /// for before it is sent.
    pub async fn found_lane(self, opening: &Delivery, agent_call: CallKind) -> Result<(), StoreError> {
        let sql = format!(
            "update {{s}}.delivery d set {FIRST} where d.ticket_id = $1 and d.id <> $2 and {ASKED_ABOUT}"
        );
        self.0
            .execute(&sql, &[&opening.ticket_id, &opening.id.0, &agent_call.as_str()])
            .await?;
        Ok(())
    }
}

impl Claims<'_, Step<'_>> {
    /// An adopted case becomes its ticket's: what is said in it since `since` goes to the site.
    pub async fn take(
        self,
        claim: &Claim,
        (number, held, user): (&str, &str, UserId),
        opening: &Opening,
        since: jiff::Timestamp,
    ) -> Result<Adopted, StoreError> {
        let lane = self
            .0
            .tickets()
            .find_or_add(&TicketKey(claim.key.clone()))
            .await?;
        // Whoever puts something into the lane waits for this, or is seen by the next statement.
        self.0
            .query("select from {s}.ticket where id = $1 for update", &[&lane.id])
            .await?;
        let sql = "select t.case_id is not null
                    or exists (select from {s}.foreign_case f where f.claims = t.key and f.case_id <> $2) as is_disputed,
                exists (select from {s}.delivery d where d.ticket_id = t.id
                    and d.state in ('unresolved', 'queued', 'sending', 'doubt', 'parked')) as is_busy
            from {s}.ticket t where t.id = $1";
        let rows = self.0.query(sql, &[&lane.id, &claim.case_id.0]).await?;
        let is = |name: &str| rows.first().is_none_or(|row| row.get(name));
        if is("is_disputed") {
            return Ok(Adopted::Disputed);
        }
        if is("is_busy") {
            return Ok(Adopted::NotYet);
        }
        let opening_json =
            serde_json::to_value(opening).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let sql = "update {s}.ticket set case_id = $2, case_number = nullif($3, ''), case_key = $4, user_id = $5, channel = $6,
                custom_id = $7, opening = $8, opened_at = clock_timestamp(), read_from = $9,
                read_wanted = least(coalesce(read_wanted, 2), 2), read_wanted_at = clock_timestamp(), named_by = $10 where id = $1";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
            &lane.id,
            &claim.case_id.0,
            &number,
            &held,
            &user.0,
            &opening.channel,
            &opening.custom_id,
            &opening_json,
            &since,
            &opening.named_by,
        ];
        self.0.execute(sql, &values).await?;
        self.0
            .execute(
                "delete from {s}.foreign_case where case_id = $1",
                &[&claim.case_id.0],
            )
            .await?;
        let detail = format!(
            "case {} ({number}) is its own: it was adopted, and goes on",
            claim.case_id
        );
        self.0.journal().add(Some(lane.id), "case found", &detail).await?;
        Ok(Adopted::Taken(lane.id))
    }
}
