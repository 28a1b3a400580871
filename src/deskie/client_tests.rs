//! The client against a server of a few lines: what was sent, and what each fault is taken for.

#![allow(clippy::disallowed_methods)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::{Author, Contact, Outcome};
use super::*;

fn client(address: SocketAddr, timeout: Duration) -> Client {
    let base = Url::parse(&format!("http://{address}")).unwrap();
    Client::new(&base, "api@x.com", &SecretString::from("s3cret"), timeout).unwrap()
}

/// A server that answers everything with `answer`, and keeps what it was asked.
async fn server<R: IntoResponse>(
    answer: impl Fn() -> R + Clone + Send + Sync + 'static,
) -> (Client, Arc<Mutex<Vec<(String, HeaderMap, Vec<u8>)>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let app = Router::new().fallback(move |request: Request| {
        let (log, answer) = (log.clone(), answer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let line = format!("{} {}", parts.method, parts.uri);
            log.lock().unwrap().push((line, parts.headers, bytes.to_vec()));
            answer().into_response()
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (client(address, Duration::from_secs(10)), seen)
}

/// A server that reads the request, writes `answer` as it stands, and hangs up (or does not).
async fn raw_server(answer: &'static str, hang_up: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0u8; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            if hang_up {
                let _ = stream.shutdown().await;
            } else {
                std::mem::forget(stream);
            }
        }
    });
    address
}

fn new_case() -> NewCase {
    NewCase::new(
        Contact::Email("u@x.com".to_owned()),
        "s",
        Content::both("text", "text"),
    )
}

async fn outcomes(client: &Client) -> (Outcome, Outcome) {
    let write = client.create_case(&new_case()).await.unwrap_err();
    let read = client.case(CaseId(1)).await.unwrap_err();
    assert!(!write.to_string().contains("s3cret") && !write.remedy().is_empty());
    (write.outcome(), read.outcome())
}

