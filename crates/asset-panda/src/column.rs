//! The columns of a collection.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::assumptions::{
    COLUMNS_AT, OPTION_TEXT_KEYS, OPTIONS_KEY, REFERENCES_KEY, REQUIRED_FLAGS, TYPE_PREFIX, UNIQUE_FLAGS,
};
use crate::catalog::id_and_name;
use crate::shape::{FromReply, ShapeError, flag_of_any, is_deleted, list, plain_text, readable, text_of_any};

/// A column that is not deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its id, which is the key of its value in a record (DOC).
    pub id: String,
    /// Its name, or its id where it has none.
    pub name: String,
    /// Its type as given, such as `ap://system/datatype/text`; empty where it has none.
    pub type_uri: String,
    /// Its type as understood.
    pub kind: ColumnKind,
    /// Whether its value is pulled from another collection (DOC): it cannot be written.
    pub referenced: bool,
    /// Whether its values are unique; `None`: the API does not say.
    pub unique: Option<bool>,
    /// Whether it must have a value; `None`: the API does not say.
    pub required: Option<bool>,
    /// The options of a select; `None`: the API does not say.
    pub options: Option<Vec<String>>,
}

/// The type of a column. Only `Text` is documented; the other names are inferred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum ColumnKind {
    Text,
    Number,
    Currency,
    Boolean,
    Date,
    Datetime,
    Email,
    Url,
    Select,
    MultiSelect,
    Person,
    /// A type that we do not know, as the API names it; it is written like text.
    Other(String),
}

impl ColumnKind {
    /// Reads a type such as `ap://system/datatype/text`, in any case and with or without its prefix.
    #[must_use]
    pub fn from_uri(uri: &str) -> Self {
        let lower = uri.trim().to_lowercase();
        match lower.strip_prefix(TYPE_PREFIX).unwrap_or(&lower) {
            "text" => Self::Text,
            "number" => Self::Number,
            "currency" => Self::Currency,
            "boolean" => Self::Boolean,
            "date" => Self::Date,
            "datetime" => Self::Datetime,
            "email" => Self::Email,
            "url" => Self::Url,
            "select" => Self::Select,
            "multiselect" => Self::MultiSelect,
            "person" => Self::Person,
            _ => Self::Other(uri.to_owned()),
        }
    }
}

impl FromReply for Vec<Column> {
    fn from_reply(reply: Value) -> Result<Self, ShapeError> {
        let columns =
            readable("columns", list(reply, COLUMNS_AT)?, |entry| Some((!is_deleted(entry), column(entry)?)))?;
        Ok(columns.into_iter().filter_map(|(offered, column)| offered.then_some(column)).collect())
    }
}

fn column(entry: &Map<String, Value>) -> Option<Column> {
    let (id, name) = id_and_name(entry)?;
    let type_uri = text_of_any(entry, &["type"]).unwrap_or_default();
    Some(Column {
        id,
        name,
        kind: ColumnKind::from_uri(&type_uri),
        type_uri,
        referenced: entry.get(REFERENCES_KEY).is_some_and(refers),
        unique: flag_of_any(entry, UNIQUE_FLAGS),
        required: flag_of_any(entry, REQUIRED_FLAGS),
        options: entry.get(OPTIONS_KEY).and_then(options),
    })
}

