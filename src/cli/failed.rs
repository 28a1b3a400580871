//! `failed`: what waits for a person.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::Value;

use super::output::{one_line, print, print_json, width, wrapped};
use super::{Failure, confirmed, failed};
use crate::config::Config;
use crate::store::{Done, ItemKind, Parked, ParkedDetail, ParkedId, Store, Via};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What the ids say.
const IDS: &str = "d… a message to Deskie, r… a reply to the site, s… a status, c… a case born in Deskie, o… a case that claims a \
    ticket, e… a change of a row, x… all new cases of one transaction";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List what waits for a person.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print everything that is stored of one, and what to do.
    Show {
        #[arg(help = IDS)]
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Try it again, after the cause was mended.
    #[command(group(clap::ArgGroup::new("which").required(true)))]
    Retry {
        #[arg(group = "which", help = IDS)]
        id: Option<String>,
        /// Everything that is parked, but for what is a decision of its own: `o…` and `x…`.
        #[arg(long, group = "which")]
        all: bool,
        /// Everything of a kind.
        #[arg(long, group = "which", value_name = "KIND", value_enum)]
        kind: Option<Named>,
        /// Why, for `trace`.
        #[arg(long, value_name = "TEXT", default_value = "by hand")]
        reason: String,
    },
    /// Give it up; what stands behind it in its ticket goes on.
    #[command(group(clap::ArgGroup::new("which").required(true)))]
    Discard {
        #[arg(group = "which", help = IDS)]
        id: Option<String>,
        /// Everything of a kind; asks, unless `--yes`.
        #[arg(long, group = "which", value_name = "KIND", value_enum)]
        kind: Option<Named>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Why, for `trace`.
        #[arg(long, value_name = "TEXT", default_value = "discarded by hand")]
        reason: String,
    },
}

/// The kinds as they are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Named {
    /// Messages, statuses, notes and files to Deskie (d…).
    Message,
    /// Replies to the site (r…).
    Reply,
    /// Statuses to the site (s…).
    Status,
    /// Cases born in Deskie (c…).
    Case,
    /// Cases that claim a ticket (o…).
    Claim,
    /// Changes of rows (e…).
    Change,
    /// All new cases of a transaction (x…).
    Import,
}

impl Named {
    fn kind(self) -> ItemKind {
        match self {
            Named::Message => ItemKind::Delivery,
            Named::Reply => ItemKind::Reply,
            Named::Status => ItemKind::Status,
            Named::Case => ItemKind::Birth,
            Named::Claim => ItemKind::Orphan,
            Named::Change => ItemKind::Change,
            Named::Import => ItemKind::Bulk,
        }
    }
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let store = super::store_set_up(config).await?;
    match &arguments.command {
        Command::List { json } => list(&store, *json).await,
        Command::Show { id, json } => show(&store, id, *json).await,
        Command::Retry {
            kind: Some(kind),
            reason,
            ..
        } => retry_kind(&store, kind.kind(), reason).await,
        Command::Retry { id, reason, .. } => retry(&store, id.as_deref(), reason).await,
        Command::Discard {
            kind: Some(kind),
            yes,
            reason,
            ..
        } => discard_kind(&store, kind.kind(), *yes, reason).await,
        Command::Discard { id, reason, .. } => {
            discard(&store, id.as_deref().unwrap_or_default(), reason).await
        }
    }
}

async fn list(store: &Store, json: bool) -> Result<(), Failure> {
    let mut parked = store.parked().list(None, 0, None).await.map_err(failed)?;
    parked.reverse();
    if json {
        return print_json(&parked);
    }
    if parked.is_empty() {
        return print("nothing waits for a person\n");
    }
    print(&list_text(&parked, width()))
}

/// So many characters of a ticket's key stand in the list.
const KEY: usize = 24;
/// So many of a cause, where nothing has to fit.
const CAUSE: usize = 160;

