//! What several processes do at once. Each store here is one: it has connections of its own.

use std::time::Duration;

use pandaport_store::budgets::{self, Ask, Limit, Reservation};
use pandaport_store::engine::Progress;
use pandaport_store::held;
use pandaport_store::mappings::{self, DueMapping, MappingChange};
use pandaport_store::requests::{self, Request};
use pandaport_store::syncs::{self, Creation, Horizon, Mode, NewSync, TriggerKind};
use pandaport_store::{Conflict, MappingId, Store, StoreError, Tenant, connections, workers};

use crate::{START, Site, after, site, succeeded};

/// Longer than anything here takes that does not wait for a lock.
const PATIENCE: Duration = Duration::from_secs(30);

/// Until another process waits for what a transaction of this test holds. On SQLite it waits for the whole file, and there
/// is no telling.
async fn somebody_waits(site: &Site) {
    let pandaport_store::Pool::Postgres(pool) = site.store.pool() else { return };
    let waits = async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        waiting > 0
    };
    let waited = tokio::time::timeout(PATIENCE, async {
        while !waits().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("nobody waits");
}

/// What a process does at the same time as others; it must be let do it in the end.
fn process<T: Send + 'static>(
    store: Store,
    work: impl AsyncFnOnce(&Store) -> T + Send + 'static,
) -> impl Future<Output = T> {
    // On a thread of its own: what is given as work need not be `Send` while it waits.
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = done.send(runtime.block_on(work(&store)));
        runtime.block_on(store.close());
    });
    async move { tokio::time::timeout(PATIENCE, result).await.expect("it was never let").unwrap() }
}

fn new_sync(mapping_id: MappingId) -> NewSync {
    NewSync {
        mapping_id,
        mode: Mode::Incremental,
        dry_run: false,
        retry_rejected: false,
        trigger_kind: TriggerKind::Call,
        traceparent: None,
    }
}

