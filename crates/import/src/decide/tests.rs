//! One device at a time: each test is a case that an operator would recognise.
#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::support::cell;
use crate::{BaselineCell, ColumnType, SourceField, WriteRule};

const SERIAL: usize = 0;
const MODEL: usize = 1;
const SEEN: usize = 2;
const ROOM: usize = 3;
const BORN: usize = 4;

/// serial (identifier), model, seen (passenger), room (fill only), born (create only).
fn cells() -> Vec<CellSpec> {
    let mut cells = vec![
        cell("serial", ColumnType::Text, WriteRule::Trigger),
        cell("model", ColumnType::Text, WriteRule::Trigger),
        cell("seen", ColumnType::Datetime, WriteRule::Passenger),
        cell("room", ColumnType::Text, WriteRule::FillOnly),
        cell("born", ColumnType::Date, WriteRule::CreateOnly),
    ];
    cells[MODEL].source_field = SourceField::Model;
    cells
}

fn value(text: &str) -> Cell {
    Cell::Value(json!(text))
}

/// A device with these cells.
fn wanted(cells: [Cell; 5]) -> Projection {
    let identifier = match &cells[0] {
        Cell::Value(value) => Identifier::Value(value.as_str().unwrap().to_owned().into()),
        Cell::Unknown => Identifier::Unknown,
        _ => Identifier::Empty,
    };
    Projection { identifier, cells: cells.to_vec(), fingerprint: [0; 16] }
}

fn mac() -> Projection {
    wanted([value("C02"), value("Mac"), value("2026-11-20T09:00:00Z"), value("R1"), value("2020-01-01")])
}

fn record(id: &str, values: [Value; 5]) -> FoundRecord {
    let values = values.into_iter().map(|value| (!value.is_null()).then_some(value)).collect();
    FoundRecord { record_id: id.into(), values, held_by: None }
}

fn bare(id: &str, serial: &str) -> FoundRecord {
    record(id, [json!(serial), json!(null), json!(null), json!(null), json!(null)])
}

/// What stands in the record `mac()` was made into.
fn as_imported(id: &str) -> FoundRecord {
    record(id, [json!("C02"), json!("Mac"), json!("2026-11-20T09:00:00Z"), json!("R1"), json!("2020-01-01")])
}

fn ours(values: [Value; 5]) -> Baseline {
    let cell = |value: Value| (!value.is_null()).then_some(BaselineCell { value, ours: true });
    Baseline(values.into_iter().map(cell).collect())
}

fn imported() -> Baseline {
    ours([json!("C02"), json!("Mac"), json!("2026-11-20T09:00:00Z"), json!("R1"), json!("2020-01-01")])
}

/// A device without a link, after its look-up.
fn first_sight(wanted: &Projection, found: &[FoundRecord]) -> Decision {
    let cells = cells();
    decide(&Case {
        cells: &cells,
        wanted,
        link: None,
        found,
        looked_up: true,
        mode: Mode::Incremental,
        passenger_due: false,
    })
}

struct Linked {
    baseline: Baseline,
    forms: Forms,
    dirty: bool,
    mode: Mode,
    passenger_due: bool,
    looked_up: bool,
}

fn linked(mode: Mode) -> Linked {
    Linked {
        baseline: imported(),
        forms: Forms::default(),
        dirty: false,
        mode,
        passenger_due: false,
        looked_up: mode == Mode::Full,
    }
}

impl Linked {
    fn decide(&self, wanted: &Projection, found: &[FoundRecord]) -> Decision {
        let cells = cells();
        let link = LinkedCase { record_id: "R", baseline: &self.baseline, forms: &self.forms, dirty: self.dirty };
        decide(&Case {
            cells: &cells,
            wanted,
            link: Some(link),
            found,
            looked_up: self.looked_up,
            mode: self.mode,
            passenger_due: self.passenger_due,
        })
    }
}

fn changed(decision: &Decision) -> Vec<(usize, Value)> {
    let changes = match decision {
        Decision::Create { row } => row,
        Decision::Adopt { changes, .. } | Decision::Update { changes, .. } => changes,
        other => panic!("{other:?}"),
    };
    changes.iter().map(|change| (change.cell, change.new.clone())).collect()
}

