//! The answer, in the words of the contract.

use std::collections::HashMap;

use pandaport_api::v1 as proto;
use pandaport_import::{Baseline, MappingSpec, Source as _, SourceField, SourceValue};
use pandaport_kandji::Device;
use pandaport_store::device_detail::{DeviceDetail, LastRecord};
use pandaport_store::{Micros, StoreError};
use pandaport_upstream::KandjiDevice;
use serde_json::Value;

use super::kandji::Live;
use super::next::{Changed, Next};
use crate::convert;
use crate::errors::Result;

pub(super) fn kandji(live: &Live, asked: Micros) -> proto::DeviceInKandji {
    let (presence, message, fields) = match live {
        Live::Listed(device) => (proto::KandjiPresence::Listed, String::new(), fields(device)),
        Live::Unreadable(why) => (proto::KandjiPresence::Unreadable, why.clone(), Vec::new()),
        Live::NotListed => (proto::KandjiPresence::NotListed, String::new(), Vec::new()),
        Live::NotKnown(error) => (proto::KandjiPresence::NotKnown, error.to_string(), Vec::new()),
    };
    proto::DeviceInKandji { presence: presence.into(), message, fields, ask_time: Some(convert::time(asked)) }
}

fn fields(device: &Device) -> Vec<proto::SourceFieldValue> {
    let nobody = HashMap::new();
    let source = KandjiDevice { device, active_users: &nobody };
    let mut fields = SourceField::ALL;
    fields.sort_by_key(|field| field.display_name());
    let told = fields.into_iter().filter_map(|field| {
        let value = match source.value(field) {
            SourceValue::Unknown => return None,
            SourceValue::Empty => Value::Null,
            SourceValue::Text(text) => text.into_owned().into(),
            SourceValue::Bool(it) => it.into(),
            SourceValue::Time(time) => time.to_string().into(),
            SourceValue::List(items) => items.into_iter().map(|it| Value::from(it.into_owned())).collect(),
        };
        Some(proto::SourceFieldValue { source_field: field.key().to_owned(), value: Some(convert::value(value)) })
    });
    told.collect()
}

/// What is known to stand in the device's record, column by column.
pub(super) fn written(detail: &DeviceDetail, spec: &MappingSpec) -> Result<Vec<proto::WrittenValue>> {
    let (Some(_), Some(cells)) = (&detail.device.record_id, &detail.cells) else { return Ok(Vec::new()) };
    let baseline: Baseline = serde_json::from_str(cells).map_err(|error| StoreError::corrupt("link", error))?;
    let identifier = std::iter::once((&spec.identifier.column_id, spec.identifier.source_field));
    let pairs = spec.pairs.iter().map(|pair| (&pair.column_id, pair.source_field));
    let written = identifier.chain(pairs).enumerate().map(|(at, (column_id, field))| {
        let known = baseline.get(at);
        proto::WrittenValue {
            column_id: column_id.clone(),
            source_field: field.key().to_owned(),
            value: known.map(|it| convert::value(it.value.clone())),
            written_by_import: known.is_some_and(|it| it.ours),
        }
    });
    Ok(written.collect())
}

pub(super) fn last_record(row: LastRecord) -> Result<proto::LastRecord> {
    Ok(proto::LastRecord {
        sync_id: row.sync_id.to_string(),
        time: row.time.map(convert::time),
        record: Some(convert::record(row.record)?),
    })
}

/// `broken`: why no sync of the mapping writes anything at present.
pub(super) fn next_step(next: Next, broken: Option<&str>) -> proto::NextStep {
    let message = match broken {
        Some(why) => format!(
            "{} (But the mapping is BROKEN, and nothing is written until that is put right: {why})",
            next.told.message
        ),
        None => next.told.message,
    };
    proto::NextStep {
        action: next.action.into(),
        reason: next.told.reason,
        message,
        changes: next.changes.into_iter().map(change).collect(),
    }
}

fn change(it: Changed) -> proto::FieldChange {
    proto::FieldChange {
        column_id: it.column_id,
        source_field: it.source_field.map(|field| field.key().to_owned()).unwrap_or_default(),
        old_value: it.old.map(convert::cell),
        new_value: Some(convert::cell(it.new)),
    }
}
