//! Workers and control plane as processes of their own, and several syncs at once.

use pandaport_api::v1::{CancelSyncRequest, SyncState};
use pandaport_test_database::run;
use serde_json::json;

use crate::harness::caller::{counts, incremental};
use crate::harness::installation::Installation;
use crate::harness::journey::{PATIENCE, begin_import, connect, create, mapping_of_all};
use crate::harness::sandbox::Sandbox;
use crate::harness::scene::{Scene, assert_each_device_once, assert_succeeded};
use crate::harness::wait::until_so;

#[tokio::test]
async fn without_a_worker_a_sync_is_queued_says_so_and_begins_once_there_is_one() {
    let sandbox = Sandbox::start(30).await;
    let installation = Installation::new(&sandbox);
    installation.migrate().await;
    let control_plane = installation.control_plane().await;
    let caller = control_plane.caller();
    let begun = begin_import(&caller, &sandbox, "serial_number").await;
    let queued = caller.sync(&begun.sync.sync_id).await;
    assert_eq!(queued.state(), SyncState::Queued);
    assert_eq!(queued.wait.expect("what it waits for").reason, "NO_WORKER");

    // A sync that no worker has taken ends at once when it is cancelled.
    let cancel = CancelSyncRequest { sync_id: begun.sync.sync_id };
    let cancelled = caller.grpc.clone().cancel_sync(cancel).await.expect("CancelSync is accepted").into_inner();
    assert_eq!(cancelled.sync.unwrap().state(), SyncState::Cancelled);
    let next = caller.trigger(incremental(&begun.mapping_id)).await;

    let worker = installation.worker("worker").await;
    let sync = caller.ended(&next.sync_id, PATIENCE).await;
    assert_succeeded(&sync);
    assert_eq!(counts(&sync), [30, 30, 0, 0, 0, 0, 0]);
    assert_each_device_once(&sandbox).await;
    drop(worker);
}

#[tokio::test]
async fn a_worker_that_is_killed_is_replaced_by_the_other_without_anyone_doing_anything() {
    let sandbox = Sandbox::start(300).await;
    let installation = Installation::new(&sandbox)
        .with("PANDAPORT_SLICE", "500ms")
        .with("PANDAPORT_HTTP_TIMEOUT", "1s")
        .with("PANDAPORT_SETTLE", "100ms,500ms,1500ms");
    installation.migrate().await;
    let control_plane = installation.control_plane().await;
    let caller = control_plane.caller();
    let mut first = installation.worker("worker-1").await;
    sandbox.faults(json!({"asset_panda": {"latency_ms": 300, "search_lag_ms": 1000}})).await;
    let begun = begin_import(&caller, &sandbox, "serial_number").await;
    until_so("batches on their way", PATIENCE, async || sandbox.counters().await.creates() >= 5).await;
    let second = installation.worker("worker-2").await;

    first.process.kill_hard();

    let sync = caller.ended(&begun.sync.sync_id, PATIENCE).await;
    assert_succeeded(&sync);
    assert_eq!(counts(&sync), [300, 300, 0, 0, 0, 0, 0]);
    assert_each_device_once(&sandbox).await;
    drop(second);
}

#[tokio::test]
async fn two_mappings_sync_at_once_and_each_gets_its_own() {
    let scene = Scene::of(200).await;
    scene.sandbox.faults(json!({"asset_panda": {"latency_ms": 50}})).await;
    let connection_id = connect(&scene.caller, &scene.sandbox).await;
    let mut syncs = Vec::new();
    for (collection, identifier) in [("ITAM", "serial_number"), ("All Text", "device_id")] {
        let mapping = mapping_of_all(&scene.caller, &scene.sandbox, &connection_id, collection, identifier).await;
        syncs.push(create(&scene.caller, &connection_id, mapping).await.sync.unwrap());
    }
    for sync in syncs {
        let sync = scene.caller.ended(&sync.sync_id, PATIENCE).await;
        assert_succeeded(&sync);
        assert_eq!(counts(&sync), [200, 200, 0, 0, 0, 0, 0]);
    }
    scene.assert_every_value_is_right().await;
    assert_eq!(scene.sandbox.records_of("All Text").await.len(), 200);
}

/// A process that was cut off from the database counts as ended, and a later release may take away what it needs.
#[tokio::test]
async fn programs_that_a_migration_left_behind_stop_and_say_so() {
    let sandbox = Sandbox::start(5).await;
    let installation = Installation::new(&sandbox);
    installation.migrate().await;
    let mut processes = [installation.control_plane().await, installation.worker("worker").await];
    let store = installation.store().await;
    run(&store, "UPDATE schema_readers SET oldest = 9999").await;
    for serving in &mut processes {
        let ended = serving.process.end(PATIENCE).await;
        assert!(ended.success(), "{ended:?}");
        let log = serving.process.log();
        assert!(log.contains("a schema that this version can't work on"), "{log}");
    }
}
