//! What the database says of our state: the same for `status`, the console and the metrics.

use std::time::{Duration, Instant};

use super::troubles;
use crate::lanes;
use crate::model::clock;
use crate::postgres::catalog;
use crate::store::{Parked, Paused, Queues, RuleHeard, Store, StoreError, Trouble};

/// A lease that was not renewed for so long has no living holder: it is renewed every 2 s.
const LEASE_STALE_SECONDS: f64 = 15.0;

/// How many parked items a page tells.
pub const PARKED_PAGE: u32 = 100;

/// Which parked items a report tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items {
    /// Their number alone.
    None,
    /// This page of [`PARKED_PAGE`], from 1.
    Page(u32),
}

/// Our state, as the database holds it. The names are part of what `status --json` promises.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// The connector's start: older rows are not its business.
    pub started_at: jiff::Timestamp,
    /// The site's database.
    pub database: Option<String>,
    /// Who leads.
    pub leader: Leader,
    /// The slot; `None`: it was never made.
    pub slot: Option<SlotReport>,
    /// How far each flow is.
    pub positions: Positions,
    /// How much waits where.
    pub queues: Queues,
    /// Rows that were passed over, by reason.
    pub skipped: serde_json::Map<String, serde_json::Value>,
    /// What a person has to decide before anything is sent or written.
    pub held: Vec<String>,
    /// The directions that a person has paused.
    pub paused: Vec<Paused>,
    /// What goes wrong now, what needs a person first.
    pub troubles: Vec<Trouble>,
    /// What waits for a person, the newest first: a page of [`PARKED_PAGE`] of `queues.parked`.
    pub parked: Vec<Parked>,
    /// The newest trouble that is neither a person's decision nor a single item's.
    pub last_error: Option<String>,
    /// How Deskie's rules for agents' and for customers' answers have been heard of late.
    pub rules: Vec<RuleHeard>,
    /// What the repair of a gap in the stream is at, or what came of the last one.
    pub repair: Option<String>,
    /// When `last_error` began.
    pub last_error_at: Option<jiff::Timestamp>,
}

/// Who leads.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Leader {
    /// Whether somebody leads now.
    pub alive: bool,
    /// Who holds the lease, or held it last.
    pub holder: Option<String>,
    /// The term of office.
    pub epoch: i64,
    /// Seconds since the lease was renewed.
    pub renewed_seconds: Option<f64>,
}

/// The replication slot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SlotReport {
    pub name: String,
    /// It is there.
    pub exists: bool,
    /// It belongs to this database.
    pub ours: bool,
    /// Somebody streams from it.
    pub active: bool,
    /// Bytes between the log's end and what was acknowledged.
    pub lag_bytes: Option<i64>,
    /// Bytes of WAL that the server keeps because of it.
    pub held_bytes: Option<i64>,
    /// Bytes that may be written before it may be lost; `None`: the server sets no limit.
    pub safe_bytes: Option<i64>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// What was acknowledged.
    pub confirmed_lsn: Option<String>,
    /// pg_upgrade refuses a server of 17 and later that has it: the connector's own last writes lie behind what it has
    /// acknowledged.
    pub hinders_upgrade: bool,
}

/// How far each flow is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Positions {
    /// End of the last captured transaction.
    pub captured_lsn: Option<String>,
    /// Its commit time.
    pub captured_at: Option<jiff::Timestamp>,
    /// Our last call to Deskie that may have changed something.
    pub last_call_at: Option<jiff::Timestamp>,
    /// Cases updated before this were compared.
    pub swept_to: Option<jiff::Timestamp>,
}

