//! The admin port's routes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRef, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use serde_json::json;

use super::guard::{Gate, Verdict, is_our_name};
use super::metrics;
use super::page::{self, Page};
use super::report::{BudgetReport, Items, Report};
use super::vital::{Role, Vital};
use crate::deskie::Meter;
use crate::model::TroubleKind;
use crate::model::clock::monotonic;
use crate::store::Store;

/// How long the database may take to answer a question of the admin port.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How long all that a page shows may take.
const READ_WITHIN: Duration = Duration::from_secs(8);

/// The largest form.
const MAX_FORM: usize = 64 << 10;

/// What the admin port shows and changes.
#[derive(Clone)]
pub struct Console {
    /// What the running parts say of themselves.
    pub vital: Arc<Vital>,
    /// Our state.
    pub store: Store,
    /// The API's budget; `None` shows none.
    pub meter: Option<Arc<Meter>>,
    /// The counters of the process; `None`: only the gauges are given.
    pub recorder: Option<PrometheusHandle>,
    /// The config's name of the slot, for a state that knows none yet.
    pub slot: Option<String>,
    /// The main publication.
    pub publication: String,
    /// `[alert] after`.
    pub alert_after: Duration,
    /// Needed to change things; `None`: nothing can be changed.
    pub admin_token: Option<SecretString>,
    /// Names with a dot under which the port is asked.
    pub admin_hosts: Vec<String>,
}

/// The routes of the admin port.
pub fn router(console: Console) -> Router {
    let hosts: Arc<[String]> = console.admin_hosts.clone().into();
    let no_cache = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Router::new()
        .route("/", get(show))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(scrape))
        .route("/status", get(status))
        .route("/failed/{id}/retry", post(retry))
        .route("/failed/{id}/discard", post(discard))
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(axum::middleware::map_response(move |mut response: Response| {
            let no_cache = no_cache.clone();
            async move {
                response
                    .headers_mut()
                    .extend(no_cache.into_iter().map(|(name, value)| (Some(name), value)));
                response
            }
        }))
        .layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            let hosts = Arc::clone(&hosts);
            async move { guarded(&hosts, request, next).await }
        }))
        .with_state(Served {
            console,
            gate: Arc::default(),
        })
}

/// The console, and what slows down who guesses its token.
#[derive(Clone)]
struct Served {
    console: Console,
    gate: Arc<Gate>,
}

impl FromRef<Served> for Console {
    fn from_ref(served: &Served) -> Console {
        served.console.clone()
    }
}

/// Answers only who asks for a name of ours; that the process lives anybody may know.
async fn guarded(hosts: &[String], request: Request, next: Next) -> Response {
    let named = request
        .headers()
        .get(header::HOST)
        .map(|host| host.to_str().unwrap_or_default());
    if request.uri().path() == "/health/live" || named.is_none_or(|host| is_our_name(host, hosts)) {
        return next.run(request).await;
    }
    let text = "the admin port is not asked under this name; if it is one of ours, put it into [server] admin_hosts\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

async fn live() -> &'static str {
    "alive\n"
}

impl Console {
    /// Why the database does not answer, if so. One slow answer shortly after a good one says nothing.
    async fn database(&self) -> Option<String> {
        match tokio::time::timeout(ANSWER_WITHIN, self.store.status_ping()).await {
            Ok(Ok(())) => {
                self.vital.saw_database();
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) if self.vital.database_is_fresh() => None,
            Err(_) => Some(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
        }
    }

    /// The kinds of what goes wrong now, as the table of troubles has it; `None`: it could not be read in time.
    async fn trouble_kinds(&self) -> Option<BTreeSet<TroubleKind>> {
        let reading = tokio::time::timeout(ANSWER_WITHIN, self.store.troubles()).await;
        let troubles = reading.ok()?.ok()?;
        Some(troubles.iter().map(|trouble| trouble.kind).collect())
    }

    /// `items`: which parked items are told.
    async fn report(&self, items: Items) -> Result<Report, String> {
        let slot = self.slot.as_deref();
        let reading = Report::read(&self.store, slot, &self.publication, self.alert_after, items);
        match tokio::time::timeout(READ_WITHIN, reading).await {
            Ok(Ok(report)) => {
                self.vital.saw_database();
                Ok(report)
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", READ_WITHIN.as_secs())),
        }
    }

    fn budget(&self) -> Option<BudgetReport> {
        self.meter.as_ref().map(|meter| meter.snapshot().into())
    }
}

/// 200 while it can take webhooks and its own part moves, else 503 with the reason. `status` asks here for what only a
/// running connector knows.
async fn ready(State(console): State<Console>) -> Response {
    let database = console.database().await;
    let reasons = console.vital.judge(database.as_deref());
    let vital = console.vital.snapshot();
    let troubles = match database {
        None => console.trouble_kinds().await,
        Some(_) => None,
    };
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": reasons.is_empty(),
        "role": vital.role,
        "reasons": reasons,
        "state": state_words(&vital),
        "database": database.unwrap_or_else(|| "reachable".to_owned()),
        "deskie": vital.deskie,
        "budget": console.budget(),
        "stream_connected": vital.stream_connected,
        "idle_seconds": vital.idle_seconds,
        "troubles": troubles,
        "last_error": vital.last_error,
    });
    (status, Json(body)).into_response()
}

