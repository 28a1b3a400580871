//! The demo by hand: the sample site's help page and Deskie, side by side in a browser.
//!
//! `site`: what a customer sees and does; `deskie`: what an agent does; `page`: the frame of both. They act as the site's
//! own application and as people in Deskie do, and know of no connector. For a machine of one's own: nobody logs in.

mod deskie;
mod page;
mod site;
mod words;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::Markup;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::sample_site::File;
use super::simulator::People;
use super::simulator::form::{self, MAX_REQUEST};
use crate::simulator::CaseId;

/// Nothing from elsewhere, and only our own pages in our frames.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; \
    form-action 'self'; frame-ancestors 'self'; base-uri 'none'";

/// What the pages work with.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where the pages are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The sample site's database, as its owner: a libpq URL without TLS.
    pub site_url: String,
    /// The connector's console, if it is to be linked.
    pub console: Option<String>,
    /// What one logs in there with.
    pub console_token: Option<String>,
    /// A message of a case as a helpdesk shows it, of its text and its HTML: nothing in it runs.
    pub shown: fn(&str, &str) -> String,
}

/// The running pages; they end when this is dropped.
#[derive(Debug)]
pub struct Browser {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Browser {
    /// Binds and serves. An error names what could not be bound.
    pub async fn start(places: Places, people: People) -> std::io::Result<Browser> {
        let listener = TcpListener::bind(places.listen).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let service = router(Arc::new(Shared { places, people }));
        let ended = stop.clone();
        spawn(async move {
            let serving = axum::serve(listener, service).into_future();
            ended.run_until_cancelled(serving).await;
        });
        Ok(Browser {
            address,
            _stop: stop.drop_guard(),
        })
    }

    /// Whether [`Browser::url`] leads here: an address that means all of the machine's leads nowhere.
    pub fn is_reached_here(&self) -> bool {
        !self.address.ip().is_unspecified()
    }

    /// Where the pages are.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// Beside the demo, not under `run`: what is spawned ends with its listener or its connection.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox is no part of a connector's shutdown"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

#[derive(Debug)]
struct Shared {
    places: Places,
    people: People,
}

/// Why a page could not be shown.
enum Fault {
    NotFound,
    /// What was sent makes no sense.
    Refused(String),
    /// The site's database.
    Site(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Fault::Site(error)
    }
}

impl From<super::simulator::Error> for Fault {
    fn from(error: super::simulator::Error) -> Self {
        Fault::Refused(error.to_string())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Fault::NotFound => (StatusCode::NOT_FOUND, "There is no such page.".to_owned()),
            Fault::Refused(text) => (StatusCode::BAD_REQUEST, text),
            Fault::Site(error) => {
                let text = format!("The site's database does not do that: {error}");
                (StatusCode::BAD_GATEWAY, text)
            }
        };
        (status, shown(page::fault(&text))).into_response()
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let fixed = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route("/", get(index))
        .route(
            "/browser.css",
            fixed("text/css; charset=utf-8", include_str!("browser.css")),
        )
        .route(
            "/browser.js",
            fixed("text/javascript; charset=utf-8", include_str!("browser.js")),
        )
        .route("/site/{user}", get(tickets).post(open_ticket))
        .route("/site/{user}/{ticket}", get(ticket).post(write_on_ticket))
        .route("/deskie", get(cases).post(write_to_support))
        .route("/deskie/{case}", get(case).post(work_on_case))
        .fallback(|| async { Fault::NotFound })
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
        .layer(middleware::from_fn(at_the_door))
        .with_state(shared)
}

/// Another site's page may neither post here nor show these in a frame.
async fn at_the_door(request: Request, next: Next) -> Response {
    let from = request.headers().get("sec-fetch-site");
    if request.method() != axum::http::Method::GET && from.is_some_and(|from| from == "cross-site") {
        return Fault::Refused("This form was sent from another site.".into()).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        header::HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    response
}

/// What a form brought.
struct Sent(form::Form);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Sent, Response> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.to_owned();
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(IntoResponse::into_response)?;
        form::read_body(&kind, &body)
            .map(Sent)
            .ok_or_else(|| Fault::Refused("This is no form.".into()).into_response())
    }
}

impl Sent {
    /// A field without blanks around it; what is not there is empty.
    fn get(&self, name: &str) -> &str {
        self.0
            .fields
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .trim()
    }

    /// A field that must say something.
    fn said(&self, name: &str) -> Result<&str, Fault> {
        match self.get(name) {
            "" => Err(Fault::Refused(format!("Nothing was written ({name})."))),
            text => Ok(text),
        }
    }

    /// The file, if one was chosen.
    fn file(&self) -> Option<File> {
        let upload = self.0.files.iter().find(|file| !file.name.is_empty())?;
        Some(File {
            name: upload.name.clone(),
            mime: upload.mime.clone(),
            content: upload.bytes.to_vec(),
        })
    }
}

impl Shared {
    /// A connection of the site's own.
    async fn site(&self) -> Result<Client, Fault> {
        let (client, connection) = tokio_postgres::connect(&self.places.site_url, NoTls).await?;
        spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection of the sample site ended: {error}");
            }
        });
        Ok(client)
    }
}

type Shown = Result<Html<String>, Fault>;
type Done = Result<Redirect, Fault>;

fn shown(page: Markup) -> Html<String> {
    Html(page.into_string())
}

async fn index(State(shared): State<Arc<Shared>>) -> Shown {
    Ok(shown(page::index(&shared.places)))
}

async fn tickets(State(shared): State<Arc<Shared>>, Path(user): Path<i64>) -> Shown {
    site::tickets(&shared.site().await?, user).await.map(shown)
}

async fn ticket(State(shared): State<Arc<Shared>>, Path((user, ticket)): Path<(i64, i64)>) -> Shown {
    site::ticket(&shared.site().await?, user, ticket).await.map(shown)
}

async fn open_ticket(State(shared): State<Arc<Shared>>, Path(user): Path<i64>, sent: Sent) -> Done {
    let ticket = site::open(&mut shared.site().await?, user, &sent).await?;
    Ok(Redirect::to(&format!("/site/{user}/{ticket}")))
}

async fn write_on_ticket(
    State(shared): State<Arc<Shared>>,
    Path((user, ticket)): Path<(i64, i64)>,
    sent: Sent,
) -> Done {
    site::write(&mut shared.site().await?, user, ticket, &sent).await?;
    Ok(Redirect::to(&format!("/site/{user}/{ticket}")))
}

async fn cases(State(shared): State<Arc<Shared>>) -> Shown {
    Ok(shown(deskie::cases(&shared.people.books())))
}

async fn case(State(shared): State<Arc<Shared>>, Path(case): Path<i64>) -> Shown {
    deskie::case(&shared, CaseId(case)).map(shown)
}

async fn write_to_support(State(shared): State<Arc<Shared>>, sent: Sent) -> Done {
    let case = deskie::mail(&shared.people, &sent)?;
    Ok(Redirect::to(&format!("/deskie/{case}")))
}

async fn work_on_case(State(shared): State<Arc<Shared>>, Path(case): Path<i64>, sent: Sent) -> Done {
    let shown = deskie::work(&shared.people, CaseId(case), &sent)?;
    Ok(Redirect::to(&format!("/deskie/{shown}")))
}
