//! What a network, a wrong address or an empty budget does to calls.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pandaport_asset_panda::{AssetPandaClient, BaseUrlError, Credentials};
use pandaport_outbound::{
    AllowedHosts, Denied, Effect, ErrorKind, HttpSettings, Outbound, Permit, RateSignal, Unlimited,
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{KEY, SECRET, client, client_with, json_answer, requests, scope, scoped, server};
use crate::writes::{changes, new_records};

/// A server that reads each request, sends `answer`, and hangs up.
async fn hanging_up_after(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn rule_3_a_lost_answer_is_unclear() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"data\":"] {
        let panda = scoped(&hanging_up_after(answer).await);
        let created = panda.create("COL1", &new_records(1)).await.unwrap_err();
        assert_eq!(created.effect, Effect::Unclear, "{created}");
        let updated = panda.update("COL1", &changes(&["R0"])).await.unwrap_err();
        assert_eq!((updated.is_outage(), updated.effect), (true, Effect::Unclear), "{updated}");
    }
}

#[tokio::test]
async fn rule_3_a_late_answer_is_unclear() {
    let reply = json_answer(json!({"data": {"records": []}})).set_delay(Duration::from_secs(60));
    let server = server("POST", "/collection-records", reply).await;
    let hasty = client_with(&server.uri(), Duration::from_millis(200), Arc::new(Unlimited)).at(scope());
    let error = hasty.create("COL1", &new_records(1)).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::Timeout, Effect::Unclear), "{error}");
}

#[tokio::test]
async fn what_never_left_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = scoped(&nobody).create("COL1", &new_records(1)).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::Connect, Effect::NotSent), "{error}");
}

struct NothingLeft;

#[async_trait]
impl Permit for NothingLeft {
    async fn acquire(&self) -> Result<(), Denied> {
        Err(Denied::BudgetEmpty { retry_after: Duration::from_secs(40) })
    }

    fn still_stands(&self) -> Result<(), Denied> {
        Ok(())
    }

    fn observe(&self, _signal: &RateSignal) {}
}

#[tokio::test]
async fn rule_16_an_empty_budget_sends_nothing() {
    let server = MockServer::start().await;
    let poor = client_with(&server.uri(), Duration::from_secs(8), Arc::new(NothingLeft));
    let error = poor.at(scope()).create("COL1", &new_records(1)).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::BudgetEmpty, Effect::NotSent));
    assert_eq!(error.retry_after, Some(Duration::from_secs(40)));
    assert!(requests(&server).await.is_empty());
}

#[tokio::test]
async fn rule_17_the_key_is_in_no_error_and_no_debug_output() {
    let echo = format!("bad key {KEY} with secret {SECRET}");
    let answer = ResponseTemplate::new(401).set_body_json(json!({"message": echo}));
    let server = server("GET", "/accounts", answer).await;
    let panda = client(&server.uri());
    let error = panda.accounts().await.unwrap_err();
    let printed = format!("{error} {error:?} {panda:?} {:?}", panda.at(scope()));
    assert!(!printed.contains(SECRET) && !printed.contains(KEY), "{printed}");
}

#[tokio::test]
async fn rule_18_the_key_follows_no_redirect() {
    let elsewhere = MockServer::start().await;
    let target = format!("{}/accounts", elsewhere.uri());
    let answer = ResponseTemplate::new(302).insert_header("location", target.as_str());
    let server = server("GET", "/accounts", answer).await;
    let error = client(&server.uri()).accounts().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Redirect, "{error}");
    assert!(requests(&elsewhere).await.is_empty());
}

#[test]
fn rule_18_no_client_for_another_host() {
    for address in ["https://api.assetpanda.example", "http://127.0.0.1:9", "http://api.assetpanda.app"] {
        let made = AssetPandaClient::new(
            Outbound::new(HttpSettings::default()).unwrap(),
            address.parse().unwrap(),
            Credentials { key_id: KEY.to_owned(), secret: SECRET.into() },
            Arc::new(Unlimited),
            AllowedHosts::default(),
        );
        assert!(matches!(made.unwrap_err(), BaseUrlError::HostNotAllowed(_)), "{address}");
    }
}
