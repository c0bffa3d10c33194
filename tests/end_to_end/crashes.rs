//! `kill -9` at many moments: the sync goes on by itself after a start, and each device ends up there exactly once.

use std::time::Duration;

use pandaport_api::v1::SyncPhase;
use serde_json::json;

use crate::harness::caller::{counts, incremental, is_final};
use crate::harness::installation::Installation;
use crate::harness::journey::{PATIENCE, begin_import};
use crate::harness::moments::Moments;
use crate::harness::scene::{Scene, assert_succeeded};
use crate::harness::trial::Trial;
use crate::harness::truth::{Before, assert_truth};
use crate::harness::wait::{until, until_so};

/// Eight batches are on their way at once: a kill costs at most forty devices.
const DEVICES: u32 = 800;
/// How many calls a run gets to make at most before it is killed.
const CALLS_BETWEEN: u64 = 6;

/// Whether Asset Panda says, and sees to it, that the identifier's column is unique.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uniqueness {
    Known,
    Unknown,
}

pub(crate) fn quick_to_settle(installation: Installation) -> Installation {
    installation
        .with("PANDAPORT_SLICE", "1s")
        .with("PANDAPORT_HTTP_TIMEOUT", "500ms")
        .with("PANDAPORT_SETTLE", "100ms,400ms,1300ms")
}

async fn prepare(scene: &Scene, uniqueness: Uniqueness) {
    let unique = uniqueness == Uniqueness::Known;
    scene.sandbox.faults(json!({"asset_panda": {"flags_present": unique, "enforce_unique": unique}})).await;
}

/// Kills at so many seeded moments of a first import, which takes some 180 calls.
async fn killed_at_many_moments(uniqueness: Uniqueness, seed: u64, kills_wanted: u32) {
    let mut scene = Scene::with(DEVICES, quick_to_settle).await;
    prepare(&scene, uniqueness).await;
    // Writes are applied a while before they are answered, and search sees them late: many a kill falls between.
    let faults = json!({"asset_panda": {"latency_ms": 20, "hold_after_apply_ms": 150, "search_lag_ms": 1000}});
    let trial = Trial::of_first_import(&scene.caller, &scene.sandbox, faults).await;
    let sync_id = trial.sync_id.clone();
    let mut moments = Moments::seeded(seed);
    let (mut kills, mut between) = (0, 0);
    while kills < kills_wanted {
        let before = scene.sandbox.counters().await;
        let at = before.all() + 1 + moments.below(CALLS_BETWEEN);
        // Every third time while creates are under way, else at any moment.
        let among_creates = kills % 3 == 2;
        let ended = until("the next moment, or the end of the sync", PATIENCE, async || {
            let now = scene.sandbox.counters().await;
            let creating = now.creates() > before.creates() && now.asset_panda_in_flight() > 0;
            if if among_creates { creating } else { now.all() >= at } {
                return Some(false);
            }
            is_final(&scene.caller.sync(&sync_id).await).then_some(true)
        })
        .await;
        if ended {
            break;
        }
        if !among_creates {
            tokio::time::sleep(Duration::from_millis(moments.below(20))).await;
        }
        let now = scene.sandbox.counters().await;
        scene.up.process.kill_hard();
        kills += 1;
        between += u32::from(now.creates() > 0 && now.asset_panda_in_flight() > 0);
        scene.start_again().await;
    }
    assert!(kills >= 15, "only {kills} kills before the sync ended: the moments lie too far apart");
    assert!(between >= 3, "only {between} of {kills} kills fell between a create and its answer");

    let sync = trial.holds_and_is_settled(&scene.caller, &scene.sandbox).await;
    let [_, _, adopted, ..] = counts(&sync);
    // A unique column needs but one look; what that one misses is sent again, refused, and found.
    assert!(adopted == 0 || uniqueness == Uniqueness::Known, "{sync:#?}");
}

#[tokio::test]
async fn rule_3_killed_at_twenty_moments_of_a_first_import_into_a_unique_column() {
    killed_at_many_moments(Uniqueness::Known, 1, 20).await;
}

#[tokio::test]
async fn rule_3_killed_at_twenty_moments_of_a_first_import_where_uniqueness_is_unknown() {
    killed_at_many_moments(Uniqueness::Unknown, 2, 20).await;
}

