//! What is deleted is gone at once for every call, and its rows go in small batches.

use std::time::Duration;

use pandaport_store::connections::{self, ConnectionState};
use pandaport_store::deleted::{prune, settling_since};
use pandaport_store::engine::Progress;
use pandaport_store::mappings::{self, MappingFilter};
use pandaport_store::syncs::{self, SyncFilter};
use pandaport_store::{Conflict, MappingId, StoreError, Tenant};

use crate::{START, Site, after, literal, site};

async fn delete(site: &Site, id: MappingId, cancel: bool) -> Result<mappings::Deleted, StoreError> {
    let mut tx = site.store.begin_write().await.unwrap();
    let deleted = mappings::delete(&mut tx, &site.tenant, id, cancel, after(100)).await?;
    tx.commit().await.unwrap();
    Ok(deleted)
}

/// Some rows of each kind that a mapping and its sync can have.
async fn fill(site: &Site, mapping: MappingId, sync: syncs::Sync, rows: usize) {
    let (mapping, sync, tenant) = (literal(mapping.0), literal(sync.sync_id.0), site.tenant.as_str());
    for n in 0..rows {
        let link = literal(uuid::Uuid::from_u128(n as u128 + 1));
        for sql in [
            format!(
                "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, flags)
                 VALUES ({mapping}, 'device-{n}', '{tenant}', {link}, x'00', 1)"
            ),
            format!(
                "INSERT INTO link_values (link_id, tenant, mapping_id, device_id) VALUES ({link}, '{tenant}', {mapping}, 'device-{n}')"
            ),
            format!(
                "INSERT INTO intents (mapping_id, device_id, tenant, sync_id, fence, identifier, identifier_key, sent_time,
                    next_look_time, payload)
                 VALUES ({mapping}, 'device-{n}', '{tenant}', {sync}, 1, 'i', 'i', 0, 0, '{{}}')"
            ),
            format!(
                "INSERT INTO held_changes (mapping_id, kind, device_id, tenant) VALUES ({mapping}, 'REMOVAL', 'device-{n}', '{tenant}')"
            ),
            format!(
                "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, fingerprint, step, outcome)
                 VALUES ({sync}, 'device-{n}', '{tenant}', {mapping}, x'00', 9, 'CREATED')"
            ),
            format!("INSERT INTO dry_run_seen (sync_id, device_id, tenant) VALUES ({sync}, 'device-{n}', '{tenant}')"),
            format!("INSERT INTO sync_users (sync_id, user_id, tenant, active) VALUES ({sync}, 'user-{n}', '{tenant}', TRUE)"),
        ] {
            site.sql(sql).await;
        }
    }
}

async fn count(site: &Site, table: &str) -> i64 {
    pandaport_test_database::scalar(&site.store, format!("SELECT COUNT(*) FROM {table}")).await
}

#[tokio::test]
async fn a_deleted_mapping_is_nobodys_and_its_worker_has_lost_its_fence() {
    let site = site().await;
    let mapping = site.mapping().await;
    let id = mapping.mapping_id;
    let sync = site.sync(&mapping, START).await;
    let slice = site.store.begin_slice(sync.sync_id, after(1), after(60)).await.unwrap().unwrap();

    let refused = delete(&site, id, false).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { what: Conflict::SyncActive, .. }), "{refused}");
    assert!(mappings::get(&site.store, &site.tenant, id).await.is_ok(), "nothing was changed");
    let deleted = delete(&site, id, true).await.unwrap();
    assert_eq!(deleted.ended, [sync.sync_id]);

    let lost = site.store.checkpoint(slice.guard, &Progress::default()).await;
    assert!(matches!(lost, Err(StoreError::FenceLost)), "{lost:?}");
    assert!(site.store.begin_slice(sync.sync_id, after(200), after(300)).await.unwrap().is_none());
    assert!(mappings::get(&site.store, &site.tenant, id).await.is_err());
    assert!(mappings::list(&site.store, &site.tenant, &MappingFilter::default(), 10).await.unwrap().is_empty());
    assert!(syncs::get(&site.store, &site.tenant, sync.sync_id).await.is_err());
    assert!(syncs::list(&site.store, &site.tenant, &SyncFilter::default(), 10).await.unwrap().is_empty());
    assert!(mappings::due(&site.store, after(1_000_000), 10).await.unwrap().is_empty(), "its schedule is over");
    let refused = delete(&site, id, true).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotFound { .. }), "{refused}");
}

