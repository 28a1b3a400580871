//! One message's bytes → [`Message`].

use std::sync::Arc;

use bytes::{Buf, Bytes, TryGetError};
use jiff::Timestamp;

use crate::model::{Charset, Lsn, RelationName};

/// A message of the logical replication stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// `B`: a transaction's changes follow.
    Begin {
        /// Where its commit record stands: the `commit_lsn` of the matching [`Message::Commit`].
        final_lsn: Lsn,
        /// When it committed, by the server's clock; not to be relied on (an origin may leave 2000-01-01).
        commit_time: Timestamp,
        /// The transaction's id, without its epoch.
        xid: u32,
    },
    /// `M`: what `pg_logical_emit_message` wrote.
    Message {
        /// Part of the surrounding transaction, or written at once.
        transactional: bool,
        /// Where it stands in the log.
        lsn: Lsn,
        /// Its first argument but one, by which applications know their own.
        prefix: String,
        /// Its content, any bytes.
        content: Bytes,
    },
    /// `C`: the transaction is complete.
    Commit {
        /// Where the commit record stands.
        commit_lsn: Lsn,
        /// Behind the commit record: the position to acknowledge and to go on from.
        end_lsn: Lsn,
        /// When it committed, by the server's clock.
        commit_time: Timestamp,
    },
    /// `O`: the transaction came from another server.
    Origin {
        /// The commit's position on that server.
        commit_lsn: Lsn,
        /// The origin's name.
        name: String,
    },
    /// `R`: a table's description, before its first row and after each change of it.
    Relation(Relation),
    /// `Y`: a type that is not built in.
    Type {
        /// The type's OID.
        oid: u32,
        /// Its schema, empty for `pg_catalog`.
        schema: String,
        name: String,
    },
    /// `I`: a row was inserted.
    Insert {
        /// The table's OID.
        relation: u32,
        /// The row.
        new: Tuple,
    },
    /// `U`: a row was changed.
    Update {
        /// The table's OID.
        relation: u32,
        /// The row before, if its key changed or the replica identity is FULL.
        old: Option<OldTuple>,
        /// The row after.
        new: Tuple,
    },
    /// `D`: a row was deleted.
    Delete {
        /// The table's OID.
        relation: u32,
        /// The row before.
        old: OldTuple,
    },
    /// `T`: tables were emptied.
    Truncate {
        /// The tables' OIDs.
        relations: Vec<u32>,
        /// `CASCADE` was given.
        cascade: bool,
        /// `RESTART IDENTITY` was given.
        restart_identity: bool,
    },
}

/// A table as the stream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its OID, by which rows refer to it.
    pub oid: u32,
    pub name: RelationName,
    /// What old rows consist of.
    pub replica_identity: ReplicaIdentity,
    /// Its columns, in the order of tuples.
    pub columns: Vec<Column>,
}

/// A column as the stream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: Arc<str>,
    /// Its type's OID.
    pub type_oid: u32,
    /// `atttypmod`, -1 for none.
    pub type_modifier: i32,
    /// Part of the replica identity; every column is with [`ReplicaIdentity::Full`].
    pub is_key: bool,
}

/// `pg_class.relreplident`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// `d`: the primary key, if there is one.
    Default,
    /// `n`: none.
    Nothing,
    /// `f`: the whole row.
    Full,
    /// `i`: an index chosen by the owner.
    Index,
}

impl ReplicaIdentity {
    /// From `pg_class.relreplident`.
    pub fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'd' => Some(Self::Default),
            b'n' => Some(Self::Nothing),
            b'f' => Some(Self::Full),
            b'i' => Some(Self::Index),
            _ => None,
        }
    }

    /// As `pg_class.relreplident` has it.
    pub fn letter(self) -> u8 {
        match self {
            Self::Default => b'd',
            Self::Nothing => b'n',
            Self::Full => b'f',
            Self::Index => b'i',
        }
    }
}

/// A row's cells in the order of its relation's columns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tuple {
    pub cells: Vec<TupleCell>,
}

/// A row before its change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OldTuple {
    /// `K`: only the key's columns count; the others are sent as NULL whatever they held.
    Key(Tuple),
    /// `O`: the whole row.
    Full(Tuple),
}

/// A cell as it was sent. Its `Debug` tells its length.
#[derive(Clone, PartialEq, Eq)]
pub enum TupleCell {
    /// `n`
    Null,
    /// `u`: a TOASTed value that the change did not touch.
    Unchanged,
    /// `t`: text, not yet known to be UTF-8.
    Text(Bytes),
}

