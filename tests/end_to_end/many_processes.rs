//! Two control planes and four workers on one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use pandaport_api::v1::{GetSyncRequest, Sync};
use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::harness::caller::{Caller, counts, incremental, is_final};
use crate::harness::installation::{Installation, Serving};
use crate::harness::journey::PATIENCE;
use crate::harness::moments::Moments;
use crate::harness::sandbox::Sandbox;
use crate::harness::trial::{Against, BOTH, Trial};
use crate::harness::wait::until_so;

const FLEETS: usize = 3;
const PLANES: usize = 2;
const WORKERS: usize = 4;
/// What a killed worker leaves is taken up after a slice, twice this and more.
const HTTP_TIMEOUT: Duration = Duration::from_secs(5);

/// All that runs, on one database: each fleet has a mapping of its own.
struct House {
    planes: Vec<Serving>,
    workers: Vec<Serving>,
    started: usize,
    // Dropped after the programs that call them.
    fleets: Vec<Sandbox>,
    installation: Installation,
}

impl House {
    async fn new(devices: u32, settings: impl FnOnce(Installation) -> Installation) -> Self {
        let mut fleets = Vec::new();
        for _ in 0..FLEETS {
            fleets.push(Sandbox::start(devices).await);
        }
        let mut installation = Installation::new(&fleets[0]);
        for fleet in &fleets[1..] {
            installation = installation.allowing(&fleet.hosts());
        }
        let installation = settings(installation);
        installation.migrate().await;
        let mut house = Self { planes: Vec::new(), workers: Vec::new(), started: 0, fleets, installation };
        for _ in 0..PLANES {
            let plane = house.new_plane().await;
            house.planes.push(plane);
        }
        for _ in 0..WORKERS {
            let worker = house.new_worker().await;
            house.workers.push(worker);
        }
        house
    }

    async fn new_plane(&mut self) -> Serving {
        self.started += 1;
        self.installation.control_plane_as(&format!("control-plane-{}", self.started)).await
    }

    async fn new_worker(&mut self) -> Serving {
        self.started += 1;
        self.installation.worker(&format!("worker-{}", self.started)).await
    }

    /// One control plane or another.
    fn caller(&self, at: usize) -> Caller {
        self.planes[at % self.planes.len()].caller()
    }

    /// A sync of each fleet: its first import, or one with changes.
    async fn begin(&self, against: Against, before: &[Trial], faults: &Value) -> Vec<Trial> {
        let mut trials = Vec::new();
        for (at, fleet) in self.fleets.iter().enumerate() {
            let caller = self.caller(at);
            trials.push(match against {
                Against::FirstImport => Trial::of_first_import(&caller, fleet, faults.clone()).await,
                Against::Changes => Trial::of_changes(&caller, fleet, &before[at].mapping_id, faults.clone()).await,
            });
        }
        trials
    }

    /// Waits for the end of each, and holds it against the truth table.
    async fn assert_truth(&self, trials: &[Trial]) -> Vec<Sync> {
        let mut syncs = Vec::new();
        for (at, (trial, fleet)) in trials.iter().zip(&self.fleets).enumerate() {
            // Its end is seen by the other control plane as well.
            let sync = trial.holds(&self.caller(at + 1), fleet).await;
            assert_eq!(self.caller(at).sync(&trial.sync_id).await, sync);
            syncs.push(sync);
        }
        syncs
    }

    /// A sync is ended by one worker, and once. It may be killed before it can say so.
    fn assert_ended_once(&self, trials: &[Trial]) {
        let logs = self.installation.logs();
        assert!(logs.contains("sync ended"), "the end of a sync is logged in other words");
        for trial in trials {
            let ends = logs.lines().filter(|it| it.contains("sync ended") && it.contains(&trial.sync_id)).count();
            assert!(ends <= 1, "the sync {} was ended {ends} times", trial.sync_id);
        }
    }
}

#[tokio::test]
async fn calls_from_two_control_planes_and_four_workers_that_are_killed_at_random_end_each_sync_once() {
    let devices = 150;
    let mut house = House::new(devices, |it| {
        it.with("PANDAPORT_SLICE", "500ms")
            .with("PANDAPORT_HTTP_TIMEOUT", "1s")
            .with("PANDAPORT_SETTLE", "100ms,500ms,1500ms")
    })
    .await;
    let mut moments = Moments::seeded(11);
    let slow = json!({"asset_panda": {"latency_ms": 150, "search_lag_ms": 500}});
    let mut trials: Vec<Trial> = Vec::new();
    for against in BOTH {
        trials = house.begin(against, &trials, &slow).await;
        for trial in &trials {
            // Whoever asks, and where: the sync is the one that is active.
            let (one, other) = (house.caller(0), house.caller(1));
            let wish = || incremental(&trial.mapping_id);
            let (one, other) = tokio::join!(one.try_trigger(wish()), other.try_trigger(wish()));
            for answer in [one, other] {
                let answer = answer.expect("TriggerSync is accepted");
                assert!(answer.already_active, "a second sync of one mapping: {answer:#?}");
                assert_eq!(answer.sync.expect("the active sync").sync_id, trial.sync_id);
            }
        }
        for _ in 0..3 {
            let fleet = &house.fleets[moments.below(FLEETS as u64) as usize];
            let written = fleet.counters().await.writes() + 1 + moments.below(6);
            until_so("some more batches, or the sync's end", PATIENCE, async || {
                fleet.counters().await.writes() >= written || fleet.counters().await.writes() >= u64::from(devices) / 5
            })
            .await;
            let unlucky = moments.below(WORKERS as u64) as usize;
            house.workers[unlucky].process.kill_hard();
            let next = house.new_worker().await;
            house.workers[unlucky] = next;
        }
        house.assert_truth(&trials).await;
        house.assert_ended_once(&trials);
    }
}

