//! The whole schema: the store's tables and River's, on one file.

use pandaport_store::{Pool, Store, StoreError};
use riverqueue::migrate::{MIGRATION_VERSION_LATEST, SqliteMigrator};

use crate::{QueueError, Result};

/// Brings the store's tables and the queue's to this program's version. Safe to call from several processes at once: one
/// does it, the others wait and find it done.
///
/// # Errors
/// [`StoreError::Schema`] when the database is newer than this program.
pub async fn migrate(store: &Store) -> Result<()> {
    let lock = store.migration_lock().await?;
    // Looked at first, so that a database that is too new is left exactly as it is.
    refuse_newer(store).await?;
    store.migrate(&lock).await?;
    SqliteMigrator::new(sqlite(store)?.clone()).migrate_up().await?;
    Ok(())
}

/// Refuses a database that is not at this program's version.
///
/// # Errors
/// [`StoreError::Schema`], with what to run.
pub async fn check_schema(store: &Store) -> Result<()> {
    store.check_schema().await?;
    refuse_newer(store).await?;
    if !SqliteMigrator::new(sqlite(store)?.clone()).validate(None).await?.is_valid() {
        return Err(StoreError::Schema("the queue's tables are missing or old: run `pandaport migrate`".into()).into());
    }
    Ok(())
}

async fn refuse_newer(store: &Store) -> Result<()> {
    let versions = SqliteMigrator::new(sqlite(store)?.clone()).existing_versions().await?;
    match versions.last() {
        Some(there) if *there > MIGRATION_VERSION_LATEST => Err(StoreError::Schema(format!(
            "the queue's tables are at version {there}, this program knows only {MIGRATION_VERSION_LATEST}: \
             run the newer program that migrated them"
        ))
        .into()),
        _ => Ok(()),
    }
}

/// The store's one writer: River writes through it too, so that it waits its turn instead of polling for the lock.
pub(crate) fn sqlite(store: &Store) -> Result<&sqlx::SqlitePool> {
    match store.pool() {
        Pool::Sqlite { write, .. } => Ok(write),
        Pool::Postgres(_) => {
            Err(QueueError::Store(StoreError::Unsupported("PostgreSQL is not supported by this version yet".into())))
        }
    }
}
