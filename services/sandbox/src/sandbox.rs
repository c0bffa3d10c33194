//! A running sandbox: three listeners over one state.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::Faults;
use crate::fleet::{Fleet, FleetSpec};
use crate::ready::Ready;
use crate::world::{Credentials, SandboxTime, World};
use crate::{asset_panda, control, kandji, panda, server};

/// How a sandbox is to be.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Where the Kandji stand-in listens; port 0 takes a free one.
    pub kandji_listen: SocketAddr,
    /// Where the Asset Panda Pro stand-in listens.
    pub asset_panda_listen: SocketAddr,
    /// Where the control endpoint listens.
    pub control_listen: SocketAddr,
    /// Lets it listen elsewhere than on loopback. Its credentials are public, and control needs none.
    pub allow_remote: bool,
    /// The fleet at first.
    pub fleet: FleetSpec,
    /// The switches at first.
    pub faults: Faults,
    /// What clients must send.
    pub credentials: Credentials,
    /// How many modules the Asset Panda account has; the collections are in the first.
    pub modules: u32,
    /// How many collections like ITAM there are.
    pub itams: u32,
    /// Whether the Kandji stand-in compresses its answers for clients that take it.
    pub gzip: bool,
    /// What search lags and the Asset Panda limit go by.
    pub time: SandboxTime,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            kandji_listen: free,
            asset_panda_listen: free,
            control_listen: free,
            allow_remote: false,
            fleet: FleetSpec::default(),
            faults: Faults::default(),
            credentials: Credentials::default(),
            modules: 1,
            itams: 1,
            gzip: false,
            time: SandboxTime::default(),
        }
    }
}

/// A running sandbox. Dropping it stops it; [`Sandbox::shutdown`] also waits for that.
#[derive(Debug)]
pub struct Sandbox {
    ready: Arc<Ready>,
    world: Arc<World>,
    shutdown: CancellationToken,
    tracker: TaskTracker,
}

impl Sandbox {
    /// Binds the three listeners and serves.
    ///
    /// # Errors
    /// An address that cannot be listened on, or that is not loopback where only that is allowed.
    pub async fn start(config: SandboxConfig) -> anyhow::Result<Self> {
        let allow = config.allow_remote;
        let kandji_listener = server::bind(config.kandji_listen, allow).await?;
        let panda_listener = server::bind(config.asset_panda_listen, allow).await?;
        let control_listener = server::bind(config.control_listen, allow).await?;
        let panda = panda::panda(config.modules, config.itams);
        let itam = &panda.collections[0];
        let ready = Arc::new(Ready {
            kandji_url: format!("http://{}", kandji_listener.local_addr()?),
            asset_panda_url: format!("http://{}", panda_listener.local_addr()?),
            control_url: format!("http://{}", control_listener.local_addr()?),
            credentials: config.credentials.clone(),
            account_id: panda.account_id.clone(),
            module_id: panda.modules[0].id.clone(),
            collection_id: itam.id.clone(),
            collections: panda
                .collections
                .iter()
                .map(|collection| (collection.display_name.clone(), collection.id.clone()))
                .collect(),
            columns: itam.columns.iter().map(|column| (column.display_name.clone(), column.id.clone())).collect(),
            pid: std::process::id(),
        });
        let world =
            Arc::new(World::new(config.credentials, config.faults, Fleet::new(config.fleet), panda, config.time));
        let shutdown = CancellationToken::new();
        let tracker = TaskTracker::new();
        for (listener, router) in [
            (kandji_listener, kandji::router(world.clone(), config.gzip)),
            (panda_listener, asset_panda::router(world.clone())),
            (control_listener, control::router(world.clone(), ready.clone())),
        ] {
            tracker.spawn(server::serve(listener, router, tracker.clone(), shutdown.clone()));
        }
        tracker.close();
        Ok(Self { ready, world, shutdown, tracker })
    }

    /// URLs, credentials and ids.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Where the Kandji stand-in answers.
    #[must_use]
    pub fn kandji_url(&self) -> &str {
        &self.ready.kandji_url
    }

    /// Where the Asset Panda Pro stand-in answers.
    #[must_use]
    pub fn asset_panda_url(&self) -> &str {
        &self.ready.asset_panda_url
    }

    /// Where the control endpoint answers.
    #[must_use]
    pub fn control_url(&self) -> &str {
        &self.ready.control_url
    }

    /// Puts other switches in force, like `PUT {control}/faults`.
    pub fn set_faults(&self, faults: Faults) {
        self.world.faults.replace(faults);
    }

    /// Drops all connections and waits until nothing runs any more.
    pub async fn shutdown(self) {
        self.shutdown.cancel();
        self.tracker.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
