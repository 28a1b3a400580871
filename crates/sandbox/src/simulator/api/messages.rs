//! Messages and notes.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::super::books::Origin;
use super::super::form::Fields;
use super::super::options::API_STAFF;
use super::super::state::{Author, Message, NewMessage, Refusal, State};
use super::super::webhook::Event;
use super::cases::{is_active, read_created_at};
use super::{Answer, NO_CASE, Request, page_of, target, visible, writable};
use crate::simulator::{CaseId, MessageId, StaffId, UserId};

const NO_MESSAGE: Refusal = Refusal(400, "message_not_found");

/// Oldest first by default; without page and limit the last hundred.
pub(super) fn list(state: &mut State, request: &Request<'_>, id: CaseId) -> Answer {
    let case = state
        .cases
        .get(&target(state, id)?)
        .ok_or(Refusal(404, "case_not_found"))?;
    let shown = |message: &&Message| !message.deleted && visible(message.visible_at);
    let mut messages: Vec<_> = case.messages.iter().filter(shown).collect();
    messages.sort_by_key(|message| (message.created_at, message.id));
    let query = request.query();
    let total = messages.len();
    let unpaged = query.value("page").is_none() && query.value("limit").is_none();
    if unpaged {
        messages.drain(..total.saturating_sub(100));
    }
    if query
        .filled("order")
        .is_some_and(|order| order.eq_ignore_ascii_case("desc"))
    {
        messages.reverse();
    }
    let messages = if unpaged {
        messages
    } else {
        page_of(messages, request.page())
    };
    let items = messages
        .into_iter()
        .map(|message| state.message_json(message))
        .collect();
    Ok((200, state.list_json("message", total, items)))
}

/// By the customer with `user_id`, by an agent with `staff_id`, with neither by the API key's own agent.
pub(super) fn add(state: &mut State, request: &Request<'_>, id: CaseId) -> Answer {
    let fields = request.root("message")?;
    let id = writable(state, id)?;
    let given = |key: &str| fields.number(key).filter(|id| *id != 0);
    let author = match (given("user_id"), given("staff_id")) {
        (Some(user), _) if !state.users.contains_key(&UserId(user)) => {
            return Err(Refusal(400, "user_not_found"));
        }
        (Some(user), _) => Author::User(UserId(user)),
        (None, Some(staff)) if !is_active(state, StaffId(staff)) => {
            return Err(Refusal(400, "staff_not_active"));
        }
        (None, Some(staff)) => Author::Staff(StaffId(staff)),
        (None, None) => Author::Staff(API_STAFF),
    };
    let send_at = match fields.filled("send_at") {
        Some(text) => Some(
            state
                .options
                .read_time(&text)
                .ok_or(Refusal(400, "incorrect_send_at"))?,
        ),
        None => None,
    };
    let message = NewMessage {
        send_at,
        silent: fields.flag("do_not_send_email"),
        ..read(state, request, fields, author)?
    };
    let message_id = state.post(id, message);
    show(state, id, message_id, 201)
}

pub(super) fn add_note(state: &mut State, request: &Request<'_>, id: CaseId) -> Answer {
    let fields = request.root("note")?;
    let id = writable(state, id)?;
    let note = NewMessage {
        note: true,
        ..read(state, request, fields, Author::Staff(API_STAFF))?
    };
    let message_id = state.post(id, note);
    show(state, id, message_id, 201)
}

fn read(
    state: &mut State,
    request: &Request<'_>,
    fields: Fields<'_>,
    by: Author,
) -> Result<NewMessage, Refusal> {
    let (text, html) = (
        fields.text("content").unwrap_or_default(),
        fields.text("content_html").unwrap_or_default(),
    );
    let has_files = !request.form.files.is_empty() || !request.linked.is_empty();
    if text.is_empty() && html.is_empty() && !has_files {
        return Err(Refusal(400, "content_empty"));
    }
    let created_at = read_created_at(state, fields)?;
    let attachments = state.attach(&request.form.files, &request.linked);
    Ok(NewMessage {
        text,
        html,
        created_at,
        attachments,
        ..NewMessage::by(by, Origin::Api)
    })
}

fn show(state: &State, case: CaseId, id: MessageId, status: u16) -> Answer {
    let case = state.cases.get(&case).ok_or(NO_CASE)?;
    let message = case
        .messages
        .iter()
        .find(|message| message.id == id)
        .ok_or(NO_MESSAGE)?;
    Ok((status, state.message_json(message)))
}

pub(super) fn edit(
    state: &mut State,
    request: &Request<'_>,
    id: CaseId,
    message: MessageId,
    note: bool,
) -> Answer {
    let fields = request.root(if note { "note" } else { "message" })?;
    let id = writable(state, id)?;
    let (text, html) = (
        fields.text("content").unwrap_or_default(),
        fields.text("content_html").unwrap_or_default(),
    );
    state
        .edit_message(id, message, &text, &html, Some(note))
        .ok_or(NO_MESSAGE)?;
    show(state, id, message, 200)
}

pub(super) fn delete(state: &mut State, id: CaseId, message: MessageId, note: bool) -> Answer {
    let id = writable(state, id)?;
    state.delete_message(id, message, Some(note)).ok_or(NO_MESSAGE)?;
    Ok((200, json!([])))
}

impl State {
    /// The message, where it is there and a note or not as `note` says; the case counts as changed.
    fn touch_message(
        &mut self,
        case: CaseId,
        id: MessageId,
        note: Option<bool>,
    ) -> Option<(&mut Message, Timestamp)> {
        let now = self.now();
        let case = self.cases.get_mut(&case)?;
        let suits = |message: &&mut Message| {
            message.id == id && !message.deleted && note.is_none_or(|note| note == message.note)
        };
        let message = case.messages.iter_mut().find(suits)?;
        case.updated_at = now;
        Some((message, now))
    }

    /// Replaces a message's text.
    pub fn edit_message(
        &mut self,
        case: CaseId,
        id: MessageId,
        text: &str,
        html: &str,
        note: Option<bool>,
    ) -> Option<()> {
        let bodies = self.stored_bodies(text, html);
        let (message, _) = self.touch_message(case, id, note)?;
        (message.text, message.html) = bodies;
        self.emit(case, Event::Changed, None, Duration::ZERO);
        Some(())
    }

    /// Deletes a message.
    pub fn delete_message(&mut self, case: CaseId, id: MessageId, note: Option<bool>) -> Option<()> {
        self.touch_message(case, id, note)?.0.deleted = true;
        self.emit(case, Event::Changed, None, Duration::ZERO);
        Some(())
    }
}
