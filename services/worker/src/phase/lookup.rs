//! Looking identifiers up in Asset Panda, a group at a time.

use pandaport_asset_panda::SearchOutcome;
use pandaport_import::{CellSpec, identifier_key, record_values};
use pandaport_outbound::ErrorKind;

use super::evidence::{ask_again, is_broken};
use super::schema;
use crate::halt::{Api, Halt};
use crate::plan::{Found, FoundSet};
use crate::run::Run;

/// Identifiers in one call: as many as the client asks for in one search.
pub(crate) const GROUP: usize = 50;

/// What the search found for each identifier: exact matches, and those equal but for case, space or Unicode form.
///
/// An identifier that Asset Panda refuses to search for, or cannot, is told apart from the others, and stops none of them
/// (rule 5).
pub(crate) async fn look_up(run: &Run, cells: &[CellSpec], identifiers: &[String]) -> Result<Vec<FoundSet>, Halt> {
    let read = Run::column_ids(cells);
    let mut sets = Vec::with_capacity(identifiers.len());
    let mut groups = vec![identifiers];
    while let Some(group) = groups.pop() {
        let found =
            run.asset_panda.search(&run.slice.row.collection_id, &run.spec.identifier.column_id, group, &read).await;
        match found {
            Ok(outcome) => {
                run.note_answer();
                sets.extend(by_identifier(cells, group, outcome));
            }
            Err(error) if group.len() > 1 && (error.kind == ErrorKind::Refused || is_broken(&error)) => {
                if is_broken(&error) {
                    // One of them may be the matter: unless Asset Panda is out altogether.
                    let _said = ask_again(run, error, async || Ok(())).await?;
                }
                // The last is taken next: the halves stay in their order.
                let (first, second) = group.split_at(group.len() / 2);
                groups.extend([second, first]);
            }
            Err(error) if error.kind == ErrorKind::Refused => {
                schema::refused(run).await?;
                sets.push(FoundSet { refused: Some(error.message), ..FoundSet::default() });
            }
            Err(error) if is_broken(&error) => {
                let search = async || {
                    let (collection, column) = (&run.slice.row.collection_id, &run.spec.identifier.column_id);
                    run.asset_panda.search(collection, column, group, &read).await
                };
                match ask_again(run, error, search).await? {
                    Ok(outcome) => sets.extend(by_identifier(cells, group, outcome)),
                    Err(said) => sets.push(FoundSet { unanswered: Some(said), ..FoundSet::default() }),
                }
            }
            Err(error) => return Err(Halt::from_call(Api::AssetPanda, &error)),
        }
    }
    Ok(sets)
}

/// What is told of a device whose identifier was not searched for.
pub(super) fn not_searched(said: &str) -> String {
    format!("Asset Panda answers other calls, and not the search for this identifier: {said}")
}

fn by_identifier(cells: &[CellSpec], identifiers: &[String], outcome: SearchOutcome) -> Vec<FoundSet> {
    let mut sets: Vec<FoundSet> = identifiers
        .iter()
        .map(|identifier| FoundSet { more: outcome.more.contains(identifier), ..FoundSet::default() })
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
    sets
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

/// Whether a record has just this identifier, not one that is only near.
pub(crate) fn is_exact(record: &Found, identifier: Option<&str>) -> bool {
    let present = record.values.first().and_then(Option::as_ref).and_then(text_of);
    present.is_some() && present.as_deref() == identifier
}
