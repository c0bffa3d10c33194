//! Where budgets are kept so that all processes, and restarts, share them.

use async_trait::async_trait;
use jiff::Timestamp;
use pandaport_store::budgets::{self, Ask, Ended, Reservation};
use pandaport_store::{Store, StoreError};

/// The shared book of an API's calls. A lot is a few calls granted to one process: they may leave from when it was
/// granted until it expires, so it weighs on every window that touches that time.
#[async_trait]
pub(crate) trait LotBook: Send + Sync {
    /// Grants between 1 and `want` calls, or says when to ask again.
    async fn reserve(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reservation, StoreError>;

    /// Gives back what was not used of a lot.
    async fn give_back(&self, api: &str, ended: Ended) -> Result<(), StoreError>;

    /// Grants nothing to anyone before `until`. Never shortens a block.
    async fn block(&self, api: &str, until: Timestamp) -> Result<(), StoreError>;
}

#[async_trait]
impl LotBook for Store {
    async fn reserve(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reservation, StoreError> {
        budgets::reserve(self, ask, now.into()).await
    }

    async fn give_back(&self, api: &str, ended: Ended) -> Result<(), StoreError> {
        budgets::give_back(self, api, ended).await
    }

    async fn block(&self, api: &str, until: Timestamp) -> Result<(), StoreError> {
        budgets::block_until(self, api, until.into()).await
    }
}
