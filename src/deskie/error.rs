//! PURE: what an answer means: whose word it is, and whether a write may have been done (rules 9 and 20).
//!
//! [`rule`] is one table. Only the API's own word about this one item parks it: its JSON `error`, of a code that is known
//! to be about an item, or a 413. A case that is not found, and a code that nobody knows, are confirmed by a read first.
//! Whatever else comes, from the API or from something in front of it, is an outage: it ends by itself.
//!
//! A call is *not in doubt* only where the request was never written (name, connection, TLS), or where it was refused
//! (a 3xx that is no answer to a form, a 4xx, a known `error` code). Everything else after the first byte is: a time-out,
//! a lost connection, a 5xx, a 408, and a 2xx that is not the expected answer. For a read doubt has no consequence: it is
//! asked again.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::json;
use super::kept::Kept;
use crate::lanes::Outcome;
use crate::model::charset::fitted;

/// Codes that are about the one item that a call carries (`[C]` vragov, edgar; others of the same kind `[I]`).
const ITEM_CODES: [&str; 14] = [
    "incorrect_user_email",
    "wrong_email",
    "incorrect_user_phone",
    "wrong_phone",
    "email_already_exist",
    "phone_already_exist",
    "user_not_found",
    "message_not_found",
    "subject_empty",
    "content_empty",
    "attachment_too_large",
    "request_too_large",
    "incorrect_created_at",
    "incorrect_custom_fields",
];

/// Codes that are about the employee in whose name a call goes: one item's, or the key's own (`[C]` vragov).
const STAFF_CODES: [&str; 2] = ["staff_not_active", "staff_has_not_access"];

/// Codes that say what 429 says, whatever status they come with.
const RATE_CODES: [&str; 5] = [
    "too_many_requests",
    "rate_limit",
    "rate_limit_exceeded",
    "limit_exceeded",
    "api_limit_exceeded",
];

/// The case was deleted, merged or never there (`[C]` edgar, vragov).
const CASE_NOT_FOUND: &str = "case_not_found";

/// What stands for an `error` that is no code.
const UNNAMED: &str = "unnamed";

/// What the server says about its limit (`[D]` D-migr, D-limits): header names with underscores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// `rate_limit_per_minute`
    pub limit_per_minute: Option<u32>,
    /// `api_calls_left` in the current minute.
    pub calls_left: Option<i64>,
    /// `retry_after`: until the minute ends; only there when the limit was exceeded.
    pub retry_after: Option<Duration>,
}

impl Quota {
    /// Reads the limit from headers; `-` for `_` and any case are accepted, and an `x-` before the name.
    pub fn from_headers<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Quota {
        let mut quota = Quota::default();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase().replace('-', "_");
            let number = value
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite());
            match (name.strip_prefix("x_").unwrap_or(&name), number) {
                ("rate_limit_per_minute", Some(number)) if number >= 1.0 => {
                    quota.limit_per_minute = Some(number as u32);
                }
                ("api_calls_left", Some(number)) => quota.calls_left = Some(number as i64),
                ("retry_after", Some(number)) if number >= 0.0 => {
                    // a day bounds nonsense; the server itself counts a minute
                    quota.retry_after = Some(Duration::from_secs(number.min(86_400.0).ceil() as u64));
                }
                _ => {}
            }
        }
        quota
    }
}

