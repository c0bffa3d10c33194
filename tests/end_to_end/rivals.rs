//! Devices that claim the same identifier, at once or one after the other (rule 12).

use pandaport_api::v1::{DeviceState, SyncState};
use serde_json::{Value, json};

use crate::harness::caller::counts;
use crate::harness::journey::{self, rejected};
use crate::harness::scene::{Scene, assert_succeeded};

fn text(device: &Value, key: &str) -> String {
    device[key].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn rule_12_a_device_enrolled_later_with_a_known_serial_number_takes_the_record_over_from_one_still_listed() {
    let scene = Scene::of(20).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let old = scene.sandbox.devices().await[5].clone();
    let serial = text(&old, "serial_number");
    let record = scene.sandbox.record("Serial Number", &serial).await;
    let enrolled = json!({"serial_number": serial, "last_enrollment": "2026-11-22 10:00:00+00:00"});
    let new = scene.sandbox.add_device(enrolled).await;

    let sync = scene.sync(&import.mapping_id).await;

    assert_eq!(sync.state(), SyncState::CompletedWithRejections, "{sync:#?}");
    let listed = rejected(&scene.caller, &sync).await;
    let (reason, message) = &listed[&text(&old, "device_id")];
    assert_eq!((listed.len(), reason.as_str()), (1, "IDENTIFIER_DUPLICATE"));
    assert!(message.contains(&new), "the winner is named: {message}");
    let taken = scene.sandbox.record("Serial Number", &serial).await;
    assert_eq!((&taken.id, &taken.values["Device ID"]), (&record.id, &json!(new)));
    assert_eq!(scene.sandbox.records().await.len(), 20);

    // The same again: nothing is written, and the loser stays listed.
    scene.sandbox.forget_calls().await;
    let again = scene.sync(&import.mapping_id).await;
    assert_eq!(scene.sandbox.counters().await.writes(), 0);
    assert_eq!(counts(&again)[4], 20, "{again:#?}");
    assert_eq!(scene.caller.devices(&import.mapping_id, &[DeviceState::Rejected]).await.len(), 1);
}

#[tokio::test]
async fn rule_12_when_the_winner_goes_the_other_device_takes_its_record_over() {
    let scene = Scene::of(20).await;
    let devices = scene.sandbox.devices().await;
    let serial = text(&devices[5], "serial_number");
    let later = json!({"serial_number": serial, "last_enrollment": "2026-11-22 10:00:00+00:00"});
    let winner = scene.sandbox.add_device(later).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_eq!(counts(&import.sync), [21, 20, 0, 0, 0, 1, 0]);
    let record = scene.sandbox.record("Serial Number", &serial).await;
    assert_eq!(record.values["Device ID"], json!(winner));

    scene.sandbox.delete_device(&winner).await;
    let sync = scene.sync(&import.mapping_id).await;

    assert_succeeded(&sync);
    let taken = scene.sandbox.record("Serial Number", &serial).await;
    assert_eq!((&taken.id, &taken.values["Device ID"]), (&record.id, &devices[5]["device_id"]));
    scene.assert_each_device_once().await;
}

#[tokio::test]
async fn rule_12_swapped_identifiers_end_right_or_rejected_and_never_with_a_record_too_many() {
    let scene = Scene::of(20).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let devices = scene.sandbox.devices().await;
    let (one, other) = (&devices[3], &devices[9]);
    for (device, serial) in [(one, other), (other, one)] {
        let keys = json!({"serial_number": serial["serial_number"]});
        scene.sandbox.edit_device(&text(device, "device_id"), keys).await;
    }

    let sync = scene.sync(&import.mapping_id).await;
    let listed = rejected(&scene.caller, &sync).await;

    assert!(matches!(sync.state(), SyncState::Succeeded | SyncState::CompletedWithRejections), "{sync:#?}");
    assert!(listed.values().all(|(reason, _)| reason == "IDENTIFIER_TAKEN"), "{listed:#?}");
    let records = scene.sandbox.records().await;
    assert_eq!(records.len(), 20);
    for device in scene.sandbox.devices().await {
        if !listed.contains_key(&text(&device, "device_id")) {
            let record = scene.sandbox.record("Serial Number", &text(&device, "serial_number")).await;
            assert_eq!(record.values["Device ID"], device["device_id"]);
        }
    }
    // And it is the same the next time: nothing goes round in circles.
    scene.sync(&import.mapping_id).await;
    scene.sandbox.forget_calls().await;
    scene.sync(&import.mapping_id).await;
    assert_eq!(scene.sandbox.counters().await.writes(), 0);
    assert_eq!(scene.sandbox.records().await.len(), 20);
}

#[tokio::test]
async fn rule_12_a_device_whose_serial_number_changes_keeps_its_record() {
    let scene = Scene::of(20).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let device = scene.sandbox.devices().await[3].clone();
    let id = text(&device, "device_id");
    let record = scene.sandbox.record("Device ID", &id).await;
    scene.sandbox.edit_device(&id, json!({"serial_number": "EXMPLNEWBOARD"})).await;

    let sync = scene.sync(&import.mapping_id).await;

    assert_succeeded(&sync);
    let now = scene.sandbox.record("Device ID", &id).await;
    assert_eq!((&now.id, &now.values["Serial Number"]), (&record.id, &json!("EXMPLNEWBOARD")));
    scene.assert_each_device_once().await;
}
