//! `[alert] url`: one POST with a short JSON text at each change of state.
//!
//! A task of the whole process, not of a term: a database that is gone ends the term, and that is told as well. It reads
//! the table of troubles and nothing else, but for what the process knows of itself, which it knows without a database.
//! What is told is decided by [`Told::look`], a pure function of what was told last and what is there now; posting is
//! tried a few times and never holds anything up. A standby tells nothing: the leader does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use super::trouble;
use crate::console::{Role, Vital};
use crate::model::{Seen, TroubleKind, clock};
use crate::store::{Parked, ParkedId, StoreError};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// More parked things within this are told together.
const TOGETHER: Duration = Duration::from_secs(60);

/// What lasts is told again after this.
const AGAIN: Duration = Duration::from_secs(3600);

/// An alert is posted so often at most.
const ATTEMPTS: u32 = 5;

/// So many parked items are told apart; more are not told one by one.
const MOST_PARKED: u32 = 1000;

/// How long one POST may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A chat shows one line of so many characters of a reason.
const SHOWN: usize = 300;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
struct Alert {
    /// For people; the key that Slack, Mattermost and their like show.
    text: String,
    /// For programs.
    event: &'static str,
    at: jiff::Timestamp,
}

/// What is there at one look.
#[derive(Debug, Clone, Default)]
struct There {
    /// What the process knows of itself.
    process: Vec<Seen>,
    /// What stands in the table; `None`: the database did not say, so that nothing has changed.
    stored: Option<Stored>,
}

#[derive(Debug, Clone, Default)]
struct Stored {
    /// All but the parked items.
    troubles: Vec<Seen>,
    /// The parked items, the newest first.
    parked: Vec<Parked>,
}

#[derive(Debug)]
struct Known {
    text: String,
    since: Instant,
    told: Option<Instant>,
}

/// What was told last, and since when things are otherwise.
#[derive(Debug, Default)]
struct Told {
    known: BTreeMap<(TroubleKind, String), Known>,
    parked: BTreeSet<ParkedId>,
    parked_at: Option<Instant>,
}

impl Told {
    /// What is to be told now: event and text.
    fn look(&mut self, there: &There, now: Instant) -> Vec<(&'static str, String)> {
        let mut told = Vec::new();
        if let Some(stored) = &there.stored {
            told.extend(self.look_at_parked(&stored.parked, now));
        }
        let stored = there.stored.iter().flat_map(|stored| &stored.troubles);
        let all: Vec<&Seen> = there.process.iter().chain(stored).collect();
        for seen in &all {
            let known = self
                .known
                .entry((seen.kind, seen.subject.clone()))
                .or_insert_with(|| Known {
                    text: String::new(),
                    since: now,
                    told: None,
                });
            known.text.clone_from(&seen.text);
        }
        // A table that could not be read says nothing about what it holds.
        let is_readable = there.stored.is_some();
        let is_over = |(kind, subject): &(TroubleKind, String)| {
            (is_readable || kind.is_of_the_process())
                && !all
                    .iter()
                    .any(|seen| seen.kind == *kind && seen.subject == *subject)
        };
        let over: Vec<_> = self.known.keys().filter(|what| is_over(what)).cloned().collect();
        let mut ended = BTreeMap::new();
        for what in over {
            if self.known.remove(&what).is_some_and(|known| known.told.is_some()) {
                let (event, text) = what.0.over();
                ended.insert(event, text.to_owned());
            }
        }
        // As long as another trouble ends with the same word, it is not well.
        ended.retain(|event, _| {
            !self
                .known
                .iter()
                .any(|((kind, _), known)| kind.over().0 == *event && known.told.is_some())
        });
        told.extend(ended);
        for ((kind, _), known) in &mut self.known {
            let lasts = now.saturating_duration_since(known.since);
            let is_due = match known.told {
                None => lasts >= kind.patience(),
                Some(at) => now.saturating_duration_since(at) >= AGAIN,
            };
            if !is_due {
                continue;
            }
            let still = match (known.told.replace(now), lasts.as_secs() / 60) {
                (Some(_), minutes) => format!("still, after {minutes} minutes: "),
                (None, 0) => String::new(),
                (None, minutes) => format!("for {minutes} min: "),
            };
            told.push((kind.as_str(), still + &shown(&known.text)));
        }
        told
    }

