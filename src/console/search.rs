//! A ticket is looked for, and its story told as a time line; only for somebody who is logged in, since both name customers.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::page::{Page, Place, Viewer, time, time_of};
use super::pages::{answer, problem};
use super::routes::Served;
use super::view::{how_to_change, listed};
use super::words::{StoryWords, fill};
use crate::model::Section;
use crate::store::{Chapter, FoundTicket, InboxKind, Noted, Parked, StoreError, Ticket, Told};

/// So many tickets are listed.
const FOUND: i64 = 50;

/// So many lines of a story are shown, the newest, and so many of a ticket's items.
const LINES: i64 = 300;
const ITEMS: i64 = 20;

/// So many characters of a line's detail: a reason may be as long as a message.
const DETAIL: usize = 400;

/// What an address asks for.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Asking {
    /// What is looked for.
    q: String,
    /// A ticket's key.
    key: String,
}

/// The address of a ticket's story.
pub fn story_of(key: &str) -> String {
    address("/trace", "key", key)
}

fn address(path: &str, name: &str, value: &str) -> String {
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair(name, value)
        .finish();
    format!("{path}?{query}")
}

/// The form in each page's head.
pub fn form(viewer: &Viewer, asked: &str) -> Markup {
    let words = viewer.words();
    html! {
        @if viewer.session.is_some() {
            form.search role="search" action="/search" {
                input type="search" name="q" value=(asked) placeholder=(words.search) title=(words.search_hint) aria-label=(words.search_hint)
                    maxlength="1000" required;
            }
        }
    }
}

/// `GET /search?q=`: by the site's key, the case's number, or the customer's e-mail address. The only one that is found is
/// shown at once.
pub async fn search(
    State(served): State<Served>,
    Query(asked): Query<Asking>,
    headers: HeaderMap,
) -> Response {
    let text = asked.q.trim().replace('\0', "");
    let viewer = served.viewer(&headers, address("/search", "q", &text));
    let words = viewer.words();
    let may_see = viewer.session.is_some();
    let found = match may_see && !text.is_empty() {
        true => served.console.looks.tickets().search(&text, FOUND).await,
        false => Ok(Vec::new()),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return unanswered(&viewer, &error),
    };
    if let [only] = found.as_slice() {
        return Redirect::to(&story_of(&only.key)).into_response();
    }
    let body = html! {
        h1 { (words.search) }
        @if !may_see { (how_to_change(&viewer)) } @else if found.is_empty() { p { (words.nothing_found) } } @else {
            ul.items { @for ticket in &found { li { (found_ticket(&viewer, ticket)) } } }
        }
    };
    shown(&viewer, words.search, StatusCode::OK, &body)
}

fn found_ticket(viewer: &Viewer, ticket: &FoundTicket) -> Markup {
    let words = viewer.words();
    html! {
        a.item href=(story_of(&ticket.key)) {
            (words.ticket) " " b { (ticket.key) }
            @if let Some(number) = &ticket.case_number { " · Deskie " b { (number) } }
        }
        @if let Some(subject) = &ticket.subject { p dir="auto" { (subject) } }
        p.dim {
            @if let Some(email) = &ticket.email { (email) " · " }
            (words.since) " " (time(ticket.created_at))
            @if ticket.gone { " · " (words.deleted) }
        }
    }
}

/// `GET /trace?key=`: what `deskie-cdc trace` tells, as a time line, and what of it waits for a person.
pub async fn trace(
    State(served): State<Served>,
    Query(asked): Query<Asking>,
    headers: HeaderMap,
) -> Response {
    let key = asked.key.replace('\0', "");
    let viewer = served.viewer(&headers, story_of(&key));
    let words = viewer.words();
    if viewer.session.is_none() {
        let body = html! { h1 { (words.story) } (how_to_change(&viewer)) };
        return shown(&viewer, words.story, StatusCode::OK, &body);
    }
    let looks = &served.console.looks;
    let read = async {
        let tickets = looks.tickets().of_key(&key).await?;
        let parked = looks.parked().of_ticket(&key, ITEMS).await?;
        let story = looks.tickets().trace(&key, Some(LINES), false).await?;
        Ok::<_, StoreError>((tickets, parked, story))
    };
    match read.await {
        Ok((tickets, parked, story)) => match tickets.first() {
            Some(ticket) => {
                let body = told(&viewer, ticket, &parked, &story);
                shown(&viewer, words.story, StatusCode::OK, &body)
            }
            None => {
                let body = html! { h1 { (words.story) } p { (words.nothing_found) } };
                shown(&viewer, words.story, StatusCode::NOT_FOUND, &body)
            }
        },
        Err(error) => unanswered(&viewer, &error),
    }
}

