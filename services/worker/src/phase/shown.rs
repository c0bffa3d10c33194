//! What was shown of one device, held against what would be done with it now (rule 14).
//!
//! The values of PASSENGER columns move on by themselves, so they are no part of what was shown: a device that is written
//! anyway takes them along as they are now, and one that is written for nothing else must have been shown too.

use std::collections::{HashMap, HashSet};

use pandaport_import::{CellSpec, Decision, WriteRule};
use pandaport_store::engine::{Differing, Shown, UndecidedRow};
use pandaport_store::records::RecordOutcome;
use serde_json::Value;

use crate::halt::Halt;
use crate::plan::{Unmark, listed, parse};
use crate::run::Run;

/// As much of a value as belongs into a message.
const SHOWN: usize = 40;

/// Holds what was shown against what is.
pub(super) struct Comparison<'a> {
    cells: &'a [CellSpec],
    passengers: HashSet<&'a str>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(cells: &'a [CellSpec]) -> Self {
        let passengers = cells.iter().filter(|cell| cell.write_rule == WriteRule::Passenger);
        Self { cells, passengers: passengers.map(|cell| cell.column_id.as_str()).collect() }
    }

    /// What has moved, in words; `None` if nothing has.
    pub(super) fn moved(&self, device: &Differing) -> Result<Option<String>, Halt> {
        let (shown, now) = (self.side(device.shown.as_ref())?, self.side(device.now.as_ref())?);
        if shown == now {
            return Ok(None);
        }
        let whose = device.shown.as_ref().or(device.now.as_ref()).and_then(|it| it.identifier.as_deref());
        let whose = whose.unwrap_or(&device.device_id);
        let difference = match (&shown, &now) {
            (Side::Write { changes: a, .. }, Side::Write { changes: b, .. }) if shown.words() == now.words() => {
                self.first_difference(a, b)
            }
            _ => None,
        };
        let words = match difference {
            Some(difference) => format!("{whose}: {difference}"),
            None => format!("{whose}: {} was shown, it would be {} now", shown.words(), now.words()),
        };
        Ok(Some(words))
    }

    fn side(&self, it: Option<&Shown>) -> Result<Side, Halt> {
        let Some(it) = it else { return Ok(Side::Nothing) };
        let reason = it.reason.clone().unwrap_or_default();
        let held = reason == "HELD";
        match it.outcome {
            RecordOutcome::Skipped => return Ok(Side::Nothing),
            RecordOutcome::Rejected => return Ok(Side::Rejected(reason)),
            RecordOutcome::Planned if !held => return Ok(Side::Open),
            _ => {}
        }
        let listed: Vec<Value> = it.changes.as_deref().map_or(Ok(Vec::new()), |text| parse("list of changes", text))?;
        let passenger = |change: &Value| change["column_id"].as_str().is_some_and(|it| self.passengers.contains(it));
        let changes: Vec<Value> = listed.into_iter().filter(|change| !passenger(change)).collect();
        // Written for its passengers alone.
        if changes.is_empty() && it.outcome == RecordOutcome::Updated {
            return Ok(Side::Nothing);
        }
        Ok(Side::Write { outcome: it.outcome, held, record_id: it.record_id.clone().unwrap_or_default(), changes })
    }

    fn first_difference(&self, shown: &[Value], now: &[Value]) -> Option<String> {
        let of = |changes: &[Value], column: &Value| changes.iter().find(|it| it["column_id"] == *column).cloned();
        let columns = shown.iter().chain(now).map(|change| &change["column_id"]);
        let column = columns.into_iter().find(|column| of(shown, column) != of(now, column))?;
        let name = self.cells.iter().find(|cell| *column == cell.column_id.as_str());
        let name = name.map_or_else(|| column.as_str().unwrap_or_default().to_owned(), |cell| cell.column_name.clone());
        let words = |change: Option<Value>| match change {
            Some(change) => format!("{} to {}", short(&change["old_value"]), short(&change["new_value"])),
            None => "no change".to_owned(),
        };
        Some(format!(
            "\"{name}\" was shown as {}, it would be {} now",
            words(of(shown, column)),
            words(of(now, column))
        ))
    }
}

/// What one sync says of a device, as far as it matters.
#[derive(PartialEq)]
enum Side {
    Nothing,
    /// Not decided on: its create is in flight since an earlier sync.
    Open,
    Rejected(String),
    Write {
        outcome: RecordOutcome,
        held: bool,
        record_id: String,
        changes: Vec<Value>,
    },
}

impl Side {
    fn words(&self) -> String {
        match self {
            Self::Nothing => "nothing to do".to_owned(),
            Self::Open => "a create that is still unclear".to_owned(),
            Self::Rejected(reason) => format!("a rejection ({reason})"),
            Self::Write { outcome: RecordOutcome::Planned, record_id, .. } => format!("held (record {record_id})"),
            Self::Write { outcome, held, record_id, .. } => {
                let held = if *held { ", partly held" } else { "" };
                match outcome {
                    RecordOutcome::Created => format!("a new record{held}"),
                    RecordOutcome::Adopted => format!("the adoption of record {record_id}{held}"),
                    RecordOutcome::Removed => format!("the removal of record {record_id}"),
                    _ => format!("an update of record {record_id}{held}"),
                }
            }
        }
    }
}

/// A value of a message; absent: not known.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        value => {
            let text = value.to_string();
            match text.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        }
    }
}

/// What the plan, if the sync applies one, has shown of devices that are being decided on.
pub(super) struct ShownDevices(Option<HashMap<String, Shown>>);

