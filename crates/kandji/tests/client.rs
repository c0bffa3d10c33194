//! The client against a server on loopback.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use pandaport_kandji::{Crawl, CrawlState, KandjiClient, KandjiHost, PageEntry, Taken};
use pandaport_outbound::{ErrorKind, HttpSettings, Outbound, Unlimited};
use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::{any, header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const TOKEN: &str = "5ec2e700-dead-4bad-9a55-00c0ffee0001";
const DEVICES: &str = include_str!("../testdata/devices.json");
const USERS: [&str; 2] = [include_str!("../testdata/users-page1.json"), include_str!("../testdata/users-page2.json")];
const ERRORS: &str = include_str!("../testdata/errors.json");

fn client_with_token(server: &MockServer, token: &str) -> KandjiClient {
    let settings = HttpSettings { timeout: Duration::from_secs(2), retries: 0, ..HttpSettings::default() };
    let allowed: pandaport_outbound::AllowedHosts = server.address().to_string().parse().unwrap();
    let host = KandjiHost::parse(&format!("{}/api/v1/", server.uri()), &allowed).unwrap();
    KandjiClient::new(Outbound::new(settings).unwrap(), host, token.into(), Arc::new(Unlimited), allowed)
}

fn client(server: &MockServer) -> KandjiClient {
    client_with_token(server, TOKEN)
}

async fn answering(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

fn json_body(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body, "application/json")
}

#[rstest]
#[case(TOKEN.to_owned())]
#[case(format!("  {TOKEN}\n"))]
#[case(format!("Bearer {TOKEN}"))]
#[case(format!("bearer  {TOKEN} "))]
#[tokio::test]
async fn a_page_of_devices_is_asked_for_as_documented(#[case] token: String) {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/api/v1/devices"))
        .and(header("authorization", format!("Bearer {TOKEN}")))
        .and(query_param("ordering", "device_id"))
        .and(query_param("limit", "300"))
        .and(query_param("offset", "299"))
        .respond_with(json_body(DEVICES).insert_header("X-TOTAL-count", "313"))
        .mount(&server)
        .await;
    let page = client_with_token(&server, &token).devices(299, 300).await.unwrap();
    assert_eq!((page.entries.len(), page.total), (14, Some(313)));
    assert_eq!(page.identities()[0], "68e58909-ccb2-4416-925a-56c9a30f4300");
}

#[tokio::test]
async fn a_total_is_never_required() {
    for total in [None, Some("None"), Some("-1")] {
        let mut template = json_body("[]");
        if let Some(total) = total {
            template = template.insert_header("X-Total-Count", total);
        }
        let server = answering(template).await;
        assert_eq!(client(&server).devices(0, 300).await.unwrap(), Default::default());
    }
}

#[rstest]
#[case::web_host("<!doctype html><title>Sign in</title>", ErrorKind::NotJson)]
#[case::object(r#"{"device_id":"a"}"#, ErrorKind::Unreadable)]
#[case::truncated(&DEVICES[..5_000], ErrorKind::Unreadable)]
#[case::text("OK", ErrorKind::Unreadable)]
#[case::empty("", ErrorKind::Unreadable)]
#[tokio::test]
async fn a_page_that_is_no_list_is_an_error(#[case] body: &str, #[case] kind: ErrorKind) {
    let server = answering(json_body(body)).await;
    let error = client(&server).devices(0, 300).await.unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.is_outage(), "{error}");
}

#[tokio::test]
async fn rule_5_an_unreadable_device_leaves_the_page_readable() {
    let mut devices: Value = serde_json::from_str(DEVICES).unwrap();
    devices[3]["last_check_in"] = json!("a while ago");
    let server = answering(ResponseTemplate::new(200).set_body_json(devices)).await;
    let page = client(&server).devices(0, 300).await.unwrap();
    let unreadable: Vec<&PageEntry> =
        page.entries.iter().filter(|entry| matches!(entry, PageEntry::Unreadable(_))).collect();
    let [PageEntry::Unreadable(only)] = unreadable[..] else { panic!("{unreadable:?}") };
    assert_eq!(only.reason, "last_check_in: `a while ago` is not a time");
}

