//! What there is to choose from.

use pandaport_api::v1 as proto;
use pandaport_import::{Column, ColumnType, Fitness, SourceField, ValueType};

pub(crate) fn source_field(field: SourceField) -> proto::SourceField {
    proto::SourceField {
        key: field.key().to_owned(),
        display_name: field.display_name().to_owned(),
        value_type: match field.value_type() {
            ValueType::Text => proto::ValueType::Text,
            ValueType::Boolean => proto::ValueType::Boolean,
            ValueType::Time => proto::ValueType::Time,
            ValueType::List => proto::ValueType::List,
        }
        .into(),
        identifier_fitness: match field.fitness() {
            Fitness::Recommended => proto::IdentifierFitness::Recommended,
            Fitness::Good => proto::IdentifierFitness::Good,
            Fitness::Acceptable => proto::IdentifierFitness::Acceptable,
            Fitness::WithCare => proto::IdentifierFitness::WithCare,
            Fitness::No => proto::IdentifierFitness::No,
        }
        .into(),
        guidance: field.guidance().to_owned(),
        calls_per_device: field.calls_per_device(),
    }
}

/// `type_uri` is given apart: the import knows the types it can write, Asset Panda's own name may differ from ours.
pub(crate) fn column(column: Column, type_uri: String) -> proto::Column {
    proto::Column {
        column_id: column.id,
        display_name: column.name,
        r#type: column_type(&column.column_type).into(),
        type_uri,
        uniqueness: match column.unique {
            Some(true) => proto::ColumnUniqueness::Unique,
            Some(false) => proto::ColumnUniqueness::NotUnique,
            None => proto::ColumnUniqueness::Unknown,
        }
        .into(),
        writable: !column.referenced,
        options: column.options.unwrap_or_default(),
    }
}

fn column_type(column_type: &ColumnType) -> proto::ColumnType {
    match column_type {
        ColumnType::Text => proto::ColumnType::Text,
        ColumnType::Number => proto::ColumnType::Number,
        ColumnType::Currency => proto::ColumnType::Currency,
        ColumnType::Boolean => proto::ColumnType::Boolean,
        ColumnType::Date => proto::ColumnType::Date,
        ColumnType::Datetime => proto::ColumnType::Datetime,
        ColumnType::Email => proto::ColumnType::Email,
        ColumnType::Url => proto::ColumnType::Url,
        ColumnType::Select => proto::ColumnType::Select,
        ColumnType::MultiSelect => proto::ColumnType::Multiselect,
        ColumnType::Person => proto::ColumnType::Person,
        ColumnType::Other(_) => proto::ColumnType::Other,
    }
}