impl ShownDevices {
    pub(super) async fn of(run: &Run, rows: &[UndecidedRow]) -> Result<Self, Halt> {
        let Some(plan) = run.slice.row.plan_of else { return Ok(Self(None)) };
        let ids: Vec<&str> = rows.iter().map(|row| row.device_id.as_str()).collect();
        let shown = run.store.shown(plan, &ids).await?;
        Ok(Self(Some(shown.into_iter().map(|it| (it.device_id.clone(), it)).collect())))
    }

    /// Whether something may be written for this device at all.
    pub(super) fn allows(&self, device_id: &str) -> bool {
        self.0.as_ref().is_none_or(|shown| shown.contains_key(device_id))
    }

    /// What was compared before anything was written may still turn out otherwise, as when a record is deleted while others
    /// are written. What of this decision was not shown, in words; `None`: it may be done. What the brake held of the plan,
    /// it holds again; what is removed may be written before.
    pub(super) fn moved(
        &self,
        cells: &[CellSpec],
        row: &UndecidedRow,
        decision: &Decision,
        unmark: Option<&Unmark>,
    ) -> Result<Option<String>, Halt> {
        let Some(all) = &self.0 else { return Ok(None) };
        let (outcome, record_id, changes) = match decision {
            Decision::Create { row } => (RecordOutcome::Created, None, listed(row, &[], None)),
            Decision::Adopt { record_id, changes, differences, .. } => {
                (RecordOutcome::Adopted, Some(record_id.clone()), listed(changes, differences, None))
            }
            Decision::Update { record_id, changes, .. } => {
                (RecordOutcome::Updated, Some(record_id.clone()), listed(changes, &[], unmark))
            }
            _ => return Ok(None),
        };
        let shown = all.get(&row.device_id).cloned();
        let goes_on = |it: &Shown| it.outcome == RecordOutcome::Removed || it.reason.as_deref() == Some("HELD");
        if shown.as_ref().is_some_and(goes_on) {
            return Ok(None);
        }
        let now = Shown {
            device_id: row.device_id.clone(),
            identifier: row.identifier.clone(),
            outcome,
            reason: None,
            record_id,
            changes: Some(changes),
        };
        let device = Differing { device_id: row.device_id.clone(), shown, now: Some(now) };
        let moved = Comparison::new(cells).moved(&device)?;
        Ok(moved.map(|moved| format!("This is not what the plan showed, and was not done. {moved}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pandaport_import::{ColumnType, SourceField};
    use serde_json::json;

    use super::*;

    fn cell(id: &str, name: &str, write_rule: WriteRule) -> CellSpec {
        CellSpec {
            source_field: SourceField::Model,
            column_id: id.into(),
            column_name: name.into(),
            column_type: ColumnType::Text,
            write_rule,
            options: None,
            tag_separator: ", ".into(),
            date_format: None,
        }
    }

    fn says(outcome: RecordOutcome, reason: Option<&str>, changes: &Value) -> Option<Shown> {
        Some(Shown {
            device_id: "d".into(),
            identifier: Some("C02".into()),
            outcome,
            reason: reason.map(Into::into),
            record_id: Some("R".into()),
            changes: Some(changes.to_string()),
        })
    }

    fn moved(shown: Option<Shown>, now: Option<Shown>) -> Option<String> {
        let cells = [cell("m", "Model", WriteRule::Trigger), cell("s", "Seen", WriteRule::Passenger)];
        Comparison::new(&cells).moved(&Differing { device_id: "d".into(), shown, now }).unwrap()
    }

    fn model(old: &str, new: &str) -> Value {
        json!({"column_id": "m", "source_field": "model", "old_value": old, "new_value": new})
    }

    fn seen(new: &str) -> Value {
        json!({"column_id": "s", "source_field": "last_check_in", "new_value": new})
    }

    #[test]
    fn rule_14_passengers_that_moved_on_are_no_difference() {
        use RecordOutcome::Updated;
        let with = |model: &Value, at: &str| says(Updated, None, &json!([model, seen(at)]));
        assert_eq!(moved(with(&model("A", "B"), "1"), with(&model("A", "B"), "2")), None);
        assert_eq!(moved(with(&model("A", "B"), "1"), says(Updated, None, &json!([model("A", "B")]))), None);
        assert_eq!(moved(says(Updated, None, &json!([seen("1")])), None), None, "it needs no write any more");
    }

    #[test]
    fn rule_14_what_has_moved_is_told_in_words() {
        use RecordOutcome::{Created, Planned, Rejected, Updated};
        let update = |old: &str, new: &str| says(Updated, None, &json!([model(old, new)]));
        let told = |shown, now| moved(shown, now).unwrap();
        assert_eq!(
            told(update("A", "B"), update("A", "C")),
            "C02: \"Model\" was shown as \"A\" to \"B\", it would be \"A\" to \"C\" now"
        );
        assert!(told(update("A", "B"), update("Z", "B")).contains("it would be \"Z\" to \"B\" now"), "edited since");
        assert_eq!(told(update("A", "B"), None), "C02: an update of record R was shown, it would be nothing to do now");
        let created = says(Created, None, &json!([model("A", "B")]));
        assert!(told(None, created.clone()).contains("nothing to do was shown, it would be a new record now"));
        let rejected = says(Rejected, Some("VALUE_UNFIT"), &json!([]));
        assert!(told(created, rejected).contains("a rejection (VALUE_UNFIT)"));
        let held = says(Planned, Some("HELD"), &json!([model("A", "B")]));
        assert!(told(update("A", "B"), held.clone()).contains("held"));
        assert_eq!(moved(held.clone(), held), None);
    }

    #[test]
    fn rule_14_an_adoption_without_changes_and_a_removal_are_something_to_do() {
        for outcome in [RecordOutcome::Adopted, RecordOutcome::Removed] {
            assert!(moved(says(outcome, None, &json!([])), None).is_some(), "{outcome}");
        }
    }
}
