//! What counts as created by us, and may be deleted (rule 10), where somebody was faster than our next look.

use pandaport_store::records::RecordOutcome;
use pandaport_store::syncs::{Mode, WaitReason};
use reqwest::Method;
use serde_json::json;

use super::harness::World;
use super::journey::{cancel, faults, records_by_serial, succeeded, wait_until};
use super::removal::{delete_at_once, leave, with_outcome};

/// Creates are answered with an error that leaves open whether they were applied, and were not. Before the next look,
/// somebody makes the record of one device by hand. The sync goes on, or another takes its place.
async fn somebody_was_faster(cancelled: bool) {
    let world = World::of(5).await;
    for device in world.fleet().await {
        world.edit(&device["device_id"], json!({"is_removed": false})).await;
    }
    world.remap(delete_at_once).await;
    let fleet = world.fleet().await;
    let (theirs, ours) = (fleet[0]["serial_number"].as_str().unwrap(), fleet[1]["serial_number"].as_str().unwrap());
    faults(&world, json!({"status_burst": {"status": 503, "on": "create"}})).await;
    let id = world.trigger(Mode::Incremental, false).await;
    wait_until(&world, id, WaitReason::Outage).await;
    if cancelled {
        cancel(&world, id).await;
    }
    let ready = world.sandbox.ready();
    let by_hand = json!({ready.columns["Serial Number"].clone(): theirs, ready.columns["Notes"].clone(): "by hand"});
    let seed = json!({"collection_id": ready.collection_id, "records": [by_hand]});
    world.control(Method::POST, "/records", Some(seed)).await;
    faults(&world, json!({})).await;
    let sync = if cancelled { world.sync(Mode::Incremental).await } else { world.ended(id).await };
    succeeded(&sync);
    if !cancelled {
        assert_eq!((sync.counts.created, sync.counts.adopted), (4, 1), "{sync:?}");
    }
    succeeded(&world.sync(Mode::Incremental).await);
    let there = records_by_serial(&world).await;
    assert_eq!(there.len(), 5);
    assert_eq!(there[theirs]["values"][&ready.columns["Device ID"]], fleet[0]["device_id"], "it is tied to its device");

    leave(&world, 0..2).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!(sync.counts.removed, 1, "{sync:?}");
    let there = records_by_serial(&world).await;
    assert!(there.contains_key(theirs), "somebody made it");
    assert!(!there.contains_key(ours), "we made it");
    let left = with_outcome(&world, &sync, RecordOutcome::Skipped).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].reason.as_deref(), Some("NOT_CREATED_BY_US"), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_record_that_somebody_made_while_our_create_was_unclear_is_not_ours_to_delete() {
    somebody_was_faster(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_nor_is_it_where_the_sync_that_sent_the_create_was_cancelled() {
    somebody_was_faster(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_record_whose_answer_was_lost_is_ours_to_delete() {
    let world = World::of(5).await;
    for device in world.fleet().await {
        world.edit(&device["device_id"], json!({"is_removed": false})).await;
    }
    world.remap(delete_at_once).await;
    faults(&world, json!({"lost_answer": {"on": "create", "count": 1}})).await;
    succeeded(&world.sync(Mode::Incremental).await);
    leave(&world, 0..1).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.removed, records_by_serial(&world).await.len()), (1, 4), "{sync:?}");
}
