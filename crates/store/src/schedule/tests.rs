#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn at(text: &str) -> Micros {
    text.parse::<Timestamp>().unwrap().into()
}

fn mapping(number: u128) -> MappingId {
    MappingId(uuid::Uuid::from_u128(number))
}

fn cron(expression: &str, time_zone: &str) -> CronSchedule {
    CronSchedule::parse(expression, time_zone).unwrap()
}

fn run_times(schedule: &CronSchedule, from: &str, count: usize) -> Vec<String> {
    let mut now = at(from);
    std::iter::repeat_with(|| {
        now = schedule.next(now).unwrap();
        now.to_string()
    })
    .take(count)
    .collect()
}

#[rstest]
#[case("0 6 * * 1-5", "", "2026-11-20T06:00:00Z", "2026-11-23T06:00:00Z")]
#[case("0 6 * * MON-FRI", "America/Chicago", "2026-11-20T11:59:00Z", "2026-11-20T12:00:00Z")]
#[case("*/15 * * * *", "", "2026-11-20T06:07:00Z", "2026-11-20T06:15:00Z")]
#[case("*/15 * * * *", "", "2026-11-20T06:15:00Z", "2026-11-20T06:30:00Z")]
#[case("0 0 29 2 *", "", "2026-11-20T00:00:00Z", "2028-02-29T00:00:00Z")]
#[case("30 5 1 * *", "Asia/Kolkata", "2026-11-20T00:00:00Z", "2026-12-01T00:00:00Z")]
fn set_times_are_those_of_their_zone(
    #[case] expression: &str,
    #[case] time_zone: &str,
    #[case] now: &str,
    #[case] next: &str,
) {
    assert_eq!(cron(expression, time_zone).next(at(now)).unwrap().to_string(), next);
}

#[test]
fn a_time_that_spring_skips_runs_once_when_the_clock_has_changed() {
    // In Berlin the clock goes from 2:00 to 3:00 on 2026-03-29, at 1:00 UTC.
    let once = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
    assert_eq!(run_times(&cron("30 2 * * *", "Europe/Berlin"), "2026-03-28T00:00:00Z", 3), once);
    // Several skipped times are one run, and one that was due at the change is that run.
    let several = ["2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"];
    assert_eq!(run_times(&cron("*/15 1-3 * * *", "Europe/Berlin"), "2026-03-29T00:30:00Z", 3), several);
    assert_eq!(run_times(&cron("0 2 * * *", "Europe/Berlin"), "2026-03-28T12:00:00Z", 1), ["2026-03-29T01:00:00Z"]);
}

#[test]
fn a_time_that_autumn_repeats_runs_the_first_time_only() {
    // In Chicago the clock goes from 2:00 back to 1:00 on 2026-11-01, at 7:00 UTC.
    let once = ["2026-11-01T06:30:00Z", "2026-11-02T07:30:00Z"];
    assert_eq!(run_times(&cron("30 1 * * *", "America/Chicago"), "2026-11-01T00:00:00Z", 2), once);
    assert_eq!(
        run_times(&cron("30 1,13 * * *", "America/Chicago"), "2026-11-01T06:59:00Z", 1),
        ["2026-11-01T19:30:00Z"]
    );
    // Asked in the repeated hour, too.
    assert_eq!(run_times(&cron("30 1 * * *", "America/Chicago"), "2026-11-01T07:10:00Z", 1), ["2026-11-02T07:30:00Z"]);
}

#[test]
fn every_hour_keeps_its_pace_over_both_changes() {
    let hourly = cron("0 * * * *", "America/Chicago");
    for from in ["2026-11-01T04:30:00Z", "2026-03-08T05:30:00Z"] {
        let times = run_times(&hourly, from, 6);
        let seconds: Vec<_> = times.iter().map(|it| it.parse::<Timestamp>().unwrap().as_second()).collect();
        assert!(seconds.windows(2).all(|pair| pair[1] - pair[0] == 3_600), "{times:?}");
    }
}

/// Hours in steps are set hours: each comes once a day, whatever the clock does.
#[rstest]
// In Berlin 2:00 to 3:00 is skipped on 2026-03-29, at 1:00 UTC, and comes twice on 2026-10-25, until 1:00 UTC and after it.
#[case("30 */2 * * *", "Europe/Berlin", "2026-03-28T23:00:00Z", ["2026-03-28T23:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:30:00Z"])]
#[case("30 */2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", ["2026-10-24T22:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T03:30:00Z"])]
// In Havana the hour after midnight is skipped on 2026-03-08, at 5:00 UTC, and comes twice on 2026-11-01.
#[case("0 */6 * * *", "America/Havana", "2026-03-08T00:00:00Z", ["2026-03-08T05:00:00Z", "2026-03-08T10:00:00Z", "2026-03-08T16:00:00Z"])]
#[case("0 */6 * * *", "America/Havana", "2026-11-01T00:00:00Z", ["2026-11-01T04:00:00Z", "2026-11-01T11:00:00Z", "2026-11-01T17:00:00Z"])]
fn hours_in_steps_run_neither_twice_nor_never_over_both_changes(
    #[case] expression: &str,
    #[case] time_zone: &str,
    #[case] from: &str,
    #[case] times: [&str; 3],
) {
    assert_eq!(run_times(&cron(expression, time_zone), from, 3), times);
}

