//! `Retry-After`, in both of its forms.

use std::time::Duration;

use http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;

/// No wait is believed to be longer: a nonsense value must not park a sync for ever.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The wait that the headers ask for, if they do.
///
/// A date is measured against the answer's own `Date`, so that a wrong clock on this machine does no harm; `now` is
/// used where there is none.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = header_text(headers, header::RETRY_AFTER)?;
    if let Some(wait) = seconds(text) {
        return Some(wait);
    }
    let until = http_date(text)?;
    let from = header_text(headers, header::DATE).and_then(http_date).unwrap_or(now);
    let wait = Duration::try_from(until.duration_since(from)).unwrap_or(Duration::ZERO);
    Some(wait.min(LONGEST))
}

/// A count of seconds, whole or with a fraction.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    if !seconds.is_finite() || seconds < 0.0 {
        return None;
    }
    Some(Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())))
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// The three date forms of RFC 9110, section 5.6.7, all in GMT.
fn http_date(text: &str) -> Option<Timestamp> {
    if let Ok(time) = rfc2822::DateTimeParser::new().parse_timestamp(text) {
        return Some(time);
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"].iter().find_map(|form| {
        let date: DateTime = strtime::parse(form, text).ok()?.to_datetime().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rstest::rstest;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[rstest]
    #[case::seconds("7", Some(7_000))]
    #[case::zero("0", Some(0))]
    #[case::spaces(" 12 ", Some(12_000))]
    #[case::fraction("1.5", Some(1_500))]
    #[case::imf_date("Fri, 20 Nov 2026 09:00:30 GMT", Some(30_000))]
    #[case::rfc850_date("Friday, 20-Nov-26 09:00:30 GMT", Some(30_000))]
    #[case::asctime_date("Fri Nov 20 09:00:30 2026", Some(30_000))]
    #[case::past_date("Fri, 20 Nov 2026 08:00:00 GMT", Some(0))]
    #[case::far_off("99999999999999", Some(86_400_000))]
    #[case::far_date("Fri, 20 Nov 2099 08:00:00 GMT", Some(86_400_000))]
    #[case::negative("-3", None)]
    #[case::not_a_number("NaN", None)]
    #[case::nonsense("soon", None)]
    #[case::empty("", None)]
    fn both_forms(#[case] value: &str, #[case] milliseconds: Option<u64>) {
        let now = "2026-11-20T09:00:00Z".parse().unwrap();
        let found = retry_after(&headers(&[("retry-after", value)]), now);
        assert_eq!(found, milliseconds.map(Duration::from_millis), "{value}");
    }

    #[test]
    fn a_date_is_measured_by_the_servers_clock() {
        let headers =
            headers(&[("Retry-After", "Fri, 20 Nov 2026 09:00:30 GMT"), ("Date", "Fri, 20 Nov 2026 09:00:10 GMT")]);
        let clock_an_hour_behind = "2026-11-20T08:00:00Z".parse().unwrap();
        assert_eq!(retry_after(&headers, clock_an_hour_behind), Some(Duration::from_secs(20)));
    }
}
