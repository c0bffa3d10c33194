//! Rule 5: a device whose values were refused is not sent again and again, and is tried again when that may help.

use std::time::Duration;

use pandaport_import::{SourceField, WriteRule};
use pandaport_store::devices::{self, DeviceFilter, DeviceState};
use pandaport_store::records::RecordOutcome;
use pandaport_store::syncs::{Mode, NewSync, Sync, SyncState, TriggerKind};
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::World;

const HOUR: Duration = Duration::from_secs(3600);
const SEARCHES: &str = "POST /collection-records/search";
const CREATES: &str = "POST /collection-records";

/// Asset Panda refuses one device of this fleet for its name.
async fn with_a_refused_device() -> (World, Value) {
    let world = World::ruled(12, |field| (field == SourceField::DeviceName).then_some(WriteRule::Trigger)).await;
    let device = world.fleet().await[3].clone();
    world.edit(&device["device_id"], json!({"device_name": "BAD"})).await;
    refuse(&world, &[json!({"column": "Device Name", "value": "BAD", "message": "not this one"})]).await;
    let sync = world.sync(Mode::Incremental).await;
    counts(&sync, 1, 0);
    assert_eq!(sync.counts.created, 11, "{sync:?}");
    (world, device)
}

async fn refuse(world: &World, rows: &[Value]) {
    world.control(Method::PATCH, "/faults", Some(json!({"asset_panda": {"refuse_rows": rows}}))).await;
}

/// Rejected in this sync, and rejected earlier and not tried.
fn counts(sync: &Sync, rejected: i64, still_rejected: i64) {
    let state = if rejected + still_rejected > 0 { SyncState::CompletedWithRejections } else { SyncState::Succeeded };
    assert_eq!(sync.state, state, "{sync:?}");
    assert_eq!((sync.counts.rejected, sync.counts.still_rejected), (rejected, still_rejected), "{sync:?}");
}

