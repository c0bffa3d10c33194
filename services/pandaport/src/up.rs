//! `pandaport up`: the control plane and a worker in one process, on a database that no other one is on: a SQLite file as a
//! rule.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use pandaport_control_plane::{ControlPlane, serve};
use pandaport_runtime::settings::{
    CommonSettings, Database, Effective, EncryptionKeys, ListenSettings, WorkerSettings,
};
use pandaport_runtime::{AdminServer, DatabaseLock, Readiness, Shutdown, telemetry};
use pandaport_store::{Claim, Store, processes};
use pandaport_worker::{Worker, resume_active};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

use crate::console::Console;
use crate::error::Error;
use crate::process::access;
use crate::process::admin::{Admin, metrics};
use crate::process::base::Base;
use crate::process::ready_file::ReadyFile;
use crate::process::steps::Steps;
use crate::process::stop::Parts;
use crate::process::{VERSION, keys, settings};
use crate::show::text::count;

/// What this program is called where others are told of it.
const NAME: &str = "pandaport up";

/// The flags of `up`.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub(crate) common: CommonSettings,
    #[command(flatten)]
    pub(crate) listen: ListenSettings,
    #[command(flatten)]
    pub(crate) worker: WorkerSettings,
    #[command(flatten)]
    pub(crate) ready_file: ReadyFile,
}

/// The whole of Pandaport, at work.
pub(crate) struct Up {
    /// Where gRPC is served.
    pub(crate) grpc: SocketAddr,
    admin: Admin,
    base: Base,
    parts: Parts,
    grace: Duration,
    // Given back last, when nothing uses the database any more.
    _claim: Claim,
    _lock: Option<DatabaseLock>,
}

/// Runs until SIGTERM or Ctrl-C.
///
/// # Errors
/// [`Error::Input`] for settings that can't be used, [`Error::Process`] where it can't start or go on.
pub async fn up(args: UpArgs, console: &mut Console) -> Result<(), Error> {
    let telemetry = telemetry::start(&args.common.process.telemetry, "pandaport", VERSION)?;
    let shutdown = Shutdown::on_signals()?;
    console.line(format!("pandaport {VERSION}"))?;
    let mut steps = Steps::told(console);
    let up = Box::pin(Up::start(&args, &shutdown, &mut steps)).await?;
    args.ready_file.write(Some(up.grpc), up.admin.address)?;
    steps.ready()?;
    let draining = shutdown.draining().clone();
    let told = async {
        draining.cancelled().await;
        console.line("Stopping: what is in flight is brought to its end. Ctrl-C again ends at once.")
    };
    let (ended, told) = tokio::join!(up.ended(&shutdown), told);
    // A terminal that was closed is why many a process is stopped: the end is told to it for what it is worth.
    let _ = told.and_then(|()| if ended.is_ok() { console.line("Stopped.") } else { Ok(()) });
    telemetry.shutdown().await;
    ended
}

