//! Connections that go dead without a word: no reset, no end, no byte.

use serde_json::json;

use crate::harness::caller::incremental;
use crate::harness::installation::Installation;
use crate::harness::journey::{PATIENCE, connection, create, mapping_of_all};
use crate::harness::relay::Relay;
use crate::harness::sandbox::Sandbox;
use crate::harness::truth::{Before, assert_settled, assert_truth, seed_others};
use crate::harness::wait::until_so;

#[tokio::test]
async fn half_open_sockets_hold_up_neither_a_first_import_nor_a_sync_with_changes() {
    let sandbox = Sandbox::start(120).await;
    let (relay, url) = Relay::to_api(&sandbox.ready.asset_panda_url).await;
    let up = Installation::new(&sandbox).allowing(&relay.address);
    let serving = up.up().await;
    let caller = serving.caller();
    let mut settings = connection(&sandbox);
    settings.asset_panda.as_mut().unwrap().base_url = url;
    let answer = caller.grpc.clone().configure_connection(settings).await.expect("it is accepted").into_inner();
    let connection_id = answer.connection.expect("the test passed").connection_id;
    let mapping = mapping_of_all(&caller, &sandbox, &connection_id, "ITAM", "serial_number").await;
    seed_others(&sandbox).await;
    sandbox.faults(json!({"asset_panda": {"latency_ms": 50}})).await;

    let before = Before::of(&sandbox).await;
    let created = create(&caller, &connection_id, mapping).await;
    until_so("creates", PATIENCE, async || sandbox.counters().await.creates() >= 3).await;
    relay.go_silent();
    let sync = caller.ended(&created.sync.unwrap().sync_id, PATIENCE).await;
    assert_truth(&sandbox, &before, &sync).await;

    let mapping_id = created.mapping.unwrap().mapping_id;
    assert_eq!(sandbox.change(50.0, 1).await, 60);
    let before = Before::of(&sandbox).await;
    sandbox.forget_calls().await;
    let sync = caller.trigger(incremental(&mapping_id)).await;
    until_so("updates", PATIENCE, async || sandbox.counters().await.updates() >= 3).await;
    relay.go_silent();
    let sync = caller.ended(&sync.sync_id, PATIENCE).await;
    assert_truth(&sandbox, &before, &sync).await;
    assert_settled(&caller, &sandbox, &mapping_id).await;
}
