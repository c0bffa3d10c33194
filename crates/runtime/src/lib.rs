//! What every process of Pandaport needs: settings, telemetry, health, shutdown, the lock beside a
//! SQLite file. It knows nothing of connections, mappings or syncs.
//!
//! A program starts in this order: [`install_crypto_provider`], [`settings::reject_unknown_env`],
//! parse the arguments, [`telemetry::start`], [`Shutdown::on_signals`], [`Metrics::new`],
//! [`AdminServer::bind`], and then what it is for.

mod admin;
mod bind;
mod crypto;
mod error;
mod liveness;
mod lock;
mod metrics;
mod readiness;
pub mod settings;
mod shutdown;
pub mod telemetry;

pub use admin::AdminServer;
pub use bind::bind;
pub use crypto::install_crypto_provider;
pub use error::RuntimeError;
pub use liveness::{Heartbeat, Liveness};
pub use lock::DatabaseLock;
pub use metrics::{Metrics, SECONDS};
pub use readiness::{CheckReport, Readiness, ReadinessReport};
pub use shutdown::Shutdown;
