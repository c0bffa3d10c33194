//! `pandaport-control-plane`: the gRPC service alone. Workers elsewhere, on the same database, run the syncs.

use std::process::ExitCode;

use clap::Parser;
use pandaport_control_plane::{ControlPlane, serve};
use pandaport_runtime::settings::{CommonSettings, Effective, EncryptionKeys, ListenSettings};
use pandaport_runtime::{AdminServer, Readiness, Shutdown, telemetry};

use crate::console::Console;
use crate::error::Error;
use crate::process::access;
use crate::process::admin::{Admin, metrics};
use crate::process::base::{self, Base};
use crate::process::ready_file::ReadyFile;
use crate::process::steps::Steps;
use crate::process::stop::Parts;
use crate::process::{VERSION, keys, settings};
use crate::program;
use crate::up::local_address;

/// The control plane of Pandaport, which imports Apple devices from Kandji into Asset Panda: serves gRPC and queues syncs.
#[derive(Debug, Parser)]
#[command(name = "pandaport-control-plane", version)]
struct ControlPlaneArgs {
    #[command(flatten)]
    common: CommonSettings,
    #[command(flatten)]
    listen: ListenSettings,
    #[command(flatten)]
    ready_file: ReadyFile,
}

/// The `main` of `pandaport-control-plane`.
#[must_use]
pub fn main() -> ExitCode {
    program::run(ControlPlaneArgs::parse, |args| program::block_on(run(args)))
}

async fn run(args: ControlPlaneArgs) -> Result<(), Error> {
    const NAME: &str = "pandaport-control-plane";
    let process = &args.common.process;
    let telemetry = telemetry::start(&process.telemetry, NAME, VERSION)?;
    let shutdown = Shutdown::on_signals()?;
    let metrics = metrics(NAME)?;
    let listening = access::listen(&args.listen).await?;
    let grpc = local_address(&listening.listener)?;
    let shown = access::shown(&listening, grpc);
    let admin_server = AdminServer::bind(process.admin_listen()).await?;
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
    let control_plane = ControlPlane::new(pandaport_control_plane::Parts {
        store: base.store.clone(),
        queue: base.queue.clone(),
        upstream: base.upstream.clone(),
        shutdown: shutdown.clone(),
    });
    let grace = process.shutdown_grace.get();
    let mut parts = Parts::default();
    let serving = serve(control_plane, listening, readiness.clone(), shutdown.clone(), grace);
    parts.add("grpc", &readiness, serving);
    steps.done("gRPC", &shown)?;
    let admin = Admin::serve(admin_server, readiness, metrics);
    steps.done("health", &format!("http://{}/readyz, metrics at /metrics", admin.address))?;
    args.ready_file.write(Some(grpc), admin.address)?;
    steps.ready()?;

    let ended = parts.ended(&shutdown, grace).await;
    if !shutdown.now().is_cancelled() {
        base.close().await;
    }
    admin.end();
    telemetry.shutdown().await;
    ended
}

fn effective(args: &ControlPlaneArgs, keys: &EncryptionKeys, admin: &AdminServer) -> Effective {
    let mut effective = Effective::new();
    args.common.describe(&mut effective);
    effective.add("PANDAPORT_ADMIN_LISTEN", admin.address());
    args.listen.describe(&mut effective);
    EncryptionKeys::describe(Some(keys), &mut effective);
    effective
}
