//! What a browser's parser would make of HTML, counted without making it.
//!
//! HTML that is not well formed multiplies: a formatting element that was never closed is opened anew in each paragraph,
//! with all its attributes, so that 134 kB become 4 GB of nodes. No look at the text alone tells that; so the parser
//! itself is run, with a tree that only counts, and is stopped at a bound. What is counted is what it would have built,
//! and the count costs memory for what is open at once and nothing else.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, ExpandedName, ParseOpts, Parser, QualName, expanded_name, local_name, ns};

/// How much may be built.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of HTML.
    pub bytes: usize,
    /// How deep elements nest: tables in tables in quotations reach sixty.
    pub depth: usize,
    /// Nodes and attributes: a newsletter has some ten thousand.
    pub nodes: usize,
    /// Nodes times depth, which is what looking for an open element costs.
    pub work: usize,
    /// Nodes that are moved, or put in where they do not stand: each is looked for among its neighbours.
    pub moves: usize,
    /// Signs that are escaped, beyond [`FREE`] in one text or value, times its length: at each of them the sanitiser's writer
    /// looks for the next tag.
    pub escapes: usize,
    /// What may stand in one tag, in blanks and quotes: the parser compares each attribute with all others.
    pub tag: usize,
}

/// What is parsed. Some 50 MB of nodes and two seconds at most, whatever the HTML.
pub(super) const BOUNDS: Bounds = Bounds {
    bytes: 4 << 20,
    depth: 256,
    nodes: 250_000,
    work: 4_000_000,
    moves: 10_000,
    escapes: 10_000_000,
    tag: 20_000,
};

/// So many signs that are escaped may stand in any text or value: addresses have some dozens.
pub(super) const FREE: usize = 64;

/// Bytes that are given to the parser before it is looked what they made.
const PIECE: usize = 256;

/// Whether the sanitiser's parser would keep within the bounds.
pub(super) fn is_within(html: &str, bounds: Bounds) -> bool {
    if html.len() > bounds.bytes {
        return false;
    }
    let counts = Rc::new(Counts::default());
    let sink = Counter {
        counts: counts.clone(),
        document: Rc::new(Node::document()),
    };
    let options = ParseOpts::default();
    let name = QualName::new(None, ns!(html), local_name!("div"));
    let mut parser: Parser<Counter> = html5ever::parse_fragment(sink, options, name, Vec::new(), false);
    let (mut rest, mut separators, mut steps) = (html, 0, 0);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(boundary(rest, PIECE));
        rest = after;
        parser.process(StrTendril::from_slice(piece));
        // While a tag goes on nothing is built; an image in an address has no more than a slash now and then.
        separators = match counts.steps.get() == steps {
            true => separators + separators_in(piece),
            false => 0,
        };
        steps = counts.steps.get();
        if separators > bounds.tag || !counts.are_within(bounds) {
            return false;
        }
    }
    parser.finish();
    counts.are_within(bounds)
}

/// How many attributes may begin in a piece of a tag.
fn separators_in(piece: &str) -> usize {
    let slashes = piece.bytes().filter(|byte| *byte == b'/').count();
    let others = piece.bytes().filter(|byte| b" \t\n\r\x0c\"'".contains(byte));
    // Sixty-four characters of Base64 have one.
    others.count() + slashes.saturating_sub(PIECE / 32)
}

/// How many signs of a text are escaped, or looked at as if they were: a no-break space shares its first byte with others.
pub(super) fn signs_in(text: &str) -> usize {
    text.bytes().filter(|byte| is_sign(*byte)).count()
}

/// Whether a character that begins with this byte is one of them.
pub(super) fn is_sign(byte: u8) -> bool {
    byte == b'&' || byte == 0xc2
}

/// The end of a piece of about this size.
fn boundary(text: &str, size: usize) -> usize {
    (size..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len())
}

#[derive(Debug, Default)]
struct Counts {
    /// What the parser asked for.
    steps: Cell<usize>,
    nodes: Cell<usize>,
    /// A text that comes now belongs to one that is there.
    in_text: Cell<bool>,
    deepest: Cell<usize>,
    moves: Cell<usize>,
    /// Signs that are escaped in the text that is put together.
    signs: Cell<usize>,
    escapes: Cell<usize>,
    /// Something that copies whole subtrees.
    copies: Cell<bool>,
}

