//! What is to be written, and what was seen and left alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cell::CellSpec;
use crate::{SourceField, is_empty};

/// One column to write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The index of the cell.
    pub cell: usize,
    /// The column.
    pub column_id: String,
    /// The field the value comes from.
    pub source_field: SourceField,
    /// What stands there, as far as we know: as read, or as last confirmed. `None` if empty or not known.
    pub old: Option<Value>,
    /// What is sent. To clear a column: `""` or null, by its type.
    pub new: Value,
}

impl Change {
    /// Whether it empties the column (the brake counts these).
    pub fn clears(&self) -> bool {
        is_empty(&self.new)
    }

    pub(crate) fn new(cell: usize, spec: &CellSpec, old: Option<&Value>, new: Value) -> Self {
        Self {
            cell,
            column_id: spec.column_id.clone(),
            source_field: spec.source_field,
            old: old.filter(|old| !is_empty(old)).cloned(),
            new,
        }
    }
}

/// A column of an adopted record that has a value where the device has none. It stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The index of the cell.
    pub cell: usize,
    /// The column.
    pub column_id: String,
    /// The field that is empty.
    pub source_field: SourceField,
    /// What the record has.
    pub present: Value,
}
