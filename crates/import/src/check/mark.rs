//! Whether the column and the values of a removal policy that marks fit the collection (DESIGN 4.10).

use serde_json::Value;

use super::{CheckReason, Checked, MAX_COLUMN_ID};
use crate::{Column, MappingSpec, RemovalAction, given_value};

pub(super) const COLUMN: &str = "mapping.removal_policy.mark_column_id";
const VALUE: &str = "mapping.removal_policy.mark_value";
const UNMARK: &str = "mapping.removal_policy.unmark_value";

/// Another policy than MARK writes nothing, so nothing of it can fail to fit.
pub(super) fn check(checked: &mut Checked, spec: &MappingSpec, columns: &[Column]) {
    let RemovalAction::Mark { column_id, value, unmark_value } = &spec.removal_policy.action else { return };
    if column_id.is_empty() || column_id.len() > MAX_COLUMN_ID {
        let message = format!("a column id has 1 to {MAX_COLUMN_ID} bytes; ListColumns tells them");
        checked.refuse(COLUMN, CheckReason::FieldInvalid, message);
        return;
    }
    let mapped = spec.identifier.column_id == *column_id || spec.pairs.iter().any(|pair| pair.column_id == *column_id);
    if mapped {
        let message = format!("column {column_id} is mapped: the mark needs a column that no field is written into");
        checked.refuse(COLUMN, CheckReason::ColumnRepeated, message);
        return;
    }
    let Some(column) = columns.iter().find(|column| column.id == *column_id) else {
        let message = format!("the mark goes into column {column_id}, which the collection no longer has or never had");
        checked.refuse(COLUMN, CheckReason::ColumnUnknown, message);
        return;
    };
    let name = &column.name;
    if column.referenced {
        let message = format!("column \"{name}\" takes its value from another collection and cannot be written");
        checked.refuse(COLUMN, CheckReason::ColumnReferenced, message);
        return;
    }
    if column.unique == Some(true) {
        let message = format!("column \"{name}\" is unique: only one record could hold the mark; choose another one");
        checked.refuse(COLUMN, CheckReason::FieldInvalid, message);
    }
    for (path, value) in [(VALUE, Some(value)), (UNMARK, unmark_value.as_ref())] {
        if let Some(Err(why)) = value.map(|value| given_value(column, value)) {
            let message =
                format!("{} cannot be written into the {} column \"{name}\": {why}", shown(value), column.column_type);
            checked.refuse(path, CheckReason::TypeMismatch, message);
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map(Value::to_string).unwrap_or_default();
    crate::projection::shown(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::super::check;
    use super::*;
    use crate::support::column;
    use crate::{ColumnType, IdentifierPair, Pair, SourceField, WriteRule};

    fn spec(column_id: &str, value: Value, unmark_value: Option<Value>) -> MappingSpec {
        let pair = Pair {
            source_field: SourceField::Model,
            column_id: "model".into(),
            write_rule: WriteRule::Trigger,
            tag_separator: None,
            date_format: None,
        };
        let identifier = IdentifierPair { source_field: SourceField::SerialNumber, column_id: "serial".into() };
        let mut spec = MappingSpec::new(identifier, vec![pair]);
        spec.removal_policy.action = RemovalAction::Mark { column_id: column_id.into(), value, unmark_value };
        spec
    }

    fn columns() -> Vec<Column> {
        vec![
            Column { unique: Some(true), ..column("serial", ColumnType::Text) },
            column("model", ColumnType::Text),
            column("status", ColumnType::Text),
            column("gone", ColumnType::Boolean),
            Column { referenced: true, ..column("pulled", ColumnType::Text) },
            Column { unique: Some(true), ..column("tag", ColumnType::Text) },
        ]
    }

    #[rstest]
    #[case("status", json!("Retired"), None, &[])]
    #[case("gone", json!(true), Some(json!(false)), &[])]
    #[case("gone", json!("Retired"), Some(json!("Back")), &[(VALUE, "TYPE_MISMATCH"), (UNMARK, "TYPE_MISMATCH")])]
    #[case("nowhere", json!("Retired"), None, &[(COLUMN, "COLUMN_UNKNOWN")])]
    #[case("pulled", json!("Retired"), None, &[(COLUMN, "COLUMN_REFERENCED")])]
    #[case("model", json!("Retired"), None, &[(COLUMN, "COLUMN_REPEATED")])]
    #[case("serial", json!("Retired"), None, &[(COLUMN, "COLUMN_REPEATED")])]
    #[case("tag", json!("Retired"), None, &[(COLUMN, "FIELD_INVALID")])]
    #[case("", json!("Retired"), None, &[(COLUMN, "FIELD_INVALID")])]
    fn rule_10_a_mark_needs_a_column_of_its_own_that_takes_it(
        #[case] column_id: &str,
        #[case] value: Value,
        #[case] unmark_value: Option<Value>,
        #[case] found: &[(&str, &str)],
    ) {
        let violations = check(&spec(column_id, value, unmark_value), &columns()).violations;
        let brief: Vec<_> = violations.iter().map(|it| (it.field.as_str(), it.reason.as_str())).collect();
        assert_eq!(brief, found);
    }

    #[test]
    fn rule_15_a_mark_column_that_is_gone_is_of_no_account_to_other_policies() {
        let mut spec = spec("nowhere", json!("Retired"), None);
        for action in [RemovalAction::Leave, RemovalAction::Delete] {
            spec.removal_policy.action = action;
            assert_eq!(check(&spec, &columns()).violations, []);
        }
    }
}
