//! What `created_at` is worth for telling new rows from old ones (rule 22).
//!
//! Every INSERT that is streamed has a commit time, so `created_at` can be held against it. A column without a time zone
//! holds whatever zone the site writes in, and is read as UTC: it lags, or runs ahead, by that zone. A type that has a
//! zone is believed until rows say otherwise; one without is believed only once rows have shown by how much it is off.
//!
//! Invariant: where the clock does not tell, nobody guesses: [`RowClock::is_after`] gives `None`, and something that is
//! certain (the stream, the row's transaction, its key) decides, or a person.

/// So many of the last rows are remembered.
pub const REMEMBERED: usize = 20;

/// So many rows must have been seen before they say anything.
const TELLING: usize = 3;

/// Of ten rows so many must agree.
const AGREE_OF_TEN: usize = 7;

/// Zones differ by multiples of this.
const QUARTER: f64 = 900.0;

/// The farthest zone from UTC.
const FARTHEST: f64 = 14.0 * 3600.0;

/// A row is written a little before it is committed, and the site's clocks are not the server's.
const NEAR: f64 = 300.0;

/// The same for an offset, which chance may hit.
const NEAR_OFFSET: f64 = 120.0;

/// What a zone with summer time may be off where only its last rows are known.
const SUMMER: f64 = 3600.0;

/// How far `created_at` is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowClock {
    /// As it stands.
    Right,
    /// So many seconds have to be added to it: the rows of late say so.
    Off(i64),
    /// It has no time zone, and too few rows were seen.
    Unproven,
    /// It has nothing to do with the commit.
    Erratic,
}

impl RowClock {
    /// What the last rows say: seconds from `created_at` to the commit. `zoned`: its type has a time zone.
    pub fn of(zoned: bool, lags: &[f64]) -> RowClock {
        if lags.len() < TELLING {
            return if zoned {
                RowClock::Right
            } else {
                RowClock::Unproven
            };
        }
        let offset = |lag: f64| {
            if lag.abs() <= NEAR {
                return Some(0);
            }
            let zone = (lag / QUARTER).round() * QUARTER;
            ((lag - zone).abs() <= NEAR_OFFSET && zone.abs() <= FARTHEST).then_some(zone as i64)
        };
        let offsets: Vec<i64> = lags.iter().filter_map(|lag| offset(*lag)).collect();
        let votes = |candidate: i64| offsets.iter().filter(|other| **other == candidate).count();
        let most = offsets.iter().copied().max_by_key(|offset| votes(*offset));
        match most.filter(|offset| votes(*offset) * 10 >= lags.len() * AGREE_OF_TEN) {
            Some(0) => RowClock::Right,
            Some(offset) => RowClock::Off(offset),
            // Summer time has come or gone: the newest rows tell, and what is uncertain covers the older ones.
            None if is_summer(&offsets, lags.len()) => RowClock::Off(offsets.first().copied().unwrap_or(0)),
            None => RowClock::Erratic,
        }
    }

    /// Whether a row's lag says anything of its clock: one that is older than any zone makes it is an import.
    pub fn is_telling(lag: f64) -> bool {
        lag <= FARTHEST + SUMMER
    }

    /// What is to be added, and how uncertain the sum is.
    fn spread(self) -> Option<(f64, f64)> {
        match self {
            RowClock::Right => Some((0.0, 0.0)),
            RowClock::Off(offset) => Some((offset as f64, SUMMER)),
            RowClock::Unproven | RowClock::Erratic => None,
        }
    }

    /// When a row was made; `None` where that is not known. `by`: it is known to have been there then.
    pub fn made(self, created_at: f64, by: f64) -> Option<f64> {
        let (offset, _) = self.spread()?;
        Some(created_at + offset).filter(|made| *made <= by + NEAR)
    }

    /// The earliest moment at which it may have been made.
    pub fn earliest(self, created_at: f64) -> f64 {
        let (offset, spread) = self.spread().unwrap_or((0.0, FARTHEST));
        created_at + offset - spread
    }

    /// The latest.
    pub fn latest(self, created_at: f64) -> f64 {
        let (offset, spread) = self.spread().unwrap_or((0.0, FARTHEST));
        created_at + offset + spread
    }

    /// The smallest `created_at` that a row made at `moment` or later may have; `None`: any. Summer time may just have
    /// come or gone, in a zone that had seemed to be UTC as well.
    pub fn window(self, moment: f64) -> Option<f64> {
        match self.spread() {
            Some((offset, _)) => Some(moment - offset - SUMMER),
            None => (self == RowClock::Unproven).then_some(moment - FARTHEST),
        }
    }

    /// The greatest `created_at` of a row that was certainly made at `moment` or before; `None`: there is none.
    pub fn certainly_until(self, moment: f64) -> Option<f64> {
        let (offset, spread) = match self {
            RowClock::Unproven => (0.0, FARTHEST),
            clock => clock.spread()?,
        };
        Some(moment - offset - spread)
    }

