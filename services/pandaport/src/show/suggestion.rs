//! A mapping that is suggested.

use pandaport_api::v1::SuggestMappingResponse;

use super::name::words;
use super::table::{Kind, table};
use super::text::clean;

/// The pairs with why, what is left over, and the command that creates the mapping so.
#[must_use]
pub fn suggestion(width: Option<u16>, it: &SuggestMappingResponse, connection_id: &str) -> String {
    let rows: Vec<Vec<String>> = it
        .pairs
        .iter()
        .map(|pair| {
            let confidence = words(pair.confidence().as_str_name(), "SUGGESTION_CONFIDENCE_");
            vec![
                pair.source_field.clone(),
                pair.column_name.clone(),
                if pair.in_mapping { confidence } else { format!("{confidence}, left out") },
                if pair.identifier { format!("Identifier. {}", pair.reason) } else { pair.reason.clone() },
            ]
        })
        .collect();
    let head = [("FIELD", Kind::Id), ("COLUMN", Kind::Text), ("CONFIDENCE", Kind::Id), ("WHY", Kind::Text)];
    let mut parts = vec![table(width, &head, &rows)];
    if !it.not_suggested.is_empty() {
        let rows: Vec<Vec<String>> = it
            .not_suggested
            .iter()
            .map(|it| {
                let what = match (it.source_field.is_empty(), it.column_id.is_empty()) {
                    (false, _) => "field",
                    (true, false) => "column",
                    (true, true) => "",
                };
                vec![what.to_owned(), it.display_name.clone(), it.message.clone()]
            })
            .collect();
        let head = [("LEFT OVER", Kind::Id), ("NAME", Kind::Text), ("WHY", Kind::Text)];
        parts.push(table(width, &head, &rows));
    }
    parts.extend(command(it, connection_id));
    parts.join("\n\n")
}

/// How to create it as it is; `None` without an identifier.
fn command(it: &SuggestMappingResponse, connection_id: &str) -> Option<String> {
    let mapping = it.mapping.as_ref()?;
    let identifier = mapping.identifier.as_ref()?;
    let mut command = format!(
        "→ pandaport mappings create --connection {} --collection {} --identifier {}={}",
        quoted(connection_id),
        quoted(&mapping.collection_id),
        identifier.source_field,
        quoted(&identifier.column_id)
    );
    for pair in &mapping.fields {
        command.push_str(&format!(" --field {}={}", pair.source_field, quoted(&pair.column_id)));
    }
    Some(command)
}

/// As a shell takes it for one word, whatever an id holds.
fn quoted(id: &str) -> String {
    let id = clean(id);
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_.:".contains(it);
    if !id.is_empty() && id.chars().all(is_plain) {
        id.into_owned()
    } else {
        format!("'{}'", id.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use pandaport_api::v1::{FieldPair, Identifier, Mapping, NotSuggested, SuggestedPair, SuggestionConfidence};

    use super::*;

    #[test]
    fn an_id_is_one_word_for_a_shell() {
        assert_eq!(quoted("01HW_9-a"), "01HW_9-a");
        assert_eq!(quoted("a; b"), "'a; b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_suggestion_ends_with_the_command_that_creates_it() {
        let pair = |field: &str, column: &str, confidence: SuggestionConfidence, why: &str| SuggestedPair {
            source_field: field.into(),
            column_id: column.into(),
            column_name: column.to_uppercase(),
            confidence: confidence.into(),
            reason: why.into(),
            identifier: field == "serial_number",
            in_mapping: confidence != SuggestionConfidence::Low,
        };
        let answer = SuggestMappingResponse {
            mapping: Some(Mapping {
                collection_id: "ITAM".into(),
                identifier: Some(Identifier { source_field: "serial_number".into(), column_id: "serial".into() }),
                fields: vec![FieldPair {
                    source_field: "device_name".into(),
                    column_id: "host".into(),
                    ..FieldPair::default()
                }],
                ..Mapping::default()
            }),
            pairs: vec![
                pair("serial_number", "serial", SuggestionConfidence::High, "The column has the field's name."),
                pair("device_name", "host", SuggestionConfidence::Medium, "Another usual name."),
                pair("model", "year", SuggestionConfidence::Low, "It resembles it."),
            ],
            not_suggested: vec![NotSuggested {
                source_field: "tags".into(),
                display_name: "Tags".into(),
                message: "No column is named like it.".into(),
                ..NotSuggested::default()
            }],
        };
        insta::assert_snapshot!(suggestion(None, &answer, "c-1"), @r"
        FIELD          COLUMN  CONFIDENCE     WHY
        serial_number  SERIAL  high           Identifier. The column has the field's name.
        device_name    HOST    medium         Another usual name.
        model          YEAR    low, left out  It resembles it.

        LEFT OVER  NAME  WHY
        field      Tags  No column is named like it.

        → pandaport mappings create --connection c-1 --collection ITAM --identifier serial_number=serial --field device_name=host
        ");
    }
}
