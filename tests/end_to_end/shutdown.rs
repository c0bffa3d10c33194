//! SIGTERM in the middle of a sync: an orderly end, and a start that goes on.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pandaport_test_database::is_postgres;
use serde_json::json;

use crate::harness::caller::counts;
use crate::harness::installation::Installation;
use crate::harness::journey::{PATIENCE, begin_import};
use crate::harness::process::Process;
use crate::harness::sandbox::Sandbox;
use crate::harness::scene::{Scene, assert_succeeded};
use crate::harness::wait::until_so;

/// As set by `Installation::new`, with room for a busy machine.
const GRACE: Duration = Duration::from_secs(5 + 4);

#[tokio::test]
async fn sigterm_in_the_middle_of_a_sync_ends_the_process_well_and_a_start_goes_on() {
    let mut scene = Scene::of(300).await;
    scene.sandbox.faults(json!({"asset_panda": {"latency_ms": 200}})).await;
    let begun = begin_import(&scene.caller, &scene.sandbox, "serial_number").await;
    until_so("some batches", PATIENCE, async || scene.sandbox.counters().await.creates() >= 10).await;

    let asked = Instant::now();
    scene.up.process.send(Signal::SIGTERM);
    let ended = scene.up.process.end(PATIENCE).await;

    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(asked.elapsed() < GRACE, "it took {:?}", asked.elapsed());
    let creates = scene.sandbox.counters().await.creates();
    assert!(creates < 60, "it did not stop in the middle: {creates} creates");
    let applied = scene.sandbox.records().await.len();

    scene.sandbox.heal().await;
    scene.sandbox.forget_calls().await;
    scene.start_again().await;
    let sync = scene.caller.ended(&begun.sync.sync_id, PATIENCE).await;
    assert_succeeded(&sync);
    assert_eq!(counts(&sync), [300, 300, 0, 0, 0, 0, 0]);
    scene.assert_each_device_once().await;
    // What was in flight was brought to its end: nothing was left unclear, so nothing is sent or looked up again.
    let calls = scene.sandbox.counters().await;
    let left = u64::try_from(300 - applied).unwrap().div_ceil(5);
    assert!(calls.creates() <= left + 1, "{left} creates were left: {calls:?}");
}

#[tokio::test]
async fn sigterm_while_a_write_has_no_answer_still_ends_within_the_grace_and_the_write_is_looked_up() {
    let mut scene = Scene::of(60).await;
    scene.sandbox.faults(json!({"asset_panda": {"hang": {"on": "create", "after": 3}}})).await;
    let begun = begin_import(&scene.caller, &scene.sandbox, "serial_number").await;
    until_so("a write without an answer", PATIENCE, async || scene.sandbox.struck("asset_panda.hang").await > 0).await;

    let asked = Instant::now();
    scene.up.process.send(Signal::SIGTERM);
    let ended = scene.up.process.end(PATIENCE).await;

    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(asked.elapsed() < GRACE, "it took {:?}", asked.elapsed());
    scene.sandbox.heal().await;
    scene.start_again().await;
    assert_succeeded(&scene.caller.ended(&begun.sync.sync_id, PATIENCE).await);
    scene.assert_each_device_once().await;
}

#[tokio::test]
async fn sigterm_to_an_idle_process_ends_it_at_once() {
    let mut scene = Scene::of(5).await;
    assert!(scene.up.is_live().await && scene.up.is_ready().await);
    let asked = Instant::now();
    scene.up.process.send(Signal::SIGTERM);
    let ended = scene.up.process.end(PATIENCE).await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(asked.elapsed() < Duration::from_secs(4), "it took {:?}", asked.elapsed());
}

#[tokio::test]
async fn a_second_up_on_the_same_database_is_refused() {
    let scene = Scene::of(5).await;
    let mut command = scene.installation.command(env!("CARGO_BIN_EXE_pandaport"));
    command.arg("up");
    let mut second = Process::start("second", command, scene.installation.path());
    let ended = second.end(PATIENCE).await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    let database = if is_postgres() { "pandaport_test_" } else { "pandaport.db" };
    assert!(second.log().contains(database), "{}", second.log());
}

#[tokio::test]
async fn up_beside_a_worker_is_refused() {
    let sandbox = Sandbox::start(5).await;
    let installation = Installation::new(&sandbox);
    installation.migrate().await;
    let worker = installation.worker("worker").await;
    let mut command = installation.command(env!("CARGO_BIN_EXE_pandaport"));
    command.arg("up");
    let mut up = Process::start("up", command, installation.path());
    let ended = up.end(PATIENCE).await;
    assert_eq!(ended.code(), Some(1), "{ended}");
    let log = up.log();
    assert!(log.contains(if is_postgres() { "pandaport-worker" } else { "pandaport.db" }), "{log}");
    drop(worker);
}
