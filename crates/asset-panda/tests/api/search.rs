//! Search calls.

use pandaport_asset_panda::{SearchLimits, assumptions};
use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::{client, json_answer, only_body, requests, scope, scoped, server, tenant};

const SEARCH: &str = "/collection-records/search";

/// Answers searches over rows of (record id, serial), with filters, pages and the window as the API has them.
struct Records {
    rows: Vec<(String, String)>,
    with_total: bool,
    wrapped: bool,
}

impl Respond for Records {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = request.body_json().unwrap();
        let filters = body["searchInput"]["selection"]["filters"].as_array().unwrap();
        let from = usize::try_from(body["pagination"]["from"].as_u64().unwrap()).unwrap();
        let size = usize::try_from(body["pagination"]["size"].as_u64().unwrap()).unwrap();
        if from + size > 10_000 || filters.len() > 50 {
            return ResponseTemplate::new(400).set_body_json(json!({"message": "too much"}));
        }
        let matching: Vec<_> = self
            .rows
            .iter()
            .filter(|(_, serial)| filters.iter().any(|filter| filter["value"] == json!(serial)))
            .collect();
        let records: Vec<Value> = matching
            .iter()
            .skip(from)
            .take(size)
            .map(|(id, serial)| match self.wrapped {
                true => json!({"id": id, "serial": {"id": "v", "value": serial}, "city": {"id": "v", "value": null}}),
                false => json!({"id": id, "serial": serial, "city": null}),
            })
            .collect();
        let mut data = json!({"records": records});
        if self.with_total {
            data["total"] = json!(matching.len());
        }
        json_answer(json!({"data": data}))
    }
}

async fn holding(serials: impl Iterator<Item = String>, with_total: bool, wrapped: bool) -> MockServer {
    let rows = serials.enumerate().map(|(n, serial)| (format!("R{n}"), serial)).collect();
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(SEARCH))
        .respond_with(Records { rows, with_total, wrapped })
        .mount(&server)
        .await;
    server
}

fn serials(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("S{n:04}")).collect()
}

#[tokio::test]
async fn the_call_is_as_documented() {
    let server = server("POST", SEARCH, json_answer(json!({"data": {"records": [], "total": 0}}))).await;
    let wanted = ["C02ABC123".to_owned(), "C02ABC124".to_owned()];
    let outcome = scoped(&server.uri()).search("COL1", "serial", &wanted, &[]).await.unwrap();
    assert!(outcome.records.is_empty() && outcome.more.is_empty());
    assert_eq!(
        only_body(&server).await,
        json!({
            "tenant": tenant(),
            "collectionId": "COL1",
            "searchInput": {"selection": {"matchType": "Any", "filters": [
                {"field": "serial", "operator": "equals", "value": "C02ABC123"},
                {"field": "serial", "operator": "equals", "value": "C02ABC124"},
            ]}},
            "pagination": {"from": 0, "size": 100},
        })
    );
}

#[rstest]
#[tokio::test]
async fn many_values_go_fifty_at_a_time(#[values(true, false)] with_total: bool, #[values(true, false)] wrapped: bool) {
    let server = holding(serials(120).into_iter(), with_total, wrapped).await;
    let read = ["city".to_owned()];
    let outcome = scoped(&server.uri()).search("COL1", "serial", &serials(120), &read).await.unwrap();
    assert_eq!((outcome.records.len(), requests(&server).await.len()), (120, 3));
    let first = &outcome.records[0];
    assert_eq!((&first.values["serial"], &first.values["city"]), (&json!("S0000"), &Value::Null));
}

#[rstest]
#[tokio::test]
async fn rule_3_a_full_reply_is_paged(#[values(true, false)] with_total: bool) {
    let serials_of_records = (0..250).map(|n| format!("S{:04}", n % 50));
    let server = holding(serials_of_records, with_total, false).await;
    let outcome = scoped(&server.uri()).search("COL1", "serial", &serials(50), &[]).await.unwrap();
    assert_eq!((outcome.records.len(), requests(&server).await.len()), (250, 3));
}

#[rstest]
#[tokio::test]
async fn rule_3_a_group_beyond_the_window_is_split(#[values(true, false)] with_total: bool) {
    let serials_of_records = (0..36).map(|n| format!("S{:04}", n % 4));
    let server = holding(serials_of_records, with_total, false).await;
    let narrow = client(&server.uri()).with_search_limits(SearchLimits::new(4, 10, 20)).at(scope());
    let outcome = narrow.search("COL1", "serial", &serials(4), &[]).await.unwrap();
    assert_eq!((outcome.records.len(), outcome.more.len()), (36, 0));
}

#[rstest]
#[tokio::test]
async fn rule_12_a_value_with_too_many_records_is_flagged(#[values(true, false)] with_total: bool) {
    let flood = std::iter::repeat_n("N/A".to_owned(), 10_500);
    let server = holding(flood.chain(serials(3)), with_total, false).await;
    let wanted = ["S0000", "N/A", "S0002"].map(str::to_owned);
    let outcome = scoped(&server.uri()).search("COL1", "serial", &wanted, &[]).await.unwrap();
    assert_eq!(outcome.more, ["N/A"]);
    assert_eq!(outcome.records.len(), assumptions::AMBIGUOUS_ROWS + 2);
    assert_eq!(requests(&server).await.len(), 2);
}

#[rstest]
#[case(json!({"data": {}}))]
#[case(json!({"message": "index is being rebuilt"}))]
#[case(json!({"data": {"records": [{"serial": "S0000"}]}}))]
#[tokio::test]
async fn rule_3_an_odd_reply_is_not_nothing_found(#[case] reply: Value) {
    let server = server("POST", SEARCH, json_answer(reply)).await;
    let error = scoped(&server.uri()).search("COL1", "serial", &serials(1), &[]).await.unwrap_err();
    assert!(error.is_outage(), "{error}");
}

#[tokio::test]
async fn a_search_is_repeated_after_a_short_outage() {
    let server = MockServer::start().await;
    let outage = ResponseTemplate::new(503);
    Mock::given(path(SEARCH)).respond_with(outage).up_to_n_times(1).mount(&server).await;
    let reply = json_answer(json!({"data": {"records": [{"id": "R0", "serial": "S0000"}]}}));
    Mock::given(path(SEARCH)).respond_with(reply).mount(&server).await;
    let outcome = scoped(&server.uri()).search("COL1", "serial", &serials(1), &[]).await.unwrap();
    assert_eq!((outcome.records.len(), requests(&server).await.len()), (1, 2));
}