/// Why a call did not yield its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request was never written: the name, the connection or TLS failed.
    NotSent {
        /// The chain of causes.
        why: String,
    },
    /// The API refused this item; sending the same again would be refused again.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The `error` code, such as `wrong_email`; absent with a 413, which needs none.
        code: Option<String>,
    },
    /// The API refused with a code that nobody knows: this item, or all.
    Unclear {
        /// The HTTP status.
        status: u16,
        code: String,
    },
    /// The case, or what else the address names, is not there; or a proxy knows no backend for it.
    Gone {
        /// The HTTP status.
        status: u16,
        /// `case_not_found`: the API says so itself.
        code: Option<String>,
    },
    /// 401: the API key does not hold (`[C]` sabo).
    Unauthorized,
    /// Not the API, or not its word about this item: nothing was done.
    Outage {
        /// The status, and what the answer looked like.
        why: String,
    },
    /// 429 (`[D]` D-migr), or a code that says the same.
    Throttled {
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The request may have been carried out.
    InDoubt {
        /// What was seen.
        why: String,
    },
    /// The API answered, but not what can be read: nothing, JSON that breaks off, a fault of its own. One odd entry makes
    /// it answer so for a whole page. A write may have been carried out.
    Unreadable {
        /// What was seen.
        why: String,
    },
}

/// A call that did not yield its value. What it prints carries no key and no message text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {kind}")]
pub struct CallError {
    /// The call: method and path, such as `POST cases/2000/messages.json`.
    pub call: String,
    /// True for a call that changes something.
    pub write: bool,
    /// What happened.
    pub kind: ErrorKind,
    /// The limit, as far as headers came.
    pub quota: Quota,
    /// The server's clock (`Date`).
    pub date: Option<Timestamp>,
    /// How long the call took.
    pub took: Duration,
    /// What was answered, where something was.
    pub answer: Option<Kept>,
}

impl CallError {
    /// What the caller has to do (rule 9).
    pub fn outcome(&self) -> Outcome {
        match &self.kind {
            ErrorKind::NotSent { .. } | ErrorKind::Outage { .. } | ErrorKind::Unclear { .. } => {
                Outcome::Retry
            }
            ErrorKind::Gone { code: Some(_), .. } => Outcome::Refused,
            ErrorKind::Gone { code: None, .. } => Outcome::Retry,
            // A read names no employee but the key's own.
            ErrorKind::Refused { .. } if self.is_staff_inactive() && !self.write => Outcome::KeyRevoked,
            ErrorKind::Refused { .. } => Outcome::Refused,
            ErrorKind::Unauthorized => Outcome::KeyRevoked,
            ErrorKind::Throttled { retry_after } => Outcome::Throttled(*retry_after),
            ErrorKind::InDoubt { .. } | ErrorKind::Unreadable { .. } if self.write => Outcome::Doubt,
            ErrorKind::InDoubt { .. } | ErrorKind::Unreadable { .. } => Outcome::Retry,
        }
    }

    /// True where the API answered a read with what nobody can read: a smaller page may show all but one entry of it.
    pub fn is_unreadable(&self) -> bool {
        !self.write && matches!(self.kind, ErrorKind::Unreadable { .. })
    }

    /// The API's `error` code, where it refused with one.
    pub fn code(&self) -> Option<&str> {
        match &self.kind {
            ErrorKind::Refused { code, .. } | ErrorKind::Gone { code, .. } => code.as_deref(),
            ErrorKind::Unclear { code, .. } => Some(code),
            _ => None,
        }
    }

    /// What was answered, as it is kept for a person.
    pub fn answered(&self) -> Option<&str> {
        self.answer.as_ref().map(Kept::as_str)
    }

    /// Whether the API's own word is that there is no such case.
    pub fn is_case_not_found(&self) -> bool {
        matches!(self.kind, ErrorKind::Gone { code: Some(_), .. })
    }

    /// True where the API says that the message that was to be changed is not in the case.
    pub fn is_message_not_found(&self) -> bool {
        self.code() == Some("message_not_found")
    }

    /// True where the case does not exist (any more), as far as this answer tells: a read of it confirms that.
    pub fn is_gone(&self) -> bool {
        matches!(self.kind, ErrorKind::Gone { .. })
    }

    /// True where the API refused with a code that nobody knows: a read tells whether it answers at all.
    pub fn is_unclear(&self) -> bool {
        matches!(self.kind, ErrorKind::Unclear { .. })
    }

