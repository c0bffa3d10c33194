#![allow(clippy::unwrap_used)]
use super::*;
use rstest::rstest;
use serde_json::json;

const DEVICES: &[u8] = include_bytes!("../../testdata/devices.json");
const MIXED: &[u8] = include_bytes!("../../testdata/devices-mixed-tenant.json");
const VARIANTS: &[u8] = include_bytes!("../../testdata/devices-defensive-variants.json");

fn devices(body: &[u8]) -> Vec<Device> {
    let readable = |entry| match entry {
        PageEntry::Device(device) => *device,
        PageEntry::Unreadable(unreadable) => panic!("{unreadable:?}"),
    };
    entries(body).unwrap().into_iter().map(readable).collect()
}

fn text(value: &str) -> Presence<String> {
    Presence::Value(value.to_owned())
}

fn one(entry: serde_json::Value) -> PageEntry {
    entries(json!([entry]).to_string().as_bytes()).unwrap().remove(0)
}

fn unreadable_one(entry: serde_json::Value) -> Unreadable {
    match one(entry) {
        PageEntry::Unreadable(unreadable) => unreadable,
        PageEntry::Device(device) => panic!("readable: {device:?}"),
    }
}

#[test]
fn the_documented_list_is_read_field_by_field() {
    let devices = devices(DEVICES);
    assert_eq!(devices.len(), 14);
    let mac = &devices[0];
    assert_eq!(mac.device_id, "68e58909-ccb2-4416-925a-56c9a30f4300");
    assert_eq!(mac.device_name, text("Ida’s MacBook Pro"));
    assert_eq!(mac.serial_number, text("EXMPL0MAC001"));
    assert_eq!(mac.supplemental_os_version_extra, Presence::Empty);
    assert_eq!(mac.last_check_in, Presence::Value("2026-11-20T09:14:02.418233Z".parse().unwrap()));
    assert_eq!(mac.first_enrollment, Presence::Value("2024-11-04T08:01:55.120934Z".parse().unwrap()));
    assert_eq!((&mac.mdm_enabled, &mac.is_missing), (&Presence::Value(true), &Presence::Value(false)));
    assert_eq!(mac.tags, Presence::Value(vec!["engineering".to_owned()]));
    let user = mac.user.value().unwrap();
    assert_eq!(user.email, text("ida.testwell@example.com"));
    assert_eq!((&user.is_archived, &user.active), (&Presence::Value(false), &Presence::Absent));

    assert_eq!(devices[1].user, Presence::Empty);
    assert_eq!(devices[7].tags.value().unwrap().len(), 12);
    assert_eq!(devices[11].last_check_in, Presence::Empty);
    assert_eq!(devices[12].last_enrollment, Presence::Value("2026-09-16T07:00:00Z".parse().unwrap()));
}

#[test]
fn a_tenant_with_windows_and_android_is_read() {
    let devices = devices(MIXED);
    assert_eq!(devices.len(), 4);
    assert_eq!(devices[1].lost_mode_status, text("ENABLED"));
    assert_eq!(devices[2].os_version, text("24H2"));
    assert_eq!((&devices[3].user, &devices[3].tags), (&Presence::Empty, &Presence::Empty));
}

#[test]
fn rule_8_empty_is_not_unknown() {
    let devices = devices(VARIANTS);
    assert_eq!(devices.len(), 11);
    assert_eq!(devices[0].asset_tag, Presence::Empty);
    assert_eq!(devices[1].user, Presence::Empty);
    assert_eq!(devices[2].user, Presence::Absent);
    assert_eq!(devices[3].user.value().unwrap().id, text("1"));
    assert_eq!((&devices[3].tags, &devices[3].lost_mode_status), (&Presence::Absent, &Presence::Absent));
    assert_eq!(devices[4].last_check_in, Presence::Value("2026-07-01T19:02:37.320664Z".parse().unwrap()));
    assert_eq!(devices[5].last_check_in, Presence::Empty);
    assert_eq!(devices[6].blueprint_id, Presence::Empty);
    assert_eq!((&devices[7].serial_number, &devices[7].device_name), (&Presence::Empty, &Presence::Empty));
    assert_eq!(devices[8].user.value().unwrap().email, Presence::Empty);
    assert_eq!(devices[10].platform, text("VisionPro"));
}

#[test]
fn user_active_is_read_should_it_ever_appear() {
    let PageEntry::Device(device) = one(json!({"device_id": "d", "user": {"active": false}})) else { panic!() };
    assert_eq!(device.user.value().unwrap().active, Presence::Value(false));
    assert_eq!(device.user.value().unwrap().email, Presence::Absent);
}

