//! What the APIs do on bad days, in reads and in writes: the sync waits or tries again, and ends right.

use std::collections::BTreeMap;

use pandaport_api::v1::SyncState;
use serde_json::{Value, json};

use crate::harness::caller::{counts, incremental};
use crate::harness::journey::{self, PATIENCE};
use crate::harness::scene::{Scene, assert_succeeded};

/// A fault, by API and switch.
struct Fault {
    api: &'static str,
    switch: &'static str,
    value: Value,
}

fn kandji(switch: &'static str, value: Value) -> Fault {
    Fault { api: "kandji", switch, value }
}

fn asset_panda(switch: &'static str, value: Value) -> Fault {
    Fault { api: "asset_panda", switch, value }
}

/// Under each fault a few devices are changed and added; after the sync all is there, once, with its present values.
async fn each_is_survived(faults: Vec<Fault>) {
    let scene = Scene::of(60).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&import.sync);
    for (round, Fault { api, switch, value }) in (1..).zip(faults) {
        assert!(scene.sandbox.change(20.0, round).await >= 11);
        scene.sandbox.add_device(json!({"count": 6})).await;
        scene.sandbox.faults(json!({ api: { switch: value } })).await;

        let sync = scene.sync(&import.mapping_id).await;

        let fault = format!("{api}.{switch} = {value}");
        assert!(scene.sandbox.struck(&format!("{api}.{switch}")).await > 0, "{fault} never struck");
        assert_eq!(sync.state(), SyncState::Succeeded, "{fault}: {sync:#?}");
        let [_, created, adopted, ..] = counts(&sync);
        assert_eq!(created + adopted, 6, "{fault}");
        assert_current(&scene, &fault).await;
        scene.sandbox.heal().await;
    }
    scene.sandbox.assert_no_violations().await;
}

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
async fn whatever_goes_wrong_at_kandji_for_a_while_the_sync_ends_right() {
    each_is_survived(vec![
        kandji("status_burst", json!({"status": 503, "on": "devices", "count": 2})),
        kandji("status_burst", json!({"status": 429, "retry_after": "1", "on": "devices", "count": 2})),
        kandji("status_burst", json!({"status": 429, "retry_after": "date", "on": "devices", "count": 1})),
        kandji("status_burst", json!({"status": 429, "on": "devices", "count": 2})),
        kandji("status_burst", json!({"status": 500, "on": "users", "count": 2})),
        kandji("reset_connection", json!({"on": "devices", "count": 2})),
        kandji("hang", json!({"on": "devices", "count": 1})),
        kandji("truncate", json!({"on": "devices", "count": 1})),
        kandji("html_every", json!(2)),
    ])
    .await;
}

#[tokio::test]
async fn whatever_goes_wrong_at_asset_panda_for_a_while_the_sync_ends_right() {
    each_is_survived(vec![
        asset_panda("status_burst", json!({"status": 503, "on": "search", "count": 2})),
        asset_panda("status_burst", json!({"status": 503, "on": "update", "count": 3})),
        asset_panda("status_burst", json!({"status": 503, "on": "create", "count": 2})),
        asset_panda("status_burst", json!({"status": 429, "retry_after": "1", "on": "create", "count": 2})),
        asset_panda("status_burst", json!({"status": 429, "retry_after": "date", "on": "write", "count": 2})),
        asset_panda("status_burst", json!({"status": 429, "on": "search", "count": 2})),
        asset_panda("status_burst", json!({"status": 429, "on": "update", "count": 2})),
        asset_panda("reset_connection", json!({"on": "write", "count": 2})),
        asset_panda("hang", json!({"on": "update", "count": 1})),
        asset_panda("hang", json!({"on": "create", "count": 1})),
        asset_panda("truncate_every", json!(3)),
        asset_panda("html_every", json!(4)),
    ])
    .await;
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
