//! The console's addresses: what a request asks for, and who may change what.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use maud::{Markup, html};

use super::acts::{self, note};
use super::chart::Course;
use super::guard::Verdict;
use super::item;
use super::live::{MadeAt, live};
use super::page::{ICON, Page, Place, SCRIPT, STYLE, Theme, Viewer, document};
use super::report::{Items, PARKED_PAGE};
use super::routes::Served;
use super::search;
use super::session::{self, COOKIE, SECONDS};
use super::view;
use super::words::{Language, fill};
use crate::model::clock;
use crate::store::{Done, ItemKind, ParkedId, StoreError, Via, Way};

/// How many past troubles and acts a page shows.
const PAST: i64 = 50;
const ACTS: i64 = 200;

/// Nothing from elsewhere, no frame around it, forms to here only.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The routes of the pages.
pub fn routes() -> Router<Served> {
    Router::new()
        .route("/", live(overview))
        .route("/failed", live(items))
        .route("/failed/{id}", get(item))
        .route("/failed/{id}/retry", acts::item(Done::Retry))
        .route("/failed/{id}/discard", acts::item(Done::Discard))
        .route("/pause/{way}", acts::direction(Done::Pause))
        .route("/resume/{way}", acts::direction(Done::Resume))
        .route("/search", get(search::search))
        .route("/trace", get(search::trace))
        .route("/troubles", live(troubles))
        .route("/log", get(log))
        .route("/login", get(log_in).post(log_in_with))
        .route("/logout", post(log_out))
        .route("/set", get(set))
        .route(
            "/style.css",
            get(async || asset("text/css; charset=utf-8", STYLE)),
        )
        .route(
            "/script.js",
            get(async || asset("text/javascript; charset=utf-8", SCRIPT)),
        )
        .route("/icon.svg", get(async || asset("image/svg+xml", ICON)))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "max-age=60"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

/// What an address asks for.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Asking {
    page: String,
    kind: String,
    course: String,
    /// What was just done (a word of [`Done`]), to what, to how many, and how many are left.
    done: String,
    to: String,
    count: String,
    left: String,
    lang: String,
    theme: String,
    back: String,
}

impl Asking {
    fn page(&self) -> u32 {
        self.page.parse().unwrap_or(1).clamp(1, 1_000_000)
    }

    fn kind(&self) -> Option<ItemKind> {
        ItemKind::of_letter(&self.kind)
    }

    /// What was just done, in our own words: an address that somebody else made can say nothing but that.
    fn notice(&self, viewer: &Viewer) -> Option<String> {
        let words = viewer.words();
        let done = Done::of_word(&self.done)?;
        let text = match done {
            Done::Retry => words.retried,
            Done::Discard => words.discarded,
            Done::Pause | Done::Resume => {
                let text = if done == Done::Pause {
                    words.paused
                } else {
                    words.resumed
                };
                return Way::of_word(&self.to).map(|way| fill(text, &[words.way(way)]));
            }
            Done::LogIn => return None,
        };
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        let what = match (ItemKind::of_letter(&self.to), ParkedId::of(&self.to)) {
            (Some(kind), _) => format!("{} ({})", (words.kind)(kind), number(&self.count)?),
            (None, Some(id)) => id.to_string(),
            (None, None) => return None,
        };
        let left = number(&self.left).map(|left| fill(words.left, &[&left.to_string()]));
        Some(
            [Some(fill(text, &[&what])), left]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "),
        )
    }
}

/// A cookie's value.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter();
    pairs
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

impl Served {
    /// Who asks, and how they like it; `here`: the page's own address.
    pub(super) fn viewer(&self, headers: &HeaderMap, here: String) -> Viewer {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let liked = cookie(headers, "lang").and_then(Language::of_code);
        let token = self.console.admin_token.as_ref();
        let session = token
            .zip(cookie(headers, COOKIE))
            .and_then(|(token, value)| session::read(token, value, clock::now().as_second()));
        Viewer {
            language: liked.unwrap_or_else(|| Language::of_header(text(header::ACCEPT_LANGUAGE))),
            theme: cookie(headers, "theme")
                .and_then(Theme::of_word)
                .unwrap_or_default(),
            session,
            here,
            can_log_in: token.is_some(),
        }
    }
}

/// A page, with the headers of each.
pub fn answer(status: StatusCode, viewer: &Viewer, page: &Page<'_>, body: &Markup) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::VARY, "Cookie, Accept-Language"),
    ];
    let now = clock::now();
    let document = document(viewer, page, now, body);
    (status, headers, Extension(MadeAt(now)), Html(document)).into_response()
}

/// A page whose reads failed, or that there is not.
pub fn problem(status: StatusCode, viewer: &Viewer, place: Place, text: &str) -> Response {
    let words = viewer.words();
    let title = if status == StatusCode::NOT_FOUND {
        words.items
    } else {
        words.database_away
    };
    let page = Page {
        place,
        title,
        parked: None,
        is_live: false,
        notice: None,
    };
    answer(
        status,
        viewer,
        &page,
        &html! { article.card.bad { h3 { (title) } p { (text) } } },
    )
}