    /// True where the API itself refuses what was asked, for a reason that is neither the key's nor that the case is gone.
    pub fn is_refusal(&self) -> bool {
        let refuses = matches!(self.kind, ErrorKind::Refused { .. } | ErrorKind::Unclear { .. });
        refuses && self.outcome() != Outcome::KeyRevoked
    }

    /// True where an employee may not work: the one whom the call names, or the one whom the key belongs to (`[C]` vragov).
    pub fn is_staff_inactive(&self) -> bool {
        self.code() == Some("staff_not_active")
    }

    /// True where an employee may not work, or not there.
    pub fn is_about_staff(&self) -> bool {
        self.code().is_some_and(|code| STAFF_CODES.contains(&code))
    }

    /// True where every call may be refused so, whatever it is about.
    pub fn may_be_of_all(&self) -> bool {
        self.is_unclear() || self.is_about_staff()
    }

    /// One line for the operator: what to do.
    pub fn remedy(&self) -> &'static str {
        match &self.kind {
            ErrorKind::NotSent { .. } => {
                "check `deskie.url`, and that this machine's DNS and firewall let it reach that host on its port"
            }
            ErrorKind::Unauthorized => {
                "make a new key in Deskie under Settings → API and put it into `deskie.api_key`; nothing is lost meanwhile"
            }
            ErrorKind::Throttled { .. } => {
                "nothing: the connector waits; if this goes on, another script uses up the account's limit"
            }
            ErrorKind::InDoubt { .. } | ErrorKind::Unreadable { .. } if self.write => {
                "nothing: the connector looks in Deskie whether it was done before it sends again"
            }
            ErrorKind::InDoubt { .. } | ErrorKind::Unreadable { .. } => "nothing: it is asked again",
            ErrorKind::Outage { .. } => {
                "nothing: it is tried again until Deskie answers; if this goes on, check `deskie.url`, the account's state in \
                 Deskie, `deskie.staff_email`, and what stands in front of it"
            }
            ErrorKind::Unclear { status, code } => {
                remedy_of_code(code).unwrap_or_else(|| remedy_of_status(*status))
            }
            ErrorKind::Refused { status, code } | ErrorKind::Gone { status, code } => code
                .as_deref()
                .and_then(remedy_of_code)
                .unwrap_or_else(|| remedy_of_status(*status)),
        }
    }
}

impl ErrorKind {
    /// True where it is nobody's word about this call: it ends by itself.
    pub fn is_outage(&self) -> bool {
        use ErrorKind::{InDoubt, NotSent, Outage, Unreadable};
        matches!(
            self,
            NotSent { .. } | InDoubt { .. } | Unreadable { .. } | Outage { .. }
        )
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ErrorKind::NotSent { why } => write!(f, "Deskie could not be reached: {why}"),
            ErrorKind::Refused {
                status,
                code: Some(code),
            }
            | ErrorKind::Gone {
                status,
                code: Some(code),
            }
            | ErrorKind::Unclear { status, code } => {
                write!(f, "Deskie refused with `{code}` (HTTP {status})")
            }
            ErrorKind::Refused { status, code: None } | ErrorKind::Gone { status, code: None } => {
                write!(f, "Deskie refused with HTTP {status}")
            }
            ErrorKind::Outage { why } => write!(f, "Deskie cannot be used: {why}"),
            ErrorKind::Unauthorized => write!(f, "Deskie does not accept the API key (HTTP 401)"),
            ErrorKind::Throttled {
                retry_after: Some(wait),
            } => {
                write!(f, "the account's API limit is used up for {} s", wait.as_secs())
            }
            ErrorKind::Throttled { retry_after: None } => write!(f, "the account's API limit is used up"),
            ErrorKind::InDoubt { why } | ErrorKind::Unreadable { why } => {
                write!(f, "no usable answer: {why}")
            }
        }
    }
}

