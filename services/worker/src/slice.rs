//! One slice of a sync: taken under a new fence, worked for its time, put down again.

use std::sync::Arc;
use std::time::Duration;

use pandaport_import::{MappingSpec, Mode};
use pandaport_queue::{JobContext, SliceEnd, SyncJob};
use pandaport_store::engine::{CountDeltas, Ending, Slice, Step, Wait};
use pandaport_store::{Micros, StoreError, SyncId, connections};
use pandaport_upstream::OpenError;

use crate::Deps;
use crate::deadline::Deadline;
use crate::halt::{Failure, Halt, outage_pause};
use crate::phase::{apply, brake, decide, plan_of, read, remove, resolve, schema, settle};
use crate::plan::parse;
use crate::run::{Refusals, Run};

/// How long before a sync without a job gets a fresh one, over the time its job may take.
pub(crate) const NEXT_SLICE_MARGIN: Duration = Duration::from_secs(30);
/// Turns through the phases in which nothing changed, before the sync gives up rather than go round for ever.
const TURNS_WITHOUT_PROGRESS: u32 = 5;
/// The pause after the database failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Works one slice. Every known failure is turned into a pause or an end of the sync: the job never fails.
pub(crate) async fn work(deps: &Deps, job: SyncJob, context: JobContext) -> SliceEnd {
    let now: Micros = deps.clock.now().into();
    let next_slice_time = now.plus(deps.job_timeout() + NEXT_SLICE_MARGIN);
    let slice = match deps.store.begin_slice(job.sync_id, now, next_slice_time).await {
        Ok(Some(slice)) => slice,
        Ok(None) => return SliceEnd::Done,
        Err(error) => return store_failed(job.sync_id, &error),
    };
    tracing::debug!(fence = slice.guard.fence, phase = slice.row.phase, "slice begins");
    let deadline =
        Arc::new(Deadline::new(Arc::clone(&deps.clock), context.stop, deps.settings.slice, deps.settings.http_timeout));
    let mut run = match open(deps, slice.clone(), deadline).await {
        Ok(run) => run,
        Err(halt) => return put_down_unopened(deps, &slice, halt).await,
    };
    let ended = phases(&mut run).await;
    let end = match ended {
        Ok(()) => finish(deps, &mut run).await,
        Err(halt) => put_down(deps, &mut run, halt).await,
    };
    run.clients.release().await;
    end
}

/// The sync's connection, opened, and its mapping, read.
async fn open(deps: &Deps, slice: Slice, deadline: Arc<Deadline>) -> Result<Run, Halt> {
    let row = &slice.row;
    let guard: Arc<dyn pandaport_upstream::Guard> = deadline.clone();
    let clients =
        deps.upstream.open(&row.tenant, row.connection_id.0, Some(guard)).await.map_err(|error| match error {
            OpenError::Store(error) => Halt::from(error),
            other => Halt::failed("CONNECTION_NOT_VERIFIED", other.to_string()),
        })?;
    let asset_panda = clients.scoped().map_err(|error| Halt::failed("MODULE_NOT_CHOSEN", error.to_string()))?.clone();
    let spec: MappingSpec = parse("mapping", &row.spec)?;
    Ok(Run {
        store: deps.store.clone(),
        clock: Arc::clone(&deps.clock),
        deadline,
        mode: if row.mode == "FULL" { Mode::Full } else { Mode::Incremental },
        as_of: row.plan_start_time.unwrap_or(row.start_time),
        checkpoint: parse("checkpoint", &row.checkpoint)?,
        clients,
        asset_panda,
        spec,
        http_timeout: deps.settings.http_timeout,
        settle: deps.settings.settle.clone(),
        passenger_cap: deps.settings.passenger_cap,
        got_on: false,
        answered: false.into(),
        refusals: Refusals::default(),
        slice,
    })
}

/// The phases from where the sync stands. Returns once nothing is left to do.
async fn phases(run: &mut Run) -> Result<(), Halt> {
    if run.slice.row.cancel_request_time.is_some() {
        return Err(Halt::Cancelled);
    }
    if run.slice.row.phase == "SCHEMA" {
        run.wait_for_who_was_here_before().await?;
        schema::run(run).await?;
    }
    if run.slice.row.phase == "READ" {
        read::run(run).await?;
    }
    if run.slice.guard.dry_run {
        return plan_of::plan_all(run).await;
    }
    plan_of::agree(run).await?;
    let (mut left_before, mut same) = (Vec::new(), 0);
    loop {
        settle::run(run).await?;
        resolve::run(run).await?;
        decide::run(run).await?;
        brake::run(run).await?;
        let mut left = run.store.step_counts(&run.slice).await?;
        // What the brake let through is decided on before anything is sent: rows go in full batches. Where that does not get
        // on, what can be sent is not kept waiting (rule 5).
        let undecided = stands_at(&left, Step::LookUp) || stands_at(&left, Step::Decide);
        if !undecided || same > 0 {
            apply::run(run).await?;
            left = run.store.step_counts(&run.slice).await?;
        }
        if left.iter().all(|(step, _)| *step == Step::Unclear as i64) {
            if !stands_at(&left, Step::Unclear) {
                return remove::run(run).await;
            }
            run.wait_for_next_look().await?;
        }
        same = if left == left_before { same + 1 } else { 0 };
        if same == TURNS_WITHOUT_PROGRESS {
            let message = format!(
                "{} devices could not be brought to an end: Asset Panda's answers about them contradict each other",
                left.iter().map(|it| it.1).sum::<i64>()
            );
            return Err(Halt::failed("NO_PROGRESS", message));
        }
        left_before = left;
    }
}

