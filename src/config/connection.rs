//! `[postgres]`, `[deskie]`, `[server]`, `[capture]`, `[alert]`.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::read::Value;
use super::section::Section;
use super::site_name;
use super::value::{self, Problem};
use super::{Alert, Capture, Deskie, OnMaxWal, Postgres, Server};

const DAY: Duration = Duration::from_secs(86_400);

/// `[postgres]`
pub(super) fn postgres(section: &Section<'_>) -> Option<Postgres> {
    let url = section.need(
        "url",
        "url = \"postgres://deskie_cdc@db.example/site?sslmode=verify-full\"",
    );
    let parsed_url = url.as_ref().and_then(|url| url.parsed(database_address));
    let publication = section.parsed("publication", value::publication);
    let slot = section.parsed("slot", value::slot);
    let schema = section.parsed("schema", value::schema);
    Some(Postgres {
        url: SecretString::from(parsed_url?),
        url_span: url?.span,
        publication: publication.unwrap_or_else(|| "deskie_cdc".to_owned()),
        slot,
        schema: schema.unwrap_or_else(|| "deskie_cdc".to_owned()),
    })
}

/// A libpq URL or key=value string. Its parts are the postgres room's to read.
fn database_address(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
    let is_pairs = !text.contains("://") && text.contains('=');
    if is_url || is_pairs {
        return Ok(text.to_owned());
    }
    Err(Problem::new(
        "is not a Postgres address",
        "it begins with `postgres://`, or is `host=... dbname=... user=...`",
    ))
}

/// `[deskie]`
pub(super) fn deskie(section: &Section<'_>) -> Option<Deskie> {
    let url = section.need("url", "url = \"https://destek.deskie.io\"");
    let url = url.and_then(|url| url.parsed(value::deskie_address));
    let staff_email = section.need("staff_email", "staff_email = \"api@example.com\"");
    let staff_email = staff_email.and_then(|email| email.parsed(|text| value::email(text.trim())));
    let api_key = section.need("api_key", "api_key = \"${DESKIE_API_KEY}\"");
    let api_key = api_key.and_then(|key| key.parsed(credential));
    let field_hint = "the N of `cf_N`, the case custom field that holds the site's ticket key, e.g. 25";
    let ticket_field = section
        .need("ticket_field", "ticket_field = 25")
        .and_then(|field| field.number(Some(field_hint)));

    let requests_per_minute = section.value("requests_per_minute").and_then(|value| {
        let number = value.number(None)?;
        let fits = u32::try_from(number).ok();
        if fits.is_none() {
            value.fault("is too large", None);
        }
        fits
    });
    let labels = section
        .value("labels")
        .map(|value| ids(&value))
        .unwrap_or_default();
    let id = |key: &str| section.value(key).and_then(|value| value.number(None));
    let group_id = id("group_id");
    let language_id = id("language_id");
    let timeout = section.positive("timeout", Duration::from_secs(30));
    let sweep = section.positive("sweep", Duration::from_secs(120));
    let doubt_wait = section.positive("doubt_wait", Duration::from_secs(120));
    let max_body = section.size("max_body", 60_000);
    let max_text = section.size("max_text", 1_000_000);
    let channel = section.parsed("channel", value::channel);
    let site = section.parsed("site", site_name::parse);
    Some(Deskie {
        url: url?,
        staff_email: staff_email?,
        api_key: api_key?,
        ticket_field: ticket_field?,
        requests_per_minute,
        labels,
        group_id,
        language_id,
        timeout,
        sweep,
        doubt_wait,
        max_body: usize::try_from(max_body).unwrap_or(usize::MAX),
        max_text: usize::try_from(max_text).unwrap_or(usize::MAX),
        channel,
        site,
    })
}

/// Ids, each once.
pub(super) fn ids(value: &Value<'_>) -> Vec<i64> {
    if !value.is_list() {
        value.wrong_type("a list of numbers", Some("in brackets: [101, 102]".to_owned()));
        return Vec::new();
    }
    let mut ids = Vec::new();
    for item in value.items() {
        let Some(id) = item.number(None) else { continue };
        if ids.contains(&id) {
            item.fault(format!("names {id} again"), None);
        }
        ids.push(id);
    }
    ids
}

/// A key or token: white space around it (a file's last newline) is taken off, within it is refused.
fn credential(text: &str) -> Result<SecretString, Problem> {
    let text = text.trim();
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Problem {
            message: "holds white space or control characters".to_owned(),
            hint: None,
        });
    }
    Ok(SecretString::from(text))
}

/// The part of a webhook's path that only Deskie knows.
fn webhook_secret(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.contains('/') {
        return Err(Problem::new(
            "holds a `/`, but is one part of a path",
            "letters and digits, e.g. of `openssl rand -hex 16`",
        ));
    }
    Ok(text.to_owned())
}

