//! `[alert] url`: one POST with a short JSON text at each change of state.
//!
//! A task of the whole process, not of a term: a database that is gone ends the term, and that is told as well. What
//! is told is decided by [`Told::look`], a pure function of what was told last and what is seen now; posting is tried
//! a few times and never holds anything up. A standby tells nothing: the leader does.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::console::{DeskieState, Role, Vital};
use crate::model::clock;
use crate::postgres::catalog;
use crate::store::{StoreError, Watched};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// So often whether the server refuses statements of the site's, unless the catalog has changed.
const REFUSED_EVERY: Duration = Duration::from_secs(60);

/// A trouble that is over within this is not told.
const LASTING: Duration = Duration::from_secs(60);

/// More parked things within this are told together.
const TOGETHER: Duration = Duration::from_secs(60);

/// An alert is posted so often at most.
const ATTEMPTS: u32 = 5;

/// How long one POST may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
struct Alert {
    /// For people; the key that Slack, Mattermost and their like show.
    text: String,
    /// For programs.
    event: &'static str,
    at: jiff::Timestamp,
}

/// What is seen at one look.
#[derive(Debug, Clone)]
struct Seen {
    /// The ids of what is parked; `None`: the database did not say.
    parked: Option<BTreeSet<String>>,
    deskie: DeskieState,
    streaming: bool,
    /// `None`: the database did not say.
    slot_lost: Option<bool>,
    /// The tables whose UPDATE the server refuses to the site because of us; `None`: the database did not say.
    refused: Option<BTreeSet<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deskie {
    Well,
    Unreachable,
    KeyRevoked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Well,
    Down,
    SlotLost,
}

/// What was told last, and since when things are otherwise.
#[derive(Debug)]
struct Told {
    parked: BTreeSet<String>,
    parked_at: Option<Instant>,
    deskie: Deskie,
    unreachable_since: Option<Instant>,
    stream: Stream,
    down_since: Option<Instant>,
    refused: BTreeSet<String>,
}

impl Told {
    fn new() -> Told {
        Told {
            parked: BTreeSet::new(),
            parked_at: None,
            deskie: Deskie::Well,
            unreachable_since: None,
            stream: Stream::Well,
            down_since: None,
            refused: BTreeSet::new(),
        }
    }

    /// What is to be told now: event and text.
    fn look(&mut self, seen: &Seen, now: Instant) -> Vec<(&'static str, String)> {
        let mut told = Vec::new();
        told.extend(self.look_at_parked(seen, now));
        told.extend(self.look_at_deskie(seen, now));
        told.extend(self.look_at_stream(seen, now));
        told.extend(self.look_at_site(seen));
        told
    }

    /// The site's own statements fail at this moment (rule 1): told at once.
    fn look_at_site(&mut self, seen: &Seen) -> Option<(&'static str, String)> {
        let refused = seen
            .refused
            .as_ref()
            .filter(|refused| **refused != self.refused)?;
        self.refused.clone_from(refused);
        if refused.is_empty() {
            return Some(("site_well", "the site's UPDATEs are taken again".to_owned()));
        }
        let names: Vec<&str> = refused.iter().map(String::as_str).collect();
        let text = format!(
            "the server refuses the site's own UPDATE and DELETE on {} since our publication carries them: `deskie-cdc status` \
             has the statements that mend it at once",
            names.join(", ")
        );
        Some(("site_refused", text))
    }

    /// The first one after none is told at once, those that join it within a minute together.
    fn look_at_parked(&mut self, seen: &Seen, now: Instant) -> Option<(&'static str, String)> {
        let parked = seen.parked.as_ref()?;
        let lately = self
            .parked_at
            .is_some_and(|at| now.saturating_duration_since(at) < TOGETHER);
        if parked.is_empty() {
            // One that comes right after it is told at once again.
            let over = !std::mem::take(&mut self.parked).is_empty();
            self.parked_at = None;
            return over.then(|| ("nothing_parked", "nothing is parked any more".to_owned()));
        }
        let new: Vec<&String> = parked.difference(&self.parked).collect();
        if new.is_empty() || lately {
            // What is no longer parked is news once it is parked again.
            self.parked.retain(|id| parked.contains(id));
            return None;
        }
        let mut names: Vec<&str> = new.iter().take(5).map(|id| id.as_str()).collect();
        if new.len() > names.len() {
            names.push("…");
        }
        let text = format!(
            "{} newly parked ({}), {} in all wait for a person: see `deskie-cdc failed list`",
            new.len(),
            names.join(", "),
            parked.len()
        );
        self.parked.clone_from(parked);
        self.parked_at = Some(now);
        Some(("parked", text))
    }

