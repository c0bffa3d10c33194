//! Rule 9 at whole syncs: when a pair's value is written.

use std::collections::BTreeMap;
use std::time::Duration;

use pandaport_import::{SourceField, WriteRule};
use pandaport_store::syncs::{Mode, Sync, SyncState};
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::World;

const HOUR: Duration = Duration::from_secs(3600);
const UPDATES: &str = "PUT /collection-records";

/// The model and, as a passenger, the last check-in.
fn model_and_check_in(field: SourceField) -> Option<WriteRule> {
    matches!(field, SourceField::Model | SourceField::LastCheckIn).then(|| WriteRule::default_for(field))
}

async fn check_in(world: &World) {
    world.control(Method::POST, "/fleet/check-ins", Some(json!({}))).await;
}

fn succeeded(sync: &Sync) {
    assert_eq!(sync.state, SyncState::Succeeded, "{sync:?}");
}

/// When each device checked in last, by its id.
async fn check_ins(world: &World) -> BTreeMap<String, Value> {
    let text = |device: &Value| device["device_id"].as_str().unwrap().to_owned();
    world.fleet().await.iter().map(|device| (text(device), device["last_check_in"].clone())).collect()
}

/// `DEVICES=10000` tries it on a larger fleet.
#[tokio::test(flavor = "multi_thread")]
async fn rule_9_check_ins_alone_cost_no_write_within_the_day_and_one_call_per_five_devices_after_it() {
    let devices: u32 = std::env::var("DEVICES").ok().and_then(|it| it.parse().ok()).unwrap_or(1_000);
    let world = World::ruled(devices, model_and_check_in).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let before = check_ins(&world).await;
    let imported = world.calls(UPDATES).await;
    for hours in [1, 10, 12] {
        world.clock.pass(HOUR * hours);
        check_in(&world).await;
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        assert_eq!(sync.counts.unchanged, i64::from(devices), "{sync:?}");
        assert_eq!(sync.calls_asset_panda, 1, "the columns, and nothing else");
    }
    assert_eq!(world.calls(UPDATES).await, imported);
    // Lost devices don't check in.
    let moved = check_ins(&world).await.iter().filter(|(id, at)| before[*id] != **at).count() as u64;
    assert!(moved > u64::from(devices) * 9 / 10, "{moved}");
    // A day, and the fifth of one over which the fleet is spread.
    world.clock.pass(HOUR * 6);
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!(sync.counts.updated as u64, moved, "{sync:?}");
    assert_eq!(world.calls(UPDATES).await - imported, moved.div_ceil(5));
    // The day begins anew with that write.
    check_in(&world).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.counts.unchanged, i64::from(devices), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_9_passengers_alone_take_at_most_their_share_of_a_window() {
    let mut world = World::ruled(30, model_and_check_in).await;
    succeeded(&world.sync(Mode::Incremental).await);
    world.stop().await;
    world.passenger_cap = 10;
    world.start().await;
    world.clock.pass(HOUR * 29);
    for device in world.fleet().await {
        world.edit(&device["device_id"], json!({"last_check_in": "2027-01-01T00:00:00.000000Z"})).await;
    }
    // One that is written for another reason, behind those that fill the share.
    let last = world.fleet().await.pop().unwrap();
    world.edit(&last["device_id"], json!({"model": "Another"})).await;
    let mut updated = Vec::new();
    for mode in [Mode::Incremental, Mode::Full, Mode::Incremental] {
        let sync = world.sync(mode).await;
        succeeded(&sync);
        updated.push(sync.counts.updated);
    }
    assert_eq!(updated, [11, 10, 9], "ten each time, and the one that changed besides");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_9_a_passenger_goes_along_with_another_change() {
    let world = World::ruled(5, model_and_check_in).await;
    succeeded(&world.sync(Mode::Incremental).await);
    check_in(&world).await;
    let device = world.fleet().await.pop().unwrap();
    let serial = device["serial_number"].as_str().unwrap().to_owned();
    let seen = world.column(SourceField::LastCheckIn);
    let before = world.values(&serial).await[&seen].clone();
    world.edit(&device["device_id"], json!({"model": "Another"})).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.counts.updated, sync.counts.unchanged), (1, 4), "{sync:?}");
    let after = world.values(&serial).await;
    assert_eq!(after[&world.column(SourceField::Model)], json!("Another"));
    assert_ne!(after[&seen], before, "the check-in went along");
}

