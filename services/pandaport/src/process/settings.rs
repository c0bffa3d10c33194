//! From settings as they are written to what the crates take.

use anyhow::Context as _;
use pandaport_outbound::{AllowedHosts, HttpSettings, Outbound};
use pandaport_runtime::settings::{
    BudgetSpec, CommonSettings, DatabaseSettings, Effective, OutboundSettings, WorkerSettings,
};
use pandaport_store::ServerUse;
use pandaport_upstream::{BudgetSettings, Limit};

use crate::error::Error;

/// The hosts that the operator allows beside the known ones.
pub(crate) fn allowed_hosts(settings: &OutboundSettings) -> Result<AllowedHosts, Error> {
    settings.allowed_hosts.0.parse().map_err(|error| Error::Input(format!("PANDAPORT_ALLOWED_HOSTS: {error}")))
}

/// The one way out over HTTP.
pub(crate) fn outbound(settings: &OutboundSettings) -> Result<Outbound, Error> {
    let http = HttpSettings { timeout: settings.http_timeout.get(), ..HttpSettings::default() };
    Ok(Outbound::new(http).context("the HTTP client can't start")?)
}

/// How a PostgreSQL server is used, if the database is on one.
pub(crate) fn server(settings: &DatabaseSettings) -> ServerUse {
    let server = settings.server();
    ServerUse {
        connections: server.connections,
        statement_timeout: server.statement_timeout.get(),
        lock_timeout: server.lock_timeout.get(),
    }
}

/// How many calls may be made.
pub(crate) fn budgets(settings: &OutboundSettings) -> BudgetSettings {
    BudgetSettings {
        kandji: limits(&settings.kandji_budget),
        kandji_share_percent: settings.kandji_share.get(),
        asset_panda: limits(&settings.asset_panda_budget),
        egress_group: settings.egress_group.clone(),
    }
}

/// How the worker works. `grace` is the process's.
pub(crate) fn worker(common: &CommonSettings, worker: &WorkerSettings) -> pandaport_worker::WorkerSettings {
    pandaport_worker::WorkerSettings {
        slots: to_usize(worker.worker_slots),
        tenant_slots: to_usize(worker.tenant_slots),
        slice: worker.slice.get(),
        http_timeout: common.outbound.http_timeout.get(),
        settle: worker.settle.looks(),
        grace: common.process.shutdown_grace.get(),
        outage_limit: worker.outage_limit.get(),
        history_retention: worker.history_retention.get(),
        audit_retention: worker.audit_retention.get(),
        passenger_cap: passenger_cap(&common.outbound.asset_panda_budget),
    }
}

/// Logs what is in effect, a line for each setting, at debug level.
pub(crate) fn log(effective: &Effective) {
    for (name, value) in effective.iter() {
        tracing::debug!(name, value, "setting");
    }
}

/// Devices that one sync may write only because their PASSENGER columns are due: five with each call, in at most a fifth
/// of a window's calls (rule 9). Without a limit on calls there is none here.
fn passenger_cap(budget: &BudgetSpec) -> u64 {
    budget.windows().iter().map(|it| it.limit / 5 * 5).min().unwrap_or(u64::MAX)
}

fn limits(budget: &BudgetSpec) -> Vec<Limit> {
    budget
        .windows()
        .iter()
        .map(|it| Limit { calls: u32::try_from(it.limit).unwrap_or(u32::MAX), window: it.length })
        .collect()
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passengers_get_a_fifth_of_a_window() {
        let cap = |text: &str| passenger_cap(&text.parse().expect("a budget"));
        // 80 of 400 calls, five devices each.
        assert_eq!(cap("400/3m"), 400);
        assert_eq!(cap("10000/1h,50/1s"), 50);
        assert_eq!(cap("off"), u64::MAX);
    }
}
