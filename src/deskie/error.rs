//! PURE: what an answer means, above all whether a write may have been done (rule 9).
//!
//! A call is *not in doubt* only where the request was never written (name, connection, TLS), or where the API
//! refused it (4xx, 429, an `error` code). Everything else after the first byte is: a time-out, a lost connection,
//! a 5xx, a 408, and a 2xx that is not the expected answer. For a read doubt has no consequence: it is asked again.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::json;

/// How much of a refusal's body is kept for the operator.
const EXCERPT_CHARS: usize = 300;

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
    /// The API refused; sending the same again would be refused again.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The `error` code, such as `case_not_found`.
        code: Option<String>,
        /// The start of the answer, 300 characters at most.
        body: String,
    },
    /// 401: the API key does not hold (`[C]` sabo).
    Unauthorized {
        /// The start of the answer, 300 characters at most.
        body: String,
    },
    /// 429 (`[D]` D-migr), or a 403 that speaks of a rate limit (`[W]`).
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

/// What the caller has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Not done: try again later.
    Retry,
    /// Not done, and never will be: a human decides.
    Refused,
    /// Not done: wait as long as the server says, or for the next minute.
    Throttled(Option<Duration>),
    /// Perhaps done: look before sending again.
    Doubt,
    /// Not done: no call will succeed before the key, or the employee whom it belongs to, is mended.
    KeyRevoked,
}

/// A call that did not yield its value. It carries no key and no message text.
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
}

impl CallError {
    /// What the caller has to do (rule 9).
    pub fn outcome(&self) -> Outcome {
        match &self.kind {
            ErrorKind::NotSent { .. } => Outcome::Retry,
            // A read names no employee but the key's own.
            ErrorKind::Refused { .. } if self.is_staff_inactive() && !self.write => Outcome::KeyRevoked,
            ErrorKind::Refused { .. } => Outcome::Refused,
            ErrorKind::Unauthorized { .. } => Outcome::KeyRevoked,
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
            ErrorKind::Refused { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// True where the case does not exist (any more): `case_not_found`, or a bare 404 (`[C]` edgar, vragov).
    pub fn is_case_not_found(&self) -> bool {
        match &self.kind {
            ErrorKind::Refused { code: Some(code), .. } => code == "case_not_found",
            ErrorKind::Refused {
                status, code: None, ..
            } => *status == 404,
            _ => false,
        }
    }

    /// True where an employee may not work: the one whom the call names, or the one whom the key belongs to (`[C]` vragov).
    pub fn is_staff_inactive(&self) -> bool {
        self.code() == Some("staff_not_active")
    }

    /// One line for the operator: what to do.
    pub fn remedy(&self) -> &'static str {
        match &self.kind {
            ErrorKind::NotSent { .. } => {
                "check `deskie.url`, and that this machine's DNS and firewall let it reach that host on its port"
            }
            ErrorKind::Unauthorized { .. } => {
                "make a new key in Deskie under Settings → API and put it into `deskie.api_key`; nothing is lost meanwhile"
            }
            ErrorKind::Throttled { .. } => {
                "nothing: the connector waits; if this goes on, another script uses up the account's limit"
            }
            ErrorKind::InDoubt { .. } | ErrorKind::Unreadable { .. } if self.write => {
                "nothing: the connector looks in Deskie whether it was done before it sends again"
            }
            ErrorKind::InDoubt { .. } | ErrorKind::Unreadable { .. } => "nothing: it is asked again",
            ErrorKind::Refused { status, code, .. } => code
                .as_deref()
                .and_then(remedy_of_code)
                .unwrap_or_else(|| remedy_of_status(*status)),
        }
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ErrorKind::NotSent { why } => write!(f, "Deskie could not be reached: {why}"),
            ErrorKind::Refused {
                status,
                code: Some(code),
                ..
            } => {
                write!(f, "Deskie refused with `{code}` (HTTP {status})")
            }
            ErrorKind::Refused {
                status,
                code: None,
                body,
            } if body.is_empty() => {
                write!(f, "Deskie refused with HTTP {status}")
            }
            ErrorKind::Refused {
                status,
                code: None,
                body,
            } => {
                write!(f, "Deskie refused with HTTP {status}: {body}")
            }
            ErrorKind::Unauthorized { .. } => write!(f, "Deskie does not accept the API key (HTTP 401)"),
            ErrorKind::Throttled {
                retry_after: Some(wait),
            } => {
                write!(f, "the account's API limit is used up for {} s", wait.as_secs())
            }
            ErrorKind::Throttled { retry_after: None } => write!(f, "the account's API limit is used up"),
            ErrorKind::InDoubt { why } | ErrorKind::Unreadable { why } => write!(f, "no usable answer: {why}"),
        }
    }
}

/// The codes that client code knows (`[C]` vragov, edgar).
fn remedy_of_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "case_not_found" => {
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
        301 | 307 | 308 => "`deskie.url` leads to another address: enter that one",
        403 => {
            "check `deskie.staff_email`, and that this employee has full access to the group and channel in Deskie"
        }
        404 | 405 => {
            "check the domain in `deskie.url`; if other calls work, the case or message is gone in Deskie"
        }
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
        json::Found { surrounded: true, .. } => Some(Oddity::Around),
        json::Found { mended: true, .. } => Some(Oddity::Value),
        _ => None,
    });
    let found = found.map(|found| found.value);
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
    let bytes = body.as_ref().ok().copied().unwrap_or_default();
    let code = found.as_ref().ok().and_then(error_code);
    match status {
        200..=299 => match (body, found) {
            (Err(why), _) => Err(ErrorKind::Unreadable {
                why: format!("HTTP {status}, but {why}"),
            }),
            (Ok(_), Ok(json)) => read(&json).map_err(|missing| match code {
                Some(code) => refused(status, Some(code), bytes),
                None => ErrorKind::Unreadable {
                    why: format!("HTTP {status}, but {missing}"),
                },
            }),
            (Ok(_), Err(json::Unread::Page)) => Err(ErrorKind::InDoubt {
                why: format!("HTTP {status} {}", json::Unread::Page.looks()),
            }),
            (Ok(_), Err(unread)) => Err(ErrorKind::Unreadable {
                why: format!("HTTP {status} {}", unread.looks()),
            }),
        },
        401 => Err(ErrorKind::Unauthorized { body: excerpt(bytes) }),
        429 => Err(ErrorKind::Throttled {
            retry_after: quota.retry_after,
        }),
        403 if speaks_of_a_rate_limit(bytes) => Err(ErrorKind::Throttled {
            retry_after: quota.retry_after,
        }),
        // moved for good: the API itself was not reached
        301 | 307 | 308 => Err(refused(status, code, bytes)),
        408 => Err(ErrorKind::InDoubt {
            why: "HTTP 408: the server gave up waiting".to_owned(),
        }),
        400..=499 => Err(refused(status, code, bytes)),
        500 => Err(ErrorKind::Unreadable {
            why: "HTTP 500".to_owned(),
        }),
        _ => Err(ErrorKind::InDoubt {
            why: format!("HTTP {status}"),
        }),
    }
}