/// A caller that asks all the time, and goes to the other control plane where nobody listens any more.
struct Asking {
    planes: Arc<std::sync::Mutex<Vec<Caller>>>,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Vec<Status>>,
}

impl Asking {
    fn after(sync_id: &str, planes: Vec<Caller>) -> Self {
        let planes = Arc::new(std::sync::Mutex::new(planes));
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let task = {
            let (planes, stop, asked) = (planes.clone(), stop.clone(), asked.clone());
            let sync_id = sync_id.to_owned();
            tokio::spawn(async move {
                let mut failed = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let all = planes.lock().expect("no panic").clone();
                    for mut caller in all {
                        match caller.grpc.get_sync(GetSyncRequest { sync_id: sync_id.clone() }).await {
                            Err(status) if is_refused_connection(&status) => {}
                            Err(status) => failed.push(status),
                            Ok(_) => _ = asked.fetch_add(1, Ordering::Relaxed),
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                failed
            })
        };
        Self { planes, stop, asked, task }
    }

    fn turn_to(&self, planes: Vec<Caller>) {
        *self.planes.lock().expect("no panic") = planes;
    }

    /// Calls that failed otherwise than by a connection that nobody took; and how many were answered.
    async fn failed(self) -> (Vec<Status>, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.task.await.expect("no panic");
        (failed, self.asked.load(Ordering::Relaxed))
    }
}

/// Nothing was sent: any client tries that again by itself.
fn is_refused_connection(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.downcast_ref::<std::io::Error>().is_some_and(|it| it.kind() == std::io::ErrorKind::ConnectionRefused) {
            return status.code() == Code::Unavailable;
        }
        source = error.source();
    }
    false
}

#[tokio::test]
async fn a_rolling_restart_in_the_middle_of_syncs_fails_no_call_and_holds_no_sync_up() {
    // So slow that the syncs outlast all the restarts.
    let devices = 600;
    let slice = Duration::from_secs(2);
    let mut house = House::new(devices, |it| {
        it.with("PANDAPORT_SLICE", "2s").with("PANDAPORT_HTTP_TIMEOUT", &format!("{}s", HTTP_TIMEOUT.as_secs()))
    })
    .await;
    let slow = json!({"asset_panda": {"latency_ms": 1500}});
    let trials = house.begin(Against::FirstImport, &[], &slow).await;
    for fleet in &house.fleets {
        until_so("the first batches", PATIENCE, async || fleet.counters().await.creates() > 0).await;
        fleet.forget_calls().await;
    }
    let asking = Asking::after(&trials[0].sync_id, house.planes.iter().map(Serving::caller).collect());

    for at in 0..WORKERS.max(PLANES) {
        if at < PLANES {
            let next = house.new_plane().await;
            let mut old = std::mem::replace(&mut house.planes[at], next);
            asking.turn_to(house.planes.iter().map(Serving::caller).collect());
            old.process.send(Signal::SIGTERM);
            assert_eq!(old.process.end(PATIENCE).await.code(), Some(0));
        }
        let next = house.new_worker().await;
        let mut old = std::mem::replace(&mut house.workers[at], next);
        old.process.send(Signal::SIGTERM);
        assert_eq!(old.process.end(PATIENCE).await.code(), Some(0));
    }
    let still_running = house.caller(0).sync(&trials[0].sync_id).await;
    assert!(!is_final(&still_running), "all was to be restarted in the middle of a sync: {still_running:#?}");

    let mut gaps = Vec::new();
    for fleet in &house.fleets {
        gaps.push(longest_gap(fleet).await);
        fleet.faults(json!({"asset_panda": {"latency_ms": 0}})).await;
    }
    let syncs = house.assert_truth(&trials).await;
    house.assert_ended_once(&trials);
    for sync in &syncs {
        assert_eq!(counts(sync)[1], devices);
    }
    let (failed, asked) = asking.failed().await;
    assert!(failed.is_empty(), "{} of {asked} calls failed, such as {:#?}", failed.len(), failed[0]);
    assert!(asked > 100, "only {asked} calls were made");
    // Calls begin as others end. What is put down is taken up by the next worker at once, and not when it counts as lost.
    for gap in gaps {
        assert!(gap < slice + HTTP_TIMEOUT, "a sync stood still for {gap:?}");
    }
}

/// The longest time between two calls to Asset Panda.
async fn longest_gap(fleet: &Sandbox) -> Duration {
    let log = fleet.control(Method::GET, "/log?limit=5000", Value::Null).await;
    let requests = log["requests"].as_array().expect("a log");
    let calls = requests.iter().filter(|it| it["api"] == "asset_panda");
    let mut times: Vec<u64> = calls.filter_map(|it| it["at_ms"].as_u64()).collect();
    times.sort_unstable();
    assert!(times.len() > 10, "{log:#}");
    let gap = times.windows(2).map(|it| it[1] - it[0]).max();
    Duration::from_millis(gap.unwrap_or_default())
}
