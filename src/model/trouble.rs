//! What goes wrong, by kind (rule 21). A trouble has one owner, which tells it where it is seen and ends it where it ends;
//! log, `status`, readiness, metrics, console and `[alert]` read what is told, and decide by the kind, never by the text.

use std::time::Duration;

/// What outages of others, which end by themselves, may last before somebody is told.
const PATIENCE: Duration = Duration::from_secs(60);

/// A kind of trouble; its word is the same in `trouble.kind`, `status --json`, the metrics and the alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// Nothing is sent or written until a person has decided.
    Held,
    /// The server refuses the site's own UPDATE and DELETE because of us (rule 1).
    SiteRefused,
    /// No connector runs, and the slot keeps the site's WAL. `status` alone can tell it.
    Stopped,
    /// A person has paused a direction.
    Paused,
    /// Items wait for a person.
    Parked,
    /// The mapping does not fit the database: no row is resolved.
    ResolvingStopped,
    /// The same on the way back: no reply is written.
    WritingStopped,
    /// The rows of a gap in the stream cannot be queued.
    Unrepaired,
    /// A mapped table is published by nothing.
    Unpublished,
    /// The site did something to a mapped table that cannot be followed.
    TableChanged,
    /// A standby that the server waits for keeps the stream back.
    StandbyAwaited,
    /// The server takes our stream for a standby, and commits wait for it.
    StreamAwaited,
    /// `created_at` is not what the clock says.
    ClockUntrusted,
    /// Deskie refuses to let us read cases of ours.
    CaseUnreadable,
    /// Cases of ours say that they are another ticket's, or another customer's.
    CaseEstranged,
    /// Deskie refuses our API key.
    KeyRevoked,
    /// Deskie does not answer.
    DeskieUnreachable,
    /// Deskie's list of updated cases cannot be taken: what no webhook tells is not found.
    SweepFailing,
    /// None of the answers of late was told of by Deskie's rule for them.
    RuleSilent,
    /// The site's changes are not streamed.
    StreamDown,
    /// They are, but their stream ends and is made anew time and again.
    StreamUnstable,
    /// The slot is lost; what the site wrote meanwhile is repaired.
    SlotLost,
    /// The slot keeps more WAL than it may.
    WalHeld,
    /// The oldest thing waits longer than `[alert] after`, whatever the reason.
    Waiting,
}

impl TroubleKind {
    /// All of them.
    pub const ALL: [TroubleKind; 24] = [
        TroubleKind::Held,
        TroubleKind::SiteRefused,
        TroubleKind::Stopped,
        TroubleKind::Paused,
        TroubleKind::Parked,
        TroubleKind::ResolvingStopped,
        TroubleKind::WritingStopped,
        TroubleKind::Unrepaired,
        TroubleKind::Unpublished,
        TroubleKind::TableChanged,
        TroubleKind::StandbyAwaited,
        TroubleKind::StreamAwaited,
        TroubleKind::ClockUntrusted,
        TroubleKind::CaseUnreadable,
        TroubleKind::CaseEstranged,
        TroubleKind::KeyRevoked,
        TroubleKind::DeskieUnreachable,
        TroubleKind::SweepFailing,
        TroubleKind::RuleSilent,
        TroubleKind::StreamDown,
        TroubleKind::StreamUnstable,
        TroubleKind::SlotLost,
        TroubleKind::WalHeld,
        TroubleKind::Waiting,
    ];

