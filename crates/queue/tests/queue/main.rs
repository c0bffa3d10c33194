//! The queue on a real database: what is promised of jobs, also when processes are killed.

#![allow(clippy::unwrap_used)]

mod processes;
mod slices;

use std::time::{Duration, Instant};

use pandaport_queue::{Behind, Queue, ServeConfig, Urgency};
use pandaport_store::{Micros, Store, SyncId};
use pandaport_test_database::TestDatabase;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What may take this long at most, however loaded the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

struct Site {
    store: Store,
    queue: Queue,
    shutdown: CancellationToken,
    database: TestDatabase,
}

async fn site() -> Site {
    let database = TestDatabase::new().await;
    let store = database.open().await;
    pandaport_queue::check_schema(&store).await.unwrap();
    let queue = Queue::new(&store).unwrap();
    Site { store, queue, shutdown: CancellationToken::new(), database }
}

fn config() -> ServeConfig {
    ServeConfig::new(2, Duration::from_secs(20), Duration::from_secs(5))
}

fn behind(sync_id: SyncId) -> Behind {
    Behind { sync_id, urgency: Urgency::Interactive, traceparent: None, not_before: None }
}

fn sync_id() -> SyncId {
    SyncId::new(Micros::now())
}

impl Site {
    async fn enqueue(&self, sync_id: SyncId) {
        let mut tx = self.store.begin_write().await.unwrap();
        self.queue.enqueue(&mut tx, &behind(sync_id)).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Until nothing is left to be worked.
    async fn drained(&self) {
        eventually(async || {
            let depth = self.queue.depth(Micros::now()).await.unwrap();
            depth.waiting == 0 && depth.running == 0
        })
        .await;
    }
}

async fn eventually(mut condition: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !condition().await {
        assert!(begin.elapsed() < PATIENCE, "it never came true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn next<T>(events: &mut mpsc::UnboundedReceiver<T>) -> T {
    tokio::time::timeout(PATIENCE, events.recv()).await.expect("it never came").unwrap()
}
