//! Tuples + the tables that the stream has described → rows by column name.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Column, Message, OldTuple, Relation, ReplicaIdentity, Tuple, TupleCell};
use crate::model::{Cell, Charset, Lsn, Op, RelationName, Row};

/// Larger cells are captured as unchanged and read by key later: the state tables are no second store of the site's
/// files.
pub const MAX_CELL: usize = 64 * 1024;

/// The tables that the stream has described so far.
///
/// Postgres describes a table before its first row after each START_REPLICATION, and again when it changed: the
/// newest description holds from then on. So a cache belongs to one stream and starts empty with it.
#[derive(Debug)]
pub struct Relations {
    max_cell: usize,
    charset: Charset,
    by_oid: HashMap<u32, Arc<Relation>>,
}

impl Default for Relations {
    fn default() -> Self {
        Self::new(MAX_CELL)
    }
}

/// What a message means to the one who reads the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streamed {
    /// A transaction begins.
    Begin {
        /// Its commit's position: the order of transactions.
        commit_lsn: Lsn,
        /// Its commit's time by the server's clock.
        commit_time: Timestamp,
        /// Its id without epoch.
        xid: u32,
    },
    /// A row changed.
    Change(Change),
    /// Tables were emptied.
    Truncate(Vec<Arc<Relation>>),
    /// A message of `pg_logical_emit_message`; one that is not transactional stands outside of transactions.
    Emitted {
        /// Part of the surrounding transaction.
        transactional: bool,
        /// Its position.
        lsn: Lsn,
        /// Whose it is.
        prefix: String,
        /// What it says.
        content: Bytes,
    },
    /// The transaction is complete.
    Commit {
        /// Its commit's position.
        commit_lsn: Lsn,
        /// The position to acknowledge once all of it is stored.
        end_lsn: Lsn,
    },
    /// A table was described for the first time, or anew.
    Described(Arc<Relation>),
    /// Nothing that concerns us: an origin, a type.
    Nothing,
}

/// A changed row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its table.
    pub relation: Arc<Relation>,
    /// What happened; never [`Op::Truncate`].
    pub op: Op,
    /// The row after the change; of a deleted row what is known: its key, or all with REPLICA IDENTITY FULL.
    pub row: Row,
    /// The columns of the replica identity before an update that changed them (or before any, with FULL: all).
    pub old_key: Option<Row>,
}

/// A message that does not fit what the stream said before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// A row of a table that was never described.
    #[error("the stream has a row of table {0} (OID), which it did not describe before")]
    UnknownRelation(u32),
    /// A row with another number of cells than its table has columns.
    #[error("the stream has a row of {cells} cells of {relation}, which has {columns} columns")]
    CellCount {
        /// The table.
        relation: RelationName,
        /// Cells of the row.
        cells: usize,
        /// Columns of the table.
        columns: usize,
    },
}

impl Relations {
    /// Knows no table; cells longer than `max_cell` bytes become [`Cell::Unchanged`].
    pub fn new(max_cell: usize) -> Self {
        Self {
            max_cell,
            charset: Charset::default(),
            by_oid: HashMap::new(),
        }
    }

    /// The same for a stream in another encoding than UTF-8.
    pub fn in_charset(self, charset: Charset) -> Self {
        Self { charset, ..self }
    }

    /// The newest description of a table.
    pub fn describe(&self, oid: u32) -> Result<&Arc<Relation>, AssembleError> {
        self.by_oid.get(&oid).ok_or(AssembleError::UnknownRelation(oid))
    }

