//! Which RPC is done by which function, and what every call has in common.

use std::time::{Duration, Instant};

use pandaport_api::v1 as proto;
use pandaport_api::v1::control_plane_service_server::ControlPlaneService;
use pandaport_store::Tenant;
use prost::Message;
use tonic::{Code, Request, Response, Status};

use crate::audit::Audited;
use crate::control_plane::{Caller, ControlPlane};
use crate::errors::{CallError, Result};
use crate::gate::Admitted;
use crate::watch::Watched;
use crate::{load, trace};

/// How long the calls to Kandji and Asset Panda that an RPC makes may take together: each has its own limit, this is above
/// what any RPC needs.
const ASKING_OUTSIDE: Duration = Duration::from_secs(120);

/// Who calls, as the gate found out.
fn caller<T: Message>(request: &Request<T>) -> Result<Caller> {
    let Some(Admitted { who, rpc, peer }) = request.extensions().get::<Admitted>().cloned() else {
        return Err(CallError::Internal("a call came in past the gate".to_owned()));
    };
    let tenant = Tenant::new(&*who.tenant);
    let audited = rpc.changes.then(|| Audited::new(who, rpc, peer, Some(&request.get_ref().encode_to_vec())));
    Ok(Caller { tenant, traceparent: trace::traceparent(request.metadata()), audited })
}

impl ControlPlane {
    /// The last thing done for every call, whatever it did.
    async fn answer<T>(
        &self,
        method: &'static str,
        begun: Instant,
        audited: Option<Audited>,
        result: Result<T>,
    ) -> std::result::Result<Response<T>, Status> {
        let answer = result.map(Response::new).map_err(Status::from);
        if let Some(audited) = audited {
            audited.ended(&self.store, answer.as_ref().err()).await;
        }
        let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
        self.times.record(method, code, begun.elapsed());
        tracing::Span::current().record("code", tracing::field::debug(code));
        if let Err(status) = &answer {
            tracing::debug!(method, ?code, message = status.message(), "a call was refused");
        }
        answer
    }
}

/// One method of the service: who calls, the function that does it, and whether that asks anybody but the database.
macro_rules! rpcs {
    ($($name:ident($request:ident) -> $response:ident $(, $outside:ident)?;)*) => {
        #[tonic::async_trait]
        impl ControlPlaneService for ControlPlane {
            $(
                async fn $name(
                    &self,
                    request: Request<proto::$request>,
                ) -> std::result::Result<Response<proto::$response>, Status> {
                    let begun = Instant::now();
                    let caller = caller(&request)?;
                    let outside = Duration::ZERO $( + $outside)?;
                    let limit = load::limit(request.metadata());
                    let call = Box::pin(ControlPlane::$name(self, &caller, request.into_inner()));
                    let result = self.load.call(limit, self.store.in_time(outside, call)).await;
                    self.answer(stringify!($name), begun, caller.audited, result).await
                }
            )*

            type WatchSyncStream = Watched;

            async fn watch_sync(
                &self,
                request: Request<proto::WatchSyncRequest>,
            ) -> std::result::Result<Response<Self::WatchSyncStream>, Status> {
                let begun = Instant::now();
                let call = ControlPlane::watch_sync(self, caller(&request)?, request.into_inner());
                let result = self.load.call(None, self.store.in_time(Duration::ZERO, call)).await;
                self.answer("watch_sync", begun, None, result).await
            }
        }
    };
}

rpcs! {
    configure_connection(ConfigureConnectionRequest) -> ConfigureConnectionResponse, ASKING_OUTSIDE;
    test_connection(TestConnectionRequest) -> TestConnectionResponse, ASKING_OUTSIDE;
    get_connection(GetConnectionRequest) -> GetConnectionResponse;
    list_connections(ListConnectionsRequest) -> ListConnectionsResponse;
    delete_connection(DeleteConnectionRequest) -> DeleteConnectionResponse;
    list_asset_panda_modules(ListAssetPandaModulesRequest) -> ListAssetPandaModulesResponse, ASKING_OUTSIDE;
    list_source_fields(ListSourceFieldsRequest) -> ListSourceFieldsResponse;
    list_collections(ListCollectionsRequest) -> ListCollectionsResponse, ASKING_OUTSIDE;
    list_columns(ListColumnsRequest) -> ListColumnsResponse, ASKING_OUTSIDE;
    suggest_mapping(SuggestMappingRequest) -> SuggestMappingResponse, ASKING_OUTSIDE;
    create_mapping(CreateMappingRequest) -> CreateMappingResponse, ASKING_OUTSIDE;
    update_mapping(UpdateMappingRequest) -> UpdateMappingResponse, ASKING_OUTSIDE;
    pause_mapping(PauseMappingRequest) -> PauseMappingResponse;
    resume_mapping(ResumeMappingRequest) -> ResumeMappingResponse, ASKING_OUTSIDE;
    get_mapping(GetMappingRequest) -> GetMappingResponse;
    list_mappings(ListMappingsRequest) -> ListMappingsResponse;
    delete_mapping(DeleteMappingRequest) -> DeleteMappingResponse;
    approve_held(ApproveHeldRequest) -> ApproveHeldResponse;
    trigger_sync(TriggerSyncRequest) -> TriggerSyncResponse;
    get_sync(GetSyncRequest) -> GetSyncResponse;
    list_syncs(ListSyncsRequest) -> ListSyncsResponse;
    cancel_sync(CancelSyncRequest) -> CancelSyncResponse;
    list_sync_records(ListSyncRecordsRequest) -> ListSyncRecordsResponse;
    list_devices(ListDevicesRequest) -> ListDevicesResponse;
    explain_device(ExplainDeviceRequest) -> ExplainDeviceResponse, ASKING_OUTSIDE;
    get_status(GetStatusRequest) -> GetStatusResponse;
    configure_alerts(ConfigureAlertsRequest) -> ConfigureAlertsResponse;
    get_alerts(GetAlertsRequest) -> GetAlertsResponse;
    test_alerts(TestAlertsRequest) -> TestAlertsResponse, ASKING_OUTSIDE;
    list_audit_events(ListAuditEventsRequest) -> ListAuditEventsResponse;
}