fn refused(status: u16, code: Option<String>, bytes: &[u8]) -> ErrorKind {
    ErrorKind::Refused {
        status,
        code,
        body: excerpt(bytes),
    }
}

/// `{"error": "code"}` (`[C]` vragov, edgar); an object or list there is kept as its JSON.
fn error_code(json: &Value) -> Option<String> {
    let code = match json.get("error")? {
        Value::Null | Value::Bool(false) => return None,
        Value::String(code) => code.trim().to_owned(),
        other => other.to_string(),
    };
    let code: String = code.chars().filter(|c| !c.is_control()).take(100).collect();
    Some(code).filter(|code| !code.is_empty())
}

fn speaks_of_a_rate_limit(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes.get(..2_000).unwrap_or(bytes)).to_ascii_lowercase();
    text.contains("rate limit") || text.contains("rate_limit") || text.contains("too many requests")
}

/// The start of a body in one line, without control characters.
fn excerpt(bytes: &[u8]) -> String {
    let head = bytes.get(..4 * EXCERPT_CHARS).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let line = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    let mut excerpt = String::new();
    for word in line {
        if !excerpt.is_empty() {
            excerpt.push(' ');
        }
        excerpt.push_str(word);
    }
    excerpt.chars().take(EXCERPT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judged(status: u16, body: &[u8]) -> Result<i64, ErrorKind> {
        judge(
            RawAnswer {
                status,
                body: Ok(body),
                quota: Quota::default(),
            },
            "case",
            |json| {
                json.get("case")
                    .and_then(|case| case.get("case_id"))
                    .and_then(Value::as_i64)
                    .ok_or("no `case`".into())
            },
        )
        .result
    }

    fn outcome(write: bool, kind: ErrorKind) -> Outcome {
        let call = "POST cases.json".to_owned();
        let took = Duration::ZERO;
        CallError {
            call,
            write,
            kind,
            quota: Quota::default(),
            date: None,
            took,
        }
        .outcome()
    }

    #[test]
    fn a_root_key_makes_a_success_even_beside_an_error() {
        assert_eq!(judged(200, br#"{"case":{"case_id":7}}"#), Ok(7));
        assert_eq!(judged(201, br#"{"error":"mail","case":{"case_id":7}}"#), Ok(7));
    }

    #[test]
    fn an_error_key_on_200_is_a_refusal() {
        let error = judged(200, br#"{"error":"wrong_email"}"#);
        assert!(
            matches!(&error, Err(ErrorKind::Refused { status: 200, code: Some(code), .. }) if code == "wrong_email")
        );
    }

    #[test]
    fn each_status_has_its_outcome() {
        for (status, body, write, read) in [
            (200, "<html>login</html>", Outcome::Doubt, Outcome::Retry),
            (200, "", Outcome::Doubt, Outcome::Retry),
            (201, r#"{"case":{"ca"#, Outcome::Doubt, Outcome::Retry),
            (200, "{}", Outcome::Doubt, Outcome::Retry),
            (302, "", Outcome::Doubt, Outcome::Retry),
            (301, "", Outcome::Refused, Outcome::Refused),
            (400, "", Outcome::Refused, Outcome::Refused),
            (401, "", Outcome::KeyRevoked, Outcome::KeyRevoked),
            (403, "no access", Outcome::Refused, Outcome::Refused),
            (
                403,
                "rate limit exceeded",
                Outcome::Throttled(None),
                Outcome::Throttled(None),
            ),
            (
                404,
                r#"{"error":"case_not_found"}"#,
                Outcome::Refused,
                Outcome::Refused,
            ),
            (408, "", Outcome::Doubt, Outcome::Retry),
            (409, "", Outcome::Refused, Outcome::Refused),
            (
                403,
                r#"{"error":"staff_not_active"}"#,
                Outcome::Refused,
                Outcome::KeyRevoked,
            ),
            (413, "", Outcome::Refused, Outcome::Refused),
            (422, "", Outcome::Refused, Outcome::Refused),
            (429, "<html>", Outcome::Throttled(None), Outcome::Throttled(None)),
            (500, r#"{"error":"wrong_email"}"#, Outcome::Doubt, Outcome::Retry),
            (502, "", Outcome::Doubt, Outcome::Retry),
            (503, "", Outcome::Doubt, Outcome::Retry),
            (504, "", Outcome::Doubt, Outcome::Retry),
        ] {
            let kind = judged(status, body.as_bytes()).unwrap_err();
            assert_eq!(outcome(true, kind.clone()), write, "{status} {body} as a write");
            assert_eq!(outcome(false, kind), read, "{status} {body} as a read");
        }
    }

    #[test]
    fn a_refusal_keeps_a_short_single_line() {
        let body = format!("{{\"error\":\"x\",\n\"detail\":\"{}\"}}", "ж".repeat(5_000));
        match judged(400, body.as_bytes()) {
            Err(ErrorKind::Refused { body, .. }) => {
                assert!(body.chars().count() <= EXCERPT_CHARS && !body.contains('\n'));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_limit_is_read_whatever_the_spelling() {
        let headers = [
            ("Rate_Limit_Per_Minute", "50"),
            ("api-calls-left", "-1"),
            ("retry_after", "37"),
            ("content-type", "text/html"),
        ];
        let quota = Quota::from_headers(headers.into_iter());
        assert_eq!(quota.limit_per_minute, Some(50));
        assert_eq!(quota.calls_left, Some(-1));
        assert_eq!(quota.retry_after, Some(Duration::from_secs(37)));
        assert_eq!(
            Quota::from_headers([("retry_after", "soon")].into_iter()),
            Quota::default()
        );
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_judge_panic(status in 100u16..600, body in any::<Vec<u8>>()) {
            if let Err(kind) = judged(status, &body) {
                let _ = kind.to_string();
            }
        }

        #[test]
        fn no_header_makes_the_quota_panic(name in "(retry_after|api_calls_left|x)", value in ".*") {
            Quota::from_headers([(name.as_str(), value.as_str())].into_iter());
        }
    }
}