    fn look_at_deskie(&mut self, seen: &Seen, now: Instant) -> Option<(&'static str, String)> {
        let (state, why) = match &seen.deskie {
            DeskieState::Unknown => return None,
            DeskieState::Reachable => (Deskie::Well, ""),
            DeskieState::KeyRevoked => (Deskie::KeyRevoked, ""),
            DeskieState::Unreachable(why) => (Deskie::Unreachable, why.as_str()),
        };
        let since = match state {
            Deskie::Unreachable => *self.unreachable_since.get_or_insert(now),
            _ => {
                self.unreachable_since = None;
                now
            }
        };
        let lasts = now.saturating_duration_since(since) >= LASTING;
        if state == self.deskie || (state == Deskie::Unreachable && !lasts) {
            return None;
        }
        self.deskie = state;
        Some(match state {
            Deskie::Well => (
                "deskie_well",
                "Deskie is well again; what waited is sent".to_owned(),
            ),
            Deskie::KeyRevoked => (
                "key_revoked",
                "Deskie refuses the API key: everything waits, nothing is lost; put a new key into deskie.api_key and restart, \
                 or activate the employee whom it belongs to"
                    .to_owned(),
            ),
            Deskie::Unreachable => (
                "deskie_unreachable",
                format!("Deskie has not answered for more than a minute ({why}); everything waits, nothing is lost"),
            ),
        })
    }

    fn look_at_stream(&mut self, seen: &Seen, now: Instant) -> Option<(&'static str, String)> {
        let since = match seen.streaming {
            true => {
                self.down_since = None;
                now
            }
            false => *self.down_since.get_or_insert(now),
        };
        let lasts = now.saturating_duration_since(since) >= LASTING;
        let state = match (seen.slot_lost, seen.streaming) {
            (Some(true), _) => Stream::SlotLost,
            (_, false) if lasts => Stream::Down,
            // Not for so long yet, or it is not known what became of the slot.
            (_, false) | (None, true) => return None,
            (Some(false), true) => Stream::Well,
        };
        if state == self.stream || (state == Stream::Down && self.stream == Stream::SlotLost) {
            return None;
        }
        self.stream = state;
        Some(match state {
            Stream::Well => ("stream_well", "the site's changes are streamed again".to_owned()),
            Stream::Down => (
                "stream_down",
                "the stream of the site's changes has been down for more than a minute; the server keeps its WAL meanwhile"
                    .to_owned(),
            ),
            Stream::SlotLost => (
                "slot_lost",
                "the replication slot is lost: what the site wrote meanwhile is repaired from its tables; see the log".to_owned(),
            ),
        })
    }
}

/// An alert on its way.
struct Outgoing {
    alert: Alert,
    attempts: u32,
    not_before: Instant,
}

/// Looks and tells until `stop`.
pub async fn run(shared: Shared, vital: Arc<Vital>, url: url::Url, stop: CancellationToken) {
    let http = match reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("deskie-cdc/", env!("CARGO_PKG_VERSION")))
        .build()
    {
        Ok(http) => http,
        Err(error) => return tracing::error!("no alerts: the HTTP client could not be set up: {error}"),
    };
    let site = url.host_str().unwrap_or("?").to_owned();
    let (mut told, mut refused) = (Told::new(), None);
    let mut queue: VecDeque<Outgoing> = VecDeque::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if matches!(vital.role(), Role::Leader | Role::Starting) {
            // A database that hangs is not waited for.
            let seen = tokio::time::timeout(TIMEOUT, look(&shared, &vital, &mut refused)).await;
            let seen = seen.unwrap_or_else(|_| unseen(&vital));
            for (event, text) in told.look(&seen, clock::monotonic()) {
                tracing::info!(event, "alert: {text}");
                let alert = Alert {
                    text: format!("deskie-cdc: {text}"),
                    event,
                    at: clock::now(),
                };
                queue.push_back(Outgoing {
                    alert,
                    attempts: 0,
                    not_before: clock::monotonic(),
                });
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = send_due(&http, &url, &site, &mut queue) => {}
        }
    }
}

