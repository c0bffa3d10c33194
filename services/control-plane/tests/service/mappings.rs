//! CreateMapping: what is taken, and what is refused and why.

use std::sync::Arc;

use pandaport_api::v1 as proto;
use pandaport_asset_panda::{AssetPandaClient, Batch, Credentials, NewRecord, Scope};
use pandaport_outbound::{HttpSettings, Outbound, Unlimited};
use serde_json::json;
use tonic::Code;

use crate::house::{House, host, pair, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_good_mapping_is_active_and_its_first_sync_is_queued() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    let columns = house.sandbox.ready().columns.clone();
    request.mapping.as_mut().unwrap().fields.push(pair("last_check_in", &columns["Last Check In"]));
    let created = house.create(request).await.unwrap();

    assert_eq!(created.warnings, []);
    let mapping = created.mapping.unwrap();
    assert_eq!(mapping.state(), proto::MappingState::Active);
    assert_eq!(mapping.fields[0].write_rule(), proto::WriteRule::Trigger);
    assert_eq!(mapping.fields[1].write_rule(), proto::WriteRule::Passenger);
    let every = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    assert_eq!(mapping.schedule.clone().unwrap().kind, every(3_600).map(proto::schedule::Kind::Interval));
    assert_eq!((mapping.full_sync_every, mapping.passenger_max_age), (every(7 * 86_400), every(86_400)));
    assert!(mapping.next_sync_time.is_some());

    let sync = created.sync.unwrap();
    assert_eq!(sync.state(), proto::SyncState::Queued);
    assert_eq!(sync.trigger(), proto::SyncTrigger::First);
    assert_eq!(sync.mapping_id, mapping.mapping_id);
    let id = mapping.mapping_id.clone();
    let got = house.client.get_mapping(proto::GetMappingRequest { mapping_id: id }).await.unwrap().into_inner();
    let got = got.mapping.unwrap();
    assert_eq!(got.last_sync.as_ref().unwrap().sync_id, sync.sync_id);
    assert_eq!(got.fields, mapping.fields);
    let listed = house.client.list_mappings(proto::ListMappingsRequest { connection_id, ..Default::default() }).await;
    assert_eq!(listed.unwrap().into_inner().mappings.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn started_paused_it_has_no_sync_and_can_be_triggered() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let request = proto::CreateMappingRequest { start_paused: true, ..house.mapping(&connection_id) };
    let created = house.create(request).await.unwrap();
    assert_eq!(created.sync, None);
    let mapping = created.mapping.unwrap();
    assert_eq!((mapping.state(), mapping.next_sync_time), (proto::MappingState::Paused, None));
    let request = proto::TriggerSyncRequest { mapping_id: mapping.mapping_id, ..Default::default() };
    assert!(house.client.trigger_sync(request).await.unwrap().into_inner().sync.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_does_not_fit_is_refused_at_once() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    let columns = house.sandbox.ready().columns.clone();
    let collection_id = house.sandbox.ready().collections["All Text"].clone();
    let referenced = house.column(&connection_id, "All Text", "Location-city").await;
    let price = house.column(&connection_id, "All Text", "Price").await;
    let model = house.column(&connection_id, "All Text", "Model").await;
    let platform = house.column(&connection_id, "All Text", "Platform").await;
    assert_ne!(columns["Model"], model);
    let mapping = request.mapping.as_mut().unwrap();
    mapping.collection_id = collection_id;
    mapping.identifier = Some(proto::Identifier { source_field: "model".into(), column_id: model.clone() });
    mapping.fields = vec![
        pair("no_such_field", "x"),
        pair("platform", "no-such-column"),
        pair("platform", &referenced),
        pair("platform", &model),
        pair("is_missing", &price),
        pair("platform", &platform),
    ];
    let status = house.create(request).await.unwrap_err();
    let (code, _, mut violations) = refusal(&status);
    assert_eq!(code, Code::InvalidArgument);
    violations.sort();
    insta::assert_snapshot!(violations.join("\n"), @r"
    mapping.fields[0].source_field: 
    mapping.fields[1].column_id: COLUMN_UNKNOWN
    mapping.fields[2].column_id: COLUMN_REFERENCED
    mapping.fields[3].column_id: COLUMN_REPEATED
    mapping.fields[4].column_id: TYPE_MISMATCH
    mapping.identifier.column_id: COLUMN_NOT_UNIQUE
    mapping.identifier.source_field: IDENTIFIER_UNFIT
    ");
    let details = tonic_types::StatusExt::get_details_bad_request(&status).unwrap().field_violations;
    let unfit = details.iter().find(|it| it.reason == "IDENTIFIER_UNFIT").unwrap();
    assert!(unfit.description.contains("Not unique"), "the guidance itself: {}", unfit.description);
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_policies_and_brake_are_given_back_with_their_defaults() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    let tag = house.sandbox.ready().columns["Asset Tag"].clone();
    let mapping = request.mapping.as_mut().unwrap();
    mapping.filter = Some(proto::Filter { platforms: vec!["Mac".into(), "iPad".into()], ..Default::default() });
    mapping.on_filtered = proto::OnFiltered::AsRemoved.into();
    mapping.removal_policy = Some(proto::RemovalPolicy {
        action: proto::RemovalAction::Mark.into(),
        mark_column_id: tag.clone(),
        mark_value: text("Retired"),
        ..Default::default()
    });
    mapping.brake = Some(proto::Brake { max_percent: Some(5), ..Default::default() });
    let wanted = mapping.clone();
    let saved = house.create(request).await.unwrap().mapping.unwrap();
    assert_eq!(saved.filter, wanted.filter);
    assert_eq!(saved.on_filtered(), proto::OnFiltered::AsRemoved);
    let hour = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    assert_eq!(
        saved.removal_policy,
        Some(proto::RemovalPolicy { min_absence: hour, ..wanted.removal_policy.unwrap() })
    );
    assert_eq!(saved.brake, Some(proto::Brake { max_percent: Some(5), min_count: Some(10) }));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_mark_that_its_column_does_not_take_is_refused_with_all_else() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    let ready = house.sandbox.ready();
    let model = ready.columns["Model"].clone();
    let mapping = request.mapping.as_mut().unwrap();
    mapping.display_name = String::new();
    mapping.brake = Some(proto::Brake { max_percent: Some(101), min_count: None });
    mapping.removal_policy = Some(proto::RemovalPolicy {
        action: proto::RemovalAction::Mark.into(),
        mark_column_id: model,
        mark_value: text("Retired"),
        ..Default::default()
    });
    let (code, _, violations) = refusal(&house.create(request.clone()).await.unwrap_err());
    assert_eq!(code, Code::InvalidArgument);
    let mapped = "mapping.removal_policy.mark_column_id: COLUMN_REPEATED";
    assert_eq!(violations, ["mapping.display_name: ", "mapping.brake.max_percent: ", mapped]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_delete_over_records_that_are_there_already_is_taken_with_a_warning() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    let delete = proto::RemovalPolicy { action: proto::RemovalAction::Delete.into(), ..Default::default() };
    request.mapping.as_mut().unwrap().removal_policy = Some(delete);
    let serial = house.sandbox.ready().columns["Serial Number"].clone();
    write(&house, &serial, vec!["C02-1".into()]).await;
    let created = house.create(request).await.unwrap();
    let warned: Vec<_> = created.warnings.iter().map(|it| (it.field.as_str(), it.reason.as_str())).collect();
    assert_eq!(warned, [("mapping.removal_policy.action", "ADOPTED_STAY")]);
    assert!(created.warnings[0].message.contains("Only records that the import creates"), "{:?}", created.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_not_verified_takes_no_mapping() {
    let mut house = House::new().await;
    let request = house.settings();
    let connection_id = house.configure(request).await.unwrap().connection.unwrap().connection_id;
    let request = house.mapping(&connection_id);
    let (code, reason, _) = refusal(&house.create(request.clone()).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "CONNECTION_NOT_VERIFIED"));

    house.test(&connection_id).await;
    assert!(house.create(request).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_is_the_target_of_one_mapping_in_the_whole_installation() {
    let mut house = House::new().await;
    let (_, mapping, _) = house.mapped().await;
    let other_connection = house.connection().await;
    let request = house.mapping(&other_connection);
    let status = house.create(request).await.unwrap_err();
    let (code, reason, _) = refusal(&status);
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "COLLECTION_ALREADY_MAPPED"));
    let named = format!("\"Kandji Device Import\" ({})", mapping.mapping_id);
    assert!(status.message().contains(&named), "{}", status.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_that_needs_care_is_taken_with_a_warning() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    let identifier = request.mapping.as_mut().unwrap().identifier.as_mut().unwrap();
    identifier.source_field = "asset_tag".into();
    let created = house.create(request).await.unwrap();
    assert_eq!(created.warnings.len(), 1, "{:?}", created.warnings);
    assert_eq!(created.warnings[0].reason, "IDENTIFIER_UNFIT");
    assert_eq!(created.warnings[0].field, "mapping.identifier.source_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_uniqueness_is_not_said_the_data_is_looked_at() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    house.faults(r#"{"asset_panda": {"flags_present": false, "enforce_unique": false}}"#);
    let serial = house.sandbox.ready().columns["Serial Number"].clone();
    let request = house.mapping(&connection_id);

    write(&house, &serial, (0..120).map(|n| format!("C02-{n}")).chain(["C02-7 ".to_owned()]).collect()).await;
    let status = house.create(request.clone()).await.unwrap_err();
    let (code, reason, violations) = refusal(&status);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "COLUMN_NOT_UNIQUE"));
    assert_eq!(violations, ["mapping.identifier.column_id: COLUMN_NOT_UNIQUE"]);
    assert!(status.message().contains("\"C02-7\" occurs in more than one record"), "{}", status.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_found_past_pages_that_are_shorter_than_asked_for_or_without_values() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let faults = r#"{"asset_panda": {"flags_present": false, "enforce_unique": false, "search_size_cap": 30}}"#;
    house.faults(faults);
    let serial = house.sandbox.ready().columns["Serial Number"].clone();
    let request = house.mapping(&connection_id);
    let values = (0..31).map(|n| format!("C02-{n}")).chain((0..40).map(|_| String::new())).chain(["C02-7".to_owned()]);
    write(&house, &serial, values.collect()).await;
    let status = house.create(request).await.unwrap_err();
    assert_eq!(refusal(&status).1, "COLUMN_NOT_UNIQUE", "{}", status.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_uniqueness_without_duplicates_is_a_warning() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    house.faults(r#"{"asset_panda": {"flags_present": false, "enforce_unique": false}}"#);
    let serial = house.sandbox.ready().columns["Serial Number"].clone();
    write(&house, &serial, (0..7).map(|n| format!("C02-{n}")).collect()).await;
    let request = house.mapping(&connection_id);
    let created = house.create(request).await.unwrap();
    assert_eq!(created.warnings.len(), 1, "{:?}", created.warnings);
    assert_eq!(created.warnings[0].reason, "COLUMN_NOT_UNIQUE");
    assert!(created.warnings[0].message.contains("7 present values"), "{}", created.warnings[0].message);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_active_without_the_users_permission_is_a_warning() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    house.faults(r#"{"kandji": {"permissions": {"users": false}}}"#);
    let mut request = house.mapping(&connection_id);
    let column = house.sandbox.ready().columns["User Active"].clone();
    request.mapping.as_mut().unwrap().fields.push(pair("user_active", &column));
    let created = house.create(request).await.unwrap();
    assert_eq!(created.warnings.len(), 1, "{:?}", created.warnings);
    assert_eq!(created.warnings[0].reason, "PERMISSION_MISSING");
    assert_eq!(created.warnings[0].field, "mapping.fields[1].source_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_collection_and_an_api_that_is_out_are_told_apart() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let mut request = house.mapping(&connection_id);
    house.faults(r#"{"asset_panda": {"status_burst": {"status": 503}}}"#);
    assert_eq!(house.create(request.clone()).await.unwrap_err().code(), Code::Unavailable);
    house.faults("{}");
    request.mapping.as_mut().unwrap().collection_id = "no-such-collection".into();
    let (code, _, violations) = refusal(&house.create(request.clone()).await.unwrap_err());
    assert_eq!((code, violations), (Code::NotFound, vec!["mapping.collection_id: ".to_owned()]));

    // One that is not active has columns still.
    let retired = house.sandbox.ready().collections["Retired"].clone();
    let serial = house.column(&connection_id, "Retired", "Serial Number").await;
    let mapping = request.mapping.as_mut().unwrap();
    mapping.collection_id = retired;
    mapping.identifier.as_mut().unwrap().column_id = serial;
    mapping.fields.clear();
    let (code, _, violations) = refusal(&house.create(request).await.unwrap_err());
    assert_eq!((code, violations), (Code::NotFound, vec!["mapping.collection_id: ".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_id_makes_one_mapping_and_one_sync() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let request = proto::CreateMappingRequest { request_id: "m-1".into(), ..house.mapping(&connection_id) };
    let first = house.create(request.clone()).await.unwrap();
    assert_eq!(house.create(request.clone()).await.unwrap(), first);
    let reused = proto::CreateMappingRequest { start_paused: true, ..request };
    let (code, reason, _) = refusal(&house.create(reused).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let syncs = house.client.list_syncs(proto::ListSyncsRequest::default()).await.unwrap().into_inner().syncs;
    assert_eq!(syncs.len(), 1);
}

/// A caller whose connection broke tries again while the first call is still at it.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_id_at_once_makes_one_mapping_and_gets_one_answer() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let request = proto::CreateMappingRequest { request_id: "m-1".into(), ..house.mapping(&connection_id) };
    let call = || {
        let (mut client, request) = (house.client.clone(), request.clone());
        tokio::spawn(async move { client.create_mapping(request).await.map(tonic::Response::into_inner) })
    };
    let (one, two, three) = (call(), call(), call());
    let first = one.await.unwrap().unwrap();
    assert_eq!(two.await.unwrap().unwrap(), first);
    assert_eq!(three.await.unwrap().unwrap(), first);
    let syncs = house.client.list_syncs(proto::ListSyncsRequest::default()).await.unwrap().into_inner().syncs;
    assert_eq!(syncs.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_has_the_26_fields_with_their_guidance() {
    let mut house = House::new().await;
    let request = proto::ListSourceFieldsRequest::default();
    let fields = house.client.list_source_fields(request).await.unwrap().into_inner().fields;
    assert_eq!(fields.len(), 26);
    assert!(fields.is_sorted_by_key(|it| it.display_name.clone()));
    let fitness = |key: &str| fields.iter().find(|it| it.key == key).unwrap().identifier_fitness();
    assert_eq!(fitness("device_id"), proto::IdentifierFitness::Recommended);
    assert_eq!(fitness("serial_number"), proto::IdentifierFitness::Good);
    assert_eq!(fitness("model"), proto::IdentifierFitness::No);
    assert!(fields.iter().all(|it| !it.guidance.is_empty()));
}

fn text(text: &str) -> Option<prost_types::Value> {
    Some(prost_types::Value { kind: Some(prost_types::value::Kind::StringValue(text.into())) })
}

/// Writes records with these serial numbers into the sandbox's collection.
async fn write(house: &House, column: &str, serials: Vec<String>) {
    let ready = house.sandbox.ready();
    let key = Credentials {
        key_id: ready.credentials.access_key_id.clone(),
        secret: ready.credentials.access_key_secret.clone().into(),
    };
    let http = Outbound::new(HttpSettings::default()).unwrap();
    let url = ready.asset_panda_url.parse().unwrap();
    let allowed = host(&ready.asset_panda_url).parse().unwrap();
    let scope = Scope { account_id: ready.account_id.clone(), module_id: ready.module_id.clone() };
    let client = AssetPandaClient::new(http, url, key, Arc::new(Unlimited), allowed).unwrap().at(scope);
    let rows = serials.into_iter().map(|serial| NewRecord { values: [(column.to_owned(), json!(serial))].into() });
    for batch in Batch::split(rows) {
        client.create(&ready.collection_id, &batch).await.unwrap();
    }
}
