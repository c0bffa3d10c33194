//! When a mapping syncs by itself, as its columns have it.

use std::time::Duration;

use crate::{CronSchedule, Result, Schedule, StoreError};

/// A schedule as its columns have it.
pub(super) struct ScheduleColumns<'a> {
    pub(super) interval_ms: Option<i64>,
    pub(super) expression: Option<&'a str>,
    pub(super) time_zone: Option<&'a str>,
}

impl<'a> ScheduleColumns<'a> {
    pub(super) fn of(schedule: &'a Schedule) -> Self {
        match schedule {
            Schedule::Interval(interval) => {
                Self { interval_ms: Some(as_millis(*interval)), expression: None, time_zone: None }
            }
            Schedule::Cron(cron) => {
                Self { interval_ms: None, expression: Some(cron.expression()), time_zone: Some(cron.time_zone()) }
            }
            Schedule::Manual => Self { interval_ms: None, expression: None, time_zone: None },
        }
    }
}

pub(super) fn schedule(
    interval_ms: Option<i64>,
    expression: Option<&str>,
    time_zone: Option<&str>,
) -> Result<Schedule> {
    match (expression, interval_ms) {
        (Some(expression), _) => CronSchedule::parse(expression, time_zone.unwrap_or_default())
            .map(|cron| Schedule::Cron(Box::new(cron)))
            .map_err(|errors| StoreError::corrupt("schedule", format!("{errors:?}"))),
        (None, Some(interval)) => Ok(Schedule::Interval(millis(interval))),
        (None, None) => Ok(Schedule::Manual),
    }
}

pub(super) fn as_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
