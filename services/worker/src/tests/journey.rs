//! The main job, and what must hold after it.

use pandaport_import::SourceField;
use pandaport_store::records::RecordOutcome;
use pandaport_store::syncs::{Mode, Sync, SyncState, WaitReason};
use pandaport_test_database::rows;
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::{World, no_limits};

/// The collection's records, keyed by serial number; fails if one is there twice.
pub(super) async fn records_by_serial(world: &World) -> std::collections::BTreeMap<String, Value> {
    let ready = world.sandbox.ready();
    let path = format!("/records?collection_id={}", ready.collection_id);
    let all = world.control(Method::GET, &path, None).await;
    let serial = &ready.columns["Serial Number"];
    let mut by_serial = std::collections::BTreeMap::new();
    for record in all["records"].as_array().unwrap() {
        let key = record["values"][serial].as_str().unwrap_or_default().to_owned();
        assert!(by_serial.insert(key.clone(), record.clone()).is_none(), "{key} is there twice");
    }
    by_serial
}

pub(super) fn calls(counters: &Value, path: &str) -> u64 {
    counters["asset_panda"]["by_path"][path].as_u64().unwrap_or(0)
}

pub(super) async fn faults(world: &World, asset_panda: Value) {
    let off = json!({"asset_panda": {"rate_limit": false}, "kandji": {"rate_limit": false}});
    world.control(Method::PUT, "/faults", Some(off)).await;
    world.control(Method::PATCH, "/faults", Some(json!({"asset_panda": asset_panda}))).await;
}

