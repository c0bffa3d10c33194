//! Alerts: configured, looked at, tested.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use pandaport_api::v1 as proto;
use pandaport_sandbox::SandboxConfig;
use tonic::{Code, Status};

use crate::house::{House, refusal};

const SECRET: &str = "0123456789abcdef-of-mine";

type Received = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// Something that takes alerts at `/take` and refuses them at `/refuse`; where it listens, and what came in.
async fn receiver() -> (String, Received) {
    let received = Received::default();
    let taken = received.clone();
    let take = async move |headers: HeaderMap, body: String| {
        taken.lock().unwrap().push((headers, body));
        StatusCode::OK
    };
    let refuse = async || (StatusCode::UNAUTHORIZED, "I do not know this signature");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let app = Router::new().route("/take", post(take)).route("/refuse", post(refuse));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (host, received)
}

async fn configure(house: &mut House, request: proto::ConfigureAlertsRequest) -> Result<proto::Alerts, Status> {
    house.client.configure_alerts(request).await.map(|it| it.into_inner().alerts.unwrap())
}

async fn alerts(house: &mut House) -> proto::Alerts {
    house.client.get_alerts(proto::GetAlertsRequest {}).await.unwrap().into_inner().alerts.unwrap()
}

async fn test(house: &mut House) -> proto::TestAlertsResponse {
    house.client.test_alerts(proto::TestAlertsRequest {}).await.unwrap().into_inner()
}

fn to(url: &str, secret: &str) -> proto::ConfigureAlertsRequest {
    proto::ConfigureAlertsRequest { url: url.to_owned(), secret: secret.to_owned(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_alert_arrives_and_a_failed_one_is_a_result_with_what_to_do() {
    let (host, received) = receiver().await;
    let mut house = House::with(SandboxConfig::default(), &host).await;
    let before = house.client.test_alerts(proto::TestAlertsRequest {}).await.unwrap_err();
    assert_eq!(refusal(&before), (Code::FailedPrecondition, "ALERTS_NOT_CONFIGURED".to_owned(), vec![]));
    configure(&mut house, to(&format!("http://{host}/take"), SECRET)).await.unwrap();

    let tested = test(&mut house).await;
    let check = tested.check.unwrap();
    assert_eq!((check.status(), check.name.as_str()), (proto::CheckStatus::Passed, "alert_delivered"), "{check:?}");
    assert!(check.latency.is_some() && tested.http_status == 200);
    let (headers, body) = received.lock().unwrap()[0].clone();
    assert_eq!(headers["pandaport-alert-id"].to_str().unwrap(), tested.alert_id);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["kind"], body.get("mapping_id")), (&"TEST".into(), None));
    assert!(alerts(&mut house).await.last_delivered_time.is_some());

    configure(&mut house, to(&format!("http://{host}/refuse"), "")).await.unwrap();
    let tested = test(&mut house).await;
    let check = tested.check.unwrap();
    assert_eq!((check.status(), check.reason.as_str()), (proto::CheckStatus::Failed, "ALERT_REFUSED"));
    assert_eq!(check.message, "The receiver answered 401: I do not know this signature.");
    assert!(check.hint.contains("same secret") && tested.http_status == 401, "{check:?}");
    let alerts = alerts(&mut house).await;
    assert_eq!(alerts.last_error, check.message);
    assert!(alerts.last_error_time.is_some() && alerts.last_delivered_time.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_the_operator_has_not_allowed_is_refused() {
    let mut house = House::new().await;
    for (url, reason) in [
        ("https://hooks.example.com/x", "HOST_NOT_ALLOWED"),
        ("http://169.254.169.254/latest", "HOST_NOT_ALLOWED"),
        ("https://api.assetpanda.app/", "HOST_NOT_ALLOWED"),
        ("alerts.example.com", "INVALID_FIELD"),
    ] {
        let status = configure(&mut house, to(url, SECRET)).await.unwrap_err();
        let (code, found, violations) = refusal(&status);
        assert_eq!((code, found.as_str(), violations.len()), (Code::InvalidArgument, reason, 1), "{url}");
        assert!(!format!("{status:?}").contains("of-mine"), "{status:?}");
    }
    assert_eq!(alerts(&mut house).await, proto::Alerts::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_stays_and_another_host_needs_a_secret_of_its_own() {
    let (host, _) = receiver().await;
    let (other, _) = receiver().await;
    let mut house = House::with(SandboxConfig::default(), &format!("{host},{other}")).await;
    let status = configure(&mut house, proto::ConfigureAlertsRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&status).2, ["url: ", "secret: "]);
    let status = configure(&mut house, to(&format!("http://{host}/take"), "short")).await.unwrap_err();
    assert_eq!(refusal(&status).2, ["secret: "]);

    let first = configure(&mut house, to(&format!(" http://{host}/take\n"), SECRET)).await.unwrap();
    assert_eq!((first.url.as_str(), first.secret_hint.as_str()), (format!("http://{host}/take").as_str(), "mine"));
    assert!(first.enabled && !first.etag.is_empty());
    let status = configure(&mut house, to(&format!("http://{other}/take"), "")).await.unwrap_err();
    assert_eq!(refusal(&status).2, ["secret: "]);
    let moved =
        configure(&mut house, to(&format!("http://{other}/take"), "another secret, long enough")).await.unwrap();
    assert_ne!(moved.etag, first.etag);

    let off = proto::ConfigureAlertsRequest { enabled: Some(false), etag: moved.etag.clone(), ..Default::default() };
    let off = configure(&mut house, off).await.unwrap();
    assert_eq!((off.enabled, &off.url, off.secret_hint.as_str()), (false, &moved.url, "ough"));
    let tested = test(&mut house).await.check.unwrap();
    assert!(tested.message.contains("turned off"), "{tested:?}");
    let stale = proto::ConfigureAlertsRequest { enabled: Some(true), etag: moved.etag, ..Default::default() };
    let (code, reason, _) = refusal(&configure(&mut house, stale).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    let on = proto::ConfigureAlertsRequest { enabled: Some(true), ..Default::default() };
    assert!(configure(&mut house, on).await.unwrap().enabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_off_what_was_never_on_is_no_error_and_a_repeated_call_gets_the_same_answer() {
    let (host, _) = receiver().await;
    let mut house = House::with(SandboxConfig::default(), &host).await;
    let off = proto::ConfigureAlertsRequest { enabled: Some(false), ..Default::default() };
    assert_eq!(configure(&mut house, off).await.unwrap(), proto::Alerts::default());

    let request =
        proto::ConfigureAlertsRequest { request_id: "once".into(), ..to(&format!("http://{host}/take"), SECRET) };
    let first = configure(&mut house, request.clone()).await.unwrap();
    assert_eq!(configure(&mut house, request.clone()).await.unwrap(), first);
    let other = proto::ConfigureAlertsRequest { enabled: Some(false), ..request };
    assert_eq!(configure(&mut house, other).await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_mapping_is_healthy() {
    let mut house = House::new().await;
    let (_, mapping, _) = house.mapped().await;
    assert_eq!(mapping.health(), proto::MappingHealth::Healthy);
}
