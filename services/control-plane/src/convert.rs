//! Between the contract and what is stored: one function each way for each thing, and nothing else.

use std::time::Duration;

use pandaport_api::v1 as proto;
use pandaport_import::{self as import, ColumnType, Fitness, MappingSpec, SourceField, ValueType, WriteRule};
use pandaport_store::connections::{Connection, ConnectionState};
use pandaport_store::devices::{Device, DeviceState};
use pandaport_store::mappings::{Mapping, MappingState};
use pandaport_store::records::{RecordOutcome, SyncRecord};
use pandaport_store::syncs::{Mode, Sync, SyncPhase, SyncState, TriggerKind};
use pandaport_store::{Micros, StoreError};
use serde::Deserialize;

use crate::errors::Result;

pub(crate) fn connection(row: Connection) -> proto::Connection {
    proto::Connection {
        connection_id: row.connection_id.to_string(),
        display_name: row.display_name,
        kandji: Some(proto::KandjiEndpoint {
            base_url: row.kandji_base_url,
            api_url: row.kandji_api_url,
            token_hint: hint(&row.kandji_token_hint),
        }),
        asset_panda: Some(proto::AssetPandaEndpoint {
            base_url: row.asset_panda_base_url,
            account_id: row.account_id.unwrap_or_default(),
            module_id: row.module_id.unwrap_or_default(),
            key_hint: hint(&row.asset_panda_key_hint),
        }),
        state: connection_state(row.state).into(),
        state_reason: row.state_reason,
        verify_time: row.verify_time.map(time),
        create_time: Some(time(row.create_time)),
        update_time: Some(time(row.update_time)),
        etag: row.version.to_string(),
    }
}

fn hint(stored: &str) -> String {
    stored.trim_start_matches('.').to_owned()
}

fn connection_state(state: ConnectionState) -> proto::ConnectionState {
    match state {
        ConnectionState::Unverified => proto::ConnectionState::Unverified,
        ConnectionState::Verified => proto::ConnectionState::Verified,
        ConnectionState::Failing => proto::ConnectionState::Failing,
    }
}

pub(crate) fn source_field(field: SourceField) -> proto::SourceField {
    proto::SourceField {
        key: field.key().to_owned(),
        display_name: field.display_name().to_owned(),
        value_type: match field.value_type() {
            ValueType::Text => proto::ValueType::Text,
            ValueType::Boolean => proto::ValueType::Boolean,
            ValueType::Time => proto::ValueType::Time,
            ValueType::List => proto::ValueType::List,
        }
        .into(),
        identifier_fitness: match field.fitness() {
            Fitness::Recommended => proto::IdentifierFitness::Recommended,
            Fitness::Good => proto::IdentifierFitness::Good,
            Fitness::Acceptable => proto::IdentifierFitness::Acceptable,
            Fitness::WithCare => proto::IdentifierFitness::WithCare,
            Fitness::No => proto::IdentifierFitness::No,
        }
        .into(),
        guidance: field.guidance().to_owned(),
        calls_per_device: field.calls_per_device(),
    }
}

/// `type_uri` is given apart: the import knows the types it can write, Asset Panda's own name may differ from ours.
pub(crate) fn column(column: import::Column, type_uri: String) -> proto::Column {
    proto::Column {
        column_id: column.id,
        display_name: column.name,
        r#type: column_type(&column.column_type).into(),
        type_uri,
        uniqueness: match column.unique {
            Some(true) => proto::ColumnUniqueness::Unique,
            Some(false) => proto::ColumnUniqueness::NotUnique,
            None => proto::ColumnUniqueness::Unknown,
        }
        .into(),
        writable: !column.referenced,
        options: column.options.unwrap_or_default(),
    }
}

