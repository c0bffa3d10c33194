//! An API that is out, or asks to be left alone: the sync waits, says so, and goes on by itself. (What is survived without
//! waiting: `faults/answers.rs`.)

use std::collections::BTreeMap;

use pandaport_api::v1::SyncState;
use serde_json::{Value, json};

use crate::harness::caller::incremental;
use crate::harness::journey::{self, PATIENCE};
use crate::harness::scene::{Scene, assert_succeeded};

/// Each device is there once, and its OS version is the present one.
async fn assert_current(scene: &Scene, what: &str) {
    scene.assert_each_device_once().await;
    let os =
        |values: &Value, id: &str, version: &str| (values[id].clone().to_string(), values[version].clone().to_string());
    let devices = scene.sandbox.devices().await;
    let wanted: BTreeMap<_, _> = devices.iter().map(|it| os(it, "device_id", "os_version")).collect();
    let records = scene.sandbox.records().await;
    let found: BTreeMap<_, _> =
        records.into_iter().map(|it| os(&Value::Object(it.values), "Device ID", "OS Version")).collect();
    assert_eq!(found, wanted, "{what}");
}

#[tokio::test]
async fn a_sync_waits_for_an_api_that_is_out_says_so_and_goes_on_by_itself() {
    let scene = Scene::of(60).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&import.sync);
    for (api, name) in [("kandji", "Kandji"), ("asset_panda", "Asset Panda")] {
        scene.sandbox.change(20.0, 5).await;
        scene.sandbox.faults(json!({ api: {"status_burst": {"status": 503}} })).await;
        let sync = scene.caller.trigger(incremental(&import.mapping_id)).await;

        let waiting = |sync: &pandaport_api::v1::Sync| sync.state() == SyncState::Waiting;
        let sync = scene.caller.sync_that("the sync to wait", &sync.sync_id, PATIENCE, waiting).await;
        let wait = sync.wait.expect("what it waits for");
        assert_eq!(wait.reason, "OUTAGE");
        assert!(wait.message.contains(name), "{}", wait.message);
        assert!(wait.until.is_some());

        scene.sandbox.heal().await;
        assert_succeeded(&scene.caller.ended(&sync.sync_id, PATIENCE).await);
        assert_current(&scene, name).await;
    }
}

#[tokio::test]
async fn a_server_that_asks_to_wait_for_long_is_left_alone_until_then() {
    let scene = Scene::of(60).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    scene.sandbox.change(20.0, 5).await;
    let burst = json!({"status": 429, "retry_after": "6", "on": "update", "count": 1});
    scene.sandbox.faults(json!({"asset_panda": {"status_burst": burst}})).await;
    let sync = scene.caller.trigger(incremental(&import.mapping_id)).await;

    let waiting = |sync: &pandaport_api::v1::Sync| sync.state() == SyncState::Waiting;
    let sync = scene.caller.sync_that("the sync to wait", &sync.sync_id, PATIENCE, waiting).await;
    assert_eq!(sync.wait.expect("what it waits for").reason, "BUDGET");
    scene.sandbox.forget_calls().await;
    let sync = scene.caller.ended(&sync.sync_id, PATIENCE).await;

    assert_succeeded(&sync);
    assert_eq!(scene.sandbox.struck("asset_panda.status_burst").await, 1);
    let (told, ended) = (sync.start_time.unwrap().seconds, sync.end_time.unwrap().seconds);
    assert!(ended - told >= 5, "it ended {} s after its start", ended - told);
    assert_current(&scene, "after the wait").await;
}