fn rejected(decision: &Decision) -> (RejectReason, &str) {
    match decision {
        Decision::Reject { reason, message } => (*reason, message),
        other => panic!("{other:?}"),
    }
}

fn is_unchanged(decision: &Decision) -> bool {
    matches!(decision, Decision::Unchanged { .. })
}

const CLEAN: Decision = Decision::Unchanged { equal: Vec::new(), forms: None };

mod first_sight {
    use super::*;

    #[test]
    fn nothing_found_creates_with_every_value_and_sends_no_empty_ones() {
        let wanted = wanted([value("C02"), Cell::Empty, Cell::Unknown, value("R1"), value("2020-01-01")]);
        let decision = super::first_sight(&wanted, &[]);
        assert_eq!(changed(&decision), [(SERIAL, json!("C02")), (ROOM, json!("R1")), (BORN, json!("2020-01-01"))]);
    }

    #[test]
    fn rows_that_search_matched_too_loosely_do_not_count() {
        let decision = super::first_sight(&mac(), &[bare("other", "C02X"), bare("empty", "")]);
        assert!(matches!(decision, Decision::Create { .. }), "{decision:?}");
    }

    #[test]
    fn one_record_is_adopted_and_only_what_differs_is_written() {
        let found = record("R", [json!("C02"), json!("Old"), json!(null), json!("theirs"), json!(null)]);
        let decision = super::first_sight(&mac(), &[found]);
        // The passenger goes along; the filled column stays; what is for new records stays empty.
        assert_eq!(changed(&decision), [(MODEL, json!("Mac")), (SEEN, json!("2026-11-20T09:00:00Z"))]);
        let Decision::Adopt { record_id, changes, differences, equal } = decision else { panic!() };
        assert_eq!((record_id.as_str(), equal.as_slice()), ("R", [SERIAL].as_slice()));
        assert_eq!(changes[0].old, Some(json!("Old")));
        assert_eq!(differences, []);
    }

    #[test]
    fn a_record_that_is_right_already_is_adopted_without_a_write() {
        let decision = super::first_sight(&mac(), &[as_imported("R")]);
        assert_eq!(changed(&decision), []);
    }

    #[test]
    fn an_empty_column_of_an_adopted_record_is_filled() {
        let decision = super::first_sight(&mac(), &[bare("R", "C02")]);
        assert!(changed(&decision).contains(&(ROOM, json!("R1"))));
        assert!(changed(&decision).iter().all(|(cell, _)| *cell != BORN));
    }

    #[test]
    fn rule_8_on_adoption_an_empty_field_leaves_the_column_and_is_listed() {
        let wanted = wanted([value("C02"), Cell::Empty, Cell::Unknown, Cell::Unknown, Cell::Unknown]);
        let decision = super::first_sight(&wanted, &[as_imported("R")]);
        let Decision::Adopt { changes, differences, .. } = decision else { panic!() };
        assert_eq!(changes, []);
        assert_eq!(differences.len(), 1);
        assert_eq!((differences[0].cell, &differences[0].present), (MODEL, &json!("Mac")));
    }

    #[test]
    fn rule_12_an_empty_or_unknown_identifier_is_rejected() {
        for (cell, word) in [(Cell::Empty, "is empty"), (Cell::Unknown, "absent")] {
            let wanted = wanted([cell, value("Mac"), Cell::Unknown, Cell::Unknown, Cell::Unknown]);
            let decision = super::first_sight(&wanted, &[]);
            let (reason, message) = rejected(&decision);
            assert_eq!(reason, RejectReason::IdentifierEmpty);
            assert!(message.contains("Serial Number") && message.contains(word), "{message}");
        }
    }

    #[test]
    fn rule_5_unfit_values_reject_the_device_and_are_all_named() {
        let unfit = |text: &str| Cell::Unfit(text.to_owned());
        let wanted = wanted([value("C02"), unfit("first problem"), unfit("second problem"), Cell::Empty, Cell::Empty]);
        let decision = super::first_sight(&wanted, &[]);
        assert_eq!(rejected(&decision), (RejectReason::ValueUnfit, "first problem; second problem"));
    }

