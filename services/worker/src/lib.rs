//! The worker: takes sync jobs from the queue and runs them, slice by slice. It never serves RPCs.
//!
//! Start at `slice.rs`: it takes a sync under a new fence, runs the phases (`phase/`, one file each) until the slice's
//! time is up, and turns whatever stopped it (`halt.rs`) into a pause or an end. `schedule.rs` is what happens by the
//! clock, and `alerts.rs` what is told of it.

mod alerts;
mod checkpoint;
mod clock;
mod deadline;
mod halt;
mod history;
mod metrics;
mod phase;
mod plan;
mod run;
mod schedule;
mod slice;
mod tenants;

use std::sync::Arc;
use std::time::Duration;

pub use clock::{Clock, SystemClock};
use metrics::Metrics;
use pandaport_queue::{Queue, QueueError, ServeConfig, Serving, SliceEnd, job_timeout};
use pandaport_store::engine::Origin;
use pandaport_store::tenant_slots::Candidate;
use pandaport_store::{Micros, Store};
use pandaport_upstream::Upstream;
pub use schedule::resume_active;
use tenants::{NoSlot, TenantSlots};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// How the worker works.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// Slices worked at once.
    pub slots: usize,
    /// Of one tenant, over all workers.
    pub tenant_slots: usize,
    /// How long a slice works.
    pub slice: Duration,
    /// How long one HTTP attempt may take.
    pub http_timeout: Duration,
    /// When an unclear create is looked up, after its sending and its timeout.
    pub settle: Vec<Duration>,
    /// How long running slices may take to put themselves down at shutdown.
    pub grace: Duration,
    /// How long an API may be out before a sync fails.
    pub outage_limit: Duration,
    /// How long it is remembered what syncs did.
    pub history_retention: Duration,
    /// How long the audit log is kept; at least 30 days.
    pub audit_retention: Duration,
    /// Devices written in one sync only because their PASSENGER columns are due: 20 % of a window of Asset Panda's
    /// budget, five devices a call (rule 9).
    pub passenger_cap: u64,
}

/// What a worker works with.
#[derive(Clone)]
pub(crate) struct Deps {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) upstream: Upstream,
    pub(crate) settings: WorkerSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) worker_id: String,
}

impl Deps {
    pub(crate) fn job_timeout(&self) -> Duration {
        job_timeout(self.settings.slice, self.settings.http_timeout)
    }

    pub(crate) fn now(&self) -> Micros {
        self.clock.now().into()
    }
}

/// A worker, not yet at work.
pub struct Worker {
    deps: Deps,
}

/// A worker at work.
#[derive(Debug)]
pub struct Working {
    serving: Serving,
    schedule: JoinHandle<()>,
    alerts: JoinHandle<()>,
}

impl Worker {
    /// A worker on this store and queue, reaching out through `upstream`.
    #[must_use]
    pub fn new(store: Store, queue: Queue, upstream: Upstream, settings: WorkerSettings) -> Self {
        let deps = Deps {
            store,
            queue,
            upstream,
            settings,
            clock: Arc::new(SystemClock),
            metrics: Metrics::new(),
            worker_id: format!("{}-{}", std::process::id(), uuid::Uuid::new_v4()),
        };
        Self { deps }
    }

    /// The same going by this id, which no other worker may have.
    #[must_use]
    pub fn named(mut self, worker_id: &str) -> Self {
        worker_id.clone_into(&mut self.deps.worker_id);
        self
    }

    /// The same with other clocks.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.deps.clock = clock;
        self
    }

    /// Takes jobs until `shutdown`; then takes none, lets running slices put themselves down, and ends.
    ///
    /// # Errors
    /// When the queue can't be served.
    pub async fn start(self, shutdown: CancellationToken) -> Result<Working, QueueError> {
        let deps = self.deps;
        let config = ServeConfig::new(deps.settings.slots, deps.job_timeout(), deps.settings.grace);
        let tenants = TenantSlots::new(deps.store.clone(), deps.settings.tenant_slots, deps.job_timeout());
        let handler = {
            let deps = deps.clone();
            move |job, context| {
                let (deps, tenants) = (deps.clone(), tenants.clone());
                async move { take(&deps, &tenants, job, context).await }
            }
        };
        // Before any slice: it must know whether the work went on without a break until now.
        deps.store.in_time(Duration::ZERO, schedule::beat_now(&deps)).await?;
        let serving = deps.queue.serve(config, shutdown.clone(), handler).await?;
        let alerts = tokio::spawn(alerts::run(deps.clone(), shutdown.clone()));
        let schedule = tokio::spawn(async move {
            tokio::join!(schedule::run(deps.clone(), shutdown.clone()), history::run(deps, shutdown));
        });
        Ok(Working { serving, schedule, alerts })
    }
}

impl Working {
    /// Whether it still takes jobs: part of readiness.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.serving.is_running()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Why it could not go on.
    pub async fn stopped(self) -> Result<(), QueueError> {
        let ended = self.serving.stopped().await;
        if self.schedule.await.is_err() {
            tracing::warn!("the schedule ended early");
        }
        if self.alerts.await.is_err() {
            tracing::warn!("the delivery of alerts ended early");
        }
        ended
    }
}

/// The pause after the database did not answer before a slice began.
const STORE_PAUSE: Duration = Duration::from_secs(5);

async fn take(
    deps: &Deps,
    tenants: &TenantSlots,
    job: pandaport_queue::SyncJob,
    context: pandaport_queue::JobContext,
) -> SliceEnd {
    let origin = match deps.store.sync_origin(job.sync_id).await {
        Ok(Some(origin)) => origin,
        Ok(None) => return SliceEnd::Done,
        Err(error) => {
            tracing::error!(%error, "the sync can't be read");
            return SliceEnd::Again(STORE_PAUSE);
        }
    };
    let urgency = tenants::urgency(origin.trigger_kind.into(), origin.fence);
    let candidate = Candidate { tenant: origin.tenant.clone(), sync_id: job.sync_id, urgency };
    let slot = match tenants.take(&candidate, deps.now()).await {
        Ok(slot) => slot,
        Err(NoSlot::Pause(pause)) => return SliceEnd::Again(pause),
        Err(NoSlot::Store(error)) => {
            tracing::error!(%error, "no slot can be taken for the sync");
            return SliceEnd::Again(STORE_PAUSE);
        }
    };
    let span = span(job.sync_id, &origin, context.traceparent.as_deref());
    let began = deps.clock.monotonic();
    deps.metrics.slice_began();
    let end = slice::work(deps, job, context).instrument(span).await;
    deps.metrics.slice_ended(deps.clock.monotonic().saturating_duration_since(began));
    slot.give_back().await;
    end
}

/// The span of a slice. The first one continues the trace of the call that asked for the sync; the others, which may run
/// hours later, link to it.
fn span(sync_id: pandaport_store::SyncId, origin: &Origin, traceparent: Option<&str>) -> tracing::Span {
    let span = tracing::info_span!("slice", %sync_id, mapping_id = %origin.mapping_id, tenant = %origin.tenant);
    if let Some(traceparent) = traceparent {
        if origin.fence == 0 {
            pandaport_runtime::telemetry::set_parent_from(&span, traceparent);
        } else {
            pandaport_runtime::telemetry::link_to(&span, traceparent);
        }
    }
    span
}

#[cfg(test)]
mod tests;
