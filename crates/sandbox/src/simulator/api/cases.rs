//! Cases: create, list, get, update, trash, spam, restore, delete.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::books::Origin;
use super::super::form::Fields;
use super::super::options::API_STAFF;
use super::super::state::{Author, Case, Change, NewMessage, Refusal, State};
use super::super::webhook::Event;
use super::filter::{field_matches, long_enough, text_matches};
use super::{Answer, NO_CASE, Request, page_of, target, visible, writable};
use crate::simulator::{CaseId, StaffId, UserId};

const STATUSES: [&str; 3] = ["open", "waiting", "closed"];
const PRIORITIES: [&str; 4] = ["low", "normal", "high", "critical"];

/// Answers without any message id, as the real one.
pub(super) fn create(state: &mut State, request: &Request<'_>) -> Answer {
    let fields = request.root("case")?;
    let (text, html) = (
        fields.text("content").unwrap_or_default(),
        fields.text("content_html").unwrap_or_default(),
    );
    let has_files = !request.form.files.is_empty() || !request.linked.is_empty();
    if text.is_empty() && html.is_empty() && !has_files {
        return Err(Refusal(400, "content_empty"));
    }
    let subject = fields.filled("subject").ok_or(Refusal(400, "subject_empty"))?;
    let patch = Patch::read(fields)?;
    let created_at = read_created_at(state, fields)?;
    if fields
        .number("staff_id")
        .is_some_and(|id| id != 0 && !is_active(state, StaffId(id)))
    {
        return Err(Refusal(400, "staff_not_active"));
    }
    let (user_id, channel) = customer(state, fields)?;

    let case_id = state.open_case(user_id, &subject, &channel, Origin::Api);
    let attachments = state.attach(&request.form.files, &request.linked);
    patch.apply(state, case_id, None);
    if let Some(case) = state.cases.get_mut(&case_id) {
        case.changelog.clear();
        case.recipient_cc = fields.text("recipient_cc").unwrap_or_default();
        if let Some(at) = created_at {
            case.created_at = at;
        }
    }
    let first = NewMessage {
        text,
        html,
        created_at,
        attachments,
        opens: true,
        ..NewMessage::by(Author::User(user_id), Origin::Api)
    };
    state.post(case_id, first);
    let case = state.cases.get(&case_id).ok_or(NO_CASE)?;
    Ok((201, state.case_json(case)))
}

pub(super) fn is_active(state: &State, id: StaffId) -> bool {
    state.agent(id).is_some_and(|agent| agent.active)
}

/// A `created_at` that cannot be read is refused; one that the account does not keep is forgotten.
pub(super) fn read_created_at(state: &State, fields: Fields<'_>) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = fields.filled("created_at") else {
        return Ok(None);
    };
    let at = state
        .options
        .read_time(&text)
        .ok_or(Refusal(400, "incorrect_created_at"))?;
    Ok(state.options.keep_created_at.then_some(at))
}

/// The case's customer by the contact that was given, and the channel.
fn customer(state: &mut State, fields: Fields<'_>) -> Result<(UserId, String), Refusal> {
    let name = fields.filled("user_full_name");
    let channel = fields.filled("channel").unwrap_or_default();
    if channel.starts_with("cch") {
        if state.channel(&channel).is_none() {
            return Err(Refusal(400, "channel_not_found"));
        }
        let custom_id = fields
            .filled("user_custom_id")
            .ok_or(Refusal(400, "user_custom_id_empty"))?;
        let user = state.user_for("custom", &custom_id, &channel, name);
        return Ok((user, channel));
    }
    if let Some(email) = fields.filled("user_email") {
        let (local, domain) = email.split_once('@').unwrap_or_default();
        if local.is_empty() || !domain.contains('.') || email.contains(char::is_whitespace) {
            return Err(Refusal(400, "incorrect_user_email"));
        }
        let channel = if channel.is_empty() {
            state.options.email_channel.clone()
        } else {
            channel
        };
        return Ok((state.user_for("email", &email, "", name), channel));
    }
    if let Some(phone) = fields.filled("user_phone") {
        return Ok((state.user_for("call", &phone, "", name), "call".into()));
    }
    if let Some(phone) = fields.filled("user_whatsapp_phone") {
        return Ok((state.user_for("whatsapp", &phone, "", name), "whatsapp".into()));
    }
    Err(Refusal(400, "user_contact_empty"))
}