/// The list, in lines of at most `columns` characters.
fn list_text(parked: &[Parked], columns: Option<usize>) -> String {
    let table = |room: usize| {
        let mut table = Table::new();
        table
            .load_style(NOTHING)
            .set_header(["ID", "TICKET", "SINCE (UTC)", "WHY"]);
        for item in parked {
            let ticket = one_line(item.ticket.as_deref().unwrap_or("-"), KEY);
            let since = item.since.get(..19).unwrap_or(&item.since);
            table.add_row([
                item.id.to_string().as_str(),
                &ticket,
                since,
                &one_line(&item.error, room),
            ]);
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
        lines
    };
    let width = |lines: &[String]| {
        lines
            .iter()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or_default()
    };
    let lines = match columns {
        None => table(CAUSE),
        Some(columns) => {
            // What the other columns leave is the cause's.
            let others = width(&table(1)).saturating_sub(3);
            table(columns.saturating_sub(others + 1).max(12))
        }
    };
    format!(
        "{}\n\n`deskie-cdc failed show ID` tells all of one, and what to do.\n",
        lines.join("\n")
    )
}

/// What was typed as an id.
fn parked_id(typed: &str) -> Result<ParkedId, Failure> {
    ParkedId::of(typed).ok_or_else(|| unknown(typed))
}

fn unknown(id: &str) -> Failure {
    let shape = match ParkedId::of(id) {
        Some(_) => "it may have been dealt with already",
        None => "an id looks like d12 or r638929422",
    };
    failed(format!(
        "nothing parked has the id `{id}`: {shape}\nhint: `deskie-cdc failed list` shows what is parked"
    ))
}

async fn show(store: &Store, id: &str, json: bool) -> Result<(), Failure> {
    let detail = store
        .parked()
        .get(parked_id(id)?)
        .await
        .map_err(failed)?
        .ok_or_else(|| unknown(id))?;
    if json {
        let mut value = serde_json::to_value(&detail).map_err(failed)?;
        if let Value::Object(object) = &mut value {
            object.insert("what_to_do".into(), advice(&detail).into());
        }
        return print_json(&value);
    }
    let kind = kind(detail.id.kind);
    let mut text = format!(
        "{}: {kind}, ticket {}\n\n",
        detail.id,
        detail.ticket.as_deref().unwrap_or("unknown")
    );
    text.push_str(&format!("why\n  {}\n", fitted(&detail.error, 2).join("\n  ")));
    let mut rest = detail.stored.clone();
    if let Some(Value::String(answer)) = rest.as_object_mut().and_then(|rest| rest.remove("answer")) {
        text.push_str(&format!(
            "\nwhat Deskie answered\n  {}\n",
            fitted(&answer, 2).join("\n  ")
        ));
    }
    text.push_str("\nstored\n");
    stored(&mut text, &rest, 1);
    text.push_str("\nwhat to do\n");
    for line in advice(&detail) {
        let lines = fitted(&line, 4);
        text.push_str(&format!("  {}\n", lines.join("\n    ")));
    }
    print(&text)
}

/// The lines of a text that fit beside an indentation.
fn fitted(text: &str, indent: usize) -> Vec<String> {
    match width() {
        Some(width) => wrapped(text, width.saturating_sub(indent)),
        None => text.lines().map(str::to_owned).collect(),
    }
}

/// What kind of thing it is.
fn kind(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Delivery => "a message for Deskie",
        ItemKind::Reply => "a reply for the site",
        ItemKind::Status => "a status for the site",
        ItemKind::Birth => "a case that was born in Deskie, for the site",
        ItemKind::Orphan => "a case of Deskie's that claims to be this ticket",
        ItemKind::Change => "a change of a row",
        ItemKind::Bulk => "all new cases of one transaction",
    }
}

/// Everything that is not empty, nested things indented; long texts stay whole: this is where one looks for them.
fn stored(text: &mut String, value: &Value, depth: usize) {
    let Value::Object(object) = value else { return };
    let width = object
        .keys()
        .map(|key| key.chars().count())
        .max()
        .unwrap_or_default();
    let indent = "  ".repeat(depth);
    // jsonb has them by length.
    let mut entries: Vec<(&String, &Value)> = object.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| key.as_str());
    for (key, value) in entries {
        match value {
            Value::Null => {}
            Value::Object(inner) if inner.is_empty() => {}
            Value::Object(_) => {
                text.push_str(&format!("{indent}{key}\n"));
                stored(text, value, depth + 1);
            }
            other => {
                let shown = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                let further = format!("\n{indent}{:width$}  ", "");
                text.push_str(&format!(
                    "{indent}{key:width$}  {}\n",
                    shown.replace('\n', &further)
                ));
            }
        }
    }
}