    /// The first one after none is told at once, those that join it within a minute together.
    fn look_at_parked(&mut self, parked: &[Parked], now: Instant) -> Option<(&'static str, String)> {
        let lately = self
            .parked_at
            .is_some_and(|at| now.saturating_duration_since(at) < TOGETHER);
        let ids: BTreeSet<ParkedId> = parked.iter().map(|parked| parked.id).collect();
        if ids.is_empty() {
            // One that comes right after it is told at once again.
            let over = !std::mem::take(&mut self.parked).is_empty();
            self.parked_at = None;
            let (event, text) = TroubleKind::Parked.over();
            return over.then(|| (event, text.to_owned()));
        }
        let is_new = |parked: &&Parked| !self.parked.contains(&parked.id);
        let new: Vec<&Parked> = parked.iter().filter(is_new).collect();
        let again = self
            .parked_at
            .is_some_and(|at| now.saturating_duration_since(at) >= AGAIN);
        if (new.is_empty() && !again) || lately {
            // What is no longer parked is news once it is parked again.
            self.parked.retain(|id| ids.contains(id));
            return None;
        }
        let named = |parked: &&Parked| match &parked.ticket {
            Some(ticket) => format!("{} of ticket {ticket}: {}", parked.id, shown(&parked.error)),
            None => format!("{}: {}", parked.id, shown(&parked.error)),
        };
        let mut names: Vec<String> = new.iter().take(3).map(named).collect();
        if new.len() > names.len() {
            names.push("…".into());
        }
        let text = match new.len() {
            0 => format!("still {} wait for a person", ids.len()),
            count => format!("{count} newly parked, {} in all wait for a person", ids.len()),
        };
        let list = if names.is_empty() {
            String::new()
        } else {
            format!(" ({})", names.join("; "))
        };
        self.parked = ids;
        self.parked_at = Some(now);
        Some((
            TroubleKind::Parked.as_str(),
            format!("{text}{list}: see `deskie-cdc failed list`"),
        ))
    }
}

