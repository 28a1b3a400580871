//! What a transaction of the site makes of a row is what it leaves behind: a text that it takes back, a flag that it sets
//! afterwards, a row that it deletes again were never there for anybody else. So each change of a row gets the row as its
//! transaction left it, before anything is decided.
//!
//! Of a row that gets another key within it the changes before keep their key: they are of a row that is called so.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::compiled::{Compiled, cell, key_of};
use super::enter::key_image;
use super::{ResolveError, Resolver};
use crate::model::{EventId, Op, RelationName};
use crate::store::Event;

/// What a transaction leaves of a row.
enum Left {
    /// These cells are as they were written last.
    Changed(Map<String, Value>),
    /// It was deleted and made anew.
    Anew(Map<String, Value>),
    Gone,
}

/// What becomes of a table's rows from some change on to the end of its transaction, by their keys.
#[derive(Default)]
struct Later {
    rows: HashMap<String, Left>,
    is_emptied: bool,
}

/// Whether a row may have several changes here: of transactions that only insert it has one each.
fn is_needed(events: &[Event]) -> bool {
    let mut before: Option<&Event> = None;
    events.iter().any(|event| {
        let goes_on = before
            .replace(event)
            .is_some_and(|before| before.xid == event.xid);
        goes_on && event.op != Op::Insert
    })
}

/// Gives each change the row as its transaction left it. `events`: in their order; `keys`: the key columns of a mapped table.
fn fold<'a>(events: &mut [Event], keys: impl Fn(&RelationName) -> Option<&'a [String]>) {
    let mut xid = None;
    let mut tables: HashMap<RelationName, Later> = HashMap::new();
    for event in events
        .iter_mut()
        .rev()
        .filter(|event| !event.found && !event.echo)
    {
        if xid.replace(event.xid) != Some(event.xid) {
            tables.clear();
        }
        let Some(columns) = keys(&event.relation) else {
            continue;
        };
        let table = tables.entry(event.relation.clone()).or_default();
        let old = event.old_key.as_ref().and_then(|row| key_of(row, columns));
        match event.op {
            Op::Truncate => {
                *table = Later {
                    is_emptied: true,
                    ..Later::default()
                };
            }
            Op::Delete => {
                let Some(key) = old.or_else(|| key_of(&event.image, columns)) else {
                    continue;
                };
                let left = match table.rows.remove(&key) {
                    Some(Left::Changed(row) | Left::Anew(row)) => Left::Anew(row),
                    Some(Left::Gone) | None => Left::Gone,
                };
                table.rows.insert(key, left);
            }
            Op::Insert | Op::Update => {
                let Some(key) = key_of(&event.image, columns) else {
                    continue;
                };
                let is_renamed = old.as_ref().is_some_and(|old| *old != key);
                let left = match table.rows.remove(&key) {
                    None if !table.is_emptied => None,
                    left => Some(left.unwrap_or(Left::Gone)),
                };
                let left = changed(event, left, columns, is_renamed);
                table.rows.insert(old.filter(|_| is_renamed).unwrap_or(key), left);
            }
        }
    }
}

/// The change with what its transaction left of the row; what that is for the changes before it.
fn changed(event: &mut Event, left: Option<Left>, columns: &[String], is_renamed: bool) -> Left {
    let (Value::Object(key), Value::Object(image)) = (key_image(&event.image, columns), &mut event.image)
    else {
        return left.unwrap_or_else(|| Left::Changed(Map::new()));
    };
    match left {
        None => Left::Changed(image.clone()),
        Some(Left::Changed(later)) => {
            image.extend(later);
            image.extend(key);
            Left::Changed(image.clone())
        }
        Some(Left::Anew(row)) => {
            image.clone_from(&row);
            image.extend(key);
            Left::Anew(row)
        }
        // The row that had another key before is still to be found by it.
        Some(Left::Gone) if is_renamed => Left::Gone,
        Some(Left::Gone) => {
            event.op = Op::Delete;
            event.old_key = Some(Value::Object(key));
            event.image = Value::Null;
            Left::Gone
        }
    }
}

impl Resolver {
    /// The events with the rows as their transactions left them (`fold`); `goes_on`: the last one has more behind them.
    pub(super) async fn as_left(
        &self,
        mut events: Vec<Event>,
        goes_on: Option<u64>,
        compiled: &Compiled,
    ) -> Result<Vec<Event>, ResolveError> {
        let taken = events.len();
        if let (Some(xid), Some(last)) = (goes_on, events.last().map(|event| event.id)) {
            let rest = self.rest(xid, last, &events, compiled).await?;
            events.extend(rest);
        }
        if is_needed(&events) {
            fold(&mut events, |relation| compiled.key_columns(relation));
        }
        events.truncate(taken);
        Ok(events)
    }

