//! Deskie's cases, as an agent sees them, and what people do there.

use base64::Engine;
use maud::{Markup, PreEscaped, html};

use super::page::page;
use super::{Fault, Sent, Shared};
use crate::simulator::{Action, Books, CaseRecord, MessageRecord, NewFile, People, Says};
use crate::simulator::{CaseId, StaffId};

/// The custom field that holds the site's ticket, in the sample's config.
const TICKET_FIELD: &str = "cf_25";

/// Why a case is Deskie's alone in the sample.
const NO_TICKET: &str = "Such a case begins in Deskie, and the sample's config has no [case]: it stays in Deskie, and the \
    site shows nothing of it. With a [case] it becomes a ticket of the site, too (docs/mapping.md).";

/// The newest cases.
const SHOWN: usize = 100;

/// All cases, the newest first, and a form for a mail to the support address.
pub(super) fn cases(books: &Books) -> Markup {
    let live = html! {
        h1 { "Cases" }
        @if books.cases.is_empty() { p { "None yet. Open a ticket on the site." } }
        ul class="list" {
            @for case in books.cases.iter().rev().take(SHOWN) {
                li {
                    a href={ "/deskie/" (case.case_id) } { (case.case_number) " " (case.subject) }
                    " " (badges(case))
                    " " small { (case.contact) (ticket(case)) }
                }
            }
        }
    };
    let forms = html! {
        form method="post" enctype="multipart/form-data" {
            h2 { "Somebody writes to the support address" }
            label { "From" input name="from" type="email" required value="kate@example.com"; }
            label { "Subject" input name="subject" required; }
            label { "Text" textarea name="text" rows="2" required {} }
            p { small { (NO_TICKET) } }
            button { "Send the mail" }
        }
    };
    page("en", "Cases", &live, &forms)
}

/// One case with all that was said, and what people can do.
pub(super) fn case(shared: &Shared, id: CaseId) -> Result<Markup, Fault> {
    let books = shared.people.books();
    let case = books.case(id).ok_or(Fault::NotFound)?;
    let live = html! {
        p { a href="/deskie" { "← All cases" } }
        h1 {
            (case.case_number) " " (case.subject) " " (badges(case))
        }
        p { small { (case.contact) (ticket(case)) ", " (case.channel) } }
        @if key(case).is_none() { p { small { (NO_TICKET) } } }
        @for message in case.messages.iter().filter(|message| !message.deleted) {
            (said(shared, &books, case, message))
        }
    };
    // Who chats has no address here.
    let by_mail = case.contact.contains('@');
    let into = books
        .cases
        .iter()
        .rev()
        .filter(|other| other.case_id != id && !other.deleted && other.parent_case_id == CaseId(0));
    let forms = html! {
        form method="post" enctype="multipart/form-data" {
            label { "Text" textarea name="text" rows="3" {} }
            label { "File" input type="file" name="file"; }
            @if by_mail { label { "From, where it is somebody else's mail" input name="from" type="email" placeholder=(case.contact); } }
            p class="acts" {
                button name="do" value="answer" { "Answer as the agent" }
                button name="do" value="note" { "Internal note" }
                @if by_mail { button name="do" value="mail" { "Customer answers by e-mail" } }
            }
        }
        form method="post" {
            p class="acts" {
                @for (word, name) in [("open", "Open"), ("waiting", "Waiting"), ("closed", "Close")] {
                    button name="do" value=(word) { (name) }
                }
                @if case.chat_active { button name="do" value="finish" { "Finish the chat" } }
                @if case.deleted { button name="do" value="restore" { "Restore" } }
                @else { button name="do" value="trash" { "Into the trash" } }
            }
            p class="acts" {
                label { "Merge into "
                    select name="into" {
                        @for other in into.take(SHOWN) {
                            option value=(other.case_id) { (other.case_number) " " (other.subject) }
                        }
                    }
                }
                button name="do" value="merge" { "Merge" }
            }
        }
    };
    Ok(page("en", &case.subject, &live, &forms))
}

