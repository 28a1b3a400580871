//! The sample site's help page, as its own application shows it to a customer.

use maud::{Markup, html};
use tokio_postgres::Client;

use super::page::{linked, page};
use super::words::Words;
use super::{Fault, Sent};
use crate::sample_site::{self, Message, Ticket, User};

/// Whoever is logged in, and everybody whom one may be.
struct Visit {
    user: User,
    users: Vec<User>,
    words: &'static Words,
}

impl Visit {
    async fn of(client: &Client, user: i64) -> Result<Visit, Fault> {
        let users = sample_site::list_users(client).await?;
        let user = users.iter().find(|known| known.id == user).cloned();
        let user = user.ok_or(Fault::NotFound)?;
        let words = Words::of(&user.full_name);
        Ok(Visit { user, users, words })
    }

    /// The customer's ticket; another's is not there.
    async fn ticket(&self, client: &Client, ticket: i64) -> Result<Ticket, Fault> {
        let tickets = sample_site::list_tickets(client, self.user.id).await?;
        tickets
            .into_iter()
            .find(|known| known.id == ticket)
            .ok_or(Fault::NotFound)
    }

    /// Who is logged in; another one at a click.
    fn users(&self) -> Markup {
        html! {
            nav {
                @for user in &self.users {
                    @if user.id == self.user.id { b title=(user.email) { (user.full_name) } }
                    @else { a href={ "/site/" (user.id) } title=(user.email) { (user.full_name) } }
                    " "
                }
            }
        }
    }
}

/// A customer's tickets.
pub(super) async fn tickets(client: &Client, user: i64) -> Result<Markup, Fault> {
    let visit = Visit::of(client, user).await?;
    let tickets = sample_site::list_tickets(client, user).await?;
    let words = visit.words;
    let live = html! {
        (visit.users())
        h1 { (words.tickets) }
        @if tickets.is_empty() { p { (words.none) } }
        ul class="list" {
            @for ticket in &tickets {
                li {
                    a href={ "/site/" (user) "/" (ticket.id) } { "#" (ticket.id) " " (ticket.subject) }
                    " " span class={ "status " (ticket.status) } { (words.status(&ticket.status)) }
                    @if ticket.is_chat { " " span class="status chat" { (words.chat) } }
                    " " small { (ticket.replies) " ✉" }
                }
            }
        }
    };
    let forms = html! {
        form method="post" enctype="multipart/form-data" {
            h2 { (words.new) }
            label { (words.subject) input name="subject" required maxlength="200"; }
            label { (words.text) textarea name="text" rows="4" required {} }
            label { (words.file) input type="file" name="file"; }
            button { (words.send) }
        }
        form method="post" enctype="multipart/form-data" {
            h2 { (words.chat) }
            label { (words.text) input name="text" required autocomplete="off"; }
            button name="do" value="chat" { (words.begin_chat) }
        }
    };
    Ok(page(words.lang, words.tickets, &live, &forms))
}

/// One ticket, with all that was said.
pub(super) async fn ticket(client: &Client, user: i64, ticket: i64) -> Result<Markup, Fault> {
    let visit = Visit::of(client, user).await?;
    let ticket = visit.ticket(client, ticket).await?;
    let messages = sample_site::list_messages(client, ticket.id).await?;
    let files = sample_site::list_files(client, ticket.id).await?;
    let words = visit.words;
    let of = |message: Option<i64>| {
        let names = files.iter().filter(move |(of, _)| *of == message);
        html! { @for (_, name) in names { p class="file" { "📎 " (name) } } }
    };
    let said = |message: &Message| {
        let name = match (message.author.as_str(), &message.author_name) {
            ("agent", Some(name)) => format!("{name}, {}", words.support),
            ("agent", None) => words.support.to_owned(),
            // Somebody else has answered the mail.
            (_, Some(name)) if *name != visit.user.full_name => name.clone(),
            _ => words.you.to_owned(),
        };
        html! {
            article class=(message.author) {
                header { (name) }
                div class="text" { (linked(&message.body)) }
                (of(Some(message.id)))
            }
        }
    };
    let live = html! {
        (visit.users())
        p { a href={ "/site/" (user) } { "← " (words.back) } }
        h1 { "#" (ticket.id) " " (ticket.subject) " " span class={ "status " (ticket.status) } { (words.status(&ticket.status)) }
            @if ticket.is_chat { " " span class="status chat" { (words.chat) } }
        }
        article class="customer" {
            header { (words.you) }
            div class="text" { (ticket.body) }
            (of(None))
        }
        @for message in &messages { (said(message)) }
    };
    let forms = html! {
        form method="post" enctype="multipart/form-data" {
            // In a chat Enter sends.
            @if ticket.is_chat { label { (words.text) input name="text" required autocomplete="off" autofocus; } }
            @else { label { (words.text) textarea name="text" rows="3" required {} } }
            label { (words.file) input type="file" name="file"; }
            button { (words.send) }
        }
    };
    Ok(page(words.lang, &ticket.subject, &live, &forms))
}

/// The customer opens a ticket, or begins a chat; its key.
pub(super) async fn open(client: &mut Client, user: i64, sent: &Sent) -> Result<i64, Fault> {
    let visit = Visit::of(client, user).await?;
    if sent.get("do") == "chat" {
        let text = sent.said("text")?;
        return Ok(sample_site::open_chat(client, &visit.user.email, visit.words.chat, text).await?);
    }
    let (subject, text) = (sent.said("subject")?, sent.said("text")?);
    let file = sent.file();
    Ok(sample_site::post_ticket(client, &visit.user.email, subject, text, file.as_ref()).await?)
}

/// The customer writes on a ticket of his.
pub(super) async fn write(client: &mut Client, user: i64, ticket: i64, sent: &Sent) -> Result<(), Fault> {
    let visit = Visit::of(client, user).await?;
    let ticket = visit.ticket(client, ticket).await?;
    let text = sent.said("text")?;
    sample_site::post_reply(client, ticket.id, text, sent.file().as_ref()).await?;
    Ok(())
}
