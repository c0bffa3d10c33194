//! What must outlive a process.
//!
//! [`Store`] is the door: a handle on one database, cheap to clone. Reads go through it; what must happen
//! together goes through a [`Tx`] from [`Store::begin_write`]. Every function takes the [`Tenant`] whose rows it may see,
//! except those of the scheduler and of `engine`, which work for all tenants by the id of a sync.
//!
//! "Now" is always passed in, as [`Micros`]: rules about time can be tested exactly, and processes that share a
//! deadline can share the clock it was read from.

mod claim;
mod dialect;
mod error;
mod ids;
mod migrate;
mod pool;
mod postgres;
mod schedule;
mod secrets;
mod text;
mod time;

pub mod alert_targets;
pub mod alerts;
pub mod audit;
pub mod budgets;
pub mod connections;
pub mod continuity;
pub mod deleted;
pub mod device_detail;
pub mod devices;
pub mod engine;
pub mod health;
pub mod held;
pub mod history;
pub mod mappings;
pub mod processes;
pub mod records;
pub mod relocate;
pub mod requests;
pub mod restored;
pub mod syncs;
pub mod tenant_slots;
pub mod workers;

pub use claim::Claim;
pub use error::{Conflict, StoreError};
pub use ids::{AlertId, AuditEventId, ConnectionId, LotId, MappingId, SyncId, Tenant};
pub use migrate::MigrationLock;
pub use pool::{Pool, Store, Tx};
pub use postgres::ServerUse;
pub use schedule::{CronError, CronSchedule, Schedule};
pub use secrets::Keyring;
pub use time::Micros;

/// What every function of this crate answers with.
pub type Result<T> = std::result::Result<T, StoreError>;
