//! Which fields of a mapping a caller changes, by the paths of an update mask.

use pandaport_api::v1 as proto;

use crate::limits::{MAX_PATH, MAX_PATHS};
use crate::validate::Violations;

/// What can be changed: its path, whether it is about what is imported (and not only about name and time), and how it goes
/// from the caller's mapping into the stored one.
type Part = (&'static str, bool, fn(&mut proto::Mapping, &proto::Mapping));

const PARTS: &[Part] = &[
    ("display_name", false, |to, from| to.display_name.clone_from(&from.display_name)),
    ("schedule", false, |to, from| to.schedule.clone_from(&from.schedule)),
    ("full_sync_every", false, |to, from| to.full_sync_every = from.full_sync_every),
    ("fields", true, |to, from| to.fields.clone_from(&from.fields)),
    ("passenger_max_age", true, |to, from| to.passenger_max_age = from.passenger_max_age),
    ("filter", true, |to, from| to.filter.clone_from(&from.filter)),
    ("filter.platforms", true, |to, from| filter(to).platforms = filter(&mut from.clone()).platforms.clone()),
    ("filter.blueprint_ids", true, |to, from| {
        filter(to).blueprint_ids = filter(&mut from.clone()).blueprint_ids.clone();
    }),
    ("filter.tags_any", true, |to, from| filter(to).tags_any = filter(&mut from.clone()).tags_any.clone()),
    ("filter.exclude_removed", true, |to, from| {
        filter(to).exclude_removed = filter(&mut from.clone()).exclude_removed;
    }),
    ("on_filtered", true, |to, from| to.on_filtered = from.on_filtered),
    ("removal_policy", true, |to, from| to.removal_policy.clone_from(&from.removal_policy)),
    // What belongs to MARK alone goes with it: whoever names another action need not name what no longer applies.
    ("removal_policy.action", true, |to, from| {
        let (to, action) = (policy(to), policy(&mut from.clone()).action);
        if action != i32::from(proto::RemovalAction::Mark) {
            *to = proto::RemovalPolicy { min_absence: to.min_absence, ..proto::RemovalPolicy::default() };
        }
        to.action = action;
    }),
    ("removal_policy.mark_column_id", true, |to, from| {
        policy(to).mark_column_id = policy(&mut from.clone()).mark_column_id.clone();
    }),
    ("removal_policy.mark_value", true, |to, from| {
        policy(to).mark_value = policy(&mut from.clone()).mark_value.clone();
    }),
    ("removal_policy.unmark_value", true, |to, from| {
        policy(to).unmark_value = policy(&mut from.clone()).unmark_value.clone();
    }),
    ("removal_policy.min_absence", true, |to, from| policy(to).min_absence = policy(&mut from.clone()).min_absence),
    ("brake", true, |to, from| to.brake = from.brake),
    ("brake.max_percent", true, |to, from| brake(to).max_percent = brake(&mut from.clone()).max_percent),
    ("brake.min_count", true, |to, from| brake(to).min_count = brake(&mut from.clone()).min_count),
];

/// What a mapping is made with, for good.
const FIXED: [&str; 4] = ["identifier", "collection_id", "connection_id", "external_entity"];

/// What is told, and never taken.
const OUTPUT: [&str; 14] = [
    "mapping_id",
    "state",
    "state_reason",
    "notes",
    "held",
    "last_sync",
    "last_success_time",
    "next_sync_time",
    "linked_count",
    "rejected_count",
    "create_time",
    "update_time",
    "etag",
    "health",
];

fn filter(mapping: &mut proto::Mapping) -> &mut proto::Filter {
    mapping.filter.get_or_insert_default()
}

fn policy(mapping: &mut proto::Mapping) -> &mut proto::RemovalPolicy {
    mapping.removal_policy.get_or_insert_default()
}

fn brake(mapping: &mut proto::Mapping) -> &mut proto::Brake {
    mapping.brake.get_or_insert_default()
}

/// The fields that a call changes.
pub(crate) struct Mask(Vec<&'static Part>);

impl Mask {
    /// Reads a mask. Paths that can't be changed are noted.
    pub(crate) fn read(violations: &mut Violations, mask: Option<&prost_types::FieldMask>) -> Self {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        if paths.is_empty() {
            violations.malformed(
                "update_mask",
                "Name the fields to change, such as \"fields\" or \"schedule\": nothing else is changed.",
            );
        }
        let mut parts = Vec::new();
        if paths.len() > MAX_PATHS {
            let message = format!("At most {MAX_PATHS} paths are allowed; these are {}.", paths.len());
            violations.malformed("update_mask.paths", message);
            return Self(parts);
        }
        for (at, path) in paths.iter().enumerate() {
            match PARTS.iter().find(|part| part.0 == path) {
                Some(part) => parts.push(part),
                None if path.chars().count() > MAX_PATH => {
                    violations.text(&format!("update_mask.paths[{at}]"), path, MAX_PATH);
                }
                None => violations.malformed(format!("update_mask.paths[{at}]"), refusal(path)),
            }
        }
        Self(parts)
    }

    /// Whether it says anything about what is imported: that has to fit the collection.
    pub(crate) fn is_about_the_import(&self) -> bool {
        self.0.iter().any(|part| part.1)
    }

    /// Whether it names this field.
    pub(crate) fn names(&self, path: &str) -> bool {
        self.0.iter().any(|part| part.0 == path)
    }

    /// The mapping with what the caller changes of it.
    pub(crate) fn apply(&self, mut stored: proto::Mapping, given: &proto::Mapping) -> proto::Mapping {
        for (_, _, put) in &self.0 {
            put(&mut stored, given);
        }
        stored
    }
}

fn refusal(path: &str) -> String {
    let top = path.split('.').next().unwrap_or_default();
    if FIXED.contains(&top) {
        return format!(
            "\"{top}\" can't change: the records of the collection are tied to devices by it. Make a new mapping for another one."
        );
    }
    if OUTPUT.contains(&top) {
        return format!("\"{top}\" is output only.");
    }
    let known = PARTS.iter().map(|part| part.0).filter(|known| !known.contains('.')).collect::<Vec<_>>().join(", ");
    format!("A mapping has no field \"{path}\" that can change; these can: {known}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(paths: &[&str]) -> (Mask, Vec<String>) {
        let mut violations = Violations::default();
        let mask = prost_types::FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() };
        let mask = Mask::read(&mut violations, Some(&mask));
        let found = violations.check().err().unwrap_or_default();
        (mask, found.into_iter().map(|it| format!("{}: {}", it.field, it.message)).collect())
    }

    #[test]
    fn only_what_is_named_changes() {
        let stored = proto::Mapping {
            display_name: "Old".into(),
            filter: Some(proto::Filter { platforms: vec!["Mac".into()], exclude_removed: true, ..Default::default() }),
            ..Default::default()
        };
        let given = proto::Mapping {
            display_name: "New".into(),
            filter: Some(proto::Filter { platforms: vec!["iPad".into()], ..Default::default() }),
            brake: Some(proto::Brake { max_percent: Some(5), min_count: Some(1) }),
            ..Default::default()
        };
        let (mask, found) = read(&["filter.platforms", "brake.max_percent"]);
        assert!(found.is_empty() && mask.is_about_the_import());
        let changed = mask.apply(stored.clone(), &given);
        let filter = proto::Filter { platforms: vec!["iPad".into()], exclude_removed: true, ..Default::default() };
        assert_eq!((changed.display_name.as_str(), changed.filter), ("Old", Some(filter)));
        assert_eq!(changed.brake, Some(proto::Brake { max_percent: Some(5), min_count: None }));
        let (mask, _) = read(&["display_name", "filter"]);
        let changed = mask.apply(stored, &proto::Mapping { filter: None, ..given });
        assert_eq!((changed.display_name.as_str(), changed.filter), ("New", None));
        assert!(!read(&["display_name", "schedule"]).0.is_about_the_import());
    }

    #[test]
    fn what_is_fixed_or_output_or_unknown_is_refused_and_says_what_to_do() {
        let (_, found) = read(&["collection_id", "fields", "identifier.column_id", "state", "colour", "*"]);
        let expected = [
            "update_mask.paths[0]: \"collection_id\" can't change",
            "update_mask.paths[2]: \"identifier\" can't change",
            "update_mask.paths[3]: \"state\" is output only.",
            "update_mask.paths[4]: A mapping has no field \"colour\" that can change; these can: display_name, schedule,",
            "update_mask.paths[5]: A mapping has no field \"*\"",
        ];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
        assert!(found[0].contains("Make a new mapping"));
        let (_, found) = read(&[]);
        assert!(found[0].starts_with("update_mask: Name the fields"), "{found:?}");
    }
}
