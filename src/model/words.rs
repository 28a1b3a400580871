//! What stands in our tables as a word: an enum here, and a CHECK there that knows the same words. A word that is none of
//! them is damage, not a default.

/// Something that stands in a column as one of a few words.
pub trait Word: Copy + 'static {
    /// All that there are.
    const WORDS: &'static [Self];

    fn word(self) -> &'static str;

    /// What a word stands for; `None`: nothing.
    fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().copied().find(|known| known.word() == word)
    }
}

/// Enums whose variants are words: in our tables, in the config, and as JSON.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$of])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: [$name; [$($word),+].len()] = [$($name::$variant),+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// What a word stands for; `None`: nothing.
            pub fn of_word(word: &str) -> Option<$name> {
                <$name as $crate::model::Word>::of(word)
            }
        }

        impl $crate::model::Word for $name {
            const WORDS: &'static [$name] = &$name::ALL;

            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    )+};
}

pub(crate) use words;

words! {
    /// The part of the config that a row belongs to; one row may belong to several.
    Section {
        Ticket = "ticket",
        Message = "message",
        Attachment = "attachment",
    }

    /// Who wrote a message.
    Kind {
        /// A member of the support team.
        Agent = "agent",
        Customer = "customer",
    }

    /// What happened to a row.
    Op {
        /// A row was inserted.
        Insert = "I",
        /// A row was changed.
        Update = "U",
        /// A row was deleted.
        Delete = "D",
        /// The table was emptied.
        Truncate = "T",
    }

    /// Where a delivery stands (docs/states.md).
    DeliveryState {
        /// The mapping has not given it yet.
        Unresolved = "unresolved",
        /// It waits for its turn.
        Queued = "queued",
        /// The intent is durable, the call may be under way.
        Sending = "sending",
        /// Nobody knows whether Deskie did it (rule 9).
        Doubt = "doubt",
        /// Deskie did it.
        Delivered = "delivered",
        /// It is not for Deskie any more.
        Skipped = "skipped",
        /// It waits for a person.
        Parked = "parked",
        /// A person gave it up.
        Discarded = "discarded",
    }

    /// A call that changes something in Deskie, as it was begun.
    CallKind {
        /// A case is opened.
        CreateCase = "create_case",
        /// A message is added to it.
        AddMessage = "add_message",
        /// An internal note is.
        AddNote = "add_note",
        /// The case's status is set.
        UpdateCase = "update_case",
        /// A message is given another text.
        EditMessage = "edit_message",
    }
}
