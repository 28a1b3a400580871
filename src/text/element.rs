//! What elements of HTML are to a reader, and the tags of HTML that the sanitiser wrote: well-formed, every `<` a tag,
//! every value in quotes.

use std::borrow::Cow;

use html5ever::data::{C1_REPLACEMENTS, NAMED_ENTITIES};

/// How an element stands among its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flow {
    /// Within a line.
    Inline,
    /// On lines of its own.
    Line,
    /// On lines of its own, an empty line around them.
    Paragraph,
}

/// The flow of an element by its name, in small letters: what a browser's own style sheet makes of it.
pub(super) fn flow(name: &str) -> Flow {
    match name {
        "blockquote" | "dialog" | "dir" | "dl" | "fieldset" | "figure" | "h1" | "h2" | "h3" | "h4" | "h5"
        | "h6" | "hr" | "listing" | "menu" | "ol" | "p" | "plaintext" | "pre" | "table" | "ul" | "xmp" => {
            Flow::Paragraph
        }
        "address" | "article" | "aside" | "body" | "br" | "caption" | "center" | "dd" | "details" | "div"
        | "dt" | "figcaption" | "footer" | "form" | "frame" | "frameset" | "head" | "header" | "hgroup"
        | "html" | "iframe" | "legend" | "li" | "main" | "nav" | "noframes" | "noscript" | "optgroup"
        | "option" | "search" | "section" | "select" | "summary" | "tbody" | "td" | "textarea" | "tfoot"
        | "th" | "thead" | "tr" | "video" => Flow::Line,
        _ => Flow::Inline,
    }
}

/// Whether HTML has an element of this name, in small letters; drawings (`svg`) and formulas (`math`) are another language's.
pub(super) fn is_html(name: &str) -> bool {
    flow(name) != Flow::Inline
        || matches!(
            name,
            "a" | "abbr"
                | "acronym"
                | "applet"
                | "area"
                | "audio"
                | "b"
                | "base"
                | "bdi"
                | "bdo"
                | "big"
                | "button"
                | "canvas"
                | "cite"
                | "code"
                | "col"
                | "colgroup"
                | "data"
                | "datalist"
                | "del"
                | "dfn"
                | "em"
                | "embed"
                | "font"
                | "i"
                | "image"
                | "img"
                | "input"
                | "ins"
                | "kbd"
                | "label"
                | "link"
                | "map"
                | "mark"
                | "marquee"
                | "meta"
                | "meter"
                | "nobr"
                | "noembed"
                | "object"
                | "oembed"
                | "output"
                | "param"
                | "picture"
                | "progress"
                | "q"
                | "rb"
                | "rp"
                | "rt"
                | "rtc"
                | "ruby"
                | "s"
                | "samp"
                | "script"
                | "slot"
                | "small"
                | "source"
                | "span"
                | "strike"
                | "strong"
                | "style"
                | "sub"
                | "sup"
                | "template"
                | "time"
                | "title"
                | "track"
                | "tt"
                | "u"
                | "var"
                | "wbr"
        )
}

/// A piece of HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Between tags, its entities as they are.
    Text(&'a str),
    Open {
        name: &'a str,
        attributes: &'a str,
    },
    Close {
        name: &'a str,
    },
}

/// The pieces of safe HTML, each with its source, in order.
pub(super) fn pieces(html: &str) -> impl Iterator<Item = (&str, Piece<'_>)> {
    let mut rest = html;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = match rest.starts_with('<') {
            true => tag_end(rest),
            false => rest.find('<').unwrap_or(rest.len()),
        };
        let (source, after) = rest.split_at(end);
        rest = after;
        Some((source, tag(source).unwrap_or(Piece::Text(source))))
    })
}

/// Behind the `>` of a tag; one inside a value does not count.
fn tag_end(html: &str) -> usize {
    let mut quoted = false;
    for (at, c) in html.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return at + 1,
            _ => {}
        }
    }
    html.len()
}

