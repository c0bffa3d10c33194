//! Alerts: what is told of a mapping whose health changed, and whether it has been delivered.
//!
//! An alert is written in the transaction of the change it tells of (`health`), if its tenant has a target that is on, and
//! then belongs to whoever holds the target's lease (`alert_targets`).

use serde::Serialize;

use crate::dialect::{on_read, on_tx};
use crate::text::text_enum;
use crate::{AlertId, MappingId, Micros, Result, Store, SyncId, Tenant, Tx};

text_enum! {
    /// How a mapping stands. Of several that are true, the one that is named last counts.
    pub enum Health {
        /// Its last sync did everything.
        Healthy = "HEALTHY",
        /// Its last sync did everything but for devices that are rejected.
        Rejections = "REJECTIONS",
        /// Its last sync did everything but what the brake holds.
        Held = "HELD",
        /// Its last sync failed, it is BROKEN, or an API has been out for long.
        Failing = "FAILING",
    }
}

text_enum! {
    /// What an alert tells of.
    pub enum AlertKind {
        /// The mapping's syncs fail.
        Failing = "FAILING",
        /// Devices are rejected.
        Rejections = "REJECTIONS",
        /// The brake holds changes back.
        Held = "HELD",
        /// All is well again.
        Recovered = "RECOVERED",
        /// Nothing: somebody asked for it, to see that it arrives.
        Test = "TEST",
    }
}

/// What an alert says: the JSON that is sent. No value of a device stands in it.
#[derive(Clone, Debug, Serialize)]
pub struct Body {
    /// Counts the forms that this document has had. Fields are added without a new number.
    pub version: u32,
    /// The alert; the same however often it is sent.
    pub alert_id: AlertId,
    /// What it tells of.
    pub kind: AlertKind,
    /// When that came about.
    pub create_time: String,
    /// Whose mapping it is.
    pub tenant: Tenant,
    /// The mapping. As all that follows, unset in a test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping_id: Option<MappingId>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping_name: Option<String>,
    /// How it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// How it stood before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_health: Option<Health>,
    /// The sync that showed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_id: Option<SyncId>,
    /// The state of that sync.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_state: Option<String>,
    /// What that sync counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// A reason of the contract's list, or empty.
    pub reason: String,
    /// What happened and what to do, in sentences.
    pub message: String,
}

/// Devices that a sync counted.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Counts {
    #[sqlx(rename = "count_read")]
    pub read: i64,
    #[sqlx(rename = "count_created")]
    pub created: i64,
    #[sqlx(rename = "count_adopted")]
    pub adopted: i64,
    #[sqlx(rename = "count_updated")]
    pub updated: i64,
    #[sqlx(rename = "count_unchanged")]
    pub unchanged: i64,
    #[sqlx(rename = "count_skipped")]
    pub skipped: i64,
    #[sqlx(rename = "count_rejected")]
    pub rejected: i64,
    #[sqlx(rename = "count_still_rejected")]
    pub still_rejected: i64,
    #[sqlx(rename = "count_removed")]
    pub removed: i64,
}

/// An alert that waits to be delivered.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    /// Its id.
    pub alert_id: AlertId,
    /// What is sent.
    pub body: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was written.
    pub create_time: Micros,
}

impl Body {
    /// An alert of this kind, under a fresh id, that says nothing yet.
    #[must_use]
    pub fn new(tenant: &Tenant, kind: AlertKind, now: Micros) -> Self {
        Self {
            version: 1,
            alert_id: AlertId::new(now),
            kind,
            create_time: now.to_string(),
            tenant: tenant.clone(),
            mapping_id: None,
            mapping_name: None,
            health: None,
            previous_health: None,
            sync_id: None,
            sync_state: None,
            counts: None,
            reason: String::new(),
            message: String::new(),
        }
    }

    /// The test alert.
    #[must_use]
    pub fn test(tenant: &Tenant, now: Micros) -> Self {
        let message = "This is a test. Alerts of this tenant's mappings arrive here.".to_owned();
        Self { message, ..Self::new(tenant, AlertKind::Test, now) }
    }

    /// The text that is signed and sent.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }
}