#[tokio::test]
async fn a_case_is_created_and_its_quota_read() {
    let (client, seen) = server(|| {
        Response::builder()
            .status(201)
            .header("rate_limit_per_minute", "50")
            .header("api_calls_left", "48")
            .header("Date", "Mon, 05 May 2014 00:15:17 GMT")
            .body(Body::from(r#"{"case":{"case_id":2000,"user_id":"123"}}"#))
            .unwrap()
    })
    .await;
    let answer = client.create_case(&new_case()).await.unwrap();
    assert_eq!(answer.value.case_id, CaseId(2000));
    assert_eq!(answer.quota.limit_per_minute, Some(50));
    assert_eq!(answer.quota.calls_left, Some(48));
    assert_eq!(answer.date, "2014-05-05T00:15:17Z".parse().ok());
    let seen = seen.lock().unwrap();
    let (line, headers, body) = seen.first().unwrap();
    assert_eq!(line, "POST /api/cases.json");
    assert_eq!(headers["authorization"], "Basic YXBpQHguY29tOnMzY3JldA==");
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["user-agent"].to_str().unwrap().starts_with("deskie-cdc/"));
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(
        body,
        json!({"case":{"user_email":"u@x.com","subject":"s","content":"text","content_html":"text"}})
    );
}

#[tokio::test]
async fn files_travel_as_multipart_with_their_names_as_they_are() {
    let (client, seen) = server(|| r#"{"message":{"message_id":5}}"#).await;
    let mut message = NewMessage::new(Author::Customer(UserId(7)), Content::both("t", "h"));
    let file = |name: &str, mime: &str| File {
        name: name.to_owned(),
        mime: mime.to_owned(),
        bytes: bytes::Bytes::from_static(b"DATA"),
    };
    message.files = vec![
        file("çek \"1\".png", "image/png"),
        file("b\r\nX-Evil: 1", "no mime"),
    ];
    let answer = client.add_message(CaseId(9), &message).await.unwrap();
    assert_eq!(answer.value.message_id, MessageId(5));
    let seen = seen.lock().unwrap();
    let (line, headers, body) = seen.first().unwrap();
    assert_eq!(line, "POST /api/cases/9/messages.json");
    assert!(
        headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("multipart/form-data; boundary=")
    );
    let body = String::from_utf8_lossy(body);
    assert!(body.contains("name=\"message[user_id]\"\r\n\r\n7\r\n"), "{body}");
    assert!(
        body.contains("name=\"message[attachments][1]\"; filename=\"çek"),
        "{body}"
    );
    assert!(!body.contains("name*"), "PHP does not know name*: {body}");
    assert!(body.contains("Content-Type: image/png\r\n"), "{body}");
    assert!(
        body.contains("message[attachments][2]") && !body.contains("\r\nX-Evil"),
        "{body}"
    );
}

#[tokio::test]
async fn filters_are_encoded() {
    let (client, seen) = server(|| r#"{"total_count":0}"#).await;
    let query = CaseQuery {
        custom_field: Some(("cf_25".to_owned(), "a&b".to_owned())),
        limit: Some(10),
        ..CaseQuery::default()
    };
    assert!(client.cases(&query).await.unwrap().value.items.is_empty());
    client.messages(CaseId(3), Order::Desc, 1, 20).await.unwrap();
    let seen = seen.lock().unwrap();
    let lines: Vec<&str> = seen.iter().map(|(line, _, _)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET /api/cases.json?custom_fields%5Bcf_25%5D=%5Ea%26b%5E&limit=10",
            "GET /api/cases/3/messages.json?page=1&limit=20&order=desc",
        ]
    );
}

#[tokio::test]
async fn a_refused_connection_was_never_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = client(address, Duration::from_secs(5));
    assert_eq!(outcomes(&client).await, (Outcome::Retry, Outcome::Retry));
    let error = client.create_case(&new_case()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotSent { .. }), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_was_never_sent() {
    let base = Url::parse("http://deskie.invalid").unwrap();
    let client = Client::new(
        &base,
        "a@x.com",
        &SecretString::from("s3cret"),
        Duration::from_secs(10),
    )
    .unwrap();
    let error = client.create_case(&new_case()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotSent { .. }), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_was_never_sent_the_request() {
    let address = raw_server("HTTP/1.1 400 Bad Request\r\n\r\n", true).await;
    let base = Url::parse(&format!("https://{address}")).unwrap();
    let client = Client::new(
        &base,
        "a@x.com",
        &SecretString::from("s3cret"),
        Duration::from_secs(5),
    )
    .unwrap();
    let error = client.create_case(&new_case()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotSent { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_lost_after_the_request_is_doubt() {
    let address = raw_server("", true).await;
    assert_eq!(
        outcomes(&client(address, Duration::from_secs(5))).await,
        (Outcome::Doubt, Outcome::Retry)
    );
}

#[tokio::test]
async fn no_answer_in_time_is_doubt() {
    let address = raw_server("", false).await;
    assert_eq!(
        outcomes(&client(address, Duration::from_millis(400))).await,
        (Outcome::Doubt, Outcome::Retry)
    );
}

#[tokio::test]
async fn a_body_that_stops_is_doubt() {
    for hang_up in [true, false] {
        let head =
            "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n{\"case\":";
        let client = client(raw_server(head, hang_up).await, Duration::from_millis(400));
        assert_eq!(
            outcomes(&client).await,
            (Outcome::Doubt, Outcome::Retry),
            "hang up: {hang_up}"
        );
    }
    let unbounded = "HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n{\"case\":{\"case_id\":1";
    let client = client(raw_server(unbounded, true).await, Duration::from_secs(5));
    assert_eq!(outcomes(&client).await, (Outcome::Doubt, Outcome::Retry));
}

#[tokio::test]
async fn a_refusal_whose_body_stops_is_nobodys_word_and_was_not_done() {
    let head = "HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: 60\r\n\r\n{\"err";
    let client = client(raw_server(head, true).await, Duration::from_secs(5));
    assert_eq!(outcomes(&client).await, (Outcome::Retry, Outcome::Retry));
}

#[tokio::test]
async fn a_500_and_an_html_page_are_doubt() {
    let (client, _) = server(|| (StatusCode::INTERNAL_SERVER_ERROR, "{}")).await;
    assert_eq!(outcomes(&client).await, (Outcome::Doubt, Outcome::Retry));
    let (client, _) = server(|| "<!doctype html><title>Log in</title>").await;
    assert_eq!(outcomes(&client).await, (Outcome::Doubt, Outcome::Retry));
}

#[tokio::test]
async fn a_429_says_how_long_or_not() {
    let (client, _) = server(|| (StatusCode::TOO_MANY_REQUESTS, [("retry_after", "37")], "")).await;
    let wait = Outcome::Throttled(Some(Duration::from_secs(37)));
    assert_eq!(outcomes(&client).await, (wait, wait));
    let (client, _) = server(|| (StatusCode::TOO_MANY_REQUESTS, "slow down")).await;
    assert_eq!(
        outcomes(&client).await,
        (Outcome::Throttled(None), Outcome::Throttled(None))
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (client, seen) = server(|| (StatusCode::FOUND, [("location", "/login")], "")).await;
    assert_eq!(outcomes(&client).await, (Outcome::Doubt, Outcome::Retry));
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_known_code_has_its_remedy() {
    let (client, _) = server(|| (StatusCode::NOT_FOUND, r#"{"error":"case_not_found"}"#)).await;
    let error = client.case(CaseId(7)).await.unwrap_err();
    assert_eq!(error.code(), Some("case_not_found"));
    assert!(error.is_gone() && error.remedy().contains("deleted or merged"));
    assert_eq!(
        error.to_string(),
        "GET cases/7.json: Deskie refused with `case_not_found` (HTTP 404)"
    );
}

#[test]
fn the_root_of_the_api() {
    let root = |base: &str| api_root(&Url::parse(base).unwrap()).map(String::from).ok();
    for base in [
        "https://d.deskie.io",
        "https://d.deskie.io/",
        "https://d.deskie.io/api",
        "https://d.deskie.io/api/?x#y",
    ] {
        assert_eq!(root(base).as_deref(), Some("https://d.deskie.io/api/"), "{base}");
    }
    assert_eq!(
        root("http://localhost:9/desk").as_deref(),
        Some("http://localhost:9/desk/api/")
    );
    assert_eq!(root("ftp://d.deskie.io"), None);
    assert_eq!(root("mailto:a@b"), None);
}

#[test]
fn neither_key_nor_address_is_in_the_debug_form() {
    let client = client("127.0.0.1:9".parse().unwrap(), Duration::from_secs(1));
    let debug = format!("{client:?}");
    assert!(
        !debug.contains("s3cret") && !debug.contains("api@x.com"),
        "{debug}"
    );
}
