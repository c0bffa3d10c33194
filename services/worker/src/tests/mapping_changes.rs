//! A mapping that is changed between two syncs, and a collection that moves under it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pandaport_import::{MappingSpec, Pair, RemovalAction, RemovalPolicy, SourceField, WriteRule};
use pandaport_store::Micros;
use pandaport_store::mappings::{self, Mapping, MappingChange, MappingState, NewRevision};
use pandaport_store::syncs::{Mode, Sync, SyncState, TriggerKind, WaitReason};
use reqwest::Method;
use serde_json::{Value, json};

use super::brake::value;
use super::harness::{World, no_limits};
use super::journey::{cancel, records_by_serial, wait_until};
use super::removal::{come_back, imported, leave};

async fn mapping(world: &World) -> Mapping {
    mappings::get(&world.store, &world.tenant, world.mapping_id).await.unwrap()
}

/// Saves the mapping anew, as UpdateMapping does once it has checked it.
async fn change(world: &World, columns: &str, edit: impl FnOnce(&mut MappingSpec)) {
    save(world, columns, false, edit).await;
}

/// The same for another removal policy: `forget_marks` if it marks otherwise.
async fn save(world: &World, columns: &str, forget_marks: bool, edit: impl FnOnce(&mut MappingSpec)) {
    let before = mapping(world).await;
    let spec = mappings::spec(&world.store, &world.tenant, world.mapping_id, before.revision).await.unwrap();
    let mut spec: MappingSpec = serde_json::from_str(&spec).unwrap();
    let pairs = spec.pairs.clone();
    edit(&mut spec);
    let revision = NewRevision { spec: serde_json::to_string(&spec).unwrap(), columns: columns.to_owned() };
    let change = MappingChange {
        display_name: before.display_name,
        schedule: None,
        full_sync_every: Duration::from_secs(86_400),
        full_next: spec.pairs.iter().any(|pair| !pairs.contains(pair)),
        revision: Some(revision),
        fits: true,
        forget_marks,
    };
    let mut tx = world.store.begin_write().await.unwrap();
    let id = world.mapping_id;
    mappings::update(&mut tx, &world.tenant, id, before.version, &change, Micros::now()).await.unwrap();
    tx.commit().await.unwrap();
}

fn column(world: &World, field: SourceField) -> String {
    world.sandbox.ready().columns[field.display_name()].clone()
}

fn pair(world: &World, field: SourceField, write_rule: WriteRule) -> Pair {
    Pair { source_field: field, column_id: column(world, field), write_rule, tag_separator: None, date_format: None }
}

async fn edit_column(world: &World, field: SourceField, edit: Value) {
    world.control(Method::PATCH, &format!("/columns/{}", column(world, field)), Some(edit)).await;
}

/// The columns that a sync wrote.
async fn written(world: &World, sync: &Sync) -> BTreeSet<String> {
    let records = world.records(sync.sync_id).await;
    let changes = records.iter().filter_map(|record| record.changes.as_deref());
    let changes = changes.flat_map(|changes| serde_json::from_str::<Vec<Value>>(changes).unwrap());
    changes.map(|change| change["column_id"].as_str().unwrap().to_owned()).collect()
}

async fn writes(world: &World) -> u64 {
    let counters = world.counters().await;
    let calls = &counters["asset_panda"]["by_path"];
    ["POST /collection-records", "PUT /collection-records"].iter().filter_map(|path| calls[path].as_u64()).sum()
}

async fn succeeded(world: &World) -> Sync {
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.state, SyncState::Succeeded, "{sync:?}");
    sync
}

