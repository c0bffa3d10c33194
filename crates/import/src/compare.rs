//! When two values are the same, by the type of their column (DESIGN 4.13).

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::ColumnType;
use crate::number;
use crate::time::{self, Moment};

/// Whether two values mean the same in a column of this type.
///
/// Numbers are compared as numbers, dates as dates, times as points in time (to the second, which is what we write),
/// booleans also as `"true"` or `"Yes"`, the options of a multiselect as a set, everything else as text, exactly. Values
/// in the shape `{"id", "value"}` are unwrapped. What does not parse as its type is compared as text.
pub fn same(column: &ColumnType, a: &Value, b: &Value) -> bool {
    let (a, b) = (unwrap(a), unwrap(b));
    if is_empty(a) || is_empty(b) {
        return is_empty(a) && is_empty(b);
    }
    match column {
        ColumnType::MultiSelect => return options(a) == options(b),
        ColumnType::Number | ColumnType::Currency => {
            if let (Some(a), Some(b)) = (number::of(a), number::of(b)) {
                return number::equal(&a, &b);
            }
        }
        ColumnType::Boolean => {
            if let (Some(a), Some(b)) = (truth(a), truth(b)) {
                return a == b;
            }
        }
        ColumnType::Date if text(a) != text(b) => {
            if let (Some(a), Some(b)) = (moment(a), moment(b)) {
                return a.day() == b.day();
            }
        }
        ColumnType::Datetime if text(a) != text(b) => {
            if let (Some(a), Some(b)) = (moment(a), moment(b)) {
                return a.second() == b.second();
            }
        }
        _ => {}
    }
    text(a) == text(b)
}

/// Whether a column holds nothing: null, `""`, an empty list, or a wrapped one of these.
pub fn is_empty(value: &Value) -> bool {
    match unwrap(value) {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

/// The inner value of `{"id", "value"}`.
fn unwrap(value: &Value) -> &Value {
    match value {
        Value::Object(object) => object.get("value").map_or(value, unwrap),
        other => other,
    }
}

/// A value as text: text as it is, a scalar as it is written. A list of one is its item.
pub(crate) fn text(value: &Value) -> Cow<'_, str> {
    match unwrap(value) {
        Value::String(text) => Cow::Borrowed(text),
        Value::Array(items) if items.len() == 1 => text(&items[0]),
        other => Cow::Owned(other.to_string()),
    }
}

fn truth(value: &Value) -> Option<bool> {
    if let Value::Bool(value) = value {
        return Some(*value);
    }
    match text(value).trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "1" | "on" => Some(true),
        "false" | "no" | "n" | "0" | "off" => Some(false),
        _ => None,
    }
}

fn moment(value: &Value) -> Option<Moment> {
    match value {
        Value::Number(number) => number.as_i64().and_then(time::from_unix),
        other => time::parse_any(&text(other)),
    }
}

