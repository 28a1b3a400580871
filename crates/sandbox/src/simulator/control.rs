//! The control port: JSON over HTTP under `/_control/`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::action::Action;
use super::fault::{Fault, RandomFaults};
use super::options::{CustomChannel, Options, Rule};
use super::state::State;
use super::{Error, Shared, describe};

pub(super) async fn serve(shared: &Arc<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head
        .uri
        .path()
        .trim_start_matches("/_control")
        .trim_matches('/')
        .to_owned();
    let body = axum::body::to_bytes(body, super::form::MAX_REQUEST)
        .await
        .unwrap_or_default();
    if path.is_empty() {
        let (api, own_port) =
            shared.with_quietly(|state| (state.base_url.clone(), state.options.control_listen.is_some()));
        // On a port of its own the paths need no prefix, and the caller knows the address.
        let control = if own_port {
            String::new()
        } else {
            format!("{api}/_control")
        };
        return Response::new(Body::from(describe(&api, &control)));
    }
    let answer = handle(shared, head.method.as_str(), &path, &body);
    let (status, answer) = match answer {
        Ok(value) => (200, value),
        Err(error) => (400, json!({"error": error.to_string()})),
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    response.body(Body::from(answer.to_string())).unwrap_or_default()
}

fn handle(shared: &Arc<Shared>, method: &str, path: &str, body: &[u8]) -> Result<Value, Error> {
    match (method, path) {
        ("GET", "books") => to_json(&shared.with_quietly(|state| state.books())),
        ("GET", "options") => to_json(&shared.with_quietly(|state| state.options.clone())),
        ("PUT", "options") => {
            let patch: Value = read(body)?;
            shared.with(|state| state.patch_options(&patch))?;
            done()
        }
        ("GET", "faults") => to_json(&shared.with_quietly(|state| state.faults.pending().to_vec())),
        ("POST", "faults") => {
            let faults: Vec<Fault> = read_some(body)?;
            shared.with(|state| faults.into_iter().for_each(|fault| state.faults.add(fault)));
            done()
        }
        ("POST", "faults/random") => {
            let random: RandomFaults = read(body)?;
            shared.with(|state| state.faults.randomise(Some(random)));
            done()
        }
        ("DELETE", "faults") => {
            shared.with(|state| state.faults.clear());
            done()
        }
        ("POST", "people") => {
            let action: Action = read(body)?;
            to_json(&shared.act(action)?)
        }
        ("POST", "rules") => {
            let rules: Vec<Rule> = read_some(body)?;
            shared.with(|state| state.options.rules.extend(rules));
            done()
        }
        ("DELETE", "rules") => {
            shared.with(|state| state.options.rules.clear());
            done()
        }
        ("POST", "channels") => {
            let channels: Vec<CustomChannel> = read_some(body)?;
            shared.with(|state| state.options.channels.extend(channels));
            done()
        }
        ("DELETE", "channels") => {
            shared.with(|state| state.options.channels.clear());
            done()
        }
        ("POST", "reset") => {
            shared.with(State::reset);
            done()
        }
        _ => Err(Error::Invalid(format!(
            "no such thing: {method} /_control/{path}"
        ))),
    }
}

fn done() -> Result<Value, Error> {
    Ok(json!({"ok": true}))
}

fn to_json(value: &impl serde::Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Invalid(error.to_string()))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Invalid(error.to_string()))
}

/// One, or a list of them.
fn read_some<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, Error> {
    let value: Value = read(body)?;
    let list = if value.is_array() { value } else { json!([value]) };
    serde_json::from_value(list).map_err(|error| Error::Invalid(error.to_string()))
}

impl State {
    /// Lays the keys of `patch` over the options; unknown ones are refused. Where it listens stays as it is.
    pub(super) fn patch_options(&mut self, patch: &Value) -> Result<(), Error> {
        let mut options = to_json(&self.options)?;
        let patch = patch
            .as_object()
            .ok_or_else(|| Error::Invalid("options are an object".into()))?;
        for (key, value) in patch {
            options[key] = value.clone();
        }
        self.options = Options {
            books: self.options.books.clone(),
            ..serde_json::from_value::<Options>(options).map_err(|error| Error::Invalid(error.to_string()))?
        };
        Ok(())
    }

    /// Forgets everything but the options.
    pub(super) fn reset(&mut self) {
        let base_url = std::mem::take(&mut self.base_url);
        *self = State::new(self.options.clone());
        self.base_url = base_url;
    }
}
