//! Whether the work on this database goes on without a break.
//!
//! Every worker says so every few seconds, by the database's own clock. Where nobody has said so for longer than [`SILENCE`],
//! another **stretch** of work begins with the next word: everything may have stood still, or the database may be a backup that
//! is behind what was written since it was made. So a sync whose last slice belongs to an earlier stretch looks up again what
//! it was about to create ([`Store::begin_slice`]). How late a sync goes on says nothing of that: one that waited long for its
//! turn is late as well.

use std::time::Duration;

use crate::dialect::{on_tx, on_write};
use crate::{Result, Store, Tx};

/// Nobody said anything for so long: another stretch of work begins. Well above the time between two words of a worker.
pub const SILENCE: Duration = Duration::from_secs(60);

/// The work goes on: what a worker says before its first slice, and then every few seconds.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn beat(store: &Store) -> Result<()> {
    on_write!(store, pool => sqlx::query(store.sql(
        "UPDATE continuity SET \
           stretch = stretch + CASE WHEN beat_time < MICROS('now') - $1 THEN 1 ELSE 0 END, \
           beat_time = MICROS('now') WHERE one = 1"))
        .bind(micros(SILENCE)).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// The stretch of work that it is now: what the next word makes it, if nobody has said anything for too long. Whoever works
/// on without a break of its own, while the database was put back under it, must not be quicker than that word.
pub(crate) async fn present(tx: &mut Tx) -> Result<i64> {
    let sql = tx.sql(
        "SELECT stretch + CASE WHEN beat_time < MICROS('now') - $1 THEN 1 ELSE 0 END FROM continuity WHERE one = 1",
    );
    Ok(on_tx!(tx, conn => sqlx::query_scalar(sql).bind(micros(SILENCE)).fetch_one(conn).await)?)
}

/// Another stretch of work begins, whenever the last word was.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn begin_stretch(tx: &mut Tx) -> Result<()> {
    on_tx!(tx, conn => sqlx::query("UPDATE continuity SET stretch = stretch + 1 WHERE one = 1")
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Whether it falls to the caller to do what one worker does for all of them, once in `period`. By the database's clock.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn claim_upkeep(store: &Store, period: Duration) -> Result<bool> {
    let claimed = on_write!(store, pool => sqlx::query(store.sql(
        "UPDATE continuity SET upkeep_time = MICROS('now') \
         WHERE one = 1 AND (upkeep_time < MICROS('now') - $1 OR upkeep_time > MICROS('now'))"))
        .bind(micros(period)).execute(pool).await?.rows_affected());
    Ok(claimed > 0)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
