//! How much work waits.

use std::time::Duration;

use pandaport_store::{Micros, Pool, Store, StoreError};
use riverqueue::JobArgs as _;

use crate::Result;
use crate::job::SyncJob;

/// How much work waits, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Jobs that could be worked now, if a slot were free.
    pub waiting: u64,
    /// Jobs that are being worked.
    pub running: u64,
    /// How long the oldest waiting one has been waiting.
    pub age: Duration,
}

/// Reads the queue's depth.
pub(crate) async fn read(store: &Store, now: Micros) -> Result<Depth> {
    let Pool::Sqlite { read, .. } = store.pool() else {
        return Err(StoreError::Unsupported("PostgreSQL is not supported by this version yet".into()).into());
    };
    // River keeps UTC times as text, which sorts as time does.
    let (waiting, running, oldest): (i64, i64, Option<f64>) = sqlx::query_as(
        "SELECT COALESCE(SUM(state = 'available'), 0), COALESCE(SUM(state = 'running'), 0), \
           MIN(unixepoch(scheduled_at, 'subsec')) FILTER (WHERE state = 'available') \
         FROM river_job WHERE kind = $1 AND state IN ('available', 'running') \
           AND (state = 'running' OR unixepoch(scheduled_at, 'subsec') <= $2)",
    )
    .bind(SyncJob::KIND)
    .bind(seconds(now))
    .fetch_one(read)
    .await?;
    let age = oldest.map_or(0.0, |oldest| (seconds(now) - oldest).max(0.0));
    Ok(Depth {
        waiting: u64::try_from(waiting).unwrap_or(0),
        running: u64::try_from(running).unwrap_or(0),
        age: Duration::from_secs_f64(age),
    })
}

#[allow(clippy::cast_precision_loss)] // Microseconds since 1970 fit a double until the year 2255.
fn seconds(time: Micros) -> f64 {
    time.0 as f64 / 1e6
}
