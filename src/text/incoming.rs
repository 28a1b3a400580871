//! A message of Deskie's → what the site is given.

use std::cell::Cell;

use lol_html::{RewriteStrSettings, element, rewrite_str};
use url::Url;

use super::escape::{attribute, html_of_text};
use super::history::{Known, text_without_history, without_history};
use super::render::{Beside, text_of_html};
use super::same::is_blank;
use super::sanitise::{Relative, is_web, safe, without_nul};
use super::tame::{flat, words_of};

/// A message in both forms. Its text never appears in the `Debug` form.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Incoming {
    /// Plain text: links as `text (url)`, lists as `- `, no line wrapped.
    pub text: String,
    /// Sanitised HTML.
    pub html: String,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Incoming({} bytes of text, {} of html)",
            self.text.len(),
            self.html.len()
        )
    }
}

impl Incoming {
    /// The same as Markdown: what a site stores that renders it; signs of its own in the text are escaped. Where the library
    /// would lose a word it is the plain text.
    pub fn markdown(&self) -> String {
        let words = text_of_html(&self.html, Beside::Nothing);
        match htmd::convert(&self.html) {
            Ok(markdown) if holds_words(&markdown, &words) => markdown,
            _ => self.text.clone(),
        }
    }
}

/// Reads a message of which either form may be empty (`[C]` ref56, kb, iridi); where both are there the HTML counts,
/// because only there the quoted mail history is marked. What it shows of addresses without a host is taken as of `base`,
/// Deskie's own address.
pub fn incoming(content: &str, content_html: &str, base: Option<&Url>) -> Incoming {
    read(content, content_html, base, &Known::default()).0
}

/// The same without the history that repeats what its ticket has, and whether its HTML was more than is parsed, so that
/// its tags are left out.
pub fn read(content: &str, content_html: &str, base: Option<&Url>, known: &Known) -> (Incoming, bool) {
    let relative = base.map_or(Relative::Drop, Relative::To);
    let is_flattened = Cell::new(false);
    let of_safe = |html: String| Incoming {
        text: text_of_html(&html, Beside::Marks),
        html,
    };
    let of_html = |html: &str| {
        let safe = safe(html, relative);
        is_flattened.set(is_flattened.get() || safe.is_flattened);
        let short = without_history(&safe.html, known).map(of_safe);
        short
            .filter(|short| !short.is_empty())
            .unwrap_or_else(|| of_safe(safe.html))
    };
    let from_html = |html: &str| {
        let unquoted = of_html(&without_quotes(html));
        // a reply that consists of a quotation alone is better shown than lost
        if unquoted.is_empty() {
            of_html(html)
        } else {
            unquoted
        }
    };
    if !content_html.trim().is_empty() {
        let message = from_html(content_html);
        if !message.is_empty() || content.trim().is_empty() {
            return (message, is_flattened.get());
        }
    }
    if is_markup(content) {
        return (from_html(content), is_flattened.get());
    }
    let text = without_nul(content).replace("\r\n", "\n");
    let text = text.trim_matches(['\n', '\r', ' ']).to_owned();
    let of_text = |text: String| Incoming {
        html: html_of_text(&text),
        text,
    };
    let short = text_without_history(&text, known).map(of_text);
    let message = short
        .filter(|short| !short.is_empty())
        .unwrap_or_else(|| of_text(text));
    (message, is_flattened.get())
}

/// The same as [`incoming()`] without any parser: the words of either form, and their lines.
pub fn plain(content: &str, content_html: &str) -> Incoming {
    let is_html = !content_html.trim().is_empty();
    let text = match is_html || is_markup(content) {
        true => words_of(&flat(&without_nul(if is_html { content_html } else { content }))),
        false => without_nul(content).into_owned(),
    };
    let text = text.trim().to_owned();
    Incoming {
        html: html_of_text(&text),
        text,
    }
}

/// Adds files as links: `name: url` on lines of their own, after an empty line.
pub fn append_links(message: &mut Incoming, files: &[(String, String)]) {
    if files.is_empty() {
        return;
    }
    let mut text = String::new();
    let mut html = String::from("<p>");
    for (index, (name, url)) in files.iter().enumerate() {
        let (name, url) = (one_line(name), one_line(url));
        let label = if name.is_empty() { &url } else { &name };
        if index > 0 {
            text.push('\n');
            html.push_str("<br>");
        }
        if label != &url {
            text.push_str(label);
            text.push_str(": ");
        }
        text.push_str(&url);
        if is_web(&url) {
            html.push_str(&format!(
                "<a href=\"{}\" rel=\"noopener noreferrer\">{}</a>",
                attribute(&url),
                attribute(label)
            ));
        } else {
            html.push_str(&attribute(label));
        }
    }
    html.push_str("</p>");
    if !message.text.is_empty() {
        message.text.push_str("\n\n");
    }
    message.text.push_str(&text);
    message.html.push_str(&html);
}

impl Incoming {
    /// True where there is nothing to see.
    pub fn is_empty(&self) -> bool {
        is_blank(&self.text)
    }

    /// The same, or the names of its files where it says nothing else; a dash where there is none, so that no row is
    /// ever empty.
    pub fn or_names(self, names: &[String]) -> Incoming {
        if !self.is_empty() {
            return self;
        }
        let named: Vec<String> = names.iter().map(|name| one_line(name)).collect();
        let text = Some(named.join("\n")).filter(|names| !is_blank(names));
        let text = text.unwrap_or_else(|| "—".to_owned());
        Incoming {
            html: html_of_text(&text),
            text,
        }
    }
}

/// Whether all letters and digits of `words` come in `text`, in their order.
fn holds_words(text: &str, words: &str) -> bool {
    let mut text = text.chars();
    words
        .chars()
        .filter(|c| c.is_alphanumeric())
        .all(|wanted| text.any(|c| c == wanted))
}

