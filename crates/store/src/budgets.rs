//! Budgets (rule 16): never more calls than the limit in any window of its length, however it is laid, over all processes.
//!
//! Calls are granted in lots. A lot's calls may leave at any time until it expires, so it counts in full against every window
//! that meets the time from its grant to its expiry. At a grant, all lots that expired less than a window ago, and the new
//! one, must fit the limit together. That is enough: of the lots that meet a given window, take the one granted last; the
//! others expired after the window began, which is less than a window before that grant, so they were all counted then.
//! The proof asks nothing of the order of the times at which lots were granted, as long as what still counts is not forgotten:
//! lots are kept for longer than they count for whoever was slow to get its turn.
//!
//! Who gets what is free, `shares.rs` says. The time must be one that all processes share: [`Store::time`].

mod shares;

use std::time::Duration;

pub use shares::{Answer, Counted, CountedLot, Wish, answer};

use crate::dialect::{on_tx, on_write};
use crate::{LotId, Micros, Result, Store, Tenant, Tx};

/// At most `calls` in any window of length `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The calls.
    pub calls: u32,
    /// The window's length.
    pub window: Duration,
}

/// How much a time may be late by the turn of whoever brings it; and how far the clocks of two processes may differ that
/// do not take the time from the database.
const TIMES_DIFFER: Duration = Duration::from_secs(60);
/// So many lots that count no more are dropped together.
const DROPPED_AT_ONCE: usize = 20;

/// A wish for calls.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Which calls: the same limits always.
    pub api: &'a str,
    /// For whom.
    pub tenant: &'a Tenant,
    /// The limits of these calls.
    pub limits: &'a [Limit],
    /// How many at most.
    pub want: u32,
    /// How long the lot is to live.
    pub lot_life: Duration,
    /// The lot before, which ends with this: saves a transaction.
    pub ended: Option<Ended>,
}

/// The end of a lot: what is left of it goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub lot_id: LotId,
    /// So many of its calls were not made and will not be.
    pub unused: u32,
    /// When the last of the others left, at the latest.
    pub last_used: Micros,
}

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

/// Asks for calls. What is free for this tenant is granted, if it is at least one.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn reserve(store: &Store, ask: &Ask<'_>, now: Micros) -> Result<Reservation> {
    let mut tx = store.begin_write().await?;
    let blocked_until = lock(&mut tx, ask.api).await?;
    if let Some(ended) = ask.ended {
        on_tx!(&mut tx, conn => sqlx::query(END_LOT)
            .bind(ask.api).bind(ended.lot_id).bind(i64::from(ended.unused)).bind(ended.last_used)
            .execute(&mut *conn).await.map(|_| ()))?;
    }
    if blocked_until > now {
        tx.commit().await?;
        return Ok(Reservation::Empty { retry_at: blocked_until });
    }
    let counted = counted(&mut tx, ask, now).await?;
    let size = match answer(&counted, ask.limits, ask.tenant, ask.want, now) {
        Answer::Grant(size) => size,
        Answer::Refuse { retry_at, wish } => {
            on_tx!(&mut tx, conn => sqlx::query(
                "INSERT INTO budget_wishes (api, tenant, since_time, until_time) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (api, tenant) DO UPDATE SET since_time = excluded.since_time, until_time = excluded.until_time")
                .bind(ask.api).bind(&wish.tenant).bind(wish.since_time).bind(wish.until_time)
                .execute(&mut *conn).await.map(|_| ()))?;
            tx.commit().await?;
            return Ok(Reservation::Empty { retry_at });
        }
    };
    if counted.wishes.iter().any(|wish| wish.tenant == *ask.tenant || wish.until_time <= now) {
        on_tx!(&mut tx, conn => sqlx::query("DELETE FROM budget_wishes WHERE api = $1 AND (tenant = $2 OR until_time <= $3)")
            .bind(ask.api).bind(ask.tenant).bind(now).execute(&mut *conn).await.map(|_| ()))?;
    }
    let lot = Lot { lot_id: LotId::new(now), size, expire_time: now.plus(ask.lot_life) };
    on_tx!(&mut tx, conn => sqlx::query(
        "INSERT INTO budget_lots (api, lot_id, tenant, granted_time, expire_time, size) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(ask.api).bind(lot.lot_id).bind(ask.tenant).bind(now).bind(lot.expire_time).bind(i64::from(size))
        .execute(&mut *conn).await.map(|_| ()))?;
    tx.commit().await?;
    Ok(Reservation::Granted(lot))
}