    #[test]
    fn rule_12_two_records_with_the_identifier_are_ambiguous() {
        let decision = super::first_sight(&mac(), &[bare("R1", "C02"), bare("R2", "C02"), bare("R3", "c02")]);
        let (reason, message) = rejected(&decision);
        assert_eq!(reason, RejectReason::IdentifierAmbiguous);
        assert!(message.contains("2 records have Serial Number \"C02\": R1, R2;"), "{message}");
    }

    #[test]
    fn one_record_on_two_pages_is_one_record() {
        let decision = super::first_sight(&mac(), &[as_imported("R"), as_imported("R")]);
        assert!(matches!(decision, Decision::Adopt { .. }), "{decision:?}");
    }

    #[test]
    fn rule_12_a_near_match_is_rejected_with_both_values() {
        for near in ["c02", " C02", "C02\u{a0}"] {
            let decision = super::first_sight(&mac(), &[bare("R1", near)]);
            let (reason, message) = rejected(&decision);
            assert_eq!(reason, RejectReason::IdentifierNearMatch);
            assert!(message.contains("\"C02\"") && message.contains(&format!("\"{near}\" in record R1")), "{message}");
        }
    }

    #[test]
    fn an_exact_match_beside_a_near_one_is_adopted() {
        let decision = super::first_sight(&mac(), &[bare("R1", "c02"), as_imported("R2")]);
        assert!(matches!(decision, Decision::Adopt { ref record_id, .. } if record_id == "R2"), "{decision:?}");
    }

    #[test]
    fn rule_12_a_record_that_another_present_device_holds_is_never_adopted() {
        let found = FoundRecord { held_by: Some("other-device".into()), ..as_imported("R") };
        let decision = super::first_sight(&mac(), &[found]);
        let (reason, message) = rejected(&decision);
        assert_eq!(reason, RejectReason::IdentifierTaken);
        assert!(message.contains("other-device") && message.contains("record R"), "{message}");
    }

    #[test]
    fn without_a_look_up_nothing_is_decided() {
        let cells = cells();
        let wanted = mac();
        let case = Case {
            cells: &cells,
            wanted: &wanted,
            link: None,
            found: &[],
            looked_up: false,
            mode: Mode::Incremental,
            passenger_due: false,
        };
        assert_eq!(decide(&case), Decision::LookUp);
    }
}

mod incremental {
    use super::*;

    #[test]
    fn rule_4_nothing_changed_sends_nothing() {
        assert_eq!(linked(Mode::Incremental).decide(&mac(), &[]), CLEAN);
    }

    #[test]
    fn rule_4_only_the_column_that_differs_is_sent_and_the_passenger_goes_along() {
        let mut wanted = mac();
        wanted.cells[MODEL] = value("MacBook");
        let decision = linked(Mode::Incremental).decide(&wanted, &[]);
        assert_eq!(changed(&decision), [(MODEL, json!("MacBook"))]);
        wanted.cells[SEEN] = value("2026-11-20T10:00:00Z");
        let decision = linked(Mode::Incremental).decide(&wanted, &[]);
        assert_eq!(changed(&decision), [(MODEL, json!("MacBook")), (SEEN, json!("2026-11-20T10:00:00Z"))]);
    }

    #[test]
    fn rule_9_a_passenger_alone_waits_until_it_is_due() {
        let mut wanted = mac();
        wanted.cells[SEEN] = value("2026-11-20T10:00:00Z");
        assert_eq!(linked(Mode::Incremental).decide(&wanted, &[]), CLEAN);
        let due = Linked { passenger_due: true, ..linked(Mode::Incremental) };
        assert_eq!(changed(&due.decide(&wanted, &[])), [(SEEN, json!("2026-11-20T10:00:00Z"))]);
        assert_eq!(due.decide(&mac(), &[]), CLEAN);
    }

    #[test]
    fn rule_9_fill_only_and_create_only_are_not_decided_without_the_record() {
        let mut wanted = mac();
        wanted.cells[ROOM] = value("R2");
        wanted.cells[BORN] = Cell::Empty;
        assert_eq!(linked(Mode::Incremental).decide(&wanted, &[]), CLEAN);
    }

