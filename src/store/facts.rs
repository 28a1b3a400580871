//! What a round of resolving begins with, in one statement: the events whose turn it is, and what must be known before
//! the first row is looked at.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::event::event;
use super::{CreatedAt, Event, Events, MappedSince, Store, StoreError};
use crate::model::Section;

/// What a round of resolving works with.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The connector's start.
    pub started_at: jiff::Timestamp,
    /// The tables that were mapped later than the others.
    pub later: HashMap<String, MappedSince>,
    /// What is known of `created_at`.
    pub clocks: Vec<CreatedAt>,
    /// Which sections were emptied by transactions that are not over.
    pub emptied: HashSet<(u64, Section)>,
    /// Whether any change of a table is parked.
    pub has_parked: bool,
    /// The transactions of which something is kept and nothing was decided.
    pub counted: HashSet<u64>,
    /// Whether anything is to be tried again: a parked change, a row in its lane, a row in none.
    pub has_again: bool,
}

/// What [`facts_of`] reads: names, and each an expression by itself.
const FACTS: [(&str, &str); 7] = [
    ("started_at", "(select started_at from {s}.meta)"),
    ("has_parked", "exists (select from {s}.parked_event)"),
    ("emptied", "(select jsonb_agg(jsonb_build_array(xid::text, emptied)) from {s}.bulk where emptied <> '{}')"),
    ("later", "(select jsonb_agg(jsonb_build_array(relation, extract(epoch from since)::float8, since_xid::text))
        from {s}.published where since is not null)"),
    ("clocks", "(select jsonb_agg(jsonb_build_array(section, expression, zoned, lags, last_xid::text,
            extract(epoch from clock_timestamp() - sampled_at)::float8) order by section desc) from {s}.clock)"),
    ("counted", "(select jsonb_agg(xid) from (
        select xid::text from {s}.bulk where held_since is null
        union select opened_by::text from {s}.ticket where opened_by is not null
            and not exists (select from {s}.bulk b where b.xid = opened_by and b.held_since is not null)) c)"),
    ("has_again", "exists (select from {s}.parked_event where state = 'retry')
        or exists (select from {s}.delivery where state = 'unresolved' and not_before <= now())"),
];

/// A round of resolving takes the events that begin within so many bytes: of small rows these are some thousands, and what is
/// found out about each of them is many times as large.
const TAKEN_BYTES: i64 = 512 << 10;

/// What a round of resolving begins with.
#[derive(Debug)]
pub struct Round {
    /// What must be known before the first row is looked at.
    pub facts: Facts,
    /// The events whose turn it is, in order.
    pub events: Vec<Event>,
    /// The transaction of the last one, where that goes on behind it.
    pub goes_on: Option<u64>,
    /// Whether events are there behind these, ready or not.
    pub has_more: bool,
}

