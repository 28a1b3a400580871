//! The API's calls, one function each: state and request in, status and JSON out. No I/O.

mod cases;
mod filter;
mod lists;
mod messages;
mod users;

use serde_json::Value;

use super::form::{Fields, Form, Upload};
use super::options::Absorbed;
use super::state::{Refusal, State};
use crate::clock;
use crate::simulator::{CaseId, MessageId};

pub(super) use cases::Patch;

/// A call, read.
pub(super) struct Request<'a> {
    pub method: &'a str,
    /// `["cases", "1", "messages"]`
    pub path: &'a [&'a str],
    pub query: Value,
    pub form: Form,
    /// `attachment_urls`, with what was downloaded.
    pub linked: Vec<(String, Option<Upload>)>,
}

impl Request<'_> {
    fn root(&self, key: &str) -> Result<Fields<'_>, Refusal> {
        self.form.root(key).ok_or(Refusal(400, "bad_request"))
    }

    fn query(&self) -> Fields<'_> {
        Fields(&self.query)
    }

    /// Page and limit within their bounds: 1 to 500, 1 to 100.
    fn page(&self) -> (usize, usize) {
        let bounded = |key: &str, default: i64, most: i64| {
            usize::try_from(self.query().number(key).unwrap_or(default).clamp(1, most)).unwrap_or(1)
        };
        (bounded("page", 1, 500), bounded("limit", 100, 100))
    }
}

pub(super) type Answer = Result<(u16, Value), Refusal>;

const UNKNOWN: Refusal = Refusal(404, "not_found");
const NO_CASE: Refusal = Refusal(400, "case_not_found");

/// The parts of `/api/<…>.json`; none for any other path.
pub(super) fn segments(path: &str) -> Option<Vec<&str>> {
    let inner = path.strip_prefix("/api/")?.strip_suffix(".json")?;
    Some(inner.split('/').collect())
}

/// Finds the call's function.
pub(super) fn dispatch(state: &mut State, request: &Request<'_>) -> Answer {
    match (request.method, request.path) {
        ("POST", ["cases"]) => cases::create(state, request),
        ("GET", ["cases"]) => cases::list(state, request),
        ("GET", ["cases", id]) => cases::get(state, case_id(id)?),
        ("PUT", ["cases", id]) => cases::update(state, request, case_id(id)?),
        ("PUT", ["cases", ids, verb @ ("trash" | "spam" | "restore")]) => cases::flag(state, ids, verb),
        ("DELETE", ["cases", ids]) => cases::delete(state, ids),
        ("GET", ["cases", id, "changelog"]) => cases::changelog(state, case_id(id)?),
        ("GET", ["cases", id, "messages"]) => messages::list(state, request, case_id(id)?),
        ("POST", ["cases", id, "messages"]) => messages::add(state, request, case_id(id)?),
        ("POST", ["cases", id, "note"]) => messages::add_note(state, request, case_id(id)?),
        ("PUT", ["cases", id, kind @ ("messages" | "note"), message]) => messages::edit(
            state,
            request,
            case_id(id)?,
            message_id(message)?,
            *kind == "note",
        ),
        ("DELETE", ["cases", id, kind @ ("messages" | "note"), message]) => {
            messages::delete(state, case_id(id)?, message_id(message)?, *kind == "note")
        }
        ("GET", ["users"]) => users::list(state, request),
        ("POST", ["users"]) => users::create(state, request),
        ("GET", ["users", id]) => users::get(state, id),
        ("PUT", ["users", id]) => users::update(state, request, id),
        ("POST", ["labels"]) => lists::create_label(state, request),
        ("GET", [name]) => lists::get(state, request, name),
        _ => Err(UNKNOWN),
    }
}

/// A case number (`130-809267`) is no id: unknown.
fn case_id(text: &str) -> Result<CaseId, Refusal> {
    text.parse().map(CaseId).map_err(|_| NO_CASE)
}

fn message_id(text: &str) -> Result<MessageId, Refusal> {
    text.parse()
        .map(MessageId)
        .map_err(|_| Refusal(400, "message_not_found"))
}

/// The case that a call means: the parent of an absorbed one, where the account is so.
fn target(state: &State, id: CaseId) -> Result<CaseId, Refusal> {
    let case = state.find_case(id).ok_or(Refusal(404, "case_not_found"))?;
    if case.parent.0 != 0 && state.options.absorbed == Absorbed::Redirect {
        return Ok(case.parent);
    }
    Ok(id)
}

/// The case that a write may change: neither gone nor in the trash, nor in spam or absorbed where that is refused.
fn writable(state: &State, id: CaseId) -> Result<CaseId, Refusal> {
    let id = target(state, id).map_err(|_| NO_CASE)?;
    let case = state.cases.get(&id).ok_or(NO_CASE)?;
    let absorbed = case.parent.0 != 0 && state.options.absorbed == Absorbed::NotFound;
    let in_spam = case.spam && !state.options.spam_takes_messages;
    if case.deleted || in_spam || absorbed {
        Err(NO_CASE)
    } else {
        Ok(id)
    }
}

/// One page of what is to be shown.
fn page_of<T>(items: Vec<T>, (page, limit): (usize, usize)) -> Vec<T> {
    items.into_iter().skip((page - 1) * limit).take(limit).collect()
}

fn visible(at: std::time::Instant) -> bool {
    at <= clock::monotonic()
}