    #[test]
    fn rule_8_empty_clears_what_we_wrote_and_unknown_nothing() {
        let mut wanted = mac();
        wanted.cells[MODEL] = Cell::Unknown;
        assert_eq!(linked(Mode::Incremental).decide(&wanted, &[]), CLEAN);
        wanted.cells[MODEL] = Cell::Empty;
        let decision = linked(Mode::Incremental).decide(&wanted, &[]);
        assert_eq!(changed(&decision), [(MODEL, json!(""))]);
        let Decision::Update { changes, .. } = decision else { panic!() };
        assert!(changes[0].clears());
        assert_eq!(changes[0].old, Some(json!("Mac")));
    }

    #[test]
    fn rule_8_what_we_did_not_write_is_never_cleared() {
        let mut wanted = mac();
        wanted.cells[MODEL] = Cell::Empty;
        let mut adopted = linked(Mode::Incremental);
        adopted.baseline.0[MODEL].as_mut().unwrap().ours = false;
        assert_eq!(adopted.decide(&wanted, &[]), CLEAN);
        adopted.baseline.0[MODEL] = None;
        assert_eq!(adopted.decide(&wanted, &[]), CLEAN);
    }

    #[test]
    fn a_time_is_cleared_with_null() {
        let mut wanted = mac();
        wanted.cells[SEEN] = Cell::Empty;
        let due = Linked { passenger_due: true, ..linked(Mode::Incremental) };
        assert_eq!(changed(&due.decide(&wanted, &[])), [(SEEN, json!(null))]);
    }

    #[test]
    fn rule_4_a_dirty_link_is_sent_again_whatever_the_diff_says() {
        let mut dirty = Linked { dirty: true, ..linked(Mode::Incremental) };
        let all = [(SERIAL, json!("C02")), (MODEL, json!("Mac")), (SEEN, json!("2026-11-20T09:00:00Z"))];
        assert_eq!(changed(&dirty.decide(&mac(), &[])), all);
        let mut wanted = mac();
        wanted.cells[MODEL] = Cell::Empty;
        assert_eq!(changed(&dirty.decide(&wanted, &[]))[1], (MODEL, json!("")));
        dirty.baseline.0[MODEL] = None;
        assert!(changed(&dirty.decide(&wanted, &[])).iter().all(|(cell, _)| *cell != MODEL));
    }

    #[test]
    fn a_new_identifier_is_looked_up_before_it_is_written() {
        let mut wanted = mac();
        wanted.cells[SERIAL] = value("C03");
        wanted.identifier = Identifier::Value("C03".into());
        let mut link = linked(Mode::Incremental);
        assert_eq!(link.decide(&wanted, &[]), Decision::LookUp);
        link.looked_up = true;
        assert_eq!(changed(&link.decide(&wanted, &[])), [(SERIAL, json!("C03"))]);
        // The record itself may have it already, from a write whose end was not known.
        assert_eq!(changed(&link.decide(&wanted, &[bare("R", "C03")])), [(SERIAL, json!("C03"))]);
        let reason = |found: &[FoundRecord]| rejected(&link.decide(&wanted, found)).0;
        assert_eq!(reason(&[bare("S", "C03")]), RejectReason::IdentifierTaken);
        assert_eq!(reason(&[bare("S", "c03")]), RejectReason::IdentifierNearMatch);
        assert_eq!(reason(&[bare("S", "C03"), bare("T", "C03")]), RejectReason::IdentifierAmbiguous);
        let held = FoundRecord { held_by: Some("other-device".into()), ..bare("S", "C03") };
        let decision = link.decide(&wanted, &[held]);
        assert!(rejected(&decision).1.contains("other-device"));
    }

    #[test]
    fn only_what_must_be_is_looked_up() {
        let cells = cells();
        let link = linked(Mode::Incremental);
        let case = LinkedCase { record_id: "R", baseline: &link.baseline, forms: &link.forms, dirty: false };
        assert!(!needs_look_up(&cells, &mac(), Some(&case), Mode::Incremental));
        assert!(needs_look_up(&cells, &mac(), Some(&case), Mode::Full));
        assert!(needs_look_up(&cells, &mac(), None, Mode::Incremental));
        let mut unfit = mac();
        unfit.cells[MODEL] = Cell::Unfit("problem".into());
        assert!(!needs_look_up(&cells, &unfit, None, Mode::Full));
    }
}

