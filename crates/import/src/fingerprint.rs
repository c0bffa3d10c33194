//! The fingerprint of a device's values: equal exactly if the cells are equal.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::cell::CellSpec;
use crate::value::Written;
use crate::{Column, MappingSpec};

/// xxh3-128 over the mapping and the written values. Stable across processes and versions of the program.
pub type Fingerprint = [u8; 16];

/// Raised when the same values shall be looked at anew after an update of the program.
const VERSION: u8 = 1;

/// What all fingerprints of one mapping begin with: how its values are written, and what its columns accept. When a
/// column changes, so does every fingerprint, and what was quarantined because of it is tried again (DESIGN 4.5).
pub(crate) fn salt(spec: &MappingSpec, cells: &[CellSpec], columns: &[Column]) -> Xxh3 {
    let accepts = |cell: &CellSpec| {
        let column = columns.iter().find(|column| column.id == cell.column_id);
        column.map(|column| (column.unique, column.required))
    };
    let columns: Vec<_> = cells.iter().map(|cell| (&cell.column_type, &cell.options, accepts(cell))).collect();
    let form = serde_json::json!([VERSION, spec.identifier, spec.pairs, columns]);
    let mut hasher = Xxh3::new();
    hasher.update(&xxh3_128(form.to_string().as_bytes()).to_be_bytes());
    hasher
}

/// Takes written values one by one, without building them.
///
/// Each is its bytes, then their number, then a byte for its kind. Read from the end, that can only have come from one
/// row of values: `"ab", "c"` and `"a", "bc"` differ.
pub(crate) struct Fingerprinter(Xxh3);

impl Fingerprinter {
    pub(crate) fn new(salted: &Xxh3) -> Self {
        Self(salted.clone())
    }

    pub(crate) fn add(&mut self, written: &Written<'_>) {
        match written {
            Written::Unknown => self.end(0, 0),
            Written::Empty => self.end(1, 0),
            Written::Text(text) => {
                self.0.update(text.as_bytes());
                self.end(2, text.len());
            }
            Written::Joined { tags, separator } => {
                let mut length = 0;
                for (index, tag) in tags.iter().enumerate() {
                    if index > 0 {
                        self.0.update(separator.as_bytes());
                        length += separator.len();
                    }
                    self.0.update(tag.as_bytes());
                    length += tag.len();
                }
                self.end(2, length);
            }
            Written::Bool(value) => self.end(3, usize::from(*value)),
            Written::Number(number) => {
                let text = number.to_string();
                self.0.update(text.as_bytes());
                self.end(4, text.len());
            }
            Written::Instant(second) => self.second(5, *second),
            Written::Day(second) => self.second(6, second.div_euclid(86_400)),
            Written::Options(options) => {
                for option in options {
                    self.0.update(option.as_bytes());
                    self.end(2, option.len());
                }
                self.end(7, options.len());
            }
            Written::Unfit { value, why } => {
                self.0.update(value.as_bytes());
                self.end(2, value.len());
                self.0.update(why.as_bytes());
                self.end(8, why.len());
            }
        }
    }

    pub(crate) fn finish(self) -> Fingerprint {
        self.0.digest128().to_be_bytes()
    }

    fn end(&mut self, kind: u8, length: usize) {
        let mut end = [kind; 5];
        // A value of four gigabytes never gets this far: the reply that holds it is refused.
        end[..4].copy_from_slice(&(length as u32).to_be_bytes());
        self.0.update(&end);
    }

    fn second(&mut self, kind: u8, number: i64) {
        let mut end = [kind; 9];
        end[..8].copy_from_slice(&number.to_be_bytes());
        self.0.update(&end);
    }
}
