//! Records that are there already, and what people do to records by hand (rules 8, 12 and 13).

use pandaport_api::v1::{RecordOutcome, SyncState};
use serde_json::{Value, json};

use crate::harness::caller::counts;
use crate::harness::journey::{self, rejected};
use crate::harness::scene::{Scene, assert_succeeded};

fn text(device: &Value, key: &str) -> String {
    device[key].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn rule_12_records_made_by_hand_are_adopted_and_written_where_they_differ() {
    let scene = Scene::of(30).await;
    let devices = scene.sandbox.devices().await;
    let tagless = devices.iter().position(|it| it["asset_tag"] == "").expect("a device without an asset tag");
    let other = if tagless == 3 { 4 } else { 3 };
    let ids = scene
        .sandbox
        .seed_records(json!([
            {"Serial Number": text(&devices[other], "serial_number"), "OS Version": "1.0", "Notes": "bought second-hand"},
            {"Serial Number": text(&devices[tagless], "serial_number"), "Asset Tag": "HAND-7"},
            {"Serial Number": "SOMEBODYELSES", "Notes": "a projector"},
        ]))
        .await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_succeeded(&import.sync);
    assert_eq!(counts(&import.sync), [30, 28, 2, 0, 0, 0, 0]);
    let records = scene.sandbox.records().await;
    assert_eq!(records.len(), 31);
    let by_id = |id: &str| records.iter().find(|it| it.id == id).unwrap();
    let first = by_id(&ids[0]);
    assert_eq!(first.values["OS Version"], devices[other]["os_version"]);
    assert_eq!(first.values["Device ID"], devices[other]["device_id"]);
    assert_eq!(first.values["Notes"], "bought second-hand");
    // An empty field clears only what we wrote ourselves; it is listed as a difference.
    assert_eq!(by_id(&ids[1]).values["Asset Tag"], "HAND-7");
    let adopted = scene.caller.records(&import.sync.sync_id, &[RecordOutcome::Adopted]).await;
    let listed = adopted.iter().find(|it| it.record_id == ids[1]).expect("the adoption is listed");
    assert!(listed.changes.iter().any(|it| it.source_field == "asset_tag"), "{listed:#?}");
    assert_eq!(by_id(&ids[2]).values.len(), 2, "a record of no device is left alone");

    scene.sandbox.forget_calls().await;
    let full = scene.full_sync(&import.mapping_id).await;
    assert_eq!(counts(&full), [30, 0, 0, 0, 30, 0, 0]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0);
}

#[tokio::test]
async fn rule_8_an_empty_field_clears_a_value_that_we_wrote() {
    let scene = Scene::of(10).await;
    let device = scene.sandbox.devices().await[2].clone();
    let id = text(&device, "device_id");
    scene.sandbox.edit_device(&id, json!({"asset_tag": "AP-1", "user": {"id": "u-1", "email": "a@example.com", "name": "A", "is_archived": false}})).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let record = scene.sandbox.record("Device ID", &id).await;
    assert_eq!((&record.values["Asset Tag"], &record.values["User Is Archived"]), (&json!("AP-1"), &json!(false)));

    scene.sandbox.edit_device(&id, json!({"asset_tag": null, "user": ""})).await;
    let sync = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&sync), [10, 0, 0, 1, 9, 0, 0]);
    let record = scene.sandbox.record("Device ID", &id).await;
    for column in ["Asset Tag", "User ID", "User Email", "User Name", "User Is Archived"] {
        let value = record.values.get(column).cloned().unwrap_or_default();
        assert!(value.is_null() || value == "", "{column} is {value}");
    }

    // A key that is absent is unknown: what is there stays.
    scene.sandbox.edit_device(&id, json!({"$remove": ["model", "is_missing"], "os_version": "99.9"})).await;
    let sync = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&sync), [10, 0, 0, 1, 9, 0, 0]);
    let record = scene.sandbox.record("Device ID", &id).await;
    assert_eq!(record.values["OS Version"], "99.9");
    assert_eq!((&record.values["Model"], &record.values["Is Missing"]), (&device["model"], &device["is_missing"]));
}

