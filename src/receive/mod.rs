//! Webhooks in: stored, then answered; no other work before the 200 (contract: "Webhooks").
//!
//! Deskie is assumed to wait 5 s and to send once, so the answer comes within 4 s, whatever the database does; what
//! could not be stored is answered with 503, and the sweep finds it.
//!
//! Invariant: nothing here reads the API or the site's tables; it runs on every instance, leader or not.

mod refused;

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use self::refused::Refusals;
use crate::config::{Deskie, Named};
use crate::deskie::webhook::{self, Webhook};
use crate::model::CrashPoint;
use crate::store::{NewWebhook, Store};

/// The largest webhook.
pub const MAX_BODY: usize = 1 << 20;

/// How long storing may take before the answer is 503.
const STORE_WITHIN: Duration = Duration::from_secs(4);

/// How long a client may take to send its request.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// So much of a body that is not wanted is read and thrown away: a proxy that still writes when the connection closes
/// shows an error of its own in place of our answer.
const DRAINED: usize = 32 << 20;

/// How long that may take, and how long nothing may come meanwhile.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
const DRAIN_PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone)]
struct Receiver {
    store: Store,
    secrets: Arc<[SecretString]>,
    deskie: Arc<Deskie>,
}

impl Receiver {
    /// The key of the site's ticket that a rule's template names.
    fn ticket_hint(&self, held: Option<String>) -> Option<String> {
        match self.deskie.named(&held?) {
            Named::Ours(key) | Named::Nameless(key) => Some(key.to_owned()),
            Named::OtherSite => None,
        }
    }
}

/// The routes of the webhook port. `deskie` says which custom field holds the site's ticket key, and how.
pub fn router(store: Store, secrets: Vec<SecretString>, deskie: Deskie) -> Router {
    let refusals = Arc::new(Refusals::default());
    Router::new()
        .route("/webhooks/{secret}", any(take))
        .route("/webhooks/{secret}/", any(take))
        .layer(DefaultBodyLimit::disable())
        .layer(tower_http::timeout::TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            READ_WITHIN,
        ))
        .layer(axum::middleware::map_response(move |response: Response| {
            if response.status().is_client_error() || response.status().is_server_error() {
                refusals.tell(response.status().as_u16());
            }
            std::future::ready(response)
        }))
        .with_state(Receiver {
            store,
            secrets: secrets.into(),
            deskie: Arc::new(deskie),
        })
}

/// All secrets are compared, each in constant time.
fn is_right(secrets: &[SecretString], given: &str) -> bool {
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    let given = digest(given);
    let right = secrets.iter().fold(0u8, |right, secret| {
        right | digest(secret.expose_secret()).ct_eq(&given).unwrap_u8()
    });
    right == 1
}

async fn take(
    State(receiver): State<Receiver>,
    Path(secret): Path<String>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let body = request.into_body();
    if !is_right(&receiver.secrets, &secret) {
        count("unauthorized");
        drain(&headers, body).await;
        return answer(StatusCode::UNAUTHORIZED, "the secret in the path is wrong");
    }
    match method {
        Method::POST | Method::GET | Method::PUT => {}
        // Somebody looks whether the address is one.
        Method::HEAD => return answer(StatusCode::OK, ""),
        _ => {
            drain(&headers, body).await;
            return answer(StatusCode::METHOD_NOT_ALLOWED, "POST, PUT or GET");
        }
    }
    let too_large = || {
        count("too_large");
        answer(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB")
    };
    let body = match read(&headers, body).await {
        Ok(Some(body)) => body,
        Ok(None) => return too_large(),
        Err(_) => return answer(StatusCode::BAD_REQUEST, "the body was cut off"),
    };
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let unpacked = match unpacked(header(header::CONTENT_ENCODING), &body) {
        Ok(Some(unpacked)) => unpacked,
        Ok(None) => return too_large(),
        Err(why) => {
            count("unreadable");
            return answer(StatusCode::BAD_REQUEST, why);
        }
    };
    match webhook::parse(header(header::CONTENT_TYPE), query.as_deref(), &unpacked) {
        Ok(webhook) => store(&receiver, webhook).await,
        Err(error) => {
            count("unreadable");
            answer(StatusCode::BAD_REQUEST, &format!("{error}\n"))
        }
    }
}

/// The body, or none where it is larger than allowed: then it was read and thrown away.
async fn read(headers: &HeaderMap, body: Body) -> Result<Option<Vec<u8>>, axum::Error> {
    if told_length(headers).is_some_and(|length| length > MAX_BODY as u64) {
        drain(headers, body).await;
        return Ok(None);
    }
    let mut stream = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        if whole.len() + piece.len() > MAX_BODY {
            throw_away(stream).await;
            return Ok(None);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(Some(whole))
}

fn told_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Throws a body away, unless its sender waits to be asked for it.
async fn drain(headers: &HeaderMap, body: Body) {
    let is_sent = !headers.contains_key(header::EXPECT);
    if is_sent && told_length(headers).is_none_or(|length| length <= DRAINED as u64) {
        throw_away(body.into_data_stream()).await;
    }
}

async fn throw_away(mut stream: axum::body::BodyDataStream) {
    let mut left = DRAINED;
    let draining = async {
        while let Ok(Some(Ok(piece))) = tokio::time::timeout(DRAIN_PAUSE, stream.next()).await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whoever is not done by then does not read an answer either.
    let _ = tokio::time::timeout(DRAIN_WITHIN, draining).await;
}

/// So many layers of compression are taken off: a sender's, and one of each proxy's.
const LAYERS: usize = 4;

/// The body without its compression, of which a sender's proxy may think; none where it is larger than allowed.
fn unpacked<'a>(encoding: Option<&str>, body: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, &'static str> {
    // The last that is named was put on last.
    let mut named: Vec<&str> = encoding
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"))
        .collect();
    let mut body = Cow::Borrowed(body);
    for _ in 0..LAYERS {
        let name = match (named.pop(), is_gzip(&body)) {
            (_, true) => "gzip",
            (Some(name), false) => name,
            (None, false) => break,
        };
        let Some(whole) = opened(name, &body)? else {
            return Ok(None);
        };
        body = Cow::Owned(whole);
    }
    match named.is_empty() && !is_gzip(&body) {
        true => Ok(Some(body)),
        false => Err("the body is compressed over and over\n"),
    }
}

/// Whether bytes say of themselves that they are gzip: no text begins so.
fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b])
}

