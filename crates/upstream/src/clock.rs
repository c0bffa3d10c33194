//! The time that processes share.

use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;
use pandaport_store::{Store, StoreError};

use crate::lots::on_its_own;

/// Tells the time. Passed in, so that tests need not wait.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present by this machine's clock.
    fn now(&self) -> Timestamp;

    /// The present by the clock against which all processes reckon their budgets. Asked for once a lot; between, a
    /// process counts on from there by its own monotonic clock.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it can't be asked.
    async fn shared(&self) -> Result<Timestamp, StoreError>;
}

/// The clock of the database: machines whose clocks differ share it.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseClock(pub(crate) Store);

#[async_trait]
impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn shared(&self) -> Result<Timestamp, StoreError> {
        let store = self.0.clone();
        on_its_own(async move { Ok(store.time().await?.into()) }).await
    }
}

/// One moment by both clocks: the one that processes share, and this process's own, which is never set back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) shared: Timestamp,
    pub(crate) monotonic: Instant,
}
