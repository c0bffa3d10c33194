//! A fleet that shifts while it is read (rule 2): nothing that was there all along is missed or written twice.

use std::collections::{BTreeMap, BTreeSet};

use pandaport_api::v1::Sync;
use serde_json::{Value, json};

use crate::harness::installation::Installation;
use crate::harness::journey::{self, PATIENCE, create, import, mapping_of_all};
use crate::harness::proxy::{Instead, Proxy};
use crate::harness::sandbox::Sandbox;
use crate::harness::scene::{Scene, assert_each_device_once, assert_succeeded};
use crate::harness::truth::{Before, assert_truth, seed_others};

const DEVICES: u32 = 700;
/// Calls for a page of devices that the test of a connection makes.
const BY_THE_TEST: u64 = 1;

/// Who was there before a read.
async fn listed(scene: &Scene) -> BTreeSet<String> {
    scene.sandbox.devices().await.iter().map(|it| it["device_id"].as_str().unwrap().to_owned()).collect()
}

/// Every device that was there before the read and still is, is in the collection with its present OS version, and none
/// is there twice. Devices that came meanwhile may be there; those that went may be too: nothing is removed.
async fn assert_none_is_missed(scene: &Scene, before: &BTreeSet<String>, what: &str) {
    let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in scene.sandbox.records().await.into_iter().filter(|it| !it.by_hand) {
        let id = record.values["Device ID"].as_str().unwrap().to_owned();
        records.entry(id).or_default().push(record.values["OS Version"].clone());
    }
    let twice: Vec<_> = records.iter().filter(|(_, versions)| versions.len() > 1).collect();
    assert!(twice.is_empty(), "{what}: {twice:?}");
    for device in scene.sandbox.devices().await {
        let id = device["device_id"].as_str().unwrap();
        match records.get(id) {
            Some(versions) => assert_eq!(versions, &[device["os_version"].clone()], "{what}: {id}"),
            None => assert!(!before.contains(id), "{what}: {id} was missed"),
        }
    }
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
    seed_others(&scene.sandbox).await;
    let first = import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&first.sync);
    for (round, (what, shift)) in (1..).zip(shifts()) {
        scene.sandbox.change(15.0, round).await;
        scene.sandbox.add_device(json!({"count": 4})).await;
        let before = listed(&scene).await;
        scene.sandbox.faults(json!({ "kandji": shift })).await;

        let sync = scene.sync(&first.mapping_id).await;

        assert_succeeded(&sync);
        for switch in shift.as_object().unwrap().keys().filter(|it| *it != "page_cap") {
            assert!(scene.sandbox.struck(&format!("kandji.{switch}")).await > 0, "{what}: it never happened");
        }
        // Pages are asked for ahead: of two calls that overtake each other, a wrong answer may hit the first page. That is told.
        if sync.error.as_ref().is_none_or(|error| error.reason != "READ_INCOMPLETE") {
            assert_none_is_missed(&scene, &before, what).await;
        }
        scene.sandbox.heal().await;
        let before = Before::of(&scene.sandbox).await;
        assert_truth(&scene.sandbox, &before, &scene.sync(&first.mapping_id).await).await;
    }
}

#[tokio::test]
async fn rule_2_a_first_import_of_a_fleet_that_shrinks_and_grows_meanwhile_misses_nothing() {
    let scene = Scene::of(DEVICES).await;
    let shift = json!({
        "delete_between_pages": {"at": "before", "devices": 3, "count": 2},
        "add_between_pages": {"at": "page_end", "devices": 2, "after": 2},
    });
    let before = listed(&scene).await;
    scene.sandbox.faults(json!({ "kandji": shift })).await;

    let first = import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_succeeded(&first.sync);
    assert_none_is_missed(&scene, &before, "shrinking and growing").await;
}

#[tokio::test]
async fn rule_2_a_first_import_whose_pages_repeat_or_shrink_or_shift_misses_nothing() {
    for shift in [
        json!({"repeat_page_at": 2}),
        json!({"page_cap": 130}),
        json!({"delete_between_pages": {"at": "page_end", "count": 2}}),
        json!({"page_cap": 90, "add_between_pages": {"at": "before", "devices": 10, "count": 3}}),
    ] {
        let scene = Scene::of(DEVICES).await;
        let before = listed(&scene).await;
        scene.sandbox.faults(json!({ "kandji": shift })).await;
        let first = import(&scene.caller, &scene.sandbox, "serial_number").await;
        assert_succeeded(&first.sync);
        assert_none_is_missed(&scene, &before, &shift.to_string()).await;
        scene.sandbox.assert_no_violations().await;
    }
}

#[tokio::test]
async fn rule_2_an_empty_page_in_the_middle_is_no_end() {
    let scene = Scene::of(DEVICES).await;
    // After the second page so many devices go that the third offset lies past the end: an empty page where the
    // overlapped device was due. What is left was read on the first page.
    let shift = json!({"delete_between_pages": {"at": "after", "after": 2, "devices": 450}});
    let before = listed(&scene).await;
    scene.sandbox.faults(json!({ "kandji": shift })).await;

    let first = import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_succeeded(&first.sync);
    assert_eq!(scene.sandbox.devices().await.len(), 250);
    assert_none_is_missed(&scene, &before, "an empty page").await;
    let pages = scene.sandbox.counters().await.device_pages();
    assert!(pages > 3, "it looked again: {pages} pages");
}

/// A first import behind a proxy that answers one of its calls for a page by something else.
async fn import_behind(instead: Instead, nth: u64) -> (Sandbox, Sync) {
    let sandbox = Sandbox::start(DEVICES).await;
    let proxy = Proxy::start(&sandbox.ready.kandji_url, BY_THE_TEST + nth, instead).await;
    let hosts = format!("{},{}", sandbox.hosts(), proxy.url.trim_start_matches("http://"));
    let installation = Installation::new(&sandbox).with("PANDAPORT_ALLOWED_HOSTS", &hosts);
    let up = installation.up().await;
    let caller = up.caller();
    let mut settings = journey::connection(&sandbox);
    settings.kandji.as_mut().unwrap().base_url.clone_from(&proxy.url);
    let connection = caller.grpc.clone().configure_connection(settings).await.expect("it is accepted").into_inner();
    let connection_id = connection.connection.unwrap().connection_id;
    let mapping = mapping_of_all(&caller, &sandbox, &connection_id, "ITAM", "serial_number").await;
    assert_eq!(proxy.device_pages(), BY_THE_TEST, "calls that the connection's test makes");
    let created = create(&caller, &connection_id, mapping).await;
    let sync = caller.ended(&created.sync.unwrap().sync_id, PATIENCE).await;
    assert!(proxy.device_pages() >= BY_THE_TEST + nth);
    (sandbox, sync)
}

#[tokio::test]
async fn rule_2_a_page_that_is_empty_by_mistake_is_no_end() {
    let (sandbox, sync) = import_behind(Instead::Empty, 2).await;
    assert_succeeded(&sync);
    assert_each_device_once(&sandbox).await;
}

#[tokio::test]
async fn rule_2_a_page_that_is_answered_with_another_one_leaves_no_gap_that_is_not_told() {
    for (nth, offset) in [(1, 299), (2, 0), (2, 598), (3, 299)] {
        let (sandbox, sync) = import_behind(Instead::PageAt(offset), nth).await;
        let there = sandbox.records().await.len();
        let told = sync.error.as_ref().is_some_and(|error| error.reason == "READ_INCOMPLETE");
        assert!(
            there == 700 || told,
            "page {nth} was that at {offset}: {there} of 700 devices are there, and {sync:#?}"
        );
    }
}