impl Counts {
    fn are_within(&self, bounds: Bounds) -> bool {
        let (nodes, depth) = (self.nodes.get(), self.deepest.get());
        nodes <= bounds.nodes
            && depth <= bounds.depth
            && nodes.saturating_mul(depth) <= bounds.work
            && self.moves.get() <= bounds.moves
            && self.escapes.get() <= bounds.escapes
            && !self.copies.get()
    }

    fn add(&self, nodes: usize) {
        self.steps.set(self.steps.get().saturating_add(1));
        self.in_text.set(false);
        self.nodes.set(self.nodes.get().saturating_add(nodes));
    }

    fn add_text(&self, text: &str) {
        let begins = !self.in_text.get();
        self.add(usize::from(begins));
        self.in_text.set(true);
        let before = if begins { 0 } else { self.signs.get() };
        self.signs.set(before + signs_in(text));
        self.add_escapes(self.signs.get(), text.len());
    }

    fn add_escapes(&self, signs: usize, length: usize) {
        let cost = signs.saturating_sub(FREE).saturating_mul(length);
        self.escapes.set(self.escapes.get().saturating_add(cost));
    }

    fn add_move(&self) {
        self.in_text.set(false);
        self.moves.set(self.moves.get().saturating_add(1));
    }
}

/// A node of which nothing is kept but what the parser asks for, and only as long as it may ask.
#[derive(Debug)]
struct Node {
    name: QualName,
    depth: Cell<usize>,
    /// Of a template.
    contents: Option<Rc<Node>>,
}

impl Node {
    fn document() -> Node {
        Node {
            name: QualName::new(None, ns!(), local_name!("")),
            depth: Cell::new(0),
            contents: None,
        }
    }
}

struct Counter {
    counts: Rc<Counts>,
    document: Rc<Node>,
}

impl Counter {
    fn put(&self, parent: &Rc<Node>, child: &NodeOrText<Rc<Node>>) {
        match child {
            NodeOrText::AppendNode(node) => {
                let depth = parent.depth.get() + 1;
                node.depth.set(depth);
                if let Some(contents) = &node.contents {
                    contents.depth.set(depth + 1);
                }
                self.counts.deepest.set(self.counts.deepest.get().max(depth));
            }
            NodeOrText::AppendText(text) => self.counts.add_text(text),
        }
    }
}

