//! The lanes at work: finds the heads in the tables, starts what the budget allows, one piece of work a ticket.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{IDLE_AFTER, Shared};
use crate::console::{DeskieState, Flow, Vital};
use crate::deliver::Deliverer;
use crate::deskie::{KeyRefusal, Reach};
use crate::lanes::{Class, Cost, Ready, Scheduler, Work};
use crate::model::{LaneId, clock};
use crate::store::{Delivery, StoreError, Ticket};
use crate::writeback::{WriteBack, class_of_read};

/// Calls under way at once.
const CONCURRENCY: usize = 16;

/// How many heads are looked at.
const HEADS: i64 = 2 * CONCURRENCY as i64;

/// The tables are looked at again after this even if nothing rang.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The tables are not looked at more often than this.
const LOOK_AT_MOST: Duration = Duration::from_millis(10);

/// Runs until `term` is cancelled; then waits for what is under way. Nothing begins before Deskie was asked what it has
/// (rule 11): `asked` is cancelled then.
pub async fn run(
    shared: Shared,
    deliverer: Arc<Deliverer>,
    writeback: Arc<WriteBack>,
    vital: Arc<Vital>,
    asked: CancellationToken,
    term: CancellationToken,
) {
    let mut scheduler = Scheduler::new(CONCURRENCY);
    let mut busy: HashSet<LaneId> = HashSet::new();
    let mut running: JoinSet<LaneId> = JoinSet::new();
    let mut idle = 0u32;
    while !term.is_cancelled() {
        while let Some(ended) = running.try_join_next() {
            note_end(&mut busy, ended);
        }
        let looked = if asked.is_cancelled() {
            look(
                &shared,
                &mut scheduler,
                &mut busy,
                &mut running,
                &deliverer,
                &writeback,
            )
            .await
        } else {
            heed_the_key(&shared, &mut scheduler);
            Ok(LOOK_EVERY)
        };
        let wake = match looked {
            Ok(wake) => {
                vital.moved(Flow::Deliver);
                vital.set_deskie(match shared.meter.reach() {
                    Reach::Unknown => DeskieState::Unknown,
                    Reach::Reachable => DeskieState::Reachable,
                    Reach::Unreachable(why) => DeskieState::Unreachable(why),
                    Reach::KeyRevoked => DeskieState::KeyRevoked,
                });
                wake
            }
            Err(error) if error.lost_leadership() => break,
            Err(error) => {
                tracing::warn!("the lanes could not be read and are read again: {error}");
                LOOK_EVERY
            }
        };
        idle = match running.is_empty() && wake >= LOOK_EVERY {
            true => idle.saturating_add(1),
            false => 0,
        };
        let wake = if idle < IDLE_AFTER { wake } else { wake * 2 };
        tokio::time::sleep(LOOK_AT_MOST).await;
        tokio::select! {
            () = term.cancelled() => {}
            () = asked.cancelled(), if !asked.is_cancelled() => {}
            () = shared.store.wake.lanes.notified() => idle = 0,
            Some(ended) = running.join_next(), if !running.is_empty() => {
                note_end(&mut busy, ended);
            }
            () = tokio::time::sleep(wake) => {}
        }
    }
    // What is under way is finished: its answer would be in doubt otherwise.
    while running.join_next().await.is_some() {}
}

fn note_end(busy: &mut HashSet<LaneId>, ended: Result<LaneId, tokio::task::JoinError>) {
    match ended {
        Ok(lane) => {
            busy.remove(&lane);
        }
        Err(error) => {
            // Its lane stays closed until the next start: nobody knows what it left behind.
            tracing::error!("a piece of work ended badly, its ticket waits for a restart: {error}");
        }
    }
}