#[tokio::test]
async fn every_documented_error_is_told_by_its_status_and_shows_its_text() {
    let errors: Vec<Value> = serde_json::from_str(ERRORS).unwrap();
    for error in errors {
        let status = error["status"].as_u64().unwrap() as u16;
        let (body, text) = match error.get("body") {
            Some(body) => (body.to_string(), ["detail", "message"].iter().find_map(|key| body[*key].as_str())),
            None => (error["body_text"].as_str().unwrap().to_owned(), None),
        };
        let mut template = ResponseTemplate::new(status).set_body_raw(body, error["content_type"].as_str().unwrap());
        for (name, value) in error["headers"].as_object().into_iter().flatten() {
            template = template.insert_header(name.as_str(), value.as_str().unwrap());
        }
        let server = answering(template).await;
        let found = client(&server).devices(0, 300).await.unwrap_err();
        let expected = match status {
            401 => ErrorKind::Unauthorized,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            429 => ErrorKind::RateLimited,
            500.. => ErrorKind::ServerError,
            _ => ErrorKind::Refused,
        };
        assert_eq!((found.kind, found.status), (expected, Some(status)), "{error}");
        assert!(text.is_none_or(|text| found.message.contains(text)), "{found}");
        let retry_after = error["headers"]["Retry-After"].as_str().map(|text| text.parse().unwrap());
        assert_eq!(found.retry_after, retry_after.map(Duration::from_secs));
    }
}

#[tokio::test]
async fn the_details_probe_tells_a_missing_permission_from_a_web_page() {
    let server = answering(json_body(include_str!("../testdata/details-mac.json"))).await;
    client(&server).device_details("68e58909-ccb2-4416-925a-56c9a30f4300").await.unwrap();
    let asked = server.received_requests().await.unwrap().remove(0);
    assert_eq!(asked.url.path(), "/api/v1/devices/68e58909-ccb2-4416-925a-56c9a30f4300/details");

    let refused = answering(ResponseTemplate::new(403)).await;
    assert!(client(&refused).device_details("a").await.unwrap_err().is_credentials());
    let page = answering(json_body("<html></html>")).await;
    assert_eq!(client(&page).device_details("a").await.unwrap_err().kind, ErrorKind::NotJson);
}

#[tokio::test]
async fn rule_18_users_are_paged_by_cursor_and_the_web_host_in_next_is_never_called() {
    let server = MockServer::start().await;
    let users = |body: &'static str| json_body(body);
    Mock::given(path("/api/v1/users"))
        .and(query_param_is_missing("cursor"))
        .and(query_param("limit", "300"))
        .and(query_param("sizePerPage", "300"))
        .respond_with(users(USERS[0]))
        .mount(&server)
        .await;
    Mock::given(path("/api/v1/users"))
        .and(query_param("cursor", "cD00MDEwNA=="))
        .and(query_param("limit", "300"))
        .respond_with(users(USERS[1]))
        .mount(&server)
        .await;
    let client = client(&server);
    let first = client.users(None).await.unwrap();
    assert_eq!(first.next_cursor.as_deref(), Some("cD00MDEwNA=="));
    assert_eq!(first.users.len(), 4);
    assert_eq!(first.users[0].id, "5796a670-482c-490e-8d97-82bfcdc83011");
    assert_eq!((first.users[0].deprecated_id.as_deref(), first.users[0].active), (Some("40101"), Some(true)));
    assert_eq!(first.users[3].active, Some(false));
    let second = client.users(first.next_cursor.as_deref()).await.unwrap();
    assert_eq!((second.next_cursor, second.users.is_empty()), (None, false));
}

