//! Whether River still looks for jobs.
//!
//! It waits for the answer to a look without a limit. A connection that goes dead without a word, in the middle of one, would
//! stop it for as long as the network takes to find that out: a quarter of an hour, or for ever. So it is watched, and one
//! that got stuck is replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use pandaport_store::Store;
use riverqueue::{BoxError, Hook, Metric};
use tokio::time::{Instant, MissedTickBehavior};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A client that could look for jobs for so long, and did not, is stuck. It looks every 100 ms, and gives up waiting for a
/// connection after ten seconds.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// The signs of life of a client.
#[derive(Clone)]
pub(crate) struct Pulse {
    shared: Arc<Shared>,
}

struct Shared {
    began: Instant,
    slots: usize,
    working: AtomicUsize,
    /// Milliseconds from the beginning to the last look that was answered.
    looked: AtomicU64,
}

/// A slot that is taken until this is dropped.
pub(crate) struct Working(Arc<Shared>);

impl Pulse {
    pub(crate) fn new(slots: usize) -> Self {
        let shared = Shared { began: Instant::now(), slots, working: AtomicUsize::new(0), looked: AtomicU64::new(0) };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn working(&self) -> Working {
        self.shared.working.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(&self.shared))
    }

    /// Waits until the client is stuck, though it has free slots and the database answers others.
    pub(crate) async fn stuck(&self, store: &Store) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut excused = Instant::now();
        loop {
            look.tick().await;
            let is_full = self.shared.working.load(Ordering::Relaxed) >= self.shared.slots;
            if is_full || store.in_time(Duration::ZERO, store.ping()).await.is_err() {
                excused = Instant::now();
                continue;
            }
            let looked = self.shared.began + Duration::from_millis(self.shared.looked.load(Ordering::Relaxed));
            if excused.max(looked).elapsed() >= STUCK_AFTER {
                return;
            }
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hook for Pulse {
    async fn metric_emit(&self, metric: Metric) -> Result<(), BoxError> {
        if matches!(metric, Metric::JobGetAvailableDuration(_)) {
            let since = u64::try_from(self.shared.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.shared.looked.store(since, Ordering::Relaxed);
        }
        Ok(())
    }
}
