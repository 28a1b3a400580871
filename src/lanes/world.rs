//! A simulated world for the tests: virtual time, a fake Deskie, and a site whose tickets want to be delivered.
//!
//! Deskie counts in a fixed window of any phase, may carry out a call and lose its answer, may lose a call that was
//! written, may carry it out late (but before its time-out), refuse a connection, be away altogether, and list what it
//! did only after a while. What it does is decided by a seeded generator, so a failure is a number.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::backoff;
use super::budget::{Budget, Call, Class, Cost, Quota};
use super::doubt::{DoubtState, Judgement, Lookup};
use super::matching::{Author, CreatedAtKept, MessageCandidate, MessageIntent, match_messages};
use super::policy::{Outcome, Verdict, verdict};
use super::schedule::{Ready, Scheduler, Work};
use crate::model::{DeliveryId, LaneId, MessageId, StaffId, UserId};

mod nature;
mod tests;

pub(super) use nature::FixedWindow;
use nature::{Nature, Random};

/// Some instant to count from: the only look at a clock, since an `Instant` cannot be had otherwise.
pub(super) fn origin() -> Instant {
    crate::model::clock::monotonic()
}

/// A message in the fake Deskie.
struct Written {
    id: i64,
    number: usize,
    at: u64,
    visible: u64,
}

#[derive(Default)]
struct Ticket {
    /// When each message was written on the site; the first that is not delivered yet.
    written: Vec<u64>,
    head: usize,
    attempt: u32,
    not_before: u64,
    doubt: Option<DoubtState>,
    intent_made: u64,
    known: HashSet<i64>,
    /// Reads that webhooks asked for.
    reads: Vec<u64>,
    busy: bool,
    case: Vec<Written>,
}

/// What a call is for, and how its answer reads.
enum Answer {
    Done,
    Send(Outcome),
    Looked(Lookup<MessageId>),
    Read { accepted: bool },
}

enum Happening {
    /// The request reaches Deskie, which carries it out: by ticket and message number.
    CarryOut(usize, usize),
    /// The request reaches Deskie and is counted; its answer is decided.
    Arrive(usize, Work, Call),
    Answer(usize, Answer, Option<Quota>, Call, bool),
    Others,
    Wake,
}

/// The world; see the module's comment.
struct World {
    nature: Nature,
    start: Instant,
    now: u64,
    serial: u64,
    steps: BTreeMap<(u64, u64), Happening>,
    random: Random,
    server: FixedWindow,
    budget: Budget,
    scheduler: Scheduler,
    tickets: Vec<Ticket>,
    running: usize,
    next_sweep: u64,
    next_id: i64,
    /// What came of it.
    refused: u32,
    parked: usize,
    looks: usize,
    reads: usize,
    spent: [u32; Class::ALL.len()],
    delivered_at: u64,
}

impl World {
    fn new(nature: Nature) -> World {
        let mut random = Random(nature.seed);
        let start = origin();
        let window = Duration::from_secs(60);
        let ends = start + Duration::from_millis(1 + random.below(60_000));
        let mut tickets: Vec<Ticket> = Vec::new();
        for _ in 0..nature.tickets {
            let mut written: Vec<u64> = (0..nature.messages)
                .map(|_| random.below(nature.written_within))
                .collect();
            written.sort_unstable();
            tickets.push(Ticket {
                written,
                ..Ticket::default()
            });
        }
        for _ in 0..nature.agent_answers {
            let ticket = random.below(nature.tickets as u64) as usize;
            let at = random.below(nature.written_within);
            tickets[ticket].reads.push(at);
        }
        for ticket in &mut tickets {
            ticket.reads.sort_unstable();
        }
        let mut world = World {
            server: FixedWindow::new(nature.limit, window, ends),
            budget: Budget::new(None, window, start),
            scheduler: Scheduler::new(nature.concurrency),
            nature,
            start,
            now: 0,
            serial: 0,
            steps: BTreeMap::new(),
            random,
            tickets,
            running: 0,
            next_sweep: 0,
            next_id: 0,
            refused: 0,
            parked: 0,
            looks: 0,
            reads: 0,
            spent: [0; Class::ALL.len()],
            delivered_at: 0,
        };
        if world.nature.others > 0 {
            world.at(0, Happening::Others);
        }
        world.at(0, Happening::Wake);
        world
    }

