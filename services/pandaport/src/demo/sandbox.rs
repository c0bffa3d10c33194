//! The sandbox's control endpoint: what the stand-ins saw, and how to change their world.

use anyhow::Context as _;
use serde_json::{Value, json};

/// The control endpoint of a sandbox.
pub(super) struct Control {
    url: String,
    http: reqwest::Client,
}

/// What the stand-ins have seen since they were started or last asked to forget.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Requests to Kandji.
    pub(super) kandji: u64,
    /// Requests to Asset Panda.
    pub(super) asset_panda: u64,
    /// Of those to Asset Panda, the ones that change records.
    pub(super) writes: u64,
    /// Requests to Kandji other than GET.
    pub(super) kandji_not_get: u64,
}

impl Control {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), http: reqwest::Client::new() }
    }

    /// What was seen so far.
    pub(super) async fn seen(&self) -> anyhow::Result<Seen> {
        let counters = self.get("/counters").await?;
        Ok(seen(&counters))
    }

    /// Forgets what was seen.
    pub(super) async fn forget(&self) -> anyhow::Result<()> {
        self.post("/counters/reset", &json!({})).await?;
        Ok(())
    }

    /// Requests that no client of these APIs should send.
    pub(super) async fn violations(&self) -> anyhow::Result<u64> {
        let violations = self.get("/violations").await?;
        violations["count"].as_u64().context("the sandbox counts its violations")
    }

    /// Changes that share of the fleet, in percent: the name of each device, and its operating system. Answers with how
    /// many devices that were.
    pub(super) async fn change(&self, percent: f64) -> anyhow::Result<u32> {
        let fields = ["device_name", "os_version"];
        let answer = self.post("/fleet/change", &json!({ "percent": percent, "fields": fields })).await?;
        let changed = answer["changed"].as_u64().context("the sandbox counts what it changes")?;
        Ok(changed.try_into()?)
    }

    /// Records in the collection ITAM.
    pub(super) async fn records(&self) -> anyhow::Result<u64> {
        let records = self.get("/records?size=0").await?;
        records["total"].as_u64().context("the sandbox counts its records")
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.read(self.http.get(format!("{}{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.read(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    async fn read(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.send().await.context("the sandbox does not answer")?;
        let status = answer.status();
        let body: Value = answer.json().await.context("the sandbox's answer can't be read")?;
        anyhow::ensure!(status.is_success(), "the sandbox answered {status}: {body}");
        Ok(body)
    }
}

fn seen(counters: &Value) -> Seen {
    let mut seen = Seen {
        kandji: counters["kandji"]["calls"].as_u64().unwrap_or_default(),
        asset_panda: counters["asset_panda"]["calls"].as_u64().unwrap_or_default(),
        ..Seen::default()
    };
    for (route, calls) in routes(&counters["kandji"]) {
        if !route.starts_with("GET ") {
            seen.kandji_not_get += calls;
        }
    }
    for (route, calls) in routes(&counters["asset_panda"]) {
        let (method, path) = route.split_once(' ').unwrap_or((route, ""));
        if method != "GET" && !path.ends_with("/search") {
            seen.writes += calls;
        }
    }
    seen
}

/// Calls by method and path, as `GET /api/v1/devices`.
fn routes(api: &Value) -> impl Iterator<Item = (&str, u64)> {
    let by_path = api["by_path"].as_object().into_iter().flatten();
    by_path.map(|(route, calls)| (route.as_str(), calls.as_u64().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_no_write_and_only_get_is_get() {
        let counters = json!({
            "kandji": { "calls": 4, "by_path": { "GET /api/v1/devices": 3, "POST /api/v1/devices": 1 } },
            "asset_panda": { "calls": 9, "by_path": {
                "GET /collections": 1,
                "POST /collection-records/search": 2,
                "POST /collection-records": 5,
                "PUT /collection-records": 1,
            } },
        });
        assert_eq!(seen(&counters), Seen { kandji: 4, asset_panda: 9, writes: 6, kandji_not_get: 1 });
    }
}
