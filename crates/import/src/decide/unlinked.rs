//! A device without a record of its own: create one, or adopt the one that has its identifier.

use super::identify::{Matches, ambiguous, near_match, taken};
use super::{Case, Decision, FoundRecord};
use crate::{Cell, Change, Difference, WriteRule, is_empty, same};

pub(super) fn decide(case: &Case<'_>) -> Decision {
    let matches = Matches::new(case, None);
    match matches.exact.as_slice() {
        [] if matches.near.is_empty() => Decision::Create { row: row(case) },
        [] => near_match(case, &matches.near),
        [record] if record.held_by.is_some() => taken(case, record),
        [record] => adopt(case, record),
        several => {
            let ids: Vec<&str> = several.iter().map(|record| record.record_id.as_str()).collect();
            ambiguous(case, &ids)
        }
    }
}

fn row(case: &Case<'_>) -> Vec<Change> {
    let cells = case.cells.iter().zip(&case.wanted.cells).enumerate();
    cells
        .filter_map(|(index, (spec, wanted))| match wanted {
            Cell::Value(value) => Some(Change::new(index, spec, None, value.clone())),
            _ => None,
        })
        .collect()
}

fn adopt(case: &Case<'_>, record: &FoundRecord) -> Decision {
    let mut changes = Vec::new();
    let mut passengers = Vec::new();
    let mut differences = Vec::new();
    let mut equal = Vec::new();
    for (index, (spec, wanted)) in case.cells.iter().zip(&case.wanted.cells).enumerate() {
        let present = record.values.get(index).and_then(Option::as_ref).filter(|present| !is_empty(present));
        match (wanted, present) {
            (Cell::Value(value), Some(present)) if same(&spec.column_type, value, present) => equal.push(index),
            (Cell::Value(value), present) => {
                let change = Change::new(index, spec, present, value.clone());
                match spec.write_rule {
                    WriteRule::Trigger => changes.push(change),
                    WriteRule::Passenger => passengers.push(change),
                    WriteRule::FillOnly if present.is_none() => changes.push(change),
                    WriteRule::FillOnly | WriteRule::CreateOnly => {}
                }
            }
            (Cell::Empty, Some(present)) => differences.push(Difference {
                cell: index,
                column_id: spec.column_id.clone(),
                source_field: spec.source_field,
                present: present.clone(),
            }),
            (Cell::Empty, None) | (Cell::Unknown | Cell::Unfit(_), _) => {}
        }
    }
    let changes = with_passengers(case, changes, passengers);
    Decision::Adopt { record_id: record.record_id.clone(), changes, differences, equal }
}

/// Passengers go along with other changes, or alone when they are due. In cell order.
pub(super) fn with_passengers(case: &Case<'_>, mut changes: Vec<Change>, passengers: Vec<Change>) -> Vec<Change> {
    if !changes.is_empty() || case.passenger_due {
        changes.extend(passengers);
        changes.sort_by_key(|change| change.cell);
    }
    changes
}
