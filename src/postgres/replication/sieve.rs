//! A message that is too large to be held, read piece by piece: large cells are left out on the way.
//!
//! What comes out is the same message with those cells sent as unchanged, which is what they count as anyway (they are
//! read by key where the mapping needs them). So a cell of any size costs no memory, whoever's column it is. The content
//! of another program's `pg_logical_emit_message` is left out alike.
//!
//! <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Before the output plugin's message: `w`, two positions, a time.
const FRAME: usize = 25;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The frame and the message's letter.
    Head,
    /// What stands before a row's kind.
    Table,
    /// `K`, `O` or `N`.
    Kind,
    /// How many cells.
    Count,
    /// So many cells.
    Cells(u16),
    /// A text cell's length, with so many cells behind it.
    Length(u16),
    /// So many bytes, then these cells.
    Copy(usize, u16),
    /// The same, left out.
    Skip(usize, u16),
    /// Flags and position of an emitted message.
    Emitted,
    /// Its prefix, up to the zero.
    Prefix,
    /// Its content's length.
    Content,
    /// All that is left, left out.
    SkipRest,
    /// All that is left.
    Rest,
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Sieve {
    /// Bytes of it that were not read.
    left: usize,
    max_cell: usize,
    next: Next,
    out: BytesMut,
}

impl Sieve {
    /// A message of `length` bytes.
    pub(super) fn new(length: usize, max_cell: usize) -> Sieve {
        Sieve {
            left: length,
            max_cell,
            next: Next::Head,
            out: BytesMut::new(),
        }
    }

    /// Takes from `input` what is there; the message once it is whole.
    pub(super) fn feed(&mut self, input: &mut BytesMut) -> Option<Bytes> {
        while self.left > 0 {
            let there = input.len().min(self.left);
            self.left -= self.step(input, there)?;
        }
        Some(self.out.split().freeze())
    }

    /// One step with at most `there` bytes; how many it took. `None`: they do not suffice.
    fn step(&mut self, input: &mut BytesMut, there: usize) -> Option<usize> {
        let fixed = match self.next {
            // A row before the change is followed by the row after it.
            Next::Cells(0) => {
                self.next = Next::Kind;
                return Some(0);
            }
            Next::Copy(0, cells) | Next::Skip(0, cells) => {
                self.next = Next::Cells(cells);
                return Some(0);
            }
            _ if there == 0 => return None,
            Next::Copy(count, cells) => {
                let some = there.min(count);
                self.out.put(input.split_to(some));
                self.next = Next::Copy(count - some, cells);
                return Some(some);
            }
            Next::Skip(count, cells) => {
                let some = there.min(count);
                input.advance(some);
                self.next = Next::Skip(count - some, cells);
                return Some(some);
            }
            Next::SkipRest => {
                input.advance(there);
                return Some(there);
            }
            Next::Rest => {
                self.out.put(input.split_to(there));
                return Some(there);
            }
            Next::Head => FRAME + 1,
            Next::Table | Next::Length(_) | Next::Content => 4,
            Next::Kind | Next::Cells(_) | Next::Prefix => 1,
            Next::Count => 2,
            Next::Emitted => 9,
        };
        if there >= fixed {
            let piece = input.split_to(fixed);
            self.take(&piece);
            return Some(fixed);
        }
        // A message that ends within a field is not whole; the decoder says so.
        (self.left == there).then(|| {
            self.next = Next::Rest;
            0
        })
    }

    fn take(&mut self, piece: &[u8]) {
        let mut number = piece;
        let last = piece.last().copied().unwrap_or_default();
        self.next = match self.next {
            Next::Head => match last {
                b'I' | b'U' | b'D' => Next::Table,
                b'M' => Next::Emitted,
                _ => Next::Rest,
            },
            Next::Table => Next::Kind,
            Next::Kind => Next::Count,
            Next::Count => Next::Cells(number.get_u16()),
            Next::Cells(cells) if last == b't' => {
                // Whether it is sent as text is known with its length.
                self.next = Next::Length(cells.saturating_sub(1));
                return;
            }
            Next::Cells(cells) => Next::Cells(cells.saturating_sub(1)),
            Next::Length(cells) => {
                let length = usize::try_from(number.get_u32()).unwrap_or(usize::MAX);
                if length > self.max_cell {
                    self.out.put_u8(b'u');
                    self.next = Next::Skip(length, cells);
                    return;
                }
                self.out.put_u8(b't');
                Next::Copy(length, cells)
            }
            Next::Emitted => Next::Prefix,
            Next::Prefix if last == 0 => Next::Content,
            Next::Prefix => Next::Prefix,
            Next::Content => {
                self.out.put_u32(0);
                self.next = Next::SkipRest;
                return;
            }
            other => other,
        };
        self.out.put_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pgoutput::encode;
    use crate::pgoutput::{Message, OldTuple, Tuple, TupleCell, decode};
    use proptest::prelude::*;

    fn sieved(message: &Message, max_cell: usize, chunk: usize) -> Message {
        let body = [vec![b'w'; FRAME], encode::encode(message).to_vec()].concat();
        let mut sieve = Sieve::new(body.len(), max_cell);
        let mut input = BytesMut::new();
        let mut out = None;
        for piece in body.chunks(chunk) {
            input.extend_from_slice(piece);
            out = sieve.feed(&mut input);
        }
        let out = out.expect("whole");
        assert!(input.is_empty());
        decode(&out.slice(FRAME..)).expect("a message")
    }

    fn without_large(tuple: &mut Tuple, max_cell: usize) {
        for cell in &mut tuple.cells {
            if matches!(cell, TupleCell::Text(text) if text.len() > max_cell) {
                *cell = TupleCell::Unchanged;
            }
        }
    }

    proptest! {
        #[test]
        fn a_message_loses_its_large_cells_and_nothing_else(message in encode::message(), max_cell in 0usize..8, chunk in 1usize..50) {
            let mut expected = message.clone();
            match &mut expected {
                Message::Insert { new, .. } => without_large(new, max_cell),
                Message::Update { old, new, .. } => {
                    if let Some(OldTuple::Key(old) | OldTuple::Full(old)) = old {
                        without_large(old, max_cell);
                    }
                    without_large(new, max_cell);
                }
                Message::Delete { old: OldTuple::Key(old) | OldTuple::Full(old), .. } => without_large(old, max_cell),
                Message::Message { content, .. } => *content = Bytes::new(),
                _ => {}
            }
            prop_assert_eq!(sieved(&message, max_cell, chunk), expected);
        }

        #[test]
        fn no_bytes_panic_or_are_waited_for(bytes: Vec<u8>, chunk in 1usize..50) {
            let mut sieve = Sieve::new(bytes.len(), 3);
            let mut input = BytesMut::new();
            let mut out = bytes.is_empty().then(Bytes::new);
            for piece in bytes.chunks(chunk) {
                input.extend_from_slice(piece);
                out = sieve.feed(&mut input);
            }
            prop_assert!(out.is_some());
        }
    }
}
