//! SuggestMapping: a mapping to begin with. Which pairs are proposed is `pandaport_import::suggest`.

use pandaport_api::v1 as proto;
use pandaport_import::{Column, Confidence, Proposal, SourceField, Suggestion, Unplaced, suggest};
use pandaport_upstream::import_columns;

use crate::catalogue::columns;
use crate::control_plane::{Caller, ControlPlane};
use crate::errors::{CallError, Result};
use crate::limits::MAX_FOREIGN_ID;
use crate::uniqueness::{self, Seen};
use crate::validate::Violations;

/// What a mapping is called that is suggested.
const NAME: &str = "Kandji Device Import";

impl ControlPlane {
    pub(crate) async fn suggest_mapping(
        &self,
        caller: &Caller,
        request: proto::SuggestMappingRequest,
    ) -> Result<proto::SuggestMappingResponse> {
        let mut violations = Violations::default();
        let connection_id = violations.id("connection_id", &request.connection_id);
        violations.required_text("collection_id", &request.collection_id, MAX_FOREIGN_ID);
        violations.choice::<proto::ExternalEntity>("external_entity", request.external_entity);
        violations.check()?;
        let clients = self.upstream.open(&caller.tenant, connection_id, None).await?;
        let scoped = clients.scoped()?;
        let mut found = import_columns(columns(scoped, &request.collection_id).await?);
        let suggestion = loop {
            let suggestion = suggest(&found);
            // A column that holds a value twice would be refused as the identifier's.
            let unknown = suggestion.identifier.as_ref().map(|it| it.column_id.clone());
            let Some(column) = unknown.and_then(|id| found.iter_mut().find(|it| it.id == id && it.unique.is_none()))
            else {
                break suggestion;
            };
            match uniqueness::look(scoped, &request.collection_id, &column.id).await {
                Ok(Seen::Duplicates(_)) => column.unique = Some(false),
                Ok(_) => break suggestion,
                Err(error) if uniqueness::may_be_done_without(&error) => break suggestion,
                Err(error) => return Err(CallError::AssetPanda(error)),
            }
        };
        clients.release().await;
        Ok(answer(&request.collection_id, suggestion, &found))
    }
}

fn answer(collection_id: &str, suggestion: Suggestion, columns: &[Column]) -> proto::SuggestMappingResponse {
    let Suggestion { identifier, pairs, unplaced } = suggestion;
    let is_sure = |it: &Proposal| it.confidence > Confidence::Low;
    let mapping = proto::Mapping {
        display_name: NAME.to_owned(),
        external_entity: proto::ExternalEntity::Devices.into(),
        collection_id: collection_id.to_owned(),
        identifier: identifier.as_ref().map(|it| proto::Identifier {
            source_field: it.source_field.key().to_owned(),
            column_id: it.column_id.clone(),
        }),
        fields: pairs
            .iter()
            .filter(|it| is_sure(it))
            .map(|it| proto::FieldPair {
                source_field: it.source_field.key().to_owned(),
                column_id: it.column_id.clone(),
                ..proto::FieldPair::default()
            })
            .collect(),
        ..proto::Mapping::default()
    };
    let first = identifier.into_iter().map(|it| pair(it, true, true));
    let others = pairs.into_iter().map(|it| {
        let in_mapping = is_sure(&it);
        pair(it, false, in_mapping)
    });
    proto::SuggestMappingResponse {
        mapping: Some(mapping),
        pairs: first.chain(others).collect(),
        not_suggested: unplaced.into_iter().map(|it| not_suggested(it, columns)).collect(),
    }
}

fn pair(proposal: Proposal, identifier: bool, in_mapping: bool) -> proto::SuggestedPair {
    proto::SuggestedPair {
        source_field: proposal.source_field.key().to_owned(),
        column_id: proposal.column_id,
        column_name: proposal.column_name,
        confidence: match proposal.confidence {
            Confidence::Low => proto::SuggestionConfidence::Low,
            Confidence::Medium => proto::SuggestionConfidence::Medium,
            Confidence::High => proto::SuggestionConfidence::High,
        }
        .into(),
        reason: proposal.why,
        identifier,
        in_mapping,
    }
}

fn not_suggested(unplaced: Unplaced, columns: &[Column]) -> proto::NotSuggested {
    match unplaced {
        Unplaced::Identifier(message) => {
            let message = if columns.is_empty() { "The collection has no columns.".to_owned() } else { message };
            proto::NotSuggested { display_name: "identifier".to_owned(), message, ..Default::default() }
        }
        Unplaced::Field(field, message) => proto::NotSuggested {
            source_field: field.key().to_owned(),
            display_name: SourceField::display_name(field).to_owned(),
            message,
            ..Default::default()
        },
        Unplaced::Column(column_id, display_name, message) => {
            proto::NotSuggested { column_id, display_name, message, ..Default::default() }
        }
    }
}