fn said(shared: &Shared, books: &Books, case: &CaseRecord, message: &MessageRecord) -> Markup {
    let (side, name) = match (message.staff_id, message.note) {
        (StaffId(0), _) => {
            let user = books.users.iter().find(|user| user.user_id == message.user_id);
            let name = user.map_or("somebody", |user| match user.full_name.as_str() {
                "" => &user.contact,
                name => name,
            });
            let third = match message.user_id == case.user_id {
                true => "customer",
                false => "another person",
            };
            ("customer", format!("{name}, {third}"))
        }
        (staff, true) => ("note", format!("{}, internal note", shared.people.agent(staff))),
        (staff, false) => ("agent", format!("{}, agent", shared.people.agent(staff))),
    };
    let body = (shared.places.shown)(&message.text, &message.html);
    html! {
        article class=(side) {
            header { (name) }
            div class="text" { (PreEscaped(body)) }
            @for file in &message.attachments { p class="file" { "📎 " (file.file_name) } }
        }
    }
}

/// How the case stands, and whether somebody waits in a chat.
fn badges(case: &CaseRecord) -> Markup {
    html! {
        span class={ "status " (case.status) } { (standing(case)) }
        @if case.chat_active { " " span class="status chat" { "live chat" } }
    }
}

fn standing(case: &CaseRecord) -> &str {
    match () {
        () if case.parent_case_id != CaseId(0) => "merged",
        () if case.deleted => "in the trash",
        () => &case.status,
    }
}

/// Which ticket of the site it is.
fn ticket(case: &CaseRecord) -> String {
    key(case).map_or(", no ticket on the site".to_owned(), |key| {
        format!(", ticket {key}")
    })
}

fn key(case: &CaseRecord) -> Option<&str> {
    let key = case.custom_fields.get(TICKET_FIELD)?.as_str()?;
    (!key.is_empty()).then_some(key)
}

/// Somebody writes to the support address; the case that this makes.
pub(super) fn mail(people: &People, sent: &Sent) -> Result<CaseId, Fault> {
    let acted = people.act(Action::CreateCaseByMail {
        user_email: sent.said("from")?.to_owned(),
        user_full_name: String::new(),
        subject: sent.said("subject")?.to_owned(),
        says: Says::html(as_html(sent.said("text")?)),
    })?;
    acted.case_id.ok_or(Fault::NotFound)
}

/// What the form's button says is done; the case to show afterwards.
pub(super) fn work(people: &People, case: CaseId, sent: &Sent) -> Result<CaseId, Fault> {
    let what = sent.get("do");
    let action = match what {
        "answer" => Action::AgentReply {
            case,
            says: says(sent)?,
        },
        "note" => Action::Note {
            case,
            says: says(sent)?,
        },
        "mail" => Action::CustomerMailReply {
            case,
            says: says(sent)?,
            from: Some(sent.get("from").to_owned()).filter(|from| !from.is_empty()),
            quote: true,
        },
        "open" | "waiting" | "closed" => Action::SetStatus {
            case,
            status: what.to_owned(),
        },
        "finish" => Action::FinishChat { case },
        "trash" => Action::Trash { case },
        "restore" => Action::Restore { case },
        "merge" => {
            let into = sent.said("into")?.parse().map(CaseId);
            let into = into.map_err(|_| Fault::Refused("That is no case.".into()))?;
            people.act(Action::Merge { case, into })?;
            return Ok(into);
        }
        _ => return Err(Fault::Refused("There is no such thing to do.".into())),
    };
    people.act(action)?;
    Ok(case)
}

/// What was written, and the file.
fn says(sent: &Sent) -> Result<Says, Fault> {
    let file = sent.file();
    let text = match file {
        Some(_) => sent.get("text"),
        None => sent.said("text")?,
    };
    let attachments = file.map(|file| NewFile {
        name: file.name,
        mime: file.mime,
        base64: base64::engine::general_purpose::STANDARD.encode(file.content),
        text: String::new(),
    });
    Ok(Says {
        attachments: attachments.into_iter().collect(),
        ..Says::html(as_html(text))
    })
}

/// As Deskie's editor, and a mail program, would write it.
fn as_html(text: &str) -> String {
    let lines = text.lines().enumerate();
    html! { p { @for (n, line) in lines { @if n > 0 { br; } (line) } } }.into_string()
}
