//! Everything that the journey needs: the stand-ins, and Pandaport in a folder that is removed at the end.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use pandaport_runtime::Shutdown;
use pandaport_runtime::settings::ListenSettings;
use pandaport_sandbox::{Faults, FleetSpec, Ready, Sandbox, SandboxConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::DemoArgs;
use crate::console::{Console, Ink};
use crate::error::Error;
use crate::process::steps::Steps;
use crate::show::time::length;
use crate::up::{Up, UpArgs};

/// How long the stand-ins take to answer, in milliseconds, so that the journey has the pace of the real APIs.
const KANDJI_LATENCY_MS: u64 = 40;
const ASSET_PANDA_LATENCY_MS: u64 = 80;
/// So many devices are written within one window of Asset Panda's limit, five a call, with room for the later syncs.
const WITHIN_ONE_WINDOW: u32 = 1_500;

/// The stand-ins and Pandaport, running.
pub(super) struct Stage {
    sandbox: Sandbox,
    up: Up,
    shutdown: Shutdown,
    folder: TempDir,
}

/// `up`'s flags by themselves.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    up: UpArgs,
}

impl Stage {
    /// Starts everything, on free ports.
    pub(super) async fn set(args: &DemoArgs, console: &mut Console) -> Result<Self, Error> {
        let limits_off = args.devices > WITHIN_ONE_WINDOW;
        let sandbox = Sandbox::start(sandbox_config(args.devices, limits_off)).await?;
        let ready = sandbox.ready();
        let limits =
            if limits_off { "a stand-in, without limits" } else { "a stand-in, with the limits of the real one" };
        done(console, "Kandji", &ready.kandji_url, limits)?;
        done(console, "Asset Panda", &ready.asset_panda_url, "a stand-in, likewise")?;

        let folder = tempfile::tempdir().context("a temporary folder can't be made")?;
        let began = Instant::now();
        let shutdown = Shutdown::by_hand();
        let mut flags =
            Flags::try_parse_from(up_flags(&folder, ready, limits_off)).context("the demo's own settings")?;
        flags.up.common.database.forget_server();
        flags.up.listen = ListenSettings::open(grpc_listen(args.keep).await);
        let up = Box::pin(Up::start(&flags.up, &shutdown, &mut Steps::silent())).await?;
        let took = format!("ready in {}", length(began.elapsed()));
        done(console, "Pandaport", &format!("http://{}", up.grpc), &took)?;
        if limits_off {
            console.line("  For this many devices the limits on calls are off: within them it would take a while.")?;
        }
        Ok(Self { sandbox, up, shutdown, folder })
    }

    /// Where Pandaport serves gRPC.
    pub(super) fn grpc(&self) -> SocketAddr {
        self.up.grpc
    }

    /// Where the stand-ins' world is changed.
    pub(super) fn control_url(&self) -> &str {
        self.sandbox.control_url()
    }

    /// The stand-ins' addresses and credentials.
    pub(super) fn ready(&self) -> &Ready {
        self.sandbox.ready()
    }

    /// Stops everything and removes the folder.
    pub(super) async fn clear(self) {
        self.shutdown.drain();
        // The journey is over: whatever is still in flight is of no use to anyone.
        if let Err(error) = self.up.ended(&self.shutdown).await {
            tracing::warn!(%error, "pandaport did not end well");
        }
        self.sandbox.shutdown().await;
        if let Err(error) = self.folder.close() {
            tracing::warn!(%error, "the temporary folder can't be removed");
        }
    }
}

fn sandbox_config(devices: u32, limits_off: bool) -> SandboxConfig {
    let mut faults = Faults::default();
    if limits_off {
        faults = faults.without_rate_limits();
    }
    faults.kandji.latency_ms = KANDJI_LATENCY_MS;
    faults.asset_panda.latency_ms = ASSET_PANDA_LATENCY_MS;
    SandboxConfig { fleet: FleetSpec { devices, ..FleetSpec::default() }, faults, ..SandboxConfig::default() }
}

