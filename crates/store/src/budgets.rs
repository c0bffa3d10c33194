//! Budgets (rule 16): never more calls than the limit in any window of its length, however it is laid, over all processes.
//!
//! Calls are granted in lots. A lot's calls may leave at any time until it expires, so it counts in full against every window
//! that meets the time from its grant to its expiry. At a grant, all lots that expired less than a window ago, and the new
//! one, must fit the limit together. That is enough: of the lots that meet a given window, take the one granted last; the
//! others expired after the window began, which is less than a window before that grant, so they were all counted then.

use std::time::Duration;

use crate::dialect::{on_tx, on_write};
use crate::{LotId, Micros, Result, Store, Tx};

/// At most `calls` in any window of length `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The calls.
    pub calls: u32,
    /// The window's length.
    pub window: Duration,
}

/// How far the clocks of two processes may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// The answer to a wish for calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// So many calls may be made until the lot expires.
    Granted(Lot),
    /// None now; a wish at this time may be granted.
    Empty {
        /// The earliest time at which a call fits, as things are.
        retry_at: Micros,
    },
}

/// Calls that were granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Its id.
    pub lot_id: LotId,
    /// How many calls: at least one.
    pub size: u32,
    /// No call may leave at this time or later.
    pub expire_time: Micros,
}

/// Asks for up to `want` calls to `api`, to be made within `lot_ttl`. What is free is granted, if it is at least one.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn reserve(
    store: &Store,
    api: &str,
    limits: &[Limit],
    want: u32,
    now: Micros,
    lot_ttl: Duration,
) -> Result<Reservation> {
    let mut tx = store.begin_write().await?;
    let blocked_until = lock(&mut tx, api).await?;
    if blocked_until > now {
        return Ok(Reservation::Empty { retry_at: blocked_until });
    }
    let longest = limits.iter().map(|limit| limit.window).max().unwrap_or_default();
    on_tx!(&mut tx, conn => sqlx::query("DELETE FROM budget_lots WHERE api = $1 AND expire_time <= $2")
        .bind(api).bind(now.minus(longest)).execute(&mut *conn).await.map(|_| ()))?;
    // What was granted before the clock went back counts as if it had been granted just now, and not for as long as it went
    // back.
    on_tx!(&mut tx, conn => sqlx::query("UPDATE budget_lots SET expire_time = $2 WHERE api = $1 AND expire_time > $2")
        .bind(api).bind(now.plus(lot_ttl + CLOCKS_DIFFER)).execute(&mut *conn).await.map(|_| ()))?;
    let lots = on_tx!(&mut tx, conn => sqlx::query_as::<_, Counted>(
        "SELECT expire_time, size FROM budget_lots WHERE api = $1 ORDER BY expire_time")
        .bind(api).fetch_all(&mut *conn).await)?;

    let free = limits.iter().map(|limit| free(&lots, *limit, now)).min().unwrap_or(want);
    let size = free.min(want);
    if size == 0 {
        let retry_at = limits.iter().map(|limit| free_at(&lots, *limit, now)).max().unwrap_or(now);
        tx.commit().await?;
        return Ok(Reservation::Empty { retry_at });
    }
    let lot = Lot { lot_id: LotId::new(now), size, expire_time: now.plus(lot_ttl) };
    on_tx!(&mut tx, conn => sqlx::query(
        "INSERT INTO budget_lots (api, lot_id, granted_time, expire_time, size) VALUES ($1, $2, $3, $4, $5)")
        .bind(api).bind(lot.lot_id).bind(now).bind(lot.expire_time).bind(i64::from(size)).execute(&mut *conn).await.map(|_| ()))?;
    tx.commit().await?;
    Ok(Reservation::Granted(lot))
}

/// Ends a lot before its time: `unused` of its calls were not made and will not be, the others have left by `now`.
///
/// # Errors
/// [`crate::StoreError::Unavailable`]; the lot then runs out by itself.
pub async fn give_back(store: &Store, api: &str, lot_id: LotId, unused: u32, now: Micros) -> Result<()> {
    on_write!(store, pool => sqlx::query(
        "UPDATE budget_lots SET size = CASE WHEN size > $3 THEN size - $3 ELSE 0 END, \
           expire_time = CASE WHEN expire_time > $4 THEN $4 ELSE expire_time END \
         WHERE api = $1 AND lot_id = $2")
        .bind(api).bind(lot_id).bind(i64::from(unused)).bind(now).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// The API itself asked for a pause (429, `Retry-After`): nothing is granted until `until`. The longest pause asked for holds.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn block_until(store: &Store, api: &str, until: Micros) -> Result<()> {
    on_write!(store, pool => sqlx::query(
        "INSERT INTO budget_blocks (api, until_time) VALUES ($1, $2) \
         ON CONFLICT (api) DO UPDATE SET until_time = excluded.until_time WHERE budget_blocks.until_time < excluded.until_time")
        .bind(api).bind(until).execute(pool).await.map(|_| ()))?;
    Ok(())
}

#[derive(Clone, Copy, Debug, sqlx::FromRow)]
struct Counted {
    expire_time: Micros,
    size: i64,
}

/// Until when the API is blocked. On PostgreSQL this also takes the lock of its row, so that wishes are granted one by one.
async fn lock(tx: &mut Tx, api: &str) -> Result<Micros> {
    Ok(on_tx!(tx, conn => sqlx::query_scalar::<_, Micros>(
        "INSERT INTO budget_blocks (api, until_time) VALUES ($1, $2) \
         ON CONFLICT (api) DO UPDATE SET until_time = budget_blocks.until_time RETURNING until_time")
        .bind(api).bind(Micros(i64::MIN)).fetch_one(&mut *conn).await)?)
}

fn free(lots: &[Counted], limit: Limit, now: Micros) -> u32 {
    let begin = now.minus(limit.window);
    let used: i64 = lots.iter().filter(|lot| lot.expire_time > begin).map(|lot| lot.size).sum();
    u32::try_from(i64::from(limit.calls).saturating_sub(used)).unwrap_or(0)
}

/// When one call fits: lots leave the window one by one, each a window after it expired.
fn free_at(lots: &[Counted], limit: Limit, now: Micros) -> Micros {
    let begin = now.minus(limit.window);
    let mut used: i64 = lots.iter().filter(|lot| lot.expire_time > begin).map(|lot| lot.size).sum();
    let mut at = now;
    for lot in lots.iter().filter(|lot| lot.expire_time > begin) {
        if used < i64::from(limit.calls) {
            break;
        }
        used -= lot.size;
        at = lot.expire_time.plus(limit.window);
    }
    at
}
