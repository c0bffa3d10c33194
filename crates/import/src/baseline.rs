//! What we know to stand in a record: the values last confirmed (DESIGN 4.4 and 4.8).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::{Cell, Change};

const NOT_OURS: &str = "adopted";

/// A value that is known to stand in a column.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineCell {
    /// The value, in the form that we write.
    pub value: Value,
    /// Whether we wrote it. Then an empty source may clear it. A value that was found, on adoption or in a FULL sync,
    /// and was equal to what we would have written, is not ours.
    pub ours: bool,
}

/// The values last confirmed in a record, in cell order. `None`: nothing is known, or nothing of ours is there.
///
/// Serialised as an array: null for `None`, the plain value for one of ours, `{"adopted": value}` for one that is not.
/// (What we write is never null and never an object.)
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Baseline(pub Vec<Option<BaselineCell>>);

impl Baseline {
    /// What is known of a cell.
    pub fn get(&self, cell: usize) -> Option<&BaselineCell> {
        self.0.get(cell)?.as_ref()
    }

    /// What is known after `changes` were confirmed and the cells in `equal` were read and found to be as wanted (both
    /// from the [`crate::Decision`]). For a created record start from an empty baseline.
    #[must_use]
    pub fn confirmed(&self, wanted: &[Cell], changes: &[Change], equal: &[usize]) -> Self {
        let mut cells = self.0.clone();
        cells.resize(wanted.len(), None);
        for &cell in equal {
            cells[cell] = match &wanted[cell] {
                Cell::Value(value) => Some(BaselineCell { value: value.clone(), ours: false }),
                _ => None,
            };
        }
        for change in changes {
            let written = BaselineCell { value: change.new.clone(), ours: true };
            cells[change.cell] = (!change.clears()).then_some(written);
        }
        Self(cells)
    }

    /// The same knowledge after the mapping changed: values follow their column, whatever field it is filled from now.
    /// `before` are the columns in whose order they stand, `now` those in whose order they shall
    /// ([`crate::MappingSpec::column_order`]).
    #[must_use]
    pub fn realigned<'a>(&self, before: &[String], now: impl IntoIterator<Item = &'a str>) -> Self {
        let follow = |column: &str| {
            let index = before.iter().position(|old| old == column)?;
            self.get(index).cloned()
        };
        Self(now.into_iter().map(follow).collect())
    }
}

impl Serialize for Baseline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|cell| match cell {
            None => Value::Null,
            Some(BaselineCell { value, ours: true }) => value.clone(),
            Some(BaselineCell { value, ours: false }) => json!({ NOT_OURS: value }),
        }))
    }
}

impl<'de> Deserialize<'de> for Baseline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cells = Vec::<Value>::deserialize(deserializer)?;
        let cell = |stored| match stored {
            Value::Null => None,
            Value::Object(mut object) => object.remove(NOT_OURS).map(|value| BaselineCell { value, ours: false }),
            value => Some(BaselineCell { value, ours: true }),
        };
        Ok(Self(cells.into_iter().map(cell).collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{CellSpec, ColumnType, WriteRule};

    fn spec(column_id: &str) -> CellSpec {
        crate::support::cell(column_id, ColumnType::Text, WriteRule::Trigger)
    }

    fn ours(value: Value) -> Option<BaselineCell> {
        Some(BaselineCell { value, ours: true })
    }

    #[test]
    fn a_baseline_survives_json_and_is_short() {
        let found = Some(BaselineCell { value: json!("found"), ours: false });
        let baseline = Baseline(vec![ours(json!("mine")), None, found, ours(json!(["a", "b"])), ours(json!(false))]);
        let json = serde_json::to_value(&baseline).unwrap();
        assert_eq!(json, json!(["mine", null, {"adopted": "found"}, ["a", "b"], false]));
        assert_eq!(serde_json::from_value::<Baseline>(json).unwrap(), baseline);
    }

    #[test]
    fn what_was_sent_is_ours_what_was_found_is_not_and_what_was_cleared_is_gone() {
        let baseline =
            Baseline(vec![ours(json!("id")), ours(json!("old")), ours(json!("gone")), None, ours(json!("stays"))]);
        let wanted = [
            Cell::Value(json!("id")),
            Cell::Value(json!("new")),
            Cell::Empty,
            Cell::Value(json!("found")),
            Cell::Unknown,
        ];
        let changes = [
            Change::new(1, &spec("b"), Some(&json!("old")), json!("new")),
            Change::new(2, &spec("c"), Some(&json!("gone")), json!("")),
        ];
        let after = baseline.confirmed(&wanted, &changes, &[3]);
        let found = Some(BaselineCell { value: json!("found"), ours: false });
        assert_eq!(after, Baseline(vec![ours(json!("id")), ours(json!("new")), None, found, ours(json!("stays"))]));
    }

    #[test]
    fn values_follow_their_column_when_the_mapping_changes() {
        let before = ["a", "b", "c"].map(str::to_owned);
        let now = ["a", "new", "c", "b"];
        let baseline = Baseline(vec![ours(json!(1)), ours(json!(2)), None]);
        assert_eq!(baseline.realigned(&before, now), Baseline(vec![ours(json!(1)), None, None, ours(json!(2))]));
    }
}