/// The codes that client code knows (`[C]` vragov, edgar).
fn remedy_of_code(code: &str) -> Option<&'static str> {
    Some(match code {
        CASE_NOT_FOUND => {
            "the case was deleted or merged in Deskie: restore it there and retry, or discard this item"
        }
        "staff_has_not_access" => {
            "give the employee in `deskie.staff_email` full access to this group and channel in Deskie, then retry"
        }
        "staff_not_active" => {
            "activate the employee in Deskie (the one in `deskie.staff_email`, or the message's author), then retry"
        }
        "incorrect_user_email" | "wrong_email" => {
            "the customer's address is not one that Deskie takes: mend it on the site or in `[ticket] customer`, then retry"
        }
        "incorrect_user_phone" | "wrong_phone" => {
            "the customer's number is not one that Deskie takes: mend it on the site or in `[ticket] customer`, then retry"
        }
        "email_already_exist" | "phone_already_exist" => {
            "another customer in Deskie has this contact already: link the two profiles in Deskie, then retry"
        }
        "user_not_found" => {
            "the customer was deleted in Deskie: restore the profile there and retry, or discard this item"
        }
        _ => return None,
    })
}

fn remedy_of_status(status: u16) -> &'static str {
    match status {
        403 => {
            "check `deskie.staff_email`, and that this employee has full access to the group and channel in Deskie"
        }
        404 => "check the domain in `deskie.url`; if other calls work, the case or message is gone in Deskie",
        413 => {
            "the message or its files are too large for Deskie (25 MB a file, 50 MB a message): send a link instead"
        }
        _ => {
            "compare the refused values with Deskie's settings (fields, labels, group, channel), then retry or discard"
        }
    }
}

/// An HTTP answer as it was read.
#[derive(Debug)]
pub(crate) struct RawAnswer<'a> {
    pub status: u16,
    /// The body, or why it could not be read to its end.
    pub body: Result<&'a [u8], String>,
    pub quota: Quota,
}

/// What became of an answer.
pub(crate) struct Judged<T> {
    pub result: Result<T, ErrorKind>,
    /// Its JSON was not as JSON should be, and was read all the same.
    pub oddity: Option<Oddity>,
}

/// What was passed over to read an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// A character or a value that nobody can store.
    Value,
    /// Something that is not JSON, before or behind it.
    Around,
}

/// Sorts an answer into value and error. `root` is what its entities are wrapped in; `read` yields the value from JSON, or
/// says what it misses.
pub(crate) fn judge<T>(
    answer: RawAnswer<'_>,
    root: &str,
    read: impl FnOnce(&Value) -> Result<T, String>,
) -> Judged<T> {
    let RawAnswer { status, body, quota } = answer;
    let bytes = body.as_ref().ok().copied().unwrap_or_default();
    let found = json::read(bytes, |value| is_answer(value, root));
    let oddity = found.as_ref().ok().and_then(|found| match found {
        json::Parsed { surrounded: true, .. } => Some(Oddity::Around),
        json::Parsed { mended: true, .. } => Some(Oddity::Value),
        _ => None,
    });
    let found = found.map(|found| fitted(found.value));
    let result = ruling(status, body, found, quota, read);
    Judged { result, oddity }
}

/// Whether JSON that something stands around is an answer of the API.
fn is_answer(value: &Value, root: &str) -> bool {
    let wraps = |value: &Value| [root, "note"].iter().any(|root| value.get(root).is_some());
    let is_error = |value: &Value| value.get("error").is_some_and(Value::is_string);
    match value {
        Value::Object(object) => {
            let counts = object.contains_key("total_count");
            counts || wraps(value) || is_error(value) || object.values().any(wraps)
        }
        Value::Array(values) => values.iter().any(wraps),
        _ => false,
    }
}

