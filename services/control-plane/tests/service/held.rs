//! What the brake holds: shown with the mapping, and approved (rule 11).

use pandaport_api::v1 as proto;
use pandaport_store::engine::{Ending, Item, Op, Progress};
use pandaport_store::held::HeldKind;
use pandaport_store::{Micros, SyncId};
use tonic::Code;
use uuid::Uuid;

use crate::house::{House, refusal};

/// Ends a sync as one that holds so much of a kind.
async fn hold(house: &House, sync: &proto::Sync, kind: HeldKind, devices: u32) {
    let (store, now, progress) = (&house.store, Micros::now(), Progress::default());
    let id = SyncId(Uuid::parse_str(&sync.sync_id).unwrap());
    let slice = store.begin_slice(id, now, now).await.unwrap().unwrap();
    let weigh = |device: u32| Op::Weigh {
        item: Item { kind, device_id: format!("d-{device:03}"), column_id: String::new() },
        record_id: Some(format!("r-{device}")),
    };
    let ops: Vec<Op> = (0..devices).map(weigh).collect();
    store.commit(&slice, &ops, &progress).await.unwrap();
    for group in store.brake_groups(slice.guard).await.unwrap() {
        store.weighed(slice.guard, &group, true, &progress).await.unwrap();
    }
    let ending =
        Ending { state: "HELD", error: None, complete: true, read_complete: true, weighed: true, broken: None };
    store.finish_sync(slice.guard, &progress, &ending, now).await.unwrap();
}

async fn held(house: &mut House, mapping_id: &str) -> Option<proto::Held> {
    let request = proto::GetMappingRequest { mapping_id: mapping_id.to_owned() };
    house.client.get_mapping(request).await.unwrap().into_inner().mapping.unwrap().held
}

async fn approve(
    house: &mut House,
    mapping_id: &str,
    digest: &str,
    request_id: &str,
) -> Result<proto::Sync, tonic::Status> {
    let request = proto::ApproveHeldRequest {
        mapping_id: mapping_id.to_owned(),
        digest: digest.to_owned(),
        request_id: request_id.to_owned(),
    };
    Ok(house.client.approve_held(request).await?.into_inner().sync.unwrap())
}

#[tokio::test]
async fn rule_11_what_is_held_is_shown_with_numbers_and_a_sample_and_approved_under_its_digest() {
    let mut house = House::new().await;
    let (_, mapping, sync) = house.mapped().await;
    let id = mapping.mapping_id;
    assert_eq!(mapping.held, None);
    hold(&house, &sync, HeldKind::Removal, 30).await;
    let held = held(&mut house, &id).await.unwrap();
    assert_eq!((held.removals, held.deleted, held.clears, held.sample.len()), (30, 0, 0, 20));
    assert_eq!((held.sample[0].kind(), held.sample[0].record_id.as_str()), (proto::HeldKind::Removal, "r-0"));
    assert!(held.since.is_some());

    let status = approve(&mut house, &id, "another", "").await.unwrap_err();
    assert_eq!((refusal(&status).0, refusal(&status).1.as_str()), (Code::FailedPrecondition, "HELD_MOVED"));
    let sync = approve(&mut house, &id, &held.digest, "once").await.unwrap();
    assert_eq!((sync.state(), sync.mode()), (proto::SyncState::Queued, proto::SyncMode::Incremental));
    let again = approve(&mut house, &id, &held.digest, "once").await.unwrap();
    assert_eq!(again.sync_id, sync.sync_id, "the same answer");

    let status = approve(&mut house, &id, &held.digest, "").await.unwrap_err();
    assert_eq!((refusal(&status).0, refusal(&status).1.as_str()), (Code::FailedPrecondition, "SYNC_ACTIVE"));
}

#[tokio::test]
async fn rule_11_records_to_be_made_anew_are_looked_at_again_by_a_full_sync() {
    let mut house = House::new().await;
    let (_, mapping, sync) = house.mapped().await;
    hold(&house, &sync, HeldKind::Deleted, 2).await;
    let digest = held(&mut house, &mapping.mapping_id).await.unwrap().digest;
    let sync = approve(&mut house, &mapping.mapping_id, &digest, "").await.unwrap();
    assert_eq!(sync.mode(), proto::SyncMode::Full);
}

