//! What is about a PostgreSQL server: out of reach, or not as it should be.

use pandaport_store::{Pool, Store, StoreError};
use pandaport_test_database::{TestDatabase, is_postgres};
use sqlx::PgPool;

use crate::site;

fn pool(store: &Store) -> &PgPool {
    let Pool::Postgres(pool) = store.pool() else { panic!("no server") };
    pool
}

#[tokio::test]
async fn a_server_that_does_not_listen_is_said_to_be_away_without_repeating_the_password() {
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = Store::connect(&format!("postgres://ann:hunter2@127.0.0.1:{port}/pandaport")).await.unwrap_err();
    assert!(away.is_unavailable(), "{away:?}");
    let said = away.to_string();
    assert!(
        said.contains(&format!("pandaport at 127.0.0.1:{port}")) && said.contains("is the server running"),
        "{said}"
    );
    assert!(!format!("{said} {away:?}").contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_with_what_to_do() {
    if !is_postgres() {
        return;
    }
    let database = TestDatabase::empty().await;
    let url = database.url().replace("pandaport_test_", "no_such_database_");
    let missing = Store::connect(&url).await.unwrap_err();
    assert!(missing.is_unavailable(), "{missing:?}");
    assert!(missing.to_string().contains("make the database"), "{missing}");
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    if !is_postgres() {
        return;
    }
    let site = site().await;
    site.connection().await;
    let ended: i64 = sqlx::query_scalar(
        "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .fetch_one(pool(&site.database.open().await))
    .await
    .unwrap();
    assert!(ended > 0);
    // A connection that was used a moment ago is trusted: at most each of those fails once, in words for it.
    let mut refusals = 0;
    while let Err(refused) = site.store.ping().await {
        assert!(refused.is_unavailable(), "{refused:?}");
        refusals += 1;
        assert!(refusals <= ended, "it does not come back: {refused}");
    }
    site.mapping().await;
}

#[tokio::test]
async fn transactions_that_get_in_each_others_way_may_be_tried_again() {
    if !is_postgres() {
        return;
    }
    let site = site().await;
    site.sql("INSERT INTO workers (worker_id, start_time, beat_time) VALUES ('a', 0, 0), ('b', 0, 0)").await;
    let (mut one, mut two) = (site.store.begin_write().await.unwrap(), site.store.begin_write().await.unwrap());
    let touch = async |tx: &mut pandaport_store::Tx, worker: &str| -> Result<(), StoreError> {
        let pandaport_store::Tx::Postgres(tx) = tx else { panic!("no server") };
        sqlx::query("UPDATE workers SET beat_time = 1 WHERE worker_id = $1").bind(worker).execute(&mut **tx).await?;
        Ok(())
    };
    touch(&mut one, "a").await.unwrap();
    touch(&mut two, "b").await.unwrap();
    let (first, second) = tokio::join!(touch(&mut one, "b"), touch(&mut two, "a"));
    let refused = first.and(second).unwrap_err();
    assert!(refused.is_unavailable() && refused.to_string().contains("try again"), "{refused:?}");
}

#[tokio::test]
async fn a_transaction_has_limits_and_leaves_none_behind_on_its_connection() {
    if !is_postgres() {
        return;
    }
    let site = site().await;
    let shown = "SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout') || ' ' || \
                 current_setting('idle_in_transaction_session_timeout') || ' ' || current_setting('application_name')";
    let mut tx = site.store.begin_write().await.unwrap();
    let pandaport_store::Tx::Postgres(inside) = &mut tx else { panic!("no server") };
    let within: String = sqlx::query_scalar(shown).fetch_one(&mut **inside).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(within, "10s 5min 30s pandaport");
    let mut left: Vec<String> = Vec::new();
    for _ in 0..3 {
        left.push(sqlx::query_scalar(shown).fetch_one(pool(&site.store)).await.unwrap());
    }
    assert!(left.iter().all(|it| it.starts_with("0 0 0 ")), "{left:?}");

    // A plan that was made for empty tables is not kept while an import fills them.
    let plans = "SELECT current_setting('plan_cache_mode')";
    let plans: String = sqlx::query_scalar(plans).fetch_one(pool(&site.store)).await.unwrap();
    assert_eq!(plans, "force_custom_plan");
}
