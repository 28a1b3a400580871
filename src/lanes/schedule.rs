//! Which calls start now, and when to look again.
//!
//! The store gives the heads: of each ticket at most the first outgoing item and one pending read. [`Scheduler::plan`]
//! goes through the classes in the budget's order and starts the oldest head of each, as long as budget and
//! concurrency allow, and never two of one ticket: a lane is one, both ways, so a read never sees a case in which a call
//! of ours is half done (rule 8), and messages cannot overtake each other (rule 5).
//!
//! Why it is complete: there is no state in here but the stop after a revoked key. Everything else comes from the
//! heads at every call, so a restart, a missed signal and the normal flow are one path; called again at the wake-up and
//! whenever a head comes or a call ends, it starts everything that may be started.
//!
//! What it does not guarantee: it trusts the caller that `busy` holds every ticket with a call under way, and that heads
//! are heads. Within one class a ticket with an old head goes first, however often it fails; its back-off keeps it from
//! being in the way.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::budget::{Budget, Call, Class, Cost};
use crate::model::{DeliveryId, LaneId};

/// How often a revoked key is tried again.
pub const PROBE_EVERY: Duration = Duration::from_secs(30);

/// What is to be done; the scheduler only hands it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// Send this item.
    Send(DeliveryId),
    /// Look in Deskie for this item, which is in doubt.
    LookUp(DeliveryId),
    /// Read the newest messages of the lane's case; without a lane: a page of the recently updated cases.
    Read,
}

/// A head: something that could be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its lane; `None`: it belongs to no ticket (the sweep; a case that is not known yet), and excludes nothing.
    pub lane: Option<LaneId>,
    /// What to do.
    pub what: Work,
    pub class: Class,
    pub cost: Cost,
    /// The order within its class: the smallest goes first.
    pub since: i64,
    /// Back-off, or the next look: not before this instant. `None`: at once.
    pub not_before: Option<Instant>,
}

/// A head that starts now.
#[derive(Debug, PartialEq, Eq)]
pub struct Started {
    /// The head.
    pub ready: Ready,
    /// Its place in the budget, to be brought back when the call is over.
    pub call: Call,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the calls in it are taken out of the budget"]
pub struct Plan {
    /// Start these.
    pub start: Vec<Started>,
    /// Plan again at this instant, or when something happens; `None`: only then.
    pub wake: Option<Instant>,
}

/// Chooses what starts; see the module's comment.
#[derive(Debug)]
pub struct Scheduler {
    concurrency: usize,
    /// The key was revoked: the next probe.
    stopped: Option<Instant>,
}

impl Scheduler {
    /// At most `concurrency` pieces of work are under way at once.
    pub fn new(concurrency: usize) -> Scheduler {
        Scheduler {
            concurrency: concurrency.max(1),
            stopped: None,
        }
    }

    /// The key was refused: from now on a single piece of work a minute goes out, as a probe. True the first time, so that
    /// it is told once.
    pub fn stop(&mut self, now: Instant) -> bool {
        self.stopped.replace(now + PROBE_EVERY).is_none()
    }

    /// Deskie answered with anything but "key revoked". True if everything was stopped until now.
    pub fn resume(&mut self) -> bool {
        self.stopped.take().is_some()
    }