/// Every flag is given, so that no variable of the environment changes the demo; but for those of a server, which a file has
/// no use for, and those of the listener, which is set by itself.
fn up_flags(folder: &TempDir, ready: &Ready, limits_off: bool) -> Vec<String> {
    let host = |url: &str| url.trim_start_matches("http://").to_owned();
    let (kandji_budget, asset_panda_budget) = if limits_off { ("off", "off") } else { ("10000/1h,50/1s", "400/3m") };
    let flags = [
        ("database-url", format!("sqlite://{}", folder.path().join("pandaport.db").display())),
        ("admin-listen", "127.0.0.1:0".to_owned()),
        ("allowed-hosts", format!("{},{}", host(&ready.kandji_url), host(&ready.asset_panda_url))),
        ("kandji-budget", kandji_budget.to_owned()),
        ("kandji-share", "80%".to_owned()),
        ("asset-panda-budget", asset_panda_budget.to_owned()),
        ("egress-group", "demo".to_owned()),
        ("http-timeout", "8s".to_owned()),
        ("shutdown-grace", "2s".to_owned()),
        ("worker-slots", "8".to_owned()),
        ("tenant-slots", "4".to_owned()),
        ("slice", "30s".to_owned()),
        ("settle", "5s,30s,120s".to_owned()),
        ("outage-limit", "24h".to_owned()),
        ("history-retention", "90d".to_owned()),
        ("audit-retention", "366d".to_owned()),
    ];
    let flags = flags.into_iter().map(|(name, value)| format!("--{name}={value}"));
    std::iter::once("up".to_owned()).chain(flags).collect()
}

/// The usual port where it is kept running and the port is free, so that all commands find it by themselves; else any.
async fn grpc_listen(keep: bool) -> SocketAddr {
    let usual = SocketAddr::from(([127, 0, 0, 1], 50051));
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    if keep && TcpListener::bind(usual).await.is_ok() { usual } else { any }
}

fn done(console: &mut Console, what: &str, url: &str, how: &str) -> Result<(), Error> {
    let tick = console.ink(Ink::Green, "✓");
    let how = console.ink(Ink::Dim, how);
    Ok(console.line(format!("  {tick} {what:<12} {url:<24} {how}"))?)
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, CommandFactory as _};
    use pandaport_runtime::settings::DatabaseSettings;

    use super::*;

    #[test]
    fn the_environment_has_no_say_in_the_demo() {
        let folder = tempfile::tempdir().expect("a folder");
        let ready = Ready {
            kandji_url: "http://127.0.0.1:1".into(),
            asset_panda_url: "http://127.0.0.1:2".into(),
            control_url: "http://127.0.0.1:3".into(),
            credentials: pandaport_sandbox::Credentials::default(),
            account_id: String::new(),
            module_id: String::new(),
            collection_id: String::new(),
            collections: std::collections::BTreeMap::new(),
            columns: std::collections::BTreeMap::new(),
            pid: 0,
        };
        let given = up_flags(&folder, &ready, false);
        assert!(Flags::try_parse_from(&given).is_ok());
        let listener = ListenSettings::augment_args(clap::Command::new("listener"));
        let of_listener: Vec<_> = listener.get_arguments().filter_map(|it| it.get_env()).collect();
        assert!(of_listener.iter().any(|it| *it == "PANDAPORT_AUTH"));
        for arg in Flags::command().get_arguments() {
            if arg.get_env().is_some_and(|it| of_listener.contains(&it)) {
                continue;
            }
            let Some(name) = arg.get_env().map(|it| it.to_string_lossy()) else { continue };
            let flag = format!("--{}=", arg.get_long().unwrap_or_default());
            // Logs and traces are the environment's to say.
            let of_ours = name.starts_with("PANDAPORT_") && !DatabaseSettings::OF_A_SERVER.contains(&&*name);
            assert!(!of_ours || given.iter().any(|it| it.starts_with(&flag)), "{name}");
        }
    }
}
