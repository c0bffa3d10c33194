//! Applying a list of changes, with the progress of the sync, in one transaction under the fence.

use super::slice::{Guard, Progress, fenced};
use super::{Op, Slice, brake, link_rows, record_rows, removal};
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
    for op in ops {
        match op {
            Op::MoveLink { from, to } if slice.guard.dry_run => note_move(tx, slice, from, to).await?,
            op if slice.guard.dry_run && touches_more_than_the_sync(op) => {}
            op => apply_one(tx, slice, slice.guard, op).await?,
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

async fn apply_one(tx: &mut Tx, slice: &Slice, guard: Guard, op: &Op) -> Result<()> {
    let row = &slice.row;
    match op {
        Op::PutLink(link) => link_rows::put(tx, slice, link).await,
        Op::KeepLink { device_id, fingerprint, cells, forms, passenger_time } => {
            let keep = link_rows::Keep {
                fingerprint,
                cells: cells.as_deref(),
                forms: forms.as_deref(),
                passenger_time: *passenger_time,
            };
            link_rows::keep(tx, slice, device_id, &keep).await
        }
        Op::MoveLink { from, to } => link_rows::move_to(tx, slice, from, to).await,
        Op::ClearRecord { device_id } => link_rows::clear_record(tx, row.mapping_id, device_id).await,
        Op::DropLink { device_id } => link_rows::drop_link(tx, row.mapping_id, device_id).await,
        Op::Flag { device_id, set, clear } => link_rows::flag(tx, row.mapping_id, device_id, *set, *clear).await,
        Op::MarkDirty { device_id, cells } => link_rows::mark_dirty(tx, slice, device_id, cells).await,
        Op::MarkClean { device_id, cells } => link_rows::mark_clean(tx, slice, device_id, cells).await,
        Op::RejectLink(rejection) => link_rows::reject(tx, slice, rejection).await,
        Op::PutIntent(intent) => super::intents::put(tx, slice, intent).await,
        Op::DropIntent { device_id } => super::intents::drop(tx, row.mapping_id, device_id).await,
        Op::LookAgain { device_id, looks, next_look_time, applied } => {
            super::intents::look_again(tx, row.mapping_id, device_id, *looks, *next_look_time, *applied).await
        }
        Op::Step { device_id, step } => record_rows::step(tx, guard.sync_id, device_id, *step).await,
        Op::Unsent { device_id, step } => record_rows::unsent(tx, guard.sync_id, device_id, *step).await,
        Op::Found { device_id, found } => record_rows::found(tx, guard.sync_id, device_id, found).await,
        Op::Plan { device_id, step, plan, changes, record_id } => {
            record_rows::plan(tx, guard.sync_id, device_id, *step, plan, changes, record_id.as_deref()).await
        }
        Op::Note { device_id, reason, message } => {
            record_rows::note(tx, guard.sync_id, device_id, reason, message).await
        }
        Op::Done { device_id, outcome, reason, message, record_id, changes } => {
            let done = record_rows::Done {
                outcome,
                reason: *reason,
                message: message.as_deref(),
                record_id: record_id.as_deref(),
                changes: changes.as_deref(),
            };
            record_rows::done(tx, guard.sync_id, device_id, &done).await
        }
        Op::RejectUnchanged { device_id, reason, message } => {
            record_rows::reject_unchanged(tx, slice, device_id, reason, message).await
        }
        Op::Drop { device_id } => record_rows::drop(tx, guard.sync_id, device_id).await,
        Op::Weigh { item, record_id } => brake::weigh(tx, slice, item, record_id.as_deref()).await,
        Op::Weighed { item, step, attempts } => brake::step(tx, guard, item, *step, *attempts).await,
        Op::HoldPart { device_id, plan, changes, message } => {
            record_rows::hold_part(tx, guard.sync_id, device_id, plan.as_deref(), changes, message).await
        }
        Op::Conclude(conclusion) => removal::conclude(tx, slice, conclusion).await,
        Op::RefuseRemoval { device_id, reason, message, time } => {
            removal::refuse(tx, row.mapping_id, device_id, reason, message, *time).await
        }
        Op::Hold { device_id, message } => record_rows::hold(tx, guard.sync_id, device_id, message).await,
    }
}
