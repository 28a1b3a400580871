//! The budget against a server that counts in fixed windows.

use proptest::prelude::*;

use super::*;
use crate::lanes::world::{FixedWindow, origin};

const MINUTE: Duration = Duration::from_secs(60);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Calls that want to start: after a gap, of a class, at a cost, with its way to the server and back.
#[derive(Debug, Clone)]
struct Wish {
    gap: u64,
    class: Class,
    cost: Cost,
    there: u64,
    back: u64,
    lost: bool,
}

fn wishes(longest_gap: u64) -> impl Strategy<Value = Vec<Wish>> {
    let class = prop::sample::select(Class::ALL.to_vec());
    let cost = prop_oneof![Just(Cost::Read), Just(Cost::Write)];
    let wish = (
        0..=longest_gap,
        class,
        cost,
        0u64..3_000,
        0u64..3_000,
        prop::bool::weighted(0.05),
    );
    let wish = wish.prop_map(|(gap, class, cost, there, back, lost)| Wish {
        gap,
        class,
        cost,
        there,
        back,
        lost,
    });
    prop::collection::vec(wish, 1..300)
}

/// What the server saw.
struct Seen {
    refused: u32,
    /// When each call was counted, in milliseconds, and its units.
    counted: Vec<(u64, u32)>,
    end: u64,
}

impl Seen {
    /// The most that any window of this length holds, whatever its phase.
    fn most_in_any(&self, window: Duration) -> u32 {
        let mut counted = self.counted.clone();
        counted.sort_unstable();
        let window = u64::try_from(window.as_millis()).unwrap();
        let (mut most, mut held, mut first) = (0, 0, 0);
        for (at, units) in &counted {
            held += units;
            while counted[first].0 + window <= *at {
                held -= counted[first].1;
                first += 1;
            }
            most = most.max(held);
        }
        most
    }
}

/// Plays the wishes through a budget, first come, first served.
fn play(budget: &mut Budget, mut server: FixedWindow, wishes: &[Wish], start: Instant) -> Seen {
    enum Wished {
        Counted(usize, Call),
        Answered(Call, Option<Quota>),
    }
    let mut seen = Seen {
        refused: 0,
        counted: Vec::new(),
        end: 0,
    };
    let mut steps: std::collections::BTreeMap<(u64, usize), Wished> = Default::default();
    let (mut now, mut next, mut arrival, mut serial) = (0u64, 0usize, wishes[0].gap, wishes.len());
    loop {
        while let Some(entry) = steps.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), step) = entry.remove_entry();
            match step {
                Wished::Counted(index, call) => {
                    let units = call.cost.units();
                    seen.counted.push((at, units));
                    let (accepted, quota) = server.count(units, start + ms(at));
                    seen.refused += u32::from(!accepted);
                    let wish = &wishes[index];
                    let quota = (!wish.lost).then_some(quota);
                    serial += 1;
                    steps.insert((at + wish.back, serial), Wished::Answered(call, quota));
                }
                Wished::Answered(call, quota) => budget.answered(call, quota, start + ms(at)),
            }
        }
        let mut wake = None;
        while next < wishes.len() && arrival <= now {
            let wish = &wishes[next];
            match budget.can_start(wish.class, wish.cost, start + ms(now)) {
                Ok(()) => {
                    let call = budget.take(wish.class, wish.cost, start + ms(now));
                    steps.insert((now + wish.there, next), Wished::Counted(next, call));
                    next += 1;
                    arrival = now.max(arrival + wishes.get(next).map_or(0, |wish| wish.gap));
                }
                Err(not_before) => {
                    assert!(
                        not_before > start + ms(now),
                        "refused until {not_before:?}, which has passed"
                    );
                    wake = Some(u64::try_from((not_before - start).as_micros().div_ceil(1000)).unwrap());
                    break;
                }
            }
        }
        let arrival = (next < wishes.len() && arrival > now).then_some(arrival);
        let step = steps.first_key_value().map(|((at, _), _)| *at);
        match [wake, arrival, step].into_iter().flatten().min() {
            Some(at) => now = at.max(now),
            None => break,
        }
    }
    assert_eq!(next, wishes.len());
    seen.end = now;
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_window_of_any_phase_holds_more_than_the_limit(
        limit in 20u32..200,
        configured in prop::option::of(2u32..200),
        phase in 0u64..60_000,
        wishes in prop_oneof![wishes(0), wishes(2_000), wishes(10_000)],
    ) {
        let start = origin();
        let mut budget = Budget::new(configured, MINUTE, start);
        let seen = play(&mut budget, FixedWindow::new(limit, MINUTE, start + ms(phase)), &wishes, start);
        let ours = configured.map_or(limit, |configured| configured.min(limit));
        prop_assert_eq!(seen.refused, 0);
        prop_assert!(seen.most_in_any(MINUTE) <= ours, "{} of {ours}", seen.most_in_any(MINUTE));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn a_long_queue_uses_nearly_the_whole_quota_evenly(limit in 20u32..400, phase in 0u64..60_000, latency in 0u64..1_000) {
        let start = origin();
        let mut budget = Budget::new(None, MINUTE, start);
        let wish = Wish { gap: 0, class: Class::LiveWrite, cost: Cost::Write, there: latency / 2, back: latency / 2, lost: false };
        let wishes = vec![wish; usize::try_from(limit).unwrap() * 3];
        let seen = play(&mut budget, FixedWindow::new(limit, MINUTE, start + ms(phase)), &wishes, start);
        prop_assert_eq!(seen.refused, 0);
        // Six windows' worth of calls. Of an odd limit a write can never use the last unit.
        let windows = seen.end as f64 / 60_000.0;
        let usable = f64::from(limit - limit % 2) / f64::from(limit);
        prop_assert!(6.0 / windows >= 0.9 * usable, "{windows} windows");
        // Never more than the burst and the rate in a sixth of a window.
        let most = (limit / 5).max(4) + limit / 6 + 2;
        prop_assert!(seen.most_in_any(ms(10_000)) <= most, "{} of {most}", seen.most_in_any(ms(10_000)));
    }
}

