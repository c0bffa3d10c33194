//! The brake: what is held, what goes on, and how it is let through (rule 11).

use std::time::Duration;

use pandaport_import::{Brake, MappingSpec};
use pandaport_queue::Behind;
use pandaport_store::Micros;
use pandaport_store::alerts::Health;
use pandaport_store::held::{self, Held, HeldKind};
use pandaport_store::mappings;
use pandaport_store::records::RecordOutcome;
use pandaport_store::syncs::{self, Creation, Mode, NewSync, Sync, SyncState, TriggerKind};
use pandaport_test_database::run;
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::World;
use super::journey::{records_by_serial, succeeded};
use super::removal::{come_back, delete_at_once, imported, leave, mark, status, unreadable_to_its_end, with_outcome};

/// More than a tenth, and at least three.
fn tight(spec: &mut MappingSpec) {
    spec.brake = Brake { max_percent: 10, min_count: 3 };
}

async fn held(world: &World) -> Option<Held> {
    held::of_mapping(&world.store, &world.tenant, world.mapping_id, 20).await.unwrap()
}

/// Approves what is held now, and lets the sync for it end.
async fn approve(world: &World) -> Sync {
    let id = queue_approved(world).await;
    world.ended(id).await
}

async fn queue_approved(world: &World) -> pandaport_store::SyncId {
    let mut tx = world.store.begin_write().await.unwrap();
    let (digest, deleted) = held::digest_in(&mut tx, &world.tenant, world.mapping_id).await.unwrap().expect("held");
    let new = NewSync {
        mapping_id: world.mapping_id,
        mode: if deleted { Mode::Full } else { Mode::Incremental },
        dry_run: false,
        retry_rejected: false,
        trigger_kind: TriggerKind::Call,
        traceparent: None,
    };
    let Creation::Created(sync) = syncs::create(&mut tx, &world.tenant, &new, Micros::now()).await.unwrap() else {
        panic!("a sync is active already");
    };
    held::approve(&mut tx, &world.tenant, world.mapping_id, sync.sync_id, &digest).await.unwrap();
    world.queue.enqueue(&mut tx, &Behind::from(&sync)).await.unwrap();
    tx.commit().await.unwrap();
    sync.sync_id
}

