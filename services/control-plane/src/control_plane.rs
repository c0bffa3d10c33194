//! The service: what it stands on.

use std::sync::Arc;

use pandaport_queue::Queue;
use pandaport_runtime::Shutdown;
use pandaport_store::{Store, Tenant};
use pandaport_upstream::Upstream;
use prost::Message;

use crate::audit::Audited;
use crate::load::{CallLimits, Load};
use crate::metrics::CallTimes;
use crate::requests::Repeatable;
use crate::validate::Violations;

/// The gRPC service. Checks a call, changes state, puts a job on the queue; it never syncs. Cheap to clone.
#[derive(Clone)]
pub struct ControlPlane {
    pub(crate) store: Store,
    pub(crate) queue: Arc<Queue>,
    pub(crate) upstream: Upstream,
    pub(crate) shutdown: Shutdown,
    pub(crate) times: CallTimes,
    pub(crate) load: Load,
}

/// What a [`ControlPlane`] stands on.
#[derive(Clone)]
pub struct Parts {
    /// The database, migrated and with its keys ([`Store::unlock`]).
    pub store: Store,
    /// The queue in that database.
    pub queue: Queue,
    /// The way to Kandji and Asset Panda.
    pub upstream: Upstream,
    /// Ends the streams when the process drains.
    pub shutdown: Shutdown,
}

/// Who calls.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) tenant: Tenant,
    /// The trace that a sync made by this call goes on with.
    pub(crate) traceparent: Option<String>,
    /// The call for the audit log, if it changes something.
    pub(crate) audited: Option<Audited>,
}

impl ControlPlane {
    /// The service on these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, queue, upstream, shutdown } = parts;
        Self {
            store,
            queue: Arc::new(queue),
            upstream,
            shutdown,
            times: CallTimes::new(),
            load: Load::new(CallLimits::default()),
        }
    }

    /// The same with other limits of what it takes on at once.
    #[must_use]
    pub fn with_limits(self, limits: CallLimits) -> Self {
        Self { load: Load::new(limits), ..self }
    }

    pub(crate) fn repeatable(
        &self,
        violations: &mut Violations,
        caller: &Caller,
        method: &'static str,
        request_id: &str,
        request: &impl Message,
    ) -> Repeatable {
        Repeatable::read(violations, &self.store, &caller.tenant, method, request_id, request)
    }
}
