//! A write whose answer was lost: when to look for it in Deskie, and what the look says (rule 9).
//!
//! The algorithm. The clock of a doubt starts when the request can no longer be on its way: at `send_before` plus the
//! time-out, or when the doubt was entered, whichever is later. From there on Deskie is asked at fixed fractions of
//! `doubt_wait`, quickly at first (most lost answers belong to calls that were carried out at once), and at last when
//! `doubt_wait` is over. One match at any look: done. Several, or a look-up that is refused for good: parked. Absent
//! in every look-up, the last of which began after `doubt_wait`: not carried out, send again.
//!
//! Why that is right: a request that Deskie carries out is carried out before the clock starts, and is listed at most
//! `doubt_wait` later; so a look-up begun after both sees it. A look-up that fails for a while says nothing: it
//! is repeated, with growing delays, as long as it takes. After such an outage Deskie's lists may lag more than usual;
//! so the absence has to be seen twice, at least half of `doubt_wait` apart.
//!
//! What it does not guarantee: a request that is carried out later than the time-out, or listed later than
//! `doubt_wait`, is sent twice. The state is an in-memory one: after a restart a doubt is entered anew, which only
//! looks longer. The looks cost at most six reads in an ordinary doubt.

use std::time::{Duration, Instant};

use super::backoff;

/// When to look, in thousandths of `doubt_wait` after the doubt's clock started.
const LOOKS: [u32; 6] = [20, 50, 100, 250, 500, 1000];

/// What a look-up in Deskie brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<Id> {
    /// Nothing that could be ours.
    None,
    /// Exactly one match.
    One(Id),
    /// Several matches.
    Many(Vec<Id>),
    /// The look-up itself failed.
    LookupFailed {
        /// It was refused, and will be refused again (for instance `case_not_found`).
        permanent: bool,
    },
}

/// What follows from a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement<Id> {
    /// The call had been carried out: this is its result.
    Done(Id),
    /// The call was not carried out: send it again, as a new attempt.
    SendAgain,
    /// Not decided yet: look again, not before this instant.
    LookAgainAt(Instant),
    /// A person has to decide; these were found.
    Park(Vec<Id>),
}

/// A call in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubtState {
    /// When the request can no longer be on its way.
    from: Instant,
    /// Look-ups begun.
    looks: u32,
    /// When the last look-up began.
    last_look: Option<Instant>,
    /// When the first look-up began that found nothing.
    first_absent: Option<Instant>,
    /// Look-ups that failed since the last one that did not.
    failures: u32,
}

impl DoubtState {
    /// A doubt that is entered now. `send_deadline` is `send_before` plus the call's time-out: until then the request
    /// may still be carried out, and nobody looks.
    pub fn enter(entered: Instant, send_deadline: Instant) -> DoubtState {
        DoubtState {
            from: entered.max(send_deadline),
            looks: 0,
            last_look: None,
            first_absent: None,
            failures: 0,
        }
    }

    /// When the first look-up may begin.
    pub fn first_look(&self, doubt_wait: Duration) -> Instant {
        self.look_after(self.from, doubt_wait)
    }

    /// How many look-ups have begun.
    pub fn looks(&self) -> u32 {
        self.looks
    }

    /// A look-up begins: call this right before the request is written, it is what the absence is measured by.
    pub fn look_begins(&mut self, now: Instant) {
        self.looks = self.looks.saturating_add(1);
        self.last_look = Some(now);
    }

    /// Judges the look-up that began at the last [`look_begins`](Self::look_begins) and was answered at `now`.
    pub fn judge<Id>(&mut self, found: Lookup<Id>, now: Instant, doubt_wait: Duration) -> Judgement<Id> {
        if !matches!(found, Lookup::LookupFailed { .. }) {
            self.failures = 0;
        }
        match found {
            Lookup::One(id) => Judgement::Done(id),
            Lookup::Many(ids) => Judgement::Park(ids),
            Lookup::LookupFailed { permanent: true } => Judgement::Park(Vec::new()),
            Lookup::LookupFailed { permanent: false } => {
                self.failures = self.failures.saturating_add(1);
                Judgement::LookAgainAt(now + backoff::ceiling(self.failures))
            }
            Lookup::None => self.judge_absence(now, doubt_wait),
        }
    }

    fn judge_absence<Id>(&mut self, now: Instant, doubt_wait: Duration) -> Judgement<Id> {
        let Some(looked_at) = self.last_look.filter(|looked_at| *looked_at >= self.from) else {
            return Judgement::LookAgainAt(self.look_after(self.from.max(now), doubt_wait));
        };
        let first_absent = *self.first_absent.get_or_insert(looked_at);
        let conclusive_from = (self.from + doubt_wait).max(first_absent + doubt_wait / 2);
        if looked_at >= conclusive_from {
            return Judgement::SendAgain;
        }
        let next = self.look_after(looked_at, doubt_wait).max(now);
        Judgement::LookAgainAt(if next > self.from + doubt_wait {
            next.max(conclusive_from)
        } else {
            next
        })
    }

