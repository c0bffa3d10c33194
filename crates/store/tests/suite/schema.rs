//! Opening and migrating.

use pandaport_store::{Keyring, Store, StoreError};
use pandaport_test_database::TestDatabase;

use crate::site;

#[tokio::test]
async fn a_schema_that_does_not_fit_is_refused_with_what_to_run() {
    let site = site().await;
    site.store.check_schema().await.unwrap();
    assert_eq!(site.store.schema_version().await.unwrap(), Store::wanted_schema_version());

    site.sql("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'x', TRUE, x'00', 0)")
        .await;
    let refused = site.store.check_schema().await.unwrap_err().to_string();
    assert!(refused.contains("999") && refused.contains("newer program"), "{refused}");
    let lock = site.store.migration_lock().await.unwrap();
    assert!(matches!(site.store.migrate(&lock).await, Err(StoreError::Schema(_))));

    site.sql("DELETE FROM _sqlx_migrations").await;
    let refused = site.store.check_schema().await.unwrap_err().to_string();
    assert!(refused.contains("pandaport migrate"), "{refused}");
}

#[tokio::test]
async fn a_fresh_file_is_made_for_its_owner_only_and_only_when_asked() {
    let database = TestDatabase::in_file();
    let missing = Store::connect(database.url()).await.unwrap_err();
    assert!(missing.is_unavailable() && missing.to_string().contains("pandaport migrate"), "{missing}");

    let store = database.open().await;
    assert_eq!(store.schema_version().await.unwrap(), 0);
    store.ping().await.unwrap();
    #[cfg(unix)]
    {
        let file = std::fs::metadata(store.sqlite_path().unwrap()).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777, 0o600);
    }
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused_without_repeating_its_password() {
    for url in ["postgres://user:hunter2@db:port/pandaport", "mysql://user:hunter2@db/pandaport", "sqlite::memory:"] {
        let refused = Store::create(url).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unsupported(_)), "{refused}");
        assert!(refused.to_string().contains("PANDAPORT_DATABASE_URL"), "{refused}");
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
    let database = TestDatabase::in_file();
    let file = database.folder().unwrap().join("test.db");
    std::fs::write(file, "this is a text and no database, however long it goes on").unwrap();
    assert!(matches!(Store::connect(database.url()).await, Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn a_store_with_secrets_opens_only_with_their_key() {
    let site = site().await;
    site.connection().await;
    let refused = site.store.clone().unlock(Keyring::new(&[Keyring::generate()]).unwrap()).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Key(message) if message.contains("PANDAPORT_ENCRYPTION_KEY")), "{refused}");
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing_behind_and_the_writer_free() {
    let site = site().await;
    let mut tx = site.store.begin_write().await.unwrap();
    let keyring = site.store.keyring().unwrap();
    let new = crate::new_connection(crate::START);
    pandaport_store::connections::insert(&mut tx, keyring, &site.tenant, &new, crate::START).await.unwrap();
    drop(tx);
    site.store.begin_write().await.unwrap().rollback().await.unwrap();
    let listed = pandaport_store::connections::list(&site.store, &site.tenant, None, 10).await.unwrap();
    assert!(listed.is_empty());
}

#[tokio::test]
async fn a_transaction_that_sqlite_undid_by_itself_is_not_the_last_one() {
    let database = TestDatabase::in_file();
    let store = database.open().await;
    let pandaport_store::Pool::Sqlite { write, .. } = store.pool() else { panic!("a file is SQLite") };
    // As a full disk does it: the commit fails, and nothing is left to roll back.
    let mut writer = write.acquire().await.unwrap();
    writer.lock_handle().await.unwrap().set_commit_hook(|| false);
    drop(writer);
    let pandaport_store::Tx::Sqlite(mut tx) = store.begin_write().await.unwrap() else { panic!("a file is SQLite") };
    sqlx::query("CREATE TABLE never (id BIGINT)").execute(&mut *tx).await.unwrap();
    pandaport_store::Tx::Sqlite(tx).commit().await.unwrap_err();

    let pandaport_store::Tx::Sqlite(mut tx) = store.begin_write().await.unwrap() else { panic!("a file is SQLite") };
    sqlx::query("CREATE TABLE kept (id BIGINT)").execute(&mut *tx).await.unwrap();
    pandaport_store::Tx::Sqlite(tx).commit().await.unwrap();
}
