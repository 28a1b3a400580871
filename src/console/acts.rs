//! What changes something in the console: items are retried and discarded, directions paused and resumed, by a form of a
//! session or by a program with the token.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, post};
use serde_json::json;

use super::guard::Verdict;
use super::pages::{cookie, field};
use super::routes::Served;
use super::session::{self, COOKIE};
use crate::model::clock;
use crate::store::{Done, ItemKind, ParkedId, Store, StoreError, Via, Way};

/// So many items are retried or discarded in one statement, and so long one click goes on with the next ones.
const AT_ONCE: usize = 1000;
const ONE_CLICK: Duration = Duration::from_secs(8);

/// Who changes something.
struct Actor {
    name: String,
    via: Via,
}

/// Who asks for a change: a program with the token as `Authorization: Bearer`, or a form of a session; else the answer to
/// who may not.
fn actor(served: &Served, headers: &HeaderMap, body: &[u8]) -> Result<Actor, Box<Response>> {
    let refuse = |status: StatusCode, why: &'static str| Err(Box::new((status, why).into_response()));
    let Some(right) = &served.console.admin_token else {
        return refuse(
            StatusCode::FORBIDDEN,
            "nothing can be changed here: [server] admin_token is not set\n",
        );
    };
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let bearer = authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if let Some((_, token)) = bearer {
        return match served.gate.judge(right, token.trim(), clock::monotonic()) {
            Verdict::Right => Ok(Actor {
                name: String::new(),
                via: Via::Program,
            }),
            Verdict::Wrong => {
                tracing::warn!("a wrong admin token was given to the console");
                refuse(StatusCode::UNAUTHORIZED, "the admin token is wrong\n")
            }
            Verdict::TooSoon(wait) => {
                let after = [(header::RETRY_AFTER, wait.as_secs_f64().ceil().to_string())];
                let text = "a wrong admin token was given just now: try again in some seconds\n";
                Err(Box::new(
                    (StatusCode::TOO_MANY_REQUESTS, after, text).into_response(),
                ))
            }
        };
    }
    let session =
        cookie(headers, COOKIE).and_then(|value| session::read(right, value, clock::now().as_second()));
    let Some(session) = session else {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "log in at /login, or send the admin token as `Authorization: Bearer`\n",
        );
    };
    match session.has_made(&field(body, "csrf").unwrap_or_default()) {
        true => Ok(Actor {
            name: session.name,
            via: Via::Console,
        }),
        false => refuse(
            StatusCode::FORBIDDEN,
            "this form is of another session: open the page again\n",
        ),
    }
}

/// An act that could not be noted is done all the same.
pub async fn note(served: &Served, by: (&str, Via), done: Done, target: &str, count: u64, reason: &str) {
    if let Err(error) = served
        .console
        .looks
        .audit()
        .add(by, done, target, count, reason)
        .await
    {
        tracing::warn!("who did what could not be noted: {error}");
    }
}

/// Tries an item again, or gives it up with an optional `reason`.
pub fn item(done: Done) -> MethodRouter<Served> {
    post(
        move |State(served): State<Served>, Path(id): Path<String>, headers: HeaderMap, body: Bytes| async move {
            change(&served, &id, (&headers, &body), done).await
        },
    )
}

/// Pauses a direction, or resumes it.
pub fn direction(done: Done) -> MethodRouter<Served> {
    post(
        move |State(served): State<Served>, Path(way): Path<String>, headers: HeaderMap, body: Bytes| async move {
            turn(&served, &way, (&headers, &body), done).await
        },
    )
}

