//! The history of a mail where Deskie has not marked it: it is left out where it is certain that it repeats what its
//! ticket has, and kept where anything of it is new.
//!
//! History begins with a head: the line that a mail program writes before a quotation (it ends with a colon, and tells a
//! date, a time and an address), or a block of such lines as `From: …`, `Sent: …`, `To: …`. No language is looked for.
//! What stands behind a head is one message, and perhaps its own history in turn. It goes, with its head, where each of
//! these messages is word for word one that the ticket has. So an answer between the lines of a quotation is kept, and
//! so is a quotation of what was said elsewhere.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::element::{Flow, Piece, attribute_of, flow, is_void, pieces, unescaped};
use super::same::{digest, is_blank, words};

/// The texts that a ticket has, by their [`super::fingerprints`].
#[derive(Debug, Clone, Default)]
pub struct Known(HashSet<String>);

impl FromIterator<String> for Known {
    fn from_iter<T: IntoIterator<Item = String>>(fingerprints: T) -> Known {
        Known(fingerprints.into_iter().collect())
    }
}

/// Whether a message may hold history at all: each head tells an address, or names the mail that it quotes.
pub fn may_quote(content: &str, html: &str) -> bool {
    [content, html].iter().any(|form| form.contains('@'))
}

/// So many quotations are compared, those in others included: each is read as a whole.
const JUDGED: usize = 48;

/// What is larger is left as it is: reading it so often would cost too much.
const LARGEST: usize = 256 << 10;

/// Lines of a head.
const LABELS: usize = 12;

/// The longest line that a mail program writes before a quotation.
const LONGEST_HEAD: usize = 400;

/// Stands for a picture among the words of a line; no text that is known has it.
const PICTURE: char = '\u{fffc}';

/// Safe HTML without the history that repeats what is known.
pub(super) fn without_history(html: &str, known: &Known) -> Option<String> {
    if known.0.is_empty() || html.len() > LARGEST {
        return None;
    }
    let lines = lines_of_html(html);
    let cuts = repeated(&lines, known)?;
    Some(without(html, &cuts))
}

/// The same of a plain text.
pub(super) fn text_without_history(text: &str, known: &Known) -> Option<String> {
    if known.0.is_empty() || text.len() > LARGEST {
        return None;
    }
    let mut at = 0;
    let lines: Vec<Line> = text
        .split('\n')
        .filter_map(|line| {
            let begins = at;
            at += line.len() + 1;
            Line::of(line, 0, false, begins..begins + line.len())
        })
        .collect();
    let cuts = repeated(&lines, known)?;
    let kept = text.char_indices().filter(|(at, _)| !is_cut(&cuts, *at));
    Some(kept.map(|(_, c)| c).collect::<String>().trim_end().to_owned())
}

/// A line that says something.
struct Line {
    /// In how many quotations it stands.
    depth: usize,
    /// What it says, without the signs of a quotation before it.
    text: String,
    /// Its visible characters.
    words: String,
    /// Its quotation names the mail that it is of, as Thunderbird's do.
    names_mail: bool,
    /// Where it stands.
    place: Range<usize>,
}

impl Line {
    fn of(text: &str, depth: usize, names_mail: bool, place: Range<usize>) -> Option<Line> {
        let mut rest = text.trim();
        let mut quoted = 0;
        while let Some(inner) = rest.strip_prefix('>') {
            quoted += 1;
            rest = inner.trim_start();
        }
        let words = words(rest);
        let is_seen = words.contains(PICTURE) || !is_blank(rest);
        is_seen.then(|| Line {
            depth: depth + quoted,
            text: rest.to_owned(),
            words,
            names_mail,
            place,
        })
    }
}

fn lines_of_html(html: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut text, mut place) = (String::new(), 0..0);
    let (mut quotations, mut preformatted): (Vec<bool>, usize) = (Vec::new(), 0);
    let mut at = 0;
    for (source, piece) in pieces(html) {
        let here = at;
        at += source.len();
        if let Piece::Text(source) = piece {
            let mut begins = here;
            for (number, part) in source.split_inclusive('\n').enumerate() {
                if preformatted > 0 && number > 0 {
                    lines.extend(Line::of(
                        &text,
                        quotations.len(),
                        names_mail(&quotations),
                        place.clone(),
                    ));
                    text.clear();
                }
                if text.is_empty() {
                    place = begins..begins;
                }
                text.push_str(&unescaped(part));
                begins += part.len();
                place.end = begins;
            }
            continue;
        }
        let (Piece::Open { name, .. } | Piece::Close { name }) = piece else {
            continue;
        };
        if flow(name) != Flow::Inline {
            lines.extend(Line::of(
                &text,
                quotations.len(),
                names_mail(&quotations),
                place.clone(),
            ));
            text.clear();
        }
        match piece {
            // It may be new, and has no words by which that could be told.
            Piece::Open { name: "img", .. } => {
                if text.is_empty() {
                    place.start = here;
                }
                text.push(PICTURE);
                place.end = at;
            }
            Piece::Open {
                name: "blockquote",
                attributes,
            } => {
                let cite = attribute_of(attributes, "cite").unwrap_or_default();
                quotations.push(cite.starts_with("mid:"));
            }
            Piece::Close { name: "blockquote" } => drop(quotations.pop()),
            Piece::Open { name: "pre", .. } => preformatted += 1,
            Piece::Close { name: "pre" } => preformatted = preformatted.saturating_sub(1),
            _ => {}
        }
    }
    lines.extend(Line::of(&text, 0, false, place));
    lines
}

