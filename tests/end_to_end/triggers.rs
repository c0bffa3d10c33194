//! Starting, trying out and stopping syncs by call.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pandaport_api::v1::{
    CancelSyncRequest, RecordOutcome, SyncMode, SyncPhase, SyncRecord, SyncState, TriggerSyncRequest, WatchSyncRequest,
};
use prost_types::value::Kind;
use serde_json::json;
use tonic::Code;

use crate::harness::caller::{counts, full, incremental, is_final, reason};
use crate::harness::journey::{self, PATIENCE, begin_import};
use crate::harness::scene::{Scene, assert_succeeded};
use crate::harness::wait::until_so;

fn by_device(records: Vec<SyncRecord>) -> BTreeMap<String, (RecordOutcome, SyncRecord)> {
    records.into_iter().map(|it| (it.device_id.clone(), (it.outcome(), it))).collect()
}

#[tokio::test]
async fn rule_14_a_dry_run_writes_nothing_and_says_what_the_next_sync_then_does() {
    let scene = Scene::of(60).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let devices = scene.sandbox.devices().await;
    let text = |at: usize, key: &str| devices[at][key].as_str().unwrap().to_owned();
    // One changed, one new, one new that is in the collection already, one new without a serial number.
    scene.sandbox.edit_device(&text(3, "device_id"), json!({"os_version": "99.1"})).await;
    let new = scene.sandbox.add_device(json!({})).await;
    let there = scene.sandbox.add_device(json!({"serial_number": "EXMPLHAND01", "model": "Mac mini (2023)"})).await;
    let seeded = json!([{"Serial Number": "EXMPLHAND01", "Model": "unknown", "Notes": "bought second-hand"}]);
    let seeded = scene.sandbox.seed_records(seeded).await.remove(0);
    let empty = scene.sandbox.add_device(json!({"serial_number": ""})).await;
    scene.sandbox.forget_calls().await;
    let written = scene.sandbox.summary("Serial Number").await["written"].clone();
    let linked = scene.caller.mapping(&import.mapping_id).await.linked_count;

    let dry = scene.run(TriggerSyncRequest { dry_run: true, ..incremental(&import.mapping_id) }).await;

    assert!(is_final(&dry) && dry.dry_run && dry.state() != SyncState::Failed, "{dry:#?}");
    assert_eq!(dry.phase(), SyncPhase::Decide);
    assert_eq!(counts(&dry), [63, 1, 1, 1, 59, 1, 0]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0);
    assert_eq!(scene.sandbox.summary("Serial Number").await["written"], written);
    let mapping = scene.caller.mapping(&import.mapping_id).await;
    assert_eq!(mapping.linked_count, linked);
    assert_eq!(mapping.last_sync.unwrap().sync_id, import.sync.sync_id, "a dry run is not a mapping's last sync");

    let plan = by_device(scene.caller.records(&dry.sync_id, &[]).await);
    assert_eq!(plan.len(), 4, "{plan:#?}");
    let (outcome, update) = &plan[&text(3, "device_id")];
    assert_eq!(*outcome, RecordOutcome::Updated);
    let [change] = update.changes.as_slice() else { panic!("{:#?}", update.changes) };
    assert_eq!(change.source_field, "os_version");
    let value = |value: &Option<prost_types::Value>| value.clone().and_then(|it| it.kind);
    assert_eq!(value(&change.old_value), Some(Kind::StringValue(text(3, "os_version"))));
    assert_eq!(value(&change.new_value), Some(Kind::StringValue("99.1".to_owned())));
    assert_eq!(plan[&new].0, RecordOutcome::Created);
    let (outcome, adoption) = &plan[&there];
    assert_eq!((*outcome, &adoption.record_id), (RecordOutcome::Adopted, &seeded));
    let model = adoption.changes.iter().find(|it| it.source_field == "model").expect("the model differs");
    assert_eq!(value(&model.old_value), Some(Kind::StringValue("unknown".to_owned())));
    assert_eq!((plan[&empty].0, plan[&empty].1.reason.as_str()), (RecordOutcome::Rejected, "IDENTIFIER_EMPTY"));

    let real = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&real), counts(&dry));
    let done = by_device(scene.caller.records(&real.sync_id, &[]).await);
    let outcomes = |of: &BTreeMap<String, (RecordOutcome, SyncRecord)>| -> Vec<(String, RecordOutcome)> {
        of.iter().map(|(id, (outcome, _))| (id.clone(), *outcome)).collect()
    };
    assert_eq!(outcomes(&done), outcomes(&plan));
}

