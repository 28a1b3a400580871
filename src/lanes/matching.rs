//! Is this message, or this case, in Deskie the one that a lost call made? (rule 9)
//!
//! A case matches by the custom field that holds the ticket key **and** by customer, and must not be older than the
//! ticket's row. A message carries no tag, so it matches only if we do not know it yet, and author, text and time agree.
//! Since a lane has one call at a time, all earlier messages of ours are known, and what is left is ours or a person's.
//!
//! What it does not guarantee: where Deskie does not keep our `created_at`, a customer who mails the very text of his
//! lost message within `doubt_wait` looks like that message. If both are there they are several, which parks.

use jiff::{SignedDuration, Timestamp};

use super::doubt::Lookup;
use crate::model::{CaseId, MessageId, StaffId, TicketKey, UserId};

/// How far Deskie's clock may be behind ours.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(2);

/// Does Deskie keep the `created_at` that we send? Learnt from the answers to calls that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CreatedAtKept {
    /// It does: only an equal time matches.
    Yes,
    /// It does not: its own clock's time is there instead.
    No,
    /// Not known yet: an equal time wins, else the time of the call decides.
    #[default]
    Unknown,
}

/// As whom a message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// As the customer.
    Customer(UserId),
    /// As an agent; `None`: as the API key's own.
    Staff(Option<StaffId>),
    /// An internal note.
    Note,
}

/// A message found in the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageCandidate {
    pub message_id: MessageId,
    /// The customer who wrote it; 0: an agent did.
    pub user_id: UserId,
    /// The agent who wrote it; 0: the customer did.
    pub staff_id: StaffId,
    /// It is an internal note.
    pub note: bool,
    /// Its text, normalised, is the one that was to be sent.
    pub same_text: bool,
    /// Its time, where Deskie gave one.
    pub created_at: Option<Timestamp>,
    /// It is linked to a row already, or was seen and judged before.
    pub known: bool,
}

/// What was to be sent into a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageIntent {
    /// As whom.
    pub author: Author,
    /// The `created_at` that went with it.
    pub created_at: Option<Timestamp>,
    /// When the intent was made, by our wall clock: it cannot have been carried out before.
    pub sent_not_before: Timestamp,
    /// Does Deskie keep `created_at`?
    pub kept: CreatedAtKept,
}

/// A case found by the ticket field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseCandidate {
    pub case_id: CaseId,
    /// The ticket that its ticket field names; the API's filter finds parts of it, too.
    pub ticket_field: Option<String>,
    /// It belongs to the customer for whom the case was to be opened.
    pub same_customer: bool,
    /// Its time, where Deskie gave one.
    pub created_at: Option<Timestamp>,
    /// It lies in the trash.
    pub deleted: bool,
    /// It is the case of another ticket, or of an earlier generation of this one.
    pub known: bool,
}

/// A case that was to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseIntent {
    pub ticket: TicketKey,
    /// The `created_at` that went with it.
    pub created_at: Option<Timestamp>,
    /// When the ticket's row was made (or, where that is not mapped, when the intent was): no case of it is older.
    pub not_before: Timestamp,
    /// Does Deskie keep `created_at`?
    pub kept: CreatedAtKept,
}

/// Which of these messages is the one that was to be sent?
pub fn match_messages(candidates: &[MessageCandidate], intent: &MessageIntent) -> Lookup<MessageId> {
    let alike = candidates
        .iter()
        .filter(|candidate| !candidate.known && candidate.same_text && written_by(candidate, intent.author))
        .map(|candidate| (candidate.message_id, candidate.created_at));
    by_time(alike, intent.created_at, intent.sent_not_before, intent.kept)
}

/// Which of these cases is the one that was to be opened?
pub fn match_cases(candidates: &[CaseCandidate], intent: &CaseIntent) -> Lookup<CaseId> {
    let alike = candidates
        .iter()
        .filter(|candidate| !candidate.known && !candidate.deleted && candidate.same_customer)
        .filter(|candidate| {
            candidate.ticket_field.as_deref().map(str::trim) == Some(intent.ticket.as_str().trim())
        })
        .map(|candidate| (candidate.case_id, candidate.created_at));
    by_time(alike, intent.created_at, intent.not_before, intent.kept)
}

