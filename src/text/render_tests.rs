use super::super::sanitise::{Relative, sanitise};
use super::*;
use proptest::prelude::*;

fn read(html: &str) -> String {
    text_of_html(&sanitise(html, Relative::Keep), Beside::Marks)
}

#[test]
fn a_text_does_not_grow_by_how_deep_it_stands() {
    for (open, mark) in [("<blockquote>", "> "), ("<ul><li>", "  "), ("<dl><dd>", "  ")] {
        let html = format!("{}{}", open.repeat(100), "a<br>".repeat(1_000));
        let text = text_of_html(&html, Beside::Marks);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines.len(), 999);
        let line = format!("{}a", mark.repeat(DEEPEST));
        assert!(lines.iter().all(|other| *other == line), "{open}: {}", lines[0]);
    }
}

#[test]
fn html_reads_like_text() {
    for (html, text) in [
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<div>a<br></div><div><br></div><div>b</div>", "a\n\nb"),
        (
            "<b>bold</b> <i>it</i> <s>no</s> <code>x</code> H<sub>2</sub>O m<sup>2</sup> a<sup>th</sup>",
            "bold it no x H2O m² ath",
        ),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
        (
            "<ol start=3><li>a<li value=7>b<li><p>c</p><p>d</p></ol>",
            "3. a\n7. b\n\n8. c\n\n   d",
        ),
        (
            "<ul><li>a<ul><li>b<li>c</ul></li><li>d</li></ul>e",
            "- a\n  - b\n  - c\n- d\n\ne",
        ),
        ("<ol>x<li>a</li></ol>", "x\n1. a"),
        (
            "<ol start=1 type=a><li class=MsoListParagraph>x<ol type=I start=4><li>y<li>z</ol><li>w</ol>",
            "a. x\n   IV. y\n   V. z\nb. w",
        ),
        (
            "<ol type=A start=26><li>x<li>y<li value=0>z</ol><ol style=\"margin:0;list-style-type: lower-roman\"><li value=9>q</ol>",
            "Z. x\nAA. y\n0. z\n\nix. q",
        ),
        (
            "<p>a</p><p>&zwnj;&nbsp;&#847;&zwnj;</p><div>&zwnj;</div><p>b</p>",
            "a\n\nb",
        ),
        ("<dl><dt>a</dt><dd>b</dd><div>c</div></dl>", "a\n  b\nc"),
        ("<a href=\"https://x.com/y\">here</a>.", "here (https://x.com/y)."),
        ("<a href=\"https://x.com/\">https://x.com</a>", "https://x.com/"),
        ("<a href=\"https://x.com/\">x.com</a>", "https://x.com/"),
        ("<a href=\"https://x.com/\">X.com</a>", "X.com"),
        ("<a href=\"mailto:a@b.c\">a@b.c</a>", "a@b.c"),
        (
            "<a href=\"https://x.com\"><b>bo</b>ld</a> <a href=\"https://x.com\">2</a>",
            "bold (https://x.com) 2 (https://x.com)",
        ),
        (
            "<a href=\"https://x.com\"><p>a</p><p>b</p></a>c",
            "a\n\nb (https://x.com)\n\nc",
        ),
        (
            "<img src=\"https://x/i.png\"> <img src=\"https://x/j.png\" alt=\"J\">",
            "https://x/i.png J (https://x/j.png)",
        ),
        (
            "<a href=\"https://x/\"><img src=\"https://x/i.png\"></a>",
            "https://x/i.png (https://x/)",
        ),
        ("a<img src=\"https://x/i.png\" width=1 height=1>", "a"),
        ("1 &lt; 2 &amp;&amp; &quot;x&quot; &nbsp;y", "1 < 2 && \"x\"  y"),
        ("a<hr>b", "a\n\n---\n\nb"),
        ("<blockquote>q</blockquote>a", "> q\n\na"),
        (
            "<blockquote><p>a</p><p>b</p><blockquote>c</blockquote></blockquote><blockquote>d</blockquote>",
            "> a\n>\n> b\n>\n> > c\n\n> d",
        ),
        ("<h1>T</h1><p>x *y* _z_</p>", "T\n\nx *y* _z_"),
        ("<p>a</p><p>&nbsp;</p><p> &nbsp; </p><p>b</p>", "a\n\nb"),
        ("<pre>\na\n\n\n  b\tc\n</pre>d", "a\n\n\n  b\tc\n\nd"),
        ("<p>a\n b</p>", "a b"),
        ("", ""),
        ("  \n ", ""),
    ] {
        assert_eq!(read(html), text, "{html}");
    }
}