    /// Takes the stream's next message.
    pub fn step(&mut self, message: Message) -> Result<Streamed, AssembleError> {
        Ok(match message {
            Message::Begin {
                final_lsn,
                commit_time,
                xid,
            } => Streamed::Begin {
                commit_lsn: final_lsn,
                commit_time,
                xid,
            },
            Message::Commit {
                commit_lsn, end_lsn, ..
            } => Streamed::Commit { commit_lsn, end_lsn },
            Message::Message {
                transactional,
                lsn,
                prefix,
                content,
            } => Streamed::Emitted {
                transactional,
                lsn,
                prefix,
                content,
            },
            Message::Relation(relation) => {
                let relation = Arc::new(relation);
                self.by_oid.insert(relation.oid, Arc::clone(&relation));
                Streamed::Described(relation)
            }
            Message::Origin { .. } | Message::Type { .. } => Streamed::Nothing,
            Message::Insert { relation, new } => self.insert(relation, &new)?,
            Message::Update { relation, old, new } => self.update(relation, old.as_ref(), &new)?,
            Message::Delete { relation, old } => self.delete(relation, &old)?,
            Message::Truncate { relations, .. } => {
                let tables = relations.into_iter().map(|oid| self.describe(oid).cloned());
                Streamed::Truncate(tables.collect::<Result<_, _>>()?)
            }
        })
    }

    fn insert(&self, oid: u32, new: &Tuple) -> Result<Streamed, AssembleError> {
        let relation = self.describe(oid)?;
        let row = self.row(relation, new)?;
        Ok(Streamed::Change(Change {
            relation: Arc::clone(relation),
            op: Op::Insert,
            row,
            old_key: None,
        }))
    }

    fn update(&self, oid: u32, old: Option<&OldTuple>, new: &Tuple) -> Result<Streamed, AssembleError> {
        let relation = self.describe(oid)?;
        let mut row = self.row(relation, new)?;
        let old_key = old.map(|old| self.old_row(relation, old)).transpose()?;
        if let (Some(OldTuple::Full(_)), Some(old)) = (old, &old_key) {
            fill_unchanged(&mut row, old);
        }
        Ok(Streamed::Change(Change {
            relation: Arc::clone(relation),
            op: Op::Update,
            row,
            old_key,
        }))
    }

    fn delete(&self, oid: u32, old: &OldTuple) -> Result<Streamed, AssembleError> {
        let relation = self.describe(oid)?;
        let row = self.old_row(relation, old)?;
        Ok(Streamed::Change(Change {
            relation: Arc::clone(relation),
            op: Op::Delete,
            row,
            old_key: None,
        }))
    }

    /// The tuple's cells by their columns' names.
    pub fn row(&self, relation: &Relation, tuple: &Tuple) -> Result<Row, AssembleError> {
        let columns = columns_and_cells(relation, tuple)?;
        let cells = columns.map(|(column, cell)| self.cell(relation, column, cell));
        Ok(Row {
            columns: cells.collect(),
        })
    }

    /// Of a key tuple only the key's columns: the others are sent as NULL, which they need not have been.
    fn old_row(&self, relation: &Relation, old: &OldTuple) -> Result<Row, AssembleError> {
        let tuple = match old {
            OldTuple::Full(tuple) => return self.row(relation, tuple),
            OldTuple::Key(tuple) => tuple,
        };
        let keys = columns_and_cells(relation, tuple)?.filter(|(column, _)| column.is_key);
        let cells = keys.map(|(column, cell)| self.cell(relation, column, cell));
        Ok(Row {
            columns: cells.collect(),
        })
    }

    fn cell(&self, relation: &Relation, column: &Column, cell: &TupleCell) -> (Arc<str>, Cell) {
        let is_key = column.is_key && relation.replica_identity != ReplicaIdentity::Full;
        let value = match cell {
            TupleCell::Null => Cell::Null,
            TupleCell::Unchanged => Cell::Unchanged,
            TupleCell::Text(text) if text.len() > self.max_cell && !is_key => Cell::Unchanged,
            // In SQL_ASCII anything may stand.
            TupleCell::Text(text) => Cell::Text(self.charset.text(text)),
        };
        (Arc::clone(&column.name), value)
    }
}