fn tag(source: &str) -> Option<Piece<'_>> {
    let inner = source.strip_prefix('<')?.strip_suffix('>')?;
    let (closes, inner) = match inner.strip_prefix('/') {
        Some(inner) => (true, inner),
        None => (false, inner),
    };
    let end = inner
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(inner.len());
    let (name, attributes) = inner.split_at(end);
    match (name.is_empty(), closes) {
        (true, _) => None,
        (false, true) => Some(Piece::Close { name }),
        (false, false) => Some(Piece::Open { name, attributes }),
    }
}

/// Whether an element has no end tag.
pub(super) fn is_void(name: &str) -> bool {
    matches!(name, "area" | "br" | "col" | "hr" | "img" | "wbr")
}

/// The value of an attribute of a safe tag.
pub(super) fn attribute_of<'a>(attributes: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    let mut rest = attributes;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = after.strip_prefix('"')?.split_once('"')?;
        if name.trim() == wanted {
            return Some(unescaped(value));
        }
        rest = after;
    }
}

/// Of those that are known, the `;` included.
const LONGEST_ENTITY: usize = 10;

/// Text with its entities resolved, those by name and those by number. What is none stays.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, entity) = rest.split_at(at);
        plain.push_str(before);
        // Looked for no further than an entity is long: a text may be nothing but `&`.
        let name = entity.get(1..).unwrap_or_default();
        let end = name.bytes().take(LONGEST_ENTITY).position(|byte| byte == b';');
        let known = end
            .and_then(|end| Some((name.get(..end)?, name.get(end + 1..)?)))
            .and_then(|(name, after)| Some((stands_for(name)?, after)));
        match known {
            Some((c, after)) => {
                plain.push(c);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = entity.get(1..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

fn stands_for(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        other => match other.strip_prefix('#') {
            Some(number) => numbered(number)?,
            None => {
                let (first, second) = NAMED_ENTITIES.get(&*format!("{other};"))?;
                char::from_u32(*first).filter(|c| *c != '\0' && *second == 0)?
            }
        },
    })
}

/// A character by its number; what old mails take out of windows-1252 is what a browser makes of it.
fn numbered(number: &str) -> Option<char> {
    let number = Some(number).filter(|number| number.len() < 9)?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    let replaced = code
        .checked_sub(0x80)
        .and_then(|at| *C1_REPLACEMENTS.get(usize::try_from(at).ok()?)?);
    replaced.or_else(|| char::from_u32(code).filter(|c| *c != '\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_told_from_its_values() {
        let html = "a &lt; b<a href=\"x>y\" title=\"&quot;t&quot;\">c</a><br>";
        let found: Vec<Piece<'_>> = pieces(html).map(|(_, piece)| piece).collect();
        assert_eq!(
            found,
            [
                Piece::Text("a &lt; b"),
                Piece::Open {
                    name: "a",
                    attributes: " href=\"x>y\" title=\"&quot;t&quot;\""
                },
                Piece::Text("c"),
                Piece::Close { name: "a" },
                Piece::Open {
                    name: "br",
                    attributes: ""
                },
            ]
        );
        let Some(Piece::Open { attributes, .. }) = found.get(1) else {
            panic!("a link");
        };
        assert_eq!(attribute_of(attributes, "title").as_deref(), Some("\"t\""));
        assert_eq!(attribute_of(attributes, "href").as_deref(), Some("x>y"));
        assert_eq!(attribute_of(attributes, "x"), None);
    }

    #[test]
    fn entities_are_what_they_stand_for() {
        for (text, plain) in [
            ("a &amp;lt; b", "a &lt; b"),
            ("&#304;&#x131;&nbsp;x", "İı\u{a0}x"),
            (
                "&unknown; & &; &#; &#0; &#xd800;",
                "&unknown; & &; &#; &#0; &#xd800;",
            ),
            ("R&D;&quot;", "R&D;\""),
            ("G&ouml;r&uuml;nt&uuml; &Scaron; &hellip;", "Görüntü Š …"),
            ("it&#146;s &#x96; &#159;", "it’s – Ÿ"),
        ] {
            assert_eq!(unescaped(text), plain);
        }
    }
}
