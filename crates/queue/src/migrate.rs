//! The whole schema: the store's tables and River's, in one database.

use std::time::Duration;

use pandaport_store::{Pool, Store, StoreError};
use riverqueue::migrate::{Error, MIGRATION_VERSION_LATEST, PostgresMigrator, SqliteMigrator};

use crate::Result;

/// Brings the store's tables and the queue's to this program's version. Safe to call from several processes at once: one
/// does it, the others wait and find it done.
///
/// # Errors
/// [`StoreError::Schema`] when the database is too new for this program, or a process is at work that could not go on with
/// the result.
pub async fn migrate(store: &Store) -> Result<()> {
    let lock = store.migration_lock().await?;
    // Looked at first, so that a database that is too new is left exactly as it is.
    refuse_newer(store).await?;
    let mut tries = 1;
    loop {
        match store.migrate(&lock, store.time().await?).await {
            Err(error) if error.is_lock_timeout() && tries < TRIES => {
                tracing::warn!(
                    "other processes are at a table that is to be changed: they go first, and it is tried again"
                );
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            done => break done?,
        }
    }
    // River's tables are changed by its own connections, and hardly ever.
    Migrator::of(store).migrate_up().await?;
    Ok(())
}

/// How often a migration is tried that finds others in its way: for about two minutes.
const TRIES: u32 = 30;
/// In between, so that those who waited behind it have their turn.
const PAUSE: Duration = Duration::from_secs(1);

/// Refuses a database that this program can't work on. The version of the schema that is there: a newer one than this
/// program's, if that says that it may.
///
/// # Errors
/// [`StoreError::Schema`], with what to run.
pub async fn check_schema(store: &Store) -> Result<i64> {
    let there = store.check_schema().await?;
    refuse_newer(store).await?;
    if !Migrator::of(store).is_valid().await? {
        return Err(StoreError::Schema("the queue's tables are missing or old: run `pandaport migrate`".into()).into());
    }
    Ok(there)
}

async fn refuse_newer(store: &Store) -> Result<()> {
    let versions = Migrator::of(store).existing_versions().await?;
    match versions.last() {
        Some(there) if *there > MIGRATION_VERSION_LATEST => Err(StoreError::Schema(format!(
            "the queue's tables are at version {there}, this program knows only {MIGRATION_VERSION_LATEST}: \
             run the newer program that migrated them"
        ))
        .into()),
        _ => Ok(()),
    }
}

/// River's migrator of this database.
enum Migrator {
    Sqlite(SqliteMigrator),
    Postgres(PostgresMigrator),
}

impl Migrator {
    fn of(store: &Store) -> Self {
        match store.pool() {
            Pool::Sqlite { write, .. } => Self::Sqlite(SqliteMigrator::new(write.clone())),
            Pool::Postgres(pool) => Self::Postgres(PostgresMigrator::new(pool.clone())),
        }
    }

    async fn migrate_up(&self) -> std::result::Result<(), Error> {
        match self {
            Self::Sqlite(migrator) => migrator.migrate_up().await.map(|_| ()),
            Self::Postgres(migrator) => migrator.migrate_up().await.map(|_| ()),
        }
    }

    async fn existing_versions(&self) -> std::result::Result<Vec<i64>, Error> {
        match self {
            Self::Sqlite(migrator) => migrator.existing_versions().await,
            Self::Postgres(migrator) => migrator.existing_versions().await,
        }
    }

    async fn is_valid(&self) -> std::result::Result<bool, Error> {
        match self {
            Self::Sqlite(migrator) => migrator.validate(None).await.map(|found| found.is_valid()),
            Self::Postgres(migrator) => migrator.validate(None).await.map(|found| found.is_valid()),
        }
    }
}