fn told(viewer: &Viewer, ticket: &Ticket, parked: &[Parked], story: &[Told]) -> Markup {
    let words = viewer.words();
    let is_cut = i64::try_from(story.len()).is_ok_and(|lines| lines >= LINES);
    html! {
        h1 {
            (words.ticket) " " (ticket.key.as_str())
            @if let Some(number) = &ticket.case_number { " · Deskie " (number) }
        }
        @if ticket.gone { p.dim { (words.deleted) } }
        @if !parked.is_empty() {
            h2 { (words.items) }
            ul.items { @for item in parked { (listed(viewer, item)) } }
        }
        h2 { (words.story) }
        @if is_cut { p.dim { (fill(words.newest_lines, &[&LINES.to_string()])) } }
        ol.story {
            @for line in story {
                li class=(direction(line.kind)) {
                    p.dim { (time_of(&line.at)) }
                    p {
                        @match words.particulars {
                            Some(particulars) => (in_words(particulars, words.chapter, line)),
                            None => (as_told(words.chapter, line)),
                        }
                    }
                }
            }
        }
    }
}

/// A line in the story's own language.
fn as_told(chapter: fn(Chapter) -> &'static str, line: &Told) -> Markup {
    html! {
        @match line.kind {
            Chapter::Note => b { (line.what) },
            kind => b { (chapter(kind)) }
        }
        " " (in_english(&line.detail))
    }
}

/// A line in another language: by its codes. What is told of a cause stays as it was told.
fn in_words(words: &StoryWords, chapter: fn(Chapter) -> &'static str, line: &Told) -> Markup {
    let parts = &line.particulars;
    let key = parts.key.as_deref().unwrap_or_default();
    let of = parts.of.as_deref().unwrap_or_default();
    let stands = parts.stands.map_or("", words.stands);
    let section = Section::of_word(of).map_or("", words.section);
    let text = match line.kind {
        Chapter::Note => {
            let title = Noted::of_word(of).map(words.noted);
            return html! {
                @match title {
                    Some(title) => b { (title) },
                    None => b lang="en" { (line.what) },
                }
                " " (in_english(&line.detail))
            };
        }
        Chapter::Row => format!("{section} {key}: {stands}"),
        // What follows up on a message is no part of it.
        Chapter::Queued if !key.contains('/') => format!("{section}, {key}: {stands}"),
        Chapter::Queued => format!("{section}, {}: {stands}", fill(words.part, &[key])),
        Chapter::Webhook => {
            let kind = InboxKind::of_word(of).map_or("", words.webhook);
            let repeated = match key {
                "" => String::new(),
                times => format!(", {}", fill(words.repeated, &[times])),
            };
            format!("{kind}: {stands}{repeated}")
        }
        Chapter::Message => format!("{}: {stands}", fill(words.message, &[key])),
        Chapter::Written => {
            let row = parts.more.as_deref().unwrap_or_default();
            let became = fill(words.became, &[key, row]);
            return html! { b { (chapter(line.kind)) } " " span dir="auto" { (became) } };
        }
    };
    html! {
        b { (chapter(line.kind)) } " " span dir="auto" { (text) }
        @if let Some(more) = &parts.more { " " (in_english(more)) }
    }
}

fn in_english(text: &str) -> Markup {
    html! {
        span lang="en" dir="auto" {
            (text.chars().take(DETAIL).collect::<String>())
            @if text.chars().nth(DETAIL).is_some() { "…" }
        }
    }
}

/// Which way a line of the story goes.
fn direction(kind: Chapter) -> &'static str {
    match kind {
        Chapter::Row | Chapter::Queued => "out",
        Chapter::Webhook | Chapter::Message | Chapter::Written => "in",
        Chapter::Note => "note",
    }
}

fn unanswered(viewer: &Viewer, error: &StoreError) -> Response {
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        viewer,
        Place::Search,
        &error.to_string(),
    )
}

fn shown(viewer: &Viewer, title: &str, status: StatusCode, body: &Markup) -> Response {
    let page = Page {
        place: Place::Search,
        title,
        parked: None,
        is_live: false,
        notice: None,
    };
    answer(status, viewer, &page, body)
}
