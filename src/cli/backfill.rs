//! `backfill`: queues existing tickets behind live traffic, each once.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::print;
use super::{Failure, connect_url, failed, store_set_up};
use crate::backfill::{Backfill, FoundRow, Queued, Wanted};
use crate::config::Config;
use crate::postgres::{Pool, SessionOptions};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only tickets made on that day (UTC) or later, by `[ticket] created_at`; `2026-01-31` or a whole timestamp.
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// Only tickets of this status, by `[ticket] status`.
    #[arg(long, value_name = "STATUS", value_parser = ["open", "waiting", "closed"])]
    status: Option<String>,
    /// Only so many: the newest of those that are not known yet.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Say what would be queued, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    let wanted = wanted(config, arguments)?;
    let store = store_set_up(config).await?;
    let session = config
        .capture
        .session
        .iter()
        .map(|statement| statement.sql.clone())
        .collect();
    let options = SessionOptions::new("backfill")
        .with_statements(session)
        .with_statement_timeout(None);
    let site = Pool::new(connect_url(config)?, options, 1).map_err(failed)?;
    let backfill = Backfill::new(store, site, Arc::new(config.clone()))
        .await
        .map_err(failed)?;
    let mut tickets = backfill.tickets(&wanted).await.map_err(failed)?;
    if let Some(limit) = arguments.limit {
        tickets = newest_unknown(&backfill, tickets, limit).await?;
    }
    let bar = ProgressBar::new(tickets.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} tickets, {eta} left") {
        bar.set_style(style);
    }
    let (mut queued, mut rows, mut known) = (0, 0, 0);
    for ticket in &tickets {
        match backfill.queue(ticket, arguments.dry_run).await.map_err(failed)? {
            Queued::Rows(count) => {
                queued += 1;
                rows += count;
            }
            Queued::Known => known += 1,
            Queued::Nothing => {}
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let verb = if arguments.dry_run {
        "would be queued"
    } else {
        "queued"
    };
    print(&format!(
        "{queued} tickets {verb} with {rows} rows; {known} of {} are known already",
        tickets.len()
    ))?;
    if queued > 0 && !arguments.dry_run {
        print("they go to Deskie behind live traffic; see `deskie-cdc status`")?;
    }
    Ok(())
}

/// The newest `limit` tickets that would be queued, the oldest of them first as they are; what is known does not count.
async fn newest_unknown(
    backfill: &Backfill,
    mut tickets: Vec<FoundRow>,
    limit: usize,
) -> Result<Vec<FoundRow>, Failure> {
    let mut first = tickets.len();
    let mut count = 0;
    let mut keep = Vec::new();
    while count < limit && first > 0 {
        first -= 1;
        let Some(ticket) = tickets.get(first) else { break };
        let is_new = matches!(
            backfill.queue(ticket, true).await.map_err(failed)?,
            Queued::Rows(_)
        );
        count += usize::from(is_new);
        keep.push(is_new);
    }
    let mut keep = keep.into_iter().rev();
    let mut chosen = tickets.split_off(first);
    chosen.retain(|_| keep.next().unwrap_or(false));
    Ok(chosen)
}

fn wanted(config: &Config, arguments: &Arguments) -> Result<Wanted, Failure> {
    let usage = |text: &str| Failure::Usage(format!("error: {text}"));
    let since = arguments.since.as_deref().map(|text| {
        text.parse::<jiff::Timestamp>()
            .or_else(|_| format!("{text}T00:00:00Z").parse())
            .map_err(|_| usage(&format!("--since `{text}` is no date such as 2026-01-31")))
    });
    if arguments.since.is_some() && config.ticket.created_at.is_none() {
        return Err(usage("--since needs `[ticket] created_at` in the config"));
    }
    if arguments.status.is_some() && config.ticket.status.is_none() {
        return Err(usage("--status needs `[ticket] status` in the config"));
    }
    Ok(Wanted {
        since: since.transpose()?,
        status: arguments.status.clone(),
    })
}
