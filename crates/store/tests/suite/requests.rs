//! The same request_id gets the same answer; workers' signs of life.

use pandaport_store::requests::{self, KEPT_FOR, Known, Request};
use pandaport_store::{Conflict, StoreError, Tenant, workers};

use crate::{START, after, site};

#[tokio::test]
async fn the_same_request_id_gets_the_same_answer_for_a_day() {
    let site = site().await;
    let request = Request { tenant: &site.tenant, request_id: "r1", method: "CreateMapping", body: b"body" };
    let lookup = async |request, now| requests::lookup(&site.store, request, now).await.unwrap();
    assert_eq!(lookup(request, START).await, Known::Fresh);

    let mut tx = site.store.begin_write().await.unwrap();
    requests::save(&mut tx, request, b"answer", START).await.unwrap();
    drop(tx);
    assert_eq!(lookup(request, START).await, Known::Fresh, "what was rolled back was not answered");

    let mut tx = site.store.begin_write().await.unwrap();
    requests::save(&mut tx, request, b"answer", START).await.unwrap();
    let second = requests::save(&mut tx, request, b"another answer", START).await;
    assert!(matches!(second, Err(StoreError::Conflict { what: Conflict::AlreadyExists, .. })), "{second:?}");
    tx.commit().await.unwrap();
    assert_eq!(lookup(request, after(3600)).await, Known::Same(b"answer".to_vec()));
    assert_eq!(lookup(Request { body: b"another body", ..request }, after(3600)).await, Known::Reused);
    assert_eq!(lookup(Request { method: "TriggerSync", ..request }, after(3600)).await, Known::Reused);
    let other = Tenant::new("other");
    assert_eq!(lookup(Request { tenant: &other, ..request }, after(3600)).await, Known::Fresh);

    let next_day = START.plus(KEPT_FOR);
    assert_eq!(requests::prune(&site.store, after(3600)).await.unwrap(), 0);
    assert_eq!(lookup(request, next_day).await, Known::Fresh);
    let mut tx = site.store.begin_write().await.unwrap();
    requests::save(&mut tx, Request { body: b"another body", ..request }, b"new", next_day).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(lookup(Request { body: b"another body", ..request }, next_day).await, Known::Same(b"new".to_vec()));
    assert_eq!(requests::prune(&site.store, next_day.plus(KEPT_FOR)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_worker_is_alive_while_it_says_so() {
    let site = site().await;
    for (worker, seconds) in [("a", 0), ("b", 5), ("a", 10)] {
        workers::beat(&site.store, worker, after(seconds)).await.unwrap();
    }
    let alive = async |since| {
        let workers = workers::alive(&site.store, after(since)).await.unwrap();
        workers.into_iter().map(|worker| (worker.worker_id, worker.start_time)).collect::<Vec<_>>()
    };
    assert_eq!(alive(0).await, [("a".into(), START), ("b".into(), after(5))]);
    assert_eq!(alive(6).await, [("a".into(), START)]);
    workers::leave(&site.store, "a").await.unwrap();
    assert!(alive(6).await.is_empty());
    workers::beat(&site.store, "c", after(2 * 24 * 3600)).await.unwrap();
    assert_eq!(alive(0).await, [("c".into(), after(2 * 24 * 3600))], "long silent ones are forgotten");
}
