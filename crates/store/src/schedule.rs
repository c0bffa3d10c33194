//! When a mapping syncs by itself. Pure: the time is passed in.
//!
//! An **interval** is a grid of equal steps. Where it begins follows from the mapping's id, so that mappings of one
//! interval do not all begin at once; the grid never moves, whatever was missed, late or paused.
//!
//! **Set times** are read in their zone. What a clock change in that zone does to them:
//!
//! | | the hour is set, as in `30 2 * * *` or `0 */6 * * *` | every hour, as in `*/15 * * * *` |
//! |---|---|---|
//! | a time that is skipped in spring | once, right when the clock has changed | left out: the next one is near |
//! | a time that comes twice in autumn | the first time only | both times: the pace stays |
//!
//! The next time is always later than now, and of an interval never later than now and the interval: whatever a clock
//! did before, a schedule that is asked again goes on.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::{MappingId, Micros};

/// The fields of an expression, for messages.
const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];
/// Times looked at for one that is later than now: more than a clock change can repeat.
const MOST_CANDIDATES: usize = 1_000;

/// When a mapping syncs by itself.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// Every so often.
    Interval(Duration),
    /// At set times.
    Cron(Box<CronSchedule>),
    /// Only when asked.
    Manual,
}

impl Schedule {
    /// The first time after `now`; `None`: not by itself.
    #[must_use]
    pub fn next(&self, mapping: MappingId, now: Micros) -> Option<Micros> {
        match self {
            Self::Interval(interval) => Some(next_on_grid(mapping, *interval, now)),
            Self::Cron(cron) => cron.next(now),
            Self::Manual => None,
        }
    }
}

fn next_on_grid(mapping: MappingId, interval: Duration, now: Micros) -> Micros {
    let step = i128::try_from(interval.as_micros()).unwrap_or(i128::MAX).max(1);
    // An id ends in 62 random bits: the rest of a division is as good as drawn by lot, and always the same.
    let phase = i128::try_from(mapping.0.as_u128() >> 1).unwrap_or(0).rem_euclid(step);
    let since = (i128::from(now.0) - phase).rem_euclid(step);
    Micros(i64::try_from(i128::from(now.0) + step - since).unwrap_or(i64::MAX))
}

/// Times set by an expression of five fields, in a time zone.
#[derive(Clone, Debug)]
pub struct CronSchedule {
    expression: String,
    time_zone: String,
    cron: Cron,
    zone: TimeZone,
}

/// What of a schedule of set times can't be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CronError {
    /// The expression.
    Expression(String),
    /// The time zone.
    TimeZone(String),
}

impl CronSchedule {
    /// Reads an expression such as `0 6 * * 1-5`, and the IANA name of a zone; an empty one is UTC.
    ///
    /// # Errors
    /// Everything that can't be read, each with what is wrong and what would be right.
    pub fn parse(expression: &str, time_zone: &str) -> Result<Self, Vec<CronError>> {
        let mut errors = Vec::new();
        let cron = read_expression(expression).map_err(|message| errors.push(CronError::Expression(message)));
        let zone = read_zone(time_zone).map_err(|message| errors.push(CronError::TimeZone(message)));
        match (cron, zone) {
            (Ok(cron), Ok(zone)) => {
                let expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
                Ok(Self { expression, time_zone: time_zone.to_owned(), cron, zone })
            }
            _ => Err(errors),
        }
    }

    /// The expression, with single spaces.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The name of the zone as it was given; empty: UTC.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        &self.time_zone
    }

    /// The first time after `now`; `None`: there is none.
    #[must_use]
    pub fn next(&self, now: Micros) -> Option<Micros> {
        let now = now.timestamp();
        if self.is_every_hour() {
            let next = self.cron.find_next_occurrence(&now.to_zoned(self.zone.clone()), false).ok()?;
            return Some(next.timestamp().into());
        }
        let mut time = self.zone.to_datetime(now);
        for _ in 0..MOST_CANDIDATES {
            time = self.cron.find_next_occurrence(&time, false).ok()?;
            let instant = self.instant(time)?;
            if instant > now {
                return Some(instant.into());
            }
        }
        None
    }

    fn is_every_hour(&self) -> bool {
        self.expression.split(' ').nth(1).is_some_and(|hour| matches!(hour, "*" | "*/1"))
    }

    /// When a clock in the zone shows this time first, or is set past it.
    fn instant(&self, time: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(time).ok()
            }
            AmbiguousOffset::Gap { before, .. } => {
                // As if the clock had not been changed: no earlier than the change, which is the last before that.
                let unchanged = before.to_timestamp(time).ok()?;
                let just_after = unchanged.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
                self.zone.preceding(just_after).next().map(|change| change.timestamp())
            }
        }
    }
}

fn read_expression(expression: &str) -> Result<Cron, String> {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!(
            "an expression has five fields (minute, hour, day of month, month, day of week), such as 0 6 * * 1-5; this has {}",
            fields.len()
        ));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    // Field by field, with all others free: the parser does not say where it stumbled.
    let mut problems = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        let mut alone = ["*"; 5];
        alone[at] = field;
        if let Err(error) = parser.parse(&alone.join(" ")) {
            problems.push(format!("field {} ({}), \"{field}\", can't be read: {error}", at + 1, FIELDS[at]));
        }
    }
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    parser.parse(&fields.join(" ")).map_err(|error| format!("it can't be read: {error}"))
}

fn read_zone(time_zone: &str) -> Result<TimeZone, String> {
    if time_zone.is_empty() {
        return Ok(TimeZone::UTC);
    }
    jiff::tz::db().get(time_zone).map_err(|_| {
        format!("there is no time zone \"{time_zone}\": use an IANA name such as America/Chicago or Europe/Berlin")
    })
}

#[cfg(test)]
mod tests;
