//! What `status` and `failed` show, and the metrics.

use super::{Store, StoreError};
use crate::model::{Seen, TroubleKind};

/// How much waits for a person.
const PARKED: &str = "(select count(*) from {s}.delivery where state = 'parked' and lead is null)
    + (select count(*) from {s}.remote where state = 'parked')
    + (select count(*) from {s}.status_write where state = 'parked')
    + (select count(*) from {s}.birth where state = 'parked')
    + (select count(*) from {s}.foreign_case where claims is not null and seen_by is null)
    + (select count(*) from {s}.parked_event where state = 'parked')
    + (select count(*) from {s}.bulk where held_since is not null)";

/// The age of the oldest thing that waits for anything but a person, in seconds.
const OLDEST: &str = "extract(epoch from clock_timestamp() - least(
    (select committed_at from {s}.event order by id limit 1),
    (select min(queued_at) from {s}.delivery where state in ('unresolved', 'queued', 'sending', 'doubt') and not dormant),
    (select min(received_at) from {s}.inbox where state = 'waiting'),
    (select min(seen_at) from {s}.remote where state = 'pending')))::float8";

/// How much waits where.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Queues {
    /// Captured row changes that are not resolved; many are not counted but told by their numbers.
    pub events: i64,
    /// Rows in their lanes, resolved or not, that are not delivered; those of tickets that are none of ours aside.
    pub deliveries: i64,
    /// Of these: it is not known whether Deskie did it.
    pub in_doubt: i64,
    /// Deliveries and replies that wait for a person.
    pub parked: i64,
    /// Webhooks that are not dealt with.
    pub inbox: i64,
    /// Cases that wait for being read.
    pub reads: i64,
    /// Replies that wait for being written to the site.
    pub replies: i64,
    /// The age of the oldest thing that waits, parked ones aside, in seconds.
    pub oldest_seconds: Option<f64>,
    /// Tickets with a case; from 10000 on it is the server's estimate, as with the two below.
    pub tickets: i64,
    /// Messages delivered to Deskie.
    pub delivered: i64,
    /// Messages written to the site.
    pub written: i64,
}

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Parked {
    /// `d<number>` for a delivery, `r<message id>` for a reply, `s<number>` for a status,
    /// `c<case id>` for a case born in Deskie, `o<case id>` for one that claims to be a ticket of ours, `e<number>` for a
    /// change of a row that could not be taken, `x<transaction>` for all new cases of one transaction.
    pub id: String,
    /// The site's key of the ticket.
    pub ticket: Option<String>,
    /// Why.
    pub error: String,
    /// Since when.
    pub since: String,
}

/// Everything that is stored of a parked thing.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ParkedDetail {
    /// As [`Parked::id`].
    pub id: String,
    /// The site's key of the ticket.
    pub ticket: Option<String>,
    /// Why it is parked.
    pub error: String,
    /// It is parked because nobody knows whether Deskie did it.
    pub in_doubt: bool,
    /// Other things of the same ticket and direction that wait behind it.
    pub behind: i64,
    /// The row of our table, without what is empty.
    pub stored: serde_json::Value,
}

/// Who leads, and the times of the last steps.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Standing {
    /// The term of office; 0: nobody ever led.
    pub epoch: i64,
    /// Who holds the lease.
    pub holder: Option<String>,
    /// Seconds since it was renewed, by the server's clock.
    pub renewed_seconds: Option<f64>,
    /// Commit time of the last captured transaction.
    pub captured_at: Option<jiff::Timestamp>,
    /// Our last call to Deskie that may have changed something, by its clock.
    pub last_call_at: Option<jiff::Timestamp>,
}

/// One line of a ticket's story.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Told {
    /// When, in UTC.
    pub at: String,
    /// What happened.
    pub what: String,
    /// To what, and how it ended.
    pub detail: String,
}

impl Store {
    /// The database answers.
    pub async fn status_ping(&self) -> Result<(), StoreError> {
        self.client().await?.simple_query("select 1").await?;
        Ok(())
    }

