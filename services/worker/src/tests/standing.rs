//! Devices that the filter leaves out, that are listed as removed, and that are absent.

use std::time::Duration;

use pandaport_import::{OnFiltered, RemovalAction};
use pandaport_store::engine::flag;
use pandaport_store::records::{RecordOutcome, SyncRecord};
use pandaport_store::syncs::{Mode, SyncState};
use pandaport_test_database::rows;
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::World;
use super::journey::{records_by_serial, succeeded};
use super::removal::{delete_at_once, mark, status};

/// What the links' narrow rows say: device id, flags, since when it is absent.
async fn links(world: &World) -> Vec<(String, i64, Option<i64>)> {
    rows(&world.store, "SELECT device_id, flags, absent_since FROM links ORDER BY device_id").await
}

async fn link(world: &World, device: &Value) -> Option<(i64, Option<i64>)> {
    let links = links(world).await;
    links.into_iter().find(|it| *device == it.0.as_str()).map(|it| (it.1, it.2))
}

/// The sync's records with this outcome.
async fn with_outcome(world: &World, sync: pandaport_store::SyncId, outcome: RecordOutcome) -> Vec<SyncRecord> {
    world.records(sync).await.into_iter().filter(|it| it.outcome == outcome).collect()
}

fn macs_only(spec: &mut pandaport_import::MappingSpec) {
    spec.filter.platforms = ["Mac".to_owned()].into();
}