/// The state in one sentence.
fn state_words(vital: &super::vital::Snapshot) -> String {
    use super::vital::DeskieState;
    match (vital.role, &vital.deskie) {
        (Role::Starting, _) => "starting".into(),
        (Role::Stopping, _) => "stopping".into(),
        (Role::Standby, _) => "standby: another instance leads; webhooks are taken here too".into(),
        (Role::Leader, _) if vital.held.is_some() => {
            "leader, held: nothing is sent or written until a person has decided".into()
        }
        (Role::Leader, DeskieState::KeyRevoked) => "leader, waits: Deskie refuses the API key".into(),
        (Role::Leader, DeskieState::Unreachable(why)) => format!("leader, waits for Deskie: {why}"),
        (Role::Leader, _) => "leader".into(),
    }
}

async fn scrape(State(console): State<Console>) -> Response {
    let report = console.report(Items::None).await;
    let reasons = console.vital.judge(report.as_ref().err().map(String::as_str));
    let mut text = String::new();
    if let Some(recorder) = &console.recorder {
        recorder.run_upkeep();
        text = recorder.render();
    }
    let budget = console.budget();
    let vital = console.vital.snapshot();
    text.push_str(&metrics::gauges(
        &vital,
        report.as_ref().ok(),
        budget.as_ref(),
        reasons.is_empty(),
    ));
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

/// All that the page shows, as JSON.
async fn status(State(console): State<Console>, Query(asked): Query<Asking>) -> Response {
    let report = console.report(asked.items()).await;
    let reasons = console.vital.judge(report.as_ref().err().map(String::as_str));
    let (report, error) = match report {
        Ok(report) => (Some(report), None),
        Err(error) => (None, Some(error)),
    };
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "running": console.vital.snapshot(),
        "budget": console.budget(),
        "report": report,
        "error": error,
    }))
    .into_response()
}

/// What an address asks for.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Asking {
    /// The page of parked items, from 1.
    page: String,
    /// What was just done: `retried` or `discarded`.
    done: String,
    /// To which item, or to how many.
    to: String,
}

impl Asking {
    fn page(&self) -> u32 {
        self.page.parse().unwrap_or(1).clamp(1, 1_000_000)
    }

    fn items(&self) -> Items {
        Items::Page(self.page())
    }

    /// What was just done, in our own words: an address that somebody else made can say nothing but that.
    fn notice(&self) -> Option<String> {
        let what = Done::of_code(&self.done)?;
        let digits = self
            .to
            .strip_prefix(|c: char| c.is_ascii_lowercase())
            .unwrap_or(&self.to);
        let is_plain = (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| format!("{} {}", self.to, what.words()))
    }
}

/// What can be done with a parked item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Retried,
    Discarded,
}

impl Done {
    fn code(self) -> &'static str {
        match self {
            Done::Retried => "retried",
            Done::Discarded => "discarded",
        }
    }

    fn of_code(code: &str) -> Option<Done> {
        [Done::Retried, Done::Discarded]
            .into_iter()
            .find(|done| done.code() == code)
    }

    fn words(self) -> &'static str {
        match self {
            Done::Retried => "is tried again",
            Done::Discarded => "was discarded",
        }
    }
}

async fn show(State(console): State<Console>, Query(asked): Query<Asking>) -> Response {
    let report = console.report(asked.items()).await;
    let reasons = console.vital.judge(report.as_ref().err().map(String::as_str));
    let vital = console.vital.snapshot();
    let page = Page {
        state: state_words(&vital),
        report,
        reasons,
        vital,
        budget: console.budget(),
        may_change: console.admin_token.is_some(),
        notice: asked.notice(),
        items_page: asked.page(),
    };
    // Nothing from elsewhere, no script, no frame around it, forms to here only.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(page::html(&page))).into_response()
}

/// What a form brings.
struct Asked {
    token: Option<String>,
    reason: Option<String>,
    /// A program asked, not a person with a browser.
    bearer: bool,
}

