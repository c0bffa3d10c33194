//! A device that has a record: write what differs.

use serde_json::Value;

use super::identify::{Matches, ambiguous, near_match, taken};
use super::unlinked::with_passengers;
use super::{Case, Decision, FoundRecord, LinkedCase, identifier_moved};
use crate::cell::CellSpec;
use crate::{BaselineCell, Cell, Change, WriteRule, is_empty, same};

/// INCREMENTAL: against what was last confirmed.
pub(super) fn incremental(case: &Case<'_>, link: &LinkedCase<'_>) -> Decision {
    if identifier_moved(case.cells, case.wanted, link)
        && let Some(rejection) = new_identifier_refused(case, &Matches::new(case, Some(link.record_id)))
    {
        return rejection;
    }
    // Looked up because it was rejected last time: whatever made the identifier ambiguous may still be there.
    if case.looked_up
        && let Some(own) = case.found.iter().find(|record| record.record_id == link.record_id)
        && let Some(rejection) = no_longer_unique(case, link, own, &Matches::new(case, Some(link.record_id)))
    {
        return rejection;
    }
    let mut diff = Diff::default();
    for (index, (spec, wanted)) in case.cells.iter().zip(&case.wanted.cells).enumerate() {
        if matches!(spec.write_rule, WriteRule::Trigger | WriteRule::Passenger) {
            diff.blind(index, spec, wanted, link);
        }
    }
    diff.decide(case, link)
}

/// FULL: against the record as it was read.
pub(super) fn full(case: &Case<'_>, link: &LinkedCase<'_>) -> Decision {
    let Some(own) = case.found.iter().find(|record| record.record_id == link.record_id) else {
        return Decision::MissingRecord;
    };
    let matches = Matches::new(case, Some(link.record_id));
    if let Some(rejection) = no_longer_unique(case, link, own, &matches) {
        return rejection;
    }
    let mut diff = Diff::default();
    for (index, (spec, wanted)) in case.cells.iter().zip(&case.wanted.cells).enumerate() {
        let present = own.values.get(index).and_then(Option::as_ref).filter(|present| !is_empty(present));
        match spec.write_rule {
            // The search that brought the record may lag behind the write whose end is not known.
            WriteRule::Trigger | WriteRule::Passenger if link.dirty => diff.blind(index, spec, wanted, link),
            WriteRule::Trigger | WriteRule::Passenger => diff.read(index, spec, wanted, present, link),
            WriteRule::FillOnly => {
                if let (Cell::Value(value), None) = (wanted, present) {
                    diff.changes.push(Change::new(index, spec, None, value.clone()));
                }
            }
            WriteRule::CreateOnly => {}
        }
    }
    diff.decide(case, link)
}

/// The device has another identifier than its record: may it be written?
fn new_identifier_refused(case: &Case<'_>, matches: &Matches<'_>) -> Option<Decision> {
    match matches.exact.as_slice() {
        [] if matches.near.is_empty() => None,
        [] => Some(near_match(case, &matches.near)),
        [record] => Some(taken(case, record)),
        several => Some(ambiguous(case, &ids(None, several))),
    }
}

/// Other records have the device's identifier, so that nobody can say any more which is whose.
fn no_longer_unique(
    case: &Case<'_>,
    link: &LinkedCase<'_>,
    own: &FoundRecord,
    matches: &Matches<'_>,
) -> Option<Decision> {
    let has_it = |record: &FoundRecord| match (&case.wanted.cells[0], record.values.first()) {
        (Cell::Value(wanted), Some(Some(present))) => {
            let spec = &case.cells[0];
            same(&spec.column_type, wanted, present)
                || link.forms.accept(&spec.column_id, &spec.column_type, wanted, present)
        }
        _ => false,
    };
    if has_it(own) {
        return (!matches.exact.is_empty()).then(|| ambiguous(case, &ids(Some(own), &matches.exact)));
    }
    if matches.exact.is_empty() && !identifier_moved(case.cells, case.wanted, link) {
        // Edited in Asset Panda: it is repaired.
        return None;
    }
    new_identifier_refused(case, matches)
}

