//! Secrets, over the whole journey, at the most talkative log level (rule 17).

use std::fmt::Write as _;
use std::path::Path;

use pandaport_api::v1::{
    ConfigureAlertsRequest, ConfigureConnectionRequest, GetAlertsRequest, GetConnectionRequest, ListConnectionsRequest,
    SyncState, TestAlertsRequest, TestConnectionRequest,
};
use pandaport_test_database::is_postgres;
use serde_json::json;

use crate::alerts::receiver;
use crate::harness::caller::{full, incremental};
use crate::harness::journey::{self, connection};
use crate::harness::scene::Scene;
use crate::harness::wait::until_so;

/// Everything that is looked through, by name.
struct Haystack(Vec<(String, Vec<u8>)>);

impl Haystack {
    fn files(folder: &Path) -> Self {
        let files = std::fs::read_dir(folder).expect("the folder is there").flatten();
        Self(files.map(|it| (it.path().display().to_string(), std::fs::read(it.path()).unwrap_or_default())).collect())
    }

    fn assert_free_of(&self, what: &str, needle: &str) {
        for (name, bytes) in &self.0 {
            let found = bytes.windows(needle.len()).position(|window| window == needle.as_bytes());
            if let Some(at) = found {
                let around = &bytes[at.saturating_sub(200)..at];
                panic!("{what} stands in {name}, after: {}", String::from_utf8_lossy(around));
            }
        }
    }
}

#[tokio::test]
async fn rule_17_no_secret_reaches_a_log_the_database_or_an_answer() {
    let alert_secret = "the-key-of-the-signature-9f3cAA71";
    let alerts = receiver(alert_secret).await;
    let mut scene = Scene::with(60, |installation| installation.with("RUST_LOG", "trace").allowing(&alerts.host)).await;
    let mut answers = String::new();
    let mut note = |answer: &dyn std::fmt::Debug| writeln!(answers, "{answer:?}").expect("a text grows");
    let good = connection(&scene.sandbox);
    let mut grpc = scene.caller.grpc.clone();

    // Secrets that are wrong are secrets too: an operator may have pasted another system's.
    let mut wrong = good.clone();
    let wrong_token = "0badc0de-1111-4222-8333-444455556666";
    let wrong_secret = "not-the-secret-of-this-key-7Q";
    wrong.kandji.as_mut().unwrap().api_token = wrong_token.to_owned();
    wrong.asset_panda.as_mut().unwrap().access_key_secret = wrong_secret.to_owned();
    note(&grpc.configure_connection(wrong.clone()).await);
    note(&grpc.configure_connection(ConfigureConnectionRequest { verify: false, ..wrong }).await);
    // A request that is refused must not be repeated in the refusal.
    let mut elsewhere = good.clone();
    elsewhere.kandji.as_mut().unwrap().base_url = "https://example.com".to_owned();
    note(&grpc.configure_connection(elsewhere).await);

    let url = format!("http://{}/", alerts.host);
    let tell = |url: &str| ConfigureAlertsRequest {
        url: url.to_owned(),
        secret: alert_secret.to_owned(),
        ..ConfigureAlertsRequest::default()
    };
    note(&grpc.configure_alerts(tell("https://alerts.example.com/")).await);
    note(&grpc.configure_alerts(tell(&url)).await);
    note(&grpc.test_alerts(TestAlertsRequest {}).await);

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    note(&import.sync);
    let connection_id = import.connection_id.clone();
    note(&grpc.get_connection(GetConnectionRequest { connection_id: connection_id.clone() }).await);
    note(&grpc.list_connections(ListConnectionsRequest::default()).await);
    note(&grpc.test_connection(TestConnectionRequest { connection_id: connection_id.clone() }).await);
    note(&scene.caller.records(&import.sync.sync_id, &[]).await);

    // Failures of every sort, whose words must not carry what was sent.
    for fault in [
        json!({"kandji": {"revoked": true}}),
        json!({"kandji": {"status_burst": {"status": 500, "count": 2}}}),
        json!({"kandji": {"html_every": 3}}),
        json!({"asset_panda": {"revoked": true}}),
        json!({"asset_panda": {"lost_answer": {"on": "write", "count": 2}}}),
    ] {
        scene.sandbox.faults(fault).await;
        scene.sandbox.change(30.0, 1).await;
        scene.sandbox.add_device(json!({"count": 2})).await;
        note(&scene.run(incremental(&import.mapping_id)).await);
        note(&grpc.test_connection(TestConnectionRequest { connection_id: connection_id.clone() }).await);
        scene.sandbox.heal().await;
    }
    let last = scene.run(full(&import.mapping_id)).await;
    assert_eq!(last.state(), SyncState::Succeeded, "{last:#?}");
    note(&last);
    until_so("an alert to come", journey::PATIENCE, async || alerts.lines().iter().any(|it| it.contains("FAILING")))
        .await;
    note(&grpc.get_alerts(GetAlertsRequest {}).await);

    // Killed, so that the write-ahead log is still there.
    scene.up.process.kill_hard();
    until_so("the log to be written", journey::PATIENCE, async || scene.installation.logs().contains("TRACE")).await;
    let mut haystack = Haystack::files(scene.installation.path());
    let of = |end: &str| haystack.0.iter().any(|(name, bytes)| name.ends_with(end) && !bytes.is_empty());
    let database = is_postgres() || (of("pandaport.db") && of(".db-wal"));
    assert!(database && of("up.log"), "there is something to look through");
    let (token, key) = (&*scene.sandbox.ready.kandji_token, &*scene.sandbox.ready.access_key_secret);
    for secret in [token, key, alert_secret, wrong_token, wrong_secret] {
        assert!(!scene.installation.database_contains(secret).await, "a secret stands in the database");
    }
    haystack.0.push(("an answer".to_owned(), answers.into_bytes()));
    let ready = &scene.sandbox.ready;
    haystack.assert_free_of("the Kandji token", &ready.kandji_token);
    haystack.assert_free_of("the Asset Panda secret", &ready.access_key_secret);
    haystack.assert_free_of("the secret of the alerts", alert_secret);
    haystack.assert_free_of("a wrong token", wrong_token);
    haystack.assert_free_of("a wrong secret", wrong_secret);

    // Bodies that were sent have people in them. The database holds their values; a log must not.
    let emails: Vec<String> = scene
        .sandbox
        .records()
        .await
        .iter()
        .filter_map(|record| Some(record.values.get("User Email")?.as_str()?.to_owned()))
        .collect();
    assert!(!emails.is_empty());
    haystack.0.retain(|(name, _)| name.ends_with(".log"));
    for email in emails {
        haystack.assert_free_of("a body that was sent", &email);
    }
}

#[test]
#[should_panic(expected = "the token stands in a.log")]
fn a_secret_that_stands_somewhere_is_found() {
    Haystack(vec![("a.log".to_owned(), b"token=5ecret!".to_vec())]).assert_free_of("the token", "5ecret");
}