/// A change of a case's fields.
#[derive(Debug, Clone, Default)]
pub(in crate::simulator) struct Patch {
    pub subject: Option<String>,
    pub status: Option<String>,
    pub priority: Option<String>,
    pub group_id: Option<i64>,
    pub staff_id: Option<i64>,
    pub language_id: Option<i64>,
    pub custom_fields: Map<String, Value>,
    pub add_labels: Vec<i64>,
    pub delete_labels: Vec<i64>,
}

impl Patch {
    fn read(fields: Fields<'_>) -> Result<Patch, Refusal> {
        let one_of = |key: &str, words: &[&str], code| match fields.filled(key) {
            Some(word) if !words.contains(&word.as_str()) => Err(Refusal(400, code)),
            word => Ok(word),
        };
        Ok(Patch {
            subject: fields.filled("subject"),
            status: one_of("status", &STATUSES, "incorrect_status")?,
            priority: one_of("priority", &PRIORITIES, "incorrect_priority")?,
            group_id: fields.number("group_id"),
            staff_id: fields.number("staff_id"),
            language_id: fields.number("language_id"),
            custom_fields: fields
                .value("custom_fields")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            add_labels: [fields.numbers("labels"), fields.numbers("add_labels")].concat(),
            delete_labels: fields.numbers("delete_labels"),
        })
    }

    /// Writes it into the case, with the changelog where `done_by` is given. Unknown labels and fields are dropped.
    pub(in crate::simulator) fn apply(self, state: &mut State, id: CaseId, done_by: Option<&str>) {
        let now = state.now();
        if let Some(status) = &self.status {
            state.set_status(id, status, done_by.unwrap_or("staff_330"));
        }
        let known = |name: &str| {
            let id = name.strip_prefix("cf_").and_then(|id| id.parse::<i64>().ok());
            state
                .options
                .custom_fields
                .iter()
                .any(|field| Some(field.field_id) == id)
        };
        let fields: Map<_, _> = self
            .custom_fields
            .into_iter()
            .filter(|(name, _)| known(name))
            .collect();
        let add: Vec<_> = self
            .add_labels
            .into_iter()
            .filter(|id| state.labels.contains_key(id))
            .collect();
        let Some(case) = state.cases.get_mut(&id) else {
            return;
        };
        let mut log = |event: &str, old: String, new: String| {
            if let Some(done_by) = done_by
                && old != new
            {
                let (event, done_by) = (event.to_owned(), done_by.to_owned());
                case.changelog.push(Change {
                    at: now,
                    event,
                    done_by,
                    old,
                    new,
                });
            }
        };
        if let Some(subject) = self.subject {
            log(
                "subject",
                std::mem::replace(&mut case.subject, subject.clone()),
                subject,
            );
        }
        if let Some(priority) = self.priority {
            log(
                "priority",
                std::mem::replace(&mut case.priority, priority.clone()),
                priority,
            );
        }
        if let Some(group) = self.group_id {
            log(
                "group",
                std::mem::replace(&mut case.group_id, group).to_string(),
                group.to_string(),
            );
        }
        if let Some(staff) = self.staff_id {
            log(
                "staff",
                std::mem::replace(&mut case.staff_id, StaffId(staff)).to_string(),
                staff.to_string(),
            );
        }
        if let Some(language) = self.language_id {
            case.language_id = language;
        }
        for (name, value) in fields {
            let old = case
                .custom_fields
                .insert(name.clone(), value.clone())
                .unwrap_or(Value::Null);
            log(
                &name.replace("cf_", "custom_field_"),
                old.to_string(),
                value.to_string(),
            );
        }
        let before = format!("{:?}", case.labels);
        case.labels.retain(|label| !self.delete_labels.contains(label));
        for label in add {
            if !case.labels.contains(&label) {
                case.labels.push(label);
            }
        }
        log("labels", before, format!("{:?}", case.labels));
        case.updated_at = now;
    }
}

