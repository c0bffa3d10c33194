//! Mappings.

use pandaport_api::v1 as proto;
use pandaport_import::{Filter, Finding, MappingSpec, OnFiltered, Pair, RemovalAction, RemovalPolicy, WriteRule};
use pandaport_store::alerts::Health;
use pandaport_store::mappings::{Mapping, MappingState};
use pandaport_store::{Schedule, StoreError};

use super::{count, duration, time, value};
use crate::errors::Result;

/// A mapping with its spec as stored, and its newest sync.
pub(crate) fn mapping(row: Mapping, spec: &str, last_sync: Option<proto::Sync>) -> Result<proto::Mapping> {
    let spec: MappingSpec = serde_json::from_str(spec).map_err(|error| StoreError::corrupt("mapping", error))?;
    let notes: Vec<Finding> = serde_json::from_str(&row.notes).map_err(|error| StoreError::corrupt("notes", error))?;
    let next_sync_time = row.next_sync_time.filter(|_| row.state != MappingState::Paused);
    let kind = match row.schedule()? {
        Schedule::Interval(interval) => proto::schedule::Kind::Interval(duration(interval)),
        Schedule::Cron(cron) => proto::schedule::Kind::Cron(proto::CronSchedule {
            expression: cron.expression().to_owned(),
            time_zone: cron.time_zone().to_owned(),
        }),
        Schedule::Manual => proto::schedule::Kind::Manual(proto::ManualSchedule {}),
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
        state: mapping_state(row.state).into(),
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
        health: match row.health {
            Health::Healthy => proto::MappingHealth::Healthy,
            Health::Rejections => proto::MappingHealth::Rejections,
            Health::Held => proto::MappingHealth::Held,
            Health::Failing => proto::MappingHealth::Failing,
        }
        .into(),
        filter: (!spec.filter.is_empty()).then(|| filter(spec.filter)),
        on_filtered: match spec.on_filtered {
            OnFiltered::Leave => proto::OnFiltered::Leave,
            OnFiltered::AsRemoved => proto::OnFiltered::AsRemoved,
        }
        .into(),
        removal_policy: Some(removal_policy(spec.removal_policy)),
        brake: Some(proto::Brake { max_percent: Some(spec.brake.max_percent), min_count: Some(spec.brake.min_count) }),
        held: None,
        notes: notes.into_iter().map(note).collect(),
    })
}

fn mapping_state(state: MappingState) -> proto::MappingState {
    match state {
        MappingState::Active => proto::MappingState::Active,
        MappingState::Paused => proto::MappingState::Paused,
        MappingState::Broken => proto::MappingState::Broken,
    }
}

/// The stored state that a filter names; `None`: UNSPECIFIED, which no mapping has.
pub(crate) fn stored_mapping_state(state: proto::MappingState) -> Option<MappingState> {
    MappingState::ALL.iter().copied().find(|it| mapping_state(*it) == state)
}

fn note(finding: Finding) -> proto::Warning {
    proto::Warning { field: finding.field, reason: finding.reason.as_str().to_owned(), message: finding.message }
}

fn filter(filter: Filter) -> proto::Filter {
    proto::Filter {
        platforms: filter.platforms.into_iter().collect(),
        blueprint_ids: filter.blueprint_ids.into_iter().collect(),
        tags_any: filter.tags_any.into_iter().collect(),
        exclude_removed: filter.exclude_removed,
    }
}

fn removal_policy(policy: RemovalPolicy) -> proto::RemovalPolicy {
    let min_absence = Some(duration(policy.min_absence));
    match policy.action {
        RemovalAction::Leave => {
            proto::RemovalPolicy { action: proto::RemovalAction::Leave.into(), min_absence, ..Default::default() }
        }
        RemovalAction::Delete => {
            proto::RemovalPolicy { action: proto::RemovalAction::Delete.into(), min_absence, ..Default::default() }
        }
        RemovalAction::Mark { column_id, value: mark, unmark_value } => proto::RemovalPolicy {
            action: proto::RemovalAction::Mark.into(),
            mark_column_id: column_id,
            mark_value: Some(value(mark)),
            unmark_value: unmark_value.map(value),
            min_absence,
        },
    }
}

fn field_pair(pair: Pair) -> proto::FieldPair {
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
