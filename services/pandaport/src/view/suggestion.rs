//! A mapping that is suggested.

use pandaport_api::v1;
use serde::Serialize;

use super::MappingView;

/// `pandaport.v1.SuggestMappingResponse`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuggestionView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<MappingView<'a>>,
    pairs: Vec<Pair<'a>>,
    not_suggested: Vec<NotSuggested<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pair<'a> {
    source_field: &'a str,
    column_id: &'a str,
    column_name: &'a str,
    confidence: &'a str,
    reason: &'a str,
    identifier: bool,
    in_mapping: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NotSuggested<'a> {
    source_field: &'a str,
    column_id: &'a str,
    display_name: &'a str,
    message: &'a str,
}

impl<'a> From<&'a v1::SuggestMappingResponse> for SuggestionView<'a> {
    fn from(it: &'a v1::SuggestMappingResponse) -> Self {
        Self {
            mapping: it.mapping.as_ref().map(Into::into),
            pairs: it
                .pairs
                .iter()
                .map(|it| Pair {
                    source_field: &it.source_field,
                    column_id: &it.column_id,
                    column_name: &it.column_name,
                    confidence: it.confidence().as_str_name(),
                    reason: &it.reason,
                    identifier: it.identifier,
                    in_mapping: it.in_mapping,
                })
                .collect(),
            not_suggested: it
                .not_suggested
                .iter()
                .map(|it| NotSuggested {
                    source_field: &it.source_field,
                    column_id: &it.column_id,
                    display_name: &it.display_name,
                    message: &it.message,
                })
                .collect(),
        }
    }
}