#[tokio::test]
async fn rule_14_a_dry_run_of_a_full_sync_says_what_it_would_repair() {
    let scene = Scene::of(30).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let records = scene.sandbox.records().await;
    scene.sandbox.edit_record(&records[0].id, json!({"Model": "edited"})).await;
    scene.sandbox.delete_record(&records[1].id).await;
    scene.sandbox.forget_calls().await;

    let dry = scene.run(TriggerSyncRequest { dry_run: true, ..full(&import.mapping_id) }).await;

    assert_eq!(counts(&dry), [30, 1, 0, 1, 28, 0, 0], "{dry:#?}");
    assert_eq!(scene.sandbox.counters().await.writes(), 0);
    let real = scene.full_sync(&import.mapping_id).await;
    assert_eq!(counts(&real), [30, 1, 0, 1, 28, 0, 0], "{real:#?}");
}

#[tokio::test]
async fn rule_14_a_plan_is_applied_as_shown_or_refused_with_what_moved() {
    let scene = Scene::of(30).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let devices = scene.sandbox.devices().await;
    let text = |at: usize, key: &str| devices[at][key].as_str().unwrap().to_owned();
    let edit = async |version: &str| {
        scene.sandbox.edit_device(&text(3, "device_id"), json!({"os_version": version})).await;
    };
    edit("99.1").await;
    scene.sandbox.add_device(json!({})).await;
    let plan = scene.run(TriggerSyncRequest { dry_run: true, ..full(&import.mapping_id) }).await;
    let apply = |plan: &pandaport_api::v1::Sync| TriggerSyncRequest {
        mapping_id: import.mapping_id.clone(),
        plan_of: plan.sync_id.clone(),
        ..Default::default()
    };

    edit("99.2").await;
    scene.sandbox.forget_calls().await;
    let moved = scene.run(apply(&plan)).await;
    assert_eq!(moved.state(), SyncState::Failed, "{moved:#?}");
    let error = moved.error.unwrap();
    assert_eq!(error.reason, "PLAN_MOVED");
    assert!(error.message.contains("\"99.1\"") && error.message.contains("\"99.2\""), "{}", error.message);
    assert_eq!(scene.sandbox.counters().await.writes(), 0);

    edit("99.1").await;
    let done = scene.run(apply(&plan)).await;
    assert_succeeded(&done);
    assert_eq!(done.plan_of, plan.sync_id);
    assert_eq!(counts(&done), counts(&plan));
    assert_eq!(
        by_device(scene.caller.records(&done.sync_id, &[]).await).len(),
        by_device(scene.caller.records(&plan.sync_id, &[]).await).len()
    );
}