#[rstest]
#[case(json!({"last_check_in": "yesterday"}), "last_check_in: `yesterday` is not a time")]
#[case(json!({"asset_tag": 101}), "asset_tag: the number 101 is not text")]
#[case(json!({"device_name": true}), "device_name: true is not text")]
#[case(json!({"is_removed": "maybe"}), "is_removed: `maybe` is not true or false")]
#[case(json!({"mdm_enabled": 1}), "mdm_enabled: the number 1 is not true or false")]
#[case(json!({"tags": "engineering"}), "tags: `engineering` is not a list of names")]
#[case(json!({"tags": ["a", 5]}), "tags: the number 5 is not text")]
#[case(json!({"user": "ida"}), "user: `ida` is not a user")]
#[case(json!({"user": {"email": ["a"]}}), "user.email: a list is not text")]
#[case(json!({"model": {"a": [1, {"b": 2}]}}), "model: an object is not text")]
#[case(json!({"model": 1.5, "platform": -1}), "model: the number 1.5 is not text; platform: the number -1 is not text")]
fn rule_5_a_bad_field_makes_that_device_unreadable_and_is_named(
    #[case] fields: serde_json::Value,
    #[case] reason: &str,
) {
    let mut entry = json!({"device_id": "d-1", "serial_number": "S1"});
    entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let page = json!([{"device_id": "before"}, entry, {"device_id": "after"}]).to_string();
    let entries = entries(page.as_bytes()).unwrap();
    let PageEntry::Unreadable(unreadable) = &entries[1] else { panic!("{entries:?}") };
    assert_eq!(unreadable.reason, reason);
    assert_eq!((unreadable.device_id.as_deref(), unreadable.serial_number.as_deref()), (Some("d-1"), Some("S1")));
    assert_eq!(unreadable.identity, "d-1");
    assert_eq!((entries[0].identity(), entries[2].identity()), ("before", "after"));
}

#[rstest]
#[case::absent(json!({"serial_number": "S1"}))]
#[case::empty(json!({"device_id": "", "serial_number": "S1"}))]
#[case::null(json!({"device_id": null, "serial_number": "S1"}))]
#[case::number(json!({"device_id": 7, "serial_number": "S1"}))]
fn a_device_without_an_id_is_unreadable(#[case] entry: serde_json::Value) {
    let unreadable = unreadable_one(entry);
    assert!(unreadable.reason.contains("device_id"), "{unreadable:?}");
    assert_eq!((unreadable.device_id, unreadable.identity), (None, "serial:S1".to_owned()));
}

#[test]
fn entries_that_are_no_objects_do_not_spoil_the_page() {
    let page = br#"[{"device_id":"a"}, null, 7, "x", [1], {"device_id":"d","device_id":"d"}, {}, {"device_id":"b"}]"#;
    let entries = entries(page).unwrap();
    assert_eq!(entries.len(), 8);
    assert_eq!((entries[0].identity(), entries[7].identity()), ("a", "b"));
    let identities: std::collections::HashSet<&str> = entries.iter().map(PageEntry::identity).collect();
    assert_eq!(identities.len(), 8, "each has an identity of its own: {identities:?}");
    let PageEntry::Unreadable(twice) = &entries[5] else { panic!() };
    assert_eq!(twice.device_id.as_deref(), Some("d"));
    assert!(twice.reason.contains("duplicate"), "{twice:?}");
}

#[test]
fn the_identity_of_an_entry_without_id_is_the_same_each_time() {
    let entry = json!({"model": "iPhone 13", "platform": ""});
    let first = unreadable_one(entry.clone());
    assert!(first.identity.starts_with("hash:"));
    assert_eq!(first, unreadable_one(entry));
    assert_ne!(first.identity, unreadable_one(json!({"model": "iPhone 14"})).identity);
}

#[test]
fn a_broken_escape_spoils_one_entry_only() {
    let page = br#"[{"device_id":"a"},{"device_id":"b","serial_number":"S2","model":"\ud800"},{"device_id":"c"}]"#;
    let entries = entries(page).unwrap();
    let PageEntry::Unreadable(broken) = &entries[1] else { panic!() };
    assert_eq!(
        (broken.identity.as_str(), broken.serial_number.as_deref()),
        ("b", Some("S2")),
        "it is told whose it is"
    );
    assert!(broken.reason.starts_with("the entry cannot be read: "), "{broken:?}");
    assert_eq!((entries[0].identity(), entries[2].identity()), ("a", "c"));
}

#[test]
fn an_entry_that_is_nested_too_deeply_is_still_somebodys() {
    let page = format!(r#"[{{"device_id":"a","model":{}{}}}]"#, "[".repeat(200), "]".repeat(200));
    let entries = entries(page.as_bytes()).unwrap();
    assert!(matches!(entries[0], PageEntry::Unreadable(_)));
    assert_eq!(entries[0].identity(), "a");
}

#[rstest]
#[case::truncated(&DEVICES[..DEVICES.len() - 40])]
#[case::object(br#"{"device_id": "a"}"#)]
#[case::html(b"<html></html>")]
#[case::empty(b"")]
#[case::not_utf8(b"[{\"device_id\":\"\xff\"}]")]
#[case::text_after(b"[] []")]
fn a_page_that_is_no_json_array_is_an_error(#[case] body: &[u8]) {
    assert!(entries(body).is_err());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = entries(&body);
    }

    #[test]
    fn every_cut_of_a_page_is_an_error(cut in 0..VARIANTS.len() - 3) {
        proptest::prop_assert!(entries(&VARIANTS[..cut]).is_err());
    }
}