impl Events<'_, Store> {
    /// What must be known before a row is looked at.
    pub async fn facts(self) -> Result<Facts, StoreError> {
        let facts = FACTS.map(|(name, fact)| format!("{fact} as {name}"));
        let rows = self.0.query(&format!("select {}", facts.join(", ")), &[]).await?;
        let row = rows
            .first()
            .ok_or_else(|| StoreError::Damaged("facts gave no row".into()))?;
        facts_of(row)
    }

    /// The same, and the oldest events whose turn it is, up to whole transactions of at least `limit` rows, but not more
    /// than memory should hold (what is left of a transaction comes with the next round): visible to everybody (rule 7; a
    /// number beyond all that servers count to is another server's), and committed at least `settle` ago. An event that is
    /// not ready holds those behind it. `counts`: an attempt at each is counted before it is made, but for those that have
    /// failed before, so that it is known should the process die of it.
    pub async fn round(
        self,
        limit: i64,
        settle: std::time::Duration,
        counts: bool,
    ) -> Result<Round, StoreError> {
        let counted = match counts {
            true => {
                ", counted as (update {s}.event e set failures = e.failures + 1 from taken t
                    where e.id <= t.last and e.failures = 0 and (select {s}.fence($4)))"
            }
            false => "",
        };
        // Once, not with each event.
        let facts = FACTS.map(|(name, fact)| {
            format!("case when e.id is null or e.id = t.first then {fact} end as {name}")
        });
        // Where the round ends is found by narrow rows; the images are read once, in the end.
        let sql = format!(
            "with head as materialized (
                select id, xid,
                       (pg_visible_in_snapshot(xid, pg_current_snapshot()) or xid >= '4611686018427387904')
                       and committed_at <= clock_timestamp() - make_interval(secs => $2) as ready
                from {{s}}.event order by id limit $1),
            last as materialized (
                select id, xid from head
                where id < coalesce((select min(id) from head where not ready), 9223372036854775807) order by id desc limit 1),
            whole as materialized (select coalesce(
                (select n.id - 1 from {{s}}.event n where n.id > l.id and n.id <= l.id + 10000 and n.xid <> l.xid
                 order by n.id limit 1), l.id + 10000) as last from last l),
            taken as materialized (
                select min(id) as first, max(id) as last from (
                    select id, sum(size) over (order by id) - size as before from {{s}}.event
                    where id <= (select last from whole)) e
                where before < $3 and not exists (select from {{s}}.hold))
            {counted}
            select e.id, e.xid::text, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, echo, failures, found,
                case when e.id is null or e.id = t.first then (
                    select n.xid = l.xid from {{s}}.event l
                    cross join lateral (select xid from {{s}}.event n where n.id > l.id order by n.id limit 1) n
                    where l.id = t.last) end as goes_on,
                t.last is null and exists (select from head) as has_head,
                {}
            from taken t left join {{s}}.event e on e.id <= t.last",
            facts.join(", ")
        );
        let (settle, epoch) = (settle.as_secs_f64(), self.0.epoch().0);
        let mut values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![&limit, &settle, &TAKEN_BYTES];
        if counts {
            values.push(&epoch);
        }
        let rows = self.0.query(&sql, &values).await?;
        // Sorted here: the server would carry the images through a sort.
        let row = rows
            .iter()
            .min_by_key(|row| row.get::<_, Option<i64>>("id"))
            .ok_or_else(|| StoreError::Damaged("a round gave no row".into()))?;
        let facts = facts_of(row)?;
        let behind: Option<bool> = row.get("goes_on");
        let has_more = behind.is_some() || row.get("has_head");
        let taken = rows
            .iter()
            .filter(|row| row.get::<_, Option<i64>>("id").is_some());
        let mut events: Vec<Event> = taken.map(event).collect::<Result<_, _>>()?;
        events.sort_unstable_by_key(|event| event.id);
        let last = events.last().filter(|_| behind == Some(true));
        Ok(Round {
            goes_on: last.map(|event| event.xid),
            facts,
            events,
            has_more,
        })
    }
}

/// What is known, as [`FACTS`] name it.
fn facts_of(row: &tokio_postgres::Row) -> Result<Facts, StoreError> {
    let list = |name: &str| -> Vec<Value> {
        match row.get::<_, Option<Value>>(name) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        }
    };
    let mut emptied = HashSet::new();
    for bulk in list("emptied") {
        if let (Some(xid), Some(sections)) = (number(&bulk[0]), bulk[1].as_array()) {
            emptied.extend(sections.iter().filter_map(section).map(|section| (xid, section)));
        }
    }
    let later = |table: &Value| {
        let xid = number(&table[2]).unwrap_or_default();
        let at = table[1].as_f64()?;
        Some((table[0].as_str()?.to_owned(), MappedSince { at, xid }))
    };
    let clock = |known: &Value| {
        let lags = known[3].as_array()?.iter().filter_map(Value::as_f64);
        Some(CreatedAt {
            section: section(&known[0])?,
            expression: known[1].as_str()?.to_owned(),
            zoned: known[2].as_bool()?,
            lags: lags.collect(),
            last_xid: number(&known[4]),
            sampled_ago: known[5].as_f64(),
        })
    };
    let started_at: Option<jiff::Timestamp> = row.get("started_at");
    Ok(Facts {
        started_at: started_at.ok_or_else(|| StoreError::Damaged("the table meta is empty".into()))?,
        has_parked: row.get("has_parked"),
        emptied,
        later: list("later").iter().filter_map(later).collect(),
        counted: list("counted").iter().filter_map(number).collect(),
        has_again: row.get("has_again"),
        clocks: list("clocks").iter().filter_map(clock).collect(),
    })
}

fn number(text: &Value) -> Option<u64> {
    text.as_str()?.parse().ok()
}

fn section(word: &Value) -> Option<Section> {
    word.as_str().and_then(Section::of_word)
}
