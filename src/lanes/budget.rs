//! Paces our calls against Deskie's quota per minute, and says which class of call goes first (rule 14).
//!
//! Deskie counts in fixed minutes whose phase we do not know; a write costs two, a read one; what is too much is
//! refused, and a quota burnt in five seconds means 55 seconds of refusals.
//!
//! # The algorithm
//! - **The log bounds.** Every call occupies its cost from the moment it is taken until one window (and a guard of a
//!   60th of it) after its answer. A call may start only where the occupied units stay within the limit.
//! - **The bucket spreads.** Tokens flow in at the limit's rate, up to a fifth of the limit (but always two writes),
//!   and never more than the log has room for. So an idle quota answers a small burst at once, and a long queue goes
//!   out evenly instead of in one burst a minute.
//! - **Nothing is known at first**, so calls go one by one until the first answer; its headers give the limit, and every
//!   later answer lowers or raises it.
//! - **Others may use the quota, too.** If the server says it has counted more than all that we can have used in its
//!   window, somebody else did: then `calls_left`, less what is under way, binds us until that window must have turned:
//!   at the next turn as estimated from the last time `calls_left` rose, else after a full window. So does a restart:
//!   what we used before it looks like somebody else's.
//! - **Classes** go in order, but each class with work waiting earns a tenth of what is spent; one that has earned a unit
//!   is due, and a due class goes before all others. So each class gets at least a tenth while it waits, and the first
//!   at least half. A class that has to give way may still start where another write's worth remains.
//!
//! # Why it is correct
//! Take any window `[a, a + W)` of the server and of the calls counted in it the one that we took last, at time `t`.
//! Each other call of that window was taken before, and answered at `a` or later, so it is still in the log at `t`,
//! which is before `a + W`. The log at `t` thus holds all calls of the window, and it holds at most the limit. This
//! holds for every phase, every latency and every order of answers; the bucket plays no part in it.
//!
//! # What it does not guarantee
//! Against other users of the quota it only reacts, so a call may meet a 429 ([`Budget::throttled`] then stops
//! everybody). The same holds in the window in which the limit is lowered, and for a request that the server counts
//! later than a window after we gave up waiting for its answer. Each call taken has to be brought back through
//! [`Budget::answered`] or [`Budget::not_sent`]; one that is lost keeps its units for good.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

mod classes;
#[cfg(test)]
mod tests;

pub use classes::Class;
use classes::Classes;

/// The limit until Deskie's first answer: no account has less.
const LEAST_LIMIT: u32 = 20;

/// The limit where Deskie's answers do not tell it: that of a Basic account.
const ASSUMED_LIMIT: u32 = 50;

/// What a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cost {
    /// GET.
    Read,
    /// POST, PUT and DELETE.
    Write,
}

impl Cost {
    /// In units of the quota.
    pub fn units(self) -> u32 {
        match self {
            Cost::Read => 1,
            Cost::Write => 2,
        }
    }
}

/// A call that was taken out of the budget and is under way. It has to be brought back.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that is not brought back keeps its units for good"]
pub struct Call {
    class: Class,
    cost: Cost,
    taken: Instant,
    /// The newest `calls_left` that was known when this call began: the taking of its call, and the number.
    before: Option<Seen>,
}

impl Call {
    /// Its class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Its cost.
    pub fn cost(&self) -> Cost {
        self.cost
    }
}

/// What the headers of an answer say; every part may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// `rate_limit_per_minute`
    pub limit: Option<u32>,
    /// `api_calls_left`
    pub calls_left: Option<i64>,
}

/// The budget's state, for status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Units a window that we allow ourselves.
    pub limit: u32,
    /// Deskie told the limit; false: assumed.
    pub limit_known: bool,
    /// Units occupied in the log, including those under way.
    pub used: u32,
    /// Units under way.
    pub in_flight: u32,
    /// Units that may still be taken in this window.
    pub remaining: u32,
    /// Nobody sends until then (a 429).
    pub paused_until: Option<Instant>,
    /// Somebody else uses the quota: held back until then.
    pub held_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    taken: Instant,
    calls_left: i64,
}

