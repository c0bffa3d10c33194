use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{World, body, sandbox};

async fn ids(world: &World, query: &str) -> Vec<String> {
    let page = world.devices(query).await;
    page.iter().map(|device| device["device_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn total_headers_come_as_captured() {
    let world = sandbox(301).await;
    world.faults(json!({"kandji": {"total_headers": true}})).await;
    let first = world.kandji("devices?limit=100").await;
    let link = first.headers()["link"].to_str().unwrap().to_owned();
    assert_eq!(first.headers()["x-total-count"], "301");
    assert_eq!(first.headers()["x-total-pages"], "4");
    assert!(link.contains("limit=100&offset=100>; rel=\"next\"") && link.contains("<None>; rel=\"prev\""));
    let second = world.kandji("devices?limit=300&offset=300").await;
    let link = second.headers()["link"].to_str().unwrap();
    assert!(link.starts_with("<None>; rel=\"next\"") && link.contains("devices?limit=300>; rel=\"prev\""));
}

#[tokio::test]
async fn pages_can_be_capped_or_repeated() {
    let world = sandbox(50).await;
    world.faults(json!({"kandji": {"page_cap": 7}})).await;
    assert_eq!(world.devices("limit=300").await.len(), 7);
    world.faults(json!({"kandji": {"page_cap": null, "repeat_page_at": 3}})).await;
    let first = ids(&world, "limit=10&offset=0").await;
    let second = ids(&world, "limit=10&offset=10").await;
    assert_eq!(ids(&world, "limit=10&offset=20").await, second);
    let third = ids(&world, "limit=10&offset=20").await;
    assert!(third != second && third != first);
}

#[tokio::test]
async fn devices_vanish_and_appear_between_two_pages() {
    let world = sandbox(30).await;
    let all = ids(&world, "ordering=device_id").await;
    let delete = |at: &str| json!({"kandji": {"delete_between_pages": {"after": 1, "devices": 2, "at": at}}});
    world.faults(delete("before")).await;
    assert_eq!(ids(&world, "ordering=device_id&limit=10").await, all[..10]);
    assert_eq!(ids(&world, "ordering=device_id&limit=10&offset=10").await, all[12..22], "two are skipped");
    assert_eq!(world.get_control("/fleet").await["devices"], 28);
    world.faults(delete("page_end")).await;
    let page = ids(&world, "ordering=device_id&limit=10").await;
    assert!(!ids(&world, "ordering=device_id").await.contains(&page[9]));
    let add = json!({"kandji": {"delete_between_pages": null, "add_between_pages": {"devices": 3}}});
    world.faults(add).await;
    let before = ids(&world, "ordering=device_id&limit=10").await;
    let after = ids(&world, "ordering=device_id&limit=10&offset=10").await;
    assert_eq!(after[..3], before[7..], "three come again");
    assert_eq!(world.get_control("/fleet").await["devices"], 30);
}

#[tokio::test]
async fn answers_can_be_late_broken_off_or_html() {
    let world = sandbox(20).await;
    world.faults(json!({"kandji": {"latency_ms": 150}})).await;
    let begun = Instant::now();
    world.devices("").await;
    assert!(begun.elapsed() >= Duration::from_millis(150));
    world.faults(json!({"kandji": {"latency_ms": 0, "truncate_every": 2}})).await;
    world.devices("").await;
    assert!(world.kandji("devices").await.text().await.is_err(), "the body breaks off");
    world.faults(json!({"kandji": {"truncate_every": null, "html_every": 2}})).await;
    world.devices("").await;
    let html = world.kandji("devices").await;
    assert_eq!(html.status(), 200);
    assert!(html.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    world.faults(json!({"kandji": {"html": true}})).await;
    assert!(body(world.kandji("settings/licensing").await).await.is_string());
}

#[tokio::test]
async fn a_missing_permission_is_403_or_401_on_its_endpoints_only() {
    let world = sandbox(2).await;
    let device = ids(&world, "").await[0].clone();
    world.faults(json!({"kandji": {"permissions": {"users": false, "details": false}}})).await;
    assert_eq!(world.kandji("users").await.status(), 403);
    assert_eq!(world.kandji(&format!("devices/{device}/details")).await.status(), 403);
    assert_eq!(world.kandji("devices").await.status(), 200);
    world.faults(json!({"kandji": {"missing_permission_status": 401, "permissions": {"devices": false}}})).await;
    assert_eq!(world.kandji("users").await.status(), 401);
    assert_eq!(world.kandji("devices").await.status(), 401);
    assert_eq!(world.kandji("settings/licensing").await.status(), 200);
}

#[tokio::test]
async fn a_token_can_be_revoked_in_the_middle() {
    let world = sandbox(2).await;
    world.faults(json!({"kandji": {"revoke_after_calls": 2}})).await;
    assert_eq!(world.kandji("devices").await.status(), 200);
    assert_eq!(world.kandji("devices").await.status(), 200);
    assert_eq!(world.kandji("devices").await.status(), 401);
    assert_eq!(world.kandji("users").await.status(), 401);
    world.faults(json!({"kandji": {"revoke_after_calls": null}})).await;
    assert_eq!(world.kandji("devices").await.status(), 200);
    world.faults(json!({"kandji": {"revoked": true}})).await;
    assert_eq!(world.kandji("devices").await.status(), 401);
}

#[tokio::test]
async fn a_burst_strikes_as_often_as_it_says_and_where_it_says() {
    let world = sandbox(2).await;
    world
        .faults(json!({"kandji": {"status_burst": {"status": 503, "after": 1, "count": 2, "retry_after": "3", "on": "devices"}}}))
        .await;
    assert_eq!(world.kandji("users").await.status(), 200);
    assert_eq!(world.kandji("devices").await.status(), 200);
    let struck = world.kandji("devices").await;
    assert_eq!(struck.status(), 503);
    assert_eq!(struck.headers()["retry-after"], "3");
    assert_eq!(world.kandji("users").await.status(), 200);
    assert_eq!(world.kandji("devices").await.status(), 503);
    assert_eq!(world.kandji("devices").await.status(), 200);
    let progress = world.get_control("/faults/progress").await;
    assert_eq!(progress["kandji.status_burst"], json!({"seen": 4, "fired": 2}));
    world.faults(json!({"kandji": {"status_burst": {"status": 429, "retry_after": "date"}}})).await;
    let dated = world.kandji("devices").await;
    assert!(dated.headers()["retry-after"].to_str().unwrap().ends_with("GMT"));
}

#[tokio::test]
async fn connections_can_be_reset_or_never_answered_and_the_sandbox_lives_on() {
    let world = sandbox(2).await;
    world.faults(json!({"kandji": {"reset_connection": {"count": 1}}})).await;
    let error = world.try_kandji("devices").await.unwrap_err();
    assert!(!error.is_timeout(), "{error:?}");
    assert_eq!(world.kandji("devices").await.status(), 200);
    world.faults(json!({"kandji": {"hang": {"count": 1}}})).await;
    let hanging = tokio::time::timeout(Duration::from_millis(200), world.try_kandji("devices")).await;
    assert!(hanging.is_err());
    assert_eq!(world.kandji("devices").await.status(), 200);
    let counters = world.get_control("/counters").await;
    assert_eq!(counters["kandji"]["by_status"]["200"], 2);
    assert!(counters["kandji"]["by_status"]["0"].as_u64() >= Some(1));
}

#[tokio::test]
async fn devices_can_take_other_shapes() {
    let world = sandbox(60).await;
    let plain = world.devices("").await;
    world
        .faults(json!({"kandji": {
            "plus_offset_timestamps": true, "integer_user_ids": true, "mixed_tenant_keys": true,
            "null_keys": ["asset_tag"], "omit_keys": ["tags"],
        }}))
        .await;
    for (device, plain) in world.devices("").await.iter().zip(&plain) {
        let device = device.as_object().unwrap();
        let check_in = device["last_check_in"].as_str().unwrap();
        assert!(check_in.is_empty() || check_in.ends_with("+00:00"));
        assert!(device["asset_tag"].is_null() && !device.contains_key("tags"));
        assert_eq!(device["api_level"], "");
        assert!(device.contains_key("full_software_version") && device.contains_key("security_patch_level"));
        if let Some(user) = device["user"].as_object() {
            let id = user["id"].as_u64().unwrap().to_string();
            let uuid = plain["user"]["id"].as_str().unwrap();
            let directory = body(world.kandji(&format!("users/{uuid}")).await).await;
            assert_eq!(directory["deprecated_user_id"], id);
        }
    }
    world.control(Method::POST, "/fleet/examples", Value::Null).await;
    let example = &world.devices("").await[0];
    assert!(example["user"]["id"].is_u64() && example["asset_tag"].is_null());
}

#[tokio::test]
async fn users_can_ignore_the_page_size() {
    let world = sandbox(100).await;
    world.faults(json!({"kandji": {"users_page_size_ignored": true}})).await;
    let page = body(world.kandji("users?limit=300").await).await;
    assert_eq!(page["results"].as_array().unwrap().len(), 25);
}
