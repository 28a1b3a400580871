//! Is this message in Deskie the one that we sent (rule 9)? Deskie may return either form, sanitise the HTML, turn
//! addresses into links, and change blanks; it does not change words.

use sha2::{Digest, Sha256};

use super::Body;
use super::render::{Beside, text_of_html};
use super::sanitise::{Relative, sanitise};
use super::tame::{flat, words_of};

/// A text with its blanks collapsed: any run of white space, no-break spaces included, is one space; what has no width
/// is gone.
pub fn normalise(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How a message in Deskie stands to a body that we sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shown {
    /// It shows the same words, in whichever form it came. White space does not count: between blocks of HTML there is
    /// none, in their text there is.
    pub same: bool,
    /// It shows them, perhaps among others: messages that went together are one text.
    pub held: bool,
}

/// Whether a message shows the words of `ours`; either of its forms may be empty.
pub fn shown(ours: &Body, content: &str, html: &str) -> Shown {
    let ours = forms(&ours.text, &ours.html);
    compared(&ours, content, html, |form| forms(form, form))
}

/// The same by the plain text of each, without any parser.
pub fn shown_plainly(ours: &Body, content: &str, html: &str) -> Shown {
    compared(&[words(&ours.text)], content, html, |form| {
        vec![words(form), words(&words_of(&flat(form)))]
    })
}

fn compared(ours: &[String], content: &str, html: &str, forms: impl Fn(&str) -> Vec<String>) -> Shown {
    let said = [content, html].into_iter().filter(|form| !form.trim().is_empty());
    let theirs: Vec<String> = said.flat_map(forms).collect();
    if theirs.is_empty() {
        return Shown {
            same: ours.iter().all(String::is_empty),
            held: false,
        };
    }
    let holds = |theirs: &String| ours.iter().any(|ours| !ours.is_empty() && theirs.contains(ours));
    Shown {
        same: theirs.iter().any(|theirs| ours.contains(theirs)),
        held: theirs.iter().any(holds),
    }
}

/// The visible characters of a text, and of HTML with what stands beside its words and without.
fn forms(text: &str, html: &str) -> Vec<String> {
    let html = sanitise(html, Relative::Keep);
    let mut forms = vec![words(text)];
    forms.extend([Beside::Marks, Beside::Nothing].map(|beside| words(&text_of_html(&html, beside))));
    forms.dedup();
    forms
}

/// What makes a text known again after it went through the site's tables: equal where any of them is equal. The text
/// itself cannot be read out of them.
pub fn fingerprints(text: &str, html: &str) -> Vec<String> {
    let forms = forms(text, html);
    let mut found: Vec<String> = Vec::new();
    for form in forms.iter().filter(|form| !form.is_empty()) {
        let digest = digest(form);
        if !found.contains(&digest) {
            found.push(digest);
        }
    }
    found
}

/// A fingerprint of visible characters.
pub fn digest(words: &str) -> String {
    let digest = Sha256::digest(words.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text shows nothing.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(shows_nothing)
}

/// Whether a character shows nothing by itself: what joins others, turns their direction or fills a place does not.
/// Newsletters fill the line that a list of mails shows with such characters.
pub(super) fn shows_nothing(c: char) -> bool {
    let beside_others = matches!(c, '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
        | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2061}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffc}' | '\u{e0000}'..='\u{e0fff}');
    c.is_whitespace() || is_invisible(c) || beside_others
}

/// The visible characters alone.
pub(super) fn words(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !is_invisible(*c))
        .collect()
}