fn written_by(candidate: &MessageCandidate, author: Author) -> bool {
    match author {
        Author::Customer(user_id) => {
            !candidate.note && candidate.user_id == user_id && candidate.staff_id == StaffId(0)
        }
        Author::Staff(staff_id) => {
            !candidate.note
                && candidate.staff_id != StaffId(0)
                && staff_id.is_none_or(|staff_id| candidate.staff_id == staff_id)
        }
        Author::Note => candidate.note,
    }
}

fn by_time<Id: Ord>(
    alike: impl Iterator<Item = (Id, Option<Timestamp>)>,
    sent: Option<Timestamp>,
    not_before: Timestamp,
    kept: CreatedAtKept,
) -> Lookup<Id> {
    let earliest = not_before.saturating_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
    let (mut equal, mut recent) = (Vec::new(), Vec::new());
    for (id, created_at) in alike {
        match (created_at, sent) {
            // Deskie gives whole seconds.
            (Some(created_at), Some(sent)) if created_at.as_second() == sent.as_second() => equal.push(id),
            (Some(created_at), _) if created_at < earliest => {}
            _ => recent.push(id),
        }
    }
    match kept {
        CreatedAtKept::Yes if sent.is_some() => found(equal),
        CreatedAtKept::Unknown if !equal.is_empty() => found(equal),
        CreatedAtKept::Yes | CreatedAtKept::No | CreatedAtKept::Unknown => {
            equal.append(&mut recent);
            found(equal)
        }
    }
}

