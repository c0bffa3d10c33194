//! When the passengers of a device are written although nothing else changed (DESIGN 4.9).

use std::time::Duration;

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

/// The longest extra wait, as a share of the age: one fifth.
const SPREAD: u32 = 5;

/// Whether the passengers of a device are due: never written, or written at least `max_age` ago.
///
/// A hash of the device id adds up to a fifth of `max_age` to the wait, so that a fleet which was imported in one go
/// does not come due in one go. The wait of a device is always the same, so fleets drift further apart by themselves.
pub fn passenger_due(now: Timestamp, last_written: Option<Timestamp>, max_age: Duration, device_id: &str) -> bool {
    let Some(last_written) = last_written else {
        return true;
    };
    let wait = max_age.saturating_add(spread(max_age, device_id));
    // A clock that went back gives a negative age, which is no Duration: not due.
    Duration::try_from(now.duration_since(last_written)).is_ok_and(|age| age >= wait)
}

fn spread(max_age: Duration, device_id: &str) -> Duration {
    // The upper 32 bits of the hash as a fraction of one.
    let fraction = (xxh3_64(device_id.as_bytes()) >> 32) as f64 / f64::from(u32::MAX);
    (max_age / SPREAD).mul_f64(fraction)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn never_written_is_due() {
        assert!(passenger_due(at(0), None, DAY, "d"));
    }

    #[test]
    fn no_device_is_due_before_the_age_and_every_one_a_fifth_later() {
        for device in 0..200 {
            let id = format!("device-{device}");
            assert!(!passenger_due(at(86_399), Some(at(0)), DAY, &id));
            assert!(passenger_due(at(86_400 * 6 / 5), Some(at(0)), DAY, &id));
        }
    }

    #[test]
    fn a_fleet_written_at_once_comes_due_evenly() {
        let due_after = |seconds: i64| {
            (0..1000).filter(|device| passenger_due(at(seconds), Some(at(0)), DAY, &format!("device-{device}"))).count()
        };
        let half_of_the_spread = due_after(86_400 + 86_400 / 10);
        assert!((400..600).contains(&half_of_the_spread), "{half_of_the_spread} of 1000");
    }

    #[test]
    fn a_clock_that_went_back_writes_nothing() {
        assert!(!passenger_due(at(-10), Some(at(0)), Duration::from_secs(1), "d"));
    }

    #[test]
    fn the_longest_age_does_not_overflow() {
        assert!(!passenger_due(at(0), Some(at(0)), Duration::MAX, "d"));
    }
}