#[tokio::test]
async fn odd_users_are_survived() {
    let body = json!({"next": "", "results": [
        {"id": 7, "deprecated_user_id": 40101, "active": "True"},
        {"id": "u-1", "active": null},
        {"id": "u-2", "active": 3, "deprecated_user_id": ""},
        {"id": null, "active": true},
        {"email": "no.id@example.com"},
    ]});
    let server = answering(ResponseTemplate::new(200).set_body_json(body)).await;
    let page = client(&server).users(None).await.unwrap();
    let found: Vec<_> = page.users.iter().map(|u| (u.id.as_str(), u.deprecated_id.as_deref(), u.active)).collect();
    assert_eq!(found, [("7", Some("40101"), Some(true)), ("u-1", None, None), ("u-2", None, None)]);
    assert_eq!(page.next_cursor, None);
}

#[rstest]
#[case::no_results(json!({"next": null}))]
#[case::a_list(json!([]))]
#[case::next_without_cursor(json!({"next": "https://acme.kandji.io/api/v1/users?page=2", "results": []}))]
#[case::next_is_a_number(json!({"next": 2, "results": []}))]
#[case::the_same_cursor_again(json!({"next": "/api/v1/users?cursor=here", "results": []}))]
#[tokio::test]
async fn a_users_page_that_would_lose_users_is_an_error(#[case] body: Value) {
    let server = answering(ResponseTemplate::new(200).set_body_json(body)).await;
    let error = client(&server).users(Some("here")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreadable, "{error}");
}

#[tokio::test]
async fn rule_1_nothing_but_get_is_ever_sent() {
    let server = answering(ResponseTemplate::new(200).set_body_json(json!([]))).await;
    let client = client(&server);
    let _ = client.devices(0, 300).await;
    let _ = client.device_details("a/../b").await;
    let _ = client.users(Some("c")).await;
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.method.as_str() == "GET" && request.body.is_empty()));
}

#[tokio::test]
async fn rule_17_the_token_does_not_show() {
    let server = answering(ResponseTemplate::new(401).set_body_string(format!("token {TOKEN} is bad"))).await;
    let client = client(&server);
    let error = client.devices(0, 300).await.unwrap_err();
    assert!(!format!("{client:?} {error:?} {error}").contains(&TOKEN[..8]), "{client:?} {error}");
}

/// Pages like Kandji's, of devices that are nothing but an id.
fn list(size: u64, most: usize) -> impl Fn(&Request) -> ResponseTemplate {
    move |request| {
        let offset: u64 = request.url.query_pairs().find(|(key, _)| key == "offset").unwrap().1.parse().unwrap();
        let page: Vec<Value> =
            (offset..size).take(most).map(|number| json!({"device_id": format!("{number:06}")})).collect();
        ResponseTemplate::new(200).set_body_json(page)
    }
}

#[rstest]
#[case::full_pages(300, 4)]
#[case::a_lower_cap(100, 11 + 3)]
#[tokio::test]
async fn rule_2_a_fleet_is_read_to_its_end(#[case] most: usize, #[case] reads: usize) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(list(898, most)).mount(&server).await;
    let client = client(&server);
    let mut crawl = Crawl::new(300, Some(898));
    let (mut pages, mut ids) = (BTreeMap::new(), Vec::new());
    while crawl.state() == CrawlState::Reading {
        for offset in crawl.wanted() {
            if let Entry::Vacant(place) = pages.entry(offset) {
                place.insert(client.devices(offset, crawl.limit()).await.unwrap());
            }
        }
        pages.retain(|offset, page| match crawl.accept(*offset, &page.identities(), page.total) {
            Taken::Fresh { skip } => {
                ids.extend(page.identities()[skip..].iter().map(|id| (*id).to_owned()));
                false
            }
            taken => taken == Taken::Early,
        });
    }
    assert_eq!(crawl.state(), CrawlState::Complete);
    assert_eq!(ids, (0..898).map(|number| format!("{number:06}")).collect::<Vec<_>>());
    assert_eq!(server.received_requests().await.unwrap().len(), reads);
}
