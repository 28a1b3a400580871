//! Long bodies in parts. The limit holds for both forms of each part: `<` is one byte of text and four of HTML, so the
//! larger form decides.
//!
//! Text is cut after a paragraph, else a line, else a word, else a grapheme; the parts' texts put together are the
//! body, byte for byte. HTML is cut between its tags, best after a block; what is open is closed at the cut and opened
//! again in the next part, so that the words of all parts are the words of the whole. HTML whose tags leave no room is
//! sent as text. Markdown is cut like text and each part rendered by itself; one whose HTML is too large is shown as it
//! was written.

use std::borrow::Cow;

use super::cut::cut;
use super::escape::{escaped, is_blank};
use super::outgoing::{Body, converted, of_html, of_markdown, of_text};
use super::sanitise::without_nul;
use super::tame::{flat, words_of};
use crate::model::BodyFormat;

/// A smaller limit counts as this one: a part has to hold at least one character.
pub const MIN_PART: usize = 64;

/// A body as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// Its parts; none where nothing of it would be seen.
    pub bodies: Vec<Body>,
    /// It goes as plain text though it is more than that: its HTML would be too much to parse.
    pub is_flattened: bool,
    /// It is longer than what is sent: its end is left out.
    pub is_cut: bool,
}

/// The limits of what is sent, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of one message, in either form.
    pub body: usize,
    /// Of all of a text; the rest is left out.
    pub text: usize,
}

/// A body in parts, converted once. What counts as empty is what would be sent, not what stands in the row.
pub fn parts(body: &str, format: BodyFormat, limits: Limits) -> Parts {
    let cut = cut(body, format, limits.text);
    let (whole, is_flattened) = converted(&cut, format);
    Parts {
        bodies: match whole.is_blank() {
            true => Vec::new(),
            false => split_whole(whole, format, limits.body),
        },
        is_flattened,
        is_cut: matches!(cut, Cow::Owned(_)),
    }
}

/// The same without any parser: the words of HTML and their lines, and Markdown as it was written.
pub fn plain_parts(body: &str, format: BodyFormat, limits: Limits) -> Parts {
    let words = match format {
        BodyFormat::Html => Cow::Owned(words_of(&flat(&without_nul(body))).trim().to_owned()),
        BodyFormat::Text | BodyFormat::Markdown => Cow::Borrowed(body),
    };
    Parts {
        is_flattened: format != BodyFormat::Text,
        ..parts(&words, BodyFormat::Text, limits)
    }
}

/// The body in parts of at most `max_bytes` in either form. No part is empty, but a body without any text is one part.
pub fn split(body: &str, format: BodyFormat, max_bytes: usize) -> Vec<Body> {
    split_whole(converted(body, format).0, format, max_bytes)
}

fn split_whole(whole: Body, format: BodyFormat, max_bytes: usize) -> Vec<Body> {
    let max = max_bytes.max(MIN_PART);
    if whole.size() <= max {
        return vec![whole];
    }
    match format {
        BodyFormat::Text => split_text(&whole.text, max),
        BodyFormat::Markdown => split_text(&whole.text, max)
            .into_iter()
            .map(|part| {
                Some(of_markdown(&part.text).0)
                    .filter(|body| body.size() <= max)
                    .unwrap_or(part)
            })
            .collect(),
        BodyFormat::Html => {
            super::split_html::split_html(&whole.html, max).unwrap_or_else(|| split_text(&whole.text, max))
        }
    }
}

/// Cuts text; see the head of the file.
pub(super) fn split_text(text: &str, max: usize) -> Vec<Body> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = part_end(rest, max);
        let (part, after) = rest.split_at(end);
        parts.push(of_text(part));
        rest = after;
    }
    if parts.is_empty() {
        parts.push(Body::default());
    }
    parts
}

/// Where the first part of `text` ends; never 0 and never inside a character.
fn part_end(text: &str, max: usize) -> usize {
    // the last place of each kind: 0 grapheme, 1 word, 2 line, 3 paragraph
    let mut cuts = [0usize; 4];
    let (mut html, mut after_blank, mut before) = (0usize, true, None);
    let mut flags = 0usize;
    let mut characters = text.char_indices().peekable();
    let mut last_character = 0;
    while let Some((at, c)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        if at > 0 {
            last_character = at;
            for cut in cuts.iter_mut().take(rank(text, at, before, c, flags)) {
                *cut = at;
            }
        }
        let end = at + c.len_utf8();
        html += escaped(c, next, after_blank).map_or(c.len_utf8(), str::len);
        if end > max || html > max {
            let best = cuts
                .iter()
                .rev()
                .find(|cut| **cut > at / 2)
                .or(cuts.iter().rev().find(|cut| **cut > 0));
            // a single grapheme larger than a part: between characters at least
            return best
                .copied()
                .unwrap_or(if last_character > 0 { last_character } else { end });
        }
        flags = if is_regional(c) { flags + 1 } else { 0 };
        after_blank = is_blank(c);
        before = Some(c);
    }
    text.len()
}

/// How many kinds of places `at` is: 0 none, 1 between graphemes, 2 also words, 3 also lines, 4 also paragraphs.
fn rank(text: &str, at: usize, before: Option<char>, after: char, flags: usize) -> usize {
    let Some(before) = before else { return 0 };
    if !between_graphemes(before, after, flags) {
        return 0;
    }
    let head = text.get(..at).unwrap_or_default();
    let ends_line = before == '\n' || (before == '\r' && after != '\n');
    if ends_line && (head.ends_with("\n\n") || head.ends_with("\n\r\n")) && after != '\n' && after != '\r' {
        4
    } else if ends_line {
        3
    } else if before.is_whitespace() && !after.is_whitespace() {
        2
    } else {
        1
    }
}

