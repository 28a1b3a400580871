//! The account's small lists: labels, staff, groups, languages, custom fields, custom channels.

use serde_json::{Value, json};

use super::super::options::{API_STAFF, Agent, ChannelKind, CustomChannel, CustomField};
use super::super::state::{Refusal, State};
use super::{Answer, Request, UNKNOWN, page_of};

pub(super) fn get(state: &mut State, request: &Request<'_>, name: &str) -> Answer {
    let (key, items): (&str, Vec<Value>) = match name {
        "labels" => (
            "label",
            state.labels.iter().map(|(id, title)| label(*id, title)).collect(),
        ),
        "staff" => {
            let own = state.agent(API_STAFF);
            (
                "staff",
                own.iter().chain(&state.options.agents).map(staff).collect(),
            )
        }
        "groups" => (
            "group",
            vec![json!({"group": {"group_id": 44, "group_title": "Support", "active": true}})],
        ),
        "languages" => (
            "language",
            [(1, "en", "English"), (2, "tr", "Türkçe"), (3, "ru", "Русский")]
                .map(language)
                .into(),
        ),
        "custom_fields" => (
            "custom_field",
            state.options.custom_fields.iter().map(field).collect(),
        ),
        "custom_channels" => {
            let numbered = state.options.channels.iter().enumerate();
            (
                "custom_channel",
                numbered.map(|(n, one)| channel(n, one)).collect(),
            )
        }
        _ => return Err(UNKNOWN),
    };
    // Empty ones of these lists were seen as an empty string.
    if items.is_empty() && matches!(name, "labels" | "staff" | "groups") {
        return Ok((200, json!("")));
    }
    let total = items.len();
    let items = page_of(items, request.page());
    Ok((200, state.list_json(key, total, items)))
}

pub(super) fn create_label(state: &mut State, request: &Request<'_>) -> Answer {
    let title = request
        .root("label")?
        .filled("label_title")
        .ok_or(Refusal(400, "label_title_empty"))?;
    let id = state.labels.keys().next_back().map_or(101, |last| last + 1);
    state.labels.insert(id, title.clone());
    Ok((201, label(id, &title)))
}

fn label(id: i64, title: &str) -> Value {
    json!({"label": {"label_id": id, "label_title": title}})
}

fn staff(agent: &Agent) -> Value {
    json!({"staff": {
        "staff_id": agent.staff_id,
        "staff_email": agent.email,
        "staff_full_name": agent.full_name,
        "active": agent.active,
    }})
}

fn language((id, code, title): (i64, &str, &str)) -> Value {
    json!({"language": {"language_id": id, "code": code, "title": title, "active": true}})
}

fn field(field: &CustomField) -> Value {
    let data = if field.field_type == "select" {
        json!({"1": "Basic", "2": "Pro"})
    } else {
        json!([])
    };
    json!({"custom_field": {
        "field_id": field.field_id,
        "title": field.title,
        "field_type": field.field_type,
        "field_level": "case",
        "active": true,
        "field_data": data,
    }})
}

fn channel(n: usize, channel: &CustomChannel) -> Value {
    let id = channel.channel.trim_start_matches("cch").parse().unwrap_or(n);
    json!({"custom_channel": {
        "channel_id": id,
        "channel_api_key": channel.channel,
        "title": channel.channel,
        "channel_type": if channel.kind == ChannelKind::Sync { "sync" } else { "async" },
        "icon": "fa-comments",
        "webhook_url": channel.webhook_url.clone().unwrap_or_default(),
        "active": true,
    }})
}