    /// Who leads, and when something moved last.
    pub async fn status_standing(&self) -> Result<Standing, StoreError> {
        let sql = "select l.epoch, l.holder, extract(epoch from clock_timestamp() - l.renewed_at)::float8,
                m.captured_at, (select max(called_at) from {s}.ticket)
            from {s}.lease l, {s}.meta m";
        let rows = self.query(sql, &[]).await?;
        Ok(rows.first().map_or_else(Standing::default, |row| Standing {
            epoch: row.get(0),
            holder: row.get(1),
            renewed_seconds: row.get(2),
            captured_at: row.get(3),
            last_call_at: row.get(4),
        }))
    }

    /// Rows that were passed over, by reason, the most frequent first.
    pub async fn status_skipped(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = self
            .query(
                "select reason, count from {s}.skipped order by count desc, reason",
                &[],
            )
            .await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Everything that is stored of one parked thing; `None` where nothing parked has this id.
    pub async fn parked_get(&self, id: &str) -> Result<Option<ParkedDetail>, StoreError> {
        let sql = "select 'd' || d.id, t.key, coalesce(d.error, ''), d.doubt_since is not null,
                (select count(*) from {s}.delivery o where o.ticket_id = d.ticket_id and o.id <> d.id
                    and d.act not in ('status', 'file') and o.state in ('unresolved', 'queued') and (o.position, o.part, o.id) > (d.position, d.part, d.id)),
                jsonb_strip_nulls(to_jsonb(d) || jsonb_build_object('row', l.section || ' ' || l.key,
                    'ticket', t.key, 'case_id', t.case_id, 'case_number', t.case_number))
                from {s}.delivery d left join {s}.ticket t on t.id = d.ticket_id left join {s}.link l on l.id = d.link_id
                where d.state = 'parked' and 'd' || d.id = $1
            union all
            select 'r' || r.message_id, t.key, coalesce(r.error, ''), false,
                (select count(*) from {s}.remote o where o.ticket_id = r.ticket_id and o.state = 'pending' and o.seq > r.seq),
                jsonb_strip_nulls(to_jsonb(r) || jsonb_build_object('ticket', t.key, 'case_number', t.case_number))
                from {s}.remote r left join {s}.ticket t on t.id = r.ticket_id
                where r.state = 'parked' and 'r' || r.message_id = $1
            union all
            select 's' || w.ticket_id, t.key, coalesce(w.error, ''), false, 0::int8,
                jsonb_strip_nulls(to_jsonb(w) || jsonb_build_object('ticket', t.key, 'case_id', t.case_id,
                    'case_number', t.case_number))
                from {s}.status_write w join {s}.ticket t on t.id = w.ticket_id
                where w.state = 'parked' and 's' || w.ticket_id = $1
            union all
            select 'c' || case_id, null, coalesce(error, ''), false, 0::int8, jsonb_strip_nulls(to_jsonb(b))
                from {s}.birth b where state = 'parked' and 'c' || case_id = $1
            union all
            select 'o' || case_id, claims, {s}.orphan(case_id, claims), false, 0::int8, jsonb_strip_nulls(to_jsonb(f))
                from {s}.foreign_case f where claims is not null and seen_by is null and 'o' || case_id = $1
            union all
            select 'e' || p.id, p.ticket_key, p.error, false,
                (select count(*) from {s}.delivery o where o.ticket_id = p.ticket_id and o.position > p.position
                    and o.state in ('unresolved', 'queued')),
                jsonb_strip_nulls(to_jsonb(p)) from {s}.parked_event p where p.state = 'parked' and 'e' || p.id = $1
            union all
            select 'x' || b.xid, null, {s}.held(b.xid), false,
                (select count(*) from {s}.ticket t where t.opened_by = b.xid), jsonb_build_object('transaction', b.xid::text,
                    'held_since', b.held_since, 'tickets', (select jsonb_agg(key) from (select key from {s}.ticket t
                        where t.opened_by = b.xid order by t.id limit 20) first))
                from {s}.bulk b where b.held_since is not null and 'x' || b.xid = $1";
        let rows = self.query(sql, &[&id]).await?;
        Ok(rows.first().map(|row| ParkedDetail {
            id: row.get(0),
            ticket: row.get(1),
            error: row.get(2),
            in_doubt: row.get(3),
            behind: row.get(4),
            stored: row.get(5),
        }))
    }

    /// Keys of known tickets that come near a key that is not known: by the number of its case, or by its beginning.
    pub async fn trace_near(&self, key: &str) -> Result<Vec<String>, StoreError> {
        let sql = "select key from (
                select distinct key, case when case_number = $1 or case_id::text = $1 then 0
                    when lower(key) = lower(btrim($1, ' #')) then 1 else 2 end as far
                from {s}.ticket
                where case_number = $1 or case_id::text = $1 or lower(key) = lower(btrim($1, ' #'))
                   or starts_with(key, $1) or (key <> '' and starts_with($1, key))) near
            order by far, length(key), key limit 5";
        Ok(self
            .query(sql, &[&key])
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect())
    }