fn stands_at(counts: &[(i64, i64)], step: Step) -> bool {
    counts.iter().any(|(at, count)| *at == step as i64 && *count > 0)
}

/// Everything is done.
async fn finish(deps: &Deps, run: &mut Run) -> SliceEnd {
    let now = run.now();
    let kept = async {
        if !run.slice.guard.dry_run {
            run.enter("REMOVE", Some(0)).await?;
        }
        let sync = pandaport_store::syncs::get(&run.store, &run.slice.row.tenant, run.slice.guard.sync_id).await?;
        let rejections = sync.counts.rejected + sync.counts.still_rejected > 0;
        // A dry run tells of its own plan alone.
        let knows_removals = run.slice.guard.dry_run || run.knows_who_is_absent();
        let ending = Ending {
            state: match (run.store.holds(run.slice.guard, knows_removals).await?, rejections) {
                (true, _) => "HELD",
                (false, true) => "COMPLETED_WITH_REJECTIONS",
                (false, false) => "SUCCEEDED",
            },
            error: left_undone(run),
            complete: true,
            read_complete: run.checkpoint.incomplete.is_none(),
            weighed: true,
            broken: None,
        };
        // Before the sync's end is there to be seen: who sees it may look at the connection next.
        connection_works(deps, &run.slice, now).await;
        run.store.finish_sync(run.slice.guard, &run.progress(CountDeltas::default()), &ending, now).await?;
        Ok::<_, Halt>(ending.state)
    }
    .await;
    match kept {
        Ok(state) => {
            tracing::info!(state, "sync ended");
            deps.metrics.sync_ended(state);
            SliceEnd::Done
        }
        Err(halt) => put_down(deps, run, halt).await,
    }
}

/// What a sync that came to its end could not do.
fn left_undone(run: &Run) -> Option<(String, String)> {
    if run.checkpoint.held_moved {
        let message =
            "what is held is more than, or other than, what was approved: look at it, and approve it as it is now";
        return Some(("HELD_MOVED".to_owned(), message.to_owned()));
    }
    run.checkpoint.incomplete.clone().map(|why| ("READ_INCOMPLETE".to_owned(), why))
}

/// Puts the sync down for what stopped it.
async fn put_down(deps: &Deps, run: &mut Run, halt: Halt) -> SliceEnd {
    let progress = run.progress(CountDeltas::default());
    let guard = run.slice.guard;
    let now = run.now();
    let wait = match halt {
        Halt::TimeUp => {
            return match run.store.checkpoint(guard, &progress).await {
                Ok(_) => SliceEnd::Again(Duration::ZERO),
                Err(error) => lost_or_failed(deps, guard.sync_id, &error),
            };
        }
        Halt::FenceLost => return fence_lost(deps),
        Halt::Store(error) => return store_halted(deps, &run.slice, error, now).await,
        Halt::Cancelled => return end(deps, &run.slice, progress, cancelled(), now).await,
        Halt::Failed(failure) => {
            if failure.credentials_refused {
                connection_refused(deps, &run.slice, &failure, now).await;
            }
            return end(deps, &run.slice, progress, failed(failure), now).await;
        }
        Halt::Budget { api, after } => Wait {
            reason: "BUDGET",
            message: format!("no calls to {} are allowed for now", api.name()),
            until: now.plus(after),
            outage: None,
        },
        Halt::Settle { until, message } => Wait { reason: "SETTLE", message: message.to_owned(), until, outage: None },
        Halt::Outage { api, message } => {
            let row = &run.slice.row;
            let (since, pauses) = match (run.has_answered(), row.outage_since) {
                (false, Some(since)) => (since, row.outage_pauses),
                _ => (now, 0),
            };
            if now.since(since) >= deps.settings.outage_limit {
                let message = format!("{} has been out since {since}: {message}", api.name());
                let failure = Failure { reason: "HOST_UNREACHABLE", message, broken: None, credentials_refused: false };
                return end(deps, &run.slice, progress, failed(failure), now).await;
            }
            tracing::warn!(api = api.name(), message, "an API is out: the sync waits");
            Wait {
                reason: "OUTAGE",
                message: format!("{} is out: {message}", api.name()),
                until: now.plus(outage_pause(pauses)),
                outage: Some((since, pauses + 1)),
            }
        }
    };
    let next_slice_time = wait.until.plus(NEXT_SLICE_MARGIN);
    match run.store.pause_sync(guard, &progress, &wait, next_slice_time, now).await {
        // Asked for while the slice was at its end: the next one would only find it out.
        Ok(true) => SliceEnd::Again(Duration::ZERO),
        Ok(false) => SliceEnd::Again(wait.until.since(deps.clock.now().into())),
        Err(error) => lost_or_failed(deps, guard.sync_id, &error),
    }
}

