//! Many tenants and many workers, measured on request only: `tests/bench/growth.sh`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use pandaport_store::connections::{self, NewConnection};
use pandaport_store::mappings::{self, MappingState, NewMapping};
use pandaport_store::{MappingId, Micros, Schedule, Store, Tenant};
use pandaport_test_database::{run, scalar};
use serde_json::json;

use crate::harness::installation::{Installation, Serving};
use crate::harness::sandbox::Sandbox;
use crate::harness::tenants::connection;
use crate::harness::wait::until;

/// What is mapped: enough to be a mapping.
const FIELDS: [(&str, &str); 4] =
    [("device_id", "Device ID"), ("device_name", "Device Name"), ("model", "Model"), ("os_version", "OS Version")];
const HOUR: Duration = Duration::from_secs(3_600);
const LONG: Duration = Duration::from_secs(3_000);

/// Tenants with one mapping each, all with the same fleet, each into a collection of its own. Nothing is due.
struct Tenants {
    store: Store,
    sandbox: Sandbox,
    installation: Installation,
    mappings: u32,
}

impl Tenants {
    async fn of(mappings: u32, devices: u32) -> Self {
        let sandbox = Sandbox::with_collections(devices, mappings).await;
        let installation = Installation::new(&sandbox).with("PANDAPORT_SLICE", "30s").with("RUST_LOG", "warn");
        installation.migrate().await;
        let store = installation.store().await;
        let this = Self { store, sandbox, installation, mappings };
        for from in (1..=mappings).step_by(100) {
            this.add(from..=mappings.min(from + 99)).await;
        }
        this
    }

    async fn add(&self, numbers: std::ops::RangeInclusive<u32>) {
        let ready = &self.sandbox.ready;
        let now = Micros::now();
        let mut tx = self.store.begin_write().await.expect("a transaction");
        for n in numbers {
            let tenant = Tenant::new(format!("tenant-{n}"));
            let kandji_customer = format!("customer-{n}");
            let connection = NewConnection { kandji_customer, ..connection(&self.sandbox, now) };
            let name = if n == 1 { "ITAM".to_owned() } else { format!("ITAM {n}") };
            let collection = &ready.collections[&name];
            // Its columns are those of "ITAM", under its own id.
            let column = |name: &str| ready.columns[name].replace(&ready.collections["ITAM"], collection);
            let mapping = NewMapping {
                mapping_id: MappingId::new(now),
                connection_id: connection.connection_id,
                display_name: "Devices".to_owned(),
                external_entity: "DEVICES".to_owned(),
                collection_id: collection.clone(),
                collection_key: collection.clone(),
                spec: spec(column),
                state: MappingState::Active,
                columns: None,
                schedule: Schedule::Interval(HOUR),
                full_sync_every: 7 * 24 * HOUR,
            };
            let keyring = self.store.keyring().expect("it is unlocked");
            connections::insert(&mut tx, keyring, &tenant, &connection, now).await.expect("a new connection");
            mappings::insert(&mut tx, &tenant, &mapping, now).await.expect("a new mapping");
        }
        tx.commit().await.expect("it is kept");
        run(&self.store, "UPDATE mappings SET next_sync_time = NULL").await;
    }

    /// Makes the first mappings due, one after the other, each so long after the one before. Answers with the time of the first.
    async fn due(&self, mappings: u32, apart: Duration) -> Micros {
        let first = Micros::now();
        run(
            &self.store,
            format!(
                "UPDATE mappings SET next_sync_time = {} + {} * it.place
                 FROM (SELECT mapping_id, ROW_NUMBER() OVER (ORDER BY mapping_id) - 1 AS place FROM mappings) it
                 WHERE it.mapping_id = mappings.mapping_id AND it.place < {mappings}",
                first.0,
                apart.as_micros(),
            ),
        )
        .await;
        first
    }

    /// Waits until so many syncs that were made since then have ended well.
    async fn ended(&self, since: Micros, syncs: u32) {
        let count = format!(
            "SELECT CAST(COUNT(*) AS BIGINT) FROM syncs WHERE create_time >= {} AND state = 'SUCCEEDED'",
            since.0
        );
        let all = async || (scalar::<i64>(&self.store, &count).await >= i64::from(syncs)).then_some(());
        until("the syncs to end", LONG, async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            all().await
        })
        .await;
    }

    /// What the database has done so far: transactions, and bytes written to its log.
    async fn work(&self) -> (i64, i64) {
        // What a session did is counted within a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let done = "SELECT CAST(xact_commit AS BIGINT) FROM pg_stat_database WHERE datname = current_database()";
        let written = "SELECT CAST(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS BIGINT)";
        (scalar(&self.store, done).await, scalar(&self.store, written).await)
    }

    /// What is kept, table by table: rows, and the bytes of each with its share of the indexes.
    async fn sizes(&self) -> String {
        run(&self.store, "ANALYZE").await;
        let sql = "SELECT string_agg(relname || ': ' || n_live_tup || ' rows of ' || pg_total_relation_size(relid) / n_live_tup || ' bytes',
                       E'\n' ORDER BY pg_total_relation_size(relid) DESC)
                   FROM pg_stat_user_tables WHERE n_live_tup > 0";
        scalar(&self.store, sql).await
    }

    /// How long after it was due the sync at this place of a hundred began, in milliseconds.
    async fn lateness(&self, since: Micros, apart: Duration, percent: u32) -> i64 {
        let sql = format!(
            "SELECT CAST(percentile_disc({percent} / 100.0) WITHIN GROUP (ORDER BY late) AS BIGINT) / 1000 FROM (
                 SELECT s.start_time - ({} + {} * it.place) AS late
                 FROM (SELECT mapping_id, ROW_NUMBER() OVER (ORDER BY mapping_id) - 1 AS place FROM mappings) it
                 JOIN syncs s ON s.mapping_id = it.mapping_id WHERE s.create_time >= {}) late",
            since.0,
            apart.as_micros(),
            since.0
        );
        scalar(&self.store, &sql).await
    }
}