fn few(field: SourceField) -> bool {
    matches!(field, SourceField::Model | SourceField::DeviceName | SourceField::Platform)
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_4_after_a_change_of_the_mapping_only_what_it_asks_for_is_sent() {
    let world = World::with(20, no_limits(), few).await;
    succeeded(&world).await;
    let imported = writes(&world).await;

    change(&world, "[]", |spec| spec.pairs.reverse()).await;
    assert_eq!(succeeded(&world).await.counts.unchanged, 20, "another order is no change");
    change(&world, "[]", |spec| spec.pairs.retain(|pair| pair.source_field != SourceField::Platform)).await;
    assert_eq!(succeeded(&world).await.counts.unchanged, 20, "a column that is no longer mapped is left");
    change(&world, "[]", |spec| spec.pairs[0].write_rule = WriteRule::CreateOnly).await;
    assert_eq!(succeeded(&world).await.counts.unchanged, 20, "another rule writes nothing by itself");
    assert_eq!(writes(&world).await, imported);

    // One pair more, before the others: its column alone is written, where the device has a value.
    let more = pair(&world, SourceField::DeviceId, WriteRule::Trigger);
    change(&world, "[]", |spec| spec.pairs.insert(0, more)).await;
    let sync = succeeded(&world).await;
    assert_eq!(sync.counts.updated, 20, "{sync:?}");
    assert_eq!(written(&world, &sync).await, BTreeSet::from([column(&world, SourceField::DeviceId)]));

    // Its field goes into another column from now on: that one is written, the other one left.
    let elsewhere = column(&world, SourceField::BlueprintName);
    let target = elsewhere.clone();
    change(&world, "[]", move |spec| spec.pairs[0].column_id = target).await;
    let sync = succeeded(&world).await;
    assert_eq!((sync.counts.updated, written(&world, &sync).await), (20, BTreeSet::from([elsewhere])));
    // And nothing of all that is out of order: a FULL sync finds each value where it should be.
    let before = writes(&world).await;
    let full = world.sync(Mode::Full).await;
    assert_eq!((full.state, full.counts.unchanged), (SyncState::Succeeded, 20), "{full:?}");
    assert_eq!(writes(&world).await, before);
}

/// The sync that the schedule makes.
async fn by_schedule(world: &World) -> Sync {
    let last = mapping(world).await.last_sync_id;
    pandaport_test_database::run(&world.store, "UPDATE mappings SET next_sync_time = 0").await;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match mapping(world).await.last_sync_id {
            Some(id) if Some(id) != last => return world.ended(id).await,
            _ => assert!(Instant::now() < deadline, "no sync comes by itself"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_what_was_edited_while_a_column_was_not_mapped_is_written_over_once_it_is_mapped_again() {
    for (before, after) in [(None, WriteRule::Trigger), (Some(WriteRule::FillOnly), WriteRule::Trigger)] {
        let world = World::with(4, no_limits(), few).await;
        by_schedule(&world).await;
        let device = world.fleet().await[0].clone();
        let platform = world.column(SourceField::Platform);
        change(&world, "[]", |spec| match before {
            None => spec.pairs.retain(|pair| pair.column_id != platform),
            Some(rule) => spec.pairs.iter_mut().for_each(|pair| pair.write_rule = rule),
        })
        .await;
        by_schedule(&world).await;
        let record = records_by_serial(&world).await[device["serial_number"].as_str().unwrap()]["id"].clone();
        let path = format!("/records/{}", record.as_str().unwrap());
        world.control(Method::PATCH, &path, Some(json!({ &platform: "by hand" }))).await;
        assert_eq!(by_schedule(&world).await.mode, Mode::Incremental, "{before:?}");

        let again = pair(&world, SourceField::Platform, after);
        change(&world, "[]", |spec| {
            spec.pairs.retain(|pair| pair.column_id != platform);
            spec.pairs.push(again);
        })
        .await;
        let sync = by_schedule(&world).await;
        assert_eq!((sync.mode, sync.state), (Mode::Full, SyncState::Succeeded), "{before:?}: {sync:?}");
        assert_eq!(value(&world, &device, "Platform").await, device["platform"], "{before:?}");
        assert_eq!(by_schedule(&world).await.mode, Mode::Incremental, "it is done: {before:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_a_create_that_was_unclear_when_the_mapping_changed_is_remembered_in_the_new_order() {
    let world = World::with(12, no_limits(), few).await;
    let lost = json!({"asset_panda": {"lost_answer": {"on": "create"}}});
    world.control(Method::PATCH, "/faults", Some(lost)).await;
    let id = world.trigger(Mode::Incremental, false).await;
    wait_until(&world, id, WaitReason::Outage).await;
    cancel(&world, id).await;
    change(&world, "[]", |spec| spec.pairs.reverse()).await;
    world.control(Method::PATCH, "/faults", Some(json!({"asset_panda": {"lost_answer": null}}))).await;
    succeeded(&world).await;
    let counters = world.counters().await;
    assert_eq!(counters["asset_panda"]["by_path"]["PUT /collection-records"].as_u64().unwrap_or(0), 0, "{counters}");
    assert_eq!(world.sync(Mode::Full).await.counts.unchanged, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_a_quarantined_device_is_tried_again_after_a_change_of_the_mapping() {
    let world = World::with(30, no_limits(), few).await;
    let refuse = json!([{"column": "Platform", "value": "iPhone", "message": "no telephones"}]);
    world.control(Method::PATCH, "/faults", Some(json!({"asset_panda": {"refuse_rows": refuse}}))).await;
    let first = world.sync(Mode::Incremental).await;
    assert!(first.counts.rejected > 0, "{first:?}");
    let again = world.sync(Mode::Incremental).await;
    assert_eq!((again.counts.rejected, again.counts.still_rejected), (0, first.counts.rejected));
    // What is refused is not sent any more.
    change(&world, "[]", |spec| spec.pairs.retain(|pair| pair.source_field != SourceField::Platform)).await;
    let sync = succeeded(&world).await;
    assert_eq!(sync.counts.created, first.counts.rejected, "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_15_a_column_that_is_renamed_is_noted_and_written_as_before() {
    let world = World::with(10, no_limits(), few).await;
    succeeded(&world).await;
    assert_eq!(mapping(&world).await.notes, "[]");
    edit_column(&world, SourceField::Model, json!({"display_name": "Type of device"})).await;
    world.control(Method::POST, "/fleet/change", Some(json!({"percent": 50, "seed": 1}))).await;
    let sync = succeeded(&world).await;
    assert_eq!(sync.counts.updated + sync.counts.unchanged, 10);
    let noted = mapping(&world).await;
    assert_eq!((noted.state, noted.state_reason.as_str()), (MappingState::Active, ""));
    assert!(noted.notes.contains("COLUMN_RENAMED") && noted.notes.contains("Type of device"), "{}", noted.notes);

    edit_column(&world, SourceField::Model, json!({"display_name": "Model"})).await;
    succeeded(&world).await;
    assert_eq!(mapping(&world).await.notes, "[]", "what is over is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_15_a_retyped_column_breaks_the_mapping_even_where_values_would_fit_until_it_is_saved_again() {
    // Text fits a select without options as well; but nobody asked for that.
    let world = World::with(10, no_limits(), few).await;
    succeeded(&world).await;
    let imported = writes(&world).await;
    edit_column(&world, SourceField::Model, json!({"type": "select"})).await;
    let change_all = Some(json!({"percent": 100, "seed": 1}));
    world.control(Method::POST, "/fleet/change", change_all).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.state, sync.error_reason.as_deref()), (SyncState::Failed, Some("TYPE_MISMATCH")), "{sync:?}");
    let broken = mapping(&world).await;
    assert_eq!(broken.state, MappingState::Broken);
    for told in ["\"Model\"", "was of type text and is now select", "UpdateMapping"] {
        assert!(broken.state_reason.contains(told), "{}", broken.state_reason);
    }
    assert_eq!(writes(&world).await, imported, "nothing is written");

    change(&world, "[]", |_| {}).await;
    assert_eq!(mapping(&world).await.state, MappingState::Active);
    let sync = world.sync(Mode::Incremental).await;
    assert_ne!(sync.state, SyncState::Failed, "{sync:?}");
    assert_eq!(mapping(&world).await.state, MappingState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_15_a_sync_of_before_does_not_break_a_mapping_that_was_put_right_since() {
    let world = World::with(10, no_limits(), few).await;
    let failed = put_right_during_a_sync(&world).await;
    assert_eq!(failed.error_reason.as_deref(), Some("COLUMN_UNKNOWN"), "{failed:?}");
    assert_eq!(mapping(&world).await.state, MappingState::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_15_a_mapping_that_was_put_right_during_a_sync_gets_its_own_once_that_has_ended_though_nobody_asks() {
    let world = World::with(10, no_limits(), few).await;
    let failed = put_right_during_a_sync(&world).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let sync = loop {
        match mapping(&world).await.last_sync_id {
            Some(id) if id != failed.sync_id => break world.ended(id).await,
            _ => assert!(Instant::now() < deadline, "no sync comes by itself"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((sync.trigger_kind, sync.state), (TriggerKind::Schedule, SyncState::Succeeded), "{sync:?}");
    let after = mapping(&world).await;
    assert_eq!(
        (after.state, after.next_sync_time),
        (MappingState::Active, None),
        "it syncs only when asked, as before"
    );
}

/// A column is deleted, and the mapping changed to do without it while a sync of before is active. Answers with that sync,
/// once it has failed.
async fn put_right_during_a_sync(world: &World) -> Sync {
    succeeded(world).await;
    edit_column(world, SourceField::Platform, json!({"deleted": true})).await;
    // Queued at the revision that still has the column, and taken up only after the change.
    world.control(Method::PATCH, "/faults", Some(json!({"asset_panda": {"status_burst": {"status": 503}}}))).await;
    let id = world.trigger(Mode::Incremental, false).await;
    change(world, "[]", |spec| spec.pairs.retain(|pair| pair.source_field != SourceField::Platform)).await;
    world.control(Method::PATCH, "/faults", Some(json!({"asset_panda": {"status_burst": null}}))).await;
    world.ended(id).await
}

/// MARK in the column of that name, at once.
fn marks_in(world: &World, column: &str, value: &str, unmark_value: &str) -> RemovalPolicy {
    let column_id = world.sandbox.ready().columns[column].clone();
    let action = RemovalAction::Mark { column_id, value: value.into(), unmark_value: Some(unmark_value.into()) };
    RemovalPolicy { action, min_absence: Duration::ZERO }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_marks_of_another_policy_before_stay_and_those_of_the_present_one_are_undone() {
    let world = imported(6).await;
    let before = marks_in(&world, "Status", "Gone", "In use");
    change(&world, "[]", |spec| spec.removal_policy = before).await;
    let gone = leave(&world, 0..2).await;
    succeeded(&world).await;
    assert_eq!(succeeded(&world).await.counts.removed, 2);

    // From now on another column is marked. One of them comes back, one is still gone.
    let now = marks_in(&world, "Notes", "Left", "Back");
    save(&world, "[]", true, |spec| spec.removal_policy = now).await;
    come_back(&world, &gone[..1]).await;
    let sync = succeeded(&world).await;
    assert_eq!((sync.counts.updated, sync.counts.removed), (0, 1), "{sync:?}");
    let of = async |at: usize| [value(&world, &gone[at], "Status").await, value(&world, &gone[at], "Notes").await];
    assert_eq!(of(0).await, [json!("Gone"), Value::Null], "nothing is written for it");
    assert_eq!(of(1).await, [json!("Gone"), json!("Left")], "it bears both marks");

    come_back(&world, &gone[1..]).await;
    assert_eq!(succeeded(&world).await.counts.updated, 1);
    assert_eq!(of(1).await, [json!("Gone"), json!("Back")]);
    assert_eq!(succeeded(&world).await.counts.unchanged, 6);
}
