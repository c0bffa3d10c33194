//! The contract's example devices, value by value: what should be there is there and right, the rest is listed.

use std::collections::BTreeMap;

use pandaport_api::v1::{DeviceState, RecordOutcome, SyncState};
use serde_json::{Value, json};

use crate::harness::caller::counts;
use crate::harness::expected::{Columns, active_users, records};
use crate::harness::journey::{self, PATIENCE, connect, create, mapping_of_all, rejected};
use crate::harness::scene::{Scene, assert_succeeded, assert_values};

const DEVICES: &str = include_str!("../../services/sandbox/examples/devices.json");
const VARIANTS: &str = include_str!("../../services/sandbox/examples/devices-defensive-variants.json");
const MIXED: &str = include_str!("../../services/sandbox/examples/devices-mixed-tenant.json");
const USERS: [&str; 2] = [
    include_str!("../../services/sandbox/examples/users-page1.json"),
    include_str!("../../services/sandbox/examples/users-page2.json"),
];

/// Two devices with serial number EXMPL0MAC002: the older record, and the one enrolled later.
const OLDER: &str = "ff53a46f-5ead-403a-84c4-b877678537a3";
const LATER: &str = "8f39aaa5-729a-453c-b891-da33e83a9d40";
/// The variant without a serial number.
const WITHOUT_SERIAL: &str = "adff32f5-35dd-4954-a7f8-022a4eedef2a";

fn devices_of(files: &[&str]) -> Vec<Value> {
    files.iter().flat_map(|text| serde_json::from_str::<Vec<Value>>(text).expect("a list of devices")).collect()
}

/// Who is active, as Kandji's `/users` says; for those in the example pages held against these.
async fn active(scene: &Scene) -> BTreeMap<String, bool> {
    let served = active_users(&scene.sandbox.user_pages().await);
    let pages: Vec<Value> = USERS.iter().map(|text| serde_json::from_str(text).expect("a page of users")).collect();
    for (id, is_active) in active_users(&pages) {
        assert_eq!(served.get(&id), Some(&is_active), "user {id}");
    }
    served
}

#[tokio::test]
async fn by_serial_number_every_device_has_all_26_values_right_and_the_rest_is_listed_with_reasons() {
    let scene = Scene::of(0).await;
    scene.sandbox.examples(&["devices", "devices-defensive-variants"]).await;
    let devices = devices_of(&[DEVICES, VARIANTS]);
    assert_eq!(devices.len(), 25);

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_eq!(import.sync.state(), SyncState::CompletedWithRejections, "{:#?}", import.sync);
    assert_eq!(counts(&import.sync), [25, 23, 0, 0, 0, 2, 0]);
    let wanted = records(&devices, &active(&scene).await, Columns::Typed, &[OLDER, WITHOUT_SERIAL]);
    assert_eq!(wanted.len(), 23);
    assert_values(&scene.sandbox.records().await, &wanted);

    let rejected = rejected(&scene.caller, &import.sync).await;
    let reasons: Vec<(&str, &str)> = rejected.iter().map(|(id, (reason, _))| (id.as_str(), reason.as_str())).collect();
    assert_eq!(reasons, [(WITHOUT_SERIAL, "IDENTIFIER_EMPTY"), (OLDER, "IDENTIFIER_DUPLICATE")]);
    assert!(rejected[OLDER].1.contains(LATER), "the winner is named: {}", rejected[OLDER].1);
    let listed = scene.caller.devices(&import.mapping_id, &[DeviceState::Rejected]).await;
    let listed: BTreeMap<_, _> = listed.into_iter().map(|it| (it.device_id, (it.reason, it.message))).collect();
    assert_eq!(listed, rejected);
    assert_eq!(scene.caller.devices(&import.mapping_id, &[DeviceState::Current]).await.len(), 23);

    scene.sandbox.forget_calls().await;
    let full = scene.full_sync(&import.mapping_id).await;
    assert_eq!(full.state(), SyncState::CompletedWithRejections, "{full:#?}");
    assert_eq!(counts(&full), [25, 0, 0, 0, 23, 2, 0]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0, "a FULL sync right after an import writes nothing");
    scene.sandbox.assert_no_violations().await;
}

#[tokio::test]
async fn by_device_id_into_text_columns_every_device_has_all_26_values_right() {
    let scene = Scene::of(0).await;
    scene.sandbox.examples(&["devices", "devices-defensive-variants"]).await;
    // Two devices share a serial number, which is no hindrance here.
    scene.sandbox.faults(json!({"asset_panda": {"enforce_unique": false}})).await;
    let devices = devices_of(&[DEVICES, VARIANTS]);

    let connection_id = connect(&scene.caller, &scene.sandbox).await;
    let mapping = mapping_of_all(&scene.caller, &scene.sandbox, &connection_id, "All Text", "device_id").await;
    let created = create(&scene.caller, &connection_id, mapping).await;
    let mapping_id = created.mapping.unwrap().mapping_id;
    let sync = scene.caller.ended(&created.sync.unwrap().sync_id, PATIENCE).await;

    assert_succeeded(&sync);
    assert_eq!(counts(&sync), [25, 25, 0, 0, 0, 0, 0]);
    let wanted = records(&devices, &active(&scene).await, Columns::Text, &[]);
    assert_values(&scene.sandbox.records_of("All Text").await, &wanted);

    scene.sandbox.forget_calls().await;
    let full = scene.full_sync(&mapping_id).await;
    assert_eq!(counts(&full), [25, 0, 0, 0, 25, 0, 0]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0, "a FULL sync right after an import writes nothing");
}

