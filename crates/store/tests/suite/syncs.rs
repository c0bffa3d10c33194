//! Syncs: one at a time, cancelled, lost and found.

use std::time::Duration;

use pandaport_store::syncs::{self, Creation, Horizon, JOB_GRACE, SyncFilter, SyncPhase, SyncState};
use pandaport_store::{Micros, StoreError, SyncId, Tenant};
use rstest::rstest;

use crate::{START, Site, after, literal, site};

const HORIZON: Horizon = Horizon { budget: Duration::from_secs(3900), other: Duration::from_secs(600) };

async fn set_state(site: &Site, id: SyncId, state: &str) {
    site.sql(format!("UPDATE syncs SET state = '{state}' WHERE sync_id = {}", literal(id.0))).await;
}

/// Rule 6.
#[tokio::test]
async fn one_active_sync_per_mapping() {
    let site = site().await;
    let mapping = site.mapping().await;
    let first = site.sync(&mapping, START).await;
    assert_eq!((first.state, first.phase, first.revision), (SyncState::Queued, SyncPhase::Schema, 1));
    for state in ["QUEUED", "RUNNING", "WAITING"] {
        set_state(&site, first.sync_id, state).await;
        let Creation::AlreadyActive(active) = site.create(&mapping, false, after(1)).await else {
            panic!("a second one")
        };
        assert_eq!(active.sync_id, first.sync_id);
    }
    let Creation::Created(dry) = site.create(&mapping, true, after(2)).await else {
        panic!("a dry run minds the lock")
    };
    assert!(dry.dry_run);
    assert!(matches!(site.create(&mapping, true, after(3)).await, Creation::Created(_)), "a dry run holds the lock");
    let read = pandaport_store::mappings::get(&site.store, &site.tenant, mapping.mapping_id).await.unwrap();
    assert_eq!(read.last_sync_id, Some(first.sync_id), "a dry run is not a mapping's last sync");

    for state in ["SUCCEEDED", "COMPLETED_WITH_REJECTIONS", "HELD", "FAILED", "CANCELLED"] {
        set_state(&site, first.sync_id, state).await;
        let Creation::Created(next) = site.create(&mapping, false, after(4)).await else {
            panic!("{state} holds the lock")
        };
        set_state(&site, next.sync_id, "SUCCEEDED").await;
    }
}

#[tokio::test]
async fn a_sync_of_another_tenants_mapping_is_not_made() {
    let mut site = site().await;
    let mapping = site.mapping().await;
    let sync = site.sync(&mapping, START).await;
    site.tenant = Tenant::new("other");
    assert!(matches!(
        syncs::get(&site.store, &site.tenant, sync.sync_id).await,
        Err(StoreError::NotFound { what: "sync", .. })
    ));
    let mut tx = site.store.begin_write().await.unwrap();
    let cancelled = syncs::cancel(&mut tx, &site.tenant, sync.sync_id, after(1)).await;
    assert!(matches!(cancelled, Err(StoreError::NotFound { .. })));
    let new = syncs::NewSync {
        mapping_id: mapping.mapping_id,
        mode: syncs::Mode::Full,
        dry_run: true,
        retry_rejected: false,
        trigger_kind: syncs::TriggerKind::Call,
        traceparent: None,
    };
    let made = syncs::create(&mut tx, &site.tenant, &new, after(1)).await;
    assert!(matches!(made, Err(StoreError::NotFound { what: "mapping", .. })));
    tx.commit().await.unwrap();
    assert_eq!(syncs::get(&site.store, &Tenant::default(), sync.sync_id).await.unwrap(), sync);
}