fn options(value: &Value) -> BTreeSet<Cow<'_, str>> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        single => BTreeSet::from([text(single)]),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(ColumnType::Text, json!("Mac"), json!("Mac"))]
    #[case(ColumnType::Text, json!("Mac"), json!({"id": "x", "value": "Mac"}))]
    #[case(ColumnType::Text, json!("7"), json!(7))]
    #[case(ColumnType::Text, json!("true"), json!(true))]
    #[case(ColumnType::Text, json!(""), json!(null))]
    #[case(ColumnType::Number, json!(7), json!("7.0"))]
    #[case(ColumnType::Currency, json!(1234), json!("$1,234.00"))]
    #[case(ColumnType::Boolean, json!(true), json!("true"))]
    #[case(ColumnType::Boolean, json!(true), json!("Yes"))]
    #[case(ColumnType::Boolean, json!(false), json!({"id": "x", "value": "NO"}))]
    #[case(ColumnType::Boolean, json!(true), json!(1))]
    #[case(ColumnType::Date, json!("2026-11-20"), json!("2026-11-20T00:00:00Z"))]
    #[case(ColumnType::Date, json!("2026-11-20"), json!("2026-11-20T05:00:00.000Z"))]
    #[case(ColumnType::Date, json!("2026-11-20"), json!("11/20/2026"))]
    #[case(ColumnType::Datetime, json!("2026-11-20T09:14:02Z"), json!("2026-11-20T10:14:02.000+01:00"))]
    #[case(ColumnType::Datetime, json!("2026-11-20T09:14:02Z"), json!("2026-11-20 09:14:02"))]
    #[case(ColumnType::Datetime, json!("2026-11-20T09:14:02Z"), json!("11/20/2026 09:14:02 AM"))]
    #[case(ColumnType::Datetime, json!("2026-11-20T09:14:02Z"), json!(1_795_166_042_000_i64))]
    #[case(ColumnType::Datetime, json!("2026-11-20T00:00:00Z"), json!("2026-11-20"))]
    #[case(ColumnType::Select, json!("Yes"), json!([{"id": "o1", "value": "Yes"}]))]
    #[case(ColumnType::MultiSelect, json!(["a", "b"]), json!(["b", "a"]))]
    #[case(ColumnType::MultiSelect, json!(["a", "b"]), json!([{"id": "1", "value": "b"}, {"id": "2", "value": "a"}]))]
    #[case(ColumnType::MultiSelect, json!(["a"]), json!("a"))]
    #[case(ColumnType::MultiSelect, json!([]), json!(null))]
    fn these_are_the_same(#[case] column: ColumnType, #[case] a: Value, #[case] b: Value) {
        assert!(same(&column, &a, &b), "{column}: {a} and {b}");
        assert!(same(&column, &b, &a), "{column}: {b} and {a}");
    }

    #[rstest]
    #[case(ColumnType::Text, json!("Mac"), json!("mac"))]
    #[case(ColumnType::Text, json!("Mac"), json!("Mac "))]
    #[case(ColumnType::Text, json!("7"), json!("7.0"))]
    #[case(ColumnType::Text, json!("2026-11-20T09:14:02Z"), json!("2026-11-20 09:14:02"))]
    #[case(ColumnType::Text, json!("Mac"), json!(null))]
    #[case(ColumnType::Email, json!("a@example.com"), json!("A@example.com"))]
    #[case(ColumnType::Number, json!(7), json!("seven"))]
    #[case(ColumnType::Number, json!(0), json!(null))]
    #[case(ColumnType::Boolean, json!(false), json!(null))]
    #[case(ColumnType::Boolean, json!(true), json!("maybe"))]
    #[case(ColumnType::Date, json!("2026-11-20"), json!("2026-11-21"))]
    #[case(ColumnType::Datetime, json!("2026-11-20T09:14:02Z"), json!("2026-11-20"))]
    #[case(ColumnType::Datetime, json!("2026-11-20T09:14:02Z"), json!("2026-11-20T09:14:03Z"))]
    #[case(ColumnType::Select, json!("Yes"), json!("yes"))]
    #[case(ColumnType::MultiSelect, json!(["a", "b"]), json!(["a"]))]
    #[case(ColumnType::Other("x".into()), json!("a"), json!("b"))]
    fn these_differ(#[case] column: ColumnType, #[case] a: Value, #[case] b: Value) {
        assert!(!same(&column, &a, &b), "{column}: {a} and {b}");
        assert!(!same(&column, &b, &a), "{column}: {b} and {a}");
    }

    #[test]
    fn empty_is_null_nothing_and_their_wrappings() {
        for empty in [json!(null), json!(""), json!([]), json!({}), json!({"id": "x", "value": null})] {
            assert!(is_empty(&empty), "{empty}");
        }
        for full in [json!(false), json!(0), json!(" "), json!([""]), json!({"id": "x"})] {
            assert!(!is_empty(&full), "{full}");
        }
    }
}