fn names_mail(quotations: &[bool]) -> bool {
    quotations.last().copied().unwrap_or_default()
}

/// What is to be cut, in the places of its lines; `None`: nothing.
fn repeated(lines: &[Line], known: &Known) -> Option<Vec<Range<usize>>> {
    let mut history = History {
        lines,
        known,
        judged: HashMap::new(),
    };
    let mut cuts = Vec::new();
    let mut at = 0;
    while at < lines.len() && history.judged.len() < JUDGED {
        let quoted = history.quotation(at, 0..lines.len());
        match quoted.filter(|quoted| history.is_known(quoted.clone())) {
            Some(quoted) => {
                let (first, last) = (lines.get(at)?, lines.get(quoted.end.checked_sub(1)?)?);
                cuts.push(first.place.start..last.place.end);
                at = quoted.end;
            }
            None => at += 1,
        }
    }
    (!cuts.is_empty()).then_some(cuts)
}

struct History<'a> {
    lines: &'a [Line],
    known: &'a Known,
    /// What was found of lines from here to there, so that nothing is read twice for the heads before it.
    judged: HashMap<(usize, usize), bool>,
}

impl History<'_> {
    fn has(&self, lines: impl Iterator<Item = usize>) -> bool {
        let said: String = lines
            .filter_map(|at| Some(self.lines.get(at)?.words.as_str()))
            .collect();
        self.known.0.contains(&digest(&said))
    }

    /// What the head quotes that begins at this line, within these.
    fn quotation(&self, at: usize, within: Range<usize>) -> Option<Range<usize>> {
        let before = at.checked_sub(1).filter(|before| within.contains(before));
        let before = before.and_then(|before| self.lines.get(before));
        let (body, end) = quotation(self.lines.get(at..within.end)?, before)?;
        Some(at + body..at + end)
    }

    /// Whether all that is quoted is what the ticket has: one message, or one and its own history.
    fn is_known(&mut self, quoted: Range<usize>) -> bool {
        let key = (quoted.start, quoted.end);
        if let Some(judged) = self.judged.get(&key) {
            return *judged;
        }
        if self.judged.len() >= JUDGED {
            return false;
        }
        self.judged.insert(key, false);
        let is_known = self.has(quoted.clone()) || self.are_parts_known(quoted);
        self.judged.insert(key, is_known);
        is_known
    }

    fn are_parts_known(&mut self, quoted: Range<usize>) -> bool {
        let inner = quoted
            .clone()
            .find_map(|at| Some((at, self.quotation(at, quoted.clone())?)));
        if let Some((head, inner)) = inner {
            let own = || (quoted.start..head).chain(inner.end..quoted.end);
            return (own().next().is_none() || self.has(own())) && self.is_known(inner);
        }
        // Quotations in it without heads of their own.
        let depth = |at: usize| self.lines.get(at).map_or(0, |line| line.depth);
        let outer = quoted.clone().map(depth).min().unwrap_or_default();
        let (own, inner): (Vec<usize>, Vec<usize>) = quoted.partition(|at| depth(*at) == outer);
        !inner.is_empty()
            && self.has(own.into_iter())
            && inner.chunk_by(|one, next| one + 1 == *next).all(|run| {
                let ends = run.first().zip(run.last());
                ends.is_some_and(|(first, last)| self.is_known(*first..last + 1))
            })
    }
}

