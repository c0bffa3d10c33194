//! Devices and columns for tests.

use std::collections::HashMap;

use crate::{CellSpec, Column, ColumnType, Source, SourceField, SourceValue, WriteRule};

/// A device with the values that a test gives it; all others are unknown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Device(pub(crate) HashMap<SourceField, SourceValue<'static>>);

impl Device {
    pub(crate) fn with(mut self, field: SourceField, value: SourceValue<'static>) -> Self {
        self.0.insert(field, value);
        self
    }
}

impl Source for Device {
    fn device_id(&self) -> &str {
        "device"
    }

    fn value(&self, field: SourceField) -> SourceValue<'_> {
        self.0.get(&field).cloned().unwrap_or(SourceValue::Unknown)
    }
}

pub(crate) fn column(id: &str, column_type: ColumnType) -> Column {
    Column {
        id: id.into(),
        name: format!("{id} name"),
        column_type,
        options: None,
        unique: None,
        required: None,
        referenced: false,
    }
}

pub(crate) fn cell(column_id: &str, column_type: ColumnType, write_rule: WriteRule) -> CellSpec {
    CellSpec {
        source_field: SourceField::SerialNumber,
        column_id: column_id.into(),
        column_name: format!("{column_id} name"),
        column_type,
        write_rule,
        options: None,
        tag_separator: ", ".into(),
        date_format: None,
    }
}