fn is_held(sync: &Sync) {
    assert_eq!(sync.state, SyncState::Held, "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_too_many_removals_are_held_the_rest_is_done_and_an_approval_lets_them_through() {
    let world = imported(20).await;
    mark(&world, None, Duration::ZERO).await;
    world.remap(tight).await;
    let gone = leave(&world, 0..5).await;
    world.sync(Mode::Incremental).await;
    let changed = world.fleet().await[0].clone();
    world.edit(&changed["device_id"], json!({"asset_tag": "NEW"})).await;
    let sync = world.sync(Mode::Incremental).await;
    is_held(&sync);
    assert_eq!((sync.counts.updated, sync.counts.unchanged, sync.counts.removed), (1, 14, 0), "{sync:?}");
    let planned = with_outcome(&world, &sync, RecordOutcome::Planned).await;
    assert_eq!(planned.len(), 5);
    assert!(planned.iter().all(|it| it.reason.as_deref() == Some("HELD") && it.message.is_some()), "{planned:?}");
    let first = held(&world).await.expect("something is held");
    assert_eq!((first.removals, first.deleted, first.clears, first.sample.len()), (5, 0, 0, 5), "{first:?}");
    assert!(first.sample.iter().all(|it| it.serial_number.is_some() && it.record_id.is_some()));

    let again = world.sync(Mode::Incremental).await;
    is_held(&again);
    assert_eq!(again.counts.unchanged, 15, "{again:?}");
    let second = held(&world).await.unwrap();
    assert_eq!((&second.digest, second.since), (&first.digest, first.since), "the same set");
    assert_eq!(status(&world, &gone[0]).await, Value::Null);

    let approved = approve(&world).await;
    succeeded(&approved);
    assert_eq!(approved.counts.removed, 5, "{approved:?}");
    assert_eq!(status(&world, &gone[0]).await, json!("Gone"));
    assert_eq!(held(&world).await, None);
    succeeded(&world.sync(Mode::Incremental).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_less_than_was_approved_goes_and_more_is_held_again() {
    let world = imported(20).await;
    world.remap(delete_at_once).await;
    world.remap(tight).await;
    let gone = leave(&world, 0..4).await;
    world.sync(Mode::Incremental).await;
    is_held(&world.sync(Mode::Incremental).await);
    let approved = held(&world).await.unwrap().digest;

    // One more is missed by a read before the approval, and becomes due in its sync.
    let more = leave(&world, 0..1).await;
    hold_back(&world, &more).await;
    let moved = approve(&world).await;
    is_held(&moved);
    assert_eq!(moved.error_reason.as_deref(), Some("HELD_MOVED"), "{moved:?}");
    assert_eq!(moved.counts.removed, 0, "nothing of it: {moved:?}");
    assert_ne!(held(&world).await.unwrap().digest, approved);

    // One comes back before the approval is acted on.
    let id = {
        come_back(&world, &gone[0..1]).await;
        queue_approved(&world).await
    };
    let less = world.ended(id).await;
    succeeded(&less);
    assert_eq!(less.counts.removed, 4, "{less:?}");
    assert_eq!(records_by_serial(&world).await.len(), 16);
}

/// As if the last complete read had missed these devices already.
async fn hold_back(world: &World, devices: &[Value]) {
    for device in devices {
        let id = device["device_id"].as_str().unwrap();
        run(&world.store, format!("UPDATE links SET absent_since = 0 WHERE device_id = '{id}'")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_an_incomplete_read_keeps_what_is_held_and_is_no_recovery() {
    let world = imported(180).await;
    mark(&world, None, Duration::ZERO).await;
    world.remap(tight).await;
    let gone = leave(&world, 158..180).await;
    world.sync(Mode::Incremental).await;
    is_held(&world.sync(Mode::Incremental).await);
    let before = held(&world).await.expect("the removals are held");
    unreadable_to_its_end(&world).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.error_reason.as_deref(), Some("READ_INCOMPLETE"), "{sync:?}");
    is_held(&sync);
    assert_eq!(held(&world).await, Some(before), "the same, since the same time, under the same digest");
    // What alerts follow.
    let mapping = mappings::get(&world.store, &world.tenant, world.mapping_id).await.unwrap();
    assert_eq!(mapping.health, Health::Held);
    assert_eq!(status(&world, &gone[0]).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_an_empty_list_after_a_non_empty_one_removes_nobody() {
    let world = imported(4).await;
    world.remap(delete_at_once).await;
    let fleet = leave(&world, 0..4).await;
    world.sync(Mode::Incremental).await;
    for _ in 0..2 {
        let sync = world.sync(Mode::Incremental).await;
        is_held(&sync);
        assert_eq!((sync.counts.read, sync.counts.removed), (0, 0), "{sync:?}");
    }
    assert_eq!(held(&world).await.unwrap().removals, 4, "fewer than the brake's least number, and held");
    assert_eq!(records_by_serial(&world).await.len(), 4);
    come_back(&world, &fleet).await;
    let back = world.sync(Mode::Incremental).await;
    succeeded(&back);
    assert_eq!(back.counts.unchanged, 4, "{back:?}");
    assert_eq!(held(&world).await, None);
}

/// Sets the asset tag of every device, imports that, and then takes it from the first so many.
async fn untagged(devices: u32, cleared: usize) -> (World, Vec<Value>) {
    let world = imported(devices).await;
    world.remap(tight).await;
    for (at, device) in world.fleet().await.iter().enumerate() {
        world.edit(&device["device_id"], json!({"asset_tag": format!("T-{at}")})).await;
    }
    succeeded(&world.sync(Mode::Incremental).await);
    let fleet = world.fleet().await;
    for device in &fleet[..cleared] {
        world.edit(&device["device_id"], json!({"asset_tag": ""})).await;
    }
    (world, fleet)
}

/// What the record of a device has in the column of that name.
pub(super) async fn value(world: &World, device: &Value, column: &str) -> Value {
    let column = &world.sandbox.ready().columns[column];
    records_by_serial(world).await[device["serial_number"].as_str().unwrap()]["values"][column].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_too_many_clears_of_one_column_are_held_and_the_rest_of_each_device_is_written() {
    let (world, fleet) = untagged(20, 6).await;
    // Two of them change otherwise as well, and a seventh device changes alone.
    for device in [&fleet[0], &fleet[1], &fleet[7]] {
        world.edit(&device["device_id"], json!({"os_version": "99.0"})).await;
    }
    for round in 0..2 {
        let sync = world.sync(Mode::Incremental).await;
        is_held(&sync);
        let written = if round == 0 { 3 } else { 0 };
        assert_eq!((sync.counts.updated, sync.counts.unchanged), (written, 20 - written), "{sync:?}");
        let planned = with_outcome(&world, &sync, RecordOutcome::Planned).await;
        assert_eq!(planned.len() as i64, if round == 0 { 4 } else { 6 });
        assert!(planned.iter().all(|it| it.reason.as_deref() == Some("HELD")), "{planned:?}");
        let held = held(&world).await.unwrap();
        assert_eq!((held.clears, held.removals), (6, 0));
        assert!(held.sample.iter().all(|it| it.kind == HeldKind::Clear && !it.column_id.is_empty()));
    }
    for (at, device) in fleet.iter().enumerate().take(6) {
        assert_eq!(value(&world, device, "Asset Tag").await, json!(format!("T-{at}")));
    }
    assert_eq!(value(&world, &fleet[0], "OS Version").await, json!("99.0"));
    let approved = approve(&world).await;
    succeeded(&approved);
    assert_eq!((approved.counts.updated, approved.counts.unchanged), (6, 14), "{approved:?}");
    for device in &fleet[..6] {
        assert!(matches!(value(&world, device, "Asset Tag").await.as_str(), None | Some("")));
    }
    let last = world.sync(Mode::Full).await;
    succeeded(&last);
    assert_eq!(last.counts.unchanged, 20, "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_a_value_that_comes_back_is_held_no_longer() {
    let (world, fleet) = untagged(12, 4).await;
    is_held(&world.sync(Mode::Incremental).await);
    for (at, device) in fleet[..4].iter().enumerate() {
        world.edit(&device["device_id"], json!({"asset_tag": format!("T-{at}")})).await;
    }
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!(sync.counts.unchanged, 12, "nothing was cleared, so nothing is to be written: {sync:?}");
    assert_eq!(held(&world).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_few_clears_go_through() {
    let (world, fleet) = untagged(12, 2).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!(sync.counts.updated, 2, "{sync:?}");
    assert!(matches!(value(&world, &fleet[0], "Asset Tag").await.as_str(), None | Some("")));
}

/// Deletes the records of so many devices in Asset Panda.
async fn delete_records(world: &World, many: usize) -> Vec<Value> {
    let fleet = world.fleet().await;
    let records = records_by_serial(world).await;
    for device in &fleet[..many] {
        let record = &records[device["serial_number"].as_str().unwrap()]["id"];
        world.control(Method::DELETE, &format!("/records/{}", record.as_str().unwrap()), None).await;
    }
    fleet
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_too_many_records_deleted_in_asset_panda_are_held_and_made_anew_once_approved() {
    let world = imported(20).await;
    world.remap(tight).await;
    let fleet = delete_records(&world, 5).await;
    world.edit(&fleet[9]["device_id"], json!({"asset_tag": "NEW"})).await;
    let full = world.sync(Mode::Full).await;
    is_held(&full);
    assert_eq!((full.counts.updated, full.counts.created, full.counts.unchanged), (1, 0, 19), "{full:?}");
    // An INCREMENTAL sync remembers, and asks nobody.
    for mode in [Mode::Incremental, Mode::Full, Mode::Incremental] {
        let sync = world.sync(mode).await;
        is_held(&sync);
        assert_eq!((sync.counts.created, sync.counts.unchanged), (0, 20), "{mode}: {sync:?}");
        assert_eq!(with_outcome(&world, &sync, RecordOutcome::Planned).await.len(), 5);
        assert_eq!(held(&world).await.unwrap().deleted, 5);
    }
    assert_eq!(records_by_serial(&world).await.len(), 15);
    let approved = approve(&world).await;
    assert_eq!(approved.mode, Mode::Full);
    succeeded(&approved);
    assert_eq!((approved.counts.created, approved.counts.unchanged), (5, 15), "{approved:?}");
    assert_eq!(records_by_serial(&world).await.len(), 20);
    assert_eq!(held(&world).await, None);
    let last = world.sync(Mode::Incremental).await;
    assert_eq!(last.counts.unchanged, 20, "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_dry_run_counts_each_record_that_is_known_to_be_deleted_once() {
    let world = imported(20).await;
    world.remap(tight).await;
    delete_records(&world, 5).await;
    is_held(&world.sync(Mode::Full).await);
    for mode in [Mode::Incremental, Mode::Full] {
        let id = world.trigger(mode, true).await;
        let dry = world.ended(id).await;
        is_held(&dry);
        let sync = world.sync(mode).await;
        for sync in [&dry, &sync] {
            assert_eq!((sync.counts.drifted, sync.counts.unchanged), (5, 20), "{mode}: {sync:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_records_found_deleted_while_writing_are_weighed_too() {
    let world = imported(20).await;
    world.remap(tight).await;
    let fleet = delete_records(&world, 5).await;
    for device in &fleet[..8] {
        world.edit(&device["device_id"], json!({"asset_tag": "NEW"})).await;
    }
    let sync = world.sync(Mode::Incremental).await;
    is_held(&sync);
    assert_eq!((sync.counts.updated, sync.counts.created, sync.counts.unchanged), (3, 0, 17), "{sync:?}");
    assert_eq!(records_by_serial(&world).await.len(), 15);
    assert_eq!(held(&world).await.unwrap().deleted, 5);
    succeeded(&approve(&world).await);
    assert_eq!(records_by_serial(&world).await.len(), 20);
    assert_eq!(value(&world, &fleet[0], "Asset Tag").await, json!("NEW"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_dry_run_tells_what_would_be_held_and_holds_nothing() {
    let (world, _) = untagged(20, 6).await;
    world.remap(delete_at_once).await;
    leave(&world, 15..20).await;
    is_held(&world.sync(Mode::Incremental).await);
    let before = held(&world).await;
    let deleted = delete_records(&world, 20 - 6).await;
    assert_eq!(deleted.len(), 15);
    let id = world.trigger(Mode::Full, true).await;
    let dry = world.ended(id).await;
    is_held(&dry);
    assert_eq!((dry.counts.read, dry.counts.unchanged, dry.counts.removed), (15, 15, 0), "{dry:?}");
    let told = with_outcome(&world, &dry, RecordOutcome::Planned).await;
    assert!(told.iter().all(|it| it.reason.as_deref() == Some("HELD")), "{told:?}");
    assert_eq!(told.len(), 14 + 5, "records to be made anew, and removals");
    assert_eq!(held(&world).await, before, "a dry run holds nothing");
    assert_eq!(records_by_serial(&world).await.len(), 6);
}
