//! APPLY: what is ready to be sent.

use super::{Slice, Step};
use crate::dialect::on_read;
use crate::{Micros, Result, Store};

/// A write that is ready to be sent.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ReadyRow {
    /// The device.
    pub device_id: String,
    /// Its identifier.
    pub identifier: Option<String>,
    /// The same, folded.
    pub identifier_key: Option<String>,
    /// Its serial number.
    pub serial_number: Option<String>,
    /// Of the wanted values.
    pub fingerprint: Vec<u8>,
    /// Its last enrolment.
    pub last_enrollment: Option<Micros>,
    /// Its last check-in.
    pub last_check_in: Option<Micros>,
    /// The record to update.
    pub record_id: Option<String>,
    /// What sending and confirming need, JSON.
    pub plan: String,
    /// How often it was sent.
    pub attempts: i64,
}

impl Store {
    /// The next writes at this step.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn next_ready(&self, slice: &Slice, step: Step, limit: usize) -> Result<Vec<ReadyRow>> {
        Ok(on_read!(self, pool => sqlx::query_as(
            "SELECT device_id, identifier, identifier_key, serial_number, fingerprint, last_enrollment, last_check_in,
                    record_id, plan, attempts
             FROM sync_records WHERE sync_id = $1 AND step = $2 ORDER BY device_id LIMIT $3")
            .bind(slice.guard.sync_id).bind(step.number()).bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(pool).await)?)
    }

    /// How many records stand at each step, as (step, count).
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn step_counts(&self, slice: &Slice) -> Result<Vec<(i64, i64)>> {
        Ok(on_read!(self, pool => sqlx::query_as(
            "SELECT CAST(step AS BIGINT), COUNT(*) FROM sync_records WHERE sync_id = $1 AND step <> 9 GROUP BY step")
            .bind(slice.guard.sync_id).fetch_all(pool).await)?)
    }
}
