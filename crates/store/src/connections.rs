//! Connections: one Kandji customer joined to one Asset Panda account and module.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::dialect::{id_list, on_read, on_tx};
use crate::secrets::{Field, Keyring, hint};
use crate::text::text_enum;
use crate::{Conflict, ConnectionId, Micros, Result, Store, StoreError, Tenant, Tx};

/// How far apart two refusals of the credentials must be to make a connection FAILING.
pub const REFUSALS_APART: Duration = Duration::from_secs(60);

/// From which length on the end of a secret may be shown.
const TOKEN_SHOWN_FROM: usize = 16;
const KEY_ID_SHOWN_FROM: usize = 8;

text_enum! {
    /// What is known of a connection's credentials.
    pub enum ConnectionState {
        /// Never tried, or changed since.
        Unverified = "UNVERIFIED",
        /// The last try was accepted.
        Verified = "VERIFIED",
        /// Refused twice, a minute apart.
        Failing = "FAILING",
    }
}

/// A connection as it is stored, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Connection {
    /// Its id.
    pub connection_id: ConnectionId,
    /// Whose it is.
    pub tenant: Tenant,
    /// Its name, for people.
    pub display_name: String,
    /// Kandji's URL as the administrator entered it.
    pub kandji_base_url: String,
    /// The API URL it resolved to.
    pub kandji_api_url: String,
    /// The canonical API host: one Kandji customer, one budget.
    pub kandji_customer: String,
    /// The last four characters of the Kandji token; empty for a short one.
    pub kandji_token_hint: String,
    /// Asset Panda's API URL.
    pub asset_panda_base_url: String,
    /// The last four characters of the Asset Panda access key id; empty for a short one.
    pub asset_panda_key_hint: String,
    /// The Asset Panda account; may be chosen later.
    pub account_id: Option<String>,
    /// The module of the account; may be chosen later.
    pub module_id: Option<String>,
    /// What is known of the credentials.
    pub state: ConnectionState,
    /// Why it is FAILING; else empty.
    pub state_reason: String,
    /// When the credentials were last accepted.
    pub verify_time: Option<Micros>,
    /// The first refusal since they were last accepted.
    pub refused_since: Option<Micros>,
    /// When it was made.
    pub create_time: Micros,
    /// When it was last configured, or its state last changed.
    pub update_time: Micros,
    /// Counts its configurations: the etag.
    pub version: i64,
}

/// The credentials of a connection, opened.
#[derive(Clone)]
pub struct Credentials {
    /// Kandji's API token.
    pub kandji_token: SecretString,
    /// Asset Panda's access key.
    pub asset_panda: AssetPandaKey,
}

/// An access key of Asset Panda.
#[derive(Clone)]
pub struct AssetPandaKey {
    /// Its id.
    pub key_id: SecretString,
    /// Its secret.
    pub key_secret: SecretString,
}

/// Never the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([hidden])")
    }
}

/// Never the secrets.
impl fmt::Debug for AssetPandaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AssetPandaKey([hidden])")
    }
}

/// What [`insert`] needs.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// A fresh id.
    pub connection_id: ConnectionId,
    /// Its name, for people.
    pub display_name: String,
    /// Kandji's URL as the administrator entered it.
    pub kandji_base_url: String,
    /// The API URL it resolved to.
    pub kandji_api_url: String,
    /// The canonical API host.
    pub kandji_customer: String,
    /// Asset Panda's API URL.
    pub asset_panda_base_url: String,
    /// The Asset Panda account, if chosen.
    pub account_id: Option<String>,
    /// The module, if chosen.
    pub module_id: Option<String>,
    /// The credentials of both.
    pub credentials: Credentials,
    /// Whether a test of them passed just now.
    pub verified: bool,
}

/// Which secrets [`update`] replaces; an unset one is kept.
#[derive(Clone, Debug, Default)]
pub struct NewSecrets {
    /// Kandji's API token.
    pub kandji_token: Option<SecretString>,
    /// Asset Panda's access key.
    pub asset_panda: Option<AssetPandaKey>,
}

macro_rules! columns {
    () => {
        "connection_id, tenant, display_name, kandji_base_url, kandji_api_url, kandji_customer, kandji_token_hint, \
         asset_panda_base_url, asset_panda_key_hint, account_id, module_id, state, state_reason, verify_time, \
         refused_since, create_time, update_time, version"
    };
}

