//! Two processes that trigger one mapping at the same time.

use serde_json::json;

use crate::harness::caller::incremental;
use crate::harness::installation::Installation;
use crate::harness::journey::{PATIENCE, import};
use crate::harness::sandbox::Sandbox;
use crate::harness::scene::assert_succeeded;
use crate::harness::truth::{Before, assert_truth, seed_others};

#[tokio::test]
async fn rule_6_of_two_triggers_at_once_from_two_processes_one_makes_a_sync_fifty_times() {
    let sandbox = Sandbox::start(10).await;
    let installation = Installation::new(&sandbox);
    installation.migrate().await;
    let processes = [installation.control_plane().await, installation.control_plane_as("control-plane-2").await];
    let [one, other] = processes.each_ref().map(|it| it.caller());
    let worker = installation.worker("worker").await;
    seed_others(&sandbox).await;
    let import = import(&one, &sandbox, "serial_number").await;
    assert_succeeded(&import.sync);
    // Long enough that a sync does not end between the two.
    sandbox.faults(json!({"kandji": {"latency_ms": 100}})).await;
    for round in 0..50 {
        let (a, b) = tokio::join!(
            one.try_trigger(incremental(&import.mapping_id)),
            other.try_trigger(incremental(&import.mapping_id)),
        );
        let (a, b) = (a.expect("it is accepted"), b.expect("it is accepted"));
        assert_ne!(a.already_active, b.already_active, "round {round}");
        let sync_id = a.sync.unwrap().sync_id;
        assert_eq!(sync_id, b.sync.unwrap().sync_id, "round {round}");
        assert_succeeded(&one.ended(&sync_id, PATIENCE).await);
    }
    assert_eq!(one.syncs(&import.mapping_id).await.len(), 51);
    sandbox.change(40.0, 1).await;
    let before = Before::of(&sandbox).await;
    let last = one.trigger(incremental(&import.mapping_id)).await;
    assert_truth(&sandbox, &before, &one.ended(&last.sync_id, PATIENCE).await).await;
    drop((worker, processes));
}