fn quota(limit: Option<u32>, calls_left: Option<i64>) -> Option<Quota> {
    Some(Quota { limit, calls_left })
}

/// A budget that has had its first answer, with this limit, a window ago.
fn known(limit: u32, start: Instant) -> Budget {
    let mut budget = Budget::new(None, MINUTE, start);
    let call = budget.take(Class::Sweep, Cost::Read, start);
    budget.answered(call, quota(Some(limit), Some(i64::from(limit) - 1)), start);
    assert_eq!(budget.remaining(start + MINUTE * 2), limit);
    budget
}

fn take_all(budget: &mut Budget, now: Instant) -> Vec<Call> {
    let mut calls = Vec::new();
    while budget.can_start(Class::LiveWrite, Cost::Write, now).is_ok() {
        calls.push(budget.take(Class::LiveWrite, Cost::Write, now));
    }
    calls
}

#[test]
fn the_first_call_goes_alone_and_its_answer_sets_the_limit() {
    let start = origin();
    let mut budget = Budget::new(None, MINUTE, start);
    assert_eq!(budget.snapshot(start).limit, 20);
    let mut calls = take_all(&mut budget, start);
    assert_eq!(calls.len(), 1);
    budget.answered(calls.remove(0), quota(Some(750), Some(748)), start + ms(200));
    let snapshot = budget.snapshot(start + ms(200));
    assert_eq!(
        (snapshot.limit, snapshot.limit_known, snapshot.used),
        (750, true, 2)
    );
    assert!(take_all(&mut budget, start + ms(1000)).len() >= 4);
}

#[test]
fn calls_go_one_by_one_until_an_answer_comes() {
    let start = origin();
    let mut budget = Budget::new(None, MINUTE, start);
    let mut used = 0;
    for second in 0..60 {
        let now = start + Duration::from_secs(second);
        let calls = take_all(&mut budget, now);
        assert!(calls.len() <= 1);
        for call in calls {
            used += call.cost.units();
            budget.answered(call, None, now);
        }
    }
    assert!(used <= 20, "no account has less than twenty: {used}");
}