/// The asset tag under that rule; the name is written whenever it differs.
async fn tags(devices: u32, rule: WriteRule) -> World {
    World::ruled(devices, |field| match field {
        SourceField::AssetTag => Some(rule),
        SourceField::DeviceName => Some(WriteRule::Trigger),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_9_fill_only_fills_what_is_empty_where_the_record_was_read_and_overwrites_nothing() {
    let world = tags(4, WriteRule::FillOnly).await;
    let (tag, serial_column) = (world.column(SourceField::AssetTag), world.column(SourceField::SerialNumber));
    let fleet = world.fleet().await;
    for device in &fleet {
        world.edit(&device["device_id"], json!({"asset_tag": "KANDJI"})).await;
    }
    let serials: Vec<&str> = fleet.iter().map(|it| it["serial_number"].as_str().unwrap()).collect();
    let records = json!([{ &serial_column: serials[0], &tag: "BY HAND" }, { &serial_column: serials[1] }]);
    let seed = json!({"collection_id": world.sandbox.ready().collection_id, "records": records});
    world.control(Method::POST, "/records", Some(seed)).await;

    let first = world.sync(Mode::Incremental).await;
    assert_eq!((first.counts.adopted, first.counts.created), (2, 2), "{first:?}");
    assert_eq!(world.values(serials[0]).await[&tag], json!("BY HAND"), "adopted: what is there stays");
    assert_eq!(world.values(serials[1]).await[&tag], json!("KANDJI"), "adopted: what is empty is filled");
    assert_eq!(world.values(serials[2]).await[&tag], json!("KANDJI"), "created with it");

    // Another value in Kandji; a column emptied by hand; a change of another column, whose record is not read for it.
    world.edit(&fleet[1]["device_id"], json!({"asset_tag": "KANDJI 2"})).await;
    let records = world.records(first.sync_id).await;
    let of = |serial| records.iter().find(|it| it.identifier.as_deref() == Some(serial)).unwrap();
    let path = format!("/records/{}", of(serials[2]).record_id.as_deref().unwrap());
    world.control(Method::PATCH, &path, Some(json!({ &tag: null }))).await;
    world.edit(&fleet[2]["device_id"], json!({"device_name": "Another"})).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.counts.updated, sync.counts.unchanged), (1, 3), "{sync:?}");
    assert_eq!(world.values(serials[1]).await[&tag], json!("KANDJI"), "not overwritten");
    assert!(world.values(serials[2]).await[&tag].is_null(), "not decided without the record");
    let full = world.sync(Mode::Full).await;
    assert_eq!((full.counts.updated, full.counts.unchanged), (1, 3), "{full:?}");
    assert_eq!(world.values(serials[1]).await[&tag], json!("KANDJI"), "not overwritten");
    assert_eq!(world.values(serials[2]).await[&tag], json!("KANDJI"), "read, found empty, filled");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_9_create_only_is_written_when_we_create_the_record_and_never_again() {
    let world = tags(2, WriteRule::CreateOnly).await;
    let (tag, serial_column) = (world.column(SourceField::AssetTag), world.column(SourceField::SerialNumber));
    let fleet = world.fleet().await;
    for device in &fleet {
        world.edit(&device["device_id"], json!({"asset_tag": "KANDJI"})).await;
    }
    let serials: Vec<&str> = fleet.iter().map(|it| it["serial_number"].as_str().unwrap()).collect();
    let records = json!([{ &serial_column: serials[0] }]);
    let seed = json!({"collection_id": world.sandbox.ready().collection_id, "records": records});
    world.control(Method::POST, "/records", Some(seed)).await;
    let first = world.sync(Mode::Incremental).await;
    assert_eq!((first.counts.adopted, first.counts.created), (1, 1), "{first:?}");
    assert!(world.values(serials[0]).await[&tag].is_null(), "an adopted record is not ours to fill");
    assert_eq!(world.values(serials[1]).await[&tag], json!("KANDJI"));

    world.edit(&fleet[1]["device_id"], json!({"asset_tag": "KANDJI 2"})).await;
    let records = world.records(first.sync_id).await;
    let created = records.iter().find(|it| it.identifier.as_deref() == Some(serials[1])).unwrap();
    let path = format!("/records/{}", created.record_id.as_deref().unwrap());
    world.control(Method::PATCH, &path, Some(json!({ &tag: "BY HAND" }))).await;
    for mode in [Mode::Incremental, Mode::Full] {
        let sync = world.sync(mode).await;
        assert_eq!((sync.counts.unchanged, sync.counts.drifted), (2, 0), "{sync:?}");
    }
    assert_eq!(world.values(serials[1]).await[&tag], json!("BY HAND"));
}