    /// The first instant of the schedule after `instant`, and half of `doubt_wait` later once the schedule is over.
    fn look_after(&self, instant: Instant, doubt_wait: Duration) -> Instant {
        LOOKS
            .iter()
            .map(|thousandths| self.from + doubt_wait * *thousandths / 1000)
            .find(|look| *look > instant)
            .unwrap_or(instant + doubt_wait / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::world::origin;
    use crate::model::MessageId;
    use proptest::prelude::*;

    const WAIT: Duration = Duration::from_secs(120);
    const NOTHING: Lookup<MessageId> = Lookup::None;
    const AWAY: Lookup<MessageId> = Lookup::LookupFailed { permanent: false };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_look_waits_until_the_request_cannot_be_on_its_way() {
        let now = origin();
        let doubt = DoubtState::enter(now, now + seconds(35));
        assert_eq!(doubt.first_look(WAIT), now + seconds(35) + WAIT / 50);
        let late = DoubtState::enter(now + seconds(35), now);
        assert_eq!(late.first_look(WAIT), now + seconds(35) + WAIT / 50);
    }

    #[test]
    fn absent_in_every_look_means_send_again_and_not_before_doubt_wait() {
        let now = origin();
        let mut doubt = DoubtState::enter(now, now);
        let mut at = doubt.first_look(WAIT);
        let mut looks = Vec::new();
        loop {
            looks.push(at.duration_since(now).as_secs_f64() / WAIT.as_secs_f64());
            doubt.look_begins(at);
            match doubt.judge(NOTHING, at + seconds(1), WAIT) {
                Judgement::LookAgainAt(next) => at = next,
                Judgement::SendAgain => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(looks, [0.02, 0.05, 0.1, 0.25, 0.5, 1.0]);
        assert_eq!(doubt.looks(), 6);
    }

    #[test]
    fn a_look_that_began_before_doubt_wait_does_not_decide_however_late_its_answer() {
        let now = origin();
        let mut doubt = DoubtState::enter(now, now);
        doubt.look_begins(now + seconds(3));
        assert_eq!(
            doubt.judge(NOTHING, now + seconds(4), WAIT),
            Judgement::LookAgainAt(now + seconds(6))
        );
        doubt.look_begins(now + seconds(119));
        match doubt.judge(NOTHING, now + seconds(149), WAIT) {
            Judgement::LookAgainAt(next) => assert_eq!(next, now + seconds(149)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_outage_of_days_decides_nothing_and_its_end_is_looked_at_twice() {
        let now = origin();
        let mut doubt = DoubtState::enter(now, now);
        let mut at = doubt.first_look(WAIT);
        while at < now + seconds(3 * 86_400) {
            doubt.look_begins(at);
            match doubt.judge(AWAY, at + seconds(30), WAIT) {
                Judgement::LookAgainAt(next) => {
                    assert!(next > at && next <= at + seconds(30) + backoff::LONGEST);
                    at = next;
                }
                other => panic!("{other:?}"),
            }
        }
        doubt.look_begins(at);
        assert_eq!(
            doubt.judge(NOTHING, at, WAIT),
            Judgement::LookAgainAt(at + WAIT / 2)
        );
        doubt.look_begins(at + WAIT / 2);
        assert_eq!(doubt.judge(NOTHING, at + WAIT / 2, WAIT), Judgement::SendAgain);
    }

    #[test]
    fn one_is_done_and_several_or_a_refusal_park() {
        let now = origin();
        let judge = |found| DoubtState::enter(now, now).judge(found, now + seconds(3), WAIT);
        assert_eq!(judge(Lookup::One(MessageId(7))), Judgement::Done(MessageId(7)));
        let several = vec![MessageId(7), MessageId(8)];
        assert_eq!(judge(Lookup::Many(several.clone())), Judgement::Park(several));
        assert_eq!(
            judge(Lookup::LookupFailed { permanent: true }),
            Judgement::Park(vec![])
        );
    }

    proptest! {
        #[test]
        fn nothing_is_sent_again_before_doubt_wait_nor_after_one_look(
            deadline in 0u64..200,
            wait in 1u64..600,
            looks in prop::collection::vec((0u64..100_000, 0u64..40_000, any::<bool>()), 1..40),
        ) {
            let now = origin();
            let (wait, from) = (seconds(wait), now + seconds(deadline));
            let mut doubt = DoubtState::enter(now, from);
            let (mut at, mut absent) = (doubt.first_look(wait), Vec::new());
            for (late, answer, away) in looks {
                // As early as is allowed, or later.
                let begins = at + Duration::from_millis(late / 50);
                doubt.look_begins(begins);
                let answered = begins + Duration::from_millis(answer);
                if !away {
                    absent.push(begins);
                }
                match doubt.judge(if away { AWAY } else { NOTHING }, answered, wait) {
                    Judgement::LookAgainAt(next) => {
                        prop_assert!(next >= answered && next > from);
                        at = next;
                    }
                    Judgement::SendAgain => {
                        prop_assert!(!away && begins >= from + wait);
                        prop_assert!(absent.len() >= 2 && begins >= absent[0] + wait / 2);
                        return Ok(());
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