#[test]
fn a_table_keeps_its_rows_and_cells_apart() {
    for (html, text) in [
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a | b"),
        (
            "<table><caption>K</caption><tr><th>Ürün<th>Adet<tr><td><p>Kalem</p><td><p>2</p></table>son",
            "K\nÜrün | Adet\nKalem | 2\n\nson",
        ),
        ("<table><tr><td><td>b<td></table>", "b"),
        ("<table><tr><td>a<td><td>c<td></table>", "a |  | c"),
        (
            "<table><tr><td>x<br>y<td>b<tr><td>c<td>d</table>",
            "x\ny\n\nb\n\nc | d",
        ),
        // A mail that is laid out by tables.
        (
            "<table><tr><td><table><tr><td><p>Merhaba</p><p>Ayşe</p></td></tr></table></td></tr><tr><td>son</td></tr></table>",
            "Merhaba\n\nAyşe\nson",
        ),
        (
            "<table><tr><td><table><tr><td>a<td>b</table><td>c</table>",
            "a | b | c",
        ),
        ("<tr><td>a</td><td>b</td></tr>", "a\nb"),
        ("<td>a<td>b", "a\nb"),
        (
            "<a href=\"https://x/y\"><table><tr><td>a<td>b</table></a>",
            "a | b (https://x/y)",
        ),
    ] {
        assert_eq!(read(html), text, "{html}");
    }
}

/// Elements that a browser puts on lines of their own.
const BLOCKS: [&str; 39] = [
    "p",
    "div",
    "section",
    "address",
    "center",
    "article",
    "header",
    "figcaption",
    "form",
    "option",
    "main",
    "footer",
    "nav",
    "aside",
    "figure",
    "fieldset",
    "legend",
    "dialog",
    "details",
    "summary",
    "hgroup",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "blockquote",
    "pre",
    "menu",
    "listing",
    "search",
    "optgroup",
];

#[test]
fn words_of_two_blocks_never_touch() {
    for block in BLOCKS.into_iter().filter(|block| *block != "option") {
        let html = format!("<{block}>Hello</{block}><{block}>World</{block}>tail");
        let text = read(&html);
        let words: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let words: Vec<&str> = words
            .iter()
            .map(|line| line.trim_start_matches(|c: char| !c.is_alphabetic()))
            .collect();
        assert_eq!(words, ["Hello", "World", "tail"], "{block}: {text}");
        assert_eq!(
            read(&format!("head{html}")).lines().next(),
            Some("head"),
            "{block}"
        );
    }
    for html in [
        "<select><option>Hello<option>World</select>",
        "<button>Hello</button><button>World</button>",
        "<textarea>Hello</textarea><textarea>World</textarea>",
        "<table><tr><td>Hello</td><td>World</td></tr></table>",
        "<table><caption>Hello</caption><tr><td>World</td></tr></table>",
        "<table><thead><tr><th>Hello</thead><tfoot><tr><td>World</tfoot></table>",
        "<table>Hello<tr><td>World</td></tr></table>",
        "Hello<table><form><tr><td>World</td></tr></form></table>",
        "Hello<br/>World",
        "Hello<hr>World",
        "<td>Hello</td><td>World</td>",
        "<noscript>Hello</noscript><noscript>World</noscript>",
    ] {
        let text = read(html);
        let words: Vec<&str> = text
            .split_whitespace()
            .filter(|word| word.contains(char::is_alphabetic))
            .collect();
        assert_eq!(words, ["Hello", "World"], "{html}: {text}");
    }
}

#[test]
fn no_line_is_wrapped() {
    let words = "word ".repeat(50_000);
    assert_eq!(read(&format!("<p>{words}</p>")), words.trim_end());
}

#[test]
fn deep_nesting_is_no_danger() {
    let html = format!("{}x{}", "<div>".repeat(200), "</div>".repeat(200));
    assert_eq!(read(&html), "x");
    let cells = "<table><tr><td>".repeat(10_000);
    assert_eq!(text_of_html(&format!("{cells}x"), Beside::Marks), "x");
}

