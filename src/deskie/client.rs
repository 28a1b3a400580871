//! The HTTP client: one method a call, one answer a call, nothing retried here.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, DATE};
use reqwest::multipart::{Form, Part};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use url::Url;

use super::error::{CallError, ErrorKind, Judged, Oddity, Quota, RawAnswer, judge};
use super::request::{self, CaseQuery, CaseUpdate, Content, File, NewCase, NewMessage, NewNote, Order};
use super::wire::{self, Entity, List};
use super::{Case, CustomChannel, CustomField, Kept, Label, Message, Staff, User};
use crate::model::{CaseId, MessageId, UserId, clock};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A hundred messages of the largest size fit many times; more is a fault, and would only fill the memory.
const MAX_ANSWER: usize = 64 << 20;

/// A value and what came with it.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// What the server says about its limit.
    pub quota: Quota,
    /// The server's clock (`Date`).
    pub date: Option<Timestamp>,
    /// How long the call took.
    pub took: Duration,
}

impl<T> Answer<T> {
    /// The same answer with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            value: f(self.value),
            quota: self.quota,
            date: self.date,
            took: self.took,
        }
    }
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is not one that an API can have.
    #[error("`{0}` is not an http(s) address such as `https://destek.deskie.io`")]
    BadUrl(String),
    /// TLS or the runtime could not be set up.
    #[error("the HTTP client could not be set up")]
    Setup(#[source] reqwest::Error),
}

/// A connection to one Deskie account, in the name of one employee (`[D]` D-cases).
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Ends in `/api/`.
    root: Url,
    staff_email: String,
    api_key: SecretString,
    timeout: Duration,
    told: Arc<Told>,
}

/// Which oddities of its answers were told: each once, not with every answer.
#[derive(Default)]
struct Told {
    value: AtomicBool,
    around: AtomicBool,
}

