//! A caller of the control plane, as any internal service would be one.

use std::time::Duration;

use pandaport_api::v1::control_plane_service_client::ControlPlaneServiceClient;
use pandaport_api::v1::{
    Device, DeviceState, GetMappingRequest, GetSyncRequest, ListDevicesRequest, ListSyncRecordsRequest,
    ListSyncsRequest, Mapping, RecordOutcome, Sync, SyncMode, SyncRecord, SyncState, TriggerSyncRequest,
    TriggerSyncResponse,
};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt as _;

use super::wait::until;

/// Small on purpose, so that every list is paged.
const PAGE: u32 = 137;

/// A caller of one control plane.
#[derive(Clone)]
pub(crate) struct Caller {
    /// For calls that have no short form here.
    pub(crate) grpc: ControlPlaneServiceClient<Channel>,
}

impl Caller {
    /// `address` is `host:port`.
    pub(crate) fn of(address: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a bound address is a valid URL");
        Self { grpc: ControlPlaneServiceClient::new(endpoint.connect_lazy()) }
    }

    pub(crate) async fn sync(&self, sync_id: &str) -> Sync {
        let answer = self.grpc.clone().get_sync(GetSyncRequest { sync_id: sync_id.to_owned() }).await;
        answer.expect("GetSync answers").into_inner().sync.expect("GetSync has a sync")
    }

    /// Waits until the sync has ended, well or not.
    pub(crate) async fn ended(&self, sync_id: &str, within: Duration) -> Sync {
        let mut last = Sync::default();
        let began = std::time::Instant::now();
        loop {
            let sync = self.sync(sync_id).await;
            if is_final(&sync) {
                return sync;
            }
            if began.elapsed() >= within {
                panic!("waited {within:?} for the end of a sync that stands at {last:#?}");
            }
            last = sync;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the sync is as wanted.
    pub(crate) async fn sync_that(
        &self,
        what: &str,
        sync_id: &str,
        within: Duration,
        wanted: impl Fn(&Sync) -> bool,
    ) -> Sync {
        until(what, within, async || Some(self.sync(sync_id).await).filter(&wanted)).await
    }

    pub(crate) async fn try_trigger(&self, request: TriggerSyncRequest) -> Result<TriggerSyncResponse, Status> {
        self.grpc.clone().trigger_sync(request).await.map(tonic::Response::into_inner)
    }

    /// Triggers, and fails the test if that is refused or another sync is active.
    pub(crate) async fn trigger(&self, request: TriggerSyncRequest) -> Sync {
        let answer = self.try_trigger(request).await.expect("TriggerSync is accepted");
        assert!(!answer.already_active, "a sync is active already: {:#?}", answer.sync);
        answer.sync.expect("TriggerSync has a sync")
    }

    pub(crate) async fn mapping(&self, mapping_id: &str) -> Mapping {
        let answer = self.grpc.clone().get_mapping(GetMappingRequest { mapping_id: mapping_id.to_owned() }).await;
        answer.expect("GetMapping answers").into_inner().mapping.expect("GetMapping has a mapping")
    }

    /// All syncs of a mapping, the newest first.
    pub(crate) async fn syncs(&self, mapping_id: &str) -> Vec<Sync> {
        let request =
            ListSyncsRequest { mapping_id: mapping_id.to_owned(), page_size: 1_000, ..ListSyncsRequest::default() };
        self.grpc.clone().list_syncs(request).await.expect("ListSyncs answers").into_inner().syncs
    }

    /// All records of a sync with one of these outcomes; none named: all there are.
    pub(crate) async fn records(&self, sync_id: &str, outcomes: &[RecordOutcome]) -> Vec<SyncRecord> {
        let mut request = ListSyncRecordsRequest {
            sync_id: sync_id.to_owned(),
            outcomes: outcomes.iter().map(|it| (*it).into()).collect(),
            page_size: PAGE,
            page_token: String::new(),
        };
        let mut records = Vec::new();
        loop {
            let answer = self.grpc.clone().list_sync_records(request.clone()).await;
            let page = answer.expect("ListSyncRecords answers").into_inner();
            records.extend(page.records);
            if page.next_page_token.is_empty() {
                return records;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// All devices of a mapping in one of these states; none named: all there are.
    pub(crate) async fn devices(&self, mapping_id: &str, states: &[DeviceState]) -> Vec<Device> {
        let mut request = ListDevicesRequest {
            mapping_id: mapping_id.to_owned(),
            states: states.iter().map(|it| (*it).into()).collect(),
            page_size: PAGE,
            page_token: String::new(),
        };
        let mut devices = Vec::new();
        loop {
            let page = self.grpc.clone().list_devices(request.clone()).await.expect("ListDevices answers").into_inner();
            devices.extend(page.devices);
            if page.next_page_token.is_empty() {
                return devices;
            }
            request.page_token = page.next_page_token;
        }
    }
}

/// An incremental sync of a mapping.
pub(crate) fn incremental(mapping_id: &str) -> TriggerSyncRequest {
    TriggerSyncRequest {
        mapping_id: mapping_id.to_owned(),
        mode: SyncMode::Incremental.into(),
        ..TriggerSyncRequest::default()
    }
}

/// A full sync of a mapping.
pub(crate) fn full(mapping_id: &str) -> TriggerSyncRequest {
    TriggerSyncRequest { mode: SyncMode::Full.into(), ..incremental(mapping_id) }
}

pub(crate) fn is_final(sync: &Sync) -> bool {
    !matches!(sync.state(), SyncState::Unspecified | SyncState::Queued | SyncState::Running | SyncState::Waiting)
}

/// The reason an error gives in its details, with the domain checked.
pub(crate) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("{status:?} has no ErrorInfo"));
    assert_eq!(info.domain, "pandaport");
    info.reason
}

/// The sync's counts in one line, to compare: read, created, adopted, updated, unchanged, rejected, still rejected.
pub(crate) fn counts(sync: &Sync) -> [u32; 7] {
    let it = sync.counts.unwrap_or_default();
    let all = it.created + it.adopted + it.updated + it.unchanged + it.skipped + it.rejected + it.still_rejected;
    assert_eq!(it.read, all, "each device read is in exactly one count: {it:?}");
    [it.read, it.created, it.adopted, it.updated, it.unchanged, it.rejected, it.still_rejected]
}
