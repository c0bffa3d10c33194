//! What is known of a device when it is decided on: its link, what a look-up found, records read by their ids.

use std::collections::HashMap;

use futures::StreamExt as _;
use pandaport_import::{Baseline, CellSpec, Forms, LinkedCase, record_values};
use pandaport_outbound::SendError;
use pandaport_store::engine::{Holder, UndecidedRow, flag};

use super::order::Orders;
use crate::halt::Halt;
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

/// A link passes on when its device lost its identifier to a rival in this sync, or is absent from a complete read; and
/// to one device only.
pub(super) fn may_be_taken_over(run: &Run, holder: &Holder, by: &str) -> bool {
    let is_free = holder.rejected || (!holder.present && run.checkpoint.incomplete.is_none());
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

pub(super) async fn read_record(run: &Run, cells: &[CellSpec], record_id: &str) -> Result<Option<Found>, SendError> {
    let record = run.asset_panda.record(&run.slice.row.collection_id, record_id).await?;
    run.note_answer();
    Ok(record.map(|it| Found { record_id: it.id, values: record_values(cells, &it.values) }))
}