impl Relation {
    /// The columns of the replica identity; with [`ReplicaIdentity::Full`] all.
    pub fn key_columns(&self) -> impl Iterator<Item = &str> {
        self.columns
            .iter()
            .filter(|column| column.is_key)
            .map(|column| &*column.name)
    }
}

fn columns_and_cells<'a>(
    relation: &'a Relation,
    tuple: &'a Tuple,
) -> Result<impl Iterator<Item = (&'a Column, &'a TupleCell)>, AssembleError> {
    if relation.columns.len() != tuple.cells.len() {
        return Err(AssembleError::CellCount {
            relation: relation.name.clone(),
            cells: tuple.cells.len(),
            columns: relation.columns.len(),
        });
    }
    Ok(relation.columns.iter().zip(&tuple.cells))
}

/// With REPLICA IDENTITY FULL the row before has the TOASTed values that the row after leaves out. Where FULL holds for a
/// partitioned table and not for the partition it is told all the same, and the row before holds NULL in place of all but
/// the key: what is unchanged was never NULL.
fn fill_unchanged(row: &mut Row, old: &Row) {
    for ((_, cell), (_, before)) in row.columns.iter_mut().zip(&old.columns) {
        if *cell == Cell::Unchanged && *before != Cell::Null {
            *cell = before.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::*;
    use proptest::prelude::*;

    fn relation(columns: &[(&str, bool)], replica_identity: ReplicaIdentity) -> Relation {
        let column = |(name, is_key): &(&str, bool)| Column {
            name: (*name).into(),
            type_oid: 25,
            type_modifier: -1,
            is_key: *is_key,
        };
        Relation {
            oid: 7,
            name: RelationName {
                schema: "public".into(),
                table: "tickets".into(),
            },
            replica_identity,
            columns: columns.iter().map(column).collect(),
        }
    }

    fn text(text: &str) -> TupleCell {
        TupleCell::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn tuple(cells: &[TupleCell]) -> Tuple {
        Tuple {
            cells: cells.to_vec(),
        }
    }

    fn columns(cells: &[(&str, Cell)]) -> Row {
        Row {
            columns: cells
                .iter()
                .map(|(name, cell)| ((*name).into(), cell.clone()))
                .collect(),
        }
    }

    fn change(relations: &mut Relations, message: Message) -> Change {
        match relations.step(message) {
            Ok(Streamed::Change(change)) => change,
            other => panic!("a change, not {other:?}"),
        }
    }

    fn known(relation: Relation) -> Relations {
        let mut relations = Relations::new(10);
        relations.step(Message::Relation(relation)).expect("described");
        relations
    }

    #[test]
    fn cells_get_their_columns_names() {
        let mut relations = known(relation(
            &[("id", true), ("body", false)],
            ReplicaIdentity::Default,
        ));
        let new = tuple(&[text("1"), TupleCell::Null]);
        let change = change(&mut relations, Message::Insert { relation: 7, new });
        assert_eq!(change.op, Op::Insert);
        assert_eq!(
            change.row,
            columns(&[("id", Cell::Text("1".into())), ("body", Cell::Null)])
        );
        assert_eq!(change.relation.key_columns().collect::<Vec<_>>(), ["id"]);
    }

    #[test]
    fn a_new_description_changes_the_order() {
        let mut relations = known(relation(
            &[("id", true), ("body", false)],
            ReplicaIdentity::Default,
        ));
        let anew = relation(&[("body", false), ("id", true)], ReplicaIdentity::Default);
        relations.step(Message::Relation(anew)).expect("described");
        let new = tuple(&[text("x"), text("1")]);
        let change = change(&mut relations, Message::Insert { relation: 7, new });
        assert_eq!(change.row.cell("id"), Some(&Cell::Text("1".into())));
    }

    #[test]
    fn of_a_key_tuple_only_the_key_counts() {
        let mut relations = known(relation(
            &[("id", true), ("body", false)],
            ReplicaIdentity::Default,
        ));
        let key = OldTuple::Key(tuple(&[text("1"), TupleCell::Null]));
        let new = tuple(&[text("2"), TupleCell::Unchanged]);
        let update = Message::Update {
            relation: 7,
            old: Some(key.clone()),
            new,
        };
        let update = change(&mut relations, update);
        assert_eq!(update.old_key, Some(columns(&[("id", Cell::Text("1".into()))])));
        assert_eq!(update.row.cell("body"), Some(&Cell::Unchanged));
        let delete = change(
            &mut relations,
            Message::Delete {
                relation: 7,
                old: key,
            },
        );
        assert_eq!(
            (delete.op, delete.row),
            (Op::Delete, columns(&[("id", Cell::Text("1".into()))]))
        );
    }

    #[test]
    fn a_full_old_row_fills_what_is_unchanged() {
        let mut relations = known(relation(&[("id", true), ("body", true)], ReplicaIdentity::Full));
        let old = Some(OldTuple::Full(tuple(&[text("1"), text("long")])));
        let new = tuple(&[text("1"), TupleCell::Unchanged]);
        let change = change(
            &mut relations,
            Message::Update {
                relation: 7,
                old,
                new,
            },
        );
        assert_eq!(change.row.cell("body"), Some(&Cell::Text("long".into())));
    }

    #[test]
    fn a_full_old_row_that_is_none_fills_nothing() {
        let mut relations = known(relation(&[("id", true), ("body", true)], ReplicaIdentity::Full));
        let old = Some(OldTuple::Full(tuple(&[text("1"), TupleCell::Null])));
        let new = tuple(&[text("2"), TupleCell::Unchanged]);
        let update = Message::Update {
            relation: 7,
            old,
            new,
        };
        let change = change(&mut relations, update);
        assert_eq!(change.row.cell("body"), Some(&Cell::Unchanged));
    }

    #[test]
    fn a_large_cell_is_unchanged_but_never_a_key() {
        let long = "01234567890";
        let new = tuple(&[text(long), text(long)]);
        let mut relations = known(relation(
            &[("id", true), ("body", false)],
            ReplicaIdentity::Default,
        ));
        let row = change(
            &mut relations,
            Message::Insert {
                relation: 7,
                new: new.clone(),
            },
        )
        .row;
        assert_eq!(
            row,
            columns(&[("id", Cell::Text(long.into())), ("body", Cell::Unchanged)])
        );
        let mut relations = known(relation(&[("id", true), ("body", true)], ReplicaIdentity::Full));
        let row = change(&mut relations, Message::Insert { relation: 7, new }).row;
        assert_eq!(row.cell("body"), Some(&Cell::Unchanged));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut relations = known(relation(&[("id", true)], ReplicaIdentity::Default));
        let new = tuple(&[TupleCell::Text(Bytes::from_static(b"a\xff"))]);
        let row = change(&mut relations, Message::Insert { relation: 7, new }).row;
        assert_eq!(row.cell("id"), Some(&Cell::Text("a\u{fffd}".into())));
    }

    #[test]
    fn faults_name_the_table() {
        let mut relations = known(relation(&[("id", true)], ReplicaIdentity::Default));
        let mut check = |relation, cells: &[TupleCell], expected: &str| {
            let message = Message::Insert {
                relation,
                new: tuple(cells),
            };
            assert_eq!(
                relations.step(message).expect_err("a fault").to_string(),
                expected
            );
        };
        check(
            7,
            &[],
            "the stream has a row of 0 cells of public.tickets, which has 1 columns",
        );
        check(
            8,
            &[],
            "the stream has a row of table 8 (OID), which it did not describe before",
        );
    }

    proptest! {
        #[test]
        fn no_sequence_of_messages_panics(messages in prop::collection::vec(encode::message(), 0..20)) {
            let mut relations = Relations::new(4);
            for message in messages {
                let _ = relations.step(message);
            }
        }
    }
}
