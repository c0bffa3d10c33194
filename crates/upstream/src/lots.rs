//! Where budgets are kept so that all processes, and restarts, share them.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use pandaport_store::budgets::{self, Limit, Reservation};
use pandaport_store::{LotId, Store, StoreError};

/// The shared book of an API's calls. A lot is a few calls granted to one process: they may leave from when it was
/// granted until it expires, so it weighs on every window that touches that time.
#[async_trait]
pub(crate) trait LotBook: Send + Sync {
    /// Grants between 1 and `want` calls, or says when to ask again.
    async fn reserve(&self, ask: &Ask<'_>) -> Result<Reservation, BookUnavailable>;

    /// Gives back what was not used of a lot.
    async fn settle(&self, api: &str, lot: Settled) -> Result<(), BookUnavailable>;

    /// Grants nothing to anyone before `until`. Never shortens a block.
    async fn block(&self, api: &str, until: Timestamp) -> Result<(), BookUnavailable>;
}

/// A wish for calls.
pub(crate) struct Ask<'a> {
    pub(crate) api: &'a str,
    pub(crate) limits: &'a [Limit],
    pub(crate) want: u32,
    /// How long the lot lives.
    pub(crate) ttl: Duration,
    pub(crate) now: Timestamp,
}

/// What became of a lot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    pub(crate) lot_id: LotId,
    pub(crate) unused: u32,
    /// When the last of the others left.
    pub(crate) last_used: Timestamp,
}

/// The book can't be read or written; the message says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BookUnavailable(pub(crate) String);

#[async_trait]
impl LotBook for Store {
    async fn reserve(&self, ask: &Ask<'_>) -> Result<Reservation, BookUnavailable> {
        let reserved = budgets::reserve(self, ask.api, ask.limits, ask.want, ask.now.into(), ask.ttl).await?;
        Ok(reserved)
    }

    async fn settle(&self, api: &str, lot: Settled) -> Result<(), BookUnavailable> {
        Ok(budgets::give_back(self, api, lot.lot_id, lot.unused, lot.last_used.into()).await?)
    }

    async fn block(&self, api: &str, until: Timestamp) -> Result<(), BookUnavailable> {
        Ok(budgets::block_until(self, api, until.into()).await?)
    }
}

impl From<StoreError> for BookUnavailable {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}
