//! What Deskie sends by itself: rule webhooks and custom channel webhooks.
//!
//! A webhook is rendered when its cause happens, under the lock, and left in the outbox; [`Shared::send_all`] carries
//! it out. There are no retries and no order between webhooks, as nothing of the kind is documented.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Shared;
use super::books::{WebhookOutcome, WebhookRecord};
use super::form::write_pairs;
use super::options::{Delivery, Encoding, Rule, RuleBody, Trigger};
use super::state::{Case, State, strip};
use crate::simulator::{CaseId, MessageId};

/// How long a held webhook waits for one to overtake it.
const HOLD: Duration = Duration::from_secs(2);

/// What happened to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    CustomerMessage { opens: bool },
    AgentMessage { opens: bool },
    Note,
    Changed,
}

/// A webhook to be sent.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    /// Its line in the books.
    record: usize,
    source: String,
    url: String,
    method: String,
    content_type: &'static str,
    headers: Vec<(String, String)>,
    body: String,
    wait: Duration,
    pub delivery: Delivery,
}

type Variables = Vec<(String, String)>;

impl State {
    /// Puts the webhooks that `event` sets off into the outbox.
    pub fn emit(&mut self, case_id: CaseId, event: Event, message_id: Option<MessageId>, wait: Duration) {
        let Some(case) = self.cases.get(&case_id) else {
            return;
        };
        let by_staff = last_author_is_staff(case);
        let variables = self.variables(case);
        let mut found: Vec<(String, Rendered, Delivery)> = Vec::new();
        for rule in &self.options.rules {
            if rule.applies(event, by_staff, &case.labels) {
                found.push(("rule".into(), rule.render(&variables), rule.delivery.clone()));
            }
        }
        if let Some(channel) = self.channel(&case.channel) {
            let is_message = event != Event::Changed;
            let wanted = matches!(event, Event::AgentMessage { .. }) || (channel.all_messages && is_message);
            if let (Some(url), Some(id), true) = (&channel.webhook_url, message_id, wanted) {
                let payload = self.channel_payload(case, id);
                let (content_type, body) = match channel.encoding {
                    Encoding::Json => ("application/json", payload.to_string()),
                    Encoding::Form => ("application/x-www-form-urlencoded", write_pairs(&payload)),
                };
                let rendered = Rendered {
                    url: url.clone(),
                    method: "POST".into(),
                    content_type,
                    headers: Vec::new(),
                    body,
                };
                found.push((channel.channel.clone(), rendered, channel.delivery.clone()));
            }
        }
        for (source, rendered, delivery) in found {
            self.queue(source, rendered, delivery, case_id, message_id, wait);
        }
    }

    fn queue(
        &mut self,
        source: String,
        rendered: Rendered,
        delivery: Delivery,
        case_id: CaseId,
        message_id: Option<MessageId>,
        wait: Duration,
    ) {
        let copies = if delivery.drop { 1 } else { 1 + delivery.duplicates };
        for _ in 0..copies {
            let record = self.webhooks.len();
            self.webhooks.push(WebhookRecord {
                at: self.now(),
                source: source.clone(),
                url: rendered.url.clone(),
                case_id,
                message_id,
                body: rendered.body.clone(),
                outcome: if delivery.drop {
                    WebhookOutcome::Dropped
                } else {
                    WebhookOutcome::Pending
                },
            });
            if !delivery.drop {
                self.outbox.push(Outgoing {
                    record,
                    source: source.clone(),
                    url: rendered.url.clone(),
                    method: rendered.method.clone(),
                    content_type: rendered.content_type,
                    headers: rendered.headers.clone(),
                    body: rendered.body.clone(),
                    wait,
                    delivery: delivery.clone(),
                });
            }
        }
    }

