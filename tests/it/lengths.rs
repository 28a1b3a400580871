//! A text's length alone decides how long it takes, whatever it holds: four times the text takes about four times as long,
//! where a quadratic one would take sixteen. What is measured is this thread's processor time, where the system tells it.

use deskie_cdc::model::BodyFormat;
use deskie_cdc::model::clock::monotonic;
use deskie_cdc::text::{Known, Limits, fingerprints, parts, plain, plain_parts, read};

/// Bytes of the shorter text; the longer one has four times as many.
const SHORT: usize = 2_000;

/// So many times as long may the longer one take.
const MOST: f64 = 7.5;

/// Seconds of the processor.
fn seconds_of(work: impl Fn()) -> f64 {
    let so_far = || {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        told.split(' ').next()?.parse::<f64>().ok()
    };
    let (from, begun) = (so_far(), monotonic());
    work();
    match (from, so_far()) {
        (Some(from), Some(to)) => (to - from) / 1e9,
        _ => begun.elapsed().as_secs_f64(),
    }
}

/// All that is done to a text on either way.
fn seconds(body: &str, format: BodyFormat) -> f64 {
    seconds_of(|| {
        let limits = Limits {
            body: 60_000,
            text: 1_000_000,
        };
        let parts = parts(body, format, limits);
        for part in &parts.bodies {
            fingerprints(&part.text, &part.html);
        }
        plain_parts(body, format, limits);
        if format == BodyFormat::Html {
            read(
                "",
                body,
                None,
                &["another text".to_owned()].into_iter().collect::<Known>(),
            );
            plain("", body);
        }
    })
}

/// A run of the same.
type Run = (&'static str, &'static str, &'static str);

const fn all(of: &'static str) -> Run {
    ("", of, "")
}

/// What is written into HTML, Markdown and plain text alike.
const RUNS: [Run; 24] = [
    all("&"),
    all("&amp;"),
    all("&#"),
    all("&#x"),
    all("&a"),
    all("\u{a0}"),
    all("«"),
    all("  "),
    all("\t"),
    all("<"),
    all("</"),
    all("<!"),
    all("<!--"),
    all("<a "),
    all("<a href=\""),
    all("<p>"),
    all("<b>"),
    all("\""),
    all(">"),
    all("\n"),
    all("\u{301}"),
    all("https://a.example/?x=1&y=2 "),
    ("&", "a", ";"),
    ("<a href=\"", "&", "\">x</a>"),
];

const HTML: [Run; 30] = [
    all("<p>a"),
    all("<div>"),
    all("<b>x</b>"),
    all("<p><font a=1>x"),
    all("<blockquote>"),
    all("<ul><li>"),
    all("<li>a"),
    all("<table>"),
    all("<table><tr><td>a"),
    all("<td>"),
    all("<sup>1</sup>"),
    all("<img src=cid:a>"),
    all("<option>a"),
    all("<a href=x>y</a>"),
    all("<svg>"),
    all("<template>"),
    all("<textarea>&"),
    all("<noscript>&"),
    all("<plaintext>&"),
    all("</b>"),
    all("<b></p>"),
    all("<body a=1>"),
    ("<a ", "b ", ">"),
    ("<a ", "b=c ", ">"),
    ("<p title=\"", "\u{a0}", "\">x</p>"),
    ("<img style=\"", "a:b;", "\">"),
    ("<img alt=\"", "&", "\" src=\"https://a.example/b\">"),
    ("<table>", "<b>a</b>", "</table>"),
    ("<pre>", "&\n", "</pre>"),
    ("<div>", "&lt;", "</div>"),
];

const MARKDOWN: [Run; 34] = [
    all("*"),
    all("_"),
    all("**a"),
    all("*a_"),
    all("a**b*"),
    all("["),
    all("[]"),
    all("[a]("),
    all("[a](<"),
    all("[a](b)"),
    all("[a]: b\n"),
    all("[^a]"),
    all("!["),
    all("![a](b)"),
    all("`"),
    all("`` `"),
    all("~~a"),
    all("> "),
    all("- "),
    all("1. "),
    all("- a\n\n"),
    all("# a\n"),
    all("\\"),
    all("|a|b|\n"),
    all("a|b\n-|-\n"),
    all("```\n"),
    all("    a\n"),
    all("<x@y.example>"),
    ("|a|b|\n|-|-|\n", "|c|d|\n", ""),
    ("```\n", "&\n", "```"),
    ("", "[a]", "\n\n[a]: b"),
    ("[a](", "(", ")"),
    ("*", "a ", "*"),
    ("[", "a ", "](b)"),
];

fn grows_with_its_length(runs: &[&[Run]], format: BodyFormat) {
    let text =
        |(before, of, after): Run, bytes: usize| format!("{before}{}{after}", of.repeat(bytes / of.len()));
    // What an ordinary text takes: a shorter time says nothing.
    let least = seconds(&text(all("<p>a word</p> "), SHORT), format).max(0.004);
    let mut faults = Vec::new();
    for run in runs.iter().copied().flatten() {
        let (short, long) = (text(*run, SHORT), text(*run, SHORT * 4));
        let times = || seconds(&long, format) / seconds(&short, format).max(least);
        // A machine that does other things as well may spoil a measure, but not three.
        let measured: Vec<f64> = (0..3)
            .scan(f64::INFINITY, |last, _| {
                (*last > MOST).then(|| {
                    *last = times();
                    *last
                })
            })
            .collect();
        if measured.iter().all(|times| *times > MOST) {
            faults.push(format!("{run:?}: {measured:.1?} times as long"));
        }
    }
    assert!(faults.is_empty(), "{format:?}\n{}", faults.join("\n"));
}

#[test]
fn the_time_of_html_grows_with_its_length_alone() {
    grows_with_its_length(&[&RUNS, &HTML], BodyFormat::Html);
}

#[test]
fn the_time_of_markdown_grows_with_its_length_alone() {
    grows_with_its_length(&[&RUNS, &MARKDOWN], BodyFormat::Markdown);
}

#[test]
fn the_time_of_plain_text_grows_with_its_length_alone() {
    grows_with_its_length(&[&RUNS], BodyFormat::Text);
}