/// What a person can do about it.
fn advice(detail: &ParkedDetail) -> Vec<String> {
    let id = &detail.id;
    let case = ["case_number", "case_id"]
        .iter()
        .find_map(|name| match detail.stored.get(*name)? {
            Value::String(number) => Some(number.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
    let case = case.map_or("the customer's cases".to_owned(), |case| format!("case {case}"));
    let mut lines = match (id.kind, detail.in_doubt) {
        (ItemKind::Bulk, _) => vec![
            "Look at the tickets above: are they new ones for Deskie, or an import of what was there?".into(),
            format!("They are for Deskie: `deskie-cdc failed retry {id}` opens a case for each."),
            format!("They are not: `deskie-cdc failed discard {id}` drops them; a later message on one of them opens its case."),
        ],
        (ItemKind::Change, _) => vec![
            "Mend what the error names: the mapping in the config, or the row on the site.".into(),
            format!("Then `deskie-cdc failed retry {id}` takes the change; after a change of the config restart `run` first."),
            format!("`deskie-cdc failed discard {id}` gives it up: what it says never reaches Deskie."),
        ],
        (ItemKind::Status, _) => vec![
            "Mend what the error names: the [status] part of the config, a right of the connector's user, or the row.".into(),
            format!("Then `deskie-cdc failed retry {id}` writes it; after a change of the config restart `run` first."),
            format!("`deskie-cdc failed discard {id}` leaves the site's ticket as it is; Deskie keeps its own status."),
        ],
        (ItemKind::Birth, _) => vec![
            "Mend what the error names: the [case] part of the config, a right of the connector's user, or a row.".into(),
            format!("Then `deskie-cdc failed retry {id}` makes the site's ticket; after a change of the config restart `run` first."),
            format!("`deskie-cdc failed discard {id}` leaves the site without a ticket for it; the case stays in Deskie."),
        ],
        (ItemKind::Orphan, _) => vec![
            format!("Look at {case} in Deskie: its ticket field names a ticket of the site that has another case already."),
            "It is a copy, or somebody typed it: empty the field there.".into(),
            format!("Then `deskie-cdc failed retry {id}` looks at it anew; `deskie-cdc failed discard {id}` never writes from it."),
        ],
        (ItemKind::Reply, _) => vec![
            "Mend what the error names: the [reply] part of the config, a right of the connector's user, or the row.".into(),
            format!("Then `deskie-cdc failed retry {id}` writes it; after a change of the config restart `run` first."),
            format!("`deskie-cdc failed discard {id}` leaves the site without this reply; it stays in Deskie."),
        ],
        (ItemKind::Delivery, true) => vec![
            format!("It is not known whether Deskie did this. Look at {case} in Deskie for the text above."),
            format!("It is there: `deskie-cdc failed discard {id} --reason \"it is in Deskie\"`."),
            format!("It is not there: `deskie-cdc failed retry {id}` sends it again, without another look."),
        ],
        (ItemKind::Delivery, false) => vec![
            "Mend what the error names: the mapping in the config, the row on the site, or the settings in Deskie.".into(),
            format!("Then `deskie-cdc failed retry {id}` sends it; after a change of the config restart `run` first."),
            format!("`deskie-cdc failed discard {id}` gives it up: it never reaches Deskie."),
        ],
    };
    // Those of a whole transaction wait for each other, which its cause tells.
    if detail.behind > 0 && id.kind != ItemKind::Bulk {
        let (things, wait) = if detail.behind == 1 {
            ("thing", "waits")
        } else {
            ("things", "wait")
        };
        lines.push(format!(
            "{} later {things} of this ticket {wait} behind it.",
            detail.behind
        ));
    }
    lines
}

async fn retry(store: &Store, id: Option<&str>, reason: &str) -> Result<(), Failure> {
    let named = id.map(parked_id).transpose()?;
    let count = store.parked().retry(named, reason).await.map_err(failed)?;
    if count > 0 {
        audited(store, Done::Retry, id.unwrap_or_default(), count, reason).await?;
    }
    match (count, id) {
        (0, Some(id)) => Err(unknown(id)),
        (0, None) => print(NOTHING_PARKED),
        (_, Some(id)) => print(&format!(
            "{id} is queued: the running connector tries it within seconds, in its place in the ticket; if it fails again it is parked again\n"
        )),
        (count, None) => queued(count),
    }
}

/// What is printed where nothing was there to be changed.
const NOTHING_PARKED: &str = "nothing was parked\n";

/// So many are changed in one statement.
const AT_ONCE: usize = 1000;

fn queued(count: u64) -> Result<(), Failure> {
    print(&format!(
        "{count} are queued: the running connector tries them within seconds, each in its place in its ticket; what fails again is parked again\n"
    ))
}

async fn retry_kind(store: &Store, kind: ItemKind, reason: &str) -> Result<(), Failure> {
    let mut count = 0;
    for some in store
        .parked()
        .numbers(kind)
        .await
        .map_err(failed)?
        .chunks(AT_ONCE)
    {
        let tried = store.parked().retry_of(kind, some, reason);
        count += tried.await.map_err(failed)?;
    }
    if count == 0 {
        return print(NOTHING_PARKED);
    }
    audited(store, Done::Retry, kind.letter(), count, reason).await?;
    queued(count)
}

async fn discard_kind(store: &Store, kind: ItemKind, yes: bool, reason: &str) -> Result<(), Failure> {
    let numbers = store.parked().numbers(kind).await.map_err(failed)?;
    if numbers.is_empty() {
        return print(NOTHING_PARKED);
    }
    let what = format!(
        "{} are parked of this kind ({}…); what is given up never crosses.",
        numbers.len(),
        kind.letter()
    );
    if !yes && !confirmed(&what)? {
        return Err(Failure::Failed("nothing was discarded".into()));
    }
    let mut count = 0;
    for some in numbers.chunks(AT_ONCE) {
        let given_up = store.parked().discard_of(kind, some, (reason, reason));
        count += given_up.await.map_err(failed)?;
    }
    audited(store, Done::Discard, kind.letter(), count, reason).await?;
    print(&format!(
        "{count} are discarded; what stood behind them in their tickets goes on\n"
    ))
}

/// The console shows who did what; by a command it is whoever may run it.
async fn audited(store: &Store, done: Done, target: &str, count: u64, reason: &str) -> Result<(), Failure> {
    let by = ("", Via::Command);
    store
        .audit()
        .add(by, done, target, count, reason)
        .await
        .map_err(failed)
}

async fn discard(store: &Store, id: &str, reason: &str) -> Result<(), Failure> {
    let named = parked_id(id)?;
    let count = store.parked().discard(named, reason).await.map_err(failed)?;
    if count > 0 {
        audited(store, Done::Discard, id, count, reason).await?;
    }
    match count {
        0 => Err(unknown(id)),
        _ => print(&format!(
            "{id} is discarded; what stood behind it in its ticket goes on\n"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_fits_and_grows_with_the_terminal() {
        let parked: Vec<Parked> = ["d12", "r638929422"]
            .map(|id| Parked {
                id: ParkedId::of(id).unwrap(),
                ticket: Some("00000000-0000-0000-0000-0000000000aa".into()),
                error: "Deskie refuses it: the field `user_email` is not an address, ".repeat(4),
                since: "2026-11-29 02:25:35.123+00".into(),
            })
            .into();
        let longest = |columns| {
            let text = list_text(&parked, columns);
            text.lines()
                .map(|line| line.chars().count())
                .max()
                .unwrap_or_default()
        };
        assert!(
            (70..=80).contains(&longest(Some(80))),
            "{}",
            list_text(&parked, Some(80))
        );
        assert!((130..=140).contains(&longest(Some(140))));
        assert!(longest(None) > 200);
    }

    #[test]
    fn each_kind_has_its_own_words_and_advice() {
        let detail = |id: ParkedId| ParkedDetail {
            id,
            ticket: Some("7".into()),
            error: "refused".into(),
            in_doubt: false,
            behind: 0,
            stored: Value::Null,
        };
        for (id, word, advised) in [
            ("d1", "a message for Deskie", "never reaches Deskie"),
            ("r1", "a reply for the site", "without this reply"),
            ("s1", "a status for the site", "[status]"),
            ("c1", "born in Deskie", "[case]"),
            ("o1", "claims to be this ticket", "ticket field"),
            ("e1", "a change of a row", "takes the change"),
            ("x1", "all new cases", "opens a case for each"),
        ] {
            let named = ParkedId::of(id).unwrap();
            assert!(kind(named.kind).contains(word), "{id}");
            let advice = advice(&detail(named)).join(" ");
            assert!(advice.contains(advised), "{id}: {advice}");
            assert_eq!(
                advice.contains("never reaches Deskie"),
                matches!(id, "d1" | "e1"),
                "{id}: {advice}"
            );
        }
    }
}
