//! A server to talk to, and clients that talk to it.

use std::sync::Arc;
use std::time::Duration;

use pandaport_asset_panda::{AssetPandaClient, Credentials, Scope, ScopedClient};
use pandaport_outbound::{HttpSettings, Outbound, Permit, Unlimited};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

pub(crate) const KEY: &str = "key-id-of-a-test";
pub(crate) const SECRET: &str = "secret-of-a-test";

pub(crate) fn client_with(base_url: &str, timeout: Duration, permit: Arc<dyn Permit>) -> AssetPandaClient {
    let settings =
        HttpSettings { timeout, retries: 2, first_backoff: Duration::from_millis(1), ..HttpSettings::default() };
    let url: url::Url = base_url.parse().unwrap();
    let allowed = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()).parse().unwrap();
    let credentials = Credentials { key_id: KEY.to_owned(), secret: SECRET.into() };
    AssetPandaClient::new(Outbound::new(settings).unwrap(), url, credentials, permit, allowed).unwrap()
}

pub(crate) fn client(base_url: &str) -> AssetPandaClient {
    client_with(base_url, Duration::from_secs(8), Arc::new(Unlimited))
}

pub(crate) fn scope() -> Scope {
    Scope { account_id: "ACC1".to_owned(), module_id: "MOD1".to_owned() }
}

pub(crate) fn scoped(base_url: &str) -> ScopedClient {
    client(base_url).at(scope())
}

pub(crate) fn json_answer(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// A server that gives the same answer to all calls of one method and path.
pub(crate) async fn server(verb: &str, at: &str, answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(&server).await;
    server
}

pub(crate) async fn requests(server: &MockServer) -> Vec<wiremock::Request> {
    server.received_requests().await.unwrap()
}

/// The body of the only request.
pub(crate) async fn only_body(server: &MockServer) -> Value {
    let requests = requests(server).await;
    assert_eq!(requests.len(), 1);
    requests[0].body_json().unwrap()
}

pub(crate) fn tenant() -> Value {
    json!({"accountId": "ACC1", "moduleId": "MOD1"})
}
