//! What a device should look like in the collection, worked out from Kandji's JSON and the value table of the Asset
//! Panda contract (section 6.1) alone. Nothing of `crates/` is used here: both could be wrong in the same way.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What kind of value a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Boolean,
    Time,
    List,
}

/// The 26 fields: key, name, kind, and where the value stands in a device of the list.
pub(crate) const FIELDS: [(&str, &str, Kind); 26] = [
    ("agent_installed", "Agent Installed", Kind::Boolean),
    ("agent_version", "Agent Version", Kind::Text),
    ("asset_tag", "Asset Tag", Kind::Text),
    ("blueprint_id", "Blueprint ID", Kind::Text),
    ("blueprint_name", "Blueprint Name", Kind::Text),
    ("device_id", "Device ID", Kind::Text),
    ("device_name", "Device Name", Kind::Text),
    ("first_enrollment", "First Enrollment", Kind::Time),
    ("is_missing", "Is Missing", Kind::Boolean),
    ("is_removed", "Is Removed", Kind::Boolean),
    ("last_check_in", "Last Check In", Kind::Time),
    ("last_enrollment", "Last Enrollment", Kind::Time),
    ("lost_mode_status", "Lost Mode Status", Kind::Text),
    ("mdm_enabled", "MDM Enabled", Kind::Boolean),
    ("model", "Model", Kind::Text),
    ("os_version", "OS Version", Kind::Text),
    ("platform", "Platform", Kind::Text),
    ("serial_number", "Serial Number", Kind::Text),
    ("supplemental_build_version", "Supplemental Build Version", Kind::Text),
    ("supplemental_os_version_extra", "Supplemental OS Version Extra", Kind::Text),
    ("tags", "Tags", Kind::List),
    ("user_active", "User Active", Kind::Boolean),
    ("user_email", "User Email", Kind::Text),
    ("user_id", "User ID", Kind::Text),
    ("user_is_archived", "User Is Archived", Kind::Boolean),
    ("user_name", "User Name", Kind::Text),
];

/// How booleans and times are kept: in columns of their own types, or in text columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// `boolean` and `datetime`.
    Typed,
    /// `text` throughout.
    Text,
}

/// Who of the directory is active, by every id a device may name.
pub(crate) fn active_users(pages: &[Value]) -> BTreeMap<String, bool> {
    let mut active = BTreeMap::new();
    for user in pages.iter().flat_map(|page| page["results"].as_array().into_iter().flatten()) {
        let Some(is_active) = user["active"].as_bool() else { continue };
        for key in ["deprecated_user_id", "id"] {
            if let Some(id) = user[key].as_str().filter(|id| !id.is_empty()) {
                active.insert(id.to_owned(), is_active);
            }
        }
    }
    active
}

/// The record a device should have after its creation: values by column name; a field without a value has no entry.
fn record(device: &Value, active: &BTreeMap<String, bool>, columns: Columns) -> BTreeMap<String, Value> {
    let mut record = BTreeMap::new();
    for (key, name, kind) in FIELDS {
        if let Some(value) = source(device, key, active).and_then(|value| written(&value, kind, columns)) {
            record.insert(name.to_owned(), value);
        }
    }
    record
}

/// The records that these devices should have, but for some, by device id.
pub(crate) fn records(
    devices: &[Value],
    active: &BTreeMap<String, bool>,
    columns: Columns,
    but_for: &[&str],
) -> BTreeMap<String, BTreeMap<String, Value>> {
    let id = |device: &Value| device["device_id"].as_str().expect("an id").to_owned();
    let there = devices.iter().filter(|device| !but_for.contains(&id(device).as_str()));
    there.map(|device| (id(device), record(device, active, columns))).collect()
}

/// What Kandji says of a field; nothing where it is absent, null or `""`.
fn source(device: &Value, key: &str, active: &BTreeMap<String, bool>) -> Option<Value> {
    let user = &device["user"];
    let value = match key {
        "user_email" => user["email"].clone(),
        "user_name" => user["name"].clone(),
        "user_is_archived" => user["is_archived"].clone(),
        "user_id" => id_text(&user["id"]).map_or(Value::Null, Value::from),
        "user_active" => id_text(&user["id"]).and_then(|id| active.get(&id)).map_or(Value::Null, |it| (*it).into()),
        key => device[key].clone(),
    };
    let empty = value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty);
    (!empty).then_some(value)
}

/// User ids were integers once.
fn id_text(id: &Value) -> Option<String> {
    match id {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn written(value: &Value, kind: Kind, columns: Columns) -> Option<Value> {
    Some(match (kind, columns) {
        (Kind::Text, _) | (Kind::Boolean, Columns::Typed) => value.clone(),
        (Kind::Boolean, Columns::Text) => value.as_bool()?.to_string().into(),
        (Kind::Time, _) => whole_second(value.as_str()?).into(),
        (Kind::List, _) => tags(value.as_array()?).into(),
    })
}

/// `2024-01-26 16:15:36.087016+00:00` as RFC 3339, UTC, whole seconds. All times of the examples are in UTC.
pub(crate) fn whole_second(time: &str) -> String {
    assert!(time.ends_with('Z') || time.ends_with("+00:00"), "{time} is not in UTC");
    format!("{}T{}Z", &time[..10], &time[11..19])
}

/// Sorted and joined; a JSON array where a tag holds the separator itself.
pub(crate) fn tags(tags: &[Value]) -> String {
    let mut tags: Vec<&str> = tags.iter().filter_map(Value::as_str).collect();
    tags.sort_unstable();
    if tags.iter().any(|tag| tag.contains(", ")) { Value::from(tags).to_string() } else { tags.join(", ") }
}

/// A record without the columns that hold nothing, and those that no field is mapped to.
pub(crate) fn mapped(values: &Map<String, Value>) -> BTreeMap<String, Value> {
    let holds = |value: &Value| !value.is_null() && *value != "";
    let is_field = |name: &str| FIELDS.iter().any(|(_, field, _)| *field == name);
    let mapped = values.iter().filter(|(name, value)| is_field(name) && holds(value));
    mapped.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn the_expectations_follow_the_contract() {
    assert_eq!(whole_second("2024-01-26 16:15:36.087016+00:00"), "2024-01-26T16:15:36Z");
    assert_eq!(whole_second("2026-11-14T22:00:00Z"), "2026-11-14T22:00:00Z");
    assert_eq!(tags(&["b".into(), "a".into()]), "a, b");
    assert_eq!(tags(&["ci".into(), "build, release".into()]), r#"["build, release","ci"]"#);
}
