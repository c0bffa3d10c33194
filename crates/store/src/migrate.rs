//! Making the schema, and refusing one that does not fit.
//!
//! Two processes must never migrate at once (a fresh SQLite file breaks under it). So migrating takes a
//! [`MigrationLock`], which only one process can hold; the queue's own tables are made under the same one.

use std::fs::File;
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;

use crate::{Pool, Result, Store, StoreError};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// The right to migrate. Given back when dropped, also by the death of the process.
#[derive(Debug)]
pub struct MigrationLock {
    _file: FileLock,
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
    /// [`StoreError::Unavailable`] when the lock file beside the database can't be made.
    pub async fn migration_lock(&self) -> Result<MigrationLock> {
        let Some(path) = self.lock_path("migrate") else {
            return Err(StoreError::Unsupported("PostgreSQL is not supported by this version yet".into()));
        };
        let shown = path.display().to_string();
        tokio::task::spawn_blocking(move || FileLock::acquire(&path))
            .await
            .map_err(std::io::Error::other)
            .and_then(|lock| lock)
            .map(|file| MigrationLock { _file: file })
            .map_err(|error| StoreError::Unavailable { message: format!("{shown}: {error}"), disk_full: false })
    }

    fn lock_path(&self, kind: &str) -> Option<PathBuf> {
        let mut name = self.sqlite_path()?.as_os_str().to_owned();
        name.push(".");
        name.push(kind);
        Some(name.into())
    }

    /// Brings our tables to this program's version. The queue's are not ours: `pandaport_queue::migrate` does both.
    ///
    /// # Errors
    /// [`StoreError::Schema`] when the database is newer than this program or was tampered with.
    pub async fn migrate(&self, _lock: &MigrationLock) -> Result<()> {
        match self.pool() {
            Pool::Sqlite { write, .. } => SQLITE.run(write).await.map_err(migrate_error),
            Pool::Postgres(_) => Err(StoreError::Unsupported("PostgreSQL is not supported by this version yet".into())),
        }
    }

    /// The version of the schema in the database; 0 for an empty one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn schema_version(&self) -> Result<i64> {
        let Pool::Sqlite { read, .. } = self.pool() else {
            return Err(StoreError::Unsupported("PostgreSQL is not supported by this version yet".into()));
        };
        let made: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'")
                .fetch_one(read)
                .await?;
        if made == 0 {
            return Ok(0);
        }
        Ok(sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations WHERE success")
            .fetch_one(read)
            .await?)
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
