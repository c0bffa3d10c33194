//! What most tests begin with: a sandbox, and a `pandaport up` beside it.

use std::collections::{BTreeMap, BTreeSet};

use pandaport_api::v1::{Sync, SyncState, TriggerSyncRequest};

use serde_json::Value;

use super::caller::{Caller, full, incremental};
use super::expected::{Columns, active_users, mapped, records};
use super::installation::{Installation, Serving};
use super::journey::PATIENCE;
use super::sandbox::{Record, Sandbox};

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

    /// Every device of the fleet is in the collection exactly once, with all 26 values right, and nothing else is.
    pub(crate) async fn assert_every_value_is_right(&self) {
        let active = active_users(&self.sandbox.user_pages().await);
        let devices = self.sandbox.devices().await;
        let wanted = records(&devices, &active, Columns::Typed, &[]);
        assert_values(&self.sandbox.records().await, &wanted);
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

/// The collection holds exactly these devices, with every mapped value as it should be.
pub(crate) fn assert_values(found: &[Record], wanted: &BTreeMap<String, BTreeMap<String, Value>>) {
    let mut by_device: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for record in found {
        let id = record.values["Device ID"].as_str().expect("a device id").to_owned();
        assert!(by_device.insert(id.clone(), mapped(&record.values)).is_none(), "{id} is there twice");
    }
    for (id, wanted) in wanted {
        let values = by_device.get(id).unwrap_or_else(|| panic!("{id} is not in the collection"));
        let columns: BTreeSet<&String> = values.keys().chain(wanted.keys()).collect();
        let wrong = columns.into_iter().filter(|it| values.get(*it) != wanted.get(*it));
        let wrong: Vec<_> = wrong.map(|it| (it, values.get(it), wanted.get(it))).collect();
        assert!(wrong.is_empty(), "the record of {id}: (column, there, should be) {wrong:#?}");
    }
    let surplus: Vec<&String> = by_device.keys().filter(|id| !wanted.contains_key(*id)).collect();
    assert!(surplus.is_empty(), "should not be in the collection: {surplus:?}");
}

/// The sync went well, with nothing rejected.
pub(crate) fn assert_succeeded(sync: &Sync) {
    assert_eq!(sync.state(), SyncState::Succeeded, "{sync:#?}");
}
