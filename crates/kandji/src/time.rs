//! Every form in which Kandji writes a time (contract 7). All are UTC.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// The instant that the text names, or `None` if it names none.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    // `2024-07-23T14:11:37.150080Z`, `2026-07-01T19:02:37.320664+00:00`, `2024-06-17 11:32:35+00:00`.
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // `2024-05-13 20:09:23 +0000`, `2024-05-13T20:09:23+0000`.
    for form in ["%Y-%m-%d %H:%M:%S%.f %z", "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"] {
        if let Ok(time) = strtime::parse(form, text).and_then(|parsed| parsed.to_timestamp()) {
            return Some(time);
        }
    }
    // `2021-04-15 17:19:47 UTC`, or the same with nothing said about the zone.
    let bare = text.strip_suffix("UTC").unwrap_or(text).trim_end();
    let civil = match bare.len() {
        // `2024-12-05`
        10 => bare.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()),
        _ => bare.parse::<DateTime>().ok()?,
    };
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2024-07-23T14:11:37.150080Z", "2024-07-23T14:11:37.15008Z")]
    #[case("2026-07-01T19:02:37.320664+00:00", "2026-07-01T19:02:37.320664Z")]
    #[case("2024-01-26 16:15:36.087016+00:00", "2024-01-26T16:15:36.087016Z")]
    #[case("2024-06-17 11:32:35+00:00", "2024-06-17T11:32:35Z")]
    #[case("2021-05-11T19:45:19Z", "2021-05-11T19:45:19Z")]
    #[case("2024-05-13 20:09:23 +0000", "2024-05-13T20:09:23Z")]
    #[case("2024-05-13T20:09:23.5+0000", "2024-05-13T20:09:23.5Z")]
    #[case("2024-05-13 20:09:23+0200", "2024-05-13T18:09:23Z")]
    #[case("2024-12-05", "2024-12-05T00:00:00Z")]
    #[case("2021-04-15 17:19:47 UTC", "2021-04-15T17:19:47Z")]
    #[case("2021-04-15 17:19:47", "2021-04-15T17:19:47Z")]
    #[case(" 2021-05-11T19:45:19Z ", "2021-05-11T19:45:19Z")]
    #[case("2021-05-11T21:45:19+02:00", "2021-05-11T19:45:19Z")]
    fn every_form(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(parse(text).map(|time| time.to_string()).as_deref(), Some(expected));
    }

    #[rstest]
    #[case("yesterday")]
    #[case("2024-13-05")]
    #[case("1 month ago")]
    #[case("1721743897")]
    #[case("UTC")]
    #[case("")]
    fn no_time(#[case] text: &str) {
        assert_eq!(parse(text), None);
    }
}
