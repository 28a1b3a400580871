//! Which class of call goes first, and the floors.
//!
//! Each waiting class earns a tenth of every unit spent, and pays for what it spends. With a whole unit earned it is due,
//! and goes before every class that is not. What a class takes while nobody else wants it, it need not pay back: its
//! account is bounded on both sides.

use std::time::{Duration, Instant};

/// The classes of calls, first things first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A read that a webhook asked for: an agent's answer waits for it.
    WebhookRead,
    /// A look-up for a call in doubt. Before the writes: while Deskie loses answers, more writes only make more doubts,
    /// and each ticket in doubt waits longest of all; and it is little: at most six reads a doubt.
    Doubt,
    /// What the site's customers wrote just now.
    LiveWrite,
    /// The regular search for replies whose webhook did not come.
    Sweep,
    /// What follows up on messages that Deskie has: edits, notes of them, statuses. A migration may rewrite all texts in one
    /// statement.
    FollowUp,
    /// Old tickets.
    Backfill,
}

impl Class {
    /// All, in order.
    pub const ALL: [Class; 6] = [
        Class::WebhookRead,
        Class::Doubt,
        Class::LiveWrite,
        Class::Sweep,
        Class::FollowUp,
        Class::Backfill,
    ];

    /// The word for status and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::WebhookRead => "webhook_read",
            Class::Doubt => "doubt",
            Class::LiveWrite => "live_write",
            Class::Sweep => "sweep",
            Class::FollowUp => "follow_up",
            Class::Backfill => "backfill",
        }
    }
}

/// One unit, in the tenths that are earned.
const UNIT: i64 = 10;

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Tenths of a unit: earned, less spent.
    earned: i64,
    /// It has asked in vain, and may ask again until then.
    asked_until: Option<Instant>,
    /// It has heads in the scheduler's plan.
    planned: bool,
}

/// The classes' accounts.
#[derive(Debug)]
pub(in crate::lanes) struct Classes {
    states: [State; Class::ALL.len()],
    /// How long after its time a class that asked is still expected.
    grace: Duration,
}

impl Classes {
    pub(super) fn new(grace: Duration) -> Classes {
        Classes {
            states: [State::default(); Class::ALL.len()],
            grace,
        }
    }

    pub(super) fn ask(&mut self, class: Class, until: Instant) {
        self.states[class as usize].asked_until = Some(until + self.grace);
    }

    pub(super) fn withdraw(&mut self, class: Class) {
        self.states[class as usize].asked_until = None;
    }

    /// The scheduler has work of this class that only the budget holds back.
    pub(in crate::lanes) fn plan(&mut self, class: Class, planned: bool) {
        self.states[class as usize].planned = planned;
        if planned {
            self.withdraw(class);
        }
    }

    /// All classes, those that are due before the others.
    pub(in crate::lanes) fn in_order(&self, now: Instant) -> [Class; Class::ALL.len()] {
        let mut order = Class::ALL;
        order.sort_by_key(|class| (!self.due(*class, now), *class));
        order
    }

    /// Is there a waiting class that goes before this one?
    pub(super) fn gives_way(&self, class: Class, now: Instant) -> bool {
        self.in_order(now)
            .into_iter()
            .take_while(|first| *first != class)
            .any(|first| self.waits(first, now))
    }

    pub(super) fn spent(&mut self, class: Class, units: u32, now: Instant) {
        for each in Class::ALL {
            let waits = self.waits(each, now) || each == class;
            let state = &mut self.states[each as usize];
            if waits {
                state.earned += i64::from(units);
            }
            if each == class {
                state.earned -= UNIT * i64::from(units);
                state.asked_until = None;
            }
            state.earned = state.earned.clamp(-UNIT, 3 * UNIT);
        }
    }

    fn due(&self, class: Class, now: Instant) -> bool {
        self.waits(class, now) && self.states[class as usize].earned >= UNIT
    }

    fn waits(&self, class: Class, now: Instant) -> bool {
        let state = self.states[class as usize];
        state.planned || state.asked_until.is_some_and(|until| until > now)
    }
}