fn ids<'a>(own: Option<&'a FoundRecord>, others: &[&'a FoundRecord]) -> Vec<&'a str> {
    own.into_iter().chain(others.iter().copied()).map(|record| record.record_id.as_str()).collect()
}

/// What was found to differ, so far.
#[derive(Default)]
struct Diff {
    changes: Vec<Change>,
    passengers: Vec<Change>,
    equal: Vec<usize>,
    forms: Vec<FormNews>,
}

/// What a FULL sync learns about the form of one value.
enum FormNews {
    /// It reads differently although we had confirmed it.
    Note { cell: usize, theirs: Value },
    /// It reads as we wrote it.
    Forget { cell: usize },
}

impl Diff {
    fn change(&mut self, spec: &CellSpec, change: Change) {
        match spec.write_rule {
            WriteRule::Passenger => self.passengers.push(change),
            _ => self.changes.push(change),
        }
    }

    /// Against what was last confirmed. If dirty, everything is sent again, since nobody knows what stands there.
    fn blind(&mut self, index: usize, spec: &CellSpec, wanted: &Cell, link: &LinkedCase<'_>) {
        let confirmed = link.baseline.get(index);
        match wanted {
            Cell::Value(value) => {
                let differing = confirmed.filter(|confirmed| !same(&spec.column_type, value, &confirmed.value));
                if link.dirty || differing.is_some() || confirmed.is_none() {
                    let old = differing.map(|confirmed| &confirmed.value);
                    self.change(spec, Change::new(index, spec, old, value.clone()));
                }
            }
            Cell::Empty => {
                if let Some(BaselineCell { value, ours: true }) = confirmed {
                    self.change(spec, Change::new(index, spec, Some(value), spec.cleared()));
                }
            }
            Cell::Unknown | Cell::Unfit(_) => {}
        }
    }

    /// Against what the record has.
    fn read(&mut self, index: usize, spec: &CellSpec, wanted: &Cell, present: Option<&Value>, link: &LinkedCase<'_>) {
        let confirmed = link.baseline.get(index);
        let known = |value: &Value| confirmed.is_some_and(|known| same(&spec.column_type, value, &known.value));
        match (wanted, present) {
            (Cell::Value(value), Some(present)) if same(&spec.column_type, value, present) => {
                self.forms.push(FormNews::Forget { cell: index });
                if !known(value) {
                    self.equal.push(index);
                }
            }
            (Cell::Value(value), Some(present))
                if link.forms.accept(&spec.column_id, &spec.column_type, value, present) =>
            {
                if !known(value) {
                    self.equal.push(index);
                }
            }
            (Cell::Value(value), present) => {
                if let Some(theirs) = present.filter(|_| known(value)) {
                    self.forms.push(FormNews::Note { cell: index, theirs: theirs.clone() });
                }
                self.change(spec, Change::new(index, spec, present, value.clone()));
            }
            (Cell::Empty, present) => match (confirmed, present) {
                (Some(BaselineCell { ours: true, .. }), Some(present)) => {
                    self.change(spec, Change::new(index, spec, Some(present), spec.cleared()));
                }
                // What we knew to be there is gone.
                (Some(_), None) => self.equal.push(index),
                _ => {}
            },
            (Cell::Unknown | Cell::Unfit(_), _) => {}
        }
    }

    fn decide(self, case: &Case<'_>, link: &LinkedCase<'_>) -> Decision {
        let changes = with_passengers(case, self.changes, self.passengers);
        let mut forms = link.forms.clone();
        for news in &self.forms {
            match news {
                FormNews::Forget { cell } => forms.forget(&case.cells[*cell].column_id),
                // A passenger that stays behind is not written again, so nothing can be learnt from it.
                FormNews::Note { cell, theirs } => {
                    if let Some(change) = changes.iter().find(|change| change.cell == *cell) {
                        forms.note(&change.column_id, &change.new, theirs);
                    }
                }
            }
        }
        let forms = (forms != *link.forms).then_some(forms);
        if changes.is_empty() {
            Decision::Unchanged { equal: self.equal, forms }
        } else {
            Decision::Update { record_id: link.record_id.to_owned(), changes, equal: self.equal, forms }
        }
    }
}
