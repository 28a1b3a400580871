//! `status`: our state as the database holds it, and what only a running connector knows, where one runs here.

use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;
use serde_json::Value;

use super::output::{print, print_json, width, wrapped};
use super::{Failure, failed, healthcheck};
use crate::config::Config;
use crate::console::report::{bytes, moment, span};
use crate::console::{BudgetReport, Items, Report};
use crate::model::{Kind, TroubleKind, clock};
use crate::store::{RuleHeard, Trouble};

/// How long the running connector may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Blanks between a name and its value.
const GAP: usize = 2;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// So many bytes of WAL are little for a server.
const LITTLE: i64 = 64 << 20;

/// What is printed; the names are promised.
#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    report: Report,
    /// What the connector behind `admin_listen` says of itself; null: none answers there.
    running: Option<Value>,
    /// Its API budget.
    budget: Option<BudgetReport>,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let store = super::store_set_up(config).await?;
    let mut report = Report::read(
        &store,
        config.postgres.slot.as_deref(),
        &config.postgres.publication,
        config.alert.after,
        Items::Page(1),
    )
    .await
    .map_err(failed)?;
    let running = ask(config).await;
    if running.is_none()
        && let Some(stopped) = stopped(&report, config)
    {
        report.troubles.insert(0, stopped);
    }
    let budget = running
        .as_ref()
        .and_then(|running| running.get("budget"))
        .and_then(|budget| serde_json::from_value(budget.clone()).ok());
    let status = Status {
        report,
        running,
        budget,
    };
    match arguments.json {
        true => print_json(&status)?,
        false => print(&text(&status, width()))?,
    }
    let needs_a_person: Vec<&Trouble> = report_needs(&status.report);
    match needs_a_person.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(Failure::Failed(format!(
            "error: a person is needed ({} of the troubles above): {}",
            needs_a_person.len(),
            first.text
        ))),
    }
}

fn report_needs(report: &Report) -> Vec<&Trouble> {
    let troubles = report.troubles.iter();
    troubles.filter(|trouble| trouble.needs_a_person).collect()
}

/// Where nobody leads, the server keeps its WAL for a slot that nobody reads. Nobody who runs is there to tell it.
fn stopped(report: &Report, config: &Config) -> Option<Trouble> {
    let slot = report.slot.as_ref()?;
    if report.leader.alive || !slot.exists || !slot.ours || slot.active {
        return None;
    }
    // Between `setup` and the first `run` nothing has stopped: the line of the connector says what comes next.
    let has_run = report.leader.epoch > 0;
    if !has_run && slot.held_bytes.unwrap_or_default() < LITTLE {
        return None;
    }
    let until = slot
        .safe_bytes
        .map_or("until its disk is full".to_owned(), |left| {
            format!(
                "until {} more are written and the slot is lost (max_slot_wal_keep_size)",
                bytes(left.max(0))
            )
        });
    let now = clock::now();
    Some(Trouble {
        kind: TroubleKind::Stopped,
        subject: String::new(),
        text: format!(
            "no connector leads, and none answers at [server] admin_listen, {}: nothing goes either way, and for its slot {} the site's server \
             keeps {} of WAL, more with each of the site's writes, {until}. Start it: `deskie-cdc run`, or its service. If it is \
             not to come back: `deskie-cdc uninstall`",
            config.server.admin_listen,
            slot.name,
            slot.held_bytes.map_or("all".into(), bytes),
        ),
        since: now,
        seen_at: now,
        count: 1,
        ended_at: None,
        needs_a_person: TroubleKind::Stopped.needs_a_person(),
    })
}

/// What the connector behind `admin_listen` says; ready or not.
async fn ask(config: &Config) -> Option<Value> {
    let url = healthcheck::url_here(config.server.admin_listen, "/health/ready");
    let answer = healthcheck::get(&url, ANSWER_WITHIN).await.ok()?;
    let value: Value = answer.json().await.ok()?;
    // Another program may listen there.
    value.get("role").is_some().then_some(value)
}

