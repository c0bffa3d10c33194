//! Columns of an Asset Panda collection, as far as an import cares.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

const URI_PREFIX: &str = "ap://system/datatype/";

/// The type of a column, known by its URI `ap://system/datatype/<name>` (only `text` is documented; the others are
/// assumed). Serialised as that URI.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ColumnType {
    /// Free text.
    Text,
    /// A number.
    Number,
    /// An amount of money: written like a number.
    Currency,
    /// True or false.
    Boolean,
    /// A calendar date.
    Date,
    /// A point in time.
    Datetime,
    /// An e-mail address.
    Email,
    /// A link.
    Url,
    /// One of a list of options.
    Select,
    /// Any of a list of options.
    MultiSelect,
    /// A person. How Asset Panda takes one is not documented: text is tried, with a warning.
    Person,
    /// Any other type, with its whole URI: text is tried, with a warning.
    Other(String),
}

impl ColumnType {
    /// What is sent to clear such a column: `""` where it takes text, else null. Asset Panda documents neither.
    pub fn cleared(&self) -> Value {
        match self {
            Self::Text | Self::Email | Self::Url | Self::Other(_) => Value::from(""),
            _ => Value::Null,
        }
    }

    /// The type a URI stands for; one we do not know is [`ColumnType::Other`], never an error.
    pub fn from_uri(uri: &str) -> Self {
        match uri.strip_prefix(URI_PREFIX) {
            Some("text") => Self::Text,
            Some("number") => Self::Number,
            Some("currency") => Self::Currency,
            Some("boolean") => Self::Boolean,
            Some("date") => Self::Date,
            Some("datetime") => Self::Datetime,
            Some("email") => Self::Email,
            Some("url") => Self::Url,
            Some("select") => Self::Select,
            Some("multiselect") => Self::MultiSelect,
            Some("person") => Self::Person,
            _ => Self::Other(uri.to_owned()),
        }
    }

    /// The URI, as Asset Panda writes it.
    pub fn uri(&self) -> String {
        match self {
            Self::Other(uri) => uri.clone(),
            known => format!("{URI_PREFIX}{}", known.name()),
        }
    }

    /// The short name, for messages: `text`, or the whole URI of an unknown type.
    pub fn name(&self) -> &str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Currency => "currency",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Email => "email",
            Self::Url => "url",
            Self::Select => "select",
            Self::MultiSelect => "multiselect",
            Self::Person => "person",
            Self::Other(uri) => uri,
        }
    }

    /// Whether we know how values of this type are written.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Person | Self::Other(_))
    }
}

impl From<String> for ColumnType {
    fn from(uri: String) -> Self {
        Self::from_uri(&uri)
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.uri()
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A column that can be offered as a target (deleted ones are left out by whoever reads them).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The id, which is the key of the column's value in a record.
    pub id: String,
    /// The display name.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// The options of a select, where Asset Panda tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<String>>,
    /// Whether values must be unique; `None` where Asset Panda does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<bool>,
    /// Whether a record needs a value; `None` where Asset Panda does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Whether the value is pulled from another collection: such a column cannot be written.
    #[serde(default)]
    pub referenced: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_type_survives_its_uri() {
        for name in [
            "text",
            "number",
            "currency",
            "boolean",
            "date",
            "datetime",
            "email",
            "url",
            "select",
            "multiselect",
            "person",
        ] {
            let uri = format!("{URI_PREFIX}{name}");
            let column_type = ColumnType::from_uri(&uri);
            assert_eq!(column_type.name(), name);
            assert_eq!(column_type.uri(), uri);
            let json = serde_json::to_value(&column_type).unwrap();
            assert_eq!(json, uri.as_str());
            assert_eq!(serde_json::from_value::<ColumnType>(json).unwrap(), column_type);
        }
    }

    #[test]
    fn an_unknown_type_keeps_its_uri() {
        for uri in ["ap://system/datatype/barcode", "text", ""] {
            let column_type = ColumnType::from_uri(uri);
            assert_eq!(column_type, ColumnType::Other(uri.to_owned()));
            assert_eq!(column_type.uri(), uri);
            assert!(!column_type.is_known());
        }
    }
}
