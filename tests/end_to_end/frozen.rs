//! A worker that is frozen past its deadline, another that takes over, and the first that thaws (rule 7).

use std::time::Duration;

use nix::sys::signal::Signal;
use pandaport_api::v1::{ConfigureConnectionRequest, Sync};
use serde_json::json;

use crate::harness::caller::{Caller, counts, full, incremental};
use crate::harness::installation::{Installation, Serving};
use crate::harness::journey::{Import, PATIENCE, begin_import};
use crate::harness::sandbox::Sandbox;
use crate::harness::scene::{assert_each_device_once, assert_succeeded};
use crate::harness::wait::until_so;

const DEVICES: u32 = 300;

/// A control plane and one worker, frozen in the middle of a first import, with batches on their way.
struct Frozen {
    caller: Caller,
    frozen: Serving,
    import: Import,
    sandbox: Sandbox,
    _control_plane: Serving,
    installation: Installation,
}

impl Frozen {
    async fn new() -> Self {
        let sandbox = Sandbox::start(DEVICES).await;
        let installation = Installation::new(&sandbox)
            .with("PANDAPORT_SLICE", "500ms")
            .with("PANDAPORT_HTTP_TIMEOUT", "1s")
            .with("PANDAPORT_SETTLE", "100ms,500ms,1500ms");
        installation.migrate().await;
        let control_plane = installation.control_plane().await;
        let caller = control_plane.caller();
        let frozen = installation.worker("worker-1").await;
        sandbox.faults(json!({"asset_panda": {"latency_ms": 300, "search_lag_ms": 1000}})).await;
        let import = begin_import(&caller, &sandbox, "serial_number").await;
        let this = Self { caller, frozen, import, sandbox, _control_plane: control_plane, installation };
        this.freeze().await;
        this
    }

    /// Stops the worker while its batches are on their way, and not while it holds the database.
    async fn freeze(&self) {
        loop {
            until_so("batches on their way", PATIENCE, async || {
                let calls = self.sandbox.counters().await;
                calls.creates() >= 3 && calls.asset_panda_in_flight() > 0
            })
            .await;
            self.frozen.process.send(Signal::SIGSTOP);
            if self.database_is_free().await {
                return;
            }
            self.frozen.process.send(Signal::SIGCONT);
        }
    }

    /// Whether something can be written: a connection that is of no further use.
    async fn database_is_free(&self) -> bool {
        let request = ConfigureConnectionRequest {
            verify: false,
            display_name: "Nobody's".to_owned(),
            ..crate::harness::journey::connection(&self.sandbox)
        };
        let mut grpc = self.caller.grpc.clone();
        let written = tokio::time::timeout(Duration::from_secs(3), grpc.configure_connection(request)).await;
        matches!(written, Ok(Ok(_)))
    }

    async fn sync(&self) -> Sync {
        self.caller.sync(&self.import.sync.sync_id).await
    }

    /// Lets the frozen worker go on, and waits until its loop turns again.
    async fn thaw(&self) {
        self.frozen.process.send(Signal::SIGCONT);
        until_so("the thawed worker to be alive", PATIENCE, async || self.frozen.is_live().await).await;
    }
}

#[tokio::test]
async fn rule_7_a_worker_that_thaws_after_another_finished_its_sync_sends_nothing() {
    let scene = Frozen::new().await;
    let before = counts_so_far(&scene.sync().await);
    assert!(before < DEVICES, "it was to be frozen in the middle");
    let second = scene.installation.worker("worker-2").await;
    let sync = scene.caller.ended(&scene.import.sync.sync_id, PATIENCE).await;
    assert_all_made(&sync);

    scene.sandbox.forget_calls().await;
    scene.thaw().await;
    // Whatever it had under way is over by the end of this: it has nothing to write.
    let next = scene.caller.trigger(incremental(&scene.import.mapping_id)).await;
    assert_succeeded(&scene.caller.ended(&next.sync_id, PATIENCE).await);

    let calls = scene.sandbox.counters().await;
    assert_eq!((calls.searches(), calls.writes()), (0, 0), "{calls:?}");
    assert_each_device_once(&scene.sandbox).await;
    let after = scene.sync().await;
    assert_eq!((after.state(), after.counts, after.end_time), (sync.state(), sync.counts, sync.end_time));
    drop(second);
}

#[tokio::test]
async fn rule_7_a_worker_that_thaws_while_another_works_its_sync_spoils_nothing() {
    let scene = Frozen::new().await;
    let before = counts_so_far(&scene.sync().await);
    let second = scene.installation.worker("worker-2").await;
    until_so("the second worker to get on", PATIENCE, async || counts_so_far(&scene.sync().await) > before).await;
    assert!(scene.caller.sync(&scene.import.sync.sync_id).await.end_time.is_none());

    scene.thaw().await;

    let sync = scene.caller.ended(&scene.import.sync.sync_id, PATIENCE).await;
    assert_all_made(&sync);
    assert_each_device_once(&scene.sandbox).await;
    let next = scene.caller.trigger(full(&scene.import.mapping_id)).await;
    let next = scene.caller.ended(&next.sync_id, PATIENCE).await;
    assert_eq!(counts(&next), [DEVICES, 0, 0, 0, DEVICES, 0, 0], "what is kept is what was written");
    drop(second);
}

/// A unique column needs but one look: what that one misses, because search lags, is sent again, refused, and found.
fn assert_all_made(sync: &Sync) {
    assert_succeeded(sync);
    let [read, created, adopted, ..] = counts(sync);
    assert_eq!((read, created + adopted), (DEVICES, DEVICES), "{sync:#?}");
}

fn counts_so_far(sync: &Sync) -> u32 {
    sync.counts.unwrap_or_default().created
}