fn refers(references: &Value) -> bool {
    match references {
        Value::Null | Value::Bool(false) => false,
        Value::Object(object) => !object.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// Options are texts, or objects that hold one. If one of them has none, the options are not known:
/// a value must not be refused because we could not read the option it is.
fn options(given: &Value) -> Option<Vec<String>> {
    given
        .as_array()?
        .iter()
        .map(|option| match option {
            Value::Object(object) => text_of_any(object, OPTION_TEXT_KEYS),
            plain => plain_text(plain),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn one(entry: Value) -> Column {
        let mut columns = Vec::<Column>::from_reply(json!([entry])).unwrap();
        columns.pop().unwrap()
    }

    #[rstest]
    #[case::seen_in_a_client(|all: Value| json!({"data": {"columns": {"all": all}}}))]
    #[case::documented_sample(|all: Value| json!({"columns": {"all": all}}))]
    #[case::list_in_data_columns(|all: Value| json!({"data": {"columns": all}}))]
    #[case::list_in_data(|all: Value| json!({"data": all}))]
    #[case::bare(|all: Value| all)]
    fn columns_are_found(#[case] wrap: fn(Value) -> Value) {
        let all = json!([
            {"id": "01HWQ_0_serial_text", "type": "ap://system/datatype/text", "displayName": "Serial Number"},
            {"id": "01HWQ_1_old_text", "type": "ap://system/datatype/text", "displayName": "Old", "deleted": true},
        ]);
        let columns = Vec::<Column>::from_reply(wrap(all)).unwrap();
        assert_eq!(
            columns,
            [Column {
                id: "01HWQ_0_serial_text".to_owned(),
                name: "Serial Number".to_owned(),
                type_uri: "ap://system/datatype/text".to_owned(),
                kind: ColumnKind::Text,
                referenced: false,
                unique: None,
                required: None,
                options: None,
            }]
        );
    }

    #[test]
    fn a_pulled_column_is_referenced() {
        let entry = json!({"id": "c", "type": "ap://system/datatype/text", "references": {
            "primary": true, "entityType": "collection", "entityId": "e", "columnId": "x", "pullFromId": "p"}});
        assert!(one(entry).referenced);
        for none in [json!(null), json!({}), json!([])] {
            assert!(!one(json!({"id": "c", "references": none})).referenced);
        }
    }

    #[test]
    fn flags_are_known_only_where_given() {
        let flagged = one(json!({"id": "c", "isUnique": true, "isRequired": false}));
        assert_eq!((flagged.unique, flagged.required), (Some(true), Some(false)));
        let bare = one(json!({"id": "c"}));
        assert_eq!((bare.unique, bare.required), (None, None));
    }

    #[rstest]
    #[case::texts(json!(["Yes", "No"]), Some(vec!["Yes", "No"]))]
    #[case::objects(json!([{"id": 1, "value": "Yes"}, {"id": 2, "displayName": "No"}]), Some(vec!["Yes", "No"]))]
    #[case::numbers(json!([1, 2]), Some(vec!["1", "2"]))]
    #[case::none(json!([]), Some(vec![]))]
    #[case::one_unreadable(json!(["Yes", {"colour": "red"}]), None)]
    #[case::no_list(json!("Yes"), None)]
    fn options_are_read(#[case] given: Value, #[case] options: Option<Vec<&str>>) {
        let read = one(json!({"id": "c", "options": given})).options;
        let options = options.map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(read, options);
    }

    #[rstest]
    #[case("ap://system/datatype/text", ColumnKind::Text)]
    #[case("ap://system/datatype/MultiSelect", ColumnKind::MultiSelect)]
    #[case("datetime", ColumnKind::Datetime)]
    #[case("ap://system/datatype/barcode", ColumnKind::Other("ap://system/datatype/barcode".to_owned()))]
    #[case("", ColumnKind::Other(String::new()))]
    fn unknown_types_are_kept(#[case] uri: &str, #[case] kind: ColumnKind) {
        assert_eq!(ColumnKind::from_uri(uri), kind);
    }

    #[test]
    fn a_collection_without_columns_is_not_an_error_but_a_strange_reply_is() {
        let empty = json!({"data": {"columns": {"all": []}}});
        assert!(Vec::<Column>::from_reply(empty).unwrap().is_empty());
        for strange in [json!({"data": {}}), json!({"data": {"columns": {"all": [{"key": 1}]}}})] {
            assert!(Vec::<Column>::from_reply(strange).is_err());
        }
    }
}