    fn instant(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn millis(&self, instant: Instant) -> u64 {
        instant.duration_since(self.start).as_nanos().div_ceil(1_000_000) as u64
    }

    fn at(&mut self, millis: u64, step: Happening) {
        self.serial += 1;
        self.steps.insert((millis.max(self.now), self.serial), step);
    }

    fn wall(millis: u64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + millis as i64).unwrap()
    }

    fn done(&self) -> bool {
        self.tickets
            .iter()
            .all(|ticket| ticket.head == ticket.written.len() && ticket.reads.is_empty())
    }

    /// Runs until everything is delivered.
    fn run(mut self) -> World {
        let longest = 1000 * 3600 * 24 * 5;
        while !self.done() {
            let ((at, _), step) = self
                .steps
                .pop_first()
                .unwrap_or_else(|| panic!("the world stands still: {:?}", self.nature));
            assert!(at < longest, "no end: {:?}", self.nature);
            self.now = at;
            match step {
                Happening::Wake => {}
                Happening::Others => {
                    let _ = self.server.count(self.nature.others, self.instant(at));
                    self.at(at + 60_000, Happening::Others);
                }
                Happening::CarryOut(ticket, number) => self.carry_out(ticket, number),
                Happening::Arrive(ticket, work, call) => self.arrive(ticket, work, call),
                Happening::Answer(ticket, answer, quota, call, sent) => {
                    self.answer(ticket, answer, quota, call, sent)
                }
            }
            if self
                .steps
                .first_key_value()
                .is_none_or(|((next, _), _)| *next > at)
            {
                self.plan();
            }
        }
        self.check();
        self
    }

    /// Each message is there exactly once, and in order.
    fn check(&self) {
        for ticket in &self.tickets {
            let there: Vec<usize> = ticket.case.iter().map(|written| written.number).collect();
            let expected: Vec<usize> = (0..ticket.written.len()).collect();
            assert_eq!(there, expected, "{:?}", self.nature);
        }
    }

    fn heads(&self) -> Vec<Ready> {
        let mut heads = Vec::new();
        for (index, ticket) in self.tickets.iter().enumerate() {
            let lane = Some(LaneId(index as i64));
            if let Some(written) = ticket.written.get(ticket.head) {
                let id = DeliveryId(index as i64);
                let (what, class, cost) = match ticket.doubt {
                    Some(_) => (Work::LookUp(id), Class::Doubt, Cost::Read),
                    None => (Work::Send(id), Class::LiveWrite, Cost::Write),
                };
                let not_before = Some(self.instant(ticket.not_before.max(*written)));
                heads.push(Ready {
                    lane,
                    what,
                    class,
                    cost,
                    since: *written as i64,
                    not_before,
                });
            }
            if let Some(asked) = ticket.reads.first() {
                let what = Work::Read;
                let not_before = Some(self.instant(*asked));
                let class = Class::WebhookRead;
                heads.push(Ready {
                    lane,
                    what,
                    class,
                    cost: Cost::Read,
                    since: *asked as i64,
                    not_before,
                });
            }
        }
        if self.nature.sweep.is_some() {
            let (what, class, not_before) = (Work::Read, Class::Sweep, Some(self.instant(self.next_sweep)));
            heads.push(Ready {
                lane: None,
                what,
                class,
                cost: Cost::Read,
                since: 0,
                not_before,
            });
        }
        heads
    }

