//! HTML that is safe to show: no scripts, styles or handlers, links only to the web, mail and telephone.

use std::borrow::Cow;

use ammonia::{Builder, UrlRelative};
use url::Url;

use super::reshape::reshaped;
use super::tame::{flat_pieces, tame};

/// What becomes of addresses without a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relative<'a> {
    /// Kept: on the way to Deskie they at least say something to a reader.
    Keep,
    /// Dropped: on the site they would point into the site itself.
    Drop,
    /// They are of a page at this address.
    To(&'a Url),
}

/// Safe HTML.
pub(super) struct Safe {
    /// Well-formed, with every visible word kept.
    pub html: String,
    /// It was more than is parsed, so that its tags are left out.
    pub is_flattened: bool,
}

/// Safe HTML, well-formed, with every visible word kept.
pub(super) fn sanitise(html: &str, relative: Relative<'_>) -> String {
    safe(html, relative).html
}

/// The same, and whether its tags are left out.
pub(super) fn safe(html: &str, relative: Relative<'_>) -> Safe {
    let mut builder = Builder::default();
    builder
        .add_tags(["tfoot"])
        // a mail's title is no part of its text
        .add_clean_content_tags(["title"])
        .add_tag_attributes("li", ["value"])
        .add_tag_attributes("ol", ["type"])
        .url_schemes(["http", "https", "mailto", "tel"].into_iter().collect())
        .url_relative(match relative {
            Relative::Keep => UrlRelative::PassThrough,
            Relative::Drop | Relative::To(_) => UrlRelative::Deny,
        })
        .attribute_filter(|element, attribute, value| match (element, attribute) {
            ("img", "src") if !is_web(value) => None,
            _ => Some(Cow::Borrowed(value)),
        });
    let clean = |html: &str| builder.clean(html).to_string();
    match tame(&reshaped(&without_nul(html), relative)) {
        Cow::Borrowed(html) => Safe {
            html: clean(html),
            is_flattened: false,
        },
        // Piece by piece, so that it costs neither the square of its length nor memory for all of it.
        Cow::Owned(flat) => Safe {
            html: flat_pieces(&flat).map(clean).collect(),
            is_flattened: true,
        },
    }
}

/// True for an `http` or `https` address.
pub(super) fn is_web(url: &str) -> bool {
    let scheme = url.trim().get(..8).unwrap_or(url).to_ascii_lowercase();
    scheme.starts_with("http://") || scheme.starts_with("https://")
}

/// Postgres's text cannot hold a NUL.
pub(super) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', ""))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_act_is_gone() {
        for (html, safe) in [
            ("<p onclick=\"x()\">a</p>", "<p>a</p>"),
            ("a<script>alert(1)</script>b", "ab"),
            ("<style>p{}</style><p style=\"color:red\">a</p>", "<p>a</p>"),
            (
                "<a href=\"javascript:x()\">a</a>",
                "<a rel=\"noopener noreferrer\">a</a>",
            ),
            ("<img src=\"data:image/png;base64,AA\" alt=\"x\">", "[x]"),
            (
                "<img src=\"cid:1\"><img src=\"HTTPS://x/y.png\" onerror=\"x\">",
                "[image]<img src=\"HTTPS://x/y.png\">",
            ),
            ("<html><head><title>t</title></head><body>b</body></html>", "b"),
            ("<iframe src=\"javascript:x()\"></iframe>a", "a"),
            ("<p>unclosed", "<p>unclosed</p>"),
        ] {
            assert_eq!(sanitise(html, Relative::Drop), safe, "{html}");
        }
    }

    #[test]
    fn relative_addresses_do_not_reach_the_site() {
        let html = "<a href=\"/logout\">x</a>";
        assert!(!sanitise(html, Relative::Drop).contains("logout"));
        assert!(sanitise(html, Relative::Keep).contains("/logout"));
    }

    proptest! {
        #[test]
        fn no_script_survives(html in "(<(/?)(script|p|img|a|svg|style|div|math|title)( (src|href|onerror)=[\"']?(javascript:|x)?[\"']?)?>|[a-z&;]{0,4}){0,20}") {
            let safe = sanitise(&html, Relative::Drop).to_lowercase();
            prop_assert!(!safe.contains("<script") && !safe.contains("javascript:") && !safe.contains("onerror"), "{}", safe);
        }
    }
}
