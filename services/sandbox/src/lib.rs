//! Stand-ins for the Kandji API and the Asset Panda Pro API over real HTTP, for trying things out and for
//! tests from other processes.
//!
//! Three listeners share one state: Kandji, Asset Panda Pro, and a control endpoint that changes the fleet,
//! the records and the fault switches, and counts every call. docs/sandbox.md is the page for users.

mod answer;
mod args;
mod asset_panda;
mod control;
mod faults;
mod fleet;
mod json;
mod kandji;
mod limits;
mod panda;
mod ready;
mod sandbox;
mod server;
mod traffic;
mod world;

pub use args::{SandboxArgs, run, run_with};
pub use faults::{
    AssetPandaFaults, BetweenPages, ClearAccepts, ColumnChange, FaultError, Faults, KandjiFaults, KandjiRateLimit,
    LostAnswer, LostAs, PandaRateLimit, Permissions, Place, RefuseRow, RetryAfter, StatusBurst, Trigger, UniqueRefusal,
    WriteTrigger,
};
pub use fleet::{FleetSpec, MOST_DEVICES};
pub use ready::Ready;
pub use sandbox::{Sandbox, SandboxConfig};
pub use world::{Credentials, SandboxTime};
