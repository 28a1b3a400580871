//! Texts that nobody reads to their end: what is over `[deskie] max_text` is left out, and a line says so.

use std::borrow::Cow;

use crate::model::BodyFormat;

/// The body as it is, or its start and a line that tells how much of it is left out. It is cut after a word, and never
/// within a tag.
pub(super) fn cut(body: &str, format: BodyFormat, max_text: usize) -> Cow<'_, str> {
    if body.len() <= max_text {
        return Cow::Borrowed(body);
    }
    let end = (0..=max_text)
        .rev()
        .find(|at| body.is_char_boundary(*at))
        .unwrap_or(0);
    let mut kept = body.get(..end).unwrap_or_default();
    if let Some(at) = kept.rfind(char::is_whitespace).filter(|at| *at > end / 2) {
        kept = kept.get(..at).unwrap_or_default();
    }
    if let (BodyFormat::Html, Some(at)) = (format, kept.rfind('<'))
        && !kept.get(at..).unwrap_or_default().contains('>')
    {
        kept = kept.get(..at).unwrap_or_default();
    }
    let left_out = (body.len() - kept.len()).div_ceil(1_000);
    let line = format!(
        "[The text is too long: the last {left_out} kB of it are left out here, they stand on the site.]"
    );
    let (before, after) = match format {
        BodyFormat::Html => ("<p>", "</p>"),
        BodyFormat::Text | BodyFormat::Markdown => ("\n\n", ""),
    };
    Cow::Owned(format!("{kept}{before}{line}{after}"))
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, outgoing, parts};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_too_long_says_so_and_keeps_its_start() {
        let text = "bir iki ".repeat(1_000);
        let short = cut(&text, BodyFormat::Text, 100);
        assert!(short.starts_with("bir iki bir") && short.len() < 250, "{short}");
        assert!(short.contains("the last 8 kB"), "{short}");
        let html = format!("<p>{}<a href=\"x\">y</a></p>", "z ".repeat(100));
        for max in 150..html.len() {
            let body = outgoing(&cut(&html, BodyFormat::Html, max), BodyFormat::Html);
            assert!(
                body.text.starts_with("z z z") && body.text.contains("left out here"),
                "{max}: {}",
                body.text
            );
            assert!(!body.text.contains("href"), "{max}: {}", body.text);
        }
        assert_eq!(cut(&text, BodyFormat::Text, text.len()), text);
        let limits = Limits {
            body: 1_000,
            text: 3_500,
        };
        let parts = parts(&text, BodyFormat::Text, limits);
        assert!(parts.is_cut && parts.bodies.len() == 4);
    }

    proptest! {
        #[test]
        fn it_is_never_cut_inside_a_character(text in "[a-zş👩 <>]{0,200}", max in 0usize..300) {
            for format in [BodyFormat::Text, BodyFormat::Html, BodyFormat::Markdown] {
                prop_assert!(cut(&text, format, max).len() <= max + 140);
            }
        }
    }
}