/// Saves a new connection.
///
/// # Errors
/// [`Conflict::AlreadyExists`] for an id that is taken.
pub async fn insert(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &Tenant,
    new: &NewConnection,
    now: Micros,
) -> Result<Connection> {
    let (state, verify_time) = match new.verified {
        true => (ConnectionState::Verified, Some(now)),
        false => (ConnectionState::Unverified, None),
    };
    let id = new.connection_id;
    let token = keyring.seal(tenant, id, Field::KandjiToken, new.credentials.kandji_token.expose_secret());
    let key = seal_key(keyring, tenant, id, &new.credentials.asset_panda);
    let row = on_tx!(tx, conn => sqlx::query_as::<_, Connection>(concat!(
        "INSERT INTO connections (connection_id, tenant, display_name, kandji_base_url, kandji_api_url, kandji_customer, \
         kandji_token, kandji_token_hint, asset_panda_base_url, asset_panda_key, asset_panda_key_hint, account_id, module_id, \
         state, verify_time, create_time, update_time) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16) \
         ON CONFLICT (connection_id) DO NOTHING RETURNING ", columns!()))
        .bind(id)
        .bind(tenant)
        .bind(&new.display_name)
        .bind(&new.kandji_base_url)
        .bind(&new.kandji_api_url)
        .bind(&new.kandji_customer)
        .bind(token)
        .bind(hint(&new.credentials.kandji_token, TOKEN_SHOWN_FROM))
        .bind(&new.asset_panda_base_url)
        .bind(key)
        .bind(hint(&new.credentials.asset_panda.key_id, KEY_ID_SHOWN_FROM))
        .bind(&new.account_id)
        .bind(&new.module_id)
        .bind(state)
        .bind(verify_time)
        .bind(now)
        .fetch_optional(&mut *conn)
        .await)?;
    row.ok_or_else(|| StoreError::conflict(Conflict::AlreadyExists, "a connection with this id is there already"))
}

/// Saves a changed connection: all its fields but the times, and the secrets that are given.
///
/// # Errors
/// [`Conflict::VersionMoved`] when it was configured by another caller since it was read;
/// [`Conflict::ConnectionInUse`] when it has mappings and would lead to another Kandji customer, account or module.
pub async fn update(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &Tenant,
    changed: &Connection,
    secrets: &NewSecrets,
    now: Micros,
) -> Result<Connection> {
    let id = changed.connection_id;
    let stored = get_in(tx, tenant, id).await?;
    if stored.version != changed.version {
        return Err(StoreError::conflict(
            Conflict::VersionMoved,
            "the connection was changed since it was read: read it again",
        ));
    }
    if leads_elsewhere(&stored, changed) && has_mappings(tx, tenant, id).await? {
        return Err(StoreError::conflict(
            Conflict::ConnectionInUse,
            "the connection has mappings: its Kandji customer, Asset Panda account and module can't change; make a new connection",
        ));
    }
    let token = secrets.kandji_token.as_ref().map(|t| keyring.seal(tenant, id, Field::KandjiToken, t.expose_secret()));
    let key = secrets.asset_panda.as_ref().map(|key| seal_key(keyring, tenant, id, key));
    Ok(on_tx!(tx, conn => sqlx::query_as::<_, Connection>(concat!(
        "UPDATE connections SET display_name = $3, kandji_base_url = $4, kandji_api_url = $5, kandji_customer = $6, \
         kandji_token = COALESCE($7, kandji_token), kandji_token_hint = COALESCE($8, kandji_token_hint), \
         asset_panda_base_url = $9, asset_panda_key = COALESCE($10, asset_panda_key), \
         asset_panda_key_hint = COALESCE($11, asset_panda_key_hint), account_id = $12, module_id = $13, state = $14, \
         state_reason = $15, verify_time = $16, refused_since = $17, update_time = $18, version = version + 1 \
         WHERE connection_id = $1 AND tenant = $2 RETURNING ", columns!()))
        .bind(id)
        .bind(tenant)
        .bind(&changed.display_name)
        .bind(&changed.kandji_base_url)
        .bind(&changed.kandji_api_url)
        .bind(&changed.kandji_customer)
        .bind(token)
        .bind(secrets.kandji_token.as_ref().map(|token| hint(token, TOKEN_SHOWN_FROM)))
        .bind(&changed.asset_panda_base_url)
        .bind(key)
        .bind(secrets.asset_panda.as_ref().map(|key| hint(&key.key_id, KEY_ID_SHOWN_FROM)))
        .bind(&changed.account_id)
        .bind(&changed.module_id)
        .bind(changed.state)
        .bind(&changed.state_reason)
        .bind(changed.verify_time)
        .bind(changed.refused_since)
        .bind(now)
        .fetch_one(&mut *conn)
        .await)?)
}

