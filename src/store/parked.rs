//! What waits for a person: listed by kind and page, told whole, tried again or given up.
//!
//! There may be a hundred thousand of them: a page walks the partial indexes of `sql/0030_console.sql` and then looks up
//! its own hundred.

use std::fmt;

use super::delivery::MADE_BEFORE;
use super::{ParkedItems, Store, StoreError};

/// How much waits for a person.
pub(super) const PARKED: &str = "(select count(*) from {s}.delivery where state = 'parked' and lead is null)
    + (select count(*) from {s}.remote where state = 'parked')
    + (select count(*) from {s}.status_write where state = 'parked')
    + (select count(*) from {s}.birth where state = 'parked')
    + (select count(*) from {s}.foreign_case where claims is not null and seen_by is null)
    + (select count(*) from {s}.parked_event where state = 'parked')
    + (select count(*) from {s}.bulk where held_since is not null)";

/// A delivery `d` that was to open its ticket's case, and of which nothing is in doubt: what a person mends then, the
/// customer's address or a field, is the site's, so that it is looked up anew.
const OPENS: &str = "(d.act = 'message' and d.part = 1 and d.lead is null and d.opening is not null and d.image is not null
    and d.doubt_since is null and not exists (select from {s}.ticket t where t.id = d.ticket_id and t.case_id is not null))";

/// The kinds of things that wait for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemKind {
    /// A delivery: a message, status, note or file for Deskie.
    Delivery,
    /// A reply for the site; the number is its message's.
    Reply,
    /// A status for the site; the number is our ticket's.
    Status,
    /// A case born in Deskie.
    Birth,
    /// A case that claims to be a ticket of ours.
    Orphan,
    /// A change of a row that could not be taken.
    Change,
    /// All new cases of one transaction.
    Bulk,
}

impl ItemKind {
    /// All of them.
    pub const ALL: [ItemKind; 7] = [
        ItemKind::Delivery,
        ItemKind::Reply,
        ItemKind::Status,
        ItemKind::Birth,
        ItemKind::Orphan,
        ItemKind::Change,
        ItemKind::Bulk,
    ];

    /// The letter in front of an id.
    pub fn letter(self) -> &'static str {
        match self {
            ItemKind::Delivery => "d",
            ItemKind::Reply => "r",
            ItemKind::Status => "s",
            ItemKind::Birth => "c",
            ItemKind::Orphan => "o",
            ItemKind::Change => "e",
            ItemKind::Bulk => "x",
        }
    }

    /// The kind of a letter.
    pub fn of_letter(letter: &str) -> Option<ItemKind> {
        ItemKind::ALL.into_iter().find(|kind| kind.letter() == letter)
    }
}

/// What names one thing that waits for a person: `d12`, the letter of its kind and a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParkedId {
    pub kind: ItemKind,
    /// A delivery's own, a reply's message, a status' ticket, a case, a change's own or a transaction.
    pub number: i64,
}

impl ParkedId {
    /// What a text names; `None`: it is no id.
    pub fn of(text: &str) -> Option<ParkedId> {
        let kind = ItemKind::of_letter(text.get(..1)?)?;
        let number = text
            .get(1..)
            .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
        let number = number.parse().ok()?;
        Some(ParkedId { kind, number })
    }

    pub(super) fn of_row(row: &tokio_postgres::Row) -> Result<ParkedId, StoreError> {
        let id: &str = row.get("id");
        ParkedId::of(id).ok_or_else(|| StoreError::Damaged(format!("`{id}` names nothing that waits")))
    }
}

impl fmt::Display for ParkedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.letter(), self.number)
    }
}

impl serde::Serialize for ParkedId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Parked {
    pub id: ParkedId,
    /// The site's key of the ticket.
    pub ticket: Option<String>,
    /// Why.
    pub error: String,
    /// Since when.
    pub since: String,
}

impl Parked {
    pub(super) fn of_row(row: &tokio_postgres::Row) -> Result<Parked, StoreError> {
        Ok(Parked {
            id: ParkedId::of_row(row)?,
            ticket: row.get("ticket"),
            error: row.get("error"),
            since: row.get("since"),
        })
    }
}

/// Everything that is stored of a parked thing.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ParkedDetail {
    pub id: ParkedId,
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

