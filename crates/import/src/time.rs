//! Points in time: the forms we write, the forms we understand.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{Offset, TimeZone};

/// A value that names a day or a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A calendar date without a time.
    Day(Date),
    /// A point in time, with the date that was written (in its own offset).
    Instant {
        /// The whole second since 1970, UTC.
        second: i64,
        /// The date as written.
        day: Date,
    },
}

impl Moment {
    /// The calendar date that was written.
    pub(crate) fn day(self) -> Date {
        match self {
            Self::Day(day) | Self::Instant { day, .. } => day,
        }
    }

    /// The whole second since 1970; a day begins at midnight UTC.
    pub(crate) fn second(self) -> i64 {
        match self {
            Self::Day(day) => second_of(day.to_datetime(jiff::civil::Time::midnight())),
            Self::Instant { second, .. } => second,
        }
    }

    fn utc(civil: DateTime) -> Self {
        Self::Instant { second: second_of(civil), day: civil.date() }
    }
}

fn second_of(civil: DateTime) -> i64 {
    Offset::UTC.to_timestamp(civil).map(whole_second).unwrap_or(i64::MIN)
}

/// The second a point in time falls into. Rounds down also before 1970, where jiff rounds towards zero.
pub(crate) fn whole_second(time: Timestamp) -> i64 {
    time.as_second() - i64::from(time.subsec_nanosecond() < 0)
}

fn civil(second: i64) -> Option<DateTime> {
    Timestamp::from_second(second).ok().map(|time| Offset::UTC.to_datetime(time))
}

/// The date in UTC of a second since 1970, `2026-11-20`.
pub(crate) fn date_text(second: i64) -> String {
    civil(second).map(|civil| civil.date().to_string()).unwrap_or_default()
}

/// RFC 3339 in UTC with whole seconds, `2026-11-20T09:14:02Z`.
pub(crate) fn instant_text(second: i64) -> String {
    civil(second).map(|civil| format!("{civil}Z")).unwrap_or_default()
}

/// The time in UTC in a strftime format. The error says what the format gets wrong.
pub(crate) fn formatted(time: Timestamp, format: &str) -> Result<String, jiff::Error> {
    BrokenDownTime::from(&time.to_zoned(TimeZone::UTC)).to_string(format)
}

/// A date or time in one of the ISO forms: `2026-11-20`, with `T` or a space, with or without fraction, with `Z`, `UTC`
/// or an offset, or without any (then it is UTC). Kandji writes all of them.
pub(crate) fn parse_iso(text: &str) -> Option<Moment> {
    let text = text.trim();
    // jiff also reads forms without dashes, and a serial number may well be eight digits.
    if text.len() < 10 || text.as_bytes()[4] != b'-' || text.as_bytes()[7] != b'-' {
        return None;
    }
    if text.len() == 10 {
        return text.parse().ok().map(Moment::Day);
    }
    if let Some(zoneless) = text.strip_suffix("UTC").or_else(|| text.strip_suffix("GMT")) {
        return zoneless.trim_end().parse().ok().map(Moment::utc);
    }
    // `20:09:23 +0000`: one space too many for jiff.
    let joined = text.rsplit_once(' ').filter(|(_, zone)| zone.starts_with(['+', '-']));
    let joined = joined.map(|(time, zone)| format!("{time}{zone}"));
    let text = joined.as_deref().unwrap_or(text);
    if let Ok(time) = text.parse::<Timestamp>() {
        let day = text.get(..10)?.parse().ok()?;
        return Some(Moment::Instant { second: whole_second(time), day });
    }
    text.parse().ok().map(Moment::utc)
}

/// Dates as people and other systems write them. Where month and day could be swapped, the month comes first, as in the
/// United States, where Asset Panda is at home.
const DAY_FORMS: [&str; 9] =
    ["%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d", "%m-%d-%Y", "%b %d, %Y", "%d %b %Y", "%B %d, %Y", "%d %B %Y"];

/// What may follow a date.
const CLOCK_FORMS: [&str; 4] = ["%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p"];

/// A date or time in any form that Asset Panda may sensibly give back. Only for comparing: it guesses.
pub(crate) fn parse_any(text: &str) -> Option<Moment> {
    let text = text.trim();
    if let Some(moment) = parse_iso(text) {
        return Some(moment);
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(Moment::Instant { second: whole_second(zoned.timestamp()), day: zoned.date() });
    }
    let moment = DAY_FORMS.iter().find_map(|day_form| {
        if let Ok(day) = Date::strptime(day_form, text) {
            return Some(Moment::Day(day));
        }
        CLOCK_FORMS.iter().find_map(|clock_form| {
            [" ", ", "].iter().find_map(|gap| {
                let form = format!("{day_form}{gap}{clock_form}");
                strtime::parse(form, text).ok()?.to_datetime().ok().map(Moment::utc)
            })
        })
    });
    // `14.4.1` is a version, not a day in the year 1.
    moment.filter(|moment| moment.day().year() >= 1000)
}

