//! What a simulated world is like: its quota, its misfortunes, its chance.

use std::time::{Duration, Instant};

use crate::lanes::budget::Quota;
use crate::lanes::matching::CreatedAtKept;

/// Deskie's quota: a fixed window of any phase.
#[derive(Debug, Clone)]
pub(in crate::lanes) struct FixedWindow {
    limit: u32,
    window: Duration,
    ends: Instant,
    used: u32,
}

impl FixedWindow {
    /// The first window ends at `ends`.
    pub(in crate::lanes) fn new(limit: u32, window: Duration, ends: Instant) -> FixedWindow {
        FixedWindow {
            limit,
            window,
            ends,
            used: 0,
        }
    }

    /// Counts a call: accepted or not, and the headers of its answer.
    pub(in crate::lanes) fn count(&mut self, units: u32, now: Instant) -> (bool, Quota) {
        while now >= self.ends {
            self.ends += self.window;
            self.used = 0;
        }
        let accepted = self.used + units <= self.limit;
        if accepted {
            self.used += units;
        }
        let calls_left = Some(i64::from(self.limit - self.used));
        (
            accepted,
            Quota {
                limit: Some(self.limit),
                calls_left,
            },
        )
    }
}

/// What the world is like; times in milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Nature {
    pub(super) seed: u64,
    pub(super) tickets: usize,
    pub(super) messages: usize,
    pub(super) limit: u32,
    /// All messages are written within this time.
    pub(super) written_within: u64,
    pub(super) concurrency: usize,
    pub(super) latency: u64,
    pub(super) timeout: u64,
    pub(super) doubt_wait: u64,
    /// How late a list shows what was done.
    pub(super) list_lag: u64,
    pub(super) kept: CreatedAtKept,
    /// All texts are the same.
    pub(super) same_text: bool,
    /// Of a thousand calls, how many go wrong.
    pub(super) wrong: u64,
    /// From, until: every call fails.
    pub(super) away: Option<(u64, u64)>,
    /// Agents' answers, each of which asks for a read.
    pub(super) agent_answers: usize,
    /// How long after a page of the sweep the next one is due.
    pub(super) sweep: Option<u64>,
    /// Somebody else spends this much in each window, at once.
    pub(super) others: u32,
}

impl Default for Nature {
    fn default() -> Nature {
        Nature {
            seed: 1,
            tickets: 20,
            messages: 3,
            limit: 50,
            written_within: 60_000,
            concurrency: 8,
            latency: 800,
            timeout: 30_000,
            doubt_wait: 120_000,
            list_lag: 0,
            kept: CreatedAtKept::Unknown,
            same_text: false,
            wrong: 0,
            away: None,
            agent_answers: 0,
            sweep: None,
            others: 0,
        }
    }
}

/// Splitmix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub(super) fn unit(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1 << 20)
    }
}
