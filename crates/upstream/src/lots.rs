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
    /// On a task of its own: a caller may be left where it stands while others are attended to, and would keep the book
    /// locked, or a connection that those others wait for.
    async fn reserve(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reservation, StoreError> {
        let (store, api, tenant, limits) = (self.clone(), ask.api.to_owned(), ask.tenant.clone(), ask.limits.to_vec());
        let (want, lot_life, ended) = (ask.want, ask.lot_life, ask.ended);
        on_its_own(async move {
            let ask = Ask { api: &api, tenant: &tenant, limits: &limits, want, lot_life, ended };
            budgets::reserve(&store, &ask, now.into()).await
        })
        .await
    }

    async fn give_back(&self, api: &str, ended: Ended) -> Result<(), StoreError> {
        budgets::give_back(self, api, ended).await
    }

    async fn block(&self, api: &str, until: Timestamp) -> Result<(), StoreError> {
        budgets::block_until(self, api, until.into()).await
    }
}

/// Does it whether or not the caller is attended to.
pub(crate) async fn on_its_own<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(stopped) => Err(StoreError::Unavailable {
            message: format!("the budget could not be asked: {stopped}"),
            disk_full: false,
        }),
    }
}
