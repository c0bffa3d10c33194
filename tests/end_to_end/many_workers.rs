//! Several workers on one database: the budget is one for all, tenants have equal shares of it, and a big tenant does not
//! keep a small one waiting.

use std::time::{Duration, Instant};

use pandaport_api::v1::Sync;
use pandaport_store::Store;
use pandaport_test_database::{is_postgres, scalar};
use serde_json::json;

use crate::harness::caller::{Caller, full, incremental};
use crate::harness::installation::Installation;
use crate::harness::journey::{PATIENCE, connect, create, mapping_of_all};
use crate::harness::sandbox::Sandbox;
use crate::harness::scene::assert_succeeded;
use crate::harness::tenants::give_to;
use crate::harness::wait::until_so;

const CALLS: u32 = 300;
const WINDOW: Duration = Duration::from_secs(15);
/// So many of these are looked at. No tenant may be done before.
const WINDOWS: u32 = 3;
/// Of each mapping: the fewest that a tenant has, two, have work for longer than the test.
const DEVICES: u32 = 900;
/// The budget's own: what the sandbox counts when calls arrive is held against any window of this length.
const COUNTED_MS: u64 = 15_000;
/// How many mappings each tenant has: twenty in all.
const MAPPINGS: [u32; 5] = [2, 3, 4, 5, 6];

/// Mappings of the whole fleet, each into a collection of its own, with their first syncs queued.
async fn mappings(caller: &Caller, sandbox: &Sandbox, collections: impl Iterator<Item = u32>) -> Vec<String> {
    let connection_id = connect(caller, sandbox).await;
    let mut made = Vec::new();
    for n in collections {
        let collection = if n == 1 { "ITAM".to_owned() } else { format!("ITAM {n}") };
        let mapping = mapping_of_all(caller, sandbox, &connection_id, &collection, "serial_number").await;
        made.push(create(caller, &connection_id, mapping).await.mapping.unwrap().mapping_id);
    }
    made
}

/// Calls to Asset Panda that the syncs of a tenant have made, as far as they said.
async fn calls_of(store: &Store, tenant: &str) -> i64 {
    let sum = "SELECT CAST(COALESCE(SUM(calls_asset_panda), 0) AS BIGINT) FROM syncs WHERE tenant =";
    scalar(store, format!("{sum} '{tenant}'")).await
}

async fn syncs_left(store: &Store, tenant: &str) -> i64 {
    scalar(store, format!("SELECT COUNT(*) FROM syncs WHERE tenant = '{tenant}' AND end_time IS NULL")).await
}

/// The calls to Asset Panda that were made until a moment.
struct Calls {
    at: Instant,
    all: u64,
    of_tenants: Vec<i64>,
}

impl Calls {
    async fn so_far(store: &Store, sandbox: &Sandbox, tenants: &[String]) -> Self {
        let (at, all) = (Instant::now(), sandbox.counters().await.all_asset_panda());
        let mut of_tenants = Vec::new();
        for tenant in tenants {
            of_tenants.push(calls_of(store, tenant).await);
        }
        Self { at, all, of_tenants }
    }
}

#[tokio::test]
async fn rule_16_four_workers_and_twenty_mappings_share_one_budget_fairly_and_use_it() {
    let sandbox = Sandbox::with_collections(DEVICES, 20).await;
    let installation = Installation::new(&sandbox)
        .with("PANDAPORT_ASSET_PANDA_BUDGET", &format!("{CALLS}/{}s", WINDOW.as_secs()))
        .with("PANDAPORT_KANDJI_BUDGET", "1000/1h,50/1s");
    installation.migrate().await;
    let control_plane = installation.control_plane().await;
    let mut mappings = mappings(&control_plane.caller(), &sandbox, 1..=20).await;
    let store = installation.store().await;
    let tenants: Vec<String> = (0..MAPPINGS.len()).map(|n| format!("tenant-{n}")).collect();
    for (tenant, count) in tenants.iter().zip(MAPPINGS) {
        let its = mappings.split_off(mappings.len() - count as usize);
        give_to(&store, &sandbox, tenant, &its).await;
    }
    let limit = json!({"rate_limit": {"limit": CALLS, "window_ms": COUNTED_MS}, "latency_ms": 20});
    sandbox.faults(json!({ "asset_panda": limit })).await;

    let mut workers = Vec::new();
    for n in 0..4 {
        workers.push(installation.worker(&format!("worker-{n}")).await);
    }

    // From the second window on: in the first, whoever came first found all of it free.
    until_so("a window's calls", PATIENCE, async || sandbox.counters().await.all_asset_panda() >= u64::from(CALLS))
        .await;
    tokio::time::sleep(WINDOW).await;
    let before = Calls::so_far(&store, &sandbox, &tenants).await;
    tokio::time::sleep(WINDOWS * WINDOW).await;
    let after = Calls::so_far(&store, &sandbox, &tenants).await;

    assert_eq!(sandbox.counters().await.asset_panda_answered(429), 0);
    let most = sandbox.most_asset_panda_calls_in(COUNTED_MS).await;
    assert!(most <= u64::from(CALLS), "{most} calls in a window");
    for tenant in &tenants {
        assert!(syncs_left(&store, tenant).await > 0, "{tenant} had no work left");
    }
    let windows = (after.at - before.at).as_secs_f64() / WINDOW.as_secs_f64();
    let used = (after.all - before.all) as f64 / (windows * f64::from(CALLS));
    let shares: Vec<i64> =
        after.of_tenants.iter().zip(&before.of_tenants).map(|(after, before)| after - before).collect();
    eprintln!("{:.1} % of the budget used; calls of the tenants: {shares:?}", used * 100.0);
    if !is_postgres() {
        // Four workers on one file wait for each other more than for the budget.
        return;
    }
    assert!(used >= 0.95, "only {:.1} % of the budget was used", used * 100.0);
    let equal = shares.iter().sum::<i64>() as f64 / shares.len() as f64;
    for (tenant, share) in tenants.iter().zip(&shares) {
        assert!(*share as f64 >= 0.8 * equal, "{tenant} has {share} calls, {shares:?}");
    }
}