/// Takes out what Deskie marks as the history of a mail (`[C]` iridi), with all that is nested in it.
fn without_quotes(html: &str) -> String {
    if !html.contains("omni_orig_reply") {
        return html.to_owned();
    }
    let settings = RewriteStrSettings::new()
        .with_strict(false)
        .append_element_content_handler(element!(".omni_orig_reply", |quote| {
            quote.remove();
            Ok(())
        }));
    rewrite_str(html, settings).unwrap_or_else(|_| html.to_owned())
}

/// True where a plain `content` is HTML after all (kb unescapes it, `[C]`): it begins and ends with a usual tag.
fn is_markup(content: &str) -> bool {
    const TAGS: [&str; 12] = [
        "p",
        "div",
        "br",
        "span",
        "html",
        "body",
        "table",
        "ul",
        "ol",
        "blockquote",
        "b",
        "a",
    ];
    let content = content.trim();
    let name = content
        .strip_prefix('<')
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next())
        .unwrap_or_default()
        .to_ascii_lowercase();
    content.ends_with('>') && TAGS.contains(&name.as_str())
}

fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn incoming(content: &str, html: &str) -> Incoming {
        super::incoming(content, html, None)
    }

    #[test]
    fn the_form_that_is_there_is_taken() {
        let text = incoming("1 < 2\r\n<b>not bold</b>", "");
        assert_eq!(text.text, "1 < 2\n<b>not bold</b>");
        assert_eq!(text.html, "1 &lt; 2<br>&lt;b&gt;not bold&lt;/b&gt;");
        let html = incoming("", "<p>Hi &amp; bye</p>");
        assert_eq!(
            (html.text.as_str(), html.html.as_str()),
            ("Hi & bye", "<p>Hi &amp; bye</p>")
        );
        assert_eq!(incoming("text", "<p>html</p>").text, "html");
        assert_eq!(incoming("text", "<p> </p>").text, "text");
        assert_eq!(incoming("<p>a</p>", "").text, "a");
        assert_eq!(incoming("", ""), Incoming::default());
    }

    #[test]
    fn without_a_parser_the_words_are_the_same() {
        for (content, html, text) in [
            (
                "",
                "<p>a &lt; b &amp;amp; c</p><style>x</style><div>d</div>",
                "a < b &amp; c\nd",
            ),
            ("a <b>", "", "a <b>"),
            ("<p>a</p><p>b</p>", "", "a\nb"),
        ] {
            assert_eq!(plain(content, html).text, text, "{html}");
            assert!(!read(content, html, None, &Known::default()).1);
        }
        let much = "<div>".repeat(1_000);
        let is_flat = |content: &str, html: &str| read(content, html, None, &Known::default()).1;
        assert!(is_flat("", &much) && is_flat(&much, "") && !is_flat("x", ""));
    }

    #[test]
    fn the_history_of_a_mail_is_left_out() {
        for html in [
            "<p>New</p><div class=\"omni_orig_reply\"><div>old<div>older</div></div>end</div>",
            "<p>New</p><div class=\"x omni_orig_reply y\">old</div>",
            "<p>New</p><div class='omni_orig_reply'>old<p>never closed",
        ] {
            assert_eq!(incoming("", html).text, "New", "{html}");
        }
        assert_eq!(
            incoming("", "<p>a</p><div class=\"omni_orig_reply\">q</div><p>b</p>").text,
            "a\n\nb"
        );
        assert_eq!(
            incoming("", "<p>about omni_orig_reply</p>").text,
            "about omni_orig_reply"
        );
    }

    #[test]
    fn a_reply_of_nothing_but_history_is_shown() {
        assert_eq!(
            incoming("", "<div class=\"omni_orig_reply\">old</div>").text,
            "old"
        );
    }

    #[test]
    fn a_large_message_is_whole() {
        let line = "Merhaba, şikâyet: Привет 👩‍👩‍👧 ";
        let html = format!("<p>{}</p>", line.repeat(200_000 / line.len()));
        let message = incoming("", &html);
        assert_eq!(message.text.matches("Привет 👩‍👩‍👧").count(), 200_000 / line.len());
    }

    #[test]
    fn links_are_added_to_both_forms() {
        let mut message = incoming("See", "");
        let files = [
            ("a<b>.pdf".to_owned(), "https://d/1?a=1&b=\"2\"".to_owned()),
            (String::new(), "https://d/2".to_owned()),
            ("bad".to_owned(), "javascript:alert(1)".to_owned()),
        ];
        append_links(&mut message, &files);
        assert_eq!(
            message.text,
            "See\n\na<b>.pdf: https://d/1?a=1&b=\"2\"\nhttps://d/2\nbad: javascript:alert(1)"
        );
        assert!(
            message
                .html
                .contains("<a href=\"https://d/1?a=1&amp;b=&quot;2&quot;\""),
            "{}",
            message.html
        );
        assert!(!message.html.contains("javascript"), "{}", message.html);
        let mut empty = Incoming::default();
        append_links(&mut empty, &[("n".to_owned(), "https://d/1".to_owned())]);
        assert_eq!(empty.text, "n: https://d/1");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_leaves_a_nul(content in any::<String>(), html in any::<String>()) {
            let message = incoming(&content, &html);
            prop_assert!(!message.text.contains('\0') && !message.html.contains('\0'));
        }

        #[test]
        fn plain_words_are_kept(words in prop::collection::vec("[a-zşЖ]{1,8}", 1..20)) {
            let html = format!("<div><p>{}</p></div>", words.join("</p><p>"));
            let text = incoming("", &html).text;
            let kept: Vec<&str> = text.split_whitespace().collect();
            prop_assert_eq!(kept, words);
        }
    }
}