    /// Counts what waits; by partial indexes, and without a look through what is done, since it is asked at each scrape.
    pub async fn status_queues(&self) -> Result<Queues, StoreError> {
        let sql = format!(
            "select
            (select case when n < 10000 then n else greatest(n, (select reltuples::int8 from pg_class
                    where oid = '{{s}}.event'::regclass)) end
                from (select count(*) as n from (select from {{s}}.event limit 10000) e) c),
            (select count(*) from {{s}}.delivery where state in ('unresolved', 'queued', 'sending', 'doubt') and not dormant),
            (select count(*) from {{s}}.delivery where state = 'doubt'),
            {PARKED},
            (select count(*) from {{s}}.inbox where state = 'waiting'),
            (select count(*) from {{s}}.ticket where read_wanted < 3),
            (select count(*) from {{s}}.remote where state = 'pending'),
            {OLDEST},
            (select case when n < 10000 then n else greatest(n, (select reltuples::int8 from pg_class
                    where oid = '{{s}}.ticket'::regclass)) end
                from (select count(*) as n from (select from {{s}}.ticket where case_id is not null limit 10000) t) c),
            {{s}}.about('{{s}}.delivery', 'delivered'),
            {{s}}.about('{{s}}.remote', 'written')"
        );
        let rows = self.query(&sql, &[]).await?;
        Ok(rows.first().map_or_else(Queues::default, |row| Queues {
            events: row.get(0),
            deliveries: row.get(1),
            in_doubt: row.get(2),
            parked: row.get(3),
            inbox: row.get(4),
            reads: row.get(5),
            replies: row.get(6),
            oldest_seconds: row.get(7),
            tickets: row.get(8),
            delivered: row.get(9),
            written: row.get(10),
        }))
    }

    /// What waits for a person, the newest first: without the first `passed` items, and `limit` of the others, or all.
    pub async fn status_parked(&self, passed: u32, limit: Option<u32>) -> Result<Vec<Parked>, StoreError> {
        let sql = "select 'd' || d.id, t.key, coalesce(d.error, ''), d.queued_at::text
                from {s}.delivery d left join {s}.ticket t on t.id = d.ticket_id where d.state = 'parked' and d.lead is null
            union all
            select 'r' || r.message_id, t.key, coalesce(r.error, ''), r.seen_at::text
                from {s}.remote r left join {s}.ticket t on t.id = r.ticket_id where r.state = 'parked'
            union all
            select 's' || w.ticket_id, t.key, coalesce(w.error, ''), w.seen_at::text
                from {s}.status_write w join {s}.ticket t on t.id = w.ticket_id where w.state = 'parked'
            union all
            select 'c' || case_id, null, coalesce(error, ''), seen_at::text from {s}.birth where state = 'parked'
            union all
            select 'o' || case_id, claims, {s}.orphan(case_id, claims), checked_at::text
                from {s}.foreign_case where claims is not null and seen_by is null
            union all
            select 'e' || id, ticket_key, error, parked_at::text from {s}.parked_event where state = 'parked'
            union all
            select 'x' || xid, null, {s}.held(xid), held_since::text from {s}.bulk where held_since is not null
            order by 4 desc, 1 desc offset $1 limit $2";
        let read = |row: &tokio_postgres::Row| Parked {
            id: row.get(0),
            ticket: row.get(1),
            error: row.get(2),
            since: row.get(3),
        };
        let (passed, limit) = (i64::from(passed), limit.map(i64::from));
        let rows = self.query(sql, &[&passed, &limit]).await?;
        Ok(rows.iter().map(read).collect())
    }

