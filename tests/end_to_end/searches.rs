//! Look-ups that give more than was asked for, or not all at once (rules 3 and 12).

use serde_json::{Value, json};

use crate::harness::caller::counts;
use crate::harness::journey;
use crate::harness::scene::{Scene, assert_succeeded};

#[tokio::test]
async fn rule_3_a_search_that_gives_few_rows_at_a_time_still_finds_every_record() {
    let scene = Scene::of(60).await;
    let devices = scene.sandbox.devices().await;
    let seeds: Vec<Value> = devices.iter().map(|it| json!({"Serial Number": it["serial_number"]})).collect();
    scene.sandbox.seed_records(seeds.into()).await;
    scene.sandbox.faults(json!({"asset_panda": {"search_size_cap": 7}})).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_succeeded(&import.sync);
    assert_eq!(counts(&import.sync), [60, 0, 60, 0, 0, 0, 0]);
    scene.assert_each_device_once().await;
}

#[tokio::test]
async fn rule_3_a_loose_search_does_not_hide_the_true_record_behind_a_hundred_others() {
    let scene = Scene::of(20).await;
    let device = scene.sandbox.devices().await[4].clone();
    let serial = device["serial_number"].as_str().unwrap();
    let mut seeds: Vec<Value> = (0..230).map(|n| json!({"Serial Number": format!("{serial}-{n:03}")})).collect();
    seeds.push(json!({"Serial Number": serial, "Notes": "the true one"}));
    let ids = scene.sandbox.seed_records(seeds.into()).await;
    scene.sandbox.faults(json!({"asset_panda": {"loose_search": true, "total_in_search": false}})).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_succeeded(&import.sync);
    assert_eq!(counts(&import.sync), [20, 19, 1, 0, 0, 0, 0]);
    let adopted = scene.sandbox.record("Serial Number", serial).await;
    assert_eq!((Some(&adopted.id), &adopted.values["Device ID"]), (ids.last(), &device["device_id"]));
}

#[tokio::test]
async fn other_shapes_of_the_same_answers_are_understood() {
    let scene = Scene::of(60).await;
    let shapes = json!({
        "asset_panda": {"bare_lists": true, "wrap_values": true, "total_in_search": false, "flags_present": false},
        "kandji": {
            "plus_offset_timestamps": true, "users_page_size_ignored": true, "mixed_tenant_keys": true,
            "total_headers": true,
        },
    });
    scene.sandbox.faults(shapes).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_succeeded(&import.sync);
    scene.assert_every_value_is_right().await;
    scene.sandbox.forget_calls().await;
    let full = scene.full_sync(&import.mapping_id).await;
    assert_eq!(counts(&full), [60, 0, 0, 0, 60, 0, 0]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0);
}
