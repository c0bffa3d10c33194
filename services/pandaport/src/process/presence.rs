//! This process says in the database that it is at work, and for which schema it was made: see `pandaport_store::processes`.

use std::time::Duration;

use pandaport_runtime::Shutdown;
use pandaport_store::processes::{self, Process};
use pandaport_store::{Store, StoreError};
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use super::VERSION;

/// How often it says so.
const EVERY: Duration = Duration::from_secs(10);

/// This process, as others are told of it.
pub(crate) struct Presence {
    process: Process,
    saying: AbortOnDropHandle<()>,
}

impl Presence {
    /// Says, and then every ten seconds, that a process of this program is at work. Where a migration took away what it needs,
    /// while it was cut off and could not say so, it drains.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn of(program: &'static str, store: &Store, shutdown: &Shutdown) -> Result<Self, StoreError> {
        let process = Process {
            process_id: format!("{}-{}", std::process::id(), uuid::Uuid::new_v4()),
            program: program.to_owned(),
            version: VERSION.to_owned(),
            host: host(),
            pid: std::process::id().into(),
            schema_version: Store::wanted_schema_version(),
        };
        store.in_time(Duration::ZERO, beat(store, &process)).await?;
        let saying = AbortOnDropHandle::new(tokio::spawn(say(store.clone(), process.clone(), shutdown.clone())));
        Ok(Self { process, saying })
    }

    /// The id of this process; its worker, if it has one, goes by it too.
    pub(crate) fn process_id(&self) -> &str {
        &self.process.process_id
    }

    /// Says that it is not at work any more.
    pub(crate) async fn end(&self, store: &Store) {
        self.saying.abort();
        let leave = processes::leave(store, self.process_id());
        if let Err(error) = store.in_time(Duration::ZERO, leave).await {
            tracing::debug!(%error, "this process could not say that it leaves");
        }
    }
}

async fn say(store: Store, process: Process, shutdown: Shutdown) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = store.in_time(Duration::ZERO, beat(&store, &process)).await {
            tracing::debug!(%error, "this process could not say that it is at work");
        } else if !store
            .in_time(Duration::ZERO, async { Ok::<_, StoreError>(store.is_readable().await) })
            .await
            .unwrap_or(true)
        {
            tracing::error!(
                "the database was migrated to a schema that this version can't work on: it stops; run the newer version"
            );
            shutdown.drain();
            return;
        }
    }
}

/// By the database's clock: whoever migrates may be on a machine whose clock is another.
async fn beat(store: &Store, process: &Process) -> Result<(), StoreError> {
    processes::beat(store, process, store.time().await?).await
}

fn host() -> String {
    let of_linux = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = of_linux.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    match host.trim() {
        "" => "a machine without a name".to_owned(),
        host => host.to_owned(),
    }
}
