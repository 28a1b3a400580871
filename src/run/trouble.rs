//! The look for troubles that no flow meets (rule 21): they are noted in the table, once told in the log, and ended there.
//!
//! A task of the whole process, not of a term: what refuses a start is seen as well. A standby looks for nothing: the leader
//! does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use super::watch::watch_every;
use crate::console::troubles::{self, Looked};
use crate::console::{DeskieState, Role, Vital};
use crate::model::{Seen, TroubleKind, clock};
use crate::store::Watched;

/// How often is looked, unless the beat tells that something has changed.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Each of so many looks is one at the catalog as well.
const WHOLE_AFTER: u32 = 5;

/// A process that leads nothing has no beat, and looks so often; and everybody does while there is a trouble.
const LOOK_SOON: Duration = Duration::from_secs(5);

/// A start streams nothing for so long.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// A database that hangs is not waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Looks until `stop`.
pub async fn run(shared: Shared, vital: Arc<Vital>, stop: CancellationToken) {
    let mut told = HashMap::new();
    let (mut beats, mut last) = (shared.seen.subscribe(), Watched::default());
    let (mut looks, mut is_well) = (0u32, true);
    // A beat that is no news puts nothing off.
    let mut looked_at = clock::monotonic();
    loop {
        // What is there is looked at more often, so that its end is told soon.
        let usual = match vital.role() {
            Role::Leader if is_well => LOOK_EVERY.min(shared.config.alert.after),
            _ => LOOK_SOON,
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(watch_every(usual).saturating_sub(looked_at.elapsed())) => {}
            _ = beats.changed() => {
                // How much WAL is held changes with each beat.
                let beat = Watched {
                    held_bytes: None,
                    ..beats.borrow_and_update().clone()
                };
                if std::mem::replace(&mut last, beat.clone()) == beat {
                    continue;
                }
                looks = 0;
            }
        }
        if !matches!(vital.role(), Role::Leader | Role::Starting) {
            looked_at = clock::monotonic();
            continue;
        }
        // The beat tells of a change in the catalog; without one it is looked at all the same now and then.
        let is_whole =
            vital.role() != Role::Leader || looks.is_multiple_of(WHOLE_AFTER) || watch_every(usual) != usual;
        looks = looks.wrapping_add(1);
        looked_at = clock::monotonic();
        match tokio::time::timeout(TIMEOUT, look(&shared, &vital, is_whole)).await {
            Ok(Ok(looked)) => {
                is_well = looked.found.is_empty();
                tell(looked, &mut told);
            }
            Ok(Err(error)) => tracing::debug!("troubles could not be looked for: {error}"),
            Err(_) => tracing::debug!("troubles could not be looked for within {} s", TIMEOUT.as_secs()),
        }
    }
}

async fn look(shared: &Shared, vital: &Vital, is_whole: bool) -> Result<Looked, crate::store::StoreError> {
    let publication = Some(shared.config.postgres.publication.as_str()).filter(|_| is_whole);
    let attention = shared.store.overview().attention().await?;
    let Looked { mut kinds, mut found } =
        troubles::look(&shared.store, publication, shared.config.alert.after, attention).await?;
    found.extend(of_the_process(vital));
    // Where no webhook is taken, none is missed.
    if !shared.config.server.webhook_secrets.is_empty() {
        found.extend(shared.store.rules().silent().await?);
    }
    kinds.extend(
        TroubleKind::ALL
            .into_iter()
            .filter(|kind| kind.is_of_the_process()),
    );
    kinds.push(TroubleKind::RuleSilent);
    shared.store.troubles().compare(&kinds, &found).await?;
    Ok(Looked { kinds, found })
}

/// What this process knows of itself, with or without its database.
pub fn of_the_process(vital: &Vital) -> Vec<Seen> {
    let vital = vital.snapshot();
    let mut found = Vec::new();
    match &vital.deskie {
        DeskieState::Unknown | DeskieState::Reachable => {}
        DeskieState::KeyRevoked => found.push(Seen::new(
            TroubleKind::KeyRevoked,
            "Deskie refuses the API key: everything waits, nothing is lost; put a new key into deskie.api_key and restart, \
             or activate the employee whom it belongs to",
        )),
        DeskieState::Unreachable(why) => found.push(Seen::new(
            TroubleKind::DeskieUnreachable,
            format!("Deskie does not answer ({why}); everything waits, nothing is lost"),
        )),
    }
    let leads = matches!(vital.role, Role::Leader | Role::Starting);
    if let (true, Some(why)) = (leads, &vital.start_refused) {
        found.push(Seen::new(
            TroubleKind::StreamDown,
            format!("the site's changes are not streamed, and the server keeps its WAL meanwhile: {why}"),
        ));
    } else if leads && !vital.stream_connected && vital.role_seconds > STARTS_WITHIN.as_secs_f64() {
        found.push(Seen::new(
            TroubleKind::StreamDown,
            "the site's changes are not streamed; the server keeps its WAL meanwhile",
        ));
    }
    if let (true, Some(count)) = (leads, vital.stream_unstable) {
        found.push(Seen::new(
            TroubleKind::StreamUnstable,
            format!(
                "the stream of the site's changes was made anew {count} times and more within ten minutes: something between \
                 here and the server cuts it (a time-out of a proxy or firewall, a server that restarts); the log has the \
                 words of each end"
            ),
        ));
    }
    found
}

/// Logs what nobody else logs, once, and again where there is more to say.
fn tell(looked: Looked, told: &mut HashMap<(TroubleKind, String), String>) {
    use TroubleKind::{
        CaseEstranged, CaseUnreadable, ClockUntrusted, RuleSilent, SiteRefused, StandbyAwaited,
        StreamAwaited, TableChanged,
    };
    let is_ours = |kind| {
        matches!(
            kind,
            SiteRefused
                | TableChanged
                | StandbyAwaited
                | StreamAwaited
                | ClockUntrusted
                | CaseUnreadable
                | CaseEstranged
                | RuleSilent
        )
    };
    let found: HashMap<_, _> = looked
        .found
        .into_iter()
        .filter(|seen| is_ours(seen.kind))
        .map(|seen| ((seen.kind, seen.subject), seen.text))
        .collect();
    for (what, text) in &found {
        if told.get(what) != Some(text) {
            tracing::error!(trouble = what.0.as_str(), "{text}");
        }
    }
    told.retain(|what, _| {
        let is_over = looked.kinds.contains(&what.0) && !found.contains_key(what);
        if is_over {
            tracing::info!(trouble = what.0.as_str(), subject = %what.1, "{}", what.0.over().1);
        }
        !is_over
    });
    told.extend(found);
}
