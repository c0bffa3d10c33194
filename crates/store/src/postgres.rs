//! Connections to a PostgreSQL server.
//!
//! Nothing is set on a connection that outlives a transaction, but for [`PLANS`], which harms nobody who gets the connection
//! next; and no startup parameter is sent that a connection pooler refuses. So a process works behind PgBouncer in transaction
//! mode, from 1.21 on with `max_prepared_statements`. Only migrating needs a connection that is its own: see
//! [`crate::MigrationLock`].

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, SqlSafeStr as _, SqlStr};

use crate::pool::quiet;
use crate::{Result, StoreError};

/// The oldest version that this program is tested on, as the server counts them.
const OLDEST_SERVER: u32 = 140_000;
/// How long a caller waits for a connection. When all of a server is out of reach, this is how long it takes to say so.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a caller that was asked something waits for an answer before it counts the server as away. A connection that
/// went dead says nothing, and the network takes a quarter of an hour to find it out, if it does at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may take to say that it still works.
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the first connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that nobody needed for so long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A connection is replaced after this time, so that the server's memory for it does not grow, and a moved server is found.
const MAX_LIFETIME: Duration = Duration::from_secs(1800);
/// A connection that was idle for longer is asked whether it still works before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How a process uses a PostgreSQL server. Nothing of it is about a SQLite file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerUse {
    /// Connections, at most. They are opened when they are needed: a worker's slots, its clock and the queue each use one now
    /// and then, and so does each call that is being served.
    pub connections: u32,
    /// How long a statement of a transaction may take.
    pub statement_timeout: Duration,
    /// How long a transaction waits for rows that another one is at.
    pub lock_timeout: Duration,
}

impl Default for ServerUse {
    fn default() -> Self {
        Self {
            connections: 16,
            // A statement of ours takes seconds, over the links of the largest mapping too: whatever takes minutes hangs.
            statement_timeout: Duration::from_secs(300),
            // As long as another process is waited for on SQLite (`busy_timeout`).
            lock_timeout: Duration::from_secs(10),
        }
    }
}

impl ServerUse {
    /// Begins a transaction, in one round trip. What it sets ends with the transaction:
    ///
    /// - The limits of this process.
    /// - A process that was frozen, or cut off, in the middle of a transaction does not hold its locks for long.
    /// - Plans are made as [`PLANS`] says, also on a connection of a pooler's, of which nobody knows what was set on it.
    pub(crate) fn begin(&self) -> SqlStr {
        // Safe: numbers of this process's settings.
        AssertSqlSafe(format!(
            "BEGIN; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = '30s'; SET LOCAL plan_cache_mode = force_custom_plan",
            self.statement_timeout.as_millis(),
            self.lock_timeout.as_millis(),
        ))
        .into_sql_str()
    }
}

/// Each statement is planned for the tables as they are now. A connection would else keep the plans that it made when they were
/// empty: to find a page of devices by a walk over all records of its sync. An import fills its tables faster than the server
/// looks at them again.
const PLANS: &str = "SET plan_cache_mode = force_custom_plan";

/// Whether `url` is one of a PostgreSQL database.
pub(crate) fn is_meant(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// Connects to the database at `url`, to see that it is there and can be used.
pub(crate) async fn connect(url: &str, server: &ServerUse) -> Result<PgPool> {
    // What is wrong with a URL may be a part of its password: nothing of it is repeated.
    let options: PgConnectOptions = url.parse().map_err(|_| {
        StoreError::Unsupported(
            "PANDAPORT_DATABASE_URL is no PostgreSQL URL: write postgres://<user>:<password>@<host>/<name>, with special \
             characters of the password percent-encoded"
                .into(),
        )
    })?;
    let name = options.get_application_name().unwrap_or("pandaport").to_owned();
    let options = quiet(options.application_name(&name).extra_float_digits(None));
    // Apart from the pool, which would go on trying until its time is over, and then say nothing of the reason.
    let first = tokio::time::timeout(CONNECT_TIMEOUT, first(&options))
        .await
        .unwrap_or_else(|_| Err(StoreError::silent_for(CONNECT_TIMEOUT)));
    first.map_err(|error| error.at(&place(&options)))?;
    Ok(PgPoolOptions::new()
        .max_connections(server.connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(PLANS).await.map(|_| ()) }))
        .before_acquire(|connection, it| {
            Box::pin(async move { if it.idle_for < TRUSTED_FOR { Ok(true) } else { works(connection).await } })
        })
        // Whoever gave up on a dead connection gives it back like any other: it must not be waited for in the pool either.
        .after_release(|connection, _| Box::pin(works(connection)))
        .connect_lazy_with(options))
}

/// How long a migration waits for a table that others are at. While it does, all of them wait behind it: it has to give way
/// before their own patience ends, and to try again.
const GIVES_WAY_AFTER: &str = "SET lock_timeout = '3s'; SET statement_timeout = 0";

/// Connections to the same server, to migrate by.
pub(crate) fn migrating(pool: &PgPool) -> PgPool {
    PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(GIVES_WAY_AFTER).await.map(|_| ()) }))
        .connect_lazy_with((*pool.connect_options()).clone())
}

/// Whether the connection still works; an error, if it does not: then it is closed without another word to it.
async fn works(connection: &mut PgConnection) -> sqlx::Result<bool> {
    match tokio::time::timeout(PING_TIMEOUT, connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

async fn first(options: &PgConnectOptions) -> Result<()> {
    let connection = PgConnection::connect_with(options).await?;
    let version = connection.server_version_num();
    connection.close().await?;
    match version {
        Some(version) if version < OLDEST_SERVER => Err(StoreError::Unsupported(format!(
            "the server is PostgreSQL {}: 14 or a newer one is needed",
            version / 10_000
        ))),
        _ => Ok(()),
    }
}

/// Where the database is, without user and password.
pub(crate) fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{database} at {}", socket.display()),
        None => format!("{database} at {}:{}", options.get_host(), options.get_port()),
    }
}