pub(super) fn get(state: &State, id: CaseId) -> Answer {
    let case = state
        .cases
        .get(&target(state, id)?)
        .ok_or(Refusal(404, "case_not_found"))?;
    Ok((200, state.case_json(case)))
}

pub(super) fn changelog(state: &State, id: CaseId) -> Answer {
    let case = state
        .cases
        .get(&target(state, id)?)
        .ok_or(Refusal(404, "case_not_found"))?;
    Ok((200, state.changelog_json(case)))
}

pub(super) fn update(state: &mut State, request: &Request<'_>, id: CaseId) -> Answer {
    let patch = Patch::read(request.root("case")?)?;
    let id = writable(state, id)?;
    patch.apply(state, id, Some(&format!("staff_{API_STAFF}")));
    state.emit(id, Event::Changed, None, Duration::ZERO);
    get(state, id)
}

/// Comma-joined ids are a bulk call, of ten at most, whose answer names those that went well.
pub(super) fn flag(state: &mut State, ids: &str, verb: &str) -> Answer {
    each(state, ids, |state, id| {
        let Some(case) = state.cases.get_mut(&id).filter(|case| !case.purged) else {
            return false;
        };
        match verb {
            "trash" => case.deleted = true,
            "spam" => case.spam = true,
            _ => (case.deleted, case.spam) = (false, false),
        }
        let now = state.now();
        if let Some(case) = state.cases.get_mut(&id) {
            case.updated_at = now;
        }
        state.emit(id, Event::Changed, None, Duration::ZERO);
        true
    })
}

pub(super) fn delete(state: &mut State, ids: &str) -> Answer {
    each(state, ids, |state, id| {
        match state.cases.get_mut(&id).filter(|case| !case.purged) {
            Some(case) => {
                case.purged = true;
                true
            }
            None => false,
        }
    })
}

fn each(state: &mut State, ids: &str, mut act: impl FnMut(&mut State, CaseId) -> bool) -> Answer {
    let ids: Vec<_> = ids
        .split(',')
        .filter_map(|id| id.parse().ok())
        .map(CaseId)
        .collect();
    if ids.is_empty() || ids.len() > 10 {
        return Err(NO_CASE);
    }
    let done: Vec<_> = ids.iter().copied().filter(|id| act(state, *id)).collect();
    match (ids.as_slice(), done.as_slice()) {
        ([_], []) => Err(NO_CASE),
        ([_], [id]) => match state.cases.get(id).filter(|case| !case.purged) {
            Some(case) => Ok((200, state.case_json(case))),
            None => Ok((200, json!({"case_success_id": [id]}))),
        },
        _ => Ok((200, json!({"case_success_id": done}))),
    }
}

pub(super) fn list(state: &mut State, request: &Request<'_>) -> Answer {
    let query = request.query();
    for key in ["user_email", "user_phone", "subject"] {
        if query.filled(key).is_some_and(|filter| !long_enough(&filter, 4)) {
            return Err(Refusal(400, "search_value_too_short"));
        }
    }
    let filter = Filter::read(state, query)?;
    let mut found: Vec<&Case> = state
        .cases
        .values()
        .filter(|case| filter.takes(state, case))
        .collect();
    sort(&mut found, query.filled("sort").as_deref());
    let total = found.len();
    let items = page_of(found, request.page())
        .into_iter()
        .map(|case| state.case_json(case))
        .collect();
    Ok((200, state.list_json("case", total, items)))
}

fn sort(cases: &mut [&Case], sort: Option<&str>) {
    let rank = |words: &[&str], word: &str| words.iter().position(|known| *known == word);
    let (key, down) = match sort.unwrap_or("updated_at_desc") {
        text if text.ends_with("_asc") => (text.trim_end_matches("_asc"), false),
        text => (text.trim_end_matches("_desc"), true),
    };
    cases.sort_by(|a, b| {
        let order = match key {
            "created_at" => a.created_at.cmp(&b.created_at),
            "response" => a.last_response_at.cmp(&b.last_response_at),
            "priority" => rank(&PRIORITIES, &a.priority).cmp(&rank(&PRIORITIES, &b.priority)),
            "status" => rank(&STATUSES, &a.status).cmp(&rank(&STATUSES, &b.status)),
            _ => a.updated_at.cmp(&b.updated_at),
        };
        let order = order.then(a.id.cmp(&b.id));
        if down { order.reverse() } else { order }
    });
}