/// On a terminal of so many columns a long value goes on below itself.
fn text(status: &Status, width: Option<usize>) -> String {
    let report = &status.report;
    // First what needs a person.
    let mut rows: Vec<(&str, String)> = report.troubles.iter().map(trouble).collect();
    rows.extend([
        ("connector", connector(status)),
        ("leader", leader(report)),
        ("started", moment(report.started_at)),
        ("slot", slot(report)),
    ]);
    if let Some(slot) = report.slot.as_ref().filter(|slot| slot.exists) {
        rows.push(("  lag", slot.lag_bytes.map_or("unknown".into(), bytes)));
        let status = slot
            .wal_status
            .as_deref()
            .map_or(String::new(), |status| format!(" ({status})"));
        rows.push((
            "  WAL held",
            slot.held_bytes.map_or("unknown".into(), bytes) + &status,
        ));
        if slot.hinders_upgrade && slot.ours && !slot.active {
            let mend = format!(
                "refused while the slot is there; before it: select pg_drop_replication_slot('{}'), after it: `deskie-cdc \
                 setup --adopt`",
                slot.name.replace('\'', "''")
            );
            rows.push(("  pg_upgrade", mend));
        }
    }
    let positions = &report.positions;
    let captured = positions
        .captured_lsn
        .clone()
        .unwrap_or_else(|| "nothing yet".into());
    let at = positions
        .captured_at
        .map_or(String::new(), |at| format!(", last commit {}", moment(at)));
    rows.push(("captured to", captured + &at));
    rows.push(("swept to", positions.swept_to.map_or("not yet".into(), moment)));
    rows.push(("last call", positions.last_call_at.map_or("none".into(), moment)));
    let queues = &report.queues;
    let oldest = queues
        .oldest_seconds
        .map_or("nothing waits".into(), |seconds| span(seconds.max(0.0)));
    rows.push(("oldest waiting", oldest));
    rows.push(("  row changes", queues.events.to_string()));
    rows.push((
        "  for Deskie",
        format!("{}, {} of them in doubt", queues.deliveries, queues.in_doubt),
    ));
    rows.push(("  webhooks", queues.inbox.to_string()));
    rows.push(("  cases to read", queues.reads.to_string()));
    rows.push(("  for the site", queues.replies.to_string()));
    rows.push(("parked", parked(report)));
    rows.push(("tickets", format!("{} with a case", queues.tickets)));
    rows.push((
        "delivered",
        format!(
            "{} to Deskie, {} written to the site",
            queues.delivered, queues.written
        ),
    ));
    for (reason, count) in &report.skipped {
        rows.push(("passed over", format!("{count}: {reason}")));
    }
    rows.extend(report.rules.iter().map(rule));
    rows.push((
        "API budget",
        status.budget.as_ref().map_or("not running".into(), budget),
    ));
    if let Some(repair) = &report.repair {
        rows.push(("repair", repair.clone()));
    }
    rows.push(("last error", error(report)));
    let names = rows.iter().map(|(name, _)| name.chars().count()).max();
    let room = width.map(|width| width.saturating_sub(names.unwrap_or(0) + GAP));
    let mut table = Table::new();
    table.load_style(NOTHING);
    for (name, value) in rows {
        let value = room.map_or(value.clone(), |room| wrapped(&value, room).join("\n"));
        table.add_row([name, value.as_str()]);
    }
    // The style puts a blank before each cell; what is left of the indentation belongs to the names.
    table
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned() + "\n")
        .collect()
}

fn trouble(trouble: &Trouble) -> (&'static str, String) {
    let name = if trouble.needs_a_person {
        "TO DO"
    } else {
        "trouble"
    };
    let since = format!("since {}", moment(trouble.since));
    (
        name,
        format!("{}: {} ({since})", trouble.kind.as_str(), trouble.text),
    )
}

/// Whether Deskie's rules do what they are there for.
fn rule(heard: &RuleHeard) -> (&'static str, String) {
    let name = match heard.of {
        Kind::Agent => "agents' rule",
        Kind::Customer => "customers' rule",
    };
    let last = heard
        .last_at
        .map_or("not heard yet".into(), |at| format!("heard {}", moment(at)));
    let told = match heard.answers {
        0 => "no answer of theirs within a week".to_owned(),
        answers => format!(
            "told of {} of their newest {answers} answers",
            answers - heard.untold
        ),
    };
    (name, format!("{last}; {told}"))
}

fn connector(status: &Status) -> String {
    let Some(running) = &status.running else {
        return match status.report.leader.alive {
            true => "not running here".into(),
            false => "not running: `deskie-cdc run` starts it".into(),
        };
    };
    let word = |name: &str| {
        running
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned()
    };
    let mut text = word("state");
    let reasons = running
        .get("reasons")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    for reason in reasons {
        text.push_str(&format!("\nnot ready: {reason}"));
    }
    text
}

fn leader(report: &Report) -> String {
    let leader = &report.leader;
    let Some(holder) = leader.holder.as_deref() else {
        return "nobody yet".into();
    };
    let age = leader
        .renewed_seconds
        .map_or("given back at its end".into(), |seconds| {
            format!("renewed {} ago", span(seconds.max(0.0)))
        });
    match leader.alive {
        true => format!("{holder}, term {}, {age}", leader.epoch),
        false => format!("none; the last was {holder}, term {}, {age}", leader.epoch),
    }
}

fn slot(report: &Report) -> String {
    match &report.slot {
        None => "not made yet; run `deskie-cdc setup`".into(),
        Some(slot) if !slot.exists => format!("{} is not there; see `deskie-cdc check`", slot.name),
        Some(slot) if !slot.ours => format!("{} belongs to another database", slot.name),
        Some(slot) => format!(
            "{}, {}",
            slot.name,
            if slot.active {
                "in use"
            } else {
                "nobody streams from it"
            }
        ),
    }
}

fn parked(report: &Report) -> String {
    match report.queues.parked {
        0 => "0".into(),
        count => format!("{count}; see `deskie-cdc failed list`"),
    }
}

fn budget(budget: &BudgetReport) -> String {
    crate::console::budget_text(budget)
}

fn error(report: &Report) -> String {
    match (&report.last_error, report.last_error_at) {
        (Some(error), Some(at)) => format!("{error} ({})", moment(at)),
        (Some(error), None) => error.clone(),
        (None, _) => "none".into(),
    }
}
