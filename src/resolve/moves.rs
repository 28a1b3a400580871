//! Rows that only move: a DELETE and an INSERT of one key in one transaction (rule 6).

use std::collections::{HashMap, HashSet};

use super::key_in;
use crate::model::{EventId, Op, RelationName, Section};
use crate::store::Event;

/// The deletions that are half of a move: the same key is inserted again later in the same transaction (rule 6). Only
/// the mapped key counts: what moves a row to another partition is that another column changed. Held as the ids of both
/// events.
pub fn moves(
    events: &[Event],
    keys_of: impl Fn(&RelationName) -> Vec<(Section, Vec<String>)>,
) -> HashSet<(EventId, Section)> {
    let mut found = HashSet::new();
    let mut deleted: HashMap<(u64, Section, String), EventId> = HashMap::new();
    for event in events {
        let row = match event.op {
            Op::Delete => event.old_key.as_ref(),
            Op::Insert => Some(&event.image),
            _ => continue,
        };
        for (section, columns) in keys_of(&event.relation) {
            let Some(key) = row.and_then(|row| key_in(row, &columns)) else {
                continue;
            };
            let place = (event.xid, section, key);
            if event.op == Op::Delete {
                deleted.insert(place, event.id);
            } else if let Some(deleted) = deleted.remove(&place) {
                found.extend([(deleted, section), (event.id, section)]);
            }
        }
    }
    found
}
