//! A device, projected onto the columns of a mapping.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use crate::cell::{Cell, CellSpec};
use crate::fingerprint::{Fingerprint, Fingerprinter, salt};
use crate::value::{Written, written};
use crate::{
    Column, ColumnType, DEFAULT_TAG_SEPARATOR, Identifier, MappingSpec, Source, SourceValue, WriteRule, compare,
};

/// How much of a value a message shows.
const SHOWN: usize = 100;

/// A device in the written form of a mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Projection {
    /// What it is searched by.
    pub identifier: Identifier<'static>,
    /// In cell order.
    pub cells: Vec<Cell>,
    /// Over all cells but those of PASSENGER pairs.
    pub fingerprint: Fingerprint,
}

impl Projection {
    /// Whether any value cannot be written, so that the device is rejected whatever else is true of it.
    pub fn is_unfit(&self) -> bool {
        self.cells.iter().any(|cell| matches!(cell, Cell::Unfit(_)))
    }
}

/// What is enough to see that a device did not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprinted<'a> {
    /// The same as in [`Projection`].
    pub fingerprint: Fingerprint,
    /// The same as in [`Projection`], borrowed where possible.
    pub identifier: Identifier<'a>,
}

/// Projects devices onto the columns of one mapping. Made once per slice; cheap per device.
#[derive(Clone)]
pub struct Projector {
    cells: Vec<CellSpec>,
    salted: Xxh3,
}

impl Projector {
    /// For a mapping that [`crate::check`] let pass. A column that is gone is treated as one of unknown type.
    pub fn new(spec: &MappingSpec, columns: &[Column]) -> Self {
        let cell = |source_field, column_id: &str, write_rule, separator: Option<&str>, date_format: Option<&str>| {
            let column = columns.iter().find(|column| column.id == column_id);
            CellSpec {
                source_field,
                column_id: column_id.to_owned(),
                column_name: column.map_or(column_id, |column| &column.name).to_owned(),
                column_type: column.map_or(ColumnType::Other(String::new()), |column| column.column_type.clone()),
                write_rule,
                options: column.and_then(|column| column.options.clone()),
                tag_separator: separator.unwrap_or(DEFAULT_TAG_SEPARATOR).to_owned(),
                date_format: date_format.map(str::to_owned),
            }
        };
        let identifier = &spec.identifier;
        let mut cells = vec![cell(identifier.source_field, &identifier.column_id, WriteRule::Trigger, None, None)];
        cells.extend(spec.pairs.iter().map(|pair| {
            let (separator, format) = (pair.tag_separator.as_deref(), pair.date_format.as_deref());
            cell(pair.source_field, &pair.column_id, pair.write_rule, separator, format)
        }));
        let salted = salt(spec, &cells, columns);
        Self { cells, salted }
    }

    /// The mapped columns, in cell order.
    pub fn cells(&self) -> &[CellSpec] {
        &self.cells
    }

    /// The fingerprint and identifier of a device, without building its cells: the way of a device that did not change.
    pub fn fingerprint<'a, S: Source + ?Sized>(&'a self, device: &'a S) -> Fingerprinted<'a> {
        let mut fingerprinter = Fingerprinter::new(&self.salted);
        let identifying = self.written(0, device);
        fingerprinter.add(&identifying);
        for index in 1..self.cells.len() {
            if self.cells[index].write_rule != WriteRule::Passenger {
                fingerprinter.add(&self.written(index, device));
            }
        }
        Fingerprinted { fingerprint: fingerprinter.finish(), identifier: identifier(identifying) }
    }

    /// A device with all its values.
    pub fn project<S: Source + ?Sized>(&self, device: &S) -> Projection {
        let mut fingerprinter = Fingerprinter::new(&self.salted);
        let mut cells = Vec::with_capacity(self.cells.len());
        for (index, spec) in self.cells.iter().enumerate() {
            let written = self.written(index, device);
            if spec.write_rule != WriteRule::Passenger {
                fingerprinter.add(&written);
            }
            cells.push(cell(spec, &written));
        }
        let identifier = identifier(self.written(0, device)).into_owned();
        Projection { identifier, cells, fingerprint: fingerprinter.finish() }
    }

    fn written<'a, S: Source + ?Sized>(&'a self, index: usize, device: &'a S) -> Written<'a> {
        let spec = &self.cells[index];
        match device.value(spec.source_field) {
            // An identifier of nothing but space finds nothing, and is refused or trimmed to nothing by others.
            SourceValue::Text(text) if index == 0 && text.trim().is_empty() => Written::Empty,
            value => written(spec, value),
        }
    }
}

impl fmt::Debug for Projector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projector").field("cells", &self.cells).finish_non_exhaustive()
    }
}

fn identifier(written: Written<'_>) -> Identifier<'_> {
    match written {
        Written::Unknown => Identifier::Unknown,
        Written::Empty => Identifier::Empty,
        Written::Text(text) | Written::Unfit { value: text, .. } => Identifier::Value(text),
        other => match other.to_value() {
            Some(value) => Identifier::Value(Cow::Owned(compare::text(&value).into_owned())),
            None => Identifier::Empty,
        },
    }
}

fn cell(spec: &CellSpec, written: &Written<'_>) -> Cell {
    match written {
        Written::Unknown => Cell::Unknown,
        Written::Unfit { value, why } => Cell::Unfit(format!(
            "{} \"{}\" cannot be written into the {} column \"{}\": {why}",
            spec.source_field,
            shown(value),
            spec.column_type,
            spec.column_name,
        )),
        other => other.to_value().map_or(Cell::Empty, Cell::Value),
    }
}

/// As much of a value as belongs into a message.
pub(crate) fn shown(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &value[..end])),
        None => Cow::Borrowed(value),
    }
}

/// The values of a record, by column id, in cell order. A column that the record does not have is `None`: empty.
pub fn record_values(cells: &[CellSpec], values: &BTreeMap<String, Value>) -> Vec<Option<Value>> {
    cells.iter().map(|cell| values.get(&cell.column_id).cloned()).collect()
}

#[cfg(test)]
mod tests;
