//! Markdown → HTML: CommonMark with tables and struck-out text; what it gives is sanitised like any other HTML. A line
//! end stays one, since people who write into a form mean it.

use pulldown_cmark::{Event, Options, Parser, html};

use super::sanitise::{Relative, sanitise, without_nul};

/// The HTML of a Markdown text, safe to show.
pub(super) fn html_of_markdown(markdown: &str) -> String {
    let markdown = without_nul(markdown);
    let parser = Parser::new_ext(&markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let events = parser.map(|event| match event {
        Event::SoftBreak => Event::HardBreak,
        other => other,
    });
    let mut rendered = String::with_capacity(markdown.len() + markdown.len() / 4);
    html::push_html(&mut rendered, events);
    sanitise(rendered.trim_end(), Relative::Keep)
}

#[cfg(test)]
mod tests {
    use super::super::{incoming, normalise, outgoing, same_text, split};
    use super::*;
    use crate::model::BodyFormat;
    use proptest::prelude::*;

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
            ("<img src=x onerror=\"x()\">", "<img>"),
            ("1 < 2 & 3", "<p>1 &lt; 2 &amp; 3</p>"),
        ] {
            assert_eq!(html_of_markdown(markdown), html, "{markdown}");
        }
    }

    #[test]
    fn the_text_stays_the_source_and_is_known_again() {
        let body = outgoing("# Hi\n\n**1** < 2 {{x}}", BodyFormat::Markdown);
        assert_eq!(body.text, "# Hi\n\n**1** < 2 {{x}}");
        assert_eq!(body.html, "<h1>Hi</h1>\n<p><strong>1</strong> &lt; 2 {{x}}</p>");
        assert!(same_text(&body, &body.text, ""));
        assert!(same_text(&body, "", &body.html));
        assert_eq!(normalise(&incoming("", &body.html).text), "Hi 1 < 2 {{x}}");
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
