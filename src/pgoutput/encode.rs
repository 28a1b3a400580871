//! The reverse of [`decode`](super::decode()), for tests, and a strategy that yields every kind of message.

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use proptest::prelude::*;

use super::{Column, Message, OldTuple, Relation, ReplicaIdentity, Tuple, TupleCell};
use crate::model::{Lsn, RelationName};

const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// A message as `pgoutput` would send it.
pub(crate) fn encode(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    match message {
        Message::Begin {
            final_lsn,
            commit_time,
            xid,
        } => {
            out.put_u8(b'B');
            out.put_u64(final_lsn.0);
            out.put_i64(commit_time.as_microsecond() - POSTGRES_EPOCH);
            out.put_u32(*xid);
        }
        Message::Message {
            transactional,
            lsn,
            prefix,
            content,
        } => {
            out.put_u8(b'M');
            out.put_u8(u8::from(*transactional));
            out.put_u64(lsn.0);
            put_name(&mut out, prefix);
            out.put_u32(content.len() as u32);
            out.put_slice(content);
        }
        Message::Commit {
            commit_lsn,
            end_lsn,
            commit_time,
        } => {
            out.put_slice(b"C\0");
            out.put_u64(commit_lsn.0);
            out.put_u64(end_lsn.0);
            out.put_i64(commit_time.as_microsecond() - POSTGRES_EPOCH);
        }
        Message::Origin { commit_lsn, name } => {
            out.put_u8(b'O');
            out.put_u64(commit_lsn.0);
            put_name(&mut out, name);
        }
        Message::Relation(relation) => put_relation(&mut out, relation),
        Message::Type { oid, schema, name } => {
            out.put_u8(b'Y');
            out.put_u32(*oid);
            put_name(&mut out, schema);
            put_name(&mut out, name);
        }
        Message::Insert { relation, new } => {
            out.put_u8(b'I');
            out.put_u32(*relation);
            put_tuple(&mut out, b'N', new);
        }
        Message::Update { relation, old, new } => {
            out.put_u8(b'U');
            out.put_u32(*relation);
            if let Some(old) = old {
                put_old(&mut out, old);
            }
            put_tuple(&mut out, b'N', new);
        }
        Message::Delete { relation, old } => {
            out.put_u8(b'D');
            out.put_u32(*relation);
            put_old(&mut out, old);
        }
        Message::Truncate {
            relations,
            cascade,
            restart_identity,
        } => {
            out.put_u8(b'T');
            out.put_u32(relations.len() as u32);
            out.put_u8(u8::from(*cascade) | u8::from(*restart_identity) << 1);
            for oid in relations {
                out.put_u32(*oid);
            }
        }
    }
    out.freeze()
}

fn put_name(out: &mut BytesMut, name: &str) {
    out.put_slice(name.as_bytes());
    out.put_u8(0);
}

fn put_relation(out: &mut BytesMut, relation: &Relation) {
    out.put_u8(b'R');
    out.put_u32(relation.oid);
    let schema = Some(relation.name.schema.as_str()).filter(|schema| *schema != "pg_catalog");
    put_name(out, schema.unwrap_or_default());
    put_name(out, &relation.name.table);
    out.put_u8(relation.replica_identity.letter());
    out.put_u16(relation.columns.len() as u16);
    for column in &relation.columns {
        out.put_u8(u8::from(column.is_key));
        put_name(out, &column.name);
        out.put_u32(column.type_oid);
        out.put_i32(column.type_modifier);
    }
}

fn put_old(out: &mut BytesMut, old: &OldTuple) {
    match old {
        OldTuple::Key(tuple) => put_tuple(out, b'K', tuple),
        OldTuple::Full(tuple) => put_tuple(out, b'O', tuple),
    }
}

fn put_tuple(out: &mut BytesMut, kind: u8, tuple: &Tuple) {
    out.put_u8(kind);
    out.put_u16(tuple.cells.len() as u16);
    for cell in &tuple.cells {
        match cell {
            TupleCell::Null => out.put_u8(b'n'),
            TupleCell::Unchanged => out.put_u8(b'u'),
            TupleCell::Text(text) => {
                out.put_u8(b't');
                out.put_u32(text.len() as u32);
                out.put_slice(text);
            }
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    "[^\0]{1,12}"
}

fn lsn() -> impl Strategy<Value = Lsn> {
    any::<u64>().prop_map(Lsn)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_000_i64).prop_map(|micros| Timestamp::from_microsecond(micros).expect("in range"))
}

fn tuple() -> impl Strategy<Value = Tuple> {
    let cell = prop_oneof![
        Just(TupleCell::Null),
        Just(TupleCell::Unchanged),
        any::<Vec<u8>>().prop_map(|bytes| TupleCell::Text(bytes.into())),
    ];
    prop::collection::vec(cell, 0..6).prop_map(|cells| Tuple { cells })
}

fn old_tuple() -> impl Strategy<Value = OldTuple> {
    prop_oneof![tuple().prop_map(OldTuple::Key), tuple().prop_map(OldTuple::Full)]
}

fn relation() -> impl Strategy<Value = Relation> {
    use ReplicaIdentity::{Default, Full, Index, Nothing};
    let column = (name(), any::<u32>(), any::<i32>(), any::<bool>()).prop_map(
        |(name, type_oid, type_modifier, is_key)| Column {
            name: name.into(),
            type_oid,
            type_modifier,
            is_key,
        },
    );
    let identity = prop::sample::select(vec![Default, Full, Index, Nothing]);
    (
        any::<u32>(),
        name(),
        name(),
        identity,
        prop::collection::vec(column, 0..6),
    )
        .prop_map(|(oid, schema, table, replica_identity, columns)| Relation {
            oid,
            name: RelationName { schema, table },
            replica_identity,
            columns,
        })
}

/// Any message.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (lsn(), time(), any::<u32>()).prop_map(|(final_lsn, commit_time, xid)| Message::Begin {
            final_lsn,
            commit_time,
            xid
        }),
        (any::<bool>(), lsn(), name(), any::<Vec<u8>>()).prop_map(|(transactional, lsn, prefix, content)| {
            Message::Message {
                transactional,
                lsn,
                prefix,
                content: content.into(),
            }
        }),
        (lsn(), lsn(), time()).prop_map(|(commit_lsn, end_lsn, commit_time)| Message::Commit {
            commit_lsn,
            end_lsn,
            commit_time
        }),
        (lsn(), name()).prop_map(|(commit_lsn, name)| Message::Origin { commit_lsn, name }),
        relation().prop_map(Message::Relation),
        (any::<u32>(), name(), name()).prop_map(|(oid, schema, name)| Message::Type { oid, schema, name }),
        (any::<u32>(), tuple()).prop_map(|(relation, new)| Message::Insert { relation, new }),
        (any::<u32>(), prop::option::of(old_tuple()), tuple())
            .prop_map(|(relation, old, new)| Message::Update { relation, old, new }),
        (any::<u32>(), old_tuple()).prop_map(|(relation, old)| Message::Delete { relation, old }),
        (
            prop::collection::vec(any::<u32>(), 0..4),
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(|(relations, cascade, restart_identity)| Message::Truncate {
                relations,
                cascade,
                restart_identity
            }),
    ]
}
