//! What happens by the clock: due mappings get a sync, syncs that lost their job get a fresh one, this worker says that
//! it is alive, and what is kept for a time only is dropped. Each tick acts on stored state alone and may be repeated
//! or missed: it claims what it does in one transaction, so that any number of workers may tick.

use std::future::Future;
use std::time::{Duration, Instant};

use pandaport_queue::{Behind, QueueError};
use pandaport_store::syncs::{Creation, Horizon, JOB_GRACE};
use pandaport_store::{Micros, continuity, mappings, requests, syncs, tenant_slots, workers};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::slice::NEXT_SLICE_MARGIN;
use crate::{Clock, Deps};

/// How often due mappings are looked for.
const SCHEDULE_EVERY: Duration = Duration::from_secs(1);
/// How often syncs that lost their job are looked for, and next syncs that a clock put off.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often a worker says that it is alive.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// How often some worker looks for next syncs that a clock put off. A little less than each of them looks.
const UPKEEP_EVERY: Duration = Duration::from_secs(55);
/// How often old answers to mutating calls are dropped.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// How long a tick may take, besides one wait for the database: one that hangs must not hold up the next.
const TICK: Duration = Duration::from_secs(20);
/// Mappings that are looked at in one transaction for whether a clock put them off.
const LOOKED_AT: u32 = 500;
/// Mappings or syncs handled in one tick.
const AT_ONCE: u32 = 100;
/// A wall clock that has lost more than this was set back. Less does no harm.
const SET_BACK: Duration = Duration::from_secs(60);
/// No slice is put off for longer than this, unless its settings say so or it waits for a budget: pauses of an outage are
/// of five minutes at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How much later than that a slice may still be expected: the clocks of two workers differ, and so may their settings.
const LEEWAY: Duration = Duration::from_secs(300);

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
    let mut wall_clock = WallClock::watched(&*deps.clock);
    loop {
        let (what, done) = tokio::select! {
            () = shutdown.cancelled() => break,
            _ = beat.tick() => ("heartbeat", in_time(&deps, beat_now(&deps)).await),
            _ = schedule.tick() => ("schedule", in_time(&deps, start_due(&deps)).await),
            _ = sweep.tick() => ("sweep", in_time(&deps, put_right(&deps, &mut wall_clock)).await),
            _ = prune.tick() => ("pruning", in_time(&deps, drop_old_answers(&deps)).await),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the {what} failed; it is tried again at its next turn");
        }
    }
    let leave = async { Ok::<_, QueueError>(workers::leave(&deps.store, &deps.worker_id).await?) };
    if let Err(error) = in_time(&deps, leave).await {
        tracing::debug!(%error, "this worker could not say that it leaves");
    }
}

async fn in_time(deps: &Deps, tick: impl Future<Output = Result<(), QueueError>>) -> Result<(), QueueError> {
    deps.store.in_time(TICK, tick).await
}

/// This worker is alive, and so the work goes on. Said before its first slice, too.
pub(crate) async fn beat_now(deps: &Deps) -> Result<(), QueueError> {
    continuity::beat(&deps.store).await?;
    Ok(workers::beat(&deps.store, &deps.worker_id, deps.now()).await?)
}

async fn drop_old_answers(deps: &Deps) -> Result<(), QueueError> {
    requests::prune(&deps.store, deps.now()).await?;
    Ok(())
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
pub(crate) async fn put_right(deps: &Deps, wall_clock: &mut WallClock) -> Result<(), QueueError> {
    let went_back = wall_clock.went_back(&*deps.clock);
    let horizon = if went_back {
        tracing::warn!("the clock was set back: every sync that waits for a time is looked at again");
        at_work(deps)
    } else {
        horizon(deps)
    };
    find_lost(deps, horizon).await?;
    // That walks over all mappings: one worker does it for all of them.
    if went_back || continuity::claim_upkeep(&deps.store, UPKEEP_EVERY).await? {
        bring_forward(deps).await?;
    }
    Ok(())
}

async fn bring_forward(deps: &Deps) -> Result<(), QueueError> {
    let (mut moved, mut place) = (0, Some(mappings::FIRST));
    while let Some(after) = place {
        let mut tx = deps.store.begin_write().await?;
        let brought = mappings::bring_forward(&mut tx, after, LOOKED_AT, deps.now()).await?;
        tx.commit().await?;
        moved += brought.moved;
        place = brought.goes_on_after;
    }
    if moved > 0 {
        tracing::warn!(mappings = moved, "the clock went back: scheduled syncs that this put off are brought forward");
    }
    Ok(())
}

async fn find_lost(deps: &Deps, horizon: Horizon) -> Result<(), QueueError> {
    let now = deps.now();
    loop {
        let mut tx = deps.store.begin_write().await?;
        let lost = syncs::lost_syncs(&mut tx, now, horizon, AT_ONCE).await?;
        for sync in &lost {
            if deps.queue.enqueue_again(&mut tx, &Behind::from(sync), horizon.other).await? {
                tracing::warn!(sync_id = %sync.sync_id, "no job is behind this sync any more: it gets a fresh one");
            }
        }
        tx.commit().await?;
        if lost.len() < AT_ONCE as usize {
            return Ok(());
        }
    }
}

/// How far ahead a slice may lie that a clock like ours has put off. An API may ask for more than its longest window: then
/// the budget is asked in vain now and then, and that costs no call.
fn horizon(deps: &Deps) -> Horizon {
    let settings = &deps.settings;
    let settle = settings.settle.iter().max().copied().unwrap_or_default() + settings.http_timeout;
    let other = at_work(deps).other.max(settle).max(LONGEST_PAUSE) + LEEWAY;
    let budgets = deps.upstream.budgets();
    let windows = budgets.kandji.iter().chain(&budgets.asset_panda).map(|limit| limit.window);
    Horizon { budget: other.max(windows.max().unwrap_or_default() + LEEWAY), other }
}

/// How far ahead it lies of a sync that is being worked, or waits for a slot.
fn at_work(deps: &Deps) -> Horizon {
    let other = JOB_GRACE.max(deps.job_timeout() + NEXT_SLICE_MARGIN);
    Horizon { budget: other, other }
}

/// The wall clock, watched by one that never steps.
pub(crate) struct WallClock {
    wall: Micros,
    monotonic: Instant,
}

impl WallClock {
    pub(crate) fn watched(clock: &dyn Clock) -> Self {
        Self { wall: clock.now().into(), monotonic: clock.monotonic() }
    }

    /// Whether it was set back since it was last looked at.
    fn went_back(&mut self, clock: &dyn Clock) -> bool {
        let now = Self::watched(clock);
        let expected = self.wall.plus(now.monotonic.saturating_duration_since(self.monotonic));
        *self = now;
        expected.since(self.wall) > SET_BACK
    }
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
    tenant_slots::clear(&mut tx).await?;
    let active = syncs::all_active(&mut tx).await?;
    for sync in &active {
        queue.enqueue(&mut tx, &Behind::from(sync)).await?;
    }
    tx.commit().await?;
    Ok(active.len())
}
