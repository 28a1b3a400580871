//! Safe HTML → text. What the sanitiser wrote is read tag by tag: a block stands on lines of its own, a list has its
//! marks, a row of a table is one line, and an address stands behind the text of its link.
//!
//! Invariant: every word between the tags comes out, in order, whatever stands in what; two blocks' words never touch.

use super::element::{Flow, Piece, attribute_of, flow, is_void, pieces, unescaped};
use super::same::shows_nothing;

/// What stands beside the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// Marks of lists and quotations, lines between cells, and addresses: `text (url)`, or the address alone where the
    /// text says the same.
    Marks,
    /// Nothing: the words alone.
    Nothing,
}

/// The text of safe HTML, no line wrapped.
pub(super) fn text_of_html(html: &str, beside: Beside) -> String {
    let mut text = Reader::new(beside);
    for (_, piece) in pieces(html) {
        match piece {
            Piece::Text(source) => text.words(&unescaped(source)),
            Piece::Open { name, attributes } => text.open(name, attributes),
            Piece::Close { name } => text.close(name),
        }
    }
    text.finish()
}

struct Reader {
    beside: Beside,
    /// The text, or a cell of a table in it.
    page: Page,
    /// What the cells that are open stand in, the text itself first.
    around: Vec<Page>,
    /// The cells of each row that is open.
    rows: Vec<Vec<Vec<String>>>,
    /// The number of the next item of each list that is open, and how it is written; none where it has no numbers.
    lists: Vec<Option<(i64, Numbers)>>,
    links: Vec<Link>,
    /// Where each `sup` that is open began.
    raised: Vec<Place>,
    preformatted: usize,
    /// Right behind a `<pre>`: a line end there is none.
    first_in_pre: bool,
}

/// A place in the text: the page, its line, and the byte in that.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place(usize, usize, usize);

struct Link {
    url: String,
    begins: Option<Place>,
    shown: String,
}

impl Reader {
    fn new(beside: Beside) -> Reader {
        Reader {
            beside,
            page: Page::default(),
            around: Vec::new(),
            rows: Vec::new(),
            lists: Vec::new(),
            links: Vec::new(),
            raised: Vec::new(),
            preformatted: 0,
            first_in_pre: false,
        }
    }

    fn place(&self) -> Place {
        Place(self.around.len(), self.page.lines.len(), self.page.line.len())
    }

    fn words(&mut self, text: &str) {
        let preformatted = self.preformatted > 0;
        let text = match std::mem::take(&mut self.first_in_pre) {
            true => text.strip_prefix('\n').unwrap_or(text),
            false => text,
        };
        for c in text.chars() {
            match c {
                '\0' => {}
                '\n' if preformatted => self.page.end_line(true),
                '\r' if preformatted => {}
                ' ' | '\t' | '\n' | '\r' | '\u{c}' if !preformatted => {
                    self.page.blank();
                    self.shown(' ');
                }
                '\u{a0}' if self.page.content.is_none() => self.page.indent.push(' '),
                '\u{a0}' => self.put(' '),
                // Nothing that begins a line.
                c if self.page.content.is_none() && !preformatted && shows_nothing(c) => {
                    self.page.indent.push(c)
                }
                c => self.put(c),
            }
        }
    }

    fn put(&mut self, c: char) {
        self.page.start();
        let place = self.place();
        for link in &mut self.links {
            link.begins = link.begins.or(Some(place));
        }
        self.page.line.push(c);
        self.shown(c);
    }

    fn shown(&mut self, c: char) {
        self.links.iter_mut().for_each(|link| link.shown.push(c));
    }

    /// Text that we add.
    fn say(&mut self, text: &str) {
        text.chars().for_each(|c| self.put(c));
    }

    fn break_for(&mut self, flow: Flow) {
        match flow {
            Flow::Inline => {}
            Flow::Line => self.page.end_block(0),
            Flow::Paragraph => self.page.end_block(1),
        }
    }

