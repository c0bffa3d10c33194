//! The database: connections to it, and transactions on it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use log::LevelFilter;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    ConnectOptions, Connection as _, PgPool, Postgres, SqlStr, Sqlite, SqliteConnection, SqlitePool, Transaction,
};

use crate::dialect::Dialect;
use crate::postgres::{self, ServerUse};
use crate::{Keyring, Micros, Result, StoreError};

/// Readers of a SQLite file. Each holds a thread and its page cache.
const SQLITE_READERS: u32 = 4;
/// Page caches, in KiB: the writer's and each reader's. Together 20 MiB at most: a worker's memory has to stay under 100.
const SQLITE_WRITER_CACHE_KIB: u32 = 12 * 1024;
const SQLITE_READER_CACHE_KIB: u32 = 2 * 1024;
/// How long a connection waits while another process holds the write lock.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a caller waits for its turn at a connection. Longer than any transaction of ours takes.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a caller waits for a SQLite file: for its turn, and then for another process.
const SQLITE_PATIENCE: Duration = ACQUIRE_TIMEOUT.saturating_add(SQLITE_BUSY_TIMEOUT);

/// A statement that takes longer is worth a line in the log.
const SLOW: Duration = Duration::from_secs(1);

/// A handle on one database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    /// The keys to the secrets; a program that needs none works without.
    keyring: Option<Arc<Keyring>>,
}

struct Shared {
    pool: Pool,
    /// The SQLite file, as given.
    path: Option<PathBuf>,
    /// How a server is used, if it is one.
    server: ServerUse,
}

/// The connections to the database.
///
/// SQLite allows one writer at a time. All writes of a process, also the queue's, go through the single connection of
/// `write`, whose waiters are served in order; many connections would instead poll for the lock and starve each other.
/// Readers never wait for the writer (WAL).
#[derive(Clone, Debug)]
pub enum Pool {
    /// A SQLite file.
    Sqlite {
        /// Connections that can only read.
        read: SqlitePool,
        /// The one connection that writes.
        write: SqlitePool,
    },
    /// A PostgreSQL database.
    Postgres(PgPool),
}

/// A transaction that may write. Dropped without [`Tx::commit`], it leaves nothing behind.
///
/// On SQLite it holds the process's only writer, on PostgreSQL it may hold rows that others wait for: keep it short, never
/// wait for the network in it, and never begin a second one, or read past it, while holding the first.
pub enum Tx {
    /// On a SQLite file, begun `IMMEDIATE`.
    Sqlite(Transaction<'static, Sqlite>),
    /// On a PostgreSQL database.
    Postgres(Transaction<'static, Postgres>),
}

/// Where it is; never what is in it, nor how to get in.
impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `url` (`sqlite://<file>` or `postgres://<user>:<password>@<host>/<name>`), which must be there.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for a URL or a server that this version has no use for; [`StoreError::Unavailable`] when
    /// there is no database or it can't be opened. Neither repeats a password.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, ServerUse::default()).await
    }

    /// The same, using a server, if it is one, in this way.
    ///
    /// # Errors
    /// As [`Store::connect`].
    pub async fn connect_with(url: &str, server: ServerUse) -> Result<Self> {
        Self::open(url, false, server).await
    }

    /// Opens the database at `url`; a SQLite file that is not there is made, readable only by its owner. A PostgreSQL database
    /// must be there.
    ///
    /// # Errors
    /// As [`Store::connect`].
    pub async fn create(url: &str) -> Result<Self> {
        Self::create_with(url, ServerUse::default()).await
    }

    /// The same, using a server, if it is one, in this way.
    ///
    /// # Errors
    /// As [`Store::connect`].
    pub async fn create_with(url: &str, server: ServerUse) -> Result<Self> {
        Self::open(url, true, server).await
    }