    /// The word for it; an alert's `event` as well.
    pub fn as_str(self) -> &'static str {
        match self {
            TroubleKind::Held => "held",
            TroubleKind::SiteRefused => "site_refused",
            TroubleKind::Stopped => "stopped",
            TroubleKind::Paused => "paused",
            TroubleKind::Parked => "parked",
            TroubleKind::ResolvingStopped => "resolving_stopped",
            TroubleKind::WritingStopped => "writing_stopped",
            TroubleKind::Unrepaired => "unrepaired",
            TroubleKind::Unpublished => "unpublished",
            TroubleKind::TableChanged => "table_changed",
            TroubleKind::StandbyAwaited => "standby_awaited",
            TroubleKind::StreamAwaited => "stream_awaited",
            TroubleKind::ClockUntrusted => "clock_untrusted",
            TroubleKind::CaseUnreadable => "case_unreadable",
            TroubleKind::CaseEstranged => "case_estranged",
            TroubleKind::KeyRevoked => "key_revoked",
            TroubleKind::DeskieUnreachable => "deskie_unreachable",
            TroubleKind::SweepFailing => "sweep_failing",
            TroubleKind::RuleSilent => "rule_silent",
            TroubleKind::StreamDown => "stream_down",
            TroubleKind::StreamUnstable => "stream_unstable",
            TroubleKind::SlotLost => "slot_lost",
            TroubleKind::WalHeld => "wal_held",
            TroubleKind::Waiting => "waiting",
        }
    }

    /// The kind of a word.
    pub fn from_word(word: &str) -> Option<TroubleKind> {
        TroubleKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The event of an alert that tells its end, and the words for that.
    pub fn over(self) -> (&'static str, &'static str) {
        match self {
            TroubleKind::Held => ("not_held", "nothing is held any more"),
            TroubleKind::SiteRefused => ("site_well", "the site's UPDATEs are taken again"),
            TroubleKind::Stopped => ("running", "the connector runs again"),
            TroubleKind::Paused => ("resumed", "nothing is paused any more"),
            TroubleKind::Parked => ("nothing_parked", "nothing is parked any more"),
            TroubleKind::ResolvingStopped => {
                ("resolving_well", "the mapping fits again; what waited is sent")
            }
            TroubleKind::WritingStopped => ("writing_well", "replies are written to the site again"),
            TroubleKind::Unrepaired => (
                "repaired",
                "what was written while nothing was streamed is queued",
            ),
            TroubleKind::Unpublished => ("published", "all mapped tables are published again"),
            TroubleKind::TableChanged => ("table_well", "the mapped table is well again"),
            TroubleKind::StandbyAwaited => ("standby_well", "no standby keeps the stream back any more"),
            TroubleKind::StreamAwaited => ("stream_not_awaited", "no commit waits for our stream any more"),
            TroubleKind::ClockUntrusted => ("clock_well", "created_at is what the clock says"),
            TroubleKind::CaseUnreadable => ("case_readable", "all cases can be read again"),
            TroubleKind::CaseEstranged => ("case_well", "all cases are their own tickets' again"),
            TroubleKind::KeyRevoked | TroubleKind::DeskieUnreachable => {
                ("deskie_well", "Deskie is well again; what waited is sent")
            }
            TroubleKind::StreamDown | TroubleKind::SlotLost => {
                ("stream_well", "the site's changes are streamed again")
            }
            TroubleKind::SweepFailing => ("sweep_well", "Deskie's list of updated cases is taken again"),
            TroubleKind::RuleSilent => ("rule_heard", "Deskie's rules tell of answers again"),
            TroubleKind::StreamUnstable => ("stream_stable", "the stream of the site's changes lasts again"),
            TroubleKind::WalHeld => ("wal_well", "the slot keeps no more WAL than it may"),
            TroubleKind::Waiting => ("nothing_waits", "nothing waits too long any more"),
        }
    }

    /// Whether it ends by a person's doing only: `status` ends with 1 then.
    pub fn needs_a_person(self) -> bool {
        match self {
            TroubleKind::DeskieUnreachable
            | TroubleKind::StreamDown
            | TroubleKind::SlotLost
            // It is corrected where it is steady, and not believed where it is not.
            | TroubleKind::ClockUntrusted
            // The answers come, later.
            | TroubleKind::RuleSilent
            | TroubleKind::Waiting => false,
            TroubleKind::Held
            | TroubleKind::SiteRefused
            | TroubleKind::Stopped
            | TroubleKind::Paused
            | TroubleKind::Parked
            | TroubleKind::ResolvingStopped
            | TroubleKind::WritingStopped
            | TroubleKind::Unrepaired
            | TroubleKind::Unpublished
            | TroubleKind::TableChanged
            | TroubleKind::StandbyAwaited
            | TroubleKind::StreamAwaited
            | TroubleKind::CaseUnreadable
            | TroubleKind::CaseEstranged
            | TroubleKind::KeyRevoked
            | TroubleKind::SweepFailing
            | TroubleKind::StreamUnstable
            | TroubleKind::WalHeld => true,
        }
    }

    /// How long it lasts before somebody is alerted: a migration, a restart of the server or of Deskie ends by itself.
    pub fn patience(self) -> Duration {
        match self {
            TroubleKind::DeskieUnreachable
            | TroubleKind::StreamDown
            | TroubleKind::ResolvingStopped
            | TroubleKind::WritingStopped
            | TroubleKind::Unrepaired
            | TroubleKind::StandbyAwaited => PATIENCE,
            _ => Duration::ZERO,
        }
    }

    /// Whether the process that leads knows it of itself; all others are read from our tables and the catalog.
    pub fn is_of_the_process(self) -> bool {
        matches!(
            self,
            TroubleKind::DeskieUnreachable
                | TroubleKind::KeyRevoked
                | TroubleKind::StreamDown
                | TroubleKind::StreamUnstable
        )
    }

    /// Whether it is noted and ended by the flow that meets it. All others are looked for.
    pub fn is_of_a_flow(self) -> bool {
        matches!(
            self,
            TroubleKind::ResolvingStopped
                | TroubleKind::WritingStopped
                | TroubleKind::Unrepaired
                | TroubleKind::Unpublished
                | TroubleKind::SweepFailing
                | TroubleKind::RuleSilent
                | TroubleKind::WalHeld
        )
    }
}

/// A trouble that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub kind: TroubleKind,
    /// What it is about, where there may be several of the kind: a table, a section; else empty.
    pub subject: String,
    /// What happened, and what to do. Not a key: nothing is decided by it.
    pub text: String,
}

impl Seen {
    /// One that is the only one of its kind.
    pub fn new(kind: TroubleKind, text: impl Into<String>) -> Seen {
        Seen {
            kind,
            subject: String::new(),
            text: text.into(),
        }
    }

    /// One of several.
    pub fn of(kind: TroubleKind, subject: impl Into<String>, text: impl Into<String>) -> Seen {
        Seen {
            subject: subject.into(),
            ..Seen::new(kind, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_one_kinds() {
        for kind in TroubleKind::ALL {
            assert_eq!(TroubleKind::from_word(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert!(TroubleKind::from_word(kind.over().0).is_none(), "{kind:?}");
        }
    }
}
