//! What most tests begin with: a sandbox, and a `pandaport up` beside it.

use std::collections::BTreeMap;

use pandaport_api::v1::{Sync, SyncState, TriggerSyncRequest};

use super::caller::{Caller, full, incremental};
use super::installation::{Installation, Serving};
use super::journey::PATIENCE;
use super::sandbox::Sandbox;

/// A sandbox, and a `pandaport up` beside it.
pub(crate) struct Scene {
    // Dropped in this order: the programs before the folders they are in.
    pub(crate) up: Serving,
    pub(crate) caller: Caller,
    pub(crate) sandbox: Sandbox,
    pub(crate) installation: Installation,
}

impl Scene {
    /// With so many devices in the fleet, and the settings of [`Installation::new`].
    pub(crate) async fn of(devices: u32) -> Self {
        Self::with(devices, |installation| installation).await
    }

    /// The same with other settings.
    pub(crate) async fn with(devices: u32, settings: impl FnOnce(Installation) -> Installation) -> Self {
        let sandbox = Sandbox::start(devices).await;
        let installation = settings(Installation::new(&sandbox));
        let up = installation.up().await;
        Self { caller: up.caller(), up, sandbox, installation }
    }

    /// `kill -9`, and a start.
    pub(crate) async fn crash_and_restart(&mut self) {
        self.up.process.kill_hard();
        self.start_again().await;
    }

    /// A start, after the process ended in whatever way.
    pub(crate) async fn start_again(&mut self) {
        self.up = self.installation.up().await;
        self.caller = self.up.caller();
    }

    /// Triggers a sync and waits for its end.
    pub(crate) async fn run(&self, request: TriggerSyncRequest) -> Sync {
        let sync = self.caller.trigger(request).await;
        self.caller.ended(&sync.sync_id, PATIENCE).await
    }

    pub(crate) async fn sync(&self, mapping_id: &str) -> Sync {
        self.run(incremental(mapping_id)).await
    }

    pub(crate) async fn full_sync(&self, mapping_id: &str) -> Sync {
        self.run(full(mapping_id)).await
    }

    /// Every device of the fleet is in the collection exactly once, and nothing else is.
    pub(crate) async fn assert_each_device_once(&self) {
        assert_each_device_once(&self.sandbox).await;
    }
}

/// Every device of the fleet is in the collection exactly once, and nothing else is.
pub(crate) async fn assert_each_device_once(sandbox: &Sandbox) {
    let mut records: BTreeMap<String, u32> = BTreeMap::new();
    for record in sandbox.records().await {
        let id = record.values.get("Device ID").and_then(|it| it.as_str()).unwrap_or("(none)");
        *records.entry(id.to_owned()).or_default() += 1;
    }
    let devices = sandbox.devices().await;
    let expected: BTreeMap<String, u32> =
        devices.iter().map(|it| (it["device_id"].as_str().expect("an id").to_owned(), 1)).collect();
    let twice: Vec<_> = records.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "more than one record: {twice:?}");
    assert_eq!(records, expected);
}

/// The sync went well, with nothing rejected.
pub(crate) fn assert_succeeded(sync: &Sync) {
    assert_eq!(sync.state(), SyncState::Succeeded, "{sync:#?}");
}
