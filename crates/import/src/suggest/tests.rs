//! What is proposed for a collection.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::{IdentifierPair, MappingSpec, Pair, WriteRule, check};

fn column(id: &str, name: &str, column_type: ColumnType) -> Column {
    Column {
        id: id.into(),
        name: name.into(),
        column_type,
        options: None,
        unique: None,
        required: None,
        referenced: false,
    }
}

fn unique(id: &str, name: &str) -> Column {
    Column { unique: Some(true), ..column(id, name, ColumnType::Text) }
}

fn found(suggestion: &Suggestion) -> Vec<(&'static str, &str, Confidence)> {
    suggestion.pairs.iter().map(|it| (it.source_field.key(), it.column_id.as_str(), it.confidence)).collect()
}

fn why_not(suggestion: &Suggestion, field: SourceField) -> &str {
    let found = suggestion.unplaced.iter().find_map(|it| match it {
        Unplaced::Field(it, why) if *it == field => Some(why.as_str()),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn names_and_types_make_pairs_each_with_why_and_how_sure() {
    let suggestion = suggest(&[
        unique("serial", "Serial Number"),
        column("seen-text", "Last Check-In", ColumnType::Text),
        column("seen", "last check in", ColumnType::Datetime),
        column("host", "Computer Name", ColumnType::Text),
        column("year", "Model Year", ColumnType::Text),
        column("number", "OS Version", ColumnType::Number),
        column("colour", "Colour", ColumnType::Text),
    ]);
    let identifier = suggestion.identifier.as_ref().unwrap();
    assert_eq!((identifier.source_field, identifier.confidence), (SourceField::SerialNumber, Confidence::High));
    assert_eq!(identifier.why, "The column has the field's name. Good: common and acceptable. The column is unique.");
    assert_eq!(
        found(&suggestion),
        [
            ("device_name", "host", Confidence::Medium),
            ("last_check_in", "seen", Confidence::High),
            ("model", "year", Confidence::Low),
            ("os_version", "number", Confidence::Medium),
        ]
    );
    assert_eq!(suggestion.pairs[0].why, "\"Computer Name\" is another usual name for Device Name.");
    let numbers =
        "The column has the field's name; it is a number column: devices whose value does not fit are rejected.";
    assert_eq!(suggestion.pairs[3].why, numbers);
    assert_eq!(why_not(&suggestion, SourceField::Platform), "No column is named like it.");
    let free = Unplaced::Column("colour".into(), "Colour".into(), "No field is named like it.".into());
    assert!(suggestion.unplaced.contains(&free), "{:?}", suggestion.unplaced);
}

#[test]
fn the_identifier_goes_where_uniqueness_is_certain_and_never_where_it_is_not() {
    let of = |columns: &[Column]| suggest(columns).identifier.map(|it| (it.column_id, it.confidence));
    let device = column("device", "Device ID", ColumnType::Text);
    let serial = unique("serial", "Serial Number");
    assert_eq!(of(&[device.clone(), serial.clone()]), Some(("serial".into(), Confidence::High)));
    assert_eq!(of(std::slice::from_ref(&device)), Some(("device".into(), Confidence::Medium)));
    let both = [Column { unique: Some(true), ..device.clone() }, serial];
    assert_eq!(of(&both), Some(("device".into(), Confidence::High)));
    let never = Column { unique: Some(false), ..device };
    let suggestion = suggest(std::slice::from_ref(&never));
    assert_eq!(suggestion.identifier, None);
    assert_eq!(found(&suggestion), [("device_id", "device", Confidence::High)], "it can still be written");
    let Unplaced::Identifier(why) = &suggestion.unplaced[0] else { panic!("{:?}", suggestion.unplaced) };
    assert!(why.starts_with("Column \"Device ID\" fits Device ID, but is not unique"), "{why}");
    // A date or a yes tells no device from another.
    assert_eq!(of(&[column("date", "Device ID", ColumnType::Date)]), None);
}

#[test]
fn what_can_not_be_told_apart_or_does_not_fit_is_said_and_not_guessed() {
    let suggestion = suggest(&[
        column("a", "Tags", ColumnType::Text),
        column("b", "tags", ColumnType::Text),
        column("c", "Is Missing", ColumnType::Date),
        Column { referenced: true, ..column("d", "Model", ColumnType::Text) },
        Column { options: Some(vec!["Red".into()]), ..column("e", "MDM Enabled", ColumnType::Select) },
        Column { options: Some(vec!["Yes".into(), "No".into()]), ..column("f", "Is Removed", ColumnType::Select) },
    ]);
    assert_eq!(found(&suggestion), [("is_removed", "f", Confidence::Medium)]);
    assert_eq!(
        why_not(&suggestion, SourceField::Tags),
        "The columns \"Tags\" (a) and \"tags\" (b) fit it equally well: choose one."
    );
    assert!(why_not(&suggestion, SourceField::IsMissing).contains("is a date column"));
    assert!(why_not(&suggestion, SourceField::Model).contains("from another collection"));
    assert!(why_not(&suggestion, SourceField::MdmEnabled).contains("is a select column"));
}

fn any_column() -> impl Strategy<Value = Column> {
    let names = SourceField::ALL.map(SourceField::display_name).into_iter().chain([
        "Serial",
        "Name",
        "Email",
        "Owner",
        "Colour",
        "",
        "Old Serial Number",
        "Model Year",
        "日本",
    ]);
    let types = ["text", "number", "boolean", "date", "datetime", "email", "select", "multiselect", "person", "odd"];
    let options = prop_oneof![
        Just(None),
        Just(Some(vec!["Yes".to_owned(), "No".to_owned()])),
        Just(Some(vec!["Red".to_owned()]))
    ];
    let name = proptest::sample::select(names.collect::<Vec<_>>());
    let kind = proptest::sample::select(types.to_vec());
    (name, kind, options, any::<Option<bool>>(), any::<bool>()).prop_map(|(name, kind, options, unique, referenced)| {
        let column_type = ColumnType::from_uri(&format!("ap://system/datatype/{kind}"));
        Column { options, unique, referenced, ..column("", name, column_type) }
    })
}

proptest! {
    #[test]
    fn what_is_suggested_is_accepted(columns in proptest::collection::vec(any_column(), 0..40)) {
        let columns: Vec<Column> =
            columns.into_iter().enumerate().map(|(at, column)| Column { id: format!("c{at}"), ..column }).collect();
        let suggestion = suggest(&columns);
        let all: Vec<&Proposal> = suggestion.identifier.iter().chain(&suggestion.pairs).collect();
        // Everything has its place, once.
        let mut fields: Vec<SourceField> = all.iter().map(|it| it.source_field).collect();
        fields.extend(suggestion.unplaced.iter().filter_map(|it| match it {
            Unplaced::Field(field, _) => Some(*field),
            _ => None,
        }));
        fields.sort();
        prop_assert_eq!(fields, SourceField::ALL);
        let free = suggestion.unplaced.iter().filter(|it| matches!(it, Unplaced::Column(..))).count();
        prop_assert_eq!(all.len() + free, columns.len());
        if let Some(identifier) = &suggestion.identifier {
            let pairs = suggestion.pairs.iter().map(|it| Pair {
                source_field: it.source_field,
                column_id: it.column_id.clone(),
                write_rule: WriteRule::default_for(it.source_field),
                tag_separator: None,
                date_format: None,
            });
            let identifier =
                IdentifierPair { source_field: identifier.source_field, column_id: identifier.column_id.clone() };
            let checked = check(&MappingSpec::new(identifier, pairs.collect()), &columns);
            prop_assert!(checked.violations.is_empty(), "{:?}", checked.violations);
        }
    }
}
