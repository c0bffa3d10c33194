//! REMOVE: what the removal policy asks and the brake lets through, in full batches, several in flight (rule 10). A removal
//! is marked before it leaves, and confirmed with its link, record and counter in one transaction. A mark changes nothing
//! twice, and a record that is gone stays gone: what was sent and not confirmed goes again.

use std::collections::BTreeMap;

use pandaport_asset_panda::{Batch, RecordChange, ScopedClient};
use pandaport_import::RemovalAction;
use pandaport_outbound::{Effect, ErrorKind, SendError};
use pandaport_store::engine::{CountDeltas, ItemStep, Op, RemovalRow, flag};
use tokio::task::JoinSet;

use super::apply::keep_first;
use super::batch::{IN_FLIGHT, ROWS};
use super::removal;
use super::removed::{Removed, Sent, item};
use crate::halt::{Api, Halt};
use crate::run::Run;

/// Removals of a dry run that are told in one transaction.
const TOLD_AT_ONCE: usize = 200;

const LEFT: &str = "the device is gone; its record was there before the import and is left as it is: the removal policy deletes \
                    only records that the import created";

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    let Some(due) = removal::due(run) else { return Ok(()) };
    if due.created_only && !run.checkpoint.fleet_is_empty {
        let progress = run.progress(CountDeltas::default());
        if run.store.leave_adopted(&run.slice, &due, LEFT, &progress).await? {
            return Err(Halt::Cancelled);
        }
    }
    if run.slice.guard.dry_run { tell(run).await } else { send(run).await }
}

/// Rule 14: the records say what would happen.
async fn tell(run: &mut Run) -> Result<(), Halt> {
    loop {
        let rows = run.store.next_removals(&run.slice, TOLD_AT_ONCE).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut removed = Removed::new(run);
        for row in &rows {
            removed.done(row, None);
        }
        let (ops, counts, _) = removed.into_parts();
        run.commit(&ops, counts).await?;
    }
}

async fn send(run: &mut Run) -> Result<(), Halt> {
    let left = run.store.removals_left(run.slice.guard).await?;
    if left == 0 {
        return Ok(());
    }
    run.enter("REMOVE", Some(u64::try_from(left).unwrap_or(0).div_ceil(ROWS as u64))).await?;
    let action = run.spec.removal_policy.action.clone();
    let mut sending: JoinSet<Sent> = JoinSet::new();
    let mut stopped: Option<Halt> = None;
    loop {
        let (mut ops, counts, halt) = answers(run, &mut sending).await?;
        if stopped.is_none() {
            stopped = halt.or_else(|| (!run.may_go_on()).then_some(Halt::TimeUp));
        }
        let next = if stopped.is_none() {
            next_batches(run, IN_FLIGHT.saturating_sub(sending.len())).await?
        } else {
            Vec::new()
        };
        if ops.is_empty() && next.is_empty() && sending.is_empty() {
            return stopped.map_or(Ok(()), Err);
        }
        let sent = |row: &RemovalRow| Op::Weighed { item: item(&row.device_id), step: ItemStep::Sent, attempts: 1 };
        ops.extend(next.iter().flatten().map(sent));
        // Whatever ends the sync before it is confirmed: should the device come back, this is remembered in its link.
        let doubt = if action == RemovalAction::Delete { flag::DIRTY } else { flag::MARKING };
        let doubted = |row: &RemovalRow| Op::Flag { device_id: row.device_id.clone(), set: doubt, clear: 0 };
        ops.extend(next.iter().flatten().map(doubted));
        if let Err(halt) = run.commit(&ops, counts).await {
            // Marked as sent, and not sent: the next slice sends them.
            keep_first(&mut stopped, halt)?;
            continue;
        }
        for rows in next {
            let (asset_panda, action) = (run.asset_panda.clone(), action.clone());
            let collection_id = run.slice.row.collection_id.clone();
            sending.spawn(async move { send_batch(&asset_panda, &collection_id, &action, rows).await });
        }
    }
}

/// What the answers that are there mean; waits for one if any is to come.
async fn answers(run: &Run, sending: &mut JoinSet<Sent>) -> Result<(Vec<Op>, CountDeltas, Option<Halt>), Halt> {
    let mut removed = Removed::new(run);
    let mut next = sending.join_next().await;
    while let Some(sent) = next {
        let sent = sent.map_err(|error| Halt::Outage { api: Api::AssetPanda, message: error.to_string() })?;
        removed.batch(sent).await;
        next = sending.try_join_next();
    }
    Ok(removed.into_parts())
}

/// Rows that went twice without a usable answer, or whose batch was refused, go alone.
async fn next_batches(run: &Run, batches: usize) -> Result<Vec<Vec<RemovalRow>>, Halt> {
    let rows = run.store.next_removals(&run.slice, batches * ROWS).await?;
    let (alone, together): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.attempts >= 2);
    let mut out: Vec<Vec<RemovalRow>> = together.chunks(ROWS).map(<[_]>::to_vec).collect();
    out.extend(alone.into_iter().map(|row| vec![row]));
    out.truncate(batches);
    Ok(out)
}

async fn send_batch(
    asset_panda: &ScopedClient,
    collection_id: &str,
    action: &RemovalAction,
    rows: Vec<RemovalRow>,
) -> Sent {
    let unsendable =
        |error: &dyn std::fmt::Display| SendError::new(ErrorKind::Refused, Effect::NotSent, error.to_string());
    let ids = rows.iter().map(|row| row.record_id.clone());
    let result = match action {
        RemovalAction::Mark { column_id, value, .. } => {
            let values = BTreeMap::from([(column_id.clone(), value.clone())]);
            match Batch::new(ids.map(|record_id| RecordChange { record_id, values: values.clone() }).collect()) {
                Ok(rows) => asset_panda.update(collection_id, &rows).await,
                Err(error) => Err(unsendable(&error)),
            }
        }
        RemovalAction::Delete => match Batch::new(ids.collect()) {
            Ok(ids) => asset_panda.delete(collection_id, &ids).await,
            Err(error) => Err(unsendable(&error)),
        },
        RemovalAction::Leave => Err(unsendable(&"nothing is to be done")),
    };
    Sent { rows, result }
}
