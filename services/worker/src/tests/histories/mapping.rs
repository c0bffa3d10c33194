//! The mapping of a history: nine columns, every write rule, and the policies of its setup.

use std::collections::BTreeMap;
use std::time::Duration;

use pandaport_import::{
    Filter, IdentifierPair, MappingSpec, Pair, RemovalAction, RemovalPolicy, SourceField, WriteRule,
};

use super::fleet::{BACK, CREATE_ONLY, FILL_ONLY, GONE, PASSENGER, PLATFORM, STATUS, TAG};
use super::history::{self, Policy, Setup};

/// `columns`: the collection's, by their display names.
pub(super) fn spec(setup: &Setup, columns: &BTreeMap<String, String>) -> MappingSpec {
    let column = |field: SourceField| columns[field.display_name()].clone();
    let fields = [
        SourceField::DeviceId,
        SourceField::Model,
        SourceField::AssetTag,
        SourceField::UserEmail,
        SourceField::IsRemoved,
        SourceField::LastCheckIn,
        SourceField::DeviceName,
        SourceField::FirstEnrollment,
    ];
    let rule = |name: &str| match name {
        PASSENGER => WriteRule::Passenger,
        FILL_ONLY => WriteRule::FillOnly,
        CREATE_ONLY => WriteRule::CreateOnly,
        _ => WriteRule::Trigger,
    };
    let pair = |source_field: SourceField| Pair {
        source_field,
        column_id: column(source_field),
        write_rule: rule(source_field.display_name()),
        tag_separator: None,
        date_format: None,
    };
    let identifier =
        IdentifierPair { source_field: SourceField::SerialNumber, column_id: column(SourceField::SerialNumber) };
    let action = match setup.policy {
        Policy::Leave => RemovalAction::Leave,
        Policy::Mark { unmark_value } => RemovalAction::Mark {
            column_id: columns[STATUS].clone(),
            value: GONE.into(),
            unmark_value: unmark_value.then(|| BACK.into()),
        },
        Policy::Delete => RemovalAction::Delete,
    };
    let min_absence = Duration::from_secs(u64::from(setup.min_absence) * 3_600);
    MappingSpec {
        filter: match setup.filter {
            None => Filter::default(),
            Some(history::Filter::Platform) => Filter { platforms: [PLATFORM.into()].into(), ..Filter::default() },
            Some(history::Filter::Tag) => Filter { tags_any: [TAG.into()].into(), ..Filter::default() },
        },
        on_filtered: setup.on_filtered,
        removal_policy: RemovalPolicy { action, min_absence },
        brake: setup.brake,
        ..MappingSpec::new(identifier, fields.into_iter().map(pair).collect())
    }
}