impl Told {
    fn tell(&self, oddity: Oddity, call: &str) {
        let (told, what) = match oddity {
            Oddity::Value => (
                &self.value,
                "holds characters or values that cannot be stored; they are left out or replaced",
            ),
            Oddity::Around => (
                &self.around,
                "has something before or behind its JSON, such as a PHP notice; that is passed over",
            ),
        };
        if !told.swap(true, Ordering::Relaxed) {
            tracing::warn!("Deskie's answer to {call} {what}; this is told once");
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("root", &self.root.as_str())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the account at `base`, such as `https://destek.deskie.io`. `timeout` bounds each call as a whole.
    pub fn new(
        base: &Url,
        staff_email: &str,
        api_key: &SecretString,
        timeout: Duration,
    ) -> Result<Client, ClientError> {
        crate::postgres::install_tls_provider();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("deskie-cdc/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            // less than the total, so that a host that does not answer counts as not reached rather than as doubt
            .connect_timeout(CONNECT_TIMEOUT.min(timeout / 2))
            .timeout(timeout)
            // well below the idle time of usual servers: a request on a closing connection would be in doubt
            .pool_idle_timeout(Duration::from_secs(15));
        if is_loopback(base) {
            builder = builder.no_proxy();
        }
        Ok(Client {
            http: builder.build().map_err(ClientError::Setup)?,
            root: api_root(base)?,
            staff_email: staff_email.to_owned(),
            api_key: api_key.clone(),
            timeout,
            told: Arc::default(),
        })
    }

    /// Opens a case; the first message's id is not part of the answer (`[D]` D-cases).
    pub async fn create_case(&self, case: &NewCase) -> Result<Answer<Case>, CallError> {
        self.write(Method::POST, "cases.json", "case", case.body(), &case.files)
            .await
    }

    /// Adds a message (`[C]` palachX, edgar).
    pub async fn add_message(
        &self,
        case: CaseId,
        message: &NewMessage,
    ) -> Result<Answer<Message>, CallError> {
        let path = format!("cases/{case}/messages.json");
        self.write(Method::POST, &path, "message", message.body(), &message.files)
            .await
    }

    /// Adds an internal note; it is answered as a message with `note` set (`[C]` palachX).
    pub async fn add_note(&self, case: CaseId, note: &NewNote) -> Result<Answer<Message>, CallError> {
        self.write(
            Method::POST,
            &format!("cases/{case}/note.json"),
            "note",
            note.body(),
            &note.files,
        )
        .await
    }

    /// Replaces a message's text (`[C]` palachX).
    pub async fn edit_message(
        &self,
        case: CaseId,
        message: MessageId,
        content: &Content,
    ) -> Result<Answer<Message>, CallError> {
        let path = format!("cases/{case}/messages/{message}.json");
        self.write(Method::PUT, &path, "message", request::content_body(content), &[])
            .await
    }

    /// Changes a case (`[C]` vragov, rdm).
    pub async fn update_case(&self, case: CaseId, update: &CaseUpdate) -> Result<Answer<Case>, CallError> {
        self.write(
            Method::PUT,
            &format!("cases/{case}.json"),
            "case",
            update.body(),
            &[],
        )
        .await
    }

    /// One case.
    pub async fn case(&self, case: CaseId) -> Result<Answer<Case>, CallError> {
        self.read_one(&format!("cases/{case}.json")).await
    }

    /// One page of cases.
    pub async fn cases(&self, query: &CaseQuery) -> Result<Answer<List<Case>>, CallError> {
        self.read_list("cases.json", &query.pairs()).await
    }

    /// One page of a case's messages; `limit` is 100 at most.
    pub async fn messages(
        &self,
        case: CaseId,
        order: Order,
        page: u32,
        limit: u32,
    ) -> Result<Answer<List<Message>>, CallError> {
        let pairs = [
            ("page".to_owned(), page.clamp(1, 500).to_string()),
            ("limit".to_owned(), limit.clamp(1, 100).to_string()),
            ("order".to_owned(), order.as_str().to_owned()),
        ];
        self.read_list(&format!("cases/{case}/messages.json"), &pairs)
            .await
    }

    /// One customer.
    pub async fn user(&self, user: UserId) -> Result<Answer<User>, CallError> {
        self.read_one(&format!("users/{user}.json")).await
    }

    /// The custom fields of cases and customers.
    pub async fn custom_fields(&self) -> Result<Answer<List<CustomField>>, CallError> {
        self.read_list("custom_fields.json", &[]).await
    }

    /// The custom channels.
    pub async fn custom_channels(&self) -> Result<Answer<List<CustomChannel>>, CallError> {
        self.read_list("custom_channels.json", &[]).await
    }

    /// One page of labels, 100 at most.
    pub async fn labels(&self, page: u32) -> Result<Answer<List<Label>>, CallError> {
        self.read_list("labels.json", &hundred(page)).await
    }

    /// One page of agents, 100 at most.
    pub async fn staff(&self, page: u32) -> Result<Answer<List<Staff>>, CallError> {
        self.read_list("staff.json", &hundred(page)).await
    }

    /// Ends in `/api/`.
    pub(super) fn root(&self) -> &Url {
        &self.root
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(super) fn credentials(&self) -> (&str, &SecretString) {
        (&self.staff_email, &self.api_key)
    }

    /// The same client for calls that may take that much longer: an upload.
    pub fn patient(&self, longer: Duration) -> Client {
        Client {
            timeout: self.timeout + longer,
            ..self.clone()
        }
    }

    async fn read_one<T: Entity>(&self, path: &str) -> Result<Answer<T>, CallError> {
        let request = self.request(Method::GET, self.address(path, &[]));
        self.send(format!("GET {path}"), false, request, T::ROOT, one)
            .await
    }

    async fn read_list<T: Entity>(
        &self,
        path: &str,
        pairs: &[(String, String)],
    ) -> Result<Answer<List<T>>, CallError> {
        let request = self.request(Method::GET, self.address(path, pairs));
        self.send(format!("GET {path}"), false, request, T::ROOT, many)
            .await
    }

    async fn write<T: Entity>(
        &self,
        method: Method,
        path: &str,
        root: &str,
        body: Map<String, Value>,
        files: &[File],
    ) -> Result<Answer<T>, CallError> {
        let call = format!("{method} {path}");
        let request = self.request(method, self.address(path, &[]));
        let request = if files.is_empty() {
            request.json(&json!({ root: body }))
        } else {
            request.multipart(form(root, &body, files))
        };
        self.send(call, true, request, T::ROOT, one).await
    }

    fn address(&self, path: &str, pairs: &[(String, String)]) -> Url {
        let mut url = self.root.clone();
        url.set_path(&format!("{}{path}", self.root.path()));
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        url
    }

    fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.http
            .request(method, url)
            .timeout(self.timeout)
            .basic_auth(&self.staff_email, Some(self.api_key.expose_secret()))
            .header(ACCEPT, "application/json")
    }

    async fn send<T>(
        &self,
        call: String,
        write: bool,
        request: reqwest::RequestBuilder,
        root: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Result<Answer<T>, CallError> {
        let started = clock::monotonic();
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let kind = failure(error);
                count_answer(None);
                let took = started.elapsed();
                return Err(CallError {
                    call,
                    write,
                    kind,
                    quota: Quota::default(),
                    date: None,
                    took,
                    answer: None,
                });
            }
        };
        let headers = response.headers();
        let quota = Quota::from_headers(
            headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))),
        );
        let date = headers
            .get(DATE)
            .and_then(|value| value.to_str().ok())
            .and_then(wire::parse_date);
        let status = response.status().as_u16();
        count_answer(Some(status));
        let body = read_body(&mut response).await;
        let took = started.elapsed();
        let raw = RawAnswer {
            status,
            body: body.as_deref().map_err(Clone::clone),
            quota,
        };
        let Judged { result, oddity } = judge(raw, root, read);
        if let Some(oddity) = oddity {
            self.told.tell(oddity, &call);
        }
        match result {
            Ok(value) => Ok(Answer {
                value,
                quota,
                date,
                took,
            }),
            Err(kind) => Err(CallError {
                call,
                write,
                kind,
                quota,
                date,
                took,
                answer: Some(Kept::of(status, body.as_deref().unwrap_or_default())),
            }),
        }
    }
}