fn column_type(column_type: &ColumnType) -> proto::ColumnType {
    match column_type {
        ColumnType::Text => proto::ColumnType::Text,
        ColumnType::Number => proto::ColumnType::Number,
        ColumnType::Currency => proto::ColumnType::Currency,
        ColumnType::Boolean => proto::ColumnType::Boolean,
        ColumnType::Date => proto::ColumnType::Date,
        ColumnType::Datetime => proto::ColumnType::Datetime,
        ColumnType::Email => proto::ColumnType::Email,
        ColumnType::Url => proto::ColumnType::Url,
        ColumnType::Select => proto::ColumnType::Select,
        ColumnType::MultiSelect => proto::ColumnType::Multiselect,
        ColumnType::Person => proto::ColumnType::Person,
        ColumnType::Other(_) => proto::ColumnType::Other,
    }
}

/// A mapping with its spec as stored, and its newest sync.
pub(crate) fn mapping(row: Mapping, spec: &str, last_sync: Option<proto::Sync>) -> Result<proto::Mapping> {
    let spec: MappingSpec = serde_json::from_str(spec).map_err(|error| StoreError::corrupt("mapping", error))?;
    let next_sync_time = row.next_sync_time.filter(|_| row.state != MappingState::Paused);
    let kind = match row.interval() {
        Some(interval) => proto::schedule::Kind::Interval(duration(interval)),
        None => proto::schedule::Kind::Manual(proto::ManualSchedule {}),
    };
    Ok(proto::Mapping {
        mapping_id: row.mapping_id.to_string(),
        connection_id: row.connection_id.to_string(),
        external_entity: proto::ExternalEntity::Devices.into(),
        identifier: Some(proto::Identifier {
            source_field: spec.identifier.source_field.key().to_owned(),
            column_id: spec.identifier.column_id,
        }),
        fields: spec.pairs.into_iter().map(field_pair).collect(),
        passenger_max_age: Some(duration(spec.passenger_max_age)),
        schedule: Some(proto::Schedule { kind: Some(kind) }),
        full_sync_every: Some(duration(row.full_sync_every())),
        state: match row.state {
            MappingState::Active => proto::MappingState::Active,
            MappingState::Paused => proto::MappingState::Paused,
            MappingState::Broken => proto::MappingState::Broken,
        }
        .into(),
        display_name: row.display_name,
        collection_id: row.collection_id,
        state_reason: row.state_reason,
        last_sync,
        last_success_time: row.last_success_time.map(time),
        next_sync_time: next_sync_time.map(time),
        linked_count: count(row.linked_count),
        rejected_count: count(row.rejected_count),
        create_time: Some(time(row.create_time)),
        update_time: Some(time(row.update_time)),
        etag: row.version.to_string(),
        on_filtered: proto::OnFiltered::Leave.into(),
        removal_policy: Some(proto::RemovalPolicy { action: proto::RemovalAction::Leave.into(), ..Default::default() }),
        filter: None,
        brake: None,
        held: None,
    })
}

fn field_pair(pair: import::Pair) -> proto::FieldPair {
    proto::FieldPair {
        source_field: pair.source_field.key().to_owned(),
        column_id: pair.column_id,
        write_rule: match pair.write_rule {
            WriteRule::Trigger => proto::WriteRule::Trigger,
            WriteRule::Passenger => proto::WriteRule::Passenger,
            WriteRule::FillOnly => proto::WriteRule::FillOnly,
            WriteRule::CreateOnly => proto::WriteRule::CreateOnly,
        }
        .into(),
        tag_separator: pair.tag_separator.unwrap_or_default(),
        date_format: pair.date_format.unwrap_or_default(),
    }
}

/// The rule that a pair names; `None`: it names none.
pub(crate) fn write_rule(rule: proto::WriteRule) -> Option<WriteRule> {
    match rule {
        proto::WriteRule::Unspecified => None,
        proto::WriteRule::Trigger => Some(WriteRule::Trigger),
        proto::WriteRule::Passenger => Some(WriteRule::Passenger),
        proto::WriteRule::FillOnly => Some(WriteRule::FillOnly),
        proto::WriteRule::CreateOnly => Some(WriteRule::CreateOnly),
    }
}

