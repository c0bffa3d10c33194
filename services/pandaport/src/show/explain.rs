//! What is known of one device, and what comes next for it.

use std::collections::BTreeMap;

use pandaport_api::v1::{ExplainDeviceResponse, KandjiPresence, LastRecord, NextStep};
use prost_types::Value;

use super::name::short;
use super::record::{change, reason};
use super::table::{Kind, sheet, table};
use super::time::moment;
use super::value::value;

/// One device: what the next sync would do first, then where it stands, then its fields, in Kandji and as written.
#[must_use]
pub fn explained(width: Option<u16>, it: &ExplainDeviceResponse) -> String {
    let mut lines = Vec::new();
    if let Some(next) = &it.next {
        lines.push(("Next sync", next_step(next)));
        lines.extend(next.changes.iter().map(|it| ("", change(it))));
    }
    if let Some(device) = &it.device {
        let state = short(device.state().as_str_name(), "DEVICE_STATE_").to_owned();
        let why = reason(&device.reason, &device.message);
        lines.push(("State", if why.is_empty() { state } else { format!("{state}: {why}") }));
        lines.push(("Device", device.device_id.clone()));
        lines.push(("Serial", device.serial_number.clone()));
        lines.push(("Identifier", device.identifier.clone()));
        lines.push(("Record", or_none(&device.record_id)));
        lines.push(("Seen", moment(device.last_seen_time.as_ref())));
        lines.push(("Written", moment(device.last_confirmed_time.as_ref())));
    } else {
        lines.push(("State", "no sync has kept anything of it yet".to_owned()));
    }
    if let Some(last) = &it.last_record {
        lines.push(("Last outcome", last_outcome(last)));
        let record = last.record.iter().flat_map(|it| &it.changes);
        lines.extend(record.map(|it| ("", change(it))));
    }
    lines.push(("Kandji", in_kandji(it)));
    if !it.other_device_ids.is_empty() {
        lines.push(("Others", it.other_device_ids.join(", ")));
    }
    let fields = fields(width, it);
    if fields.is_empty() { sheet(width, &lines) } else { format!("{}\n\n{fields}", sheet(width, &lines)) }
}

fn next_step(it: &NextStep) -> String {
    let action = short(it.action().as_str_name(), "NEXT_ACTION_");
    match reason(&it.reason, &it.message) {
        why if why.is_empty() => action.to_owned(),
        why => format!("{action}: {why}"),
    }
}

fn last_outcome(it: &LastRecord) -> String {
    let record = it.record.clone().unwrap_or_default();
    let outcome = short(record.outcome().as_str_name(), "RECORD_OUTCOME_").to_owned();
    let why = reason(&record.reason, &record.message);
    let at = format!("{outcome}, {}, in sync {}", moment(it.time.as_ref()), it.sync_id);
    if why.is_empty() { at } else { format!("{at}: {why}") }
}

fn in_kandji(it: &ExplainDeviceResponse) -> String {
    let kandji = it.kandji.clone().unwrap_or_default();
    let asked = moment(kandji.ask_time.as_ref());
    match kandji.presence() {
        KandjiPresence::Listed => format!("listed, asked {asked}"),
        KandjiPresence::NotListed => format!("not listed, asked {asked}"),
        KandjiPresence::Unreadable => format!("listed, but its entry can't be read: {}", kandji.message),
        KandjiPresence::NotKnown | KandjiPresence::Unspecified => format!("could not be asked: {}", kandji.message),
    }
}

/// A source field of a device.
#[derive(Default)]
struct Field<'a> {
    in_kandji: Option<&'a Value>,
    /// Column by column: what was written.
    written: Vec<(&'a str, Option<&'a Value>)>,
}

