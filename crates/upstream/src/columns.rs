//! Asset Panda's columns as an import sees them.

use pandaport_asset_panda as asset_panda;
use pandaport_import::{Column, ColumnType};

/// The columns in the words of `pandaport-import`: the one place where the two crates meet.
#[must_use]
pub fn import_columns(columns: Vec<asset_panda::Column>) -> Vec<Column> {
    columns
        .into_iter()
        .map(|column| Column {
            column_type: ColumnType::from_uri(&column.type_uri),
            id: column.id,
            name: column.name,
            options: column.options,
            unique: column.unique,
            required: column.required,
            referenced: column.referenced,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use asset_panda::ColumnKind;

    use super::*;

    #[test]
    fn both_crates_read_the_same_type_out_of_a_uri() {
        for name in [
            "text", "number", "currency", "boolean", "date", "datetime", "email", "url", "select", "multiselect",
            "person", "barcode",
        ] {
            let uri = format!("ap://system/datatype/{name}");
            let column = asset_panda::Column {
                id: "c".into(),
                name: "C".into(),
                kind: ColumnKind::from_uri(&uri),
                type_uri: uri,
                referenced: false,
                unique: None,
                required: None,
                options: None,
            };
            let kind = format!("{:?}", column.kind);
            let imported = import_columns(vec![column]).remove(0);
            assert_eq!(format!("{:?}", imported.column_type), kind);
            assert_eq!(imported.unique, None, "not said is not the same as not unique");
        }
    }
}
