//! Alerts, to the receiver of docs/alerts.md: what stands there is what runs here.

use std::process::Command;

use pandaport_api::v1::{ConfigureAlertsRequest, MappingHealth, SyncState, TestAlertsRequest};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::caller::incremental;
use crate::harness::installation::START;
use crate::harness::journey::{self, PATIENCE};
use crate::harness::process::Process;
use crate::harness::scene::{Scene, assert_succeeded};
use crate::harness::wait::{until, until_so};

const PAGE: &str = include_str!("../../docs/alerts.md");
const SECRET: &str = "the key of the signature";

/// The receiver of the page, running.
pub(crate) struct Receiver {
    pub(crate) host: String,
    process: Process,
    _folder: TempDir,
}

impl Receiver {
    /// What it printed of the alerts it took, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.process.log().lines().filter(|line| !line.starts_with("listening on")).map(str::to_owned).collect()
    }
}

pub(crate) async fn receiver(secret: &str) -> Receiver {
    let (_, rest) = PAGE.split_once("```python\n").expect("the page has a receiver in Python");
    let (program, _) = rest.split_once("```").expect("it has an end");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("receiver.py"), program).unwrap();
    let mut command = Command::new("python3");
    command.args(["receiver.py", "0"]);
    command.env("PANDAPORT_ALERT_SECRET", secret);
    let process = Process::start("receiver", command, folder.path());
    let port = until("the receiver to listen", START, async || {
        process.log().lines().find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()))
    })
    .await;
    Receiver { host: format!("127.0.0.1:{port}"), process, _folder: folder }
}

#[tokio::test]
async fn a_mapping_that_fails_and_recovers_is_told_of_exactly_twice() {
    let receiver = receiver(SECRET).await;
    let scene = Scene::with(20, |installation| installation.allowing(&receiver.host)).await;
    let mut grpc = scene.caller.grpc.clone();
    let request = ConfigureAlertsRequest {
        url: format!("http://{}/", receiver.host),
        secret: SECRET.to_owned(),
        ..ConfigureAlertsRequest::default()
    };
    grpc.configure_alerts(request).await.unwrap();
    let tested = grpc.test_alerts(TestAlertsRequest {}).await.unwrap().into_inner();
    assert_eq!(tested.http_status, 204, "{tested:#?}");
    assert_eq!(receiver.lines().len(), 1, "the test: {:?}", receiver.lines());

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&import.sync);
    scene.sandbox.faults(json!({"kandji": {"revoked": true}})).await;
    for _ in 0..2 {
        assert_eq!(scene.run(incremental(&import.mapping_id)).await.state(), SyncState::Failed);
    }
    assert_eq!(scene.caller.mapping(&import.mapping_id).await.health(), MappingHealth::Failing);
    scene.sandbox.heal().await;
    for _ in 0..2 {
        assert_succeeded(&scene.sync(&import.mapping_id).await);
    }
    until_so("the recovery to be told", PATIENCE, async || receiver.lines().len() >= 3).await;
    let lines = receiver.lines();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[1].starts_with("FAILING Kandji Device Import Kandji"), "{lines:#?}");
    assert_eq!(lines[2], "RECOVERED Kandji Device Import The last sync did everything.");
    // The receiver tells of an alert before its answer is there to be marked.
    until_so("nothing to wait any more", PATIENCE, async || {
        let alerts = scene.caller.grpc.clone().get_alerts(pandaport_api::v1::GetAlertsRequest {}).await;
        let alerts = alerts.unwrap().into_inner().alerts.unwrap();
        assert_eq!(alerts.last_error, "");
        alerts.waiting_count == 0
    })
    .await;
    assert_eq!(scene.caller.mapping(&import.mapping_id).await.health(), MappingHealth::Healthy);
}
