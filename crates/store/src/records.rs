//! What a sync had to do with its devices, for those who ask afterwards.

use crate::dialect::{id_list, on_read};
use crate::text::text_enum;
use crate::{Result, Store, SyncId, Tenant};

text_enum! {
    /// What came of a device in a sync.
    pub enum RecordOutcome {
        /// Not done yet; after a dry run: what would be done.
        Planned = "PLANNED",
        /// A record was made.
        Created = "CREATED",
        /// It was joined to a record that was there.
        Adopted = "ADOPTED",
        /// Its record was changed.
        Updated = "UPDATED",
        /// The filter left it out.
        Skipped = "SKIPPED",
        /// It was rejected, for a reason that a person can act on.
        Rejected = "REJECTED",
        /// It was removed by the policy.
        Removed = "REMOVED",
    }
}

/// One device in one sync.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SyncRecord {
    /// The device.
    pub device_id: String,
    /// The value that says which record is its.
    pub identifier: Option<String>,
    /// Its serial number.
    pub serial_number: Option<String>,
    /// Its record in Asset Panda.
    pub record_id: Option<String>,
    /// What came of it.
    pub outcome: RecordOutcome,
    /// Why, for a rejected one.
    pub reason: Option<String>,
    /// The same for a person.
    pub message: Option<String>,
    /// The values that were, or would be, changed: JSON.
    pub changes: Option<String>,
}

/// What a sync that rehearses a shown plan would do is not done.
macro_rules! outcome {
    () => {
        "CASE WHEN outcome IN ('CREATED', 'ADOPTED', 'UPDATED', 'REMOVED') \
           AND EXISTS (SELECT 1 FROM syncs s WHERE s.sync_id = r.sync_id AND s.rehearsing) THEN 'PLANNED' ELSE outcome END"
    };
}

/// A sync's records with one of `outcomes` (none: any) in the order of their device ids, those behind `after`.
///
/// # Errors
/// [`crate::StoreError::NotFound`] when the tenant has no such sync.
pub async fn list(
    store: &Store,
    tenant: &Tenant,
    sync_id: SyncId,
    outcomes: &[RecordOutcome],
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<SyncRecord>> {
    crate::syncs::get(store, tenant, sync_id).await?;
    let outcomes = if outcomes.is_empty() { RecordOutcome::ALL } else { outcomes };
    let outcomes: Vec<&str> = outcomes.iter().map(|outcome| outcome.as_str()).collect();
    let sql = store.sql(concat!(
        "SELECT device_id, identifier, serial_number, record_id, ",
        outcome!(),
        " AS outcome, reason, message, changes FROM sync_records r \
         WHERE sync_id = $1 AND device_id > $2 AND ",
        outcome!(),
        " IN IDS($3) ORDER BY device_id LIMIT $4"
    ));
    Ok(on_read!(store, pool => sqlx::query_as::<_, SyncRecord>(sql)
        .bind(sync_id)
        .bind(after.unwrap_or_default())
        .bind(id_list(&outcomes))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?)
}
