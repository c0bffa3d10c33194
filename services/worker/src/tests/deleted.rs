//! A mapping that is deleted under its worker, and what comes after it on the same collection.

use std::time::Duration;

use pandaport_queue::Behind;
use pandaport_store::mappings::{self, NewMapping};
use pandaport_store::syncs::{self, Creation, Mode, NewSync, SyncState, TriggerKind};
use pandaport_store::{MappingId, Micros, Schedule, SyncId};
use serde_json::json;

use super::harness::World;
use super::journey::{faults, records_by_serial, succeeded};

/// Deletes the world's mapping, cancels its syncs, and makes another one that says the same.
async fn make_anew(world: &mut World) {
    let (store, tenant) = (&world.store, &world.tenant);
    let old = mappings::get(store, tenant, world.mapping_id).await.unwrap();
    let spec = mappings::spec(store, tenant, old.mapping_id, old.revision).await.unwrap();
    let now = Micros::now();
    let mut tx = store.begin_write().await.unwrap();
    let deleted = mappings::delete(&mut tx, tenant, old.mapping_id, true, now).await.unwrap();
    for sync in deleted.ended {
        world.queue.cancel(&mut tx, sync).await.unwrap();
    }
    let new = NewMapping {
        mapping_id: MappingId::new(now),
        connection_id: old.connection_id,
        display_name: old.display_name,
        external_entity: old.external_entity,
        collection_key: old.collection_id.clone(),
        collection_id: old.collection_id,
        spec,
        state: old.state,
        columns: None,
        schedule: Schedule::Manual,
        full_sync_every: Duration::from_secs(7 * 86_400),
    };
    mappings::insert(&mut tx, tenant, &new, now).await.unwrap();
    tx.commit().await.unwrap();
    world.mapping_id = new.mapping_id;
}

async fn triggered(world: &World) -> SyncId {
    let new = NewSync {
        mapping_id: world.mapping_id,
        mode: Mode::Incremental,
        dry_run: false,
        retry_rejected: false,
        trigger_kind: TriggerKind::First,
        traceparent: None,
    };
    let mut tx = world.store.begin_write().await.unwrap();
    let Creation::Created(sync) = syncs::create(&mut tx, &world.tenant, &new, Micros::now()).await.unwrap() else {
        panic!("a sync is active already");
    };
    world.queue.enqueue(&mut tx, &Behind::from(&sync)).await.unwrap();
    tx.commit().await.unwrap();
    sync.sync_id
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_a_mapping_made_anew_finds_what_the_deleted_one_created_though_a_search_lags_behind() {
    let mut world = World::of(8).await;
    // Nothing but looking keeps it from creating them twice.
    faults(&world, json!({"search_lag_ms": 1_500, "flags_present": false, "enforce_unique": false})).await;
    succeeded(&world.sync(Mode::Incremental).await);
    make_anew(&mut world).await;
    let id = triggered(&world).await;
    let sync = world.ended(id).await;
    assert_eq!((sync.state, sync.counts.created), (SyncState::Succeeded, 0), "{sync:?}");
    assert_eq!(records_by_serial(&world).await.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_a_mapping_made_anew_looks_nothing_up_before_a_search_can_find_what_the_deleted_one_sent() {
    let mut world = World::of(4).await;
    succeeded(&world.sync(Mode::Incremental).await);
    world.start_again(vec![Duration::from_secs(600)]).await;
    world.stop().await;
    make_anew(&mut world).await;
    let id = triggered(&world).await;
    let pauses = world.work_by_hand(id).await;
    let (first, rest) = pauses.split_first().unwrap();
    assert!(*first > Duration::from_secs(300), "{pauses:?}");
    assert!(rest.iter().all(|pause| *pause < Duration::from_secs(300)), "it waits once: {pauses:?}");
    let sync = world.ended(id).await;
    assert_eq!((sync.state, sync.counts.adopted), (SyncState::Succeeded, 4), "{sync:?}");
    // Whoever comes after that has nothing to wait for.
    let again = triggered(&world).await;
    assert!(world.work_by_hand(again).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_7_a_worker_whose_mapping_is_deleted_under_it_writes_nothing_more_and_works_on() {
    let mut world = World::of(60).await;
    faults(&world, json!({"latency_ms": 100, "flags_present": false, "enforce_unique": false})).await;
    world.trigger(Mode::Incremental, false).await;
    let at_work = std::time::Instant::now() + Duration::from_secs(100);
    while world.calls("POST /collection-records").await == 0 {
        assert!(std::time::Instant::now() < at_work, "it creates nothing");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    make_anew(&mut world).await;
    crate::history::prune(world.deps.as_ref().unwrap()).await.unwrap();
    // The same worker goes on with the other mapping, which takes over what was created.
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert!(sync.counts.created < 60 && sync.counts.adopted + sync.counts.created == 60, "{sync:?}");
    assert_eq!(records_by_serial(&world).await.len(), 60);
}