    /// A list in a list stands close to it.
    fn flow_of(&self, name: &str) -> Flow {
        match name {
            "ul" | "ol" if !self.lists.is_empty() => Flow::Line,
            _ => flow(name),
        }
    }

    fn open(&mut self, name: &str, attributes: &str) {
        self.first_in_pre = false;
        match name {
            "br" => return self.page.end_line(false),
            "img" => return self.image(attributes),
            "hr" => {
                self.break_for(Flow::Paragraph);
                if self.beside == Beside::Marks {
                    self.say("---");
                }
                return self.break_for(Flow::Paragraph);
            }
            "a" => {
                return self.links.push(Link {
                    url: attribute_of(attributes, "href")
                        .unwrap_or_default()
                        .trim()
                        .to_owned(),
                    begins: None,
                    shown: String::new(),
                });
            }
            "sup" => return self.raised.push(self.place()),
            _ => {}
        }
        self.break_for(self.flow_of(name));
        let marks = self.beside == Beside::Marks;
        match name {
            "pre" => {
                self.preformatted += 1;
                self.first_in_pre = true;
            }
            "ul" => self.lists.push(None),
            "ol" => {
                let start = attribute_of(attributes, "start").and_then(|start| start.trim().parse().ok());
                let numbers =
                    attribute_of(attributes, "type").map_or(Numbers::Plain, |kind| Numbers::of(&kind));
                self.lists.push(Some((start.unwrap_or(1), numbers)));
            }
            "li" => {
                let value = attribute_of(attributes, "value").and_then(|value| value.trim().parse().ok());
                let mark = match self.lists.last_mut() {
                    Some(Some((next, numbers))) => {
                        let number: i64 = value.unwrap_or(*next);
                        *next = number.saturating_add(1);
                        format!("{}. ", numbers.written(number))
                    }
                    _ => "- ".to_owned(),
                };
                self.page.margins.push(match marks {
                    true => Margin {
                        rest: " ".repeat(mark.len()),
                        first: Some(mark),
                    },
                    false => Margin::default(),
                });
            }
            "dd" | "blockquote" => {
                let margin = match (marks, name) {
                    (false, _) => "",
                    (true, "dd") => "  ",
                    (true, _) => "> ",
                };
                self.page.margins.push(Margin {
                    first: None,
                    rest: margin.to_owned(),
                });
            }
            "tr" => self.rows.push(Vec::new()),
            "td" | "th" if !self.rows.is_empty() => {
                self.around.push(std::mem::take(&mut self.page));
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if is_void(name) {
            return;
        }
        match name {
            "a" => return self.close_link(),
            "sup" => return self.close_raised(),
            "td" | "th" => return self.close_cell(),
            "tr" => return self.close_row(),
            _ => {}
        }
        let flow = match name {
            // The list that ends is not in itself.
            "ul" | "ol" if self.lists.len() > 1 => Flow::Line,
            _ => flow(name),
        };
        self.break_for(flow);
        match name {
            "pre" => self.preformatted = self.preformatted.saturating_sub(1),
            "ul" | "ol" => {
                self.lists.pop();
            }
            "li" | "dd" | "blockquote" => self.page.leave(),
            _ => {}
        }
    }

    fn close_cell(&mut self) {
        let Some(around) = self.around.pop() else { return };
        let cell = std::mem::replace(&mut self.page, around).finish();
        if let Some(row) = self.rows.last_mut() {
            row.push(cell);
        }
    }

    /// A row is one line; where a cell has several, each is a block of its own.
    fn close_row(&mut self) {
        let cells = self.rows.pop().unwrap_or_default();
        let filled = cells.iter().filter(|cell| !cell.is_empty()).count();
        if filled < 2 || cells.iter().any(|cell| cell.len() > 1) {
            for cell in cells {
                let flow = if filled > 1 { Flow::Paragraph } else { Flow::Line };
                self.break_for(flow);
                for line in cell {
                    self.line(&line);
                }
                self.break_for(flow);
            }
            return;
        }
        let between = match self.beside {
            Beside::Marks => " | ",
            Beside::Nothing => " ",
        };
        let last = cells.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
        let line: Vec<String> = cells
            .into_iter()
            .take(last + 1)
            .map(|cell| cell.concat())
            .collect();
        self.break_for(Flow::Line);
        self.line(&line.join(between));
    }

    /// A line that was put together before; its links are in it.
    fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.page.start();
            self.page.line.push_str(line);
        }
        self.page.end_line(true);
    }

