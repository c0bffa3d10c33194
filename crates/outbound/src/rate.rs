//! What an answer says about the rate limit.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;

use crate::retry_after::{LONGEST, retry_after, seconds};

/// What one answer said about the rate limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateSignal {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`; on a 429 without one, the time to the end of the exhausted window, where that is told.
    pub retry_after: Option<Duration>,
    /// The windows whose limit and length are told.
    pub windows: Vec<RateWindow>,
}

/// A window of a rate limit, as the other side counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateWindow {
    /// Length of the window.
    pub length: Duration,
    /// Calls allowed in it.
    pub limit: u64,
    /// Calls left in it.
    pub remaining: u64,
    /// Time until it begins anew, where told.
    pub reset: Option<Duration>,
}

/// The suffixes of Kong's per-window headers (`X-RateLimit-Limit-Second`), with the lengths they stand for.
const KONG_WINDOWS: [(&str, u64); 4] = [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400)];

impl RateSignal {
    pub(crate) fn read(status: u16, headers: &HeaderMap, now: Timestamp) -> Self {
        let number = |name: &str| whole(headers.get(name)?.to_str().ok()?);
        // The unprefixed headers describe the window with least left; the ones with X- and no window are an older habit.
        let tightest =
            |what: &str| number(&format!("ratelimit-{what}")).or_else(|| number(&format!("x-ratelimit-{what}")));
        let reset = ["ratelimit-reset", "x-ratelimit-reset"]
            .iter()
            .find_map(|name| reset(headers.get(*name)?.to_str().ok()?, now));

        let mut windows: Vec<RateWindow> = KONG_WINDOWS
            .iter()
            .filter_map(|(suffix, length)| {
                Some(RateWindow {
                    length: Duration::from_secs(*length),
                    limit: number(&format!("x-ratelimit-limit-{suffix}"))?,
                    remaining: number(&format!("x-ratelimit-remaining-{suffix}"))?,
                    reset: None,
                })
            })
            .collect();
        if let (Some(limit), Some(remaining)) = (tightest("limit"), tightest("remaining")) {
            let length = headers.get("ratelimit-limit").and_then(|value| policy_length(value.to_str().ok()?));
            match windows.iter_mut().find(|window| window.limit == limit && window.remaining == remaining) {
                Some(window) => window.reset = reset,
                None => {
                    windows.extend(length.map(|length| RateWindow { length, limit, remaining, reset }));
                }
            }
        }

        let mut wait = retry_after(headers, now);
        if status == 429 && wait.is_none() {
            wait = reset;
        }
        Self { status, retry_after: wait, windows }
    }
}

/// The number at the start of the value: `400`, `400, 400;w=180`.
fn whole(text: &str) -> Option<u64> {
    text.split([',', ';']).next()?.trim().parse().ok()
}

/// The `w=180` (seconds) of an IETF-draft `RateLimit-Limit`.
fn policy_length(text: &str) -> Option<Duration> {
    let after = text.split("w=").nth(1)?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// Seconds from now, or, where the number can only be that, seconds since 1970.
fn reset(text: &str, now: Timestamp) -> Option<Duration> {
    const SURELY_A_DATE: u64 = 1_000_000_000;
    match whole(text) {
        Some(date) if date >= SURELY_A_DATE => {
            let left = date.saturating_sub(u64::try_from(now.as_second()).unwrap_or(0));
            Some(Duration::from_secs(left).min(LONGEST))
        }
        _ => seconds(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(status: u16, pairs: &[(&str, &str)]) -> RateSignal {
        let headers = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap()))
            .collect();
        RateSignal::read(status, &headers, "2026-11-20T09:00:00Z".parse().unwrap())
    }

    fn window(length: u64, limit: u64, remaining: u64, reset: Option<u64>) -> RateWindow {
        RateWindow { length: Duration::from_secs(length), limit, remaining, reset: reset.map(Duration::from_secs) }
    }

    #[test]
    fn kandji_headers_in_any_case() {
        let signal = read(
            200,
            &[
                ("RateLimit-Limit", "50"),
                ("RATELIMIT-REMAINING", "49"),
                ("ratelimit-reset", "1"),
                ("X-RateLimit-Limit-Hour", "10000"),
                ("X-RATELIMIT-LIMIT-SECOND", "50"),
                ("x-ratelimit-remaining-hour", "9964"),
                ("X-RateLimit-Remaining-Second", "49"),
            ],
        );
        assert_eq!(signal.retry_after, None);
        assert_eq!(signal.windows, [window(1, 50, 49, Some(1)), window(3600, 10000, 9964, None)]);
    }

    #[test]
    fn an_exhausted_hour_tells_when_it_ends_without_retry_after() {
        let signal = read(
            429,
            &[
                ("RateLimit-Limit", "10000"),
                ("RateLimit-Remaining", "0"),
                ("RateLimit-Reset", "1740"),
                ("X-RateLimit-Limit-Hour", "10000"),
                ("X-RateLimit-Remaining-Hour", "0"),
            ],
        );
        assert_eq!(signal.retry_after, Some(Duration::from_secs(1740)));
        assert_eq!(signal.windows, [window(3600, 10000, 0, Some(1740))]);
    }

    #[test]
    fn other_habits() {
        let draft = read(200, &[("RateLimit-Limit", "400, 400;w=180"), ("RateLimit-Remaining", "12")]);
        assert_eq!(draft.windows, [window(180, 400, 12, None)]);
        let epoch = read(429, &[("X-RateLimit-Reset", "1795165260")]);
        assert_eq!(epoch.retry_after, Some(Duration::from_secs(60)));
        let unknown_length = read(200, &[("RateLimit-Limit", "400"), ("RateLimit-Remaining", "1")]);
        assert_eq!(unknown_length.windows, []);
        let broken = read(429, &[("RateLimit-Reset", "?"), ("X-RateLimit-Limit-Hour", "many")]);
        assert_eq!((broken.retry_after, broken.windows), (None, vec![]));
    }
}
