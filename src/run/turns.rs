//! The lanes at work: finds the heads in the tables, starts what the budget allows, one piece of work a ticket.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::cases::{Cases, class_of_read};
use crate::console::{DeskieState, Flow, Vital};
use crate::deliver::Deliverer;
use crate::deskie::{KeyRefusal, Reach};
use crate::lanes::{Class, Cost, Ready, Scheduler, Work};
use crate::model::{DeliveryState, LaneId, clock};
use crate::store::{Act, Delivery, Heads, StoreError, Ticket};

/// Calls under way at once.
const CONCURRENCY: usize = 16;

/// How many heads are looked at.
const HEADS: u32 = 2 * CONCURRENCY as u32;

/// A look that failed is made again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What Deskie has said to others' calls is heeded so often: that costs no look at the tables.
const HEED_EVERY: Duration = Duration::from_secs(1);

/// The tables are not looked at more often than this.
const LOOK_AT_MOST: Duration = Duration::from_millis(10);

/// Runs until `term` is cancelled; then waits for what is under way. Nothing begins before Deskie was asked what it has
/// (rule 11): `asked` is cancelled then.
pub async fn run(
    shared: Shared,
    (deliverer, cases): (Arc<Deliverer>, Arc<Cases>),
    vital: Arc<Vital>,
    asked: CancellationToken,
    term: CancellationToken,
) {
    let mut scheduler = Scheduler::new(CONCURRENCY);
    let mut busy: HashSet<LaneId> = HashSet::new();
    let mut running: Running = JoinSet::new();
    let mut seen = Looks::default();
    let mut looked_at = clock::monotonic();
    // When the tables are looked at; `None`: once something rings.
    let mut due = Some(looked_at);
    while !term.is_cancelled() {
        while let Some(ended) = running.try_join_next() {
            if note_end(&mut busy, &seen, ended) {
                due = Some(looked_at + LOOK_AT_MOST);
            }
        }
        vital.moved(Flow::Deliver);
        if heed_the_key(&shared, &mut scheduler) {
            due = Some(clock::monotonic());
        }
        vital.set_deskie(match shared.meter.reach() {
            Reach::Unknown => DeskieState::Unknown,
            Reach::Reachable => DeskieState::Reachable,
            Reach::Unreachable(why) => DeskieState::Unreachable(why),
            Reach::KeyRevoked => DeskieState::KeyRevoked,
        });
        if asked.is_cancelled() && due.is_some_and(|due| due <= clock::monotonic()) {
            looked_at = clock::monotonic();
            let parts = (&mut scheduler, &mut busy, &mut running, &mut seen);
            let next = match look(&shared, parts, &deliverer, &cases).await {
                Ok(next) => next,
                Err(error) if error.lost_leadership() => break,
                Err(error) => {
                    tracing::warn!("the lanes could not be read and are read again: {error}");
                    Some(AGAIN_AFTER)
                }
            };
            due = next.and_then(|next| clock::monotonic().checked_add(next));
        }
        let wake = clock::monotonic() + HEED_EVERY;
        let wake = due
            .filter(|_| asked.is_cancelled())
            .map_or(wake, |due| due.min(wake));
        let soonest = looked_at + LOOK_AT_MOST;
        tokio::select! {
            () = term.cancelled() => continue,
            () = asked.cancelled(), if !asked.is_cancelled() => {}
            () = shared.store.wake.lanes.notified() => due = Some(soonest),
            () = shared.store.wake.handed.notified() => {
                let parts = (&mut scheduler, &mut busy, &mut running, &mut seen);
                if !asked.is_cancelled() || !begin_handed(&shared, parts, &deliverer, &cases) {
                    due = Some(soonest);
                }
            }
            Some(ended) = running.join_next(), if !running.is_empty() => {
                if note_end(&mut busy, &seen, ended) {
                    due = Some(soonest);
                }
            }
            () = tokio::time::sleep(wake.max(soonest).saturating_duration_since(clock::monotonic())) => {}
        }
    }
    // What is under way is finished: its answer would be in doubt otherwise.
    while running.join_next().await.is_some() {}
}

/// What is under way; each says whether more may be to be done in its lane, and in which look it began.
type Running = JoinSet<(LaneId, bool, u64)>;

/// The looks at the tables.
#[derive(Default)]
struct Looks {
    /// How many there were.
    number: u64,
    /// The last one left something that could not be started.
    left_some: bool,
}

/// Whether the tables are to be looked at now. Of what left its lane with nothing more to be done, nothing follows, where nothing has
/// rung since it began.
fn note_end(
    busy: &mut HashSet<LaneId>,
    looks: &Looks,
    ended: Result<(LaneId, bool, u64), tokio::task::JoinError>,
) -> bool {
    match ended {
        Ok((lane, has_more, look)) => {
            busy.remove(&lane);
            has_more || looks.left_some || looks.number != look
        }
        Err(error) => {
            // Its lane stays closed until the next start: nobody knows what it left behind.
            tracing::error!("a piece of work ended badly, its ticket waits for a restart: {error}");
            true
        }
    }
}

