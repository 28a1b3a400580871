//! All words of the console, in each language. A language that lacks one, or a kind without words, does not compile.
//!
//! Deskie's own terms are those of its pages: docs/deskie-api.md, section 11. What the program itself says of a trouble or an
//! item (names, statements, the server's words) stands below in English.

mod en;
mod ru;
mod tr;

use super::vital::Role;
use crate::model::{Section, TroubleKind};
use crate::store::{Chapter, Done, InboxKind, ItemKind, Noted, Stands, Way};

/// The languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Turkish.
    Tr,
    /// Russian.
    Ru,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 3] = [Language::En, Language::Tr, Language::Ru];

    /// Its code in HTML and HTTP.
    pub fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Tr => "tr",
            Language::Ru => "ru",
        }
    }

    /// The language of a code; the region does not matter.
    pub fn of_code(code: &str) -> Option<Language> {
        let main = code.split(['-', '_']).next().unwrap_or_default().trim();
        Language::ALL
            .into_iter()
            .find(|language| language.code().eq_ignore_ascii_case(main))
    }

    /// The one that an `Accept-Language` likes best of ours; English where it names none.
    pub fn of_header(header: &str) -> Language {
        let mut best = (0.0, Language::En);
        for range in header.split(',') {
            let (code, rest) = range.split_once(';').unwrap_or((range, ""));
            let weight = rest
                .trim()
                .strip_prefix("q=")
                .map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if let Some(language) = Language::of_code(code).filter(|_| weight > best.0) {
                best = (weight, language);
            }
        }
        best.1
    }

    /// What it calls itself.
    pub fn name(self) -> &'static str {
        match self {
            Language::En => "English",
            Language::Tr => "Türkçe",
            Language::Ru => "Русский",
        }
    }

    /// Its words.
    pub fn words(self) -> &'static Words {
        match self {
            Language::En => &en::WORDS,
            Language::Tr => &tr::WORDS,
            Language::Ru => &ru::WORDS,
        }
    }
}

/// What a person can do about an item depends on this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// As its kind says.
    Of(ItemKind),
    /// A delivery of which nobody knows whether Deskie did it.
    InDoubt,
}

