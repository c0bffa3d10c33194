//! How many slices a tenant may have worked at once, over all workers.

use std::time::Duration;

use pandaport_queue::Urgency;
use pandaport_store::tenant_slots::{Candidate, Turn};
use pandaport_store::{Micros, Store, StoreError, tenant_slots};

/// How soon a job is offered again that is one too many behind its sync.
const AT_WORK_PAUSE: Duration = Duration::from_secs(2);

const URGENT: i64 = 1;
const ORDINARY: i64 = 2;

/// Whose turn it is: what somebody asked for goes first with its first slice, so that it begins at once. From then on it goes
/// by who has waited for longer, or a few long imports would keep all that is scheduled waiting.
pub(crate) fn urgency(asked: Urgency, fence: i64) -> i64 {
    if asked == Urgency::Interactive && fence == 0 { URGENT } else { ORDINARY }
}

/// The slots of tenants, as this worker takes them.
#[derive(Clone, Debug)]
pub(crate) struct TenantSlots {
    store: Store,
    slots: usize,
    /// A slot that was not given back is free again after this: the slice that held it is gone by then.
    life: Duration,
}

/// A slot; given back when dropped, and better by [`TenantSlot::give_back`].
#[derive(Debug)]
pub(crate) struct TenantSlot {
    store: Store,
    kept: Option<tenant_slots::TenantSlot>,
}

/// Why there is no slot.
#[derive(Debug)]
pub(crate) enum NoSlot {
    /// All are taken; the job is to be offered again after this.
    Pause(Duration),
    /// The database does not answer.
    Store(StoreError),
}

impl TenantSlots {
    pub(crate) fn new(store: Store, slots: usize, life: Duration) -> Self {
        Self { store, slots: slots.max(1), life }
    }

    /// A slot for a slice of the candidate, if its tenant has one free and nobody goes first.
    pub(crate) async fn take(&self, candidate: &Candidate, now: Micros) -> Result<TenantSlot, NoSlot> {
        match tenant_slots::take(&self.store, candidate, self.slots, now, self.life).await {
            Ok(Turn::Now(kept)) => Ok(TenantSlot { store: self.store.clone(), kept: Some(kept) }),
            Ok(Turn::After(pause)) => Err(NoSlot::Pause(pause)),
            Ok(Turn::AtWork) => Err(NoSlot::Pause(AT_WORK_PAUSE)),
            Err(error) => Err(NoSlot::Store(error)),
        }
    }
}

impl TenantSlot {
    /// Gives it back to all workers.
    pub(crate) async fn give_back(mut self) {
        if let Some(kept) = self.kept.take() {
            give_back(&self.store, kept).await;
        }
    }
}

async fn give_back(store: &Store, kept: tenant_slots::TenantSlot) {
    if let Err(error) = tenant_slots::give_back(store, &kept).await {
        tracing::warn!(%error, "a tenant's slot could not be given back: it is free again when its time is over");
    }
}

impl Drop for TenantSlot {
    fn drop(&mut self) {
        // A slice that was dropped where it stood. Outside a runtime the slot's time runs out.
        if let (Some(kept), Ok(runtime)) = (self.kept.take(), tokio::runtime::Handle::try_current()) {
            let store = self.store.clone();
            runtime.spawn(async move { give_back(&store, kept).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use pandaport_store::{SyncId, Tenant};
    use pandaport_test_database::TestDatabase;

    use super::*;

    const LIFE: Duration = Duration::from_secs(50);

    async fn ask(slots: &TenantSlots, candidate: &Candidate) -> Result<TenantSlot, Duration> {
        slots.take(candidate, Micros::now()).await.map_err(|none| match none {
            NoSlot::Pause(pause) => pause,
            NoSlot::Store(error) => panic!("{error}"),
        })
    }

    fn candidate(tenant: &str, urgency: i64) -> Candidate {
        Candidate { tenant: Tenant::new(tenant), sync_id: SyncId::new(Micros::now()), urgency }
    }

    #[tokio::test]
    async fn a_tenant_takes_no_more_than_its_slots_over_all_workers() {
        let database = TestDatabase::new().await;
        let worker = async || TenantSlots::new(database.open().await, 2, LIFE);
        let (one, other) = (worker().await, worker().await);
        let take = async |slots, tenant| ask(slots, &candidate(tenant, ORDINARY)).await;
        let first = take(&one, "a").await.expect("a slot is free");
        let _second = take(&other, "a").await.expect("another slot is free");
        let waits = candidate("a", ORDINARY);
        assert!(ask(&one, &waits).await.is_err() && ask(&other, &waits).await.is_err());
        assert!(take(&one, "b").await.is_ok());
        first.give_back().await;
        assert!(take(&other, "a").await.is_err(), "one waits for it");
        assert!(ask(&other, &waits).await.is_ok());
    }

    #[tokio::test]
    async fn a_slice_that_is_dropped_gives_its_slot_back() {
        let database = TestDatabase::new().await;
        let slots = TenantSlots::new(database.open().await, 1, LIFE);
        drop(ask(&slots, &candidate("a", ORDINARY)).await.expect("a slot is free"));
        let next = candidate("a", ORDINARY);
        while ask(&slots, &next).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn only_the_first_slice_of_what_was_asked_for_is_urgent() {
        assert_eq!(urgency(Urgency::Interactive, 0), URGENT);
        assert_eq!(urgency(Urgency::Interactive, 1), ORDINARY);
        assert_eq!(urgency(Urgency::Scheduled, 0), ORDINARY);
    }
}
