//! Rule 5, where Asset Panda answers everything but what concerns one device; and rule 13, where search is late to notice
//! what was deleted.

use std::time::Duration;

use pandaport_store::records::RecordOutcome;
use pandaport_store::syncs::{Mode, Sync, SyncState, WaitReason};
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::World;
use super::journey::{faults, records_by_serial, succeeded, wait_until};
use super::removal::{come_back, delete_at_once, imported, leave, with_outcome};

fn record_of(records: &std::collections::BTreeMap<String, Value>, device: &Value) -> String {
    records[device["serial_number"].as_str().unwrap()]["id"].as_str().unwrap().to_owned()
}

/// One device is rejected, with this in its message, and all others are as they should be.
async fn only_one_is_rejected(world: &World, sync: &Sync, device: &Value, told: &str) {
    assert_eq!((sync.state, sync.counts.rejected), (SyncState::CompletedWithRejections, 1), "{sync:?}");
    let rejected = with_outcome(world, sync, RecordOutcome::Rejected).await.remove(0);
    assert_eq!(rejected.device_id, device["device_id"].as_str().unwrap());
    assert!(rejected.message.as_deref().unwrap().contains(told), "{rejected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_a_refused_update_whose_record_cannot_be_read_stops_only_its_device() {
    for status in [403, 410, 500] {
        let world = imported(8).await;
        let device = world.fleet().await[2].clone();
        let record = record_of(&records_by_serial(&world).await, &device);
        for (at, device) in world.fleet().await.iter().enumerate() {
            world.edit(&device["device_id"], json!({"asset_tag": if at == 2 { "BAD" } else { "NEW" }})).await;
        }
        let refused = json!({"column": "Asset Tag", "value": "BAD", "message": "not this one"});
        faults(&world, json!({"refuse_rows": [refused], "unanswerable": [record], "unanswerable_status": status}))
            .await;
        let sync = world.sync(Mode::Incremental).await;
        only_one_is_rejected(&world, &sync, &device, &record).await;
        assert_eq!(sync.counts.updated, 7, "{sync:?}");
        let tag = &world.sandbox.ready().columns["Asset Tag"];
        let tags = records_by_serial(&world).await;
        assert_eq!(tags.values().filter(|it| it["values"][tag] == "NEW").count(), 7);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_a_record_that_cannot_be_read_stops_only_its_device_in_a_full_sync() {
    let world = imported(8).await;
    let devices = world.fleet().await;
    let records = records_by_serial(&world).await;
    // Its serial number was edited by hand: search does not find it, and it must be asked itself.
    let record = record_of(&records, &devices[2]);
    let edit = json!({world.sandbox.ready().columns["Serial Number"].clone(): "BY HAND"});
    world.control(Method::PATCH, &format!("/records/{record}"), Some(edit)).await;
    faults(&world, json!({"unanswerable": [record]})).await;
    let sync = world.sync(Mode::Full).await;
    only_one_is_rejected(&world, &sync, &devices[2], &record).await;
    assert_eq!(sync.counts.unchanged, 7, "{sync:?}");
    // It is no quarantine: the next sync asks again.
    faults(&world, json!({})).await;
    let sync = world.sync(Mode::Full).await;
    succeeded(&sync);
    assert_eq!((sync.counts.updated, sync.counts.unchanged), (1, 7), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_an_identifier_whose_search_is_never_answered_stops_only_its_device() {
    let world = World::of(70).await;
    let device = world.fleet().await[40].clone();
    faults(&world, json!({"unanswerable": [device["serial_number"]]})).await;
    let sync = world.sync(Mode::Incremental).await;
    only_one_is_rejected(&world, &sync, &device, "search").await;
    assert_eq!(sync.counts.created, 69, "{sync:?}");
    faults(&world, json!({})).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.created, sync.counts.unchanged), (1, 69), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_a_create_whose_search_is_never_answered_stays_in_flight_and_makes_no_second_record() {
    let mut world = World::of(6).await;
    world.start_again([1, 2, 3].map(Duration::from_secs).to_vec()).await;
    let device = world.fleet().await[1].clone();
    let serial = device["serial_number"].clone();
    faults(&world, json!({"lost_answer": {"on": "create"}, "flags_present": false, "enforce_unique": false})).await;
    let id = world.trigger(Mode::Incremental, false).await;
    wait_until(&world, id, WaitReason::Settle).await;
    faults(&world, json!({"unanswerable": [serial], "flags_present": false, "enforce_unique": false})).await;
    let sync = world.ended(id).await;
    only_one_is_rejected(&world, &sync, &device, "search").await;
    faults(&world, json!({"flags_present": false, "enforce_unique": false})).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let records = world.control(Method::GET, "/records", None).await;
    assert_eq!(records["records"].as_array().unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_record_that_search_still_shows_after_it_was_deleted_by_hand_is_made_anew_at_once() {
    for mode in [Mode::Incremental, Mode::Full] {
        let world = imported(8).await;
        let device = world.fleet().await[2].clone();
        let record = record_of(&records_by_serial(&world).await, &device);
        faults(&world, json!({"search_lag_ms": 600_000, "search_lag_by_hand": true})).await;
        world.control(Method::DELETE, &format!("/records/{record}"), None).await;
        world.edit(&device["device_id"], json!({"asset_tag": "NEW"})).await;
        let sync = world.sync(mode).await;
        succeeded(&sync);
        assert_eq!((sync.counts.created, sync.counts.adopted, sync.counts.drifted), (1, 0, 1), "{mode}: {sync:?}");
        assert_ne!(record_of(&records_by_serial(&world).await, &device), record, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_record_that_search_still_shows_after_the_policy_deleted_it_is_not_adopted() {
    let mut world = imported(8).await;
    world.start_again([100, 300, 60_000].map(Duration::from_millis).to_vec()).await;
    world.remap(delete_at_once).await;
    let gone = leave(&world, 2..3).await;
    succeeded(&world.sync(Mode::Incremental).await);
    faults(&world, json!({"search_lag_ms": 600_000})).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.counts.removed, 1, "{sync:?}");
    come_back(&world, &gone).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.created, sync.counts.adopted), (1, 0), "{sync:?}");
    assert_eq!(records_by_serial(&world).await.len(), 8);
}
