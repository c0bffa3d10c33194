//! What can be mapped: fields on one side, modules, collections and columns on the other.

use pandaport_api::v1;
use serde::Serialize;

/// `pandaport.v1.SourceField`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceFieldView<'a> {
    key: &'a str,
    display_name: &'a str,
    value_type: &'a str,
    identifier_fitness: &'a str,
    guidance: &'a str,
    calls_per_device: u32,
}

impl<'a> From<&'a v1::SourceField> for SourceFieldView<'a> {
    fn from(it: &'a v1::SourceField) -> Self {
        Self {
            key: &it.key,
            display_name: &it.display_name,
            value_type: it.value_type().as_str_name(),
            identifier_fitness: it.identifier_fitness().as_str_name(),
            guidance: &it.guidance,
            calls_per_device: it.calls_per_device,
        }
    }
}

/// `pandaport.v1.AssetPandaModule`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleView<'a> {
    account_id: &'a str,
    account_name: &'a str,
    module_id: &'a str,
    module_name: &'a str,
}

impl<'a> From<&'a v1::AssetPandaModule> for ModuleView<'a> {
    fn from(it: &'a v1::AssetPandaModule) -> Self {
        Self {
            account_id: &it.account_id,
            account_name: &it.account_name,
            module_id: &it.module_id,
            module_name: &it.module_name,
        }
    }
}

/// `pandaport.v1.Collection`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectionView<'a> {
    collection_id: &'a str,
    display_name: &'a str,
}

impl<'a> From<&'a v1::Collection> for CollectionView<'a> {
    fn from(it: &'a v1::Collection) -> Self {
        Self { collection_id: &it.collection_id, display_name: &it.display_name }
    }
}

/// `pandaport.v1.Column`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnView<'a> {
    column_id: &'a str,
    display_name: &'a str,
    r#type: &'a str,
    type_uri: &'a str,
    uniqueness: &'a str,
    writable: bool,
    options: &'a [String],
}

impl<'a> From<&'a v1::Column> for ColumnView<'a> {
    fn from(it: &'a v1::Column) -> Self {
        Self {
            column_id: &it.column_id,
            display_name: &it.display_name,
            r#type: it.r#type().as_str_name(),
            type_uri: &it.type_uri,
            uniqueness: it.uniqueness().as_str_name(),
            writable: it.writable,
            options: &it.options,
        }
    }
}
