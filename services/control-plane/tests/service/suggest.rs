//! SuggestMapping: a first mapping by looking.

use pandaport_api::v1 as proto;
use tonic::Code;

use crate::house::{House, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suggested_is_accepted_as_it_is() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let request = proto::SuggestMappingRequest {
        connection_id: connection_id.clone(),
        collection_id: house.sandbox.ready().collection_id.clone(),
        ..Default::default()
    };
    let answer = house.client.suggest_mapping(request).await.unwrap().into_inner();
    let columns = &house.sandbox.ready().columns;
    let mapping = answer.mapping.clone().unwrap();
    let identifier = mapping.identifier.clone().unwrap();
    assert!(["device_id", "serial_number"].contains(&identifier.source_field.as_str()), "{identifier:?}");
    // The sandbox has a column of its own name for each field.
    let model = answer.pairs.iter().find(|it| it.source_field == "model").unwrap();
    assert_eq!((&model.column_id, model.confidence()), (&columns["Model"], proto::SuggestionConfidence::High));
    assert_eq!(model.reason, "The column has the field's name.");
    assert_eq!(answer.pairs.iter().filter(|it| it.identifier).count(), 1);
    assert_eq!(mapping.fields.len(), 25, "{:?}", answer.not_suggested);

    let create = proto::CreateMappingRequest { connection_id, mapping: Some(mapping), ..Default::default() };
    let created = house.create(create).await.unwrap();
    assert!(created.sync.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_needs_a_collection_that_is_there() {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    let request = proto::SuggestMappingRequest { connection_id, collection_id: "nowhere".into(), ..Default::default() };
    let refused = house.client.suggest_mapping(request.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let nothing = proto::SuggestMappingRequest { external_entity: 9, ..Default::default() };
    let (code, _, violations) = refusal(&house.client.suggest_mapping(nothing).await.unwrap_err());
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(violations, ["connection_id: ", "collection_id: ", "external_entity: "]);
}
