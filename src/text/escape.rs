//! Plain text → minimal HTML that looks the same: escaped, with `<br>`, and with its blanks kept.

/// The escaped form of one character. `after_blank` is true at the start of a line and after a blank: there a blank
/// has to be a `&nbsp;`, or a browser would drop it. Only the left side decides, so that the cost of a text can be
/// counted while reading it.
pub(super) fn escaped(c: char, next: Option<char>, after_blank: bool) -> Option<&'static str> {
    Some(match c {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&#39;",
        '\n' => "<br>",
        // of CR LF the LF speaks; a lone CR is a line break too
        '\r' if next == Some('\n') => "",
        '\r' => "<br>",
        ' ' if after_blank => "&nbsp;",
        '\t' => "&nbsp;&nbsp;&nbsp; ",
        '\0' => "",
        _ => return None,
    })
}

/// True where a blank after `c` would be dropped by a browser.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Plain text as HTML.
pub(super) fn html_of_text(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    let mut after_blank = true;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match escaped(c, characters.peek().copied(), after_blank) {
            Some(replacement) => html.push_str(replacement),
            None => html.push(c),
        }
        after_blank = is_blank(c);
    }
    html
}

/// A value inside `"…"`, or text between tags.
pub(super) fn attribute(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut html, c| {
            match escaped(c, None, false) {
                Some(replacement) if !is_blank(c) => html.push_str(replacement),
                _ => html.push(c),
            }
            html
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_what_it_looks_like() {
        for (text, html) in [
            ("a\nb", "a<br>b"),
            ("a\r\nb\rc", "a<br>b<br>c"),
            ("  two  blanks", "&nbsp;&nbsp;two &nbsp;blanks"),
            ("a\tb", "a&nbsp;&nbsp;&nbsp; b"),
            (
                "<script>alert(\"1\")</script>",
                "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;",
            ),
            ("a & b &amp; c", "a &amp; b &amp;amp; c"),
            ("{{x}} ${y} %s [case_id] {%z%}", "{{x}} ${y} %s [case_id] {%z%}"),
            ("Привет, şığ 👩‍👩‍👧", "Привет, şığ 👩‍👩‍👧"),
            ("a\0b", "ab"),
        ] {
            assert_eq!(html_of_text(text), html, "{text:?}");
        }
    }
}
