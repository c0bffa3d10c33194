use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{body, id, sandbox};

#[tokio::test]
async fn a_lost_answer_is_really_applied() {
    let world = sandbox(0).await;
    for (n, answer) in ["drop", "reset", "500", "502", "503", "504", "html"].into_iter().enumerate() {
        world.faults(json!({"asset_panda": {"lost_answer": {"answer": answer, "on": "create", "count": 1}}})).await;
        let serial = format!("S{n}");
        let sent = world.write(Method::POST, json!([{ "Serial Number": serial }])).await;
        match answer {
            "drop" | "reset" => assert!(!sent.unwrap_err().is_timeout(), "{answer}"),
            "html" => assert!(body(sent.unwrap()).await.is_string()),
            status => assert_eq!(sent.unwrap().status().as_str(), status),
        }
        assert_eq!(world.search("Serial Number", "equals", &[&serial]).await["total"], 1, "{answer}");
    }
    assert_eq!(world.total().await, 7);
}

#[tokio::test]
async fn answers_are_lost_in_the_rhythm_that_was_asked_for() {
    let world = sandbox(0).await;
    world.faults(json!({"asset_panda": {"lost_answer": {"every": 3, "on": "create"}}})).await;
    let mut lost = Vec::new();
    for n in 1..=7 {
        if world.write(Method::POST, json!([{ "Model": n.to_string() }])).await.is_err() {
            lost.push(n);
        }
        world.search("Model", "equals", &["1"]).await;
    }
    assert_eq!(lost, [3, 6]);
    assert_eq!(world.total().await, 7);
}

#[tokio::test]
async fn a_held_write_is_applied_even_if_its_client_has_gone() {
    let world = sandbox(0).await;
    world.faults(json!({"asset_panda": {"hold_after_apply_ms": 60_000, "hold_after_apply_count": 1}})).await;
    let write = world.write(Method::POST, json!([{"Serial Number": "S1"}]));
    assert!(tokio::time::timeout(Duration::from_millis(300), write).await.is_err());
    assert_eq!(world.total().await, 1);
    let next = world.create(json!([{"Serial Number": "S2"}])).await;
    assert_eq!(next[0]["success"], true, "only one is held");
}