impl Report {
    /// Reads it; `slot`: the config's name of the slot, for a state that knows none yet; `publication`: the main one;
    /// `after`: how long the oldest thing may wait; `items`: which parked items it tells. What is a trouble is looked for anew.
    pub async fn read(
        store: &Store,
        slot: Option<&str>,
        publication: &str,
        after: Duration,
        items: Items,
    ) -> Result<Report, StoreError> {
        let meta = store.meta().read().await?;
        let standing = store.overview().standing().await?;
        let queues = store.overview().queues().await?;
        let parked = match items {
            Items::None => Vec::new(),
            Items::Page(page) => {
                store
                    .parked()
                    .list(None, (page - 1) * PARKED_PAGE, Some(PARKED_PAGE))
                    .await?
            }
        };
        let skipped = store.skipped().counts().await?;
        let slot = match meta.slot.as_deref().or(slot) {
            Some(name) => Some(slot_report(store, name).await?),
            None => None,
        };
        let troubles = troubles::now(
            store,
            publication,
            after,
            (queues.parked, queues.oldest_unpaused_seconds),
        )
        .await?;
        let is_error = |trouble: &&Trouble| trouble.kind.is_of_a_flow() || trouble.kind.is_of_the_process();
        let last = troubles
            .iter()
            .filter(is_error)
            .max_by_key(|trouble| trouble.since);
        let last = last.map(|trouble| (trouble.text.clone(), trouble.since));
        let alive = standing
            .renewed_seconds
            .is_some_and(|seconds| seconds < LEASE_STALE_SECONDS);
        Ok(Report {
            started_at: meta.started_at,
            database: meta.database,
            leader: Leader {
                alive,
                holder: standing.holder,
                epoch: standing.epoch,
                renewed_seconds: standing.renewed_seconds,
            },
            slot,
            positions: Positions {
                captured_lsn: meta.captured_lsn.map(|lsn| lsn.to_string()),
                captured_at: standing.captured_at,
                last_call_at: standing.last_call_at,
                swept_to: meta.swept_to,
            },
            queues,
            skipped: skipped
                .into_iter()
                .map(|(reason, count)| (reason, count.into()))
                .collect(),
            held: store.holds().all().await?,
            paused: store.pauses().all().await?,
            troubles,
            parked,
            rules: store.rules().heard().await?,
            repair: meta.repair_note,
            last_error_at: last.as_ref().map(|(_, since)| *since),
            last_error: last.map(|(text, _)| text),
        })
    }
}

async fn slot_report(store: &Store, name: &str) -> Result<SlotReport, StoreError> {
    let client = store.client().await?;
    let found = catalog::slot(&**client, name).await?;
    let version = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4";
    let version: i32 = client.query_one(version, &[]).await?.try_get(0)?;
    Ok(match found {
        Some(slot) => SlotReport {
            name: slot.name,
            exists: true,
            ours: slot.is_this_database,
            active: slot.active_pid.is_some(),
            lag_bytes: slot.lag_bytes,
            held_bytes: slot.held_bytes,
            safe_bytes: slot.safe_wal_size,
            wal_status: slot.wal_status,
            confirmed_lsn: slot.confirmed_flush.map(|lsn| lsn.to_string()),
            hinders_upgrade: version >= 170_000,
        },
        None => SlotReport {
            name: name.to_owned(),
            exists: false,
            ours: false,
            active: false,
            lag_bytes: None,
            held_bytes: None,
            safe_bytes: None,
            wal_status: None,
            confirmed_lsn: None,
            hinders_upgrade: false,
        },
    })
}

/// The API's budget, in units of the quota.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BudgetReport {
    /// Units a minute that we allow ourselves.
    pub limit: u32,
    /// Deskie told the limit; false: assumed.
    pub limit_known: bool,
    /// Units used within the last minute, those under way included.
    pub used: u32,
    /// Units that may still be used in this minute.
    pub remaining: u32,
    /// Nobody sends for so long: Deskie asked for a pause.
    pub paused_seconds: Option<f64>,
    /// Held back for so long: somebody else uses the quota.
    pub held_seconds: Option<f64>,
}

impl From<lanes::Snapshot> for BudgetReport {
    fn from(snapshot: lanes::Snapshot) -> BudgetReport {
        let now = clock::monotonic();
        let ahead = |until: Option<Instant>| {
            until
                .map(|until| until.saturating_duration_since(now).as_secs_f64())
                .filter(|seconds| *seconds > 0.0)
        };
        BudgetReport {
            limit: snapshot.limit,
            limit_known: snapshot.limit_known,
            used: snapshot.used,
            remaining: snapshot.remaining,
            paused_seconds: ahead(snapshot.paused_until),
            held_seconds: ahead(snapshot.held_until),
        }
    }
}

/// The budget in words.
pub fn budget_text(budget: &BudgetReport) -> String {
    let mut text = format!("{} of {} a minute left", budget.remaining, budget.limit);
    if !budget.limit_known {
        text.push_str(" (assumed: Deskie has not told its limit yet)");
    }
    if let Some(seconds) = budget.paused_seconds {
        text.push_str(&format!("; paused for {} at Deskie's wish", span(seconds)));
    }
    if let Some(seconds) = budget.held_seconds {
        let seconds = span(seconds);
        text.push_str(&format!(
            "; others use the quota, too: for {seconds} Deskie's own count binds"
        ));
    }
    text
}

/// A number of bytes for people.
pub fn bytes(count: i64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", count as f64 / *size as f64),
        None => format!("{count} B"),
    }
}

/// A time span for people.
pub fn span(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "under 1 s".to_owned(),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// The second of a moment: nobody reads its fractions.
pub fn moment(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_500, "1.5 kB"),
            (10_000_000_000, "10.0 GB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        for (seconds, text) in [
            (0.2, "under 1 s"),
            (90.0, "90 s"),
            (7100.0, "118 min"),
            (9000.0, "2 h"),
            (2e5, "2 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