/// A body without one layer of compression.
fn opened(encoding: &str, body: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let limit = MAX_BODY as u64 + 1;
    let mut whole = Vec::new();
    let read = match encoding.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => flate2::read::MultiGzDecoder::new(body)
            .take(limit)
            .read_to_end(&mut whole),
        // By its name it has a zlib header, and often it has none.
        "deflate" => match body.first() {
            Some(0x08 | 0x18 | 0x28 | 0x38 | 0x48 | 0x58 | 0x68 | 0x78) => {
                flate2::read::ZlibDecoder::new(body)
                    .take(limit)
                    .read_to_end(&mut whole)
            }
            _ => flate2::read::DeflateDecoder::new(body)
                .take(limit)
                .read_to_end(&mut whole),
        },
        _ => return Err("the body's content-encoding is neither gzip nor deflate\n"),
    };
    match read {
        Ok(_) => Ok((whole.len() <= MAX_BODY).then_some(whole)),
        Err(_) => Err("the body's compression is broken\n"),
    }
}

async fn store(receiver: &Receiver, webhook: Webhook) -> Response {
    let new = match webhook {
        Webhook::Test => None,
        Webhook::Rule(mut hint) => hint.case_id.map(|case_id| NewWebhook {
            ticket_key: receiver.ticket_hint(hint.custom_fields.remove(&receiver.deskie.ticket_field)),
            // What else it says does not matter: the case is read.
            digest: Sha256::digest(format!("rule {case_id} {:?}", hint.message_id)).to_vec(),
            case_id,
            message_id: hint.message_id,
            message: None,
        }),
        Webhook::Channel(message) => match serde_json::to_value(&message) {
            Ok(value) => Some(NewWebhook {
                digest: Sha256::digest(format!("channel {} {}", message.case_id, message.message_id))
                    .to_vec(),
                case_id: message.case_id,
                message_id: Some(message.message_id),
                message: Some(value),
                ticket_key: None,
            }),
            Err(error) => return answer(StatusCode::BAD_REQUEST, &error.to_string()),
        },
    };
    let Some(new) = new else {
        count("test");
        return answer(StatusCode::OK, "ok: a test call, no case_id\n");
    };
    match tokio::time::timeout(STORE_WITHIN, receiver.store.inbox().add(&new)).await {
        Ok(Ok(())) => {
            CrashPoint::WebhookStored.reached();
            count("stored");
            CrashPoint::WebhookAnswered.soon();
            answer(StatusCode::OK, "ok\n")
        }
        Ok(Err(error)) => {
            count("unavailable");
            tracing::error!(case = %new.case_id, "a webhook could not be stored, the sweep will find it: {error}");
            answer(StatusCode::SERVICE_UNAVAILABLE, "it could not be stored\n")
        }
        Err(_) => {
            count("unavailable");
            tracing::error!(case = %new.case_id, "a webhook could not be stored in time, the sweep will find it");
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "it could not be stored in time\n",
            )
        }
    }
}

fn count(result: &'static str) {
    metrics::counter!("deskie_cdc_webhooks_total", "result" => result).increment(1);
}

fn answer(status: StatusCode, text: &str) -> Response {
    (status, Bytes::copy_from_slice(text.as_bytes())).into_response()
}
