//! What the sanitiser would glue or lose is written another way before it comes there: blocks that it does not know
//! become plain ones, a picture that nobody could see becomes its name, what is embedded a link, and of a drawing or a
//! formula its words stay.

use std::borrow::Cow;

use lol_html::html_content::{ContentType, Element, TextType, UserData};
use lol_html::{HandlerResult, RewriteStrSettings, doc_text, element, rewrite_str};
use url::Url;

use super::element::{is_html, unescaped};
use super::escape::attribute;
use super::measure::{FREE, is_sign};
use super::same::is_blank;
use super::sanitise::{Relative, is_web};

/// The HTML for the sanitiser. What it is must be measured afterwards: it may nest otherwise than before.
pub(super) fn reshaped(html: &str, relative: Relative<'_>) -> String {
    let mut signs = 0;
    if !html.contains('<') {
        return broken_up(html, &mut signs).into_owned();
    }
    let html = &*without_noscript(html);
    let settings = RewriteStrSettings::new()
        .with_strict(false)
        .append_element_content_handler(element!(
            "address, dialog, fieldset, form, frameset, legend, main, marquee, optgroup, search, section, select",
            |block| renamed(block, "div")
        ))
        .append_element_content_handler(element!("menu, dir", |list| renamed(list, "ul")))
        .append_element_content_handler(element!("listing", |text| renamed(text, "pre")))
        .append_element_content_handler(element!("option", |option| {
            option.before("<br>", ContentType::Html);
            option.after(" ", ContentType::Html);
            Ok(())
        }))
        .append_element_content_handler(element!(
            "button, input, textarea, meter, progress, xmp, plaintext, video, audio, object, noframes",
            |control| {
                control.before(" ", ContentType::Html);
                control.after(" ", ContentType::Html);
                Ok(())
            }
        ))
        // The parser drops the tags of a row or a cell that is in no table.
        .append_element_content_handler(element!("table tr, table td, table th, table caption", |cell| {
            cell.set_user_data(InTable);
            Ok(())
        }))
        .append_element_content_handler(element!("tr, td, th, caption", |cell| {
            match cell.user_data().is::<InTable>() {
                true => Ok(()),
                false => renamed(cell, "div"),
            }
        }))
        .append_element_content_handler(element!("a[href]", |link| {
            let href = link.get_attribute("href").unwrap_or_default();
            if let Some(found) = found(&unescaped(&href), relative).filter(|_| !has_scheme(&href)) {
                link.set_attribute("href", &attribute(&found))?;
            }
            Ok(())
        }))
        .append_element_content_handler(element!("img, image", |image| picture(image, relative)))
        .append_element_content_handler(element!(
            "iframe, embed, object, oembed, video, audio, video source, audio source",
            |embedded| linked(embedded, relative)
        ))
        .append_element_content_handler(element!("ol[style]", numbered))
        .append_element_content_handler(element!("svg style, svg script", |unseen| {
            unseen.remove();
            Ok(())
        }))
        .append_element_content_handler(element!("svg title, text, desc, annotation, annotation-xml, mtd", |words| {
            words.before(" ", ContentType::Html);
            words.after(" ", ContentType::Html);
            words.remove_and_keep_content();
            Ok(())
        }))
        // The sanitiser takes what is called as a part of a drawing or a formula (`<g>`, `<list>`, `<or>`) for one that stands
        // where none may, and drops the words in it.
        .append_element_content_handler(element!("*", |element| {
            if !is_html(&element.tag_name()) {
                element.remove_and_keep_content();
            }
            Ok(())
        }))
        .append_document_content_handler(doc_text!(|text| {
            if text.text_type() == TextType::Data
                && let Cow::Owned(broken) = broken_up(text.as_str(), &mut signs)
            {
                text.replace(&broken, ContentType::Html);
            }
            Ok(())
        }));
    rewrite_str(html, settings).unwrap_or_else(|_| html.to_owned())
}

/// The sanitiser's writer looks for the next tag at each sign that it escapes, which takes the square of a text's length
/// where it has many. A comment ends the text that it looks through, and is not seen: the sanitiser takes it out. It stands
/// before such a sign, where it cannot part what belongs together; `signs` counts those since the last one.
fn broken_up<'a>(text: &'a str, signs: &mut usize) -> Cow<'a, str> {
    let mut broken = String::new();
    let mut kept = 0;
    for (at, _) in text.bytes().enumerate().filter(|(_, byte)| is_sign(*byte)) {
        *signs += 1;
        if *signs > FREE {
            *signs = 1;
            broken.push_str(text.get(kept..at).unwrap_or_default());
            broken.push_str("<!---->");
            kept = at;
        }
    }
    if broken.is_empty() {
        return Cow::Borrowed(text);
    }
    broken.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(broken)
}

