//! Hostile HTML: what a browser's parser would multiply ([`super::measure`]) is flattened before anything parses it: the
//! words and their lines stay, the tags go.

use std::borrow::Cow;

use super::element::{Flow, flow, unescaped};
use super::measure::{BOUNDS, is_within};

/// The HTML as it is, or flattened.
pub(super) fn tame(html: &str) -> Cow<'_, str> {
    match is_within(html, BOUNDS) {
        true => Cow::Borrowed(html),
        false => Cow::Owned(flat(html)),
    }
}

/// The words and their lines, without any parser.
pub(super) fn flat(html: &str) -> String {
    let mut flat = String::with_capacity(html.len());
    let mut hidden = false;
    each_piece(html, |piece| match piece {
        Piece::Text(text) if !hidden => flat.push_str(text),
        Piece::Text(_) => {}
        Piece::Tag { name, closes } => {
            if ["script", "style", "title"]
                .iter()
                .any(|tag| name.eq_ignore_ascii_case(tag))
            {
                hidden = !closes;
            }
            if breaks(name) && !flat.is_empty() && !flat.ends_with("<br>") {
                flat.push_str("<br>");
            }
        }
    });
    flat
}

/// Flattened HTML in pieces, none of which ends within a line break or an entity.
pub(super) fn flat_pieces(flat: &str) -> impl Iterator<Item = &str> {
    const ABOUT: usize = 1 << 10;
    let mut rest = flat;
    std::iter::from_fn(move || {
        let about = (ABOUT..rest.len()).find(|at| rest.is_char_boundary(*at));
        let end = about.map_or(rest.len(), |about| {
            let head = rest.get(..about).unwrap_or_default();
            let before = head.rfind(|c: char| matches!(c, '<' | '&') || c.is_whitespace());
            before.filter(|at| *at > 0).unwrap_or(about)
        });
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What flattened HTML says.
pub(super) fn words_of(flat: &str) -> String {
    unescaped(&flat.replace("<br>", "\n")).replace('\u{a0}', " ")
}

enum Piece<'a> {
    Text(&'a str),
    Tag { name: &'a str, closes: bool },
}

/// Tags and what is between them, in one pass. A `<` that begins no tag is left out of neither: it becomes `&lt;`.
fn each_piece<'a>(html: &'a str, mut see: impl FnMut(Piece<'a>)) {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        see(Piece::Text(text));
        let inner = tag.strip_prefix('<').unwrap_or(tag);
        if let Some(comment) = inner.strip_prefix("!--") {
            // `<!-->` and `<!--->` are whole.
            let whole = [">", "->"].iter().find_map(|end| comment.strip_prefix(end));
            let end = || comment.find("-->").and_then(|end| comment.get(end + 3..));
            rest = whole.or_else(end).unwrap_or_default();
            continue;
        }
        let (closes, named) = match inner.strip_prefix('/') {
            Some(named) => (true, named),
            None => (false, inner),
        };
        let length = named
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(named.len());
        let name = named.get(..length).unwrap_or_default();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) && !inner.starts_with(['!', '/', '?']) {
            see(Piece::Text("&lt;"));
            rest = inner;
            continue;
        }
        see(Piece::Tag { name, closes });
        rest = inner
            .find('>')
            .and_then(|end| inner.get(end + 1..))
            .unwrap_or_default();
    }
    see(Piece::Text(rest));
}

fn breaks(name: &str) -> bool {
    flow(&name.to_ascii_lowercase()) != Flow::Inline
}

#[cfg(test)]
mod tests {
    use super::super::{incoming, outgoing, same_text};
    use super::*;
    use crate::model::BodyFormat;
    use crate::model::clock::monotonic;
    use proptest::prelude::*;

    #[test]
    fn ordinary_html_is_left_alone() {
        let table = format!("<table>{}</table>", "<tr><td>a<td><b>b</b>".repeat(10_000));
        for html in ["", "a < b", "<p>a<p>b<li>c", &"<p>unclosed".repeat(5_000), &table] {
            assert!(matches!(tame(html), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn hostile_nesting_costs_neither_time_nor_words() {
        for tag in [
            "div",
            "b",
            "blockquote",
            "ul><li",
            "table><tr><td",
            "a href=x",
            "font",
            "svg",
            "button><p",
            "ol",
        ] {
            let html = format!(
                "{}first<br>1 &lt; 2",
                format!("<{tag}>").repeat(60_000 / (tag.len() + 2))
            );
            let started = monotonic();
            let message = incoming("", &html, None);
            assert_eq!(message.text, "first\n1 < 2", "{tag}");
            assert!(same_text(&outgoing(&html, BodyFormat::Html), "", &html), "{tag}");
            assert!(started.elapsed().as_secs() < 20, "{tag}: {:?}", started.elapsed());
        }
    }

    #[test]
    fn what_was_hidden_stays_hidden_and_what_was_text_stays_text() {
        let html = format!(
            "{}a<script>x</script>1 < 2<!-- <o:p>96</o:p> --><style>y</style>",
            "<div>".repeat(1_000)
        );
        assert_eq!(incoming("", &html, None).text, "a1 < 2");
    }

    proptest! {
        #[test]
        fn pieces_are_the_whole_and_part_nothing(flat in "(<br>|&[a-z]{1,9};|&lt;|[a-zş ]{1,300}){0,60}") {
            let mut whole = String::new();
            for piece in flat_pieces(&flat) {
                prop_assert_eq!(piece.matches('<').count(), piece.matches("<br>").count());
                let entities = piece.matches('&').count();
                prop_assert_eq!(entities, piece.matches(';').count());
                prop_assert!(piece.len() <= 1_100, "{}", piece.len());
                whole.push_str(piece);
            }
            prop_assert_eq!(whole, flat);
        }

        #[test]
        fn nothing_makes_it_panic(html in "(<|>|/|div|!|[a-zş ]|&|\"){0,60}", times in 1usize..400) {
            tame(&html.repeat(times));
            flat(&html.repeat(times));
        }
    }
}