fn ruling<T>(
    status: u16,
    body: Result<&[u8], String>,
    found: Result<Value, json::Unread>,
    quota: Quota,
    read: impl FnOnce(&Value) -> Result<T, String>,
) -> Result<T, ErrorKind> {
    let code = found.as_ref().ok().and_then(error_code);
    let is_success = (200..=299).contains(&status);
    // What the answer looked like; and whether it is an answer of the API's, though not one that can be read.
    let (looks, is_apis) = match (body, &found) {
        (Err(why), _) => (format!("but {why}"), true),
        (Ok(_), Ok(json)) if is_success => match read(json) {
            Ok(value) => return Ok(value),
            Err(missing) => match &code {
                Some(code) => (format!("with the error `{code}`"), true),
                None => (format!("but {missing}"), true),
            },
        },
        (Ok(_), Ok(_)) => match &code {
            Some(code) => (format!("with the error `{code}`"), true),
            None => ("with JSON that names no error".to_owned(), true),
        },
        (Ok(_), Err(unread)) => (unread.looks().to_owned(), *unread != json::Unread::Page),
    };
    let why = format!("HTTP {status} {looks}");
    Err(match rule(status, code.as_deref()) {
        Ruling::RateLimited => ErrorKind::Throttled {
            retry_after: quota.retry_after,
        },
        Ruling::Auth => ErrorKind::Unauthorized,
        Ruling::ItemRefused => ErrorKind::Refused { status, code },
        Ruling::Gone => ErrorKind::Gone {
            status,
            code: code.filter(|code| code == CASE_NOT_FOUND),
        },
        Ruling::Unclear => ErrorKind::Unclear {
            status,
            code: code.unwrap_or_else(|| UNNAMED.to_owned()),
        },
        Ruling::Outage => ErrorKind::Outage { why },
        Ruling::PerhapsDone if (is_success && is_apis && code.is_none()) || status == 500 => {
            ErrorKind::Unreadable { why }
        }
        Ruling::PerhapsDone => ErrorKind::InDoubt { why },
    })
}

/// What an answer that is not the expected one means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ruling {
    /// The API's own word about this one item.
    ItemRefused,
    /// What the address names is not there: a read confirms it.
    Gone,
    /// The API refuses, and nobody knows what: a read tells whether it is about this item.
    Unclear,
    /// Later.
    RateLimited,
    /// The key.
    Auth,
    /// Whoever it was, nothing was done: later.
    Outage,
    /// Later; a write may have been done.
    PerhapsDone,
}

/// The table (rules 9 and 20). A code counts only where the API's JSON names it.
fn rule(status: u16, code: Option<&str>) -> Ruling {
    let is_one_of = |codes: &[&str]| code.is_some_and(|code| codes.contains(&code));
    match status {
        429 => Ruling::RateLimited,
        401 => Ruling::Auth,
        // Its own fault, whatever it says of it.
        500.. => Ruling::PerhapsDone,
        _ if is_one_of(&RATE_CODES) => Ruling::RateLimited,
        413 => Ruling::ItemRefused,
        200..=499 if is_one_of(&ITEM_CODES) || is_one_of(&STAFF_CODES) => Ruling::ItemRefused,
        200..=499 if code == Some(CASE_NOT_FOUND) => Ruling::Gone,
        404 => Ruling::Gone,
        400 | 403 | 409 | 422 if code.is_some() => Ruling::Unclear,
        // An answer to a form that was taken, and a server that gave up waiting for the rest of it.
        ..=299 | 302 | 303 | 408 => Ruling::PerhapsDone,
        _ => Ruling::Outage,
    }
}

/// `{"error": "code"}` (`[C]` vragov, edgar). What is no code is none of its text either.
fn error_code(json: &Value) -> Option<String> {
    let code = match json.get("error")? {
        Value::Null | Value::Bool(false) => return None,
        Value::String(code) => code.trim(),
        _ => UNNAMED,
    };
    let is_code = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    match code {
        "" => None,
        code if code.len() <= 60 && code.chars().all(is_code) => Some(code.to_owned()),
        _ => Some(UNNAMED.to_owned()),
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
