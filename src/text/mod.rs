//! PURE: bodies between the site and Deskie, in text and HTML.
//!
//! - [`parts()`], [`plain_parts`], [`outgoing()`], [`split()`]: a site's body → what Deskie is sent, in parts where it is long.
//! - [`read`], [`plain`], [`append_links`]: a message of Deskie's → what the site is given.
//! - [`names_of_files`], [`with_links`], [`same_files`], [`lost_files`]: files and the text around them.
//! - [`joined`]: several bodies as one message.
//! - [`shown`], [`normalise`]: is this message in Deskie the one that we sent (rule 9)?
//! - [`fingerprints`]: is this row of the site a copy of what we wrote there (rule 8)? Does this mail quote it ([`Known`])?
//!
//! Invariants: no visible word is ever lost or cut in two forms; what goes to the site holds no script; nothing is
//! ever taken for a template.

mod cut;
mod element;
mod escape;
mod files;
mod history;
mod incoming;
mod markdown;
mod measure;
mod outgoing;
mod render;
mod reshape;
mod same;
mod sanitise;
mod split;
mod split_html;
mod tame;

pub use files::{Told, lost_files, names_of_files, same_files, with_links};
pub use history::{Known, may_quote};
pub use incoming::{Incoming, append_links, incoming, plain, read};
pub use outgoing::{Body, joined, outgoing};
pub use same::{Shown, digest, fingerprints, normalise, shown, shown_plainly};
pub use split::{Limits, MIN_PART, Parts, parts, plain_parts, split};

/// A value that should be one of some words, for a log line: as it is where it may be one, else what it is like. A mapping
/// that names the wrong column would tell a customer's text.
pub fn word_or_length(value: &str) -> String {
    let is_word = value.len() <= 20
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    match is_word {
        true => format!("`{value}`"),
        false => format!("a text of {} characters", value.chars().count()),
    }
}

#[cfg(test)]
fn same_text(ours: &Body, content: &str, html: &str) -> bool {
    shown(ours, content, html).same
}
