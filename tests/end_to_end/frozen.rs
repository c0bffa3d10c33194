//! A worker that is frozen past its deadline, another that takes over, and the first that thaws (rule 7).

use std::time::Duration;

use nix::sys::signal::Signal;
use pandaport_api::v1::{ConfigureConnectionRequest, Sync};
use serde_json::json;

use crate::harness::caller::{Caller, incremental};
use crate::harness::installation::{Installation, Serving};
use crate::harness::journey::PATIENCE;
use crate::harness::sandbox::Sandbox;
use crate::harness::scene::assert_succeeded;
use crate::harness::trial::{Against, Trial};
use crate::harness::wait::{until, until_so};

const DEVICES: u32 = 500;

/// A control plane and one worker, frozen in the middle of a sync, with batches on their way.
struct Frozen {
    caller: Caller,
    frozen: Serving,
    trial: Trial,
    sandbox: Sandbox,
    _control_plane: Serving,
    installation: Installation,
}

impl Frozen {
    async fn amid(against: Against) -> Self {
        let sandbox = Sandbox::start(DEVICES).await;
        let installation = Installation::new(&sandbox)
            .with("PANDAPORT_SLICE", "500ms")
            .with("PANDAPORT_HTTP_TIMEOUT", "1s")
            .with("PANDAPORT_SETTLE", "100ms,500ms,1500ms");
        installation.migrate().await;
        let control_plane = installation.control_plane().await;
        let caller = control_plane.caller();
        let frozen = installation.worker("worker-1").await;
        let slow = json!({"asset_panda": {"latency_ms": 300, "search_lag_ms": 1000}});
        let trial = Trial::against(against, &caller, &sandbox, slow).await;
        let this = Self { caller, frozen, trial, sandbox, _control_plane: control_plane, installation };
        this.freeze().await;
        assert!(this.sync().await.end_time.is_none(), "it was to be frozen in the middle");
        this
    }

    /// Stops the worker while its batches are on their way, and not while it holds the database.
    async fn freeze(&self) {
        self.sandbox.forget_calls().await;
        loop {
            until_so("batches on their way", PATIENCE, async || {
                let calls = self.sandbox.counters().await;
                calls.writes() >= 3 && calls.asset_panda_in_flight() > 0
            })
            .await;
            self.frozen.process.send(Signal::SIGSTOP);
            if self.database_is_free().await {
                return;
            }
            self.frozen.process.send(Signal::SIGCONT);
        }
    }

    /// Whether something can be written, a connection that is of no further use; and, where others may write all the same,
    /// whether the worker holds no row.
    async fn database_is_free(&self) -> bool {
        // Others are in a transaction now and then, but not for long.
        let held = async || (!self.installation.database_is_held().await).then_some(());
        if tokio::time::timeout(Duration::from_secs(2), until("no transaction", PATIENCE, held)).await.is_err() {
            return false;
        }
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
        self.caller.sync(&self.trial.sync_id).await
    }

    async fn written_so_far(&self) -> u32 {
        let counts = self.sync().await.counts.unwrap_or_default();
        counts.created + counts.updated
    }

    /// Lets the frozen worker go on, and waits until its loop turns again.
    async fn thaw(&self) {
        self.frozen.process.send(Signal::SIGCONT);
        until_so("the thawed worker to be alive", PATIENCE, async || self.frozen.is_live().await).await;
    }
}

async fn thaws_after_another_finished(against: Against) {
    let scene = Frozen::amid(against).await;
    let second = scene.installation.worker("worker-2").await;
    let sync = scene.trial.holds(&scene.caller, &scene.sandbox).await;
    let records = scene.sandbox.records().await;

    scene.sandbox.forget_calls().await;
    scene.thaw().await;
    // Whatever it had under way is over by the end of this: it has nothing to write.
    let next = scene.caller.trigger(incremental(&scene.trial.mapping_id)).await;
    assert_succeeded(&scene.caller.ended(&next.sync_id, PATIENCE).await);

    let calls = scene.sandbox.counters().await;
    assert_eq!((calls.searches(), calls.writes()), (0, 0), "{calls:?}");
    assert_eq!(scene.sandbox.records().await, records);
    let after = scene.sync().await;
    assert_eq!((after.state(), after.counts, after.end_time), (sync.state(), sync.counts, sync.end_time));
    drop(second);
}

async fn thaws_while_another_works(against: Against) {
    let scene = Frozen::amid(against).await;
    let before = scene.written_so_far().await;
    let second = scene.installation.worker("worker-2").await;
    until_so("the second worker to get on", PATIENCE, async || scene.written_so_far().await > before).await;
    assert!(scene.sync().await.end_time.is_none());

    scene.thaw().await;

    scene.trial.holds_and_is_settled(&scene.caller, &scene.sandbox).await;
    drop(second);
}

#[tokio::test]
async fn rule_7_a_worker_that_thaws_after_another_finished_its_first_import_sends_nothing() {
    thaws_after_another_finished(Against::FirstImport).await;
}

#[tokio::test]
async fn rule_7_a_worker_that_thaws_after_another_finished_its_sync_sends_nothing() {
    thaws_after_another_finished(Against::Changes).await;
}

#[tokio::test]
async fn rule_7_a_worker_that_thaws_while_another_works_its_first_import_spoils_nothing() {
    thaws_while_another_works(Against::FirstImport).await;
}

#[tokio::test]
async fn rule_7_a_worker_that_thaws_while_another_works_its_sync_spoils_nothing() {
    thaws_while_another_works(Against::Changes).await;
}
