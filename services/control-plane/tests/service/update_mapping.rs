//! UpdateMapping: what may change, what is checked, and what comes of it.

use pandaport_api::v1 as proto;
use pandaport_store::engine::{Ending, LinkPut, Op, Progress, flag};
use pandaport_store::mappings::{self, MappingState};
use pandaport_store::{MappingId, Micros, SyncId, Tenant};
use tonic::{Code, Status};

use crate::house::{House, pair, refusal};

fn change(mapping: &proto::Mapping, paths: &[&str]) -> proto::UpdateMappingRequest {
    proto::UpdateMappingRequest {
        mapping_id: mapping.mapping_id.clone(),
        mapping: Some(mapping.clone()),
        update_mask: Some(prost_types::FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() }),
        ..Default::default()
    }
}

async fn update(
    house: &mut House,
    request: proto::UpdateMappingRequest,
) -> Result<proto::UpdateMappingResponse, Status> {
    house.client.update_mapping(request).await.map(tonic::Response::into_inner)
}

async fn revision(house: &House, mapping: &proto::Mapping) -> i64 {
    let id = MappingId(mapping.mapping_id.parse().unwrap());
    mappings::get(&house.store, &Tenant::default(), id).await.unwrap().revision
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_mask_names_changes_and_nothing_else() {
    let mut house = House::new().await;
    let (_, mapping, sync) = house.mapped().await;
    let columns = house.sandbox.ready().columns.clone();
    let mut wanted = mapping.clone();
    wanted.display_name = "Macs".into();
    wanted.fields.push(pair("platform", &columns["Platform"]));
    wanted.filter = Some(proto::Filter { platforms: vec!["Mac".into()], ..Default::default() });
    wanted.brake = Some(proto::Brake { max_percent: Some(50), min_count: Some(1) });
    let request = change(&wanted, &["fields", "filter.platforms", "brake.max_percent"]);
    let updated = update(&mut house, request).await.unwrap();
    assert_eq!((updated.warnings, updated.sync), (vec![], None));
    let updated = updated.mapping.unwrap();
    assert_eq!(updated.display_name, mapping.display_name, "the mask does not name it");
    assert_eq!(updated.fields.len(), 2);
    assert_eq!(updated.fields[1].write_rule(), proto::WriteRule::Trigger);
    assert_eq!(updated.filter, wanted.filter);
    assert_eq!(updated.brake, Some(proto::Brake { max_percent: Some(50), min_count: Some(10) }));
    assert_eq!(updated.last_sync.as_ref().unwrap().sync_id, sync.sync_id);
    assert_ne!(updated.etag, mapping.etag);
    assert_eq!(revision(&house, &mapping).await, 2);
    let request = proto::GetMappingRequest { mapping_id: mapping.mapping_id.clone() };
    assert_eq!(house.client.get_mapping(request).await.unwrap().into_inner().mapping.unwrap(), updated);

    // A name and a schedule are no new revision, and ask Asset Panda nothing.
    house.faults(r#"{"asset_panda": {"status_burst": {"status": 503}}}"#);
    wanted.schedule = Some(proto::Schedule { kind: Some(proto::schedule::Kind::Manual(proto::ManualSchedule {})) });
    let updated = update(&mut house, change(&wanted, &["display_name", "schedule"])).await.unwrap().mapping.unwrap();
    assert_eq!((updated.display_name.as_str(), updated.next_sync_time), ("Macs", None));
    assert_eq!(revision(&house, &mapping).await, 2);
    let status = update(&mut house, change(&wanted, &["fields"])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_same_as_before_is_no_new_revision() {
    let mut house = House::new().await;
    let (_, mapping, _) = house.mapped().await;
    update(&mut house, change(&mapping, &["fields", "filter", "removal_policy", "brake"])).await.unwrap();
    assert_eq!(revision(&house, &mapping).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_change_is_refused_by_its_path_with_the_way_out() {
    let mut house = House::new().await;
    let (_, mapping, _) = house.mapped().await;
    let request = change(&mapping, &["identifier", "fields", "collection_id", "linked_count", "colour"]);
    let status = update(&mut house, request).await.unwrap_err();
    let (code, _, violations) = refusal(&status);
    let expected = [0, 2, 3, 4].map(|at| format!("update_mask.paths[{at}]: "));
    assert_eq!((code, violations), (Code::InvalidArgument, expected.to_vec()));
    assert!(status.message().contains("Make a new mapping"), "{}", status.message());
    let (_, _, violations) = refusal(&update(&mut house, change(&mapping, &[])).await.unwrap_err());
    assert_eq!(violations, ["update_mask: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_checked_as_a_new_mapping_is() {
    let mut house = House::new().await;
    let (_, mapping, _) = house.mapped().await;
    let mut wanted = mapping.clone();
    wanted.fields.push(pair("platform", "no-such-column"));
    wanted.brake = Some(proto::Brake { max_percent: Some(101), min_count: None });
    let (code, _, violations) = refusal(&update(&mut house, change(&wanted, &["brake"])).await.unwrap_err());
    assert_eq!((code, violations), (Code::InvalidArgument, vec!["mapping.brake.max_percent: ".to_owned()]));
    let (_, _, violations) = refusal(&update(&mut house, change(&wanted, &["fields"])).await.unwrap_err());
    assert_eq!(violations, ["mapping.fields[1].column_id: COLUMN_UNKNOWN"]);
    assert_eq!(revision(&house, &mapping).await, 1);
}

/// With this removal policy, and its first sync.
async fn with_policy(house: &mut House, policy: proto::RemovalPolicy) -> (proto::Mapping, proto::Sync) {
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    request.mapping.as_mut().unwrap().removal_policy = Some(policy);
    let created = house.create(request).await.unwrap();
    (created.mapping.unwrap(), created.sync.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_another_action_alone_keeps_of_the_policy_all_that_still_applies() {
    let mut house = House::new().await;
    let two_hours = Some(prost_types::Duration { seconds: 7_200, nanos: 0 });
    let mark = proto::RemovalPolicy {
        unmark_value: house.mark("Status", "In use").mark_value,
        min_absence: two_hours,
        ..house.mark("Status", "Gone")
    };
    let (mapping, sync) = with_policy(&mut house, mark.clone()).await;
    house.client.cancel_sync(proto::CancelSyncRequest { sync_id: sync.sync_id }).await.unwrap();
    assert_eq!(mapping.removal_policy, Some(mark.clone()));
    let only = |action: proto::RemovalAction| proto::RemovalPolicy { action: action.into(), ..Default::default() };
    let mut to = async |action| {
        let wanted = proto::Mapping { removal_policy: Some(only(action)), ..mapping.clone() };
        let updated = update(&mut house, change(&wanted, &["removal_policy.action"])).await;
        updated.map(|it| it.mapping.unwrap())
    };
    let same = to(proto::RemovalAction::Mark).await.unwrap();
    assert_eq!(same.removal_policy, Some(mark), "the same action changes nothing");
    for action in [proto::RemovalAction::Delete, proto::RemovalAction::Leave] {
        let changed = to(action).await.unwrap();
        let expected = proto::RemovalPolicy { min_absence: two_hours, ..only(action) };
        assert_eq!((changed.removal_policy, changed.brake), (Some(expected), mapping.brake), "no column to mark");
    }
    // Back again, it has to be said where.
    let (_, _, violations) = refusal(&to(proto::RemovalAction::Mark).await.unwrap_err());
    assert_eq!(violations, ["mapping.removal_policy.mark_column_id: ", "mapping.removal_policy.mark_value: "]);
}

/// As a sync leaves the records of devices that are gone: marked.
async fn leave_marked(house: &House, sync: &proto::Sync, devices: &[&str]) {
    let (store, now, progress) = (&house.store, Micros::now(), Progress::default());
    let slice = store.begin_slice(SyncId(sync.sync_id.parse().unwrap()), now, now).await.unwrap().unwrap();
    let mut ops = Vec::new();
    for &device in devices {
        ops.push(Op::PutLink(Box::new(LinkPut {
            device_id: device.to_owned(),
            fingerprint: vec![0; 16],
            last_enrollment: None,
            last_check_in: None,
            passenger_time: None,
            dirty: false,
            serial_number: Some(device.to_owned()),
            identifier: device.to_owned(),
            identifier_key: device.to_owned(),
            record_id: format!("record of {device}"),
            cells: "[]".to_owned(),
            forms: "{}".to_owned(),
            created_by_us: Some(true),
            confirmed_time: Some(now),
            seen: false,
        })));
        ops.push(Op::Flag { device_id: device.to_owned(), set: flag::MARKED, clear: 0 });
    }
    store.commit(&slice, &ops, &progress).await.unwrap();
    let ending =
        Ending { state: "SUCCEEDED", error: None, complete: true, read_complete: true, weighed: true, broken: None };
    store.finish_sync(slice.guard, &progress, &ending, now).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_another_mark_column_or_action_says_that_old_marks_stay_and_once_only() {
    for (column, to) in [("Notes", proto::RemovalAction::Mark), ("", proto::RemovalAction::Leave)] {
        let mut house = House::new().await;
        let policy = house.mark("Status", "Gone");
        let (mut wanted, sync) = with_policy(&mut house, policy).await;
        // The first sync would go on marking in a column that nobody undoes any more.
        wanted.removal_policy = Some(house.mark("Asset Tag", "Gone"));
        let refused = update(&mut house, change(&wanted, &["removal_policy"])).await.unwrap_err();
        assert!(refused.message().contains(&sync.sync_id), "{refused}");
        assert_eq!(refusal(&refused).1, "SYNC_ACTIVE");
        leave_marked(&house, &sync, &["one", "two"]).await;
        // Another value in the same column is undone as before: nothing to be told.
        wanted.removal_policy = Some(house.mark("Status", "Left"));
        assert_eq!(update(&mut house, change(&wanted, &["removal_policy"])).await.unwrap().warnings, []);

        wanted.removal_policy = Some(match to {
            proto::RemovalAction::Mark => house.mark(column, "Gone"),
            other => proto::RemovalPolicy { action: other.into(), ..Default::default() },
        });
        let warnings = update(&mut house, change(&wanted, &["removal_policy"])).await.unwrap().warnings;
        let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert_eq!((warning.field.as_str(), warning.reason.as_str()), ("mapping.removal_policy", "MARKS_STAY"));
        assert!(warning.message.starts_with("2 records bear the mark"), "{}", warning.message);
        // Those marks are nobody's any more.
        wanted.removal_policy = Some(house.mark("Asset Tag", "Gone"));
        assert_eq!(update(&mut house, change(&wanted, &["removal_policy"])).await.unwrap().warnings, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_that_is_not_the_present_one_is_refused() {
    let mut house = House::new().await;
    let (_, mapping, _) = house.mapped().await;
    let request = proto::UpdateMappingRequest { etag: mapping.etag.clone(), ..change(&mapping, &["display_name"]) };
    update(&mut house, request.clone()).await.unwrap();
    let (code, reason, _) = refusal(&update(&mut house, request).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::Aborted, "ETAG_MISMATCH"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_id_changes_once() {
    let mut house = House::new().await;
    let (_, mapping, _) = house.mapped().await;
    let mut wanted = mapping.clone();
    wanted.display_name = "Once".into();
    let request = proto::UpdateMappingRequest {
        etag: mapping.etag.clone(),
        request_id: "u-1".into(),
        ..change(&wanted, &["display_name"])
    };
    let first = update(&mut house, request.clone()).await.unwrap();
    assert_eq!(update(&mut house, request).await.unwrap(), first, "though the etag has moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_15_a_broken_mapping_that_fits_again_is_active_and_syncs_at_once() {
    let mut house = House::new().await;
    let (_, mapping, sync) = house.mapped().await;
    let cancel = proto::CancelSyncRequest { sync_id: sync.sync_id };
    house.client.cancel_sync(cancel).await.unwrap();
    let id = MappingId(mapping.mapping_id.parse().unwrap());
    let mut tx = house.store.begin_write().await.unwrap();
    mappings::set_broken(&mut tx, &Tenant::default(), id, "COLUMN_UNKNOWN: gone").await.unwrap();
    tx.commit().await.unwrap();
    // Another name says nothing of its fit.
    let named = update(&mut house, change(&mapping, &["display_name"])).await.unwrap();
    assert_eq!((named.mapping.unwrap().state(), named.sync), (proto::MappingState::Broken, None));
    let mended = update(&mut house, change(&mapping, &["fields"])).await.unwrap();
    let sync = mended.sync.unwrap();
    assert_eq!((sync.state(), sync.trigger()), (proto::SyncState::Queued, proto::SyncTrigger::Call));
    let mapping = mended.mapping.unwrap();
    assert_eq!((mapping.state(), mapping.state_reason.as_str()), (proto::MappingState::Active, ""));
    assert_eq!(mapping.last_sync.unwrap().sync_id, sync.sync_id);
    assert_eq!(mappings::get(&house.store, &Tenant::default(), id).await.unwrap().state, MappingState::Active);
}

/// Has a FULL sync come and go.
async fn be_full(house: &mut House, mapping: &proto::Mapping) {
    let full = proto::TriggerSyncRequest {
        mapping_id: mapping.mapping_id.clone(),
        mode: proto::SyncMode::Full.into(),
        ..Default::default()
    };
    let sync = house.client.trigger_sync(full).await.unwrap().into_inner().sync.unwrap();
    leave_marked(house, &sync, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_pair_that_is_new_or_written_otherwise_makes_the_next_sync_by_schedule_a_full_one() {
    let mut house = House::new().await;
    let (_, mapping, sync) = house.mapped().await;
    let columns = house.sandbox.ready().columns.clone();
    let id = MappingId(mapping.mapping_id.parse().unwrap());
    leave_marked(&house, &sync, &[]).await;
    let two = [pair("model", &columns["Model"]), pair("platform", &columns["Platform"])];
    let fill_only = proto::FieldPair { write_rule: proto::WriteRule::FillOnly.into(), ..two[1].clone() };
    for (what, fields, is_full) in [
        ("a pair more", two.to_vec(), true),
        ("another order", vec![two[1].clone(), two[0].clone()], false),
        ("another rule", vec![fill_only, two[0].clone()], true),
        ("a pair less", vec![two[0].clone()], false),
        ("the pair again", two.to_vec(), true),
    ] {
        be_full(&mut house, &mapping).await;
        let wanted = proto::Mapping { fields, ..mapping.clone() };
        update(&mut house, change(&wanted, &["fields"])).await.unwrap();
        let row = mappings::get(&house.store, &Tenant::default(), id).await.unwrap();
        assert_eq!(row.next_full_time <= Micros::now(), is_full, "{what}");
    }
    // And so is one that is queued at once.
    for (fields, mode) in [(vec![two[0].clone()], proto::SyncMode::Incremental), (two.to_vec(), proto::SyncMode::Full)]
    {
        be_full(&mut house, &mapping).await;
        let mut tx = house.store.begin_write().await.unwrap();
        mappings::set_broken(&mut tx, &Tenant::default(), id, "COLUMN_UNKNOWN: gone").await.unwrap();
        tx.commit().await.unwrap();
        let wanted = proto::Mapping { fields, ..mapping.clone() };
        let sync = update(&mut house, change(&wanted, &["fields"])).await.unwrap().sync.unwrap();
        assert_eq!(sync.mode(), mode);
        house.client.cancel_sync(proto::CancelSyncRequest { sync_id: sync.sync_id }).await.unwrap();
    }
}
