//! `pandaport-sandbox`: the stand-ins for Kandji and Asset Panda by themselves.

use std::process::ExitCode;

use clap::Parser;
use pandaport_runtime::settings::TelemetrySettings;
use pandaport_runtime::{Shutdown, telemetry};
use pandaport_sandbox::SandboxArgs;

use crate::error::Error;
use crate::process::VERSION;
use crate::program;

#[derive(Debug, Parser)]
#[command(name = "pandaport-sandbox", version)]
struct Flags {
    #[command(flatten)]
    telemetry: TelemetrySettings,
    // Last: what it says of itself is what `--help` begins with.
    #[command(flatten)]
    sandbox: SandboxArgs,
}

/// The `main` of `pandaport-sandbox`.
#[must_use]
pub fn main() -> ExitCode {
    program::run(Flags::parse, |flags| program::block_on(run(flags)))
}

async fn run(flags: Flags) -> Result<(), Error> {
    let telemetry = telemetry::start(&flags.telemetry, "pandaport-sandbox", VERSION)?;
    let shutdown = Shutdown::on_signals()?;
    let ended = tokio::select! {
        ended = pandaport_sandbox::run(flags.sandbox, shutdown.draining().clone()) => ended,
        () = shutdown.now().cancelled() => Ok(()),
    };
    telemetry.shutdown().await;
    Ok(ended?)
}
