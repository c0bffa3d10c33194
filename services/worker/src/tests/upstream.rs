//! What the two APIs refuse or withhold, and what becomes of a sync by it.

use pandaport_import::SourceField;
use pandaport_store::connections::{self, ConnectionState};
use pandaport_store::mappings;
use pandaport_store::records::RecordOutcome;
use pandaport_store::syncs::{Mode, SyncState};
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::{World, no_limits};
use super::journey::{faults, records_by_serial, succeeded};
use super::removal::{delete_at_once, imported, leave};

async fn connection(world: &World) -> connections::Connection {
    let mapping = mappings::get(&world.store, &world.tenant, world.mapping_id).await.unwrap();
    connections::get(&world.store, &world.tenant, mapping.connection_id).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_not_write_fails_the_sync_and_not_the_connection() {
    for status in [401, 403] {
        let world = World::with(5, no_limits(), |_| true).await;
        faults(&world, json!({"status_burst": {"status": status, "on": "write"}})).await;
        for _ in 0..2 {
            let sync = world.sync(Mode::Incremental).await;
            assert_eq!(sync.state, SyncState::Failed, "{sync:?}");
            let message = sync.error_message.unwrap();
            assert!(message.contains("in Asset Panda, give the user of the API key the right"), "{message}");
            assert_ne!(connection(&world).await.state, ConnectionState::Failing, "TestConnection would find it good");
            assert!(connection(&world).await.refused_since.is_none());
        }
        faults(&world, json!({"status_burst": null})).await;
        succeeded(&world.sync(Mode::Incremental).await);
    }
}

/// The column of User Active in each record, by serial number.
async fn user_active(world: &World) -> Vec<(String, Value)> {
    let column = world.column(SourceField::UserActive);
    let records = records_by_serial(world).await;
    records.iter().map(|(serial, record)| (serial.clone(), record["values"][&column].clone())).collect()
}

async fn notes(world: &World) -> String {
    mappings::get(&world.store, &world.tenant, world.mapping_id).await.unwrap().notes
}

#[tokio::test(flavor = "multi_thread")]
async fn where_users_cannot_be_read_user_active_is_left_alone_and_the_mapping_says_so() {
    let world = World::with(12, no_limits(), |_| true).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let known = user_active(&world).await;
    assert!(known.iter().any(|(_, active)| !active.is_null()));
    for (struck, told) in [
        (json!({"status_burst": {"status": 404, "on": "users"}}), "not found"),
        (json!({"permissions": {"users": false}}), "permission"),
        (json!({"status_burst": {"status": 400, "on": "users"}}), "refused"),
    ] {
        world.control(Method::PATCH, "/faults", Some(json!({ "kandji": struck }))).await;
        let device = world.fleet().await[3].clone();
        world.edit(&device["device_id"], json!({"os_version": told})).await;
        let sync = world.sync(Mode::Full).await;
        succeeded(&sync);
        assert_eq!(sync.counts.updated, 1, "all else is written: {sync:?}");
        assert_eq!(user_active(&world).await, known);
        let notes = notes(&world).await;
        assert!(notes.contains("USERS_UNREAD") || notes.contains("UsersUnread"), "{notes}");
        assert!(notes.contains(told), "{notes}");
        let healed = json!({"status_burst": null, "permissions": {"users": true}});
        world.control(Method::PATCH, "/faults", Some(json!({ "kandji": healed }))).await;
        succeeded(&world.sync(Mode::Incremental).await);
        assert_eq!(self::notes(&world).await, "[]", "it is over");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_users_alone_are_out_a_sync_pauses_for_them_and_then_goes_on_without() {
    let mut world = World::with(6, no_limits(), |_| true).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let known = user_active(&world).await;
    world.stop().await;
    // A later slice, of a sync that has done with the users, still knows how it went.
    faults(&world, json!({"status_burst": {"status": 503, "on": "write", "count": 4}})).await;
    let out = json!({"status_burst": {"status": 503, "on": "users"}});
    world.control(Method::PATCH, "/faults", Some(json!({ "kandji": out }))).await;
    let device = world.fleet().await[3].clone();
    world.edit(&device["device_id"], json!({"os_version": "99"})).await;
    let id = world.trigger(Mode::Full, false).await;
    let pauses = world.work_by_hand(id).await;
    let sync = world.ended(id).await;
    succeeded(&sync);
    let seconds: Vec<f64> = pauses.iter().map(|it| it.as_secs_f64().round()).collect();
    assert_eq!(seconds, [5.0, 10.0, 20.0, 5.0]);
    assert_eq!((sync.counts.read, sync.counts.updated), (6, 1), "{sync:?}");
    assert_eq!(user_active(&world).await, known);
    assert!(notes(&world).await.contains("USERS_UNREAD"), "{}", notes(&world).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_device_whose_entry_cannot_be_read_is_not_gone() {
    let world = imported(4).await;
    world.remap(delete_at_once).await;
    let mut entry = leave(&world, 1..2).await.remove(0);
    // Its entry is there, and does not say whose it is.
    entry["device_id"] = json!(7);
    world.control(Method::POST, "/fleet/devices", Some(json!([entry]))).await;
    for _ in 0..3 {
        let sync = world.sync(Mode::Incremental).await;
        assert_eq!((sync.state, sync.counts.removed), (SyncState::CompletedWithRejections, 0), "{sync:?}");
        let told = world.records(sync.sync_id).await;
        let told = told.iter().find(|it| it.outcome == RecordOutcome::Rejected).unwrap();
        assert!(told.message.as_deref().unwrap().contains("none counts as gone"), "{told:?}");
    }
    assert_eq!(records_by_serial(&world).await.len(), 4);
}
