//! The budget of calls: never more than the limit in any window, also over crashes (rule 16, one process).

use pandaport_api::v1::SyncState;
use serde_json::json;

use crate::harness::installation::Installation;
use crate::harness::journey::{PATIENCE, begin_import};
use crate::harness::scene::{Scene, assert_succeeded};

/// So few that they are used up at once, also on a busy machine: else waits would be short enough to be waited out in place.
const CALLS: u64 = 10;
/// A little less than the budget's eight seconds: the sandbox counts when calls arrive, and on a busy machine one may
/// leave late.
const WINDOW_MS: u64 = 7_500;

fn frugal(installation: Installation) -> Installation {
    installation.with("PANDAPORT_ASSET_PANDA_BUDGET", "10/8s").with("PANDAPORT_KANDJI_BUDGET", "1000/1h,50/1s")
}

/// 429 for whatever is over the limit, in any window.
async fn limit(scene: &Scene) {
    scene.sandbox.faults(json!({"asset_panda": {"rate_limit": {"limit": CALLS, "window_ms": WINDOW_MS}}})).await;
}

#[tokio::test]
async fn rule_16_a_sync_waits_for_its_budget_says_so_and_never_goes_over_it() {
    let scene = Scene::with(100, frugal).await;
    limit(&scene).await;
    let begun = begin_import(&scene.caller, &scene.sandbox, "serial_number").await;
    let waiting = |sync: &pandaport_api::v1::Sync| sync.state() == SyncState::Waiting;
    let sync = scene.caller.sync_that("the sync to wait", &begun.sync.sync_id, PATIENCE, waiting).await;
    let wait = sync.wait.expect("what it waits for");
    assert_eq!((wait.reason.as_str(), wait.until.is_some()), ("BUDGET", true));
    assert!(wait.message.contains("Asset Panda"), "{}", wait.message);

    let sync = scene.caller.ended(&begun.sync.sync_id, PATIENCE).await;

    assert_succeeded(&sync);
    scene.assert_each_device_once().await;
    let calls = scene.sandbox.counters().await;
    assert_eq!(calls.asset_panda_answered(429), 0);
    let most = scene.sandbox.most_asset_panda_calls_in(WINDOW_MS).await;
    assert!(most <= CALLS, "{most} calls in a window");
}

#[tokio::test]
async fn rule_16_a_crash_does_not_make_the_budget_whole_again() {
    let mut scene = Scene::with(100, frugal).await;
    limit(&scene).await;
    let begun = begin_import(&scene.caller, &scene.sandbox, "serial_number").await;
    for _ in 0..3 {
        let at_work = |sync: &pandaport_api::v1::Sync| sync.state() == SyncState::Waiting;
        scene.caller.sync_that("the budget to be used up", &begun.sync.sync_id, PATIENCE, at_work).await;
        scene.crash_and_restart().await;
    }

    assert_succeeded(&scene.caller.ended(&begun.sync.sync_id, PATIENCE).await);

    scene.assert_each_device_once().await;
    assert_eq!(scene.sandbox.counters().await.asset_panda_answered(429), 0);
    let most = scene.sandbox.most_asset_panda_calls_in(WINDOW_MS).await;
    assert!(most <= CALLS, "{most} calls in a window");
}