#[tokio::test]
async fn a_tenant_with_a_big_fleet_does_not_delay_one_with_a_small_one() {
    let (big, small) = (Sandbox::with_collections(3_000, 8).await, Sandbox::start(50).await);
    let mut installation =
        Installation::new(&big).with("PANDAPORT_WORKER_SLOTS", "4").with("PANDAPORT_TENANT_SLOTS", "3");
    for host in small.hosts().split(',') {
        installation = installation.allowing(host);
    }
    installation.migrate().await;
    let control_plane = installation.control_plane().await;
    let caller = control_plane.caller();
    let its = mappings(&caller, &small, 1..=1).await;
    let worker = installation.worker("worker-0").await;
    let first = caller.try_trigger(incremental(&its[0])).await.expect("the first sync is answered with").sync.unwrap();
    assert_succeeded(&caller.ended(&first.sync_id, PATIENCE).await);
    let alone = full_sync(&caller, &its[0]).await;

    // More syncs than slots, each for much longer than the test.
    let store = installation.store().await;
    big.faults(json!({"asset_panda": {"latency_ms": 200}})).await;
    drop(worker);
    let mappings = mappings(&caller, &big, 1..=8).await;
    give_to(&store, &big, "big", &mappings).await;
    let workers = [installation.worker("worker-1").await, installation.worker("worker-2").await];
    until_so("the big one at work", PATIENCE, async || big.counters().await.creates() >= 20).await;

    let beside = full_sync(&caller, &its[0]).await;

    assert!(syncs_left(&store, "big").await == 8, "the big one is still at work");
    let slots: i64 = scalar(&store, "SELECT COUNT(*) FROM tenant_slots WHERE tenant = 'big'").await;
    assert!(slots <= 3, "{slots} slots over all workers");
    eprintln!("waited and worked, alone: {alone:?}, beside the big one: {beside:?}");
    assert!(beside.0 <= Duration::from_secs(2), "it began after {:?}", beside.0);
    // It has two processors for all of this; waiting for the big one's slices would take much longer.
    assert!(beside.1 <= alone.1 * 2 + Duration::from_secs(3), "alone it takes {:?}, beside {:?}", alone.1, beside.1);
    drop(workers);
}

/// A full sync of a mapping: how long it waited, and how long it took.
async fn full_sync(caller: &Caller, mapping_id: &str) -> (Duration, Duration) {
    let sync = caller.try_trigger(full(mapping_id)).await.expect("TriggerSync is accepted");
    let sync = caller.ended(&sync.sync.expect("a sync").sync_id, PATIENCE).await;
    assert_succeeded(&sync);
    (between(&sync, sync.create_time, sync.start_time), between(&sync, sync.start_time, sync.end_time))
}

fn between(sync: &Sync, from: Option<prost_types::Timestamp>, to: Option<prost_types::Timestamp>) -> Duration {
    let (Some(from), Some(to)) = (from, to) else { panic!("a time is missing: {sync:#?}") };
    let nanos = |it: prost_types::Timestamp| i128::from(it.seconds) * 1_000_000_000 + i128::from(it.nanos);
    Duration::from_nanos(u64::try_from(nanos(to) - nanos(from)).unwrap_or(0))
}
