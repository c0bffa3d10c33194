//! A fleet that shifts while it is read (rule 2): nothing that was there all along is missed or written twice.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::journey::import;
use crate::harness::scene::{Scene, assert_succeeded};

const DEVICES: u32 = 700;

/// Every device of the fleet is in the collection once, with its present OS version. Devices that were read and then
/// went are there too: nothing is removed.
async fn assert_none_is_missed(scene: &Scene, what: &str) {
    let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in scene.sandbox.records().await {
        let id = record.values["Device ID"].as_str().unwrap().to_owned();
        records.entry(id).or_default().push(record.values["OS Version"].clone());
    }
    for device in scene.sandbox.devices().await {
        let id = device["device_id"].as_str().unwrap();
        let versions = records.get(id).unwrap_or_else(|| panic!("{what}: {id} was missed"));
        assert_eq!(versions, &[device["os_version"].clone()], "{what}: {id}");
    }
    let twice: Vec<_> = records.iter().filter(|(_, versions)| versions.len() > 1).collect();
    assert!(twice.is_empty(), "{what}: {twice:?}");
}

/// What happens to the fleet, or to its pages, during a read.
fn shifts() -> Vec<(&'static str, Value)> {
    vec![
        ("a device before the cursor goes", json!({"delete_between_pages": {"at": "before"}})),
        ("the last device of a page goes", json!({"delete_between_pages": {"at": "page_end"}})),
        ("the last devices of two pages go", json!({"delete_between_pages": {"at": "page_end", "count": 2}})),
        ("twenty devices before the cursor go", json!({"delete_between_pages": {"at": "before", "devices": 20}})),
        ("a device comes before the cursor", json!({"add_between_pages": {"at": "before"}})),
        ("a device comes at the end of a page", json!({"add_between_pages": {"at": "page_end"}})),
        ("a device comes at the end", json!({"add_between_pages": {"at": "after"}})),
        ("forty devices come before the cursor", json!({"add_between_pages": {"at": "before", "devices": 40}})),
        ("a page is answered with the one before it", json!({"repeat_page_at": 2})),
        ("pages are shorter than asked for", json!({"page_cap": 130})),
        (
            "pages are shorter, and devices go",
            json!({"page_cap": 90, "delete_between_pages": {"count": 3, "after": 2}}),
        ),
    ]
}

#[tokio::test]
async fn rule_2_a_fleet_that_shifts_while_it_is_read_is_read_completely() {
    let scene = Scene::of(DEVICES).await;
    let first = import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&first.sync);
    for (round, (what, shift)) in (1..).zip(shifts()) {
        scene.sandbox.change(15.0, round).await;
        scene.sandbox.add_device(json!({"count": 4})).await;
        scene.sandbox.faults(json!({ "kandji": shift })).await;

        let sync = scene.sync(&first.mapping_id).await;

        assert_succeeded(&sync);
        assert_none_is_missed(&scene, what).await;
        scene.sandbox.heal().await;
    }
    scene.sandbox.assert_no_violations().await;
}

#[tokio::test]
async fn rule_2_a_first_import_of_a_fleet_that_shrinks_and_grows_meanwhile_misses_nothing() {
    let scene = Scene::of(DEVICES).await;
    let shift = json!({
        "delete_between_pages": {"at": "before", "devices": 3, "count": 2},
        "add_between_pages": {"at": "page_end", "devices": 2, "after": 2},
    });
    scene.sandbox.faults(json!({ "kandji": shift })).await;

    let first = import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_succeeded(&first.sync);
    assert_none_is_missed(&scene, "shrinking and growing").await;
}

#[tokio::test]
async fn rule_2_an_empty_page_in_the_middle_is_no_end() {
    let scene = Scene::of(DEVICES).await;
    // After the second page so many devices go that the third offset lies past the end: an empty page where the
    // overlapped device was due. What is left was read on the first page.
    let shift = json!({"delete_between_pages": {"at": "after", "after": 2, "devices": 450}});
    scene.sandbox.faults(json!({ "kandji": shift })).await;

    let first = import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_succeeded(&first.sync);
    assert_eq!(scene.sandbox.devices().await.len(), 250);
    assert_none_is_missed(&scene, "an empty page").await;
    let pages = scene.sandbox.counters().await.device_pages();
    assert!(pages > 3, "it looked again: {pages} pages");
}