mod full {
    use super::*;

    #[test]
    fn rule_13_a_full_sync_after_an_import_writes_nothing() {
        assert_eq!(linked(Mode::Full).decide(&mac(), &[as_imported("R")]), CLEAN);
    }

    #[test]
    fn rule_13_values_are_compared_by_type() {
        let mut found = as_imported("R");
        found.values[SEEN] = Some(json!("11/20/2026 09:00:00 AM"));
        found.values[MODEL] = Some(json!({"id": "x", "value": "Mac"}));
        let due = Linked { passenger_due: true, ..linked(Mode::Full) };
        assert_eq!(due.decide(&mac(), &[found]), CLEAN);
    }

    #[test]
    fn rule_13_an_edit_is_repaired() {
        let mut found = as_imported("R");
        found.values[MODEL] = Some(json!("edited"));
        found.values[BORN] = Some(json!("1999-01-01"));
        found.values[ROOM] = Some(json!("moved"));
        let decision = linked(Mode::Full).decide(&mac(), &[found]);
        assert_eq!(changed(&decision), [(MODEL, json!("Mac"))]);
        let Decision::Update { changes, .. } = decision else { panic!() };
        assert_eq!(changes[0].old, Some(json!("edited")));
    }

    #[test]
    fn an_edited_identifier_is_repaired() {
        let mut found = as_imported("R");
        found.values[SERIAL] = Some(json!("edited"));
        assert_eq!(changed(&linked(Mode::Full).decide(&mac(), &[found.clone()])), [(SERIAL, json!("C02"))]);
        let decision = linked(Mode::Full).decide(&mac(), &[found, bare("S", "C02")]);
        assert_eq!(rejected(&decision).0, RejectReason::IdentifierTaken);
    }

    #[test]
    fn fill_only_fills_what_is_empty() {
        let mut found = as_imported("R");
        found.values[ROOM] = Some(json!(""));
        assert_eq!(changed(&linked(Mode::Full).decide(&mac(), &[found])), [(ROOM, json!("R1"))]);
    }

    #[test]
    fn rule_9_a_passengers_drift_waits_for_company() {
        let mut found = as_imported("R");
        found.values[SEEN] = Some(json!("2026-11-19T00:00:00Z"));
        assert_eq!(linked(Mode::Full).decide(&mac(), &[found.clone()]), CLEAN);
        found.values[MODEL] = Some(json!("edited"));
        assert_eq!(changed(&linked(Mode::Full).decide(&mac(), &[found])).len(), 2);
    }

    #[test]
    fn rule_8_an_empty_field_clears_only_what_we_wrote() {
        let mut wanted = mac();
        wanted.cells[MODEL] = Cell::Empty;
        let mut link = linked(Mode::Full);
        assert_eq!(changed(&link.decide(&wanted, &[as_imported("R")])), [(MODEL, json!(""))]);
        link.baseline.0[MODEL].as_mut().unwrap().ours = false;
        assert!(is_unchanged(&link.decide(&wanted, &[as_imported("R")])));
        link.baseline.0[MODEL] = None;
        assert_eq!(link.decide(&wanted, &[as_imported("R")]), CLEAN);
    }

    #[test]
    fn what_is_found_as_wanted_is_learnt_and_not_ours() {
        let mut link = linked(Mode::Full);
        link.baseline.0[MODEL] = None;
        let decision = link.decide(&mac(), &[as_imported("R")]);
        assert_eq!(decision, Decision::Unchanged { equal: vec![MODEL], forms: None });
        let learnt = link.baseline.confirmed(&mac().cells, &[], &[MODEL]);
        assert_eq!(learnt.get(MODEL), Some(&BaselineCell { value: json!("Mac"), ours: false }));
    }

