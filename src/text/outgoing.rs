//! A site's body → what Deskie is sent.

use super::escape::html_of_text;
use super::markdown::html_of_markdown;
use super::render::{Beside, text_of_html};
use super::same::is_blank;
use super::sanitise::{Relative, safe, without_nul};
use crate::model::BodyFormat;

/// A body in both forms. Its text never appears in the `Debug` form.
#[derive(Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Body {
    /// Plain text.
    pub text: String,
    /// HTML that shows the same.
    pub html: String,
}

impl Body {
    /// True where there is nothing to see.
    pub fn is_blank(&self) -> bool {
        is_blank(&self.text) && !self.html.contains("<img")
    }

    /// The size that a limit applies to: the larger of both forms.
    pub fn size(&self) -> usize {
        self.text.len().max(self.html.len())
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Body({} bytes of text, {} of html)",
            self.text.len(),
            self.html.len()
        )
    }
}

/// The two forms of a body. Plain text stays byte for byte (NUL aside) and is escaped for HTML; HTML is sanitised, and
/// its text derived; Markdown is rendered and sanitised, and its text is the source.
pub fn outgoing(body: &str, format: BodyFormat) -> Body {
    converted(body, format).0
}

/// The same, and whether its HTML was more than is parsed, so that its tags are left out.
pub(super) fn converted(body: &str, format: BodyFormat) -> (Body, bool) {
    match format {
        BodyFormat::Text => (of_text(&without_nul(body)), false),
        BodyFormat::Markdown => of_markdown(&without_nul(body)),
        BodyFormat::Html => {
            let safe = safe(body, Relative::Keep);
            (of_html(safe.html), safe.is_flattened)
        }
    }
}

pub(super) fn of_text(text: &str) -> Body {
    Body {
        text: text.to_owned(),
        html: html_of_text(text),
    }
}

pub(super) fn of_markdown(markdown: &str) -> (Body, bool) {
    let safe = html_of_markdown(markdown);
    let body = Body {
        text: markdown.to_owned(),
        html: safe.html,
    };
    (body, safe.is_flattened)
}

/// What stands between two bodies that are sent as one.
const BETWEEN: (&str, &str) = ("\n\n", "<br><br>");

/// Several bodies as one message, each a paragraph of its own, in order.
pub fn joined<'a>(bodies: impl IntoIterator<Item = &'a Body>) -> Body {
    let mut whole = Body::default();
    for body in bodies {
        if !whole.text.is_empty() || !whole.html.is_empty() {
            whole.text.push_str(BETWEEN.0);
            whole.html.push_str(BETWEEN.1);
        }
        whole.text.push_str(body.text.trim_end());
        whole.html.push_str(body.html.trim_end());
    }
    whole
}

pub(super) fn of_html(html: String) -> Body {
    Body {
        text: text_of_html(&html, Beside::Marks),
        html,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_script_in_text_stays_visible_and_in_html_goes() {
        let text = outgoing("<script>x</script>", BodyFormat::Text);
        assert_eq!(text.text, "<script>x</script>");
        assert_eq!(text.html, "&lt;script&gt;x&lt;/script&gt;");
        let html = outgoing("<p>a</p><script>x</script>", BodyFormat::Html);
        assert_eq!((html.text.as_str(), html.html.as_str()), ("a", "<p>a</p>"));
    }

    #[test]
    fn links_of_html_are_kept_in_both_forms() {
        let body = outgoing("<a href=\"https://x.com/y\">here</a>", BodyFormat::Html);
        assert!(body.html.contains("href=\"https://x.com/y\""));
        assert_eq!(body.text, "here (https://x.com/y)");
    }

    #[test]
    fn what_looks_like_a_template_is_text() {
        for format in [BodyFormat::Text, BodyFormat::Html, BodyFormat::Markdown] {
            let body = outgoing("{{x}} ${y} %s [case_id] {%z%}", format);
            assert_eq!(body.text, "{{x}} ${y} %s [case_id] {%z%}");
            let html = body
                .html
                .strip_prefix("<p>")
                .and_then(|html| html.strip_suffix("</p>"));
            assert_eq!(html.unwrap_or(&body.html), body.text);
        }
    }

    #[test]
    fn joined_bodies_are_paragraphs_in_order() {
        let bodies = ["one\n", "<two>"].map(|text| outgoing(text, BodyFormat::Text));
        let whole = joined(&bodies);
        assert_eq!(whole.text, "one\n\n<two>");
        assert_eq!(whole.html, "one<br><br><br>&lt;two&gt;");
        assert_eq!(joined(&bodies[..1]).text, "one");
        assert!(whole.size() <= bodies.iter().map(|body| body.size() + 8).sum());
    }

    proptest! {
        #[test]
        fn text_survives_its_html(text in "[ \\t\\na-zşЖ<>&\"'👩]{0,200}") {
            let body = outgoing(&text, BodyFormat::Text);
            prop_assert_eq!(&body.text, &text);
            let back = super::super::normalise(&text_of_html(&body.html, Beside::Marks));
            prop_assert_eq!(back, super::super::normalise(&text));
        }

        #[test]
        fn nothing_makes_it_panic(body in ".*") {
            outgoing(&body, BodyFormat::Html);
            outgoing(&body, BodyFormat::Text);
        }
    }
}