/// What is shown where no script runs is a block like any other; before it is one, nothing in it can be written another way.
fn without_noscript(html: &str) -> Cow<'_, str> {
    let name = "noscript";
    let is_there = html
        .as_bytes()
        .windows(name.len())
        .any(|window| window.eq_ignore_ascii_case(name.as_bytes()));
    if !is_there {
        return Cow::Borrowed(html);
    }
    let settings = RewriteStrSettings::new()
        .with_strict(false)
        .append_element_content_handler(element!("noscript", |block| renamed(block, "div")));
    rewrite_str(html, settings).map_or(Cow::Borrowed(html), Cow::Owned)
}

/// Marks what stands in a table.
struct InTable;

fn renamed(element: &mut Element<'_, '_>, name: &str) -> HandlerResult {
    Ok(element.set_tag_name(name)?)
}

/// A picture stays where its address leads somewhere; one that is not seen at all goes, any other becomes what it is
/// called, in brackets.
fn picture(image: &mut Element<'_, '_>, relative: Relative<'_>) -> HandlerResult {
    if is_invisible(image) {
        image.remove_and_keep_content();
        return Ok(());
    }
    let of = |name: &str| image.get_attribute(name).unwrap_or_default();
    let (src, alt) = (of("src"), of("alt"));
    let src = unescaped(src.trim());
    // Where it is for screens of several kinds, or is fetched when it comes into sight, its own address may say nothing.
    let others = [first_of(&of("srcset")), of("data-src")];
    let address = found(&src, relative).or_else(|| {
        others
            .iter()
            .find_map(|other| found(&unescaped(other.trim()), relative))
    });
    match address {
        Some(address) => image.set_attribute("src", &attribute(&address))?,
        None => {
            let name = match (is_blank(&unescaped(&alt)), file_name(&src)) {
                // As it is written, so that the parser reads what it stands for.
                (false, _) => alt.trim().replace('<', "&lt;").replace('>', "&gt;"),
                (true, Some(name)) => attribute(&name),
                (true, None) => "image".to_owned(),
            };
            // In a drawing that is never closed what follows may count as its content.
            image.before(&format!("[{name}]"), ContentType::Html);
            image.remove_and_keep_content();
        }
    }
    Ok(())
}

/// The first address of a `srcset`.
fn first_of(srcset: &str) -> String {
    let first = srcset.split_whitespace().next().unwrap_or_default();
    first.trim_end_matches(',').to_owned()
}

/// A film, a page in a page: the sanitiser knows none of them, so what it shows is reached by a link.
fn linked(embedded: &mut Element<'_, '_>, relative: Relative<'_>) -> HandlerResult {
    let named = ["src", "data", "url"]
        .into_iter()
        .find_map(|name| embedded.get_attribute(name));
    let address = named.and_then(|named| found(&unescaped(named.trim()), relative));
    if let Some(address) = address.filter(|_| !is_invisible(embedded)) {
        let address = attribute(&address);
        embedded.before(
            &format!("<br><a href=\"{address}\">{address}</a><br>"),
            ContentType::Html,
        );
    }
    Ok(())
}

/// A list that is numbered by letters says so by its `type`: the sanitiser takes out its style.
fn numbered(list: &mut Element<'_, '_>) -> HandlerResult {
    let kind = match styled(list, "list-style-type").as_deref() {
        Some("lower-alpha" | "lower-latin") => "a",
        Some("upper-alpha" | "upper-latin") => "A",
        Some("lower-roman") => "i",
        Some("upper-roman") => "I",
        _ => return Ok(()),
    };
    Ok(list.set_attribute("type", kind)?)
}

/// What a style in the tag itself says of one property.
fn styled(element: &Element<'_, '_>, wanted: &str) -> Option<String> {
    let style = element.get_attribute("style")?.to_ascii_lowercase();
    style.split(';').find_map(|rule| {
        let (name, value) = rule.split_once(':')?;
        (name.trim() == wanted).then(|| value.trim().to_owned())
    })
}

