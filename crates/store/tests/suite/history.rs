//! What syncs did is remembered for a time, and forgotten in small batches.

use pandaport_store::history::{Pruned, prune, prune_alerts};
use pandaport_store::syncs::{self, SyncFilter};
use pandaport_store::{Micros, SyncId};

use crate::{START, Site, after, literal, site};

/// A sync that ended at `end`, with so many records.
async fn ended(site: &Site, mapping: &pandaport_store::mappings::Mapping, end: Micros, records: usize) -> SyncId {
    let sync = site.sync(mapping, end).await.sync_id;
    let id = literal(sync.0);
    site.sql(format!("UPDATE syncs SET state = 'SUCCEEDED', end_time = {} WHERE sync_id = {id}", end.0)).await;
    let (tenant, mapping) = (site.tenant.as_str(), literal(mapping.mapping_id.0));
    for n in 0..records {
        site.sql(format!(
            "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, fingerprint, step, outcome)
             VALUES ({id}, 'device-{n}', '{tenant}', {mapping}, x'00', 9, 'CREATED')"
        ))
        .await;
        site.sql(format!(
            "INSERT INTO brake_items (sync_id, kind, device_id, tenant) VALUES ({id}, 'REMOVAL', 'device-{n}', '{tenant}')"
        ))
        .await;
        site.sql(format!(
            "INSERT INTO approved_changes (sync_id, kind, device_id, tenant)
             VALUES ({id}, 'REMOVAL', 'device-{n}', '{tenant}')"
        ))
        .await;
    }
    sync
}

async fn count(site: &Site, sql: &'static str) -> i64 {
    pandaport_test_database::scalar(&site.store, sql).await
}

async fn known(site: &Site) -> Vec<SyncId> {
    let all = syncs::list(&site.store, &site.tenant, &SyncFilter::default(), 100).await.unwrap();
    let mut ids: Vec<SyncId> = all.into_iter().map(|sync| sync.sync_id).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn what_syncs_did_is_forgotten_after_its_time_in_small_batches() {
    let site = site().await;
    let mapping = site.mapping().await;
    let old = ended(&site, &mapping, after(10), 7).await;
    let older = ended(&site, &mapping, after(5), 0).await;
    let young = ended(&site, &mapping, after(100), 2).await;
    let last = ended(&site, &mapping, after(20), 1).await;

    assert!(prune(&site.store, after(5), 10).await.unwrap().is_nothing(), "none ended before that");
    let mut rows = Vec::new();
    loop {
        let pruned = prune(&site.store, after(50), 4).await.unwrap();
        assert!(pruned.rows <= 4, "{pruned:?}");
        if pruned.is_nothing() {
            break;
        }
        rows.push(pruned);
    }
    assert_eq!(rows[0], Pruned { rows: 4, syncs: 1 }, "the oldest first, then a part of the next: {rows:?}");
    assert_eq!(rows.iter().map(|it| it.rows).sum::<u64>(), 21);
    let mut left = vec![young, last];
    left.sort();
    assert_eq!(known(&site).await, left, "{old} and {older} are forgotten");
    assert_eq!(count(&site, "SELECT COUNT(*) FROM sync_records").await, 3, "the mapping's last sync keeps its records");
}

#[tokio::test]
async fn an_active_sync_and_a_plan_that_was_applied_are_kept() {
    let site = site().await;
    let mapping = site.mapping().await;
    let plan = ended(&site, &mapping, after(10), 1).await;
    let applied = ended(&site, &mapping, after(60), 0).await;
    site.sql(format!("UPDATE syncs SET plan_of = {} WHERE sync_id = {}", literal(plan.0), literal(applied.0))).await;
    let active = site.sync(&mapping, START).await.sync_id;
    let mut all = vec![plan, applied, active];
    all.sort();
    assert!(prune(&site.store, after(50), 10).await.unwrap().is_nothing());
    assert_eq!(known(&site).await, all);
    // Once the sync that applied it is forgotten, so is the plan.
    while !prune(&site.store, after(70), 10).await.unwrap().is_nothing() {}
    assert_eq!(known(&site).await, [active]);
}

#[tokio::test]
async fn alerts_that_are_done_with_are_forgotten() {
    let site = site().await;
    for (n, (delivered, gave_up)) in
        [(Some(5), None), (None, Some(6)), (Some(50), None), (None, None)].iter().enumerate()
    {
        let time = |seconds: &Option<u64>| seconds.map_or("NULL".to_owned(), |it| after(it).0.to_string());
        site.sql(format!(
            "INSERT INTO alerts (alert_id, tenant, kind, body, next_try_time, create_time, delivered_time, gave_up_time)
             VALUES ({}, 'default', 'FAILING', '{{}}', 0, {n}, {}, {})",
            literal(uuid::Uuid::now_v7()),
            time(delivered),
            time(gave_up)
        ))
        .await;
    }
    assert_eq!(prune_alerts(&site.store, after(10), 1).await.unwrap(), 1);
    assert_eq!(prune_alerts(&site.store, after(10), 10).await.unwrap(), 1);
    assert_eq!(count(&site, "SELECT COUNT(*) FROM alerts").await, 2, "one is young, one waits to be delivered");
}
