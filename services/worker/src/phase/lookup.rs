//! Looking identifiers up in Asset Panda, a group at a time.

use pandaport_import::{CellSpec, identifier_key, record_values};

use crate::halt::{Api, Halt};
use crate::plan::{Found, FoundSet};
use crate::run::Run;

/// Identifiers in one call: as many as the client asks for in one search.
pub(crate) const GROUP: usize = 50;

/// What the search found for each identifier: exact matches, and those equal but for case, space or Unicode form.
pub(crate) async fn look_up(run: &Run, cells: &[CellSpec], identifiers: &[String]) -> Result<Vec<FoundSet>, Halt> {
    let read = Run::column_ids(cells);
    let outcome = run
        .asset_panda
        .search(&run.slice.row.collection_id, &run.spec.identifier.column_id, identifiers, &read)
        .await
        .map_err(|error| Halt::from_call(Api::AssetPanda, &error))?;
    let mut sets: Vec<FoundSet> = identifiers
        .iter()
        .map(|identifier| FoundSet { records: Vec::new(), more: outcome.more.contains(identifier) })
        .collect();
    let keys: Vec<String> = identifiers.iter().map(|it| identifier_key(it)).collect();
    for record in outcome.records {
        let values = record_values(cells, &record.values);
        let Some(key) = values.first().and_then(Option::as_ref).and_then(text_of).map(|it| identifier_key(&it)) else {
            continue;
        };
        for (at, _) in keys.iter().enumerate().filter(|(_, it)| **it == key) {
            sets[at].records.push(Found { record_id: record.id.clone(), values: values.clone() });
        }
    }
    Ok(sets)
}

/// An identifier as text, whatever JSON form the column gives it.
pub(crate) fn text_of(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(it) => Some(it.to_string()),
        _ => None,
    }
}