/// One connection.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(store: &Store, tenant: &Tenant, id: ConnectionId) -> Result<Connection> {
    on_read!(store, pool => sqlx::query_as::<_, Connection>(concat!(
        "SELECT ", columns!(), " FROM connections WHERE connection_id = $1 AND tenant = $2"))
        .bind(id).bind(tenant).fetch_optional(pool).await)?
    .ok_or_else(|| StoreError::not_found("connection", id))
}

/// One connection, which nobody else changes, and to which nobody else adds a mapping, until the transaction ends.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get_in(tx: &mut Tx, tenant: &Tenant, id: ConnectionId) -> Result<Connection> {
    let sql = tx.sql(concat!(
        "SELECT ",
        columns!(),
        " FROM connections WHERE connection_id = $1 AND tenant = $2 FOR NO KEY UPDATE"
    ));
    on_tx!(tx, conn => sqlx::query_as::<_, Connection>(sql)
        .bind(id).bind(tenant).fetch_optional(&mut *conn).await)?
    .ok_or_else(|| StoreError::not_found("connection", id))
}

/// A tenant's connections in the order of their ids, those behind `after`; in one of `states`, or with none given in any.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn list(
    store: &Store,
    tenant: &Tenant,
    states: &[ConnectionState],
    after: Option<ConnectionId>,
    limit: u32,
) -> Result<Vec<Connection>> {
    let states = if states.is_empty() { ConnectionState::ALL } else { states };
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    let sql = store.sql(concat!(
        "SELECT ",
        columns!(),
        " FROM connections WHERE tenant = $1 AND connection_id > $2 AND state IN IDS($4) ORDER BY connection_id LIMIT $3"
    ));
    Ok(on_read!(store, pool => sqlx::query_as::<_, Connection>(sql)
        .bind(tenant)
        .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
        .bind(i64::from(limit))
        .bind(id_list(&states))
        .fetch_all(pool)
        .await)?)
}

/// How many connections a tenant has.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn count(store: &Store, tenant: &Tenant) -> Result<i64> {
    Ok(on_read!(store, pool => sqlx::query_scalar("SELECT COUNT(*) FROM connections WHERE tenant = $1")
        .bind(tenant).fetch_one(pool).await)?)
}

/// Deletes a connection that has no mappings, and its credentials. It is nobody's from now on; its row goes once the rows of
/// the mappings that it had have gone ([`crate::deleted::prune`]).
///
/// # Errors
/// [`StoreError::NotFound`]; [`Conflict::ConnectionInUse`].
pub async fn delete(tx: &mut Tx, tenant: &Tenant, id: ConnectionId, now: Micros) -> Result<()> {
    get_in(tx, tenant, id).await?;
    if has_mappings(tx, tenant, id).await? {
        return Err(StoreError::conflict(
            Conflict::ConnectionInUse,
            "The connection has mappings: delete them first, or set delete_mappings to have them deleted with it.",
        ));
    }
    on_tx!(tx, conn => sqlx::query(
        "UPDATE connections SET tenant = $3, kandji_token = $4, kandji_token_hint = '', asset_panda_key = $4, \
         asset_panda_key_hint = '', update_time = $5, version = version + 1 WHERE connection_id = $1 AND tenant = $2")
        .bind(id).bind(tenant).bind(Tenant::nobody()).bind(Vec::<u8>::new()).bind(now)
        .execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}

/// The credentials of a connection.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Key`] without the key they were sealed with.
pub async fn open_secrets(store: &Store, tenant: &Tenant, id: ConnectionId) -> Result<Credentials> {
    let keyring = store.keyring()?;
    let (token, key) = on_read!(store, pool => sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(
        "SELECT kandji_token, asset_panda_key FROM connections WHERE connection_id = $1 AND tenant = $2")
        .bind(id).bind(tenant).fetch_optional(pool).await)?
    .ok_or_else(|| StoreError::not_found("connection", id))?;
    let key = keyring.open(tenant, id, Field::AssetPandaKey, &key)?;
    let (key_id, key_secret) = key
        .expose_secret()
        .split_once('\n')
        .ok_or_else(|| StoreError::corrupt("secret", format!("connection {id}: the access key has no secret")))?;
    Ok(Credentials {
        kandji_token: keyring.open(tenant, id, Field::KandjiToken, &token)?,
        asset_panda: AssetPandaKey { key_id: key_id.to_owned().into(), key_secret: key_secret.to_owned().into() },
    })
}

/// Both APIs took the credentials: the connection is VERIFIED, whatever it was.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn verified(tx: &mut Tx, tenant: &Tenant, id: ConnectionId, now: Micros) -> Result<()> {
    let changed = on_tx!(tx, conn => sqlx::query(
        "UPDATE connections SET update_time = CASE state WHEN 'VERIFIED' THEN update_time ELSE $3 END, \
           state = 'VERIFIED', state_reason = '', verify_time = $3, refused_since = NULL \
         WHERE connection_id = $1 AND tenant = $2")
        .bind(id).bind(tenant).bind(now).execute(&mut *conn).await?.rows_affected());
    found(changed, id)
}

