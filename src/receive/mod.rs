//! Webhooks in: stored, then answered; no other work before the 200 (contract: "Webhooks").
//!
//! Deskie is assumed to wait 5 s and to send once, so the answer comes within 4 s, whatever the database does; what
//! could not be stored is answered with 503, and the sweep finds it.
//!
//! Invariant: nothing here reads the API or the site's tables; it runs on every instance, leader or not.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

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
    Router::new()
        .route("/webhooks/{secret}", any(take))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(tower_http::timeout::TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            READ_WITHIN,
        ))
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
    if !is_right(&receiver.secrets, &secret) {
        count("unauthorized");
        return answer(StatusCode::UNAUTHORIZED, "the secret in the path is wrong");
    }
    if ![Method::POST, Method::GET, Method::PUT].contains(&method) {
        return answer(StatusCode::METHOD_NOT_ALLOWED, "POST, PUT or GET");
    }
    let body = match axum::body::to_bytes(request.into_body(), MAX_BODY).await {
        Ok(body) => body,
        Err(error) if is_too_large(&error) => {
            count("too_large");
            return answer(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB");
        }
        Err(_) => return answer(StatusCode::BAD_REQUEST, "the body was cut off"),
    };
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    match webhook::parse(content_type, query.as_deref(), &body) {
        Ok(webhook) => store(&receiver, webhook).await,
        Err(error) => {
            count("unreadable");
            tracing::warn!(bytes = body.len(), "a webhook cannot be read: {error}");
            answer(StatusCode::BAD_REQUEST, &format!("{error}\n"))
        }
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        source = error.source();
    }
    false
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
    match tokio::time::timeout(STORE_WITHIN, receiver.store.inbox_add(&new)).await {
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