#[test]
fn what_stands_beside_the_words_can_be_left_out() {
    let html = sanitise(
        "<a href=\"https://x.com\">here</a><img src=\"https://x/y\"><ol><li>a</ol><table><tr><td>b<td>c</table>",
        Relative::Keep,
    );
    assert_eq!(text_of_html(&html, Beside::Nothing), "here\n\na\n\nb c");
}

/// Random nested HTML of the elements that mail programs write, each word with a number of its own.
fn html() -> impl Strategy<Value = String> {
    const ELEMENTS: [&str; 94] = [
        "p",
        "div",
        "span",
        "b",
        "i",
        "u",
        "s",
        "font",
        "a href=https://x.example/y",
        "a",
        "ul",
        "ol",
        "li",
        "li value=4",
        "dl",
        "dt",
        "dd",
        "table",
        "tbody",
        "thead",
        "tfoot",
        "tr",
        "td",
        "th",
        "caption",
        "blockquote",
        "pre",
        "code",
        "sup",
        "sub",
        "h1",
        "h4",
        "section",
        "article",
        "address",
        "center",
        "header",
        "footer",
        "main",
        "form",
        "fieldset",
        "legend",
        "select",
        "option",
        "button",
        "label",
        "figure",
        "figcaption",
        "o:p",
        "details",
        "summary",
        "q",
        "ruby",
        "textarea",
        "noscript",
        "small",
        "menu",
        "nobr",
        "bdo dir=rtl",
        "bdi",
        "big",
        "tt",
        "strike",
        "ins",
        "del",
        "mark",
        "abbr title=t",
        "acronym",
        "dir",
        "marquee",
        "hgroup",
        "aside",
        "nav",
        "article",
        "time",
        "kbd",
        "cite",
        "colgroup",
        "st1:place",
        "v:textbox",
        "span style=display:none",
        "div style=mso-hide:all",
        "p class=MsoNormal",
        "td colspan=3 rowspan=2",
        "svg",
        "svg viewBox='0 0 9 9'",
        "g",
        "text x=1",
        "desc",
        "foreignObject",
        "math",
        "mi",
        "mtext",
        "annotation-xml",
    ];
    let leaf = prop_oneof![
        4 => Just("~".to_owned()),
        1 => Just("~ ~".to_owned()),
        1 => prop::sample::select(vec![
            "<br>", "<hr>", " ", "&nbsp;", "\n", "<img src=https://x.example/i.png>", "<img alt=x src=cid:1>", "<wbr>",
            "<!-- c -->", "<col>", "<input value=v>", "<br/>", "</br>", "</p>", "</td>", "</table>", "</div>", "&zwnj;", "&#8203;",
            "&shy;", "\u{202e}", "\u{200f}", "\u{feff}", "&nbsp;&nbsp;", "<![if !supportLists]>", "<![endif]>",
            "<!--[if gte mso 9]><xml><o:x>no</o:x></xml><![endif]-->", "<!--[if !mso]><!-->", "<!--<![endif]-->", "<base href=/>",
            "<link rel=x>", "<meta name=x>", "<spacer>", "<?xml:namespace prefix=o />", "<p/>", "<hr/>",
            "<svg><title>~</title><path d=M0/><text>~</text><text>~<tspan>~</tspan></text></svg>", "<svg/>", "<path/>",
            "<svg><style>.no{}</style><style/><script/></svg>", "<math><semantics><mi>~</mi><annotation>~</annotation></semantics></math>",
        ])
        .prop_map(str::to_owned),
    ];
    let tree = leaf.prop_recursive(7, 120, 6, |inner| {
        (
            prop::sample::select(ELEMENTS.to_vec()),
            prop::collection::vec(inner, 0..6),
            prop::bool::weighted(0.9),
        )
            .prop_map(|(open, inner, closes)| {
                let name = open.split(' ').next().unwrap_or_default();
                let end = if closes {
                    format!("</{name}>")
                } else {
                    String::new()
                };
                format!("<{open}>{}{end}", inner.concat())
            })
    });
    prop::collection::vec(tree, 1..8).prop_map(|trees| {
        let mut words = 0;
        trees.concat().chars().fold(String::new(), |mut html, c| {
            if c == '~' {
                words += 1;
                html.push_str(&format!("w{words}x"));
            } else {
                html.push(c);
            }
            html
        })
    })
}