#[tokio::test]
async fn rule_6_a_trigger_while_a_sync_is_active_gives_that_one_or_is_refused_for_another_mode() {
    let scene = Scene::of(60).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    scene.sandbox.faults(json!({"kandji": {"latency_ms": 700}})).await;
    let active = scene.caller.trigger(incremental(&import.mapping_id)).await;

    let again = scene.caller.try_trigger(incremental(&import.mapping_id)).await.expect("it is accepted");
    assert!(again.already_active);
    assert_eq!(again.sync.unwrap().sync_id, active.sync_id);

    let refused = scene.caller.try_trigger(full(&import.mapping_id)).await.expect_err("another mode is refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "SYNC_ACTIVE_OTHER_MODE");

    let dry = TriggerSyncRequest { dry_run: true, mode: SyncMode::Full.into(), ..incremental(&import.mapping_id) };
    let dry = scene.caller.try_trigger(dry).await.expect("a dry run takes no turn");
    assert!(!dry.already_active);
    assert_succeeded(&scene.caller.ended(&active.sync_id, PATIENCE).await);
    scene.caller.ended(&dry.sync.unwrap().sync_id, PATIENCE).await;
}

#[tokio::test]
async fn rule_6_of_two_triggers_at_once_one_makes_a_sync_and_both_give_it() {
    let scene = Scene::of(10).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    scene.sandbox.faults(json!({"kandji": {"latency_ms": 60}})).await;
    for _ in 0..20 {
        let (one, other) = (scene.caller.clone(), scene.caller.clone());
        let (one, other) = tokio::join!(
            one.try_trigger(incremental(&import.mapping_id)),
            other.try_trigger(incremental(&import.mapping_id)),
        );
        let (one, other) = (one.expect("it is accepted"), other.expect("it is accepted"));
        assert_ne!(one.already_active, other.already_active);
        let sync_id = one.sync.unwrap().sync_id;
        assert_eq!(sync_id, other.sync.unwrap().sync_id);
        assert_succeeded(&scene.caller.ended(&sync_id, PATIENCE).await);
    }
    assert_eq!(scene.caller.syncs(&import.mapping_id).await.len(), 21);
}

#[tokio::test]
async fn a_call_that_is_repeated_with_its_request_id_gets_the_first_answer_also_after_a_crash() {
    let mut scene = Scene::of(10).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    let request = TriggerSyncRequest { request_id: "once-only".to_owned(), ..incremental(&import.mapping_id) };
    let first = scene.caller.trigger(request.clone()).await;
    scene.caller.ended(&first.sync_id, PATIENCE).await;
    scene.crash_and_restart().await;

    let again = scene.caller.trigger(request.clone()).await;
    assert_eq!(again.sync_id, first.sync_id);
    assert_eq!(scene.caller.syncs(&import.mapping_id).await.len(), 2);

    let other = TriggerSyncRequest { mode: SyncMode::Full.into(), ..request };
    let refused = scene.caller.try_trigger(other).await.expect_err("another body is refused");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
}

#[tokio::test]
async fn a_cancelled_sync_stops_within_a_batch_and_the_next_one_goes_on_from_there() {
    let scene = Scene::of(400).await;
    scene.sandbox.faults(json!({"asset_panda": {"latency_ms": 150}})).await;
    let begun = begin_import(&scene.caller, &scene.sandbox, "serial_number").await;
    until_so("some batches", PATIENCE, async || scene.sandbox.counters().await.creates() >= 10).await;

    let asked = Instant::now();
    let cancel = CancelSyncRequest { sync_id: begun.sync.sync_id.clone() };
    let answer = scene.caller.grpc.clone().cancel_sync(cancel.clone()).await.expect("CancelSync is accepted");
    assert!(answer.into_inner().sync.unwrap().cancel_request_time.is_some());
    let at_cancel = scene.sandbox.counters().await.creates();
    let sync = scene.caller.ended(&begun.sync.sync_id, PATIENCE).await;

    assert_eq!(sync.state(), SyncState::Cancelled, "{sync:#?}");
    assert!(asked.elapsed() < Duration::from_secs(3), "it took {:?}", asked.elapsed());
    let creates = scene.sandbox.counters().await.creates();
    // Eight batches are in flight at once, and one more round may have been on its way out.
    assert!(creates <= at_cancel + 16, "{at_cancel} calls at the cancel, {creates} in the end");
    assert!(creates < 80, "it was not done anyway");
    let created = sync.counts.unwrap().created;
    assert_eq!(usize::try_from(created).unwrap(), scene.sandbox.records().await.len(), "what was sent is confirmed");
    let again = scene.caller.grpc.clone().cancel_sync(cancel).await.expect("a final sync is answered as it is");
    assert_eq!(again.into_inner().sync.unwrap().state(), SyncState::Cancelled);

    scene.sandbox.heal().await;
    let next = scene.sync(&begun.mapping_id).await;
    assert_succeeded(&next);
    assert_eq!(counts(&next), [400, 400 - created, 0, 0, created, 0, 0]);
    scene.assert_each_device_once().await;
}

#[tokio::test]
async fn a_watcher_sees_the_present_state_the_changes_and_the_end() {
    let scene = Scene::of(200).await;
    scene.sandbox.faults(json!({"asset_panda": {"latency_ms": 150}})).await;
    let begun = begin_import(&scene.caller, &scene.sandbox, "serial_number").await;

    let request = WatchSyncRequest { sync_id: begun.sync.sync_id };
    let mut stream = scene.caller.grpc.clone().watch_sync(request).await.expect("WatchSync answers").into_inner();
    let mut seen = Vec::new();
    while let Some(message) = stream.message().await.expect("the stream ends well") {
        seen.push(message.sync.expect("a sync"));
    }

    let last = seen.last().expect("at least one state");
    assert_succeeded(last);
    assert!(seen.len() >= 3, "{seen:#?}");
    assert!(seen[..seen.len() - 1].iter().all(|it| !is_final(it)), "it ends at the final state");
    let read: Vec<u32> = seen.iter().map(|it| it.counts.unwrap_or_default().created).collect();
    assert!(read.is_sorted(), "{read:?}");
}
