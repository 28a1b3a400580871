//! What holds in every world.

use proptest::prelude::*;

use super::*;

#[test]
fn a_thousand_messages_at_fifty_a_minute_without_a_single_refusal() {
    for seed in 0..3 {
        let nature = Nature {
            seed,
            tickets: 200,
            messages: 5,
            ..Nature::default()
        };
        let world = World::new(nature).run();
        assert_eq!((world.refused, world.looks, world.reads), (0, 0, 0));
        // Two units each; the last call of a window may fall into the next one.
        let used = 2000.0 / (50.0 * world.delivered_at as f64 / 60_000.0);
        assert!(used >= 0.85, "{used} of the quota");
    }
}

#[test]
fn the_sweep_gets_a_tenth_under_a_flood_of_writes() {
    let world = World::new(Nature {
        tickets: 200,
        messages: 3,
        sweep: Some(0),
        ..Nature::default()
    })
    .run();
    let total: u32 = world.spent.iter().sum();
    let share = f64::from(world.spent[Class::Sweep as usize]) / f64::from(total);
    assert_eq!(world.refused, 0);
    assert!((0.09..0.12).contains(&share), "{share} of {:?}", world.spent);
}

#[test]
fn an_outage_of_two_days_loses_nothing_and_ends_within_minutes() {
    let away = Some((30_000, 48 * 3_600_000));
    let world = World::new(Nature {
        tickets: 10,
        away,
        ..Nature::default()
    })
    .run();
    assert_eq!(world.parked, 0);
    assert!(
        world.delivered_at < 48 * 3_600_000 + 15 * 60_000,
        "{}",
        world.delivered_at
    );
}

#[test]
fn others_who_use_the_quota_cost_us_at_most_a_few_refusals() {
    let nature = Nature {
        tickets: 100,
        messages: 3,
        others: 25,
        ..Nature::default()
    };
    let world = World::new(nature).run();
    assert!(
        world.refused <= 24,
        "{} refused in {} minutes",
        world.refused,
        world.delivered_at / 60_000
    );
}

prop_compose! {
    fn natures()(
        seed: u64,
        tickets in 1usize..25,
        messages in 1usize..6,
        limit in prop_oneof![20u32..60, 60u32..1500],
        written_within in prop_oneof![1u64..60_000, Just(1_800_000)],
        concurrency in 1usize..20,
        latency in 1u64..3_000,
        list_lag in 0u64..100_000,
        (kept, same_text) in (prop::sample::select(vec![CreatedAtKept::Yes, CreatedAtKept::No, CreatedAtKept::Unknown]), any::<bool>()),
        wrong in prop_oneof![Just(0u64), 1u64..600],
        away in prop::option::weighted(0.2, (0u64..600_000, 0u64..7_200_000)),
        agent_answers in 0usize..60,
        sweep in prop::option::of(Just(120_000)),
    ) -> Nature {
        let away = away.map(|(from, length)| (from, from + length));
        // With the same text in every message and no time to tell them by, only "unknown to us" does.
        Nature {
            seed, tickets, messages, limit, written_within, concurrency, latency, list_lag, kept, same_text, wrong, away,
            agent_answers, sweep, ..Nature::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn each_message_arrives_exactly_once_and_in_order_and_no_call_is_refused(nature in natures()) {
        // The run itself checks the order, the lanes, the concurrency and that nothing stands still.
        let world = World::new(nature).run();
        prop_assert_eq!(world.refused, 0);
        prop_assert_eq!(world.parked, 0);
    }
}
