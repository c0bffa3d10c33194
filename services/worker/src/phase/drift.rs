//! What was done in Asset Panda behind our back, in words for the device's record (rule 13).

use pandaport_import::{CellSpec, Change, edited_by_others};
use pandaport_store::engine::Op;
use serde_json::Value;

use super::evidence::OwnLink;

/// As much of a value as belongs into a message.
const SHOWN: usize = 60;

/// The record had other values than were last confirmed in it. `None` if everything that is written is news from Kandji.
pub(super) fn edited(device_id: &str, cells: &[CellSpec], link: &OwnLink, changes: &[Change]) -> Option<Op> {
    let edited = edited_by_others(cells, &link.case(), changes);
    if edited.is_empty() {
        return None;
    }
    let columns: Vec<String> = edited
        .iter()
        .map(|change| {
            let found = change.old.as_ref().map_or_else(|| "nothing".to_owned(), shown);
            format!("\"{}\" had {found} instead of {}", cells[change.cell].column_name, shown(&change.new))
        })
        .collect();
    let message = format!(
        "Since the record was last confirmed, it was edited in Asset Panda: {}. Kandji's values are written back. (If \
         Asset Panda itself keeps a value in another form, that happens once and then no more.)",
        columns.join(", ")
    );
    Some(Op::Note { device_id: device_id.to_owned(), reason: "EDITED_IN_ASSET_PANDA", message })
}

/// The device's record is gone.
pub(super) fn deleted(device_id: &str, record_id: &str) -> Op {
    let message = format!("Its record {record_id} was deleted in Asset Panda");
    Op::Note { device_id: device_id.to_owned(), reason: "DELETED_IN_ASSET_PANDA", message }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
