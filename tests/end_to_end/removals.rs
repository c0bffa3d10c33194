//! Removal by policy, the brake on it, and a kill in the middle.

use pandaport_api::v1::{
    ApproveHeldRequest, RecordOutcome, RemovalAction, RemovalPolicy, SyncPhase, SyncState, TriggerSyncRequest,
};
use serde_json::json;

use crate::crashes::quick_to_settle;
use crate::harness::caller::{incremental, is_final};
use crate::harness::journey::{PATIENCE, connect, create, mapping_of_all};
use crate::harness::scene::{Scene, assert_succeeded};
use crate::harness::wait::until_so;

const DEVICES: u32 = 120;
const GONE: u32 = 60;

#[tokio::test]
async fn rule_10_killed_among_removals_that_were_approved_each_is_done_and_nothing_else() {
    let mut scene = Scene::with(DEVICES, quick_to_settle).await;
    let mut ids = Vec::new();
    for device in scene.sandbox.devices().await {
        let id = device["device_id"].as_str().unwrap().to_owned();
        scene.sandbox.edit_device(&id, json!({"is_removed": false})).await;
        ids.push(id);
    }
    let connection_id = connect(&scene.caller, &scene.sandbox).await;
    let mut mapping = mapping_of_all(&scene.caller, &scene.sandbox, &connection_id, "ITAM", "serial_number").await;
    mapping.removal_policy = Some(RemovalPolicy {
        action: RemovalAction::Delete.into(),
        min_absence: Some(prost_types::Duration::default()),
        ..RemovalPolicy::default()
    });
    let created = create(&scene.caller, &connection_id, mapping).await;
    let mapping_id = created.mapping.unwrap().mapping_id;
    assert_succeeded(&scene.caller.ended(&created.sync.unwrap().sync_id, PATIENCE).await);
    // A record by hand, which is nobody's.
    let by_hand = scene.sandbox.seed_records(json!([{"Serial Number": "BY-HAND"}])).await;

    for id in &ids[..GONE as usize] {
        scene.sandbox.delete_device(id).await;
    }
    assert_succeeded(&scene.sync(&mapping_id).await);
    let held = scene.sync(&mapping_id).await;
    assert_eq!(held.state(), SyncState::Held, "{held:#?}");
    assert_eq!(held.counts.unwrap().removed, 0);
    let what = scene.caller.mapping(&mapping_id).await.held.expect("the mapping shows what is held");
    assert_eq!((what.removals, what.sample.len()), (GONE, 20), "{what:#?}");

    scene.sandbox.faults(json!({"asset_panda": {"latency_ms": 20, "hold_after_apply_ms": 250}})).await;
    let request = ApproveHeldRequest { mapping_id: mapping_id.clone(), digest: what.digest, ..Default::default() };
    let approved = scene.caller.grpc.clone().approve_held(request).await.expect("it is accepted").into_inner();
    let sync_id = approved.sync.unwrap().sync_id;
    let mut between = 0;
    for _ in 0..3 {
        until_so("removals under way, or the end of the sync", PATIENCE, async || {
            let sync = scene.caller.sync(&sync_id).await;
            let removing = sync.phase() == SyncPhase::Remove;
            is_final(&sync) || (removing && scene.sandbox.counters().await.asset_panda_in_flight() > 0)
        })
        .await;
        between += u32::from(scene.sandbox.counters().await.asset_panda_in_flight() > 0);
        scene.crash_and_restart().await;
    }
    assert!(between > 0, "no kill fell between a removal and its answer");
    let sync = scene.caller.ended(&sync_id, PATIENCE).await;
    assert_succeeded(&sync);
    assert_eq!(sync.counts.unwrap().removed, GONE, "{sync:#?}");
    let told = scene.caller.records(&sync_id, &[RecordOutcome::Removed]).await;
    assert_eq!(told.len(), GONE as usize);

    let there = scene.sandbox.records().await;
    assert_eq!(there.len(), (DEVICES - GONE) as usize + 1, "and the one by hand");
    assert!(by_hand.iter().all(|id| there.iter().any(|record| record.id == *id)));
    assert_eq!(scene.caller.mapping(&mapping_id).await.held, None);
    scene.sandbox.heal().await;
    scene.sandbox.forget_calls().await;
    let request: TriggerSyncRequest = incremental(&mapping_id);
    assert_succeeded(&scene.run(request).await);
    assert_eq!(scene.sandbox.counters().await.writes(), 0, "nothing more is to be removed");
    scene.sandbox.assert_no_violations().await;
}
