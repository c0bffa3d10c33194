//! The sandbox as a child process, and its control endpoint.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::installation::{START, read_json};
use super::process::{Process, program};
use super::wait::until;

/// A running sandbox.
pub(crate) struct Sandbox {
    pub(crate) ready: Ready,
    http: Client,
    // Declared before the folder, so that it is dropped first: its log is shown from there.
    _process: Process,
    _dir: TempDir,
}

/// What the sandbox says about itself once it is ready.
#[derive(Deserialize)]
pub(crate) struct Ready {
    pub(crate) kandji_url: String,
    pub(crate) asset_panda_url: String,
    pub(crate) control_url: String,
    pub(crate) kandji_token: String,
    pub(crate) access_key_id: String,
    pub(crate) access_key_secret: String,
    pub(crate) account_id: String,
    pub(crate) module_id: String,
    pub(crate) collections: BTreeMap<String, String>,
    pub(crate) columns: BTreeMap<String, String>,
}

/// A record of a collection, with its values by column name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) values: Map<String, Value>,
    /// How often it was written since it was made.
    pub(crate) updates: u64,
    /// Whether it was made past the API.
    pub(crate) by_hand: bool,
}

/// Calls to both stand-ins.
pub(crate) struct Counters(Value);

impl Sandbox {
    /// A sandbox with a generated fleet and without rate limits.
    pub(crate) async fn start(devices: u32) -> Self {
        Self::with_collections(devices, 1).await
    }

    /// The same with so many collections to import into: "ITAM", "ITAM 2" and so on.
    pub(crate) async fn with_collections(devices: u32, collections: u32) -> Self {
        let dir = tempfile::Builder::new().prefix("pandaport-sandbox-").tempdir().expect("a temporary folder");
        let ready_file: PathBuf = dir.path().join("ready.json");
        let mut command = Command::new(program("pandaport-sandbox", env!("CARGO_BIN_EXE_pandaport-sandbox")));
        for listen in ["--kandji-listen", "--asset-panda-listen", "--control-listen"] {
            command.args([listen, "127.0.0.1:0"]);
        }
        command.args(["--devices", &devices.to_string(), "--collections", &collections.to_string()]);
        command.arg("--no-rate-limits").arg("--ready-file").arg(&ready_file);
        let mut process = Process::start("sandbox", command, dir.path());
        let ready = until("the sandbox to be ready", START, async || {
            if let Some(ended) = process.ended() {
                panic!("the sandbox ended at its start: {ended}\n{}", process.log());
            }
            read_json(&ready_file)
        })
        .await;
        let ready = serde_json::from_value(ready).expect("the ready file has what a client needs");
        let http = Client::builder().no_proxy().build().expect("an HTTP client");
        Self { ready, http, _process: process, _dir: dir }
    }

    /// The hosts that Pandaport must be allowed to call, as `PANDAPORT_ALLOWED_HOSTS` has them.
    pub(crate) fn hosts(&self) -> String {
        let host = |url: &str| url.trim_start_matches("http://").to_owned();
        format!("{},{}", host(&self.ready.kandji_url), host(&self.ready.asset_panda_url))
    }

