//! A mapped column, and what a device has for it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ColumnType, SourceField, WriteRule};

/// One mapped column. The identifier is cell 0; the pairs follow in the order of the mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellSpec {
    /// The field of the device.
    pub source_field: SourceField,
    /// The column.
    pub column_id: String,
    /// The column's display name, for messages; its id where the column is gone.
    pub column_name: String,
    /// The column's type.
    pub column_type: ColumnType,
    /// When it is written; `Trigger` for the identifier.
    pub write_rule: WriteRule,
    /// The options of a select, where known.
    pub options: Option<Vec<String>>,
    /// What stands between tags in text.
    pub tag_separator: String,
    /// The strftime format of a time.
    pub date_format: Option<String>,
}

impl CellSpec {
    /// What is sent to clear the column.
    pub fn cleared(&self) -> Value {
        self.column_type.cleared()
    }
}

/// What a device has for one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Kandji did not say: the column is left alone.
    Unknown,
    /// The device has no value.
    Empty,
    /// The value, in the form that is sent.
    Value(Value),
    /// The value cannot be written; a sentence that names the column, the value and why.
    Unfit(String),
}