pub(super) fn succeeded(sync: &Sync) {
    assert_eq!(sync.state, SyncState::Succeeded, "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_import_creates_every_device_and_the_next_syncs_write_nothing() {
    let world = World::of(310).await;
    let first = world.sync(Mode::Incremental).await;
    succeeded(&first);
    assert_eq!((first.counts.read, first.counts.created), (310, 310), "{first:?}");
    assert_eq!(records_by_serial(&world).await.len(), 310);
    let before = world.counters().await;
    for (mode, searches) in [(Mode::Incremental, 0), (Mode::Full, 7)] {
        let before = world.counters().await;
        let again = world.sync(mode).await;
        succeeded(&again);
        assert_eq!((again.counts.read, again.counts.unchanged), (310, 310), "{mode}: {again:?}");
        let after = world.counters().await;
        let path = "POST /collection-records/search";
        assert_eq!(calls(&after, path) - calls(&before, path), searches, "{mode}");
    }
    let after = world.counters().await;
    assert_eq!(calls(&after, "POST /collection-records"), calls(&before, "POST /collection-records"));
    assert_eq!(calls(&after, "PUT /collection-records"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_lost_answers_of_applied_creates_make_no_duplicates() {
    for unique in [true, false] {
        let world = World::of(60).await;
        let lost = json!({"lost_answer": {"on": "create", "every": 3}, "search_lag_ms": 150, "flags_present": unique,
                          "enforce_unique": unique});
        faults(&world, lost).await;
        let sync = world.sync(Mode::Incremental).await;
        succeeded(&sync);
        assert_eq!((sync.counts.read, sync.counts.created), (60, 60), "{sync:?}");
        assert_eq!(records_by_serial(&world).await.len(), 60);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_a_create_that_names_no_record_is_found_by_its_identifier() {
    let world = World::of(23).await;
    faults(&world, json!({"record_id_in_create": false, "search_lag_ms": 200})).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!(sync.counts.created, 23, "{sync:?}");
    assert_eq!(records_by_serial(&world).await.len(), 23);
    let again = world.sync(Mode::Incremental).await;
    assert_eq!(again.counts.unchanged, 23, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_creates_answered_by_a_burst_of_errors_are_looked_up_first() {
    let world = World::of(40).await;
    faults(&world, json!({"lost_answer": {"answer": "503", "on": "create", "count": 2}})).await;
    let id = world.trigger(Mode::Incremental, false).await;
    let sync = world.ended(id).await;
    succeeded(&sync);
    assert_eq!(records_by_serial(&world).await.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_4_an_update_whose_answer_was_lost_then_changed_back_leaves_no_stale_value() {
    let world = World::of(12).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let device = world.records(first_sync(&world).await).await[0].clone();
    let path = format!("/fleet/devices/{}", device.device_id);
    let serial = device.identifier.unwrap();
    let tag = world.sandbox.ready().columns["Asset Tag"].clone();
    let before = records_by_serial(&world).await[&serial]["values"][&tag].clone();
    // The write is applied, and every answer to it is lost: the sync is cancelled with its link dirty.
    faults(&world, json!({"lost_answer": {"on": "update"}})).await;
    world.control(Method::PATCH, &path, Some(json!({"asset_tag": "CHANGED"}))).await;
    let id = world.trigger(Mode::Incremental, false).await;
    wait_until(&world, id, WaitReason::Outage).await;
    cancel(&world, id).await;
    assert_eq!(records_by_serial(&world).await[&serial]["values"][&tag], json!("CHANGED"), "it was applied");
    faults(&world, json!({})).await;
    world.control(Method::PATCH, &path, Some(json!({"asset_tag": before.as_str().unwrap_or("")}))).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let after = records_by_serial(&world).await[&serial]["values"][&tag].clone();
    assert_eq!(after.as_str().unwrap_or(""), before.as_str().unwrap_or(""), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_refused_rows_are_told_in_the_servers_words_and_quarantined() {
    let world = World::of(50).await;
    let refuse = json!({"refuse_rows": [{"column": "Platform", "value": "iPhone", "message": "no telephones"}]});
    faults(&world, refuse).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.state, SyncState::CompletedWithRejections, "{sync:?}");
    let rejected: Vec<_> = world.records(sync.sync_id).await;
    let rejected: Vec<_> = rejected.iter().filter(|it| it.outcome == RecordOutcome::Rejected).collect();
    assert!(!rejected.is_empty());
    for record in &rejected {
        assert_eq!(record.reason.as_deref(), Some("REFUSED_BY_ASSET_PANDA"));
        assert!(record.message.as_deref().unwrap().contains("no telephones"), "{record:?}");
    }
    let before = world.counters().await;
    let again = world.sync(Mode::Incremental).await;
    assert_eq!(again.state, SyncState::CompletedWithRejections);
    assert_eq!((again.counts.rejected, again.counts.still_rejected), (0, rejected.len() as i64), "{again:?}");
    let after = world.counters().await;
    assert_eq!(calls(&after, "POST /collection-records"), calls(&before, "POST /collection-records"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_one_row_that_spoils_its_batch_stops_only_itself() {
    let world = World::of(20).await;
    faults(&world, json!({"unique_refusal": "call"})).await;
    let ready = world.sandbox.ready();
    // A record with the device id of the third device, under a serial number that is nobody's.
    let fleet = world.control(Method::GET, "/fleet/devices?limit=3", None).await;
    let taken = fleet.as_array().or_else(|| fleet["devices"].as_array()).unwrap()[2]["device_id"].clone();
    let values = json!({ready.columns["Device ID"].clone(): taken, ready.columns["Serial Number"].clone(): "NOBODY"});
    let seed = json!({"collection_id": ready.collection_id, "records": [values]});
    world.control(Method::POST, "/records", Some(seed)).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.state, SyncState::CompletedWithRejections, "{sync:?}");
    assert_eq!((sync.counts.created, sync.counts.rejected), (19, 1), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_of_two_devices_with_one_serial_the_later_enrolled_has_the_record() {
    let world = World::of(5).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let old = world.records(first_sync(&world).await).await[0].clone();
    let serial = old.identifier.clone().unwrap();
    let again = json!([{
        "device_id": "ffffffff-0000-4000-8000-000000000001", "device_name": "again", "serial_number": serial,
        "last_enrollment": "2030-01-01 00:00:00+00:00", "user": ""
    }]);
    world.control(Method::POST, "/fleet/devices", Some(again)).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.state, SyncState::CompletedWithRejections, "{sync:?}");
    let records = records_by_serial(&world).await;
    assert_eq!(records.len(), 5, "no second record");
    let device_id = &world.sandbox.ready().columns["Device ID"];
    assert_eq!(records[&serial]["values"][device_id], json!("ffffffff-0000-4000-8000-000000000001"));
    let loser = world.records(sync.sync_id).await.into_iter().find(|it| it.device_id == old.device_id).unwrap();
    assert_eq!(loser.reason.as_deref(), Some("IDENTIFIER_DUPLICATE"));
    assert!(loser.message.unwrap().contains("ffffffff-0000-4000-8000-000000000001"));
    // The old one goes, the new one stays: nothing more to write.
    world.control(Method::DELETE, &format!("/fleet/devices/{}", old.device_id), None).await;
    let last = world.sync(Mode::Incremental).await;
    succeeded(&last);
    assert_eq!(last.counts.unchanged, 5, "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_re_enrolled_device_takes_the_link_over() {
    let world = World::of(4).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let old = world.records(first_sync(&world).await).await[1].clone();
    world.control(Method::DELETE, &format!("/fleet/devices/{}", old.device_id), None).await;
    let again = json!([{
        "device_id": "ffffffff-0000-4000-8000-000000000002", "device_name": "again", "serial_number": old.identifier,
        "last_enrollment": "2030-01-01 00:00:00+00:00", "user": ""
    }]);
    world.control(Method::POST, "/fleet/devices", Some(again)).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.updated, sync.counts.created, sync.counts.unchanged), (1, 0, 3), "{sync:?}");
    assert_eq!(records_by_serial(&world).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_full_sync_repairs_what_was_edited_and_makes_again_what_was_deleted() {
    let world = World::of(9).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let records = world.records(first_sync(&world).await).await;
    let model = world.sandbox.ready().columns["Model"].clone();
    let (edited, deleted) = (records[0].record_id.clone().unwrap(), records[1].record_id.clone().unwrap());
    let patch = json!({model: "edited by hand"});
    world.control(Method::PATCH, &format!("/records/{edited}"), Some(patch)).await;
    world.control(Method::DELETE, &format!("/records/{deleted}"), None).await;
    let incremental = world.sync(Mode::Incremental).await;
    assert_eq!(incremental.counts.unchanged, 9, "{incremental:?}");
    let full = world.sync(Mode::Full).await;
    succeeded(&full);
    assert_eq!((full.counts.updated, full.counts.created, full.counts.unchanged), (1, 1, 7), "{full:?}");
    let again = world.sync(Mode::Full).await;
    assert_eq!(again.counts.unchanged, 9, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_forms_that_asset_panda_gives_back_are_rewritten_at_most_once() {
    let world = World::of(30).await;
    faults(&world, json!({"trim_text_and_reformat_dates": true, "wrap_values": true})).await;
    succeeded(&world.sync(Mode::Incremental).await);
    succeeded(&world.sync(Mode::Full).await);
    let third = world.sync(Mode::Full).await;
    succeeded(&third);
    assert_eq!(third.counts.unchanged, 30, "{third:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_dry_run_tells_and_writes_nothing() {
    let world = World::of(11).await;
    let id = world.trigger(Mode::Incremental, true).await;
    let dry = world.ended(id).await;
    succeeded(&dry);
    assert_eq!(dry.counts.created, 11, "{dry:?}");
    assert!(world.records(id).await.iter().all(|it| it.outcome == RecordOutcome::Created && it.changes.is_some()));
    assert!(records_by_serial(&world).await.is_empty());
    let real = world.sync(Mode::Incremental).await;
    assert_eq!(real.counts.created, 11, "{real:?}");
    let id = world.trigger(Mode::Incremental, true).await;
    let dry = world.ended(id).await;
    assert_eq!((dry.counts.read, dry.counts.unchanged), (11, 11), "{dry:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn adoption_takes_over_a_record_that_was_there_and_leaves_what_kandji_does_not_have() {
    let world = World::of(6).await;
    let ready = world.sandbox.ready();
    let fleet = world.control(Method::GET, "/fleet/devices?limit=6", None).await;
    let fleet = fleet.as_array().or_else(|| fleet["devices"].as_array()).unwrap().clone();
    let without_tag = fleet.iter().find(|it| it["asset_tag"] == "").expect("some device has no tag");
    let values = json!({
        ready.columns["Serial Number"].clone(): without_tag["serial_number"],
        ready.columns["Asset Tag"].clone(): "by hand",
    });
    world
        .control(Method::POST, "/records", Some(json!({"collection_id": ready.collection_id, "records": [values]})))
        .await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.adopted, sync.counts.created), (1, 5), "{sync:?}");
    let records = records_by_serial(&world).await;
    let record = &records[without_tag["serial_number"].as_str().unwrap()];
    assert_eq!(record["values"][&ready.columns["Asset Tag"]], json!("by hand"));
    assert_eq!(record["values"][&ready.columns["Device ID"]], without_tag["device_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_fails_the_sync_and_says_why() {
    let world = World::with(5, no_limits(), |_| true).await;
    world.control(Method::PATCH, "/faults", Some(json!({"kandji": {"revoked": true}}))).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.state, SyncState::Failed);
    assert_eq!(sync.error_reason.as_deref(), Some("TOKEN_REFUSED"), "{sync:?}");
}

async fn first_sync(world: &World) -> pandaport_store::SyncId {
    let filter = pandaport_store::syncs::SyncFilter { mapping_id: Some(world.mapping_id), ..Default::default() };
    let syncs = pandaport_store::syncs::list(&world.store, &world.tenant, &filter, 100).await.unwrap();
    syncs.last().unwrap().sync_id
}

pub(super) async fn wait_until(world: &World, id: pandaport_store::SyncId, reason: WaitReason) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let sync = pandaport_store::syncs::get(&world.store, &world.tenant, id).await.unwrap();
        if sync.wait_reason == Some(reason) {
            return;
        }
        assert!(!sync.state.is_final() && std::time::Instant::now() < deadline, "{sync:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

pub(super) async fn cancel(world: &World, id: pandaport_store::SyncId) {
    let now = pandaport_store::Micros::now();
    let mut tx = world.store.begin_write().await.unwrap();
    pandaport_store::syncs::cancel(&mut tx, &world.tenant, id, now).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.ended(id).await.state, SyncState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_an_open_create_whose_device_lost_its_identifier_stops_no_sync() {
    let world = World::of(8).await;
    faults(&world, json!({"lost_answer": {"on": "create"}})).await;
    let id = world.trigger(Mode::Incremental, false).await;
    let in_flight = in_flight(&world).await;
    cancel(&world, id).await;
    faults(&world, json!({})).await;
    world.control(Method::PATCH, &format!("/fleet/devices/{in_flight}"), Some(json!({"serial_number": ""}))).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.state, SyncState::CompletedWithRejections, "{sync:?}");
    let rejected = world.records(sync.sync_id).await.into_iter().find(|it| it.device_id == in_flight).unwrap();
    assert_eq!(rejected.reason.as_deref(), Some("IDENTIFIER_EMPTY"));
    assert_eq!(sync.counts.read, 8);
    records_by_serial(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_a_device_whose_identifier_another_is_being_created_under_waits_for_it() {
    let world = World::with(6, no_limits(), |field| field != pandaport_import::SourceField::DeviceId).await;
    faults(
        &world,
        json!({"lost_answer": {"on": "create"}, "search_lag_ms": 1500, "flags_present": false,
                          "enforce_unique": false}),
    )
    .await;
    let id = world.trigger(Mode::Incremental, false).await;
    let old = in_flight(&world).await;
    cancel(&world, id).await;
    faults(&world, json!({"search_lag_ms": 1500, "flags_present": false, "enforce_unique": false})).await;
    // The device is enrolled again under another id, with the serial number that is in flight.
    let device = world.control(Method::GET, &format!("/fleet/devices/{old}"), None).await;
    world.control(Method::DELETE, &format!("/fleet/devices/{old}"), None).await;
    let mut again = device;
    again["device_id"] = json!("ffffffff-0000-4000-8000-000000000003");
    world.control(Method::POST, "/fleet/devices", Some(json!([again]))).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!(records_by_serial(&world).await.len(), 6, "{sync:?}");
    let last = world.sync(Mode::Incremental).await;
    assert_eq!(last.counts.unchanged, 6, "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_record_that_turns_out_to_be_gone_is_made_again() {
    let world = World::of(12).await;
    faults(&world, json!({"refuse_rows": [], "search_lag_ms": 0})).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let record = world.records(first_sync(&world).await).await[0].clone();
    // Deleted by hand, and the update of it refused as a whole call: the record's own GET says that it is gone.
    world.control(Method::DELETE, &format!("/records/{}", record.record_id.unwrap()), None).await;
    let path = format!("/fleet/devices/{}", record.device_id);
    world.control(Method::PATCH, &path, Some(json!({"asset_tag": "NEW"}))).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!(sync.counts.created, 1, "made again: {sync:?}");
    assert_eq!(records_by_serial(&world).await.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_9_passengers_left_behind_by_a_full_sync_stay_as_old_as_they_are() {
    let world = World::of(5).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let times = passenger_times(&world).await;
    world.control(Method::POST, "/fleet/check-ins", Some(json!({}))).await;
    let full = world.sync(Mode::Full).await;
    assert_eq!(full.counts.unchanged, 5, "check-ins alone cause no write: {full:?}");
    assert_eq!(passenger_times(&world).await, times, "nothing was written, so nothing is younger");
}

async fn passenger_times(world: &World) -> Vec<Option<i64>> {
    let times: Vec<(Option<i64>,)> = rows(&world.store, "SELECT passenger_time FROM links ORDER BY device_id").await;
    times.into_iter().map(|it| it.0).collect()
}

/// A device whose create is in flight.
async fn in_flight(world: &World) -> String {
    use pandaport_store::devices::{DeviceFilter, DeviceState, list};
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let filter = DeviceFilter { states: &[DeviceState::InFlight], removed_is_gone: false };
        let there = list(&world.store, &world.tenant, world.mapping_id, filter, None, 10).await.unwrap();
        if let Some(device) = there.first() {
            return device.device_id.clone();
        }
        assert!(std::time::Instant::now() < deadline, "nothing is in flight");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// PostgreSQL takes no text with U+0000; on both databases it is as if the character were not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_character_that_no_text_has_is_left_out_wherever_it_comes_from() {
    let mut world = World::of(6).await;
    let fleet = world.fleet().await;
    let serial = fleet[2]["serial_number"].as_str().unwrap();
    let filled_up =
        json!({"serial_number": format!("{serial}\0\0"), "device_name": "Front\0 desk", "tags": ["a\0", "b"]});
    world.edit(&fleet[2]["device_id"], filled_up).await;
    let first = world.sync(Mode::Incremental).await;
    succeeded(&first);
    assert_eq!(first.counts.created, 6, "{first:?}");
    let name = world.column(SourceField::DeviceName);
    assert_eq!(world.values(serial).await[&name], "Front desk");

    // What a record holds of it is no difference, and no other identifier.
    let records = records_by_serial(&world).await;
    let path = format!("/records/{}", records[serial]["id"].as_str().unwrap());
    let values = json!({name: "Front desk\0", world.column(SourceField::SerialNumber): format!("{serial}\0")});
    world.control(Method::PATCH, &path, Some(values)).await;
    let full = world.sync(Mode::Full).await;
    succeeded(&full);
    assert_eq!((full.counts.unchanged, full.counts.updated), (6, 0), "{full:?}");
    world.stop().await;
}
