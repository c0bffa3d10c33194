//! Every cell of the table in section 6.1 of the Asset Panda contract.
#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::WriteRule;

fn cell(column_type: ColumnType) -> CellSpec {
    crate::support::cell("c1", column_type, WriteRule::Trigger)
}

fn with_options(column_type: ColumnType, options: &[&str]) -> CellSpec {
    CellSpec { options: Some(options.iter().map(|&option| option.to_owned()).collect()), ..cell(column_type) }
}

fn text(text: &str) -> SourceValue<'_> {
    SourceValue::Text(Cow::Borrowed(text))
}

fn list<'a>(tags: &[&'a str]) -> SourceValue<'a> {
    SourceValue::List(tags.iter().map(|&tag| Cow::Borrowed(tag)).collect())
}

fn noon() -> SourceValue<'static> {
    SourceValue::Time("2026-11-20T09:14:02.150080Z".parse().unwrap())
}

fn sent<'a>(cell: &'a CellSpec, value: SourceValue<'a>) -> Value {
    let written = written(cell, value);
    written.to_value().unwrap_or_else(|| panic!("{written:?} is not sent"))
}

fn why(cell: &CellSpec, value: SourceValue<'_>) -> String {
    match written(cell, value.clone()) {
        Written::Unfit { why, .. } => why.into_owned(),
        other => panic!("{value:?} became {other:?}"),
    }
}

fn unknown_type() -> ColumnType {
    ColumnType::from_uri("ap://system/datatype/barcode")
}

// Row: text.

#[rstest]
#[case(ColumnType::Text)]
#[case(ColumnType::Email)]
#[case(ColumnType::Url)]
#[case(ColumnType::Person)]
#[case(unknown_type())]
fn text_into_text_email_url_and_unknown_is_as_it_is(#[case] column: ColumnType) {
    assert_eq!(sent(&cell(column), text(" Mac’s \u{1F34E} ")), json!(" Mac’s \u{1F34E} "));
}

#[test]
fn text_into_boolean_is_unfit() {
    assert!(why(&cell(ColumnType::Boolean), text("true")).contains("true or false"));
}

#[rstest]
#[case(ColumnType::Number)]
#[case(ColumnType::Currency)]
fn text_into_number_is_parsed(#[case] column: ColumnType) {
    let cell = cell(column);
    assert_eq!(sent(&cell, text("42")), json!(42));
    assert_eq!(sent(&cell, text("4.50")), json!(4.5));
    assert!(why(&cell, text("C02")).contains("not a number"));
    assert!(why(&cell, text("12345678901234567")).contains("too many digits"));
}

#[test]
fn text_into_date_and_datetime_is_unfit_unless_it_is_a_time() {
    let (date, datetime) = (cell(ColumnType::Date), cell(ColumnType::Datetime));
    assert_eq!(sent(&date, text("2026-11-20 09:14:02+00:00")), json!("2026-11-20"));
    assert_eq!(sent(&date, text("2026-11-20T23:30:00-05:00")), json!("2026-11-21"));
    assert_eq!(sent(&date, text("2026-11-20")), json!("2026-11-20"));
    assert_eq!(sent(&datetime, text("2026-11-20 09:14:02.5+00:00")), json!("2026-11-20T09:14:02Z"));
    assert_eq!(sent(&datetime, text("2026-11-20")), json!("2026-11-20T00:00:00Z"));
    assert!(why(&date, text("14.4.1")).contains("not a date"));
    assert!(why(&datetime, text("11/20/2026")).contains("not a time"));
}

#[test]
fn text_into_select_must_be_an_option() {
    let cell = with_options(ColumnType::Select, &["Mac", "iPad"]);
    assert_eq!(sent(&cell, text("Mac")), json!("Mac"));
    assert_eq!(why(&cell, text("iPhone")), "it is not an option of the column");
    assert_eq!(why(&cell, text("mac")), "it is not an option of the column, but \"Mac\" is");
}

#[test]
fn text_into_multiselect_is_one_option() {
    let cell = with_options(ColumnType::MultiSelect, &["Mac", "iPad"]);
    assert_eq!(sent(&cell, text("Mac")), json!(["Mac"]));
    assert_eq!(why(&cell, text("iPhone")), "it is not an option of the column");
}

#[test]
fn any_text_may_be_an_option_where_the_options_are_not_told() {
    assert_eq!(sent(&cell(ColumnType::Select), text("Mac")), json!("Mac"));
    assert_eq!(sent(&cell(ColumnType::MultiSelect), list(&["b", "a"])), json!(["a", "b"]));
}

// Row: boolean.

#[rstest]
#[case(true)]
#[case(false)]
fn boolean_into_text_and_boolean(#[case] value: bool) {
    let text = value.to_string();
    assert_eq!(sent(&cell(ColumnType::Text), SourceValue::Bool(value)), json!(text));
    assert_eq!(sent(&cell(unknown_type()), SourceValue::Bool(value)), json!(text));
    assert_eq!(sent(&cell(ColumnType::Boolean), SourceValue::Bool(value)), json!(value));
}

#[rstest]
#[case(&["Yes", "No"], "Yes", "No")]
#[case(&["False", "True"], "True", "False")]
#[case(&["NO", "YES", "Maybe"], "YES", "NO")]
#[case(&["Yes", "True", "False"], "True", "False")]
fn boolean_into_select_takes_the_pair_that_exists(#[case] options: &[&str], #[case] yes: &str, #[case] no: &str) {
    let cell = with_options(ColumnType::Select, options);
    assert_eq!(sent(&cell, SourceValue::Bool(true)), json!(yes));
    assert_eq!(sent(&cell, SourceValue::Bool(false)), json!(no));
}

