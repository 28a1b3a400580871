//! Every name the config knows, and what a wrong one was meant to be.

/// The keys of each section; a section under another has a dotted name. `ticket.fields` and `reply.set` (and `set`
/// under `reply.agent`, `reply.customer`) are not here: their keys are the site's.
pub(super) const KEYS: &[(&str, &[&str])] = &[
    ("postgres", &["url", "publication", "slot", "schema"]),
    (
        "deskie",
        &[
            "url",
            "staff_email",
            "api_key",
            "ticket_field",
            "requests_per_minute",
            "labels",
            "group_id",
            "language_id",
            "timeout",
            "sweep",
            "doubt_wait",
            "max_body",
            "max_text",
            "channel",
            "site",
        ],
    ),
    (
        "server",
        &[
            "listen",
            "public_url",
            "admin_listen",
            "webhook_secret",
            "admin_token",
            "admin_hosts",
        ],
    ),
    (
        "capture",
        &[
            "settle",
            "session",
            "max_age",
            "max_new_cases",
            "max_wal",
            "on_max_wal",
            "retain",
        ],
    ),
    (
        "ticket",
        &[
            "table",
            "key",
            "join",
            "where",
            "open_on",
            "subject",
            "body",
            "format",
            "status",
            "created_at",
            "channel",
            "customer",
            "wait",
            "fields",
            "labels",
            "priority",
            "group_id",
            "language_id",
            "on_edit",
            "on_delete",
            "on_hide",
        ],
    ),
    ("ticket.customer", &["email", "phone", "custom_id", "name"]),
    (
        "message",
        &[
            "table",
            "key",
            "ticket",
            "join",
            "where",
            "author",
            "body",
            "format",
            "created_at",
            "agent_as",
            "expand",
            "on_edit",
            "on_delete",
            "on_hide",
            "coalesce",
        ],
    ),
    (
        "attachment",
        &[
            "of",
            "table",
            "key",
            "expand",
            "parent",
            "join",
            "where",
            "name",
            "mime",
            "url",
            "path",
            "base",
            "bytes",
            "wait",
            "allow_private",
        ],
    ),
    (
        "reply",
        &[
            "set",
            "after",
            "agent",
            "customer",
            "where",
            "attachments",
            "files_dir",
        ],
    ),
    ("reply.agent", &["set", "after"]),
    ("reply.customer", &["set", "after"]),
    ("status", &["sql", "map"]),
    ("status.map", &["open", "waiting", "closed"]),
    ("case", &["sql"]),
    ("alert", &["url", "name", "after"]),
];

/// Words that people write for one of ours.
const SYNONYMS: &[(&str, &str)] = &[
    ("filter", "where"),
    ("condition", "where"),
    ("joins", "join"),
    ("dsn", "url"),
    ("uri", "url"),
    ("connection", "url"),
    ("host", "url"),
    ("domain", "url"),
    ("password", "url"),
    ("token", "api_key"),
    ("email", "staff_email"),
    ("secret", "webhook_secret"),
    ("port", "listen"),
    ("address", "listen"),
    ("id", "key"),
    ("primary_key", "key"),
    ("title", "subject"),
    ("text", "body"),
    ("content", "body"),
    ("ticket_id", "ticket"),
    ("filename", "name"),
    ("insert", "set"),
    ("columns", "set"),
    ("priorities", "priority"),
];

/// The keys of a section.
pub(super) fn keys_of(section: &str) -> &'static [&'static str] {
    KEYS.iter()
        .find(|(name, _)| *name == section)
        .map_or(&[], |(_, keys)| keys)
}

/// The names of the sections that may stand at the top, as headers are written.
pub(super) fn sections() -> Vec<&'static str> {
    KEYS.iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.contains('.'))
        .collect()
}

/// The name that was probably meant.
pub(super) fn nearest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
    let written_plain = plain(written);
    if let Some(name) = names.iter().find(|name| plain(name) == written_plain) {
        return Some(name);
    }
    if let Some((_, meant)) = SYNONYMS.iter().find(|(word, _)| *word == written)
        && let Some(name) = names.iter().find(|name| *name == meant)
    {
        return Some(name);
    }
    names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&written_plain, &plain(name)), *name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1) && *distance < written_plain.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The sections that know a key, for one that stands in the wrong place.
pub(super) fn homes(key: &str) -> Vec<&'static str> {
    KEYS.iter()
        .filter(|(_, keys)| keys.contains(&key))
        .map(|(name, _)| *name)
        .collect()
}
