//! The database out of reach for a while, in the middle of a sync: connections that are cut, and connections that go dead
//! without a word. On PostgreSQL only: a file does not go away.

use std::time::{Duration, Instant};

use pandaport_api::v1::GetSyncRequest;
use pandaport_test_database::is_postgres;
use rstest::rstest;
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::installation::Installation;
use crate::harness::journey::PATIENCE;
use crate::harness::relay::Relay;
use crate::harness::sandbox::Sandbox;
use crate::harness::trial::{Against, Trial};
use crate::harness::wait::until_so;

/// How soon a caller is told, and a probe sees it.
const TOLD: Duration = Duration::from_secs(15);

#[rstest]
#[case::cut(Relay::cut, Against::FirstImport)]
#[case::frozen(Relay::freeze, Against::FirstImport)]
#[case::frozen_amid_changes(Relay::freeze, Against::Changes)]
#[tokio::test]
async fn a_database_out_of_reach_is_told_to_callers_and_probes_and_syncs_go_on_afterwards(
    #[case] strike: fn(&Relay),
    #[case] against: Against,
) {
    if !is_postgres() {
        return;
    }
    let sandbox = Sandbox::start(120).await;
    let installation =
        Installation::new(&sandbox).with("PANDAPORT_SLICE", "500ms").with("PANDAPORT_HTTP_TIMEOUT", "1s");
    installation.migrate().await;
    let (installation, network) = installation.behind_a_relay().await;
    // The server is shared with other tests, and has few.
    let installation = installation.with("PANDAPORT_DATABASE_CONNECTIONS", "8");
    let control_plane = installation.control_plane().await;
    let worker = installation.worker("worker").await;
    let caller = control_plane.caller();
    let trial = Trial::against(against, &caller, &sandbox, json!({"asset_panda": {"latency_ms": 300}})).await;
    sandbox.forget_calls().await;
    until_so("batches on their way", PATIENCE, async || sandbox.counters().await.writes() >= 3).await;

    strike(&network);

    let asked = Instant::now();
    let request = GetSyncRequest { sync_id: trial.sync_id.clone() };
    let refused = caller.grpc.clone().get_sync(request).await.expect_err("there is no database");
    assert!(asked.elapsed() < TOLD, "told after {:?}", asked.elapsed());
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    let retry = refused.get_details_retry_info().and_then(|it| it.retry_delay);
    assert!(retry.is_some_and(|it| it > Duration::ZERO), "when to try again: {refused:?}");
    for process in [&control_plane, &worker] {
        until_so("a process to be not ready", TOLD, async || !process.is_ready().await).await;
        assert!(process.is_live().await, "nothing is gained by a restart");
    }

    network.heal();

    for process in [&control_plane, &worker] {
        until_so("a process to be ready again", TOLD, async || process.is_ready().await).await;
    }
    trial.holds_and_is_settled(&caller, &sandbox).await;
}
