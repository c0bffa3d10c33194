//! Set times, pause and resume.

use pandaport_api::v1 as proto;
use tonic::Code;

use crate::house::{House, refusal};

fn cron(expression: &str, time_zone: &str) -> Option<proto::Schedule> {
    let cron = proto::CronSchedule { expression: expression.into(), time_zone: time_zone.into() };
    Some(proto::Schedule { kind: Some(proto::schedule::Kind::Cron(cron)) })
}

#[tokio::test(flavor = "multi_thread")]
async fn set_times_are_given_back_with_the_next_of_them() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    request.mapping.as_mut().unwrap().schedule = cron("30  6 * * *", "America/Chicago");
    let mapping = house.create(request).await.unwrap().mapping.unwrap();
    assert_eq!(mapping.schedule, cron("30 6 * * *", "America/Chicago"));
    let created = mapping.create_time.unwrap().seconds;
    let next = mapping.next_sync_time.unwrap();
    assert!(next.seconds > created && next.seconds - created <= 25 * 3_600, "{next:?}");
    // 6:30 in Chicago is 11:30 or 12:30 in UTC.
    let of_day = next.seconds.rem_euclid(86_400);
    assert!([41_400, 45_000].contains(&of_day) && next.nanos == 0, "{of_day}");
}

#[tokio::test(flavor = "multi_thread")]
async fn set_times_that_cannot_be_read_are_refused_with_what_is_wrong() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    request.mapping.as_mut().unwrap().schedule = cron("0 25 * * *", "Mars/Olympus");
    let status = house.create(request.clone()).await.unwrap_err();
    let (code, _, violations) = refusal(&status);
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(violations, ["mapping.schedule.cron.expression: ", "mapping.schedule.cron.time_zone: "]);
    assert!(status.message().contains("hour"), "{}", status.message());
    request.mapping.as_mut().unwrap().schedule = cron("0 0 30 2 *", "");
    let status = house.create(request).await.unwrap_err();
    assert!(status.message().contains("never comes true"), "{}", status.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_mapping_has_no_next_time_and_gets_it_back() {
    let mut house = House::new().await;
    let (_, mapping, _) = house.mapped().await;
    let mapping_id = mapping.mapping_id.clone();
    let pause = proto::PauseMappingRequest { mapping_id: mapping_id.clone() };
    let paused = house.client.pause_mapping(pause.clone()).await.unwrap().into_inner().mapping.unwrap();
    assert_eq!((paused.state(), paused.next_sync_time), (proto::MappingState::Paused, None));
    let again = house.client.pause_mapping(pause).await.unwrap().into_inner().mapping.unwrap();
    assert_eq!(again, paused, "again changes nothing");
    let resume = proto::ResumeMappingRequest { mapping_id };
    let resumed = house.client.resume_mapping(resume.clone()).await.unwrap().into_inner().mapping.unwrap();
    assert_eq!(resumed.state(), proto::MappingState::Active);
    assert_eq!(resumed.next_sync_time, mapping.next_sync_time, "the schedule is as it was");
    assert_ne!(resumed.etag, mapping.etag);
    let again = house.client.resume_mapping(resume).await.unwrap().into_inner().mapping.unwrap();
    assert_eq!(again, resumed);
    let unknown = proto::PauseMappingRequest { mapping_id: "01890a5d-ac96-774b-bcce-b302099a8057".into() };
    assert_eq!(house.client.pause_mapping(unknown).await.unwrap_err().code(), Code::NotFound);
}
