//! Credentials that are refused or permit too little, and columns that go away.

use std::time::Duration;

use pandaport_api::v1::{
    CheckStatus, Connection, ConnectionState, GetConnectionRequest, MappingState, SyncState, TestConnectionRequest,
    TestConnectionResponse, TestResult,
};
use serde_json::{Value, json};

use crate::harness::caller::counts;
use crate::harness::journey::{connection, import};
use crate::harness::scene::{Scene, assert_succeeded};

async fn connection_of(scene: &Scene, connection_id: &str) -> Connection {
    let request = GetConnectionRequest { connection_id: connection_id.to_owned() };
    let answer = scene.caller.grpc.clone().get_connection(request).await;
    answer.expect("GetConnection answers").into_inner().connection.expect("a connection")
}

async fn test(scene: &Scene, connection_id: &str) -> TestConnectionResponse {
    let request = TestConnectionRequest { connection_id: connection_id.to_owned() };
    scene.caller.grpc.clone().test_connection(request).await.expect("TestConnection answers").into_inner()
}

#[tokio::test]
async fn without_the_users_permission_user_active_is_left_alone_and_all_else_is_written() {
    let scene = Scene::of(60).await;
    let first = import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&first.sync);
    let before = scene.sandbox.records().await;
    let known = |records: &[crate::harness::sandbox::Record]| -> Vec<(String, Value)> {
        let value = |it: &crate::harness::sandbox::Record| it.values.get("User Active").cloned();
        records.iter().filter_map(|it| Some((it.id.clone(), value(it)?))).collect()
    };
    assert!(known(&before).len() > 20, "most devices have a user");

    // Some tenants answer 401 for a permission that is not ticked.
    for status in [403, 401] {
        let faults = json!({"permissions": {"users": false}, "missing_permission_status": status});
        scene.sandbox.faults(json!({ "kandji": faults })).await;
        let changed = scene.sandbox.change(10.0, status).await;
        let full = scene.full_sync(&first.mapping_id).await;
        assert_succeeded(&full);
        assert_eq!(counts(&full)[3], changed, "{full:#?}");
        assert_eq!(known(&scene.sandbox.records().await), known(&before));
    }
    let answer = test(&scene, &first.connection_id).await;
    assert_eq!(answer.result(), TestResult::PassedWithWarnings, "{:#?}", answer.checks);
    let users = answer.checks.iter().find(|it| it.name == "kandji_users").expect("the check of users");
    assert_eq!((users.status(), users.reason.as_str()), (CheckStatus::Warning, "PERMISSION_MISSING"));
}

#[tokio::test]
async fn a_first_import_without_the_users_permission_leaves_user_active_empty() {
    let scene = Scene::of(40).await;
    scene.sandbox.faults(json!({"kandji": {"permissions": {"users": false, "details": false}}})).await;

    let first = import(&scene.caller, &scene.sandbox, "device_id").await;

    assert_succeeded(&first.sync);
    scene.assert_each_device_once().await;
    let records = scene.sandbox.records().await;
    assert!(records.iter().all(|it| !it.values.contains_key("User Active")));
    assert!(records.iter().any(|it| it.values.contains_key("User Email")));
}

#[tokio::test]
async fn a_token_revoked_in_the_middle_fails_the_sync_and_a_new_test_verifies_the_connection_again() {
    let scene = Scene::of(700).await;
    let first = import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&first.sync);
    for (api, after) in [("kandji", 5), ("asset_panda", 2)] {
        scene.sandbox.change(10.0, 1).await;
        scene.sandbox.faults(json!({ api: {"revoke_after_calls": after} })).await;

        let sync = scene.sync(&first.mapping_id).await;

        assert_eq!(sync.state(), SyncState::Failed, "{api}: {sync:#?}");
        let error = sync.error.expect("why it failed");
        assert_eq!(error.reason, "TOKEN_REFUSED", "{}", error.message);
        let connection = connection_of(&scene, &first.connection_id).await;
        assert_eq!(connection.state(), ConnectionState::Verified, "once may be a mishap");

        let answer = test(&scene, &first.connection_id).await;
        assert_eq!(answer.result(), TestResult::Failed, "{:#?}", answer.checks);
        let failed: Vec<_> = answer.checks.iter().filter(|it| it.status() == CheckStatus::Failed).collect();
        assert!(failed.iter().any(|it| it.reason == "TOKEN_REFUSED" && !it.hint.is_empty()), "{failed:#?}");
        assert_eq!(connection_of(&scene, &first.connection_id).await.state(), ConnectionState::Failing);

        // A success says it too: here for one API by a sync, for the other by a test.
        scene.sandbox.heal().await;
        if api == "kandji" {
            assert_succeeded(&scene.sync(&first.mapping_id).await);
        } else {
            assert_eq!(test(&scene, &first.connection_id).await.result(), TestResult::Passed);
        }
        assert_eq!(connection_of(&scene, &first.connection_id).await.state(), ConnectionState::Verified);
    }
    assert_succeeded(&scene.sync(&first.mapping_id).await);
    scene.assert_each_device_once().await;
}

