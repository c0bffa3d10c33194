//! What stands behind each attempt: the budget, the caller's guard, the counter.

use std::sync::Arc;

use async_trait::async_trait;
use pandaport_outbound::{Denied, Permit, RateSignal};

use crate::calls::{Api, CallCounter};
use crate::guard::Guard;
use crate::tenant_budget::TenantBudget;

/// Leave for the attempts of one client.
pub(crate) struct CallPermit {
    pub(crate) api: Api,
    pub(crate) budget: Arc<TenantBudget>,
    pub(crate) guard: Option<Arc<dyn Guard>>,
    pub(crate) calls: Arc<CallCounter>,
}

impl CallPermit {
    fn ask_guard(&self) -> Result<(), Denied> {
        self.guard.as_ref().map_or(Ok(()), |guard| guard.may_send())
    }
}

#[async_trait]
impl Permit for CallPermit {
    async fn acquire(&self) -> Result<(), Denied> {
        self.ask_guard()?;
        self.budget.take().await?;
        // Again, as the last thing before the send: taking a call may have waited.
        self.ask_guard()?;
        self.calls.add(self.api);
        Ok(())
    }

    fn still_stands(&self) -> Result<(), Denied> {
        self.ask_guard()
    }

    fn observe(&self, signal: &RateSignal) {
        self.budget.budget.observe(signal);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicU32, Ordering};

    use pandaport_store::{Store, Tenant};
    use pandaport_test_database::TestDatabase;

    use super::*;
    use crate::budget::Budget;
    use crate::clock::DatabaseClock;

    /// Says yes so many times, then that the time is over.
    struct YesTimes(AtomicU32);

    impl Guard for YesTimes {
        fn may_send(&self) -> Result<(), Denied> {
            match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                Ok(_) => Ok(()),
                Err(_) => Err(Denied::DeadlinePassed),
            }
        }
    }

    fn permit(guard: YesTimes, store: &Store) -> CallPermit {
        let (book, clock) = (Arc::new(store.clone()), Arc::new(DatabaseClock(store.clone())));
        let budget = Arc::new(Budget::new("asset-panda test".into(), &[], book, clock));
        CallPermit {
            api: Api::AssetPanda,
            budget: Arc::new(TenantBudget::new(budget, Tenant::default())),
            guard: Some(Arc::new(guard)),
            calls: Arc::default(),
        }
    }

    #[tokio::test]
    async fn the_guard_has_the_last_word_before_the_send_and_a_denied_attempt_is_not_counted() {
        let database = TestDatabase::new().await;
        let permit = permit(YesTimes(AtomicU32::new(3)), &database.open().await);
        permit.acquire().await.unwrap();
        // The third yes is the one before the budget; the fourth, after it, is a no.
        assert_eq!(permit.acquire().await, Err(Denied::DeadlinePassed));
        assert_eq!(permit.calls.asset_panda(), 1);
    }
}
