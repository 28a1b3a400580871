//! What one flow has just found out, handed to the next one as a value: it is not looked up again.
//!
//! The tables stay the truth. Whatever is handed on stands there, and is found there by the next look where nobody takes
//! it here: after a restart, in another term of office, and where the next flow is at something else.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Delivery, HandedOn, PendingRemote, Store, Ticket};
use crate::model::{Epoch, MessageId};

/// So many of a kind are handed on; more than these are no single reply, and the look at the tables finds them all at once.
const ROOM: usize = 16;

/// A case that is to be read at once.
#[derive(Debug, Clone)]
pub struct WantedRead {
    /// Its lane, as the wish has left it.
    pub ticket: Ticket,
    /// The newest message that a webhook behind the wish names: it, and all that are older, stood in Deskie before.
    pub named: Option<MessageId>,
    /// That message is not known yet.
    pub is_news: bool,
    /// The newest known messages of the case; `None`: something of the ticket is unidentified, or the case holds another
    /// customer's, and all has to be asked about what is read.
    pub known: Option<Vec<MessageId>>,
}

impl WantedRead {
    /// So many of the newest messages of a case are handed on.
    pub(super) const KNOWN: usize = 200;

    /// Which of these messages are known, where that can be told of all of them.
    pub fn known_of(&self, ids: &[MessageId]) -> Option<Vec<MessageId>> {
        let known = self.known.as_ref()?;
        let oldest = known.iter().min().filter(|_| known.len() >= Self::KNOWN);
        let is_told = |id: &MessageId| known.contains(id) || oldest.is_none_or(|oldest| id > oldest);
        ids.iter()
            .all(is_told)
            .then(|| ids.iter().copied().filter(|id| known.contains(id)).collect())
    }
}

/// What waits for being taken, and the term of office in which it was handed on.
#[derive(Debug, Default)]
pub(super) struct Handed {
    reads: Mutex<Vec<(Epoch, WantedRead)>>,
    deliveries: Mutex<Vec<(Epoch, Delivery)>>,
    expected: Mutex<Vec<(Epoch, Ticket)>>,
    remotes: Mutex<Vec<(Epoch, PendingRemote)>>,
}

/// Nothing panics while it is held, so it cannot be poisoned.
fn lock<T>(list: &Mutex<Vec<(Epoch, T)>>) -> MutexGuard<'_, Vec<(Epoch, T)>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HandedOn<'_, Store> {
    fn add<T>(self, list: &Mutex<Vec<(Epoch, T)>>, what: T) -> bool {
        let mut list = lock(list);
        let has_room = list.len() < ROOM;
        if has_room {
            list.push((self.0.epoch(), what));
        }
        has_room
    }

    fn taken<T>(self, list: &Mutex<Vec<(Epoch, T)>>) -> Vec<T> {
        let taken = std::mem::take(&mut *lock(list)).into_iter();
        let ours = self.0.epoch();
        taken
            .filter_map(|(epoch, what)| (epoch == ours).then_some(what))
            .collect()
    }

    /// Hands a read to the lanes.
    pub(super) fn add_read(self, read: WantedRead) {
        match self.add(&self.0.handed.reads, read) {
            true => self.0.wake.handed.notify_one(),
            false => self.0.wake.lanes.notify_one(),
        }
    }

    /// The reads that were handed on since this was asked last.
    pub fn reads(self) -> Vec<WantedRead> {
        self.taken(&self.0.handed.reads)
    }

    /// Hands a row that may be sent to the lanes.
    pub fn add_delivery(self, delivery: Delivery) {
        match self.add(&self.0.handed.deliveries, delivery) {
            true => self.0.wake.handed.notify_one(),
            false => self.0.wake.lanes.notify_one(),
        }
    }

    /// The rows that were handed on since this was asked last.
    pub fn deliveries(self) -> Vec<Delivery> {
        self.taken(&self.0.handed.deliveries)
    }

    /// Says that a reply to a ticket is expected any moment.
    pub fn expect_reply(self, ticket: Ticket) {
        if self.add(&self.0.handed.expected, ticket) {
            self.0.wake.expected.notify_one();
        }
    }

    /// The tickets of which that was said since this was asked last.
    pub fn expected_replies(self) -> Vec<Ticket> {
        self.taken(&self.0.handed.expected)
    }

    /// Hands a message, the head of its lane, to the write-back.
    pub(super) fn add_remote(self, remote: PendingRemote) {
        self.add(&self.0.handed.remotes, remote);
    }

    /// The messages that were handed on since this was asked last.
    pub fn remotes(self) -> Vec<PendingRemote> {
        self.taken(&self.0.handed.remotes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CaseId, LaneId, TicketKey};

    fn read(known: Option<Vec<i64>>) -> WantedRead {
        WantedRead {
            ticket: Ticket {
                id: LaneId(1),
                key: TicketKey("1".to_owned()),
                gone: false,
                case_id: Some(CaseId(1)),
                case_number: None,
                claim: String::new(),
                is_estranged: false,
                named_by: None,
                user_id: None,
                channel: None,
                custom_id: None,
                case_updated_at: None,
                read_wanted: None,
                read_attempts: 0,
                read_surplus: None,
                read_from: None,
                site_status: None,
                case_status: None,
            },
            named: None,
            is_news: true,
            known: known.map(|known| known.into_iter().map(MessageId).collect()),
        }
    }

    #[test]
    fn what_lies_behind_the_known_messages_is_not_told() {
        let ids = [MessageId(7), MessageId(3)];
        assert_eq!(read(None).known_of(&ids), None);
        assert_eq!(read(Some(vec![3])).known_of(&ids), Some(vec![MessageId(3)]));
        // There may be older ones.
        let newest: Vec<i64> = (5..).take(WantedRead::KNOWN).collect();
        assert_eq!(read(Some(newest.clone())).known_of(&ids), None);
        assert_eq!(read(Some(newest)).known_of(&ids[..1]), Some(vec![MessageId(7)]));
    }
}