/// Somebody else uses the quota: we may take `left` units until `until`.
#[derive(Debug, Clone, Copy)]
struct Hold {
    left: i64,
    until: Instant,
}

/// The server's window turned once between these instants.
#[derive(Debug, Clone, Copy)]
struct Turn {
    after: Instant,
    before: Instant,
}

/// Answered calls: these units are free again at that instant.
#[derive(Debug, Clone, Copy)]
struct Entry {
    answered: Instant,
    free: Instant,
    units: u32,
}

/// The budget: see the module's comment.
#[derive(Debug)]
pub struct Budget {
    window: Duration,
    configured: Option<u32>,
    /// What the headers said last.
    told: Option<u32>,
    /// An answer came, whatever it said.
    answered_once: bool,
    /// Tokens, in units times nanoseconds of the window, as of `at`: whole numbers, so that nothing is lost in rounding.
    level: i128,
    at: Instant,
    log: VecDeque<Entry>,
    in_log: u32,
    in_flight: u32,
    paused: Option<Instant>,
    hold: Option<Hold>,
    turn: Option<Turn>,
    seen: Option<Seen>,
    classes: Classes,
}

impl Budget {
    /// A budget for a server that counts in windows of `window` (60 s, but for tests); `configured` caps what the
    /// server's headers say.
    pub fn new(configured: Option<u32>, window: Duration, now: Instant) -> Budget {
        let window = window.max(Duration::from_millis(1));
        let mut budget = Budget {
            window,
            configured,
            told: None,
            answered_once: false,
            level: 0,
            at: now,
            log: VecDeque::new(),
            in_log: 0,
            in_flight: 0,
            paused: None,
            hold: None,
            turn: None,
            seen: None,
            classes: Classes::new(window / 30),
        };
        budget.level = budget.scaled(i64::from(budget.capacity()));
        budget
    }

    /// May a call of this class start now? Else: not before this instant. An `Err` also notes that the class waits, so
    /// that its floor counts; it lapses shortly after that instant unless asked again.
    pub fn can_start(&mut self, class: Class, cost: Cost, now: Instant) -> Result<(), Instant> {
        let start = self.start(class, cost, now);
        if let Err(not_before) = start {
            self.classes.ask(class, not_before);
        }
        start
    }

    /// Takes a call out of the budget. Ask [`can_start`](Self::can_start) first: this does not check it again.
    pub fn take(&mut self, class: Class, cost: Cost, now: Instant) -> Call {
        self.advance(now);
        let units = cost.units();
        self.level -= self.scaled(i64::from(units));
        self.in_flight = self.in_flight.saturating_add(units);
        if let Some(hold) = &mut self.hold {
            hold.left -= i64::from(units);
        }
        self.classes.spent(class, units, self.at);
        Call {
            class,
            cost,
            taken: now,
            before: self.seen,
        }
    }

    /// A call was answered with these headers; `None`: it was written, but given up without an answer.
    pub fn answered(&mut self, call: Call, quota: Option<Quota>, now: Instant) {
        self.advance(now);
        let units = call.cost.units();
        self.in_flight = self.in_flight.saturating_sub(units);
        self.in_log = self.in_log.saturating_add(units);
        let free = self.at + self.window + self.window / 60;
        self.log.push_back(Entry {
            answered: self.at,
            free,
            units,
        });
        let Some(quota) = quota else { return };
        self.answered_once = true;
        if let Some(limit) = quota.limit.filter(|limit| *limit > 0) {
            self.told = Some(limit);
        }
        if let Some(calls_left) = quota.calls_left {
            self.compare(&call, calls_left);
        }
    }

    /// Calls that nobody will bring back were cut off with whoever made them: they count as written just now.
    pub fn forget_in_flight(&mut self, now: Instant) {
        self.advance(now);
        let units = std::mem::take(&mut self.in_flight);
        if units > 0 {
            self.in_log = self.in_log.saturating_add(units);
            let free = self.at + self.window + self.window / 60;
            self.log.push_back(Entry {
                answered: self.at,
                free,
                units,
            });
        }
    }

