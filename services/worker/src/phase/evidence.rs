//! What is known of a device when it is decided on: its link, what a look-up found, records read by their ids.

use std::collections::HashMap;

use futures::StreamExt as _;
use pandaport_import::{Baseline, CellSpec, Forms, LinkedCase, record_values};
use pandaport_outbound::{ErrorKind, SendError};
use pandaport_store::engine::{Holder, UndecidedRow, flag};

use super::order::Orders;
use crate::halt::{Api, Halt};
use crate::plan::{Found, FoundSet, parse};
use crate::run::Run;

/// The link a device has or takes over.
pub(super) struct OwnLink {
    pub(super) record_id: String,
    pub(super) baseline: Baseline,
    pub(super) forms: Forms,
    pub(super) dirty: bool,
    /// The removal policy has marked the record.
    pub(super) marked: bool,
}

impl OwnLink {
    pub(super) fn of(row: &UndecidedRow, orders: &Orders, cells: &[CellSpec]) -> Result<Option<Self>, Halt> {
        let (Some(record_id), Some(values), Some(forms), Some(revision)) =
            (&row.record_id, &row.cells, &row.forms, row.revision)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            record_id: record_id.clone(),
            baseline: orders.align(revision, cells, parse("link", values)?),
            forms: parse("link", forms)?,
            dirty: row.flags & flag::DIRTY != 0,
            marked: row.flags & (flag::MARKED | flag::MARKING) != 0,
        }))
    }

    pub(super) fn case(&self) -> LinkedCase<'_> {
        LinkedCase { record_id: &self.record_id, baseline: &self.baseline, forms: &self.forms, dirty: self.dirty }
    }
}

/// What the look-up of its identifier found.
pub(super) fn found_of(row: &UndecidedRow) -> Result<FoundSet, Halt> {
    row.found.as_deref().map_or(Ok(FoundSet::default()), |text| parse("look-up", text))
}

/// A link passes on when its device lost its identifier to a rival in this sync, is absent from a complete read, or is left
/// out by the filter because Kandji lists it as removed; and to one device only.
pub(super) fn may_be_taken_over(run: &Run, holder: &Holder, by: &str) -> bool {
    let is_free = holder.rejected || holder.out_as_removed || (!holder.present && run.knows_who_is_absent());
    is_free && holder.moved_to.as_deref().is_none_or(|to| to == by)
}

/// Reads records by their ids, several at once.
pub(super) async fn read_records(
    run: &Run,
    cells: &[CellSpec],
    record_ids: Vec<String>,
) -> HashMap<String, Result<Option<Found>, SendError>> {
    let reads = record_ids.into_iter().map(|id| async move {
        let record = read_record(run, cells, &id).await;
        (id, record)
    });
    futures::stream::iter(reads).buffer_unordered(super::batch::IN_FLIGHT).collect().await
}

/// Asks again for what Asset Panda did not tell of one thing, a record or an identifier. Where it answers otherwise, and does
/// not answer this, it is that thing which is the matter, and it must not stop all others (rule 5): `Err` with what it said.
pub(super) async fn ask_again<T>(
    run: &Run,
    error: SendError,
    ask: impl AsyncFnOnce() -> Result<T, SendError>,
) -> Result<Result<T, String>, Halt> {
    let is_answer = |it: &SendError| matches!(it.kind, ErrorKind::Forbidden | ErrorKind::NotFound | ErrorKind::Refused);
    if !is_answer(&error) && !is_broken(&error) {
        return Err(Halt::from_call(Api::AssetPanda, &error));
    }
    if run.asset_panda.columns(&run.slice.row.collection_id).await.is_err() {
        return Err(Halt::from_call(Api::AssetPanda, &error));
    }
    if is_answer(&error) {
        return Ok(Err(error.to_string()));
    }
    match ask().await {
        Ok(it) => Ok(Ok(it)),
        Err(error) if is_answer(&error) || is_broken(&error) => Ok(Err(error.to_string())),
        Err(error) => Err(Halt::from_call(Api::AssetPanda, &error)),
    }
}

/// A refusal, with why the record that it was about could not be looked at.
pub(super) fn and_unread(refusal: &str, record_id: &str, said: &str) -> String {
    format!("{refusal}; and record {record_id} can't be read: {said}")
}

/// Whether an answer came that is none.
pub(super) fn is_broken(error: &SendError) -> bool {
    use ErrorKind::{BodyTooLarge, NotJson, ServerError, Unreadable};
    matches!(error.kind, ServerError | NotJson | Unreadable | BodyTooLarge)
}

/// A record, or why it can't be read while all else can.
pub(super) async fn record_or_why_not(
    run: &Run,
    record_id: &str,
) -> Result<Result<Option<pandaport_asset_panda::Record>, String>, Halt> {
    let ask = async || run.asset_panda.record(&run.slice.row.collection_id, record_id).await;
    match ask().await {
        Ok(record) => Ok(Ok(record)),
        Err(error) => ask_again(run, error, ask).await,
    }
}

pub(super) async fn read_record(run: &Run, cells: &[CellSpec], record_id: &str) -> Result<Option<Found>, SendError> {
    let record = run.asset_panda.record(&run.slice.row.collection_id, record_id).await?;
    run.note_answer();
    Ok(record.map(|it| Found { record_id: it.id, values: record_values(cells, &it.values) }))
}
