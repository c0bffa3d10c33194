//! Working the jobs.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use riverqueue::{
    Client, Job, JobRow, MaintenanceConfig, QueueConfig, Retention, RetryPolicy, RunHandle, WorkCancelled, WorkContext,
    WorkError, WorkOutcome, Workers,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::job::{SyncJob, VERSION};
use crate::pulse::Pulse;
use crate::queue::{MAX_ATTEMPTS, NAME, Queue, TRACEPARENT};
use crate::{QueueError, Result};

/// How soon an attempt that failed in a way nobody foresaw (a worker died, a slice overran its time) is made again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// How soon a slice that panicked is tried again: it may well panic again.
const PANIC_PAUSE: Duration = Duration::from_secs(5);
/// How soon a job of a newer program is offered again, to a newer worker.
const NEWER_PAUSE: Duration = Duration::from_secs(60);
/// How often the queue is looked at when nothing announces a job, and the least time between two looks. A fresh job is
/// announced within 100 ms; one that was put back is not announced at all.
const POLL: Duration = Duration::from_millis(100);
const FETCH_COOLDOWN: Duration = Duration::from_millis(20);
/// How long a finished job stays to be looked at.
const FINISHED_KEPT: Duration = Duration::from_secs(60);
/// How long a slice that does not yield (it blocks its thread) is waited for after it was dropped.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// The time a job may take: one slice, and the calls that began at its very end. Shorter than any of its settings
/// makes River end slices that are well.
#[must_use]
pub fn job_timeout(slice: Duration, http_timeout: Duration) -> Duration {
    slice + 2 * http_timeout + Duration::from_secs(5)
}

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Slices worked at once.
    pub slots: usize,
    /// See [`job_timeout`]. A killed worker's job is taken up again this long after it was taken, plus up to `rescue_every`.
    pub job_timeout: Duration,
    /// How long running slices may take to put themselves back once the process is to stop.
    pub grace: Duration,
    /// How often jobs of killed workers are looked for.
    pub rescue_every: Duration,
}

impl ServeConfig {
    /// That many slots, this timeout (see [`job_timeout`]) and this grace; jobs of killed workers are looked for every 15 s.
    #[must_use]
    pub fn new(slots: usize, job_timeout: Duration, grace: Duration) -> Self {
        Self { slots, job_timeout, grace, rescue_every: Duration::from_secs(15) }
    }
}

/// What a slice is told besides its job.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// The trace that made the sync.
    pub traceparent: Option<String>,
    /// Cancelled when the process is to stop: checkpoint, and answer `Again(Duration::ZERO)`.
    pub stop: CancellationToken,
}

/// How a slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceEnd {
    /// The sync is over, or not ours: the job is done.
    Done,
    /// There is more to do, after this pause.
    Again(Duration),
}

/// A process that works jobs.
#[derive(Debug)]
pub struct Serving {
    task: JoinHandle<Result<()>>,
}

impl Serving {
    /// Waits until it has stopped, which it does once `shutdown` is cancelled, or when it can't go on.
    ///
    /// # Errors
    /// Why it could not go on.
    pub async fn stopped(self) -> Result<()> {
        self.task.await.map_err(|error| QueueError::Queue(format!("its task ended: {error}")))?
    }

    /// Whether it still works jobs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Queue {
    /// Works jobs with `handler` until `shutdown` is cancelled. Returns once it is ready.
    ///
    /// On shutdown no job is taken any more and [`JobContext::stop`] is cancelled; slices that have not ended after the grace
    /// are dropped at the next point where they wait, and their jobs are there for others at once.
    ///
    /// # Errors
    /// When River can't be started.
    pub async fn serve<H, F>(&self, config: ServeConfig, shutdown: CancellationToken, handler: H) -> Result<Serving>
    where
        H: Fn(SyncJob, JobContext) -> F + Send + Sync + 'static,
        F: Future<Output = SliceEnd> + Send,
    {
        let handler = Arc::new(handler);
        let mut running = self.start(&config, &shutdown, &handler)?;
        running.run.wait_ready().await?;
        let queue = self.clone();
        Ok(Serving { task: tokio::spawn(async move { queue.run_until(running, config, shutdown, handler).await }) })
    }