    /// A call was never written to the wire: it costs nothing.
    pub fn not_sent(&mut self, call: Call, now: Instant) {
        self.advance(now);
        let units = call.cost.units();
        self.in_flight = self.in_flight.saturating_sub(units);
        self.level += self.scaled(i64::from(units));
        if let Some(hold) = &mut self.hold {
            hold.left += i64::from(units);
        }
        self.clip();
    }

    /// A call met a 429: nobody sends until the returned instant. `retry_after` is kept between a second and five
    /// minutes (a 60th of and five windows); without it a full window is waited.
    pub fn throttled(&mut self, retry_after: Option<Duration>, now: Instant) -> Instant {
        self.advance(now);
        let pause = retry_after
            .unwrap_or(self.window)
            .clamp(self.window / 60, self.window * 5);
        let until = self
            .paused
            .map_or(self.at + pause, |paused| paused.max(self.at + pause));
        self.paused = Some(until);
        self.level = 0;
        until
    }

    /// Notes that a class has work waiting until about `until` (`None`: no longer), so that its floor counts and lower
    /// classes give way, for callers that do not go through the [`Scheduler`](super::Scheduler).
    pub fn waiting(&mut self, class: Class, until: Option<Instant>) {
        match until {
            Some(until) => self.classes.ask(class, until),
            None => self.classes.withdraw(class),
        }
    }

    /// Units that may still be taken in this window, as far as is known.
    pub fn remaining(&mut self, now: Instant) -> u32 {
        self.advance(now);
        u32::try_from(self.room()).unwrap_or(0)
    }

    /// The state, for status and metrics.
    pub fn snapshot(&mut self, now: Instant) -> Snapshot {
        Snapshot {
            remaining: self.remaining(now),
            limit: self.limit(),
            limit_known: self.told.is_some(),
            used: self.in_log.saturating_add(self.in_flight),
            in_flight: self.in_flight,
            paused_until: self.paused,
            held_until: self.hold.map(|hold| hold.until),
        }
    }

    pub(super) fn classes(&mut self) -> &mut Classes {
        &mut self.classes
    }

    fn start(&mut self, class: Class, cost: Cost, now: Instant) -> Result<(), Instant> {
        self.advance(now);
        if let Some(until) = self.paused {
            return Err(until);
        }
        if !self.answered_once && self.in_flight > 0 {
            return Err(self.at + self.window / 60);
        }
        let give_way = if self.classes.gives_way(class, self.at) {
            Cost::Write.units()
        } else {
            0
        };
        let need = self.scaled(i64::from(cost.units() + give_way));
        if self.level >= need {
            Ok(())
        } else {
            Err(self.when(need))
        }
    }

    /// The limit that we keep to: one write must always be possible.
    fn limit(&self) -> u32 {
        let told = match (self.told, self.configured, self.answered_once) {
            (Some(told), configured, _) => configured.map_or(told, |configured| configured.min(told)),
            (None, configured, false) => configured.unwrap_or(LEAST_LIMIT).min(LEAST_LIMIT),
            (None, configured, true) => configured.unwrap_or(ASSUMED_LIMIT),
        };
        told.max(Cost::Write.units())
    }

    /// The most that goes out at once.
    fn capacity(&self) -> u32 {
        (self.limit() / 5).max(2 * Cost::Write.units())
    }

    /// What the log, and the hold, leave.
    fn room(&self) -> i64 {
        let room = i64::from(self.limit()) - i64::from(self.in_log) - i64::from(self.in_flight);
        self.hold.map_or(room, |hold| room.min(hold.left))
    }

    fn scaled(&self, units: i64) -> i128 {
        i128::from(units) * self.window.as_nanos().cast_signed()
    }

    fn clip(&mut self) {
        let most = self.room().min(i64::from(self.capacity()));
        self.level = self.level.min(self.scaled(most)).max(0);
    }