/// A sync without what depends on more than its row: its estimated end, and a wait for a worker.
pub(crate) fn sync(row: Sync) -> proto::Sync {
    let wait = row.wait_reason.map(|reason| proto::SyncWait {
        reason: reason.as_str().to_owned(),
        message: row.wait_message.unwrap_or_default(),
        until: row.wait_until.map(time),
    });
    let error =
        row.error_reason.map(|reason| proto::SyncError { reason, message: row.error_message.unwrap_or_default() });
    proto::Sync {
        sync_id: row.sync_id.to_string(),
        mapping_id: row.mapping_id.to_string(),
        state: sync_state(row.state).into(),
        phase: sync_phase(row.phase, row.start_time).into(),
        mode: match row.mode {
            Mode::Incremental => proto::SyncMode::Incremental,
            Mode::Full => proto::SyncMode::Full,
        }
        .into(),
        dry_run: row.dry_run,
        trigger: match row.trigger_kind {
            TriggerKind::Call => proto::SyncTrigger::Call,
            TriggerKind::Schedule => proto::SyncTrigger::Schedule,
            TriggerKind::First => proto::SyncTrigger::First,
        }
        .into(),
        counts: Some(proto::SyncCounts {
            read: count(row.counts.read),
            created: count(row.counts.created),
            adopted: count(row.counts.adopted),
            updated: count(row.counts.updated),
            unchanged: count(row.counts.unchanged),
            skipped: count(row.counts.skipped),
            rejected: count(row.counts.rejected),
            still_rejected: count(row.counts.still_rejected),
            removed: count(row.counts.removed),
        }),
        calls: Some(proto::ApiCalls { kandji: count(row.calls_kandji), asset_panda: count(row.calls_asset_panda) }),
        estimate: row
            .calls_left
            .filter(|_| !row.state.is_final())
            .map(|calls| proto::SyncEstimate { calls_left: count(calls), finish_time: None }),
        wait: wait.filter(|_| !row.state.is_final()),
        error,
        cancel_request_time: row.cancel_request_time.map(time),
        create_time: Some(time(row.create_time)),
        start_time: row.start_time.map(time),
        end_time: row.end_time.map(time),
    }
}

fn sync_phase(phase: SyncPhase, start_time: Option<Micros>) -> proto::SyncPhase {
    if start_time.is_none() {
        return proto::SyncPhase::Unspecified;
    }
    match phase {
        SyncPhase::Schema => proto::SyncPhase::Schema,
        SyncPhase::Read => proto::SyncPhase::Read,
        SyncPhase::Resolve => proto::SyncPhase::Resolve,
        SyncPhase::Decide => proto::SyncPhase::Decide,
        SyncPhase::Apply => proto::SyncPhase::Apply,
        SyncPhase::Remove => proto::SyncPhase::Remove,
    }
}

fn sync_state(state: SyncState) -> proto::SyncState {
    match state {
        SyncState::Queued => proto::SyncState::Queued,
        SyncState::Running => proto::SyncState::Running,
        SyncState::Waiting => proto::SyncState::Waiting,
        SyncState::Succeeded => proto::SyncState::Succeeded,
        SyncState::CompletedWithRejections => proto::SyncState::CompletedWithRejections,
        SyncState::Held => proto::SyncState::Held,
        SyncState::Failed => proto::SyncState::Failed,
        SyncState::Cancelled => proto::SyncState::Cancelled,
    }
}

/// The stored state that a filter names; `None`: UNSPECIFIED, which no sync has.
pub(crate) fn stored_sync_state(state: proto::SyncState) -> Option<SyncState> {
    SyncState::ALL.iter().copied().find(|it| sync_state(*it) == state)
}

pub(crate) fn record(row: SyncRecord) -> Result<proto::SyncRecord> {
    let changes = match &row.changes {
        Some(json) => serde_json::from_str::<Vec<StoredChange>>(json)
            .map_err(|error| StoreError::corrupt("list of changes", error))?,
        None => Vec::new(),
    };
    Ok(proto::SyncRecord {
        identifier: row.identifier.unwrap_or_default(),
        device_id: row.device_id,
        serial_number: row.serial_number.unwrap_or_default(),
        record_id: row.record_id.unwrap_or_default(),
        outcome: record_outcome(row.outcome).into(),
        reason: row.reason.unwrap_or_default(),
        message: row.message.unwrap_or_default(),
        changes: changes.into_iter().map(field_change).collect(),
    })
}