#[rstest]
#[case::queued("QUEUED", "CANCELLED", 1)]
#[case::waiting("WAITING", "CANCELLED", 1)]
#[case::running("RUNNING", "RUNNING", 0)]
#[case::held("HELD", "HELD", 0)]
#[case::cancelled("CANCELLED", "CANCELLED", 0)]
#[tokio::test]
async fn a_cancel_takes_effect_at_once_or_is_left_to_the_worker(
    #[case] before: &str,
    #[case] afterwards: &str,
    #[case] fence: i64,
) {
    let site = site().await;
    let id = site.sync(&site.mapping().await, START).await.sync_id;
    site.sql(format!(
        "UPDATE syncs SET state = '{before}', wait_reason = 'BUDGET', wait_until = 1 WHERE sync_id = {}",
        literal(id.0)
    ))
    .await;
    let mut tx = site.store.begin_write().await.unwrap();
    let cancelled = syncs::cancel(&mut tx, &site.tenant, id, after(9)).await.unwrap();
    let again = syncs::cancel(&mut tx, &site.tenant, id, after(10)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(cancelled.state.as_str(), afterwards);
    assert_eq!(cancelled, again);
    let at_once = fence == 1;
    assert_eq!(cancelled.end_time, at_once.then_some(after(9)));
    assert_eq!(cancelled.wait_reason.is_none(), at_once);
    assert_eq!(cancelled.cancel_request_time, (at_once || before == "RUNNING").then_some(after(9)));
    let moved: i64 = pandaport_test_database::scalar(&site.store, "SELECT fence FROM syncs").await;
    assert_eq!(moved, fence, "a worker that took it just before could go on writing");
}

#[tokio::test]
async fn the_sweep_finds_a_lost_sync_once() {
    let site = site().await;
    let connection = site.connection().await;
    let mut lost = Vec::new();
    for (n, state) in ["QUEUED", "RUNNING", "WAITING", "SUCCEEDED"].iter().enumerate() {
        let sync = site.sync(&site.mapping_of(&connection, &n.to_string()).await, START).await;
        set_state(&site, sync.sync_id, state).await;
        lost.push(sync.sync_id);
    }
    lost.pop();
    let sweep = async |now: Micros, limit| {
        let mut tx = site.store.begin_write().await.unwrap();
        let mut found: Vec<_> =
            syncs::lost_syncs(&mut tx, now, HORIZON, limit).await.unwrap().into_iter().map(|s| s.sync_id).collect();
        tx.commit().await.unwrap();
        found.sort();
        found
    };
    assert!(sweep(START.plus(JOB_GRACE), 10).await.is_empty(), "its job is still behind it");
    let late = START.plus(JOB_GRACE + Duration::from_secs(1));
    let mut found = sweep(late, 2).await;
    found.extend(sweep(late, 2).await);
    found.sort();
    lost.sort();
    assert_eq!(found, lost);
    assert!(sweep(late, 10).await.is_empty(), "re-armed");
    assert_eq!(sweep(late.plus(JOB_GRACE + Duration::from_secs(1)), 10).await, lost, "lost again");

    let mut tx = site.store.begin_write().await.unwrap();
    let mut active: Vec<_> = syncs::all_active(&mut tx).await.unwrap().into_iter().map(|sync| sync.sync_id).collect();
    active.sort();
    assert_eq!(active, lost);
}

#[tokio::test]
async fn rule_7_the_sweep_finds_what_a_clock_put_off_before_it_went_back() {
    let site = site().await;
    let connection = site.connection().await;
    let mut ids = Vec::new();
    for (n, (state, reason, ahead, found)) in [
        ("QUEUED", None, 599, false),
        ("RUNNING", None, 601, true),
        ("WAITING", Some("OUTAGE"), 599, false),
        ("WAITING", Some("SETTLE"), 3601, true),
        ("WAITING", Some("BUDGET"), 3899, false),
        ("WAITING", Some("BUDGET"), 3901, true),
        ("FAILED", None, 9999, false),
    ]
    .into_iter()
    .enumerate()
    {
        let sync = site.sync(&site.mapping_of(&connection, &n.to_string()).await, START).await;
        let (id, time) = (literal(sync.sync_id.0), after(ahead).0);
        let wait = reason.map_or("NULL, wait_until = NULL".to_owned(), |it| format!("'{it}', wait_until = {time}"));
        site.sql(format!(
            "UPDATE syncs SET state = '{state}', next_slice_time = {time}, wait_reason = {wait} WHERE sync_id = {id}"
        ))
        .await;
        if found {
            ids.push((sync.sync_id, reason.map(|_| START)));
        }
    }
    ids.sort_by_key(|it| it.0);
    let mut tx = site.store.begin_write().await.unwrap();
    let found = syncs::lost_syncs(&mut tx, START, HORIZON, 10).await.unwrap();
    let again = syncs::lost_syncs(&mut tx, START, HORIZON, 10).await.unwrap();
    tx.commit().await.unwrap();
    let mut found: Vec<_> = found.into_iter().map(|sync| (sync.sync_id, sync.wait_until)).collect();
    found.sort_by_key(|it| it.0);
    assert_eq!(found, ids, "those that waited wait no longer");
    assert!(again.is_empty(), "re-armed");
    for (id, wait_until) in ids {
        assert_eq!(syncs::get(&site.store, &site.tenant, id).await.unwrap().wait_until, wait_until);
    }
}

#[tokio::test]
async fn syncs_are_listed_newest_first_by_what_is_asked_for() {
    let site = site().await;
    let connection = site.connection().await;
    let (one, two) = (site.mapping_of(&connection, "one").await, site.mapping_of(&connection, "two").await);
    let mut of_one = Vec::new();
    for n in 0..5 {
        let sync = site.sync(&one, after(10 * n)).await;
        set_state(&site, sync.sync_id, if n % 2 == 0 { "SUCCEEDED" } else { "FAILED" }).await;
        of_one.insert(0, sync.sync_id);
    }
    let other = site.sync(&two, after(100)).await.sync_id;
    let list = async |filter: SyncFilter, limit| {
        let page = syncs::list(&site.store, &site.tenant, &filter, limit).await.unwrap();
        page.into_iter().map(|sync| sync.sync_id).collect::<Vec<_>>()
    };
    let of_mapping = SyncFilter { mapping_id: Some(one.mapping_id), ..SyncFilter::default() };
    assert_eq!(list(of_mapping.clone(), 10).await, of_one);
    assert_eq!(list(SyncFilter { before: Some(of_one[1]), ..of_mapping.clone() }, 2).await, of_one[2..4]);
    let failed = SyncFilter { states: vec![SyncState::Failed, SyncState::Held], ..of_mapping.clone() };
    assert_eq!(list(failed, 10).await, [of_one[1], of_one[3]]);
    let between =
        SyncFilter { created_from: Some(after(10)), created_before: Some(after(30)), ..SyncFilter::default() };
    assert_eq!(list(between, 10).await, of_one[2..4]);
    assert_eq!(list(SyncFilter::default(), 1).await, [other]);
    assert!(syncs::list(&site.store, &Tenant::new("other"), &SyncFilter::default(), 10).await.unwrap().is_empty());
}