/// Ends a lot before its time.
///
/// # Errors
/// [`crate::StoreError::Unavailable`]; the lot then runs out by itself.
pub async fn give_back(store: &Store, api: &str, ended: Ended) -> Result<()> {
    on_write!(store, pool => sqlx::query(END_LOT)
        .bind(api).bind(ended.lot_id).bind(i64::from(ended.unused)).bind(ended.last_used)
        .execute(pool).await.map(|_| ()))?;
    Ok(())
}

const END_LOT: &str = "UPDATE budget_lots SET size = CASE WHEN size > $3 THEN size - $3 ELSE 0 END, \
       expire_time = CASE WHEN expire_time > $4 THEN $4 ELSE expire_time END \
     WHERE api = $1 AND lot_id = $2";

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

/// Until when the API is blocked. On PostgreSQL this also takes the lock of its row, so that wishes are granted one by one.
async fn lock(tx: &mut Tx, api: &str) -> Result<Micros> {
    Ok(on_tx!(tx, conn => sqlx::query_scalar::<_, Micros>(
        "INSERT INTO budget_blocks (api, until_time) VALUES ($1, $2) \
         ON CONFLICT (api) DO UPDATE SET until_time = budget_blocks.until_time RETURNING until_time")
        .bind(api).bind(Micros(i64::MIN)).fetch_one(&mut *conn).await)?)
}

/// What counts, put in order: lots that count no more go.
async fn counted(tx: &mut Tx, ask: &Ask<'_>, now: Micros) -> Result<Counted> {
    let mut lots = on_tx!(tx, conn => sqlx::query_as::<_, CountedLot>(
        "SELECT tenant, expire_time, size FROM budget_lots WHERE api = $1 ORDER BY expire_time")
        .bind(ask.api).fetch_all(&mut *conn).await)?;
    let mut wishes = on_tx!(tx, conn => sqlx::query_as::<_, Wish>(
        "SELECT tenant, since_time, until_time FROM budget_wishes WHERE api = $1")
        .bind(ask.api).fetch_all(&mut *conn).await)?;

    let longest = ask.limits.iter().map(|limit| limit.window).max().unwrap_or_default();
    let forgotten = now.minus(longest + longest.min(TIMES_DIFFER));
    if lots.iter().filter(|lot| lot.expire_time <= forgotten).count() >= DROPPED_AT_ONCE {
        on_tx!(tx, conn => sqlx::query("DELETE FROM budget_lots WHERE api = $1 AND expire_time <= $2")
            .bind(ask.api).bind(forgotten).execute(&mut *conn).await.map(|_| ()))?;
    }
    // Nobody has waited since a time to come, unless the clock went back.
    wishes.retain(|wish| wish.since_time <= now.plus(TIMES_DIFFER));
    // What was granted before the clock went back counts as if it had been granted just now, and not for as long as it went
    // back.
    let latest = now.plus(ask.lot_life + TIMES_DIFFER);
    if lots.last().is_some_and(|lot| lot.expire_time > latest) {
        on_tx!(tx, conn => sqlx::query("UPDATE budget_lots SET expire_time = $2 WHERE api = $1 AND expire_time > $2")
            .bind(ask.api).bind(latest).execute(&mut *conn).await.map(|_| ()))?;
        lots.iter_mut().for_each(|lot| lot.expire_time = lot.expire_time.min(latest));
    }
    Ok(Counted { lots, wishes })
}
