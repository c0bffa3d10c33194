//! A mapping's filter, removal policy and brake as a caller wrote them.

use std::collections::BTreeSet;
use std::time::Duration;

use pandaport_api::v1 as proto;
use pandaport_import::{Brake, DEFAULT_MIN_ABSENCE, Filter, OnFiltered, RemovalAction, RemovalPolicy, is_empty};
use serde_json::Value;

use crate::convert;
use crate::limits::{MAX_BLUEPRINTS, MAX_CONDITION, MAX_FOREIGN_ID, MAX_MARK, MAX_PERCENT, MAX_PLATFORMS, MAX_TAGS};
use crate::validate::Violations;

const MONTH: Duration = Duration::from_secs(31 * 86_400);

pub(crate) fn filter(violations: &mut Violations, filter: Option<proto::Filter>) -> Filter {
    let filter = filter.unwrap_or_default();
    Filter {
        platforms: conditions(violations, "mapping.filter.platforms", filter.platforms, MAX_PLATFORMS),
        blueprint_ids: conditions(violations, "mapping.filter.blueprint_ids", filter.blueprint_ids, MAX_BLUEPRINTS),
        tags_any: conditions(violations, "mapping.filter.tags_any", filter.tags_any, MAX_TAGS),
        exclude_removed: filter.exclude_removed,
    }
}

fn conditions(violations: &mut Violations, field: &str, values: Vec<String>, most: usize) -> BTreeSet<String> {
    if values.len() > most {
        violations.malformed(field, format!("At most {most} are allowed; these are {}.", values.len()));
        return BTreeSet::new();
    }
    for (at, value) in values.iter().enumerate() {
        // Nothing is trimmed: a tag may begin with a space, and case and space matter.
        violations.required_text(&format!("{field}[{at}]"), value, MAX_CONDITION);
    }
    values.into_iter().collect()
}

pub(crate) fn on_filtered(violations: &mut Violations, number: i32) -> OnFiltered {
    match violations.choice::<proto::OnFiltered>("mapping.on_filtered", number) {
        Some(proto::OnFiltered::AsRemoved) => OnFiltered::AsRemoved,
        None | Some(proto::OnFiltered::Unspecified | proto::OnFiltered::Leave) => OnFiltered::Leave,
    }
}

pub(crate) fn removal_policy(violations: &mut Violations, policy: Option<proto::RemovalPolicy>) -> RemovalPolicy {
    const PATH: &str = "mapping.removal_policy";
    let policy = policy.unwrap_or_default();
    let min_absence = violations.duration(
        &format!("{PATH}.min_absence"),
        policy.min_absence.as_ref(),
        DEFAULT_MIN_ABSENCE,
        Duration::ZERO,
        MONTH,
    );
    let action = violations.choice::<proto::RemovalAction>(&format!("{PATH}.action"), policy.action);
    let action = match action {
        Some(proto::RemovalAction::Mark) => mark(violations, policy),
        other => {
            let set = [
                ("mark_column_id", !policy.mark_column_id.is_empty()),
                ("mark_value", policy.mark_value.is_some()),
                ("unmark_value", policy.unmark_value.is_some()),
            ];
            for (field, _) in set.into_iter().filter(|(_, set)| *set) {
                violations.malformed(format!("{PATH}.{field}"), "Only the action MARK has this; leave it out.");
            }
            if other == Some(proto::RemovalAction::Delete) { RemovalAction::Delete } else { RemovalAction::Leave }
        }
    };
    RemovalPolicy { action, min_absence }
}

fn mark(violations: &mut Violations, policy: proto::RemovalPolicy) -> RemovalAction {
    violations.required_text("mapping.removal_policy.mark_column_id", &policy.mark_column_id, MAX_FOREIGN_ID);
    let value = policy.mark_value.map(convert::json).unwrap_or_default();
    if is_empty(&value) {
        violations.malformed(
            "mapping.removal_policy.mark_value",
            "The action MARK needs a value to write, which is not empty, such as \"Removed from Kandji\".",
        );
    }
    let unmark_value = policy.unmark_value.map(convert::json);
    for (field, value) in [("mark_value", Some(&value)), ("unmark_value", unmark_value.as_ref())] {
        let length = value.map_or(0, |value| value.to_string().chars().count());
        if length > MAX_MARK {
            violations.malformed(
                format!("mapping.removal_policy.{field}"),
                format!("At most {MAX_MARK} characters as JSON are allowed; this has {length}."),
            );
        }
    }
    // To write nothing is to clear the column, which is what an unset value means.
    let unmark_value = unmark_value.filter(|value| !is_empty(value));
    RemovalAction::Mark { column_id: policy.mark_column_id, value, unmark_value }
}

