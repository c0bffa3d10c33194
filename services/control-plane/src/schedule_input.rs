//! A mapping's schedule as a caller wrote it.

use std::time::Duration;

use pandaport_api::v1 as proto;
use pandaport_store::{CronError, CronSchedule, Micros, Schedule};

use crate::limits::{MAX_CRON_EXPRESSION, MAX_TIME_ZONE};
use crate::validate::Violations;

const MINUTE: Duration = Duration::from_secs(60);
const MONTH: Duration = Duration::from_secs(31 * 86_400);
/// How often a mapping syncs that names no schedule.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(3_600);

const EXPRESSION: &str = "mapping.schedule.cron.expression";
const TIME_ZONE: &str = "mapping.schedule.cron.time_zone";

/// Reads a schedule. One that can't be read is noted, and stands as "only when asked".
pub(crate) fn schedule(violations: &mut Violations, schedule: Option<proto::Schedule>, now: Micros) -> Schedule {
    match schedule.and_then(|schedule| schedule.kind) {
        None => Schedule::Interval(DEFAULT_INTERVAL),
        Some(proto::schedule::Kind::Interval(every)) => Schedule::Interval(violations.duration(
            "mapping.schedule.interval",
            Some(&every),
            DEFAULT_INTERVAL,
            MINUTE,
            MONTH,
        )),
        Some(proto::schedule::Kind::Manual(_)) => Schedule::Manual,
        Some(proto::schedule::Kind::Cron(cron)) => {
            set_times(violations, &cron, now).map_or(Schedule::Manual, |cron| Schedule::Cron(Box::new(cron)))
        }
    }
}

fn set_times(violations: &mut Violations, cron: &proto::CronSchedule, now: Micros) -> Option<CronSchedule> {
    violations.required_text(EXPRESSION, &cron.expression, MAX_CRON_EXPRESSION);
    violations.text(TIME_ZONE, &cron.time_zone, MAX_TIME_ZONE);
    if violations.names(EXPRESSION) || violations.names(TIME_ZONE) {
        return None;
    }
    match CronSchedule::parse(&cron.expression, &cron.time_zone) {
        Ok(read) if read.next(now).is_none() => {
            violations.malformed(EXPRESSION, "This never comes true: no such day is in the calendar.");
            None
        }
        Ok(read) => Some(read),
        Err(errors) => {
            for error in errors {
                match error {
                    CronError::Expression(message) => violations.malformed(EXPRESSION, sentence(&message)),
                    CronError::TimeZone(message) => violations.malformed(TIME_ZONE, sentence(&message)),
                }
            }
            None
        }
    }
}

fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: Micros = Micros(1_795_000_000_000_000);

    fn read(expression: &str, time_zone: &str) -> Result<Schedule, Vec<String>> {
        let mut violations = Violations::default();
        let cron = proto::CronSchedule { expression: expression.into(), time_zone: time_zone.into() };
        let kind = Some(proto::schedule::Kind::Cron(cron));
        let read = schedule(&mut violations, Some(proto::Schedule { kind }), NOW);
        let found = violations.check().err().unwrap_or_default();
        if found.is_empty() {
            return Ok(read);
        }
        Err(found.into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect())
    }

    #[test]
    fn set_times_are_taken_with_their_zone() {
        let Ok(Schedule::Cron(cron)) = read(" 0  6 * * 1-5", "America/Chicago") else { panic!("not taken") };
        assert_eq!((cron.expression(), cron.time_zone()), ("0 6 * * 1-5", "America/Chicago"));
        assert!(matches!(read("@hourly", ""), Err(found) if found.len() == 1));
    }

    #[test]
    fn what_cannot_be_read_or_never_comes_true_says_what_is_wrong_and_where() {
        let found = read("0 25 * * *", "Mars/Olympus").unwrap_err();
        assert!(found[0].starts_with("mapping.schedule.cron.expression: Field 2 (hour), \"25\""), "{found:?}");
        assert!(found[1].starts_with("mapping.schedule.cron.time_zone: There is no time zone"), "{found:?}");
        let found = read("0 0 30 2 *", "").unwrap_err();
        assert_eq!(found, ["mapping.schedule.cron.expression: This never comes true: no such day is in the calendar."]);
        let found = read("", "").unwrap_err();
        assert_eq!(found, ["mapping.schedule.cron.expression: This field is required."]);
    }
}