    fn image(&mut self, attributes: &str) {
        if self.beside == Beside::Nothing {
            return;
        }
        let of = |name: &str| {
            attribute_of(attributes, name)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let (src, alt) = (of("src"), of("alt"));
        match (alt.is_empty(), src.is_empty()) {
            (false, false) => self.say(&format!("{alt} ({src})")),
            (false, true) => self.say(&alt),
            (true, _) => self.say(&src),
        }
    }

    fn close_link(&mut self) {
        let Some(Link { url, begins, shown }) = self.links.pop() else {
            return;
        };
        if self.beside == Beside::Nothing || url.is_empty() {
            return;
        }
        let shown = shown.trim();
        if shown.is_empty() {
            return self.say(&url);
        }
        let ends = self.place();
        if bare(shown) != bare(&url) {
            self.page.behind(&format!(" ({url})"));
        } else if shown != url && url.contains(shown) && !shown.contains('@') && !url.starts_with("tel:") {
            // The address itself says more than an abbreviation of it.
            if let Some(Place(page, line, start)) = begins
                && (page, line) == (ends.0, ends.1)
            {
                self.page.line.truncate(start);
                self.page.line.push_str(&url);
            } else {
                self.page.behind(&format!(" ({url})"));
            }
        }
    }

    /// `10<sup>2</sup>` is no 102.
    fn close_raised(&mut self) {
        const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
        let Some(Place(page, line, start)) = self.raised.pop() else {
            return;
        };
        let ends = self.place();
        let line_here = &mut self.page.line;
        let raised: Option<String> = line_here.get(start..).and_then(|text| {
            text.chars()
                .map(|c| DIGITS.get(usize::try_from(c.to_digit(10)?).ok()?).copied())
                .collect()
        });
        if let (true, Some(raised)) = ((page, line) == (ends.0, ends.1), raised) {
            line_here.truncate(start);
            line_here.push_str(&raised);
        }
    }

    fn finish(mut self) -> String {
        while !self.around.is_empty() {
            self.close_cell();
            self.close_row();
        }
        self.page.finish().join("\n").trim_end().to_owned()
    }
}

/// How the items of a list are numbered.
#[derive(Clone, Copy)]
enum Numbers {
    Plain,
    Letters,
    Capitals,
    Roman,
    RomanCapitals,
}

impl Numbers {
    /// What `type` says.
    fn of(kind: &str) -> Numbers {
        match kind.trim() {
            "a" => Numbers::Letters,
            "A" => Numbers::Capitals,
            "i" => Numbers::Roman,
            "I" => Numbers::RomanCapitals,
            _ => Numbers::Plain,
        }
    }

