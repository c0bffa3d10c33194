//! Rule 13: what somebody did in Asset Panda is repaired by a FULL sync, and told.

use std::time::Duration;

use pandaport_store::records::{RecordOutcome, SyncRecord};
use pandaport_store::syncs::{Mode, SyncState};
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::World;

async fn writes(world: &World) -> u64 {
    let counters = world.counters().await;
    let calls = |path: &str| counters["asset_panda"]["by_path"][path].as_u64().unwrap_or(0);
    calls("POST /collection-records") + calls("PUT /collection-records")
}

async fn edit(world: &World, record: &SyncRecord, values: Value) {
    let path = format!("/records/{}", record.record_id.as_deref().unwrap());
    world.control(Method::PATCH, &path, Some(values)).await;
}

async fn delete(world: &World, record: &SyncRecord) {
    let path = format!("/records/{}", record.record_id.as_deref().unwrap());
    world.control(Method::DELETE, &path, None).await;
}

fn of<'a>(records: &'a [SyncRecord], device: &SyncRecord) -> &'a SyncRecord {
    records.iter().find(|it| it.device_id == device.device_id).expect("it has a record in this sync")
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_full_sync_tells_what_was_edited_and_deleted_and_that_it_was_repaired() {
    let world = World::of(9).await;
    let first = world.sync(Mode::Incremental).await;
    let devices = world.records(first.sync_id).await;
    let columns = &world.sandbox.ready().columns;
    let (model, platform) = (columns["Model"].clone(), columns["Platform"].clone());
    edit(&world, &devices[0], json!({ &model: "edited by hand", &platform: null })).await;
    delete(&world, &devices[1]).await;
    // Kandji's own news about a third device is nobody's edit.
    let path = format!("/fleet/devices/{}", devices[2].device_id);
    world.control(Method::PATCH, &path, Some(json!({"asset_tag": "NEW"}))).await;

    for dry_run in [true, false] {
        let id = world.trigger(Mode::Full, dry_run).await;
        let full = world.ended(id).await;
        assert_eq!(full.state, SyncState::Succeeded, "{full:?}");
        assert_eq!((full.counts.updated, full.counts.created, full.counts.unchanged), (2, 1, 6), "{full:?}");
        assert_eq!(full.counts.drifted, 2, "{full:?}");
        let records = world.records(id).await;

        let edited = of(&records, &devices[0]);
        assert_eq!(edited.outcome, RecordOutcome::Updated);
        assert_eq!(edited.reason.as_deref(), Some("EDITED_IN_ASSET_PANDA"));
        let message = edited.message.as_deref().unwrap();
        assert!(message.contains("\"Model\" had \"edited by hand\" instead of"), "{message}");
        assert!(message.contains("\"Platform\" had nothing instead of"), "{message}");
        let changes: Value = serde_json::from_str(edited.changes.as_deref().unwrap()).unwrap();
        let change = changes.as_array().unwrap().iter().find(|it| it["column_id"] == json!(model)).unwrap();
        assert_eq!(change["old_value"], json!("edited by hand"));

        let deleted = of(&records, &devices[1]);
        assert_eq!(deleted.outcome, RecordOutcome::Created);
        assert_eq!(deleted.reason.as_deref(), Some("DELETED_IN_ASSET_PANDA"));
        assert!(deleted.message.as_deref().unwrap().contains(devices[1].record_id.as_deref().unwrap()));

        assert_eq!(of(&records, &devices[2]).reason, None);
    }
    let again = world.sync(Mode::Full).await;
    assert_eq!((again.counts.unchanged, again.counts.drifted), (9, 0), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_an_update_that_meets_a_deleted_record_says_so_and_makes_it_again() {
    let world = World::of(6).await;
    let first = world.sync(Mode::Incremental).await;
    let device = world.records(first.sync_id).await[0].clone();
    delete(&world, &device).await;
    let path = format!("/fleet/devices/{}", device.device_id);
    world.control(Method::PATCH, &path, Some(json!({"asset_tag": "NEW"}))).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.counts.created, sync.counts.drifted), (1, 1), "{sync:?}");
    let records = world.records(sync.sync_id).await;
    assert_eq!(of(&records, &device).reason.as_deref(), Some("DELETED_IN_ASSET_PANDA"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_values_that_asset_panda_keeps_in_a_form_of_its_own_are_written_once_more_and_never_again() {
    let world = World::of(30).await;
    let fleet = world.control(Method::GET, "/fleet/devices?limit=1", None).await;
    let fleet = fleet.as_array().or_else(|| fleet["devices"].as_array()).unwrap().clone();
    let path = format!("/fleet/devices/{}", fleet[0]["device_id"].as_str().unwrap());
    world.control(Method::PATCH, &path, Some(json!({"device_name": "Ends with space "}))).await;
    let faults = json!({"asset_panda": {"trim_text_and_reformat_dates": true, "wrap_values": true}});
    world.control(Method::PATCH, "/faults", Some(faults)).await;
    world.sync(Mode::Incremental).await;
    let first = world.sync(Mode::Full).await;
    assert_eq!((first.counts.updated, first.counts.unchanged), (1, 29), "dates compare as times: {first:?}");
    let after_one = writes(&world).await;
    for _ in 0..2 {
        let full = world.sync(Mode::Full).await;
        assert_eq!((full.counts.unchanged, full.counts.drifted), (30, 0), "a remembered form is no drift: {full:?}");
    }
    assert_eq!(writes(&world).await, after_one);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_after_an_import_a_full_sync_writes_nothing() {
    let world = World::of(40).await;
    world.sync(Mode::Incremental).await;
    let before = writes(&world).await;
    let full = world.sync(Mode::Full).await;
    assert_eq!((full.counts.unchanged, full.counts.drifted), (40, 0), "{full:?}");
    assert_eq!(writes(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_full_sync_right_after_a_write_that_search_has_not_seen_yet_is_no_drift() {
    let mut world = World::of(9).await;
    world.start_again(vec![Duration::from_secs(1), Duration::from_secs(3600)]).await;
    let first = world.sync(Mode::Incremental).await;
    let devices = world.records(first.sync_id).await;
    let faults = json!({"asset_panda": {"search_lag_ms": 600_000}});
    world.control(Method::PATCH, "/faults", Some(faults)).await;
    for device in &devices[..3] {
        world.edit(&json!(device.device_id), json!({"os_version": "99.1"})).await;
    }
    assert_eq!(world.sync(Mode::Incremental).await.counts.updated, 3);
    let written = writes(&world).await;
    // One is edited by hand all the same.
    edit(&world, &devices[1], json!({ world.sandbox.ready().columns["Model"].clone(): "by hand" })).await;
    let full = world.sync(Mode::Full).await;
    assert_eq!((full.counts.unchanged, full.counts.updated, full.counts.drifted), (8, 1, 1), "{full:?}");
    assert_eq!(writes(&world).await, written + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_nor_is_it_where_it_is_decided_on_long_after_the_search() {
    let mut world = World::of(9).await;
    world.start_again([1_000, 1_600].map(Duration::from_millis).to_vec()).await;
    let first = world.sync(Mode::Incremental).await;
    let devices = world.records(first.sync_id).await;
    // No search finds this one: it is asked for by its id, before anything is decided.
    edit(&world, &devices[5], json!({ world.sandbox.ready().columns["Serial Number"].clone(): "by hand" })).await;
    let faults = |latency: u64| json!({"asset_panda": {"search_lag_ms": 1_600, "latency_ms": latency}});
    world.control(Method::PATCH, "/faults", Some(faults(0))).await;
    for device in &devices[..3] {
        world.edit(&json!(device.device_id), json!({"os_version": "99.1"})).await;
    }
    assert_eq!(world.sync(Mode::Incremental).await.counts.updated, 3);
    world.control(Method::PATCH, "/faults", Some(faults(650))).await;
    let full = world.sync(Mode::Full).await;
    assert_eq!((full.counts.unchanged, full.counts.updated, full.counts.drifted), (8, 1, 1), "{full:?}");
}