/// Counts what a call came to, by the class of its status; `None`: there was no answer.
fn count_answer(status: Option<u16>) {
    let class = match status {
        None => "none",
        Some(200..=299) => "2xx",
        Some(429) => "429",
        Some(400..=499) => "4xx",
        Some(500..=599) => "5xx",
        Some(_) => "other",
    };
    metrics::counter!("deskie_cdc_answers_total", "class" => class).increment(1);
}

fn one<T: Entity>(json: &Value) -> Result<T, String> {
    wire::single(json).ok_or_else(|| format!("the answer has no `{}` with an id", T::ROOT))
}

fn many<T: Entity>(json: &Value) -> Result<List<T>, String> {
    wire::list(json)
}

fn hundred(page: u32) -> [(String, String); 2] {
    [
        ("page".to_owned(), page.clamp(1, 500).to_string()),
        ("limit".to_owned(), "100".to_owned()),
    ]
}

async fn read_body(response: &mut reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER => {
                return Err(format!("the body is larger than {} MB", MAX_ANSWER >> 20));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(format!("the body broke off: {}", chain(error))),
        }
    }
}

/// A call without an answer: only a request that cannot have been written is not in doubt.
fn failure(error: reqwest::Error) -> ErrorKind {
    let never_written = error.is_connect() || error.is_builder();
    let timed_out = error.is_timeout();
    let why = chain(error);
    match (never_written, timed_out) {
        (true, _) => ErrorKind::NotSent { why },
        (false, true) => ErrorKind::InDoubt {
            why: "no answer within the time-out".to_owned(),
        },
        (false, false) => ErrorKind::InDoubt { why },
    }
}

/// The causes in one line, without the address: a query carries customers' addresses.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}

/// `multipart/form-data` with `case[attachments][1]` and so on (`[D]` D-cases).
fn form(root: &str, body: &Map<String, Value>, files: &[File]) -> Form {
    // Names as they are: reqwest would write `name*` for one with a blank, a slash or a letter that is not ASCII, and PHP drops such a
    // field and all that follow it (reqwest 0.13.5, PHP 8.2).
    let mut form = Form::new().percent_encode_noop();
    for (name, value) in request::form_fields(root, body) {
        form = form.text(name, value);
    }
    for (index, file) in files.iter().enumerate() {
        let part = |mime: &str| {
            let length = file.bytes.len() as u64;
            Part::stream_with_length(file.bytes.clone(), length)
                .file_name(file_name(&file.name))
                .mime_str(mime)
        };
        if let Ok(part) = part(&file.mime).or_else(|_| part("application/octet-stream")) {
            form = form.part(format!("{root}[attachments][{}]", index + 1), part);
        }
    }
    form
}

/// A name without what could end the header or name a folder.
fn file_name(name: &str) -> String {
    let plain = |c: char| match c {
        '"' => '\'',
        '/' | '\\' => '_',
        c => c,
    };
    let name: String = name.chars().filter(|c| !c.is_control()).map(plain).collect();
    if name.trim().is_empty() {
        "file".to_owned()
    } else {
        name
    }
}

/// `https://destek.deskie.io` → `https://destek.deskie.io/api/`; an `/api` that was typed along is no fault.
fn api_root(base: &Url) -> Result<Url, ClientError> {
    let bad = || ClientError::BadUrl(base.as_str().to_owned());
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none_or(str::is_empty) {
        return Err(bad());
    }
    let path = base.path().trim_end_matches('/');
    let path = path.strip_suffix("/api").unwrap_or(path);
    let mut root = base.clone();
    root.set_path(&format!("{path}/api/"));
    root.set_query(None);
    root.set_fragment(None);
    root.set_username("").map_err(|()| bad())?;
    root.set_password(None).map_err(|()| bad())?;
    Ok(root)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