/// A number as Unix time, in seconds or (from 1973 on) in milliseconds.
pub(crate) fn from_unix(number: i64) -> Option<Moment> {
    let time = if number.unsigned_abs() < 100_000_000_000 {
        Timestamp::from_second(number)
    } else {
        Timestamp::from_millisecond(number)
    };
    time.ok().map(|time| Moment::utc(Offset::UTC.to_datetime(time)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;

    use super::*;

    const SECOND: i64 = 1_795_166_042;

    #[test]
    fn what_we_write() {
        assert_eq!(instant_text(SECOND), "2026-11-20T09:14:02Z");
        assert_eq!(date_text(SECOND), "2026-11-20");
        let time = Timestamp::from_second(SECOND).unwrap();
        assert_eq!(formatted(time, "%d.%m.%Y %H:%M %Z").unwrap(), "20.11.2026 09:14 UTC");
        assert!(formatted(time, "%Y %!").is_err());
    }

    #[test]
    fn seconds_are_cut_not_rounded() {
        let time: Timestamp = "2026-11-20T09:14:02.999999Z".parse().unwrap();
        assert_eq!(whole_second(time), SECOND);
        let early: Timestamp = "1969-12-31T23:59:58.5Z".parse().unwrap();
        assert_eq!(instant_text(whole_second(early)), "1969-12-31T23:59:58Z");
    }

    #[rstest]
    #[case("2026-11-20T09:14:02Z")]
    #[case("2026-11-20T09:14:02.150080Z")]
    #[case("2026-11-20T09:14:02.320664+00:00")]
    #[case("2026-11-20 09:14:02.087016+00:00")]
    #[case("2026-11-20 09:14:02+00:00")]
    #[case("2026-11-20 09:14:02 +0000")]
    #[case("2026-11-20 09:14:02 UTC")]
    #[case("2026-11-20T10:14:02+01:00")]
    #[case("2026-11-20 10:14:02 +01:00")]
    #[case("2026-11-20T09:14:02")]
    #[case("2026-11-20 09:14:02")]
    #[case(" 2026-11-20T09:14:02Z ")]
    fn iso_times_are_read(#[case] text: &str) {
        assert_eq!(parse_iso(text).map(Moment::second), Some(SECOND), "{text}");
    }

    #[rstest]
    #[case("11/20/2026 09:14:02")]
    #[case("11/20/2026 9:14:02 AM")]
    #[case("11/20/2026, 9:14:02 AM")]
    #[case("20/11/2026 09:14:02")]
    #[case("20.11.2026 09:14:02")]
    #[case("Nov 20, 2026 09:14:02")]
    #[case("20 November 2026 09:14:02")]
    #[case("Fri, 20 Nov 2026 09:14:02 GMT")]
    fn other_times_are_read_for_comparing(#[case] text: &str) {
        assert_eq!(parse_any(text).map(Moment::second), Some(SECOND), "{text}");
        assert_eq!(parse_iso(text), None);
    }

    #[rstest]
    #[case("2026-11-20")]
    #[case("11/20/2026")]
    #[case("20.11.2026")]
    #[case("2026/11/20")]
    #[case("Nov 20, 2026")]
    fn days_are_read(#[case] text: &str) {
        assert_eq!(parse_any(text), Some(Moment::Day(jiff::civil::date(2026, 11, 20))), "{text}");
    }

    #[rstest]
    #[case("")]
    #[case("20261120")]
    #[case("2026-13-40")]
    #[case("2026-11-20 soon")]
    #[case("C02ABC1234")]
    #[case("äöü-äöü-äöü")]
    #[case("14.4.1")]
    fn what_is_no_time_is_none(#[case] text: &str) {
        assert_eq!(parse_any(text), None, "{text}");
    }

    #[test]
    fn the_day_is_the_one_that_was_written() {
        let moment = parse_iso("2026-11-20T00:30:00+02:00").unwrap();
        assert_eq!(moment.day(), jiff::civil::date(2026, 11, 20));
    }

    #[test]
    fn unix_times_are_read() {
        assert_eq!(from_unix(SECOND).map(Moment::second), Some(SECOND));
        assert_eq!(from_unix(SECOND * 1000).map(Moment::second), Some(SECOND));
    }
}