#[tokio::test]
async fn a_token_refused_twice_a_minute_apart_makes_the_connection_failing() {
    let scene = Scene::of(10).await;
    let first = import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&first.sync);
    scene.sandbox.faults(json!({"kandji": {"revoked": true}})).await;
    let began = std::time::Instant::now();
    assert_eq!(scene.sync(&first.mapping_id).await.state(), SyncState::Failed);
    let refused_once = std::time::Instant::now();

    let took = loop {
        assert_eq!(scene.sync(&first.mapping_id).await.state(), SyncState::Failed);
        if connection_of(&scene, &first.connection_id).await.state() == ConnectionState::Failing {
            break began.elapsed();
        }
        assert!(refused_once.elapsed() < Duration::from_secs(90), "still not FAILING");
        tokio::time::sleep(Duration::from_secs(3)).await;
    };

    assert!(took >= Duration::from_secs(60), "FAILING after {took:?} already");
    let connection = connection_of(&scene, &first.connection_id).await;
    assert!(connection.state_reason.contains("TOKEN_REFUSED"), "{}", connection.state_reason);
    scene.sandbox.heal().await;
    assert_succeeded(&scene.sync(&first.mapping_id).await);
    assert_eq!(connection_of(&scene, &first.connection_id).await.state(), ConnectionState::Verified);
}

#[tokio::test]
async fn rule_15_a_column_that_is_gone_or_of_another_type_breaks_the_mapping_before_any_write() {
    let scene = Scene::of(60).await;
    let first = import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&first.sync);
    let cases = [
        ("OS Version", json!({"deleted": true}), json!({"deleted": false}), "COLUMN_UNKNOWN"),
        ("Is Missing", json!({"type": "number"}), json!({"type": "boolean"}), "TYPE_MISMATCH"),
    ];
    for (column, change, back, reason) in cases {
        scene.sandbox.change(20.0, 3).await;
        scene.sandbox.edit_column(column, change).await;
        scene.sandbox.forget_calls().await;

        let sync = scene.sync(&first.mapping_id).await;

        assert_eq!(sync.state(), SyncState::Failed, "{sync:#?}");
        assert_eq!(sync.error.expect("why it failed").reason, reason);
        assert_eq!(scene.sandbox.counters().await.writes(), 0);
        let mapping = scene.caller.mapping(&first.mapping_id).await;
        assert_eq!(mapping.state(), MappingState::Broken);
        let column_id = &scene.sandbox.ready.columns[column];
        let named = mapping.state_reason.contains(column) || mapping.state_reason.contains(column_id.as_str());
        assert!(named, "the column is named: {}", mapping.state_reason);

        scene.sandbox.edit_column(column, back).await;
        assert_succeeded(&scene.sync(&first.mapping_id).await);
        assert_eq!(scene.caller.mapping(&first.mapping_id).await.state(), MappingState::Active);
    }
}

#[tokio::test]
async fn a_connection_that_fails_its_test_is_not_saved_and_each_fault_has_its_own_reason() {
    let scene = Scene::of(5).await;
    let good = connection(&scene.sandbox);
    let kandji = |fault: Value| json!({ "kandji": fault });
    let cases = [
        (kandji(json!({"revoked": true})), "TOKEN_REFUSED"),
        (kandji(json!({"html": true})), "NOT_AN_API"),
        (kandji(json!({"permissions": {"devices": false}})), "PERMISSION_MISSING"),
        (kandji(json!({"status_burst": {"status": 503}})), "HOST_UNREACHABLE"),
        (json!({"asset_panda": {"revoked": true}}), "TOKEN_REFUSED"),
        (json!({"asset_panda": {"html": true}}), "NOT_AN_API"),
        // The last: what a server asks for is kept to, also by the next test.
        (kandji(json!({"status_burst": {"status": 429, "retry_after": "60"}})), "RATE_LIMITED"),
    ];
    for (fault, reason) in cases {
        scene.sandbox.faults(fault.clone()).await;
        let answer = scene.caller.grpc.clone().configure_connection(good.clone()).await;
        let answer = answer.expect("a failed check is a result, not an error").into_inner();
        assert!(!answer.saved, "{fault}");
        assert_eq!(answer.result(), TestResult::Failed);
        let failed: Vec<_> = answer.checks.iter().filter(|it| it.status() == CheckStatus::Failed).collect();
        assert!(failed.iter().all(|it| it.reason == reason && !it.hint.is_empty()), "{fault}: {failed:#?}");
        assert!(!failed.is_empty(), "{fault}: {:#?}", answer.checks);
        scene.sandbox.heal().await;
    }
    let listed = scene.caller.grpc.clone().list_connections(pandaport_api::v1::ListConnectionsRequest::default()).await;
    assert!(listed.unwrap().into_inner().connections.is_empty());
}
