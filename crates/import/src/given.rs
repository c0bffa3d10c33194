//! A value that a person gives for a column, such as the mark of a removal policy.

use serde_json::Value;

use crate::cell::CellSpec;
use crate::value::{Written, written};
use crate::{Column, DEFAULT_TAG_SEPARATOR, SourceField, SourceValue, WriteRule, is_empty};

/// The value in the form that its column takes: what is sent. Giving that form again gives the same.
///
/// # Errors
/// Why the column does not take it, to stand behind "the value ...".
pub fn given_value(column: &Column, value: &Value) -> Result<Value, String> {
    if is_empty(value) {
        return Err("it is empty".to_owned());
    }
    let source = match value {
        Value::Bool(value) => SourceValue::Bool(*value),
        Value::String(text) => SourceValue::text(text.as_str()),
        Value::Number(number) => SourceValue::Text(number.to_string().into()),
        Value::Array(items) => match items.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
            Some(items) => SourceValue::List(items.into_iter().map(Into::into).collect()),
            None => return Err("a list may hold texts only".to_owned()),
        },
        Value::Null | Value::Object(_) => return Err("a column holds no such thing as an object".to_owned()),
    };
    let cell = CellSpec {
        // Stands for any field: the form of a value depends on its column alone.
        source_field: SourceField::AssetTag,
        column_id: column.id.clone(),
        column_name: column.name.clone(),
        column_type: column.column_type.clone(),
        write_rule: WriteRule::Trigger,
        options: column.options.clone(),
        tag_separator: DEFAULT_TAG_SEPARATOR.to_owned(),
        date_format: None,
    };
    match written(&cell, source) {
        Written::Unfit { why, .. } => Err(why.into_owned()),
        fits => fits.to_value().ok_or_else(|| "it is empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::ColumnType;
    use crate::support::column;

    #[rstest]
    #[case(ColumnType::Text, json!("Retired"), json!("Retired"))]
    #[case(ColumnType::Text, json!(7), json!("7"))]
    #[case(ColumnType::Text, json!(true), json!("true"))]
    #[case(ColumnType::Number, json!("7.5"), json!(7.5))]
    #[case(ColumnType::Boolean, json!(true), json!(true))]
    #[case(ColumnType::Date, json!("2026-11-20T09:14:02Z"), json!("2026-11-20"))]
    #[case(ColumnType::Select, json!(true), json!("Yes"))]
    #[case(ColumnType::Select, json!("Retired"), json!("Retired"))]
    #[case(ColumnType::MultiSelect, json!(["b", "a"]), json!(["a", "b"]))]
    fn a_value_takes_the_form_of_its_column_and_keeps_it(
        #[case] column_type: ColumnType,
        #[case] given: Value,
        #[case] form: Value,
    ) {
        let column = column("c", column_type);
        assert_eq!(given_value(&column, &given), Ok(form.clone()));
        assert_eq!(given_value(&column, &form), Ok(form));
    }

    #[rstest]
    #[case(ColumnType::Boolean, json!("gone"), "true or false")]
    #[case(ColumnType::Number, json!("seven"), "")]
    #[case(ColumnType::Date, json!("soon"), "not a date")]
    #[case(ColumnType::Number, json!(true), "does not take")]
    #[case(ColumnType::Text, json!(""), "empty")]
    #[case(ColumnType::Text, json!(null), "empty")]
    #[case(ColumnType::Text, json!({"a": 1}), "object")]
    #[case(ColumnType::MultiSelect, json!([1]), "texts only")]
    fn what_the_column_does_not_take_is_told(#[case] column_type: ColumnType, #[case] given: Value, #[case] why: &str) {
        let told = given_value(&column("c", column_type), &given).unwrap_err();
        assert!(told.contains(why), "{told}");
    }

    #[test]
    fn an_option_must_be_one_of_the_columns() {
        let select = Column { options: Some(vec!["Retired".into()]), ..column("c", ColumnType::Select) };
        assert_eq!(given_value(&select, &json!("Retired")), Ok(json!("Retired")));
        assert!(given_value(&select, &json!("retired")).unwrap_err().contains("\"Retired\" is"));
    }
}
