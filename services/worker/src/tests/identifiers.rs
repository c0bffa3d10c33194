//! Identifiers in all their forms (rule 12): whose record is whose, and when nobody can say.

use std::collections::BTreeMap;

use pandaport_import::{IdentifierPair, OnFiltered, Pair, SourceField, WriteRule};
use pandaport_store::records::RecordOutcome;
use pandaport_store::syncs::{Mode, Sync, SyncState};
use reqwest::Method;
use serde_json::{Value, json};

use super::harness::World;
use super::journey::{faults, records_by_serial, succeeded};

/// What a sync rejected: device id, with reason and message.
async fn rejected(world: &World, sync: &Sync) -> BTreeMap<String, (String, String)> {
    let records = world.records(sync.sync_id).await.into_iter().filter(|it| it.outcome == RecordOutcome::Rejected);
    records.map(|it| (it.device_id, (it.reason.unwrap(), it.message.unwrap()))).collect()
}

/// Puts records into the collection by hand, with these serial numbers and nothing else; answers with their ids.
async fn by_hand(world: &World, serials: &[&str]) -> Vec<String> {
    let ready = world.sandbox.ready();
    let serial = &ready.columns["Serial Number"];
    let records: Vec<Value> = serials.iter().map(|it| json!({ serial: it })).collect();
    let seed = json!({"collection_id": ready.collection_id, "records": records});
    let made = world.control(Method::POST, "/records", Some(seed)).await;
    serde_json::from_value(made["record_ids"].clone()).unwrap()
}

async fn count(world: &World) -> usize {
    let path = format!("/records?collection_id={}", world.sandbox.ready().collection_id);
    world.control(Method::GET, &path, None).await["records"].as_array().unwrap().len()
}