#[tokio::test]
async fn a_late_write_is_applied_after_its_client_has_gone() {
    let world = sandbox(0).await;
    world.faults(json!({"asset_panda": {"latency_ms": 400}})).await;
    let write = world.write(Method::POST, json!([{"Serial Number": "S1"}]));
    assert!(tokio::time::timeout(Duration::from_millis(200), write).await.is_err());
    assert_eq!(world.total().await, 0, "not yet");
    let end = Instant::now() + Duration::from_secs(10);
    while world.total().await == 0 {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn search_lags_behind_writes_and_reading_by_id_does_not() {
    let world = sandbox(0).await;
    world.faults(json!({"asset_panda": {"search_lag_ms": 1_500}})).await;
    let begun = Instant::now();
    let made = world.create(json!([{"Serial Number": "S1", "Model": "old"}])).await;
    let found = world.search("Serial Number", "equals", &["S1"]).await;
    assert_eq!((found["total"].clone(), begun.elapsed() < Duration::from_millis(1_500)), (json!(0), true));
    let path = format!("/collection-record/{}", id(&made[0]));
    let of = format!("&collectionId={}", world.sandbox.ready().collection_id);
    assert_eq!(world.panda_get(&path, &of).await.status(), 200);
    let clash = world.create(json!([{"Serial Number": "S1"}])).await;
    assert_eq!(clash[0]["success"], false, "uniqueness does not lag");
    while world.search("Serial Number", "equals", &["S1"]).await["total"] == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(1_500));
    world.faults(json!({"asset_panda": {"search_lag_ms": 60_000}})).await;
    world.update(json!([{"recordId": id(&made[0]), "Model": "new"}])).await;
    assert_eq!(world.search("Model", "equals", &["old"]).await["total"], 1, "search still sees the old value");
    assert_eq!(world.search("Model", "equals", &["new"]).await["total"], 0);
    world.write(Method::DELETE, json!([{"recordId": id(&made[0])}])).await.unwrap();
    assert_eq!(world.panda_get(&path, &of).await.status(), 404);
    assert_eq!(world.search("Model", "equals", &["old"]).await["total"], 1);
}

#[tokio::test]
async fn rows_can_be_refused_for_a_value_they_carry() {
    let world = sandbox(0).await;
    world
        .faults(json!({"asset_panda": {"refuse_rows": [
            {"column": "Model", "contains": "Pro", "message": "no Pro here"},
            {"column": world.column("Platform"), "value": "Vision", "count": 1},
        ]}}))
        .await;
    let rows = json!([
        {"Serial Number": "S1", "Model": "MacBook Pro"},
        {"Serial Number": "S2", "Model": "Mac mini"},
        {"Serial Number": "S3", "Platform": "Vision"},
        {"Serial Number": "S4", "Platform": "Vision"},
    ]);
    let results = world.create(rows).await;
    assert_eq!(results[0]["errors"][0], "no Pro here");
    assert_eq!(results[1]["success"], true);
    assert_eq!(results[2]["success"], false);
    assert_eq!(results[3]["success"], true, "the count is used up");
    assert_eq!(world.total().await, 2);
}

#[tokio::test]
async fn replies_can_be_short_unreadable_or_broken_off_and_the_write_is_applied() {
    let world = sandbox(0).await;
    world.faults(json!({"asset_panda": {"short_reply": {"count": 1}}})).await;
    assert_eq!(world.create(json!([{"Model": "a"}, {"Model": "b"}])).await.len(), 1);
    world.faults(json!({"asset_panda": {"unreadable_reply": {"count": 1}}})).await;
    let answer = world.write(Method::POST, json!([{"Model": "c"}])).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(serde_json::from_str::<Value>(&answer.text().await.unwrap()).is_err());
    world.faults(json!({"asset_panda": {"truncate_every": 1}})).await;
    let answer = world.write(Method::POST, json!([{"Model": "d"}])).await.unwrap();
    assert!(answer.text().await.is_err());
    assert_eq!(world.total().await, 4);
}

#[tokio::test]
async fn bursts_html_resets_and_hangs_apply_nothing() {
    let world = sandbox(0).await;
    let row = || json!([{"Model": "a"}]);
    world.faults(json!({"asset_panda": {"status_burst": {"status": 502, "count": 1}}})).await;
    assert_eq!(world.write(Method::POST, row()).await.unwrap().status(), 502);
    world.faults(json!({"asset_panda": {"status_burst": {"status": 429, "retry_after": "7", "count": 1}}})).await;
    let refused = world.write(Method::POST, row()).await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    world.faults(json!({"asset_panda": {"html_every": 1}})).await;
    assert!(body(world.write(Method::POST, row()).await.unwrap()).await.is_string());
    world.faults(json!({"asset_panda": {"html_every": null, "reset_connection": {"count": 1}}})).await;
    assert!(world.write(Method::POST, row()).await.is_err());
    world.faults(json!({"asset_panda": {"hang": {"count": 1}}})).await;
    let hanging = world.write(Method::POST, row());
    assert!(tokio::time::timeout(Duration::from_millis(200), hanging).await.is_err());
    assert_eq!(world.total().await, 0);
    assert_eq!(world.create(row()).await[0]["success"], true);
}

#[tokio::test]
async fn keys_can_be_revoked_in_the_middle() {
    let world = sandbox(0).await;
    world.faults(json!({"asset_panda": {"revoke_after_calls": 1}})).await;
    let probe = async || world.panda(Method::GET, "/accounts").send().await.unwrap().status().as_u16();
    assert_eq!((probe().await, probe().await, probe().await), (200, 401, 401));
    world.faults(json!({"asset_panda": {"revoke_after_calls": null}})).await;
    assert_eq!(probe().await, 200);
}

#[tokio::test]
async fn what_is_unknown_of_the_real_api_is_switchable() {
    let world = sandbox(0).await;
    world
        .faults(json!({"asset_panda": {
            "flags_present": false, "record_id_in_create": false, "total_in_search": false, "wrap_values": true,
        }}))
        .await;
    let made = world.create(json!([{"Serial Number": "S1", "MDM Enabled": false}])).await;
    assert_eq!(made[0], json!({"index": 0, "success": true}));
    let found = world.search("Serial Number", "equals", &["S1"]).await;
    assert!(found.get("total").is_none());
    assert_eq!(found["records"][0][world.column("Serial Number")]["value"], "S1");
    assert_eq!(found["records"][0][world.column("MDM Enabled")]["value"], false);
    let of = format!("&collectionId={}", world.sandbox.ready().collection_id);
    let columns = body(world.panda_get("/collection-columns", &of).await).await;
    assert!(columns["data"]["columns"]["all"][0].get("isUnique").is_none());
    world.faults(json!({"asset_panda": {"bare_lists": true}})).await;
    assert!(body(world.panda_get("/collections", "").await).await.is_array());
    let columns = body(world.panda_get("/collection-columns", &of).await).await;
    assert!(columns["columns"]["all"].is_array());
}

#[tokio::test]
async fn values_come_back_in_another_form() {
    let world = sandbox(0).await;
    world.faults(json!({"asset_panda": {"trim_text_and_reformat_dates": true}})).await;
    world
        .create(json!([{"Serial Number": "S1", "Device Name": " Ida’s Mac ", "Last Check In": "2026-11-20T09:14:02Z"}]))
        .await;
    let record = world.search("Device Name", "equals", &[" Ida’s Mac "]).await["records"][0].clone();
    assert_eq!(record[world.column("Device Name")], "Ida’s Mac");
    assert_eq!(record[world.column("Last Check In")], "2026-11-20T09:14:02.000+00:00");
}

#[tokio::test]
async fn search_can_match_loosely_and_keep_to_a_size() {
    let world = sandbox(0).await;
    world.create(json!([{"Serial Number": "AB"}, {"Serial Number": "ab1"}, {"Serial Number": " AB "}, {"Serial Number": "CD"}])).await;
    world.faults(json!({"asset_panda": {"loose_search": true}})).await;
    assert_eq!(world.search("Serial Number", "equals", &["AB"]).await["total"], 3);
    world.faults(json!({"asset_panda": {"search_size_cap": 2, "max_filters": 1}})).await;
    let found = world.search("Serial Number", "equals", &["AB"]).await;
    assert_eq!((found["total"].as_u64(), found["records"].as_array().unwrap().len()), (Some(3), 2));
    let filter = json!({"field": world.column("Model"), "operator": "equals", "value": "x"});
    let two = json!({"matchType": "Any", "filters": [filter, filter]});
    assert_eq!(world.send_search(two, 0, 10).await.status(), 400);
}

#[tokio::test]
async fn clearing_takes_the_form_that_is_switched_on() {
    let world = sandbox(0).await;
    let made = world.create(json!([{"Serial Number": "S1", "Model": "m"}])).await;
    let clear = |form: Value| json!([{"recordId": id(&made[0]), "Model": form}]);
    world.faults(json!({"asset_panda": {"clear_accepts": "empty_string"}})).await;
    assert_eq!(world.update(clear(Value::Null)).await[0]["errors"][0], "Model cannot be null");
    assert_eq!(world.update(clear(json!(""))).await[0]["success"], true);
    world.faults(json!({"asset_panda": {"clear_accepts": "null"}})).await;
    assert_eq!(world.update(clear(json!(""))).await[0]["success"], false);
    assert_eq!(world.update(clear(Value::Null)).await[0]["success"], true);
}

#[tokio::test]
async fn a_column_goes_or_changes_while_calls_go_on() {
    let world = sandbox(0).await;
    world
        .faults(json!({"asset_panda": {
            "delete_column_after_calls": {"column": "Model", "after": 2},
            "retype_column": {"column": "Asset Tag", "to": "number", "after": 3},
        }}))
        .await;
    let row = |n: u32| json!([{"Serial Number": format!("S{n}"), "Model": "m"}]);
    assert_eq!(world.create(row(1)).await[0]["success"], true);
    assert_eq!(world.create(row(2)).await[0]["success"], true);
    assert_eq!(world.create(row(3)).await[0]["errors"][0], "Model does not exist");
    let tag = json!([{"Serial Number": "S4", "Asset Tag": "AP-1"}]);
    assert_eq!(world.create(tag).await[0]["errors"][0], "Asset Tag must be a number");
}
