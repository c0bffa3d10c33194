//! Whether the work goes on without a break, and what a sync looks up again after one.

use std::time::Duration;

use pandaport_store::engine::{Ending, Progress};
use pandaport_store::syncs::{self, SyncState};
use pandaport_store::{Micros, SyncId, continuity, engine, restored};
use pandaport_test_database::scalar;

use crate::{START, Site, after, literal, site, succeeded};

/// Of a device that was looked up, found nowhere, and is to be created.
async fn to_be_created(site: &Site, sync_id: SyncId) {
    let id = literal(sync_id.0);
    site.sql(format!(
        "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, identifier_key, fingerprint, wanted, found, step, outcome)
         SELECT sync_id, 'D-1', tenant, mapping_id, 'S-1', 's-1', {}, '[]', '[]', 2, 'PLANNED' FROM syncs WHERE sync_id = {id}",
        if pandaport_test_database::is_postgres() { "'\\x00'::bytea" } else { "x'00'" }
    ))
    .await;
}

async fn step(site: &Site) -> i64 {
    scalar(&site.store, "SELECT CAST(step AS BIGINT) FROM sync_records").await
}

/// Begins a slice that is expected again a minute later.
async fn slice(site: &Site, sync_id: SyncId, now: Micros) -> pandaport_store::engine::Guard {
    let expected = now.plus(Duration::from_secs(60));
    site.store.begin_slice(sync_id, now, expected).await.unwrap().unwrap().guard
}

#[tokio::test]
async fn a_sync_that_is_late_because_it_waited_for_its_turn_looks_nothing_up_again() {
    let site = site().await;
    let sync = site.sync(&site.mapping().await, START).await;
    continuity::beat(&site.store).await.unwrap();
    slice(&site, sync.sync_id, START).await;
    to_be_created(&site, sync.sync_id).await;
    continuity::beat(&site.store).await.unwrap();
    slice(&site, sync.sync_id, after(7_200)).await;
    assert_eq!(step(&site).await, 2, "it would look its whole fleet up in each slice, and come no further");
}

#[tokio::test]
async fn after_a_break_it_is_looked_up_again_once() {
    let site = site().await;
    let sync = site.sync(&site.mapping().await, START).await;
    continuity::beat(&site.store).await.unwrap();
    slice(&site, sync.sync_id, START).await;
    to_be_created(&site, sync.sync_id).await;
    site.sql("UPDATE continuity SET beat_time = beat_time - 61000000").await;
    continuity::beat(&site.store).await.unwrap();
    // The sweep may come first: that it puts a job behind the sync does not make it forget.
    site.sql("UPDATE syncs SET next_slice_time = next_slice_time + 86400000000").await;
    slice(&site, sync.sync_id, after(10)).await;
    assert_eq!(step(&site).await, 0, "what it knew may be from before the backup");
    site.sql("UPDATE sync_records SET step = 2, found = '[]'").await;
    continuity::beat(&site.store).await.unwrap();
    slice(&site, sync.sync_id, after(20)).await;
    assert_eq!(step(&site).await, 2, "once is enough");
}

/// The database is put back under workers that go on: a slice may come before the next word.
#[tokio::test]
async fn a_slice_that_is_quicker_than_the_next_word_looks_up_again_too() {
    let site = site().await;
    let sync = site.sync(&site.mapping().await, START).await;
    continuity::beat(&site.store).await.unwrap();
    slice(&site, sync.sync_id, START).await;
    to_be_created(&site, sync.sync_id).await;
    site.sql("UPDATE continuity SET beat_time = beat_time - 61000000").await;
    slice(&site, sync.sync_id, after(10)).await;
    assert_eq!(step(&site).await, 0);
    site.sql("UPDATE sync_records SET step = 2, found = '[]'").await;
    continuity::beat(&site.store).await.unwrap();
    slice(&site, sync.sync_id, after(20)).await;
    assert_eq!(step(&site).await, 2, "it is the stretch that the word begins");
}