/// Devices change back and forth between two values while the process is killed time and again.
#[tokio::test]
async fn rule_4_killed_at_twenty_moments_of_updates_no_row_is_left_stale() {
    let mut scene = Scene::with(60, quick_to_settle).await;
    let import = begin_import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&scene.caller.ended(&import.sync.sync_id, PATIENCE).await);
    let ids: Vec<String> =
        scene.sandbox.devices().await.iter().map(|it| it["device_id"].as_str().unwrap().to_owned()).collect();
    scene.sandbox.faults(json!({"asset_panda": {"latency_ms": 10, "hold_after_apply_ms": 250}})).await;
    let mut moments = Moments::seeded(3);
    let mut between = 0;
    for round in 0..20 {
        for id in &ids {
            let version = match moments.below(4) {
                0 => "1.0",
                1 => "2.0",
                _ => continue,
            };
            scene.sandbox.edit_device(id, json!({"os_version": version})).await;
        }
        let sync =
            scene.caller.try_trigger(incremental(&import.mapping_id)).await.expect("it is accepted").sync.unwrap();
        let before = scene.sandbox.counters().await;
        let at = before.all() + 2 + moments.below(9);
        // Every other time while updates are under way, else at any moment.
        let among_updates = round % 2 == 0;
        until_so("the next moment, or the end of the sync", PATIENCE, async || {
            let now = scene.sandbox.counters().await;
            let sync = scene.caller.sync(&sync.sync_id).await;
            let updating = sync.phase() == SyncPhase::Apply && now.asset_panda_in_flight() > 0;
            is_final(&sync) || if among_updates { updating } else { now.all() >= at }
        })
        .await;
        if !among_updates {
            tokio::time::sleep(Duration::from_millis(moments.below(120))).await;
        }
        between += u32::from(scene.sandbox.counters().await.asset_panda_in_flight() > 0);
        scene.crash_and_restart().await;
        // Now and then the sync gets to its end before the next change.
        if round % 3 == 0 {
            scene.caller.ended(&sync.sync_id, PATIENCE).await;
        }
    }
    assert!(between >= 3, "only {between} kills fell between a call and its answer");

    scene.sandbox.heal().await;
    let last = scene.caller.try_trigger(incremental(&import.mapping_id)).await.expect("it is accepted").sync.unwrap();
    assert_succeeded(&scene.caller.ended(&last.sync_id, PATIENCE).await);
    let before = Before::of(&scene.sandbox).await;
    assert_truth(&scene.sandbox, &before, &scene.sync(&import.mapping_id).await).await;
    scene.sandbox.forget_calls().await;
    assert_succeeded(&scene.sync(&import.mapping_id).await);
    assert_succeeded(&scene.full_sync(&import.mapping_id).await);
    assert_eq!(scene.sandbox.counters().await.writes(), 0, "nothing is sent again and again");
}

/// Killed while creates are applied and not answered, with search not seeing them yet.
async fn killed_between_an_applied_create_and_its_answer(uniqueness: Uniqueness) {
    let settings = |it: Installation| quick_to_settle(it).with("PANDAPORT_HTTP_TIMEOUT", "2s");
    let mut scene = Scene::with(100, settings).await;
    prepare(&scene, uniqueness).await;
    scene.sandbox.faults(json!({"asset_panda": {"hold_after_apply_ms": 1500, "search_lag_ms": 2500}})).await;
    let trial = Trial::of_first_import(&scene.caller, &scene.sandbox, json!({})).await;
    let others = scene.sandbox.records().await.len();
    until_so("creates that are applied", PATIENCE, async || {
        let applied = scene.sandbox.records().await.len() > others;
        applied && scene.sandbox.counters().await.asset_panda_in_flight() > 0
    })
    .await;
    scene.up.process.kill_hard();
    scene.sandbox.faults(json!({"asset_panda": {"hold_after_apply_ms": 0}})).await;
    scene.start_again().await;

    trial.holds_and_is_settled(&scene.caller, &scene.sandbox).await;
}

#[tokio::test]
async fn rule_3_killed_between_an_applied_create_and_its_answer_into_a_unique_column() {
    killed_between_an_applied_create_and_its_answer(Uniqueness::Known).await;
}

#[tokio::test]
async fn rule_3_killed_between_an_applied_create_and_its_answer_where_uniqueness_is_unknown() {
    killed_between_an_applied_create_and_its_answer(Uniqueness::Unknown).await;
}