    /// A call to the control endpoint.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.ready.control_url);
        let answer = self.http.request(method, &url).json(&body).send().await.expect("control answers");
        let ok = answer.status().is_success();
        let body: Value = answer.json().await.expect("control answers JSON");
        assert!(ok, "{path}: {body}");
        body
    }

    async fn get(&self, path: &str) -> Value {
        self.control(Method::GET, path, Value::Null).await
    }

    // What goes wrong

    /// Sets these switches besides those in force; counting begins anew for them.
    pub(crate) async fn faults(&self, switches: Value) {
        self.control(Method::PATCH, "/faults", switches).await;
    }

    /// Everything as it should be again, without rate limits.
    pub(crate) async fn heal(&self) {
        let off = json!({"kandji": {"rate_limit": false}, "asset_panda": {"rate_limit": false}});
        self.control(Method::PUT, "/faults", off).await;
    }

    /// How often a counted fault has struck.
    pub(crate) async fn struck(&self, path: &str) -> u64 {
        self.get("/faults/progress").await[path]["fired"].as_u64().unwrap_or(0)
    }

    // What was asked

    pub(crate) async fn counters(&self) -> Counters {
        Counters(self.get("/counters").await)
    }

    /// The most calls to Asset Panda in any window of this length, however it is laid.
    pub(crate) async fn most_asset_panda_calls_in(&self, window_ms: u64) -> u64 {
        let counters = self.get(&format!("/counters?window_ms={window_ms}")).await;
        counters["asset_panda"]["max_in_window_ms"][window_ms.to_string()].as_u64().expect("a count")
    }

    pub(crate) async fn forget_calls(&self) {
        self.control(Method::POST, "/counters/reset", json!({})).await;
    }

    /// Whatever no client may do was not done: no request but GET to Kandji, no batch over five.
    pub(crate) async fn assert_no_violations(&self) {
        let violations = self.get("/violations").await;
        assert_eq!(violations["count"], 0, "{violations:#}");
    }

    /// The last requests to Kandji, newest last, to be shown when there were too many.
    pub(crate) async fn kandji_requests(&self) -> Vec<String> {
        let log = self.get("/log?limit=5000").await;
        let entries = log["requests"].as_array().cloned().unwrap_or_default();
        let line = |it: &Value| format!("{} ms: {} {} -> {}", it["at_ms"], it["method"], it["path"], it["status"]);
        entries.iter().filter(|it| it["api"] == "kandji").map(line).collect()
    }

    // Kandji's side

    /// These example files, one after the other.
    pub(crate) async fn examples(&self, files: &[&str]) {
        self.control(Method::POST, "/fleet/examples", json!({ "files": files })).await;
    }

    /// All devices as Kandji lists them.
    pub(crate) async fn devices(&self) -> Vec<Value> {
        let listed = self.get("/fleet/devices?ordering=device_id").await;
        listed["devices"].as_array().cloned().expect("a list of devices")
    }

    /// Adds a device: one with all keys, and these as given. Its id.
    pub(crate) async fn add_device(&self, keys: Value) -> String {
        let added = self.control(Method::POST, "/fleet/devices", keys).await;
        added["device_ids"][0].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn edit_device(&self, device_id: &str, keys: Value) {
        self.control(Method::PATCH, &format!("/fleet/devices/{device_id}"), keys).await;
    }

    pub(crate) async fn delete_device(&self, device_id: &str) {
        self.control(Method::DELETE, &format!("/fleet/devices/{device_id}"), json!({})).await;
    }

    /// Changes the OS version of this share of the devices; how many that were.
    pub(crate) async fn change(&self, percent: f64, seed: u64) -> u32 {
        let changed = self.control(Method::POST, "/fleet/change", json!({"percent": percent, "seed": seed})).await;
        changed["changed"].as_u64().and_then(|it| it.try_into().ok()).expect("a count")
    }

    /// Every page of `/users`, as a client of Kandji gets them.
    pub(crate) async fn user_pages(&self) -> Vec<Value> {
        let mut pages: Vec<Value> = Vec::new();
        let mut query = "limit=300".to_owned();
        loop {
            let url = format!("{}/api/v1/users?{query}", self.ready.kandji_url);
            let answer = self.http.get(url).bearer_auth(&self.ready.kandji_token).send().await;
            let page: Value = answer.expect("Kandji answers").json().await.expect("users are JSON");
            let next = page["next"].as_str().and_then(|next| next.split_once('?')).map(|(_, query)| query.to_owned());
            pages.push(page);
            match next {
                Some(next) => query = next,
                None => return pages,
            }
        }
    }

    // Asset Panda's side

    /// All records of a collection, by its name.
    pub(crate) async fn records_of(&self, collection: &str) -> Vec<Record> {
        let id = &self.ready.collections[collection];
        let listed = self.get(&format!("/records?names=true&collection_id={id}")).await;
        serde_json::from_value(listed["records"].clone()).expect("records with values by name")
    }

    pub(crate) async fn records(&self) -> Vec<Record> {
        self.records_of("ITAM").await
    }

    /// The only record with this value in a column.
    pub(crate) async fn record(&self, column: &str, value: &str) -> Record {
        let mut found = self.records().await;
        found.retain(|record| record.values.get(column).is_some_and(|it| it == value));
        assert_eq!(found.len(), 1, "records whose {column} is {value}: {found:#?}");
        found.remove(0)
    }

    /// How many records there are, what was written through the API, and what is there twice by a column.
    pub(crate) async fn summary(&self, column: &str) -> Value {
        self.get(&format!("/records/summary?column={}", column.replace(' ', "%20"))).await
    }

    /// Makes records by hand, past the API. Their ids.
    pub(crate) async fn seed_records(&self, records: Value) -> Vec<String> {
        let made = self.control(Method::POST, "/records", json!({ "records": records })).await;
        serde_json::from_value(made["record_ids"].clone()).expect("ids")
    }

    pub(crate) async fn edit_record(&self, record_id: &str, values: Value) {
        self.control(Method::PATCH, &format!("/records/{record_id}"), values).await;
    }

    pub(crate) async fn delete_record(&self, record_id: &str) {
        self.control(Method::DELETE, &format!("/records/{record_id}"), json!({})).await;
    }

    /// Changes a column of "ITAM", such as `{"type": "number"}` or `{"deleted": true}`.
    pub(crate) async fn edit_column(&self, name: &str, change: Value) {
        let id = &self.ready.columns[name];
        self.control(Method::PATCH, &format!("/columns/{id}"), change).await;
    }
}

