//! TestConnection tells what is wrong apart.

use std::time::Duration;

use pandaport_api::v1 as proto;
use pandaport_api::v1::CheckStatus::{Failed, Passed, Skipped, Warning};
use pandaport_upstream::{BudgetSettings, Limit};
use rstest::rstest;

use crate::house::{House, host};

fn named<'a>(checks: &'a [proto::Check], name: &str) -> &'a proto::Check {
    checks.iter().find(|it| it.name == name).unwrap()
}

async fn verify(house: &mut House, change: impl FnOnce(&mut proto::ConfigureConnectionRequest)) -> Vec<proto::Check> {
    let mut request = proto::ConfigureConnectionRequest { verify: true, ..house.settings() };
    change(&mut request);
    house.configure(request).await.unwrap().checks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_connection_passes_every_check_but_the_one_that_only_a_write_can_show() {
    let mut house = House::new().await;
    let checks = verify(&mut house, |_| {}).await;
    let shown: Vec<_> = checks.iter().map(|it| format!("{} {}", it.name, it.status().as_str_name())).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    kandji_reachable CHECK_STATUS_PASSED
    kandji_token CHECK_STATUS_PASSED
    kandji_devices CHECK_STATUS_PASSED
    kandji_device_details CHECK_STATUS_PASSED
    kandji_users CHECK_STATUS_PASSED
    asset_panda_reachable CHECK_STATUS_PASSED
    asset_panda_key CHECK_STATUS_PASSED
    asset_panda_account CHECK_STATUS_PASSED
    asset_panda_module CHECK_STATUS_PASSED
    asset_panda_collections CHECK_STATUS_PASSED
    asset_panda_write CHECK_STATUS_SKIPPED
    ");
    assert!(named(&checks, "kandji_reachable").latency.is_some());
    assert!(named(&checks, "asset_panda_write").message.contains("first sync"));
}

#[rstest]
#[case::html(r#"{"kandji": {"html": true}}"#, "kandji_reachable", "NOT_AN_API")]
#[case::server_error(r#"{"kandji": {"status_burst": {"status": 503}}}"#, "kandji_reachable", "HOST_UNREACHABLE")]
#[case::wrong_customer(r#"{"kandji": {"status_burst": {"status": 404}}}"#, "kandji_reachable", "NOT_AN_API")]
#[case::rate_limit(
    r#"{"kandji": {"status_burst": {"status": 429, "retry_after": "1"}}}"#,
    "kandji_devices",
    "RATE_LIMITED"
)]
#[case::revoked(r#"{"kandji": {"revoked": true}}"#, "kandji_token", "TOKEN_REFUSED")]
#[case::permission_403(r#"{"kandji": {"permissions": {"devices": false}}}"#, "kandji_devices", "PERMISSION_MISSING")]
#[case::permission_401(
    r#"{"kandji": {"permissions": {"devices": false}, "missing_permission_status": 401}}"#,
    "kandji_devices",
    "PERMISSION_MISSING"
)]
#[case::key(r#"{"asset_panda": {"revoked": true}}"#, "asset_panda_key", "TOKEN_REFUSED")]
#[case::panda_html(r#"{"asset_panda": {"html": true}}"#, "asset_panda_reachable", "NOT_AN_API")]
#[case::panda_error(
    r#"{"asset_panda": {"status_burst": {"status": 502}}}"#,
    "asset_panda_reachable",
    "HOST_UNREACHABLE"
)]
#[case::panda_rate_limit(
    r#"{"asset_panda": {"status_burst": {"status": 429, "retry_after": "1"}}}"#,
    "asset_panda_key",
    "RATE_LIMITED"
)]
#[case::panda_reset(r#"{"asset_panda": {"reset_connection": {}}}"#, "asset_panda_reachable", "HOST_UNREACHABLE")]
#[tokio::test(flavor = "multi_thread")]
async fn each_failure_has_its_own_check_reason_and_hint(
    #[case] faults: &str,
    #[case] name: &str,
    #[case] reason: &str,
) {
    let mut house = House::new().await;
    let connection_id = house.connection().await;
    house.faults(faults);
    let answer = house.test(&connection_id).await;

    assert_eq!(answer.result(), proto::TestResult::Failed);
    let failed: Vec<_> = answer.checks.iter().filter(|it| it.status() == Failed).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((failed[0].name.as_str(), failed[0].reason.as_str()), (name, reason));
    assert!(!failed[0].hint.is_empty() && !failed[0].message.is_empty());
    let connection = answer.connection.unwrap();
    // What passes by itself leaves a good connection as it is.
    let expected = match reason {
        "RATE_LIMITED" | "HOST_UNREACHABLE" => (proto::ConnectionState::Verified, ""),
        lasting => (proto::ConnectionState::Failing, lasting),
    };
    assert_eq!((connection.state(), connection.state_reason.as_str()), expected);

    // And when it is put right, it works again.
    house.faults("{}");
    let answer = house.test(&connection_id).await;
    assert_eq!(answer.result(), proto::TestResult::Passed);
    let connection = answer.connection.unwrap();
    assert_eq!((connection.state(), connection.state_reason.as_str()), (proto::ConnectionState::Verified, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_budget_of_ours_is_no_failure_of_a_connection_and_proves_none_good() {
    // As many calls as the first test takes.
    let limit = Limit { calls: 3, window: Duration::from_secs(3_600) };
    let budgets = BudgetSettings { asset_panda: vec![limit], ..BudgetSettings::off() };
    let mut house = House::with_budgets(pandaport_sandbox::SandboxConfig::default(), "", budgets).await;
    let connection_id = house.connection().await;

    let answer = house.test(&connection_id).await;
    let check = named(&answer.checks, "asset_panda_key");
    assert_eq!((check.status(), check.reason.as_str()), (Warning, "RATE_LIMITED"), "{}", check.message);
    assert!(check.hint.starts_with("Syncs of yours use the calls"), "{}", check.hint);
    let connection = answer.connection.unwrap();
    assert_eq!((connection.state(), connection.state_reason.as_str()), (proto::ConnectionState::Verified, ""));
    assert!(!connection.asset_panda.unwrap().module_id.is_empty(), "the module stays chosen");

    let request = proto::ConfigureConnectionRequest { verify: true, ..house.settings() };
    let answer = house.configure(request).await.unwrap();
    assert_eq!((answer.saved, answer.result()), (false, proto::TestResult::Failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_import_can_do_without_is_a_warning() {
    let mut house = House::new().await;
    for status in [401, 403] {
        house.faults(&format!(
            r#"{{"kandji": {{"permissions": {{"details": false, "users": false}}, "missing_permission_status": {status}}}}}"#
        ));
        let request = proto::ConfigureConnectionRequest { verify: true, ..house.settings() };
        let answer = house.configure(request).await.unwrap();
        assert!(answer.saved, "the two permissions of the guide are not even needed both");
        assert_eq!(answer.result(), proto::TestResult::PassedWithWarnings);
        for name in ["kandji_device_details", "kandji_users"] {
            let check = named(&answer.checks, name);
            assert_eq!((check.status(), check.reason.as_str()), (Warning, "PERMISSION_MISSING"));
        }
        assert!(named(&answer.checks, "kandji_users").hint.contains("User Active"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_and_a_wrong_key_are_both_found_in_one_test() {
    let mut house = House::new().await;
    let checks = verify(&mut house, |request| {
        request.kandji.as_mut().unwrap().api_token = "5a4db0c5-0000-4000-8000-000000000bad".into();
        request.asset_panda.as_mut().unwrap().access_key_secret = "wrong".into();
    })
    .await;
    assert_eq!(named(&checks, "kandji_reachable").status(), Passed);
    assert_eq!(named(&checks, "kandji_token").reason, "TOKEN_REFUSED");
    assert_eq!(named(&checks, "kandji_devices").status(), Skipped);
    assert_eq!(named(&checks, "asset_panda_key").reason, "TOKEN_REFUSED");
    assert_eq!(named(&checks, "asset_panda_account").status(), Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_home_and_no_tls_are_told_apart() {
    // A port that was free a moment ago: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut house = House::with(pandaport_sandbox::SandboxConfig::default(), &free.to_string()).await;
    let checks = verify(&mut house, |request| {
        request.kandji.as_mut().unwrap().base_url = format!("http://{free}");
    })
    .await;
    assert_eq!(named(&checks, "kandji_reachable").reason, "HOST_UNREACHABLE");

    let secure = format!("https://{}", host(house.sandbox.kandji_url()));
    let checks = verify(&mut house, |request| request.kandji.as_mut().unwrap().base_url = secure).await;
    let check = named(&checks, "kandji_reachable");
    assert_eq!(check.reason, "TLS_FAILED", "{}", check.message);
    assert!(check.hint.contains("certificates"));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_modules_are_a_choice_that_the_hint_lists() {
    let config = pandaport_sandbox::SandboxConfig { modules: 3, ..Default::default() };
    let mut house = House::with(config, "").await;
    let checks = verify(&mut house, |_| {}).await;
    let check = named(&checks, "asset_panda_module");
    assert_eq!((check.status(), check.reason.as_str()), (Failed, ""));
    let module_id = house.sandbox.ready().module_id.clone();
    assert!(check.hint.contains("asset_panda.module_id") && check.hint.contains(&module_id), "{}", check.hint);

    let checks = verify(&mut house, |request| request.asset_panda.as_mut().unwrap().module_id = module_id).await;
    assert_eq!(named(&checks, "asset_panda_module").status(), Passed);
    let checks =
        verify(&mut house, |request| request.asset_panda.as_mut().unwrap().module_id = "not-mine".into()).await;
    assert_eq!(named(&checks, "asset_panda_module").reason, "PERMISSION_MISSING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_without_devices_leaves_the_details_unknown() {
    let fleet = pandaport_sandbox::FleetSpec { devices: 0, ..Default::default() };
    let config = pandaport_sandbox::SandboxConfig { fleet, ..Default::default() };
    let mut house = House::with(config, "").await;
    let checks = verify(&mut house, |_| {}).await;
    assert_eq!(named(&checks, "kandji_devices").status(), Passed);
    assert_eq!(named(&checks, "kandji_device_details").status(), Skipped);
}
