//! Making the schema, and refusing one that does not fit.
//!
//! Two processes must never migrate at once (a fresh SQLite file breaks under it). So migrating takes a
//! [`MigrationLock`], which only one process can hold; the queue's own tables are made under the same one.
//!
//! A release **expands** the schema: programs of the release before go on with the result, and both run side by side while
//! one is put in the place of the other. What they no longer need is **contracted** by a later one. Which is which stands in
//! [`READERS`]; the database remembers how far back it can be read, so that an older program knows whether it may still work
//! on a newer schema, and a contraction waits until nobody is at work that it would break.

use std::fs::File;
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::dialect::{on_read, on_write};
use crate::{Micros, Pool, Result, Store, StoreError, postgres, processes};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// From which migration on the oldest programs that can still work are others, by the schema that those were made for. An
/// expansion needs no line. A contraction gets `(its version, the version of the schema that first did without)`.
const READERS: [(i64, i64); 1] = [(1, 1)];

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

    /// Brings our tables to this program's version. The queue's are not ours: `pandaport_queue::migrate` does both. A newer
    /// schema that this program can work on is left as it is.
    ///
    /// # Errors
    /// [`StoreError::Schema`] when a process is at work at `now` that could not go on with the result; when the database is
    /// too new for this program; when it was tampered with. [`StoreError::is_lock_timeout`] where others were at a table for
    /// too long: what was not done then is undone, and the same may be tried again.
    pub async fn migrate(&self, lock: &MigrationLock, now: Micros) -> Result<()> {
        let there = self.schema_version().await?;
        if there > Self::wanted_schema_version() {
            return self.check_schema().await.map(|_| ());
        }
        let oldest = oldest_reader(&READERS, Self::wanted_schema_version());
        if there > 0 && oldest > oldest_reader(&READERS, there) {
            self.contract_to(lock, oldest, now).await?;
        }
        match self.pool() {
            Pool::Sqlite { write, .. } => SQLITE.run(write).await.map_err(migrate_error)?,
            Pool::Postgres(pool) => {
                let pool = postgres::migrating(pool);
                let done = POSTGRES.run(&pool).await.map_err(migrate_error);
                pool.close().await;
                done?;
            }
        }
        self.set_oldest_reader(oldest).await
    }

    /// Before a contraction: no program that was made for a schema before `oldest` may begin to work here from now on.
    ///
    /// # Errors
    /// [`StoreError::Schema`] where a process of such a program is at work at `now`.
    pub async fn contract_to(&self, _lock: &MigrationLock, oldest: i64, now: Micros) -> Result<()> {
        // A schema of before there was a list of processes: whoever is at work on it may be known as a worker alone.
        if !self.has_table("processes").await? {
            return Ok(());
        }
        match processes::at_work(self, now).await?.first() {
            Some(process) if process.schema_version < oldest => Err(StoreError::Schema(format!(
                "{process} is at work and could not go on after this migration: stop it, or put a newer version in its \
                 place (schema version {oldest} or later), then run `pandaport migrate` again. One that was killed counts \
                 as at work for {} s",
                processes::SILENCE.as_secs()
            ))),
            // First of all: a program that starts meanwhile must not find a schema that it could read a moment ago.
            _ => self.set_oldest_reader(oldest).await,
        }
    }

    /// Whether programs of this version may go on here: a contraction may have come while this one was cut off from the
    /// database, and was taken for ended. An error of the database says nothing.
    pub async fn is_readable(&self) -> bool {
        let oldest = on_read!(self, pool => {
            sqlx::query_scalar::<_, i64>("SELECT oldest FROM schema_readers WHERE one = 1").fetch_optional(pool).await
        });
        oldest.ok().flatten().is_none_or(|oldest| oldest <= Self::wanted_schema_version())
    }

    /// Notes how far back this schema can be read.
    async fn set_oldest_reader(&self, oldest: i64) -> Result<()> {
        on_write!(self, pool => sqlx::query(
            "INSERT INTO schema_readers (one, oldest) VALUES (1, $1) \
             ON CONFLICT (one) DO UPDATE SET oldest = excluded.oldest WHERE schema_readers.oldest < excluded.oldest")
            .bind(oldest).execute(pool).await.map(|_| ()))?;
        Ok(())
    }

    /// The oldest programs that can work on this schema, by the schema that they were made for.
    async fn oldest_reader(&self, there: i64) -> Result<i64> {
        // A schema of before there was a note of it: only its own programs.
        if !self.has_table("schema_readers").await? {
            return Ok(there);
        }
        let oldest: Option<i64> = on_read!(self, pool => {
            sqlx::query_scalar("SELECT oldest FROM schema_readers WHERE one = 1").fetch_optional(pool).await
        })?;
        Ok(oldest.unwrap_or(there))
    }

    async fn has_table(&self, name: &'static str) -> Result<bool> {
        let sql = match self.pool() {
            Pool::Sqlite { .. } => "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1)",
            Pool::Postgres(_) => "SELECT to_regclass($1) IS NOT NULL",
        };
        Ok(on_read!(self, pool => sqlx::query_scalar(sql).bind(name).fetch_one(pool).await)?)
    }

    /// The version of the schema in the database; 0 for an empty one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn schema_version(&self) -> Result<i64> {
        let is_made = self.has_table("_sqlx_migrations").await?;
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

    /// Refuses a database that this program can't work on: one that is older than it, or newer in a way that it knows nothing
    /// of. The version that is there.
    ///
    /// # Errors
    /// [`StoreError::Schema`], with what to run.
    pub async fn check_schema(&self) -> Result<i64> {
        let (there, wanted) = (self.schema_version().await?, Self::wanted_schema_version());
        if there < wanted {
            return Err(StoreError::Schema(format!(
                "the database is at schema version {there}, this program needs {wanted}: run `pandaport migrate`"
            )));
        }
        if there > wanted && self.oldest_reader(there).await? > wanted {
            return Err(newer(there, wanted));
        }
        Ok(there)
    }
}

/// The oldest programs that can work on schema `version`.
fn oldest_reader(readers: &[(i64, i64)], version: i64) -> i64 {
    readers.iter().filter(|(from, _)| *from <= version).map(|(_, oldest)| *oldest).max().unwrap_or(version)
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
        "the database is at schema version {there}, this program knows only {wanted} and can't work on it: \
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expansion_leaves_the_oldest_reader_as_it_is_and_a_contraction_moves_it() {
        let readers = [(1, 1), (9, 7), (12, 11)];
        assert_eq!(oldest_reader(&readers, 8), 1);
        assert_eq!(oldest_reader(&readers, 9), 7);
        assert_eq!(oldest_reader(&readers, 11), 7);
        assert_eq!(oldest_reader(&readers, 12), 11);
    }
}