    /// Whether a row was made after a moment; `None`: this clock cannot tell. `by`: it is known to have been there then,
    /// so a time that lies later is none.
    pub fn is_after(self, created_at: f64, moment: f64, by: f64) -> Option<bool> {
        if self == RowClock::Erratic || self.earliest(created_at) > by + NEAR {
            return None;
        }
        if self.earliest(created_at) > moment {
            return Some(true);
        }
        (self.latest(created_at) <= moment).then_some(false)
    }
}

/// Two offsets, an hour apart, and nothing else: the newer rows have the one, the older ones the other.
fn is_summer(offsets: &[i64], lags: usize) -> bool {
    let (Some(newest), Some(oldest)) = (offsets.first(), offsets.last()) else {
        return false;
    };
    let turned = offsets.iter().take_while(|offset| *offset == newest).count();
    offsets.len() * 10 >= lags * AGREE_OF_TEN
        && (newest - oldest).abs() <= SUMMER as i64
        && offsets.iter().skip(turned).all(|offset| offset == oldest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: f64 = 3600.0;

    #[test]
    fn a_clock_is_what_its_rows_say() {
        let lags = |lag: f64, count: usize| vec![lag; count];
        let mixed = |first: f64, n: usize, second: f64, m: usize| [lags(first, n), lags(second, m)].concat();
        for (name, zoned, lags, expected) in [
            ("zoned, nothing seen", true, vec![], RowClock::Right),
            ("naive, nothing seen", false, vec![], RowClock::Unproven),
            ("naive, two rows", false, lags(0.1, 2), RowClock::Unproven),
            ("naive, in UTC", false, lags(0.1, 3), RowClock::Right),
            (
                "Istanbul",
                false,
                lags(-3.0 * HOUR + 2.0, 5),
                RowClock::Off(-10_800),
            ),
            (
                "Los Angeles",
                false,
                lags(8.0 * HOUR + 1.0, 5),
                RowClock::Off(28_800),
            ),
            ("Kolkata", false, lags(-5.5 * HOUR, 5), RowClock::Off(-19_800)),
            (
                "a wrong zone in the mapping",
                true,
                lags(HOUR, 3),
                RowClock::Off(3600),
            ),
            ("a slow application", true, lags(100.0, 9), RowClock::Right),
            (
                "a few offline phones",
                true,
                mixed(0.2, 8, 5000.0, 2),
                RowClock::Right,
            ),
            (
                "a day, not a time",
                true,
                (1..12).map(|n| f64::from(n) * 6211.0).collect(),
                RowClock::Erratic,
            ),
            (
                "summer is over",
                false,
                mixed(8.0 * HOUR, 9, 7.0 * HOUR, 11),
                RowClock::Off(28_800),
            ),
            (
                "two zones at once",
                false,
                {
                    let both = [0.0, 3.0 * HOUR];
                    both.iter().cycle().take(20).copied().collect()
                },
                RowClock::Erratic,
            ),
        ] {
            assert_eq!(RowClock::of(zoned, &lags), expected, "{name}");
        }
    }

    #[test]
    fn what_is_uncertain_is_not_told() {
        let (start, now) = (1_000_000.0, 1_100_000.0);
        for (clock, created_at, expected) in [
            (RowClock::Right, start + 1.0, Some(true)),
            (RowClock::Right, start, Some(false)),
            (RowClock::Right, now + 301.0, None),
            (RowClock::Off(-10_800), start + 3.0 * HOUR, None),
            (RowClock::Off(-10_800), start + 5.0 * HOUR, Some(true)),
            (RowClock::Off(-10_800), start + HOUR, Some(false)),
            (RowClock::Unproven, start + 13.0 * HOUR, None),
            (RowClock::Unproven, start + 15.0 * HOUR, Some(true)),
            (RowClock::Unproven, start - 15.0 * HOUR, Some(false)),
            (RowClock::Erratic, start - 900.0 * HOUR, None),
        ] {
            assert_eq!(
                clock.is_after(created_at, start, now),
                expected,
                "{clock:?} {created_at}"
            );
        }
    }

    proptest! {
        /// Whatever the zone: what is told is true, and a row of the gap is always within the window.
        #[test]
        fn no_zone_makes_it_lie(
            quarters in -48i32..=52, seen in 0usize..=20, turned in 0usize..=20, ago in 0u32..200_000, since in 0u32..200_000,
        ) {
            let now = 2_000_000.0;
            let zone = f64::from(quarters) * QUARTER;
            let summer = f64::from(i32::from(turned > 0)) * SUMMER;
            let lags: Vec<f64> = (0..seen).map(|n| if n < turned { -zone - summer } else { -zone } + 0.3).collect();
            let clock = RowClock::of(false, &lags);
            let made = now - f64::from(ago);
            let moment = now - f64::from(since);
            let created_at = made + zone + summer;
            if clock != RowClock::Erratic {
                let seems_utc = clock == RowClock::Right && summer > 0.0;
                if let Some(after) = clock.is_after(created_at, moment, now).filter(|_| !seems_utc) {
                    prop_assert_eq!(after, made > moment, "{:?}", clock);
                }
                if made >= moment && (zone + summer).abs() <= FARTHEST {
                    prop_assert!(clock.window(moment).is_none_or(|window| created_at >= window));
                }
            }
        }
    }
}
