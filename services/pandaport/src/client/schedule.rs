//! The flags that say when a mapping syncs by itself.

use std::time::Duration;

use clap::Args;
use pandaport_api::v1::schedule::Kind;
use pandaport_api::v1::{CronSchedule, ManualSchedule, Mapping, Schedule};

use crate::error::Error;
use crate::show::time::parse_length;

/// The schedule of a mapping, as flags.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Schedule")]
pub(crate) struct ScheduleArgs {
    /// How often it syncs by itself, such as 15m or 1h; unset: every hour
    #[arg(long, value_name = "TIME", value_parser = parse_length, conflicts_with_all = ["manual", "cron"])]
    every: Option<Duration>,
    /// At which times it syncs by itself: minute, hour, day of month, month and day of week, such as "0 6 * * 1-5"
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "manual")]
    cron: Option<String>,
    /// With --cron: the time zone, such as America/Chicago; unset: UTC
    #[arg(long, value_name = "ZONE", requires = "cron")]
    time_zone: Option<String>,
    /// Sync on demand only
    #[arg(long)]
    manual: bool,
    /// How often a sync by schedule looks every record up, such as 1d; unset: every 7 days
    #[arg(long, value_name = "TIME", value_parser = parse_length)]
    full_every: Option<Duration>,
}

impl ScheduleArgs {
    /// Puts what the flags say into the mapping. Answers with the paths of what they say something about.
    ///
    /// # Errors
    /// For a length of time that the contract can't hold.
    pub(crate) fn put(&self, mapping: &mut Mapping) -> Result<Vec<&'static str>, Error> {
        let mut paths = Vec::new();
        let kind = match (self.every, &self.cron, self.manual) {
            (Some(every), _, _) => Some(Kind::Interval(length("--every", every)?)),
            (None, Some(expression), _) => Some(Kind::Cron(CronSchedule {
                expression: expression.clone(),
                time_zone: self.time_zone.clone().unwrap_or_default(),
            })),
            (None, None, true) => Some(Kind::Manual(ManualSchedule {})),
            (None, None, false) => None,
        };
        if kind.is_some() {
            paths.push("schedule");
            mapping.schedule = Some(Schedule { kind });
        }
        if let Some(every) = self.full_every {
            paths.push("full_sync_every");
            mapping.full_sync_every = Some(length("--full-every", every)?);
        }
        Ok(paths)
    }
}

fn length(flag: &str, length: Duration) -> Result<prost_types::Duration, Error> {
    length.try_into().map_err(|_| Error::Input(format!("{flag} is too long")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        schedule: ScheduleArgs,
    }

    fn put(flags: &[&str]) -> (Mapping, Vec<&'static str>) {
        let line = Line::try_parse_from(std::iter::once(&"x").chain(flags)).expect("good flags");
        let mut mapping = Mapping::default();
        let paths = line.schedule.put(&mut mapping).expect("short lengths");
        (mapping, paths)
    }

    #[test]
    fn set_times_have_a_zone_of_their_own() {
        let (mapping, paths) = put(&["--cron=0 6 * * 1-5", "--time-zone=America/Chicago"]);
        let cron = CronSchedule { expression: "0 6 * * 1-5".into(), time_zone: "America/Chicago".into() };
        assert_eq!(mapping.schedule.and_then(|it| it.kind), Some(Kind::Cron(cron)));
        assert_eq!(paths, ["schedule"]);
        assert_eq!(put(&["--full-every=1d"]).1, ["full_sync_every"]);
        assert_eq!(put(&[]), (Mapping::default(), Vec::new()));
    }

    #[test]
    fn one_schedule_only() {
        for flags in
            [vec!["--cron=0 6 * * *", "--every=1h"], vec!["--cron=0 6 * * *", "--manual"], vec!["--time-zone=UTC"]]
        {
            assert!(Line::try_parse_from(std::iter::once("x").chain(flags.clone())).is_err(), "{flags:?}");
        }
    }
}