    /// What a transaction that is longer than a round does later to the rows of these events.
    async fn rest(
        &self,
        xid: u64,
        last: EventId,
        events: &[Event],
        compiled: &Compiled,
    ) -> Result<Vec<Event>, ResolveError> {
        // Asked once a transaction: most of such length change each row once.
        let mut known = self.followed.lock().await;
        let followed = match known.take().filter(|(of, _)| *of == xid) {
            Some((_, followed)) => followed,
            None => self.store.events().followed(xid, &compiled.key_firsts()).await?,
        };
        let (_, followed) = known.insert((xid, followed));
        let is_followed = |event: &&Event| {
            let ids = followed.as_ref();
            event.xid == xid && ids.is_none_or(|ids| ids.binary_search(&event.id).is_ok())
        };
        let firsts: HashMap<&RelationName, &str> = compiled.key_firsts().into_iter().collect();
        let mut rows: HashMap<&RelationName, Vec<&str>> = HashMap::new();
        for event in events.iter().filter(is_followed) {
            if let Some(text) = firsts
                .get(&event.relation)
                .and_then(|column| cell(&event.image, column))
            {
                rows.entry(&event.relation).or_default().push(text);
            }
        }
        let mut rest = Vec::new();
        for (relation, values) in rows {
            if let Some(column) = firsts.get(relation) {
                let column = (*column, values.as_slice());
                rest.extend(self.store.events().rest(xid, last, relation, column).await?);
            }
        }
        rest.sort_unstable_by_key(|event| event.id);
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Lsn;

    fn relation() -> RelationName {
        RelationName {
            schema: "public".into(),
            table: "messages".into(),
        }
    }

    fn event(id: i64, xid: u64, op: Op, image: Value, old_key: Option<Value>) -> Event {
        Event {
            id: EventId(id),
            xid,
            commit_lsn: Lsn(1),
            committed_at: jiff::Timestamp::UNIX_EPOCH,
            relation: relation(),
            op,
            image,
            old_key,
            echo: false,
            failures: 0,
            found: false,
        }
    }

    fn folded(changes: &[(u64, Op, Value, Option<Value>)]) -> Vec<(Op, Value)> {
        let numbered = changes.iter().enumerate();
        let mut events: Vec<Event> = numbered
            .map(|(n, (xid, op, image, old))| event(n as i64, *xid, *op, image.clone(), old.clone()))
            .collect();
        let columns = vec!["id".to_owned()];
        fold(&mut events, |_| Some(&columns));
        events.into_iter().map(|event| (event.op, event.image)).collect()
    }

    #[test]
    fn a_row_is_what_its_transaction_left() {
        use Op::{Delete, Insert, Truncate, Update};
        let row = |id: &str, text: &str| json!({"id": id, "text": text});
        let key = |id: &str| Some(json!({ "id": id }));
        // A later change, with cells that did not change left out; another transaction's is none of it.
        assert_eq!(
            folded(&[
                (1, Insert, json!({"id": "1", "text": "a", "long": "x"}), None),
                (1, Insert, row("2", "b"), None),
                (1, Update, row("1", "c"), None),
                (2, Update, row("1", "d"), None),
            ]),
            [
                (Insert, json!({"id": "1", "text": "c", "long": "x"})),
                (Insert, row("2", "b")),
                (Update, row("1", "c")),
                (Update, row("1", "d")),
            ]
        );
        // Deleted again; deleted and made anew; emptied.
        assert_eq!(
            folded(&[
                (1, Insert, row("1", "a"), None),
                (1, Insert, row("2", "b"), None),
                (1, Delete, Value::Null, key("1")),
                (1, Delete, Value::Null, key("2")),
                (1, Insert, row("2", "c"), None),
            ]),
            [
                (Delete, Value::Null),
                (Insert, row("2", "c")),
                (Delete, Value::Null),
                (Delete, Value::Null),
                (Insert, row("2", "c")),
            ]
        );
        assert_eq!(
            folded(&[
                (1, Insert, row("1", "a"), None),
                (1, Truncate, Value::Null, None),
                (1, Insert, row("1", "b"), None),
            ]),
            [
                (Delete, Value::Null),
                (Truncate, Value::Null),
                (Insert, row("1", "b")),
            ]
        );
        // Another key: the changes before keep theirs, and a row that takes the key over is another one.
        assert_eq!(
            folded(&[
                (1, Insert, row("1", "a"), None),
                (1, Update, row("2", "a"), key("1")),
                (1, Insert, row("1", "other"), None),
                (1, Update, row("2", "b"), None),
            ]),
            [
                (Insert, row("1", "b")),
                (Update, row("2", "b")),
                (Insert, row("1", "other")),
                (Update, row("2", "b")),
            ]
        );
        assert_eq!(
            folded(&[
                (1, Update, row("2", "a"), key("1")),
                (1, Delete, Value::Null, key("2")),
            ]),
            [(Update, row("2", "a")), (Delete, Value::Null)]
        );
    }
}
