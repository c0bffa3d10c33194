//! A mapping as a caller wrote it, read into what can be stored.

use std::time::Duration;

use pandaport_api::v1 as proto;
use pandaport_import::{DEFAULT_PASSENGER_MAX_AGE, IdentifierPair, MappingSpec, Pair, SourceField, WriteRule};
use pandaport_store::{Micros, Schedule};

use crate::limits::{MAX_DATE_FORMAT, MAX_FIELD_KEY, MAX_FOREIGN_ID, MAX_NAME, MAX_PAIRS, MAX_SEPARATOR};
use crate::validate::Violations;
use crate::{convert, policy_input, schedule_input};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// A mapping whose every part can be read; whether it fits the collection is not looked at yet.
pub(crate) struct MappingInput {
    pub(crate) display_name: String,
    pub(crate) collection_id: String,
    /// `None` if the identifier can't be read: then `violations` say so.
    pub(crate) spec: Option<MappingSpec>,
    /// Where each of the spec's pairs stands in the request: pairs that can't be read are left out of the spec.
    pub(crate) pair_positions: Vec<usize>,
    pub(crate) schedule: Schedule,
    pub(crate) full_sync_every: Duration,
}

/// Reads a mapping. Whatever is wrong with it is noted, and the rest is read all the same, so that the caller hears of
/// everything at once.
pub(crate) fn read(violations: &mut Violations, mapping: proto::Mapping, now: Micros) -> MappingInput {
    violations.required_text("mapping.display_name", &mapping.display_name, MAX_NAME);
    violations.choice::<proto::ExternalEntity>("mapping.external_entity", mapping.external_entity);
    violations.required_text("mapping.collection_id", &mapping.collection_id, MAX_FOREIGN_ID);
    let passenger_max_age = violations.duration(
        "mapping.passenger_max_age",
        mapping.passenger_max_age.as_ref(),
        DEFAULT_PASSENGER_MAX_AGE,
        HOUR,
        31 * DAY,
    );
    let full_sync_every =
        violations.duration("mapping.full_sync_every", mapping.full_sync_every.as_ref(), 7 * DAY, HOUR, 366 * DAY);
    let filter = policy_input::filter(violations, mapping.filter);
    let on_filtered = policy_input::on_filtered(violations, mapping.on_filtered);
    let removal_policy = policy_input::removal_policy(violations, mapping.removal_policy);
    let brake = policy_input::brake(violations, mapping.brake);
    let schedule = schedule_input::schedule(violations, mapping.schedule, now);
    let identifier = identifier(violations, mapping.identifier);

    if mapping.fields.len() > MAX_PAIRS {
        let message = format!("At most {MAX_PAIRS} pairs are allowed; these are {}.", mapping.fields.len());
        violations.malformed("mapping.fields", message);
    }
    let (pair_positions, pairs) = mapping
        .fields
        .into_iter()
        .take(MAX_PAIRS)
        .enumerate()
        .filter_map(|(at, pair)| Some((at, field_pair(violations, at, pair)?)))
        .unzip();
    MappingInput {
        display_name: mapping.display_name.trim().to_owned(),
        collection_id: mapping.collection_id,
        spec: identifier.map(|identifier| MappingSpec {
            identifier,
            pairs,
            passenger_max_age,
            filter,
            on_filtered,
            removal_policy,
            brake,
        }),
        pair_positions,
        schedule,
        full_sync_every,
    }
}

fn identifier(violations: &mut Violations, identifier: Option<proto::Identifier>) -> Option<IdentifierPair> {
    let Some(identifier) = identifier else {
        violations
            .malformed("mapping.identifier", "A mapping needs an identifier: a source field and a unique column.");
        return None;
    };
    let source_field = source_field(violations, "mapping.identifier.source_field", &identifier.source_field);
    violations.required_text("mapping.identifier.column_id", &identifier.column_id, MAX_FOREIGN_ID);
    Some(IdentifierPair { source_field: source_field?, column_id: identifier.column_id })
}

fn field_pair(violations: &mut Violations, at: usize, pair: proto::FieldPair) -> Option<Pair> {
    let path = |field: &str| format!("mapping.fields[{at}].{field}");
    let source_field = source_field(violations, &path("source_field"), &pair.source_field);
    violations.required_text(&path("column_id"), &pair.column_id, MAX_FOREIGN_ID);
    violations.text(&path("tag_separator"), &pair.tag_separator, MAX_SEPARATOR);
    violations.text(&path("date_format"), &pair.date_format, MAX_DATE_FORMAT);
    let rule = violations.choice::<proto::WriteRule>(&path("write_rule"), pair.write_rule);
    let source_field = source_field?;
    let write_rule = rule.and_then(convert::write_rule).unwrap_or_else(|| WriteRule::default_for(source_field));
    Some(Pair {
        source_field,
        column_id: pair.column_id,
        write_rule,
        tag_separator: Some(pair.tag_separator).filter(|it| !it.is_empty()),
        date_format: Some(pair.date_format).filter(|it| !it.is_empty()),
    })
}

