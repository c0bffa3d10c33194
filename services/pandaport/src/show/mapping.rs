//! Mappings and the source fields that they are made of.

use pandaport_api::v1::schedule::Kind as ScheduleKind;
use pandaport_api::v1::{Mapping, Schedule, SourceField, Warning, WriteRule};

use super::held::sentence;
use super::name::{short, words};
use super::table::{Kind, sheet, table};
use super::text::{clean, number};
use super::time::{duration, length, moment};

/// A table of mappings.
#[must_use]
pub fn mappings(width: Option<u16>, mappings: &[Mapping]) -> String {
    let rows: Vec<Vec<String>> = mappings
        .iter()
        .map(|it| {
            vec![
                it.mapping_id.clone(),
                it.display_name.clone(),
                state(it),
                number(it.linked_count.into()),
                number(it.rejected_count.into()),
                last_sync(it),
                moment(it.next_sync_time.as_ref()),
            ]
        })
        .collect();
    let columns = [
        ("MAPPING", Kind::Id),
        ("NAME", Kind::Text),
        ("STATE", Kind::Id),
        ("LINKED", Kind::Number),
        ("REJECTED", Kind::Number),
        ("LAST SYNC", Kind::Text),
        ("NEXT SYNC", Kind::Id),
    ];
    table(width, &columns, &rows)
}

/// One mapping: its properties, then its pairs.
#[must_use]
pub fn mapping(width: Option<u16>, it: &Mapping) -> String {
    let mut state = state(it);
    if !it.state_reason.is_empty() {
        state = format!("{state}: {}", it.state_reason);
    }
    let mut lines = vec![
        ("Mapping", it.mapping_id.clone()),
        ("Name", it.display_name.clone()),
        ("State", state),
        ("Health", short(it.health().as_str_name(), "MAPPING_HEALTH_").to_owned()),
        ("Connection", it.connection_id.clone()),
        ("Collection", it.collection_id.clone()),
        ("Schedule", schedule(it.schedule.as_ref())),
        ("Linked", number(it.linked_count.into())),
        ("Rejected", number(it.rejected_count.into())),
        ("Last sync", last_sync(it)),
        ("Last success", moment(it.last_success_time.as_ref())),
        ("Next sync", moment(it.next_sync_time.as_ref())),
    ];
    let policies = super::policy::policies(it);
    let behind_schedule = lines.iter().position(|(name, _)| *name == "Linked").unwrap_or(lines.len());
    lines.splice(behind_schedule..behind_schedule, policies);
    if let Some(held) = &it.held {
        lines.push(("Held", format!("{}; pandaport mappings approve shows more", sentence(held))));
    }
    let mut parts = vec![sheet(width, &lines), pairs(width, it)];
    if !it.notes.is_empty() {
        parts.push(warnings(&it.notes));
    }
    parts.join("\n\n")
}

/// The pairs of a mapping, the identifier first.
#[must_use]
pub fn pairs(width: Option<u16>, mapping: &Mapping) -> String {
    let identifier = mapping
        .identifier
        .iter()
        .map(|it| vec![it.source_field.clone(), it.column_id.clone(), "identifier".to_owned()]);
    let fields = mapping.fields.iter().map(|it| {
        let rule = match it.write_rule() {
            WriteRule::Unspecified => String::new(),
            rule => words(rule.as_str_name(), "WRITE_RULE_"),
        };
        vec![it.source_field.clone(), it.column_id.clone(), rule]
    });
    let rows: Vec<Vec<String>> = identifier.chain(fields).collect();
    let columns = [("FIELD", Kind::Id), ("COLUMN", Kind::Id), ("WRITTEN", Kind::Text)];
    table(width, &columns, &rows)
}