/// Writes an alert to be delivered at once, if the tenant has a target that is on.
pub(crate) async fn write(tx: &mut Tx, tenant: &Tenant, body: &Body, now: Micros) -> Result<()> {
    let on: Option<(i64,)> = on_tx!(&mut *tx, conn => sqlx::query_as("SELECT version FROM alert_targets WHERE tenant = $1 AND enabled")
        .bind(tenant).fetch_optional(conn).await)?;
    if on.is_none() {
        return Ok(());
    }
    // Due from the beginning of time: clocks that differ must not put it off.
    on_tx!(&mut *tx, conn => sqlx::query(
        "INSERT INTO alerts (alert_id, tenant, mapping_id, kind, body, next_try_time, create_time) \
         VALUES ($1, $2, $3, $4, $5, 0, $6)")
        .bind(body.alert_id).bind(tenant).bind(body.mapping_id).bind(body.kind).bind(body.to_json()).bind(now)
        .execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Tenants that have an alert whose time has come, those that wait longest first.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn due(store: &Store, now: Micros, limit: u32) -> Result<Vec<Tenant>> {
    let rows: Vec<(Tenant, i64)> = on_read!(store, pool => sqlx::query_as::<_, (Tenant, i64)>(
        "SELECT tenant, MIN(next_try_time) AS since FROM alerts \
         WHERE delivered_time IS NULL AND gave_up_time IS NULL AND next_try_time <= $1 \
         GROUP BY tenant ORDER BY since LIMIT $2")
        .bind(now).bind(i64::from(limit)).fetch_all(pool).await)?;
    Ok(rows.into_iter().map(|(tenant, _)| tenant).collect())
}

/// A tenant's alerts that wait, the oldest first, also those whose time has not come: where one is sent, those before it
/// go first, so that a recovery is never followed by the failure it ended.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn waiting(store: &Store, tenant: &Tenant, limit: u32) -> Result<Vec<Waiting>> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, Waiting>(
        "SELECT alert_id, body, attempts, create_time FROM alerts \
         WHERE tenant = $1 AND delivered_time IS NULL AND gave_up_time IS NULL ORDER BY create_time, alert_id LIMIT $2")
        .bind(tenant).bind(i64::from(limit)).fetch_all(pool).await)?)
}

/// How many of a tenant's alerts wait.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn count_waiting(store: &Store, tenant: &Tenant) -> Result<i64> {
    Ok(on_read!(store, pool => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM alerts WHERE tenant = $1 AND delivered_time IS NULL AND gave_up_time IS NULL")
        .bind(tenant).fetch_one(pool).await)?)
}

/// The same, as the transaction sees it.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn count_waiting_in(tx: &mut Tx, tenant: &Tenant) -> Result<i64> {
    Ok(on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM alerts WHERE tenant = $1 AND delivered_time IS NULL AND gave_up_time IS NULL")
        .bind(tenant).fetch_one(&mut *conn).await)?)
}

/// It arrived.
///
/// # Errors
/// [`crate::StoreError::Unavailable`]: it will be sent again.
pub async fn delivered(tx: &mut Tx, tenant: &Tenant, id: AlertId, now: Micros) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE alerts SET delivered_time = $3, attempts = attempts + 1, last_error = NULL \
         WHERE alert_id = $1 AND tenant = $2 AND delivered_time IS NULL")
        .bind(id).bind(tenant).bind(now).execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}

/// It did not arrive: it is tried again at `next_try_time`, or not any more.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn failed(
    tx: &mut Tx,
    tenant: &Tenant,
    id: AlertId,
    error: &str,
    next_try_time: Option<Micros>,
    now: Micros,
) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE alerts SET attempts = attempts + 1, last_error = $3, next_try_time = COALESCE($4, next_try_time), \
           gave_up_time = CASE WHEN $4 IS NULL THEN $5 ELSE gave_up_time END \
         WHERE alert_id = $1 AND tenant = $2 AND delivered_time IS NULL")
        .bind(id).bind(tenant).bind(error).bind(next_try_time).bind(now).execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}

/// Puts off all of a tenant's waiting alerts: their receiver is out.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn put_off(tx: &mut Tx, tenant: &Tenant, until: Micros) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE alerts SET next_try_time = $2 \
         WHERE tenant = $1 AND delivered_time IS NULL AND gave_up_time IS NULL AND next_try_time < $2")
        .bind(tenant).bind(until).execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}

/// Drops all that wait: nobody wants to hear of them any more.
pub(crate) async fn give_up(tx: &mut Tx, tenant: &Tenant, why: &str, now: Micros) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "UPDATE alerts SET gave_up_time = $2, last_error = $3 \
         WHERE tenant = $1 AND delivered_time IS NULL AND gave_up_time IS NULL")
        .bind(tenant).bind(now).bind(why).execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}
