//! What one sync has to do with one device: rules 4, 8, 9, 12 and 13 of DESIGN section 4.
//!
//! [`decide`] sees what Kandji says (`wanted`), what we remember (`link`) and what was read in Asset Panda (`found`). It
//! compares and decides; it knows nothing of other devices but what `held_by` tells.

mod drift;
mod identify;
mod linked;
mod unlinked;

pub use drift::edited_by_others;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cell::CellSpec;
use crate::{Baseline, Cell, Change, Difference, Forms, Identifier, Projection, RejectReason, same};

/// How much a sync looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// Compares with what was last confirmed.
    Incremental,
    /// Reads every record, and repairs what was edited or deleted in Asset Panda.
    Full,
}

/// What we remember of a device that has a record.
#[derive(Debug, Clone, Copy)]
pub struct LinkedCase<'a> {
    /// Its record.
    pub record_id: &'a str,
    /// What was last confirmed, in the order of the present cells (see [`Baseline::realigned`]).
    pub baseline: &'a Baseline,
    /// How Asset Panda gives our values back.
    pub forms: &'a Forms,
    /// Whether an update was sent whose end is not known.
    pub dirty: bool,
}

/// A record that came back from a look-up, or from a GET by its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundRecord {
    /// Its id.
    pub record_id: String,
    /// Its values in cell order (see [`crate::record_values`]). Asset Panda's search may match more loosely than asked,
    /// so the identifier's value is checked here.
    pub values: Vec<Option<Value>>,
    /// The device id of another *present* device whose link holds the record.
    pub held_by: Option<String>,
}

/// All that is known about one device.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The mapped columns: [`crate::Projector::cells`].
    pub cells: &'a [CellSpec],
    /// The device.
    pub wanted: &'a Projection,
    /// What we remember, if it has a record.
    pub link: Option<LinkedCase<'a>>,
    /// What was read.
    pub found: &'a [FoundRecord],
    /// Whether the identifier was looked up, so that what is not in `found` does not exist.
    pub looked_up: bool,
    /// The mode of the sync.
    pub mode: Mode,
    /// Whether the passengers are due although nothing else changes (see [`crate::passenger_due`]).
    pub passenger_due: bool,
}

/// What to do. `equal` lists cells that were read and found to be as wanted, where that is news: give it to
/// [`Baseline::confirmed`] together with the changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Create a record with these values.
    Create {
        /// Every value the device has. Empty columns are not sent.
        row: Vec<Change>,
    },
    /// Take over a record that has the identifier and belongs to no other present device.
    Adopt {
        /// The record.
        record_id: String,
        /// What to write. May be none: then the link alone is made.
        changes: Vec<Change>,
        /// Where the record has a value and the device has none: left as it is.
        differences: Vec<Difference>,
        /// Cells found as wanted.
        equal: Vec<usize>,
    },
    /// Write into the device's record.
    Update {
        /// The record.
        record_id: String,
        /// What to write, at least one.
        changes: Vec<Change>,
        /// Cells found as wanted.
        equal: Vec<usize>,
        /// If `Some`, to be stored when the write is *confirmed*, in the same transaction. Stored earlier, an edit in
        /// Asset Panda would be taken for its form of our value.
        forms: Option<Forms>,
    },
    /// Nothing to write.
    Unchanged {
        /// Cells found as wanted. If not empty, the baseline has news to store.
        equal: Vec<usize>,
        /// If `Some`, to be stored.
        forms: Option<Forms>,
    },
    /// Write nothing, and tell.
    Reject {
        /// Why.
        reason: RejectReason,
        /// What a person can do about it.
        message: String,
    },
    /// FULL: the device's record was not among those read. GET it by its id: if it is there, put it into `found` and
    /// decide again; on 404 decide again without the link.
    MissingRecord,
    /// The identifier was not looked up though [`needs_look_up`] says it must be.
    LookUp,
}

/// Whether a device's identifier has to be looked up before [`decide`] can tell: in a FULL sync always, else if it has
/// no link or another identifier than its record. Never if it is rejected anyway.
pub fn needs_look_up(cells: &[CellSpec], wanted: &Projection, link: Option<&LinkedCase<'_>>, mode: Mode) -> bool {
    if wanted.is_unfit() || wanted.identifier.as_str().is_none() {
        return false;
    }
    link.is_none_or(|link| mode == Mode::Full || identifier_moved(cells, wanted, link))
}

/// Decides what to do with one device.
pub fn decide(case: &Case<'_>) -> Decision {
    if let Some(rejection) = unfit_for_import(case) {
        return rejection;
    }
    if !case.looked_up && needs_look_up(case.cells, case.wanted, case.link.as_ref(), case.mode) {
        return Decision::LookUp;
    }
    match &case.link {
        None => unlinked::decide(case),
        Some(link) => match case.mode {
            Mode::Incremental => linked::incremental(case, link),
            Mode::Full => linked::full(case, link),
        },
    }
}

/// A device that no look-up can help.
fn unfit_for_import(case: &Case<'_>) -> Option<Decision> {
    let field = case.cells[0].source_field;
    let message = match &case.wanted.identifier {
        Identifier::Value(_) => {
            let mut problems = case.wanted.cells.iter().filter_map(|cell| match cell {
                Cell::Unfit(problem) => Some(problem.as_str()),
                _ => None,
            });
            let first = problems.next()?;
            let message = problems.fold(first.to_owned(), |all, problem| format!("{all}; {problem}"));
            return Some(reject(RejectReason::ValueUnfit, message));
        }
        Identifier::Empty => format!("{field} is the identifier, and it is empty for this device; set it in Kandji"),
        Identifier::Unknown => format!(
            "{field} is the identifier, and it was absent from what Kandji sent for this device; \
             check that the API token may read it"
        ),
    };
    Some(reject(RejectReason::IdentifierEmpty, message))
}

fn reject(reason: RejectReason, message: String) -> Decision {
    Decision::Reject { reason, message }
}

/// Whether the device has another identifier than the one last confirmed in its record.
fn identifier_moved(cells: &[CellSpec], wanted: &Projection, link: &LinkedCase<'_>) -> bool {
    match (&wanted.cells[0], link.baseline.get(0)) {
        (Cell::Value(wanted), Some(confirmed)) => !same(&cells[0].column_type, wanted, &confirmed.value),
        _ => true,
    }
}

#[cfg(test)]
mod rules;
#[cfg(test)]
mod tests;
