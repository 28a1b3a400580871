//! A ticket's story: the words that stand in it as codes, so that whoever shows it can say them in another language.

use crate::model::words;

words! {
    /// Where a line of a story stands: the states of rows, deliveries, webhooks and messages (docs/states.md).
    Stands {
        Seen = "seen",
        Unresolved = "unresolved",
        Queued = "queued",
        Sending = "sending",
        Doubt = "doubt",
        Delivered = "delivered",
        Skipped = "skipped",
        Parked = "parked",
        Discarded = "discarded",
        Written = "written",
        Ours = "ours",
        Note = "note",
        Pending = "pending",
        Waiting = "waiting",
        Done = "done",
        Foreign = "foreign",
        Failed = "failed",
    }

    /// What the journal notes of a ticket.
    Noted {
        CreateCase = "create_case",
        AddMessage = "add_message",
        AddNote = "add_note",
        UpdateCase = "update_case",
        EditMessage = "edit_message",
        CaseFound = "case found",
        CaseMerged = "case merged",
        ChangedInDeskie = "changed in Deskie",
        CaseAnothers = "the case is another's",
        CaseItsOwn = "the case is its own again",
        AnotherAccount = "another Deskie account",
        BornInDeskie = "born in Deskie",
        TicketDeleted = "ticket deleted on the site",
        Renumbered = "the site's rows were numbered anew",
        DeliveryParked = "delivery parked",
        ReplyParked = "reply parked",
        StatusParked = "status parked",
        ChangeParked = "change parked",
        FileParked = "file parked",
        ChangeDropped = "change dropped",
        StatusWritten = "status written",
        StatusSkipped = "status skipped",
        TriedAgain = "tried again",
        Discarded = "discarded",
        NotAsWritten = "not sent as written",
        PlainText = "shown as plain text",
        FilesNotCompared = "files not compared",
        Unreadable = "unreadable in Deskie",
    }
}

/// The particulars of a line, of which its `detail` is the English sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Particulars {
    /// The section of a row, the kind of a webhook, the code of a note.
    pub of: Option<String>,
    /// The key, number or part of what it is about.
    pub key: Option<String>,
    /// Where it stands.
    pub stands: Option<Stands>,
    /// What else is told, in English: a cause, an error.
    pub more: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CallKind, DeliveryState};
    use crate::store::inbox::InboxState;
    use crate::store::link::LinkState;
    use crate::store::remote::RemoteState;

    #[test]
    fn every_state_and_call_is_one_of_the_storys_words() {
        let states = [
            LinkState::ALL.map(LinkState::as_str).to_vec(),
            DeliveryState::ALL.map(DeliveryState::as_str).to_vec(),
            RemoteState::ALL.map(RemoteState::as_str).to_vec(),
            InboxState::ALL.map(InboxState::as_str).to_vec(),
        ];
        for state in states.concat() {
            assert!(Stands::of_word(state).is_some(), "{state}");
        }
        for call in CallKind::ALL {
            assert!(Noted::of_word(call.as_str()).is_some(), "{call:?}");
        }
    }
}