/// Field by field: what Kandji says, and what stands in the record.
fn fields(width: Option<u16>, it: &ExplainDeviceResponse) -> String {
    let mut rows: BTreeMap<&str, Field<'_>> = BTreeMap::new();
    for field in it.kandji.iter().flat_map(|it| &it.fields) {
        rows.entry(&field.source_field).or_default().in_kandji = field.value.as_ref();
    }
    for written in &it.written {
        rows.entry(&written.source_field).or_default().written.push((&written.column_id, written.value.as_ref()));
    }
    if rows.is_empty() {
        return String::new();
    }
    let mut lines = Vec::new();
    for (field, Field { in_kandji, written: columns }) in rows {
        let says = in_kandji.map_or_else(|| "-".to_owned(), |it| value(Some(it)));
        if columns.is_empty() {
            lines.push(vec![field.to_owned(), says, "-".to_owned(), "-".to_owned()]);
            continue;
        }
        for (column, written) in columns {
            let written = written.map_or_else(|| "-".to_owned(), |it| value(Some(it)));
            lines.push(vec![field.to_owned(), says.clone(), written, column.to_owned()]);
        }
    }
    let columns = [("FIELD", Kind::Id), ("IN KANDJI", Kind::Text), ("WRITTEN", Kind::Text), ("COLUMN", Kind::Id)];
    table(width, &columns, &lines)
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
pub(crate) mod tests {
    use pandaport_api::v1::{
        Device, DeviceInKandji, DeviceState, FieldChange, NextAction, RecordOutcome, SourceFieldValue, SyncRecord,
        WrittenValue,
    };

    use super::*;

    /// A device whose system was updated.
    pub(crate) fn updated() -> ExplainDeviceResponse {
        let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        ExplainDeviceResponse {
            device: Some(Device {
                device_id: "d-1".into(),
                serial_number: "C02ABC".into(),
                identifier: "C02ABC".into(),
                state: DeviceState::Current.into(),
                record_id: "01JREC0001".into(),
                last_seen_time: time(1_795_166_042),
                last_confirmed_time: time(1_795_166_042),
                ..Device::default()
            }),
            kandji: Some(DeviceInKandji {
                presence: KandjiPresence::Listed.into(),
                fields: vec![
                    SourceFieldValue { source_field: "os_version".into(), value: Some(Value::from("26.1")) },
                    SourceFieldValue {
                        source_field: "asset_tag".into(),
                        value: Some(Value { kind: Some(prost_types::value::Kind::NullValue(0)) }),
                    },
                ],
                ask_time: time(1_795_169_642),
                ..DeviceInKandji::default()
            }),
            written: vec![WrittenValue {
                column_id: "c1".into(),
                source_field: "os_version".into(),
                value: Some(Value::from("26.0")),
                written_by_import: true,
            }],
            last_record: Some(LastRecord {
                sync_id: "0199aaaa".into(),
                time: time(1_795_166_050),
                record: Some(SyncRecord { outcome: RecordOutcome::Created.into(), ..SyncRecord::default() }),
            }),
            next: Some(NextStep {
                action: NextAction::Update.into(),
                message: "1 column is written".into(),
                changes: vec![FieldChange {
                    column_id: "c1".into(),
                    source_field: "os_version".into(),
                    old_value: Some(Value::from("26.0")),
                    new_value: Some(Value::from("26.1")),
                }],
                ..NextStep::default()
            }),
            other_device_ids: vec!["d-0".into()],
        }
    }

    #[test]
    fn a_device_is_explained_from_the_next_sync_to_its_fields() {
        insta::assert_snapshot!(explained(None, &updated()), @r#"
        Next sync     UPDATE: 1 column is written
                      os_version: "26.0" → "26.1"
        State         CURRENT
        Device        d-1
        Serial        C02ABC
        Identifier    C02ABC
        Record        01JREC0001
        Seen          2026-11-20T09:14:02Z
        Written       2026-11-20T09:14:02Z
        Last outcome  CREATED, 2026-11-20T09:14:10Z, in sync 0199aaaa
        Kandji        listed, asked 2026-11-20T10:14:02Z
        Others        d-0

        FIELD       IN KANDJI  WRITTEN  COLUMN
        asset_tag   (empty)    -        -
        os_version  "26.1"     "26.0"   c1
        "#);
    }
}