impl Counters {
    /// Calls to Kandji's paths that begin so, such as `GET /api/v1/devices`.
    pub(crate) fn kandji(&self, call: &str) -> u64 {
        self.0["kandji"]["by_path"][call].as_u64().unwrap_or(0)
    }

    pub(crate) fn asset_panda(&self, call: &str) -> u64 {
        self.0["asset_panda"]["by_path"][call].as_u64().unwrap_or(0)
    }

    pub(crate) fn all_kandji(&self) -> u64 {
        self.0["kandji"]["calls"].as_u64().unwrap_or(0)
    }

    pub(crate) fn all(&self) -> u64 {
        self.all_kandji() + self.all_asset_panda()
    }

    pub(crate) fn all_asset_panda(&self) -> u64 {
        self.0["asset_panda"]["calls"].as_u64().unwrap_or(0)
    }

    /// Calls to Asset Panda that came in and have no answer yet.
    pub(crate) fn asset_panda_in_flight(&self) -> u64 {
        self.0["asset_panda"]["in_flight"].as_u64().unwrap_or(0)
    }

    /// Calls to Asset Panda that were answered with this status.
    pub(crate) fn asset_panda_answered(&self, status: u16) -> u64 {
        self.0["asset_panda"]["by_status"][status.to_string()].as_u64().unwrap_or(0)
    }

    pub(crate) fn device_pages(&self) -> u64 {
        self.kandji("GET /api/v1/devices")
    }

    pub(crate) fn searches(&self) -> u64 {
        self.asset_panda("POST /collection-records/search")
    }

    pub(crate) fn creates(&self) -> u64 {
        self.asset_panda("POST /collection-records")
    }

    pub(crate) fn updates(&self) -> u64 {
        self.asset_panda("PUT /collection-records")
    }

    pub(crate) fn writes(&self) -> u64 {
        self.creates() + self.updates() + self.asset_panda("DELETE /collection-records")
    }
}

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let paths = |api: &str| self.0[api]["by_path"].clone();
        write!(f, "{:#}", json!({"kandji": paths("kandji"), "asset_panda": paths("asset_panda")}))
    }
}