/// A refused key stops everything but a probe a minute; told once. What counts is what Deskie last said to any call, the
/// sweep's too; a stop that lasts keeps the time of its next probe. True where that has changed.
fn heed_the_key(shared: &Shared, scheduler: &mut Scheduler) -> bool {
    if let Some(refusal) = shared.meter.key_refusal() {
        let is_news = !scheduler.is_stopped() && scheduler.stop(clock::monotonic());
        if is_news {
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
        return is_news;
    }
    let is_over = scheduler.resume();
    if is_over {
        tracing::info!("Deskie accepts the API key again");
    }
    is_over
}

/// Begins what was handed on, as a look would that found nothing else; false where some of it cannot begin: a look at the
/// tables finds it.
fn begin_handed(
    shared: &Shared,
    (scheduler, busy, running, looks): (&mut Scheduler, &mut HashSet<LaneId>, &mut Running, &mut Looks),
    deliverer: &Arc<Deliverer>,
    cases: &Arc<Cases>,
) -> bool {
    let (mut deliveries, mut reads) = (shared.store.handed().deliveries(), shared.store.handed().reads());
    // What else waits for the budget has its own claim on it, which a look compares.
    if looks.left_some || scheduler.is_stopped() {
        return false;
    }
    let follows = |delivery: &Delivery| matches!(delivery.act, Act::Edit | Act::Note | Act::Status);
    let ready = |delivery| ready_delivery(delivery, follows(delivery));
    let mut heads: Vec<Ready> = deliveries.iter().map(ready).collect();
    heads.extend(reads.iter().map(|read| ready_read(&read.ticket)));
    let now = clock::monotonic();
    let plan = scheduler.plan(&mut shared.meter.budget(), heads, busy, running.len(), now);
    let look = looks.number;
    for started in plan.start {
        let Some(lane) = started.ready.lane else { continue };
        busy.insert(lane);
        match started.ready.what {
            Work::Send(id) | Work::LookUp(id) => {
                let place = deliveries.iter().position(|delivery| delivery.id == id);
                let Some(place) = place else { continue };
                let (deliverer, delivery) = (deliverer.clone(), deliveries.swap_remove(place));
                running.spawn(async move { (lane, deliverer.send(delivery, started.call).await, look) });
            }
            Work::Read => {
                let place = reads.iter().position(|read| read.ticket.id == lane);
                let Some(place) = place else { continue };
                let (cases, read) = (cases.clone(), reads.swap_remove(place));
                if read.is_news && shared.config.reply.is_some() {
                    shared.store.handed().expect_reply(read.ticket.clone());
                }
                running.spawn(async move { (lane, cases.read_handed(read, started.call).await, look) });
            }
        }
    }
    deliveries.is_empty() && reads.is_empty()
}

/// Looks at the tables and starts what may start; how long until the next look, where nothing rings before.
async fn look(
    shared: &Shared,
    (scheduler, busy, running, looks): (&mut Scheduler, &mut HashSet<LaneId>, &mut Running, &mut Looks),
    deliverer: &Arc<Deliverer>,
    cases: &Arc<Cases>,
) -> Result<Option<Duration>, StoreError> {
    // What was handed on stands in the tables as well.
    drop((shared.store.handed().deliveries(), shared.store.handed().reads()));
    let busy_lanes: Vec<LaneId> = busy.iter().copied().collect();
    let Heads {
        mut deliveries,
        follow_ups,
        mut reads,
        next_in,
    } = shared.store.deliveries().lane_heads(HEADS, &busy_lanes).await?;
    let ready = |delivery: &Delivery| ready_delivery(delivery, follow_ups.contains(&delivery.id));
    let mut heads: Vec<Ready> = deliveries.iter().map(ready).collect();
    heads.extend(reads.iter().map(ready_read));
    let now = clock::monotonic();
    let found = heads.len();
    let plan = scheduler.plan(&mut shared.meter.budget(), heads, busy, running.len(), now);
    looks.number += 1;
    looks.left_some = plan.start.len() < found;
    let look = looks.number;
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
                    let has_more = match delivery.state {
                        DeliveryState::Doubt => {
                            deliverer.look(delivery, started.call).await;
                            true
                        }
                        _ => deliverer.send(delivery, started.call).await,
                    };
                    (lane, has_more, look)
                });
            }
            Work::Read => {
                let Some(place) = reads.iter().position(|ticket| ticket.id == lane) else {
                    continue;
                };
                let ticket = reads.swap_remove(place);
                let cases = cases.clone();
                running.spawn(async move {
                    let has_more = cases.read_case(ticket, started.call).await;
                    (lane, has_more, look)
                });
            }
        }
    }
    let planned = plan.wake.map(|wake| wake.saturating_duration_since(now));
    Ok([planned, next_in].into_iter().flatten().min())
}

/// `follows`: nothing waits for it, and it only follows up on what Deskie has.
fn ready_delivery(delivery: &Delivery, follows: bool) -> Ready {
    let doubt = delivery.state == DeliveryState::Doubt;
    Ready {
        lane: Some(delivery.ticket_id),
        what: if doubt {
            Work::LookUp(delivery.id)
        } else {
            Work::Send(delivery.id)
        },
        class: match (doubt, delivery.backfill) {
            (true, _) => Class::Doubt,
            (false, false) if follows => Class::FollowUp,
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
        lane: Some(ticket.id),
        what: Work::Read,
        class: class_of_read(wanted),
        cost: Cost::Read,
        since: at.as_microsecond(),
        not_before: None,
    }
}
