//! Markdown → HTML: CommonMark with tables and struck-out text; what it gives is sanitised like any other HTML. A line
//! end stays one, since people who write into a form mean it.

use std::collections::HashSet;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, html};

use super::element::{Flow, flow};
use super::escape::attribute;
use super::sanitise::{Relative, Safe, safe, without_nul};

/// The HTML of a Markdown text, safe to show, with every word of it.
pub(super) fn html_of_markdown(markdown: &str) -> Safe {
    let markdown = without_nul(markdown);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
    let parser = Parser::new_ext(&markdown, options);
    let mut defined: Vec<(usize, String, String)> = parser
        .reference_definitions()
        .iter()
        .map(|(label, def)| {
            let written = markdown.get(def.span.clone()).unwrap_or_default();
            (def.span.start, folded(label), written.to_owned())
        })
        .collect();
    let mut used = HashSet::new();
    let events = parser.map(|event| match event {
        Event::SoftBreak => Event::HardBreak,
        // `List<String>` is no tag: what names none is text.
        Event::InlineHtml(tag) if !is_tag(&tag) => Event::Text(tag),
        Event::Start(Tag::Link { ref id, .. } | Tag::Image { ref id, .. }) => {
            used.insert(folded(id));
            event
        }
        other => other,
    });
    let mut rendered = String::with_capacity(markdown.len() + markdown.len() / 4);
    html::push_html(&mut rendered, events);
    // A definition that nothing refers to is seen nowhere: `[1]: https://…` at the end of a letter.
    defined.retain(|(_, label, _)| !used.contains(label));
    defined.sort();
    for (_, _, written) in defined {
        rendered.push_str(&format!("<p>{}</p>\n", attribute(written.trim())));
    }
    safe(rendered.trim_end(), Relative::Keep)
}

/// A label as references compare it.
fn folded(label: &str) -> String {
    label
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

/// Whether what looks like a tag is one of HTML's: a comment, or an element that people write.
fn is_tag(html: &CowStr<'_>) -> bool {
    const INLINE: [&str; 34] = [
        "a", "abbr", "audio", "b", "big", "button", "cite", "code", "del", "dfn", "em", "font", "i", "img",
        "input", "ins", "kbd", "label", "mark", "q", "s", "samp", "script", "small", "span", "strike",
        "strong", "style", "sub", "sup", "tt", "u", "var", "wbr",
    ];
    let inner = html.trim_start_matches(['<', '/']);
    let end = inner
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(inner.len());
    let name = inner.get(..end).unwrap_or_default().to_ascii_lowercase();
    // In capitals it is the name of a type, as in `Vec<U>`; Outlook's `<B>` has not been seen in Markdown.
    let is_type = inner.starts_with(|c: char| c.is_ascii_uppercase());
    !inner.starts_with(|c: char| c.is_ascii_alphabetic())
        || (!is_type && (INLINE.contains(&name.as_str()) || flow(&name) != Flow::Inline))
}

#[cfg(test)]
mod tests {
    use super::super::render::{Beside, text_of_html};
    use super::super::{incoming, normalise, outgoing, same_text, split};
    use crate::model::BodyFormat;
    use proptest::prelude::*;

    fn html_of_markdown(markdown: &str) -> String {
        super::html_of_markdown(markdown).html
    }

    #[test]
    fn markdown_is_rendered_and_made_safe() {
        for (markdown, html) in [
            (
                "**bold** and *it*",
                "<p><strong>bold</strong> and <em>it</em></p>",
            ),
            ("one\ntwo\n\nthree", "<p>one<br>\ntwo</p>\n<p>three</p>"),
            ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
            ("~~no~~ `x < y`", "<p><del>no</del> <code>x &lt; y</code></p>"),
            (
                "[here](https://x.com/y)",
                "<p><a href=\"https://x.com/y\" rel=\"noopener noreferrer\">here</a></p>",
            ),
            (
                "[x](javascript:alert(1))",
                "<p><a rel=\"noopener noreferrer\">x</a></p>",
            ),
            ("a <script>x()</script> b", "<p>a  b</p>"),
            ("<img src=x onerror=\"x()\">", "[image]"),
            ("1 < 2 & 3", "<p>1 &lt; 2 &amp; 3</p>"),
            ("a List<String> b", "<p>a List&lt;String&gt; b</p>"),
            (
                "a <b>c</b> <email@x.example>",
                "<p>a <b>c</b> <a href=\"mailto:email@x.example\" rel=\"noopener noreferrer\">email@x.example</a></p>",
            ),
            (
                "see [1]\n\n[1]: https://x.example/a\n[two]: <https://x.example/b> \"T\"",
                "<p>see <a href=\"https://x.example/a\" rel=\"noopener noreferrer\">1</a></p>\n<p>[two]: &lt;https://x.example/b&gt; \"T\"</p>",
            ),
        ] {
            assert_eq!(html_of_markdown(markdown), html, "{markdown}");
        }
    }

    #[test]
    fn a_footnote_is_read_where_it_stands() {
        let html = html_of_markdown("bir[^1] iki\n\n[^1]: dipnot *burada*\n[^2]: kimse sormadı");
        let text = text_of_html(&html, Beside::Marks);
        for words in ["bir", "iki", "dipnot burada", "kimse sormadı"] {
            assert!(text.contains(words), "{text}");
        }
        assert!(!text.contains("[^1]"), "{text}");
        assert!(html_of_markdown("a[^1]\n\n[^1]: dipnot").contains("dipnot"));
    }

    #[test]
    fn the_text_stays_the_source_and_is_known_again() {
        let body = outgoing("# Hi\n\n**1** < 2 {{x}}", BodyFormat::Markdown);
        assert_eq!(body.text, "# Hi\n\n**1** < 2 {{x}}");
        assert_eq!(body.html, "<h1>Hi</h1>\n<p><strong>1</strong> &lt; 2 {{x}}</p>");
        assert!(same_text(&body, &body.text, ""));
        assert!(same_text(&body, "", &body.html));
        assert_eq!(normalise(&incoming("", &body.html, None).text), "Hi 1 < 2 {{x}}");
    }

    #[test]
    fn hostile_nesting_is_no_danger() {
        for markdown in [
            ">".repeat(20_000),
            "*".repeat(20_000),
            "[".repeat(20_000),
            "- ".repeat(5_000),
        ] {
            html_of_markdown(&markdown);
        }
    }

    proptest! {
        #[test]
        fn parts_are_whole_and_within_the_limit(body in "([a-zş ]{1,20}|\\*\\*|\\n|\\n\\n|- |> |<b>|`){0,60}", max in 64usize..200) {
            let parts = split(&body, BodyFormat::Markdown, max);
            prop_assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<String>(), body);
            for part in &parts {
                prop_assert!(part.size() <= max);
            }
        }

        #[test]
        fn nothing_makes_it_panic(body in ".*") {
            html_of_markdown(&body);
        }
    }
}
