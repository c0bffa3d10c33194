//! What a sync did with single devices, and where devices stand.

use pandaport_api::v1::{Device, FieldChange, SyncRecord};

use super::name::short;
use super::table::{Kind, table};
use super::time::moment;
use super::value::value;

/// Records with their changes: a table of the devices, and below each changed device its columns, old and new.
#[must_use]
pub fn records(width: Option<u16>, records: &[SyncRecord]) -> String {
    let mut rows = Vec::new();
    for it in records {
        let mut what = reason(&it.reason, &it.message);
        let mut changes = it.changes.iter().map(change);
        if what.is_empty() {
            what = changes.next().unwrap_or_default();
        }
        rows.push(vec![
            short(it.outcome().as_str_name(), "RECORD_OUTCOME_").to_owned(),
            it.identifier.clone(),
            it.serial_number.clone(),
            it.record_id.clone(),
            what,
        ]);
        for change in changes {
            let mut row = vec![String::new(); 4];
            row.push(change);
            rows.push(row);
        }
    }
    let columns = [
        ("OUTCOME", Kind::Id),
        ("IDENTIFIER", Kind::Id),
        ("SERIAL", Kind::Id),
        ("RECORD", Kind::Id),
        ("WHAT", Kind::Text),
    ];
    table(width, &columns, &rows)
}

/// One column that changes: `model: "MacBook Air" → "MacBook Pro"`; of one that was never written, only what it gets.
pub(super) fn change(it: &FieldChange) -> String {
    let name = if it.source_field.is_empty() { &it.column_id } else { &it.source_field };
    let new = value(it.new_value.as_ref());
    match &it.old_value {
        None => format!("{name}: {new}"),
        old => format!("{name}: {} → {new}", value(old.as_ref())),
    }
}

/// A table of the devices that a mapping knows.
#[must_use]
pub fn devices(width: Option<u16>, devices: &[Device]) -> String {
    let rows: Vec<Vec<String>> = devices
        .iter()
        .map(|it| {
            vec![
                it.device_id.clone(),
                it.identifier.clone(),
                short(it.state().as_str_name(), "DEVICE_STATE_").to_owned(),
                it.record_id.clone(),
                moment(it.last_seen_time.as_ref()),
                moment(it.last_confirmed_time.as_ref()),
                reason(&it.reason, &it.message),
            ]
        })
        .collect();
    let columns = [
        ("DEVICE", Kind::Id),
        ("IDENTIFIER", Kind::Id),
        ("STATE", Kind::Id),
        ("RECORD", Kind::Id),
        ("SEEN", Kind::Id),
        ("WRITTEN", Kind::Id),
        ("WHY", Kind::Text),
    ];
    table(width, &columns, &rows)
}

pub(super) fn reason(reason: &str, message: &str) -> String {
    match (reason.is_empty(), message.is_empty()) {
        (true, _) => message.to_owned(),
        (false, true) => reason.to_owned(),
        (false, false) => format!("{reason}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use pandaport_api::v1::{DeviceState, RecordOutcome};
    use prost_types::Value;

    use super::*;

    #[test]
    fn records_show_old_and_new_values_and_why_a_device_was_refused() {
        let updated = SyncRecord {
            identifier: "C02ABC".into(),
            serial_number: "C02ABC".into(),
            record_id: "01JREC0001".into(),
            outcome: RecordOutcome::Updated.into(),
            changes: vec![
                FieldChange {
                    column_id: "c1".into(),
                    source_field: "os_version".into(),
                    old_value: Some(Value::from("26.0")),
                    new_value: Some(Value::from("26.1")),
                },
                FieldChange {
                    column_id: "c2".into(),
                    source_field: "is_missing".into(),
                    old_value: None,
                    new_value: Some(Value::from(true)),
                },
            ],
            ..SyncRecord::default()
        };
        let rejected = SyncRecord {
            outcome: RecordOutcome::Rejected.into(),
            serial_number: "C02DEF".into(),
            reason: "IDENTIFIER_EMPTY".into(),
            message: "The device has no asset tag.".into(),
            ..SyncRecord::default()
        };
        insta::assert_snapshot!(records(None, &[updated, rejected]), @r#"
        OUTCOME   IDENTIFIER  SERIAL  RECORD      WHAT
        UPDATED   C02ABC      C02ABC  01JREC0001  os_version: "26.0" → "26.1"
                                                  is_missing: true
        REJECTED              C02DEF              IDENTIFIER_EMPTY: The device has no asset tag.
        "#);
    }

    #[test]
    fn devices_show_where_they_stand() {
        let device = Device {
            device_id: "d-1".into(),
            identifier: "C02ABC".into(),
            state: DeviceState::Current.into(),
            record_id: "01JREC0001".into(),
            last_seen_time: Some(prost_types::Timestamp { seconds: 1_795_166_042, nanos: 0 }),
            ..Device::default()
        };
        insta::assert_snapshot!(devices(None, &[device]), @r#"
        DEVICE  IDENTIFIER  STATE    RECORD      SEEN                  WRITTEN  WHY
        d-1     C02ABC      CURRENT  01JREC0001  2026-11-20T09:14:02Z  -
        "#);
    }
}
