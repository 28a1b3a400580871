//! What a person has to decide before anything goes on (rule 11), and which Deskie account our cases are of.
//!
//! While a row stands in `hold`, nothing is taken to be sent, read, written or resolved, in the statement that would take
//! it; what is under way is stopped by `UNHELD` in the transaction that writes. Capture and the receivers go on.

use super::{Account, Claim, Holds, Store, StoreError, Tickets};
use crate::config::Deskie;
use crate::model::{CaseId, LaneId, Seen, TicketKey, TroubleKind, UserId, words};

words! {
    /// What is to be decided.
    HoldKind {
        /// A start was refused: this is another server or database, or it cannot be streamed from.
        Start = "start",
        /// Deskie's account may be another one.
        Account = "account",
        /// The site's keys may be other rows'.
        Keys = "keys",
        /// A name of the mapping may be another column's.
        Columns = "columns",
        /// This server may be a physical copy of the one that sends.
        Copy = "copy",
    }
}

/// A case of ours that tells which account this is.
#[derive(Debug, Clone)]
pub struct Witness {
    pub ticket_id: LaneId,
    /// The ticket's key.
    pub key: TicketKey,
    /// What the case's ticket field holds.
    pub claim: String,
    pub case_id: CaseId,
    /// Its customer.
    pub user_id: Option<UserId>,
}

/// What a case says of the ticket that we know it as.
#[derive(Debug, Clone)]
pub struct Claimed {
    pub case_id: CaseId,
    pub ticket_id: LaneId,
    pub key: TicketKey,
    /// Its ticket field names this ticket.
    pub is_own: bool,
}

/// So many cases are asked about before an account is taken for another one.
const WITNESSES: i64 = 5;

impl Holds<'_, Store> {
    /// Holds everything until a person, or what is learned later, lets go of it. True where that is news.
    pub async fn set(self, kind: HoldKind, reason: &str) -> Result<bool, StoreError> {
        let sql = "insert into {s}.hold as h (kind, reason) values ($1, $2)
            on conflict (kind) do update set reason = excluded.reason where h.reason <> excluded.reason";
        let news = self.0.execute(sql, &[&kind.as_str(), &reason]).await? > 0;
        self.0.wake.hold.notify_one();
        Ok(news)
    }

    /// Lets go of it.
    pub async fn lift(self, kind: HoldKind) -> Result<bool, StoreError> {
        let sql = "delete from {s}.hold where kind = $1";
        Ok(self.0.execute(sql, &[&kind.as_str()]).await? > 0)
    }

    /// What is held, and why.
    pub async fn all(self) -> Result<Vec<String>, StoreError> {
        let rows = self
            .0
            .query("select reason from {s}.hold order by since, kind", &[])
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Why it is held.
    pub async fn reason(self, kind: HoldKind) -> Result<Option<String>, StoreError> {
        let sql = "select reason from {s}.hold where kind = $1";
        Ok(self
            .0
            .query(sql, &[&kind.as_str()])
            .await?
            .first()
            .map(|row| row.get(0)))
    }

    /// The server may be a copy of the one that sends: its slot was lost, or its timeline is new. If Deskie shows cases of
    /// the site that we do not know within a day, it is (rule 11).
    pub async fn suspect_copy(self) -> Result<(), StoreError> {
        let sql = "update {s}.meta set copied_until = clock_timestamp() + interval '1 day'";
        self.0.execute(sql, &[]).await?;
        Ok(())
    }

    /// Whether the server may be a copy of the one that sends.
    pub async fn is_copy_suspected(self) -> Result<bool, StoreError> {
        let sql = "select coalesce(copied_until > clock_timestamp(), false) from {s}.meta";
        Ok(self
            .0
            .query(sql, &[])
            .await?
            .first()
            .is_some_and(|row| row.get(0)))
    }

    /// It may send all the same. True where that was in question.
    pub async fn adopt_copy(self) -> Result<bool, StoreError> {
        // Where nothing is known of Deskie's cases, they are all asked which ticket they are.
        let known = self.0.account().matters().await?;
        let sql = "update {s}.meta set copied_until = null,
                swept_to = case when $1 or not exists (select from {s}.hold where kind = 'copy') then swept_to
                    else '2000-01-01 00:00:00Z' end";
        self.0.execute(sql, &[&known]).await?;
        self.lift(HoldKind::Copy).await
    }

    /// What is held, by its kind.
    pub async fn troubles(self) -> Result<Vec<Seen>, StoreError> {
        let sql = "select kind, reason from {s}.hold order by since, kind";
        let seen = |row: &tokio_postgres::Row| {
            let (kind, reason): (String, String) = (row.get("kind"), row.get("reason"));
            Seen::of(TroubleKind::Held, kind, reason)
        };
        Ok(self.0.query(sql, &[]).await?.iter().map(seen).collect())
    }
}