/// Whether a cut is between what a reader takes for two signs: marks, joiners, skin tones and flags stay with theirs.
pub(super) fn between_graphemes(before: char, after: char, regional_before: usize) -> bool {
    const JOINER: char = '\u{200d}';
    let extends = matches!(after,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{93a}'..='\u{94f}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200c}' | JOINER | '\u{20d0}'..='\u{20ff}'
        | '\u{3099}' | '\u{309a}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}');
    let flag = is_regional(after) && regional_before % 2 == 1;
    !(extends || before == JOINER || flag || (before == '\r' && after == '\n'))
}

/// Half of a flag.
pub(super) fn is_regional(c: char) -> bool {
    ('\u{1f1e6}'..='\u{1f1ff}').contains(&c)
}

/// A part of HTML in both forms, or nothing where its text would be too large.
pub(super) fn html_part(html: String, max: usize) -> Option<Body> {
    Some(of_html(html)).filter(|body| body.size() <= max)
}

#[cfg(test)]
mod tests {
    use super::super::outgoing;
    use super::*;
    use proptest::prelude::*;

    fn texts(body: &str, max: usize) -> Vec<String> {
        split(body, BodyFormat::Text, max)
            .into_iter()
            .map(|part| part.text)
            .collect()
    }

    #[test]
    fn a_short_body_is_one_part() {
        assert_eq!(texts("a\n\nb", 100), ["a\n\nb"]);
        assert_eq!(texts("", 100), [""]);
    }

    #[test]
    fn paragraphs_before_lines_before_words() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        assert_eq!(texts(&format!("{a}\n\n{b}"), 64), [format!("{a}\n\n"), b.clone()]);
        assert_eq!(
            texts(&format!("{a}\nx y {b}"), 64),
            [format!("{a}\n"), format!("x y {b}")]
        );
        assert_eq!(texts(&format!("{a} {b}"), 64), [format!("{a} "), b.clone()]);
        assert_eq!(
            texts(&format!("{a}{b}"), 64),
            [format!("{a}{}", "b".repeat(24)), "b".repeat(16)]
        );
    }

    #[test]
    fn the_limit_holds_for_the_escaped_form() {
        let parts = split(&"<".repeat(100), BodyFormat::Text, 100);
        assert_eq!(parts.len(), 4);
        assert!(parts.iter().all(|part| part.html.len() <= 100));
    }

    #[test]
    fn families_and_flags_stay_together() {
        let family = "👩‍👩‍👧‍👦";
        for part in texts(&family.repeat(20), 64) {
            assert_eq!(part.replace(family, ""), "");
        }
        for part in texts(&"🇹🇷".repeat(20), 70) {
            assert_eq!(part.chars().count() % 2, 0);
        }
        for part in texts(&"e\u{301}".repeat(100), 64) {
            assert!(part.starts_with('e'));
        }
    }

    #[test]
    fn a_large_body_is_quick_and_whole() {
        let body = "Şikâyet: сломано <b> & \"x\" 👩‍👩‍👧\n".repeat(5_000);
        let parts = split(&body, BodyFormat::Text, 60_000);
        assert!(parts.len() >= 4 && parts.len() < 12, "{}", parts.len());
        assert_eq!(
            parts.iter().map(|part| part.text.as_str()).collect::<String>(),
            body
        );
    }

    #[test]
    fn without_a_parser_the_words_are_the_same() {
        let limits = Limits {
            body: 60_000,
            text: 1_000_000,
        };
        for (body, format, text) in [
            ("<p>a &lt; b<div>c</div>", BodyFormat::Html, "a < b\nc"),
            ("**a**\n- b", BodyFormat::Markdown, "**a**\n- b"),
            ("a <b>", BodyFormat::Text, "a <b>"),
        ] {
            let plain = plain_parts(body, format, limits);
            assert_eq!(plain.bodies, [outgoing(text, BodyFormat::Text)], "{body}");
            assert_eq!(plain.is_flattened, format != BodyFormat::Text);
        }
        let much = "<div>".repeat(1_000);
        assert!(parts(&format!("{much}x"), BodyFormat::Html, limits).is_flattened);
        assert_eq!(parts("<p>&nbsp;</p>", BodyFormat::Html, limits).bodies, []);
        assert_eq!(parts(" \n", BodyFormat::Text, limits).bodies, []);
    }

    proptest! {
        #[test]
        fn text_is_whole_in_order_and_within_the_limit(
            body in "([a-zşЖ]{1,9}|[ \\t\\n\\r]{1,3}|[<>&\"']|👩\u{200d}👧|🇹🇷|e\u{301}){0,200}", max in 0usize..300
        ) {
            let parts = split(&body, BodyFormat::Text, max);
            prop_assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<String>(), body.clone());
            for part in &parts {
                prop_assert!(part.size() <= max.max(MIN_PART));
                prop_assert!(!part.text.is_empty() || body.is_empty());
                prop_assert_eq!(&part.html, &outgoing(&part.text, BodyFormat::Text).html);
            }
        }

        #[test]
        fn any_text_is_whole(body in any::<String>(), max in 0usize..100) {
            let whole = body.replace('\0', "");
            let parts = split(&body, BodyFormat::Text, max);
            prop_assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<String>(), whole);
        }
    }
}
