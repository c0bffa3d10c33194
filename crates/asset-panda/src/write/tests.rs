#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn done(id: &str) -> RowResult {
    RowResult::Done { record_id: Some(id.to_owned()) }
}

fn refused(message: &str) -> RowResult {
    RowResult::Refused { message: message.to_owned() }
}

fn is_unclear(result: &RowResult) -> bool {
    matches!(result, RowResult::Unclear { .. })
}

fn created(reply: Value, rows: usize) -> Vec<RowResult> {
    assign(RowReplies::from_reply(reply).unwrap(), &vec![None; rows])
}

fn updated(reply: Value, ids: &[&str]) -> Vec<RowResult> {
    let sent: Vec<Option<&str>> = ids.iter().copied().map(Some).collect();
    assign(RowReplies::from_reply(reply).unwrap(), &sent)
}

#[test]
fn rows_fail_one_by_one_inside_a_success() {
    let reply = json!({"data": {"records": [
        {"index": 0, "success": true, "recordId": "R0"},
        {"index": 1, "success": false, "errors": ["Serial must be unique", "City is required"]},
        {"index": 2, "success": true},
    ]}});
    assert_eq!(
        created(reply, 3),
        [done("R0"), refused("Serial must be unique; City is required"), RowResult::Done { record_id: None },]
    );
}

#[rstest]
#[case::under_records(json!({"records": [{"success": true, "id": "R0"}]}))]
#[case::in_data(json!({"data": [{"success": true, "id": "R0"}]}))]
#[case::bare(json!([{"success": true, "recordId": "R0"}]))]
#[case::index_as_text(json!([{"success": true, "recordId": "R0", "index": "0"}]))]
#[case::only_an_id(json!({"data": {"records": [{"id": "R0"}]}}))]
fn results_are_found(#[case] reply: Value) {
    assert_eq!(created(reply, 1), [done("R0")]);
}

#[rstest]
#[case::list(json!({"success": false, "errors": ["a", "b"]}), "a; b")]
#[case::objects(json!({"success": false, "errors": [{"message": "a"}, {"detail": "b"}]}), "a; b")]
#[case::by_column(json!({"success": false, "errors": {"serial": ["a", "b"]}}), "serial: a; b")]
#[case::error(json!({"success": false, "error": "a"}), "a")]
#[case::error_object(json!({"success": false, "error": {"message": "a"}}), "a")]
#[case::message(json!({"success": false, "errors": [], "message": "a"}), "a")]
#[case::without_flag(json!({"error": "a", "recordId": "R0"}), "a")]
#[case::no_reason(json!({"success": false}), "refused without a reason")]
fn a_refusal_says_why(#[case] row: Value, #[case] message: &str) {
    assert_eq!(created(json!([row]), 1), [refused(message)]);
}

#[test]
fn a_long_refusal_is_cut() {
    let reply = json!([{"success": false, "error": "ä".repeat(5000)}]);
    assert_eq!(created(reply, 1), [refused(&"ä".repeat(MESSAGE_CHARS))]);
}

#[test]
fn results_out_of_order_go_to_their_rows() {
    let reply = json!([
        {"index": 2, "success": true, "recordId": "R2"},
        {"index": 0, "success": true, "recordId": "R0"},
        {"index": 1, "success": false, "message": "no"},
    ]);
    assert_eq!(created(reply, 3), [done("R0"), refused("no"), done("R2")]);
}

#[test]
fn results_without_index_go_by_position() {
    let reply = json!([{"success": true, "recordId": "R0"}, {"success": false, "error": "no"}]);
    assert_eq!(created(reply, 2), [done("R0"), refused("no")]);
}

#[test]
fn rows_that_are_not_answered_are_unclear() {
    let reply = json!([{"index": 1, "success": true, "recordId": "R1"}]);
    let results = created(reply, 3);
    assert!(is_unclear(&results[0]) && is_unclear(&results[2]));
    assert_eq!(results[1], done("R1"));
    assert!(created(json!({"data": {"records": []}}), 5).iter().all(is_unclear));
}

#[test]
fn a_short_reply_without_index_says_nothing_for_certain() {
    // Which of the three rows was left out?
    let reply = json!([{"success": true, "recordId": "R0"}, {"success": true, "recordId": "R1"}]);
    assert!(created(reply, 3).iter().all(is_unclear));
}

#[test]
fn updates_are_known_by_their_record_ids() {
    let reply = json!([{"recordId": "B", "success": true}]);
    let results = updated(reply, &["A", "B", "C"]);
    assert!(is_unclear(&results[0]) && is_unclear(&results[2]));
    assert_eq!(results[1], done("B"));

    let reordered = json!([{"recordId": "B", "success": true}, {"recordId": "A", "error": "no"}]);
    assert_eq!(updated(reordered, &["A", "B"]), [refused("no"), done("B")]);
}

#[rstest]
#[case::beyond_the_rows(json!([{"index": 1, "success": true}, {"index": 2, "success": true}]))]
#[case::negative(json!([{"index": -1, "success": true}, {"index": 0, "success": true}]))]
#[case::twice(json!([{"index": 0, "success": true}, {"index": 0, "success": false}]))]
#[case::not_objects(json!([true, null]))]
#[case::flag_is_no_flag(json!([{"success": "yes"}, {"success": 1}]))]
#[case::nothing_said(json!([{}, {"index": 1}]))]
fn what_cannot_be_told_for_certain_is_unclear(#[case] reply: Value) {
    let results = created(reply, 2);
    assert!(results.iter().all(is_unclear), "{results:?}");
}

#[test]
fn a_result_about_another_record_is_unclear() {
    let reply = json!([{"index": 0, "success": true, "recordId": "X"}]);
    assert!(is_unclear(&updated(reply, &["A"])[0]));
}

#[rstest]
#[case(json!({"data": {}}))]
#[case(json!({"success": true}))]
#[case(json!("ok"))]
fn a_reply_without_results_is_unreadable(#[case] reply: Value) {
    assert!(RowReplies::from_reply(reply).is_err());
}

#[test]
fn an_update_names_its_record_and_passes_values_through() {
    let change = RecordChange {
        record_id: "R1".to_owned(),
        values: BTreeMap::from([
            ("a".to_owned(), json!("")),
            ("b".to_owned(), json!(null)),
            ("c".to_owned(), json!(["x", 1.5, true])),
        ]),
    };
    let expected = json!({"recordId": "R1", "a": "", "b": null, "c": ["x", 1.5, true]});
    assert_eq!(change.to_json(), expected);
}

proptest! {
    /// Whatever comes back, there is one result per row, and a row is `Done` only by a result that can only be its own.
    #[test]
    fn every_row_has_its_own_result_or_none(
        order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle(),
        kept in 0..=5usize,
        indexed in any::<bool>(),
    ) {
        let rows: Vec<Value> = order
            .iter()
            .take(kept)
            .map(|row| {
                let mut reply = json!({"success": true, "recordId": format!("R{row}")});
                if indexed {
                    reply["index"] = json!(row);
                }
                reply
            })
            .collect();
        let results = updated(json!({"data": {"records": rows}}), &["R0", "R1", "R2", "R3", "R4"]);
        prop_assert_eq!(results.len(), 5);
        for (row, result) in results.iter().enumerate() {
            if order.iter().take(kept).any(|kept| *kept == row) {
                prop_assert_eq!(result, &done(&format!("R{row}")));
            } else {
                prop_assert!(is_unclear(result));
            }
        }
    }
}