    async fn open(url: &str, create: bool, server: ServerUse) -> Result<Self> {
        if postgres::is_meant(url) {
            let pool = Pool::Postgres(postgres::connect(url, &server).await?);
            return Ok(Self { shared: Arc::new(Shared { pool, path: None, server }), keyring: None });
        }
        if !url.starts_with("sqlite:") {
            // The URL may hold a password: it is not repeated.
            return Err(StoreError::Unsupported(
                "PANDAPORT_DATABASE_URL must begin with sqlite:// or postgres://".into(),
            ));
        }
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|error| StoreError::Unsupported(format!("PANDAPORT_DATABASE_URL is not a SQLite URL: {error}")))?;
        let path = options.get_filename().to_path_buf();
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(StoreError::Unsupported(
                "a database in memory is not shared between connections: set PANDAPORT_DATABASE_URL to sqlite://<file>"
                    .into(),
            ));
        }
        prepare_file(&path, create)?;
        let options = quiet(options)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL, not NORMAL: in WAL mode NORMAL may lose the last commits with the power. A create that was sent
            // and whose mark is lost would be sent again: a duplicate. It costs one fsync a transaction (0.5 ms on a
            // cloud disk).
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(SQLITE_BUSY_TIMEOUT)
            // Mapped pages count as the process's memory; the page cache is bounded instead.
            .pragma("mmap_size", "0")
            .pragma("journal_size_limit", "67108864");
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_release(|connection, _| Box::pin(is_out_of_its_transaction(connection)))
            .connect_with(cache(options.clone(), SQLITE_WRITER_CACHE_KIB).thread_name(|_| "sqlite-write".into()))
            .await
            .map_err(|error| StoreError::from(error).at(&path.display().to_string()))?;
        let read = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(
                cache(options, SQLITE_READER_CACHE_KIB)
                    .pragma("query_only", "ON")
                    .thread_name(|n| format!("sqlite-read-{n}")),
            );
        let pool = Pool::Sqlite { read, write };
        Ok(Self { shared: Arc::new(Shared { pool, path: Some(path), server }), keyring: None })
    }

    /// The connections.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    /// The SQLite file, or `None` on PostgreSQL.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        self.shared.path.as_deref()
    }

    /// Where the database is, for people: the file, or the database's name and its server. Never a password.
    #[must_use]
    pub fn place(&self) -> String {
        match (self.pool(), self.sqlite_path()) {
            (Pool::Postgres(pool), _) => postgres::place(&pool.connect_options()),
            (Pool::Sqlite { .. }, path) => path.map(|path| path.display().to_string()).unwrap_or_default(),
        }
    }

    /// The keys to the secrets.
    ///
    /// # Errors
    /// [`StoreError::Key`] for a store that was never unlocked.
    pub fn keyring(&self) -> Result<&Keyring> {
        self.keyring.as_deref().ok_or_else(crate::secrets::no_key)
    }

    pub(crate) fn with_keyring(self, keyring: Keyring) -> Self {
        Self { keyring: Some(Arc::new(keyring)), ..self }
    }

    /// The present, by the clock that all processes on this database share.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn time(&self) -> Result<Micros> {
        match self.pool() {
            // Whoever opens this file is on this machine.
            Pool::Sqlite { .. } => Ok(Micros::now()),
            Pool::Postgres(pool) => {
                Ok(sqlx::query_scalar("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")
                    .fetch_one(pool)
                    .await?)
            }
        }
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the writer stays busy or the database can't be reached.
    pub async fn begin_write(&self) -> Result<Tx> {
        let pool = self.pool().clone();
        let begin = self.shared.server.begin();
        // On a task of its own: a caller that is dropped while waiting leaves no transaction half begun behind in the pool.
        let begun = tokio::spawn(async move {
            match pool {
                Pool::Sqlite { write, .. } => write.begin_with("BEGIN IMMEDIATE").await.map(Tx::Sqlite),
                Pool::Postgres(pool) => pool.begin_with(begin).await.map(Tx::Postgres),
            }
        });
        match begun.await {
            Ok(tx) => Ok(tx?),
            Err(stopped) => Err(StoreError::Unavailable {
                message: format!("the transaction could not begin: {stopped}"),
                disk_full: false,
            }),
        }
    }

    /// Waits for `work` with this database, which may also wait for others for so long, or tells that the database is away. A
    /// connection that went dead is known by nothing but its silence.
    ///
    /// For what is told of it, or tries again: what a dropped `work` had begun is undone, save what it was just committing.
    ///
    /// # Errors
    /// The work's own, or [`StoreError::Unavailable`].
    pub async fn in_time<T, E: From<StoreError>>(
        &self,
        others: Duration,
        work: impl Future<Output = std::result::Result<T, E>>,
    ) -> std::result::Result<T, E> {
        let limit = others + self.patience();
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::silent_for(limit).into()),
        }
    }

    fn patience(&self) -> Duration {
        match self.pool() {
            Pool::Sqlite { .. } => SQLITE_PATIENCE,
            Pool::Postgres(_) => postgres::PATIENCE,
        }
    }

    /// Asks the database for nothing, to see that it answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        crate::dialect::on_read!(self, pool => sqlx::query("SELECT 1").execute(pool).await.map(|_| ()))?;
        Ok(())
    }

    /// Closes all connections once they are given back. Later calls answer [`StoreError::Unavailable`].
    pub async fn close(&self) {
        match self.pool() {
            Pool::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    /// A text with fragments, as this database takes it; the fragments are listed in `dialect.rs`.
    #[must_use]
    pub fn sql(&self, text: &'static str) -> SqlStr {
        match self.pool() {
            Pool::Sqlite { .. } => Dialect::Sqlite.sql(text),
            Pool::Postgres(_) => Dialect::Postgres.sql(text),
        }
    }
}

impl Tx {
    /// A text with fragments, as this database takes it: see [`Store::sql`].
    #[must_use]
    pub fn sql(&self, text: &'static str) -> SqlStr {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite.sql(text),
            Self::Postgres(_) => Dialect::Postgres.sql(text),
        }
    }

    /// Makes everything done in it last.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database can't keep it; then nothing was kept.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Undoes everything done in it, at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; it is undone all the same.
    pub async fn rollback(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            Self::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }
}

/// Only slow statements are logged. To find out whether the others were to be, sqlx asks the subscriber for each, and then
/// logs nothing: the answer is left behind on the thread, and hides spans and events of ours that come next
/// (`tracing-subscriber`'s filters of single layers work so).
pub(crate) fn quiet<O: ConnectOptions>(options: O) -> O {
    options.log_statements(LevelFilter::Off).log_slow_statements(LevelFilter::Warn, SLOW)
}

/// Whether the writer may be used again. A full disk makes SQLite undo a transaction by itself; the rollback that is due
/// then finds none, and the connection counts as inside one for ever after. Such a one is closed, and another opened.
async fn is_out_of_its_transaction(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    // A rollback may still be on its way to the connection's thread; this comes after it.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

fn cache(options: SqliteConnectOptions, kib: u32) -> SqliteConnectOptions {
    // Negative: a size in KiB, not in pages.
    options.pragma("cache_size", format!("-{kib}"))
}

fn prepare_file(path: &Path, create: bool) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    if !create {
        return Err(StoreError::Unavailable {
            message: format!(
                "there is no file {}: check PANDAPORT_DATABASE_URL, or run `pandaport migrate` to make it",
                path.display()
            ),
            disk_full: false,
        });
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map(|_| ())
        .map_err(|error| StoreError::from(sqlx::Error::Io(error)).at(&path.display().to_string()))
}
