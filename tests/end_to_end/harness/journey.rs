//! The steps of contracts/user-journey.md: a connection, a mapping of all fields, its first sync.

use std::collections::BTreeMap;
use std::time::Duration;

use pandaport_api::v1::{
    AssetPandaSettings, ConfigureConnectionRequest, ConnectionState, CreateMappingRequest, CreateMappingResponse,
    FieldPair, Identifier, KandjiSettings, ListColumnsRequest, ListSourceFieldsRequest, Mapping, MappingState,
    RecordOutcome, Schedule, Sync, schedule,
};

use super::caller::Caller;
use super::sandbox::Sandbox;

/// Longer than any sync here takes, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What came of the first steps.
pub(crate) struct Import {
    pub(crate) connection_id: String,
    pub(crate) mapping_id: String,
    /// The mapping's first sync.
    pub(crate) sync: Sync,
}

/// The settings of a connection to the sandbox; nothing is saved unless they pass the test.
pub(crate) fn connection(sandbox: &Sandbox) -> ConfigureConnectionRequest {
    let ready = &sandbox.ready;
    ConfigureConnectionRequest {
        display_name: "Sandbox".to_owned(),
        kandji: Some(KandjiSettings { base_url: ready.kandji_url.clone(), api_token: ready.kandji_token.clone() }),
        asset_panda: Some(AssetPandaSettings {
            base_url: ready.asset_panda_url.clone(),
            access_key_id: ready.access_key_id.clone(),
            access_key_secret: ready.access_key_secret.clone(),
            account_id: ready.account_id.clone(),
            module_id: ready.module_id.clone(),
        }),
        verify: true,
        ..ConfigureConnectionRequest::default()
    }
}

/// Steps 3 and 4: a verified connection. Its id.
pub(crate) async fn connect(caller: &Caller, sandbox: &Sandbox) -> String {
    let answer = caller.grpc.clone().configure_connection(connection(sandbox)).await;
    let answer = answer.expect("ConfigureConnection is accepted").into_inner();
    assert!(answer.saved, "the test passed: {:#?}", answer.checks);
    let connection = answer.connection.expect("a connection");
    assert_eq!(connection.state(), ConnectionState::Verified);
    connection.connection_id
}

/// Steps 5 to 7: every field into the column of its name. It syncs by call only.
pub(crate) async fn mapping_of_all(
    caller: &Caller,
    sandbox: &Sandbox,
    connection_id: &str,
    collection: &str,
    identifier: &str,
) -> Mapping {
    let collection_id = sandbox.ready.collections[collection].clone();
    let request = ListColumnsRequest { connection_id: connection_id.to_owned(), collection_id: collection_id.clone() };
    let columns = caller.grpc.clone().list_columns(request).await.expect("ListColumns answers").into_inner().columns;
    let columns: BTreeMap<String, String> = columns.into_iter().map(|it| (it.display_name, it.column_id)).collect();
    let fields = caller.grpc.clone().list_source_fields(ListSourceFieldsRequest::default()).await;
    let fields = fields.expect("ListSourceFields answers").into_inner().fields;
    assert_eq!(fields.len(), 26);
    let mut pairs: Vec<FieldPair> = fields
        .into_iter()
        .map(|field| FieldPair {
            column_id: columns[&field.display_name].clone(),
            source_field: field.key,
            ..FieldPair::default()
        })
        .collect();
    let at = pairs.iter().position(|pair| pair.source_field == identifier).expect("the identifier is a field");
    let identifier = pairs.remove(at);
    Mapping {
        display_name: "Kandji Device Import".to_owned(),
        collection_id,
        identifier: Some(Identifier { source_field: identifier.source_field, column_id: identifier.column_id }),
        fields: pairs,
        schedule: Some(Schedule { kind: Some(schedule::Kind::Interval(hours(1))) }),
        ..Mapping::default()
    }
}

/// Step 8: the mapping is saved, and active.
pub(crate) async fn create(caller: &Caller, connection_id: &str, mapping: Mapping) -> CreateMappingResponse {
    let request = CreateMappingRequest {
        connection_id: connection_id.to_owned(),
        mapping: Some(mapping),
        ..CreateMappingRequest::default()
    };
    let answer = caller.grpc.clone().create_mapping(request).await;
    let answer = answer.expect("CreateMapping is accepted").into_inner();
    let mapping = answer.mapping.as_ref().expect("a mapping");
    assert_eq!(mapping.state(), MappingState::Active);
    answer
}

/// All steps into "ITAM", with the first sync begun.
pub(crate) async fn begin_import(caller: &Caller, sandbox: &Sandbox, identifier: &str) -> Import {
    let connection_id = connect(caller, sandbox).await;
    let mapping = mapping_of_all(caller, sandbox, &connection_id, "ITAM", identifier).await;
    let created = create(caller, &connection_id, mapping).await;
    let mapping_id = created.mapping.expect("a mapping").mapping_id;
    Import { connection_id, mapping_id, sync: created.sync.expect("the first sync is queued") }
}

/// All steps into "ITAM", to the end of the first sync.
pub(crate) async fn import(caller: &Caller, sandbox: &Sandbox, identifier: &str) -> Import {
    let begun = begin_import(caller, sandbox, identifier).await;
    let sync = caller.ended(&begun.sync.sync_id, PATIENCE).await;
    Import { sync, ..begun }
}

/// What a sync rejected: `device id -> (reason, message)`.
pub(crate) async fn rejected(caller: &Caller, sync: &Sync) -> BTreeMap<String, (String, String)> {
    let records = caller.records(&sync.sync_id, &[RecordOutcome::Rejected]).await;
    records.into_iter().map(|it| (it.device_id, (it.reason, it.message))).collect()
}

fn hours(hours: i64) -> prost_types::Duration {
    prost_types::Duration { seconds: hours * 3_600, nanos: 0 }
}
