//! Opening and migrating.

use pandaport_store::processes::{self, Process};
use pandaport_store::{Keyring, Store, StoreError};
use pandaport_test_database::TestDatabase;

use crate::{START, after, site};

#[tokio::test]
async fn a_schema_that_does_not_fit_is_refused_with_what_to_run() {
    let site = site().await;
    site.store.check_schema().await.unwrap();
    assert_eq!(site.store.schema_version().await.unwrap(), Store::wanted_schema_version());

    site.sql("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'x', TRUE, x'00', 0)")
        .await;
    let lock = site.store.migration_lock().await.unwrap();
    // An expansion: the program of the release before works on it, and leaves it as it is.
    assert_eq!(site.store.check_schema().await.unwrap(), 999);
    site.store.migrate(&lock, START).await.unwrap();
    assert_eq!(site.store.schema_version().await.unwrap(), 999);

    site.sql("UPDATE schema_readers SET oldest = 999").await;
    let refused = site.store.check_schema().await.unwrap_err().to_string();
    assert!(refused.contains("999") && refused.contains("newer program"), "{refused}");
    assert!(matches!(site.store.migrate(&lock, START).await, Err(StoreError::Schema(_))));

    site.sql("DELETE FROM _sqlx_migrations").await;
    let refused = site.store.check_schema().await.unwrap_err().to_string();
    assert!(refused.contains("pandaport migrate"), "{refused}");
}

fn process(program: &str, schema_version: i64) -> Process {
    Process {
        process_id: format!("41-{program}"),
        program: program.to_owned(),
        version: "1.2.3".to_owned(),
        host: "rack-7".to_owned(),
        pid: 41,
        schema_version,
    }
}

#[tokio::test]
async fn a_process_that_could_not_go_on_holds_a_contraction_up_as_long_as_it_is_at_work() {
    let site = site().await;
    let lock = site.store.migration_lock().await.unwrap();
    // As if this program's schema could be read by no older one than itself, and were yet to be made.
    site.sql("DELETE FROM _sqlx_migrations WHERE version > 1").await;
    site.sql("UPDATE schema_readers SET oldest = 0").await;
    let contract = async |seconds| site.store.contract_to(&lock, 7, after(seconds)).await;

    processes::beat(&site.store, &process("pandaport-control-plane", 7), START).await.unwrap();
    processes::beat(&site.store, &process("pandaport-worker", 6), START).await.unwrap();
    let refused = contract(30).await.unwrap_err().to_string();
    assert!(refused.contains("pandaport-worker 1.2.3 on rack-7 (process 41"), "{refused}");
    assert!(refused.contains("pandaport migrate") && refused.contains("schema version 7"), "{refused}");

    // One that was killed is not waited for for ever, and one that stopped not at all.
    contract(61).await.unwrap();
    processes::beat(&site.store, &process("pandaport-worker", 6), after(61)).await.unwrap();
    assert!(contract(62).await.is_err());
    processes::leave(&site.store, "41-pandaport-worker").await.unwrap();
    contract(62).await.unwrap();

    // A worker of before there was a list says only that it is alive.
    pandaport_store::workers::beat(&site.store, "17-old", after(62)).await.unwrap();
    let refused = contract(63).await.unwrap_err().to_string();
    assert!(refused.contains("a worker of an older version") && refused.contains("17-old"), "{refused}");
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
    let listed = pandaport_store::connections::list(&site.store, &site.tenant, &[], None, 10).await.unwrap();
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
