//! The frame of the pages.

use maud::{DOCTYPE, Markup, html};

use super::Places;

/// A whole page: `live` is what the script brings up to date while somebody writes in `forms`.
pub(super) fn page(lang: &str, title: &str, live: &Markup, forms: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang) {
            (head(title))
            body {
                main id="live" { (live) }
                (forms)
                script src="/browser.js" defer {}
            }
        }
    }
}

/// Both sides, and the way to the console.
pub(super) fn index(places: &Places) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head("deskie-cdc, by hand"))
            body class="sides" {
                header {
                    h1 { "deskie-cdc, by hand" }
                    p {
                        "Left: a web shop's own help page, on tables in its Postgres. Right: Deskie, simulated. Write on one side; "
                        "it appears on the other. "
                        @if let Some(console) = &places.console {
                            "What the connector says of it: " a href=(console) target="_blank" { "its console" }
                            @if let Some(token) = &places.console_token { ", to log in there: " code { (token) } }
                            "."
                        }
                    }
                }
                section {
                    h2 { "The site" }
                    iframe src="/site/1" title="The site, as a customer sees it" {}
                }
                section {
                    h2 { "Deskie" }
                    iframe src="/deskie" title="Deskie, as an agent sees it" {}
                }
            }
        }
    }
}

/// A text in which addresses can be clicked.
pub(super) fn linked(text: &str) -> Markup {
    html! {
        @for word in text.split_inclusive(char::is_whitespace) {
            @if word.starts_with("http://") || word.starts_with("https://") {
                @let address = word.trim_end();
                a href=(address) target="_blank" rel="noreferrer" { (address) } (&word[address.len()..])
            } @else { (word) }
        }
    }
}

/// A page that says what is wrong.
pub(super) fn fault(text: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head("Not done"))
            body { main { p class="fault" { (text) } p { a href="/" target="_top" { "Back to the beginning" } } } }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            title { (title) }
            link rel="stylesheet" href="/browser.css";
        }
    }
}
