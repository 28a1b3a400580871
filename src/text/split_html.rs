//! Cuts HTML into parts; see `split`. It reads only what the sanitiser wrote.

use super::element::{Flow, Piece, flow, is_void, pieces};
use super::outgoing::Body;
use super::split::{between_graphemes, html_part, is_regional};

/// The parts, or `None` where the tags leave no room for the words.
pub(super) fn split_html(html: &str, max: usize) -> Option<Vec<Body>> {
    let atoms = atoms(html, (max / 4).max(8));
    let mut parts = Vec::new();
    let mut open: Vec<Atom<'_>> = Vec::new();
    let mut at = 0;
    while at < atoms.len() {
        let rest = atoms.get(at..)?;
        let (count, part, still_open) = next_part(rest, &open, max)?;
        if rest.iter().take(count).any(|atom| atom.shows()) {
            parts.push(html_part(part, max)?);
        }
        open = still_open;
        at += count;
    }
    if parts.is_empty() { None } else { Some(parts) }
}

/// One part: how many atoms it takes, its HTML, and what stays open behind it.
fn next_part<'a>(
    atoms: &[Atom<'a>],
    open: &[Atom<'a>],
    max: usize,
) -> Option<(usize, String, Vec<Atom<'a>>)> {
    let mut size: usize = open.iter().map(|tag| tag.source.len() + tag.closing_len()).sum();
    let mut stack = open.to_vec();
    // the last place of each kind that would do: 0 anywhere, 1 after a word, 2 after a block or break, 3 at the top
    let mut cuts = [0usize; 4];
    let mut fits = 0;
    for (index, atom) in atoms.iter().enumerate() {
        size += match atom.kind {
            Kind::Open => atom.source.len() + atom.closing_len(),
            // its closing tag was counted when it was opened
            Kind::Close => 0,
            Kind::Void | Kind::Text => atom.source.len(),
        };
        if size > max {
            break;
        }
        follow(&mut stack, atom);
        fits = index + 1;
        for cut in cuts.iter_mut().take(atom.rank(stack.len())) {
            *cut = fits;
        }
    }
    let count = if fits == atoms.len() {
        fits
    } else {
        let best = cuts
            .iter()
            .rev()
            .find(|cut| **cut > fits / 2)
            .or(cuts.iter().rev().find(|cut| **cut > 0));
        best.copied().unwrap_or(fits)
    };
    let taken = atoms.get(..count)?;
    if !taken.iter().any(|atom| atom.kind != Kind::Open) {
        // nothing but tags fits: no progress that a reader would see
        return None;
    }
    let mut stack = open.to_vec();
    let mut html: String = open.iter().map(|tag| tag.source).collect();
    for atom in taken {
        follow(&mut stack, atom);
        html.push_str(atom.source);
    }
    for tag in stack.iter().rev() {
        html.push_str("</");
        html.push_str(tag.name);
        html.push('>');
    }
    Some((count, html, stack))
}

fn follow<'a>(stack: &mut Vec<Atom<'a>>, atom: &Atom<'a>) {
    match atom.kind {
        Kind::Open => stack.push(*atom),
        Kind::Close => {
            stack.pop();
        }
        Kind::Void | Kind::Text => {}
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Void,
    Text,
}

/// A tag, or a piece of text that is not cut.
#[derive(Debug, Clone, Copy)]
struct Atom<'a> {
    kind: Kind,
    name: &'a str,
    source: &'a str,
}

impl Atom<'_> {
    fn closing_len(&self) -> usize {
        "</>".len() + self.name.len()
    }

    /// Whether a reader sees it.
    fn shows(&self) -> bool {
        match self.kind {
            Kind::Text => !self.source.trim().is_empty(),
            Kind::Void => self.name == "img" || self.name == "hr",
            Kind::Open | Kind::Close => false,
        }
    }

    /// How good a place for a cut the end of this atom is.
    fn rank(&self, depth: usize) -> usize {
        let block = flow(self.name) != Flow::Inline;
        match self.kind {
            Kind::Open => 0,
            Kind::Close | Kind::Void if block && depth == 0 => 4,
            Kind::Close | Kind::Void if block => 3,
            Kind::Text if self.source.ends_with(char::is_whitespace) => 2,
            Kind::Close | Kind::Void | Kind::Text => 1,
        }
    }
}

/// Tags and words; a word longer than `longest` comes in pieces.
fn atoms(html: &str, longest: usize) -> Vec<Atom<'_>> {
    let mut atoms = Vec::new();
    for (source, piece) in pieces(html) {
        let (kind, name) = match piece {
            Piece::Text(text) => {
                words(text, longest, &mut atoms);
                continue;
            }
            Piece::Open { name, .. } if is_void(name) => (Kind::Void, name),
            Piece::Open { name, .. } => (Kind::Open, name),
            Piece::Close { name } => (Kind::Close, name),
        };
        atoms.push(Atom { kind, name, source });
    }
    atoms
}

/// No entity is longer; a `&` that begins none is no reason not to cut.
const LONGEST_ENTITY: usize = 40;