/// What is allowed but worth knowing, a line each.
#[must_use]
pub fn warnings(warnings: &[Warning]) -> String {
    warnings
        .iter()
        .map(|it| format!("! {}: {} ({})", clean(&it.field), clean(&it.message), clean(&it.reason)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A table of the fields that can be mapped.
#[must_use]
pub fn source_fields(width: Option<u16>, fields: &[SourceField]) -> String {
    let rows: Vec<Vec<String>> = fields
        .iter()
        .map(|it| {
            vec![
                it.key.clone(),
                it.display_name.clone(),
                short(it.value_type().as_str_name(), "VALUE_TYPE_").to_owned(),
                words(it.identifier_fitness().as_str_name(), "IDENTIFIER_FITNESS_"),
                it.guidance.clone(),
            ]
        })
        .collect();
    let columns =
        [("FIELD", Kind::Id), ("NAME", Kind::Id), ("TYPE", Kind::Id), ("AS IDENTIFIER", Kind::Id), ("WHY", Kind::Text)];
    table(width, &columns, &rows)
}

fn state(it: &Mapping) -> String {
    short(it.state().as_str_name(), "MAPPING_STATE_").to_owned()
}

fn last_sync(it: &Mapping) -> String {
    it.last_sync.as_ref().map_or_else(|| "-".to_owned(), |it| short(it.state().as_str_name(), "SYNC_STATE_").to_owned())
}

fn schedule(it: Option<&Schedule>) -> String {
    match it.and_then(|it| it.kind.as_ref()) {
        None => "every hour".to_owned(),
        Some(ScheduleKind::Interval(every)) => format!("every {}", length(duration(every))),
        Some(ScheduleKind::Cron(cron)) => {
            let zone = if cron.time_zone.is_empty() { "UTC" } else { &cron.time_zone };
            format!("{} {}", clean(&cron.expression), clean(zone))
        }
        Some(ScheduleKind::Manual(_)) => "only on demand".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use pandaport_api::v1::{
        FieldPair, Identifier, IdentifierFitness, MappingHealth, MappingState, Sync, SyncState, ValueType,
    };

    use super::*;

    fn active() -> Mapping {
        Mapping {
            mapping_id: "0199aaaa-0000-7000-8000-000000000002".into(),
            connection_id: "0199aaaa-0000-7000-8000-000000000001".into(),
            display_name: "Kandji Device Import".into(),
            collection_id: "01JCOL0001".into(),
            identifier: Some(Identifier {
                source_field: "serial_number".into(),
                column_id: "01HW_0_serial_text".into(),
            }),
            fields: vec![
                FieldPair {
                    source_field: "model".into(),
                    column_id: "01HW_1_model_text".into(),
                    write_rule: WriteRule::Trigger.into(),
                    ..FieldPair::default()
                },
                FieldPair {
                    source_field: "last_check_in".into(),
                    column_id: "01HW_2_seen_datetime".into(),
                    write_rule: WriteRule::Passenger.into(),
                    ..FieldPair::default()
                },
            ],
            schedule: Some(Schedule {
                kind: Some(ScheduleKind::Interval(prost_types::Duration { seconds: 900, nanos: 0 })),
            }),
            state: MappingState::Active.into(),
            health: MappingHealth::Rejections.into(),
            last_sync: Some(Sync { state: SyncState::Succeeded.into(), ..Sync::default() }),
            linked_count: 1_250,
            rejected_count: 2,
            ..Mapping::default()
        }
    }

    #[test]
    fn a_mapping_shows_its_pairs() {
        insta::assert_snapshot!(mapping(None, &active()), @r#"
        Mapping       0199aaaa-0000-7000-8000-000000000002
        Name          Kandji Device Import
        State         ACTIVE
        Health        REJECTIONS
        Connection    0199aaaa-0000-7000-8000-000000000001
        Collection    01JCOL0001
        Schedule      every 15 min
        Linked        1,250
        Rejected      2
        Last sync     SUCCEEDED
        Last success  -
        Next sync     -

        FIELD          COLUMN                WRITTEN
        serial_number  01HW_0_serial_text    identifier
        model          01HW_1_model_text     trigger
        last_check_in  01HW_2_seen_datetime  passenger
        "#);
    }

    #[test]
    fn a_table_of_mappings() {
        insta::assert_snapshot!(mappings(None, &[active()]), @r#"
        MAPPING                               NAME                  STATE   LINKED  REJECTED  LAST SYNC  NEXT SYNC
        0199aaaa-0000-7000-8000-000000000002  Kandji Device Import  ACTIVE   1,250         2  SUCCEEDED  -
        "#);
    }

    #[test]
    fn fields_come_with_advice() {
        let field = SourceField {
            key: "serial_number".into(),
            display_name: "Serial Number".into(),
            value_type: ValueType::Text.into(),
            identifier_fitness: IdentifierFitness::Good.into(),
            guidance: "Common and acceptable.".into(),
            calls_per_device: 0,
        };
        insta::assert_snapshot!(source_fields(None, &[field]), @r#"
        FIELD          NAME           TYPE  AS IDENTIFIER  WHY
        serial_number  Serial Number  TEXT  good           Common and acceptable.
        "#);
    }
}
