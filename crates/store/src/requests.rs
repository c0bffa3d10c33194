//! Answers to mutating calls, kept so that the same `request_id` gets the same answer.
//!
//! A call looks its id up, does its work in a transaction, and saves its answer in that same transaction. Two calls with one
//! id at once: the second to save is refused, undoes its work, and looks up again.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::dialect::{on_read, on_tx, on_write};
use crate::{Conflict, Micros, Result, Store, StoreError, Tenant, Tx};

/// How long an answer is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// A call that carries a `request_id`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Whose call it is: ids of different tenants have nothing to do with each other.
    pub tenant: &'a Tenant,
    /// The id the caller chose.
    pub request_id: &'a str,
    /// The RPC.
    pub method: &'a str,
    /// The call's message as it came. Only its hash is kept: it may hold secrets.
    pub body: &'a [u8],
}

/// What is known of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: do it.
    Fresh,
    /// It was done: this was the answer.
    Same(Vec<u8>),
    /// The id was used for another call (`REQUEST_ID_REUSED`).
    Reused,
}

/// What is known of a call.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn lookup(store: &Store, request: Request<'_>, now: Micros) -> Result<Known> {
    let row = on_read!(store, pool => sqlx::query_as::<_, (String, Vec<u8>, Vec<u8>)>(
        "SELECT method, body_hash, response FROM requests WHERE tenant = $1 AND request_id = $2 AND create_time > $3")
        .bind(request.tenant).bind(request.request_id).bind(now.minus(KEPT_FOR)).fetch_optional(pool).await)?;
    Ok(match row {
        None => Known::Fresh,
        Some((method, hash, response)) if method == request.method && hash == body_hash(request) => {
            Known::Same(response)
        }
        Some(_) => Known::Reused,
    })
}

/// Keeps the answer to a call, in the transaction of what it did.
///
/// # Errors
/// [`Conflict::AlreadyExists`] when another call with this id was faster: roll back and [`lookup`] again.
pub async fn save(tx: &mut Tx, request: Request<'_>, response: &[u8], now: Micros) -> Result<()> {
    let saved = on_tx!(tx, conn => sqlx::query(
        "INSERT INTO requests (tenant, request_id, method, body_hash, response, create_time) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (tenant, request_id) DO UPDATE SET method = excluded.method, body_hash = excluded.body_hash, \
           response = excluded.response, create_time = excluded.create_time WHERE requests.create_time <= $7")
        .bind(request.tenant)
        .bind(request.request_id)
        .bind(request.method)
        .bind(body_hash(request))
        .bind(response)
        .bind(now)
        .bind(now.minus(KEPT_FOR))
        .execute(&mut *conn)
        .await?
        .rows_affected());
    match saved {
        0 => Err(StoreError::conflict(Conflict::AlreadyExists, "another call with this request_id was faster")),
        _ => Ok(()),
    }
}

/// Drops answers that are too old to matter. Returns how many.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn prune(store: &Store, now: Micros) -> Result<u64> {
    Ok(on_write!(store, pool => sqlx::query("DELETE FROM requests WHERE create_time <= $1")
        .bind(now.minus(KEPT_FOR)).execute(pool).await?.rows_affected()))
}

fn body_hash(request: Request<'_>) -> Vec<u8> {
    Sha256::digest(request.body).to_vec()
}