/// One column of a record's `changes`, as the worker keeps it. What else may stand there is the worker's own.
#[derive(Deserialize)]
struct StoredChange {
    column_id: String,
    #[serde(default)]
    source_field: String,
    /// Absent: not known.
    #[serde(default, deserialize_with = "present")]
    old_value: Option<serde_json::Value>,
    /// Absent: the column is left as it is.
    #[serde(default, deserialize_with = "present")]
    new_value: Option<serde_json::Value>,
}

/// A null that stands there is a value; serde would take it for an absent one.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(value).map(Some)
}

fn field_change(change: StoredChange) -> proto::FieldChange {
    proto::FieldChange {
        column_id: change.column_id,
        source_field: change.source_field,
        old_value: change.old_value.map(cell),
        new_value: change.new_value.map(cell),
    }
}

/// A column's value. Empty text is how Asset Panda's text columns are cleared: to callers it is empty like any other.
fn cell(json: serde_json::Value) -> prost_types::Value {
    match json {
        serde_json::Value::String(text) if text.is_empty() => value(serde_json::Value::Null),
        json => value(json),
    }
}

fn record_outcome(outcome: RecordOutcome) -> proto::RecordOutcome {
    match outcome {
        RecordOutcome::Planned => proto::RecordOutcome::Planned,
        RecordOutcome::Created => proto::RecordOutcome::Created,
        RecordOutcome::Adopted => proto::RecordOutcome::Adopted,
        RecordOutcome::Updated => proto::RecordOutcome::Updated,
        RecordOutcome::Skipped => proto::RecordOutcome::Skipped,
        RecordOutcome::Rejected => proto::RecordOutcome::Rejected,
        RecordOutcome::Removed => proto::RecordOutcome::Removed,
    }
}

/// The stored outcome that a filter names; `None`: UNSPECIFIED, which no record has.
pub(crate) fn stored_record_outcome(outcome: proto::RecordOutcome) -> Option<RecordOutcome> {
    RecordOutcome::ALL.iter().copied().find(|it| record_outcome(*it) == outcome)
}

pub(crate) fn device(row: Device) -> proto::Device {
    proto::Device {
        device_id: row.device_id,
        identifier: row.identifier.unwrap_or_default(),
        serial_number: row.serial_number.unwrap_or_default(),
        record_id: row.record_id.unwrap_or_default(),
        state: device_state(row.state).into(),
        reason: row.reason.unwrap_or_default(),
        message: row.message.unwrap_or_default(),
        last_seen_time: row.last_seen_time.map(time),
        last_confirmed_time: row.last_confirmed_time.map(time),
    }
}

fn device_state(state: DeviceState) -> proto::DeviceState {
    match state {
        DeviceState::Current => proto::DeviceState::Current,
        DeviceState::Rejected => proto::DeviceState::Rejected,
        DeviceState::InFlight => proto::DeviceState::InFlight,
        DeviceState::Gone => proto::DeviceState::Gone,
    }
}

/// The stored state that a filter names; `None`: no device of this version has it.
pub(crate) fn stored_device_state(state: proto::DeviceState) -> Option<DeviceState> {
    DeviceState::ALL.iter().copied().find(|it| device_state(*it) == state)
}

pub(crate) fn time(micros: Micros) -> prost_types::Timestamp {
    let time = micros.timestamp();
    let (seconds, nanos) = (time.as_second(), time.subsec_nanosecond());
    // The contract's nanos count forward also before 1970.
    if nanos < 0 {
        prost_types::Timestamp { seconds: seconds - 1, nanos: nanos + 1_000_000_000 }
    } else {
        prost_types::Timestamp { seconds, nanos }
    }
}

pub(crate) fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// A count as the contract has it; what is past its range is its end.
fn count(stored: i64) -> u32 {
    u32::try_from(stored.max(0)).unwrap_or(u32::MAX)
}

