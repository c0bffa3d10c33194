//! What the APIs answer on bad days, in reads and in writes.

use serde_json::{Value, json};

use crate::harness::journey::PATIENCE;
use crate::harness::scene::Scene;
use crate::harness::trial::Trial;

/// A fault, by API and switch.
struct Fault {
    api: &'static str,
    switch: &'static str,
    value: Value,
}

fn kandji(switch: &'static str, value: Value) -> Fault {
    Fault { api: "kandji", switch, value }
}

fn asset_panda(switch: &'static str, value: Value) -> Fault {
    Fault { api: "asset_panda", switch, value }
}

/// Each fault against a first import and against a sync with changes, on a fresh installation.
async fn each_is_survived(faults: Vec<Fault>) {
    for Fault { api, switch, value } in faults {
        let scene = Scene::of(60).await;
        let Scene { caller, sandbox, .. } = &scene;
        let name = format!("{api}.{switch}");
        // Shown if the test fails.
        eprintln!("{name} = {value}");
        let faults = json!({ api: { switch: value } });

        let first = Trial::of_first_import(caller, sandbox, faults.clone()).await;
        caller.ended(&first.sync_id, PATIENCE).await;
        let struck = sandbox.struck(&name).await;
        first.holds(caller, sandbox).await;

        let changes = Trial::of_changes(caller, sandbox, &first.mapping_id, faults).await;
        caller.ended(&changes.sync_id, PATIENCE).await;
        let struck = struck + sandbox.struck(&name).await;
        changes.holds_and_is_settled(caller, sandbox).await;
        assert!(struck > 0, "it never struck");
    }
}

#[tokio::test]
async fn bursts_of_429_with_and_without_retry_after_from_kandji() {
    each_is_survived(vec![
        kandji("status_burst", json!({"status": 429, "retry_after": "1", "on": "devices", "count": 2})),
        kandji("status_burst", json!({"status": 429, "retry_after": "date", "on": "devices", "count": 1})),
        kandji("status_burst", json!({"status": 429, "on": "devices", "count": 2})),
    ])
    .await;
}

#[tokio::test]
async fn bursts_of_429_with_and_without_retry_after_from_asset_panda() {
    each_is_survived(vec![
        asset_panda("status_burst", json!({"status": 429, "retry_after": "1", "on": "create", "count": 2})),
        asset_panda("status_burst", json!({"status": 429, "retry_after": "date", "on": "write", "count": 2})),
        asset_panda("status_burst", json!({"status": 429, "on": "search", "count": 2})),
        asset_panda("status_burst", json!({"status": 429, "on": "update", "count": 2})),
    ])
    .await;
}

#[tokio::test]
async fn bursts_of_500_502_and_503_and_an_html_body_from_kandji() {
    each_is_survived(vec![
        kandji("status_burst", json!({"status": 503, "on": "devices", "count": 2})),
        kandji("status_burst", json!({"status": 502, "on": "devices", "count": 2})),
        kandji("status_burst", json!({"status": 500, "on": "users", "count": 2})),
        kandji("html_every", json!(2)),
    ])
    .await;
}

#[tokio::test]
async fn bursts_of_500_502_and_503_from_asset_panda() {
    each_is_survived(vec![
        asset_panda("status_burst", json!({"status": 503, "on": "search", "count": 2})),
        asset_panda("status_burst", json!({"status": 502, "on": "update", "count": 3})),
        asset_panda("status_burst", json!({"status": 500, "on": "create", "count": 2})),
        asset_panda("status_burst", json!({"status": 503, "on": "create", "count": 2})),
    ])
    .await;
}

#[tokio::test]
async fn html_bodies_and_json_that_breaks_off_or_is_malformed_from_asset_panda() {
    each_is_survived(vec![
        asset_panda("html_every", json!(4)),
        asset_panda("truncate_every", json!(3)),
        asset_panda("unreadable_reply", json!({"on": "write", "count": 2})),
        asset_panda("short_reply", json!({"on": "write", "count": 2})),
    ])
    .await;
}

#[tokio::test]
async fn connections_that_are_reset_or_never_answered_and_json_that_breaks_off_at_kandji() {
    each_is_survived(vec![
        kandji("reset_connection", json!({"on": "devices", "count": 2})),
        kandji("hang", json!({"on": "devices", "count": 1})),
        kandji("truncate", json!({"on": "devices", "count": 1})),
    ])
    .await;
}

#[tokio::test]
async fn connections_that_are_reset_or_never_answered_at_asset_panda() {
    each_is_survived(vec![
        asset_panda("reset_connection", json!({"on": "write", "count": 2})),
        asset_panda("hang", json!({"on": "update", "count": 1})),
        asset_panda("hang", json!({"on": "create", "count": 1})),
    ])
    .await;
}

#[tokio::test]
async fn rule_3_answers_lost_after_the_write_was_applied_at_every_third_create() {
    each_is_survived(vec![
        asset_panda("lost_answer", json!({"on": "create", "every": 3})),
        asset_panda("lost_answer", json!({"on": "create", "every": 3, "answer": "502"})),
        asset_panda("lost_answer", json!({"on": "update", "every": 3, "count": 2})),
    ])
    .await;
}