/// An API refused the credentials (401 or 403 from `GET /devices` or the columns). The first refusal is noted; one that is
/// at least [`REFUSALS_APART`] later makes the connection FAILING with `reason`. Returns the state it is in now.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn refused(
    tx: &mut Tx,
    tenant: &Tenant,
    id: ConnectionId,
    reason: &str,
    now: Micros,
) -> Result<ConnectionState> {
    let connection = get_in(tx, tenant, id).await?;
    let since = connection.refused_since.unwrap_or(now);
    if now.since(since) >= REFUSALS_APART || connection.state == ConnectionState::Failing {
        failing(tx, tenant, id, reason, now).await?;
        return Ok(ConnectionState::Failing);
    }
    on_tx!(tx, conn => sqlx::query("UPDATE connections SET refused_since = $3 WHERE connection_id = $1 AND tenant = $2")
        .bind(id).bind(tenant).bind(since).execute(&mut *conn).await.map(|_| ()))?;
    Ok(connection.state)
}

/// A test of the connection failed: it is FAILING at once, with `reason`.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn failing(tx: &mut Tx, tenant: &Tenant, id: ConnectionId, reason: &str, now: Micros) -> Result<()> {
    let changed = on_tx!(tx, conn => sqlx::query(
        "UPDATE connections SET update_time = CASE state WHEN 'FAILING' THEN update_time ELSE $4 END, \
           state = 'FAILING', state_reason = $3, refused_since = COALESCE(refused_since, $4) \
         WHERE connection_id = $1 AND tenant = $2")
        .bind(id).bind(tenant).bind(reason).bind(now).execute(&mut *conn).await?.rows_affected());
    found(changed, id)
}

fn found(changed: u64, id: ConnectionId) -> Result<()> {
    if changed == 0 { Err(StoreError::not_found("connection", id)) } else { Ok(()) }
}

fn leads_elsewhere(stored: &Connection, changed: &Connection) -> bool {
    stored.kandji_customer != changed.kandji_customer
        || stored.asset_panda_base_url != changed.asset_panda_base_url
        || stored.account_id != changed.account_id
        || stored.module_id != changed.module_id
}

async fn has_mappings(tx: &mut Tx, tenant: &Tenant, id: ConnectionId) -> Result<bool> {
    let mappings: i64 = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM mappings WHERE tenant = $2 AND connection_id = $1")
        .bind(id).bind(tenant).fetch_one(&mut *conn).await)?;
    Ok(mappings > 0)
}

/// Id and secret in one envelope, a line each: an id never has a line break in it.
fn seal_key(keyring: &Keyring, tenant: &Tenant, id: ConnectionId, key: &AssetPandaKey) -> Vec<u8> {
    let joined = zeroize::Zeroizing::new(format!("{}\n{}", key.key_id.expose_secret(), key.key_secret.expose_secret()));
    keyring.seal(tenant, id, Field::AssetPandaKey, &joined)
}
