//! Syncs: trigger, watch, cancel, list. No worker runs, so what they do is up to the test.

use std::time::{Duration, Instant};

use pandaport_api::v1 as proto;
use pandaport_store::{Micros, Tenant, syncs, workers};
use tonic::{Code, Request};

use crate::house::{House, refusal};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn trigger(mapping_id: &str) -> proto::TriggerSyncRequest {
    proto::TriggerSyncRequest { mapping_id: mapping_id.to_owned(), ..Default::default() }
}

async fn cancel(house: &mut House, sync_id: &str) -> proto::Sync {
    let request = proto::CancelSyncRequest { sync_id: sync_id.to_owned() };
    house.client.cancel_sync(request).await.unwrap().into_inner().sync.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_6_one_active_sync_per_mapping() {
    let mut house = House::new().await;
    let (_, mapping, first) = house.mapped().await;
    let id = mapping.mapping_id;

    let answer = house.client.trigger_sync(trigger(&id)).await.unwrap().into_inner();
    assert!(answer.already_active);
    assert_eq!(answer.sync.unwrap().sync_id, first.sync_id);

    let full = proto::TriggerSyncRequest { mode: proto::SyncMode::Full.into(), ..trigger(&id) };
    let (code, reason, _) = refusal(&house.client.trigger_sync(full.clone()).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "SYNC_ACTIVE_OTHER_MODE"));

    // A dry run neither waits for it nor holds the lock.
    let dry = proto::TriggerSyncRequest { dry_run: true, ..full.clone() };
    let dry = house.client.trigger_sync(dry).await.unwrap().into_inner();
    assert!(!dry.already_active && dry.sync.unwrap().dry_run);

    let cancelled = cancel(&mut house, &first.sync_id).await;
    assert_eq!(cancelled.state(), proto::SyncState::Cancelled);
    let again = cancel(&mut house, &first.sync_id).await;
    assert_eq!(again, cancelled, "a final sync stays as it is");
    let answer = house.client.trigger_sync(full).await.unwrap().into_inner();
    assert!(!answer.already_active);
    assert_eq!(answer.sync.unwrap().mode(), proto::SyncMode::Full);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_6_a_wish_to_try_rejected_devices_again_is_not_lost_to_a_sync_that_does_not() {
    let mut house = House::new().await;
    let (_, mapping, first) = house.mapped().await;
    let plain = trigger(&mapping.mapping_id);
    let retrying = proto::TriggerSyncRequest { retry_rejected: true, ..plain.clone() };
    let refused = house.client.trigger_sync(retrying.clone()).await.unwrap_err();
    let (code, reason, _) = refusal(&refused);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "SYNC_ACTIVE_OTHER_MODE"));
    for part in [first.sync_id.as_str(), "does not try rejected devices again", "cancel it"] {
        assert!(refused.message().contains(part), "{refused}");
    }
    cancel(&mut house, &first.sync_id).await;

    let active = house.client.trigger_sync(retrying.clone()).await.unwrap().into_inner().sync.unwrap();
    for request in [retrying.clone(), plain.clone()] {
        let answer = house.client.trigger_sync(request).await.unwrap().into_inner();
        assert_eq!((answer.already_active, answer.sync.unwrap().sync_id), (true, active.sync_id.clone()));
    }
    cancel(&mut house, &active.sync_id).await;

    // A FULL sync tries them again whatever was asked.
    let full = |request| proto::TriggerSyncRequest { mode: proto::SyncMode::Full.into(), ..request };
    let active = house.client.trigger_sync(full(plain)).await.unwrap().into_inner().sync.unwrap();
    let answer = house.client.trigger_sync(full(retrying)).await.unwrap().into_inner();
    assert_eq!((answer.already_active, answer.sync.unwrap().sync_id), (true, active.sync_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_request_id_is_refused() {
    let mut house = House::new().await;
    let (_, mapping, first) = house.mapped().await;
    let request = proto::TriggerSyncRequest { request_id: "t-1".into(), ..trigger(&mapping.mapping_id) };
    let answer = house.client.trigger_sync(request.clone()).await.unwrap().into_inner();
    cancel(&mut house, &first.sync_id).await;
    assert_eq!(house.client.trigger_sync(request.clone()).await.unwrap().into_inner(), answer);
    let other = proto::TriggerSyncRequest { dry_run: true, ..request };
    let (_, reason, _) = refusal(&house.client.trigger_sync(other).await.unwrap_err());
    assert_eq!(reason, "REQUEST_ID_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_trigger_needs_a_verified_connection_and_later_ones_do_not() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let request = proto::CreateMappingRequest { start_paused: true, ..house.mapping(&connection_id) };
    let mapping_id = house.create(request).await.unwrap().mapping.unwrap().mapping_id;
    house.faults(r#"{"kandji": {"revoked": true}}"#);
    house.test(&connection_id).await;
    let (code, reason, _) = refusal(&house.client.trigger_sync(trigger(&mapping_id)).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "CONNECTION_NOT_VERIFIED"));

    house.faults("{}");
    house.test(&connection_id).await;
    let sync = house.client.trigger_sync(trigger(&mapping_id)).await.unwrap().into_inner().sync.unwrap();
    cancel(&mut house, &sync.sync_id).await;
    house.faults(r#"{"kandji": {"revoked": true}}"#);
    house.test(&connection_id).await;
    assert!(house.client.trigger_sync(trigger(&mapping_id)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_goes_on_with_the_trace_of_the_call() {
    let mut house = House::new().await;
    let (_, mapping, first) = house.mapped().await;
    cancel(&mut house, &first.sync_id).await;
    let mut request = Request::new(trigger(&mapping.mapping_id));
    request.metadata_mut().insert("traceparent", TRACE.parse().unwrap());
    let sync = house.client.trigger_sync(request).await.unwrap().into_inner().sync.unwrap();
    let row = syncs::get(&house.store, &Tenant::default(), sync.sync_id.parse().unwrap()).await.unwrap();
    assert_eq!(row.traceparent.as_deref(), Some(TRACE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_sync_says_when_no_worker_is_there() {
    let mut house = House::new().await;
    let (_, _, first) = house.mapped().await;
    let request = proto::GetSyncRequest { sync_id: first.sync_id };
    let sync = house.client.get_sync(request.clone()).await.unwrap().into_inner().sync.unwrap();
    assert_eq!(sync.wait.unwrap().reason, "NO_WORKER");
    workers::beat(&house.store, "w", Micros::now()).await.unwrap();
    let sync = house.client.get_sync(request).await.unwrap().into_inner().sync.unwrap();
    assert_eq!(sync.wait, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_are_listed_newest_first_by_every_filter() {
    let mut house = House::new().await;
    let (_, mapping, first) = house.mapped().await;
    cancel(&mut house, &first.sync_id).await;
    let second = house.client.trigger_sync(trigger(&mapping.mapping_id)).await.unwrap().into_inner().sync.unwrap();
    let mut list = async |request| {
        let syncs = house.client.list_syncs(request).await.unwrap().into_inner().syncs;
        syncs.into_iter().map(|it| it.sync_id).collect::<Vec<_>>()
    };
    let all = proto::ListSyncsRequest::default;
    assert_eq!(list(all()).await, [second.sync_id.clone(), first.sync_id.clone()]);
    let of_mapping = proto::ListSyncsRequest { mapping_id: mapping.mapping_id, ..all() };
    assert_eq!(list(of_mapping).await.len(), 2);
    let cancelled = proto::ListSyncsRequest { states: vec![proto::SyncState::Cancelled.into()], ..all() };
    assert_eq!(list(cancelled).await, std::slice::from_ref(&first.sync_id));
    let late = proto::ListSyncsRequest { created_from: second.create_time, ..all() };
    assert_eq!(list(late).await, [second.sync_id]);
    let early = proto::ListSyncsRequest { created_before: second.create_time, ..all() };
    assert_eq!(list(early).await, [first.sync_id]);

    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let backward = proto::ListSyncsRequest { created_from: at(2), created_before: at(1), ..all() };
    let (_, reason, violations) = refusal(&house.client.list_syncs(backward).await.unwrap_err());
    assert_eq!((reason.as_str(), violations), ("INVALID_FIELD", vec!["created_from: ".to_owned()]));

    let wrong = proto::ListSyncsRequest { states: vec![0, 99], ..all() };
    let (_, _, violations) = refusal(&house.client.list_syncs(wrong).await.unwrap_err());
    assert_eq!(violations, ["states[0]: ", "states[1]: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_gives_the_state_at_once_then_changes_and_ends_with_the_sync() {
    let mut house = House::new().await;
    let (_, _, first) = house.mapped().await;
    let request = proto::WatchSyncRequest { sync_id: first.sync_id.clone() };
    let mut watch = house.client.watch_sync(request).await.unwrap().into_inner();
    let begun = Instant::now();
    let sync = watch.message().await.unwrap().unwrap().sync.unwrap();
    assert_eq!(sync.state(), proto::SyncState::Queued);
    assert!(begun.elapsed() < Duration::from_millis(400));

    cancel(&mut house, &first.sync_id).await;
    let sync = watch.message().await.unwrap().unwrap().sync.unwrap();
    assert_eq!(sync.state(), proto::SyncState::Cancelled);
    assert!(begun.elapsed() >= Duration::from_millis(450), "at most two a second");
    assert_eq!(watch.message().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_nothing_is_not_found_and_one_of_a_final_sync_ends_at_once() {
    let mut house = House::new().await;
    let (_, mapping, first) = house.mapped().await;
    let request = proto::WatchSyncRequest { sync_id: mapping.mapping_id };
    assert_eq!(house.client.watch_sync(request).await.unwrap_err().code(), Code::NotFound);
    cancel(&mut house, &first.sync_id).await;
    let request = proto::WatchSyncRequest { sync_id: first.sync_id };
    let mut watch = house.client.watch_sync(request).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().is_some());
    assert_eq!(watch.message().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_and_devices_of_a_sync_that_did_nothing_are_empty_and_of_nothing_not_found() {
    let mut house = House::new().await;
    let (_, mapping, first) = house.mapped().await;
    let records = proto::ListSyncRecordsRequest { sync_id: first.sync_id.clone(), ..Default::default() };
    assert!(house.client.list_sync_records(records).await.unwrap().into_inner().records.is_empty());
    let devices = proto::ListDevicesRequest { mapping_id: mapping.mapping_id.clone(), ..Default::default() };
    assert!(house.client.list_devices(devices.clone()).await.unwrap().into_inner().devices.is_empty());

    let records = proto::ListSyncRecordsRequest { sync_id: mapping.mapping_id, ..Default::default() };
    assert_eq!(house.client.list_sync_records(records).await.unwrap_err().code(), Code::NotFound);
    let other = proto::ListDevicesRequest { mapping_id: first.sync_id, ..Default::default() };
    assert_eq!(house.client.list_devices(other).await.unwrap_err().code(), Code::NotFound);
    let filtered = proto::ListDevicesRequest { states: vec![proto::DeviceState::Filtered.into()], ..devices.clone() };
    assert!(house.client.list_devices(filtered).await.unwrap().into_inner().devices.is_empty());
    let unknown = proto::ListDevicesRequest { states: vec![0], ..devices };
    let (code, _, violations) = refusal(&house.client.list_devices(unknown).await.unwrap_err());
    assert_eq!((code, violations), (Code::InvalidArgument, vec!["states[0]: ".to_owned()]));
}
