//! The store, the queue in it, and the way to Kandji and Asset Panda.

use std::sync::Arc;

use anyhow::Context as _;
use pandaport_queue::Queue;
use pandaport_runtime::settings::{CommonSettings, DatabaseSettings, EncryptionKeys};
use pandaport_runtime::{DatabaseLock, Readiness, Shutdown};
use pandaport_store::Store;
use pandaport_upstream::Upstream;
use secrecy::ExposeSecret as _;

use super::keys;
use super::presence::Presence;
use super::settings::{allowed_hosts, budgets, outbound, server};
use super::steps::Steps;
use crate::error::Error;

/// What the control plane and the worker both stand on.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) upstream: Upstream,
    pub(crate) presence: Arc<Presence>,
}

impl Base {
    /// Stands on a store whose secrets are open, and says there that this program is at work.
    pub(crate) async fn new(
        program: &'static str,
        store: Store,
        common: &CommonSettings,
        shutdown: &Shutdown,
    ) -> Result<Self, Error> {
        let queue = Queue::new(&store).context("the queue can't be opened")?;
        let outbound = outbound(&common.outbound)?;
        let allowed = allowed_hosts(&common.outbound)?;
        let upstream = Upstream::new(store.clone(), outbound, allowed, budgets(&common.outbound));
        let presence = Presence::of(program, &store, shutdown).await.map_err(anyhow::Error::new)?;
        // Only now, that others know of it, does what was found of the schema before still hold.
        store.check_schema().await.map_err(anyhow::Error::new)?;
        let presence = Arc::new(presence);
        Ok(Self { store, queue, upstream, presence })
    }

    /// Opens a database that is there and migrated, for a process that makes none itself.
    pub(crate) async fn open(
        program: &'static str,
        common: &CommonSettings,
        keys: &EncryptionKeys,
        shutdown: &Shutdown,
        steps: &mut Steps<'_>,
    ) -> Result<Self, Error> {
        // Before anything is opened: a wrong host list is quicker to see than to wait for.
        allowed_hosts(&common.outbound)?;
        let database = common.database.database()?;
        let store = Store::connect_with(database.url().expose_secret(), server(&common.database))
            .await
            .map_err(anyhow::Error::new)?;
        let there = pandaport_queue::check_schema(&store).await.map_err(anyhow::Error::new)?;
        let base = Self::new(program, keys::unlock(store, keys).await?, common, shutdown).await?;
        let wanted = Store::wanted_schema_version();
        if there > wanted {
            tracing::warn!(there, wanted, "the database's schema is newer than this program, which can work on it");
            steps
                .done("database", &format!("reached, its schema ({there}) is newer than this program's ({wanted})"))?;
        } else {
            steps.done("database", "reached, its schema fits")?;
        }
        Ok(base)
    }

    /// The checks that every process on the database must pass to be ready.
    pub(crate) fn watch(&self, readiness: &Readiness) {
        let store = self.store.clone();
        readiness.check("database", move || {
            let store = store.clone();
            async move { store.ping().await.map_err(|error| error.to_string()) }
        });
        let store = self.store.clone();
        readiness.check("schema", move || {
            let store = store.clone();
            async move { store.check_schema().await.map(|_| ()).map_err(|error| error.to_string()) }
        });
    }

    /// Gives back what was reserved and closes the database.
    pub(crate) async fn close(self) {
        self.upstream.release().await;
        self.presence.end(&self.store).await;
        self.store.close().await;
    }
}

/// Takes its share of a SQLite file, for a process that works on it together with others; on a server there is nothing to
/// take.
pub(crate) fn share(database: &DatabaseSettings) -> Result<Option<DatabaseLock>, Error> {
    Ok(database.database()?.file().map(DatabaseLock::shared).transpose()?)
}