/// Retries or discards one item, or all of a kind where the id is its letter alone; `all` retries everything.
async fn change(served: &Served, id: &str, (headers, body): (&HeaderMap, &[u8]), done: Done) -> Response {
    let actor = match actor(served, headers, body) {
        Ok(actor) => actor,
        Err(refused) => return *refused,
    };
    let reason = field(body, "reason").filter(|reason| !reason.is_empty());
    let reason: String = reason.unwrap_or_default().chars().take(500).collect();
    let store = &served.console.looks;
    let changed = apply(store, id, done, (&reason, &actor.name)).await;
    store.wake.events.notify_one();
    store.wake.lanes.notify_one();
    store.wake.ring_remotes();
    let (count, left) = match changed {
        Ok((0, _)) => {
            let text = format!("nothing parked has the id {id}; it may have been dealt with already\n");
            return (StatusCode::NOT_FOUND, text).into_response();
        }
        Ok(changed) => changed,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    };
    note(served, (&actor.name, actor.via), done, id, count, &reason).await;
    tracing::info!(by = %actor.name, count, "in the console: {} {id}", done.as_str());
    if actor.via == Via::Program {
        let text = match done {
            Done::Discard => format!("{id} was discarded"),
            _ => format!("{id} is tried again"),
        };
        return Json(json!({ "done": text, "count": count, "left": left })).into_response();
    }
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("done", done.as_str())
        .append_pair("to", id)
        .append_pair("count", &count.to_string())
        .append_pair("left", &left.to_string())
        .finish();
    Redirect::to(&format!("/failed?{query}")).into_response()
}

/// Pauses or resumes a direction; one that is so already stays so, which nobody needs to be told.
async fn turn(served: &Served, word: &str, (headers, body): (&HeaderMap, &[u8]), done: Done) -> Response {
    let actor = match actor(served, headers, body) {
        Ok(actor) => actor,
        Err(refused) => return *refused,
    };
    let Some(way) = Way::of_word(word) else {
        let text = format!("{word} is no direction: there are to_deskie and to_site\n");
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let store = &served.console.looks;
    let turned = match done {
        Done::Pause => store.pauses().set(way).await,
        _ => store.pauses().lift(way).await,
    };
    let is_news = match turned {
        Ok(is_news) => is_news,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    };
    store.wake.lanes.notify_one();
    store.wake.inbox.notify_one();
    store.wake.ring_remotes();
    if is_news {
        note(served, (&actor.name, actor.via), done, word, 1, "").await;
        tracing::warn!(by = %actor.name, "in the console: {} {word}", done.as_str());
    }
    if actor.via == Via::Program {
        return Json(json!({ "done": done.as_str(), "way": way, "news": is_news })).into_response();
    }
    Redirect::to(&format!("/?done={}&to={word}", done.as_str())).into_response()
}

/// How many were changed, and how many of the kind are left for another click.
async fn apply(
    store: &Store,
    id: &str,
    done: Done,
    (reason, by): (&str, &str),
) -> Result<(u64, usize), StoreError> {
    let reason = match (reason, done) {
        ("", Done::Discard) => "discarded in the console",
        ("", _) => "in the console",
        (reason, _) => reason,
    };
    // The stories of the tickets tell who, too.
    let told = match by {
        "" => reason.to_owned(),
        name => format!("{reason} ({name})"),
    };
    if (id, done) == ("all", Done::Retry) {
        return Ok((store.parked().retry(None, &told).await?, 0));
    }
    let (kind, numbers) = match (ItemKind::of_letter(id), ParkedId::of(id)) {
        (Some(kind), _) => (kind, store.parked().numbers(kind).await?),
        (None, Some(id)) => (id.kind, vec![id.number]),
        (None, None) => return Ok((0, 0)),
    };
    let (begun, mut count, mut left) = (clock::monotonic(), 0, numbers.len());
    for some in numbers.chunks(AT_ONCE) {
        count += match done {
            Done::Discard => store.parked().discard_of(kind, some, (reason, &told)).await?,
            _ => store.parked().retry_of(kind, some, &told).await?,
        };
        left -= some.len();
        if begun.elapsed() > ONE_CLICK {
            break;
        }
    }
    Ok((count, left))
}