    /// Brings the state forward to `now`, event by event, because between two of them the tokens are bounded by the
    /// room that there was. The clock is monotonic; an earlier `now` changes nothing.
    fn advance(&mut self, now: Instant) {
        while let Some(event) = self.next_event().filter(|event| *event <= now) {
            self.accrue(event);
            while let Some(entry) = self.log.front().copied().filter(|entry| entry.free <= event) {
                self.log.pop_front();
                self.in_log = self.in_log.saturating_sub(entry.units);
            }
            self.hold = self.hold.filter(|hold| hold.until > event);
            self.paused = self.paused.filter(|paused| *paused > event);
        }
        self.accrue(now);
    }

    fn next_event(&self) -> Option<Instant> {
        let free = self.log.front().map(|entry| entry.free);
        let turned = self.hold.map(|hold| hold.until);
        [free, turned, self.paused].into_iter().flatten().min()
    }

    fn accrue(&mut self, to: Instant) {
        if self.paused.is_none() {
            let nanos = to.saturating_duration_since(self.at).as_nanos().cast_signed();
            self.level += nanos * i128::from(self.limit());
        }
        self.clip();
        self.at = self.at.max(to);
    }

    /// When will the level reach `need` if nothing else happens? A lower bound where that hangs on answers to come.
    fn when(&self, need: i128) -> Instant {
        let mut ahead = Budget {
            log: self.log.clone(),
            classes: Classes::new(Duration::ZERO),
            ..*self
        };
        loop {
            let short = need - ahead.level;
            if short <= 0 {
                return ahead.at;
            }
            let nanos = short.div_euclid(i128::from(ahead.limit())) + 1;
            let full = ahead.at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            match ahead.next_event() {
                _ if ahead.scaled(ahead.room().min(i64::from(ahead.capacity()))) >= need => return full,
                Some(event) => ahead.advance(event),
                // Only answers to calls under way can make room, or the class has to wait for its turn.
                None => return self.at + self.window / 60,
            }
        }
    }

    /// Compares what the server has counted with what we can have used in its window.
    fn compare(&mut self, call: &Call, calls_left: i64) {
        let now = self.at;
        if let Some(before) = call.before
            && calls_left > before.calls_left
        {
            self.turn = Some(Turn {
                after: before.taken,
                before: now,
            });
            self.hold = None;
        }
        let newest = self.seen.is_none_or(|seen| seen.taken < call.taken);
        if newest {
            self.seen = Some(Seen {
                taken: call.taken,
                calls_left,
            });
        }
        let Some(told) = self.told else { return };
        let since = self.window_began_after(now);
        let ours: u32 = self
            .log
            .iter()
            .filter(|entry| since.is_none_or(|since| entry.answered >= since))
            .map(|entry| entry.units)
            .sum();
        let ours = i64::from(ours) + i64::from(self.in_flight);
        if i64::from(told) - calls_left > ours {
            let left = calls_left - i64::from(self.in_flight);
            let until = self.window_ends_before(now);
            self.hold = Some(match self.hold {
                Some(hold) => Hold {
                    left: hold.left.min(left),
                    until: hold.until,
                },
                None => Hold { left, until },
            });
        }
        self.clip();
    }

    /// An instant before the server's current window began, where that can be told.
    fn window_began_after(&self, now: Instant) -> Option<Instant> {
        let turn = self.turn?;
        let passed = now.checked_duration_since(turn.after)?.as_nanos() / self.window.as_nanos();
        let passed = u32::try_from(passed).ok()?;
        let began = turn.after + self.window * passed;
        // Within the blur of the estimate the last window may still be running.
        let blur = turn.before.saturating_duration_since(turn.after);
        let blurred = now.saturating_duration_since(began) < blur && passed > 0;
        if blurred {
            began.checked_sub(self.window)
        } else {
            Some(began)
        }
    }

    /// An instant by which the server's current window must have turned.
    fn window_ends_before(&self, now: Instant) -> Instant {
        let full = now + self.window + self.window / 60;
        let estimate = self.turn.and_then(|turn| {
            let since = now.checked_duration_since(turn.after)?.as_nanos();
            let turns = u32::try_from(since / self.window.as_nanos())
                .ok()?
                .checked_add(1)?;
            Some(turn.before + self.window * turns)
        });
        estimate.map_or(full, |estimate| estimate.min(full))
    }
}