#[rstest]
#[case("", "has 0")]
#[case("@daily", "has 1")]
#[case("* * * *", "has 4")]
#[case("0 0 6 * * 1-5", "has 6")]
#[case("0 25 * * *", "field 2 (hour), \"25\"")]
#[case("60 25 * * *", "field 1 (minute), \"60\"")]
#[case("0 6 * * FOO", "field 5 (day of week)")]
#[case("*/0 * * * *", "field 1 (minute)")]
fn an_expression_that_cannot_be_read_says_where(#[case] expression: &str, #[case] told: &str) {
    let Err(errors) = CronSchedule::parse(expression, "") else { panic!("{expression} was read") };
    let [CronError::Expression(message)] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(message.contains(told), "{message}");
}

#[test]
fn a_zone_that_is_none_is_told_together_with_the_expression() {
    let errors = CronSchedule::parse("x", "Mars/Olympus").unwrap_err();
    assert!(
        matches!(errors.as_slice(), [CronError::Expression(_), CronError::TimeZone(zone)] if zone.contains("Mars"))
    );
}

#[test]
fn an_expression_that_never_comes_true_has_no_next_time() {
    assert_eq!(cron("0 0 30 2 *", "").next(at("2026-11-20T00:00:00Z")), None);
}

#[test]
fn mappings_of_one_interval_do_not_begin_together() {
    let now = at("2026-11-20T00:00:00Z");
    let ids = (0..100).map(|_| MappingId::new(now));
    let times: std::collections::BTreeSet<_> = ids.map(|id| next_on_grid(id, HOUR, now)).collect();
    assert!(times.len() > 90, "{}", times.len());
    let quarters: std::collections::BTreeSet<_> = times.iter().map(|time| time.since(now).as_secs() / 900).collect();
    assert_eq!(quarters.len(), 4, "they lie in all of the hour");
}

#[test]
fn a_clock_that_went_back_an_hour_does_not_stop_an_interval() {
    let schedule = Schedule::Interval(Duration::from_secs(900));
    let before = schedule.next(mapping(7), at("2026-11-20T10:00:00Z")).unwrap();
    let back = at("2026-11-20T09:00:00Z");
    let after = schedule.next(mapping(7), back).unwrap();
    assert!(after > back && after.since(back) <= Duration::from_secs(900));
    assert_eq!(before.since(after), HOUR, "the grid is the same");
}

proptest! {
    #[test]
    fn the_next_time_of_an_interval_is_later_than_now_and_no_later_than_one_interval(
        id: u128, seconds in 60_u64..2_678_400, now in 0_i64..4_000_000_000_000_000,
    ) {
        let (interval, now) = (Duration::from_secs(seconds), Micros(now));
        let next = next_on_grid(mapping(id), interval, now);
        prop_assert!(next > now && next.since(now) <= interval);
        // No run is skipped or doubled: from any time before it, it is the next one, and then comes just one interval.
        prop_assert_eq!(next_on_grid(mapping(id), interval, Micros(next.0 - 1)), next);
        prop_assert_eq!(next_on_grid(mapping(id), interval, next), next.plus(interval));
    }

    #[test]
    fn the_next_set_time_is_later_than_now_and_the_same_from_any_time_before_it(
        minute in 0_u32..60, hour in 0_u32..24, step in 1_u32..24,
        zone in prop::sample::select(vec!["", "America/Chicago", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]),
        now in 1_700_000_000_i64..1_900_000_000, share in 0.0_f64..1.0,
    ) {
        let now = Micros(now * 1_000_000);
        for expression in [format!("{minute} {hour} * * *"), format!("{minute} */{step} * * *"), format!("*/{} * * * *", minute.max(1))] {
            let schedule = cron(&expression, zone);
            let next = schedule.next(now).unwrap();
            prop_assert!(next > now, "{} {}", expression, zone);
            let between = now.plus(next.since(now).mul_f64(share * 0.999));
            prop_assert_eq!(schedule.next(between), Some(next), "{} {} {}", expression, zone, between);
        }
        // Set times come once a day, also where a clock change skips or repeats them.
        let daily = cron(&format!("{minute} {hour} * * *"), zone);
        let first = daily.next(now).unwrap();
        let apart = daily.next(first).unwrap().since(first).as_secs();
        prop_assert!((82_000..=90_100).contains(&apart), "{} {} {}", daily.expression(), zone, apart);
    }
}