fn source_field(violations: &mut Violations, path: &str, key: &str) -> Option<SourceField> {
    let field = SourceField::from_key(key);
    if key.chars().count() > MAX_FIELD_KEY {
        violations.text(path, key, MAX_FIELD_KEY);
    } else if field.is_none() {
        let message = match key {
            "" => "This field is required: the key of a source field, such as serial_number.".to_owned(),
            _ => format!("There is no source field with the key \"{key}\"; ListSourceFields has them all."),
        };
        violations.malformed(path, message);
    }
    field
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pandaport_import::{OnFiltered, RemovalAction};

    use super::*;

    fn good() -> proto::Mapping {
        proto::Mapping {
            display_name: "Kandji Device Import".into(),
            collection_id: "C1".into(),
            identifier: Some(proto::Identifier { source_field: "serial_number".into(), column_id: "serial".into() }),
            fields: vec![
                proto::FieldPair { source_field: "model".into(), column_id: "model".into(), ..Default::default() },
                proto::FieldPair {
                    source_field: "last_check_in".into(),
                    column_id: "seen".into(),
                    ..Default::default()
                },
            ],
            ..Default::default()
        }
    }

    fn read_it(mapping: proto::Mapping) -> (MappingInput, Vec<(String, bool)>) {
        let mut violations = Violations::default();
        let input = read(&mut violations, mapping, Micros(1_795_000_000_000_000));
        let found = violations.check().err().unwrap_or_default();
        (input, found.into_iter().map(|it| (it.field, it.unimplemented)).collect())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let (input, found) = read_it(good());
        assert!(found.is_empty(), "{found:?}");
        let spec = input.spec.unwrap();
        assert!(matches!(input.schedule, Schedule::Interval(HOUR)));
        assert_eq!(input.full_sync_every, 7 * DAY);
        assert_eq!(spec.passenger_max_age, DAY);
        let rules: Vec<_> = spec.pairs.iter().map(|pair| pair.write_rule).collect();
        assert_eq!(rules, [WriteRule::Trigger, WriteRule::Passenger]);
    }

    #[test]
    fn a_manual_schedule_is_kept() {
        let kind = Some(proto::schedule::Kind::Manual(proto::ManualSchedule {}));
        let (input, found) = read_it(proto::Mapping { schedule: Some(proto::Schedule { kind }), ..good() });
        assert!(found.is_empty());
        assert!(matches!(input.schedule, Schedule::Manual));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once_by_its_path() {
        let mut mapping = good();
        mapping.display_name = String::new();
        mapping.collection_id = "x".repeat(300);
        mapping.identifier = Some(proto::Identifier { source_field: "serial".into(), column_id: String::new() });
        mapping.fields[1].source_field = "Last Check In".into();
        mapping.fields[1].tag_separator = "x".repeat(9);
        mapping.fields[1].write_rule = 77;
        mapping.passenger_max_age = Some(prost_types::Duration { seconds: 5, nanos: 0 });
        let (input, found) = read_it(mapping);
        let fields: Vec<_> = found.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(
            fields,
            [
                "mapping.display_name",
                "mapping.collection_id",
                "mapping.passenger_max_age",
                "mapping.identifier.source_field",
                "mapping.identifier.column_id",
                "mapping.fields[1].source_field",
                "mapping.fields[1].tag_separator",
                "mapping.fields[1].write_rule",
            ]
        );
        assert!(input.spec.is_none());
        assert_eq!(input.pair_positions, [0]);
    }

    #[test]
    fn policies_become_part_of_the_spec() {
        let mut mapping = good();
        mapping.filter = Some(proto::Filter { exclude_removed: true, ..Default::default() });
        mapping.on_filtered = proto::OnFiltered::AsRemoved.into();
        mapping.removal_policy =
            Some(proto::RemovalPolicy { action: proto::RemovalAction::Delete.into(), ..Default::default() });
        mapping.brake = Some(proto::Brake { max_percent: Some(5), min_count: None });
        let (input, found) = read_it(mapping);
        assert!(found.is_empty(), "{found:?}");
        let spec = input.spec.unwrap();
        assert!(spec.filter.exclude_removed);
        assert_eq!(spec.on_filtered, OnFiltered::AsRemoved);
        assert_eq!(spec.removal_policy.action, RemovalAction::Delete);
        assert_eq!((spec.brake.max_percent, spec.brake.min_count), (5, 10));
    }
}
