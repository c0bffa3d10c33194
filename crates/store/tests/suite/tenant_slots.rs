//! A tenant's slots, over all workers.

use std::time::Duration;

use pandaport_store::tenant_slots::{self, Candidate, TenantSlot, Turn};
use pandaport_store::{Micros, Store, SyncId, Tenant};

use crate::{START, after, site};

const LIFE: Duration = Duration::from_secs(50);

fn candidate(tenant: &str, sync_id: SyncId) -> Candidate {
    Candidate { tenant: Tenant::new(tenant), sync_id, urgency: 2 }
}

async fn turn(store: &Store, candidate: &Candidate, now: Micros) -> Turn {
    tenant_slots::take(store, candidate, 2, now, LIFE).await.unwrap()
}

async fn take(store: &Store, tenant: &str, sync_id: SyncId, now: Micros) -> Option<TenantSlot> {
    slot(turn(store, &candidate(tenant, sync_id), now).await)
}

fn slot(turn: Turn) -> Option<TenantSlot> {
    if let Turn::Now(slot) = turn { Some(slot) } else { None }
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
    let next = sync();
    assert_eq!(take(&site.store, "one", next, after(1)).await, None);
    assert!(take(&site.store, "other", sync(), after(1)).await.is_some(), "another tenant has its own");

    tenant_slots::give_back(&site.store, &first).await.unwrap();
    assert!(take(&other_worker, "one", next, after(2)).await.is_some());
}

#[tokio::test]
async fn the_slot_of_a_worker_that_was_killed_expires() {
    let site = site().await;
    take(&site.store, "one", sync(), START).await.unwrap();
    take(&site.store, "one", sync(), after(10)).await.unwrap();
    let next = sync();
    assert_eq!(take(&site.store, "one", next, after(49)).await, None);
    assert!(take(&site.store, "one", next, after(50)).await.is_some());
    assert_eq!(take(&site.store, "one", sync(), after(50)).await, None);
}

#[tokio::test]
async fn a_sync_that_is_at_work_is_not_taken_over_and_who_lost_a_slot_does_not_give_it_back() {
    let site = site().await;
    let again = candidate("one", sync());
    let lost = slot(turn(&site.store, &again, START).await).unwrap();
    assert_eq!(turn(&site.store, &again, after(49)).await, Turn::AtWork, "though a slot is free");
    slot(turn(&site.store, &again, after(50)).await).unwrap();
    take(&site.store, "one", sync(), after(51)).await.unwrap();
    tenant_slots::give_back(&site.store, &lost).await.unwrap();
    assert_eq!(take(&site.store, "one", sync(), after(52)).await, None);
}

#[tokio::test]
async fn a_free_slot_is_for_who_is_urgent_and_then_for_who_has_waited_for_longest() {
    let site = site().await;
    let first = take(&site.store, "one", sync(), START).await.unwrap();
    take(&site.store, "one", sync(), START).await.unwrap();
    let [early, late] = [candidate("one", sync()), candidate("one", sync())];
    let asked = Candidate { urgency: 1, ..candidate("one", sync()) };
    // That the early one asks a second time does not make it a late one.
    let mut pauses = Vec::new();
    for (waiting, since) in [(&early, 1), (&late, 2), (&early, 3), (&late, 4), (&asked, 5)] {
        match turn(&site.store, waiting, after(since)).await {
            Turn::After(pause) => pauses.push(pause.as_millis()),
            other => panic!("{waiting:?}: {other:?}"),
        }
    }
    assert_eq!(pauses, [500, 600, 500, 600, 500], "who is further back asks later");
    let waits = async |candidate| matches!(turn(&site.store, candidate, after(6)).await, Turn::After(_));
    tenant_slots::give_back(&site.store, &first).await.unwrap();
    let other_tenant = candidate("other", sync());
    assert!(!waits(&other_tenant).await);
    let newcomer = candidate("one", sync());
    assert!(waits(&newcomer).await && waits(&late).await && waits(&early).await);
    let held = slot(turn(&site.store, &asked, after(6)).await).expect("somebody asked for it");
    tenant_slots::give_back(&site.store, &held).await.unwrap();
    assert!(waits(&late).await);
    let held = slot(turn(&site.store, &early, after(6)).await).expect("it came first");
    tenant_slots::give_back(&site.store, &held).await.unwrap();
    assert!(slot(turn(&site.store, &late, after(6)).await).is_some(), "it came next");
}

#[tokio::test]
async fn a_slot_that_was_taken_by_a_clock_far_ahead_is_free_once_the_clock_is_right() {
    let site = site().await;
    let lost = candidate("one", sync());
    assert!(slot(turn(&site.store, &lost, after(3_600)).await).is_some());
    assert!(slot(turn(&site.store, &lost, START).await).is_some());
    // One that is a little ahead is believed.
    assert!(take(&site.store, "one", sync(), after(40)).await.is_some());
    assert_eq!(take(&site.store, "one", sync(), START).await, None);
}

#[tokio::test]
async fn who_does_not_ask_any_more_is_not_waited_for() {
    let site = site().await;
    let first = take(&site.store, "one", sync(), START).await.unwrap();
    take(&site.store, "one", sync(), START).await.unwrap();
    let gone = candidate("one", sync());
    assert!(matches!(turn(&site.store, &gone, after(1)).await, Turn::After(_)));
    tenant_slots::give_back(&site.store, &first).await.unwrap();
    let next = candidate("one", sync());
    assert!(matches!(turn(&site.store, &next, after(11)).await, Turn::After(_)));
    let held = slot(turn(&site.store, &next, after(12)).await).expect("nobody else waits");
    // And if it comes back, it comes last.
    tenant_slots::give_back(&site.store, &held).await.unwrap();
    let third = candidate("one", sync());
    take(&site.store, "one", sync(), after(12)).await.unwrap();
    assert!(matches!(turn(&site.store, &third, after(13)).await, Turn::After(_)));
    assert!(matches!(turn(&site.store, &gone, after(14)).await, Turn::After(pause) if pause.as_millis() == 600));
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
                let candidate = Candidate { tenant: Tenant::default(), sync_id: sync(), urgency: 2 };
                slots.extend(slot(tenant_slots::take(&store, &candidate, 8, START, LIFE).await.unwrap()));
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
