//! Making the schema, and refusing one that does not fit.
//!
//! Two processes must never migrate at once (a fresh SQLite file breaks under it). So migrating takes a
//! [`MigrationLock`], which only one process can hold; the queue's own tables are made under the same one.

use std::fs::File;
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::dialect::on_read;
use crate::{Pool, Result, Store, StoreError};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The advisory lock of those who migrate a PostgreSQL database: "pandapor" as a number.
const ADVISORY_LOCK: i64 = 0x7061_6e64_6170_6f72;

/// The right to migrate. Given back when dropped, also by the death of the process.
///
/// On PostgreSQL it is a lock of a connection of its own, and ends with it. Behind a pooler in transaction mode it would
/// hold nothing: migrate by a URL that leads to the server itself.
#[derive(Debug)]
pub struct MigrationLock {
    _file: Option<FileLock>,
    _session: Option<PgConnection>,
}

/// A lock of the operating system on a file. It is gone when the process is, however it ended.
#[derive(Debug)]
struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock on `path`, waiting for whoever has it. Blocks the thread.
    fn acquire(path: &Path) -> std::io::Result<Self> {
        let file = Self::file(path)?;
        file.lock()?;
        Ok(Self { _file: file })
    }

    fn file(path: &Path) -> std::io::Result<File> {
        File::options().read(true).write(true).create(true).truncate(false).open(path)
    }
}

impl Store {
    /// Waits for the right to migrate this database.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the lock file beside the database can't be made, or the server does not answer.
    pub async fn migration_lock(&self) -> Result<MigrationLock> {
        let path = match self.pool() {
            Pool::Sqlite { .. } => self.lock_path("migrate"),
            Pool::Postgres(pool) => {
                return Ok(MigrationLock { _file: None, _session: Some(lock_session(pool).await?) });
            }
        };
        let shown = path.display().to_string();
        tokio::task::spawn_blocking(move || FileLock::acquire(&path))
            .await
            .map_err(std::io::Error::other)
            .and_then(|lock| lock)
            .map(|file| MigrationLock { _file: Some(file), _session: None })
            .map_err(|error| StoreError::Unavailable { message: format!("{shown}: {error}"), disk_full: false })
    }

    fn lock_path(&self, kind: &str) -> PathBuf {
        let mut name = self.sqlite_path().map(|path| path.as_os_str().to_owned()).unwrap_or_default();
        name.push(".");
        name.push(kind);
        name.into()
    }

    /// Brings our tables to this program's version. The queue's are not ours: `pandaport_queue::migrate` does both.
    ///
    /// # Errors
    /// [`StoreError::Schema`] when the database is newer than this program or was tampered with.
    pub async fn migrate(&self, _lock: &MigrationLock) -> Result<()> {
        match self.pool() {
            Pool::Sqlite { write, .. } => SQLITE.run(write).await.map_err(migrate_error),
            Pool::Postgres(pool) => POSTGRES.run(pool).await.map_err(migrate_error),
        }
    }

    /// The version of the schema in the database; 0 for an empty one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn schema_version(&self) -> Result<i64> {
        let is_made = match self.pool() {
            Pool::Sqlite { .. } => {
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations')"
            }
            Pool::Postgres(_) => "SELECT to_regclass('_sqlx_migrations') IS NOT NULL",
        };
        let is_made: bool = on_read!(self, pool => sqlx::query_scalar(is_made).fetch_one(pool).await)?;
        if !is_made {
            return Ok(0);
        }
        Ok(on_read!(self, pool => {
            sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations WHERE success")
                .fetch_one(pool)
                .await
        })?)
    }

    /// The version of the schema this program is made for.
    #[must_use]
    pub fn wanted_schema_version() -> i64 {
        SQLITE.iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    /// Refuses a database that is not at this program's version.
    ///
    /// # Errors
    /// [`StoreError::Schema`], with what to run.
    pub async fn check_schema(&self) -> Result<()> {
        let (there, wanted) = (self.schema_version().await?, Self::wanted_schema_version());
        if there < wanted {
            return Err(StoreError::Schema(format!(
                "the database is at schema version {there}, this program needs {wanted}: run `pandaport migrate`"
            )));
        }
        if there > wanted {
            return Err(newer(there, wanted));
        }
        Ok(())
    }
}

/// A connection of its own that holds the lock as long as it is open.
async fn lock_session(pool: &PgPool) -> Result<PgConnection> {
    let mut session = PgConnection::connect_with(&pool.connect_options()).await?;
    // However long the other one takes, and whatever is usual for this user.
    for unlimited in ["SET statement_timeout = 0", "SET lock_timeout = 0", "SET idle_session_timeout = 0"] {
        sqlx::query(unlimited).execute(&mut session).await?;
    }
    sqlx::query("SELECT pg_advisory_lock($1)").bind(ADVISORY_LOCK).execute(&mut session).await?;
    Ok(session)
}

fn newer(there: i64, wanted: i64) -> StoreError {
    StoreError::Schema(format!(
        "the database is at schema version {there}, this program knows only {wanted}: \
         run the newer program that migrated it, or restore a backup from before"
    ))
}

fn migrate_error(error: sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        MigrateError::VersionMissing(there) => newer(there, Store::wanted_schema_version()),
        other => StoreError::Schema(format!("the database could not be migrated: {other}")),
    }
}
