//! Users: one a contact.

use serde_json::Value;

use super::super::form::Fields;
use super::super::state::{Refusal, State, User};
use super::filter::{long_enough, text_matches};
use super::{Answer, Request, page_of};
use crate::simulator::UserId;

const NO_USER: Refusal = Refusal(404, "user_not_found");

pub(super) fn list(state: &mut State, request: &Request<'_>) -> Answer {
    let query = request.query();
    let filters = ["user_email", "user_phone", "user_custom_id"].map(|key| query.filled(key));
    if filters.iter().flatten().any(|filter| !long_enough(filter, 3)) {
        return Err(Refusal(400, "search_value_too_short"));
    }
    let [email, phone, custom] = &filters;
    let channel = query.filled("user_custom_channel");
    let suits = |user: &&User| {
        let contact = |filter: &Option<String>, kinds: &[&str]| {
            filter
                .as_ref()
                .is_none_or(|filter| kinds.contains(&user.kind) && text_matches(filter, &user.contact))
        };
        contact(email, &["email"])
            && contact(phone, &["call", "whatsapp"])
            && contact(custom, &["custom"])
            && channel
                .as_ref()
                .is_none_or(|channel| *channel == user.custom_channel)
    };
    let found: Vec<&User> = state.users.values().filter(suits).collect();
    let total = found.len();
    let items = page_of(found, request.page())
        .into_iter()
        .map(|user| state.user_json(user))
        .collect();
    Ok((200, state.list_json("user", total, items)))
}

pub(super) fn create(state: &mut State, request: &Request<'_>) -> Answer {
    let fields = request.root("user")?;
    let (kind, contact, taken) = if let Some(email) = fields.filled("user_email") {
        if !email.contains('@') {
            return Err(Refusal(400, "wrong_email"));
        }
        ("email", email, "email_already_exist")
    } else if let Some(phone) = fields.filled("user_phone") {
        ("call", phone, "phone_already_exist")
    } else if let Some(phone) = fields.filled("user_whatsapp_phone") {
        ("whatsapp", phone, "phone_already_exist")
    } else {
        (
            "custom",
            fields
                .filled("user_custom_id")
                .ok_or(Refusal(400, "user_contact_empty"))?,
            "user_already_exist",
        )
    };
    let channel = fields
        .filled("user_custom_channel")
        .filter(|_| kind == "custom")
        .unwrap_or_default();
    if kind == "custom" && state.channel(&channel).is_none() {
        return Err(Refusal(400, "channel_not_found"));
    }
    let before = state.users.len();
    let id = state.user_for(kind, &contact, &channel, fields.filled("user_full_name"));
    if state.users.len() == before {
        return Err(Refusal(400, taken));
    }
    patch(state, id, fields);
    show(state, id, 201)
}

pub(super) fn get(state: &State, id: &str) -> Answer {
    show(state, id.parse().map(UserId).map_err(|_| NO_USER)?, 200)
}

pub(super) fn update(state: &mut State, request: &Request<'_>, id: &str) -> Answer {
    let fields = request.root("user")?;
    let id = id.parse().map(UserId).map_err(|_| NO_USER)?;
    patch(state, id, fields);
    show(state, id, 200)
}

fn show(state: &State, id: UserId, status: u16) -> Answer {
    let user = state.users.get(&id).ok_or(NO_USER)?;
    Ok((status, state.user_json(user)))
}

fn patch(state: &mut State, id: UserId, fields: Fields<'_>) {
    let now = state.now();
    let Some(user) = state.users.get_mut(&id) else {
        return;
    };
    let set = |key: &str, field: &mut String| {
        if let Some(text) = fields.text(key) {
            *field = text;
        }
    };
    set("user_full_name", &mut user.full_name);
    set("company_name", &mut user.company_name);
    set("company_position", &mut user.company_position);
    set("user_note", &mut user.note);
    user.language_id = fields.number("language_id").unwrap_or(user.language_id);
    if let Some(custom) = fields.value("custom_fields").and_then(Value::as_object) {
        user.custom_fields.extend(custom.clone());
    }
    user.updated_at = now;
}
