//! `pandaport demo`: the whole journey on this machine, against stand-ins, the way a caller takes it: over gRPC and HTTP.

mod journey;
mod next;
mod sandbox;
mod stage;

use std::future::Future;

use anyhow::anyhow;
use clap::Args;
use pandaport_runtime::settings::TelemetrySettings;
use pandaport_runtime::{Shutdown, telemetry};

use self::journey::Journey;
use self::stage::Stage;
use crate::console::{Console, Ink};
use crate::error::Error;
use crate::process::VERSION;
use crate::show::text::count;

/// The flags of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Devices in the Kandji fleet
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "COUNT")]
    devices: u32,
    /// Leave everything running until Ctrl-C, to try more
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

/// Walks the journey. Nothing leaves this machine, and nothing stays on it.
///
/// # Errors
/// [`Error::Process`] for the first step that does not come out as it should.
pub async fn demo(args: DemoArgs, console: &mut Console) -> Result<(), Error> {
    // Logs would stand between the steps: they are written where they are asked for.
    let telemetry = match args.telemetry.log_directives() {
        Some(_) => Some(telemetry::start(&args.telemetry, "pandaport-demo", VERSION)?),
        None => None,
    };
    let signals = Shutdown::on_signals()?;
    let title = format!(
        "Pandaport {VERSION}: {} from Kandji to Asset Panda, with stand-ins for both",
        count(args.devices.into(), "device", "devices")
    );
    console.line(console.ink(Ink::Bold, &title))?;

    let stage = until_signal(&signals, Box::pin(Stage::set(&args, console))).await?;
    let walked = until_signal(&signals, Box::pin(walk(&args, &stage, &signals, console))).await;
    stage.clear().await;
    if let Some(telemetry) = telemetry {
        telemetry.shutdown().await;
    }
    walked
}

async fn walk(args: &DemoArgs, stage: &Stage, signals: &Shutdown, console: &mut Console) -> Result<(), Error> {
    let mapping_id = Journey::new(args.devices, stage, console).await?.walk().await?;
    if !args.keep {
        return Ok(console.line(next::without_keep())?);
    }
    // As it was called: under cargo it is not on the path.
    let program = std::env::args().next().unwrap_or_else(|| "pandaport".to_owned());
    console.line(next::with_keep(&program, stage.grpc(), stage.control_url(), &mapping_id))?;
    signals.draining().cancelled().await;
    Ok(())
}

/// Goes on until it is done, or somebody has seen enough.
async fn until_signal<T>(signals: &Shutdown, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::select! {
        biased;
        result = work => result,
        () = signals.draining().cancelled() => Err(anyhow!("stopped before its end").into()),
    }
}
