//! Times and lengths of time.

use std::time::Duration;

use jiff::Timestamp;

/// A moment as `2026-11-20T09:14:02Z`, in UTC like the logs; `-` where it is unset.
#[must_use]
pub fn moment(time: Option<&prost_types::Timestamp>) -> String {
    time.and_then(timestamp).map_or_else(|| "-".to_owned(), |it| whole_seconds(it).to_string())
}

/// The moment on a clock, in UTC: `09:14:02`.
#[must_use]
pub fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M:%S").to_string()
}

/// The moment, where it is one that a clock can show.
#[must_use]
pub fn timestamp(time: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(time.seconds, time.nanos).ok()
}

/// How long a sync took, or has taken by `now`.
#[must_use]
pub fn span(
    from: Option<&prost_types::Timestamp>,
    to: Option<&prost_types::Timestamp>,
    now: Timestamp,
) -> Option<Duration> {
    let from = timestamp(from?)?;
    let to = to.and_then(timestamp).unwrap_or(now);
    Some(to.duration_since(from).try_into().unwrap_or_default())
}

/// A length of time as a person says it: `4 ms`, `2.1 s`, `1 min 5 s`, `2 h 10 min`, `7 days`.
#[must_use]
pub fn length(it: Duration) -> String {
    let seconds = it.as_secs();
    match seconds {
        0 if it.as_millis() < 1000 && it.as_millis() > 0 => format!("{} ms", it.as_millis()),
        0 => "0 ms".to_owned(),
        1..60 if it.subsec_millis() >= 50 => format!("{:.1} s", it.as_secs_f64()),
        1..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ if seconds.is_multiple_of(86_400) && seconds > 86_400 => {
            format!("{} days", seconds / 86_400)
        }
        _ => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
    }
}

/// The contract's duration as a length of time; negative ones, which it never sends, as none.
#[must_use]
pub fn duration(it: &prost_types::Duration) -> Duration {
    Duration::try_from(*it).unwrap_or_default()
}

/// Reads `30s`, `200ms`, `5m`, `1h`, `7d`.
///
/// # Errors
/// A sentence with the form.
pub fn parse_length(input: &str) -> Result<Duration, String> {
    let wrong = || format!("`{input}` is not a length of time such as 30s, 15m, 1h or 7d");
    let input = input.trim();
    let unit_at = input.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (digits, unit) = input.split_at(unit_at);
    let n: u64 = digits.parse().map_err(|_| wrong())?;
    let millis_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    n.checked_mul(millis_per_unit).map(Duration::from_millis).ok_or_else(wrong)
}

fn two(big: u64, big_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{big} {big_unit}") } else { format!("{big} {big_unit} {small} {small_unit}") }
}

fn whole_seconds(it: Timestamp) -> Timestamp {
    Timestamp::from_second(it.as_second()).unwrap_or(it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_like_speech() {
        let cases = [
            (Duration::ZERO, "0 ms"),
            (Duration::from_millis(4), "4 ms"),
            (Duration::from_millis(1_000), "1 s"),
            (Duration::from_millis(2_140), "2.1 s"),
            (Duration::from_secs(65), "1 min 5 s"),
            (Duration::from_secs(3_600), "1 h"),
            (Duration::from_secs(7_800), "2 h 10 min"),
            (Duration::from_secs(7 * 86_400), "7 days"),
        ];
        for (given, shown) in cases {
            assert_eq!(length(given), shown);
        }
    }

    #[test]
    fn lengths_are_taken_with_a_unit() {
        assert_eq!(parse_length("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_length("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_length("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "30", "s", "1w", "-1h", "1 h", "99999999999999999999d"] {
            assert!(parse_length(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_are_shown_in_utc_without_fractions() {
        let time = prost_types::Timestamp { seconds: 1_795_166_042, nanos: 999_000_000 };
        assert_eq!(moment(Some(&time)), "2026-11-20T09:14:02Z");
        assert_eq!(moment(None), "-");
    }
}
