//! How a worker works.

use std::time::Duration;

use clap::Args;

use super::duration::{HumanDuration, positive};
use super::effective::Effective;
use super::settle::SettleTimes;
use super::texts::Malformed;

/// How a worker works.
#[derive(Args, Clone, Debug)]
pub struct WorkerSettings {
    /// Slices that this process works at once
    #[arg(
        long,
        env = "PANDAPORT_WORKER_SLOTS",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=1024),
        value_name = "COUNT"
    )]
    pub worker_slots: u32,

    /// Slices of one tenant that all workers together work at once
    #[arg(
        long,
        env = "PANDAPORT_TENANT_SLOTS",
        default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..=1024),
        value_name = "COUNT"
    )]
    pub tenant_slots: u32,

    /// How long a sync is worked before it makes room for another
    #[arg(
        long,
        env = "PANDAPORT_SLICE",
        default_value = "30s",
        value_parser = positive,
        value_name = "TIME"
    )]
    pub slice: HumanDuration,

    /// When an unclear create is looked for, before it is sent again
    #[arg(long, env = "PANDAPORT_SETTLE", default_value = "5s,30s,120s", value_name = "TIMES")]
    pub settle: SettleTimes,

    /// How long an API may be out before a sync that waits for it fails
    #[arg(
        long,
        env = "PANDAPORT_OUTAGE_LIMIT",
        default_value = "24h",
        value_parser = positive,
        value_name = "TIME"
    )]
    pub outage_limit: HumanDuration,

    /// How long it is remembered what each sync did: its records with old and new values, then the sync itself. The
    /// last sync of a mapping is always kept
    #[arg(
        long,
        env = "PANDAPORT_HISTORY_RETENTION",
        default_value = "90d",
        value_parser = positive,
        value_name = "TIME"
    )]
    pub history_retention: HumanDuration,

    /// How long the audit log is kept: who called what, when, from where and with what result. At least 30d
    #[arg(
        long,
        env = "PANDAPORT_AUDIT_RETENTION",
        default_value = "366d",
        value_parser = audit_retention,
        value_name = "TIME"
    )]
    pub audit_retention: HumanDuration,
}

impl WorkerSettings {
    /// The longest a job may run before the queue gives it to another worker: a slice, a batch that was
    /// begun at its end and is looked up once, and some room. (DESIGN section 3.)
    pub fn job_timeout(&self, http_timeout: HumanDuration) -> Duration {
        self.slice.get() + http_timeout.get() * 2 + Duration::from_secs(5)
    }

    /// Adds what is in effect to `out`.
    pub fn describe(&self, out: &mut Effective) {
        out.add("PANDAPORT_WORKER_SLOTS", self.worker_slots);
        out.add("PANDAPORT_TENANT_SLOTS", self.tenant_slots);
        out.add("PANDAPORT_SLICE", self.slice);
        out.add("PANDAPORT_SETTLE", &self.settle);
        out.add("PANDAPORT_OUTAGE_LIMIT", self.outage_limit);
        out.add("PANDAPORT_HISTORY_RETENTION", self.history_retention);
        out.add("PANDAPORT_AUDIT_RETENTION", self.audit_retention);
    }
}

/// The database itself refuses to forget what is younger.
const LEAST_AUDIT_RETENTION: Duration = Duration::from_secs(30 * 86_400);

fn audit_retention(text: &str) -> Result<HumanDuration, Malformed> {
    let retention: HumanDuration = text.parse()?;
    if retention.get() < LEAST_AUDIT_RETENTION {
        return Err(Malformed::new("at least 30d: the database refuses to forget what is younger"));
    }
    Ok(retention)
}