/// `[server]`; every key has a default.
pub(super) fn server(section: Option<&Section<'_>>) -> Option<Server> {
    let default = |port: u16, host: [u8; 4]| SocketAddr::from((host, port));
    let listen = section.and_then(|section| section.parsed("listen", value::listen));
    let admin_listen = section.and_then(|section| section.parsed("admin_listen", value::listen));
    let public_url = section.and_then(|section| section.parsed("public_url", value::web_address));
    let webhook_secrets = section.and_then(|section| section.value("webhook_secret"));
    let webhook_secrets = webhook_secrets
        .map(|value| webhook_secrets_of(&value))
        .unwrap_or_default();
    let admin_token = section.and_then(|section| section.parsed("admin_token", admin_token));
    let admin_hosts = section.and_then(|section| section.value("admin_hosts"));
    let admin_hosts = admin_hosts.map(|value| {
        let hosts = value.items();
        hosts.iter().filter_map(|host| host.parsed(host_name)).collect()
    });

    let listen = listen.unwrap_or_else(|| default(8787, [0, 0, 0, 0]));
    let admin_listen = admin_listen.unwrap_or_else(|| default(8788, [127, 0, 0, 1]));
    let overlap = listen.ip() == admin_listen.ip()
        || listen.ip().is_unspecified()
        || admin_listen.ip().is_unspecified();
    if listen.port() == admin_listen.port() && listen.port() != 0 && overlap {
        let given =
            section.and_then(|section| section.value("admin_listen").or_else(|| section.value("listen")));
        if let Some(value) = given {
            let hint = "`listen` is for webhooks alone, the admin port is not for the public".to_owned();
            value.fault(
                "is the same port as the other one of `listen` and `admin_listen`",
                Some(hint),
            );
        }
    }
    Some(Server {
        listen,
        public_url,
        admin_listen,
        webhook_secrets,
        admin_token,
        admin_hosts: admin_hosts.unwrap_or_default(),
    })
}

/// What a token has to have: a short one is found by trying.
const TOKEN_LENGTH: usize = 16;

fn admin_token(text: &str) -> Result<SecretString, Problem> {
    let token = credential(text)?;
    match token.expose_secret().chars().count() < TOKEN_LENGTH {
        true => Err(Problem::new(
            format!("has fewer than {TOKEN_LENGTH} characters"),
            "e.g. of `openssl rand -hex 16`",
        )),
        false => Ok(token),
    }
}

fn host_name(text: &str) -> Result<String, Problem> {
    let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    match is_name {
        true => Ok(name),
        false => Err(Problem::new(
            "is no name of a host",
            "the name alone, without scheme and port, e.g. \"cdc.example.com\"",
        )),
    }
}

fn webhook_secrets_of(value: &Value<'_>) -> Vec<SecretString> {
    let items = value.items();
    if items.len() > 2 {
        value.fault(
            "holds more than two secrets",
            Some("the new one and the old one, while rotating".to_owned()),
        );
    }
    let mut secrets: Vec<String> = Vec::new();
    for item in &items {
        let Some(secret) = item.parsed(webhook_secret) else {
            continue;
        };
        if secrets.contains(&secret) {
            item.fault("is the same secret again", None);
        }
        secrets.push(secret);
    }
    secrets.into_iter().map(SecretString::from).collect()
}

/// `[capture]`; every key has a default.
pub(super) fn capture(section: Option<&Section<'_>>) -> Capture {
    let defaults = Capture {
        settle: Duration::ZERO,
        session: Vec::new(),
        max_age: DAY,
        max_new_cases: 500,
        max_wal: 10_000_000_000,
        on_max_wal: OnMaxWal::Warn,
        retain: DAY * 30,
    };
    let Some(section) = section else { return defaults };
    let on_max_wal = section.choice(
        "on_max_wal",
        &[("warn", OnMaxWal::Warn), ("drop_slot", OnMaxWal::DropSlot)],
    );
    Capture {
        settle: section.duration("settle", defaults.settle),
        session: section.exprs("session"),
        max_age: section.positive("max_age", defaults.max_age),
        max_new_cases: section
            .value("max_new_cases")
            .and_then(|value| value.number(None))
            .map_or(defaults.max_new_cases, |number| {
                usize::try_from(number).unwrap_or(usize::MAX)
            }),
        max_wal: section.size("max_wal", defaults.max_wal),
        on_max_wal: on_max_wal.unwrap_or(defaults.on_max_wal),
        retain: section.duration("retain", defaults.retain),
    }
}

/// `[alert]`
pub(super) fn alert(section: &Section<'_>) -> Option<Alert> {
    let name = section.parsed("name", name);
    let after = section.positive("after", Alert::default().after);
    let url = section
        .need("url", "url = \"https://hooks.example.com/deskie-cdc\"")?
        .parsed(value::web_address);
    Some(Alert {
        url: Some(url?),
        name,
        after,
    })
}

/// What a person calls the site; one line of a chat holds it.
fn name(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err(Problem::new(
            "must be 1 to 100 characters in one line",
            "name = \"shop\"",
        ));
    }
    Ok(text.to_owned())
}
