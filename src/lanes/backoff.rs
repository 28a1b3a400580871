//! How long to wait before a call is tried again.
//!
//! Exponential with full jitter: the ceiling doubles with each attempt, and the delay is drawn evenly below it, so that
//! a thousand tickets that failed together do not come back together. It never grows past [`LONGEST`]: a helpdesk that
//! was away for days is noticed within half a minute of its return.

use std::time::Duration;

/// The shortest delay.
pub const SHORTEST: Duration = Duration::from_secs(1);

/// The longest delay, however many attempts failed.
pub const LONGEST: Duration = Duration::from_secs(30);

/// The longest delay that a server may ask for.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// The delay before the next attempt, after `attempt` attempts failed (1 after the first failure).
///
/// `random` is drawn by the caller, evenly from 0 to 1; anything outside is brought back into that range.
pub fn retry_delay(attempt: u32, random: f64) -> Duration {
    let random = if random.is_finite() {
        random.clamp(0.0, 1.0)
    } else {
        1.0
    };
    SHORTEST + (ceiling(attempt) - SHORTEST).mul_f64(random)
}

/// The delay before attempt `attempt + 1` without jitter: doubles from 2 s to [`LONGEST`].
pub fn ceiling(attempt: u32) -> Duration {
    SHORTEST.saturating_mul(1 << attempt.clamp(1, 20)).min(LONGEST)
}

/// A delay that the server asked for, kept within what we are ready to wait.
pub fn clamp_retry_after(retry_after: Duration) -> Duration {
    retry_after.clamp(SHORTEST, LONGEST_ASKED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_stays_between_one_second_and_half_a_minute(attempt: u32, random: f64) {
            let delay = retry_delay(attempt, random);
            prop_assert!((SHORTEST..=LONGEST).contains(&delay), "{delay:?}");
        }

        #[test]
        fn the_server_cannot_make_us_wait_longer_than_five_minutes(millis: u64) {
            let delay = clamp_retry_after(Duration::from_millis(millis));
            prop_assert!((SHORTEST..=LONGEST_ASKED).contains(&delay), "{delay:?}");
        }
    }

    #[test]
    fn delays_double_and_are_spread_over_the_whole_range() {
        for (attempt, random, seconds) in [
            (0, 1.0, 2.0),
            (1, 0.0, 1.0),
            (1, 1.0, 2.0),
            (2, 1.0, 4.0),
            (3, 0.5, 4.5),
            (4, 1.0, 16.0),
            (5, 1.0, 30.0),
            (u32::MAX, 1.0, 30.0),
            (u32::MAX, 0.0, 1.0),
        ] {
            assert_eq!(
                retry_delay(attempt, random).as_secs_f64(),
                seconds,
                "{attempt} {random}"
            );
        }
    }
}
