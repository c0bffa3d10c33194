//! What syncs did is remembered for as long as the setting says, and no sync misses what is forgotten.

use std::time::Duration;

use pandaport_store::syncs::{self, Mode, SyncFilter, SyncState};
use serde_json::{Value, json};

use super::harness::World;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_remembered_with_old_and_new_values_until_the_retention_is_over() {
    let world = World::of(8).await;
    let first = world.sync(Mode::Incremental).await;
    let device = world.fleet().await[4].clone();
    world.edit(&device["device_id"], json!({"asset_tag": "ONE"})).await;
    world.sync(Mode::Incremental).await;
    world.edit(&device["device_id"], json!({"asset_tag": "TWO"})).await;
    let second = world.sync(Mode::Incremental).await;
    let dry = world.trigger(Mode::Full, true).await;
    world.ended(dry).await;

    let prune = async || crate::history::prune(world.deps.as_ref().unwrap()).await.unwrap();
    let known = async || {
        let all = syncs::list(&world.store, &world.tenant, &SyncFilter::default(), 100).await.unwrap();
        all.into_iter().map(|it| it.sync_id).collect::<Vec<_>>()
    };
    world.clock.pass(DAY * 89);
    prune().await;
    assert_eq!(known().await.len(), 4, "it is not over yet");
    let changes = world.records(second.sync_id).await.pop().unwrap().changes.unwrap();
    let changes: Vec<Value> = serde_json::from_str(&changes).unwrap();
    let tag = changes.iter().find(|it| it["source_field"] == "asset_tag").unwrap();
    assert_eq!((&tag["old_value"], &tag["new_value"]), (&json!("ONE"), &json!("TWO")));

    world.clock.pass(DAY * 2);
    prune().await;
    assert_eq!(known().await, [second.sync_id], "a mapping's last sync is kept, whatever its age");
    assert!(!world.records(second.sync_id).await.is_empty());
    assert!(syncs::get(&world.store, &world.tenant, first.sync_id).await.is_err());
    let next = world.sync(Mode::Full).await;
    assert_eq!((next.state, next.counts.unchanged), (SyncState::Succeeded, 8), "{next:?}");
}
