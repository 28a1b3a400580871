//! The HTTP side: authorisation, the rate window, faults, and the answer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State as Extension};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use bytes::Bytes;
use serde_json::{Value, json};

use super::api::{self, Request as ApiRequest};
use super::books::Call;
use super::connection::Connection;
use super::fault::{Done, FaultKind};
use super::form::{self, Upload};
use super::spoil::spoil;
use super::state::{Refusal, State};
use super::{Shared, control};
use crate::clock;

/// Everything that comes to the API's port.
pub(super) async fn serve_api(
    Extension(shared): Extension<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let path = request.uri().path();
    if path.starts_with("/_control") {
        return if shared.control_apart {
            not_found()
        } else {
            control::serve(&shared, request).await
        };
    }
    if let Some(id) = path.strip_prefix("/user/attachments/") {
        return shared.with_quietly(|state| state.download(id, request.headers()));
    }
    // In a task of its own: a caller who goes away does not undo what he asked for.
    let answering = shared.spawn(answer(Arc::clone(&shared), request));
    match answering.await {
        Ok(Some(Some(response))) => response,
        _ => {
            connection.cut();
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

/// Everything that comes to a control port of its own.
pub(super) async fn serve_control(Extension(shared): Extension<Arc<Shared>>, request: Request) -> Response {
    control::serve(&shared, request).await
}

fn not_found() -> Response {
    let mut response = Response::new(Body::from(r#"{"error":"not_found"}"#));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// An answer: status, body, content type, and the value of `retry_after`.
struct Reply {
    status: u16,
    body: String,
    content_type: &'static str,
    retry_after: Option<u64>,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        Reply {
            status,
            body: body.to_string(),
            content_type: "application/json",
            retry_after: None,
        }
    }

    fn error(refusal: Refusal) -> Self {
        Reply::json(refusal.0, &json!({"error": refusal.1}))
    }

    fn page(title: &str) -> Self {
        let body =
            format!("<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>");
        Reply {
            status: 200,
            body,
            content_type: "text/html; charset=utf-8",
            retry_after: None,
        }
    }
}

/// What becomes of a call at the door.
enum Gate {
    Refuse(Reply),
    Pass(Option<FaultKind>),
    Cut,
}

/// Answers one call; `None` closes the connection instead.
async fn answer(shared: Arc<Shared>, request: Request) -> Option<Response> {
    let (head, body) = request.into_parts();
    let method = head.method.as_str().to_owned();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let segments = api::segments(&path);

    let (index, gate) = shared.with(|state| {
        let index = state.calls.len();
        let (gate, cost) = state.gate(&method, segments.as_deref(), &head.headers);
        let fault = match &gate {
            Gate::Pass(fault) => fault.as_ref().map(|fault| fault.name().to_owned()),
            Gate::Cut => Some("down".to_owned()),
            Gate::Refuse(_) => None,
        };
        state.calls.push(Call {
            at: state.now(),
            method: method.clone(),
            path: path.clone(),
            query: query.clone(),
            done: None,
            answered: None,
            over: false,
            cost,
            fault,
        });
        (index, gate)
    });

    let fault = match gate {
        Gate::Refuse(reply) => return shared.finish(index, Some(reply)),
        Gate::Cut | Gate::Pass(Some(FaultKind::CloseBefore)) => return shared.finish(index, None),
        Gate::Pass(Some(FaultKind::RejectBefore { status, body })) => {
            let reply = Reply {
                status,
                body,
                content_type: "application/json",
                retry_after: None,
            };
            return shared.finish(index, Some(reply));
        }
        Gate::Pass(Some(FaultKind::TooManyRequests { retry_after })) => {
            let reply = Reply {
                retry_after,
                ..Reply::error(Refusal(429, "too_many_requests"))
            };
            return shared.finish(index, Some(reply));
        }
        Gate::Pass(fault) => fault,
    };

    let body = axum::body::to_bytes(body, form::MAX_REQUEST + 1024 * 1024).await;
    let content_type = head
        .headers
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let perform = perform(
        &shared,
        index,
        &method,
        segments.as_deref(),
        &query,
        content_type,
        body.ok(),
    );
    let reply = match fault {
        None => Some(perform.await),
        Some(FaultKind::RespondSlowly { ms }) => {
            let reply = perform.await;
            pause(ms).await;
            Some(reply)
        }
        Some(FaultKind::Hang { ms, done }) => {
            match done {
                Done::Never => pause(ms).await,
                Done::Before => {
                    perform.await;
                    pause(ms).await;
                }
                Done::Late => {
                    pause(ms).await;
                    perform.await;
                }
            }
            None
        }
        Some(FaultKind::HtmlWith200 { done }) => {
            if done {
                perform.await;
            }
            Some(Reply::page("Maintenance"))
        }
        Some(FaultKind::Answer { status, body, done }) => {
            if done {
                perform.await;
            }
            let content_type = match body.starts_with('<') {
                true => "text/html; charset=utf-8",
                false => "application/json",
            };
            Some(Reply {
                body,
                content_type,
                ..Reply::json(status, &Value::Null)
            })
        }
        Some(FaultKind::Surround { before, after }) => {
            let reply = perform.await;
            Some(Reply {
                body: format!("{before}{}{after}", reply.body),
                ..reply
            })
        }
        Some(FaultKind::NotJson { done }) => {
            if done {
                perform.await;
            }
            Some(Reply {
                body: r#"{"case":{"case_id":"#.into(),
                ..Reply::json(200, &Value::Null)
            })
        }
        Some(_) => {
            perform.await;
            None
        }
    };
    let odd = shared.with_quietly(|state| {
        state
            .faults
            .spoilt(&method, segments.as_deref().unwrap_or_default())
    });
    let reply = reply.map(|reply| {
        odd.into_iter().fold(reply, |reply, (says, how)| {
            let (status, body) = spoil(reply.status, reply.body, &says, how);
            Reply {
                status,
                body,
                ..reply
            }
        })
    });
    shared.finish(index, reply)
}

async fn pause(ms: u64) {
    tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
}

/// Does the call, and delivers the webhooks that go before the answer.
async fn perform(
    shared: &Arc<Shared>,
    index: usize,
    method: &str,
    segments: Option<&[&str]>,
    query: &str,
    content_type: &str,
    body: Option<Bytes>,
) -> Reply {
    let outcome = match (segments, body) {
        (None, _) => Err(Refusal(404, "not_found")),
        (_, None) => Err(Refusal(413, "request_too_large")),
        (_, Some(body)) if body.len() > form::MAX_REQUEST => Err(Refusal(413, "request_too_large")),
        (Some(path), Some(body)) => match form::read_body(content_type, &body) {
            None => Err(Refusal(400, "bad_request")),
            Some(form) if form.files.iter().any(|file| file.bytes.len() > form::MAX_FILE) => {
                Err(Refusal(400, "attachment_too_large"))
            }
            Some(form) => {
                let linked = fetch_attachments(shared, &form.fields).await;
                let query = form::read_pairs(query.as_bytes());
                let request = ApiRequest {
                    method,
                    path,
                    query,
                    form,
                    linked,
                };
                shared.with(|state| api::dispatch(state, &request))
            }
        },
    };
    let reply = match outcome {
        Ok((status, mut body)) => {
            shared.with_quietly(|state| state.disguise(&mut body));
            Reply::json(status, &body)
        }
        Err(refusal) => Reply::error(refusal),
    };
    shared.with(|state| {
        if let Some(call) = state.calls.get_mut(index) {
            call.done = Some(reply.status);
        }
    });
    shared.send_all().await;
    reply
}

/// The `attachment_urls` of a body, downloaded where that is allowed; one that cannot be had is left out.
async fn fetch_attachments(shared: &Arc<Shared>, fields: &Value) -> Vec<(String, Option<Upload>)> {
    let allowed = shared.with_quietly(|state| state.options.fetch_loopback_attachments);
    let roots = fields.as_object().into_iter().flat_map(|root| root.values());
    let urls: Vec<String> = roots
        .flat_map(|root| form::Fields(root).texts("attachment_urls"))
        .collect();
    let mut found = Vec::new();
    for url in urls {
        let loopback = url::Url::parse(&url).is_ok_and(|url| {
            let host = url.host_str().unwrap_or_default();
            host == "localhost" || host == "127.0.0.1" || host == "[::1]"
        });
        if !(allowed && loopback) {
            found.push((url, None));
            continue;
        }
        let Ok(answer) = shared
            .http
            .get(&url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
        else {
            continue;
        };
        let mime = answer
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        let mime = mime.unwrap_or("application/octet-stream").to_owned();
        if let Ok(bytes) = answer.bytes().await {
            let name = url.rsplit('/').next().unwrap_or_default().to_owned();
            found.push((url, Some(Upload { name, mime, bytes })));
        }
    }
    found
}

impl Shared {
    /// Writes the call's end into the books and puts the answer's headers on.
    fn finish(&self, index: usize, reply: Option<Reply>) -> Option<Response> {
        self.with(|state| {
            if let Some(call) = state.calls.get_mut(index) {
                call.over = true;
                call.answered = reply.as_ref().map(|reply| reply.status);
            }
            let reply = reply?;
            if reply.status == 429 {
                state.refused += 1;
            }
            let mut builder = Response::builder()
                .status(reply.status)
                .header(
                    "date",
                    state.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
                )
                .header("content-type", reply.content_type);
            if state.options.rate_headers {
                let limit = state.options.requests_per_minute;
                builder = builder
                    .header("rate_limit_per_minute", limit)
                    .header("api_calls_left", limit.saturating_sub(state.window.used));
            }
            if let Some(seconds) = reply.retry_after {
                builder = builder.header("retry_after", seconds);
            }
            builder.body(Body::from(reply.body)).ok()
        })
    }
}

impl State {
    /// Down, unauthorised, over the limit, or through, perhaps into a fault. Yields the cost too.
    fn gate(&mut self, method: &str, path: Option<&[&str]>, headers: &HeaderMap) -> (Gate, u32) {
        if self.options.down {
            return (Gate::Cut, 0);
        }
        if let Err(refusal) = self.authorise(headers) {
            return (Gate::Refuse(Reply::error(refusal)), 0);
        }
        let cost = if method == "GET" { 1 } else { 2 };
        let window = self.options.window;
        let now = clock::monotonic();
        let age = now.duration_since(self.window.start);
        if age >= window {
            let whole = u32::try_from(age.as_nanos() / window.as_nanos().max(1)).unwrap_or(u32::MAX);
            self.window.start += window * whole;
            self.window.used = 0;
        }
        if self.window.used + cost > self.options.requests_per_minute {
            let left = window.saturating_sub(now.duration_since(self.window.start));
            let seconds = left.as_millis().div_ceil(1000).max(1);
            let retry_after = self
                .options
                .retry_after_header
                .then(|| u64::try_from(seconds).unwrap_or(60));
            return (
                Gate::Refuse(Reply {
                    retry_after,
                    ..Reply::error(Refusal(429, "too_many_requests"))
                }),
                0,
            );
        }
        self.window.used += cost;
        (
            Gate::Pass(self.faults.next(method, path.unwrap_or_default())),
            cost,
        )
    }

    fn authorise(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let credentials = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
            .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text.trim()).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((user, key)) = credentials.as_deref().and_then(|text| text.split_once(':')) else {
            return Err(Refusal(401, "unauthorized"));
        };
        if key != self.options.api_key || !self.options.key_valid {
            return Err(Refusal(401, "unauthorized"));
        }
        if user.eq_ignore_ascii_case(&self.options.staff_email) {
            return match self.options.staff_active {
                true => Ok(()),
                false => Err(Refusal(403, "staff_not_active")),
            };
        }
        match self
            .options
            .agents
            .iter()
            .find(|agent| agent.email.eq_ignore_ascii_case(user))
        {
            Some(agent) if !agent.active => Err(Refusal(403, "staff_not_active")),
            _ => Err(Refusal(403, "staff_has_not_access")),
        }
    }

    /// A stored file; without authorisation the login page, with status 200.
    fn download(&self, id: &str, headers: &HeaderMap) -> Response {
        let page = |title: &str, status: u16| {
            let page = Reply::page(title);
            let response = Response::builder()
                .status(status)
                .header("content-type", page.content_type);
            response.body(Body::from(page.body)).unwrap_or_default()
        };
        if self.authorise(headers).is_err() {
            return page("Log in", 200);
        }
        let file = id.parse::<i64>().ok().and_then(|id| self.attachments.get(&id));
        let Some(file) = file else {
            return page("Not found", 404);
        };
        let response = Response::builder().header("content-type", &file.mime);
        response.body(Body::from(file.bytes.clone())).unwrap_or_default()
    }
}
