//! Reading mappings, and what of their records is told.

use super::{Mapping, MappingState, Revision};
use crate::dialect::{id_list, on_read, on_tx};
use crate::{ConnectionId, MappingId, Result, Store, StoreError, Tenant, Tx};

/// One mapping.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(store: &Store, tenant: &Tenant, id: MappingId) -> Result<Mapping> {
    on_read!(store, pool => sqlx::query_as::<_, Mapping>(concat!(
        "SELECT ", columns!(), " FROM mappings WHERE mapping_id = $1 AND tenant = $2"))
        .bind(id).bind(tenant).fetch_optional(pool).await)?
    .ok_or_else(|| StoreError::not_found("mapping", id))
}

/// One mapping, which nobody else changes, and of which nobody else makes a sync, until the transaction ends.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get_in(tx: &mut Tx, tenant: &Tenant, id: MappingId) -> Result<Mapping> {
    let sql = tx.sql(concat!(
        "SELECT ",
        columns!(),
        " FROM mappings WHERE mapping_id = $1 AND tenant = $2 FOR NO KEY UPDATE"
    ));
    on_tx!(tx, conn => sqlx::query_as::<_, Mapping>(sql)
        .bind(id).bind(tenant).fetch_optional(&mut *conn).await)?
    .ok_or_else(|| StoreError::not_found("mapping", id))
}

/// Which mappings [`list`] returns.
#[derive(Clone, Debug, Default)]
pub struct MappingFilter {
    /// Only of this connection.
    pub connection_id: Option<ConnectionId>,
    /// Only in one of these states; empty: in any.
    pub states: Vec<MappingState>,
    /// Only those behind this one: where the page before ended.
    pub after: Option<MappingId>,
}

/// A tenant's mappings that fit `filter`, in the order of their ids.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn list(store: &Store, tenant: &Tenant, filter: &MappingFilter, limit: u32) -> Result<Vec<Mapping>> {
    let states = if filter.states.is_empty() { MappingState::ALL } else { &filter.states };
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    let sql = store.sql(concat!(
        "SELECT ",
        columns!(),
        " FROM mappings WHERE tenant = $1 AND mapping_id > $2 AND connection_id = COALESCE($3, connection_id) \
         AND state IN IDS($5) ORDER BY mapping_id LIMIT $4"
    ));
    Ok(on_read!(store, pool => sqlx::query_as::<_, Mapping>(sql)
        .bind(tenant)
        .bind(filter.after.map_or(uuid::Uuid::nil(), |id| id.0))
        .bind(filter.connection_id)
        .bind(i64::from(limit))
        .bind(id_list(&states))
        .fetch_all(pool)
        .await)?)
}

/// How many mappings a tenant has.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn count(store: &Store, tenant: &Tenant) -> Result<i64> {
    Ok(on_read!(store, pool => sqlx::query_scalar("SELECT COUNT(*) FROM mappings WHERE tenant = $1")
        .bind(tenant).fetch_one(pool).await)?)
}

/// The ids of a connection's mappings, oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn ids_in(tx: &mut Tx, tenant: &Tenant, connection_id: ConnectionId) -> Result<Vec<MappingId>> {
    Ok(on_tx!(tx, conn => sqlx::query_scalar(
        "SELECT mapping_id FROM mappings WHERE tenant = $1 AND connection_id = $2 ORDER BY mapping_id")
        .bind(tenant).bind(connection_id).fetch_all(&mut *conn).await)?)
}

/// What a mapping said at a revision, and the columns that it was held against then.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn revision(store: &Store, tenant: &Tenant, id: MappingId, revision: i64) -> Result<Revision> {
    on_read!(store, pool => sqlx::query_as::<_, Revision>(
        "SELECT spec, columns FROM mapping_revisions WHERE mapping_id = $1 AND revision = $2 AND tenant = $3")
        .bind(id).bind(revision).bind(tenant).fetch_optional(pool).await)?
    .ok_or_else(|| StoreError::not_found("mapping", id))
}

/// What a mapping said at a revision (`pandaport_import::MappingSpec`), JSON.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn spec(store: &Store, tenant: &Tenant, id: MappingId, revision: i64) -> Result<String> {
    on_read!(store, pool => sqlx::query_scalar::<_, String>(
        "SELECT spec FROM mapping_revisions WHERE mapping_id = $1 AND revision = $2 AND tenant = $3")
        .bind(id).bind(revision).bind(tenant).fetch_optional(pool).await)?
    .ok_or_else(|| StoreError::not_found("mapping", id))
}

/// How many records bear the mark of the removal policy.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn marked_count(store: &Store, tenant: &Tenant, id: MappingId) -> Result<usize> {
    let count: i64 = on_read!(store, pool => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM links WHERE mapping_id = $1 AND tenant = $2 AND (flags & 576) <> 0")
        .bind(id).bind(tenant).fetch_one(pool).await)?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// How many of the records that it is tied to a mapping has created itself.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn created_count(store: &Store, tenant: &Tenant, id: MappingId) -> Result<usize> {
    let count: i64 = on_read!(store, pool => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM link_values WHERE mapping_id = $1 AND tenant = $2 AND created_by_us AND record_id IS NOT NULL")
        .bind(id).bind(tenant).fetch_one(pool).await)?;
    Ok(usize::try_from(count).unwrap_or_default())
}
