//! The audit log: who changed what, when, from where, and with what result.

use pandaport_api::v1 as proto;
use pandaport_test_database::run;
use tonic::Code;

use crate::guarded::Guarded;
use crate::house::House;

async fn events(house: &mut House, request: proto::ListAuditEventsRequest) -> Vec<proto::AuditEvent> {
    house.client.list_audit_events(request).await.unwrap().into_inner().events
}

fn all() -> proto::ListAuditEventsRequest {
    proto::ListAuditEventsRequest::default()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_of_with_who_made_it_what_it_was_about_and_which_fields_it_set() {
    let mut guarded = Guarded::new().await;
    let (connection_id, mapping, sync) = guarded.house.mapped().await;
    let mut operator = guarded.client("olaf", "acme", "operator");
    let (mapping_id, sync_id) = (mapping.mapping_id, sync.sync_id);
    operator.cancel_sync(proto::CancelSyncRequest { sync_id: sync_id.clone() }).await.unwrap();
    let request = proto::TriggerSyncRequest {
        mapping_id: mapping_id.clone(),
        mode: proto::SyncMode::Full.into(),
        request_id: "nightly".into(),
        ..Default::default()
    };
    let triggered = operator.trigger_sync(request.clone()).await.unwrap().into_inner().sync.unwrap().sync_id;
    operator.trigger_sync(request).await.unwrap();

    let found = events(&mut guarded.house, all()).await;
    let told: Vec<_> =
        found.iter().map(|it| (it.method.as_str(), it.actor.as_str(), it.code.as_str(), it.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            ("TriggerSync", "olaf", "OK", "NOTHING_CHANGED"),
            ("TriggerSync", "olaf", "OK", ""),
            ("CancelSync", "olaf", "OK", ""),
            ("CreateMapping", "ann", "OK", ""),
            ("ConfigureConnection", "ann", "OK", ""),
        ]
    );
    let [_, trigger, cancel, create, configure] = &found[..] else { panic!("{found:?}") };
    assert_eq!((trigger.proof(), trigger.role()), (proto::CallerProof::Jwt, proto::CallerRole::Operator));
    assert_eq!((&trigger.mapping_id, &trigger.sync_id), (&mapping_id, &triggered));
    assert_eq!((trigger.request_id.as_str(), &trigger.fields[..]), ("nightly", &["mode".to_owned()][..]));
    assert!(trigger.peer_address.starts_with("127.0.0.1:") && trigger.create_time.is_some(), "{trigger:?}");
    assert_eq!(cancel.sync_id, sync_id);
    assert_eq!((&create.connection_id, &create.mapping_id, &create.sync_id), (&connection_id, &mapping_id, &sync_id));
    assert_eq!(configure.connection_id, connection_id);
    for field in ["kandji.api_token", "asset_panda.access_key_secret", "display_name", "verify"] {
        assert!(configure.fields.iter().any(|it| it == field), "{configure:?}");
    }
    let secret = guarded.house.sandbox.ready().credentials.kandji_token.clone();
    assert!(!format!("{found:?}").contains(&secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_tried_in_vain_is_told_of_too() {
    let mut guarded = Guarded::new().await;
    let (_, mapping, _) = guarded.house.mapped().await;
    let mut viewer = guarded.client("vera", "acme", "viewer");
    let request = proto::PauseMappingRequest { mapping_id: mapping.mapping_id.clone() };
    assert_eq!(viewer.pause_mapping(request).await.unwrap_err().code(), Code::PermissionDenied);
    let nothing = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    let request = proto::PauseMappingRequest { mapping_id: nothing.clone() };
    assert_eq!(guarded.house.client.pause_mapping(request).await.unwrap_err().code(), Code::NotFound);
    let request = proto::ConfigureConnectionRequest {
        verify: true,
        kandji: Some(proto::KandjiSettings { api_token: "wrong".into(), ..guarded.house.settings().kandji.unwrap() }),
        ..guarded.house.settings()
    };
    assert!(!guarded.house.configure(request).await.unwrap().saved);

    let found = events(&mut guarded.house, all()).await;
    let told: Vec<_> =
        found.iter().take(3).map(|it| (it.actor.as_str(), it.code.as_str(), it.reason.as_str())).collect();
    assert_eq!(
        told,
        [("ann", "OK", "NOT_SAVED"), ("ann", "NOT_FOUND", ""), ("vera", "PERMISSION_DENIED", "ROLE_MISSING")]
    );
    assert_eq!(found[1].mapping_id, nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_can_not_be_told_of_is_not_made() {
    let mut house = House::new().await;
    let (_, mapping, _) = house.mapped().await;
    let pause = || proto::PauseMappingRequest { mapping_id: mapping.mapping_id.clone() };
    run(&house.store, "ALTER TABLE audit_events RENAME TO away").await;
    assert_eq!(house.client.pause_mapping(pause()).await.unwrap_err().code(), Code::Internal);
    run(&house.store, "ALTER TABLE away RENAME TO audit_events").await;
    let request = proto::GetMappingRequest { mapping_id: mapping.mapping_id.clone() };
    let after = house.client.get_mapping(request).await.unwrap().into_inner().mapping.unwrap();
    assert_eq!(after.state(), proto::MappingState::Active);

    house.client.pause_mapping(pause()).await.unwrap();
    let event = events(&mut house, all()).await.remove(0);
    assert_eq!((event.method.as_str(), event.actor.as_str()), ("PauseMapping", ""));
    assert_eq!((event.proof(), event.role()), (proto::CallerProof::None, proto::CallerRole::Admin));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_newest_first_page_by_page_and_by_what_they_are_about() {
    let mut guarded = Guarded::new().await;
    let (_, mapping, sync) = guarded.house.mapped().await;
    let mut olaf = guarded.client("olaf", "acme", "operator");
    for _ in 0..3 {
        olaf.pause_mapping(proto::PauseMappingRequest { mapping_id: mapping.mapping_id.clone() }).await.unwrap();
    }
    let house = &mut guarded.house;
    let whole = events(house, all()).await;
    let (mut paged, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = proto::ListAuditEventsRequest { page_size: 2, page_token, ..all() };
        let page = house.client.list_audit_events(request).await.unwrap().into_inner();
        paged.extend(page.events);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!((paged.len(), &paged), (5, &whole));
    let by_actor = proto::ListAuditEventsRequest { actor: "olaf".into(), ..all() };
    assert_eq!(events(house, by_actor).await.len(), 3);
    let by_method = proto::ListAuditEventsRequest { method: "CreateMapping".into(), ..all() };
    assert_eq!(events(house, by_method).await.len(), 1);
    let by_mapping = proto::ListAuditEventsRequest { resource_id: mapping.mapping_id, ..all() };
    assert_eq!(events(house, by_mapping).await.len(), 4);
    let by_sync = proto::ListAuditEventsRequest { resource_id: sync.sync_id, ..all() };
    assert_eq!(events(house, by_sync).await.len(), 1);
    let middle = whole[2].create_time;
    let before = proto::ListAuditEventsRequest { created_before: middle, ..all() };
    let from = proto::ListAuditEventsRequest { created_from: middle, ..all() };
    assert_eq!((events(house, before).await.len(), events(house, from).await.len()), (2, 3));
}