    /// Is everything stopped because the key was revoked?
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// What starts now, out of `heads`. `busy`: the tickets with work under way; `running`: all work under way,
    /// including that of no ticket. The order of `heads` does not matter.
    pub fn plan(
        &mut self,
        budget: &mut Budget,
        heads: Vec<Ready>,
        busy: &HashSet<LaneId>,
        running: usize,
        now: Instant,
    ) -> Plan {
        let mut slots = self.concurrency.saturating_sub(running);
        let mut wake = Wake(None);
        if let Some(probe) = self.stopped {
            slots = usize::from(running == 0 && now >= probe);
            if now < probe {
                wake.at(probe);
            }
        }
        let mut queues = Queues::sort(heads, busy, now, &mut wake);
        for class in Class::ALL {
            budget.classes().plan(class, slots > 0 && queues.waits(class));
        }
        let mut start = Vec::new();
        while slots > 0 {
            let Some(class) = budget
                .classes()
                .in_order(now)
                .into_iter()
                .find(|class| queues.waits(*class))
            else {
                break;
            };
            let Some(cost) = queues.cost(class) else { break };
            if let Err(not_before) = budget.can_start(class, cost, now) {
                wake.at(not_before);
                break;
            }
            let Some(ready) = queues.pop(class) else { break };
            let call = budget.take(class, cost, now);
            start.push(Started { ready, call });
            slots -= 1;
            for class in Class::ALL {
                budget.classes().plan(class, slots > 0 && queues.waits(class));
            }
        }
        if self.stopped.is_some() && !start.is_empty() {
            self.stopped = Some(now + PROBE_EVERY);
            wake.at(now + PROBE_EVERY);
        }
        Plan { start, wake: wake.0 }
    }
}

struct Wake(Option<Instant>);

impl Wake {
    fn at(&mut self, instant: Instant) {
        self.0 = Some(self.0.map_or(instant, |wake| wake.min(instant)));
    }
}

/// The heads that may start, by class, the oldest last.
struct Queues {
    queues: [Vec<Ready>; Class::ALL.len()],
    taken: HashSet<LaneId>,
}

impl Queues {
    fn sort(heads: Vec<Ready>, busy: &HashSet<LaneId>, now: Instant, wake: &mut Wake) -> Queues {
        let mut queues: [Vec<Ready>; Class::ALL.len()] = Default::default();
        for head in heads {
            if head.lane.is_some_and(|lane| busy.contains(&lane)) {
                continue;
            }
            match head.not_before.filter(|not_before| *not_before > now) {
                Some(not_before) => wake.at(not_before),
                None => queues[head.class as usize].push(head),
            }
        }
        for queue in &mut queues {
            queue.sort_by_key(|head| std::cmp::Reverse(head.since));
        }
        Queues {
            queues,
            taken: HashSet::new(),
        }
    }

    fn waits(&self, class: Class) -> bool {
        !self.queues[class as usize].is_empty()
    }

    fn cost(&self, class: Class) -> Option<Cost> {
        self.queues[class as usize].last().map(|head| head.cost)
    }