/// Pictures of one dot tell their sender that a mail was opened, or keep a place free.
fn is_invisible(image: &Element<'_, '_>) -> bool {
    let is_small = |side: &str| {
        let value = styled(image, side).or_else(|| image.get_attribute(side));
        value.is_some_and(|value| {
            let number = value
                .trim()
                .trim_end_matches("!important")
                .trim()
                .trim_end_matches("px");
            number.trim().parse::<f32>().is_ok_and(|number| number <= 1.0)
        })
    };
    is_small("width")
        || is_small("height")
        || styled(image, "display").is_some_and(|display| display.starts_with("none"))
}

/// The whole address of what a message names, where it has one for us.
fn found(address: &str, relative: Relative<'_>) -> Option<String> {
    let address = address.trim();
    if is_web(address) {
        return Some(address.to_owned());
    }
    if let Some(rest) = address.strip_prefix("//") {
        return Some(format!("https://{rest}")).filter(|address| Url::parse(address).is_ok());
    }
    match relative {
        Relative::To(base) if !address.is_empty() && !has_scheme(address) => base
            .join(address)
            .ok()
            .map(String::from)
            .filter(|address| is_web(address)),
        _ => None,
    }
}

fn has_scheme(address: &str) -> bool {
    address.trim().split_once(':').is_some_and(|(scheme, _)| {
        scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c) || c.is_control())
    })
}