fn found<Id: Ord>(mut ids: Vec<Id>) -> Lookup<Id> {
    // What arrives between two pages shifts them: the same one comes twice.
    ids.sort_unstable();
    ids.dedup();
    match (ids.pop(), ids.is_empty()) {
        (None, _) => Lookup::None,
        (Some(id), true) => Lookup::One(id),
        (Some(id), false) => {
            ids.push(id);
            Lookup::Many(ids)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: i64 = 1_000_000;
    const WRITTEN: i64 = MADE - 500;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn message(id: i64, created_at: i64) -> MessageCandidate {
        MessageCandidate {
            message_id: MessageId(id),
            user_id: UserId(5),
            staff_id: StaffId(0),
            note: false,
            same_text: true,
            created_at: at(created_at),
            known: false,
        }
    }

    fn match_customers(candidates: &[MessageCandidate], kept: CreatedAtKept) -> Lookup<MessageId> {
        let sent_not_before = at(MADE).unwrap();
        let author = Author::Customer(UserId(5));
        match_messages(
            candidates,
            &MessageIntent {
                author,
                created_at: at(WRITTEN),
                sent_not_before,
                kept,
            },
        )
    }

    #[test]
    fn time_decides_as_far_as_deskie_keeps_it() {
        use CreatedAtKept::{No, Unknown, Yes};
        let one = |id| Lookup::One(MessageId(id));
        let two = Lookup::Many(vec![MessageId(1), MessageId(2)]);
        for (candidates, kept, expected) in [
            (vec![], Unknown, Lookup::None),
            // Equal.
            (vec![message(1, WRITTEN)], Yes, one(1)),
            (vec![message(1, WRITTEN)], Unknown, one(1)),
            (vec![message(1, WRITTEN)], No, one(1)),
            // Made by Deskie's clock, after the intent or at most two seconds before.
            (vec![message(1, MADE + 3)], Yes, Lookup::None),
            (vec![message(1, MADE + 3)], Unknown, one(1)),
            (vec![message(1, MADE - 2)], No, one(1)),
            (vec![message(1, MADE - 3)], No, Lookup::None),
            (vec![message(1, MADE - 3)], Unknown, Lookup::None),
            // Both.
            (vec![message(1, WRITTEN), message(2, MADE)], Yes, one(1)),
            (vec![message(1, WRITTEN), message(2, MADE)], Unknown, one(1)),
            (vec![message(1, WRITTEN), message(2, MADE)], No, two.clone()),
            (vec![message(1, WRITTEN), message(2, WRITTEN)], Yes, two.clone()),
            (vec![message(1, MADE), message(2, MADE + 9)], Unknown, two),
            // Without a time nothing can be excluded, but where the time is kept it has one.
            (
                vec![MessageCandidate {
                    created_at: None,
                    ..message(1, 0)
                }],
                Unknown,
                one(1),
            ),
            (
                vec![MessageCandidate {
                    created_at: None,
                    ..message(1, 0)
                }],
                Yes,
                Lookup::None,
            ),
        ] {
            assert_eq!(
                match_customers(&candidates, kept),
                expected,
                "{candidates:?} {kept:?}"
            );
        }
    }

    #[test]
    fn a_message_that_differs_in_anything_else_does_not_match() {
        let ours = message(1, MADE);
        for other in [
            MessageCandidate { known: true, ..ours },
            MessageCandidate {
                same_text: false,
                ..ours
            },
            MessageCandidate {
                user_id: UserId(6),
                ..ours
            },
            MessageCandidate {
                staff_id: StaffId(3),
                ..ours
            },
            MessageCandidate { note: true, ..ours },
        ] {
            assert_eq!(
                match_customers(&[other], CreatedAtKept::Unknown),
                Lookup::None,
                "{other:?}"
            );
        }
    }

    #[test]
    fn agents_and_notes_match_their_own_kind() {
        let staff = MessageCandidate {
            user_id: UserId(0),
            staff_id: StaffId(3),
            ..message(1, MADE)
        };
        let note = MessageCandidate { note: true, ..staff };
        for (author, candidate, matches) in [
            (Author::Staff(None), staff, true),
            (Author::Staff(Some(StaffId(3))), staff, true),
            (Author::Staff(Some(StaffId(4))), staff, false),
            (Author::Staff(None), message(1, MADE), false),
            (Author::Staff(None), note, false),
            (Author::Note, note, true),
            (Author::Note, staff, false),
        ] {
            let kept = CreatedAtKept::Unknown;
            let intent = MessageIntent {
                author,
                created_at: None,
                sent_not_before: at(MADE).unwrap(),
                kept,
            };
            let expected = if matches {
                Lookup::One(MessageId(1))
            } else {
                Lookup::None
            };
            assert_eq!(
                match_messages(&[candidate], &intent),
                expected,
                "{author:?} {candidate:?}"
            );
        }
    }

    #[test]
    fn a_case_matches_by_ticket_field_and_customer_and_age() {
        let ours = CaseCandidate {
            case_id: CaseId(1),
            ticket_field: Some("42".into()),
            same_customer: true,
            created_at: at(MADE),
            deleted: false,
            known: false,
        };
        let intent = |kept| CaseIntent {
            ticket: TicketKey("42".into()),
            created_at: at(MADE),
            not_before: at(MADE).unwrap(),
            kept,
        };
        for kept in [CreatedAtKept::Yes, CreatedAtKept::No, CreatedAtKept::Unknown] {
            assert_eq!(
                match_cases(std::slice::from_ref(&ours), &intent(kept)),
                Lookup::One(CaseId(1))
            );
            for other in [
                CaseCandidate {
                    ticket_field: Some("421".into()),
                    ..ours.clone()
                },
                CaseCandidate {
                    ticket_field: None,
                    ..ours.clone()
                },
                CaseCandidate {
                    same_customer: false,
                    ..ours.clone()
                },
                CaseCandidate {
                    created_at: at(MADE - 3),
                    ..ours.clone()
                },
                CaseCandidate {
                    deleted: true,
                    ..ours.clone()
                },
                CaseCandidate {
                    known: true,
                    ..ours.clone()
                },
            ] {
                assert_eq!(
                    match_cases(std::slice::from_ref(&other), &intent(kept)),
                    Lookup::None,
                    "{other:?}"
                );
            }
        }
    }
}