    /// Takes the oldest head of a class, and closes its lane: no other head of that ticket is last in its queue now.
    fn pop(&mut self, class: Class) -> Option<Ready> {
        let ready = self.queues[class as usize].pop()?;
        self.taken.extend(ready.lane);
        let taken = &self.taken;
        let closed = |head: &Ready| head.lane.is_some_and(|lane| taken.contains(&lane));
        for queue in &mut self.queues {
            while queue.last().is_some_and(closed) {
                queue.pop();
            }
        }
        Some(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::budget::Quota;
    use crate::lanes::world::origin;

    fn head(lane: impl Into<Option<i64>>, class: Class, since: i64) -> Ready {
        let (what, cost) = match class {
            Class::WebhookRead => (Work::Read, Cost::Read),
            Class::Doubt => (Work::LookUp(DeliveryId(since)), Cost::Read),
            Class::Sweep => (Work::Read, Cost::Read),
            Class::LiveWrite | Class::FollowUp | Class::Backfill => {
                (Work::Send(DeliveryId(since)), Cost::Write)
            }
        };
        Ready {
            lane: lane.into().map(LaneId),
            what,
            class,
            cost,
            since,
            not_before: None,
        }
    }

    /// A budget that knows a limit so high that it does not matter.
    fn rich(now: Instant) -> Budget {
        let mut budget = Budget::new(None, Duration::from_millis(60), now);
        let call = budget.take(Class::Sweep, Cost::Read, now);
        budget.answered(
            call,
            Some(Quota {
                limit: Some(100_000),
                calls_left: None,
            }),
            now,
        );
        let _ = budget.remaining(now + Duration::from_secs(1));
        budget
    }

    fn started(plan: &Plan) -> Vec<i64> {
        plan.start.iter().map(|started| started.ready.since).collect()
    }

    #[test]
    fn classes_in_order_and_the_oldest_first_but_never_two_of_a_ticket() {
        let now = origin() + Duration::from_secs(1);
        let mut budget = rich(origin());
        let heads = vec![
            head(1, Class::Backfill, 1),
            head(2, Class::LiveWrite, 9),
            head(3, Class::LiveWrite, 3),
            head(2, Class::WebhookRead, 8),
            head(4, Class::Doubt, 7),
            head(None, Class::Sweep, 6),
            head(None, Class::Sweep, 5),
            head(9, Class::WebhookRead, 2),
        ];
        let busy = HashSet::from([LaneId(9)]);
        let plan = Scheduler::new(20).plan(&mut budget, heads, &busy, 1, now);
        assert_eq!(started(&plan), [8, 7, 3, 5, 6, 1]);
        assert_eq!(plan.wake, None);
    }

    #[test]
    fn concurrency_bounds_what_is_under_way() {
        let now = origin() + Duration::from_secs(1);
        let mut budget = rich(origin());
        let heads: Vec<_> = (0..10).map(|n| head(n, Class::LiveWrite, n)).collect();
        let plan = Scheduler::new(4).plan(&mut budget, heads.clone(), &HashSet::new(), 1, now);
        assert_eq!(started(&plan), [0, 1, 2]);
        let plan = Scheduler::new(4).plan(&mut budget, heads, &HashSet::new(), 5, now);
        assert_eq!((started(&plan), plan.wake), (vec![], None));
    }

    #[test]
    fn the_next_wake_up_is_the_earliest_back_off_or_the_budget() {
        let now = origin() + Duration::from_secs(1);
        let later = |seconds| Some(now + Duration::from_secs(seconds));
        let mut budget = rich(origin());
        let mut scheduler = Scheduler::new(4);
        let heads = vec![
            Ready {
                not_before: later(9),
                ..head(1, Class::LiveWrite, 1)
            },
            Ready {
                not_before: later(5),
                ..head(2, Class::Doubt, 2)
            },
            Ready {
                not_before: later(2),
                ..head(9, Class::Doubt, 3)
            },
            Ready {
                not_before: Some(now),
                ..head(3, Class::LiveWrite, 4)
            },
        ];
        let busy = HashSet::from([LaneId(9)]);
        let plan = scheduler.plan(&mut budget, heads.clone(), &busy, 1, now);
        assert_eq!((started(&plan), plan.wake), (vec![4], later(5)));
        let until = budget.throttled(Some(Duration::from_millis(100)), now);
        let plan = scheduler.plan(&mut budget, heads, &busy, 1, now);
        assert_eq!((started(&plan), plan.wake), (vec![], Some(until)));
    }

    #[test]
    fn a_revoked_key_stops_everything_but_a_probe_a_minute() {
        let now = origin() + Duration::from_secs(1);
        let mut budget = rich(origin());
        let mut scheduler = Scheduler::new(4);
        assert!(scheduler.stop(now));
        assert!(!scheduler.stop(now), "told once");
        let heads: Vec<_> = (0..10).map(|n| head(n, Class::LiveWrite, n)).collect();
        let mut plan = |scheduler: &mut Scheduler, running, at| {
            let plan = scheduler.plan(&mut budget, heads.clone(), &HashSet::new(), running, at);
            (started(&plan), plan.wake)
        };
        let probe = now + PROBE_EVERY;
        assert_eq!(plan(&mut scheduler, 0, now), (vec![], Some(probe)));
        assert_eq!(
            plan(&mut scheduler, 1, probe),
            (vec![], None),
            "what was under way ends first"
        );
        assert_eq!(
            plan(&mut scheduler, 0, probe),
            (vec![0], Some(probe + PROBE_EVERY))
        );
        assert_eq!(
            plan(&mut scheduler, 1, probe),
            (vec![], Some(probe + PROBE_EVERY))
        );
        assert!(scheduler.resume());
        assert_eq!(plan(&mut scheduler, 0, probe).0.len(), 4);
    }
}