/// Posts what is due, in order; one that fails holds those behind it until it is given up.
async fn send_due(http: &reqwest::Client, url: &url::Url, site: &str, queue: &mut VecDeque<Outgoing>) {
    while let Some(first) = queue.front_mut() {
        if first.not_before > clock::monotonic() {
            return;
        }
        let answer = http.post(url.clone()).json(&first.alert).send().await;
        let failure = match answer.and_then(reqwest::Response::error_for_status) {
            Ok(_) => {
                queue.pop_front();
                continue;
            }
            // The address may hold a secret.
            Err(error) => error.without_url(),
        };
        first.attempts += 1;
        let given_up = first.attempts >= ATTEMPTS;
        tracing::warn!(
            event = first.alert.event,
            attempt = first.attempts,
            "an alert could not be posted to {site}{}: {failure}",
            if given_up { " and is given up" } else { "" }
        );
        if given_up {
            queue.pop_front();
            continue;
        }
        first.not_before = clock::monotonic() + Duration::from_secs(1 << first.attempts);
    }
}

fn unseen(vital: &Vital) -> Seen {
    let vital = vital.snapshot();
    Seen {
        parked: None,
        deskie: vital.deskie,
        streaming: vital.role == Role::Leader && vital.stream_connected,
        slot_lost: None,
        refused: None,
    }
}

/// What the catalog was like when it was asked last whether statements of the site's are refused, and when that was.
type Refused = Option<(i64, Instant)>;

/// A leader's beat tells of the slot and of the catalog; without one they are asked for.
async fn look(shared: &Shared, vital: &Vital, asked: &mut Refused) -> Seen {
    let mut seen = unseen(vital);
    let beaten = (vital.role() == Role::Leader).then(|| shared.seen.borrow().clone());
    match shared.store.status_parked_ids().await {
        Ok(ids) => seen.parked = Some(ids.into_iter().collect()),
        Err(error) => tracing::debug!("what is parked could not be read: {error}"),
    }
    let lost = match &beaten {
        Some(beaten) if *beaten == Watched::default() => Ok(None),
        Some(beaten) => Ok(Some(beaten.gap || beaten.slot_lost)),
        None => slot_lost(shared).await,
    };
    match lost {
        Ok(lost) => seen.slot_lost = lost,
        Err(error) => tracing::debug!("the slot could not be read: {error}"),
    }
    let (catalog, now) = (beaten.map_or(0, |beaten| beaten.catalog), clock::monotonic());
    if asked.is_some_and(|(known, at)| known == catalog && now.duration_since(at) < REFUSED_EVERY) {
        return seen;
    }
    match refused(shared).await {
        Ok(refused) => {
            seen.refused = Some(refused);
            *asked = Some((catalog, now));
        }
        Err(error) => tracing::debug!("the publication could not be read: {error}"),
    }
    seen
}

async fn refused(shared: &Shared) -> Result<BTreeSet<String>, StoreError> {
    let client = shared.store.client().await?;
    let [main, inserts] = crate::setup::publications(&shared.config);
    let found = catalog::publication_refuses(&**client, &main, &inserts).await?;
    Ok(found.iter().map(|found| found.what.table.to_string()).collect())
}

