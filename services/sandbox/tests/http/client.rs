//! A running sandbox with clients of its three sides.

use std::time::Duration;

use pandaport_sandbox::{Faults, FleetSpec, Sandbox, SandboxConfig};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
}

/// A sandbox without rate limits.
pub(crate) async fn sandbox(devices: u32) -> World {
    sandbox_with(devices, json!({"kandji": {"rate_limit": false}, "asset_panda": {"rate_limit": false}})).await
}

pub(crate) async fn sandbox_with(devices: u32, faults: Value) -> World {
    let config = SandboxConfig {
        fleet: FleetSpec { devices, ..FleetSpec::default() },
        faults: Faults::parse(&faults.to_string()).unwrap(),
        ..SandboxConfig::default()
    };
    World {
        sandbox: Sandbox::start(config).await.unwrap(),
        client: Client::builder().timeout(Duration::from_secs(20)).build().unwrap(),
    }
}

impl World {
    /// A GET to Kandji with the right token.
    pub(crate) async fn kandji(&self, path: &str) -> Response {
        self.try_kandji(path).await.unwrap()
    }

    pub(crate) async fn try_kandji(&self, path: &str) -> reqwest::Result<Response> {
        let token = &self.sandbox.ready().credentials.kandji_token;
        let url = format!("{}/api/v1/{path}", self.sandbox.kandji_url());
        self.client.get(url).bearer_auth(token).send().await
    }

    pub(crate) async fn devices(&self, query: &str) -> Vec<Value> {
        let response = self.kandji(&format!("devices?{query}")).await;
        assert_eq!(response.status(), 200);
        body(response).await.as_array().unwrap().clone()
    }

    /// A call to Asset Panda with the right keys.
    pub(crate) fn panda(&self, method: Method, path: &str) -> RequestBuilder {
        let ready = self.sandbox.ready();
        self.client
            .request(method, format!("{}{path}", ready.asset_panda_url))
            .header("Access-Key-Id", &ready.credentials.access_key_id)
            .header("Access-Key-Secret", &ready.credentials.access_key_secret)
    }

    /// A GET to Asset Panda with the tenant's parameters.
    pub(crate) async fn panda_get(&self, path: &str, more: &str) -> Response {
        let ready = self.sandbox.ready();
        let tenant = format!("accountId={}&moduleId={}", ready.account_id, ready.module_id);
        self.panda(Method::GET, &format!("{path}?{tenant}{more}")).send().await.unwrap()
    }

    /// A write to the ITAM collection; rows are keyed by display name.
    pub(crate) async fn write(&self, method: Method, rows: Value) -> reqwest::Result<Response> {
        let body = self.with_tenant(json!({ "records": self.by_id(rows) }));
        self.panda(method, "/collection-records").json(&body).send().await
    }

    pub(crate) async fn create(&self, rows: Value) -> Vec<Value> {
        results(self.write(Method::POST, rows).await.unwrap()).await
    }

    pub(crate) async fn update(&self, rows: Value) -> Vec<Value> {
        results(self.write(Method::PUT, rows).await.unwrap()).await
    }

    /// Searches the ITAM collection for any of these values.
    pub(crate) async fn search(&self, column: &str, operator: &str, values: &[&str]) -> Value {
        let field = self.column(column);
        let filters: Vec<Value> =
            values.iter().map(|value| json!({"field": field, "operator": operator, "value": value})).collect();
        self.search_body(json!({"matchType": "Any", "filters": filters}), 0, 100).await
    }

    pub(crate) async fn search_body(&self, selection: Value, from: u64, size: u64) -> Value {
        let response = self.send_search(selection, from, size).await;
        assert_eq!(response.status(), 200);
        body(response).await["data"].clone()
    }

    pub(crate) async fn send_search(&self, selection: Value, from: u64, size: u64) -> Response {
        let body = self.with_tenant(json!({
            "searchInput": {"selection": selection},
            "pagination": {"from": from, "size": size},
        }));
        let request = self.panda(Method::POST, "/collection-records/search").json(&body);
        request.send().await.unwrap()
    }

    pub(crate) fn column(&self, name: &str) -> String {
        self.sandbox.ready().columns[name].clone()
    }

    pub(crate) async fn control(&self, method: Method, path: &str, sent: Value) -> Value {
        let response = self.try_control(method, path, sent).await;
        let status = response.status();
        let answer = body(response).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub(crate) async fn try_control(&self, method: Method, path: &str, sent: Value) -> Response {
        let url = format!("{}{path}", self.sandbox.control_url());
        let mut request = self.client.request(method, url);
        if !sent.is_null() {
            request = request.body(sent.to_string());
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn get_control(&self, path: &str) -> Value {
        self.control(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn faults(&self, faults: Value) {
        self.control(Method::PATCH, "/faults", faults).await;
    }

    /// How many records ITAM holds.
    pub(crate) async fn total(&self) -> u64 {
        self.get_control("/records/summary").await["total"].as_u64().unwrap()
    }

    fn with_tenant(&self, mut body: Value) -> Value {
        let ready = self.sandbox.ready();
        body["tenant"] = json!({"accountId": ready.account_id, "moduleId": ready.module_id});
        body["collectionId"] = json!(ready.collection_id);
        body
    }

    fn by_id(&self, rows: Value) -> Vec<Value> {
        let id = |name: &str| self.sandbox.ready().columns.get(name).cloned().unwrap_or_else(|| name.to_owned());
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row.as_object().unwrap().iter().map(|(key, value)| (id(key), value.clone())).collect()).collect()
    }
}

pub(crate) async fn body(response: Response) -> Value {
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

async fn results(response: Response) -> Vec<Value> {
    let status = response.status();
    let body = body(response).await;
    assert_eq!(status, 200, "{body}");
    body["data"]["records"].as_array().unwrap().clone()
}

pub(crate) fn id(result: &Value) -> String {
    result["recordId"].as_str().unwrap().to_owned()
}
