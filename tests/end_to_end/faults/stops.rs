//! Processes that are told to stop in the middle of a sync.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::journey::PATIENCE;
use crate::harness::scene::Scene;
use crate::harness::trial::{BOTH, Trial};
use crate::harness::wait::until_so;

#[tokio::test]
async fn sigterm_in_the_middle_drains_within_ten_seconds_and_a_start_goes_on() {
    for against in BOTH {
        let mut scene = Scene::of(200).await;
        let faults = json!({"asset_panda": {"latency_ms": 200}});
        let trial = Trial::against(against, &scene.caller, &scene.sandbox, faults).await;
        scene.sandbox.forget_calls().await;
        until_so("some batches", PATIENCE, async || scene.sandbox.counters().await.writes() >= 4).await;

        let asked = Instant::now();
        scene.up.process.send(Signal::SIGTERM);
        let ended = scene.up.process.end(PATIENCE).await;

        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
        scene.start_again().await;
        assert!(scene.caller.sync(&trial.sync_id).await.end_time.is_none(), "it was stopped in the middle");
        trial.holds_and_is_settled(&scene.caller, &scene.sandbox).await;
    }
}
