//! The audit log, which is only ever added to.

use std::time::Duration;

use pandaport_store::audit::{self, AuditEvent, AuditFilter, FieldNames};
use pandaport_store::{AuditEventId, ConnectionId, MappingId, Micros, Pool, SyncId, Tenant};
use pandaport_test_database::is_postgres;
use sqlx::AssertSqlSafe;

use crate::{Site, site};

const DAY: Duration = Duration::from_secs(86_400);

fn event(tenant: &Tenant, method: &str, now: Micros) -> AuditEvent {
    AuditEvent {
        event_id: AuditEventId::new(now),
        tenant: tenant.clone(),
        create_time: now,
        method: method.into(),
        actor: "ann".into(),
        proof: "jwt".into(),
        role: "admin".into(),
        peer: "127.0.0.1:50000".into(),
        code: "OK".into(),
        reason: String::new(),
        request_id: "r".into(),
        connection_id: Some(ConnectionId::new(now)),
        mapping_id: Some(MappingId::new(now)),
        sync_id: None,
        fields: FieldNames(vec!["kandji.api_token".into(), "ä \"b\"".into()]),
    }
}

async fn all(site: &Site, filter: AuditFilter) -> Vec<AuditEvent> {
    audit::list(&site.store, &site.tenant, &filter, 100).await.unwrap()
}

/// What the database says to a statement.
async fn refused(site: &Site, sql: &str) -> String {
    let sql = AssertSqlSafe(sql.to_owned());
    let done = match site.store.pool() {
        Pool::Sqlite { write, .. } => sqlx::query(sql).execute(write).await.map(|_| ()),
        Pool::Postgres(pool) => sqlx::query(sql).execute(pool).await.map(|_| ()),
    };
    done.expect_err("it is refused").to_string()
}

#[tokio::test]
async fn events_come_back_as_they_were_written_to_their_tenant_alone_and_newest_first() {
    let site = site().await;
    let now = Micros::now();
    let first = event(&site.tenant, "CreateMapping", now.minus(DAY));
    let bare = AuditEvent {
        connection_id: None,
        mapping_id: None,
        sync_id: Some(SyncId::new(now)),
        fields: FieldNames::default(),
        ..event(&site.tenant, "TriggerSync", now)
    };
    audit::insert(&site.store, &first).await.unwrap();
    let mut tx = site.store.begin_write().await.unwrap();
    audit::insert_in(&mut tx, &bare).await.unwrap();
    tx.commit().await.unwrap();
    audit::insert(&site.store, &event(&Tenant::new("other"), "CreateMapping", now)).await.unwrap();
    let mut tx = site.store.begin_write().await.unwrap();
    audit::insert_in(&mut tx, &event(&site.tenant, "UpdateMapping", now)).await.unwrap();
    tx.rollback().await.unwrap();

    assert_eq!(all(&site, AuditFilter::default()).await, [bare.clone(), first.clone()]);
    let only = |filter| all(&site, filter);
    assert_eq!(only(AuditFilter { method: Some("CreateMapping".into()), ..AuditFilter::default() }).await.len(), 1);
    assert_eq!(only(AuditFilter { actor: Some("eve".into()), ..AuditFilter::default() }).await, []);
    let about = |id| AuditFilter { resource_id: Some(id), ..AuditFilter::default() };
    assert_eq!(only(about(first.mapping_id.unwrap().0)).await.len(), 1);
    assert_eq!(only(about(bare.sync_id.unwrap().0)).await.len(), 1);
    assert_eq!(only(AuditFilter { created_from: Some(now), ..AuditFilter::default() }).await.len(), 1);
    assert_eq!(only(AuditFilter { created_before: Some(now), ..AuditFilter::default() }).await.len(), 1);
    assert_eq!(only(AuditFilter { before: Some(bare.event_id), ..AuditFilter::default() }).await, [first]);
}

#[tokio::test]
async fn audit_events_are_never_changed_and_not_deleted_before_their_time() {
    let site = site().await;
    let now = Micros::now();
    let (young, old) = (
        event(&site.tenant, "TriggerSync", now.minus(DAY * 29)),
        event(&site.tenant, "TriggerSync", now.minus(DAY * 31)),
    );
    audit::insert(&site.store, &young).await.unwrap();
    audit::insert(&site.store, &old).await.unwrap();

    let said = refused(&site, "UPDATE audit_events SET actor = 'nobody'").await;
    assert!(said.contains("audit events are never changed"), "{said}");
    let said = refused(&site, "DELETE FROM audit_events").await;
    assert!(said.contains("audit events stay for at least 30 days"), "{said}");
    if is_postgres() {
        let said = refused(&site, "TRUNCATE audit_events").await;
        assert!(said.contains("audit events are never changed"), "{said}");
    }
    assert_eq!(all(&site, AuditFilter::default()).await.len(), 2);
    assert!(audit::prune(&site.store, now, 10).await.is_err(), "not even by ourselves");

    assert_eq!(audit::prune(&site.store, now.minus(DAY * 30), 10).await.unwrap(), 1);
    assert_eq!(audit::prune(&site.store, now.minus(DAY * 30), 10).await.unwrap(), 0);
    assert_eq!(all(&site, AuditFilter::default()).await, [young]);
}