/// Where these lines begin with a head: where what it quotes begins and ends among them.
fn quotation(lines: &[Line], before: Option<&Line>) -> Option<(usize, usize)> {
    let line = |at: usize| lines.get(at);
    let depth = line(0)?.depth;
    let up_to = |begins: usize, least: usize| {
        let inside = |at: &usize| line(*at).is_some_and(|line| line.depth >= least);
        let end = (begins..).take_while(inside).last()? + 1;
        Some((begins, end))
    };
    // A plain text may have it in two lines, of which the first tells the time.
    for lines_of_head in 1..=2 {
        let first = &line(0)?.text;
        let second = line(1).filter(|line| line.depth == depth && has_time(first));
        let head = match (lines_of_head, second) {
            (1, _) => first.clone(),
            (_, Some(second)) => format!("{first} {}", second.text),
            (_, None) => break,
        };
        let next = line(lines_of_head)?;
        let is_deeper = next.depth > depth;
        if !is_head(&head, is_deeper && next.names_mail) {
            continue;
        }
        if is_deeper {
            return up_to(lines_of_head, depth + 1);
        }
        // Apple Mail and Mail.ru write it into the quotation.
        if depth > 0 && before.is_none_or(|before| before.depth < depth) {
            return up_to(lines_of_head, depth);
        }
    }
    let rule = usize::from(is_rule(&line(0)?.text));
    let is_label = |at: &usize| line(*at).is_some_and(|line| line.depth == depth && is_labelled(&line.text));
    let labels = (rule..).take(LABELS).take_while(is_label).count();
    let head: String = (rule..rule + labels)
        .filter_map(line)
        .map(|line| format!("{} ", line.text))
        .collect();
    match labels >= 3 && has_address(&head) && has_time(&head) {
        true => up_to(rule + labels, depth),
        false => None,
    }
}

/// `On 5 May 2025 at 14:02, Support <help@shop.example> wrote:`, in whatever language.
fn is_head(text: &str, names_mail: bool) -> bool {
    text.len() <= LONGEST_HEAD
        && text.ends_with([':', '：'])
        && match names_mail {
            // Thunderbird writes the year as the reader's system does, in two digits where that does.
            true => numbers(text).count() >= 4,
            false => has_time(text) && has_address(text),
        }
}

/// `-----Original Message-----`, or a line that is drawn.
fn is_rule(text: &str) -> bool {
    ["-----", "_____"]
        .iter()
        .any(|rule| text.starts_with(rule) && text.ends_with(rule))
}

/// `From: …`
fn is_labelled(text: &str) -> bool {
    text.split_once(':').is_some_and(|(label, value)| {
        let is_label = label.chars().all(|c| c.is_alphabetic() || " -.".contains(c));
        is_label && !label.trim().is_empty() && label.len() <= 40 && !value.trim().is_empty()
    })
}

/// `<help@shop.example>`, or `[mailto:help@shop.example]`: so a program writes it, and hardly a person.
fn has_address(text: &str) -> bool {
    [('<', '>'), ('[', ']')].into_iter().any(|(open, close)| {
        text.split(open).skip(1).any(|rest| {
            let within = rest.split_once(close).map_or("", |(within, _)| within);
            within.contains('@') && !within.contains(char::is_whitespace)
        })
    })
}

/// A day, a year, an hour and a minute, at least.
fn has_time(text: &str) -> bool {
    let is_year = |number: &str| number.len() == 4 && (number.starts_with("19") || number.starts_with("20"));
    numbers(text).count() >= 4 && numbers(text).any(is_year)
}

fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|number| !number.is_empty())
}

fn is_cut(cuts: &[Range<usize>], at: usize) -> bool {
    cuts.iter().any(|cut| cut.contains(&at))
}

/// An element that is open while HTML is written anew.
#[derive(Default)]
struct Written {
    /// Where it begins in what is written.
    at: usize,
    /// Something of it is left.
    has_content: bool,
    /// Something of it was cut.
    is_cut: bool,
}

/// HTML without what stands in `cuts`; an element of which nothing is left goes as well.
fn without(html: &str, cuts: &[Range<usize>]) -> String {
    let mut kept = String::with_capacity(html.len());
    let mut open = vec![Written::default()];
    let mut at = 0;
    for (source, piece) in pieces(html) {
        let here = at;
        at += source.len();
        let is_here_cut = is_cut(cuts, here);
        let is_nested = open.len() > 1;
        let Some(around) = open.last_mut() else { break };
        match piece {
            Piece::Open { name, .. } if !is_void(name) => {
                let at = kept.len();
                open.push(Written {
                    at,
                    has_content: false,
                    is_cut: is_here_cut,
                });
                kept.push_str(source);
            }
            Piece::Close { .. } if is_nested => {
                let closed = open.pop().unwrap_or_default();
                let stays = closed.has_content || !closed.is_cut;
                match stays {
                    true => kept.push_str(source),
                    false => kept.truncate(closed.at),
                }
                if let Some(around) = open.last_mut() {
                    around.has_content |= closed.has_content;
                    around.is_cut |= closed.is_cut;
                }
            }
            Piece::Text(_) => {
                let rest: String = source
                    .char_indices()
                    .filter(|(offset, _)| !is_cut(cuts, here + offset))
                    .map(|(_, c)| c)
                    .collect();
                around.is_cut |= rest.len() < source.len();
                around.has_content |= !rest.trim().is_empty();
                kept.push_str(&rest);
            }
            _ if is_here_cut => around.is_cut = true,
            _ => {
                around.has_content = true;
                kept.push_str(source);
            }
        }
    }
    kept
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
