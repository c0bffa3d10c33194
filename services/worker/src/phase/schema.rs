//! SCHEMA: the collection's columns are read and checked against the mapping before anything is written (rule 15).

use pandaport_import::{MappingSpec, RemovalAction, check};
use pandaport_outbound::ErrorKind;
use pandaport_upstream::import_columns;

use crate::halt::{Api, Failure, Halt};
use crate::run::Run;

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    let collection_id = run.slice.row.collection_id.clone();
    let columns = match run.asset_panda.columns(&collection_id).await {
        Ok(columns) => import_columns(columns),
        Err(error) if error.kind == ErrorKind::NotFound => {
            return Err(broken("COLUMN_UNKNOWN", format!("Asset Panda has no collection {collection_id} any more")));
        }
        Err(error) => return Err(Halt::from_call(Api::AssetPanda, &error)),
    };
    let checked = check(&run.spec, &columns);
    if let Some(first) = checked.violations.first() {
        let all: Vec<&str> = checked.violations.iter().map(|it| it.message.as_str()).collect();
        return Err(broken(first.reason.as_str(), all.join("; ")));
    }
    let mapped: Vec<&str> = std::iter::once(run.spec.identifier.column_id.as_str())
        .chain(run.spec.pairs.iter().map(|pair| pair.column_id.as_str()))
        .chain(mark_column(&run.spec))
        .collect();
    run.checkpoint.columns = columns.into_iter().filter(|column| mapped.contains(&column.id.as_str())).collect();
    run.enter("READ", None).await
}

/// The column that the removal policy writes.
fn mark_column(spec: &MappingSpec) -> Option<&str> {
    match &spec.removal_policy.action {
        RemovalAction::Mark { column_id, .. } => Some(column_id),
        RemovalAction::Leave | RemovalAction::Delete => None,
    }
}

fn broken(reason: &'static str, message: String) -> Halt {
    let message = format!("{message}. Restore it in Asset Panda, or make a new mapping; the next sync looks again");
    let broken = format!("{reason}: {message}");
    Halt::Failed(Failure { reason, message, broken: Some(broken), credentials_refused: false })
}