/// Zero-width characters that sanitisers drop or add; joiners stay, because emoji are made of them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\0' | '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
        || (c.is_control() && !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::super::{outgoing, same_text};
    use super::*;
    use crate::model::BodyFormat;
    use proptest::prelude::*;

    #[test]
    fn what_went_together_holds_each_of_its_texts() {
        let body = |text: &str| super::super::outgoing(text, crate::model::BodyFormat::Text);
        for (ours, theirs, expected) in [
            ("bir", "<p>bir</p><p>iki <b>üç</b></p>", true),
            ("iki üç", "<p>bir</p><p>iki <b>üç</b></p>", true),
            ("dört", "<p>bir</p><p>iki üç</p>", false),
            ("", "<p>bir</p>", false),
        ] {
            assert_eq!(shown(&body(ours), "", theirs).held, expected, "{ours}");
            assert_eq!(shown_plainly(&body(ours), "", theirs).held, expected, "{ours}");
        }
    }

    #[test]
    fn what_shows_nothing_is_blank_however_it_is_written() {
        for nothing in [
            "",
            " \u{a0}\t",
            "\u{200c}",
            "\u{34f}\u{200c}\u{a0}\u{ad}",
            "\u{200e}\u{202b}\u{2069}",
            "\u{2800}\u{3164}",
            "\u{fe0f}",
            "\u{fffc}",
            "\u{feff}\u{2060}",
        ] {
            assert!(is_blank(nothing), "{}", nothing.escape_unicode());
        }
        for something in [
            ".",
            "—",
            "👍",
            "👩\u{200d}👧",
            "❤\u{fe0f}",
            "می\u{200c}خواهم",
            "\u{301}",
        ] {
            assert!(!is_blank(something), "{something}");
        }
    }

    #[test]
    fn blanks_are_one() {
        assert_eq!(normalise(" a\r\n\u{a0} b\t\u{feff}c "), "a b c");
    }

    #[test]
    fn whichever_form_comes_back() {
        let ours = outgoing(
            "Merhaba  Ayşe,\n1 < 2 & https://x.com/a\n\n-- \nJ",
            BodyFormat::Text,
        );
        for (content, html) in [
            (ours.text.as_str(), ""),
            ("", ours.html.as_str()),
            ("Merhaba Ayşe, 1 < 2 & https://x.com/a -- J", ""),
            (
                "",
                "<p>Merhaba Ayşe,<br />1 &lt; 2 &amp; <a href=\"https://x.com/a\">https://x.com/a</a></p><p>-- <br>J</p>",
            ),
            ("Merhaba Ayşe, 1 &lt; 2 &amp; https://x.com/a -- J", ""),
            ("", "Merhaba Ayşe,\n1 < 2 & https://x.com/a\n-- \nJ"),
        ] {
            assert!(same_text(&ours, content, html), "{content} {html}");
        }
        for (content, html) in [
            ("", ""),
            ("Merhaba Ayşe", ""),
            ("", "<p>Merhaba Ali, 1 &lt; 2</p>"),
        ] {
            assert!(!same_text(&ours, content, html), "{content} {html}");
        }
    }

    #[test]
    fn html_that_was_sanitised_there() {
        let ours = outgoing(
            "<p>See <a href=\"https://x.com/y\"><b>here</b></a></p><ul><li>a</li></ul>",
            BodyFormat::Html,
        );
        assert!(same_text(
            &ours,
            "",
            "<p>See <a href='https://x.com/y' target=_blank>here</a></p><ul><li>a</li></ul>"
        ));
        assert!(same_text(&ours, "See here (https://x.com/y)\n- a", ""));
        assert!(!same_text(&ours, "", "<p>See there</p>"));
    }

    #[test]
    fn nothing_is_only_the_same_as_nothing() {
        let empty = outgoing("", BodyFormat::Text);
        assert!(same_text(&empty, "", ""));
        assert!(same_text(&empty, " ", "<p></p>"));
        assert!(!same_text(&empty, "x", ""));
    }

    proptest! {
        #[test]
        fn what_we_send_is_known_again(text in "[ \\na-zşЖ<>&\"'/:.👩]{0,120}") {
            let ours = outgoing(&text, BodyFormat::Text);
            prop_assert!(same_text(&ours, &ours.text, ""));
            prop_assert!(same_text(&ours, "", &ours.html));
            prop_assert!(same_text(&ours, &ours.text, &ours.html));
        }

        #[test]
        fn one_word_more_is_another_text(text in "[a-zş ]{0,60}", more in "[a-zş]{1,5}") {
            let ours = outgoing(&text, BodyFormat::Text);
            let theirs = format!("{} {}", text, more);
            prop_assert!(!same_text(&ours, &theirs, ""));
        }
    }
}
