//! A fault, tried against a first import and against a sync with changes.

use serde_json::{Value, json};

use pandaport_api::v1::Sync;

use super::caller::{Caller, incremental};
use super::journey::{PATIENCE, connect, create, import, mapping_of_all};
use super::sandbox::Sandbox;
use super::truth::{Before, assert_settled, assert_truth, seed_others};

/// What the fault is tried against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// Nothing is there but records of others.
    FirstImport,
    /// All is there; four devices in ten change, and one in ten is new.
    Changes,
}

/// In this order, one mapping can be used for both.
pub(crate) const BOTH: [Against; 2] = [Against::FirstImport, Against::Changes];

/// A sync that a fault strikes.
pub(crate) struct Trial {
    pub(crate) mapping_id: String,
    pub(crate) sync_id: String,
    before: Before,
}

impl Trial {
    /// A first import, with these faults in force.
    pub(crate) async fn of_first_import(caller: &Caller, sandbox: &Sandbox, faults: Value) -> Self {
        seed_others(sandbox).await;
        let connection_id = connect(caller, sandbox).await;
        let mapping = mapping_of_all(caller, sandbox, &connection_id, "ITAM", "serial_number").await;
        let before = Before::of(sandbox).await;
        sandbox.faults(faults).await;
        let created = create(caller, &connection_id, mapping).await;
        let sync_id = created.sync.expect("the first sync is queued").sync_id;
        Self { mapping_id: created.mapping.expect("a mapping").mapping_id, sync_id, before }
    }

    /// A sync with changes of a mapping whose first import is over, with these faults in force.
    pub(crate) async fn of_changes(caller: &Caller, sandbox: &Sandbox, mapping_id: &str, faults: Value) -> Self {
        let there = sandbox.devices().await.len();
        assert!(sandbox.change(40.0, there as u64).await > 0);
        sandbox.add_device(json!({"count": there / 10})).await;
        let before = Before::of(sandbox).await;
        sandbox.faults(faults).await;
        let sync = caller.trigger(incremental(mapping_id)).await;
        Self { mapping_id: mapping_id.to_owned(), sync_id: sync.sync_id, before }
    }

    /// Either, on a sandbox where nothing has happened yet.
    pub(crate) async fn against(against: Against, caller: &Caller, sandbox: &Sandbox, faults: Value) -> Self {
        match against {
            Against::FirstImport => Self::of_first_import(caller, sandbox, faults).await,
            Against::Changes => {
                seed_others(sandbox).await;
                let first = import(caller, sandbox, "serial_number").await;
                Self::of_changes(caller, sandbox, &first.mapping_id, faults).await
            }
        }
    }

    /// Waits for the end, heals the sandbox, and holds all against the truth table.
    pub(crate) async fn holds(&self, caller: &Caller, sandbox: &Sandbox) -> Sync {
        let sync = caller.ended(&self.sync_id, PATIENCE).await;
        sandbox.heal().await;
        assert_truth(sandbox, &self.before, &sync).await;
        sync
    }

    /// [`Trial::holds`], and a full sync after it has nothing to do.
    pub(crate) async fn holds_and_is_settled(&self, caller: &Caller, sandbox: &Sandbox) -> Sync {
        let sync = self.holds(caller, sandbox).await;
        assert_settled(caller, sandbox, &self.mapping_id).await;
        sync
    }
}
