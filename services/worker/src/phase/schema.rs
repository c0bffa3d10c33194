//! SCHEMA: the collection's columns are read and held against the mapping, and against the columns as they were when it was
//! saved, before anything is written (rule 15). A column that is gone or has another type breaks the mapping; one that has
//! another name is noted.
//!
//! What is refused later may be refused because a column went in mid-run: the columns are then looked at again.

use pandaport_import::{CheckReason, Column, Finding, MappingSpec, check, moved, renamed};
use pandaport_outbound::ErrorKind;
use pandaport_upstream::import_columns;

use crate::halt::{Api, Failure, Halt};
use crate::plan::{json, parse};
use crate::run::Run;

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    let before = columns_before(run)?;
    let columns = fit_columns(run, before.as_deref()).await?;
    let written: Vec<&str> = run.spec.columns_written().collect();
    run.checkpoint.columns = columns.into_iter().filter(|column| written.contains(&column.id.as_str())).collect();
    if !run.slice.guard.dry_run {
        note(run, before.as_deref()).await?;
    }
    run.enter("READ", None).await
}

/// Asset Panda refused a device's values, or a search for it. An error says that the columns are the reason: then it is not
/// the device's, which stays as it was.
///
/// The columns are read again at the first refusal of a slice, the second, the fourth, and so on: a fleet full of bad rows
/// costs few calls, and of the rows that a missing column spoils, few are taken for bad.
pub(crate) async fn refused(run: &Run) -> Result<(), Halt> {
    if !run.refusals.wants_a_look() {
        return Ok(());
    }
    let before = columns_before(run)?;
    let looked = fit_columns(run, Some(before.as_deref().unwrap_or(&run.checkpoint.columns))).await;
    run.refusals.looked(looked.is_ok());
    looked.map(|_| ())
}

/// The mapped columns as they were when the mapping was saved, if they were kept then.
fn columns_before(run: &Run) -> Result<Option<Vec<Column>>, Halt> {
    run.slice.row.columns.as_deref().map(|it| parse("columns", it)).transpose()
}

/// The collection's columns as they are, if the mapping may write into them.
async fn fit_columns(run: &Run, before: Option<&[Column]>) -> Result<Vec<Column>, Halt> {
    let collection_id = &run.slice.row.collection_id;
    let columns = match run.asset_panda.columns(collection_id).await {
        Ok(columns) => import_columns(columns),
        Err(error) if error.kind == ErrorKind::NotFound => {
            return Err(broken("COLUMN_UNKNOWN", format!("Asset Panda has no collection {collection_id} any more")));
        }
        Err(error) => return Err(Halt::from_needed_call(Api::AssetPanda, &error)),
    };
    let unfit = unfit(&run.spec, before, &columns);
    let Some(first) = unfit.first() else { return Ok(columns) };
    let all: Vec<&str> = unfit.iter().map(|it| it.message.as_str()).collect();
    Err(broken(first.reason.as_str(), all.join("; ")))
}

/// Why the mapping may not write. What moved since it was saved is said in the words of then.
fn unfit(spec: &MappingSpec, before: Option<&[Column]>, now: &[Column]) -> Vec<Finding> {
    let mut found = before.map_or_else(Vec::new, |before| moved(spec, before, now));
    for violation in check(spec, now).violations {
        if found.iter().all(|it| it.field != violation.field) {
            found.push(violation);
        }
    }
    found
}

/// What is noted of the mapping.
pub(super) fn notes_of(run: &Run) -> Result<Vec<Finding>, Halt> {
    parse("notes", &run.slice.row.notes)
}

/// Keeps what was renamed with the mapping; and the columns themselves, if it was saved before they were kept.
async fn note(run: &mut Run, before: Option<&[Column]>) -> Result<(), Halt> {
    let now = &run.checkpoint.columns;
    let mut notes = renamed(&run.spec, before.unwrap_or(now), now);
    // READ looks after these.
    notes.extend(notes_of(run)?.into_iter().filter(|it| it.reason == CheckReason::UsersUnread));
    let notes = json(&notes);
    if before.is_none() || notes != run.slice.row.notes {
        let learnt = before.is_none().then(|| json(now));
        run.store.note_schema(&run.slice, &notes, learnt.as_deref()).await?;
        run.slice.row.notes = notes;
    }
    Ok(())
}

fn broken(reason: &'static str, message: String) -> Halt {
    let message = format!(
        "{message}. Nothing is written until that is put right: in Asset Panda, where the next sync looks again, or in the \
         mapping, by UpdateMapping"
    );
    let broken = format!("{reason}: {message}");
    Halt::Failed(Failure { reason, message, broken: Some(broken), credentials_refused: false })
}
