//! English.

use super::{Advice, Words};
use crate::console::vital::Role;
use crate::model::TroubleKind as T;
use crate::store::{Chapter, Done, ItemKind as I};

pub(super) static WORDS: Words = Words {
    overview: "Overview",
    items: "Waiting for you",
    troubles: "Troubles",
    log: "Who did what",
    log_in: "Log in",
    log_out: "Log out",
    theme: ["Automatic", "Light", "Dark"],
    version: "Version",
    as_of: "As of {}",
    stale: "The connector does not answer: what you see is out of date.",
    needs_you: "This needs you",
    all_well: "All is well",
    all_well_text: "Nothing needs a person.",
    by_itself: "This ends by itself",
    since: "since",
    details: "Details",
    look: "Look at them",
    database_away: "The database does not answer",
    not_ready: "Not ready",
    ways: "Both ways",
    to_deskie: "Site → Deskie",
    to_site: "Deskie → site",
    waiting: "waiting",
    nothing_waits: "nothing waits",
    oldest: "Oldest waiting",
    charts: "Over time",
    hour: "Last hour",
    day: "Last day",
    sent: "Messages to Deskie",
    written: "Messages to the site",
    lag: "Lag behind the database",
    budget: "API budget used, per minute",
    most: "max",
    no_samples: "No values yet: one is taken each minute.",
    state: "State",
    role: "Role",
    running_since: "Running since",
    stream: "Stream of the site's changes",
    connected: ["not connected", "connected"],
    deskie: "Deskie",
    deskie_states: [
        "nothing was asked yet",
        "answers",
        "does not answer",
        "refuses the API key",
    ],
    slot: "Replication slot",
    slot_away: "not there",
    wal_held: "WAL held",
    captured: "Last captured commit",
    compared: "Cases compared up to",
    repair: "Last repair",
    leader: "Leader",
    nobody: "nobody",
    queues: [
        "Row changes to look at",
        "Messages for Deskie",
        "of these in doubt",
        "Webhooks to deal with",
        "Cases to read",
        "Replies for the site",
        "Waiting for a person",
    ],
    totals: [
        "Tickets with a case",
        "Messages delivered to Deskie",
        "Messages written to the site",
    ],
    passed_over: "Rows passed over",
    none: "none",
    nothing_parked: "Nothing waits for a person.",
    all_kinds: "All",
    ticket: "Ticket",
    unknown: "unknown",
    why: "Why",
    what_to_do: "What to do",
    retry: "Retry",
    discard: "Discard…",
    discard_sure: "It is given up and cannot be brought back. What stands behind it goes on.",
    discard_yes: "Yes, discard",
    retry_all: "Retry all of this kind",
    discard_all: "Discard all of this kind…",
    reason: "Reason",
    page_of: "Page {} of {}",
    older: "Older",
    newer: "Newer",
    to_change: "Log in to see texts, retry or discard.",
    no_token: "Nothing can be changed here: [server] admin_token is not set. Use `deskie-cdc failed` instead.",
    behind: "{} later things of this ticket wait behind it.",
    attempts: "Attempts",
    row: "The site's row",
    request: "What was to be sent or written",
    answer: "What Deskie answered",
    progress: "How far it came",
    texts_hidden: "Texts are shown after logging in.",
    gone: "Nothing of this number waits any more: it was dealt with.",
    now: "Now",
    past: "Past",
    until: "until",
    who: "Who",
    when: "When",
    did: "Did what",
    nobody_acted: "Nobody has done anything yet.",
    program: "a program",
    command: "command line",
    token: "Admin token",
    your_name: "Your name",
    log_in_text: "The token stands in the config as [server] admin_token. Your name is noted beside what you do.",
    token_wrong: "That is not the token.",
    token_too_soon: "A wrong token was given just now: try again in some seconds.",
    retried: "{}: tried again.",
    discarded: "{}: discarded.",
    left: "{} of this kind are left: press again.",
    pause: "Pause",
    resume: "Resume",
    is_paused: "Paused",
    paused: "{}: paused. Nothing is lost: what comes is kept and waits.",
    resumed: "{}: goes on.",
    search: "Search",
    search_hint: "Ticket, case number or e-mail",
    nothing_found: "Nothing was found. What is looked for has to be the whole ticket key, case number or e-mail address.",
    story: "The ticket's story",
    newest_lines: "The newest {} lines.",
    deleted: "deleted on the site",
    under_a_second: "under 1 s",
    units: ["s", "min", "h", "days"],
    roles,
    trouble,
    kind,
    advice,
    done,
    chapter,
    particulars: None,
};

fn roles(role: Role) -> &'static str {
    match role {
        Role::Starting => "starting",
        Role::Leader => "leader",
        Role::Standby => "standby: another instance leads",
        Role::Stopping => "stopping",
    }
}

