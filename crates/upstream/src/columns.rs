//! Asset Panda's columns as an import sees them.

use pandaport_asset_panda::{self as asset_panda, ColumnKind};
use pandaport_import::{Column, ColumnType};

/// The columns in the words of `pandaport-import`: the one place where the two crates meet.
#[must_use]
pub fn import_columns(columns: Vec<asset_panda::Column>) -> Vec<Column> {
    columns
        .into_iter()
        .map(|column| Column {
            id: column.id,
            name: column.name,
            column_type: column_type(column.kind),
            options: column.options,
            unique: column.unique,
            required: column.required,
            referenced: column.referenced,
        })
        .collect()
}

fn column_type(kind: ColumnKind) -> ColumnType {
    match kind {
        ColumnKind::Text => ColumnType::Text,
        ColumnKind::Number => ColumnType::Number,
        ColumnKind::Currency => ColumnType::Currency,
        ColumnKind::Boolean => ColumnType::Boolean,
        ColumnKind::Date => ColumnType::Date,
        ColumnKind::Datetime => ColumnType::Datetime,
        ColumnKind::Email => ColumnType::Email,
        ColumnKind::Url => ColumnType::Url,
        ColumnKind::Select => ColumnType::Select,
        ColumnKind::MultiSelect => ColumnType::MultiSelect,
        ColumnKind::Person => ColumnType::Person,
        ColumnKind::Other(uri) => ColumnType::Other(uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_keeps_all_that_an_import_needs_and_unknown_stays_unknown() {
        let uri = "ap://system/datatype/Barcode".to_owned();
        let column = asset_panda::Column {
            id: "c".into(),
            name: "Code".into(),
            kind: ColumnKind::from_uri(&uri),
            type_uri: uri.clone(),
            referenced: true,
            unique: None,
            required: Some(true),
            options: None,
        };
        let imported = import_columns(vec![column]).remove(0);
        assert_eq!(imported.column_type, ColumnType::Other(uri));
        assert_eq!((imported.id.as_str(), imported.name.as_str()), ("c", "Code"));
        assert_eq!((imported.unique, imported.required, imported.referenced), (None, Some(true), true));
    }
}
