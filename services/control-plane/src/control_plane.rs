//! The service: what it stands on, and which RPC is done where.

use std::sync::Arc;
use std::time::Instant;

use pandaport_api::v1 as proto;
use pandaport_api::v1::control_plane_service_server::ControlPlaneService;
use pandaport_queue::Queue;
use pandaport_runtime::Shutdown;
use pandaport_store::{Store, Tenant};
use pandaport_upstream::Upstream;
use prost::Message;
use tonic::{Code, Request, Response, Status};

use crate::errors::Result;
use crate::metrics::CallTimes;
use crate::requests::Repeatable;
use crate::trace;
use crate::validate::Violations;
use crate::watch::Watched;

/// The gRPC service. Checks a call, changes state, puts a job on the queue; it never syncs. Cheap to clone.
#[derive(Clone)]
pub struct ControlPlane {
    pub(crate) store: Store,
    pub(crate) queue: Arc<Queue>,
    pub(crate) upstream: Upstream,
    pub(crate) shutdown: Shutdown,
    times: CallTimes,
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
}

impl ControlPlane {
    /// The service on these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, queue, upstream, shutdown } = parts;
        Self { store, queue: Arc::new(queue), upstream, shutdown, times: CallTimes::new() }
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

/// Callers need no credentials yet: all are of the one tenant there is.
fn caller<T>(request: &Request<T>) -> Caller {
    Caller { tenant: Tenant::default(), traceparent: trace::traceparent(request.metadata()) }
}

impl ControlPlane {
    /// The last thing done for every call, whatever it did.
    fn answer<T>(
        &self,
        method: &'static str,
        begun: Instant,
        result: Result<T>,
    ) -> std::result::Result<Response<T>, Status> {
        let answer = result.map(Response::new).map_err(Status::from);
        let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
        self.times.record(method, code, begun.elapsed());
        tracing::Span::current().record("code", tracing::field::debug(code));
        if let Err(status) = &answer {
            tracing::debug!(method, ?code, message = status.message(), "a call was refused");
        }
        answer
    }
}

/// One method of the service: who calls, and the function that does it.
macro_rules! rpcs {
    ($($name:ident($request:ident) -> $response:ident;)*) => {
        #[tonic::async_trait]
        impl ControlPlaneService for ControlPlane {
            $(
                async fn $name(
                    &self,
                    request: Request<proto::$request>,
                ) -> std::result::Result<Response<proto::$response>, Status> {
                    let (caller, begun) = (caller(&request), Instant::now());
                    let result = Box::pin(ControlPlane::$name(self, &caller, request.into_inner())).await;
                    self.answer(stringify!($name), begun, result)
                }
            )*

            type WatchSyncStream = Watched;

            async fn watch_sync(
                &self,
                request: Request<proto::WatchSyncRequest>,
            ) -> std::result::Result<Response<Self::WatchSyncStream>, Status> {
                let (caller, begun) = (caller(&request), Instant::now());
                let result = ControlPlane::watch_sync(self, caller, request.into_inner()).await;
                self.answer("watch_sync", begun, result)
            }
        }
    };
}

rpcs! {
    configure_connection(ConfigureConnectionRequest) -> ConfigureConnectionResponse;
    test_connection(TestConnectionRequest) -> TestConnectionResponse;
    get_connection(GetConnectionRequest) -> GetConnectionResponse;
    list_connections(ListConnectionsRequest) -> ListConnectionsResponse;
    list_asset_panda_modules(ListAssetPandaModulesRequest) -> ListAssetPandaModulesResponse;
    list_source_fields(ListSourceFieldsRequest) -> ListSourceFieldsResponse;
    list_collections(ListCollectionsRequest) -> ListCollectionsResponse;
    list_columns(ListColumnsRequest) -> ListColumnsResponse;
    create_mapping(CreateMappingRequest) -> CreateMappingResponse;
    get_mapping(GetMappingRequest) -> GetMappingResponse;
    list_mappings(ListMappingsRequest) -> ListMappingsResponse;
    trigger_sync(TriggerSyncRequest) -> TriggerSyncResponse;
    get_sync(GetSyncRequest) -> GetSyncResponse;
    list_syncs(ListSyncsRequest) -> ListSyncsResponse;
    cancel_sync(CancelSyncRequest) -> CancelSyncResponse;
    list_sync_records(ListSyncRecordsRequest) -> ListSyncRecordsResponse;
    list_devices(ListDevicesRequest) -> ListDevicesResponse;
}
