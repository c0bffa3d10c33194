//! Moving from a SQLite file to a PostgreSQL database.

use pandaport_store::relocate::{self, LEFT, Moved, TABLES};
use pandaport_store::{Store, StoreError};
use pandaport_test_database::{TestDatabase, is_postgres, rows, run, scalar};

/// What is easily lost on the way.
const TEXT: &str = "it''s \"é\" \\ 雪\n{\"a\": [1, null]}";

/// Two rows in every table: one with a value in each column, and one with none where there may be none.
async fn fill(store: &Store) {
    for table in TABLES {
        let columns: Vec<(String, String, i64, i64)> =
            rows(store, format!("SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')")).await;
        for (row, is_full) in [(1_i64, true), (2, false)] {
            let values = columns.iter().map(|(name, kind, required, key)| {
                if !is_full && *required == 0 && *key == 0 {
                    return "NULL".to_owned();
                }
                match (name.as_str(), kind.as_str()) {
                    ("fingerprint" | "body_hash" | "response" | "secret", _) => format!("x'00ff7f{row:02}'"),
                    ("kandji_token" | "asset_panda_key", _) => format!("x'00ff7f{row:02}'"),
                    (_, "BLOB") => format!("x'{row:032}'"),
                    (_, "BOOLEAN") => (row % 2).to_string(),
                    // More than a number of JavaScript's holds exactly.
                    (_, "BIGINT" | "INTEGER") => (9_007_199_254_740_993 + row).to_string(),
                    _ => format!("'{row}{TEXT}'"),
                }
            });
            let values = values.collect::<Vec<_>>().join(", ");
            run(store, format!("INSERT INTO {table} VALUES ({values})")).await;
        }
    }
}

#[tokio::test]
async fn every_table_arrives_as_it_was_and_none_is_forgotten() {
    if !is_postgres() {
        return;
    }
    let (file, server) = (TestDatabase::migrated_file().await, TestDatabase::new().await);
    let (source, target) = (file.open().await, server.open().await);
    let ours: Vec<(String,)> = rows(
        &target,
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'river%'",
    )
    .await;
    for (table,) in ours {
        let is_known = TABLES.contains(&table.as_str()) || LEFT.contains(&table.as_str());
        assert!(is_known, "{table} is new: does it move?");
    }
    fill(&source).await;

    let mut tx = target.begin_write().await.unwrap();
    let moved = relocate::copy(&source, &mut tx).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(moved, TABLES.map(|table| Moved { table, rows: 2 }));
    let there: String = scalar(&target, "SELECT display_name FROM connections ORDER BY display_name LIMIT 1").await;
    assert_eq!(there, format!("1{}", TEXT.replace("''", "'")));

    // Once more would mix two installations.
    let mut tx = target.begin_write().await.unwrap();
    let refused = relocate::copy(&source, &mut tx).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Unsupported(said) if said.contains("not empty")), "{refused}");
}

#[tokio::test]
async fn a_move_that_was_interrupted_has_moved_nothing() {
    if !is_postgres() {
        return;
    }
    let (file, server) = (TestDatabase::migrated_file().await, TestDatabase::new().await);
    let (source, target) = (file.open().await, server.open().await);
    fill(&source).await;
    // A table that this program knows nothing of: nothing may be left behind in silence.
    run(&source, "CREATE TABLE of_tomorrow (id BIGINT)").await;
    let mut tx = target.begin_write().await.unwrap();
    let refused = relocate::copy(&source, &mut tx).await.unwrap_err();
    assert!(refused.to_string().contains("of_tomorrow"), "{refused}");
    drop(tx);
    run(&source, "DROP TABLE of_tomorrow").await;

    let mut tx = target.begin_write().await.unwrap();
    relocate::copy(&source, &mut tx).await.unwrap();
    drop(tx);
    assert_eq!(scalar::<i64>(&target, "SELECT COUNT(*) FROM connections").await, 0);
    let mut tx = target.begin_write().await.unwrap();
    relocate::copy(&source, &mut tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(scalar::<i64>(&target, "SELECT COUNT(*) FROM connections").await, 2);
}