/// A reason in one short line.
fn shown(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
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
    let hook = url.host_str().unwrap_or("?").to_owned();
    let site = match (&shared.config.alert.name, shared.url.database()) {
        (Some(name), _) => name.clone(),
        (None, database) => database.to_owned(),
    };
    let mut told = Told::default();
    let mut queue: VecDeque<Outgoing> = VecDeque::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if matches!(vital.role(), Role::Leader | Role::Starting) {
            let there = There {
                process: trouble::of_the_process(&vital),
                // A database that hangs is not waited for.
                stored: match tokio::time::timeout(TIMEOUT, stored(&shared)).await {
                    Ok(Ok(stored)) => Some(stored),
                    Ok(Err(error)) => {
                        tracing::debug!("the troubles could not be read: {error}");
                        None
                    }
                    Err(_) => None,
                },
            };
            for (event, text) in told.look(&there, clock::monotonic()) {
                tracing::info!(event, "alert: {text}");
                let alert = Alert {
                    text: format!("deskie-cdc ({site}): {text}"),
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
            () = send_due(&http, &url, &hook, &mut queue) => {}
        }
    }
}

async fn stored(shared: &Shared) -> Result<Stored, StoreError> {
    let troubles = shared.store.troubles().lasting().await?.into_iter();
    let troubles = troubles
        .filter(|trouble| !trouble.kind.is_of_the_process() && trouble.kind != TroubleKind::Parked)
        .map(|trouble| Seen::of(trouble.kind, trouble.subject, trouble.text));
    Ok(Stored {
        troubles: troubles.collect(),
        parked: shared.store.parked().list(None, 0, Some(MOST_PARKED)).await?,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> Seen {
        Seen::new(TroubleKind::DeskieUnreachable, "connection refused")
    }

    fn parked(ids: &[&str]) -> There {
        let parked = |id: &&str| Parked {
            id: ParkedId::of(id).unwrap(),
            ticket: Some("7".into()),
            error: "no customer".into(),
            since: String::new(),
        };
        There {
            process: Vec::new(),
            stored: Some(Stored {
                troubles: Vec::new(),
                parked: ids.iter().map(parked).collect(),
            }),
        }
    }

    fn well() -> There {
        parked(&[])
    }

    fn there(process: &[Seen], stored: &[Seen]) -> There {
        There {
            process: process.to_vec(),
            stored: Some(Stored {
                troubles: stored.to_vec(),
                parked: Vec::new(),
            }),
        }
    }

    /// What is told at each look: (second, what is there).
    fn story(looks: &[(u64, There)]) -> Vec<(u64, &'static str)> {
        let (mut told, start) = (Told::default(), clock::monotonic());
        looks
            .iter()
            .flat_map(|(second, there)| {
                let alerts = told.look(there, start + Duration::from_secs(*second));
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
    fn what_is_parked_again_is_told_again_and_what_stays_hourly() {
        let looks = [
            (0, parked(&["d1", "d2"])),
            (10, parked(&["d2"])),
            (70, parked(&["d1", "d2"])),
            (3600, parked(&["d1", "d2"])),
            (3670, parked(&["d1", "d2"])),
        ];
        assert_eq!(story(&looks), [(0, "parked"), (70, "parked"), (3670, "parked")]);
    }

    #[test]
    fn a_parked_thing_is_told_with_its_ticket_and_reason() {
        let alerts = Told::default().look(&parked(&["d1"]), clock::monotonic());
        let [(_, text)] = alerts.as_slice() else {
            panic!("{alerts:?}")
        };
        assert!(text.contains("d1 of ticket 7: no customer"), "{text}");
        assert!(text.contains("deskie-cdc failed list"), "{text}");
    }

    #[test]
    fn a_short_outage_is_not_told_and_a_long_one_once() {
        let short = [
            (0, there(&[away()], &[])),
            (58, there(&[away()], &[])),
            (60, well()),
            (62, there(&[away()], &[])),
            (100, well()),
        ];
        assert_eq!(story(&short), []);
        let long = [
            (0, there(&[away()], &[])),
            (60, there(&[away()], &[])),
            (62, there(&[away()], &[])),
            (300, well()),
            (302, well()),
        ];
        assert_eq!(story(&long), [(60, "deskie_unreachable"), (300, "deskie_well")]);
    }

    #[test]
    fn what_the_database_does_not_say_has_not_changed() {
        let refused = |table: &str| Seen::of(TroubleKind::SiteRefused, table, "refused");
        let silent = || There::default();
        let looks = [
            (0, well()),
            (2, there(&[], &[refused("public.a")])),
            (4, there(&[], &[refused("public.a")])),
            (6, silent()),
            (8, there(&[], &[refused("public.a"), refused("public.b")])),
            (10, there(&[], &[refused("public.b")])),
            (12, well()),
        ];
        let expected = [(2, "site_refused"), (8, "site_refused"), (12, "site_well")];
        assert_eq!(story(&looks), expected);
    }

    #[test]
    fn a_refused_key_is_told_at_once() {
        let revoked = || there(&[Seen::new(TroubleKind::KeyRevoked, "refused")], &[]);
        let looks = [(0, well()), (2, revoked()), (4, revoked()), (6, well())];
        assert_eq!(story(&looks), [(2, "key_revoked"), (6, "deskie_well")]);
    }

    #[test]
    fn a_stream_that_is_down_and_a_slot_that_is_lost_are_told() {
        let down = || Seen::new(TroubleKind::StreamDown, "down");
        let lost = || Seen::new(TroubleKind::SlotLost, "lost");
        let silent = || There {
            process: vec![down()],
            stored: None,
        };
        let looks = [
            (0, silent()),
            (60, silent()),
            (70, there(&[down()], &[lost()])),
            (80, there(&[], &[lost()])),
            (90, well()),
            (92, well()),
        ];
        let expected = [(60, "stream_down"), (70, "slot_lost"), (90, "stream_well")];
        assert_eq!(story(&looks), expected);
        let start = [(0, there(&[down()], &[])), (30, well())];
        assert_eq!(story(&start), [], "a start takes a while");
    }

    #[test]
    fn what_lasts_is_told_again_each_hour() {
        let held = || there(&[], &[Seen::of(TroubleKind::Held, "account", "another account")]);
        let looks = [
            (0, held()),
            (3000, held()),
            (3600, held()),
            (3602, held()),
            (7300, well()),
        ];
        assert_eq!(story(&looks), [(0, "held"), (3600, "held"), (7300, "not_held")]);
    }
}