fn renamed(name: &str) -> MappingChange {
    MappingChange {
        display_name: name.to_owned(),
        schedule: None,
        full_sync_every: Duration::from_secs(7 * 24 * 3600),
        full_next: false,
        revision: None,
        fits: false,
        forget_marks: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_workers_whose_tick_finds_a_mapping_due_one_makes_its_sync() {
    let site = site().await;
    let mapping = site.mapping().await;
    let now = mapping.next_sync_time.unwrap();
    let due = DueMapping { mapping_id: mapping.mapping_id, tenant: site.tenant.clone() };
    let mut ticks = Vec::new();
    for _ in 0..4 {
        let (store, due) = (site.database.open().await, due.clone());
        ticks.push(process(store, async move |store| {
            let mut tx = store.begin_write().await.unwrap();
            let claimed = mappings::claim_due(&mut tx, &due, now).await.unwrap();
            tx.commit().await.unwrap();
            claimed
        }));
    }
    let mut made = 0;
    for tick in ticks {
        match tick.await {
            Some(Creation::Created(_)) => made += 1,
            Some(Creation::AlreadyActive(_)) => panic!("the schedule was moved twice"),
            None => {}
        }
    }
    assert_eq!(made, 1);
}

/// Rule 6.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_calls_for_a_sync_at_once_one_makes_it_and_the_others_get_it() {
    let site = site().await;
    let mapping = site.mapping().await;
    let mut calls = Vec::new();
    for _ in 0..4 {
        let (store, tenant) = (site.database.open().await, site.tenant.clone());
        calls.push(process(store, async move |store| {
            let mut tx = store.begin_write().await.unwrap();
            let creation = syncs::create(&mut tx, &tenant, &new_sync(mapping.mapping_id), START).await.unwrap();
            tx.commit().await.unwrap();
            creation
        }));
    }
    let (mut made, mut got) = (Vec::new(), Vec::new());
    for call in calls {
        match call.await {
            Creation::Created(sync) => made.push(sync.sync_id),
            Creation::AlreadyActive(sync) => got.push(sync.sync_id),
        }
    }
    assert_eq!((made.len(), got.len()), (1, 3));
    assert!(got.iter().all(|id| *id == made[0]), "{got:?} and {made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_is_renamed_while_the_schedule_moves_on_does_not_sync_twice() {
    let site = site().await;
    let mapping = site.mapping().await;
    let now = mapping.next_sync_time.unwrap();
    let due = DueMapping { mapping_id: mapping.mapping_id, tenant: site.tenant.clone() };
    let mut tx = site.store.begin_write().await.unwrap();
    assert!(mappings::claim_due(&mut tx, &due, now).await.unwrap().is_some());
    let (store, tenant) = (site.database.open().await, site.tenant.clone());
    let renaming = process(store, async move |store| {
        let mut tx = store.begin_write().await.unwrap();
        let change = renamed("Renamed");
        mappings::update(&mut tx, &tenant, mapping.mapping_id, 1, &change, START).await.unwrap();
        tx.commit().await.unwrap();
    });
    somebody_waits(&site).await;
    tx.commit().await.unwrap();
    renaming.await;
    let read = mappings::get(&site.store, &site.tenant, mapping.mapping_id).await.unwrap();
    assert_eq!(read.display_name, "Renamed");
    assert!(read.next_sync_time.unwrap() > now, "the schedule was put back to what had been read before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_ends_while_the_next_one_is_asked_for_and_neither_stands_in_the_others_way() {
    let site = site().await;
    let mapping = site.mapping().await;
    for round in 0..10 {
        let now = after(round * 10);
        let sync = site.sync(&mapping, now).await;
        let slice = site.store.begin_slice(sync.sync_id, now, now).await.unwrap().unwrap();
        let ending = succeeded();
        let ending = process(site.database.open().await, async move |store| {
            store.finish_sync(slice.guard, &Progress::default(), &ending, now).await
        });
        let (store, tenant) = (site.database.open().await, site.tenant.clone());
        let asking = process(store, async move |store| {
            let mut tx = store.begin_write().await?;
            // As the schedule does: the mapping first.
            mappings::get_in(&mut tx, &tenant, mapping.mapping_id).await?;
            let creation = syncs::create(&mut tx, &tenant, &new_sync(mapping.mapping_id), now).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(creation)
        });
        ending.await.unwrap();
        if let Creation::Created(next) = asking.await.unwrap() {
            let mut tx = site.store.begin_write().await.unwrap();
            syncs::cancel(&mut tx, &site.tenant, next.sync_id, now).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_gets_a_mapping_at_this_moment_is_not_deleted() {
    let site = site().await;
    let connection = site.connection().await;
    let id = connection.connection_id;
    let mut tx = site.store.begin_write().await.unwrap();
    mappings::insert(&mut tx, &site.tenant, &site.new_mapping(&connection, "collection"), START).await.unwrap();
    let (store, tenant) = (site.database.open().await, site.tenant.clone());
    let deleting = process(store, async move |store| {
        let mut tx = store.begin_write().await.unwrap();
        connections::delete(&mut tx, &tenant, id, START).await
    });
    somebody_waits(&site).await;
    tx.commit().await.unwrap();
    let refused = deleting.await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { what: Conflict::ConnectionInUse, .. }), "{refused}");
}

/// Rule 11: the digest stands for what is approved, also when a sync works it out anew at that moment.
#[tokio::test(flavor = "multi_thread")]
async fn rule_11_what_is_held_does_not_change_under_an_approval() {
    let site = site().await;
    let mapping = site.mapping().await;
    let sync = site.sync(&mapping, START).await;
    let slice = site.store.begin_slice(sync.sync_id, START, START).await.unwrap().unwrap();
    let mut tx = site.store.begin_write().await.unwrap();
    mappings::get_in(&mut tx, &site.tenant, mapping.mapping_id).await.unwrap();
    let before = held::digest_in(&mut tx, &site.tenant, mapping.mapping_id).await.unwrap();
    let ending = succeeded();
    let ending = process(site.database.open().await, async move |store| {
        store.finish_sync(slice.guard, &Progress::default(), &ending, after(1)).await
    });
    somebody_waits(&site).await;
    assert_eq!(held::digest_in(&mut tx, &site.tenant, mapping.mapping_id).await.unwrap(), before);
    tx.commit().await.unwrap();
    ending.await.unwrap();
}

/// Rule 16.
#[tokio::test(flavor = "multi_thread")]
async fn rule_16_processes_that_reserve_at_once_are_never_granted_more_than_the_limit() {
    let site = site().await;
    let limit = Limit { calls: 50, window: Duration::from_secs(60) };
    let mut wishes = Vec::new();
    for _ in 0..4 {
        wishes.push(process(site.database.open().await, async move |store| {
            let mut granted = 0;
            let lot_life = Duration::from_secs(1);
            let tenant = Tenant::default();
            loop {
                let ask = Ask { api: "api", tenant: &tenant, limits: &[limit], want: 3, lot_life, ended: None };
                match budgets::reserve(store, &ask, START).await.unwrap() {
                    Reservation::Granted(lot) => granted += lot.size,
                    Reservation::Empty { .. } => break,
                }
            }
            granted
        }));
    }
    let mut granted = 0;
    for wish in wishes {
        granted += wish.await;
    }
    assert_eq!(granted, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_calls_with_one_request_id_at_once_the_second_undoes_its_work() {
    let site = site().await;
    fn request(tenant: &Tenant) -> Request<'_> {
        Request { tenant, request_id: "r", method: "CreateMapping", body: b"body" }
    }
    let mut tx = site.store.begin_write().await.unwrap();
    requests::save(&mut tx, request(&site.tenant), b"first", START).await.unwrap();
    let (store, tenant) = (site.database.open().await, site.tenant.clone());
    let second = process(store, async move |store| {
        let mut tx = store.begin_write().await.unwrap();
        requests::save(&mut tx, request(&tenant), b"second", START).await
    });
    somebody_waits(&site).await;
    tx.commit().await.unwrap();
    let refused = second.await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { what: Conflict::AlreadyExists, .. }), "{refused}");
    let known = requests::lookup(&site.store, request(&site.tenant), START).await.unwrap();
    assert_eq!(known, requests::Known::Same(b"first".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_sweep_prune_and_beat_at_once_and_none_fails() {
    let site = site().await;
    let connection = site.connection().await;
    for n in 0..20 {
        let mapping = site.mapping_of(&connection, &n.to_string()).await;
        site.sync(&mapping, START).await;
    }
    let mut processes = Vec::new();
    for n in 0..4 {
        processes.push(process(site.database.open().await, async move |store| {
            let mut found = Vec::new();
            let horizon = Horizon { budget: Duration::from_secs(3900), other: Duration::from_secs(600) };
            for round in 0..10 {
                workers::beat(store, &format!("worker {n}"), after(round)).await?;
                let mut tx = store.begin_write().await?;
                mappings::bring_forward(&mut tx, mappings::FIRST, 100, START).await?;
                tx.commit().await?;
                let mut tx = store.begin_write().await?;
                let lost = syncs::lost_syncs(&mut tx, after(1_000), horizon, 5).await?;
                found.extend(lost.into_iter().map(|sync| sync.sync_id));
                tx.commit().await?;
                pandaport_store::history::prune(store, after(2_000), 10).await?;
                requests::prune(store, after(round)).await?;
            }
            Ok::<_, StoreError>(found)
        }));
    }
    let mut found = Vec::new();
    for process in processes {
        found.extend(process.await.unwrap());
    }
    assert_eq!(found.len(), 20);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 20, "a lost sync was found by two");
}
