//! Rows that Asset Panda refuses inside a 2xx (rule 5).

use std::collections::BTreeMap;

use pandaport_api::v1::{DeviceState, SyncState, TriggerSyncRequest};
use serde_json::{Value, json};

use crate::harness::caller::{counts, incremental};
use crate::harness::journey::{self, rejected};
use crate::harness::scene::{Scene, assert_succeeded};

#[tokio::test]
async fn rule_5_ten_refused_rows_of_1000_are_listed_in_the_servers_words_and_not_sent_again_until_asked() {
    let scene = Scene::of(1_000).await;
    let devices = scene.sandbox.devices().await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let refused: BTreeMap<String, String> =
        devices.iter().step_by(100).map(|it| (text(&it["device_id"]), text(&it["serial_number"]))).collect();
    assert_eq!(refused.len(), 10);
    let words = |serial: &str| format!("Policy 7: {serial} is on the list of lost devices");
    let rules: Vec<Value> = refused
        .values()
        .map(|serial| json!({"column": "Serial Number", "value": serial, "message": words(serial)}))
        .collect();
    scene.sandbox.faults(json!({"asset_panda": {"refuse_rows": rules}})).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_eq!(import.sync.state(), SyncState::CompletedWithRejections, "{:#?}", import.sync);
    assert_eq!(counts(&import.sync), [1_000, 990, 0, 0, 0, 10, 0]);
    assert_eq!(scene.sandbox.records().await.len(), 990);
    assert_eq!(scene.sandbox.counters().await.creates(), 200, "no row is sent twice");
    let listed = rejected(&scene.caller, &import.sync).await;
    let wanted: BTreeMap<_, _> =
        refused.iter().map(|(id, serial)| (id.clone(), ("REFUSED_BY_ASSET_PANDA".to_owned(), words(serial)))).collect();
    assert_eq!(listed, wanted);

    scene.sandbox.forget_calls().await;
    let second = scene.sync(&import.mapping_id).await;
    assert_eq!(second.state(), SyncState::CompletedWithRejections, "{second:#?}");
    assert_eq!(counts(&second), [1_000, 0, 0, 0, 990, 0, 10]);
    let calls = scene.sandbox.counters().await;
    assert_eq!((calls.searches(), calls.writes()), (0, 0), "{calls:?}");
    let devices = scene.caller.devices(&import.mapping_id, &[DeviceState::Rejected]).await;
    let listed: BTreeMap<_, _> = devices.into_iter().map(|it| (it.device_id, (it.reason, it.message))).collect();
    assert_eq!(listed, wanted);
    assert_eq!(scene.caller.mapping(&import.mapping_id).await.rejected_count, 10);

    scene.sandbox.heal().await;
    scene.sandbox.forget_calls().await;
    let retry = TriggerSyncRequest { retry_rejected: true, ..incremental(&import.mapping_id) };
    let third = scene.run(retry).await;
    assert_succeeded(&third);
    assert_eq!(counts(&third), [1_000, 10, 0, 0, 990, 0, 0]);
    assert_eq!(scene.sandbox.counters().await.creates(), 2);
    assert_eq!(scene.caller.mapping(&import.mapping_id).await.rejected_count, 0);
    scene.assert_each_device_once().await;
}

#[tokio::test]
async fn rule_5_a_refused_device_is_sent_again_once_its_values_change() {
    let scene = Scene::of(30).await;
    let device = scene.sandbox.devices().await[4].clone();
    let (id, serial) = (device["device_id"].as_str().unwrap(), device["serial_number"].as_str().unwrap());
    let rule = json!({"column": "Serial Number", "value": serial, "message": "not this one"});
    scene.sandbox.faults(json!({"asset_panda": {"refuse_rows": [rule]}})).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_eq!(counts(&import.sync), [30, 29, 0, 0, 0, 1, 0]);

    scene.sandbox.edit_device(id, json!({"asset_tag": "AP-NEW"})).await;
    let still = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&still), [30, 0, 0, 0, 29, 1, 0], "it was tried again, and refused again");

    scene.sandbox.heal().await;
    scene.sandbox.edit_device(id, json!({"asset_tag": "AP-NEWER"})).await;
    let sync = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&sync), [30, 1, 0, 0, 29, 0, 0]);
    assert_eq!(scene.sandbox.record("Device ID", id).await.values["Asset Tag"], "AP-NEWER");
}

#[tokio::test]
async fn rule_5_a_refused_update_keeps_the_record_as_it_was_and_is_listed() {
    let scene = Scene::of(30).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let device = scene.sandbox.devices().await[4].clone();
    let id = device["device_id"].as_str().unwrap();
    let rule = json!({"column": "Asset Tag", "contains": "AP-BAD", "message": "no such asset tag"});
    scene.sandbox.faults(json!({"asset_panda": {"refuse_rows": [rule]}})).await;
    scene.sandbox.edit_device(id, json!({"asset_tag": "AP-BAD-1"})).await;

    let sync = scene.sync(&import.mapping_id).await;
    assert_eq!(sync.state(), SyncState::CompletedWithRejections);
    assert_eq!(counts(&sync), [30, 0, 0, 0, 29, 1, 0]);
    let listed = rejected(&scene.caller, &sync).await;
    assert_eq!(listed[id], ("REFUSED_BY_ASSET_PANDA".to_owned(), "no such asset tag".to_owned()));

    scene.sandbox.forget_calls().await;
    let next = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&next), [30, 0, 0, 0, 29, 0, 1]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0);

    // Back as it was: there is nothing to write, and nothing to list.
    scene.sandbox.edit_device(id, json!({"asset_tag": device["asset_tag"]})).await;
    let back = scene.sync(&import.mapping_id).await;
    assert_succeeded(&back);
    let tag = scene.sandbox.record("Device ID", id).await.values.get("Asset Tag").cloned().unwrap_or_default();
    assert_eq!(tag.as_str().unwrap_or_default(), device["asset_tag"].as_str().unwrap());
}