#[test]
fn the_configured_limit_caps_the_headers_and_replaces_missing_ones() {
    let start = origin();
    for (configured, told, limit) in [
        (Some(30), Some(750), 30),
        (Some(750), Some(30), 30),
        (Some(750), None, 750),
        (None, None, 50),
        (None, Some(0), 50),
        (Some(0), Some(20), 2),
    ] {
        let mut budget = Budget::new(configured, MINUTE, start);
        let call = budget.take(Class::Sweep, Cost::Read, start);
        budget.answered(call, quota(told, None), start);
        assert_eq!(budget.snapshot(start).limit, limit, "{configured:?} {told:?}");
    }
}

#[test]
fn a_lower_limit_binds_at_once_and_a_higher_one_too() {
    let start = origin();
    let mut budget = known(100, start);
    let now = start + MINUTE * 2;
    let mut calls = take_all(&mut budget, now);
    assert_eq!(calls.len(), 10);
    budget.answered(calls.remove(0), quota(Some(20), Some(0)), now);
    assert_eq!(budget.remaining(now), 0);
    assert!(
        budget
            .can_start(Class::LiveWrite, Cost::Write, now + ms(59_000))
            .is_err()
    );
    budget.answered(calls.remove(0), quota(Some(200), Some(180)), now);
    assert_eq!(budget.remaining(now), 180);
}

#[test]
fn a_call_under_way_is_counted_until_a_window_after_its_answer() {
    let start = origin();
    let mut budget = known(4, start);
    let now = start + MINUTE * 2;
    let calls = take_all(&mut budget, now);
    assert_eq!(calls.len(), 2);
    let later = now + MINUTE * 10;
    assert!(budget.can_start(Class::LiveWrite, Cost::Read, later).is_err());
    for call in calls {
        budget.answered(call, None, later);
    }
    assert!(
        budget
            .can_start(Class::LiveWrite, Cost::Read, later + MINUTE)
            .is_err()
    );
    let free = budget
        .can_start(Class::LiveWrite, Cost::Read, later + MINUTE)
        .unwrap_err();
    assert!(free > later + ms(61_000) && budget.can_start(Class::LiveWrite, Cost::Read, free).is_ok());
}

#[test]
fn a_call_that_was_never_sent_gives_its_units_back() {
    let start = origin();
    let mut budget = known(50, start);
    let now = start + MINUTE * 2;
    for call in take_all(&mut budget, now) {
        budget.not_sent(call, now);
    }
    assert_eq!(budget.remaining(now), 50);
    assert_eq!(take_all(&mut budget, now).len(), 5);
}

#[test]
fn a_throttle_stops_everybody_until_it_is_over() {
    let start = origin();
    for (retry_after, seconds) in [(None, 60), (Some(7), 7), (Some(0), 1), (Some(86_400), 300)] {
        let mut budget = known(50, start);
        let now = start + MINUTE * 2;
        let until = budget.throttled(retry_after.map(Duration::from_secs), now);
        assert_eq!(until, now + Duration::from_secs(seconds));
        // A shorter wish does not shorten it.
        assert_eq!(budget.throttled(Some(ms(1)), now), until.max(now + ms(1000)));
        for class in Class::ALL {
            assert_eq!(budget.can_start(class, Cost::Read, until - ms(1)), Err(until));
        }
        for class in Class::ALL {
            budget.waiting(class, None);
        }
        let free = budget
            .can_start(Class::LiveWrite, Cost::Write, until)
            .unwrap_err();
        assert!(free <= until + ms(2401), "no burst, but the rate",);
        assert!(budget.can_start(Class::LiveWrite, Cost::Write, free).is_ok());
    }
}

#[test]
fn units_used_by_others_hold_us_back_until_the_window_has_turned() {
    let start = origin();
    let mut budget = known(50, start);
    let now = start + MINUTE * 2;
    let call = budget.take(Class::Sweep, Cost::Read, now);
    // We used one, yet only five are left.
    budget.answered(call, quota(Some(50), Some(5)), now + ms(100));
    assert_eq!(budget.remaining(now + ms(100)), 5);
    let calls = take_all(&mut budget, now + ms(30_000));
    assert_eq!(calls.len(), 2);
    assert!(
        budget
            .can_start(Class::LiveWrite, Cost::Write, now + MINUTE)
            .is_err()
    );
    assert_eq!(budget.remaining(now + ms(61_100)), 46);
}

