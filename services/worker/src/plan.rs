//! What sending and confirming a write need, kept with its record between the two.

use std::collections::BTreeMap;

use pandaport_import::{Baseline, Change, Difference, Forms, Projection};
use pandaport_store::Micros;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A write that was decided on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WritePlan {
    /// The columns to send.
    pub(crate) row: BTreeMap<String, Value>,
    /// What is confirmed once it is written.
    pub(crate) baseline: Baseline,
    /// What may be in the record while it is not clear whether it was written: what was there, and what is sent where
    /// nothing of ours was. A value that is lost again before the write is confirmed is then cleared (rules 4, 8).
    #[serde(default)]
    pub(crate) unconfirmed: Baseline,
    /// What was confirmed before, where nothing was in doubt: what holds again if the write is certainly not applied. What
    /// was refused must not pass for ours (rule 8), nor be sent again with all that did not change (rule 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) confirmed: Option<Baseline>,
    /// The forms once it is written.
    #[serde(default)]
    pub(crate) forms: Forms,
    /// `CREATED`, `ADOPTED` or `UPDATED`.
    pub(crate) outcome: String,
    /// Its PASSENGER columns are due: they are sent even if nothing else is (rule 9).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) passenger_due: bool,
}

impl WritePlan {
    /// The brake holds the clearing of this cell: what was there stays, in the record and in what is known of it.
    pub(crate) fn keep_value(&mut self, cell: usize, column_id: &str) {
        self.row.remove(column_id);
        if let (Some(after), Some(before)) = (self.baseline.0.get_mut(cell), self.unconfirmed.0.get(cell)) {
            after.clone_from(before);
        }
    }
}

/// An intent's payload: a create must be confirmed even when its sync is long gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct IntentPayload {
    pub(crate) plan: WritePlan,
    /// The revision of the mapping that sent it: its values stand in that one's order.
    #[serde(default = "first_revision")]
    pub(crate) revision: i64,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) last_enrollment: Option<Micros>,
    pub(crate) last_check_in: Option<Micros>,
    /// What Asset Panda said when it refused the row as not unique: a look-up is to explain it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
    /// It was sent before, and it is unclear what came of that: what refuses it may be the record that we made then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) sent_before: bool,
}

/// Before there were others, it was the first.
fn first_revision() -> i64 {
    1
}

/// What a look-up of one identifier found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FoundSet {
    pub(crate) records: Vec<Found>,
    /// There are more than could be read: which of them are exact matches is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) more: bool,
    /// Asset Panda refuses to search for this identifier; its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
    /// Asset Panda answers other calls, and not the search for this identifier; its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unanswered: Option<String>,
}

/// A record that a look-up found, its values in cell order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) record_id: String,
    pub(crate) values: Vec<Option<Value>>,
}

/// The columns a list of changes sends.
pub(crate) fn row_of(changes: &[Change]) -> BTreeMap<String, Value> {
    changes.iter().map(|change| (change.column_id.clone(), change.new.clone())).collect()
}

/// See [`WritePlan::unconfirmed`].
pub(crate) fn unconfirmed(before: &Baseline, after: &Baseline) -> Baseline {
    let cells = (0..before.0.len().max(after.0.len())).map(|at| {
        let after = after.get(at);
        let mut cell = before.get(at).or(after)?.clone();
        // What was there may be overwritten by a value of ours, which is then ours to clear (rule 8).
        cell.ours |= after.is_some_and(|it| it.ours);
        Some(cell)
    });
    Baseline(cells.collect())
}

/// Changes as a record lists them: what was written, and what an adoption found different and left.
pub(crate) fn listed(changes: &[Change], differences: &[Difference], unmark: Option<&Unmark>) -> String {
    let mut listed: Vec<Value> =
        changes.iter().map(|it| change(&it.column_id, it.source_field.key(), it.old.as_ref(), Some(&it.new))).collect();
    listed.extend(differences.iter().map(|it| change(&it.column_id, it.source_field.key(), Some(&it.present), None)));
    listed.extend(unmark.map(|it| change(&it.column_id, "", Some(&it.old), Some(&it.new))));
    json(&listed)
}

/// A device is back: what the removal policy wrote into its record is undone (rule 10).
pub(crate) struct Unmark {
    pub(crate) column_id: String,
    pub(crate) old: Value,
    pub(crate) new: Value,
}

pub(crate) fn change(column_id: &str, source_field: &str, old: Option<&Value>, new: Option<&Value>) -> Value {
    let mut change = serde_json::Map::new();
    change.insert("column_id".into(), column_id.into());
    change.insert("source_field".into(), source_field.into());
    if let Some(old) = old {
        change.insert("old_value".into(), old.clone());
    }
    if let Some(new) = new {
        change.insert("new_value".into(), new.clone());
    }
    Value::Object(change)
}

/// Anything of ours as JSON text.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own plain values have a JSON form")
}

/// What we wrote ourselves, read back.
pub(crate) fn parse<'a, T: Deserialize<'a>>(what: &'static str, text: &'a str) -> Result<T, crate::halt::Halt> {
    serde_json::from_str(text)
        .map_err(|error| crate::halt::Halt::Store(pandaport_store::StoreError::corrupt(what, error)))
}

/// The projection a record keeps.
pub(crate) fn wanted(text: &str) -> Result<Projection, crate::halt::Halt> {
    parse("projection", text)
}
