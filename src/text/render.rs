//! HTML → text: html2text with a decorator that adds no emphasis and keeps where links lead.

use std::cell::Cell;
use std::rc::Rc;

use html2text::config;
use html2text::render::{TaggedLineElement, TextDecorator};
use lol_html::html_content::ContentType;
use lol_html::{RewriteStrSettings, element, rewrite_str};

use super::measure::Parse;
use super::tame::{flat, tame};

/// Wide enough that no line is ever broken; the library computes with it, so it is not the largest number.
const WIDTH: usize = 10_000_000;

/// What becomes of the addresses in links and images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// `text (url)`, or the address alone where the text says the same.
    Show,
    /// Only the text.
    Hide,
}

/// The text of HTML: blocks on lines of their own, lists as `- `, no line wrapped.
pub(super) fn text_of_html(html: &str, links: Links) -> String {
    let html = ruled(&tame(html, Parse::Document));
    or_words(&html, || rendered(&html, links))
}

/// What the library makes of HTML; where it panics it is done without it: the words count.
fn or_words(html: &str, render: impl FnOnce() -> String + std::panic::UnwindSafe) -> String {
    std::panic::catch_unwind(render).unwrap_or_else(|_| words_of(&flat(html)).trim().to_owned())
}

/// What flattened HTML says: its line ends, and the entities that everybody writes.
pub(super) fn words_of(flat: &str) -> String {
    const ENTITIES: [(&str, &str); 7] = [
        ("<br>", "\n"),
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    ENTITIES
        .iter()
        .fold(flat.to_owned(), |text, (entity, stands_for)| {
            text.replace(entity, stands_for)
        })
}

fn rendered(html: &str, links: Links) -> String {
    let lines = config::with_decorator(Plain {
        links,
        next: Rc::new(Cell::new(1)),
    })
    .raw_mode(true)
    .link_footnotes(false)
    .unicode_strikeout(false)
    .allow_width_overflow()
    .empty_img_mode(config::ImageRenderMode::ShowAlways)
    .lines_from_read(html.as_bytes(), WIDTH);
    let Ok(lines) = lines else { return String::new() };
    let mut text = Assembly::default();
    for line in lines {
        for element in line.iter() {
            if let TaggedLineElement::Str(piece) = element {
                let link = piece.tag.iter().rev().find_map(|mark| match mark {
                    Mark::Link(number, url) => Some((*number, url)),
                    Mark::None => None,
                });
                text.piece(link, &piece.s);
            }
        }
        text.end_line();
    }
    text.finish()
}

/// A rule would be drawn over the whole width.
fn ruled(html: &str) -> String {
    let settings = RewriteStrSettings::new()
        .with_strict(false)
        .append_element_content_handler(element!("hr", |rule| {
            rule.replace("<p>---</p>", ContentType::Html);
            Ok(())
        }));
    rewrite_str(html, settings).unwrap_or_else(|_| html.replace("<hr", "<br"))
}

/// Puts the pieces together, and an address behind the text of its link.
#[derive(Default)]
struct Assembly {
    text: String,
    line_start: usize,
    /// The open link: its number, its address, and where its text begins.
    link: Option<(usize, String, usize)>,
    /// Line ends that wait for more text, so that an address stays on the line of its link.
    pending: usize,
}

impl Assembly {
    fn piece(&mut self, link: Option<(usize, &String)>, piece: &str) {
        if self.link.as_ref().map(|(number, _, _)| *number) != link.map(|(number, _)| number) {
            self.close_link();
        }
        if self.pending > 0 {
            self.text.push_str(&"\n".repeat(self.pending.min(2)));
            self.pending = 0;
            self.line_start = self.text.len();
        }
        if self.link.is_none()
            && let Some((number, url)) = link
        {
            self.link = Some((number, url.clone(), self.text.len()));
        }
        self.text.extend(
            piece
                .chars()
                .map(|c| if c == '\u{a0}' { ' ' } else { c })
                .filter(|c| *c != '\0'),
        );
    }

    fn end_line(&mut self) {
        if self.link.is_none() {
            self.trim_line();
        }
        self.pending += 1;
    }

    fn trim_line(&mut self) {
        let kept = self.text.trim_end_matches([' ', '\t']).len().max(self.line_start);
        self.text.truncate(kept);
    }

    fn close_link(&mut self) {
        let Some((_, url, start)) = self.link.take() else {
            return;
        };
        let shown = self.text.get(start..).unwrap_or_default();
        let same = bare(shown) == bare(&url);
        if shown.trim().is_empty() {
            self.text.push_str(&url);
        } else if !same {
            self.text.push_str(" (");
            self.text.push_str(&url);
            self.text.push(')');
        } else if shown.trim() != url && !shown.contains('@') && !url.starts_with("tel:") {
            // the address itself says more than an abbreviation of it
            self.text.truncate(start);
            self.text.push_str(&url);
        }
    }

    fn finish(mut self) -> String {
        self.close_link();
        self.trim_line();
        let end = self.text.trim_end().len();
        self.text.truncate(end);
        let start = self.text.len() - self.text.trim_start_matches('\n').len();
        self.text.split_off(start)
    }
}

/// An address without what people leave out when they write it.
fn bare(url: &str) -> String {
    let url = url.trim().to_lowercase();
    let rest = ["https://", "http://", "mailto:", "tel:"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    rest.unwrap_or(&url).trim_end_matches('/').to_owned()
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Mark {
    #[default]
    None,
    /// A link, numbered so that two neighbours with one address stay two.
    Link(usize, String),
}

#[derive(Clone)]
struct Plain {
    links: Links,
    next: Rc<Cell<usize>>,
}

fn nothing() -> (String, Mark) {
    (String::new(), Mark::None)
}

impl TextDecorator for Plain {
    type Annotation = Mark;

    fn decorate_link_start(&mut self, url: &str) -> (String, Mark) {
        if self.links == Links::Hide || url.trim().is_empty() {
            return nothing();
        }
        let number = self.next.get();
        self.next.set(number + 1);
        (String::new(), Mark::Link(number, url.trim().to_owned()))
    }

    fn decorate_link_end(&mut self) -> String {
        String::new()
    }

    fn decorate_em_start(&self) -> (String, Mark) {
        nothing()
    }

    fn decorate_em_end(&self) -> String {
        String::new()
    }

    fn decorate_strong_start(&self) -> (String, Mark) {
        nothing()
    }

    fn decorate_strong_end(&self) -> String {
        String::new()
    }

    fn decorate_strikeout_start(&self) -> (String, Mark) {
        nothing()
    }

    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }

    fn decorate_code_start(&self) -> (String, Mark) {
        nothing()
    }

    fn decorate_code_end(&self) -> String {
        String::new()
    }

    fn decorate_preformat_first(&self) -> Mark {
        Mark::None
    }

    fn decorate_preformat_cont(&self) -> Mark {
        Mark::None
    }

    fn decorate_superscript_start(&self) -> (String, Mark) {
        nothing()
    }

    fn decorate_superscript_end(&self) -> String {
        String::new()
    }

    fn decorate_image(&mut self, src: &str, title: &str) -> (String, Mark) {
        let (src, title) = (src.trim(), title.trim());
        let text = match (self.links, title.is_empty(), src.is_empty()) {
            (Links::Hide, _, _) => "",
            (Links::Show, false, false) => return (format!("{title} ({src})"), Mark::None),
            (Links::Show, true, _) => src,
            (Links::Show, false, true) => title,
        };
        (text.to_owned(), Mark::None)
    }

    fn header_prefix(&self, _level: usize) -> String {
        String::new()
    }

    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }

    fn unordered_item_prefix(&self) -> String {
        "- ".to_owned()
    }

    fn ordered_item_prefix(&self, i: i64) -> String {
        format!("{i}. ")
    }

    fn make_subblock_decorator(&self) -> Plain {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_reads_like_text() {
        for (html, text) in [
            ("<p>one</p><p>two</p>", "one\n\ntwo"),
            ("a<br>b<br><br>c", "a\nb\n\nc"),
            ("<div>a</div><div>b</div>", "a\nb"),
            (
                "<b>bold</b> <i>it</i> <s>no</s> <code>x</code> H<sub>2</sub>O m<sup>2</sup>",
                "bold it no x H2O m²",
            ),
            ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
            ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
            ("<a href=\"https://x.com/y\">here</a>.", "here (https://x.com/y)."),
            ("<a href=\"https://x.com/\">https://x.com</a>", "https://x.com/"),
            ("<a href=\"https://x.com/\">x.com</a>", "https://x.com/"),
            ("<a href=\"mailto:a@b.c\">a@b.c</a>", "a@b.c"),
            (
                "<a href=\"https://x.com\"><b>bo</b>ld</a> <a href=\"https://x.com\">2</a>",
                "bold (https://x.com) 2 (https://x.com)",
            ),
            (
                "<img src=\"https://x/i.png\"> <img src=\"https://x/j.png\" alt=\"J\">",
                "https://x/i.png J (https://x/j.png)",
            ),
            ("1 &lt; 2 &amp;&amp; &quot;x&quot; &nbsp;y", "1 < 2 && \"x\"  y"),
            ("a<hr>b", "a\n\n---\n\nb"),
            ("<blockquote>q</blockquote>a", "> q\n\na"),
            ("<h1>T</h1><p>x *y* _z_</p>", "T\n\nx *y* _z_"),
            ("<table><tr><td>a</td><td>b</td></tr></table>", "a\nb"),
            ("", ""),
            ("  \n ", ""),
        ] {
            assert_eq!(text_of_html(html, Links::Show), text, "{html}");
        }
    }

    #[test]
    fn what_the_library_cannot_do_costs_no_words() {
        let html = "<ol><li>bir</li><li>iki</li></ol><p>üç &amp; dört</p>";
        let text = or_words(html, || panic!("the library gives up"));
        let words: Vec<&str> = ["bir", "iki", "üç & dört"]
            .into_iter()
            .filter(|word| text.contains(word))
            .collect();
        assert_eq!(words.len(), 3, "{text}");
    }

    #[test]
    fn no_line_is_wrapped() {
        let words = "word ".repeat(50_000);
        assert_eq!(
            text_of_html(&format!("<p>{words}</p>"), Links::Show),
            words.trim_end()
        );
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let html = format!("{}x{}", "<div>".repeat(200), "</div>".repeat(200));
        assert_eq!(text_of_html(&html, Links::Show), "x");
    }

    #[test]
    fn links_can_be_left_out() {
        assert_eq!(
            text_of_html(
                "<a href=\"https://x.com\">here</a><img src=\"https://x/y\">",
                Links::Hide
            ),
            "here"
        );
    }
}