impl TreeSink for Counter {
    type Handle = Rc<Node>;
    type Output = ();
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) {}

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Rc<Node> {
        self.document.clone()
    }

    fn elem_name<'a>(&'a self, target: &'a Rc<Node>) -> ExpandedName<'a> {
        target.name.expanded()
    }

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, _: ElementFlags) -> Rc<Node> {
        self.counts.add(1 + attrs.len());
        for attr in &attrs {
            self.counts.add_escapes(signs_in(&attr.value), attr.value.len());
        }
        let is_template = name.expanded() == expanded_name!(html "template");
        if &*name.local == "selectedcontent" {
            self.counts.copies.set(true);
        }
        Rc::new(Node {
            name,
            depth: Cell::new(0),
            contents: is_template.then(|| Rc::new(Node::document())),
        })
    }

    fn create_comment(&self, _: StrTendril) -> Rc<Node> {
        self.counts.add(1);
        Rc::new(Node::document())
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Rc<Node> {
        self.counts.add(1);
        Rc::new(Node::document())
    }

    fn append(&self, parent: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        self.put(parent, &child);
    }

    fn append_based_on_parent_node(&self, element: &Rc<Node>, _: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        self.counts.add_move();
        self.put(element, &child);
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn pop(&self, _: &Rc<Node>) {
        self.counts.in_text.set(false);
    }

    fn get_template_contents(&self, target: &Rc<Node>) -> Rc<Node> {
        target.contents.clone().unwrap_or_else(|| target.clone())
    }

    fn same_node(&self, x: &Rc<Node>, y: &Rc<Node>) -> bool {
        Rc::ptr_eq(x, y)
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        self.counts.add_move();
        self.put(sibling, &child);
    }

    fn add_attrs_if_missing(&self, _: &Rc<Node>, attrs: Vec<Attribute>) {
        // Each is compared with all that are there.
        self.counts.add_move();
        self.counts.add(attrs.len());
    }

    fn remove_from_parent(&self, _: &Rc<Node>) {
        self.counts.add_move();
    }

    /// What is moved becomes at most one level deeper; how deep it was is not kept.
    fn reparent_children(&self, node: &Rc<Node>, new_parent: &Rc<Node>) {
        self.counts.add_move();
        self.counts.deepest.set(self.counts.deepest.get() + 1);
        new_parent.depth.set(new_parent.depth.get().max(node.depth.get()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small, so that what would be too much stays harmless.
    const SMALL: Bounds = Bounds {
        bytes: 20_000,
        depth: 40,
        nodes: 3_000,
        work: 60_000,
        moves: 200,
        escapes: 10_000_000,
        tag: 100,
    };

    fn within(html: &str) -> bool {
        is_within(html, SMALL)
    }

    #[test]
    fn what_mail_programs_write_is_within_the_bounds() {
        for html in [
            String::new(),
            "a < b & c".to_owned(),
            "<p>a<p>b<li>c".repeat(50),
            format!("<table>{}</table>", "<tr><td>a<td><b>b</b>".repeat(200)),
            "<p><font face=x size=2>word</font> <a href=y>z</a></p>".repeat(100),
            "<blockquote>".repeat(30),
            format!(
                "<img src=\"data:image/png;base64,{}\">",
                "Ab/+9xyzAbcdefghijkLmnopqrstuvwxyzABCDEF".repeat(400)
            ),
            format!("<!-- {} -->", "x<b>y".repeat(2_000)),
            "&nbsp;&amp;&#0;".repeat(1_000),
            "<b><p>misnested</b></p>".repeat(30),
        ] {
            assert!(within(&html), "{}", html.get(..80).unwrap_or(&html));
        }
    }

    #[test]
    fn what_multiplies_is_not_however_it_is_written() {
        let unclosed = |open: &str, times: usize| {
            (0..times)
                .map(|n| open.replace('#', &n.to_string()))
                .collect::<String>()
        };
        for html in [
            // Formatting that is opened anew in each paragraph.
            unclosed("<p><font a=#>", 100),
            unclosed("<p><b a=#>x</div>", 100),
            format!("<p>{}{}", unclosed("<i a=#>", 30), "<p>x".repeat(120)),
            format!("{}{}", unclosed("<i a=#></x>", 100), "<p>x".repeat(60)),
            // Closing tags that close nothing: in a value, in a comment, out of scope.
            unclosed("<p><font a=#><x y=\"</font></p>\">", 100),
            unclosed("<p><u a=#><!-- </u> -->", 100),
            format!(
                "{}{}",
                unclosed("<font a=#><table></font></table>", 60),
                "<p>x".repeat(60)
            ),
            // One that has many attributes.
            format!("<p><font {}>{}", unclosed("a#=1 ", 90), "<p>x".repeat(60)),
            // Depth.
            "<div>".repeat(60),
            "<svg>".repeat(60),
            "<template>".repeat(60),
            "<table><tr><td>".repeat(30),
            "<math><mi>".repeat(60),
            unclosed("<a href=#><div>", 100),
            "<nobr><div>".repeat(60),
            // Neighbours that are looked through.
            format!("<table>{}", "<s>x</s>".repeat(300)),
            "<b><div></b>".repeat(300),
            unclosed("<body a#=1>", 300),
            // One tag without end, whatever separates its attributes.
            format!("<a {}>", unclosed("b# ", 3_000)),
            format!("<a {}", unclosed("b#\n", 3_000)),
            format!("<a {}>", unclosed("b#=''", 1_500)),
            format!("<a{}>", unclosed("/b#", 3_000)),
            "<select><selectedcontent></selectedcontent><option>a".repeat(2),
            "x".repeat(20_001),
            "<br>".repeat(4_000),
            // Signs that are escaped, each behind the other, in texts and in values.
            "&".repeat(5_000),
            "\u{a0}".repeat(4_000),
            format!("<p>{}<a href=\"{}\">", "x".repeat(4_000), "&".repeat(4_000)),
        ] {
            assert!(!within(&html), "{}", html.get(..80).unwrap_or(&html));
        }
    }
}
