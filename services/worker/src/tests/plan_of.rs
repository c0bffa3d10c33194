//! Rule 14: a sync that applies a plan does exactly what was shown, or nothing.

use std::time::Duration;

use pandaport_import::{Brake, SourceField};
use pandaport_store::SyncId;
use pandaport_store::records::{RecordOutcome, SyncRecord};
use pandaport_store::syncs::{self, Mode, NewSync, Sync, SyncState, TriggerKind};
use pandaport_test_database::{rows, run};
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::World;
use super::journey::{records_by_serial, succeeded};
use super::removal::{come_back, delete_at_once, imported, leave, mark};

async fn dry_run(world: &World, mode: Mode) -> SyncId {
    let id = world.trigger(mode, true).await;
    let sync = world.ended(id).await;
    assert!(matches!(sync.state, SyncState::Succeeded | SyncState::CompletedWithRejections), "{sync:?}");
    id
}

/// Applies the plan, and waits for the end.
async fn apply(world: &World, plan: SyncId) -> Sync {
    let shown = syncs::get(&world.store, &world.tenant, plan).await.unwrap();
    let new = NewSync {
        mapping_id: world.mapping_id,
        mode: shown.mode,
        dry_run: false,
        retry_rejected: shown.retry_rejected,
        trigger_kind: TriggerKind::Call,
        traceparent: None,
    };
    let id = world.trigger_of(&new, Some(plan)).await;
    world.ended(id).await
}

async fn writes(world: &World) -> u64 {
    world.calls("POST /collection-records").await + world.calls("PUT /collection-records").await
}

/// Everything that is remembered of devices, but for when a sync last saw them.
async fn links(world: &World) -> Vec<String> {
    let found: Vec<Remembered> = rows(
        &world.store,
        "SELECT l.device_id, l.fingerprint, l.flags, l.passenger_time, v.record_id, v.cells, v.forms, v.created_by_us,
             v.confirmed_time, v.reason
         FROM links l JOIN link_values v ON v.link_id = l.link_id ORDER BY l.device_id",
    )
    .await;
    found.iter().map(|it| format!("{it:?}")).collect()
}

/// A row of [`links`].
type Remembered =
    (String, Vec<u8>, i64, Option<i64>, Option<String>, String, String, bool, Option<i64>, Option<String>);

/// What a plan, or a sync, says of each device, without the values of the last check-in.
fn said(world: &World, records: &[SyncRecord]) -> Vec<(String, RecordOutcome, Option<String>, Vec<Value>)> {
    let check_in = world.column(SourceField::LastCheckIn);
    records
        .iter()
        .map(|it| {
            let changes: Vec<Value> =
                it.changes.as_deref().map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default();
            let changes = changes.into_iter().filter(|change| change["column_id"] != json!(check_in)).collect();
            (it.device_id.clone(), it.outcome, it.reason.clone(), changes)
        })
        .collect()
}

/// A fleet of twelve that has been imported; since then something of every kind has happened.
async fn with_something_to_do() -> World {
    let world = World::of(12).await;
    let first = world.sync(Mode::Incremental).await;
    let records = world.records(first.sync_id).await;
    let fleet = world.fleet().await;
    let (edited, deleted) = (records[0].record_id.clone().unwrap(), records[1].record_id.clone().unwrap());
    world
        .control(
            Method::PATCH,
            &format!("/records/{edited}"),
            Some(json!({world.column(SourceField::Model): "by hand"})),
        )
        .await;
    world.control(Method::DELETE, &format!("/records/{deleted}"), None).await;
    world.edit(&fleet[2]["device_id"], json!({"asset_tag": "NEW"})).await;
    world.edit(&fleet[3]["device_id"], json!({"serial_number": ""})).await;
    let adopted = json!([{world.column(SourceField::SerialNumber): "THERE-1"}, {
        world.column(SourceField::SerialNumber): "THERE-2", world.column(SourceField::DeviceId): device_id(2),
        world.column(SourceField::DeviceName): "there",
    }]);
    let seed = json!({"collection_id": world.sandbox.ready().collection_id, "records": adopted});
    world.control(Method::POST, "/records", Some(seed)).await;
    let new = json!([
        {"device_id": device_id(1), "device_name": "new", "serial_number": "THERE-1", "user": ""},
        {"device_id": device_id(2), "device_name": "there", "serial_number": "THERE-2", "user": ""},
        {"device_id": device_id(3), "device_name": "new", "serial_number": "NEW-1", "user": ""},
    ]);
    world.control(Method::POST, "/fleet/devices", Some(new)).await;
    world
}