/// The connection could not even be opened.
async fn put_down_unopened(deps: &Deps, slice: &Slice, halt: Halt) -> SliceEnd {
    let now = deps.clock.now().into();
    match halt {
        Halt::Failed(failure) => {
            end(deps, slice, pandaport_store::engine::Progress::default(), failed(failure), now).await
        }
        Halt::FenceLost => fence_lost(deps),
        Halt::Store(error) => store_halted(deps, slice, error, now).await,
        _ => SliceEnd::Again(Duration::ZERO),
    }
}

fn cancelled() -> Ending {
    Ending { state: "CANCELLED", error: None, complete: false, read_complete: false, weighed: false, broken: None }
}

fn failed(failure: Failure) -> Ending {
    Ending {
        state: "FAILED",
        error: Some((failure.reason.to_owned(), failure.message)),
        complete: false,
        read_complete: false,
        weighed: false,
        broken: failure.broken,
    }
}

async fn end(
    deps: &Deps,
    slice: &Slice,
    progress: pandaport_store::engine::Progress,
    ending: Ending,
    now: Micros,
) -> SliceEnd {
    match deps.store.finish_sync(slice.guard, &progress, &ending, now).await {
        Ok(()) => {
            let (reason, message) = ending.error.unwrap_or_default();
            if ending.state == "FAILED" {
                tracing::error!(reason, message, "sync failed");
            } else {
                tracing::info!(state = ending.state, "sync ended");
            }
            deps.metrics.sync_ended(ending.state);
            SliceEnd::Done
        }
        Err(error) => lost_or_failed(deps, slice.guard.sync_id, &error),
    }
}

/// Rule 7: the loser stays away for longer than the winner's job may take. Ending the job would end the winner's, an
/// error would burn its attempts, and a short pause would have the two take the sync from each other for ever.
fn fence_lost(deps: &Deps) -> SliceEnd {
    tracing::warn!("another worker has taken the sync over; nothing more is written here");
    SliceEnd::Again(deps.job_timeout() + Duration::from_secs(30))
}

/// A database that does not answer is waited for. Anything else it says won't be mended by waiting: the sync ends, and
/// says why.
async fn store_halted(deps: &Deps, slice: &Slice, error: StoreError, now: Micros) -> SliceEnd {
    if error.is_unavailable() || matches!(error, StoreError::FenceLost) {
        return lost_or_failed(deps, slice.guard.sync_id, &error);
    }
    let failure = Failure { reason: "INTERNAL", message: error.to_string(), broken: None, credentials_refused: false };
    end(deps, slice, pandaport_store::engine::Progress::default(), failed(failure), now).await
}

fn lost_or_failed(deps: &Deps, sync_id: SyncId, error: &StoreError) -> SliceEnd {
    match error {
        StoreError::FenceLost => fence_lost(deps),
        other => store_failed(sync_id, other),
    }
}

fn store_failed(sync_id: SyncId, error: &StoreError) -> SliceEnd {
    tracing::error!(%sync_id, %error, "the sync can't be kept: it is tried again in {STORE_PAUSE:?}");
    SliceEnd::Again(STORE_PAUSE)
}

/// A sync that came through shows that the connection works, whatever its state said.
async fn connection_works(deps: &Deps, slice: &Slice, now: Micros) {
    let told = async {
        let mut tx = deps.store.begin_write().await?;
        connections::verified(&mut tx, &slice.row.tenant, slice.row.connection_id, now).await?;
        tx.commit().await
    };
    if let Err(error) = told.await {
        tracing::warn!(%error, "the connection's state could not be kept");
    }
}

/// Twice, a minute apart, makes the connection FAILING.
async fn connection_refused(deps: &Deps, slice: &Slice, failure: &Failure, now: Micros) {
    let told = async {
        let mut tx = deps.store.begin_write().await?;
        let reason = format!("{}: {}", failure.reason, failure.message);
        connections::refused(&mut tx, &slice.row.tenant, slice.row.connection_id, &reason, now).await?;
        tx.commit().await
    };
    if let Err(error) = told.await {
        tracing::warn!(%error, "the connection's state could not be kept");
    }
}
