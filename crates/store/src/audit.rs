//! The audit log: who called what, when, from where, and with what result. A row for each call that changes something, or
//! was meant to; what changed is written in the transaction of the change.
//!
//! Rows are only ever added. The database refuses to change one, and to delete one that is younger than 30 days.

use uuid::Uuid;

use crate::dialect::{on_read, on_tx, on_write};
use crate::{AuditEventId, ConnectionId, MappingId, Micros, Result, Store, SyncId, Tenant, Tx};

/// A call, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditEvent {
    /// Its id.
    pub event_id: AuditEventId,
    /// Whose rows the call was about: the caller's tenant.
    pub tenant: Tenant,
    /// When.
    pub create_time: Micros,
    /// The RPC, such as `TriggerSync`.
    pub method: String,
    /// The caller's name. Empty where nobody is asked for one.
    pub actor: String,
    /// How the caller has shown who it is: `none`, `jwt` or `mtls`.
    pub proof: String,
    /// The caller's role at that time.
    pub role: String,
    /// The address that the call came from.
    pub peer: String,
    /// `OK`, or the code of the refusal.
    pub code: String,
    /// The reason of the refusal, or empty.
    pub reason: String,
    /// The call's `request_id`, or empty.
    pub request_id: String,
    /// The connection that it was about.
    pub connection_id: Option<ConnectionId>,
    /// The mapping that it was about.
    pub mapping_id: Option<MappingId>,
    /// The sync that it was about, or that it made.
    pub sync_id: Option<SyncId>,
    /// The fields that the call set.
    #[sqlx(try_from = "String")]
    pub fields: FieldNames,
}

/// Names of fields, by their paths; no values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNames(pub Vec<String>);

/// From how they are stored: a JSON array.
impl TryFrom<String> for FieldNames {
    type Error = serde_json::Error;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        serde_json::from_str(&text).map(Self)
    }
}

/// Which events to list. Everything unset fits all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Not before this.
    pub created_from: Option<Micros>,
    /// Before this.
    pub created_before: Option<Micros>,
    /// Of this RPC.
    pub method: Option<String>,
    /// Of this caller.
    pub actor: Option<String>,
    /// About this connection, mapping or sync.
    pub resource_id: Option<Uuid>,
    /// Older than this event: the last one of the page before.
    pub before: Option<AuditEventId>,
}

macro_rules! insert {
    () => {
        "INSERT INTO audit_events (event_id, tenant, create_time, method, actor, proof, role, peer, code, reason, request_id, \
           connection_id, mapping_id, sync_id, fields) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
    };
}

macro_rules! bind {
    ($event:expr) => {
        sqlx::query(insert!())
            .bind($event.event_id)
            .bind(&$event.tenant)
            .bind($event.create_time)
            .bind(&$event.method)
            .bind(&$event.actor)
            .bind(&$event.proof)
            .bind(&$event.role)
            .bind(&$event.peer)
            .bind(&$event.code)
            .bind(&$event.reason)
            .bind(&$event.request_id)
            .bind($event.connection_id)
            .bind($event.mapping_id)
            .bind($event.sync_id)
            .bind(serde_json::to_string(&$event.fields.0).expect("a list of texts is JSON"))
    };
}

/// Writes down a call in the transaction of what it changed.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn insert_in(tx: &mut Tx, event: &AuditEvent) -> Result<()> {
    on_tx!(tx, conn => bind!(event).execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}

/// Writes down a call that changed nothing.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn insert(store: &Store, event: &AuditEvent) -> Result<()> {
    on_write!(store, pool => bind!(event).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// A tenant's events that fit `filter`, the latest first.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn list(store: &Store, tenant: &Tenant, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditEvent>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, AuditEvent>(
        "SELECT event_id, tenant, create_time, method, actor, proof, role, peer, code, reason, request_id, connection_id, \
           mapping_id, sync_id, fields FROM audit_events \
         WHERE tenant = $1 AND event_id < $2 AND create_time >= $3 AND create_time < $4 \
           AND ($5 IS NULL OR method = $5) AND ($6 IS NULL OR actor = $6) \
           AND ($7 IS NULL OR connection_id = $7 OR mapping_id = $7 OR sync_id = $7) \
         ORDER BY event_id DESC LIMIT $8")
        .bind(tenant)
        .bind(filter.before.map_or(Uuid::max(), |id| id.0))
        .bind(filter.created_from.unwrap_or(Micros(i64::MIN)))
        .bind(filter.created_before.unwrap_or(Micros(i64::MAX)))
        .bind(&filter.method)
        .bind(&filter.actor)
        .bind(filter.resource_id)
        .bind(i64::from(limit))
        .fetch_all(pool).await)?)
}

/// Drops at most `rows` events that are older than `before`, which must be at least 30 days ago. Returns how many.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn prune(store: &Store, before: Micros, rows: u32) -> Result<u64> {
    Ok(on_write!(store, pool => sqlx::query(
        "DELETE FROM audit_events WHERE event_id IN (
             SELECT event_id FROM audit_events WHERE create_time < $1 ORDER BY create_time LIMIT $2)")
        .bind(before).bind(i64::from(rows)).execute(pool).await?.rows_affected()))
}
