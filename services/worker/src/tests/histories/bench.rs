//! What all histories of a run share: a runtime, the way out, and an empty database to begin with.

use std::path::PathBuf;
use std::time::Duration;

use pandaport_outbound::{HttpSettings, Outbound};
use pandaport_store::{Keyring, Store};

/// The time that a call may take, for the worker. Nothing waits for it: calls are answered or their process ends.
pub(super) const HTTP_TIMEOUT: Duration = Duration::from_secs(8);

pub(super) struct Bench {
    pub(super) runtime: tokio::runtime::Runtime,
    pub(super) http: reqwest::Client,
    folder: tempfile::TempDir,
    keys: Vec<secrecy::SecretString>,
}

impl Bench {
    pub(super) fn new() -> Self {
        // One thread: a history goes the same way each time.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = folder();
        let keys = vec![Keyring::generate()];
        runtime.block_on(async {
            let store = Store::create(&url(&folder.path().join("empty.db"))).await.unwrap();
            pandaport_queue::migrate(&store).await.unwrap();
            let store = store.unlock(Keyring::new(&keys).unwrap()).await.unwrap();
            store.close().await;
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { runtime, http, folder, keys }
    }

    /// The way out of one process: its connections are nobody else's.
    pub(super) fn outbound(&self) -> Outbound {
        let settings =
            HttpSettings { timeout: HTTP_TIMEOUT, max_inline_wait: Duration::ZERO, ..HttpSettings::default() };
        Outbound::new(settings).unwrap()
    }

    /// An empty database of its own, and the folder it is in.
    pub(super) async fn store(&self) -> (Store, tempfile::TempDir) {
        let folder = folder();
        let file = folder.path().join("history.db");
        std::fs::copy(self.folder.path().join("empty.db"), &file).unwrap();
        let store = Store::connect(&url(&file)).await.unwrap();
        (store.unlock(Keyring::new(&self.keys).unwrap()).await.unwrap(), folder)
    }
}

/// In memory where there is such a place: histories commit thousands of times.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn url(file: &std::path::Path) -> String {
    format!("sqlite://{}", file.display())
}