#[tokio::test]
async fn rule_13_a_full_sync_repairs_what_was_edited_and_makes_anew_what_was_deleted_by_hand() {
    let scene = Scene::of(40).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let records = scene.sandbox.records().await;
    scene.sandbox.edit_record(&records[3].id, json!({"Model": "edited", "Is Missing": null, "Notes": "mine"})).await;
    scene.sandbox.edit_record(&records[4].id, json!({"Notes": "only a note"})).await;
    scene.sandbox.delete_record(&records[5].id).await;

    scene.sandbox.forget_calls().await;
    let incremental = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&incremental), [40, 0, 0, 0, 40, 0, 0], "an incremental sync does not look");
    assert_eq!(scene.sandbox.counters().await.writes(), 0);

    let full = scene.full_sync(&import.mapping_id).await;
    assert_succeeded(&full);
    assert_eq!(counts(&full), [40, 1, 0, 1, 38, 0, 0]);
    let repaired = scene.sandbox.record("Serial Number", records[3].values["Serial Number"].as_str().unwrap()).await;
    assert_eq!(repaired.values["Model"], records[3].values["Model"]);
    assert_eq!(repaired.values["Is Missing"], records[3].values["Is Missing"]);
    assert_eq!(repaired.values["Notes"], "mine");
    scene.assert_each_device_once().await;

    scene.sandbox.forget_calls().await;
    let again = scene.full_sync(&import.mapping_id).await;
    assert_eq!(counts(&again), [40, 0, 0, 0, 40, 0, 0]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0);
}

#[tokio::test]
async fn rule_13_an_update_of_a_record_that_was_deleted_by_hand_makes_it_anew() {
    let scene = Scene::of(20).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let device = scene.sandbox.devices().await[6].clone();
    let record = scene.sandbox.record("Serial Number", &text(&device, "serial_number")).await;
    scene.sandbox.delete_record(&record.id).await;
    scene.sandbox.edit_device(&text(&device, "device_id"), json!({"os_version": "99.1"})).await;

    let sync = scene.sync(&import.mapping_id).await;

    assert_succeeded(&sync);
    assert_eq!(counts(&sync), [20, 1, 0, 0, 19, 0, 0]);
    scene.assert_each_device_once().await;
}

#[tokio::test]
async fn rule_12_ambiguous_and_near_matches_are_rejected_and_nothing_is_created_for_them() {
    let scene = Scene::of(20).await;
    let devices = scene.sandbox.devices().await;
    let (twice, near, spaced) = (&devices[1], &devices[2], &devices[3]);
    let serial = |device: &Value| text(device, "serial_number");
    let ids = scene
        .sandbox
        .seed_records(json!([
            {"Serial Number": serial(twice), "Notes": "one"},
            {"Serial Number": serial(twice), "Notes": "other"},
            {"Serial Number": serial(near).to_lowercase()},
            {"Serial Number": format!(" {} ", serial(spaced))},
        ]))
        .await;
    // Matching as loosely as a search engine may.
    scene.sandbox.faults(json!({"asset_panda": {"loose_search": true}})).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_eq!(import.sync.state(), SyncState::CompletedWithRejections, "{:#?}", import.sync);
    assert_eq!(counts(&import.sync), [20, 17, 0, 0, 0, 3, 0]);
    let rejected = rejected(&scene.caller, &import.sync).await;
    let (reason, message) = &rejected[&text(twice, "device_id")];
    assert_eq!(reason, "IDENTIFIER_AMBIGUOUS");
    assert!(message.contains(&ids[0]) && message.contains(&ids[1]), "{message}");
    let (reason, message) = &rejected[&text(near, "device_id")];
    assert_eq!(reason, "IDENTIFIER_NEAR_MATCH");
    assert!(message.contains(&serial(near)) && message.contains(&serial(near).to_lowercase()), "{message}");
    assert_eq!(rejected[&text(spaced, "device_id")].0, "IDENTIFIER_NEAR_MATCH");
    assert_eq!(scene.sandbox.records().await.len(), 4 + 17);

    // Put right by hand, they are taken up by the next sync.
    scene.sandbox.delete_record(&ids[1]).await;
    scene.sandbox.edit_record(&ids[2], json!({"Serial Number": serial(near)})).await;
    let sync = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&sync), [20, 0, 2, 0, 17, 1, 0], "{sync:#?}");
}

#[tokio::test]
async fn rule_12_a_device_enrolled_anew_under_another_id_takes_its_record_over() {
    let scene = Scene::of(20).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let old = scene.sandbox.devices().await[8].clone();
    let record = scene.sandbox.record("Device ID", &text(&old, "device_id")).await;
    scene.sandbox.delete_device(&text(&old, "device_id")).await;
    let new = scene.sandbox.add_device(json!({"serial_number": text(&old, "serial_number")})).await;

    let sync = scene.sync(&import.mapping_id).await;

    assert_succeeded(&sync);
    assert_eq!(counts(&sync)[1], 0, "nothing is created: {sync:#?}");
    let taken_over = scene.sandbox.record("Serial Number", &text(&old, "serial_number")).await;
    assert_eq!((taken_over.id, &taken_over.values["Device ID"]), (record.id, &json!(new)));
    scene.assert_each_device_once().await;
}
