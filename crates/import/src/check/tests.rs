#![allow(clippy::unwrap_used)]

use rstest::rstest;

use super::*;
use crate::IdentifierPair;

fn column(id: &str, column_type: ColumnType) -> Column {
    Column { unique: Some(id == "serial"), ..crate::support::column(id, column_type) }
}

fn columns() -> Vec<Column> {
    vec![
        column("serial", ColumnType::Text),
        column("text", ColumnType::Text),
        column("text2", ColumnType::Text),
        column("number", ColumnType::Number),
        column("boolean", ColumnType::Boolean),
        column("date", ColumnType::Date),
        column("select", ColumnType::Select),
        column("multi", ColumnType::MultiSelect),
        column("odd", ColumnType::Other("ap://system/datatype/odd".into())),
    ]
}

fn pair(source_field: SourceField, column_id: &str) -> Pair {
    Pair {
        source_field,
        column_id: column_id.into(),
        write_rule: WriteRule::default_for(source_field),
        tag_separator: None,
        date_format: None,
    }
}

fn spec(pairs: Vec<Pair>) -> MappingSpec {
    MappingSpec::new(IdentifierPair { source_field: SourceField::SerialNumber, column_id: "serial".into() }, pairs)
}

fn brief(findings: &[Finding]) -> Vec<(&str, &str)> {
    findings.iter().map(|finding| (finding.field.as_str(), finding.reason.as_str())).collect()
}

#[test]
fn a_good_mapping_passes_without_a_word() {
    let good = spec(vec![
        pair(SourceField::Model, "text"),
        Pair { tag_separator: Some("; ".into()), ..pair(SourceField::Tags, "text2") },
        Pair { write_rule: WriteRule::FillOnly, ..pair(SourceField::IsMissing, "boolean") },
        Pair {
            date_format: Some("%d.%m.%Y".into()),
            write_rule: WriteRule::CreateOnly,
            ..pair(SourceField::FirstEnrollment, "date")
        },
    ]);
    assert_eq!(check(&good, &columns()), Checked::default());
}

#[test]
fn everything_wrong_is_told_at_once_with_its_path() {
    let mut all = columns();
    all.push(Column { referenced: true, ..column("pulled", ColumnType::Text) });
    let bad = MappingSpec {
        identifier: IdentifierPair { source_field: SourceField::Model, column_id: "text".into() },
        pairs: vec![
            pair(SourceField::Platform, "gone"),
            pair(SourceField::Platform, "pulled"),
            pair(SourceField::Platform, "text"),
            pair(SourceField::LastCheckIn, "number"),
            Pair { date_format: Some("%Y".into()), ..pair(SourceField::OsVersion, "text2") },
            Pair { tag_separator: Some(String::new()), date_format: None, ..pair(SourceField::Tags, "multi") },
            pair(SourceField::Platform, "text2"),
            pair(SourceField::Platform, ""),
        ],
        passenger_max_age: Duration::ZERO,
        ..spec(Vec::new())
    };
    assert_eq!(
        brief(&check(&bad, &all).violations),
        [
            ("mapping.identifier.source_field", "IDENTIFIER_UNFIT"),
            ("mapping.identifier.column_id", "COLUMN_NOT_UNIQUE"),
            ("mapping.fields[0].column_id", "COLUMN_UNKNOWN"),
            ("mapping.fields[1].column_id", "COLUMN_REFERENCED"),
            ("mapping.fields[2].column_id", "COLUMN_REPEATED"),
            ("mapping.fields[3].column_id", "TYPE_MISMATCH"),
            ("mapping.fields[4].date_format", "FIELD_INVALID"),
            ("mapping.fields[5].tag_separator", "FIELD_INVALID"),
            ("mapping.fields[6].column_id", "COLUMN_REPEATED"),
            ("mapping.fields[7].column_id", "FIELD_INVALID"),
            ("mapping.passenger_max_age", "FIELD_INVALID"),
        ]
    );
}

#[test]
fn every_unfit_identifier_is_refused_with_its_guidance_and_every_other_passes() {
    for field in SourceField::ALL {
        let mut spec = spec(Vec::new());
        spec.identifier.source_field = field;
        let checked = check(&spec, &columns());
        let found = match field.fitness() {
            Fitness::No => checked.violations,
            Fitness::WithCare | Fitness::Acceptable => {
                assert_eq!(checked.violations, []);
                checked.warnings
            }
            Fitness::Good | Fitness::Recommended => {
                assert_eq!(checked, Checked::default());
                continue;
            }
        };
        assert_eq!(brief(&found), [("mapping.identifier.source_field", "IDENTIFIER_UNFIT")]);
        assert!(found[0].message.contains(field.guidance()), "{}", found[0].message);
    }
}

#[test]
fn a_column_of_unknown_uniqueness_is_accepted_with_a_warning() {
    let mut columns = columns();
    columns[0].unique = None;
    let checked = check(&spec(Vec::new()), &columns);
    assert_eq!(checked.violations, []);
    assert_eq!(brief(&checked.warnings), [("mapping.identifier.column_id", "COLUMN_UNIQUENESS_UNKNOWN")]);
}

#[rstest]
#[case("boolean")]
#[case("date")]
#[case("multi")]
fn an_identifier_needs_a_column_that_can_hold_one(#[case] id: &str) {
    let mut columns = columns();
    columns.iter_mut().for_each(|column| column.unique = Some(true));
    let mut spec = spec(Vec::new());
    spec.identifier.column_id = id.into();
    assert_eq!(brief(&check(&spec, &columns).violations), [("mapping.identifier.column_id", "TYPE_MISMATCH")]);
}