    fn written(self, number: i64) -> String {
        let written = match self {
            Numbers::Plain => None,
            Numbers::Letters | Numbers::Capitals => letters(number),
            Numbers::Roman | Numbers::RomanCapitals => roman(number),
        };
        match (self, written) {
            (_, None) => number.to_string(),
            (Numbers::Capitals | Numbers::RomanCapitals, Some(written)) => written.to_uppercase(),
            (_, Some(written)) => written,
        }
    }
}

/// `a` to `z`, then `aa`: as a browser counts.
fn letters(number: i64) -> Option<String> {
    let mut left = u32::try_from(number).ok().filter(|number| *number > 0)?;
    let mut letters = String::new();
    while left > 0 {
        let letter = (left - 1) % 26;
        letters.insert(0, char::from_u32(u32::from('a') + letter)?);
        left = (left - 1) / 26;
    }
    Some(letters)
}

/// Up to 3999; what is beyond has no usual form.
fn roman(number: i64) -> Option<String> {
    const SIGNS: [(i64, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    let mut left = Some(number).filter(|number| (1..4000).contains(number))?;
    let mut roman = String::new();
    for (value, sign) in SIGNS {
        while left >= value {
            roman.push_str(sign);
            left -= value;
        }
    }
    Some(roman)
}

/// What goes before the lines of an item or a quotation.
#[derive(Default)]
struct Margin {
    /// Before the first line.
    first: Option<String>,
    /// Before the others.
    rest: String,
}

/// So many margins are drawn: each line has them all, so that a text would grow by their number.
const DEEPEST: usize = 32;

/// Lines that are being put together.
#[derive(Default)]
struct Page {
    lines: Vec<String>,
    line: String,
    /// The line has begun, and its margin ends here.
    content: Option<usize>,
    /// Blanks that a browser keeps, before the first word of a line: a line of nothing else is an empty one.
    indent: String,
    /// A blank waits for a word behind it.
    has_blank: bool,
    /// Empty lines that wait for a line behind them.
    empty: usize,
    margins: Vec<Margin>,
    /// How many margins were never left since the last line.
    common: usize,
}

impl Page {
    /// Before something visible comes.
    fn start(&mut self) {
        if self.content.is_none() {
            if !self.lines.is_empty() {
                let margins = self.margins.iter().take(self.common.min(DEEPEST));
                let margin: String = margins.map(|margin| margin.rest.as_str()).collect();
                let line = margin.trim_end().to_owned();
                self.lines.extend(std::iter::repeat_n(line, self.empty));
            }
            self.empty = 0;
            for (depth, margin) in self.margins.iter_mut().enumerate() {
                match margin.first.take() {
                    Some(first) => self.line.push_str(&first),
                    None if depth < DEEPEST => self.line.push_str(&margin.rest),
                    None => {}
                }
            }
            self.common = self.margins.len();
            self.content = Some(self.line.len());
            self.line.push_str(&std::mem::take(&mut self.indent));
        } else if self.has_blank {
            self.line.push(' ');
        }
        self.has_blank = false;
    }

    fn blank(&mut self) {
        self.has_blank = self.content.is_some();
    }

    /// A line break; one on an empty line leaves it empty, `each` of them where they were typed.
    fn end_line(&mut self, each: bool) {
        let is_empty = match self.content.take() {
            Some(start) => self.line.get(start..).unwrap_or_default().trim().is_empty(),
            None => true,
        };
        let line = std::mem::take(&mut self.line);
        self.indent.clear();
        self.has_blank = false;
        if is_empty {
            self.empty = if each { self.empty + 1 } else { 1 };
        } else {
            self.lines.push(line.trim_end_matches([' ', '\t']).to_owned());
        }
    }

    /// The end or the start of a block, with so many empty lines to the next.
    fn end_block(&mut self, empty: usize) {
        if self.content.is_some() || !self.indent.is_empty() {
            self.end_line(false);
        }
        self.empty = self.empty.max(empty);
    }

    /// Puts something behind the last word, wherever its line ended.
    fn behind(&mut self, text: &str) {
        match (self.content, self.lines.last_mut()) {
            (None, Some(line)) => line.push_str(text),
            _ => self.line.push_str(text),
        }
    }

    fn leave(&mut self) {
        self.margins.pop();
        self.common = self.common.min(self.margins.len());
    }

    fn finish(mut self) -> Vec<String> {
        self.end_block(0);
        self.lines
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

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