#[test]
fn words_within_a_drawing_are_those_of_a_picture() {
    for (html, text) in [
        ("<svg><text>Sipariş</text></svg>", "Sipariş"),
        (
            "a <svg><title>Kargo</title><desc>yolda</desc><path d=\"M0\"/><text x=1>10</text><text>11</text></svg> b",
            "a Kargo yolda 10 11 b",
        ),
        (
            "<SVG viewBox='0 0 9 9'><g><text>Нет <tspan>связ</tspan>и</text></g></SVG>",
            "Нет связи",
        ),
        (
            "<svg><style>.a{fill:red}</style><script>x()</script><text>1</text></svg>",
            "1",
        ),
        ("<svg><style/><script/><title/><text>1</text></svg>2", "1 2"),
        (
            "<svg><foreignObject><p>bir</p><p>iki</p></foreignObject></svg>",
            "bir\n\niki",
        ),
        ("<svg><path/><p>never closed</p><p>iki</p>", "never closed\n\niki"),
        ("<svg/><svg><tbody><img alt=x src=cid:1>bir", "[x]bir"),
        (
            "<svg/><svg><img width=1 height=1 src=\"https://x.example/p.gif\">bir",
            "bir",
        ),
        (
            "<svg><a xlink:href=\"https://x.example/\"><text>burada</text></a></svg>",
            "burada",
        ),
        ("<noscript><g>1</g><svg><text>2</text></svg></noscript>", "1 2"),
        ("<p><g>1</g> <or>2</or> <list>3", "1 2 3"),
        ("<math><mi>x</mi><mo>=</mo><mn>1</mn></math>", "x=1"),
        (
            "<math><mtext>yanlış</mtext><annotation-xml><svg><text>iki</text></svg></annotation-xml></math>",
            "yanlış iki",
        ),
    ] {
        assert_eq!(read(html), text, "{html}");
    }
    let many = format!("<svg>{}<text>son</text></svg>", "<path d=\"M0\"/>".repeat(3_000));
    let safe = super::super::sanitise::safe(&many, Relative::Drop);
    assert!(
        !safe.is_flattened && safe.html.trim() == "son",
        "{:.200}",
        safe.html
    );
}

/// The words that stand between the tags, by themselves.
fn words_between(html: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = html;
    while let Some((text, tag)) = rest.split_once('<') {
        plain.push_str(text);
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    numbered(&plain)
}

fn numbered(text: &str) -> Vec<String> {
    let raised = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    let plain: String = text
        .chars()
        .map(|c| {
            raised
                .chars()
                .position(|raised| raised == c)
                .map_or(c, |n| (b'0' + n as u8) as char)
        })
        .collect();
    let mut found = Vec::new();
    for piece in plain.split('w').skip(1) {
        if let Some((number, _)) = piece.split_once('x')
            && number.parse::<u32>().is_ok()
        {
            found.push(format!("w{number}x"));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_word_survives_in_order(html in html()) {
        let safe = sanitise(&html, Relative::Keep);
        let words = words_between(&safe);
        for beside in [Beside::Marks, Beside::Nothing] {
            prop_assert_eq!(&numbered(&text_of_html(&safe, beside)), &words, "{}", safe);
        }
        // The sanitiser itself loses none: a parser may put one elsewhere, before its table.
        let mut all = words;
        let mut written = numbered(&html);
        all.sort();
        written.sort();
        prop_assert_eq!(all, written, "{}", safe);
    }

    #[test]
    fn every_word_survives_as_markdown(html in html()) {
        let message = super::super::incoming("", &html, None);
        prop_assert_eq!(numbered(&message.markdown()), numbered(&text_of_html(&message.html, Beside::Nothing)));
    }

    #[test]
    fn what_is_a_block_is_not_glued(a in prop::sample::select(BLOCKS.to_vec()), b in prop::sample::select(BLOCKS.to_vec())) {
        for html in [format!("<{a}>w1x</{a}><{b}>w2x</{b}>"), format!("<{a}>w1x<{b}>w2x</{b}></{a}>"), format!("<{a}><{b}>w1x</{b}>w2x</{a}>")] {
            prop_assert!(!read(&html).contains("w1xw2x"), "{}", html);
        }
    }

    #[test]
    fn nothing_makes_it_panic(html in "(<|>|/|\"|=|td|tr|table|li|ul|sup|a |href|pre|[a-zş ]|&|;|\\n){0,60}") {
        text_of_html(&html, Beside::Marks);
        text_of_html(&html, Beside::Nothing);
    }
}