#[test]
fn boolean_into_a_select_without_such_a_pair_is_unfit() {
    let cell = with_options(ColumnType::Select, &["Yes", "False"]);
    assert!(why(&cell, SourceValue::Bool(true)).contains("neither the options Yes and No nor True and False"));
}

// The rest of the table: what a mapping refuses is unfit, should it come nevertheless.

#[rstest]
fn boolean_into_the_rest_is_refused(
    #[values(
        ColumnType::Number,
        ColumnType::Currency,
        ColumnType::Date,
        ColumnType::Datetime,
        ColumnType::MultiSelect,
        ColumnType::Email,
        ColumnType::Url,
        ColumnType::Person
    )]
    column: ColumnType,
) {
    assert_eq!(fit(ValueType::Boolean, &column), Fit::Never);
    assert_eq!(why(&cell(column), SourceValue::Bool(true)), "the column does not take a boolean");
}

// Row: time.

#[test]
fn time_into_text_date_and_datetime() {
    assert_eq!(sent(&cell(ColumnType::Text), noon()), json!("2026-11-20T09:14:02Z"));
    assert_eq!(sent(&cell(unknown_type()), noon()), json!("2026-11-20T09:14:02Z"));
    assert_eq!(sent(&cell(ColumnType::Datetime), noon()), json!("2026-11-20T09:14:02Z"));
    assert_eq!(sent(&cell(ColumnType::Date), noon()), json!("2026-11-20"));
}

#[rstest]
fn a_date_format_overrides_the_form_of_a_time(
    #[values(ColumnType::Text, ColumnType::Date, ColumnType::Datetime, unknown_type())] column: ColumnType,
) {
    let cell = CellSpec { date_format: Some("%d.%m.%Y %H:%M".into()), ..cell(column) };
    assert_eq!(sent(&cell, noon()), json!("20.11.2026 09:14"));
}

#[rstest]
fn time_into_the_rest_is_refused(
    #[values(
        ColumnType::Boolean,
        ColumnType::Number,
        ColumnType::Currency,
        ColumnType::Select,
        ColumnType::MultiSelect,
        ColumnType::Email,
        ColumnType::Url,
        ColumnType::Person
    )]
    column: ColumnType,
) {
    assert_eq!(fit(ValueType::Time, &column), Fit::Never);
    assert_eq!(why(&cell(column), noon()), "the column does not take a time");
}

// Row: list.

#[test]
fn tags_into_text_are_sorted_and_joined() {
    assert_eq!(sent(&cell(ColumnType::Text), list(&["sales", "berlin", "sales"])), json!("berlin, sales"));
    assert_eq!(sent(&cell(unknown_type()), list(&["sales", "berlin"])), json!("berlin, sales"));
    let bars = CellSpec { tag_separator: "|".into(), ..cell(ColumnType::Text) };
    assert_eq!(sent(&bars, list(&["b, c", "a"])), json!("a|b, c"));
}

#[test]
fn a_tag_that_contains_the_separator_makes_it_json_text() {
    assert_eq!(sent(&cell(ColumnType::Text), list(&["x", "Berlin, DE"])), json!(r#"["Berlin, DE","x"]"#));
}

#[test]
fn tags_into_multiselect_are_an_array_of_options() {
    let cell = with_options(ColumnType::MultiSelect, &["a", "b", "c"]);
    assert_eq!(sent(&cell, list(&["c", "a"])), json!(["a", "c"]));
    assert_eq!(why(&cell, list(&["a", "d"])), "it is not an option of the column");
}

#[rstest]
fn tags_into_the_rest_are_refused(
    #[values(
        ColumnType::Boolean,
        ColumnType::Number,
        ColumnType::Currency,
        ColumnType::Date,
        ColumnType::Datetime,
        ColumnType::Select,
        ColumnType::Email,
        ColumnType::Url,
        ColumnType::Person
    )]
    column: ColumnType,
) {
    assert_eq!(fit(ValueType::List, &column), Fit::Never);
    assert_eq!(why(&cell(column), list(&["a"])), "the column does not take a list");
}

// Empty is not unknown.

#[rstest]
fn empty_and_unknown_stay_what_they_are(
    #[values(ColumnType::Text, ColumnType::Boolean, ColumnType::Number, ColumnType::Date, ColumnType::MultiSelect)]
    column: ColumnType,
) {
    let cell = cell(column);
    assert_eq!(written(&cell, SourceValue::Unknown), Written::Unknown);
    for empty in [SourceValue::Empty, text(""), list(&[])] {
        assert_eq!(written(&cell, empty), Written::Empty);
    }
}

#[test]
fn what_a_mapping_may_promise_agrees_with_what_is_written() {
    let columns = [
        ColumnType::Text,
        ColumnType::Number,
        ColumnType::Currency,
        ColumnType::Boolean,
        ColumnType::Date,
        ColumnType::Datetime,
        ColumnType::Email,
        ColumnType::Url,
        ColumnType::Select,
        ColumnType::MultiSelect,
        ColumnType::Person,
        unknown_type(),
    ];
    let values = [
        (ValueType::Text, text("x")),
        (ValueType::Boolean, SourceValue::Bool(true)),
        (ValueType::Time, noon()),
        (ValueType::List, list(&["x"])),
    ];
    for column in columns {
        let cell = cell(column);
        for (value_type, value) in &values {
            let is_sent = written(&cell, value.clone()).to_value().is_some();
            match fit(*value_type, &cell.column_type) {
                Fit::Always => assert!(is_sent, "{value_type:?} into {}", cell.column_type),
                Fit::Hardly | Fit::Never => assert!(!is_sent, "{value_type:?} into {}", cell.column_type),
                Fit::Sometimes => {}
            }
        }
    }
}