    /// The variable set that was captured from a real account; every value a string.
    fn variables(&self, case: &Case) -> Variables {
        let html = |message: &super::state::Message| {
            if message.html.is_empty() {
                message.text.clone()
            } else {
                message.html.clone()
            }
        };
        let alive = |note: bool| case.messages.iter().filter(move |m| !m.deleted && m.note == note);
        let last = alive(false).next_back();
        let last_note = alive(true).next_back();
        let user = self.users.get(&case.user_id);
        let text = |value: Option<String>| value.unwrap_or_default();
        let id = |value: Option<i64>| text(value.map(|id| id.to_string()));
        let labels: Vec<_> = case
            .labels
            .iter()
            .filter_map(|label| self.labels.get(label).cloned())
            .collect();
        let mut variables: Variables = [
            ("case_number", case.number.clone()),
            ("case_id", case.id.to_string()),
            ("case_subject", case.subject.clone()),
            ("case_description", text(alive(false).next().map(html))),
            (
                "case_url",
                format!("{}/staff/cases/record/{}", self.base_url, case.number),
            ),
            ("note_text", text(last_note.map(html))),
            ("last_message", text(last.map(html))),
            (
                "case_group",
                if case.group_id == 0 {
                    String::new()
                } else {
                    "Support".into()
                },
            ),
            ("case_priority", localised(&self.options.locale, &case.priority)),
            ("case_status", localised(&self.options.locale, &case.status)),
            ("case_tags", labels.join(", ")),
            ("last_message_id", id(last.map(|m| m.id.0))),
            ("last_note_id", id(last_note.map(|m| m.id.0))),
            (
                "assigned_full_name",
                text(self.agent(case.staff_id).map(|agent| agent.full_name)),
            ),
            (
                "staff_full_name",
                text(
                    last.and_then(|m| self.agent(m.staff_id))
                        .map(|agent| agent.full_name),
                ),
            ),
            ("staff_id", case.staff_id.to_string()),
            ("last_staff_id", last.map_or(0, |m| m.staff_id.0).to_string()),
            ("user_full_name", text(user.map(|user| user.full_name.clone()))),
            (
                "user_email",
                text(
                    user.filter(|user| user.kind == "email")
                        .map(|user| user.contact.clone()),
                ),
            ),
            ("user_id", case.user_id.to_string()),
            ("user_lang", case.language_id.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for field in &self.options.custom_fields {
            let value = case.custom_fields.get(&format!("cf_{}", field.field_id));
            let shown = value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            variables.push((format!("custom_field_{}", field.field_id), text(shown)));
        }
        variables.push(("category".into(), String::new()));
        variables
    }

    fn channel_payload(&self, case: &Case, id: MessageId) -> Value {
        let mut object = json!({
            "message_id": id,
            "case_id": case.id,
            "staff_id": 0,
            "user_id": case.user_id,
            "custom_user_id": self.users.get(&case.user_id).map(|user| user.contact.clone()).unwrap_or_default(),
        });
        if let Some(message) = case.messages.iter().find(|message| message.id == id) {
            object["staff_id"] = json!(message.staff_id);
            let content = if message.text.is_empty() {
                strip(&message.html)
            } else {
                message.text.clone()
            };
            if !content.is_empty() {
                object["content"] = json!(content);
            }
            object["note"] = json!(i32::from(message.note));
            object["sent_via_rule"] = json!(i32::from(message.via_rule));
            if !message.attachments.is_empty() {
                let urls = message
                    .attachments
                    .iter()
                    .map(|file| json!({"url": self.attachment_url(*file)}));
                object["attachments"] = Value::Array(urls.collect());
            }
        }
        json!({"type": "message_new", "object": object})
    }
}

fn last_author_is_staff(case: &Case) -> bool {
    let last = case
        .messages
        .iter()
        .rev()
        .find(|message| !message.note && !message.deleted);
    last.is_some_and(|message| message.staff_id.0 > 0)
}

fn localised(locale: &str, code: &str) -> String {
    let word = match (locale, code) {
        ("tr", "open") => "Açık",
        ("tr", "waiting") => "Beklemede",
        ("tr", "closed") => "Kapalı",
        ("tr", "low") => "Düşük",
        ("tr", "normal") => "Normal",
        ("tr", "high") => "Yüksek",
        ("tr", "critical") => "Kritik",
        ("ru", "open") => "Открыто",
        ("ru", "waiting") => "В ожидании",
        ("ru", "closed") => "Закрыто",
        ("ru", "low") => "Низкий",
        ("ru", "normal") => "Обычный",
        ("ru", "high") => "Высокий",
        ("ru", "critical") => "Критический",
        (_, "open") => "Open",
        (_, "waiting") => "Waiting",
        (_, "closed") => "Closed",
        (_, "low") => "Low",
        (_, "normal") => "Normal",
        (_, "high") => "High",
        (_, "critical") => "Critical",
        (_, other) => other,
    };
    word.to_owned()
}

struct Rendered {
    url: String,
    method: String,
    content_type: &'static str,
    headers: Vec<(String, String)>,
    body: String,
}

impl Rule {
    fn applies(&self, event: Event, last_by_staff: bool, labels: &[i64]) -> bool {
        if self.label.is_some_and(|label| !labels.contains(&label)) {
            return false;
        }
        let suits = |by_staff: bool| match self.on {
            Trigger::Any => true,
            Trigger::AgentReply => by_staff,
            Trigger::CustomerReply => !by_staff,
        };
        match event {
            Event::CustomerMessage { opens } => suits(false) && (!opens || self.on_new_case),
            Event::AgentMessage { opens } => suits(true) && (!opens || self.on_new_case),
            Event::Note | Event::Changed => self.on_updated && suits(last_by_staff),
        }
    }

    fn render(&self, variables: &Variables) -> Rendered {
        let plain = |value: &str| value.to_owned();
        let in_url = |value: &str| {
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let in_json = |value: &str| {
            let quoted = Value::from(value).to_string();
            quoted
                .get(1..quoted.len().saturating_sub(1))
                .unwrap_or_default()
                .to_owned()
        };
        let (content_type, body) = match &self.body {
            RuleBody::Variables => {
                let object = variables
                    .iter()
                    .map(|(name, value)| (name.clone(), json!(value)))
                    .collect();
                ("application/json", Value::Object(object).to_string())
            }
            RuleBody::Ids => {
                let text = r#"{"case_id":"[case_id]","last_message_id":"[last_message_id]"}"#;
                ("application/json", replace(text, variables, plain))
            }
            RuleBody::Template { text, escape: true } => {
                ("application/json", replace(text, variables, in_json))
            }
            RuleBody::Template { text, escape: false } => {
                ("application/json", replace(text, variables, plain))
            }
            RuleBody::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, value) in fields {
                    let value = replace(value, variables, plain);
                    let once: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
                    form.append_pair(name, &once);
                }
                ("application/x-www-form-urlencoded", form.finish())
            }
            RuleBody::Empty => ("text/plain", String::new()),
        };
        let url = replace(&self.url, variables, in_url);
        Rendered {
            url,
            method: self.method.clone(),
            content_type,
            headers: self.headers.clone(),
            body,
        }
    }
}

/// Replaces `[name]` in one pass, so that a bracket within a value is left alone.
fn replace(text: &str, variables: &Variables, write: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        let known = after.split_once(']').and_then(|(name, after)| {
            let (_, value) = variables.iter().find(|(known, _)| known == name)?;
            Some((write(value), after))
        });
        match known {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('[');
                rest = after;
            }
        }
    }
    out + rest
}

