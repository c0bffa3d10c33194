//! What happens by the clock: due mappings get a sync, syncs that lost their job get a fresh one, this worker says that
//! it is alive, and what is kept for a time only is dropped. Each tick acts on stored state alone and may be repeated
//! or missed: it claims what it does in one transaction, so that any number of workers may tick.

use std::time::Duration;

use pandaport_queue::{Behind, QueueError};
use pandaport_store::syncs::Creation;
use pandaport_store::{mappings, requests, syncs, workers};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::Deps;

/// How often due mappings are looked for.
const SCHEDULE_EVERY: Duration = Duration::from_secs(1);
/// How often syncs that lost their job are looked for, and next syncs that a clock put off.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often a worker says that it is alive.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// How often old answers to mutating calls are dropped.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// Mappings or syncs handled in one tick.
const AT_ONCE: u32 = 100;

/// Ticks until `shutdown`.
pub(crate) async fn run(deps: Deps, shutdown: CancellationToken) {
    let from = |first: Duration, period: Duration| {
        let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + first, period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    };
    let (mut schedule, mut beat) = (from(Duration::ZERO, SCHEDULE_EVERY), from(Duration::ZERO, BEAT_EVERY));
    // Not at once: after a start, every sync that goes on has a job, but may not have had its slice yet.
    let (mut sweep, mut prune) = (from(SWEEP_EVERY, SWEEP_EVERY), from(PRUNE_EVERY, PRUNE_EVERY));
    loop {
        let (what, done) = tokio::select! {
            () = shutdown.cancelled() => break,
            _ = beat.tick() => ("heartbeat", workers::beat(&deps.store, &deps.worker_id, deps.now()).await.map_err(Into::into)),
            _ = schedule.tick() => ("schedule", start_due(&deps).await),
            _ = sweep.tick() => ("sweep", put_right(&deps).await),
            _ = prune.tick() => ("pruning", requests::prune(&deps.store, deps.now()).await.map(|_| ()).map_err(Into::into)),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the {what} failed; it is tried again at its next turn");
        }
    }
    if let Err(error) = workers::leave(&deps.store, &deps.worker_id).await {
        tracing::debug!(%error, "this worker could not say that it leaves");
    }
}

async fn start_due(deps: &Deps) -> Result<(), QueueError> {
    let now = deps.now();
    for due in mappings::due(&deps.store, now, AT_ONCE).await? {
        let mut tx = deps.store.begin_write().await?;
        let claimed = match mappings::claim_due(&mut tx, &due, now).await {
            // What can't be read of one mapping must not hold up the others.
            Err(error) if !error.is_unavailable() => {
                tracing::error!(mapping_id = %due.mapping_id, %error, "a mapping's schedule does not work");
                continue;
            }
            claimed => claimed?,
        };
        // One that is still running is not overtaken: its next turn is an interval later.
        if let Some(Creation::Created(sync)) = claimed {
            deps.queue.enqueue(&mut tx, &Behind::from(&sync)).await?;
            tracing::info!(sync_id = %sync.sync_id, mapping_id = %due.mapping_id, mode = %sync.mode, "scheduled sync queued");
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Once in a while, what something else put out of order: a clock, or a job that was lost.
async fn put_right(deps: &Deps) -> Result<(), QueueError> {
    let mut tx = deps.store.begin_write().await?;
    let moved = mappings::bring_forward(&mut tx, deps.now()).await?;
    tx.commit().await?;
    if moved > 0 {
        tracing::warn!(mappings = moved, "the clock went back: scheduled syncs that this put off are brought forward");
    }
    find_lost(deps).await
}

async fn find_lost(deps: &Deps) -> Result<(), QueueError> {
    let mut tx = deps.store.begin_write().await?;
    for sync in syncs::lost_syncs(&mut tx, deps.now(), AT_ONCE).await? {
        tracing::warn!(sync_id = %sync.sync_id, "no job is behind this sync any more: it gets a fresh one");
        deps.queue.enqueue_again(&mut tx, &Behind::from(&sync)).await?;
    }
    Ok(tx.commit().await?)
}

/// For a program that is alone on its database: forgets the jobs of the program before it, and puts a fresh one behind
/// each active sync, so that work goes on at once. The fence does the rest.
///
/// # Errors
/// When the database does not answer.
pub async fn resume_active(
    store: &pandaport_store::Store,
    queue: &pandaport_queue::Queue,
) -> Result<usize, QueueError> {
    let mut tx = store.begin_write().await?;
    queue.start_over(&mut tx).await?;
    let active = syncs::all_active(&mut tx).await?;
    for sync in &active {
        queue.enqueue(&mut tx, &Behind::from(sync)).await?;
    }
    tx.commit().await?;
    Ok(active.len())
}
