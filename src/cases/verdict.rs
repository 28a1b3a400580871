//! What a message is to a ticket: to be written, a note, nobody's, or perhaps another customer's.

use serde_json::Value;

use crate::deskie::{Message, Writer};
use crate::model::{Kind, MessageId};
use crate::store::{NewRemote, Payload, RemoteState, Ticket};

/// Whether a message is from before a merge, and thereby another customer's; one that has no date may be.
fn is_before(from: Option<jiff::Timestamp>, message: &Message) -> bool {
    from.is_some_and(|from| message.created_at.is_none_or(|at| at < from))
}

/// Whether a message may have been said in another customer's case before that was merged into this one (`absorbed`): an
/// agent's answer names nobody, and of a customer's it is told.
fn may_be_absorbed(absorbed: Option<jiff::Timestamp>, message: &Message, ticket: &Ticket) -> bool {
    match message.author() {
        Writer::Customer(user) if Some(user) == ticket.user_id => false,
        // Deskie tells whole seconds: what another customer says in that of the merge is from before it.
        Writer::Customer(_) => absorbed.is_some_and(|until| message.created_at.is_none_or(|at| at <= until)),
        _ => is_before(absorbed, message),
    }
}

pub(super) fn seen(message: &Message, state: RemoteState, reason: Option<&str>) -> NewRemote {
    NewRemote {
        message_id: message.message_id,
        state,
        reason: reason.map(str::to_owned),
        kind: None,
        payload: None,
        delivery: None,
    }
}

/// What a message that nobody knows is to a ticket; `absorbed`: until when the case may hold what was said in other customers'
/// cases.
pub(super) fn verdict(message: &Message, ticket: &Ticket, absorbed: Option<jiff::Timestamp>) -> NewRemote {
    if is_before(ticket.read_from, message) {
        let why = "from before the merge, in another customer's case";
        return seen(message, RemoteState::Skipped, Some(why));
    }
    let verdict = plain(message);
    if verdict.state == RemoteState::Pending && may_be_absorbed(absorbed, message, ticket) {
        let why = "it may have been said in another customer's case, which was merged into this one later: look in Deskie \
            whose it is; `failed retry` shows it in this ticket, `failed discard` leaves it out";
        return NewRemote {
            state: RemoteState::Parked,
            reason: Some(why.to_owned()),
            ..verdict
        };
    }
    verdict
}

fn plain(message: &Message) -> NewRemote {
    let kind = match message.author() {
        Writer::Note => return seen(message, RemoteState::Note, None),
        Writer::Unknown => {
            return seen(
                message,
                RemoteState::Skipped,
                Some("neither a customer's nor an agent's"),
            );
        }
        Writer::Staff(_) => Kind::Agent,
        Writer::Customer(_) => Kind::Customer,
    };
    NewRemote {
        kind: Some(kind),
        payload: serde_json::to_value(Payload::of(message)).ok(),
        ..seen(message, RemoteState::Pending, None)
    }
}

/// What a known message that waits says by now; `None`: it is no message for the site any more.
pub(super) fn still_for_the_site(message: &Message) -> (MessageId, Option<Value>) {
    let payload = plain(message).payload;
    (message.message_id, payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    #[test]
    fn in_anothers_case_a_message_without_a_date_is_from_before_the_merge() {
        let at = |second| jiff::Timestamp::from_second(second).ok();
        let message = |created_at| Message {
            message_id: MessageId(1),
            user_id: Some(UserId(1)),
            staff_id: None,
            content: String::new(),
            content_html: String::new(),
            attachments: Vec::new(),
            note: false,
            sent_via_rule: false,
            created_at,
            sent_at: None,
        };
        for (from, created_at, expected) in [
            (at(5), at(4), true),
            (at(5), at(5), false),
            (at(5), None, true),
            (None, at(4), false),
            (None, None, false),
        ] {
            assert_eq!(
                is_before(from, &message(created_at)),
                expected,
                "{from:?} {created_at:?}"
            );
        }
    }
}
