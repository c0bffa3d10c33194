//! How many slices a tenant may have worked at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pandaport_store::Tenant;

/// Slots per tenant, in this process.
#[derive(Clone, Debug)]
pub(crate) struct TenantSlots {
    slots: usize,
    taken: Arc<Mutex<HashMap<Tenant, usize>>>,
}

/// A slot; given back when dropped.
#[derive(Debug)]
pub(crate) struct TenantSlot {
    tenant: Tenant,
    slots: TenantSlots,
}

impl TenantSlots {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots: slots.max(1), taken: Arc::default() }
    }

    /// A slot for the tenant, if it has one free.
    pub(crate) fn take(&self, tenant: &Tenant) -> Option<TenantSlot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(tenant.clone()).or_default();
        if *count >= self.slots {
            return None;
        }
        *count += 1;
        Some(TenantSlot { tenant: tenant.clone(), slots: self.clone() })
    }
}

impl Drop for TenantSlot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_takes_no_more_than_its_slots() {
        let slots = TenantSlots::new(2);
        let (one, other) = (Tenant::new("one"), Tenant::new("other"));
        let first = slots.take(&one);
        let _second = slots.take(&one);
        assert!(slots.take(&one).is_none() && slots.take(&other).is_some());
        drop(first);
        assert!(slots.take(&one).is_some());
    }
}
