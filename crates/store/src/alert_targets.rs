//! Where a tenant's alerts go: one target for each tenant, with the secret that signs them.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::alerts;
use crate::dialect::{on_read, on_tx, on_write};
use crate::secrets::{Field, Keyring, NO_CONNECTION, hint};
use crate::{Conflict, Micros, Result, Store, StoreError, Tenant, Tx};

/// From which length on the end of the secret may be shown.
const SHOWN_FROM: usize = 16;

/// A target as it is stored, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Target {
    /// Whose it is.
    pub tenant: Tenant,
    /// Where alerts are sent.
    pub url: String,
    /// The last four characters of the secret.
    pub secret_hint: String,
    /// Whether alerts are written and sent.
    pub enabled: bool,
    /// When an alert or a test last arrived.
    pub last_delivered_time: Option<Micros>,
    /// Why the last try failed; unset: it did not.
    pub last_error: Option<String>,
    /// When it failed.
    pub last_error_time: Option<Micros>,
    /// When it was first configured.
    pub create_time: Micros,
    /// When it was last configured.
    pub update_time: Micros,
    /// Counts its configurations: the etag.
    pub version: i64,
}

/// What [`configure`] sets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where alerts are sent.
    pub url: String,
    /// The key of the signature; unset: the stored one is kept.
    pub secret: Option<SecretString>,
    /// Whether alerts are written and sent. Turned off, those that wait are dropped.
    pub enabled: bool,
    /// The version that the caller has seen; `None`: there is no target yet.
    pub version: Option<i64>,
}

/// Leave to deliver a tenant's alerts, for a time.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Whose alerts.
    pub tenant: Tenant,
    /// Where they go.
    pub url: String,
    /// What signs them.
    pub secret: SecretString,
    /// Until when nobody else delivers them.
    pub until: Micros,
}

macro_rules! columns {
    () => {
        "tenant, url, secret_hint, enabled, last_delivered_time, last_error, last_error_time, create_time, update_time, version"
    };
}

/// The tenant's target, if one was configured.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn get(store: &Store, tenant: &Tenant) -> Result<Option<Target>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, Target>(concat!(
        "SELECT ", columns!(), " FROM alert_targets WHERE tenant = $1"))
        .bind(tenant).fetch_optional(pool).await)?)
}

/// The secret that signs the tenant's alerts.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Key`] without the key it was sealed with.
pub async fn open_secret(store: &Store, tenant: &Tenant) -> Result<SecretString> {
    let keyring = store.keyring()?;
    let sealed =
        on_read!(store, pool => sqlx::query_scalar::<_, Vec<u8>>("SELECT secret FROM alert_targets WHERE tenant = $1")
        .bind(tenant).fetch_optional(pool).await)?
        .ok_or_else(|| StoreError::not_found("alerts of", tenant))?;
    keyring.open(tenant, NO_CONNECTION, Field::AlertSecret, &sealed)
}