    fn plan(&mut self) {
        let now = self.instant(self.now);
        let busy: HashSet<LaneId> = self
            .tickets
            .iter()
            .enumerate()
            .filter(|(_, ticket)| ticket.busy)
            .map(|(index, _)| LaneId(index as i64))
            .collect();
        let heads = self.heads();
        let plan = self
            .scheduler
            .plan(&mut self.budget, heads, &busy, self.running, now);
        for started in plan.start {
            let index = started.ready.lane.map_or(usize::MAX, |lane| lane.0 as usize);
            if let Some(ticket) = self.tickets.get_mut(index) {
                assert!(!ticket.busy, "two of one ticket");
                ticket.busy = true;
            }
            self.running += 1;
            assert!(self.running <= self.nature.concurrency);
            self.spent[started.call.class() as usize] += started.call.cost().units();
            match started.ready.what {
                Work::Send(_) => self.tickets[index].intent_made = self.now,
                Work::LookUp(_) => {
                    self.looks += 1;
                    if let Some(doubt) = &mut self.tickets[index].doubt {
                        doubt.look_begins(now);
                    }
                }
                Work::Read if started.ready.lane.is_none() => {
                    self.next_sweep = self.now + self.nature.sweep.unwrap_or(0);
                }
                Work::Read => self.reads += 1,
            }
            let there = self.now + 1 + self.random.below(self.nature.latency);
            self.at(there, Happening::Arrive(index, started.ready.what, started.call));
        }
        if let Some(wake) = plan.wake {
            assert!(wake > now, "a wake-up that has passed");
            self.at(self.millis(wake), Happening::Wake);
        }
    }

    fn carry_out(&mut self, index: usize, number: usize) {
        self.next_id += 1;
        let visible = self.now + self.random.below(self.nature.list_lag);
        let written = Written {
            id: self.next_id,
            number,
            at: self.now,
            visible,
        };
        self.tickets[index].case.push(written);
    }

    /// A request reaches Deskie.
    fn arrive(&mut self, index: usize, work: Work, call: Call) {
        let back = self.now + 1 + self.random.below(self.nature.latency);
        // Carried out late, the request was written at most this long ago.
        let gives_up = (self.now + self.nature.timeout).saturating_sub(self.nature.latency);
        let away = self
            .nature
            .away
            .is_some_and(|(from, until)| (from..until).contains(&self.now));
        let wrong = self.random.below(1000) < self.nature.wrong;
        let kind = self.random.below(5);
        if away && kind < 3 || wrong && kind == 0 {
            let answer = match work {
                Work::Send(_) => Answer::Send(Outcome::Retry),
                Work::LookUp(_) => Answer::Looked(Lookup::LookupFailed { permanent: false }),
                Work::Read => Answer::Read { accepted: false },
            };
            return self.at(back, Happening::Answer(index, answer, None, call, false));
        }
        let now = self.instant(self.now);
        let (accepted, quota) = self.server.count(call.cost().units(), now);
        let quota = Some(quota);
        self.refused += u32::from(!accepted);
        let answer = match work {
            Work::Send(_) if !accepted => Answer::Send(Outcome::Throttled(None)),
            Work::Send(_) => {
                let number = self.tickets[index].head;
                let lost = Happening::Answer(index, Answer::Send(Outcome::Doubt), None, call, true);
                match kind {
                    // Lost on the way, or answered with a 502 that means nothing.
                    _ if away => return self.at(back, lost),
                    1 if wrong => return self.at(gives_up, lost),
                    // Carried out, but the answer was lost.
                    2 if wrong => {
                        self.carry_out(index, number);
                        return self.at(back, lost);
                    }
                    // The connection broke at once, and the request is carried out late.
                    3.. if wrong => {
                        let late = self.now + self.random.below(gives_up - self.now);
                        self.at(late, Happening::CarryOut(index, number));
                        return self.at(back, lost);
                    }
                    _ => {}
                }
                self.carry_out(index, number);
                let Happening::Answer(.., call, _) = lost else {
                    return;
                };
                return self.at(back, Happening::Answer(index, Answer::Done, quota, call, true));
            }
            Work::LookUp(_) if !accepted || away => Answer::Looked(Lookup::LookupFailed { permanent: false }),
            Work::LookUp(_) => Answer::Looked(self.look(index)),
            Work::Read => Answer::Read {
                accepted: accepted && !away,
            },
        };
        self.at(back, Happening::Answer(index, answer, quota, call, true));
    }