/// What waits, each kind by its partial index: letter, number and since when. `{limit}` bounds each.
const EACH: &str = "(select 'd' as kind, id as number, queued_at as since from {s}.delivery
        where state = 'parked' and lead is null and ($1::text is null or $1 = 'd') order by queued_at desc, id desc {limit})
    union all (select 'r', message_id, seen_at from {s}.remote
        where state = 'parked' and ($1::text is null or $1 = 'r') order by seen_at desc, message_id desc {limit})
    union all (select 's', ticket_id, seen_at from {s}.status_write
        where state = 'parked' and ($1::text is null or $1 = 's') order by 3 desc, 2 desc {limit})
    union all (select 'c', case_id, seen_at from {s}.birth
        where state = 'parked' and ($1::text is null or $1 = 'c') order by 3 desc, 2 desc {limit})
    union all (select 'o', case_id, checked_at from {s}.foreign_case
        where claims is not null and seen_by is null and ($1::text is null or $1 = 'o') order by 3 desc, 2 desc {limit})
    union all (select 'e', id, parked_at from {s}.parked_event
        where state = 'parked' and ($1::text is null or $1 = 'e') order by parked_at desc, id desc {limit})
    union all (select 'x', xid::text::int8, held_since from {s}.bulk
        where held_since is not null and ($1::text is null or $1 = 'x') order by 3 desc, 2 desc {limit})";