async fn slot_lost(shared: &Shared) -> Result<Option<bool>, StoreError> {
    let Some(name) = shared.store.meta().await?.slot else {
        return Ok(None);
    };
    if shared.store.meta_gap().await?.is_some() {
        return Ok(Some(true));
    }
    let client = shared.store.client().await?;
    let slot = catalog::slot(&**client, &name).await?;
    Ok(Some(slot.is_none_or(|slot| slot.is_lost())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Seen {
        Seen {
            parked: Some(BTreeSet::new()),
            deskie: DeskieState::Reachable,
            streaming: true,
            slot_lost: Some(false),
            refused: Some(BTreeSet::new()),
        }
    }

    fn parked(ids: &[&str]) -> Seen {
        Seen {
            parked: Some(ids.iter().map(|id| (*id).to_owned()).collect()),
            ..well()
        }
    }

    /// What is told at each look: (second, what is seen).
    fn story(looks: &[(u64, Seen)]) -> Vec<(u64, &'static str)> {
        let (mut told, start) = (Told::new(), clock::monotonic());
        looks
            .iter()
            .flat_map(|(second, seen)| {
                let alerts = told.look(seen, start + Duration::from_secs(*second));
                alerts.into_iter().map(|(event, _)| (*second, event))
            })
            .collect()
    }

    #[test]
    fn the_first_parked_thing_is_told_at_once_and_those_that_join_it_together() {
        let looks = [
            (0, well()),
            (2, parked(&["d1"])),
            (4, parked(&["d1"])),
            (6, parked(&["d1", "d2"])),
            (8, parked(&["d1", "d2", "r3"])),
            (62, parked(&["d1", "d2", "r3"])),
            (64, parked(&["d1", "d2", "r3"])),
            (200, well()),
            (202, parked(&["d9"])),
        ];
        let expected = [
            (2, "parked"),
            (62, "parked"),
            (200, "nothing_parked"),
            (202, "parked"),
        ];
        assert_eq!(story(&looks), expected);
    }

    #[test]
    fn what_is_parked_again_is_told_again() {
        let looks = [
            (0, parked(&["d1", "d2"])),
            (10, parked(&["d2"])),
            (70, parked(&["d1", "d2"])),
        ];
        assert_eq!(story(&looks), [(0, "parked"), (70, "parked")]);
    }

    #[test]
    fn a_short_outage_is_not_told_and_a_long_one_once() {
        let away = || Seen {
            deskie: DeskieState::Unreachable("connection refused".into()),
            ..well()
        };
        let short = [
            (0, away()),
            (58, away()),
            (60, well()),
            (62, away()),
            (100, well()),
        ];
        assert_eq!(story(&short), []);
        let long = [
            (0, away()),
            (60, away()),
            (62, away()),
            (300, well()),
            (302, well()),
        ];
        assert_eq!(story(&long), [(60, "deskie_unreachable"), (300, "deskie_well")]);
    }

    #[test]
    fn a_statement_of_the_site_that_fails_is_told_at_once_and_once() {
        let refused = |tables: &[&str]| Seen {
            refused: Some(tables.iter().map(|table| (*table).to_owned()).collect()),
            ..well()
        };
        let unknown = || Seen {
            refused: None,
            ..well()
        };
        let looks = [
            (0, well()),
            (2, refused(&["public.a"])),
            (4, refused(&["public.a"])),
            (6, unknown()),
            (8, refused(&["public.a", "public.b"])),
            (10, well()),
        ];
        assert_eq!(
            story(&looks),
            [(2, "site_refused"), (8, "site_refused"), (10, "site_well")]
        );
    }

    #[test]
    fn a_refused_key_is_told_at_once() {
        let revoked = || Seen {
            deskie: DeskieState::KeyRevoked,
            ..well()
        };
        let looks = [(0, well()), (2, revoked()), (4, revoked()), (6, well())];
        assert_eq!(story(&looks), [(2, "key_revoked"), (6, "deskie_well")]);
    }

    #[test]
    fn a_stream_that_is_down_and_a_slot_that_is_lost_are_told() {
        let down = || Seen {
            streaming: false,
            parked: None,
            slot_lost: None,
            ..well()
        };
        let lost = || Seen {
            streaming: false,
            slot_lost: Some(true),
            ..well()
        };
        let looks = [
            (0, down()),
            (60, down()),
            (70, lost()),
            (80, down()),
            (90, well()),
            (92, well()),
        ];
        assert_eq!(
            story(&looks),
            [(60, "stream_down"), (70, "slot_lost"), (90, "stream_well")]
        );
        assert_eq!(story(&[(0, down()), (30, well())]), [], "a start takes a while");
    }
}