/// The words of one language; `{}` stands for a value.
pub struct Words {
    pub overview: &'static str,
    pub items: &'static str,
    pub troubles: &'static str,
    pub log: &'static str,
    pub log_in: &'static str,
    pub log_out: &'static str,
    pub theme: [&'static str; 3],
    pub version: &'static str,
    pub as_of: &'static str,
    pub stale: &'static str,
    pub needs_you: &'static str,
    pub all_well: &'static str,
    pub all_well_text: &'static str,
    pub by_itself: &'static str,
    pub since: &'static str,
    pub details: &'static str,
    pub look: &'static str,
    pub database_away: &'static str,
    pub not_ready: &'static str,
    pub ways: &'static str,
    pub to_deskie: &'static str,
    pub to_site: &'static str,
    pub waiting: &'static str,
    pub nothing_waits: &'static str,
    pub oldest: &'static str,
    pub charts: &'static str,
    pub hour: &'static str,
    pub day: &'static str,
    pub sent: &'static str,
    pub written: &'static str,
    pub lag: &'static str,
    pub budget: &'static str,
    /// Before the largest value of a chart.
    pub most: &'static str,
    pub no_samples: &'static str,
    pub state: &'static str,
    pub role: &'static str,
    pub running_since: &'static str,
    pub stream: &'static str,
    pub connected: [&'static str; 2],
    pub deskie: &'static str,
    pub deskie_states: [&'static str; 4],
    pub slot: &'static str,
    pub slot_away: &'static str,
    pub wal_held: &'static str,
    pub captured: &'static str,
    pub compared: &'static str,
    pub repair: &'static str,
    pub leader: &'static str,
    pub nobody: &'static str,
    pub queues: [&'static str; 7],
    pub totals: [&'static str; 3],
    pub passed_over: &'static str,
    pub none: &'static str,
    pub nothing_parked: &'static str,
    pub all_kinds: &'static str,
    pub ticket: &'static str,
    pub unknown: &'static str,
    pub why: &'static str,
    pub what_to_do: &'static str,
    pub retry: &'static str,
    pub discard: &'static str,
    pub discard_sure: &'static str,
    pub discard_yes: &'static str,
    pub retry_all: &'static str,
    pub discard_all: &'static str,
    pub reason: &'static str,
    pub page_of: &'static str,
    pub older: &'static str,
    pub newer: &'static str,
    pub to_change: &'static str,
    pub no_token: &'static str,
    pub behind: &'static str,
    pub attempts: &'static str,
    pub row: &'static str,
    pub request: &'static str,
    /// Over what Deskie answered.
    pub answer: &'static str,
    pub progress: &'static str,
    pub texts_hidden: &'static str,
    pub gone: &'static str,
    pub now: &'static str,
    pub past: &'static str,
    pub until: &'static str,
    pub who: &'static str,
    pub when: &'static str,
    pub did: &'static str,
    pub nobody_acted: &'static str,
    pub program: &'static str,
    pub command: &'static str,
    pub token: &'static str,
    pub your_name: &'static str,
    pub log_in_text: &'static str,
    pub token_wrong: &'static str,
    pub token_too_soon: &'static str,
    pub retried: &'static str,
    pub discarded: &'static str,
    pub left: &'static str,
    pub pause: &'static str,
    pub resume: &'static str,
    pub is_paused: &'static str,
    pub paused: &'static str,
    pub resumed: &'static str,
    pub search: &'static str,
    pub search_hint: &'static str,
    pub nothing_found: &'static str,
    pub story: &'static str,
    pub newest_lines: &'static str,
    pub deleted: &'static str,
    pub under_a_second: &'static str,
    /// Seconds, minutes, hours, days.
    pub units: [&'static str; 4],
    pub roles: fn(Role) -> &'static str,
    /// What it is called, and the one thing to do.
    pub trouble: fn(TroubleKind) -> (&'static str, &'static str),
    pub kind: fn(ItemKind) -> &'static str,
    /// What to look at, what a retry does, what a discard does.
    pub advice: fn(Advice) -> [&'static str; 3],
    pub done: fn(Done) -> &'static str,
    /// What a line of a ticket's story is about; a note says it itself.
    pub chapter: fn(Chapter) -> &'static str,
    /// The words of its particulars; `None`: it is told in this language.
    pub particulars: Option<&'static StoryWords>,
}

/// What the particulars of a ticket's story are told with, in another language than the story's own.
pub struct StoryWords {
    pub section: fn(Section) -> &'static str,
    pub stands: fn(Stands) -> &'static str,
    pub noted: fn(Noted) -> &'static str,
    pub webhook: fn(InboxKind) -> &'static str,
    /// Which of so many parts.
    pub part: &'static str,
    pub repeated: &'static str,
    pub message: &'static str,
    /// A message became a row.
    pub became: &'static str,
}

impl Words {
    /// A direction.
    pub fn way(&self, way: Way) -> &'static str {
        match way {
            Way::ToDeskie => self.to_deskie,
            Way::ToSite => self.to_site,
        }
    }

    /// A time span.
    pub fn span(&self, seconds: f64) -> String {
        let [s, min, h, d] = self.units;
        match seconds {
            x if x < 1.0 => self.under_a_second.to_owned(),
            x if x < 120.0 => format!("{x:.0} {s}"),
            x if x < 7200.0 => format!("{:.0} {min}", x / 60.0),
            x if x < 172_800.0 => format!("{:.0} {h}", x / 3600.0),
            x => format!("{:.0} {d}", x / 86_400.0),
        }
    }
}

/// Puts values in place of the `{}`, in order.
pub fn fill(text: &str, values: &[&str]) -> String {
    let mut pieces = text.split("{}");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    let mut values = values.iter();
    for piece in pieces {
        filled.push_str(values.next().unwrap_or(&""));
        filled.push_str(piece);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_language_of_ours_is_taken() {
        for (header, language) in [
            ("", Language::En),
            ("de-DE,de;q=0.9", Language::En),
            ("tr-TR,tr;q=0.9,en-US;q=0.8", Language::Tr),
            ("de, en;q=0.3, ru-RU;q=0.7", Language::Ru),
            ("en;q=0, tr;q=0.1", Language::Tr),
            ("RU", Language::Ru),
            ("*", Language::En),
        ] {
            assert_eq!(Language::of_header(header), language, "{header}");
        }
    }

    #[test]
    fn each_language_has_words_of_its_own_for_each_trouble() {
        for kind in TroubleKind::ALL {
            let said = Language::ALL.map(|language| (language.words().trouble)(kind));
            assert!(
                said[0] != said[1] && said[1] != said[2] && said[0] != said[2],
                "{kind:?}"
            );
            assert!(
                said.iter()
                    .all(|(title, todo)| !title.is_empty() && !todo.is_empty()),
                "{kind:?}"
            );
        }
        let holes = |text: &str| text.matches("{}").count();
        for of in [
            |w: &Words| w.page_of,
            |w: &Words| w.behind,
            |w: &Words| w.retried,
            |w: &Words| w.as_of,
            |w: &Words| w.left,
            |w: &Words| w.paused,
            |w: &Words| w.resumed,
            |w: &Words| w.newest_lines,
        ] {
            let counts = Language::ALL.map(|language| holes(of(language.words())));
            assert!(counts[0] == counts[1] && counts[1] == counts[2], "{counts:?}");
        }
    }
}
