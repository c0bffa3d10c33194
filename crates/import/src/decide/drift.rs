//! What was changed in Asset Panda since we last confirmed it (DESIGN 4.13).

use crate::cell::CellSpec;
use crate::{Change, LinkedCase, same};

/// The changes that only repair what somebody did in Asset Panda: what is sent is what was last confirmed there, and
/// the record, as it was read, has something else.
///
/// A form of our value that is remembered is not among them, since it causes no change. One that is seen for the first
/// time can't be told from an edit: it is written again, once.
pub fn edited_by_others<'a>(cells: &[CellSpec], link: &LinkedCase<'_>, changes: &'a [Change]) -> Vec<&'a Change> {
    // What stands in a dirty link's record may be a write of ours.
    if link.dirty {
        return Vec::new();
    }
    let confirmed = |change: &Change| {
        let known = link.baseline.get(change.cell);
        known.is_some_and(|known| same(&cells[change.cell].column_type, &change.new, &known.value))
    };
    changes.iter().filter(|change| confirmed(change)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::support::cell;
    use crate::{Baseline, BaselineCell, ColumnType, Forms, WriteRule};

    fn changes(cells: &[CellSpec]) -> Vec<Change> {
        vec![
            Change::new(0, &cells[0], Some(&json!("by hand")), json!("Mac")),
            Change::new(1, &cells[1], None, json!(7)),
            Change::new(2, &cells[2], Some(&json!("1")), json!("2")),
            Change::new(3, &cells[3], None, json!("never written")),
        ]
    }

    fn edited(dirty: bool) -> Vec<usize> {
        let cells = [
            cell("model", ColumnType::Text, WriteRule::Trigger),
            cell("number", ColumnType::Number, WriteRule::Trigger),
            cell("version", ColumnType::Text, WriteRule::Trigger),
            cell("tag", ColumnType::Text, WriteRule::Trigger),
        ];
        let ours = |value| Some(BaselineCell { value, ours: true });
        let found = Some(BaselineCell { value: json!("7.0"), ours: false });
        let baseline = Baseline(vec![ours(json!("Mac")), found, ours(json!("1")), None]);
        let link = LinkedCase { record_id: "R", baseline: &baseline, forms: &Forms::default(), dirty };
        edited_by_others(&cells, &link, &changes(&cells)).iter().map(|change| change.cell).collect()
    }

    #[test]
    fn rule_13_an_edit_is_what_differs_from_what_was_confirmed_while_kandji_says_the_same() {
        assert_eq!(edited(false), [0, 1], "one was overwritten, one emptied; one changed in Kandji, one is new");
    }

    #[test]
    fn rule_13_a_write_of_ours_whose_end_is_unknown_is_nobodys_edit() {
        assert_eq!(edited(true), [0_usize; 0]);
    }
}
