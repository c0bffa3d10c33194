//! The settings of DESIGN section 6: from a flag, else from the environment, else a default.
//!
//! Each group is a clap `Args` to be flattened by the programs that need it: the control plane takes
//! [`CommonSettings`] and [`ListenSettings`], a worker [`CommonSettings`] and [`WorkerSettings`], `up`
//! all three. The encryption key is never a flag, for a process list shows flags: see [`EncryptionKeys`].

mod auth;
mod budget;
mod database;
mod duration;
mod effective;
mod environment;
mod keys;
mod listen;
mod outbound;
mod process;
mod settle;
mod texts;
mod worker;

use clap::Args;

pub use auth::{Auth, JwtSettings};
pub use budget::{BudgetSpec, BudgetWindow};
pub use database::{Database, DatabaseSettings, ServerSettings};
pub use duration::HumanDuration;
pub use effective::Effective;
pub use environment::{KNOWN, reject_unknown_env};
pub use keys::{EncryptionKeys, create_key_file, key_file_beside};
pub use listen::{ListenSettings, TlsBy};
pub use outbound::{AllowedHostsSetting, OutboundSettings, Percent};
pub use process::{ProcessSettings, TelemetrySettings};
pub use settle::SettleTimes;
pub use worker::WorkerSettings;

/// What the control plane, a worker and `up` all need.
#[derive(Args, Clone, Debug)]
pub struct CommonSettings {
    /// Where everything is stored.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// How Kandji and Asset Panda are called.
    #[command(flatten)]
    pub outbound: OutboundSettings,
    /// How the process behaves as one.
    #[command(flatten)]
    pub process: ProcessSettings,
}

impl CommonSettings {
    /// Adds what is in effect to `out`.
    pub fn describe(&self, out: &mut Effective) {
        self.database.describe(out);
        self.outbound.describe(out);
        self.process.describe(out);
    }
}

#[cfg(test)]
mod tests;
