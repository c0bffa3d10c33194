//! Deleting mappings and connections, and changes that were made on what somebody else has changed.

use pandaport_api::v1 as proto;
use pandaport_store::{Micros, SyncId, Tenant, deleted};
use tonic::Code;

use crate::house::{House, refusal};

fn mapping(id: &str) -> proto::DeleteMappingRequest {
    proto::DeleteMappingRequest { mapping_id: id.to_owned(), ..Default::default() }
}

fn connection(id: &str) -> proto::DeleteConnectionRequest {
    proto::DeleteConnectionRequest { connection_id: id.to_owned(), ..Default::default() }
}

/// The codes of every call that names the mapping or its sync.
async fn codes(house: &mut House, mapping_id: &str, sync_id: &str) -> Vec<Code> {
    let client = &mut house.client;
    let (mapping_id, sync_id) = (mapping_id.to_owned(), sync_id.to_owned());
    let update = proto::UpdateMappingRequest {
        mapping_id: mapping_id.clone(),
        mapping: Some(proto::Mapping { display_name: "New".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    let of_mapping = || mapping_id.clone();
    let of_sync = || sync_id.clone();
    let device = Some(proto::explain_device_request::Device::DeviceId("d".into()));
    let answers = [
        client.get_mapping(proto::GetMappingRequest { mapping_id: of_mapping() }).await.err(),
        client.update_mapping(update).await.err(),
        client.pause_mapping(proto::PauseMappingRequest { mapping_id: of_mapping() }).await.err(),
        client.resume_mapping(proto::ResumeMappingRequest { mapping_id: of_mapping() }).await.err(),
        client.trigger_sync(proto::TriggerSyncRequest { mapping_id: of_mapping(), ..Default::default() }).await.err(),
        client
            .approve_held(proto::ApproveHeldRequest {
                mapping_id: of_mapping(),
                digest: "d".into(),
                request_id: String::new(),
            })
            .await
            .err(),
        client.list_syncs(proto::ListSyncsRequest { mapping_id: of_mapping(), ..Default::default() }).await.err(),
        client.list_devices(proto::ListDevicesRequest { mapping_id: of_mapping(), ..Default::default() }).await.err(),
        client.explain_device(proto::ExplainDeviceRequest { mapping_id: of_mapping(), device }).await.err(),
        client.get_sync(proto::GetSyncRequest { sync_id: of_sync() }).await.err(),
        client.cancel_sync(proto::CancelSyncRequest { sync_id: of_sync() }).await.err(),
        client
            .list_sync_records(proto::ListSyncRecordsRequest { sync_id: of_sync(), ..Default::default() })
            .await
            .err(),
        client.watch_sync(proto::WatchSyncRequest { sync_id: of_sync() }).await.err(),
        client.delete_mapping(mapping(&mapping_id)).await.err(),
    ];
    answers.into_iter().map(|it| it.map_or(Code::Ok, |it| it.code())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_deleted_only_while_nothing_runs_unless_that_is_to_be_cancelled() {
    let mut house = House::new().await;
    let (connection_id, created, first) = house.mapped().await;
    let id = created.mapping_id;
    let dry = proto::TriggerSyncRequest { mapping_id: id.clone(), dry_run: true, ..Default::default() };
    let dry = house.client.trigger_sync(dry).await.unwrap().into_inner().sync.unwrap();

    let refused = house.client.delete_mapping(mapping(&id)).await.unwrap_err();
    let (code, reason, _) = refusal(&refused);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "SYNC_ACTIVE"));
    assert!(refused.message().contains("cancel_syncs"), "{refused}");

    let request = proto::DeleteMappingRequest { cancel_syncs: true, request_id: "once".into(), ..mapping(&id) };
    let answer = house.client.delete_mapping(request.clone()).await.unwrap().into_inner();
    assert_eq!(answer.cancelled_sync_ids, [first.sync_id.clone(), dry.sync_id]);
    assert_eq!(answer.left_behind, Some(proto::LeftBehind::default()));
    let again = house.client.delete_mapping(request).await.unwrap().into_inner();
    assert_eq!(again, answer, "the same call has the same answer");

    let codes = codes(&mut house, &id, &first.sync_id).await;
    assert!(codes.iter().all(|code| *code == Code::NotFound), "{codes:?}");
    let jobs: i64 = pandaport_test_database::scalar(&house.store, "SELECT COUNT(*) FROM river_job").await;
    assert_eq!(jobs, 0, "no job is left behind");
    // The collection is free at once, and the rows of the old mapping stand in nobody's way.
    let request = house.mapping(&connection_id);
    assert!(house.create(request).await.is_ok());
    while deleted::prune(&house.store, Micros::now(), 100).await.unwrap() > 0 {}
    let listed = house.client.list_mappings(proto::ListMappingsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.mappings.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_mappings_is_deleted_only_together_with_them() {
    let mut house = House::new().await;
    let (id, created, sync) = house.mapped().await;
    let (code, reason, _) = refusal(&house.client.delete_connection(connection(&id)).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "CONNECTION_IN_USE"));
    let with_mappings = proto::DeleteConnectionRequest { delete_mappings: true, ..connection(&id) };
    let (code, reason, _) = refusal(&house.client.delete_connection(with_mappings.clone()).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "SYNC_ACTIVE"));
    let mapping_is_there = proto::GetMappingRequest { mapping_id: created.mapping_id.clone() };
    assert!(house.client.get_mapping(mapping_is_there).await.is_ok(), "all or nothing");

    let all = proto::DeleteConnectionRequest { cancel_syncs: true, ..with_mappings };
    let answer = house.client.delete_connection(all.clone()).await.unwrap().into_inner();
    assert_eq!(answer.deleted_mapping_ids, std::slice::from_ref(&created.mapping_id));
    assert_eq!(answer.cancelled_sync_ids, std::slice::from_ref(&sync.sync_id));
    let codes = codes(&mut house, &created.mapping_id, &sync.sync_id).await;
    assert!(codes.iter().all(|code| *code == Code::NotFound), "{codes:?}");
    assert_eq!(house.client.delete_connection(all).await.unwrap_err().code(), Code::NotFound);
    let get = proto::GetConnectionRequest { connection_id: id.clone() };
    assert_eq!(house.client.get_connection(get).await.unwrap_err().code(), Code::NotFound);
    assert!(house.database_holds_no_credentials().await);
    // A worker that is told of the sync all the same finds nothing to do.
    let sync_id: SyncId = sync.sync_id.parse().unwrap();
    let slice = house.store.begin_slice(sync_id, Micros::now(), Micros::now()).await.unwrap();
    assert!(slice.is_none());
    assert!(pandaport_store::syncs::get(&house.store, &Tenant::default(), sync_id).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_since_it_was_read_is_neither_changed_nor_deleted() {
    let mut house = House::new().await;
    let (connection_id, created, _) = house.mapped().await;
    let id = created.mapping_id;
    let moved = |status: &tonic::Status| {
        let (code, reason, _) = refusal(status);
        (code, reason) == (Code::Aborted, "ETAG_MISMATCH".to_owned())
    };
    let get = proto::GetConnectionRequest { connection_id: connection_id.clone() };
    let read = house.client.get_connection(get).await.unwrap().into_inner().connection.unwrap().etag;
    let rename = |name: &str, etag: &str| proto::ConfigureConnectionRequest {
        connection_id: connection_id.clone(),
        display_name: name.into(),
        etag: etag.into(),
        ..Default::default()
    };
    let now = house.configure(rename("One", &read)).await.unwrap().connection.unwrap();
    assert!(moved(&house.configure(rename("Two", &read)).await.unwrap_err()));
    assert_eq!(house.configure(rename("Three", &now.etag)).await.unwrap().connection.unwrap().display_name, "Three");

    let request = proto::DeleteConnectionRequest { etag: read, delete_mappings: true, ..connection(&connection_id) };
    assert!(moved(&house.client.delete_connection(request).await.unwrap_err()));
    let request = proto::DeleteMappingRequest { etag: "0".into(), cancel_syncs: true, ..mapping(&id) };
    assert!(moved(&house.client.delete_mapping(request).await.unwrap_err()));
    let request = proto::DeleteMappingRequest { etag: created.etag, cancel_syncs: true, ..mapping(&id) };
    assert!(house.client.delete_mapping(request).await.is_ok());

    let new = proto::ConfigureConnectionRequest { etag: "1".into(), ..house.settings() };
    let (code, _, violations) = refusal(&house.configure(new).await.unwrap_err());
    assert_eq!((code, violations), (Code::InvalidArgument, vec!["etag: ".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_by_state_and_a_token_holds_for_its_filter_alone() {
    let mut house = House::new().await;
    let verified = house.connection().await;
    let request = house.settings();
    let unverified = house.configure(request).await.unwrap().connection.unwrap().connection_id;
    let list = |states: &[proto::ConnectionState]| proto::ListConnectionsRequest {
        states: states.iter().map(|it| i32::from(*it)).collect(),
        page_size: 1,
        ..Default::default()
    };
    for (states, expected) in [
        (&[proto::ConnectionState::Verified][..], vec![verified.clone()]),
        (&[proto::ConnectionState::Unverified], vec![unverified]),
        (&[proto::ConnectionState::Failing], vec![]),
    ] {
        let found = house.client.list_connections(list(states)).await.unwrap().into_inner();
        let ids: Vec<String> = found.connections.into_iter().map(|it| it.connection_id).collect();
        assert_eq!((ids, found.next_page_token.as_str()), (expected, ""));
    }
    let all = house.client.list_connections(list(&[])).await.unwrap().into_inner();
    let other =
        proto::ListConnectionsRequest { page_token: all.next_page_token, ..list(&[proto::ConnectionState::Verified]) };
    let (code, _, violations) = refusal(&house.client.list_connections(other).await.unwrap_err());
    assert_eq!((code, violations), (Code::InvalidArgument, vec!["page_token: ".to_owned()]));
    let wrong = house.client.list_connections(list(&[proto::ConnectionState::Unspecified])).await.unwrap_err();
    assert_eq!(refusal(&wrong).2, ["states[0]: "]);

    let request = proto::CreateMappingRequest { start_paused: true, ..house.mapping(&verified) };
    let paused = house.create(request).await.unwrap().mapping.unwrap().mapping_id;
    let list =
        |state: proto::MappingState| proto::ListMappingsRequest { states: vec![state.into()], ..Default::default() };
    let found = house.client.list_mappings(list(proto::MappingState::Paused)).await.unwrap().into_inner().mappings;
    assert_eq!(found.into_iter().map(|it| it.mapping_id).collect::<Vec<_>>(), [paused]);
    let found = house.client.list_mappings(list(proto::MappingState::Active)).await.unwrap().into_inner().mappings;
    assert!(found.is_empty());
}