    fn look(&self, index: usize) -> Lookup<MessageId> {
        let ticket = &self.tickets[index];
        let keeps = self.nature.kept == CreatedAtKept::Yes;
        let candidates: Vec<MessageCandidate> = ticket
            .case
            .iter()
            .filter(|written| written.visible <= self.now)
            .map(|written| MessageCandidate {
                message_id: MessageId(written.id),
                user_id: UserId(1),
                staff_id: StaffId(0),
                note: false,
                same_text: self.nature.same_text || written.number == ticket.head,
                created_at: Some(World::wall(if keeps {
                    ticket.written[written.number]
                } else {
                    written.at
                })),
                known: ticket.known.contains(&written.id),
            })
            .collect();
        let intent = MessageIntent {
            author: Author::Customer(UserId(1)),
            created_at: Some(World::wall(ticket.written[ticket.head])),
            sent_not_before: World::wall(ticket.intent_made),
            kept: self.nature.kept,
        };
        match_messages(&candidates, &intent)
    }

    fn answer(&mut self, index: usize, answer: Answer, quota: Option<Quota>, call: Call, sent: bool) {
        let now = self.instant(self.now);
        self.running -= 1;
        if let Some(ticket) = self.tickets.get_mut(index) {
            ticket.busy = false;
        }
        let cost = call.cost();
        if sent {
            self.budget.answered(call, quota, now)
        } else {
            self.budget.not_sent(call, now)
        }
        let random = self.random.unit();
        match answer {
            Answer::Done => {
                self.tickets[index].attempt += 1;
                let id = self.tickets[index].case.last().unwrap().id;
                self.finish(index, id);
            }
            Answer::Send(outcome) => {
                let attempt = self.tickets[index].attempt + 1;
                let then = verdict(outcome, cost, attempt, random, now);
                self.tickets[index].attempt = attempt;
                match then {
                    Verdict::RetryAt(at) => self.tickets[index].not_before = self.millis(at),
                    Verdict::PauseAll { retry_after } => {
                        self.budget.throttled(retry_after, now);
                    }
                    Verdict::EnterDoubt => {
                        let ticket = &self.tickets[index];
                        let deadline = self.instant(ticket.intent_made + self.nature.timeout);
                        let doubt = DoubtState::enter(now, deadline);
                        let first = self.millis(doubt.first_look(self.doubt_wait()));
                        self.tickets[index].not_before = first;
                        self.tickets[index].doubt = Some(doubt);
                    }
                    Verdict::Park | Verdict::StopAll => self.parked += 1,
                }
            }
            Answer::Looked(found) => {
                let doubt_wait = self.doubt_wait();
                let doubt = self.tickets[index].doubt.as_mut().unwrap();
                match doubt.judge(found, now, doubt_wait) {
                    Judgement::Done(id) => self.finish(index, id.0),
                    Judgement::LookAgainAt(at) => self.tickets[index].not_before = self.millis(at),
                    Judgement::SendAgain => {
                        self.tickets[index].doubt = None;
                        self.tickets[index].not_before = self.now;
                    }
                    Judgement::Park(_) => panic!("parked: {:?}", self.nature),
                }
            }
            Answer::Read { accepted } => {
                let retry = self.now + backoff::retry_delay(1, random).as_millis() as u64;
                if let Some(ticket) = self.tickets.get_mut(index) {
                    let asked = ticket.reads.remove(0);
                    // One read answers every webhook that came before it.
                    ticket.reads.retain(|asked| *asked > self.now);
                    if !accepted {
                        ticket.reads.insert(0, retry.max(asked));
                    }
                }
            }
        }
    }

    fn doubt_wait(&self) -> Duration {
        Duration::from_millis(self.nature.doubt_wait)
    }

    fn finish(&mut self, index: usize, id: i64) {
        let ticket = &mut self.tickets[index];
        ticket.known.insert(id);
        ticket.head += 1;
        ticket.attempt = 0;
        ticket.not_before = 0;
        ticket.doubt = None;
        self.delivered_at = self.now;
    }
}