impl ParkedItems<'_, Store> {
    /// What waits for a person, the newest first: of one kind or of all, without the first `passed`, and `limit` of the others
    /// (`None`: all).
    pub async fn list(
        self,
        kind: Option<ItemKind>,
        passed: u32,
        limit: Option<u32>,
    ) -> Result<Vec<Parked>, StoreError> {
        // Subqueries look up what is shown one by one, by its key, whatever the planner thinks of the page's length.
        let sql = format!(
            "with page as (select * from ({}) parked order by since desc, kind desc, number desc offset $2::int8 limit $3::int8)
            select kind || number as id,
                case kind
                    when 'd' then (select t.key from {{s}}.delivery d join {{s}}.ticket t on t.id = d.ticket_id where d.id = number)
                    when 'r' then (select t.key from {{s}}.remote r join {{s}}.ticket t on t.id = r.ticket_id where r.message_id = number)
                    when 's' then (select key from {{s}}.ticket where id = number)
                    when 'o' then (select claims from {{s}}.foreign_case where case_id = number)
                    when 'e' then (select ticket_key from {{s}}.parked_event where id = number) end as ticket,
                coalesce(case kind
                    when 'd' then (select error from {{s}}.delivery where id = number)
                    when 'r' then (select error from {{s}}.remote where message_id = number)
                    when 's' then (select error from {{s}}.status_write where ticket_id = number)
                    when 'c' then (select error from {{s}}.birth where case_id = number)
                    when 'o' then (select {{s}}.orphan(case_id, claims) from {{s}}.foreign_case where case_id = number)
                    when 'e' then (select error from {{s}}.parked_event where id = number)
                    when 'x' then {{s}}.held(number::text::xid8) end, '') as error,
                since::text as since
            from page order by page.since desc, kind desc, number desc",
            EACH.replace("{limit}", "limit $2::int8 + $3::int8")
        );
        let (letter, passed, limit) = (
            kind.map(ItemKind::letter),
            i64::from(passed),
            limit.map(i64::from),
        );
        let rows = self.0.query(&sql, &[&letter, &passed, &limit]).await?;
        rows.iter().map(Parked::of_row).collect()
    }

    /// How many of each kind wait for a person; kinds of which none does are left out.
    pub async fn counts(self) -> Result<Vec<(ItemKind, i64)>, StoreError> {
        let sql =
            "select 'd' as kind, count(*) as count from {s}.delivery where state = 'parked' and lead is null
            union all select 'r', count(*) from {s}.remote where state = 'parked'
            union all select 's', count(*) from {s}.status_write where state = 'parked'
            union all select 'c', count(*) from {s}.birth where state = 'parked'
            union all select 'o', count(*) from {s}.foreign_case where claims is not null and seen_by is null
            union all select 'e', count(*) from {s}.parked_event where state = 'parked'
            union all select 'x', count(*) from {s}.bulk where held_since is not null";
        let rows = self.0.query(sql, &[]).await?;
        let read =
            |row: &tokio_postgres::Row| Some((ItemKind::of_letter(row.get("kind"))?, row.get("count")));
        Ok(rows
            .iter()
            .filter_map(read)
            .filter(|(_, count)| *count > 0)
            .collect())
    }

    /// The numbers of all that waits of a kind, the oldest first.
    pub async fn numbers(self, kind: ItemKind) -> Result<Vec<i64>, StoreError> {
        let sql = format!(
            "select number from ({}) parked order by since, number",
            EACH.replace("{limit}", "")
        );
        let rows = self.0.query(&sql, &[&kind.letter()]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Everything that is stored of one parked thing; `None` where nothing parked has this id.
    pub async fn get(self, id: ParkedId) -> Result<Option<ParkedDetail>, StoreError> {
        let sql = match id.kind {
            ItemKind::Delivery => {
                "select t.key as ticket, coalesce(d.error, '') as error, d.doubt_since is not null as in_doubt,
                    (select count(*) from {s}.delivery o where o.ticket_id = d.ticket_id and o.id <> d.id
                        and d.act not in ('status', 'file') and o.state in ('unresolved', 'queued')
                        and (o.position, o.part, o.id) > (d.position, d.part, d.id)) as behind,
                    jsonb_strip_nulls(to_jsonb(d) || jsonb_build_object('row', l.section || ' ' || l.key,
                        'ticket', t.key, 'case_id', t.case_id, 'case_number', t.case_number)) as stored
                from {s}.delivery d left join {s}.ticket t on t.id = d.ticket_id left join {s}.link l on l.id = d.link_id
                where d.state = 'parked' and d.id = $1"
            }
            ItemKind::Reply => {
                "select t.key as ticket, coalesce(r.error, '') as error, false as in_doubt,
                    (select count(*) from {s}.remote o where o.ticket_id = r.ticket_id and o.state = 'pending' and o.seq > r.seq) as behind,
                    jsonb_strip_nulls(to_jsonb(r) || jsonb_build_object('ticket', t.key, 'case_number', t.case_number)) as stored
                from {s}.remote r left join {s}.ticket t on t.id = r.ticket_id where r.state = 'parked' and r.message_id = $1"
            }
            ItemKind::Status => {
                "select t.key as ticket, coalesce(w.error, '') as error, false as in_doubt, 0::int8 as behind,
                    jsonb_strip_nulls(to_jsonb(w) || jsonb_build_object('ticket', t.key, 'case_id', t.case_id,
                        'case_number', t.case_number)) as stored
                from {s}.status_write w join {s}.ticket t on t.id = w.ticket_id where w.state = 'parked' and w.ticket_id = $1"
            }
            ItemKind::Birth => {
                "select null as ticket, coalesce(error, '') as error, false as in_doubt, 0::int8 as behind, jsonb_strip_nulls(to_jsonb(b)) as stored
                from {s}.birth b where state = 'parked' and case_id = $1"
            }
            ItemKind::Orphan => {
                "select claims as ticket, {s}.orphan(case_id, claims) as error, false as in_doubt, 0::int8 as behind,
                    jsonb_strip_nulls(to_jsonb(f)) as stored
                from {s}.foreign_case f where claims is not null and seen_by is null and case_id = $1"
            }
            ItemKind::Change => {
                "select p.ticket_key as ticket, p.error, false as in_doubt,
                    (select count(*) from {s}.delivery o where o.ticket_id = p.ticket_id and o.position > p.position
                        and o.state in ('unresolved', 'queued')) as behind,
                    jsonb_strip_nulls(to_jsonb(p)) as stored from {s}.parked_event p where p.state = 'parked' and p.id = $1"
            }
            ItemKind::Bulk => {
                "select null as ticket, {s}.held(b.xid) as error, false as in_doubt,
                    (select count(*) from {s}.ticket t where t.opened_by = b.xid) as behind,
                    jsonb_build_object('transaction', b.xid::text, 'held_since', b.held_since,
                        'tickets', (select jsonb_agg(key) from (select key from {s}.ticket t
                            where t.opened_by = b.xid order by t.id limit 20) first)) as stored
                from {s}.bulk b where b.held_since is not null and b.xid = $1::int8::text::xid8"
            }
        };
        let rows = self.0.query(sql, &[&id.number]).await?;
        Ok(rows.first().map(|row| ParkedDetail {
            id,
            ticket: row.get("ticket"),
            error: row.get("error"),
            in_doubt: row.get("in_doubt"),
            behind: row.get("behind"),
            stored: row.get("stored"),
        }))
    }

    /// A person has mended something: parked things are tried again; the one of this id, or all. `reason`
    /// stands in the story of each ticket. How many.
    pub async fn retry(self, id: Option<ParkedId>, reason: &str) -> Result<u64, StoreError> {
        match id {
            None => self.retry_these(None, &[], reason).await,
            Some(id) => self.retry_these(Some(id.kind), &[id.number], reason).await,
        }
    }

    /// The same of those of a kind that have these numbers.
    pub async fn retry_of(self, kind: ItemKind, numbers: &[i64], reason: &str) -> Result<u64, StoreError> {
        self.retry_these(Some(kind), numbers, reason).await
    }

    /// One that was parked out of doubt is sent again without another look: that is what the person decided. A case that
    /// claims to be a ticket is asked about again with its next webhook; all (`None`) leaves those, and the new cases of a
    /// whole transaction, which are a decision of their own, and takes the cases that could not be read.
    async fn retry_these(
        self,
        kind: Option<ItemKind>,
        numbers: &[i64],
        reason: &str,
    ) -> Result<u64, StoreError> {
        let sql = "with d as (
                update {s}.delivery d set state = case when act = 'held' then 'skipped'
                        when body is null or resolved_at = {made_before} or {opens} then 'unresolved' else 'queued' end,
                    not_before = now(), attempts = 0, failures = 0, doubt_since = null,
                    waits_since = case when act = 'file' then now() - interval '100 years' end,
                    intent_at = null, lead = null
                where state = 'parked' and ($1::text is null or $1 = 'd' and coalesce(lead, id) = any ($2)) returning link_id, id, ticket_id),
            h as (delete from {s}.held where delivery_id in (select id from d) returning *),
            f as (insert into {s}.event (xid, commit_lsn, committed_at, schema_name, table_name, op, image, size, echo, found)
                select pg_current_xact_id(), coalesce(m.captured_lsn, '0/0'), coalesce(h.committed_at, clock_timestamp()),
                    h.schema_name, h.table_name, 'I', h.image, pg_column_size(h.image), false, true
                from h, {s}.meta m order by h.id),
            l as (update {s}.link set state = 'queued', reason = null where id in (select link_id from d)),
            r as (update {s}.remote set state = 'pending', not_before = now(), attempts = 0
                  where state = 'parked' and ($1::text is null or $1 = 'r' and message_id = any ($2))
                  returning ticket_id, message_id),
            -- It goes as Deskie has it by now.
            rr as (update {s}.ticket set read_wanted = 0, read_wanted_at = clock_timestamp(), read_not_before = null, read_error = null
                  where id in (select ticket_id from r) and case_id is not null returning 1),
            w as (update {s}.status_write set state = 'pending', not_before = now(), attempts = 0
                  where state = 'parked' and ($1::text is null or $1 = 's' and ticket_id = any ($2)) returning ticket_id),
            b as (update {s}.birth set state = 'pending', not_before = now(), attempts = 0
                  where state = 'parked' and ($1::text is null or $1 = 'c' and case_id = any ($2)) returning 1),
            o as (delete from {s}.foreign_case
                  where claims is not null and seen_by is null and $1 = 'o' and case_id = any ($2) returning 1),
            t as (update {s}.ticket set read_not_before = null, read_attempts = 0
                  where read_wanted is not null and read_error is not null and $1::text is null returning 1),
            e as (update {s}.parked_event set state = 'retry', failures = 0
                  where state = 'parked' and ($1::text is null or $1 = 'e' and id = any ($2)) returning id, ticket_id),
            x as (delete from {s}.bulk where held_since is not null and $1 = 'x' and xid::text::int8 = any ($2) returning xid),
            y as (update {s}.ticket set opened_by = null where opened_by in (select xid from x) returning id),
            told as (insert into {s}.journal (ticket_id, what, detail)
                select ticket_id, 'tried again', item || ': ' || $3::text from (
                    select ticket_id, 'd' || id from d union all select ticket_id, 'r' || message_id from r
                    union all select ticket_id, 's' || ticket_id from w union all select ticket_id, 'e' || id from e
                    union all select id, 'its case' from y) items (ticket_id, item)
                where ticket_id is not null)
            select (select count(*) from e) + (select count(*) from x) + (select count(*) from d) + (select count(*) from r)
                + (select count(*) from w) + (select count(*) from b) + (select count(*) from o) + (select count(*) from t)";
        let sql = sql
            .replace("{opens}", OPENS)
            .replace("{made_before}", MADE_BEFORE);
        let rows = self
            .0
            .query(&sql, &[&kind.map(ItemKind::letter), &numbers, &reason])
            .await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs())
    }

    /// A person gives a parked thing up; what stands behind it goes on. How many.
    pub async fn discard(self, id: ParkedId, reason: &str) -> Result<u64, StoreError> {
        self.discard_of(id.kind, &[id.number], (reason, reason)).await
    }

    /// The same of those of a kind that have these numbers; `told`: the reason as the stories of their tickets tell it.
    pub async fn discard_of(
        self,
        kind: ItemKind,
        numbers: &[i64],
        (reason, told): (&str, &str),
    ) -> Result<u64, StoreError> {
        let sql = "with d as (
                update {s}.delivery set state = 'discarded', error = $3 || ' (was: ' || coalesce(error, '') || ')', done_at = now()
                where state = 'parked' and $1 = 'd' and coalesce(lead, id) = any ($2)
                returning link_id, files, id, ticket_id, (select o.error from {s}.delivery o where o.id = delivery.id) as was),
            h as (delete from {s}.held where delivery_id in (select id from d)),
            l as (update {s}.link set state = 'discarded', reason = $3 where id in (select link_id from d
                union all select (f->>'link')::int8 from d, jsonb_array_elements(d.files) f)),
            r as (update {s}.remote set state = 'discarded', reason = $3, done_at = now()
                  where state = 'parked' and $1 = 'r' and message_id = any ($2)
                  returning ticket_id, message_id, error),
            w as (delete from {s}.status_write where state = 'parked' and $1 = 's' and ticket_id = any ($2)
                  returning ticket_id, status, at, error),
            k as (update {s}.ticket t set status = w.status, status_at = w.at, status_seen_at = clock_timestamp() from w where t.id = w.ticket_id),
            b as (update {s}.birth set state = 'discarded', error = $3, done_at = now()
                  where state = 'parked' and $1 = 'c' and case_id = any ($2) returning case_id),
            f as (insert into {s}.foreign_case (case_id) select case_id from b on conflict do nothing),
            o as (update {s}.foreign_case set seen_by = $3
                  where claims is not null and seen_by is null and $1 = 'o' and case_id = any ($2) returning 1),
            e as (delete from {s}.parked_event where state = 'parked' and $1 = 'e' and id = any ($2)
                  returning id, ticket_id, error),
            x as (delete from {s}.bulk where held_since is not null and $1 = 'x' and xid::text::int8 = any ($2) returning xid),
            y as (update {s}.ticket set opened_by = null where opened_by in (select xid from x) returning id),
            told as (insert into {s}.journal (ticket_id, what, detail)
                select ticket_id, 'discarded', item || ': ' || error from (
                    select ticket_id, 'd' || id, $4::text || ' (was: ' || coalesce(was, '') || ')' from d
                    union all select ticket_id, 'r' || message_id, $4::text || ' (was: ' || coalesce(error, '') || ')' from r
                    union all select ticket_id, 's' || ticket_id, $4::text || ' (was: ' || coalesce(error, '') || ')' from w
                    union all select ticket_id, 'e' || id, $4::text || ' (was: ' || error || ')' from e
                    union all select id, 'its case', $4::text from y) items (ticket_id, item, error)
                where ticket_id is not null),
            z as (update {s}.delivery set state = 'discarded', error = $3, done_at = now()
                  where ticket_id in (select t.id from {s}.ticket t where t.opened_by in (select xid from x))
                    and state in ('unresolved', 'queued', 'parked') returning link_id, files),
            lz as (update {s}.link set state = 'discarded', reason = $3 where id in (select link_id from z
                union all select (f->>'link')::int8 from z, jsonb_array_elements(z.files) f))
            select (select count(*) from e) + (select count(*) from x) + (select count(*) from d) + (select count(*) from r)
                + (select count(*) from w) + (select count(*) from b) + (select count(*) from o)";
        let rows = self
            .0
            .query(sql, &[&kind.letter(), &numbers, &reason, &told])
            .await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::{ItemKind, ParkedId};

    #[test]
    fn an_id_is_a_letter_and_a_number() {
        for kind in ItemKind::ALL {
            let id = ParkedId { kind, number: 7 };
            assert_eq!(id.to_string(), format!("{}7", kind.letter()));
            assert_eq!(ParkedId::of(&id.to_string()), Some(id));
        }
        for id in [
            "",
            "d",
            "12",
            "q1",
            "d-1",
            "d+1",
            "d1x",
            "\u{e9}1",
            "d99999999999999999999",
        ] {
            assert_eq!(ParkedId::of(id), None, "{id}");
        }
    }
}
