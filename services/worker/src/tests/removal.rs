//! What becomes of the records of devices that are gone (rule 10).

use std::time::Duration;

use pandaport_import::{MappingSpec, RemovalAction, RemovalPolicy, SourceField, WriteRule};
use pandaport_store::records::{RecordOutcome, SyncRecord};
use pandaport_store::syncs::{Mode, Sync, SyncState, WaitReason};
use pandaport_test_database::{run, scalar};
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::World;
use super::journey::{calls, cancel, faults, records_by_serial, succeeded, wait_until};

/// A fleet of that size, none of it listed as removed, imported.
pub(super) async fn imported(devices: u32) -> World {
    let world = World::of(devices).await;
    for device in world.fleet().await {
        world.edit(&device["device_id"], json!({"is_removed": false})).await;
    }
    succeeded(&world.sync(Mode::Incremental).await);
    world
}

/// Marks with "Gone" in Status.
pub(super) async fn mark(world: &World, unmark_value: Option<Value>, min_absence: Duration) {
    let column_id = world.sandbox.ready().columns["Status"].clone();
    let action = RemovalAction::Mark { column_id, value: "Gone".into(), unmark_value };
    world.remap(|spec| spec.removal_policy = RemovalPolicy { action, min_absence }).await;
}

pub(super) fn delete_at_once(spec: &mut MappingSpec) {
    spec.removal_policy = RemovalPolicy { action: RemovalAction::Delete, min_absence: Duration::ZERO };
}

/// Takes these devices, by their place, out of Kandji; answers with them as they were.
pub(super) async fn leave(world: &World, places: std::ops::Range<usize>) -> Vec<Value> {
    let gone = world.fleet().await[places].to_vec();
    for device in &gone {
        let path = format!("/fleet/devices/{}", device["device_id"].as_str().unwrap());
        world.control(Method::DELETE, &path, None).await;
    }
    gone
}

pub(super) async fn come_back(world: &World, devices: &[Value]) {
    world.control(Method::POST, "/fleet/devices", Some(json!(devices))).await;
}

/// The value of Status in the record of a device.
pub(super) async fn status(world: &World, device: &Value) -> Value {
    let status = &world.sandbox.ready().columns["Status"];
    records_by_serial(world).await[device["serial_number"].as_str().unwrap()]["values"][status].clone()
}

pub(super) async fn with_outcome(world: &World, sync: &Sync, outcome: RecordOutcome) -> Vec<SyncRecord> {
    world.records(sync.sync_id).await.into_iter().filter(|it| it.outcome == outcome).collect()
}

/// The front of a list of about 160 devices goes away under every page: the fleet can't be read to its end.
pub(super) async fn unreadable_to_its_end(world: &World) {
    let shifting =
        json!({"kandji": {"page_cap": 3, "delete_between_pages": {"at": "before", "devices": 3, "count": 45}}});
    world.control(Method::PATCH, "/faults", Some(shifting)).await;
}