/// Changes what becomes of records whose devices are gone.
async fn change_policy(house: &mut House, mapping: &proto::Mapping, policy: proto::RemovalPolicy) -> proto::Mapping {
    let request = proto::UpdateMappingRequest {
        mapping_id: mapping.mapping_id.clone(),
        mapping: Some(proto::Mapping { removal_policy: Some(policy), ..mapping.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["removal_policy".into()] }),
        ..Default::default()
    };
    house.client.update_mapping(request).await.unwrap().into_inner().mapping.unwrap()
}

fn delete() -> proto::RemovalPolicy {
    proto::RemovalPolicy { action: proto::RemovalAction::Delete.into(), ..Default::default() }
}

#[tokio::test]
async fn rule_11_what_was_held_before_the_mapping_changed_is_approved_no_more() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    request.mapping.as_mut().unwrap().removal_policy = Some(house.mark("Status", "Gone"));
    let created = house.create(request).await.unwrap();
    let (mapping, sync) = (created.mapping.unwrap(), created.sync.unwrap());
    let id = mapping.mapping_id.clone();
    hold(&house, &sync, HeldKind::Removal, 12).await;
    let marking = held(&mut house, &id).await.unwrap();

    // Whoever approved them to be marked has not approved them to be deleted.
    let changed = change_policy(&mut house, &mapping, delete()).await;
    assert_eq!((changed.held, held(&mut house, &id).await), (None, None));
    let status = approve(&mut house, &id, &marking.digest, "").await.unwrap_err();
    assert_eq!((refusal(&status).0, refusal(&status).1.as_str()), (Code::FailedPrecondition, "HELD_MOVED"));
    // Also once a sync has found the very same devices to be deleted.
    let request = proto::TriggerSyncRequest { mapping_id: id.clone(), ..Default::default() };
    let sync = house.client.trigger_sync(request).await.unwrap().into_inner().sync.unwrap();
    hold(&house, &sync, HeldKind::Removal, 12).await;
    let deleting = held(&mut house, &id).await.unwrap();
    assert_eq!((deleting.removals, &deleting.sample), (12, &marking.sample));
    let status = approve(&mut house, &id, &marking.digest, "").await.unwrap_err();
    assert_eq!((refusal(&status).0, refusal(&status).1.as_str()), (Code::FailedPrecondition, "HELD_MOVED"));
    approve(&mut house, &id, &deleting.digest, "").await.unwrap();
}

#[tokio::test]
async fn rule_11_what_a_sync_of_before_the_change_holds_is_worked_out_anew_before_it_is_approved() {
    let mut house = House::new().await;
    let (_, mapping, sync) = house.mapped().await;
    change_policy(&mut house, &mapping, delete()).await;
    hold(&house, &sync, HeldKind::Removal, 12).await;
    assert_eq!(held(&mut house, &mapping.mapping_id).await, None, "it was held for what the mapping said before");
    let request = proto::TriggerSyncRequest { mapping_id: mapping.mapping_id.clone(), ..Default::default() };
    let sync = house.client.trigger_sync(request).await.unwrap().into_inner().sync.unwrap();
    hold(&house, &sync, HeldKind::Removal, 12).await;
    let digest = held(&mut house, &mapping.mapping_id).await.unwrap().digest;
    approve(&mut house, &mapping.mapping_id, &digest, "").await.unwrap();
}

#[tokio::test]
async fn an_approval_of_nothing_is_refused() {
    let mut house = House::new().await;
    let (_, mapping, sync) = house.mapped().await;
    hold(&house, &sync, HeldKind::Removal, 0).await;
    assert_eq!(held(&mut house, &mapping.mapping_id).await, None);
    let status = approve(&mut house, &mapping.mapping_id, "d1", "").await.unwrap_err();
    assert_eq!(refusal(&status).1, "HELD_MOVED");
    assert!(status.message().contains("Nothing"), "{}", status.message());
    let status = approve(&mut house, &mapping.mapping_id, "", "").await.unwrap_err();
    assert_eq!(refusal(&status).2, ["digest: "]);
    let status = approve(&mut house, &Uuid::now_v7().to_string(), "d1", "").await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}