impl std::fmt::Debug for TupleCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TupleCell::Null => f.write_str("Null"),
            TupleCell::Unchanged => f.write_str("Unchanged"),
            TupleCell::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

/// Bytes that are no `pgoutput` message of protocol version 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message ends too early.
    #[error("a replication message `{tag}` ends too early, within its {what}")]
    Truncated {
        /// The message's letter, `?` for an empty one.
        tag: char,
        /// What was being read.
        what: &'static str,
    },
    /// Bytes are left over.
    #[error("a replication message `{tag}` is {extra} bytes longer than its content")]
    Trailing {
        /// The message's letter.
        tag: char,
        /// How many bytes.
        extra: usize,
    },
    /// A letter that version 1 does not have.
    #[error("unknown replication message 0x{0:02x}; is the slot's plugin `pgoutput`?")]
    UnknownMessage(u8),
    /// A letter or number with a meaning that is not known.
    #[error("a replication message `{tag}` has an unknown {what}: 0x{value:02x}")]
    Unknown {
        /// The message's letter.
        tag: char,
        /// What was being read.
        what: &'static str,
        /// What stood there.
        value: u8,
    },
    /// Binary cells were never asked for.
    #[error("a replication message `{0}` holds a binary cell, which was not asked for")]
    Binary(char),
}

/// Decodes one message of a stream in UTF-8: the content of an `XLogData` frame. Cells share the memory of `bytes`.
pub fn decode(bytes: &Bytes) -> Result<Message, DecodeError> {
    decode_in(bytes, Charset::default())
}

/// The same for a stream in another encoding.
pub fn decode_in(bytes: &Bytes, charset: Charset) -> Result<Message, DecodeError> {
    let mut reader = Reader {
        rest: bytes.clone(),
        tag: '?',
        charset,
    };
    let tag = reader.u8("letter")?;
    reader.tag = char::from(tag);
    let message = match tag {
        b'B' => Message::Begin {
            final_lsn: reader.lsn()?,
            commit_time: reader.time()?,
            xid: reader.u32("transaction id")?,
        },
        b'M' => {
            let transactional = reader.u8("flags")? & 1 == 1;
            let lsn = reader.lsn()?;
            let prefix = reader.name("prefix")?;
            let length = reader.length("content's length")?;
            Message::Message {
                transactional,
                lsn,
                prefix,
                content: reader.take(length, "content")?,
            }
        }
        b'C' => {
            reader.u8("flags")?;
            Message::Commit {
                commit_lsn: reader.lsn()?,
                end_lsn: reader.lsn()?,
                commit_time: reader.time()?,
            }
        }
        b'O' => Message::Origin {
            commit_lsn: reader.lsn()?,
            name: reader.name("origin's name")?,
        },
        b'R' => Message::Relation(reader.relation()?),
        b'Y' => Message::Type {
            oid: reader.u32("type's OID")?,
            schema: reader.name("type's schema")?,
            name: reader.name("type's name")?,
        },
        b'I' => {
            let relation = reader.u32("table's OID")?;
            reader.expect(b'N', "kind of tuple")?;
            Message::Insert {
                relation,
                new: reader.tuple()?,
            }
        }
        b'U' => reader.update()?,
        b'D' => {
            let relation = reader.u32("table's OID")?;
            let kind = reader.u8("kind of tuple")?;
            Message::Delete {
                relation,
                old: reader.old_tuple(kind)?,
            }
        }
        b'T' => reader.truncate()?,
        other => return Err(DecodeError::UnknownMessage(other)),
    };
    match reader.rest.len() {
        0 => Ok(message),
        extra => Err(DecodeError::Trailing {
            tag: reader.tag,
            extra,
        }),
    }
}

/// Microseconds from 1970 to 2000, where Postgres's clock begins.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// What is left of a message. Every step checks the length first.
struct Reader {
    rest: Bytes,
    tag: char,
    charset: Charset,
}

impl Reader {
    fn take(&mut self, length: usize, what: &'static str) -> Result<Bytes, DecodeError> {
        if self.rest.len() < length {
            return Err(DecodeError::Truncated { tag: self.tag, what });
        }
        Ok(self.rest.split_to(length))
    }

    /// Read in place: a piece of its own would count the memory's users up and down.
    fn number<T>(
        &mut self,
        get: fn(&mut Bytes) -> Result<T, TryGetError>,
        what: &'static str,
    ) -> Result<T, DecodeError> {
        get(&mut self.rest).map_err(|_| DecodeError::Truncated { tag: self.tag, what })
    }

    fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.number(Bytes::try_get_u8, what)
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.number(Bytes::try_get_u16, what)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.number(Bytes::try_get_u32, what)
    }

    fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        self.number(Bytes::try_get_i32, what)
    }

    /// A length or count: an `Int32` that must not be negative.
    fn length(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let length = self.i32(what)?;
        usize::try_from(length).map_err(|_| DecodeError::Truncated { tag: self.tag, what })
    }

    fn lsn(&mut self) -> Result<Lsn, DecodeError> {
        Ok(Lsn(self.take(8, "log position")?.get_u64()))
    }

    /// A time out of range is taken to the nearest end: it must not stop the stream, and nothing relies on it.
    fn time(&mut self) -> Result<Timestamp, DecodeError> {
        let micros = self.take(8, "commit time")?.get_i64();
        let end = if micros < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        let unix = micros.checked_add(POSTGRES_EPOCH);
        Ok(unix
            .and_then(|unix| Timestamp::from_microsecond(unix).ok())
            .unwrap_or(end))
    }

    /// A C string.
    fn name(&mut self, what: &'static str) -> Result<String, DecodeError> {
        let end = self.rest.iter().position(|byte| *byte == 0);
        let end = end.ok_or(DecodeError::Truncated { tag: self.tag, what })?;
        let name = self.take(end, what)?;
        self.u8(what)?;
        Ok(self.charset.text(&name))
    }

    fn unknown(&self, what: &'static str, value: u8) -> DecodeError {
        DecodeError::Unknown {
            tag: self.tag,
            what,
            value,
        }
    }

    fn expect(&mut self, wanted: u8, what: &'static str) -> Result<(), DecodeError> {
        match self.u8(what)? {
            found if found == wanted => Ok(()),
            found => Err(self.unknown(what, found)),
        }
    }

    fn relation(&mut self) -> Result<Relation, DecodeError> {
        let oid = self.u32("table's OID")?;
        let schema = match self.name("table's schema")? {
            empty if empty.is_empty() => "pg_catalog".to_owned(),
            schema => schema,
        };
        let table = self.name("table's name")?;
        let identity = self.u8("replica identity")?;
        let replica_identity = ReplicaIdentity::from_letter(identity)
            .ok_or_else(|| self.unknown("replica identity", identity))?;
        let count = self.u16("number of columns")?;
        let mut columns = Vec::new();
        for _ in 0..count {
            columns.push(Column {
                is_key: self.u8("column's flags")? & 1 == 1,
                name: self.name("column's name")?.into(),
                type_oid: self.u32("column's type")?,
                type_modifier: self.i32("column's type modifier")?,
            });
        }
        Ok(Relation {
            oid,
            name: RelationName { schema, table },
            replica_identity,
            columns,
        })
    }

    fn tuple(&mut self) -> Result<Tuple, DecodeError> {
        let count = self.u16("number of cells")?;
        let mut cells = Vec::with_capacity(usize::from(count).min(self.rest.len()));
        for _ in 0..count {
            cells.push(match self.u8("kind of cell")? {
                b'n' => TupleCell::Null,
                b'u' => TupleCell::Unchanged,
                b't' => {
                    let length = self.length("cell's length")?;
                    TupleCell::Text(self.take(length, "cell")?)
                }
                b'b' => return Err(DecodeError::Binary(self.tag)),
                other => return Err(self.unknown("kind of cell", other)),
            });
        }
        Ok(Tuple { cells })
    }

    fn old_tuple(&mut self, kind: u8) -> Result<OldTuple, DecodeError> {
        match kind {
            b'K' => Ok(OldTuple::Key(self.tuple()?)),
            b'O' => Ok(OldTuple::Full(self.tuple()?)),
            other => Err(self.unknown("kind of tuple", other)),
        }
    }

    fn update(&mut self) -> Result<Message, DecodeError> {
        let relation = self.u32("table's OID")?;
        let old = match self.u8("kind of tuple")? {
            b'N' => None,
            kind => {
                let old = self.old_tuple(kind)?;
                self.expect(b'N', "kind of tuple")?;
                Some(old)
            }
        };
        Ok(Message::Update {
            relation,
            old,
            new: self.tuple()?,
        })
    }

    fn truncate(&mut self) -> Result<Message, DecodeError> {
        let count = self.length("number of tables")?;
        let flags = self.u8("flags")?;
        let mut relations = Vec::with_capacity(count.min(self.rest.len() / 4));
        for _ in 0..count {
            relations.push(self.u32("table's OID")?);
        }
        Ok(Message::Truncate {
            relations,
            cascade: flags & 1 != 0,
            restart_identity: flags & 2 != 0,
        })
    }
}

#[cfg(test)]
mod tests;
