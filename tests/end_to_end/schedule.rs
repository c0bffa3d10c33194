//! A mapping that syncs by itself.

use std::time::Duration;

use pandaport_api::v1::{
    CronSchedule, MappingState, PauseMappingRequest, ResumeMappingRequest, Schedule, SyncTrigger, schedule,
};

use crate::harness::caller::counts;
use crate::harness::journey::{PATIENCE, connect, create, mapping_of_all};
use crate::harness::scene::{Scene, assert_succeeded};
use crate::harness::wait::until;

/// The shortest interval that a mapping may have.
const INTERVAL: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_mapping_with_an_interval_syncs_again_by_itself() {
    let scene = Scene::of(40).await;
    let connection_id = connect(&scene.caller, &scene.sandbox).await;
    let mut mapping = mapping_of_all(&scene.caller, &scene.sandbox, &connection_id, "ITAM", "serial_number").await;
    let interval = prost_types::Duration { seconds: 60, nanos: 0 };
    mapping.schedule = Some(Schedule { kind: Some(schedule::Kind::Interval(interval)) });
    let created = create(&scene.caller, &connection_id, mapping).await;
    let mapping_id = created.mapping.unwrap().mapping_id;
    let first = scene.caller.ended(&created.sync.unwrap().sync_id, PATIENCE).await;
    assert_succeeded(&first);
    assert_eq!(first.trigger(), SyncTrigger::First);
    let changed = scene.sandbox.change(25.0, 1).await;
    assert_eq!(changed, 10);
    assert!(scene.caller.mapping(&mapping_id).await.next_sync_time.is_some());

    let second = until("a sync by the schedule", INTERVAL + Duration::from_secs(30), async || {
        let mut syncs = scene.caller.syncs(&mapping_id).await;
        (syncs.len() > 1).then(|| syncs.remove(0))
    })
    .await;

    assert_eq!(second.trigger(), SyncTrigger::Schedule);
    let apart = second.create_time.unwrap().seconds - first.create_time.unwrap().seconds;
    assert!((1..=75).contains(&apart), "{apart} s after the first: the steps begin where the mapping's id says");
    let second = scene.caller.ended(&second.sync_id, PATIENCE).await;
    assert_succeeded(&second);
    assert_eq!(counts(&second), [40, 0, 0, changed, 40 - changed, 0, 0]);
}

#[tokio::test]
async fn what_a_paused_mapping_missed_is_one_sync_when_it_goes_on() {
    let mut scene = Scene::of(10).await;
    let connection_id = connect(&scene.caller, &scene.sandbox).await;
    let mut mapping = mapping_of_all(&scene.caller, &scene.sandbox, &connection_id, "ITAM", "serial_number").await;
    let every_minute = CronSchedule { expression: "* * * * *".into(), time_zone: "Europe/Berlin".into() };
    mapping.schedule = Some(Schedule { kind: Some(schedule::Kind::Cron(every_minute)) });
    let created = create(&scene.caller, &connection_id, mapping).await;
    let mapping = created.mapping.unwrap();
    let mapping_id = mapping.mapping_id;
    let pause = PauseMappingRequest { mapping_id: mapping_id.clone() };
    let paused = scene.caller.grpc.pause_mapping(pause).await.unwrap().into_inner().mapping.unwrap();
    assert_eq!((paused.state(), paused.next_sync_time), (MappingState::Paused, None));
    assert_succeeded(&scene.caller.ended(&created.sync.unwrap().sync_id, PATIENCE).await);
    let before = scene.caller.syncs(&mapping_id).await.len();

    // Its time goes by, and a few turns of the schedule.
    let missed = mapping.next_sync_time.unwrap().seconds;
    until("the set time", 2 * INTERVAL, async || (jiff::Timestamp::now().as_second() > missed + 3).then_some(())).await;
    assert_eq!(scene.caller.syncs(&mapping_id).await.len(), before, "none while it is paused");

    let resume = ResumeMappingRequest { mapping_id: mapping_id.clone() };
    scene.caller.grpc.resume_mapping(resume).await.unwrap();
    let sync = until("the sync that was missed", Duration::from_secs(20), async || {
        let mut syncs = scene.caller.syncs(&mapping_id).await;
        (syncs.len() > before).then(|| syncs.remove(0))
    })
    .await;
    assert_eq!(sync.trigger(), SyncTrigger::Schedule);
    assert_succeeded(&scene.caller.ended(&sync.sync_id, PATIENCE).await);
    let next = scene.caller.mapping(&mapping_id).await.next_sync_time.unwrap();
    assert_eq!((next.seconds % 60, next.nanos), (0, 0));
    assert!(next.seconds > sync.create_time.unwrap().seconds);
}