    /// How much waits for a person, and the age of the oldest other thing that waits, in seconds.
    pub async fn status_attention(&self) -> Result<(i64, Option<f64>), StoreError> {
        let sql = format!("select {PARKED}, {OLDEST}");
        let rows = self.query(&sql, &[]).await?;
        Ok(rows.first().map_or((0, None), |row| (row.get(0), row.get(1))))
    }

    /// The cases that Deskie does not let us read, as one trouble. One that is gone has nothing more to say.
    pub async fn unreadable(&self) -> Result<Option<Seen>, StoreError> {
        let sql = "select count(*), min(key), (array_agg(read_error order by key))[1] from {s}.ticket
            where read_wanted is not null and read_error is not null and read_refused";
        let rows = self.query(sql, &[]).await?;
        let told = |row: &tokio_postgres::Row| {
            let (count, key, why): (i64, Option<String>, Option<String>) =
                (row.get(0), row.get(1), row.get(2));
            let (key, why) = key.zip(why)?;
            let text = format!(
                "the cases of {count} tickets cannot be read, so that what is said there does not come to the site (ticket \
                 {key}: {why}); once that is mended, `deskie-cdc failed retry --all`"
            );
            Some(Seen::new(TroubleKind::CaseUnreadable, text))
        };
        Ok(rows.first().and_then(told))
    }

