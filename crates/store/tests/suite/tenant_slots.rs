//! A tenant's slots, over all workers.

use std::time::Duration;

use pandaport_store::tenant_slots::{self, TenantSlot};
use pandaport_store::{Micros, Store, SyncId, Tenant};

use crate::{START, after, site};

async fn take(store: &Store, tenant: &str, sync_id: SyncId, now: Micros) -> Option<TenantSlot> {
    tenant_slots::take(store, &Tenant::new(tenant), 2, sync_id, now, Duration::from_secs(50)).await.unwrap()
}

fn sync() -> SyncId {
    SyncId::new(START)
}

#[tokio::test]
async fn a_tenant_has_no_more_than_its_slots_over_all_workers() {
    let site = site().await;
    let other_worker = site.database.open().await;
    let first = take(&site.store, "one", sync(), START).await.unwrap();
    take(&other_worker, "one", sync(), START).await.unwrap();
    assert_eq!(take(&site.store, "one", sync(), after(1)).await, None);
    assert!(take(&site.store, "other", sync(), after(1)).await.is_some(), "another tenant has its own");

    tenant_slots::give_back(&site.store, &first).await.unwrap();
    assert!(take(&other_worker, "one", sync(), after(2)).await.is_some());
}

#[tokio::test]
async fn the_slot_of_a_worker_that_was_killed_expires() {
    let site = site().await;
    take(&site.store, "one", sync(), START).await.unwrap();
    take(&site.store, "one", sync(), after(10)).await.unwrap();
    assert_eq!(take(&site.store, "one", sync(), after(49)).await, None);
    assert!(take(&site.store, "one", sync(), after(50)).await.is_some());
    assert_eq!(take(&site.store, "one", sync(), after(50)).await, None);
}

#[tokio::test]
async fn a_sync_holds_one_slot_and_who_lost_it_does_not_give_it_back() {
    let site = site().await;
    let again = sync();
    let lost = take(&site.store, "one", again, START).await.unwrap();
    take(&site.store, "one", again, after(1)).await.unwrap();
    take(&site.store, "one", sync(), after(1)).await.unwrap();
    tenant_slots::give_back(&site.store, &lost).await.unwrap();
    assert_eq!(take(&site.store, "one", sync(), after(2)).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_ask_at_once_get_all_slots_and_none_twice() {
    let site = site().await;
    let mut asking = Vec::new();
    for _ in 0..4 {
        let store = site.database.open().await;
        asking.push(tokio::spawn(async move {
            let mut slots = Vec::new();
            for _ in 0..3 {
                let life = Duration::from_secs(50);
                slots.extend(tenant_slots::take(&store, &Tenant::default(), 8, sync(), START, life).await.unwrap());
            }
            slots.len()
        }));
    }
    let mut taken = 0;
    for asked in asking {
        taken += asked.await.unwrap();
    }
    assert_eq!(taken, 8);
}

#[tokio::test]
async fn a_program_alone_on_its_database_starts_with_all_slots_free() {
    let site = site().await;
    take(&site.store, "one", sync(), START).await.unwrap();
    take(&site.store, "one", sync(), START).await.unwrap();
    let mut tx = site.store.begin_write().await.unwrap();
    tenant_slots::clear(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert!(take(&site.store, "one", sync(), START).await.is_some());
}