#[tokio::test]
async fn rule_3_its_collection_is_free_and_whoever_takes_it_knows_since_when() {
    let site = site().await;
    let connection = site.connection().await;
    let mapping = site.mapping_of(&connection, "collection").await;
    site.sync(&mapping, START).await;
    delete(&site, mapping.mapping_id, true).await.unwrap();
    let next = site.mapping_of(&connection, "collection").await;
    assert_eq!(settling_since(&site.store, next.mapping_id).await.unwrap(), Some(after(100)));
    let elsewhere = site.mapping_of(&connection, "other").await;
    assert_eq!(settling_since(&site.store, elsewhere.mapping_id).await.unwrap(), None);
    // One that never ran has sent nothing.
    delete(&site, elsewhere.mapping_id, true).await.unwrap();
    let again = site.mapping_of(&connection, "other").await;
    assert_eq!(settling_since(&site.store, again.mapping_id).await.unwrap(), None);
}

#[tokio::test]
async fn what_belonged_to_it_goes_in_small_batches_and_nothing_of_anothers() {
    let site = site().await;
    let connection = site.connection().await;
    let (gone, stays) = (site.mapping_of(&connection, "a").await, site.mapping_of(&connection, "b").await);
    let sync = site.sync(&stays, START).await;
    fill(&site, gone.mapping_id, site.sync(&gone, START).await, 7).await;
    site.sql(format!(
        "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, flags)
         VALUES ({}, 'device-0', 'default', {}, x'00', 1)",
        literal(stays.mapping_id.0),
        literal(uuid::Uuid::max())
    ))
    .await;
    let deleted = delete(&site, gone.mapping_id, true).await.unwrap();
    assert_eq!(deleted.in_flight, 7);
    let mut tx = site.store.begin_write().await.unwrap();
    let refused = connections::delete(&mut tx, &site.tenant, connection.connection_id, START).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: Conflict::ConnectionInUse, .. })), "{refused:?}");
    drop(tx);

    let mut batches = 0;
    loop {
        // Besides, a revision: there is one for each change.
        let dropped = prune(&site.store, after(0), 4).await.unwrap();
        assert!(dropped <= 5, "{dropped}");
        if dropped == 0 {
            break;
        }
        batches += 1;
    }
    assert!(batches > 10, "{batches}");
    for table in ["link_values", "intents", "held_changes", "sync_records", "dry_run_seen", "sync_users"] {
        assert_eq!(count(&site, table).await, 0, "{table}");
    }
    assert_eq!((count(&site, "links").await, count(&site, "syncs").await), (1, 1));
    assert!(syncs::get(&site.store, &site.tenant, sync.sync_id).await.is_ok());
    assert_eq!(count(&site, "mappings").await, 2, "since when its collection is free is known for a while");
    assert_eq!(prune(&site.store, after(101), 4).await.unwrap(), 1);
    assert_eq!(count(&site, "mappings").await, 1);
    assert_eq!(count(&site, "connections").await, 1);
}

#[tokio::test]
async fn a_deleted_connection_has_no_credentials_any_more_and_goes_after_its_mappings() {
    let site = site().await;
    let connection = site.connection().await;
    let id = connection.connection_id;
    let mapping = site.mapping_of(&connection, "a").await;
    delete(&site, mapping.mapping_id, false).await.unwrap();
    let mut tx = site.store.begin_write().await.unwrap();
    connections::delete(&mut tx, &site.tenant, id, after(100)).await.unwrap();
    tx.commit().await.unwrap();
    for tenant in [&site.tenant, &Tenant::new("other")] {
        assert!(connections::get(&site.store, tenant, id).await.is_err());
        assert!(connections::open_secrets(&site.store, tenant, id).await.is_err());
    }
    let sealed = "SELECT SUM(LENGTH(kandji_token) + LENGTH(asset_panda_key)) FROM connections";
    assert_eq!(pandaport_test_database::scalar::<i64>(&site.store, sealed).await, 0);
    while prune(&site.store, after(50), 100).await.unwrap() > 0 {}
    assert_eq!(count(&site, "connections").await, 1, "its mapping is remembered for a while");
    while prune(&site.store, after(100).plus(Duration::from_secs(1)), 100).await.unwrap() > 0 {}
    assert_eq!((count(&site, "mappings").await, count(&site, "connections").await), (0, 0));
}

#[tokio::test]
async fn connections_are_listed_by_state() {
    let site = site().await;
    let id = site.connection().await.connection_id;
    site.connection().await;
    let mut tx = site.store.begin_write().await.unwrap();
    connections::verified(&mut tx, &site.tenant, id, after(1)).await.unwrap();
    tx.commit().await.unwrap();
    let list = async |states: &[ConnectionState]| {
        connections::list(&site.store, &site.tenant, states, None, 10).await.unwrap().len()
    };
    assert_eq!(list(&[ConnectionState::Verified]).await, 1);
    assert_eq!(list(&[ConnectionState::Failing]).await, 0);
    assert_eq!(list(&[]).await, 2);
}