pub(crate) fn brake(violations: &mut Violations, brake: Option<proto::Brake>) -> Brake {
    let default = Brake::default();
    let Some(brake) = brake else { return default };
    let max_percent = brake.max_percent.unwrap_or(default.max_percent);
    if max_percent > MAX_PERCENT {
        violations.malformed("mapping.brake.max_percent", "It must lie between 0 and 100.");
    }
    Brake { max_percent, min_count: brake.min_count.unwrap_or(default.min_count) }
}

/// The values of a policy in the form in which they are sent. For a mapping that [`pandaport_import::check`] let pass.
pub(crate) fn in_written_form(action: &mut RemovalAction, columns: &[pandaport_import::Column]) {
    let RemovalAction::Mark { column_id, value, unmark_value } = action else { return };
    let Some(column) = columns.iter().find(|column| column.id == *column_id) else { return };
    let written = |value: &mut Value| {
        if let Ok(written) = pandaport_import::given_value(column, value) {
            *value = written;
        }
    };
    written(value);
    if let Some(unmark_value) = unmark_value {
        written(unmark_value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn found(violations: Violations) -> Vec<String> {
        violations.check().err().unwrap_or_default().into_iter().map(|it| it.field).collect()
    }

    fn policy(action: proto::RemovalAction) -> proto::RemovalPolicy {
        proto::RemovalPolicy { action: action.into(), ..Default::default() }
    }

    fn text(text: &str) -> Option<prost_types::Value> {
        Some(prost_types::Value { kind: Some(prost_types::value::Kind::StringValue(text.into())) })
    }

    #[test]
    fn what_is_unset_is_every_device_leave_and_the_brakes_defaults() {
        let mut violations = Violations::default();
        assert!(filter(&mut violations, None).is_empty());
        assert_eq!(on_filtered(&mut violations, 0), OnFiltered::Leave);
        assert_eq!(removal_policy(&mut violations, None), RemovalPolicy::default());
        assert_eq!(brake(&mut violations, None), Brake::default());
        let half = proto::Brake { max_percent: Some(0), min_count: None };
        assert_eq!(brake(&mut violations, Some(half)), Brake { max_percent: 0, min_count: 10 });
        assert!(violations.is_empty());
    }

    #[test]
    fn rule_10_a_mark_has_its_column_and_its_value() {
        let mut violations = Violations::default();
        let given = proto::RemovalPolicy {
            mark_column_id: "status".into(),
            mark_value: text("Retired"),
            unmark_value: text(""),
            min_absence: Some(prost_types::Duration::default()),
            ..policy(proto::RemovalAction::Mark)
        };
        let read = removal_policy(&mut violations, Some(given));
        let action = RemovalAction::Mark { column_id: "status".into(), value: json!("Retired"), unmark_value: None };
        assert_eq!(read, RemovalPolicy { action, min_absence: Duration::ZERO });
        assert!(violations.is_empty());

        let mut violations = Violations::default();
        removal_policy(&mut violations, Some(policy(proto::RemovalAction::Mark)));
        assert_eq!(found(violations), ["mapping.removal_policy.mark_column_id", "mapping.removal_policy.mark_value"]);
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once_by_its_path() {
        let mut violations = Violations::default();
        let given = proto::Filter {
            platforms: vec!["Mac".into(), String::new()],
            blueprint_ids: vec!["b".repeat(201)],
            tags_any: vec!["t".into(); 1_001],
            exclude_removed: true,
        };
        filter(&mut violations, Some(given));
        on_filtered(&mut violations, 9);
        let stray = proto::RemovalPolicy {
            mark_column_id: "status".into(),
            mark_value: text("Retired"),
            unmark_value: text("Back"),
            min_absence: Some(prost_types::Duration { seconds: 32 * 86_400, nanos: 0 }),
            ..policy(proto::RemovalAction::Delete)
        };
        removal_policy(&mut violations, Some(stray));
        brake(&mut violations, Some(proto::Brake { max_percent: Some(101), min_count: None }));
        assert_eq!(
            found(violations),
            [
                "mapping.filter.platforms[1]",
                "mapping.filter.blueprint_ids[0]",
                "mapping.filter.tags_any",
                "mapping.on_filtered",
                "mapping.removal_policy.min_absence",
                "mapping.removal_policy.mark_column_id",
                "mapping.removal_policy.mark_value",
                "mapping.removal_policy.unmark_value",
                "mapping.brake.max_percent",
            ]
        );
    }
}