    /// Runs a client until it is to stop, and another in its place if it gets stuck. To stop is softly first, then, after the
    /// grace, by dropping what still runs.
    async fn run_until<H, F>(
        &self,
        mut running: Running,
        config: ServeConfig,
        shutdown: CancellationToken,
        handler: Arc<H>,
    ) -> Result<()>
    where
        H: Fn(SyncJob, JobContext) -> F + Send + Sync + 'static,
        F: Future<Output = SliceEnd> + Send,
    {
        loop {
            let Running { run, pulse } = &mut running;
            tokio::select! {
                () = shutdown.cancelled() => break,
                ended = run.wait() => return Ok(ended?),
                () = pulse.stuck(self.store()) => {}
            }
            tracing::warn!("the queue's client waits for an answer that will not come: another one takes its place");
            // Dropped, the old one takes no job any more, and what it works at is there for others.
            running = self.start(&config, &shutdown, &handler)?;
        }
        match tokio::time::timeout(config.grace, running.run.stop()).await {
            Ok(stopped) => Ok(stopped?),
            Err(_) => {
                let grace_ms = config.grace.as_millis();
                tracing::warn!(grace_ms, "slices did not end within the grace: they are dropped");
                Ok(running.run.stop_and_cancel().await?)
            }
        }
    }

    fn start<H, F>(&self, config: &ServeConfig, stop: &CancellationToken, handler: &Arc<H>) -> Result<Running>
    where
        H: Fn(SyncJob, JobContext) -> F + Send + Sync + 'static,
        F: Future<Output = SliceEnd> + Send,
    {
        let pulse = Pulse::new(config.slots);
        let client = self.working_client(config, &pulse, stop.clone(), Arc::clone(handler))?;
        Ok(Running { run: client.start()?, pulse })
    }

    fn working_client<H, F>(
        &self,
        config: &ServeConfig,
        pulse: &Pulse,
        stop: CancellationToken,
        handler: Arc<H>,
    ) -> Result<Client>
    where
        H: Fn(SyncJob, JobContext) -> F + Send + Sync + 'static,
        F: Future<Output = SliceEnd> + Send,
    {
        let mut workers = Workers::new();
        let slots = pulse.clone();
        workers.add_fn(move |context: WorkContext, job: Job<SyncJob>| {
            let (handler, stop, slot) = (Arc::clone(&handler), stop.clone(), slots.working());
            async move {
                let _slot = slot;
                work(&*handler, &context, &job, stop).await
            }
        })?;
        let maintenance = MaintenanceConfig::default()
            .with_rescue_after(config.job_timeout)
            .with_rescuer_interval(config.rescue_every)
            .with_completed_job_retention(Retention::DeleteAfter(FINISHED_KEPT))
            .with_cancelled_job_retention(Retention::DeleteAfter(FINISHED_KEPT))
            .with_discarded_job_retention(Retention::DeleteAfter(FINISHED_KEPT));
        Ok(self
            .river()
            .workers(workers)
            .hook(pulse.clone())
            .queue(NAME, QueueConfig::new(config.slots).with_fetch_poll_interval(POLL))
            .fetch_cooldown(FETCH_COOLDOWN)
            .fetch_only_known_kinds(true)
            .default_max_attempts(MAX_ATTEMPTS)
            .retry_policy(ConstantRetry)
            .job_timeout(config.job_timeout)
            .job_stuck_threshold(STUCK_AFTER)
            .maintenance(maintenance)
            .build()?)
    }
}

/// A client at work, and its signs of life.
struct Running {
    run: RunHandle,
    pulse: Pulse,
}

async fn work<H, F>(
    handler: &H,
    context: &WorkContext,
    job: &Job<SyncJob>,
    stop: CancellationToken,
) -> std::result::Result<WorkOutcome, WorkCancelled>
where
    H: Fn(SyncJob, JobContext) -> F,
    F: Future<Output = SliceEnd>,
{
    if job.args.v != VERSION {
        tracing::warn!(version = job.args.v, "a job of a newer program is left to a newer worker");
        return Ok(WorkOutcome::Snooze(NEWER_PAUSE));
    }
    let traceparent = job.row.metadata.get(TRACEPARENT).ok().flatten();
    // The call of the handler is inside: it may panic before its first await.
    let slice = AssertUnwindSafe(async { handler(job.args, JobContext { traceparent, stop }).await }).catch_unwind();
    let ended = tokio::select! {
        ended = slice => ended,
        // Its time is over, or the grace is: River makes the job available again, or retries it in a second.
        () = context.cancellation_token().cancelled() => return Err(WorkCancelled),
    };
    Ok(match ended {
        Ok(SliceEnd::Done) => WorkOutcome::Complete,
        Ok(SliceEnd::Again(pause)) => WorkOutcome::Snooze(pause),
        Err(panic) => {
            let message = panic_message(&*panic);
            tracing::error!(sync_id = %job.args.sync_id, message, "a slice panicked; it is tried again in {PANIC_PAUSE:?}");
            WorkOutcome::Snooze(PANIC_PAUSE)
        }
    })
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// River's own policy grows with every error a job ever had.
struct ConstantRetry;

impl RetryPolicy for ConstantRetry {
    fn next_retry(&self, _job: &JobRow, _error: &WorkError, _now: riverqueue::jiff::Timestamp) -> Duration {
        RETRY_DELAY
    }
}