#[test]
fn the_turn_of_the_window_is_learnt_from_calls_left() {
    let start = origin();
    let mut budget = known(50, start);
    let mut ask = |at: u64, calls_left: i64| {
        let call = budget.take(Class::Sweep, Cost::Read, start + ms(at));
        budget.answered(call, quota(Some(50), Some(calls_left)), start + ms(at + 100));
        (
            budget.snapshot(start + ms(at + 100)).held_until,
            budget.remaining(start + ms(at + 100)),
        )
    };
    assert_eq!(ask(130_000, 10), (Some(start + ms(191_100)), 10));
    assert_eq!(ask(150_000, 8).1, 8);
    // It rose: the window turned between 150 s and 152.1 s, and nobody else has used it since.
    assert_eq!(ask(152_000, 49), (None, 47));
    // In the window after next somebody uses it; it turns before 272.1 s, sooner than a full window from now.
    assert_eq!(ask(240_000, 20), (Some(start + ms(272_100)), 20));
}

#[test]
fn a_restart_looks_like_somebody_else() {
    let start = origin();
    let mut budget = Budget::new(None, MINUTE, start);
    let call = budget.take(Class::Sweep, Cost::Read, start);
    budget.answered(call, quota(Some(50), Some(3)), start);
    assert_eq!(budget.remaining(start), 3);
}

/// Spends for `minutes` with all `waiting` classes flooding; the units of each class.
fn flood(waiting: &[(Class, Cost)], minutes: u32) -> [u32; Class::ALL.len()] {
    let start = origin();
    let mut budget = known(50, start);
    let (begin, mut spent) = (start + MINUTE * 2, [0; Class::ALL.len()]);
    let mut now = begin;
    while now < begin + MINUTE * minutes {
        let mut any = true;
        while std::mem::take(&mut any) {
            for (class, cost) in waiting {
                if budget.can_start(*class, *cost, now).is_ok() {
                    let call = budget.take(*class, *cost, now);
                    budget.answered(call, quota(Some(50), None), now);
                    spent[*class as usize] += cost.units();
                    any = true;
                }
            }
        }
        now += ms(100);
    }
    spent
}

#[test]
fn each_waiting_class_gets_a_tenth_and_the_first_the_most() {
    let all = [
        (Class::Backfill, Cost::Write),
        (Class::Sweep, Cost::Read),
        (Class::LiveWrite, Cost::Write),
        (Class::Doubt, Cost::Read),
        (Class::WebhookRead, Cost::Read),
    ];
    for waiting in [&all[..], &all[1..3], &all[..3], &all[3..]] {
        let spent = flood(waiting, 30);
        let total: u32 = spent.iter().sum();
        assert!(total >= 50 * 28, "{spent:?}");
        let first = waiting.iter().map(|(class, _)| *class).min().unwrap();
        for (class, _) in waiting {
            let share = f64::from(spent[*class as usize]) / f64::from(total);
            let least = if *class == first { 0.55 } else { 0.09 };
            let most = if *class == first { 0.95 } else { 0.12 };
            assert!((least..most).contains(&share), "{class:?} {share} of {spent:?}");
        }
    }
}

#[test]
fn a_class_alone_gets_everything() {
    for class in Class::ALL {
        assert!(
            flood(&[(class, Cost::Write)], 20)[class as usize] >= 50 * 19,
            "{class:?}"
        );
    }
}

#[test]
fn a_class_that_asked_and_went_away_blocks_nobody_for_long() {
    let start = origin();
    let mut budget = known(50, start);
    let now = start + MINUTE * 2;
    let _calls = take_all(&mut budget, now);
    budget.waiting(Class::LiveWrite, None);
    let asked = budget.can_start(Class::WebhookRead, Cost::Read, now).unwrap_err();
    assert!(
        budget
            .can_start(Class::Backfill, Cost::Write, asked + ms(1500))
            .is_err()
    );
    assert!(
        budget
            .can_start(Class::Backfill, Cost::Write, asked + ms(2001))
            .is_ok()
    );
}
