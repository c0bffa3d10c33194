#![allow(clippy::unwrap_used)]
use std::collections::HashSet;

use serde_json::Value;

use super::*;
use crate::faults::Place;

fn fleet(devices: u32) -> Fleet {
    Fleet::new(FleetSpec { devices, ..FleetSpec::default() })
}

fn by_id() -> Query {
    Query::parse([("ordering", "device_id")].into_iter())
}

fn all(fleet: &Fleet, query: &Query) -> Vec<Value> {
    let mut out = Vec::new();
    fleet.page(query, 0, usize::MAX, &Style::default(), &mut out);
    serde_json::from_slice(&out).unwrap()
}

fn ids(fleet: &Fleet) -> Vec<String> {
    let id = |device: &Value| device["device_id"].as_str().unwrap().to_owned();
    all(fleet, &by_id()).iter().map(id).collect()
}

#[test]
fn a_generated_fleet_has_unique_rising_ids_and_unique_serials() {
    let devices = all(&fleet(5_000), &by_id());
    let ids: Vec<_> = devices.iter().map(|d| d["device_id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    let serials: HashSet<_> = devices.iter().map(|d| d["serial_number"].as_str().unwrap()).collect();
    assert_eq!(serials.len(), 5_000);
    assert!(serials.iter().all(|serial| serial.len() == 12));
}

#[test]
fn a_larger_fleet_of_the_same_seed_begins_with_the_smaller_one() {
    let small = all(&fleet(301), &Query::default());
    assert_eq!(small, all(&fleet(600), &Query::default())[..301]);
    let other = Fleet::new(FleetSpec { devices: 301, seed: 2, ..FleetSpec::default() });
    assert_ne!(small, all(&other, &Query::default()));
}

#[test]
fn a_generated_fleet_is_as_varied_as_the_examples() {
    let devices = all(&fleet(3_000), &Query::default());
    let any = |test: &dyn Fn(&Value) -> bool| assert!(devices.iter().any(test));
    for platform in ["Mac", "iPhone", "iPad", "AppleTV", "Vision"] {
        any(&|d| d["platform"] == platform);
    }
    any(&|d| d["user"] == "");
    any(&|d| d["user"]["is_archived"] == true);
    any(&|d| d["last_check_in"] == "");
    any(&|d| d["is_missing"] == true && d["is_removed"] == false);
    any(&|d| d["is_removed"] == true);
    any(&|d| d["lost_mode_status"] == "ENABLED");
    any(&|d| d["asset_tag"] == "");
    any(&|d| d["tags"].as_array().unwrap().iter().any(|tag| tag.as_str().unwrap().contains(',')));
    any(&|d| !d["device_name"].as_str().unwrap().is_ascii());
    any(&|d| !d["first_enrollment"].as_str().unwrap().contains('.'));
}

#[test]
fn a_share_of_duplicate_and_empty_serials_can_be_asked_for() {
    let spec =
        FleetSpec { devices: 1_000, duplicate_serials_percent: 10, empty_serials_percent: 5, ..FleetSpec::default() };
    let devices = all(&Fleet::new(spec), &Query::default());
    let serials: Vec<_> = devices.iter().map(|d| d["serial_number"].as_str().unwrap()).collect();
    let empty = serials.iter().filter(|serial| serial.is_empty()).count();
    let distinct: HashSet<_> = serials.iter().filter(|serial| !serial.is_empty()).collect();
    let duplicate = serials.len() - empty - distinct.len();
    assert!((20..100).contains(&empty), "{empty}");
    assert!((50..150).contains(&duplicate), "{duplicate}");
}

#[test]
fn deleted_and_added_devices_keep_the_order_by_id_right() {
    let mut fleet = fleet(100);
    let before = ids(&fleet);
    for place in [0, 1, 50, 99] {
        fleet.delete(&before[place]).unwrap();
    }
    fleet.appear(Place::Before, 2, None);
    fleet.appear(Place::After, 2, None);
    let last = fleet.find(&before[30]);
    fleet.appear(Place::PageEnd, 1, last);
    let after = ids(&fleet);
    assert_eq!(after.len(), 100 - 4 + 5);
    assert_eq!(fleet.len(), after.len());
    assert!(after.is_sorted());
    assert!(after[1] < before[0] && after[2] == before[2]);
    let end = after.iter().position(|id| *id == before[30]).unwrap();
    assert!(!before.contains(&after[end + 1]), "the new one follows the last one of the page");
    for id in &after {
        assert_eq!(fleet.object(fleet.find(id).unwrap(), &Style::default()).text("device_id"), *id);
    }
    assert!(fleet.find(&before[50]).is_none());
    let falling = Query::parse([("ordering", "-device_id")].into_iter());
    let mut reversed: Vec<_> = all(&fleet, &falling);
    reversed.reverse();
    assert_eq!(reversed, all(&fleet, &by_id()));
}

#[test]
fn a_change_touches_exactly_its_share_and_each_change_is_new() {
    let mut fleet = fleet(1_000);
    let edited = ids(&fleet)[7].clone();
    let patch: Object = serde_json::from_str(r#"{"asset_tag":null}"#).unwrap();
    fleet.patch(&edited, &patch, &["tags".to_owned()]).unwrap();
    fleet.add_generated(10);
    for seed in [1, 1, 9] {
        let before = all(&fleet, &by_id());
        let keys = vec![ChangedKey::OsVersion, ChangedKey::User, ChangedKey::Tags];
        assert_eq!(fleet.change(10.0, seed, keys), 101);
        let after = all(&fleet, &by_id());
        let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert_eq!(changed, 101);
    }
}

#[test]
fn check_ins_move_only_the_last_check_in() {
    let mut fleet = fleet(50);
    fleet.add_generated(1);
    let before = all(&fleet, &by_id());
    fleet.check_in();
    for (mut a, mut b) in before.into_iter().zip(all(&fleet, &by_id())) {
        let (old, new) = (a["last_check_in"].take(), b["last_check_in"].take());
        assert_eq!(old == new, old == "");
        assert_eq!(a, b);
    }
}

#[test]
fn users_and_devices_agree() {
    let mut fleet = fleet(500);
    let user_of = |device: &Value| device["user"].as_object().cloned();
    let devices = all(&fleet, &Query::default());
    let mut assigned = 0;
    for user in devices.iter().filter_map(user_of) {
        let place = fleet.directory().find(user["id"].as_str().unwrap()).unwrap();
        let entry = fleet.directory().at(place, |p| fleet.devices_of(p)).unwrap();
        assert_eq!(entry.text("email"), user["email"].as_str().unwrap());
        assert_eq!(entry.text("archived"), user["is_archived"].to_string());
        assert_ne!(entry.text("device_count"), "0");
        assigned += 1;
    }
    let counted: usize = (0..fleet.directory().places())
        .filter_map(|place| fleet.directory().at(place, |p| fleet.devices_of(p)))
        .map(|user| user.text("device_count").parse::<usize>().unwrap())
        .sum();
    assert_eq!(counted, assigned);
    let id = devices.iter().find_map(user_of).unwrap()["id"].as_str().unwrap().to_owned();
    assert!(fleet.patch_user(&id, UserPatch { active: None, archived: Some(true) }));
    let shown = all(&fleet, &Query::default()).iter().filter_map(user_of).find(|u| u["id"] == id.as_str());
    assert_eq!(shown.unwrap()["is_archived"], true);
}

#[test]
fn filters_and_orderings_select_what_they_say() {
    let fleet = fleet(400);
    let devices = all(&fleet, &Query::default());
    let macs = Query::parse([("platform", "Mac"), ("ordering", "-serial_number")].into_iter());
    let serials: Vec<_> = all(&fleet, &macs).iter().map(|d| d["serial_number"].as_str().unwrap().to_owned()).collect();
    assert!(serials.is_sorted_by(|a, b| a > b));
    assert_eq!(serials.len(), devices.iter().filter(|d| d["platform"] == "Mac").count());
    let serial = devices[3]["serial_number"].as_str().unwrap()[6..].to_lowercase();
    let one = Query::parse([("serial_number", serial.as_str()), ("page", "7")].into_iter());
    assert!(all(&fleet, &one).contains(&devices[3]));
    let tag = Query::parse([("tag_name", "build, release")].into_iter());
    assert!(all(&fleet, &tag).iter().all(|d| d["tags"].as_array().unwrap().contains(&"build, release".into())));
}

#[test]
fn raw_devices_come_back_as_they_were_given() {
    let text = r#"[{"device_id":"b","z":1.50, "a":null},{"no":"id"},"not a device",{"device_id":"a"}]"#;
    let fleet = Fleet::raw(text, &[]).unwrap();
    let mut out = Vec::new();
    fleet.page(&Query::default(), 0, 300, &Style::default(), &mut out);
    let given: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
    let served: Vec<Box<RawValue>> = serde_json::from_slice(&out).unwrap();
    let texts = |list: &[Box<RawValue>]| list.iter().map(|raw| raw.get().to_owned()).collect::<Vec<_>>();
    assert_eq!(texts(&given), texts(&served));
    let sorted: Vec<_> = all(&fleet, &by_id()).iter().map(|d| d["device_id"].clone()).collect();
    assert_eq!(sorted[2..], ["a", "b"]);
}
