//! Applying a list of changes, with the progress of the sync, in one transaction under the fence.

use super::batches::batches;
use super::slice::{Progress, fenced};
use super::{Op, Slice, brake, intents, link_rows, record_rows, removal};
use crate::dialect::on_tx;
use crate::{Result, Store, Tx};

impl Store {
    /// Applies the changes and the progress together, or neither. Answers whether the sync is to be cancelled.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn commit(&self, slice: &Slice, ops: &[Op], progress: &Progress) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, slice.guard, progress).await?;
        apply(&mut tx, slice, ops).await?;
        tx.commit().await?;
        Ok(cancel)
    }
}

pub(super) async fn apply(tx: &mut Tx, slice: &Slice, ops: &[Op]) -> Result<()> {
    let is_dry = slice.guard.dry_run;
    let meant = ops.iter().filter(|op| !is_dry || matches!(op, Op::MoveLink { .. }) || !touches_more_than_the_sync(op));
    for batch in batches(meant) {
        match batch.as_slice() {
            [Op::MoveLink { from, to }] if is_dry => note_move(tx, slice, from, to).await?,
            batch => apply_batch(tx, slice, batch).await?,
        }
    }
    Ok(())
}

/// A dry run leaves the link where it is, and remembers that its record would be another device's.
async fn note_move(tx: &mut Tx, slice: &Slice, from: &str, to: &str) -> Result<()> {
    on_tx!(tx, conn => sqlx::query(
        "INSERT INTO dry_run_moves (sync_id, device_id, to_device_id, tenant) VALUES ($1, $2, $3, $4)
         ON CONFLICT (sync_id, device_id) DO NOTHING")
        .bind(slice.guard.sync_id).bind(from).bind(to).bind(&slice.row.tenant).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Rule 14: a dry run writes its records and nothing else.
fn touches_more_than_the_sync(op: &Op) -> bool {
    match op {
        Op::PutLink(_)
        | Op::KeepLink { .. }
        | Op::MoveLink { .. }
        | Op::ClearRecord { .. }
        | Op::DropLink { .. }
        | Op::Flag { .. }
        | Op::RefuseRemoval { .. }
        | Op::MarkDirty { .. }
        | Op::MarkClean { .. }
        | Op::RejectLink(_)
        | Op::PutIntent(_)
        | Op::DropIntent { .. }
        | Op::LookAgain { .. } => true,
        Op::Step { .. }
        | Op::Unsent { .. }
        | Op::Found { .. }
        | Op::Plan { .. }
        | Op::Note { .. }
        | Op::Done { .. }
        | Op::RejectUnchanged { .. }
        | Op::Drop { .. }
        | Op::Weigh { .. }
        | Op::Weighed { .. }
        | Op::HoldPart { .. }
        | Op::Conclude(_)
        | Op::Hold { .. } => false,
    }
}

/// Changes of one kind, as [`batches`] puts them together.
async fn apply_batch(tx: &mut Tx, slice: &Slice, batch: &[&Op]) -> Result<()> {
    let (mapping, sync) = (slice.row.mapping_id, slice.guard.sync_id);
    let Some(first) = batch.first() else { return Ok(()) };
    match first {
        Op::PutLink(_) => link_rows::put(tx, slice, batch).await,
        Op::KeepLink { .. } => link_rows::keep(tx, slice, batch).await,
        Op::MoveLink { from, to } => link_rows::move_to(tx, slice, from, to).await,
        Op::ClearRecord { .. } => link_rows::clear_record(tx, mapping, batch).await,
        Op::DropLink { .. } => link_rows::drop_links(tx, mapping, batch).await,
        Op::Flag { .. } => link_rows::flag(tx, mapping, batch).await,
        Op::MarkDirty { .. } => link_rows::mark_dirty(tx, slice, batch).await,
        Op::MarkClean { .. } => link_rows::mark_clean(tx, slice, batch).await,
        Op::RejectLink(_) => link_rows::reject(tx, slice, batch).await,
        Op::PutIntent(_) => intents::put(tx, slice, batch).await,
        Op::DropIntent { .. } => intents::drop(tx, mapping, batch).await,
        Op::LookAgain { .. } => intents::look_again(tx, mapping, batch).await,
        Op::Step { .. } => record_rows::step(tx, sync, batch).await,
        Op::Unsent { .. } => record_rows::unsent(tx, sync, batch).await,
        Op::Found { .. } => record_rows::found(tx, sync, batch).await,
        Op::Plan { .. } => record_rows::plan(tx, sync, batch).await,
        Op::Note { .. } => record_rows::note(tx, sync, batch).await,
        Op::Done { .. } => record_rows::done(tx, sync, batch).await,
        Op::RejectUnchanged { .. } => record_rows::reject_unchanged(tx, slice, batch).await,
        Op::Drop { .. } => record_rows::drop(tx, sync, batch).await,
        Op::Weigh { .. } => brake::weigh(tx, slice, batch).await,
        Op::Weighed { .. } => brake::step(tx, sync, batch).await,
        Op::HoldPart { .. } => record_rows::hold_part(tx, sync, batch).await,
        Op::Conclude(_) => removal::conclude(tx, slice, batch).await,
        Op::RefuseRemoval { .. } => removal::refuse(tx, mapping, batch).await,
        Op::Hold { .. } => record_rows::hold(tx, sync, batch).await,
    }
}
