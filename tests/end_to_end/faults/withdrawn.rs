//! What a sync stands on is taken away in mid-run: credentials, a column.

use pandaport_api::v1::{MappingState, Sync, SyncState, TriggerSyncRequest};
use serde_json::json;

use crate::harness::caller::incremental;
use crate::harness::journey::PATIENCE;
use crate::harness::scene::Scene;
use crate::harness::trial::{BOTH, Trial};
use crate::harness::truth::{Before, assert_settled, assert_truth};

/// This sync brings everything to its place.
async fn assert_mended_by(scene: &Scene, mapping_id: &str, request: TriggerSyncRequest) {
    let before = Before::of(&scene.sandbox).await;
    let next = scene.caller.trigger(request).await;
    let next = scene.caller.ended(&next.sync_id, PATIENCE).await;
    assert_truth(&scene.sandbox, &before, &next).await;
    assert_settled(&scene.caller, &scene.sandbox, mapping_id).await;
}

fn reason(sync: &Sync) -> &str {
    sync.error.as_ref().map_or("", |error| error.reason.as_str())
}

#[tokio::test]
async fn credentials_that_are_revoked_in_mid_run_fail_the_sync_and_the_next_one_goes_on_from_there() {
    for (api, after) in [("kandji", 2), ("asset_panda", 9)] {
        for against in BOTH {
            let scene = Scene::of(120).await;
            let faults = json!({ api: {"revoke_after_calls": after} });
            let trial = Trial::against(against, &scene.caller, &scene.sandbox, faults).await;

            let sync = scene.caller.ended(&trial.sync_id, PATIENCE).await;

            assert_eq!((sync.state(), reason(&sync)), (SyncState::Failed, "TOKEN_REFUSED"), "{api}, {against:?}");
            scene.sandbox.heal().await;
            assert_mended_by(&scene, &trial.mapping_id, incremental(&trial.mapping_id)).await;
        }
    }
}

#[tokio::test]
async fn rule_15_a_column_that_is_deleted_in_mid_run_breaks_the_mapping_and_all_is_mended_once_it_is_back() {
    for against in BOTH {
        let scene = Scene::of(120).await;
        let faults = json!({"asset_panda": {"delete_column_after_calls": {"column": "OS Version", "after": 9}}});
        let trial = Trial::against(against, &scene.caller, &scene.sandbox, faults).await;
        let struck = scene.caller.ended(&trial.sync_id, PATIENCE).await;
        assert_eq!(
            (struck.state(), reason(&struck)),
            (SyncState::Failed, "COLUMN_UNKNOWN"),
            "{against:?}: {struck:#?}"
        );
        assert_eq!(struck.counts.unwrap().rejected, 0, "{against:?}: no device is to blame");

        scene.sandbox.forget_calls().await;
        let next = scene.sync(&trial.mapping_id).await;
        assert_eq!((next.state(), reason(&next)), (SyncState::Failed, "COLUMN_UNKNOWN"), "{against:?}: {next:#?}");
        assert_eq!(scene.sandbox.counters().await.writes(), 0);
        assert_eq!(scene.caller.mapping(&trial.mapping_id).await.state(), MappingState::Broken);

        scene.sandbox.heal().await;
        scene.sandbox.edit_column("OS Version", json!({"deleted": false})).await;
        assert_mended_by(&scene, &trial.mapping_id, incremental(&trial.mapping_id)).await;
    }
}