#[tokio::test]
async fn whoever_restored_a_backup_can_say_so() {
    let site = site().await;
    let sync = site.sync(&site.mapping().await, START).await;
    continuity::beat(&site.store).await.unwrap();
    slice(&site, sync.sync_id, START).await;
    to_be_created(&site, sync.sync_id).await;
    assert_eq!(restored::look_again(&site.store).await.unwrap(), 1);
    continuity::beat(&site.store).await.unwrap();
    slice(&site, sync.sync_id, after(10)).await;
    assert_eq!(step(&site).await, 0);
}

#[tokio::test]
async fn what_one_worker_does_for_all_is_done_once_in_its_period() {
    let site = site().await;
    let claim = async |seconds| continuity::claim_upkeep(&site.store, Duration::from_secs(seconds)).await.unwrap();
    assert!(claim(60).await);
    assert!(!claim(60).await);
    site.sql("UPDATE continuity SET upkeep_time = upkeep_time - 61000000").await;
    assert!(claim(60).await && !claim(60).await);
    // A clock that was ahead holds it up for no longer than until it is put right.
    site.sql("UPDATE continuity SET upkeep_time = upkeep_time + 3600000000").await;
    assert!(claim(60).await && !claim(60).await);
}

/// 12,000 records that a sync was about to create.
async fn many(site: &Site, sync_id: SyncId) {
    to_be_created(site, sync_id).await;
    for n in 0..5 {
        for doubled in [2_u32.pow(n * 2), 2_u32.pow(n * 2 + 1)] {
            site.sql(format!(
                "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, identifier_key, fingerprint, wanted, found, step, outcome)
                 SELECT sync_id, device_id || '-{doubled}', tenant, mapping_id, identifier, identifier_key, fingerprint, wanted, found, step, outcome
                 FROM sync_records"
            ))
            .await;
        }
    }
    for n in 0..11 {
        site.sql(format!(
            "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, identifier_key, fingerprint, wanted, found, step, outcome)
             SELECT sync_id, device_id || '/{n}', tenant, mapping_id, identifier, identifier_key, fingerprint, wanted, found, step, outcome
             FROM sync_records WHERE device_id NOT LIKE '%/%'"
        ))
        .await;
    }
}

async fn left(site: &Site) -> i64 {
    scalar(&site.store, "SELECT COUNT(*) FROM sync_records WHERE wanted IS NOT NULL").await
}

#[tokio::test]
async fn what_a_large_sync_kept_goes_in_batches_after_its_end() {
    for cancelled in [true, false] {
        let site = site().await;
        let sync = site.sync(&site.mapping().await, START).await;
        many(&site, sync.sync_id).await;
        assert_eq!(left(&site).await, 12 * 1_024);
        if cancelled {
            let mut tx = site.store.begin_write().await.unwrap();
            let cancelled = syncs::cancel(&mut tx, &site.tenant, sync.sync_id, after(1)).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(cancelled.state, SyncState::Cancelled);
        } else {
            let guard = slice(&site, sync.sync_id, START).await;
            let ending: Ending = succeeded();
            site.store.finish_sync(guard, &Progress::default(), &ending, after(1)).await.unwrap();
        }
        let at_its_end = left(&site).await;
        assert!(at_its_end > 5_000, "{at_its_end}: its end would have taken as long as it was large");
        let mut batches = 0;
        while let Some(of) = engine::drop_leftovers(&site.store, 2_000).await.unwrap() {
            assert_eq!(of, sync.sync_id);
            batches += 1;
        }
        assert_eq!(left(&site).await, 0);
        assert!((4..=7).contains(&batches), "{batches} batches");
        let records: i64 = scalar(&site.store, "SELECT COUNT(*) FROM sync_records").await;
        assert_eq!(records, 12 * 1_024, "what it says of its devices stays");
    }
}