#[tokio::test]
async fn a_value_that_another_column_keeps_unique_rejects_its_device_in_the_servers_words() {
    let scene = Scene::of(0).await;
    scene.sandbox.examples(&["devices"]).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "device_id").await;

    assert_eq!(import.sync.state(), SyncState::CompletedWithRejections, "{:#?}", import.sync);
    assert_eq!(counts(&import.sync), [14, 13, 0, 0, 0, 1, 0]);
    let rejected = rejected(&scene.caller, &import.sync).await;
    let (device, (_, message)) = rejected.first_key_value().expect("one device");
    assert!([OLDER, LATER].contains(&device.as_str()));
    assert!(message.contains("Serial Number must be unique"), "{message}");
}

#[tokio::test]
async fn the_devices_of_a_tenant_with_windows_and_android_arrive_too() {
    let scene = Scene::of(0).await;
    scene.sandbox.examples(&["devices-mixed-tenant"]).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "device_id").await;

    assert_succeeded(&import.sync);
    assert_eq!(counts(&import.sync), [4, 4, 0, 0, 0, 0, 0]);
    let wanted = records(&devices_of(&[MIXED]), &active(&scene).await, Columns::Typed, &[]);
    assert_values(&scene.sandbox.records().await, &wanted);
}

#[tokio::test]
async fn values_that_come_back_in_another_form_are_written_at_most_once_more_and_then_never_again() {
    let scene = Scene::of(0).await;
    scene.sandbox.examples(&["devices"]).await;
    scene.sandbox.faults(json!({"asset_panda": {"trim_text_and_reformat_dates": true, "wrap_values": true}})).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_eq!(counts(&import.sync), [14, 13, 0, 0, 0, 1, 0]);

    let second = scene.full_sync(&import.mapping_id).await;
    assert_eq!(second.state(), SyncState::CompletedWithRejections, "{second:#?}");
    let updates = scene.sandbox.records().await.iter().map(|it| it.updates).max();
    assert!(updates <= Some(1), "{updates:?}");

    scene.sandbox.forget_calls().await;
    let third = scene.full_sync(&import.mapping_id).await;
    assert_eq!(counts(&third), [14, 0, 0, 0, 13, 1, 0]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0);
}

#[tokio::test]
async fn a_device_that_can_not_be_read_is_listed_and_does_not_stop_the_others() {
    let scene = Scene::of(20).await;
    let odd = scene.sandbox.add_device(json!({"last_enrollment": "the day before yesterday"})).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_eq!(import.sync.state(), SyncState::CompletedWithRejections, "{:#?}", import.sync);
    assert_eq!(counts(&import.sync), [21, 20, 0, 0, 0, 1, 0]);
    let rejected = rejected(&scene.caller, &import.sync).await;
    let (reason, message) = &rejected[&odd];
    assert_eq!(reason, "UNREADABLE");
    assert!(message.contains("last_enrollment"), "the field is named: {message}");
}

#[tokio::test]
async fn entries_of_the_list_that_are_no_devices_are_counted_and_listed_and_do_not_stop_the_others() {
    let scene = Scene::of(20).await;
    let odd = json!([null, "a text", 7, {}, {"device_id": "", "serial_number": "EXMPLODD0001"}, [1, 2]]);
    scene.sandbox.add_device(odd).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_eq!(import.sync.state(), SyncState::CompletedWithRejections, "{:#?}", import.sync);
    assert_eq!(counts(&import.sync), [26, 20, 0, 0, 0, 6, 0]);
    let rejected = scene.caller.records(&import.sync.sync_id, &[RecordOutcome::Rejected]).await;
    let reasons: Vec<&str> = rejected.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, ["UNREADABLE"; 6], "{rejected:#?}");
    assert_eq!(scene.sandbox.records().await.len(), 20);

    let again = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&again), [26, 0, 0, 0, 20, 6, 0]);
}

#[tokio::test]
async fn an_identifier_that_comes_back_without_its_spaces_is_still_the_devices_own() {
    let scene = Scene::of(10).await;
    scene.sandbox.add_device(json!({"serial_number": " EXMPL SPACED ", "model": " odd model "})).await;
    scene.sandbox.faults(json!({"asset_panda": {"trim_text_and_reformat_dates": true}})).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&import.sync);
    assert_eq!(scene.sandbox.records().await.len(), 11);

    assert_succeeded(&scene.full_sync(&import.mapping_id).await);
    scene.sandbox.forget_calls().await;
    let third = scene.full_sync(&import.mapping_id).await;
    assert_succeeded(&third);
    assert_eq!(counts(&third), [11, 0, 0, 0, 11, 0, 0]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0);
    assert_eq!(scene.sandbox.records().await.len(), 11);
}