async fn overview(State(served): State<Served>, Query(asked): Query<Asking>, headers: HeaderMap) -> Response {
    let console = &served.console;
    let course = if asked.course == "day" {
        Course::Day
    } else {
        Course::Hour
    };
    let here = if course == Course::Day {
        "/?course=day"
    } else {
        "/"
    };
    let viewer = served.viewer(&headers, here.to_owned());
    let report = console.report(Items::None).await;
    let samples = match report {
        Ok(_) => console
            .looks
            .samples()
            .newest(course.minutes(), course.step())
            .await
            .unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let reasons = console.vital.judge(report.as_ref().err().map(String::as_str));
    let (vital, budget) = (console.vital.snapshot(), console.budget());
    let body = view::overview(
        &viewer,
        &view::Overview {
            report: report.as_ref().map_err(String::as_str),
            reasons: &reasons,
            vital: &vital,
            budget: budget.as_ref(),
            samples: &samples,
            course,
            now: clock::now(),
        },
    );
    let page = Page {
        place: Place::Overview,
        title: viewer.words().overview,
        parked: report.as_ref().ok().map(|report| report.queues.parked),
        is_live: true,
        notice: asked.notice(&viewer),
    };
    answer(StatusCode::OK, &viewer, &page, &body)
}

async fn items(State(served): State<Served>, Query(asked): Query<Asking>, headers: HeaderMap) -> Response {
    let (kind, number) = (asked.kind(), asked.page());
    let here = match kind {
        Some(kind) => format!("/failed?kind={}&page={number}", kind.letter()),
        None => format!("/failed?page={number}"),
    };
    let viewer = served.viewer(&headers, here);
    let looks = &served.console.looks;
    let read = async {
        let counts = looks.parked().counts().await?;
        let items = looks
            .parked()
            .list(kind, (number - 1) * PARKED_PAGE, Some(PARKED_PAGE))
            .await?;
        Ok::<_, StoreError>((counts, items))
    };
    let (counts, items) = match read.await {
        Ok(read) => read,
        Err(error) => {
            return problem(
                StatusCode::SERVICE_UNAVAILABLE,
                &viewer,
                Place::Items,
                &error.to_string(),
            );
        }
    };
    let page = Page {
        place: Place::Items,
        title: viewer.words().items,
        parked: Some(counts.iter().map(|(_, count)| count).sum()),
        is_live: true,
        notice: asked.notice(&viewer),
    };
    answer(
        StatusCode::OK,
        &viewer,
        &page,
        &view::items(&viewer, &counts, kind, number, &items),
    )
}

async fn item(State(served): State<Served>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    // Only what is an id may stand in an address of ours.
    let id = ParkedId::of(&id);
    let here = id.map_or("/failed".to_owned(), |id| format!("/failed/{id}"));
    let viewer = served.viewer(&headers, here);
    let found = match id {
        Some(id) => served.console.looks.parked().get(id).await,
        None => Ok(None),
    };
    match found {
        Ok(Some(item)) => {
            let page = Page {
                place: Place::Items,
                title: &item.id.to_string(),
                parked: None,
                is_live: false,
                notice: None,
            };
            answer(StatusCode::OK, &viewer, &page, &item::item(&viewer, &item))
        }
        Ok(None) => problem(StatusCode::NOT_FOUND, &viewer, Place::Items, viewer.words().gone),
        Err(error) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            &viewer,
            Place::Items,
            &error.to_string(),
        ),
    }
}

async fn troubles(State(served): State<Served>, headers: HeaderMap) -> Response {
    let viewer = served.viewer(&headers, "/troubles".to_owned());
    let report = served.console.report(Items::None).await;
    let past = served.console.looks.troubles().past(PAST).await;
    match (report, past) {
        (Ok(report), Ok(past)) => {
            let page = Page {
                place: Place::Troubles,
                title: viewer.words().troubles,
                parked: Some(report.queues.parked),
                is_live: true,
                notice: None,
            };
            answer(
                StatusCode::OK,
                &viewer,
                &page,
                &view::troubles(&viewer, &report.troubles, &past, report.queues.parked),
            )
        }
        (Err(error), _) => problem(StatusCode::SERVICE_UNAVAILABLE, &viewer, Place::Troubles, &error),
        (_, Err(error)) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            &viewer,
            Place::Troubles,
            &error.to_string(),
        ),
    }
}

