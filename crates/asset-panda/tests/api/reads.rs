//! Accounts, modules, collections, columns, single records.

use pandaport_asset_panda::{ColumnKind, refused_credentials};
use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{KEY, SECRET, client, json_answer, requests, scoped, server};

#[tokio::test]
async fn every_call_carries_the_key_and_asks_for_json() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/accounts"))
        .and(header("Access-Key-Id", KEY))
        .and(header("Access-Key-Secret", SECRET))
        .and(header("Accept", "application/json"))
        .respond_with(json_answer(json!({"data": [{"id": "ACC1", "name": "Example Org"}]})))
        .mount(&server)
        .await;
    let accounts = client(&server.uri()).accounts().await.unwrap();
    assert_eq!((accounts[0].id.as_str(), accounts[0].name.as_str()), ("ACC1", "Example Org"));
    assert_eq!(requests(&server).await[0].url.query(), None);
}

#[rstest]
#[case(400, true)]
#[case(401, true)]
#[case(403, true)]
#[case(404, false)]
#[case(429, false)]
#[case(500, false)]
#[tokio::test]
async fn the_first_probe_tells_a_bad_key(#[case] status: u16, #[case] credentials: bool) {
    let answer = ResponseTemplate::new(status).set_body_json(json!({"message": "Unauthorized"}));
    let server = server("GET", "/accounts", answer).await;
    let error = client(&server.uri()).accounts().await.unwrap_err();
    assert_eq!(refused_credentials(&error), credentials, "{error}");
}

#[tokio::test]
async fn an_address_with_a_path_is_kept() {
    let server = server("GET", "/panda/accounts", json_answer(json!([]))).await;
    let base = format!("{}/panda/", server.uri());
    assert!(client(&base).accounts().await.unwrap().is_empty());
}

#[tokio::test]
async fn modules_are_of_an_account() {
    let server = MockServer::start().await;
    Mock::given(path("/modules"))
        .and(query_param("accountId", "A&1"))
        .respond_with(json_answer(json!({"data": [{"id": "MOD1", "displayName": "IT Assets"}]})))
        .mount(&server)
        .await;
    let modules = client(&server.uri()).modules("A&1").await.unwrap();
    assert_eq!((modules[0].id.as_str(), modules[0].name.as_str()), ("MOD1", "IT Assets"));
}

#[tokio::test]
async fn collections_in_use_are_listed() {
    let server = MockServer::start().await;
    Mock::given(path("/collections"))
        .and(query_param("accountId", "ACC1"))
        .and(query_param("moduleId", "MOD1"))
        .respond_with(json_answer(json!({"data": [
            {"id": "C1", "displayName": "Devices", "isActive": true, "deleted": false},
            {"id": "C2", "displayName": "Old", "isActive": false, "deleted": false},
            {"id": "C3", "displayName": "Gone", "isActive": true, "deleted": true},
        ]})))
        .mount(&server)
        .await;
    let collections = scoped(&server.uri()).collections().await.unwrap();
    let ids: Vec<&str> = collections.iter().map(|collection| collection.id.as_str()).collect();
    assert_eq!(ids, ["C1"]);
}

#[rstest]
#[case::seen_in_a_client(|all| json!({"data": {"columns": {"all": all}}}))]
#[case::documented_sample(|all| json!({"columns": {"all": all}}))]
#[case::bare(|all| all)]
#[tokio::test]
async fn columns_are_listed(#[case] wrap: fn(Value) -> Value) {
    let server = MockServer::start().await;
    let all = json!([
        {"id": "c1", "type": "ap://system/datatype/text", "displayName": "Serial", "isUnique": true},
        {"id": "c2", "type": "ap://system/datatype/hologram", "displayName": "Odd"},
        {"id": "c3", "type": "ap://system/datatype/text", "displayName": "City", "references": {"primary": true}},
        {"id": "c4", "type": "ap://system/datatype/text", "displayName": "Gone", "deleted": true},
    ]);
    Mock::given(path("/collection-columns"))
        .and(query_param("accountId", "ACC1"))
        .and(query_param("moduleId", "MOD1"))
        .and(query_param("collectionId", "C1"))
        .respond_with(json_answer(wrap(all)))
        .mount(&server)
        .await;
    let columns = scoped(&server.uri()).columns("C1").await.unwrap();
    let ids: Vec<&str> = columns.iter().map(|column| column.id.as_str()).collect();
    assert_eq!(ids, ["c1", "c2", "c3"]);
    assert_eq!((columns[0].unique, columns[1].unique), (Some(true), None));
    assert_eq!(columns[1].kind, ColumnKind::Other("ap://system/datatype/hologram".to_owned()));
    assert_eq!(columns[1].type_uri, "ap://system/datatype/hologram");
    assert!(columns[2].referenced && !columns[0].referenced);
}

#[tokio::test]
async fn one_record_is_read_by_its_id() {
    let server = MockServer::start().await;
    Mock::given(path("/collection-record/R%2F1"))
        .and(query_param("collectionId", "C1"))
        .and(query_param("accountId", "ACC1"))
        .and(query_param("moduleId", "MOD1"))
        .respond_with(json_answer(json!({"data": {"id": "R/1", "c1": {"id": "v", "value": "X"}, "c2": 3}})))
        .mount(&server)
        .await;
    let record = scoped(&server.uri()).record("C1", "R/1").await.unwrap().unwrap();
    assert_eq!(record.values["c1"], json!("X"));
    assert_eq!(record.values["c2"], json!(3));
}

#[tokio::test]
async fn a_missing_record_is_none_and_only_a_404_says_so() {
    let gone = server("GET", "/collection-record/R1", ResponseTemplate::new(404)).await;
    assert_eq!(scoped(&gone.uri()).record("C1", "R1").await.unwrap(), None);

    for answer in [
        ResponseTemplate::new(400),
        ResponseTemplate::new(403),
        ResponseTemplate::new(410),
        ResponseTemplate::new(500),
        json_answer(json!({"data": null})),
        json_answer(json!({"data": {"id": "R2"}})),
        ResponseTemplate::new(200).set_body_string("<html>404</html>"),
    ] {
        let server = server("GET", "/collection-record/R1", answer).await;
        assert!(scoped(&server.uri()).record("C1", "R1").await.is_err());
    }
}

#[tokio::test]
async fn what_is_no_record_id_is_not_sent() {
    let server = MockServer::start().await;
    for id in ["", ".", ".."] {
        assert!(scoped(&server.uri()).record("C1", id).await.is_err());
    }
    assert!(requests(&server).await.is_empty());
}

#[tokio::test]
async fn a_list_that_is_no_list_is_an_error() {
    let server = server("GET", "/accounts", json_answer(json!({"status": "ok"}))).await;
    let error = client(&server.uri()).accounts().await.unwrap_err();
    assert!(error.is_outage() && error.to_string().contains("/accounts"), "{error}");
}
