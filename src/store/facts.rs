//! What a round of resolving must know before it looks at the first row, in one statement.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{CreatedAt, MappedSince, Store, StoreError};
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

impl Store {
    /// All of it.
    pub async fn facts(&self) -> Result<Facts, StoreError> {
        let sql = "select m.started_at, exists (select from {s}.parked_event),
                (select jsonb_agg(jsonb_build_array(xid::text, emptied)) from {s}.bulk where emptied <> '{}'),
                (select jsonb_agg(jsonb_build_array(relation, extract(epoch from since)::float8, since_xid::text))
                    from {s}.published where since is not null),
                (select jsonb_agg(jsonb_build_array(section, expression, zoned, lags, last_xid::text,
                        extract(epoch from clock_timestamp() - sampled_at)::float8) order by section desc) from {s}.clock),
                (select jsonb_agg(xid) from (
                    select xid::text from {s}.bulk where held_since is null
                    union select opened_by::text from {s}.ticket where opened_by is not null
                        and not exists (select from {s}.bulk b where b.xid = opened_by and b.held_since is not null)) c),
                exists (select from {s}.parked_event where state = 'retry')
                    or exists (select from {s}.delivery where state = 'unresolved' and not_before <= now())
            from {s}.meta m";
        let rows = self.query(sql, &[]).await?;
        let row = rows
            .first()
            .ok_or_else(|| StoreError::Damaged("the table meta is empty".into()))?;
        let list = |place: usize| -> Vec<Value> {
            match row.get::<_, Option<Value>>(place) {
                Some(Value::Array(list)) => list,
                _ => Vec::new(),
            }
        };
        let mut emptied = HashSet::new();
        for bulk in list(2) {
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
        Ok(Facts {
            started_at: row.get(0),
            has_parked: row.get(1),
            emptied,
            later: list(3).iter().filter_map(later).collect(),
            counted: list(5).iter().filter_map(number).collect(),
            has_again: row.get(6),
            clocks: list(4).iter().filter_map(clock).collect(),
        })
    }
}

fn number(text: &Value) -> Option<u64> {
    text.as_str()?.parse().ok()
}

fn section(word: &Value) -> Option<Section> {
    let sections = [Section::Ticket, Section::Message, Section::Attachment];
    sections
        .into_iter()
        .find(|section| Some(section.as_str()) == word.as_str())
}