fn spec(column: impl Fn(&str) -> String) -> String {
    let fields: Vec<_> = FIELDS
        .iter()
        .map(|(field, name)| json!({"source_field": field, "column_id": column(name), "write_rule": "TRIGGER"}))
        .collect();
    let identifier = json!({"source_field": "serial_number", "column_id": column("Serial Number")});
    json!({"identifier": identifier, "pairs": fields}).to_string()
}

/// Processor time of a process so far, in seconds.
fn processor(worker: &Serving) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.process.id())).expect("a running process");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

fn setting(name: &str, usual: u32) -> u32 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(usual)
}

/// Ten thousand tenants with a mapping each: what one worker needs for their syncs, and how late they begin when they are due
/// through an hour.
#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn what_a_worker_needs_for_ten_thousand_mappings() {
    let (mappings, seconds) = (setting("MAPPINGS", 10_000), setting("SECONDS_WATCHED", 180));
    let tenants = Tenants::of(mappings, 20).await;
    let worker = tenants.installation.worker("worker").await;
    let mut told = format!("{mappings} mappings of 20 devices, one worker\n");
    for what in ["first imports", "syncs without a change"] {
        tenants.sandbox.forget_calls().await;
        let (done, written) = tenants.work().await;
        let (began, before) = (Instant::now(), processor(&worker));
        let since = tenants.due(mappings, Duration::ZERO).await;
        tenants.ended(since, mappings).await;
        let (wall, cpu) = (began.elapsed().as_secs_f64(), processor(&worker) - before);
        let (now_done, now_written) = tenants.work().await;
        let calls = tenants.sandbox.counters().await;
        let each = |total: i64| total / i64::from(mappings);
        let all = f64::from(mappings);
        _ = writeln!(
            told,
            "{what}, all due at once: {:.1} a second; each {:.2} ms of the worker's processor, {} transactions (polls included), \
             {} bytes of the database's log, {} calls to Kandji, {} to Asset Panda",
            all / wall,
            cpu * 1_000.0 / all,
            each(now_done - done),
            each(now_written - written),
            calls.all_kandji() / u64::from(mappings),
            calls.all_asset_panda() / u64::from(mappings),
        );
    }
    _ = writeln!(told, "{}", tenants.sizes().await);
    let apart = HOUR / 10_000;
    let hourly =
        u32::try_from(u128::from(seconds) * 1_000_000 / apart.as_micros()).expect("a number").min(tenants.mappings);
    let (began, before) = (Instant::now(), processor(&worker));
    let since = tenants.due(hourly, apart).await;
    tenants.ended(since, hourly).await;
    let share = (processor(&worker) - before) / began.elapsed().as_secs_f64();
    let late = async |percent| tenants.lateness(since, apart, percent).await;
    let (half, most, all) = (late(50).await, late(99).await, late(100).await);
    _ = writeln!(
        told,
        "as 10,000 are due in an hour ({hourly} of them): {:.1} % of a core; a sync began {half} ms after it was due (median), \
         {most} ms (99 %), {all} ms (the latest)",
        share * 100.0
    );
    eprintln!("{told}");
}

/// Where the APIs' latency is the limit, four workers do four times as much as one.
#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn what_four_workers_do_more_than_one() {
    let mappings = setting("MAPPINGS", 128);
    let tenants = Tenants::of(mappings, 50).await;
    tenants.sandbox.faults(json!({"kandji": {"latency_ms": 1000}, "asset_panda": {"latency_ms": 1000}})).await;
    let mut workers = Vec::new();
    let mut told = format!("{mappings} mappings of 50 devices, 1 s for each answer\n");
    workers.push(tenants.installation.worker("worker-0").await);
    // The first imports are not measured: what follows is the same work each time.
    let since = tenants.due(mappings, Duration::ZERO).await;
    tenants.ended(since, mappings).await;
    for wanted in [1, 2, 4] {
        while workers.len() < wanted {
            workers.push(tenants.installation.worker(&format!("worker-{}", workers.len())).await);
        }
        let began = Instant::now();
        let since = tenants.due(mappings, Duration::ZERO).await;
        tenants.ended(since, mappings).await;
        let rate = f64::from(mappings) / began.elapsed().as_secs_f64();
        _ = writeln!(told, "{wanted} workers: {rate:.2} syncs a second");
    }
    eprintln!("{told}");
}