/// Makes all devices Macs, but for the first `others`.
async fn platforms(world: &World, others: usize) -> Vec<Value> {
    let mut ids = Vec::new();
    for (at, device) in world.fleet().await.into_iter().enumerate() {
        let platform = if at < others { "iPad" } else { "Mac" };
        world.edit(&device["device_id"], json!({"platform": platform, "is_removed": false})).await;
        ids.push(device["device_id"].clone());
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_the_filter_leaves_out_is_not_written_and_is_told_of_once() {
    let world = World::mapped(10, macs_only).await;
    platforms(&world, 3).await;
    for mode in [Mode::Incremental, Mode::Incremental, Mode::Full] {
        let first = links(&world).await.is_empty();
        let sync = world.sync(mode).await;
        succeeded(&sync);
        assert_eq!((sync.counts.read, sync.counts.skipped), (10, 3), "{sync:?}");
        assert_eq!(sync.counts.created + sync.counts.unchanged, 7, "{sync:?}");
        let told = with_outcome(&world, sync.sync_id, RecordOutcome::Skipped).await;
        assert_eq!(told.len(), if first { 3 } else { 0 }, "{mode}: {told:?}");
        for record in told {
            assert_eq!(record.reason.as_deref(), Some("FILTERED"));
            assert!(record.message.unwrap().contains("platform: it is \"iPad\""));
            assert!(record.serial_number.is_some() && record.identifier.is_some());
        }
    }
    assert_eq!(records_by_serial(&world).await.len(), 7);
    // The filter now names another reason: that is news.
    world.remap(|spec| spec.filter.tags_any = ["nobody has it".to_owned()].into()).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.counts.skipped, sync.counts.unchanged), (10, 0), "{sync:?}");
    assert_eq!(with_outcome(&world, sync.sync_id, RecordOutcome::Skipped).await.len(), 7, "the Macs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_leaves_the_filter_keeps_its_record_as_it_is_and_catches_up_when_it_passes_again() {
    let world = World::mapped(6, macs_only).await;
    let ids = platforms(&world, 0).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let before = records_by_serial(&world).await;
    world.edit(&ids[2], json!({"platform": "iPad", "asset_tag": "AS IPAD"})).await;
    for told in [1, 0] {
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        assert_eq!((sync.counts.skipped, sync.counts.unchanged, sync.counts.updated), (1, 5, 0), "{sync:?}");
        assert_eq!(with_outcome(&world, sync.sync_id, RecordOutcome::Skipped).await.len(), told);
        assert_eq!(records_by_serial(&world).await, before);
    }
    assert_eq!(link(&world, &ids[2]).await.unwrap().0, flag::LINKED | flag::FILTERED);
    // It passes again, just as it was but for the tag.
    world.edit(&ids[2], json!({"platform": "Mac"})).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.skipped, sync.counts.updated, sync.counts.unchanged), (0, 1, 5), "{sync:?}");
    assert_eq!(link(&world, &ids[2]).await.unwrap().0, flag::LINKED);
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.counts.unchanged, 6, "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_device_that_the_filter_leaves_out_is_no_rival_but_keeps_the_record_it_holds() {
    let world = World::mapped(4, macs_only).await;
    let ids = platforms(&world, 1).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let fleet = world.fleet().await;
    // Left out, without a record, enrolled last of all: it would win, and does not even compete.
    world
        .edit(
            &ids[0],
            json!({"serial_number": fleet[1]["serial_number"], "last_enrollment": "2031-01-01 00:00:00+00:00"}),
        )
        .await;
    for mode in [Mode::Incremental, Mode::Full] {
        let sync = world.sync(mode).await;
        succeeded(&sync);
        assert_eq!((sync.counts.skipped, sync.counts.unchanged), (1, 3), "{sync:?}");
    }
    // Left out, with a record: a newcomer with its serial number gets neither that record nor a second one.
    world.edit(&ids[3], json!({"platform": "iPad"})).await;
    let newcomer = json!([{
        "device_id": "ffffffff-0000-4000-8000-000000000001", "device_name": "new", "platform": "Mac", "user": "",
        "serial_number": fleet[3]["serial_number"], "last_enrollment": "2032-01-01 00:00:00+00:00"
    }]);
    world.control(Method::POST, "/fleet/devices", Some(newcomer)).await;
    let before = records_by_serial(&world).await;
    for mode in [Mode::Incremental, Mode::Full] {
        let sync = world.sync(mode).await;
        assert_eq!(sync.state, SyncState::CompletedWithRejections, "{sync:?}");
        assert_eq!((sync.counts.skipped, sync.counts.rejected), (2, 1), "{sync:?}");
        let rejected = with_outcome(&world, sync.sync_id, RecordOutcome::Rejected).await.remove(0);
        assert_eq!(rejected.reason.as_deref(), Some("IDENTIFIER_TAKEN"), "{rejected:?}");
        assert!(rejected.message.as_ref().unwrap().contains(ids[3].as_str().unwrap()), "{rejected:?}");
        assert_eq!(records_by_serial(&world).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_device_that_the_filter_leaves_out_is_no_longer_rejected() {
    let world = World::mapped(3, macs_only).await;
    let ids = platforms(&world, 0).await;
    world.edit(&ids[1], json!({"serial_number": ""})).await;
    assert_eq!(world.sync(Mode::Incremental).await.counts.rejected, 1);
    world.edit(&ids[1], json!({"platform": "iPad"})).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.skipped, sync.counts.rejected, sync.counts.still_rejected), (1, 0, 0), "{sync:?}");
    assert_eq!(link(&world, &ids[1]).await.unwrap().0, flag::FILTERED);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_whether_kandji_lists_a_device_as_removed_stands_in_its_link() {
    let world = World::of(5).await;
    let ids = platforms(&world, 0).await;
    world.edit(&ids[0], json!({"is_removed": true})).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!(sync.counts.created, 5, "imported like any other: {sync:?}");
    assert_eq!(link(&world, &ids[0]).await.unwrap().0, flag::LINKED | flag::REMOVED);
    world.edit(&ids[0], json!({"is_removed": false})).await;
    world.edit(&ids[1], json!({"is_removed": true, "asset_tag": "NEW"})).await;
    // A dry run leaves links alone.
    let dry = world.trigger(Mode::Incremental, true).await;
    succeeded(&world.ended(dry).await);
    assert_eq!(link(&world, &ids[0]).await.unwrap().0, flag::LINKED | flag::REMOVED);
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.counts.updated, sync.counts.unchanged), (2, 3), "{sync:?}");
    assert_eq!(link(&world, &ids[0]).await.unwrap().0, flag::LINKED);
    assert_eq!(link(&world, &ids[1]).await.unwrap().0, flag::LINKED | flag::REMOVED);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_with_delete_a_device_that_is_removed_and_has_no_record_is_not_made_and_told_of_once() {
    let world = World::mapped(5, |spec| spec.removal_policy.action = RemovalAction::Delete).await;
    let ids = platforms(&world, 0).await;
    world.edit(&ids[3], json!({"is_removed": true})).await;
    for told in [1, 0] {
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        assert_eq!(sync.counts.skipped, 1, "{sync:?}");
        let skipped = with_outcome(&world, sync.sync_id, RecordOutcome::Skipped).await;
        assert_eq!(skipped.len(), told);
        assert!(skipped.iter().all(|it| it.reason.as_deref() == Some("REMOVED_IN_KANDJI")), "{skipped:?}");
    }
    assert_eq!(records_by_serial(&world).await.len(), 4);
    world.edit(&ids[3], json!({"is_removed": false})).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.counts.created, sync.counts.unchanged), (1, 4), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_with_delete_a_removed_device_whose_record_was_deleted_by_hand_is_not_made_anew_and_told_of_once() {
    let world = World::mapped(5, |spec| spec.removal_policy.action = RemovalAction::Delete).await;
    let ids = platforms(&world, 0).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let device = world.fleet().await[3].clone();
    let record = &records_by_serial(&world).await[device["serial_number"].as_str().unwrap()]["id"];
    world.control(Method::DELETE, &format!("/records/{}", record.as_str().unwrap()), None).await;
    world.edit(&ids[3], json!({"is_removed": true})).await;
    for (mode, told) in [(Mode::Full, 1), (Mode::Incremental, 0), (Mode::Full, 0)] {
        let sync = world.sync(mode).await;
        succeeded(&sync);
        assert_eq!((sync.counts.skipped, sync.counts.unchanged, sync.counts.created), (1, 4, 0), "{mode}: {sync:?}");
        let skipped = with_outcome(&world, sync.sync_id, RecordOutcome::Skipped).await;
        assert_eq!(skipped.len(), told, "{mode}: {skipped:?}");
        assert!(skipped.iter().all(|it| it.reason.as_deref() == Some("REMOVED_IN_KANDJI")), "{skipped:?}");
        assert_eq!(records_by_serial(&world).await.len(), 4, "{mode}");
    }
    world.edit(&ids[3], json!({"is_removed": false})).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.counts.created, sync.counts.unchanged), (1, 4), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_removed_device_that_is_not_imported_is_no_rival_of_the_one_that_is() {
    let world = World::mapped(4, |spec| spec.removal_policy.action = RemovalAction::Delete).await;
    let ids = platforms(&world, 0).await;
    world.edit(&ids[0], json!({"is_removed": true, "last_enrollment": "2031-01-01 00:00:00+00:00"})).await;
    assert_eq!(world.sync(Mode::Incremental).await.counts.skipped, 1);
    // The same Mac, enrolled anew before that: as rivals, the removed one would win, and its record would never be made.
    let serial = world.fleet().await[0]["serial_number"].clone();
    let again = json!([{
        "device_id": "ffffffff-0000-4000-8000-000000000001", "device_name": "again", "platform": "Mac", "user": "",
        "serial_number": serial, "last_enrollment": "2030-01-01 00:00:00+00:00"
    }]);
    world.control(Method::POST, "/fleet/devices", Some(again)).await;
    for (mode, created) in [(Mode::Incremental, 1), (Mode::Incremental, 0), (Mode::Full, 0)] {
        let sync = world.sync(mode).await;
        succeeded(&sync);
        let counts = (sync.counts.created, sync.counts.unchanged, sync.counts.skipped, sync.counts.rejected);
        assert_eq!(counts, (created, 4 - created, 1, 0), "{mode}: {sync:?}");
        assert!(records_by_serial(&world).await.contains_key(serial.as_str().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_device_is_absent_since_the_first_complete_read_without_it_until_it_is_seen() {
    let world = World::of(6).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let fleet = world.fleet().await;
    let gone = &fleet[4];
    let path = format!("/fleet/devices/{}", gone["device_id"].as_str().unwrap());
    world.control(Method::DELETE, &path, None).await;
    // A dry run counts for nothing.
    let dry = world.trigger(Mode::Incremental, true).await;
    succeeded(&world.ended(dry).await);
    assert_eq!(link(&world, &gone["device_id"]).await.unwrap().1, None);
    let first = world.sync(Mode::Incremental).await;
    let since = link(&world, &gone["device_id"]).await.unwrap().1.expect("it is absent");
    assert!(first.start_time.unwrap().0 <= since && since <= first.end_time.unwrap().0, "{since} {first:?}");
    succeeded(&world.sync(Mode::Incremental).await);
    assert_eq!(link(&world, &gone["device_id"]).await.unwrap().1, Some(since), "the first stays");
    assert_eq!(links(&world).await.iter().filter(|it| it.2.is_some()).count(), 1);
    world.control(Method::POST, "/fleet/devices", Some(json!([gone]))).await;
    let back = world.sync(Mode::Incremental).await;
    assert_eq!(back.counts.unchanged, back.counts.read, "{back:?}");
    assert_eq!(link(&world, &gone["device_id"]).await.unwrap().1, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_a_record_is_forgotten_when_it_is_absent() {
    let world = World::mapped(4, macs_only).await;
    let ids = platforms(&world, 1).await;
    world.edit(&ids[1], json!({"serial_number": ""})).await;
    assert_eq!(world.sync(Mode::Incremental).await.counts.rejected, 1);
    assert_eq!(links(&world).await.len(), 4);
    for id in &ids[..2] {
        world.control(Method::DELETE, &format!("/fleet/devices/{}", id.as_str().unwrap()), None).await;
    }
    succeeded(&world.sync(Mode::Incremental).await);
    assert_eq!(links(&world).await.len(), 2, "neither filtered nor rejected: they are no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_device_that_leaves_the_filter_is_marked_as_removed_where_the_mapping_says_so_and_unmarked_after() {
    let world = World::mapped(6, macs_only).await;
    let ids = platforms(&world, 0).await;
    mark(&world, Some(json!("In use")), Duration::from_secs(3_600)).await;
    world.remap(|spec| spec.on_filtered = OnFiltered::AsRemoved).await;
    succeeded(&world.sync(Mode::Incremental).await);
    world.edit(&ids[2], json!({"platform": "iPad"})).await;
    let device = world.fleet().await[2].clone();
    // A dry run tells of it, and does it not.
    let dry = world.trigger(Mode::Incremental, true).await;
    assert_eq!(world.ended(dry).await.counts.removed, 1);
    assert_ne!(status(&world, &device).await, json!("Gone"));
    for (mode, removed) in [(Mode::Incremental, 1), (Mode::Incremental, 0), (Mode::Full, 0)] {
        let sync = world.sync(mode).await;
        succeeded(&sync);
        assert_eq!((sync.counts.skipped, sync.counts.removed, sync.counts.unchanged), (1, removed, 5), "{sync:?}");
        assert_eq!(status(&world, &device).await, json!("Gone"));
    }
    world.edit(&ids[2], json!({"platform": "Mac"})).await;
    let back = world.sync(Mode::Incremental).await;
    succeeded(&back);
    assert_eq!((back.counts.updated, back.counts.unchanged, back.counts.skipped), (1, 5, 0), "{back:?}");
    assert_eq!(status(&world, &device).await, json!("In use"));
    assert_eq!(world.sync(Mode::Incremental).await.counts.unchanged, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_device_that_leaves_the_filter_is_deleted_where_the_mapping_says_so_and_made_anew_after() {
    let world = World::mapped(6, macs_only).await;
    let ids = platforms(&world, 0).await;
    world.remap(delete_at_once).await;
    world.remap(|spec| spec.on_filtered = OnFiltered::AsRemoved).await;
    succeeded(&world.sync(Mode::Incremental).await);
    world.edit(&ids[2], json!({"platform": "iPad"})).await;
    for removed in [1, 0] {
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        assert_eq!((sync.counts.skipped, sync.counts.removed, sync.counts.unchanged), (1, removed, 5), "{sync:?}");
        assert_eq!(records_by_serial(&world).await.len(), 5);
    }
    world.edit(&ids[2], json!({"platform": "Mac"})).await;
    let back = world.sync(Mode::Incremental).await;
    succeeded(&back);
    assert_eq!((back.counts.created, back.counts.unchanged), (1, 5), "{back:?}");
    assert_eq!(records_by_serial(&world).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_what_the_filter_leaves_as_it_is_the_policy_leaves_too() {
    let world = World::mapped(5, |spec| spec.filter.exclude_removed = true).await;
    let ids = platforms(&world, 0).await;
    mark(&world, None, Duration::ZERO).await;
    succeeded(&world.sync(Mode::Incremental).await);
    world.edit(&ids[2], json!({"is_removed": true})).await;
    let device = world.fleet().await[2].clone();
    for _ in 0..2 {
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        assert_eq!((sync.counts.skipped, sync.counts.removed, sync.counts.unchanged), (1, 0, 4), "{sync:?}");
        assert_ne!(status(&world, &device).await, json!("Gone"));
    }
    // Once it is absent altogether, the policy applies.
    world.control(Method::DELETE, &format!("/fleet/devices/{}", ids[2].as_str().unwrap()), None).await;
    assert_eq!(world.sync(Mode::Incremental).await.counts.removed, 0, "the first read without it");
    assert_eq!(world.sync(Mode::Incremental).await.counts.removed, 1);
    assert_eq!(status(&world, &device).await, json!("Gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_a_filter_that_leaves_most_of_the_fleet_out_is_held_by_the_brake() {
    let world = World::mapped(30, |_| {}).await;
    platforms(&world, 15).await;
    world.remap(delete_at_once).await;
    world.remap(|spec| spec.on_filtered = OnFiltered::AsRemoved).await;
    succeeded(&world.sync(Mode::Incremental).await);
    world.remap(macs_only).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.state, SyncState::Held, "{sync:?}");
    assert_eq!((sync.counts.skipped, sync.counts.removed), (15, 0), "{sync:?}");
    assert_eq!(records_by_serial(&world).await.len(), 30, "nothing is deleted");
}