impl Account<'_, Store> {
    /// The account that our cases are of; `None`: it was not noted yet.
    pub async fn noted(self) -> Result<Option<String>, StoreError> {
        let rows = self.0.query("select account from {s}.meta", &[]).await?;
        Ok(rows.first().and_then(|row| row.get(0)))
    }

    /// Notes the account.
    pub async fn note(self, account: &str) -> Result<(), StoreError> {
        let sql = "update {s}.meta set account = $1 where account is distinct from $1";
        self.0.execute(sql, &[&account]).await?;
        Ok(())
    }

    /// Whether anything of Deskie's is known, so that another account would be mistaken for it.
    pub async fn matters(self) -> Result<bool, StoreError> {
        let sql = "select exists (select from {s}.ticket where case_id is not null) or exists (select from {s}.birth)";
        Ok(self
            .0
            .query(sql, &[])
            .await?
            .first()
            .is_some_and(|row| row.get(0)))
    }

    /// The cases that we know best: those that we opened ourselves and called last.
    pub async fn witnesses(self) -> Result<Vec<Witness>, StoreError> {
        let sql = "select id, key, case_id, coalesce(case_key, key) as claim, user_id from {s}.ticket
            where case_id is not null and merged_into is null
            order by called_at desc nulls last, id desc limit $1";
        let read = |row: &tokio_postgres::Row| Witness {
            ticket_id: row.get("id"),
            key: TicketKey(row.get("key")),
            case_id: row.get("case_id"),
            claim: row.get("claim"),
            user_id: row.get("user_id"),
        };
        Ok(self.0.query(sql, &[&WITNESSES]).await?.iter().map(read).collect())
    }

    /// The largest number of a case that we know.
    pub async fn newest_case(self) -> Result<Option<CaseId>, StoreError> {
        let rows = self.0.query("select max(case_id) from {s}.ticket", &[]).await?;
        Ok(rows
            .first()
            .and_then(|row| row.get::<_, Option<i64>>(0))
            .map(CaseId))
    }

    /// The cases of the account that we knew are not ours any more. Known tickets stay known: the next message of a
    /// customer opens a new case; what waits for its case is looked for there first. Replies that were read before go to
    /// the site. The numbers that Deskie gave are put out of the way, since another account gives its own. Returns how
    /// many tickets lost their case.
    pub async fn adopt(self, account: &str) -> Result<u64, StoreError> {
        let mut client = self.0.client().await?;
        let step = self.0.step_aside(&mut client).await?;
        let unbound = step
            .execute(
                "with t as (update {s}.ticket set case_id = null, case_number = null, case_key = null, user_id = null, channel = null,
                        custom_id = null, merged_into = null, child_of = null, read_from = null, customer_at = null,
                        opened_at = null, read_wanted = null, read_wanted_at = null, read_not_before = null,
                        read_attempts = 0, read_error = null, read_surplus = null, case_updated_at = null,
                        called_at = null, ask_first = false, estranged = null, named_by = null, given_to = null, absorbed_at = null, status = null, status_at = null,
                        status_seen_at = null
                    where case_id is not null returning id, (select o.case_id from {s}.ticket o where o.id = ticket.id) as case_id)
                 insert into {s}.journal (ticket_id, what, detail)
                 select id, 'another Deskie account', 'case ' || case_id || ' is of the former one' from t",
                &[],
            )
            .await?;
        for sql in [
            // What was being sent, or may have been: the new account is asked before it is sent.
            "update {s}.delivery set state = 'doubt', ask = 'first', not_before = now(), looks = 0, attempts = 0,
                 doubt_since = clock_timestamp(), intent_at = coalesce(intent_at, to_timestamp(written_at)), lead = null, error = null
             where call = 'create_case' and (state in ('sending', 'doubt') or state = 'parked' and doubt_since is not null)",
            "update {s}.delivery set state = 'queued', not_before = now(), looks = 0, attempts = 0, doubt_since = null,
                 intent_at = null, ask = null, lead = null, error = null
             where call is distinct from 'create_case'
               and (state in ('sending', 'doubt') or state = 'parked' and doubt_since is not null)",
            "update {s}.link l set state = 'queued', reason = null where state = 'parked'
                and exists (select from {s}.delivery d where d.link_id = l.id and d.state in ('queued', 'doubt'))",
            // What follows up on a message of the former account has nothing to follow.
            "update {s}.delivery set state = 'skipped', error = 'its message is of another Deskie account', done_at = now()
             where act in ('edit', 'status') and state in ('queued', 'parked')",
            "update {s}.delivery set message_id = -id where state in ('delivered', 'discarded') and (message_id is null or message_id > 0)",
            "update {s}.remote set message_id = -seq, case_id = 0 where message_id > 0",
            "delete from {s}.status_write",
            "delete from {s}.foreign_case",
            "update {s}.birth b set case_id = n.id, state = case when b.state = 'done' then 'done' else 'discarded' end,
                 error = case when b.state = 'done' then b.error else 'it is of another Deskie account' end,
                 done_at = coalesce(b.done_at, now())
             from (select case_id, least((select min(case_id) from {s}.birth), 0) - row_number() over (order by case_id) as id
                   from {s}.birth where case_id > 0) n where b.case_id = n.case_id",
            "delete from {s}.hold where kind = 'account'",
        ] {
            step.execute(sql, &[]).await?;
        }
        let sql = "update {s}.meta set account = $1, account_since = clock_timestamp(), swept_to = clock_timestamp(),
            created_at_kept = null";
        step.execute(sql, &[&account]).await?;
        step.commit().await?;
        Ok(unbound)
    }
}