/// The filters of a case list.
struct Filter {
    user_id: Vec<i64>,
    user_email: Option<String>,
    user_phone: Option<String>,
    user_custom_id: Option<String>,
    subject: Option<String>,
    channel: Option<String>,
    status: Vec<String>,
    priority: Vec<String>,
    staff_id: Vec<i64>,
    group_id: Vec<i64>,
    labels: Vec<i64>,
    fields: Vec<(String, String)>,
    times: [Option<Timestamp>; 4],
    merged: bool,
    chats: bool,
}

impl Filter {
    fn read(state: &State, query: Fields<'_>) -> Result<Filter, Refusal> {
        let time = |key: &str| match query.filled(key) {
            Some(text) => state
                .options
                .read_time(&text)
                .map(Some)
                .ok_or(Refusal(400, "incorrect_time")),
            None => Ok(None),
        };
        let fields = query.value("custom_fields").filter(|value| value.is_object());
        let names = fields.and_then(Value::as_object).into_iter().flat_map(Map::keys);
        Ok(Filter {
            user_id: query.numbers("user_id"),
            user_email: query.filled("user_email"),
            user_phone: query.filled("user_phone"),
            user_custom_id: query.filled("user_custom_id"),
            subject: query.filled("subject"),
            channel: query.filled("channel"),
            status: query.texts("status"),
            priority: query.texts("priority"),
            staff_id: query.numbers("staff_id"),
            group_id: query.numbers("group_id"),
            labels: query.numbers("labels"),
            fields: names
                .filter_map(|name| Some((name.clone(), Fields(fields?).filled(name)?)))
                .collect(),
            times: [
                time("from_time")?,
                time("to_time")?,
                time("from_updated_time")?,
                time("to_updated_time")?,
            ],
            merged: query.flag("show_merged_cases"),
            chats: query.flag("show_active_chats"),
        })
    }

    fn takes(&self, state: &State, case: &Case) -> bool {
        fn any<T: PartialEq>(wanted: &[T], value: &T) -> bool {
            wanted.is_empty() || wanted.contains(value)
        }
        let hidden = case.purged
            || !visible(case.visible_at)
            || (case.parent.0 != 0 && !self.merged)
            || (case.chat_active && !self.chats)
            || (state.options.lists_hide_trash && (case.deleted || case.spam));
        if hidden {
            return false;
        }
        let user = state.users.get(&case.user_id);
        let contact = |filter: &Option<String>, kinds: &[&str]| match filter {
            None => true,
            Some(filter) => {
                user.is_some_and(|user| kinds.contains(&user.kind) && text_matches(filter, &user.contact))
            }
        };
        let [from, to, from_updated, to_updated] = self.times;
        any(&self.user_id, &case.user_id.0)
            && contact(&self.user_email, &["email"])
            && contact(&self.user_phone, &["call", "whatsapp"])
            && contact(&self.user_custom_id, &["custom"])
            && self
                .subject
                .as_ref()
                .is_none_or(|filter| text_matches(filter, &case.subject))
            && self
                .channel
                .as_ref()
                .is_none_or(|channel| *channel == case.channel)
            && any(&self.status, &case.status)
            && any(&self.priority, &case.priority)
            && any(&self.staff_id, &case.staff_id.0)
            && any(&self.group_id, &case.group_id)
            && (self.labels.is_empty() || case.labels.iter().any(|label| self.labels.contains(label)))
            && self.fields.iter().all(|(name, filter)| {
                field_matches(&state.options, name, filter, case.custom_fields.get(name))
            })
            && from.is_none_or(|at| case.created_at >= at)
            && to.is_none_or(|at| case.created_at <= at)
            && from_updated.is_none_or(|at| case.updated_at >= at)
            && to_updated.is_none_or(|at| case.updated_at <= at)
    }
}