fn value(json: serde_json::Value) -> prost_types::Value {
    use prost_types::value::Kind;

    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(it) => Kind::BoolValue(it),
        serde_json::Value::Number(it) => match it.as_f64() {
            // A number that a double can't hold would come back as another one: its digits are sent instead.
            Some(double) if serde_json::Number::from_f64(double).as_ref() == Some(&it) || fits_a_double(&it) => {
                Kind::NumberValue(double)
            }
            _ => Kind::StringValue(it.to_string()),
        },
        serde_json::Value::String(it) => Kind::StringValue(it),
        serde_json::Value::Array(items) => {
            Kind::ListValue(prost_types::ListValue { values: items.into_iter().map(value).collect() })
        }
        serde_json::Value::Object(fields) => Kind::StructValue(prost_types::Struct {
            fields: fields.into_iter().map(|(key, field)| (key, value(field))).collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Whether an integer is below 2^53, up to where each has a double of its own.
fn fits_a_double(number: &serde_json::Number) -> bool {
    number.as_i64().is_some_and(|it| it.unsigned_abs() <= 1 << 53)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn times_and_durations_keep_their_microseconds() {
        let at = time(Micros(1_700_000_000_123_456));
        assert_eq!((at.seconds, at.nanos), (1_700_000_000, 123_456_000));
        let before = time(Micros(-1));
        assert_eq!((before.seconds, before.nanos), (-1, 999_999_000));
        let long = duration(Duration::from_millis(1_500));
        assert_eq!((long.seconds, long.nanos), (1, 500_000_000));
    }

    #[test]
    fn numbers_that_no_double_holds_are_sent_as_text() {
        use prost_types::value::Kind;
        assert_eq!(value(json!(5)).kind, Some(Kind::NumberValue(5.0)));
        assert_eq!(value(json!(2.5)).kind, Some(Kind::NumberValue(2.5)));
        let large = 9_007_199_254_740_993_u64;
        assert_eq!(value(json!(large)).kind, Some(Kind::StringValue(large.to_string())));
    }

    #[test]
    fn counts_never_wrap() {
        assert_eq!(count(-1), 0);
        assert_eq!(count(i64::MAX), u32::MAX);
    }

    #[test]
    fn every_stored_state_has_one_of_the_contract_and_leads_back() {
        for state in SyncState::ALL {
            assert_eq!(stored_sync_state(sync_state(*state)), Some(*state));
        }
        for outcome in RecordOutcome::ALL {
            assert_eq!(stored_record_outcome(record_outcome(*outcome)), Some(*outcome));
        }
        for state in DeviceState::ALL {
            assert_eq!(stored_device_state(device_state(*state)), Some(*state));
        }
        assert_eq!(stored_sync_state(proto::SyncState::Unspecified), None);
        assert_eq!(stored_device_state(proto::DeviceState::Filtered), None);
    }

    #[test]
    fn changes_are_read_whatever_else_the_worker_keeps_with_them() {
        let row = SyncRecord {
            device_id: "d".into(),
            identifier: None,
            serial_number: None,
            record_id: None,
            outcome: RecordOutcome::Updated,
            reason: None,
            message: None,
            changes: Some(
                json!([{"column_id": "c", "source_field": "model", "old_value": "Mac", "new_value": "", "cell": 3},
                       {"column_id": "e", "source_field": "mdm_enabled", "new_value": true},
                       {"column_id": "f", "source_field": "asset_tag", "old_value": null}])
                .to_string(),
            ),
        };
        let changes = record(row).unwrap().changes;
        let null = Some(value(json!(null)));
        assert_eq!(changes[0].source_field, "model");
        assert_eq!((&changes[0].old_value, &changes[0].new_value), (&Some(value(json!("Mac"))), &null));
        assert_eq!((&changes[1].old_value, &changes[1].new_value), (&None, &Some(value(json!(true)))));
        assert_eq!((&changes[2].old_value, &changes[2].new_value), (&null, &None));
    }
}
