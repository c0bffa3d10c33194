//! What Asset Panda Pro keeps: an account, its modules, collections and their columns.

use serde_json::{Map, Value, json};

use super::records::Records;
use crate::fleet::{mix, push_crockford};

/// The one account of the sandbox, with its modules. All collections are in the first module.
#[derive(Debug)]
pub(crate) struct Panda {
    pub(crate) account_id: String,
    pub(crate) modules: Vec<Module>,
    pub(crate) collections: Vec<Collection>,
}

#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) id: String,
    pub(crate) display_name: String,
}

#[derive(Debug)]
pub(crate) struct Collection {
    pub(crate) id: String,
    pub(crate) display_name: String,
    pub(crate) is_active: bool,
    pub(crate) deleted: bool,
    pub(crate) columns: Vec<Column>,
    pub(crate) records: Records,
}

/// A column; its id is the key of its value in a record.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) id: String,
    /// The last part of the type URI, such as `text`.
    pub(crate) kind: String,
    pub(crate) display_name: String,
    pub(crate) is_unique: bool,
    pub(crate) is_required: bool,
    pub(crate) options: Vec<String>,
    /// Where the value is pulled from, if it is not the record's own.
    pub(crate) references: Option<Value>,
    pub(crate) deleted: bool,
}

impl Panda {
    pub(crate) fn collection(&self, id: &str) -> Option<&Collection> {
        self.collections.iter().find(|collection| collection.id == id)
    }

    pub(crate) fn collection_mut(&mut self, id: &str) -> Option<&mut Collection> {
        self.collections.iter_mut().find(|collection| collection.id == id)
    }

    /// A collection by its id or its display name.
    pub(crate) fn collection_named(&mut self, name: &str) -> Option<&mut Collection> {
        self.collections.iter_mut().find(|collection| collection.id == name || collection.display_name == name)
    }

    /// Whether this pair is the module that the collections are in.
    pub(crate) fn is_tenant(&self, account_id: &str, module_id: &str) -> bool {
        account_id == self.account_id && self.modules.first().is_some_and(|module| module.id == module_id)
    }
}

impl Collection {
    /// The position of a column by its id.
    pub(crate) fn position(&self, column_id: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.id == column_id)
    }

    /// The position of a column by its id or its display name.
    pub(crate) fn position_named(&self, name: &str) -> Option<usize> {
        self.position(name).or_else(|| self.columns.iter().position(|column| column.display_name == name))
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "displayName": self.display_name,
            "isActive": self.is_active,
            "deleted": self.deleted,
        })
    }

    /// Appends a column; its place gives its id.
    pub(crate) fn add_column(&mut self, mut column: Column) -> &Column {
        let slug = slug(&column.display_name);
        column.id = format!("{}_{}_{slug}_{}", self.id, self.columns.len(), column.kind);
        self.columns.push(column);
        &self.columns[self.columns.len() - 1]
    }
}

impl Column {
    /// A text column that anything may be written to.
    pub(crate) fn new(display_name: &str, kind: &str) -> Self {
        Self {
            id: String::new(),
            kind: kind.to_owned(),
            display_name: display_name.to_owned(),
            is_unique: false,
            is_required: false,
            options: Vec::new(),
            references: None,
            deleted: false,
        }
    }

    /// The column as the API shows it; the flags' names are the sandbox's own, their real ones are unknown.
    pub(crate) fn to_json(&self, flags: bool) -> Value {
        let mut shown = Map::new();
        shown.insert("id".into(), self.id.clone().into());
        shown.insert("type".into(), format!("ap://system/datatype/{}", self.kind).into());
        shown.insert("displayName".into(), self.display_name.clone().into());
        if let Some(references) = &self.references {
            shown.insert("references".into(), references.clone());
        }
        if self.deleted {
            shown.insert("deleted".into(), true.into());
        }
        if flags {
            shown.insert("isUnique".into(), self.is_unique.into());
            shown.insert("isRequired".into(), self.is_required.into());
            if !self.options.is_empty() {
                shown.insert("options".into(), self.options.clone().into());
            }
        }
        Value::Object(shown)
    }

    /// Why nothing can be written here, if so.
    pub(crate) fn refuses_writes(&self) -> Option<String> {
        if self.deleted {
            Some(format!("{} does not exist", self.display_name))
        } else if self.references.is_some() {
            Some(format!("{} is a referenced column and cannot be written", self.display_name))
        } else {
            None
        }
    }
}

/// An id that looks like a ULID, the same for the same two numbers.
pub(crate) fn ulid_like(kind: u64, number: u64) -> String {
    let mut out = String::from("01J");
    let bits = mix(mix(kind) ^ number);
    push_crockford(&mut out, bits, 12);
    push_crockford(&mut out, mix(bits), 11);
    out
}

fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
    }
    out.trim_end_matches('_').to_owned()
}