#[test]
fn a_display_name_in_place_of_an_id_is_helped() {
    let checked = check(&spec(vec![pair(SourceField::Model, "Text Name")]), &columns());
    assert!(checked.violations[0].message.contains("the id of the column named so is text"));
    let checked = check(&spec(vec![pair(SourceField::Model, "gone")]), &columns());
    assert_eq!(
        checked.violations[0].message,
        "Model is mapped to column gone, which the collection no longer has or never had: ListColumns tells those that it has"
    );
}

#[rstest]
#[case(SourceField::Model, "number")]
#[case(SourceField::Model, "boolean")]
#[case(SourceField::Model, "select")]
#[case(SourceField::IsMissing, "select")]
#[case(SourceField::Tags, "multi")]
#[case(SourceField::Tags, "odd")]
fn a_doubtful_pair_is_accepted_with_a_warning(#[case] field: SourceField, #[case] id: &str) {
    let checked = check(&spec(vec![pair(field, id)]), &columns());
    assert_eq!(checked.violations, []);
    assert_eq!(brief(&checked.warnings), [("mapping.fields[0].column_id", "TYPE_MISMATCH")]);
}

#[test]
fn a_boolean_needs_a_pair_of_options() {
    let mut columns = columns();
    let select = columns.iter_mut().find(|column| column.id == "select").unwrap();
    select.options = Some(vec!["Maybe".into()]);
    let spec = spec(vec![pair(SourceField::IsMissing, "select")]);
    assert_eq!(brief(&check(&spec, &columns).violations), [("mapping.fields[0].column_id", "TYPE_MISMATCH")]);
    let select = columns.iter_mut().find(|column| column.id == "select").unwrap();
    select.options = Some(vec!["True".into(), "False".into()]);
    assert_eq!(check(&spec, &columns), Checked::default());
}

#[rstest]
#[case("%Q!")]
#[case("no directive")]
#[case("%")]
#[case("")]
#[case("%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y")]
fn a_date_format_must_be_strftime(#[case] format: &str) {
    let pair = Pair { date_format: Some(format.into()), ..pair(SourceField::LastEnrollment, "text") };
    assert_eq!(
        brief(&check(&spec(vec![pair]), &columns()).violations),
        [("mapping.fields[0].date_format", "FIELD_INVALID")]
    );
}

#[test]
fn a_required_column_that_is_not_mapped_is_warned_about() {
    let mut columns = columns();
    columns[1].required = Some(true);
    let checked = check(&spec(Vec::new()), &columns);
    assert_eq!(brief(&checked.warnings), [("mapping.fields", "COLUMN_REQUIRED")]);
    assert_eq!(check(&spec(vec![pair(SourceField::Model, "text")]), &columns), Checked::default());
}

#[test]
fn too_many_pairs_are_refused() {
    let pairs = vec![pair(SourceField::Model, "text"); MAX_PAIRS + 1];
    assert_eq!(brief(&check(&spec(pairs), &columns()).violations), [("mapping.fields", "FIELD_INVALID")]);
}

#[test]
fn rule_15_a_column_that_is_gone_or_retyped_has_moved() {
    let spec = spec(vec![
        pair(SourceField::Model, "text"),
        pair(SourceField::Platform, "text2"),
        pair(SourceField::OsVersion, "select"),
    ]);
    let before = columns();
    assert_eq!(moved(&spec, &before, &before), []);
    let mut now = columns();
    now.retain(|column| column.id != "serial");
    now.iter_mut().find(|column| column.id == "text2").unwrap().column_type = ColumnType::Number;
    now.iter_mut().find(|column| column.id == "text").unwrap().name = "Renamed".into();
    now.iter_mut().find(|column| column.id == "date").unwrap().column_type = ColumnType::Text;
    assert_eq!(
        brief(&moved(&spec, &before, &now)),
        [("mapping.identifier.column_id", "COLUMN_UNKNOWN"), ("mapping.fields[1].column_id", "TYPE_MISMATCH")]
    );
}

#[test]
fn rule_15_a_column_that_is_renamed_is_noted_and_has_not_moved() {
    let mut spec = spec(vec![pair(SourceField::Model, "text"), pair(SourceField::Platform, "text2")]);
    spec.removal_policy.action =
        crate::RemovalAction::Mark { column_id: "odd".into(), value: "Gone".into(), unmark_value: None };
    let before = columns();
    assert_eq!(renamed(&spec, &before, &before), []);
    let mut now = columns();
    for id in ["text2", "odd", "date"] {
        now.iter_mut().find(|column| column.id == id).unwrap().name = "Renamed".into();
    }
    let notes = renamed(&spec, &before, &now);
    let fields = ["mapping.fields[1].column_id", "mapping.removal_policy.mark_column_id"];
    assert_eq!(brief(&notes), fields.map(|field| (field, "COLUMN_RENAMED")));
    assert_eq!(notes[0].message, "column \"text2 name\" (text2) is now called \"Renamed\"; it is written as before");
    assert_eq!(moved(&spec, &before, &now), []);
    now.retain(|column| column.id != "odd");
    assert_eq!(brief(&moved(&spec, &before, &now)), [(fields[1], "COLUMN_UNKNOWN")]);
}