fn words<'a>(text: &'a str, longest: usize, atoms: &mut Vec<Atom<'a>>) {
    let mut put = |source: &'a str| {
        if !source.is_empty() {
            atoms.push(Atom {
                kind: Kind::Text,
                name: "",
                source,
            });
        }
    };
    let (mut start, mut good_cut) = (0, 0);
    let (mut before, mut flags) = (None::<char>, 0usize);
    // Where the entity begins that the next character belongs to.
    let mut entity = None::<usize>;
    for (at, c) in text.char_indices() {
        let word_begins = before.is_some_and(char::is_whitespace) && !c.is_whitespace();
        if word_begins {
            put(text.get(start..at).unwrap_or_default());
            (start, good_cut) = (at, at);
        } else if entity.is_none() && before.is_some_and(|before| between_graphemes(before, c, flags)) {
            good_cut = at;
        }
        if at + c.len_utf8() - start > longest && good_cut > start {
            put(text.get(start..good_cut).unwrap_or_default());
            start = good_cut;
        }
        entity = match c {
            '&' => Some(at),
            ';' => None,
            _ => entity.filter(|begins| at - begins < LONGEST_ENTITY),
        };
        flags = if is_regional(c) { flags + 1 } else { 0 };
        before = Some(c);
    }
    put(text.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::super::{normalise, outgoing, split};
    use super::*;
    use crate::model::BodyFormat;
    use proptest::prelude::*;

    fn words_of(parts: &[Body]) -> String {
        let text: String = parts.iter().map(|part| normalise(&part.text)).collect();
        text.chars().filter(|c| !c.is_whitespace()).collect()
    }

    fn htmls(body: &str, max: usize) -> Vec<String> {
        split(body, BodyFormat::Html, max)
            .into_iter()
            .map(|part| part.html)
            .collect()
    }

    #[test]
    fn blocks_stay_whole_where_they_can() {
        let (a, b) = ("a ".repeat(20), "b ".repeat(20));
        assert_eq!(
            htmls(&format!("<p>{a}</p><p>{b}</p>"), 64),
            [format!("<p>{a}</p>"), format!("<p>{b}</p>")]
        );
    }

    #[test]
    fn what_is_open_is_closed_and_opened_again() {
        let (a, b) = ("a ".repeat(20), "b ".repeat(20));
        assert_eq!(
            htmls(&format!("<div><b>{a}<i>{b}</i></b></div>"), 66),
            [
                format!("<div><b>{a}</b></div>"),
                format!("<div><b><i>{b}</i></b></div>")
            ]
        );
    }

    #[test]
    fn one_endless_word_and_its_entities() {
        let body = format!("<p>{}</p>", "x&amp;ş".repeat(200));
        let parts = split(&body, BodyFormat::Html, 100);
        assert_eq!(words_of(&parts), "x&ş".repeat(200));
        assert!(parts.iter().all(|part| part.size() <= 100));
    }

    #[test]
    fn an_escaped_sign_stays_whole_in_deep_html() {
        let open = "<ul><li><div><b><blockquote><div><b><b><ul><li><p><b></li><blockquote><b>";
        for words in [
            "👩\u{200d}👧👩\u{200d}👧şЖaЖaaЖaaşşş&amp;<p>",
            "a&amp;b&lt;c<p>d&amp;",
        ] {
            let body = format!("{open}{words}");
            let whole = outgoing(&body, BodyFormat::Html);
            for max in 64..400 {
                let parts = split(&body, BodyFormat::Html, max);
                let joined: String = parts.iter().map(|part| part.text.as_str()).collect();
                let letters = |text: &str| {
                    text.chars()
                        .filter(|c| !c.is_whitespace() && !"->".contains(*c))
                        .collect::<String>()
                };
                assert_eq!(letters(&joined), letters(&whole.text), "{max}: {parts:#?}");
            }
        }
    }

    #[test]
    fn tags_without_end_become_text() {
        let body = format!("{}deep words here{}", "<div>".repeat(100), "</div>".repeat(100));
        let parts = split(&body, BodyFormat::Html, 100);
        assert_eq!(words_of(&parts), "deepwordshere");
        assert!(parts.iter().all(|part| part.size() <= 100));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn html_is_whole_in_order_and_within_the_limit(
            body in "(<(p|div|b|i|ul><li|blockquote)>|</(p|div|b|i|ul|li|blockquote)>|<br>|[a-zşЖ]{1,12}|[ \\n]|&amp;|&lt;|\"|👩\u{200d}👧){0,120}",
            max in 64usize..400
        ) {
            let whole = outgoing(&body, BodyFormat::Html);
            let parts = split(&body, BodyFormat::Html, max);
            // marks of lists and quotes are no words: they are drawn again where a part begins
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace() && !"->".contains(*c)).collect::<String>();
            let joined: String = parts.iter().map(|part| letters(&part.text)).collect();
            prop_assert_eq!(joined, letters(&whole.text));
            for part in &parts {
                prop_assert!(part.size() <= max, "{} > {}: {:?}", part.size(), max, part.html);
                prop_assert!(!part.is_blank() || whole.is_blank());
            }
        }
    }
}