fn trouble(kind: T) -> (&'static str, &'static str) {
    match kind {
        T::Held => (
            "Everything is held",
            "Decide whether this database may send: the details name the command.",
        ),
        T::SiteRefused => (
            "The site's own changes are refused",
            "Run the statement in the details at once.",
        ),
        T::Paused => (
            "Paused by a person",
            "Resume it in the overview, or by `deskie-cdc resume`, once its reason is over.",
        ),
        T::Parked => (
            "Items wait for you",
            "Open each, mend its cause, then retry or discard it.",
        ),
        T::ResolvingStopped => (
            "Nothing goes to Deskie: the mapping does not fit",
            "Mend the place in the config, or the table; it goes on by itself.",
        ),
        T::WritingStopped => (
            "Nothing comes to the site: the mapping does not fit",
            "Mend the place in the config, or the table; it goes on by itself.",
        ),
        T::Unrepaired => (
            "The rows of a gap cannot be taken",
            "Mend what the details name; it goes on by itself.",
        ),
        T::Unpublished => (
            "A table is not streamed",
            "Run `deskie-cdc setup`; what was missed is repaired.",
        ),
        T::TableChanged => (
            "A table was changed so that it cannot be followed",
            "Do what the details say.",
        ),
        T::StandbyAwaited => (
            "A standby server keeps the stream back",
            "Bring it back, or take it out of synchronized_standby_slots.",
        ),
        T::StreamAwaited => (
            "Commits wait for the connector's stream as for a standby",
            "Name the standbys in synchronous_standby_names instead of *.",
        ),
        T::ClockUntrusted => (
            "Times of rows are off",
            "Write the time zone into the config as the details say.",
        ),
        T::CaseUnreadable => (
            "Deskie does not let us read some cases",
            "Give the API's agent access to them in Deskie, then retry.",
        ),
        T::CaseEstranged => (
            "Cases are another ticket's",
            "Compare the ticket field of these cases in Deskie.",
        ),
        T::KeyRevoked => (
            "Deskie refuses the API key",
            "Put a valid key into the config and restart, or activate its agent. Nothing is lost.",
        ),
        T::DeskieUnreachable => (
            "Deskie does not answer",
            "Nothing. What waits is sent once it answers.",
        ),
        T::StreamDown => (
            "The site's changes are not streamed",
            "If it lasts, run `deskie-cdc check`: it names the cause.",
        ),
        T::SlotLost => (
            "The replication slot was lost",
            "Nothing. What was missed is repaired from the tables.",
        ),
        T::Stopped => (
            "No connector runs, and its slot keeps the database's WAL",
            "Start it: `deskie-cdc run`, or its service. If it is not to come back: `deskie-cdc uninstall`.",
        ),
        T::WalHeld => (
            "The database keeps too much WAL for us",
            "See why capture does not get on: the log says it.",
        ),
        T::SweepFailing => (
            "Deskie's list of updated cases cannot be taken",
            "Mend what the details name (the agent's rights in Deskie, or the database); it goes on by itself.",
        ),
        T::RuleSilent => (
            "No webhook tells of these answers",
            "They come minutes later. Look at the rule in Deskie that the details name (deskie-cdc rules), and whether its address is reached.",
        ),
        T::StreamUnstable => (
            "The stream of the site's changes breaks again and again",
            "Look for what cuts it: a time-out of a proxy or firewall, a server that restarts. Nothing is lost.",
        ),
        T::Waiting => (
            "Something waits too long",
            "See below which queue is long, and what else is wrong.",
        ),
    }
}

fn kind(kind: I) -> &'static str {
    match kind {
        I::Delivery => "Message for Deskie",
        I::Reply => "Reply for the site",
        I::Status => "Status for the site",
        I::Birth => "New case, for the site",
        I::Orphan => "Case that claims a ticket",
        I::Change => "Change of a row",
        I::Bulk => "Many new cases at once",
    }
}

fn advice(of: Advice) -> [&'static str; 3] {
    match of {
        Advice::InDoubt => [
            "Nobody knows whether Deskie did this. Look in the case in Deskie for the text.",
            "It is not there: retry sends it again.",
            "It is there: discard it.",
        ],
        Advice::Of(I::Delivery) => [
            "Mend what the reason names: the mapping, the row on the site, or the settings in Deskie.",
            "Retry sends it, in its place in the ticket.",
            "Discard: it never reaches Deskie.",
        ],
        Advice::Of(I::Reply) => [
            "Mend what the reason names: the mapping, a right of the connector's user, or the row.",
            "Retry writes it.",
            "Discard: the site goes without this reply; it stays in Deskie.",
        ],
        Advice::Of(I::Status) => [
            "Mend what the reason names: the mapping, a right of the connector's user, or the row.",
            "Retry writes the status.",
            "Discard: the site's ticket stays as it is.",
        ],
        Advice::Of(I::Birth) => [
            "Mend what the reason names: the [case] part of the config, a right, or a row.",
            "Retry makes the site's ticket.",
            "Discard: the case stays in Deskie alone.",
        ],
        Advice::Of(I::Orphan) => [
            "In Deskie this case's ticket field names a ticket that has another case already. Empty the field there.",
            "Retry asks Deskie anew.",
            "Discard: nothing is ever written from this case.",
        ],
        Advice::Of(I::Change) => [
            "Mend what the reason names: the mapping, or the row on the site.",
            "Retry takes the change.",
            "Discard: what it says never reaches Deskie.",
        ],
        Advice::Of(I::Bulk) => [
            "Look at the tickets: are they new ones for Deskie, or an import of what was there?",
            "They are for Deskie: retry opens a case for each.",
            "They are an import: discard drops them all.",
        ],
    }
}

fn done(done: Done) -> &'static str {
    match done {
        Done::LogIn => "logged in",
        Done::Retry => "retried",
        Done::Discard => "discarded",
        Done::Pause => "paused",
        Done::Resume => "resumed",
    }
}

fn chapter(chapter: Chapter) -> &'static str {
    match chapter {
        Chapter::Row => "Row seen",
        Chapter::Queued => "Queued for Deskie",
        Chapter::Webhook => "Webhook",
        Chapter::Message => "Message in Deskie",
        Chapter::Written => "Row written",
        Chapter::Note => "",
    }
}