/// As if the complete reads so far had been so much earlier.
async fn hours_pass(world: &World, hours: i64) {
    run(&world.store, format!("UPDATE links SET absent_since = absent_since - {}", hours * 3_600_000_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_without_a_policy_the_record_of_a_device_that_is_gone_is_left_as_it_is() {
    let world = imported(5).await;
    world.remap(|spec| spec.removal_policy.min_absence = Duration::ZERO).await;
    leave(&world, 0..1).await;
    let before = records_by_serial(&world).await;
    for _ in 0..3 {
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        assert_eq!((sync.counts.read, sync.counts.unchanged, sync.counts.removed), (4, 4, 0), "{sync:?}");
    }
    assert_eq!(records_by_serial(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_device_is_gone_when_two_complete_reads_min_absence_apart_missed_it() {
    let world = imported(6).await;
    mark(&world, None, Duration::from_secs(3_600)).await;
    let gone = leave(&world, 2..4).await;
    for _ in 0..2 {
        let sync = world.sync(Mode::Incremental).await;
        assert_eq!((sync.counts.unchanged, sync.counts.removed), (4, 0), "not an hour apart: {sync:?}");
    }
    hours_pass(&world, 1).await;
    let before = world.counters().await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.read, sync.counts.unchanged, sync.counts.removed), (4, 4, 2), "{sync:?}");
    let after = world.counters().await;
    let update = "PUT /collection-records";
    assert_eq!(calls(&after, update) - calls(&before, update), 1, "both in one call");
    for device in &gone {
        assert_eq!(status(&world, device).await, json!("Gone"));
    }
    let told = with_outcome(&world, &sync, RecordOutcome::Removed).await;
    assert_eq!(told.len(), 2);
    for record in told {
        let changes: Value = serde_json::from_str(&record.changes.unwrap()).unwrap();
        assert_eq!(changes[0]["new_value"], json!("Gone"), "{changes}");
        assert!(record.record_id.is_some() && record.serial_number.is_some());
    }
    let again = world.sync(Mode::Incremental).await;
    assert_eq!(again.counts.removed, 0, "marked once: {again:?}");
    assert_eq!(calls(&world.counters().await, update), calls(&after, update));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_device_that_was_seen_in_between_was_not_gone() {
    let world = imported(4).await;
    mark(&world, None, Duration::from_secs(3_600)).await;
    let gone = leave(&world, 0..1).await;
    world.sync(Mode::Incremental).await;
    hours_pass(&world, 2).await;
    come_back(&world, &gone).await;
    world.sync(Mode::Incremental).await;
    leave(&world, 0..4).await;
    let others = world.fleet().await;
    assert!(others.is_empty());
    come_back(&world, &gone).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.counts.removed, 0, "all are missed for the first time: {sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_what_was_marked_is_undone_when_the_device_comes_back() {
    for (unmark_value, expected) in [(Some(json!("In use")), json!("In use")), (None, json!(""))] {
        let world = imported(4).await;
        mark(&world, unmark_value, Duration::ZERO).await;
        let gone = leave(&world, 1..2).await;
        world.sync(Mode::Incremental).await;
        assert_eq!(world.sync(Mode::Incremental).await.counts.removed, 1);
        assert_eq!(status(&world, &gone[0]).await, json!("Gone"));
        // Nothing else about it changed.
        come_back(&world, &gone).await;
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        assert_eq!((sync.counts.updated, sync.counts.unchanged), (1, 3), "{sync:?}");
        let told = with_outcome(&world, &sync, RecordOutcome::Updated).await;
        assert!(told[0].changes.as_ref().unwrap().contains("Gone"), "the old value is told: {told:?}");
        let now = status(&world, &gone[0]).await;
        assert_eq!(if now.is_null() { json!("") } else { now }, expected);
        let again = world.sync(Mode::Incremental).await;
        assert_eq!(again.counts.unchanged, 4, "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_only_what_we_created_is_deleted_and_the_rest_is_listed_once() {
    let world = World::of(6).await;
    for device in world.fleet().await {
        world.edit(&device["device_id"], json!({"is_removed": false})).await;
    }
    let ready = world.sandbox.ready();
    let fleet = world.fleet().await;
    let adopted = json!({ready.columns["Serial Number"].clone(): fleet[0]["serial_number"]});
    let seed = json!({"collection_id": ready.collection_id, "records": [adopted]});
    world.control(Method::POST, "/records", Some(seed)).await;
    let first = world.sync(Mode::Incremental).await;
    assert_eq!((first.counts.adopted, first.counts.created), (1, 5), "{first:?}");
    world.remap(delete_at_once).await;
    leave(&world, 0..2).await;
    world.sync(Mode::Incremental).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.read, sync.counts.unchanged, sync.counts.removed), (4, 4, 1), "{sync:?}");
    let there = records_by_serial(&world).await;
    assert!(there.contains_key(fleet[0]["serial_number"].as_str().unwrap()), "it was there before us");
    assert!(!there.contains_key(fleet[1]["serial_number"].as_str().unwrap()), "it was ours");
    let left = with_outcome(&world, &sync, RecordOutcome::Skipped).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].reason.as_deref(), Some("NOT_CREATED_BY_US"), "{left:?}");
    let again = world.sync(Mode::Incremental).await;
    succeeded(&again);
    assert!(world.records(again.sync_id).await.is_empty(), "listed once");
    // Back again: one is there still, the other is made anew.
    come_back(&world, &fleet[0..2]).await;
    let back = world.sync(Mode::Incremental).await;
    assert_eq!((back.counts.created, back.counts.unchanged), (1, 5), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_device_that_is_listed_as_removed_is_imported_and_then_gets_the_policy() {
    let world = imported(5).await;
    mark(&world, Some(json!("In use")), Duration::from_secs(3_600)).await;
    let device = world.fleet().await[3].clone();
    world.edit(&device["device_id"], json!({"is_removed": true})).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.updated, sync.counts.unchanged, sync.counts.removed), (1, 4, 1), "{sync:?}");
    assert_eq!(status(&world, &device).await, json!("Gone"));
    let record = &records_by_serial(&world).await[device["serial_number"].as_str().unwrap()];
    assert_eq!(record["values"][&world.sandbox.ready().columns["Is Removed"]], json!(true));
    let told = with_outcome(&world, &sync, RecordOutcome::Removed).await;
    let changes: Vec<Value> = serde_json::from_str(told[0].changes.as_ref().unwrap()).unwrap();
    assert_eq!(changes.len(), 2, "its column, and the mark: {changes:?}");
    let again = world.sync(Mode::Incremental).await;
    assert_eq!((again.counts.unchanged, again.counts.removed), (5, 0), "{again:?}");
    world.edit(&device["device_id"], json!({"is_removed": false})).await;
    assert_eq!(world.sync(Mode::Incremental).await.counts.updated, 1);
    assert_eq!(status(&world, &device).await, json!("In use"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_device_that_is_listed_as_removed_is_deleted_and_not_made_anew() {
    let world = imported(5).await;
    world.remap(delete_at_once).await;
    let device = world.fleet().await[3].clone();
    world.edit(&device["device_id"], json!({"is_removed": true})).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.counts.updated, sync.counts.removed), (1, 1), "{sync:?}");
    for _ in 0..2 {
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        assert_eq!((sync.counts.created, sync.counts.skipped, sync.counts.unchanged), (0, 1, 4), "{sync:?}");
    }
    assert_eq!(records_by_serial(&world).await.len(), 4);
    world.edit(&device["device_id"], json!({"is_removed": false})).await;
    assert_eq!(world.sync(Mode::Incremental).await.counts.created, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_lost_answers_of_removals_end_right() {
    for on in ["update", "delete"] {
        let world = imported(14).await;
        if on == "update" {
            mark(&world, None, Duration::ZERO).await;
        } else {
            world.remap(delete_at_once).await;
        }
        world.remap(|spec| spec.brake.max_percent = 100).await;
        let gone = leave(&world, 0..11).await;
        world.sync(Mode::Incremental).await;
        faults(&world, json!({"lost_answer": {"on": on, "every": 2, "answer": "drop"}})).await;
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        assert_eq!(sync.counts.removed, 11, "{on}: {sync:?}");
        assert_eq!(with_outcome(&world, &sync, RecordOutcome::Removed).await.len(), 11);
        if on == "update" {
            for device in &gone {
                assert_eq!(status(&world, device).await, json!("Gone"));
            }
        } else {
            assert_eq!(records_by_serial(&world).await.len(), 3);
        }
        assert_eq!(world.sync(Mode::Incremental).await.counts.removed, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_mark_whose_answer_was_lost_with_its_sync_is_undone_when_the_device_comes_back() {
    let world = imported(4).await;
    mark(&world, None, Duration::ZERO).await;
    let gone = leave(&world, 1..2).await;
    world.sync(Mode::Incremental).await;
    faults(&world, json!({"lost_answer": {"on": "update"}})).await;
    let id = world.trigger(Mode::Incremental, false).await;
    wait_until(&world, id, WaitReason::Outage).await;
    cancel(&world, id).await;
    assert_eq!(status(&world, &gone[0]).await, json!("Gone"), "it was applied");
    faults(&world, json!({})).await;
    come_back(&world, &gone).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.updated, sync.counts.unchanged), (1, 3), "{sync:?}");
    assert_eq!(status(&world, &gone[0]).await.as_str().unwrap_or(""), "");
    assert_eq!(world.sync(Mode::Incremental).await.counts.unchanged, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_record_that_refuses_its_mark_is_rejected_and_not_asked_again_at_once() {
    let world = imported(5).await;
    mark(&world, None, Duration::ZERO).await;
    let gone = leave(&world, 0..2).await;
    world.sync(Mode::Incremental).await;
    let refuse = json!({"refuse_rows": [{"column": "Status", "value": "Gone", "message": "locked", "count": 1}]});
    faults(&world, refuse).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.state, SyncState::CompletedWithRejections, "{sync:?}");
    assert_eq!((sync.counts.removed, sync.counts.rejected, sync.counts.unchanged), (1, 1, 3), "{sync:?}");
    let rejected = with_outcome(&world, &sync, RecordOutcome::Rejected).await;
    assert_eq!(rejected[0].reason.as_deref(), Some("REMOVAL_REFUSED"));
    assert!(rejected[0].message.as_deref().unwrap().contains("locked"), "{rejected:?}");
    let before = world.counters().await;
    let again = world.sync(Mode::Incremental).await;
    assert_eq!(again.state, SyncState::CompletedWithRejections, "{again:?}");
    assert_eq!((again.counts.removed, again.counts.still_rejected), (0, 1), "{again:?}");
    let update = "PUT /collection-records";
    assert_eq!(calls(&world.counters().await, update), calls(&before, update));
    let full = world.sync(Mode::Full).await;
    succeeded(&full);
    assert_eq!(full.counts.removed, 1, "a FULL sync tries again: {full:?}");
    for device in &gone {
        assert_eq!(status(&world, device).await, json!("Gone"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_record_that_is_deleted_already_needs_no_removal() {
    for delete in [false, true] {
        let world = imported(4).await;
        mark(&world, None, Duration::ZERO).await;
        if delete {
            world.remap(delete_at_once).await;
        }
        let gone = leave(&world, 0..1).await;
        world.sync(Mode::Incremental).await;
        let record = records_by_serial(&world).await[gone[0]["serial_number"].as_str().unwrap()]["id"].clone();
        world.control(Method::DELETE, &format!("/records/{}", record.as_str().unwrap()), None).await;
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        let told = with_outcome(&world, &sync, RecordOutcome::Removed).await;
        assert!(told[0].message.as_deref().unwrap().contains("already"), "{told:?}");
        let again = world.sync(Mode::Incremental).await;
        assert_eq!((again.counts.unchanged, again.counts.removed), (3, 0), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_device_whose_values_are_refused_gets_the_policy_all_the_same() {
    let world = imported(5).await;
    mark(&world, None, Duration::ZERO).await;
    let device = world.fleet().await[0].clone();
    faults(&world, json!({"refuse_rows": [{"column": "Asset Tag", "value": "BAD", "message": "no such tag"}]})).await;
    world.edit(&device["device_id"], json!({"is_removed": true, "asset_tag": "BAD"})).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.state, SyncState::CompletedWithRejections, "{sync:?}");
    assert_eq!((sync.counts.rejected, sync.counts.unchanged, sync.counts.removed), (1, 4, 1), "{sync:?}");
    assert_eq!(status(&world, &device).await, json!("Gone"));
    let told = with_outcome(&world, &sync, RecordOutcome::Rejected).await;
    assert!(told[0].message.as_deref().unwrap().contains("no such tag"), "{told:?}");
    assert!(told[0].changes.as_deref().unwrap().contains("Gone"), "{told:?}");
    let again = world.sync(Mode::Incremental).await;
    assert_eq!((again.counts.still_rejected, again.counts.removed), (1, 0), "{again:?}");
    // It is back, and its values are refused still: the mark, which would go with them, is told of.
    world.edit(&device["device_id"], json!({"is_removed": false})).await;
    let back = world.sync(Mode::Incremental).await;
    let told = with_outcome(&world, &back, RecordOutcome::Rejected).await;
    assert!(told[0].message.as_deref().unwrap().contains("bears the mark"), "{told:?}");
    assert_eq!(status(&world, &device).await, json!("Gone"));
    world.edit(&device["device_id"], json!({"asset_tag": "GOOD"})).await;
    succeeded(&world.sync(Mode::Incremental).await);
    assert_eq!(status(&world, &device).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_device_that_was_left_alone_and_refuses_its_mark_is_in_one_count() {
    let world = World::ruled(5, |field| (field == SourceField::DeviceName).then_some(WriteRule::Trigger)).await;
    for device in world.fleet().await {
        world.edit(&device["device_id"], json!({"is_removed": false})).await;
    }
    succeeded(&world.sync(Mode::Incremental).await);
    mark(&world, None, Duration::ZERO).await;
    let device = world.fleet().await[0].clone();
    let refused = json!([
        {"column": "Device Name", "value": "BAD", "message": "no such name"},
        {"column": "Status", "value": "Gone", "message": "the record is locked"},
    ]);
    faults(&world, json!({"refuse_rows": refused})).await;
    world.edit(&device["device_id"], json!({"device_name": "BAD"})).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.counts.rejected, sync.counts.unchanged), (1, 4), "{sync:?}");
    world.edit(&device["device_id"], json!({"is_removed": true})).await;
    let sync = world.sync(Mode::Incremental).await;
    let told = with_outcome(&world, &sync, RecordOutcome::Rejected).await;
    assert_eq!(told[0].reason.as_deref(), Some("REMOVAL_REFUSED"), "{told:?}");
    let counts = sync.counts;
    assert_eq!((counts.read, counts.unchanged, counts.rejected, counts.still_rejected), (5, 4, 1, 0), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_device_that_is_enrolled_again_after_it_was_marked_has_the_mark_undone() {
    let world = imported(4).await;
    mark(&world, Some(json!("In use")), Duration::ZERO).await;
    let mut again = leave(&world, 1..2).await;
    world.sync(Mode::Incremental).await;
    assert_eq!(world.sync(Mode::Incremental).await.counts.removed, 1);
    again[0]["device_id"] = json!("ffffffff-0000-4000-8000-000000000008");
    come_back(&world, &again).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.updated, sync.counts.created), (1, 0), "{sync:?}");
    assert_eq!(status(&world, &again[0]).await, json!("In use"));
    assert_eq!(world.sync(Mode::Incremental).await.counts.unchanged, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_re_enrolled_device_is_not_gone() {
    let world = imported(4).await;
    world.remap(delete_at_once).await;
    let mut again = leave(&world, 1..2).await;
    world.sync(Mode::Incremental).await;
    again[0]["device_id"] = json!("ffffffff-0000-4000-8000-000000000007");
    come_back(&world, &again).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.updated, sync.counts.removed), (1, 0), "the link was taken over: {sync:?}");
    assert_eq!(records_by_serial(&world).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_dry_run_tells_of_removals_and_does_none() {
    let world = imported(6).await;
    mark(&world, None, Duration::ZERO).await;
    let removed = world.fleet().await[5].clone();
    leave(&world, 0..2).await;
    world.sync(Mode::Incremental).await;
    world.edit(&removed["device_id"], json!({"is_removed": true})).await;
    let before = records_by_serial(&world).await;
    for _ in 0..2 {
        let id = world.trigger(Mode::Incremental, true).await;
        let dry = world.ended(id).await;
        succeeded(&dry);
        assert_eq!((dry.counts.read, dry.counts.updated, dry.counts.removed), (4, 1, 3), "{dry:?}");
        assert_eq!(with_outcome(&world, &dry, RecordOutcome::Removed).await.len(), 3);
    }
    assert_eq!(records_by_serial(&world).await, before);
    assert_eq!(world.sync(Mode::Incremental).await.counts.removed, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_dry_run_tells_that_a_mark_is_undone_as_the_sync_then_does() {
    let world = imported(3).await;
    mark(&world, None, Duration::ZERO).await;
    let device = world.fleet().await[0].clone();
    world.edit(&device["device_id"], json!({"is_removed": true})).await;
    assert_eq!(world.sync(Mode::Incremental).await.counts.removed, 1);
    world.edit(&device["device_id"], json!({"is_removed": false})).await;
    let plan = world.trigger(Mode::Incremental, true).await;
    let plan = world.ended(plan).await;
    let shown = with_outcome(&world, &plan, RecordOutcome::Updated).await;
    assert!(shown[0].changes.as_ref().unwrap().contains("Gone"), "{shown:?}");
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(with_outcome(&world, &sync, RecordOutcome::Updated).await[0].changes, shown[0].changes);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_2_an_incomplete_read_counts_for_no_removal() {
    let world = imported(160).await;
    mark(&world, None, Duration::ZERO).await;
    let gone = leave(&world, 158..160).await;
    world.sync(Mode::Incremental).await;
    unreadable_to_its_end(&world).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.error_reason.as_deref(), Some("READ_INCOMPLETE"), "{sync:?}");
    assert_eq!(sync.counts.removed, 0, "though two are due: {sync:?}");
    let absent: i64 = scalar(&world.store, "SELECT COUNT(*) FROM links WHERE absent_since IS NOT NULL").await;
    assert_eq!(absent, 2, "nobody else was missed");
    assert_eq!(status(&world, &gone[0]).await, Value::Null);
}