impl Up {
    /// Starts everything; it is ready when this returns.
    pub(crate) async fn start(args: &UpArgs, shutdown: &Shutdown, steps: &mut Steps<'_>) -> Result<Self, Error> {
        let database = args.common.database.database()?;
        // Before anything is made: a list of hosts that can't be read would be found only behind a new database.
        settings::allowed_hosts(&args.common.outbound)?;
        let lock = database.file().map(|file| DatabaseLock::exclusive(file, "pandaport up")).transpose()?;
        let listening = access::listen(&args.listen).await?;
        let admin_server = AdminServer::bind(args.common.process.admin_listen()).await?;
        let metrics = metrics("pandaport")?;

        let server = settings::server(&args.common.database);
        let store = Store::create_with(database.url().expose_secret(), server).await.map_err(anyhow::Error::new)?;
        let Some(claim) = store.claim().await.map_err(anyhow::Error::new)? else {
            let place = store.place();
            return Err(anyhow!("another `pandaport up` is on {place}: it must be the only one; stop the other").into());
        };
        refuse_others(&store).await?;
        let is_new = store.schema_version().await.map_err(anyhow::Error::new)? == 0;
        pandaport_queue::migrate(&store).await.map_err(anyhow::Error::new)?;
        let version = store.schema_version().await.map_err(anyhow::Error::new)?;
        let new = if is_new { ", new" } else { "" };
        steps.done("database", &format!("{}, schema version {version}{new}", store.place()))?;

        let (keys, origin) = match &database {
            Database::Sqlite { path, .. } => keys::for_up(&store, path).await?,
            Database::Postgres { .. } => (keys::required()?, "from the environment".to_owned()),
        };
        let store = keys::unlock(store, &keys).await?;
        steps.done("key", &origin)?;
        settings::log(&effective(args, &keys, admin_server.address()));

        let base = Base::new(NAME, store, &args.common, shutdown).await?;
        let active = resume_active(&base.store, &base.queue).await.map_err(anyhow::Error::new)?;
        if active > 0 {
            steps.done("syncs", &format!("{} where it was left", count(to_u64(active), "goes on", "go on")))?;
        }

        let readiness = Readiness::new(shutdown);
        base.watch(&readiness);
        let mut parts = Parts::default();
        let worker = Worker::new(
            base.store.clone(),
            base.queue.clone(),
            base.upstream.clone(),
            settings::worker(&args.common, &args.worker),
        )
        .named(base.presence.process_id());
        let working = worker.start(shutdown.draining().clone()).await.map_err(anyhow::Error::new)?;
        parts.add("worker", &readiness, working.stopped());
        steps.done("worker", &count(args.worker.worker_slots.into(), "slot", "slots"))?;

        let grpc = local_address(&listening.listener)?;
        let shown = access::shown(&listening, grpc);
        let grace = args.common.process.shutdown_grace.get();
        let control_plane = ControlPlane::new(pandaport_control_plane::Parts {
            store: base.store.clone(),
            queue: base.queue.clone(),
            upstream: base.upstream.clone(),
            shutdown: shutdown.clone(),
        });
        let serving = serve(control_plane, listening, readiness.clone(), shutdown.clone(), grace);
        parts.add("grpc", &readiness, serving);
        steps.done("gRPC", &shown)?;

        let admin = Admin::serve(admin_server, readiness, metrics);
        steps.done("health", &format!("http://{}/readyz, metrics at /metrics", admin.address))?;
        Ok(Self { grpc, admin, base, parts, grace, _claim: claim, _lock: lock })
    }

    /// Waits until it was stopped and everything in flight has come to its end.
    ///
    /// # Errors
    /// When a part could not go on, or the process had to end at once.
    pub(crate) async fn ended(self, shutdown: &Shutdown) -> Result<(), Error> {
        let ended = self.parts.ended(shutdown, self.grace).await;
        if !shutdown.now().is_cancelled() {
            self.base.close().await;
        }
        self.admin.end();
        ended
    }
}

/// On a server, workers and control planes may be at work, whose jobs and slots would be taken away under them. Another
/// `pandaport up` has ended, as its claim is free.
async fn refuse_others(store: &Store) -> Result<(), Error> {
    let there = store.schema_version().await.map_err(anyhow::Error::new)?;
    if store.sqlite_path().is_some() || there < processes::SINCE_SCHEMA {
        return Ok(());
    }
    let now = store.time().await.map_err(anyhow::Error::new)?;
    let at_work = processes::at_work(store, now).await.map_err(anyhow::Error::new)?;
    match at_work.iter().find(|process| process.program != NAME) {
        Some(process) => Err(anyhow!(
            "{process} is at work on {}, and `pandaport up` must be the only one there: stop it, or run pandaport-worker and \
             pandaport-control-plane instead. One that was killed counts as at work for {} s",
            store.place(),
            processes::SILENCE.as_secs()
        )
        .into()),
        None => Ok(()),
    }
}

pub(crate) fn local_address(listener: &TcpListener) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(|error| anyhow!("the listener has no address: {error}").into())
}

fn effective(args: &UpArgs, keys: &EncryptionKeys, admin: SocketAddr) -> Effective {
    let mut effective = Effective::new();
    args.common.describe(&mut effective);
    effective.add("PANDAPORT_ADMIN_LISTEN", admin);
    args.listen.describe(&mut effective);
    args.worker.describe(&mut effective);
    EncryptionKeys::describe(Some(keys), &mut effective);
    effective
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
