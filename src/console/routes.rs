//! The admin port's routes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRef, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::guard::{Gate, is_for_us};
use super::live::STREAMS;
use super::report::{BudgetReport, Items, Report};
use super::vital::{Role, Vital};
use super::{metrics, pages};
use crate::deskie::Meter;
use crate::model::TroubleKind;
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
    /// The same for what people look at, through few connections of its own: no page keeps a flow waiting.
    pub looks: Store,
    /// The API's budget; `None` shows none.
    pub meter: Option<Arc<Meter>>,
    /// The counters of the process; `None`: only the gauges are given.
    pub recorder: Option<PrometheusHandle>,
    /// The config's name of the slot, for a state that knows none yet.
    pub slot: Option<String>,
    /// The main publication.
    pub publication: String,
    pub alert_after: Duration,
    /// Needed to change things; `None`: nothing can be changed.
    pub admin_token: Option<SecretString>,
    /// Names with a dot under which the port is asked.
    pub admin_hosts: Vec<String>,
    /// When the process ends: nobody's look keeps it.
    pub stop: CancellationToken,
}

/// The routes of the admin port.
pub fn router(console: Console) -> Router {
    let hosts: Arc<[String]> = console.admin_hosts.clone().into();
    let no_cache = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(scrape))
        .route("/status", get(status))
        .merge(pages::routes())
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(axum::middleware::map_response(move |mut response: Response| {
            let no_cache = no_cache.clone();
            async move {
                if !response.headers().contains_key(header::CACHE_CONTROL) {
                    response
                        .headers_mut()
                        .extend(no_cache.into_iter().map(|(name, value)| (Some(name), value)));
                }
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
            streams: Arc::new(Semaphore::new(STREAMS)),
        })
}

/// The console, what slows down who guesses its token, and the room for those who look on.
#[derive(Clone)]
pub(super) struct Served {
    pub console: Console,
    pub gate: Arc<Gate>,
    pub streams: Arc<Semaphore>,
}

impl FromRef<Served> for Console {
    fn from_ref(served: &Served) -> Console {
        served.console.clone()
    }
}

/// Answers only who asks for a name of ours; that the process lives anybody may know.
async fn guarded(hosts: &[String], request: Request, next: Next) -> Response {
    if request.uri().path() == "/health/live" || is_for_us(request.headers(), request.uri(), hosts) {
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
        match tokio::time::timeout(ANSWER_WITHIN, self.store.ping()).await {
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
        let reading = tokio::time::timeout(ANSWER_WITHIN, self.store.troubles().lasting()).await;
        let troubles = reading.ok()?.ok()?;
        Some(troubles.iter().map(|trouble| trouble.kind).collect())
    }

    /// `items`: which parked items are told.
    pub(super) async fn report(&self, items: Items) -> Result<Report, String> {
        let slot = self.slot.as_deref();
        let reading = Report::read(&self.looks, slot, &self.publication, self.alert_after, items);
        match tokio::time::timeout(READ_WITHIN, reading).await {
            Ok(Ok(report)) => {
                self.vital.saw_database();
                Ok(report)
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", READ_WITHIN.as_secs())),
        }
    }

    pub(super) fn budget(&self) -> Option<BudgetReport> {
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
async fn status(State(console): State<Console>, Query(asked): Query<Asked>) -> Response {
    let report = console.report(Items::Page(asked.page.clamp(1, 1_000_000))).await;
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
#[derive(serde::Deserialize)]
#[serde(default)]
struct Asked {
    /// The page of parked items, from 1.
    page: u32,
}

impl Default for Asked {
    fn default() -> Asked {
        Asked { page: 1 }
    }
}
