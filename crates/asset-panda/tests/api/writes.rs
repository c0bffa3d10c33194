//! Creates, updates, deletes.

use std::collections::BTreeMap;

use pandaport_asset_panda::{Batch, NewRecord, RecordChange, RowResult};
use pandaport_outbound::{Effect, ErrorKind};
use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{json_answer, only_body, requests, scoped, server, tenant};

const RECORDS: &str = "/collection-records";

pub(crate) fn new_records(count: usize) -> Batch<NewRecord> {
    let record = |n| NewRecord { values: BTreeMap::from([("serial".to_owned(), json!(format!("S{n}")))]) };
    Batch::new((0..count).map(record).collect()).unwrap()
}

pub(crate) fn changes(ids: &[&str]) -> Batch<RecordChange> {
    let change = |id: &&str| RecordChange {
        record_id: (*id).to_owned(),
        values: BTreeMap::from([("os".to_owned(), json!("26.1")), ("note".to_owned(), json!(""))]),
    };
    Batch::new(ids.iter().map(change).collect()).unwrap()
}

fn done(id: &str) -> RowResult {
    RowResult::Done { record_id: Some(id.to_owned()) }
}

#[tokio::test]
async fn a_create_is_answered_row_by_row() {
    let reply = json!({"data": {"records": [
        {"index": 0, "success": true, "recordId": "R0"},
        {"index": 1, "success": false, "errors": ["Serial must be unique"]},
    ]}});
    let server = server("POST", RECORDS, json_answer(reply)).await;
    let results = scoped(&server.uri()).create("COL1", &new_records(2)).await.unwrap();
    assert_eq!(results, [done("R0"), RowResult::Refused { message: "Serial must be unique".to_owned() }]);
    assert_eq!(
        only_body(&server).await,
        json!({"tenant": tenant(), "collectionId": "COL1", "records": [{"serial": "S0"}, {"serial": "S1"}]})
    );
    let sent = &requests(&server).await[0];
    assert_eq!(sent.headers["content-type"], "application/json");
}

#[tokio::test]
async fn an_update_names_its_records_and_only_its_columns() {
    let reply = json!({"data": {"records": [
        {"index": 1, "success": true},
        {"index": 0, "success": true},
    ]}});
    let server = server("PUT", RECORDS, json_answer(reply)).await;
    let results = scoped(&server.uri()).update("COL1", &changes(&["R0", "R1"])).await.unwrap();
    assert_eq!(results, vec![RowResult::Done { record_id: None }; 2]);
    assert_eq!(
        only_body(&server).await["records"],
        json!([{"recordId": "R0", "os": "26.1", "note": ""}, {"recordId": "R1", "os": "26.1", "note": ""}])
    );
}

#[tokio::test]
async fn a_delete_names_its_records() {
    let reply = json!({"data": {"records": [{"index": 0, "success": true}]}});
    let server = server("DELETE", RECORDS, json_answer(reply)).await;
    let results = scoped(&server.uri()).delete("COL1", &Batch::one("R0".to_owned())).await.unwrap();
    assert_eq!(results, [RowResult::Done { record_id: None }]);
    assert_eq!(
        only_body(&server).await,
        json!({"tenant": tenant(), "collectionId": "COL1", "records": [{"recordId": "R0"}]})
    );
}

#[tokio::test]
async fn rule_3_rows_without_a_result_are_unclear() {
    let reply = json!({"data": {"records": [{"index": 2, "success": true, "recordId": "R2"}]}});
    let server = server("POST", RECORDS, json_answer(reply)).await;
    let results = scoped(&server.uri()).create("COL1", &new_records(5)).await.unwrap();
    assert_eq!(results[2], done("R2"));
    let unclear = results.iter().filter(|result| matches!(result, RowResult::Unclear { .. }));
    assert_eq!(unclear.count(), 4);
}

#[rstest]
#[case::html(ResponseTemplate::new(200).set_body_string("<html>busy</html>"), ErrorKind::NotJson)]
#[case::cut(ResponseTemplate::new(200).set_body_string(r#"{"data": {"records": [{"ind"#), ErrorKind::Unreadable)]
#[case::another_shape(json_answer(json!({"status": "accepted"})), ErrorKind::Unreadable)]
#[tokio::test]
async fn rule_3_an_unreadable_success_is_unclear(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind) {
    let server = MockServer::start().await;
    Mock::given(path(RECORDS)).respond_with(answer).mount(&server).await;
    let panda = scoped(&server.uri());
    for error in [
        panda.create("COL1", &new_records(1)).await.unwrap_err(),
        panda.update("COL1", &changes(&["R0"])).await.unwrap_err(),
        panda.delete("COL1", &Batch::one("R0".to_owned())).await.unwrap_err(),
    ] {
        assert_eq!((error.kind, error.effect), (kind, Effect::Unclear), "{error}");
    }
}

#[tokio::test]
async fn rule_3_an_empty_success_is_unclear() {
    let server = server("DELETE", RECORDS, ResponseTemplate::new(204)).await;
    let error = scoped(&server.uri()).delete("COL1", &Batch::one("R0".to_owned())).await.unwrap_err();
    assert_eq!(error.effect, Effect::Unclear, "{error}");
}

#[tokio::test]
async fn rule_3_a_create_is_sent_once_whatever_happens() {
    for status in [429, 500, 502, 503] {
        let server = server("POST", RECORDS, ResponseTemplate::new(status)).await;
        let error = scoped(&server.uri()).create("COL1", &new_records(5)).await.unwrap_err();
        let effect = if status == 429 { Effect::NotApplied } else { Effect::Unclear };
        assert_eq!((error.status, error.effect), (Some(status), effect), "{error}");
        assert_eq!(requests(&server).await.len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_update_is_repeated_after_a_short_outage() {
    let server = MockServer::start().await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(502)).up_to_n_times(1).mount(&server).await;
    let reply: Value = json!({"data": {"records": [{"index": 0, "success": true}]}});
    Mock::given(method("PUT")).respond_with(json_answer(reply)).mount(&server).await;
    let results = scoped(&server.uri()).update("COL1", &changes(&["R0"])).await.unwrap();
    assert_eq!((results.len(), requests(&server).await.len()), (1, 2));
}

#[tokio::test]
async fn a_refused_call_applied_nothing_and_says_why() {
    let answer = ResponseTemplate::new(400).set_body_json(json!({"message": "at most 5 records"}));
    let server = server("PUT", RECORDS, answer).await;
    let error = scoped(&server.uri()).update("COL1", &changes(&["R0"])).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::Refused, Effect::NotApplied));
    assert!(error.to_string().contains("at most 5 records"), "{error}");
}