async fn rejected_devices(world: &World) -> Vec<devices::Device> {
    let filter = DeviceFilter { states: &[DeviceState::Rejected], removed_is_gone: false };
    devices::list(&world.store, &world.tenant, world.mapping_id, filter, None, 100).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_what_is_quarantined_is_neither_sent_nor_looked_up_until_a_day_has_passed() {
    let (world, device) = with_a_refused_device().await;
    let (searches, creates) = (world.calls(SEARCHES).await, world.calls(CREATES).await);
    for hours in [1, 22] {
        world.clock.pass(HOUR * hours);
        let sync = world.sync(Mode::Incremental).await;
        counts(&sync, 0, 1);
        assert!(world.records(sync.sync_id).await.is_empty(), "nothing was to be done");
    }
    assert_eq!((world.calls(SEARCHES).await, world.calls(CREATES).await), (searches, creates));
    let listed = rejected_devices(&world).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].device_id, device["device_id"].as_str().unwrap());
    assert_eq!(listed[0].reason.as_deref(), Some("REFUSED_BY_ASSET_PANDA"));
    assert!(listed[0].message.as_deref().unwrap().contains("not this one"), "{listed:?}");

    world.clock.pass(HOUR + Duration::from_secs(60));
    let sync = world.sync(Mode::Incremental).await;
    counts(&sync, 1, 0);
    assert!(world.calls(CREATES).await > creates, "once a day it is tried");
    // And the day begins anew.
    counts(&world.sync(Mode::Incremental).await, 0, 1);
    refuse(&world, &[]).await;
    world.clock.pass(HOUR * 25);
    let sync = world.sync(Mode::Incremental).await;
    counts(&sync, 0, 0);
    assert_eq!((sync.counts.created, sync.counts.unchanged), (1, 11), "{sync:?}");
    assert!(rejected_devices(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_a_full_sync_retry_rejected_and_new_values_try_it_at_once() {
    let (world, device) = with_a_refused_device().await;
    counts(&world.sync(Mode::Full).await, 1, 0);
    counts(&world.sync(Mode::Incremental).await, 0, 1);

    let new = NewSync {
        mapping_id: world.mapping_id,
        mode: Mode::Incremental,
        dry_run: false,
        retry_rejected: true,
        trigger_kind: TriggerKind::Call,
        traceparent: None,
    };
    let id = world.trigger_new(&new).await;
    counts(&world.ended(id).await, 1, 0);
    counts(&world.sync(Mode::Incremental).await, 0, 1);

    world.edit(&device["device_id"], json!({"device_name": "GOOD"})).await;
    let sync = world.sync(Mode::Incremental).await;
    counts(&sync, 0, 0);
    assert_eq!(sync.counts.created, 1, "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_a_refused_update_leaves_the_record_as_confirmed_and_ends_with_the_value() {
    let world = World::ruled(6, |field| (field == SourceField::DeviceName).then_some(WriteRule::Trigger)).await;
    world.sync(Mode::Incremental).await;
    let device = world.fleet().await[2].clone();
    refuse(&world, &[json!({"column": "Device Name", "value": "BAD", "message": "not this one"})]).await;
    world.edit(&device["device_id"], json!({"device_name": "BAD"})).await;
    counts(&world.sync(Mode::Incremental).await, 1, 0);
    let puts = world.calls("PUT /collection-records").await;
    counts(&world.sync(Mode::Incremental).await, 0, 1);
    assert_eq!(world.calls("PUT /collection-records").await, puts);
    let serial = device["serial_number"].as_str().unwrap();
    assert_eq!(world.values(serial).await[&world.column(SourceField::DeviceName)], device["device_name"]);
    // Back to what was confirmed: the refusal said that nothing was applied, so there is nothing to write.
    world.edit(&device["device_id"], json!({"device_name": device["device_name"]})).await;
    let sync = world.sync(Mode::Incremental).await;
    counts(&sync, 0, 0);
    assert_eq!((sync.counts.updated, sync.counts.unchanged), (0, 6), "{sync:?}");
    assert_eq!(world.calls("PUT /collection-records").await, puts);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_an_option_that_was_missing_is_tried_again_once_it_is_there() {
    let world = World::ruled(20, |field| (field == SourceField::Platform).then_some(WriteRule::Trigger)).await;
    let platforms: std::collections::BTreeSet<String> =
        world.fleet().await.iter().map(|it| it["platform"].as_str().unwrap().to_owned()).collect();
    let missing = platforms.iter().next().unwrap().clone();
    let unfit = world.fleet().await.iter().filter(|it| it["platform"] == *missing).count() as i64;
    let others: Vec<&String> = platforms.iter().skip(1).collect();
    let column = format!("/columns/{}", world.column(SourceField::Platform));
    world.control(Method::PATCH, &column, Some(json!({"type": "select", "options": others}))).await;

    let first = world.sync(Mode::Incremental).await;
    counts(&first, unfit, 0);
    let told = world.records(first.sync_id).await;
    let told = told.iter().find(|it| it.outcome == RecordOutcome::Rejected).unwrap();
    assert_eq!(told.reason.as_deref(), Some("VALUE_UNFIT"));
    assert!(told.message.as_deref().unwrap().contains(&missing), "{told:?}");
    counts(&world.sync(Mode::Incremental).await, 0, unfit);

    world.control(Method::PATCH, &column, Some(json!({"options": platforms}))).await;
    let sync = world.sync(Mode::Incremental).await;
    counts(&sync, 0, 0);
    assert_eq!((sync.counts.created, sync.counts.unchanged), (unfit, 20 - unfit), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_a_change_of_the_mapping_tries_again_what_was_refused() {
    let (world, _) = with_a_refused_device().await;
    counts(&world.sync(Mode::Incremental).await, 0, 1);
    // The mapping no longer writes the column that was refused.
    let model = world.column(SourceField::Model);
    world
        .remap(|spec| {
            spec.pairs[0].source_field = SourceField::Model;
            spec.pairs[0].column_id = model;
        })
        .await;
    let sync = world.sync(Mode::Incremental).await;
    counts(&sync, 0, 0);
    assert_eq!(sync.counts.created, 1, "{sync:?}");
}