/// A refused key stops everything but a probe a minute; told once. What counts is what Deskie last said to any call, the
/// sweep's too; a stop that lasts keeps the time of its next probe.
fn heed_the_key(shared: &Shared, scheduler: &mut Scheduler) {
    if let Some(refusal) = shared.meter.key_refusal() {
        if !scheduler.is_stopped() && scheduler.stop(clock::monotonic()) {
            match refusal {
                KeyRefusal::Key => tracing::error!(
                    "Deskie refuses the API key: everything waits, nothing is lost; make a new key in Deskie under \
                     Settings → API, put it into deskie.api_key and restart"
                ),
                KeyRefusal::Staff => tracing::error!(
                    "Deskie refuses the API key's employee, who is not active (`staff_not_active`): everything waits, \
                     nothing is lost; activate the one in deskie.staff_email in Deskie"
                ),
            }
        }
    } else if scheduler.resume() {
        tracing::info!("Deskie accepts the API key again");
    }
}

/// Looks at the tables and starts what may start; how long to wait until the next look.
async fn look(
    shared: &Shared,
    scheduler: &mut Scheduler,
    busy: &mut HashSet<LaneId>,
    running: &mut JoinSet<LaneId>,
    deliverer: &Arc<Deliverer>,
    writeback: &Arc<WriteBack>,
) -> Result<Duration, StoreError> {
    heed_the_key(shared, scheduler);
    let store = &shared.store;
    let busy_lanes: Vec<i64> = busy.iter().map(|lane| lane.0).collect();
    let mut deliveries = store.delivery_heads(HEADS, &busy_lanes).await?;
    let mut reads = store.ticket_reads(HEADS, &busy_lanes).await?;
    let mut heads: Vec<Ready> = deliveries.iter().map(ready_delivery).collect();
    heads.extend(reads.iter().map(ready_read));
    let now = clock::monotonic();
    let plan = scheduler.plan(&mut shared.meter.budget(), heads, busy, running.len(), now);
    for started in plan.start {
        let Some(lane) = started.ready.lane else { continue };
        busy.insert(lane);
        match started.ready.what {
            Work::Send(id) | Work::LookUp(id) => {
                let Some(place) = deliveries.iter().position(|delivery| delivery.id == id) else {
                    continue;
                };
                let delivery = deliveries.swap_remove(place);
                let deliverer = deliverer.clone();
                running.spawn(async move {
                    match delivery.state.as_str() {
                        "doubt" => deliverer.look(delivery, started.call).await,
                        _ => deliverer.send(delivery, started.call).await,
                    }
                    lane
                });
            }
            Work::Sweep => {}
            Work::Read => {
                let Some(place) = reads.iter().position(|ticket| ticket.id == lane.0) else {
                    continue;
                };
                let ticket = reads.swap_remove(place);
                let writeback = writeback.clone();
                running.spawn(async move {
                    writeback.read_case(ticket, started.call).await;
                    lane
                });
            }
        }
    }
    let planned = plan
        .wake
        .map_or(LOOK_EVERY, |wake| wake.saturating_duration_since(now));
    let next = store
        .delivery_next_in()
        .await?
        .map_or(LOOK_EVERY, |seconds| Duration::from_secs_f64(seconds.max(0.0)));
    Ok(planned.min(next).min(LOOK_EVERY))
}

fn ready_delivery(delivery: &Delivery) -> Ready {
    let doubt = delivery.state == "doubt";
    Ready {
        lane: Some(LaneId(delivery.ticket_id)),
        what: if doubt {
            Work::LookUp(delivery.id)
        } else {
            Work::Send(delivery.id)
        },
        class: match (doubt, delivery.backfill) {
            (true, _) => Class::Doubt,
            (false, false) => Class::LiveWrite,
            (false, true) => Class::Backfill,
        },
        cost: if doubt { Cost::Read } else { Cost::Write },
        since: delivery.id.0,
        not_before: None,
    }
}

fn ready_read(ticket: &Ticket) -> Ready {
    let (wanted, at) = ticket.read_wanted.unwrap_or((3, jiff::Timestamp::MAX));
    Ready {
        lane: Some(LaneId(ticket.id)),
        what: Work::Read,
        class: class_of_read(wanted),
        cost: Cost::Read,
        since: at.as_microsecond(),
        not_before: None,
    }
}