    #[test]
    fn a_record_that_did_not_come_back_is_asked_for_by_its_id() {
        assert_eq!(linked(Mode::Full).decide(&mac(), &[]), Decision::MissingRecord);
        assert_eq!(linked(Mode::Full).decide(&mac(), &[bare("S", "C02")]), Decision::MissingRecord);
        let not_asked = Linked { looked_up: false, ..linked(Mode::Full) };
        assert_eq!(not_asked.decide(&mac(), &[]), Decision::LookUp);
    }

    #[test]
    fn a_second_record_with_the_identifier_stops_the_writing() {
        let mut found = as_imported("R");
        found.values[MODEL] = Some(json!("edited"));
        let decision = linked(Mode::Full).decide(&mac(), &[bare("S", "C02"), found]);
        let (reason, message) = rejected(&decision);
        assert_eq!(reason, RejectReason::IdentifierAmbiguous);
        assert!(message.contains("R, S"), "{message}");
    }

    #[test]
    fn a_near_match_beside_the_devices_own_record_is_no_concern() {
        assert_eq!(linked(Mode::Full).decide(&mac(), &[as_imported("R"), bare("S", "c02")]), CLEAN);
    }

    #[test]
    fn rule_4_a_dirty_link_is_sent_again_for_a_read_may_lag_behind() {
        let dirty = Linked { dirty: true, ..linked(Mode::Full) };
        assert_eq!(changed(&dirty.decide(&mac(), &[as_imported("R")])).len(), 3);
    }

    #[test]
    fn rule_13_a_form_that_comes_back_after_one_rewrite_is_theirs() {
        let mut theirs = as_imported("R");
        theirs.values[MODEL] = Some(json!("MAC"));
        let mut link = linked(Mode::Full);
        let Decision::Update { changes, forms, .. } = link.decide(&mac(), &[theirs.clone()]) else { panic!() };
        assert_eq!(changes.len(), 1);
        let rewritten = forms.unwrap();
        // The write was not confirmed: nothing was stored, so it is written again.
        assert!(matches!(link.decide(&mac(), &[theirs.clone()]), Decision::Update { .. }));
        link.forms = rewritten;
        assert_eq!(link.decide(&mac(), &[theirs.clone()]), CLEAN);
        // An edit is told from the form.
        let mut edited = theirs.clone();
        edited.values[MODEL] = Some(json!("edited"));
        assert_eq!(changed(&link.decide(&mac(), &[edited])), [(MODEL, json!("Mac"))]);
        // So is a new value of ours.
        let mut renamed = mac();
        renamed.cells[MODEL] = value("MacBook");
        assert_eq!(changed(&link.decide(&renamed, &[theirs])), [(MODEL, json!("MacBook"))]);
    }

    #[test]
    fn rule_13_writing_a_new_value_is_no_rewrite() {
        let mut renamed = mac();
        renamed.cells[MODEL] = value("MacBook");
        // What stands there came of the old value, or of an edit: it says nothing about the form of the new one.
        let decision = linked(Mode::Full).decide(&renamed, &[as_imported("R")]);
        let Decision::Update { changes, forms, .. } = decision else { panic!() };
        assert_eq!((changes.len(), forms), (1, None));
    }

    #[test]
    fn rule_13_an_edit_that_was_repaired_is_no_form() {
        let mut edited = as_imported("R");
        edited.values[MODEL] = Some(json!("edited"));
        let mut link = linked(Mode::Full);
        let Decision::Update { forms, .. } = link.decide(&mac(), &[edited.clone()]) else { panic!() };
        link.forms = forms.unwrap();
        let Decision::Unchanged { forms, .. } = link.decide(&mac(), &[as_imported("R")]) else { panic!() };
        link.forms = forms.unwrap();
        assert!(link.forms.is_empty());
        assert_eq!(changed(&link.decide(&mac(), &[edited])), [(MODEL, json!("Mac"))]);
    }

    #[test]
    fn a_decision_survives_json() {
        let mut found = as_imported("R");
        found.values[MODEL] = Some(json!("edited"));
        let decision = linked(Mode::Full).decide(&mac(), &[found]);
        let json = serde_json::to_string(&decision).unwrap();
        assert_eq!(serde_json::from_str::<Decision>(&json).unwrap(), decision);
    }
}
