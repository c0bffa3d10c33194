//! Which worker processes are alive.

use std::time::Duration;

use crate::dialect::{on_read, on_write};
use crate::{Micros, Result, Store};

/// How long a worker that went silent is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);

/// A worker process.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Worker {
    /// Its id, new with every start.
    pub worker_id: String,
    /// When it started.
    pub start_time: Micros,
    /// When it last said so.
    pub beat_time: Micros,
}

/// This worker is alive at `now`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn beat(store: &Store, worker_id: &str, now: Micros) -> Result<()> {
    on_write!(store, pool => sqlx::query(
        "INSERT INTO workers (worker_id, start_time, beat_time) VALUES ($1, $2, $2) \
         ON CONFLICT (worker_id) DO UPDATE SET beat_time = excluded.beat_time")
        .bind(worker_id).bind(now).execute(pool).await.map(|_| ()))?;
    on_write!(store, pool => sqlx::query("DELETE FROM workers WHERE beat_time < $1")
        .bind(now.minus(REMEMBERED_FOR)).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// This worker stops: it is not counted any more.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn leave(store: &Store, worker_id: &str) -> Result<()> {
    on_write!(store, pool => sqlx::query("DELETE FROM workers WHERE worker_id = $1")
        .bind(worker_id).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// The workers that were alive at `since` or later.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn alive(store: &Store, since: Micros) -> Result<Vec<Worker>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, Worker>(
        "SELECT worker_id, start_time, beat_time FROM workers WHERE beat_time >= $1 ORDER BY start_time, worker_id")
        .bind(since).fetch_all(pool).await)?)
}