async fn log(State(served): State<Served>, headers: HeaderMap) -> Response {
    let viewer = served.viewer(&headers, "/log".to_owned());
    let lines = match viewer.session {
        Some(_) => served.console.looks.audit().newest(ACTS).await,
        None => Ok(Vec::new()),
    };
    match lines {
        Ok(lines) => {
            let page = Page {
                place: Place::Log,
                title: viewer.words().log,
                parked: None,
                is_live: false,
                notice: None,
            };
            answer(StatusCode::OK, &viewer, &page, &view::log(&viewer, &lines))
        }
        Err(error) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            &viewer,
            Place::Log,
            &error.to_string(),
        ),
    }
}

/// Keeps a language or a theme, and goes back to one of our own pages.
async fn set(Query(asked): Query<Asking>) -> Response {
    let kept =
        |name: &str, value: &str| format!("{name}={value}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly");
    let is_ours = asked.back.starts_with('/')
        && !asked.back.starts_with("//")
        && !asked.back.contains(['\\', '\r', '\n']);
    let back = if is_ours { asked.back.as_str() } else { "/" };
    let mut response = Redirect::to(back).into_response();
    let language = Language::of_code(&asked.lang).map(|language| kept("lang", language.code()));
    let theme = Theme::of_word(&asked.theme).map(|theme| kept("theme", theme.as_str()));
    for value in [language, theme]
        .into_iter()
        .flatten()
        .filter_map(|value| value.parse().ok())
    {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn log_in_page(viewer: &Viewer, status: StatusCode, fault: Option<&str>) -> Response {
    let page = Page {
        place: Place::LogIn,
        title: viewer.words().log_in,
        parked: None,
        is_live: false,
        notice: None,
    };
    answer(status, viewer, &page, &view::log_in(viewer, fault))
}

async fn log_in(State(served): State<Served>, headers: HeaderMap) -> Response {
    log_in_page(
        &served.viewer(&headers, "/login".to_owned()),
        StatusCode::OK,
        None,
    )
}

/// A field of a form.
pub fn field(body: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(body)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.trim().to_owned())
}

/// The form of the log-in: the token, once, for a cookie.
async fn log_in_with(State(served): State<Served>, headers: HeaderMap, body: Bytes) -> Response {
    let viewer = served.viewer(&headers, "/login".to_owned());
    let words = viewer.words();
    let Some(right) = &served.console.admin_token else {
        return log_in_page(&viewer, StatusCode::FORBIDDEN, None);
    };
    let token = field(&body, "token").unwrap_or_default();
    match served.gate.judge(right, &token, clock::monotonic()) {
        Verdict::Right => {}
        Verdict::Wrong => {
            tracing::warn!("a wrong admin token was given to the console");
            return log_in_page(&viewer, StatusCode::UNAUTHORIZED, Some(words.token_wrong));
        }
        Verdict::TooSoon(_) => {
            return log_in_page(&viewer, StatusCode::TOO_MANY_REQUESTS, Some(words.token_too_soon));
        }
    }
    let name = field(&body, "name").unwrap_or_default();
    let Some(value) = session::begin(right, &name, clock::now().as_second()) else {
        return log_in_page(&viewer, StatusCode::INTERNAL_SERVER_ERROR, None);
    };
    let who = session::read(right, &value, clock::now().as_second())
        .map_or_else(String::new, |session| session.name);
    note(&served, (&who, Via::Console), Done::LogIn, "", 1, "").await;
    // Behind a TLS front the cookie never leaves it in the clear.
    let is_secure = headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={SECONDS}; HttpOnly; SameSite=Strict{secure}");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

async fn log_out(State(served): State<Served>, headers: HeaderMap, body: Bytes) -> Response {
    let viewer = served.viewer(&headers, "/".to_owned());
    let csrf = field(&body, "csrf").unwrap_or_default();
    let is_theirs = viewer.session.is_some_and(|session| session.has_made(&csrf));
    let over = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    match is_theirs {
        true => ([(header::SET_COOKIE, over)], Redirect::to("/")).into_response(),
        false => Redirect::to("/").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer() -> Viewer {
        Viewer {
            language: Language::En,
            theme: Theme::Auto,
            session: None,
            here: "/".into(),
            can_log_in: true,
        }
    }

    #[test]
    fn a_notice_says_only_what_we_say() {
        let notice = |done: &str, to: &str, count: &str| {
            let asking = Asking {
                done: done.into(),
                to: to.into(),
                count: count.into(),
                ..Asking::default()
            };
            asking.notice(&viewer())
        };
        assert_eq!(notice("retry", "d12", "1").as_deref(), Some("d12: tried again."));
        assert_eq!(
            notice("discard", "r", "3").as_deref(),
            Some("Reply for the site (3): discarded.")
        );
        for (done, to, count) in [
            ("call 555 0100 to unlock", "d1", "1"),
            ("retry", "call 555 0100", "1"),
            ("retry", "", "1"),
            ("retry", "ddd1", "1"),
            ("discard", "r", "call 555 0100"),
            ("", "", ""),
        ] {
            assert_eq!(notice(done, to, count), None, "{done} {to} {count}");
        }
    }
}