fn asked(headers: &HeaderMap, body: &[u8]) -> Asked {
    let field = |name: &str| {
        form_urlencoded::parse(body)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim().to_owned())
    };
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let bearer = authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned());
    Asked {
        bearer: bearer.is_some(),
        token: bearer.or_else(|| field("token")),
        reason: field("reason").filter(|reason| !reason.is_empty()),
    }
}

impl Served {
    /// The answer to who may not change things.
    fn refusal(&self, asked: &Asked) -> Option<Response> {
        let refuse = |status: StatusCode, why: &'static str| Some((status, why).into_response());
        let Some(right) = &self.console.admin_token else {
            return refuse(
                StatusCode::FORBIDDEN,
                "nothing can be changed here: [server] admin_token is not set\n",
            );
        };
        let Some(given) = &asked.token else {
            return refuse(StatusCode::UNAUTHORIZED, "the admin token is missing\n");
        };
        match self.gate.judge(right, given, monotonic()) {
            Verdict::Right => None,
            Verdict::Wrong => {
                tracing::warn!("a wrong admin token was given to the console");
                refuse(StatusCode::UNAUTHORIZED, "the admin token is wrong\n")
            }
            Verdict::TooSoon(wait) => {
                let seconds = wait.as_secs_f64().ceil().to_string();
                let text = "a wrong admin token was given just now: try again in some seconds\n";
                let later = (
                    StatusCode::TOO_MANY_REQUESTS,
                    [(header::RETRY_AFTER, seconds)],
                    text,
                );
                Some(later.into_response())
            }
        }
    }
}

fn changed(asked: &Asked, count: Result<u64, crate::store::StoreError>, id: &str, done: Done) -> Response {
    let to = match count {
        Ok(0) => {
            let text = format!("nothing parked has the id {id}; it may have been dealt with already\n");
            return (StatusCode::NOT_FOUND, text).into_response();
        }
        Ok(1) if id != "all" => id.to_owned(),
        Ok(count) => count.to_string(),
        Err(error) => {
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response();
        }
    };
    let text = format!("{to} {}", done.words());
    tracing::info!("in the console: {text}");
    match asked.bearer {
        true => Json(json!({ "done": text })).into_response(),
        false => {
            let query: String = form_urlencoded::Serializer::new(String::new())
                .append_pair("done", done.code())
                .append_pair("to", &to)
                .finish();
            Redirect::to(&format!("/?{query}")).into_response()
        }
    }
}

/// `POST /failed/{id}/retry`; the id `all` retries everything.
async fn retry(
    State(served): State<Served>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = asked(&headers, &body);
    if let Some(refused) = served.refusal(&asked) {
        return refused;
    }
    let store = &served.console.store;
    let one = Some(id.as_str()).filter(|id| *id != "all");
    let count = store.parked_retry(one).await;
    store.wake.events.notify_one();
    store.wake.lanes.notify_one();
    store.wake.ring_remotes();
    changed(&asked, count, &id, Done::Retried)
}

/// `POST /failed/{id}/discard`, with an optional `reason`.
async fn discard(
    State(served): State<Served>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = asked(&headers, &body);
    if let Some(refused) = served.refusal(&asked) {
        return refused;
    }
    let store = &served.console.store;
    let reason = asked.reason.as_deref().unwrap_or("discarded in the console");
    let count = store.parked_discard(&id, reason).await;
    store.wake.lanes.notify_one();
    store.wake.ring_remotes();
    changed(&asked, count, &id, Done::Discarded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_says_only_what_we_say() {
        let notice = |done: &str, to: &str| {
            let asking = Asking {
                done: done.into(),
                to: to.into(),
                ..Asking::default()
            };
            asking.notice()
        };
        assert_eq!(notice("retried", "d12").as_deref(), Some("d12 is tried again"));
        assert_eq!(notice("discarded", "3").as_deref(), Some("3 was discarded"));
        for (done, to) in [
            ("call 555 0100 to unlock", "d1"),
            ("retried", "call 555 0100"),
            ("retried", ""),
            ("retried", "ddd1"),
            ("", ""),
        ] {
            assert_eq!(notice(done, to), None, "{done} {to}");
        }
    }

    #[test]
    fn a_token_comes_as_a_field_or_in_the_header() {
        let mut headers = HeaderMap::new();
        let form = asked(&headers, b"reason=+&token=a%2Bb");
        assert_eq!(
            (form.token.as_deref(), form.reason.as_deref(), form.bearer),
            (Some("a+b"), None, false)
        );
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("bearer xyz"));
        let bearer = asked(&headers, b"reason=spam");
        assert_eq!(
            (bearer.token.as_deref(), bearer.reason.as_deref(), bearer.bearer),
            (Some("xyz"), Some("spam"), true)
        );
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic xyz"));
        assert_eq!(asked(&headers, b"").token, None);
    }
}
