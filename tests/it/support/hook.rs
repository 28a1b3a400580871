//! `[alert] url`: what is posted there.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::http::StatusCode;
use axum::routing::post;

use super::wait_until;

/// A hook that keeps what is posted to it, after it has refused the first.
pub struct Hook {
    /// Its address.
    pub url: String,
    /// What was posted.
    pub heard: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl Hook {
    /// On a port of its own.
    pub async fn start() -> Hook {
        let heard: Arc<Mutex<Vec<serde_json::Value>>> = Arc::default();
        let refused = Arc::new(Mutex::new(false));
        let keep = heard.clone();
        let take = move |Json(body): Json<serde_json::Value>| {
            let first = !std::mem::replace(&mut *refused.lock().unwrap(), true);
            if !first {
                keep.lock().unwrap().push(body);
            }
            async move {
                match first {
                    true => StatusCode::BAD_GATEWAY,
                    false => StatusCode::OK,
                }
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = axum::Router::new().route("/hook", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Hook { url, heard }
    }

    /// The events that were told.
    pub fn events(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .map(|alert| alert["event"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until this one was told.
    pub async fn until(&self, event: &str) {
        self.until_times(event, 1).await;
    }

    /// Waits until this one was told so often.
    pub async fn until_times(&self, event: &str, times: usize) {
        wait_until(&format!("the alert {event}, {times} times"), || async {
            let heard = self.events().iter().filter(|heard| *heard == event).count();
            (heard >= times).then_some(())
        })
        .await;
    }
}