impl Tickets<'_, Store> {
    /// What these cases say of the tickets that we know them as.
    pub async fn claims(self, deskie: &Deskie, claims: &[Claim]) -> Result<Vec<Claimed>, StoreError> {
        let ids: Vec<i64> = claims.iter().map(|claim| claim.case_id.0).collect();
        let keys: Vec<&str> = claims.iter().map(|claim| claim.key.as_str()).collect();
        let sql = "select t.case_id, t.id, t.key, u.key as claimed, coalesce(t.case_key, t.key) as claim
            from unnest($1::int8[], $2::text[]) u (case_id, key) join {s}.ticket t using (case_id)";
        let read = |row: &tokio_postgres::Row| Claimed {
            case_id: row.get("case_id"),
            ticket_id: row.get("id"),
            key: TicketKey(row.get("key")),
            is_own: deskie.is_claim_of(row.get("claimed"), row.get("claim")),
        };
        Ok(self
            .0
            .query(sql, &[&ids, &keys])
            .await?
            .iter()
            .map(read)
            .collect())
    }

    /// A ticket's case is another ticket's, and why; `None`: it is its own. Nothing is added to it or taken from it
    /// while it is not. True where that is news.
    pub async fn estrange(self, id: LaneId, why: Option<&str>) -> Result<bool, StoreError> {
        let sql = "with t as (update {s}.ticket set estranged = $2 where id = $1 and estranged is distinct from $2
                    and (select {s}.fence($3)) returning id)
            insert into {s}.journal (ticket_id, what, detail)
            select id, case when $2::text is null then 'the case is its own again' else 'the case is another''s' end,
                coalesce($2, '') from t";
        Ok(self.0.execute(sql, &[&id, &why, &self.0.epoch().0]).await? > 0)
    }

    /// The tickets whose case is another ticket's, as one trouble.
    pub async fn estranged(self) -> Result<Option<Seen>, StoreError> {
        let sql = "select count(*) as count, min(key) as first, (array_agg(estranged order by key))[1] as why from {s}.ticket where estranged is not null and not gone";
        let rows = self.0.query(sql, &[]).await?;
        Ok(rows.first().and_then(|row| {
            let (count, key, why): (i64, Option<String>, Option<String>) = (row.get("count"), row.get("first"), row.get("why"));
            let (key, why) = key.zip(why)?;
            let text = format!(
                "the cases of {count} tickets are not their own, so that nothing is sent to them or written from them \
                 (ticket {key}: {why})"
            );
            Some(Seen::new(TroubleKind::CaseEstranged, text))
        }))
    }
}
