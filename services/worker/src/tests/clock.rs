//! The wall clock steps by an hour in the middle of a sync.

use std::time::Duration;

use pandaport_store::syncs::{Mode, SyncState, WaitReason};
use pandaport_test_database::{run, scalar, written_rows};
use reqwest::Method;
use serde_json::json;

use super::harness::World;
use super::journey::wait_until;
use crate::schedule::{WallClock, put_right};

const HOUR: i64 = 3_600;

/// A first import, and then a sync with as many new devices. In each the answer to the first create is lost, search does
/// not see it for three seconds, Asset Panda takes duplicates, and the clock steps while other batches are on their way.
async fn stepped_by(seconds: i64) {
    let mut world = World::of(150).await;
    let settle = [100, 300, 4_300].map(Duration::from_millis).to_vec();
    world.start_again(settle).await;
    for devices in [150, 300] {
        let off = json!({"asset_panda": {"rate_limit": false}, "kandji": {"rate_limit": false}});
        world.control(Method::PUT, "/faults", Some(off)).await;
        let faults = json!({"asset_panda": {
            "lost_answer": {"on": "create", "count": 1}, "latency_ms": 100, "search_lag_ms": 3_000,
            "flags_present": false, "enforce_unique": false,
        }});
        world.control(Method::PATCH, "/faults", Some(faults)).await;
        world.control(Method::POST, "/counters/reset", Some(json!({}))).await;
        let id = world.trigger(Mode::Incremental, false).await;
        while creates(&world).await < 9 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.clock.step(seconds);

        let sync = world.ended(id).await;

        assert_eq!(sync.state, SyncState::Succeeded, "{sync:?}");
        assert_eq!((sync.counts.read, sync.counts.created), (devices, 150), "{sync:?}");
        let progress = world.control(Method::GET, "/faults/progress", None).await;
        assert_eq!(progress["asset_panda.lost_answer"]["fired"], 1);
        let ready = world.sandbox.ready();
        let path = format!("/records/summary?collection_id={}&column=Serial%20Number", ready.collection_id);
        let summary = world.control(Method::GET, &path, None).await;
        assert_eq!((&summary["total"], &summary["distinct"]), (&json!(devices), &json!(devices)), "{summary}");
        world.control(Method::POST, "/fleet/devices", Some(json!({"count": 150}))).await;
    }
}

async fn creates(world: &World) -> u64 {
    world.counters().await["asset_panda"]["by_path"]["POST /collection-records"].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_a_clock_that_is_set_ahead_by_an_hour_makes_no_look_the_last_one_too_early() {
    stepped_by(HOUR).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_a_clock_that_is_set_back_by_an_hour_holds_no_sync_up() {
    stepped_by(-HOUR).await;
}

/// A sync waits by a clock that is so far ahead, and its job with it; then the clock is put right. The sweep has watched the
/// clock meanwhile, or begins only then.
async fn put_off_by(seconds: i64, reason: &str, watched: bool) {
    let world = World::of(5).await;
    let deps = world.deps.as_ref().unwrap();
    world.clock.step(seconds);
    let mut wall_clock = WallClock::watched(&*deps.clock);
    let out = json!({"kandji": {"rate_limit": false, "status_burst": {"status": 503}}});
    world.control(Method::PUT, "/faults", Some(out)).await;
    let id = world.trigger(Mode::Incremental, false).await;
    wait_until(&world, id, WaitReason::Outage).await;
    let later = match world.store.pool() {
        pandaport_store::Pool::Sqlite { .. } => {
            format!("strftime('%Y-%m-%d %H:%M:%f', scheduled_at, '+{seconds} seconds')")
        }
        pandaport_store::Pool::Postgres(_) => format!("scheduled_at + INTERVAL '{seconds} seconds'"),
    };
    let put_off = format!("UPDATE river_job SET scheduled_at = {later} WHERE state IN ('available', 'scheduled')");
    while written_rows(&world.store, &put_off).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    run(&world.store, format!("UPDATE syncs SET wait_reason = '{reason}'")).await;
    let off = json!({"asset_panda": {"rate_limit": false}, "kandji": {"rate_limit": false}});
    world.control(Method::PUT, "/faults", Some(off)).await;
    world.clock.step(-seconds);
    if !watched {
        wall_clock = WallClock::watched(&*deps.clock);
    }

    put_right(deps, &mut wall_clock).await.unwrap();

    let sync = world.ended(id).await;
    assert_eq!((sync.state, sync.counts.created), (SyncState::Succeeded, 5), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_7_a_sync_that_a_clock_put_off_by_an_hour_goes_on_once_the_clock_is_right() {
    put_off_by(HOUR, "OUTAGE", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_7_a_clock_that_is_seen_to_go_back_holds_no_sync_that_waits_for_its_budget() {
    put_off_by(HOUR / 12, "BUDGET", true).await;
}

/// All slots are taken for so long that the syncs which wait for one look like syncs that lost their job.
#[tokio::test(flavor = "multi_thread")]
async fn rule_7_a_sync_that_waits_long_for_its_turn_gets_no_second_job_and_none_at_work_is_taken_over() {
    let world = World::of(5).await;
    let deps = world.deps.as_ref().unwrap();
    let slow = json!({"kandji": {"rate_limit": false, "latency_ms": 700}, "asset_panda": {"rate_limit": false}});
    world.control(Method::PUT, "/faults", Some(slow)).await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(world.trigger(Mode::Incremental, true).await);
    }
    while scalar::<i64>(&world.store, "SELECT COUNT(*) FROM slot_waits").await < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    run(&world.store, "UPDATE syncs SET next_slice_time = 0").await;

    put_right(deps, &mut WallClock::watched(&*deps.clock)).await.unwrap();

    for id in ids {
        assert_eq!(world.ended(id).await.state, SyncState::Succeeded);
    }
    let took: (i64, i64) = (
        scalar(&world.store, "SELECT CAST(SUM(fence) AS BIGINT) FROM syncs").await,
        scalar(&world.store, "SELECT COUNT(*) FROM river_job").await,
    );
    assert_eq!(took, (6, 6), "slices, and jobs");
}
