//! How many slices a tenant may have worked at once, over all workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pandaport_store::{Micros, Store, StoreError, SyncId, Tenant, tenant_slots};

/// How soon a job is offered again whose tenant has no slot free, at the earliest.
const NO_SLOT_PAUSE: Duration = Duration::from_millis(500);
/// The jobs of a tenant that wait for a slot are offered one after the other, so far apart: a free slot is soon found, and
/// thousands that wait keep nobody busy.
const NEXT_IN_LINE: Duration = Duration::from_millis(25);

/// The slots of tenants, as this worker takes them.
#[derive(Clone, Debug)]
pub(crate) struct TenantSlots {
    store: Store,
    slots: usize,
    /// A slot that was not given back is free again after this: the slice that held it is gone by then.
    life: Duration,
    here: Arc<Mutex<HashMap<Tenant, Here>>>,
}

/// What this worker knows of a tenant by itself.
#[derive(Debug, Default)]
struct Here {
    /// Slots that slices of this worker have. If these are all, nobody need be asked.
    taken: usize,
    /// When the last of the jobs that wait is offered.
    line_ends: Option<Instant>,
}

/// A slot; given back when dropped, and better by [`TenantSlot::give_back`].
#[derive(Debug)]
pub(crate) struct TenantSlot {
    tenant: Tenant,
    slots: TenantSlots,
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
        Self { store, slots: slots.max(1), life, here: Arc::default() }
    }

    /// A slot for a slice of `sync_id`, if the tenant has one free.
    pub(crate) async fn take(
        &self,
        tenant: &Tenant,
        sync_id: SyncId,
        now: Micros,
        monotonic: Instant,
    ) -> Result<TenantSlot, NoSlot> {
        let Some(mut slot) = self.take_here(tenant) else {
            return Err(NoSlot::Pause(self.queue_up(tenant, monotonic)));
        };
        match tenant_slots::take(&self.store, tenant, self.slots, sync_id, now, self.life).await {
            Ok(Some(kept)) => {
                slot.kept = Some(kept);
                Ok(slot)
            }
            Ok(None) => {
                drop(slot);
                Err(NoSlot::Pause(self.queue_up(tenant, monotonic)))
            }
            Err(error) => Err(NoSlot::Store(error)),
        }
    }

    fn take_here(&self, tenant: &Tenant) -> Option<TenantSlot> {
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = here.entry(tenant.clone()).or_default();
        if of_tenant.taken >= self.slots {
            return None;
        }
        of_tenant.taken += 1;
        Some(TenantSlot { tenant: tenant.clone(), slots: self.clone(), kept: None })
    }

    /// A place in the tenant's line: how long until it is up.
    fn queue_up(&self, tenant: &Tenant, now: Instant) -> Duration {
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        here.retain(|it, of| it == tenant || of.taken > 0 || of.line_ends.is_some_and(|end| end > now));
        let of_tenant = here.entry(tenant.clone()).or_default();
        let soonest = now + NO_SLOT_PAUSE;
        let at = of_tenant.line_ends.map_or(soonest, |end| soonest.max(end + NEXT_IN_LINE));
        of_tenant.line_ends = Some(at);
        at.saturating_duration_since(now)
    }
}

impl TenantSlot {
    /// Gives it back to all workers.
    pub(crate) async fn give_back(mut self) {
        if let Some(kept) = self.kept.take() {
            give_back(&self.slots.store, kept).await;
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
        let mut here = self.slots.here.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_tenant) = here.get_mut(&self.tenant) {
            of_tenant.taken -= 1;
        }
        drop(here);
        // A slice that was dropped where it stood. Outside a runtime the slot's time runs out.
        if let (Some(kept), Ok(runtime)) = (self.kept.take(), tokio::runtime::Handle::try_current()) {
            let store = self.slots.store.clone();
            runtime.spawn(async move { give_back(&store, kept).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use pandaport_test_database::TestDatabase;

    use super::*;

    const LIFE: Duration = Duration::from_secs(50);

    async fn take(slots: &TenantSlots, tenant: &str) -> Result<TenantSlot, Duration> {
        let now = Micros::now();
        slots.take(&Tenant::new(tenant), SyncId::new(now), now, Instant::now()).await.map_err(|none| match none {
            NoSlot::Pause(pause) => pause,
            NoSlot::Store(error) => panic!("{error}"),
        })
    }

    #[tokio::test]
    async fn a_tenant_takes_no_more_than_its_slots_over_all_workers() {
        let database = TestDatabase::new().await;
        let worker = async || TenantSlots::new(database.open().await, 2, LIFE);
        let (one, other) = (worker().await, worker().await);
        let first = take(&one, "a").await.expect("a slot is free");
        let _second = take(&other, "a").await.expect("another slot is free");
        assert!(take(&one, "a").await.is_err() && take(&other, "a").await.is_err());
        assert!(take(&one, "b").await.is_ok());
        first.give_back().await;
        assert!(take(&other, "a").await.is_ok());
    }

    #[tokio::test]
    async fn jobs_that_wait_for_a_slot_are_offered_one_after_the_other() {
        let database = TestDatabase::new().await;
        let slots = TenantSlots::new(database.open().await, 1, LIFE);
        let _slot = take(&slots, "a").await.expect("a slot is free");
        let mut pauses = Vec::new();
        for _ in 0..1_000 {
            pauses.push(take(&slots, "a").await.expect_err("the slot is taken"));
        }
        assert_eq!(pauses[0], NO_SLOT_PAUSE);
        assert!(pauses[999] > NEXT_IN_LINE * 900, "{:?}", pauses[999]);
        let _other = take(&slots, "b").await.expect("another tenant has its own");
        assert_eq!(take(&slots, "b").await.expect_err("that is taken as well"), NO_SLOT_PAUSE);
    }
}