/// Every device of the fleet has one record, with its serial number and device id, and there is no other.
async fn assert_each_has_its_record(world: &World) {
    let device_id = &world.sandbox.ready().columns["Device ID"];
    let records = records_by_serial(world).await;
    let fleet = world.fleet().await;
    assert_eq!(records.len(), fleet.len());
    for device in fleet {
        let serial = device["serial_number"].as_str().unwrap();
        assert_eq!(records[serial]["values"][device_id], device["device_id"], "{serial}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_device_without_an_identifier_is_rejected_and_nothing_is_created() {
    let world = World::of(6).await;
    let fleet = world.fleet().await;
    let empty = [json!({"serial_number": ""}), json!({"serial_number": null}), json!({"serial_number": " \t "})];
    for (device, keys) in fleet.iter().zip(empty) {
        world.edit(&device["device_id"], keys).await;
    }
    world.edit(&fleet[3]["device_id"], json!({"$remove": ["serial_number"]})).await;
    for mode in [Mode::Incremental, Mode::Full] {
        let sync = world.sync(mode).await;
        assert_eq!(sync.state, SyncState::CompletedWithRejections);
        let rejected = rejected(&world, &sync).await;
        assert_eq!(rejected.len(), 4, "{rejected:?}");
        assert!(rejected.values().all(|it| it.0 == "IDENTIFIER_EMPTY"), "{rejected:?}");
        assert_eq!(count(&world).await, 2);
    }
    world.edit(&fleet[0]["device_id"], json!({"serial_number": "NOW1"})).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!((sync.counts.created, sync.counts.rejected), (1, 3), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_more_than_one_record_with_the_identifier_is_told_with_their_ids_until_one_is_left() {
    let world = World::of(4).await;
    let serial = world.fleet().await[2]["serial_number"].as_str().unwrap().to_owned();
    world.control(Method::PATCH, "/faults", Some(json!({"asset_panda": {"enforce_unique": false}}))).await;
    let twins = by_hand(&world, &[&serial, &serial]).await;
    for mode in [Mode::Incremental, Mode::Full] {
        let sync = world.sync(mode).await;
        let rejected = rejected(&world, &sync).await;
        assert_eq!(rejected.len(), 1, "{rejected:?}");
        let (reason, message) = rejected.values().next().unwrap();
        assert_eq!(reason, "IDENTIFIER_AMBIGUOUS");
        assert!(twins.iter().all(|id| message.contains(id)), "{message}");
        assert_eq!(count(&world).await, 3 + 2, "nothing is created");
    }
    world.control(Method::DELETE, &format!("/records/{}", twins[0]), None).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!(sync.counts.adopted, 1, "{sync:?}");
    assert_each_has_its_record(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_record_that_is_equal_but_for_case_or_space_is_told_with_both_values() {
    let world = World::of(5).await;
    let fleet = world.fleet().await;
    // As Kandji has them, and as somebody typed them into Asset Panda.
    let near = [("ABC123X", "abc123x"), ("ABC456X", " ABC456X ")];
    for (device, (ours, _)) in fleet.iter().zip(near) {
        world.edit(&device["device_id"], json!({"serial_number": ours})).await;
    }
    by_hand(&world, &near.map(|it| it.1)).await;
    // Matching as loosely as a search engine may: what it does not bring, nobody can compare.
    world.control(Method::PATCH, "/faults", Some(json!({"asset_panda": {"loose_search": true}}))).await;
    for mode in [Mode::Incremental, Mode::Full] {
        let sync = world.sync(mode).await;
        let rejected = rejected(&world, &sync).await;
        assert_eq!(rejected.len(), 2, "{rejected:?}");
        for (device, (ours, theirs)) in fleet.iter().zip(near) {
            let (reason, message) = &rejected[device["device_id"].as_str().unwrap()];
            assert_eq!(reason, "IDENTIFIER_NEAR_MATCH", "{ours}");
            assert!(message.contains(ours) && message.contains(theirs), "{message}");
        }
        assert_eq!(count(&world).await, 3 + 2, "nothing is created");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_of_devices_whose_identifiers_are_nearly_the_same_one_wins_and_the_others_name_it() {
    let world = World::of(6).await;
    let fleet = world.fleet().await;
    // Of the Unicode forms, the second is decomposed.
    let claims = [
        ("N\u{c9}AR-1", "2030"),
        ("NE\u{301}AR-1", "2029"),
        ("n\u{e9}ar-1", "2028"),
        (" N\u{c9}AR-1", "2027"),
        ("N\u{c9}AR-1", "2026"),
    ];
    for (device, (serial, year)) in fleet.iter().zip(claims) {
        let keys = json!({"serial_number": serial, "last_enrollment": format!("{year}-01-01 00:00:00+00:00")});
        world.edit(&device["device_id"], keys).await;
    }
    for created in [2, 0] {
        let sync = world.sync(Mode::Incremental).await;
        assert_eq!((sync.counts.created, sync.counts.rejected), (created, 4), "{sync:?}");
        let rejected = rejected(&world, &sync).await;
        let winner = fleet[0]["device_id"].as_str().unwrap();
        let near = "IDENTIFIER_NEAR_MATCH";
        let reasons = [near, near, near, "IDENTIFIER_DUPLICATE"];
        for (device, expected) in fleet[1..].iter().zip(reasons) {
            let (reason, message) = &rejected[device["device_id"].as_str().unwrap()];
            assert_eq!(reason, expected, "{message}");
            assert!(message.contains(winner), "{message}");
        }
    }
    assert_eq!(count(&world).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_known_device_whose_identifier_changes_keeps_its_record() {
    let world = World::of(5).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let fleet = world.fleet().await;
    let old = fleet[1]["serial_number"].as_str().unwrap();
    let record = records_by_serial(&world).await[old]["id"].clone();
    world.edit(&fleet[1]["device_id"], json!({"serial_number": "REPAIRED1"})).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.updated, sync.counts.created), (1, 0), "{sync:?}");
    assert_eq!(records_by_serial(&world).await["REPAIRED1"]["id"], record, "the same record");
    assert_each_has_its_record(&world).await;

    // To a value that a record which is nobody's has: whose that is, a person says.
    let taken = by_hand(&world, &["TAKEN1"]).await.remove(0);
    world.edit(&fleet[1]["device_id"], json!({"serial_number": "TAKEN1"})).await;
    for mode in [Mode::Incremental, Mode::Full] {
        let sync = world.sync(mode).await;
        let rejected = rejected(&world, &sync).await;
        let (reason, message) = &rejected[fleet[1]["device_id"].as_str().unwrap()];
        assert_eq!((rejected.len(), reason.as_str()), (1, "IDENTIFIER_TAKEN"), "{rejected:?}");
        assert!(message.contains(&taken), "{message}");
        assert_eq!(records_by_serial(&world).await["REPAIRED1"]["id"], record, "as it was");
    }
    world.control(Method::DELETE, &format!("/records/{taken}"), None).await;
    succeeded(&world.sync(Mode::Incremental).await);
    assert_each_has_its_record(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_two_devices_that_swap_their_identifiers_end_right_or_are_told_and_never_make_a_record() {
    let world = World::of(5).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let fleet = world.fleet().await;
    world.edit(&fleet[0]["device_id"], json!({"serial_number": fleet[1]["serial_number"]})).await;
    world.edit(&fleet[1]["device_id"], json!({"serial_number": fleet[0]["serial_number"]})).await;
    for mode in [Mode::Incremental, Mode::Full, Mode::Incremental] {
        let sync = world.sync(mode).await;
        assert_eq!(sync.counts.created, 0, "{sync:?}");
        assert_eq!(count(&world).await, 5);
        let rejected = rejected(&world, &sync).await;
        assert!(rejected.values().all(|it| it.0 == "IDENTIFIER_TAKEN"), "{rejected:?}");
        // Each names the device that stands in its way.
        for (one, other) in [(0, 1), (1, 0)] {
            if let Some((_, message)) = rejected.get(fleet[one]["device_id"].as_str().unwrap()) {
                assert!(message.contains(fleet[other]["device_id"].as_str().unwrap()), "{message}");
            }
        }
    }
    // By way of a third value they get there, one after the other.
    world.edit(&fleet[0]["device_id"], json!({"serial_number": "THIRD1"})).await;
    for _ in 0..2 {
        world.sync(Mode::Incremental).await;
    }
    world.edit(&fleet[0]["device_id"], json!({"serial_number": fleet[1]["serial_number"]})).await;
    succeeded(&world.sync(Mode::Incremental).await);
    assert_each_has_its_record(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_record_that_another_present_device_holds_is_never_adopted() {
    let world = World::of(4).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let fleet = world.fleet().await;
    let serial = fleet[2]["serial_number"].as_str().unwrap();
    // The holder gets another serial number, and a newcomer the old one, between two syncs.
    world.edit(&fleet[2]["device_id"], json!({"serial_number": "MOVED1"})).await;
    let newcomer = json!([{
        "device_id": "ffffffff-0000-4000-8000-000000000009", "device_name": "new", "user": "", "serial_number": serial,
        "last_enrollment": "2030-01-01 00:00:00+00:00"
    }]);
    world.control(Method::POST, "/fleet/devices", Some(newcomer)).await;
    let sync = world.sync(Mode::Incremental).await;
    let rejected = rejected(&world, &sync).await;
    if let Some((reason, message)) = rejected.get("ffffffff-0000-4000-8000-000000000009") {
        assert_eq!(reason, "IDENTIFIER_TAKEN");
        assert!(message.contains(fleet[2]["device_id"].as_str().unwrap()), "{message}");
    }
    assert_eq!(sync.counts.adopted, 0, "{sync:?}");
    // The holder's record has its new number by now, and the old one is free.
    succeeded(&world.sync(Mode::Incremental).await);
    assert_each_has_its_record(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_device_that_is_enrolled_again_takes_its_record_over_by_serial_whatever_the_identifier_is() {
    let world = World::mapped(4, |_| {}).await;
    identify_by(&world, SourceField::DeviceId).await;
    succeeded(&world.sync(Mode::Incremental).await);
    let mut again = world.fleet().await[1].clone();
    let path = format!("/fleet/devices/{}", again["device_id"].as_str().unwrap());
    world.control(Method::DELETE, &path, None).await;
    again["device_id"] = json!("ffffffff-0000-4000-8000-000000000004");
    world.control(Method::POST, "/fleet/devices", Some(json!([again]))).await;
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.updated, sync.counts.created), (1, 0), "{sync:?}");
    assert_each_has_its_record(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_record_that_a_device_takes_over_by_serial_is_not_adopted_by_another_in_the_same_sync() {
    let world = World::mapped(3, |_| {}).await;
    identify_by(&world, SourceField::UserEmail).await;
    faults(&world, json!({"flags_present": false, "enforce_unique": false})).await;
    for (at, device) in world.fleet().await.iter().enumerate() {
        world.edit(&device["device_id"], json!({"user": user(&format!("user{at}@example.com"))})).await;
    }
    succeeded(&world.sync(Mode::Incremental).await);
    // A laptop is enrolled anew for somebody else, and whoever had it gets a new one: its record has his address still.
    let fleet = world.fleet().await;
    let path = format!("/fleet/devices/{}", fleet[1]["device_id"].as_str().unwrap());
    world.control(Method::DELETE, &path, None).await;
    let (mut again, mut new) = (fleet[1].clone(), fleet[1].clone());
    again["device_id"] = json!("eeeeeeee-0000-4000-8000-000000000001");
    again["user"] = user("somebody.else@example.com");
    new["device_id"] = json!("ffffffff-0000-4000-8000-000000000002");
    new["serial_number"] = json!("NEWONE1");
    world.control(Method::POST, "/fleet/devices", Some(json!([again, new]))).await;
    let sync = world.sync(Mode::Incremental).await;
    assert_eq!(sync.state, SyncState::CompletedWithRejections, "{sync:?}");
    let rejected = rejected(&world, &sync).await;
    assert_eq!(rejected["ffffffff-0000-4000-8000-000000000002"].0, "IDENTIFIER_TAKEN", "{rejected:?}");
    let sync = world.sync(Mode::Incremental).await;
    succeeded(&sync);
    assert_eq!((sync.counts.created, sync.counts.unchanged), (1, 3), "{sync:?}");
    assert_each_has_its_record(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_mac_that_is_enrolled_again_takes_its_record_over_from_a_device_that_is_left_out_as_removed() {
    for on_filtered in [OnFiltered::Leave, OnFiltered::AsRemoved] {
        let world = World::mapped(4, |spec| {
            spec.filter.exclude_removed = true;
            spec.on_filtered = on_filtered;
        })
        .await;
        for device in world.fleet().await {
            world.edit(&device["device_id"], json!({"is_removed": false})).await;
        }
        succeeded(&world.sync(Mode::Incremental).await);
        let fleet = world.fleet().await;
        world.edit(&fleet[1]["device_id"], json!({"is_removed": true})).await;
        let mut again = fleet[1].clone();
        again["device_id"] = json!("ffffffff-0000-4000-8000-000000000001");
        again["last_enrollment"] = json!("2030-01-01 00:00:00+00:00");
        world.control(Method::POST, "/fleet/devices", Some(json!([again]))).await;
        let dry = world.trigger(Mode::Incremental, true).await;
        let dry = world.ended(dry).await;
        let sync = world.sync(Mode::Incremental).await;
        assert_eq!(dry.counts, sync.counts, "rule 14");
        succeeded(&sync);
        assert_eq!((sync.counts.updated, sync.counts.created, sync.counts.skipped), (1, 0, 1), "{sync:?}");
        for mode in [Mode::Incremental, Mode::Full] {
            let sync = world.sync(mode).await;
            succeeded(&sync);
            assert_eq!((sync.counts.unchanged, sync.counts.skipped), (4, 1), "{sync:?}");
        }
    }
}

fn user(email: &str) -> Value {
    json!({"email": email, "name": email, "id": email, "is_archived": false})
}

/// Another field is the identifier, and the serial number a field like others.
async fn identify_by(world: &World, field: SourceField) {
    let columns = world.sandbox.ready().columns.clone();
    let serial = Pair {
        source_field: SourceField::SerialNumber,
        column_id: columns[SourceField::SerialNumber.display_name()].clone(),
        write_rule: WriteRule::default_for(SourceField::SerialNumber),
        tag_separator: None,
        date_format: None,
    };
    world
        .remap(|spec| {
            let column_id = columns[field.display_name()].clone();
            spec.identifier = IdentifierPair { source_field: field, column_id };
            spec.pairs.retain(|it| it.source_field != field);
            spec.pairs.push(serial);
        })
        .await;
}
