//! `pandaport-worker`: a worker alone. It takes sync jobs from the queue and runs them; it serves no RPCs.

use std::process::ExitCode;

use clap::Parser;
use pandaport_runtime::settings::{CommonSettings, Effective, EncryptionKeys, WorkerSettings};
use pandaport_runtime::{AdminServer, Readiness, Shutdown, telemetry};
use pandaport_worker::Worker;

use crate::console::Console;
use crate::error::Error;
use crate::process::admin::{Admin, metrics};
use crate::process::base::{self, Base};
use crate::process::ready_file::ReadyFile;
use crate::process::steps::Steps;
use crate::process::stop::Parts;
use crate::process::{VERSION, keys, settings};
use crate::program;
use crate::show::text::count;

/// A worker of Pandaport, which imports Apple devices from Kandji into Asset Panda: takes syncs from the queue and runs them.
#[derive(Debug, Parser)]
#[command(name = "pandaport-worker", version)]
struct WorkerArgs {
    #[command(flatten)]
    common: CommonSettings,
    #[command(flatten)]
    worker: WorkerSettings,
    #[command(flatten)]
    ready_file: ReadyFile,
}

/// The `main` of `pandaport-worker`.
#[must_use]
pub fn main() -> ExitCode {
    program::run(WorkerArgs::parse, |args| program::block_on(run(args)))
}

async fn run(args: WorkerArgs) -> Result<(), Error> {
    const NAME: &str = "pandaport-worker";
    let process = &args.common.process;
    let telemetry = telemetry::start(&process.telemetry, NAME, VERSION)?;
    let shutdown = Shutdown::on_signals()?;
    let metrics = metrics(NAME)?;
    let admin_server = AdminServer::bind(process.worker_admin_listen()).await?;
    let keys = keys::required()?;
    settings::log(&effective(&args, &keys, &admin_server));

    let mut console = Console::stdout();
    console.line(format!("{NAME} {VERSION}"))?;
    let mut steps = Steps::told(&mut console);
    // Given back last, when nothing uses the file any more.
    let _lock = base::share(&args.common.database)?;
    let base = Box::pin(Base::open(NAME, &args.common, &keys, &shutdown, &mut steps)).await?;

    let readiness = Readiness::new(&shutdown);
    base.watch(&readiness);
    let worker = Worker::new(
        base.store.clone(),
        base.queue.clone(),
        base.upstream.clone(),
        settings::worker(&args.common, &args.worker),
    )
    .named(base.presence.process_id());
    let working = worker.start(shutdown.draining().clone()).await.map_err(anyhow::Error::new)?;
    let mut parts = Parts::default();
    parts.add("worker", &readiness, working.stopped());
    steps.done("worker", &count(args.worker.worker_slots.into(), "slot", "slots"))?;
    let admin = Admin::serve(admin_server, readiness, metrics);
    steps.done("health", &format!("http://{}/readyz, metrics at /metrics", admin.address))?;
    args.ready_file.write(None, admin.address)?;
    steps.ready()?;

    let ended = parts.ended(&shutdown, process.shutdown_grace.get()).await;
    if !shutdown.now().is_cancelled() {
        base.close().await;
    }
    admin.end();
    telemetry.shutdown().await;
    ended
}

fn effective(args: &WorkerArgs, keys: &EncryptionKeys, admin: &AdminServer) -> Effective {
    let mut effective = Effective::new();
    args.common.describe(&mut effective);
    effective.add("PANDAPORT_ADMIN_LISTEN", admin.address());
    args.worker.describe(&mut effective);
    EncryptionKeys::describe(Some(keys), &mut effective);
    effective
}
