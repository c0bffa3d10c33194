//! Mappings.

use pandaport_api::v1;
use serde::Serialize;

use super::held::HeldView;
use super::sync::SyncView;
use super::well_known::{length, schedule, time, value};

/// `pandaport.v1.Mapping`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingView<'a> {
    mapping_id: &'a str,
    connection_id: &'a str,
    display_name: &'a str,
    external_entity: &'a str,
    collection_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<Identifier<'a>>,
    fields: Vec<Pair<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passenger_max_age: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Filter<'a>>,
    on_filtered: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    removal_policy: Option<RemovalPolicy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brake: Option<Brake>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_sync_every: Option<String>,
    state: &'a str,
    state_reason: &'a str,
    health: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<HeldView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sync: Option<SyncView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_sync_time: Option<String>,
    linked_count: u32,
    rejected_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_time: Option<String>,
    etag: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<WarningView<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Identifier<'a> {
    source_field: &'a str,
    column_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pair<'a> {
    source_field: &'a str,
    column_id: &'a str,
    write_rule: &'a str,
    tag_separator: &'a str,
    date_format: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter<'a> {
    platforms: &'a [String],
    blueprint_ids: &'a [String],
    tags_any: &'a [String],
    exclude_removed: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RemovalPolicy<'a> {
    action: &'a str,
    mark_column_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark_value: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unmark_value: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_absence: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Brake {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_percent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_count: Option<u32>,
}

impl<'a> From<&'a v1::Mapping> for MappingView<'a> {
    fn from(it: &'a v1::Mapping) -> Self {
        Self {
            mapping_id: &it.mapping_id,
            connection_id: &it.connection_id,
            display_name: &it.display_name,
            external_entity: it.external_entity().as_str_name(),
            collection_id: &it.collection_id,
            identifier: it
                .identifier
                .as_ref()
                .map(|it| Identifier { source_field: &it.source_field, column_id: &it.column_id }),
            fields: it
                .fields
                .iter()
                .map(|it| Pair {
                    source_field: &it.source_field,
                    column_id: &it.column_id,
                    write_rule: it.write_rule().as_str_name(),
                    tag_separator: &it.tag_separator,
                    date_format: &it.date_format,
                })
                .collect(),
            passenger_max_age: length(it.passenger_max_age.as_ref()),
            filter: it.filter.as_ref().map(|it| Filter {
                platforms: &it.platforms,
                blueprint_ids: &it.blueprint_ids,
                tags_any: &it.tags_any,
                exclude_removed: it.exclude_removed,
            }),
            on_filtered: it.on_filtered().as_str_name(),
            removal_policy: it.removal_policy.as_ref().map(|it| RemovalPolicy {
                action: it.action().as_str_name(),
                mark_column_id: &it.mark_column_id,
                mark_value: it.mark_value.as_ref().map(value),
                unmark_value: it.unmark_value.as_ref().map(value),
                min_absence: length(it.min_absence.as_ref()),
            }),
            brake: it.brake.as_ref().map(|it| Brake { max_percent: it.max_percent, min_count: it.min_count }),
            schedule: it.schedule.as_ref().map(schedule),
            full_sync_every: length(it.full_sync_every.as_ref()),
            state: it.state().as_str_name(),
            state_reason: &it.state_reason,
            held: it.held.as_ref().map(Into::into),
            health: it.health().as_str_name(),
            last_sync: it.last_sync.as_ref().map(Into::into),
            last_success_time: time(it.last_success_time.as_ref()),
            next_sync_time: time(it.next_sync_time.as_ref()),
            linked_count: it.linked_count,
            rejected_count: it.rejected_count,
            create_time: time(it.create_time.as_ref()),
            update_time: time(it.update_time.as_ref()),
            etag: &it.etag,
            notes: it.notes.iter().map(Into::into).collect(),
        }
    }
}

/// `pandaport.v1.Warning`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WarningView<'a> {
    field: &'a str,
    reason: &'a str,
    message: &'a str,
}

impl<'a> From<&'a v1::Warning> for WarningView<'a> {
    fn from(it: &'a v1::Warning) -> Self {
        Self { field: &it.field, reason: &it.reason, message: &it.message }
    }
}

/// `pandaport.v1.CreateMappingResponse`, and `UpdateMappingResponse`: a mapping that was saved, and what came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedMappingView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<MappingView<'a>>,
    warnings: Vec<WarningView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync: Option<SyncView<'a>>,
}

impl<'a> SavedMappingView<'a> {
    /// Of the parts of either response.
    pub fn new(mapping: Option<&'a v1::Mapping>, warnings: &'a [v1::Warning], sync: Option<&'a v1::Sync>) -> Self {
        Self {
            mapping: mapping.map(Into::into),
            warnings: warnings.iter().map(Into::into).collect(),
            sync: sync.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    #[test]
    fn a_mapping_as_protobuf_json() {
        let mapping = v1::Mapping {
            mapping_id: "m-1".into(),
            display_name: "Kandji Device Import".into(),
            identifier: Some(v1::Identifier { source_field: "serial_number".into(), column_id: "c1".into() }),
            fields: vec![v1::FieldPair {
                source_field: "last_check_in".into(),
                column_id: "c2".into(),
                write_rule: v1::WriteRule::Passenger.into(),
                ..v1::FieldPair::default()
            }],
            schedule: Some(v1::Schedule { kind: Some(v1::schedule::Kind::Manual(v1::ManualSchedule {})) }),
            state: v1::MappingState::Active.into(),
            ..v1::Mapping::default()
        };
        insta::assert_snapshot!(json(&MappingView::from(&mapping)), @r#"
        {
          "mappingId": "m-1",
          "connectionId": "",
          "displayName": "Kandji Device Import",
          "externalEntity": "EXTERNAL_ENTITY_UNSPECIFIED",
          "collectionId": "",
          "identifier": {
            "sourceField": "serial_number",
            "columnId": "c1"
          },
          "fields": [
            {
              "sourceField": "last_check_in",
              "columnId": "c2",
              "writeRule": "WRITE_RULE_PASSENGER",
              "tagSeparator": "",
              "dateFormat": ""
            }
          ],
          "onFiltered": "ON_FILTERED_UNSPECIFIED",
          "schedule": {
            "manual": {}
          },
          "state": "MAPPING_STATE_ACTIVE",
          "stateReason": "",
          "health": "MAPPING_HEALTH_UNSPECIFIED",
          "linkedCount": 0,
          "rejectedCount": 0,
          "etag": ""
        }
        "#);
    }
}
