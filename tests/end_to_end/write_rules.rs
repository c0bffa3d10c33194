//! When a pair's column is written (rule 9).

use pandaport_api::v1::WriteRule;
use serde_json::json;

use crate::harness::journey::{PATIENCE, connect, create, mapping_of_all};
use crate::harness::scene::{Scene, assert_succeeded};

#[tokio::test]
async fn rule_9_fill_only_and_create_only_columns_are_left_to_people() {
    let scene = Scene::of(20).await;
    let device = scene.sandbox.devices().await[3].clone();
    let id = device["device_id"].as_str().unwrap();
    scene.sandbox.edit_device(id, json!({"asset_tag": "AP-1", "device_name": "first name"})).await;
    let there = scene.sandbox.devices().await[4].clone();
    scene.sandbox.edit_device(there["device_id"].as_str().unwrap(), json!({"asset_tag": "AP-2"})).await;
    scene.sandbox.seed_records(json!([{"Serial Number": there["serial_number"], "Asset Tag": "HAND-2"}])).await;
    let connection_id = connect(&scene.caller, &scene.sandbox).await;
    let mut mapping = mapping_of_all(&scene.caller, &scene.sandbox, &connection_id, "ITAM", "serial_number").await;
    for pair in &mut mapping.fields {
        match pair.source_field.as_str() {
            "asset_tag" => pair.set_write_rule(WriteRule::FillOnly),
            "device_name" => pair.set_write_rule(WriteRule::CreateOnly),
            _ => {}
        }
    }
    let created = create(&scene.caller, &connection_id, mapping).await;
    let mapping_id = created.mapping.unwrap().mapping_id;
    assert_succeeded(&scene.caller.ended(&created.sync.unwrap().sync_id, PATIENCE).await);
    let record = scene.sandbox.record("Device ID", id).await;
    assert_eq!((&record.values["Asset Tag"], &record.values["Device Name"]), (&json!("AP-1"), &json!("first name")));
    let adopted = scene.sandbox.record("Serial Number", there["serial_number"].as_str().unwrap()).await;
    assert_eq!(adopted.values["Asset Tag"], "HAND-2", "it is not empty");

    let change = json!({"asset_tag": "AP-9", "device_name": "second name", "os_version": "99.1"});
    scene.sandbox.edit_device(id, change).await;
    assert_succeeded(&scene.sync(&mapping_id).await);
    assert_succeeded(&scene.full_sync(&mapping_id).await);

    let record = scene.sandbox.record("Device ID", id).await;
    assert_eq!(record.values["OS Version"], "99.1");
    assert_eq!((&record.values["Asset Tag"], &record.values["Device Name"]), (&json!("AP-1"), &json!("first name")));
}
