//! Real HTTP against the simulator: each unpleasant part once.

mod api;
mod control;
mod faults;
mod files;
mod people;
mod webhooks;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;

/// A caller of the API, as plain as can be.
struct Caller {
    http: reqwest::Client,
    url: String,
    user: String,
    key: String,
}

impl Caller {
    fn of(simulator: &Simulator) -> Caller {
        let options = simulator.options();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Caller {
            http,
            url: simulator.url(),
            user: options.staff_email,
            key: options.api_key,
        }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/api/{path}", self.url);
        self.http
            .request(method.parse().unwrap(), url)
            .basic_auth(&self.user, Some(&self.key))
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let answer = self.request(method, path).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.request("GET", path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// A case by e-mail; its fields laid over the ordinary ones.
    async fn create(&self, fields: Value) -> Value {
        let mut case = json!({"user_email": "ada@example.com", "subject": "Help", "content": "It is broken"});
        case.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let (status, answer) = self.send("POST", "cases.json", json!({"case": case})).await;
        assert_eq!(status, 201, "{answer}");
        answer["case"].clone()
    }

    async fn add(&self, case: &Value, message: Value) -> Value {
        let path = format!("cases/{}/messages.json", case["case_id"]);
        let (status, answer) = self.send("POST", &path, json!({"message": message})).await;
        assert_eq!(status, 201, "{answer}");
        answer["message"].clone()
    }

    async fn case_ids(&self, query: &str) -> Vec<i64> {
        ids(&self.get(&format!("cases.json?{query}")).await, "case")
    }

    async fn message_ids(&self, case: &Value, query: &str) -> Vec<i64> {
        ids(
            &self
                .get(&format!("cases/{}/messages.json?{query}", case["case_id"]))
                .await,
            "message",
        )
    }
}

/// The ids of a list, in the order of its numeric keys.
fn ids(list: &Value, kind: &str) -> Vec<i64> {
    let mut entries: Vec<(usize, i64)> = list
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(key, value)| Some((key.parse().ok()?, value[kind][format!("{kind}_id")].as_i64()?)))
        .collect();
    entries.sort_unstable();
    entries.into_iter().map(|(_, id)| id).collect()
}

fn id(entity: &Value, key: &str) -> i64 {
    entity[key].as_i64().unwrap()
}

fn case_id(case: &Value) -> CaseId {
    CaseId(id(case, "case_id"))
}

async fn start(options: Options) -> (Simulator, Caller) {
    let simulator = Simulator::start(options).await.unwrap();
    let caller = Caller::of(&simulator);
    (simulator, caller)
}

/// A webhook as it arrived.
#[derive(Debug, PartialEq)]
struct Received {
    method: String,
    path: String,
    authorization: Option<String>,
    body: String,
}

/// Takes webhooks; each is answered with 200 at once.
struct Receiver {
    url: String,
    received: mpsc::UnboundedReceiver<Received>,
}

impl Receiver {
    #[allow(clippy::disallowed_methods, reason = "a test's own server")]
    async fn start() -> Receiver {
        let (sender, received) = mpsc::unbounded_channel();
        let service = axum::Router::new().fallback(|request: axum::extract::Request| async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let header = |name: &str| {
                head.headers
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned())
            };
            let received = Received {
                method: head.method.to_string(),
                path: head.uri.to_string(),
                authorization: header("authorization"),
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            sender.send(received).unwrap();
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, service).await });
        Receiver { url, received }
    }

    async fn next(&mut self) -> Received {
        tokio::time::timeout(PATIENCE, self.received.recv())
            .await
            .expect("no webhook came")
            .unwrap()
    }

    async fn next_json(&mut self) -> Value {
        serde_json::from_str(&self.next().await.body).unwrap()
    }

    fn nothing_waits(&mut self) -> bool {
        self.received.try_recv().is_err()
    }
}
