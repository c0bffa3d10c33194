//! A disk that runs full in the middle of a transaction.

use pandaport_store::requests::{self, Request};
use pandaport_store::{StoreError, Tenant, Tx};
use pandaport_test_database::{TestDatabase, run};

use crate::START;

#[tokio::test]
async fn a_full_disk_is_told_and_once_there_is_room_again_writing_goes_on() {
    let database = TestDatabase::migrated_file().await;
    let (store, tenant) = (database.open().await, Tenant::default());
    let save = async |tx: &mut Tx, request_id: &str, answer: &[u8]| {
        let request = Request { tenant: &tenant, request_id, method: "CreateMapping", body: b"body" };
        requests::save(tx, request, answer, START).await
    };
    // As good as a full disk: the file may not grow.
    run(&store, "PRAGMA max_page_count = 1").await;
    let mut tx = store.begin_write().await.unwrap();
    let refused = save(&mut tx, "large", &[0; 1_000_000]).await.unwrap_err();
    assert!(refused.is_disk_full(), "{refused}");
    assert!(refused.to_string().contains("free some disk space"), "{refused}");
    // SQLite has undone the transaction by itself.
    let ended = tx.rollback().await;
    assert!(matches!(ended, Ok(()) | Err(StoreError::Database(_))), "{ended:?}");

    run(&store, "PRAGMA max_page_count = 1000000").await;
    let mut tx = store.begin_write().await.expect("the writer is not left inside a transaction that is gone");
    save(&mut tx, "small", b"answer").await.unwrap();
    tx.commit().await.unwrap();
}
