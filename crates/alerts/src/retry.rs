//! When an alert that did not arrive is tried again.

use std::time::Duration;

use pandaport_store::Micros;

/// The pauses after the first failures; the last one stands for all that follow.
const PAUSES: [Duration; 5] = [secs(10), secs(60), secs(300), secs(1_800), secs(7_200)];
/// How long after it was written an alert is tried: a receiver that is out over a weekend's day still hears of it.
const TRIED_FOR: Duration = secs(48 * 3_600);
/// No receiver is believed to want a longer pause.
const LONGEST_ASKED_FOR: Duration = secs(7_200);

/// When it is tried again after `attempts` failures; `None`: not any more.
pub(crate) fn next_try(attempts: i64, asked_for: Option<Duration>, written: Micros, now: Micros) -> Option<Micros> {
    if now.since(written) >= TRIED_FOR {
        return None;
    }
    let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(PAUSES.len() - 1);
    let asked_for = asked_for.unwrap_or_default().min(LONGEST_ASKED_FOR);
    Some(now.plus(PAUSES[at].max(asked_for)))
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: Micros = Micros(1_700_000_000_000_000);

    #[test]
    fn pauses_grow_to_two_hours_and_end_after_two_days() {
        let (mut now, mut attempts, mut pauses) = (WRITTEN, 0, Vec::new());
        loop {
            attempts += 1;
            let Some(next) = next_try(attempts, None, WRITTEN, now) else { break };
            pauses.push(next.since(now).as_secs());
            now = next;
        }
        assert_eq!(pauses[..7], [10, 60, 300, 1_800, 7_200, 7_200, 7_200]);
        let hours = now.since(WRITTEN).as_secs() / 3_600;
        assert!((48..51).contains(&hours), "given up after {hours} hours");
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_within_reason() {
        let pause = |asked: u64| next_try(1, Some(secs(asked)), WRITTEN, WRITTEN).map(|it| it.since(WRITTEN).as_secs());
        assert_eq!(pause(3), Some(10));
        assert_eq!(pause(120), Some(120));
        assert_eq!(pause(86_400), Some(7_200));
    }
}