/// Saves the tenant's target.
///
/// # Errors
/// [`Conflict::VersionMoved`] when another caller configured it since it was read.
pub async fn configure(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &Tenant,
    settings: &Settings,
    now: Micros,
) -> Result<Target> {
    let seal = |secret: &SecretString| keyring.seal(tenant, NO_CONNECTION, Field::AlertSecret, secret.expose_secret());
    let sealed = settings.secret.as_ref().map(seal);
    let shown = settings.secret.as_ref().map(|secret| hint(secret, SHOWN_FROM));
    let saved = match (settings.version, sealed) {
        (None, None) => return Err(StoreError::not_found("alerts of", tenant)),
        (None, Some(sealed)) => on_tx!(&mut *tx, conn => sqlx::query_as::<_, Target>(concat!(
            "INSERT INTO alert_targets (tenant, url, secret, secret_hint, enabled, create_time, update_time) \
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (tenant) DO NOTHING RETURNING ", columns!()))
            .bind(tenant).bind(&settings.url).bind(sealed).bind(shown).bind(settings.enabled).bind(now)
            .fetch_optional(conn).await)?,
        // What was last tried may have been another receiver: what is known of it is forgotten with a new URL or secret.
        (Some(version), sealed) => on_tx!(&mut *tx, conn => sqlx::query_as::<_, Target>(concat!(
            "UPDATE alert_targets SET \
               last_error = CASE WHEN url = $3 AND $4 IS NULL THEN last_error END, \
               last_error_time = CASE WHEN url = $3 AND $4 IS NULL THEN last_error_time END, \
               last_delivered_time = CASE WHEN url = $3 AND $4 IS NULL THEN last_delivered_time END, \
               url = $3, secret = COALESCE($4, secret), secret_hint = COALESCE($5, secret_hint), enabled = $6, \
               update_time = $7, version = version + 1 \
             WHERE tenant = $1 AND version = $2 RETURNING ", columns!()))
            .bind(tenant).bind(version).bind(&settings.url).bind(sealed).bind(shown).bind(settings.enabled).bind(now)
            .fetch_optional(conn).await)?,
    };
    let target = saved.ok_or_else(|| {
        StoreError::conflict(Conflict::VersionMoved, "the alerts were configured by another caller: read them again")
    })?;
    if !target.enabled {
        alerts::give_up(tx, tenant, "alerts were turned off", now).await?;
    }
    Ok(target)
}

/// How far the clocks of two processes may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// Takes the right to deliver a tenant's alerts for so long; `None`: another process has it, or alerts are off.
///
/// # Errors
/// [`StoreError::Unavailable`]; [`StoreError::Key`] without the key that the secret was sealed with.
pub async fn take_lease(store: &Store, tenant: &Tenant, length: Duration, now: Micros) -> Result<Option<Lease>> {
    let until = now.plus(length);
    let keyring = store.keyring()?;
    let mut tx = store.begin_write().await?;
    // A lease that would last longer than any, though clocks differ a little, is one of a clock that was ahead.
    let taken = on_tx!(&mut tx, conn => sqlx::query_as::<_, (String, Vec<u8>)>(
        "UPDATE alert_targets SET lease_until = $3 \
         WHERE tenant = $1 AND enabled AND (lease_until <= $2 OR lease_until > $4) RETURNING url, secret")
        .bind(tenant).bind(now).bind(until).bind(until.plus(CLOCKS_DIFFER)).fetch_optional(conn).await)?;
    if taken.is_none() {
        // One that was written just as alerts were turned off would wait for ever.
        let off = on_tx!(&mut tx, conn => sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM alert_targets WHERE tenant = $1 AND enabled")
            .bind(tenant).fetch_one(conn).await)?
            == 0;
        if off {
            alerts::give_up(&mut tx, tenant, "alerts were turned off", now).await?;
        }
    }
    tx.commit().await?;
    let Some((url, sealed)) = taken else { return Ok(None) };
    let secret = keyring.open(tenant, NO_CONNECTION, Field::AlertSecret, &sealed)?;
    Ok(Some(Lease { tenant: tenant.clone(), url, secret, until }))
}

/// Gives a lease back.
///
/// # Errors
/// [`StoreError::Unavailable`]; it runs out by itself.
pub async fn release(store: &Store, lease: &Lease) -> Result<()> {
    on_write!(store, pool => sqlx::query("UPDATE alert_targets SET lease_until = 0 WHERE tenant = $1 AND lease_until = $2")
        .bind(&lease.tenant).bind(lease.until).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// What came of the last try, at an alert or a test; `error` unset: it arrived.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn tried(tx: &mut Tx, tenant: &Tenant, error: Option<&str>, now: Micros) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE alert_targets SET last_error = $2, last_error_time = CASE WHEN $2 IS NULL THEN NULL ELSE $3 END, \
           last_delivered_time = CASE WHEN $2 IS NULL THEN $3 ELSE last_delivered_time END WHERE tenant = $1")
        .bind(tenant).bind(error).bind(now).execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}