/// What an address that leads nowhere calls its file: `cid:image001.png@01DA.5C` is image001.png, however it is written.
fn file_name(address: &str) -> Option<String> {
    if address
        .trim_start()
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
    {
        return None;
    }
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let name = path.rsplit(['/', '\\', ':']).next().unwrap_or_default();
    let name = name.trim_matches(|c: char| c == '<' || c == '>' || c.is_whitespace());
    let name = name.split_once('@').map_or(name, |(name, _)| name).trim();
    let is_one = name.len() < 200 && name.contains('.') && !name.contains(char::is_control);
    is_one.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::sanitise::{safe, sanitise};
    use super::*;

    #[test]
    fn many_signs_in_a_text_are_no_reason_to_leave_its_tags_out() {
        for sign in ["&", "&amp;", "\u{a0}", "«", "R&D "] {
            let html = format!("<p>{0}<b>{0}</b></p>", sign.repeat(5_000));
            let safe = safe(&html, Relative::Drop);
            assert!(!safe.is_flattened, "{sign}");
            // Nothing of what parts it is seen, and no entity is cut.
            let once = sanitise(&format!("<p>{sign}<b>{sign}</b></p>"), Relative::Drop);
            let sign = once.split(['<', '>']).nth(2).unwrap().repeat(5_000);
            assert!(safe.html == format!("<p>{sign}<b>{sign}</b></p>"), "{sign:.20}");
        }
    }

    #[test]
    fn pictures_are_shown_or_named_or_unseen() {
        let base = Url::parse("https://destek.example/api/").unwrap();
        for (html, kept, shown) in [
            (
                "<img src=\"/f/a.png?x=1&amp;y\">",
                "[a.png]",
                "<img src=\"https://destek.example/f/a.png?x=1&amp;y\">",
            ),
            (
                "<img src=//cdn.example/b.png>",
                "<img src=\"https://cdn.example/b.png\">",
                "<img src=\"https://cdn.example/b.png\">",
            ),
            (
                "<img src=\"cid:image001.png@01DA.5C\">",
                "[image001.png]",
                "[image001.png]",
            ),
            (
                "<img alt=\"Ekran &lt;1&gt;\" src=\"cid:7\">",
                "[Ekran &lt;1&gt;]",
                "[Ekran &lt;1&gt;]",
            ),
            (
                "<img src=\"cid:&lt;image001.png%4001DA.5C&gt;\">",
                "[image001.png]",
                "[image001.png]",
            ),
            (
                "<img src=\"file:///C:\\Users\\x\\ekran%20g%C3%B6r%C3%BCnt%C3%BCs%C3%BC.png\">",
                "[ekran görüntüsü.png]",
                "[ekran görüntüsü.png]",
            ),
            (
                "<img alt=\"G&ouml;r&uuml;nt&uuml; R&D <1>\" src=\"cid:7\">",
                "[G&ouml;r&uuml;nt&uuml; R&D &lt;1&gt;]",
                "[G&ouml;r&uuml;nt&uuml; R&D &lt;1&gt;]",
            ),
            (
                "<img alt=\"&nbsp;\" src=\"blob:https://x.example/1f.png\">",
                "[1f.png]",
                "[1f.png]",
            ),
            (
                "<img srcset=\"https://x.example/a.png 2x, https://x.example/b.png\" src=\"data:image/gif;base64,R0\">",
                "<img srcset=\"https://x.example/a.png 2x, https://x.example/b.png\" src=\"https://x.example/a.png\">",
                "<img srcset=\"https://x.example/a.png 2x, https://x.example/b.png\" src=\"https://x.example/a.png\">",
            ),
            (
                "<img data-src=\"/f/a.png\">",
                "[image]",
                "<img data-src=\"/f/a.png\" src=\"https://destek.example/f/a.png\">",
            ),
            (
                "<picture><source srcset=\"https://x.example/a.webp\"><img src=\"https://x.example/a.png\"></picture>",
                "<picture><source srcset=\"https://x.example/a.webp\"><img src=\"https://x.example/a.png\"></picture>",
                "<picture><source srcset=\"https://x.example/a.webp\"><img src=\"https://x.example/a.png\"></picture>",
            ),
            ("<img src=\"data:image/png;base64,AA\">", "[image]", "[image]"),
            ("<img>", "[image]", "[image]"),
            ("<img src=\"https://t/1\" width=1 height=1>", "", ""),
            ("<img src=\"https://t/1\" style=\"WIDTH: 0px\">", "", ""),
            ("<img src=\"https://t/1\" style=\"display:none\">", "", ""),
            (
                "<img src=\"https://t/1\" width=10>",
                "<img src=\"https://t/1\" width=10>",
                "<img src=\"https://t/1\" width=10>",
            ),
        ] {
            assert_eq!(reshaped(html, Relative::Keep), kept, "{html}");
            assert_eq!(reshaped(html, Relative::To(&base)), shown, "{html}");
        }
    }

    #[test]
    fn links_without_a_host_lead_to_where_they_were_written() {
        let base = Url::parse("https://destek.example/api/").unwrap();
        for (href, to) in [
            ("/staff/1?a=1&amp;b", "https://destek.example/staff/1?a=1&amp;b"),
            ("//x.example/y", "https://x.example/y"),
            ("mailto:a@b.example", "mailto:a@b.example"),
            ("javascript:x()", "javascript:x()"),
            ("java\tscript:x()", "java\tscript:x()"),
        ] {
            let html = format!("<a href=\"{href}\">x</a>");
            assert_eq!(
                reshaped(&html, Relative::To(&base)),
                format!("<a href=\"{to}\">x</a>")
            );
        }
    }

    #[test]
    fn what_is_embedded_is_reached_by_a_link() {
        let link =
            "<br><a href=\"https://v.example/1\" rel=\"noopener noreferrer\">https://v.example/1</a><br>";
        for (html, safe) in [
            (
                "<iframe class=ql-video src=\"https://v.example/1\"></iframe>",
                link.to_owned(),
            ),
            (
                "<figure class=media><oembed url=//v.example/1></oembed></figure>",
                format!("<figure>{link}</figure>"),
            ),
            (
                "<object data=\"https://v.example/1\">x</object>",
                format!(" {link}x "),
            ),
            (
                "<video controls><source src=\"https://v.example/1\">x</video>",
                format!(" {link}x "),
            ),
            ("<embed src=\"https://v.example/1\">", link.to_owned()),
            // Nothing that is seen, or that leads anywhere.
            (
                "a<iframe src=\"https://v.example/1\" width=1 height=1></iframe>",
                "a".to_owned(),
            ),
            (
                "a<iframe src=\"https://v.example/1\" style=\"display: none\"></iframe>",
                "a".to_owned(),
            ),
            ("a<iframe src=\"javascript:x()\"></iframe>", "a".to_owned()),
            ("a<iframe srcdoc=\"x\"></iframe>", "a".to_owned()),
        ] {
            assert_eq!(sanitise(html, Relative::Drop), safe, "{html}");
        }
    }

    #[test]
    fn a_row_without_a_table_is_a_block() {
        assert_eq!(
            reshaped("<tr><td>a</td></tr>", Relative::Drop),
            "<div><div>a</div></div>"
        );
        let table = "<table><tr><td>a</td></tr></table>";
        assert_eq!(reshaped(table, Relative::Drop), table);
    }
}