    /// A person has mended something: parked things are tried again. `id` as [`Parked::id`], or all. One that was
    /// parked out of doubt is sent again without another look: that is what the person decided. A case that claims to be
    /// a ticket is asked about again with its next webhook; `all` leaves those, and the new cases of a whole transaction, which
    /// are a decision of their own, and takes the cases that could not be read.
    pub async fn parked_retry(&self, id: Option<&str>) -> Result<u64, StoreError> {
        let sql = "with d as (
                update {s}.delivery set state = case when act = 'held' then 'skipped' when body is null then 'unresolved' else 'queued' end,
                    not_before = now(), attempts = 0, failures = 0, doubt_since = null,
                    waits_since = case when act = 'file' then now() - interval '100 years' end,
                    intent_at = case when lead is null then intent_at end, lead = null
                where state = 'parked' and ($1::text is null or 'd' || coalesce(lead, id) = $1) returning link_id, id),
            h as (delete from {s}.held where delivery_id in (select id from d) returning *),
            f as (insert into {s}.event (xid, commit_lsn, committed_at, schema_name, table_name, op, image, size, echo, found)
                select pg_current_xact_id(), coalesce(m.captured_lsn, '0/0'), coalesce(h.committed_at, clock_timestamp()),
                    h.schema_name, h.table_name, 'I', h.image, pg_column_size(h.image), false, true
                from h, {s}.meta m order by h.id),
            l as (update {s}.link set state = 'queued', reason = null where id in (select link_id from d)),
            r as (update {s}.remote set state = 'pending', not_before = now(), attempts = 0
                  where state = 'parked' and ($1::text is null or 'r' || message_id = $1) returning 1),
            w as (update {s}.status_write set state = 'pending', not_before = now(), attempts = 0
                  where state = 'parked' and ($1::text is null or 's' || ticket_id = $1) returning 1),
            b as (update {s}.birth set state = 'pending', not_before = now(), attempts = 0
                  where state = 'parked' and ($1::text is null or 'c' || case_id = $1) returning 1),
            o as (delete from {s}.foreign_case where claims is not null and seen_by is null and 'o' || case_id = $1 returning 1),
            t as (update {s}.ticket set read_not_before = null, read_attempts = 0
                  where read_wanted is not null and read_error is not null and $1::text is null returning 1),
            e as (update {s}.parked_event set state = 'retry', failures = 0
                  where state = 'parked' and ($1::text is null or 'e' || id = $1) returning 1),
            x as (delete from {s}.bulk where held_since is not null and 'x' || xid = $1 returning xid),
            y as (update {s}.ticket set opened_by = null where opened_by in (select xid from x) returning 1)
            select (select count(*) from e) + (select count(*) from x) + (select count(*) from d) + (select count(*) from r) + (select count(*) from w) + (select count(*) from b)
                + (select count(*) from o) + (select count(*) from t)";
        let rows = self.query(sql, &[&id]).await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs())
    }

    /// A person gives a parked thing up; what stands behind it goes on.
    pub async fn parked_discard(&self, id: &str, reason: &str) -> Result<u64, StoreError> {
        let sql = "with d as (
                update {s}.delivery set state = 'discarded', error = $2 || ' (was: ' || coalesce(error, '') || ')', done_at = now()
                where state = 'parked' and 'd' || coalesce(lead, id) = $1 returning link_id, files, id),
            h as (delete from {s}.held where delivery_id in (select id from d)),
            l as (update {s}.link set state = 'discarded', reason = $2 where id in (select link_id from d
                union all select (f->>'link')::int8 from d, jsonb_array_elements(d.files) f)),
            r as (update {s}.remote set state = 'discarded', reason = $2, done_at = now()
                  where state = 'parked' and 'r' || message_id = $1 returning 1),
            w as (delete from {s}.status_write where state = 'parked' and 's' || ticket_id = $1
                  returning ticket_id, status, at),
            k as (update {s}.ticket t set status = w.status, status_at = w.at, status_seen_at = clock_timestamp() from w where t.id = w.ticket_id),
            b as (update {s}.birth set state = 'discarded', error = $2, done_at = now()
                  where state = 'parked' and 'c' || case_id = $1 returning case_id),
            f as (insert into {s}.foreign_case (case_id) select case_id from b on conflict do nothing),
            o as (update {s}.foreign_case set seen_by = $2
                  where claims is not null and seen_by is null and 'o' || case_id = $1 returning 1),
            e as (delete from {s}.parked_event where state = 'parked' and 'e' || id = $1 returning id, ticket_id, error),
            j as (insert into {s}.journal (ticket_id, what, detail)
                  select ticket_id, 'change discarded', 'e' || id || ': ' || $2 || ' (was: ' || error || ')' from e),
            x as (delete from {s}.bulk where held_since is not null and 'x' || xid = $1 returning xid),
            y as (update {s}.ticket set opened_by = null where opened_by in (select xid from x) returning id),
            z as (update {s}.delivery set state = 'discarded', error = $2, done_at = now()
                  where ticket_id in (select t.id from {s}.ticket t where t.opened_by in (select xid from x))
                    and state in ('unresolved', 'queued', 'parked') returning link_id, files),
            lz as (update {s}.link set state = 'discarded', reason = $2 where id in (select link_id from z
                union all select (f->>'link')::int8 from z, jsonb_array_elements(z.files) f))
            select (select count(*) from e) + (select count(*) from x) + (select count(*) from d) + (select count(*) from r) + (select count(*) from w) + (select count(*) from b)
                + (select count(*) from o)";
        let rows = self.query(sql, &[&id, &reason]).await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs())
    }

    /// One ticket's story, in time order.
    pub async fn trace(&self, key: &str) -> Result<Vec<Told>, StoreError> {
        let sql = "with t as (select id, key, case_id from {s}.ticket where key = $1)
            select at::text, what, coalesce(detail, '') from (
                select created_at as at, 'row seen' as what, section || ' ' || key || ': ' || state || coalesce(' (' || reason || ')', '') as detail
                    from {s}.link where ticket_id in (select id from t)
                union all
                select queued_at, 'queued', section || ' part ' || part || '/' || parts || ', ' || state || coalesce(': ' || error, '')
                    from {s}.delivery where ticket_id in (select id from t)
                union all
                select received_at, 'webhook', kind || ', ' || state || case when repeats > 0 then ', repeated ' || repeats || ' times' else '' end
                    from {s}.inbox where case_id in (select case_id from t)
                union all
                select seen_at, 'message in Deskie', 'message ' || message_id || ': ' || state || coalesce(' (' || reason || ')', '') || coalesce(': ' || error, '')
                    from {s}.remote where ticket_id in (select id from t)
                union all
                select done_at, 'row written', 'message ' || message_id || ' became row ' || coalesce(row_key, '-')
                    from {s}.remote where ticket_id in (select id from t) and state = 'written'
                union all
                select at, what, detail from {s}.journal where ticket_id in (select id from t)) story
            order by at";
        let rows = self.query(sql, &[&key]).await?;
        Ok(rows
            .iter()
            .map(|row| Told {
                at: row.get(0),
                what: row.get(1),
                detail: row.get(2),
            })
            .collect())
    }
}
