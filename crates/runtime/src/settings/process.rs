//! How the process behaves as one.

use std::net::SocketAddr;

use clap::Args;

use super::database::without_password;
use super::duration::HumanDuration;
use super::effective::Effective;
use super::listen::address;

/// How the process behaves as one.
#[derive(Args, Clone, Debug)]
pub struct ProcessSettings {
    /// Where /livez, /readyz and /metrics are served [default: 127.0.0.1:9464; a worker alone: 127.0.0.1:9465]
    #[arg(
        long,
        env = "PANDAPORT_ADMIN_LISTEN",
        value_parser = address,
        value_name = "ADDRESS"
    )]
    pub admin_listen: Option<SocketAddr>,

    /// How long to wait, when stopping, for what is in flight
    #[arg(long, env = "PANDAPORT_SHUTDOWN_GRACE", default_value = "10s", value_name = "TIME")]
    pub shutdown_grace: HumanDuration,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

/// Logs and traces.
#[derive(Args, Clone, Debug, Default)]
pub struct TelemetrySettings {
    /// What is logged: a level, or levels by part, such as info,pandaport_worker=debug
    #[arg(long, env = "RUST_LOG", value_name = "FILTER")]
    pub log: Option<String>,

    /// A collector for traces over OTLP/HTTP, such as http://127.0.0.1:4318; without one, none are sent
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

impl ProcessSettings {
    /// Where the control plane and `up` serve health and metrics.
    pub fn admin_listen(&self) -> SocketAddr {
        self.admin_listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9464)))
    }

    /// Where a worker alone does: beside a control plane on the same machine.
    pub fn worker_admin_listen(&self) -> SocketAddr {
        self.admin_listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9465)))
    }

    /// Adds what is in effect to `out`, but for the admin address: its default is the program's, which adds
    /// `PANDAPORT_ADMIN_LISTEN` itself.
    pub fn describe(&self, out: &mut Effective) {
        out.add("PANDAPORT_SHUTDOWN_GRACE", self.shutdown_grace);
        out.add("RUST_LOG", self.telemetry.log_directives().unwrap_or("(default)"));
        let endpoint = self.telemetry.otlp_endpoint();
        out.add("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.map_or("(not set)".to_owned(), without_password));
    }
}

impl TelemetrySettings {
    /// The log filter. An empty variable counts as none, as Kubernetes manifests tend to have them.
    pub fn log_directives(&self) -> Option<&str> {
        self.log.as_deref().filter(|it| !it.trim().is_empty())
    }

    /// The collector. An empty variable counts as none.
    pub fn otlp_endpoint(&self) -> Option<&str> {
        self.otlp_endpoint.as_deref().filter(|it| !it.trim().is_empty())
    }
}