impl Shared {
    /// Sends what the outbox holds: those set so before this returns, the others in the background.
    pub(super) async fn send_all(self: &Arc<Self>) {
        let mut awaited = Vec::new();
        let batch = self.with(|state| std::mem::take(&mut state.outbox));
        for webhook in batch {
            if webhook.delivery.reorder {
                self.hold(webhook);
            } else if webhook.delivery.before_answer {
                awaited.push(self.send(webhook));
            } else {
                self.send_in_background(vec![webhook]);
            }
        }
        futures::future::join_all(awaited).await;
    }

    /// The one that is held goes after this one; without one, this one is held.
    fn hold(self: &Arc<Self>, webhook: Outgoing) {
        let record = webhook.record;
        let source = webhook.source.clone();
        let held = self.with(|state| match state.held.remove(&source) {
            Some(held) => Some(vec![webhook, held]),
            None => {
                state.held.insert(source.clone(), webhook);
                None
            }
        });
        match held {
            Some(pair) => self.send_in_background(pair),
            None => {
                let shared = Arc::clone(self);
                self.spawn(async move {
                    tokio::time::sleep(HOLD).await;
                    let still = shared.with(|state| {
                        let is_it = state.held.get(&source).is_some_and(|held| held.record == record);
                        is_it.then(|| state.held.remove(&source)).flatten()
                    });
                    if let Some(webhook) = still {
                        shared.send(webhook).await;
                    }
                });
            }
        }
    }

    fn send_in_background(self: &Arc<Self>, webhooks: Vec<Outgoing>) {
        let shared = Arc::clone(self);
        self.spawn(async move {
            for webhook in webhooks {
                shared.send(webhook).await;
            }
        });
    }

    async fn send(self: &Arc<Self>, webhook: Outgoing) {
        let wait = webhook.wait + webhook.delivery.delay;
        // Even a sleep of no time takes the clock's next tick.
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let timeout = self.with(|state| state.options.webhook_timeout);
        let method = webhook.method.parse().unwrap_or(reqwest::Method::POST);
        let mut request = self.http.request(method, &webhook.url).timeout(timeout);
        request = request
            .header("content-type", webhook.content_type)
            .body(webhook.body);
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        let outcome = match request.send().await {
            Ok(answer) => WebhookOutcome::Answered(answer.status().as_u16()),
            Err(error) if error.is_timeout() => WebhookOutcome::Failed("time-out".into()),
            Err(error) => WebhookOutcome::Failed(error.to_string()),
        };
        self.with(|state| {
            if let Some(record) = state.webhooks.get_mut(webhook.record) {
                record.outcome = outcome;
            }
        });
    }
}