fn device_id(n: u32) -> String {
    format!("ffffffff-0000-4000-8000-00000000000{n}")
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_plan_is_applied_exactly_as_it_was_shown() {
    let world = with_something_to_do().await;
    let plan = dry_run(&world, Mode::Full).await;
    let shown = world.records(plan).await;
    let of = |outcome| shown.iter().filter(|it| it.outcome == outcome).count();
    assert_eq!(
        [RecordOutcome::Created, RecordOutcome::Adopted, RecordOutcome::Updated, RecordOutcome::Rejected].map(of),
        [2, 2, 2, 1],
        "{shown:?}"
    );
    // Check-ins move on by themselves: that must not make every plan a thing of the past.
    world.control(Method::POST, "/fleet/check-ins", Some(json!({}))).await;
    let sync = apply(&world, plan).await;
    assert_eq!(sync.state, SyncState::CompletedWithRejections, "{sync:?}");
    assert_eq!(sync.plan_of, Some(plan));
    assert_eq!(said(&world, &world.records(sync.sync_id).await), said(&world, &shown));
    let dry = syncs::get(&world.store, &world.tenant, plan).await.unwrap();
    assert_eq!(sync.counts, dry.counts, "it did what was counted");
    // Nothing is left to do.
    let next = world.sync(Mode::Full).await;
    assert_eq!((next.counts.unchanged, next.counts.rejected), (14, 1), "{next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_plan_of_a_first_import_is_applied() {
    let world = World::of(700).await;
    let plan = dry_run(&world, Mode::Incremental).await;
    assert_eq!(world.records(plan).await.len(), 700);
    let sync = apply(&world, plan).await;
    assert_eq!((sync.state, sync.counts.created), (SyncState::Succeeded, 700), "{sync:?}");
    assert_eq!(writes(&world).await, 140, "sent once, in full batches");
    let again = apply(&world, plan).await;
    assert_eq!((again.state, again.error_reason.as_deref()), (SyncState::Failed, Some("PLAN_MOVED")), "{again:?}");
    assert!(again.error_message.unwrap().contains("700 devices"), "it has been done");
}

/// What moves, and how the refusal tells it.
async fn moves(world: &World, moved: impl AsyncFnOnce(&World), told: &[&str]) {
    let plan = dry_run(world, Mode::Full).await;
    let (before, sent) = (links(world).await, writes(world).await);
    moved(world).await;
    let sync = apply(world, plan).await;
    assert_eq!((sync.state, sync.error_reason.as_deref()), (SyncState::Failed, Some("PLAN_MOVED")), "{sync:?}");
    let message = sync.error_message.as_deref().unwrap();
    for part in told {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    assert!(message.contains("make a new dry run"), "{message}");
    assert_eq!(writes(world).await, sent, "nothing was sent");
    assert_eq!(links(world).await, before, "nothing counts as done");
    assert_eq!((sync.counts.created, sync.counts.adopted, sync.counts.updated), (0, 0, 0), "{sync:?}");
    let records = world.records(sync.sync_id).await;
    let done = |it: &&SyncRecord| !matches!(it.outcome, RecordOutcome::Planned | RecordOutcome::Rejected);
    assert_eq!(records.iter().find(done), None, "what would have been done stays planned");
    assert!(records.iter().any(|it| it.changes.is_some()), "and is there to be seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_value_that_moved_in_kandji_refuses_the_plan() {
    let world = with_something_to_do().await;
    let change =
        async |world: &World| world.edit(&world.fleet().await[2]["device_id"], json!({"asset_tag": "NEWER"})).await;
    moves(&world, change, &["1 device is not as the plan showed", "\"Asset Tag\"", "\"NEW\"", "\"NEWER\""]).await;
    // The way out works.
    let plan = dry_run(&world, Mode::Full).await;
    assert_eq!(apply(&world, plan).await.state, SyncState::CompletedWithRejections);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_record_that_was_edited_since_refuses_the_plan() {
    let world = with_something_to_do().await;
    let edit = async |world: &World| {
        let path = format!("/records?collection_id={}", world.sandbox.ready().collection_id);
        let all = world.control(Method::GET, &path, None).await;
        let model = world.column(SourceField::Model);
        let edited = all["records"].as_array().unwrap().iter().find(|it| it["values"][&model] == "by hand").unwrap();
        let path = format!("/records/{}", edited["id"].as_str().or(edited["record_id"].as_str()).unwrap());
        world.control(Method::PATCH, &path, Some(json!({ model: "by another hand" }))).await;
    };
    moves(&world, edit, &["\"Model\" was shown as \"by hand\" to", "it would be \"by another hand\" to"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_device_that_came_and_one_that_went_refuse_the_plan() {
    let world = with_something_to_do().await;
    let come_and_go = async |world: &World| {
        let new = json!([{"device_id": device_id(9), "device_name": "n", "serial_number": "NEW-9", "user": ""}]);
        world.control(Method::POST, "/fleet/devices", Some(new)).await;
        world.control(Method::DELETE, &format!("/fleet/devices/{}", device_id(3)), None).await;
    };
    let told = ["2 devices are not", "NEW-9: nothing to do was shown, it would be a new record", "NEW-1: a new record"];
    moves(&world, come_and_go, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_record_that_appeared_refuses_the_plan() {
    let world = with_something_to_do().await;
    let appear = async |world: &World| {
        let records = json!([{world.column(SourceField::SerialNumber): "NEW-1"}]);
        let seed = json!({"collection_id": world.sandbox.ready().collection_id, "records": records});
        world.control(Method::POST, "/records", Some(seed)).await;
    };
    moves(&world, appear, &["NEW-1: a new record", "it would be the adoption of record"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_device_that_is_rejected_now_refuses_the_plan() {
    let world = with_something_to_do().await;
    let lose =
        async |world: &World| world.edit(&world.fleet().await[2]["device_id"], json!({"serial_number": ""})).await;
    moves(&world, lose, &["a rejection (IDENTIFIER_EMPTY)"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_passengers_alone_are_written_only_where_that_was_shown() {
    let world = World::of(10).await;
    world.sync(Mode::Incremental).await;
    let plan = dry_run(&world, Mode::Incremental).await;
    assert!(world.records(plan).await.is_empty());
    // Due by now, and not when the plan was made.
    world.clock.pass(Duration::from_secs(40 * 3600));
    world.control(Method::POST, "/fleet/check-ins", Some(json!({}))).await;
    let sync = apply(&world, plan).await;
    assert_eq!((sync.state, sync.counts.unchanged), (SyncState::Succeeded, 10), "{sync:?}");
    let plan = dry_run(&world, Mode::Incremental).await;
    assert_eq!(world.records(plan).await.len(), 10);
    world.control(Method::POST, "/fleet/check-ins", Some(json!({}))).await;
    let sync = apply(&world, plan).await;
    assert_eq!((sync.state, sync.counts.updated), (SyncState::Succeeded, 10), "{sync:?}");
}

/// Thirty devices, of which two are gone and due to be marked, and four lose a value, which the brake holds.
async fn with_removals_and_held_clears() -> (World, Vec<Value>) {
    let world = imported(30).await;
    for device in world.fleet().await {
        world.edit(&device["device_id"], json!({"asset_tag": "TAG"})).await;
    }
    mark(&world, None, Duration::ZERO).await;
    world.remap(|spec| spec.brake = Brake { max_percent: 10, min_count: 3 }).await;
    world.sync(Mode::Incremental).await;
    let gone = leave(&world, 0..2).await;
    world.sync(Mode::Incremental).await;
    for device in &world.fleet().await[..4] {
        world.edit(&device["device_id"], json!({"asset_tag": ""})).await;
    }
    (world, gone)
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_removals_and_what_the_brake_holds_are_part_of_the_plan() {
    let (world, _) = with_removals_and_held_clears().await;
    let id = world.trigger(Mode::Incremental, true).await;
    let dry = world.ended(id).await;
    assert_eq!((dry.state, dry.counts.removed), (SyncState::Held, 2), "{dry:?}");
    let shown = world.records(id).await;
    let held = shown.iter().filter(|it| it.reason.as_deref() == Some("HELD")).count();
    assert_eq!((shown.len(), held), (6, 4), "{shown:?}");
    let before = writes(&world).await;
    let sync = apply(&world, id).await;
    assert_eq!((sync.state, sync.counts), (SyncState::Held, dry.counts), "{sync:?}");
    assert_eq!(said(&world, &world.records(sync.sync_id).await), said(&world, &shown));
    assert_eq!(writes(&world).await - before, 1, "both marks in one call, and nothing of what is held");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_device_that_came_back_refuses_the_plan_to_remove_it() {
    let (world, gone) = with_removals_and_held_clears().await;
    let id = world.trigger(Mode::Incremental, true).await;
    world.ended(id).await;
    let before = writes(&world).await;
    come_back(&world, &gone[..1]).await;
    let sync = apply(&world, id).await;
    assert_eq!((sync.state, sync.error_reason.as_deref()), (SyncState::Failed, Some("PLAN_MOVED")), "{sync:?}");
    let message = sync.error_message.unwrap();
    assert!(message.contains("the removal of record"), "{message}");
    assert_eq!((writes(&world).await, sync.counts.removed), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_plan_past_the_retention_is_refused() {
    let world = World::of(3).await;
    let plan = dry_run(&world, Mode::Incremental).await;
    run(&world.store, "UPDATE syncs SET pruned = TRUE").await;
    let sync = apply(&world, plan).await;
    assert_eq!((sync.state, sync.error_reason.as_deref()), (SyncState::Failed, Some("PLAN_MOVED")), "{sync:?}");
    assert!(sync.error_message.unwrap().contains("retention"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_plan_is_pageable_and_shows_old_and_new_values_of_every_outcome() {
    let world = with_something_to_do().await;
    let plan = dry_run(&world, Mode::Full).await;
    let all = world.records(plan).await;
    let mut paged: Vec<SyncRecord> = Vec::new();
    loop {
        let after = paged.last().map(|it| it.device_id.clone());
        let page = pandaport_store::records::list(&world.store, &world.tenant, plan, &[], after.as_deref(), 2).await;
        let page = page.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    for record in all {
        let changes: Vec<Value> =
            record.changes.as_deref().map(|it| serde_json::from_str(it).unwrap()).unwrap_or_default();
        let whole = |change: &Value| change.get("new_value").is_some() && !change["column_id"].is_null();
        match record.outcome {
            RecordOutcome::Created => {
                assert!(record.record_id.is_none() && changes.iter().all(whole) && !changes.is_empty())
            }
            RecordOutcome::Updated => {
                assert!(record.record_id.is_some() && changes.iter().any(|it| it.get("old_value").is_some()))
            }
            RecordOutcome::Adopted => assert!(record.record_id.is_some(), "{record:?}"),
            RecordOutcome::Rejected => assert!(record.reason.is_some() && record.message.is_some()),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_the_record_of_a_device_that_is_enrolled_again_is_not_shown_as_removed() {
    let world = imported(4).await;
    world.remap(delete_at_once).await;
    let mut again = leave(&world, 1..2).await;
    succeeded(&world.sync(Mode::Incremental).await);
    again[0]["device_id"] = json!(device_id(7));
    come_back(&world, &again).await;
    let plan = dry_run(&world, Mode::Incremental).await;
    let shown = syncs::get(&world.store, &world.tenant, plan).await.unwrap();
    assert_eq!((shown.counts.updated, shown.counts.removed), (1, 0), "its link passes on: {shown:?}");
    let sync = apply(&world, plan).await;
    succeeded(&sync);
    assert_eq!(sync.counts, shown.counts);
    assert_eq!(records_by_serial(&world).await.len(), 4);
}
