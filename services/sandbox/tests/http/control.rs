use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{body, id, sandbox, sandbox_with};

#[tokio::test]
async fn every_call_is_counted_by_route_and_status_and_by_window() {
    let world = sandbox(2).await;
    let device = world.devices("limit=1").await[0]["device_id"].as_str().unwrap().to_owned();
    world.kandji(&format!("devices/{device}")).await;
    world.kandji("devices/unknown").await;
    world.create(json!([{"Model": "a"}])).await;
    let counters = world.get_control("/counters?window_ms=60000&window_ms=1").await;
    assert_eq!(counters["kandji"]["by_path"], json!({"GET /api/v1/devices": 1, "GET /api/v1/devices/{device_id}": 2}));
    assert_eq!(counters["kandji"]["by_status"], json!({"200": 2, "404": 1}));
    assert_eq!(counters["kandji"]["max_in_window_ms"]["60000"], 3);
    assert_eq!(counters["asset_panda"]["by_path"], json!({"POST /collection-records": 1}));
    assert_eq!(counters["asset_panda"]["most_in_flight"], 1);
    world.control(Method::POST, "/counters/reset", Value::Null).await;
    assert_eq!(world.get_control("/counters").await["kandji"]["calls"], 0);
    assert_eq!(world.try_control(Method::GET, "/counters?window=1", Value::Null).await.status(), 400);
}

#[tokio::test]
async fn the_log_shows_requests_without_secrets() {
    let world = sandbox(1).await;
    world.devices("limit=1").await;
    world.create(json!([{"Model": "a"}, {"Model": "b"}])).await;
    let log = world.get_control("/log?limit=10").await;
    let requests = log["requests"].as_array().unwrap();
    assert_eq!(requests[0]["path"], "/api/v1/devices?limit=1");
    assert_eq!(
        (&requests[1]["method"], &requests[1]["rows"], &requests[1]["status"]),
        (&json!("POST"), &json!(2), &json!(200))
    );
    let credentials = &world.sandbox.ready().credentials;
    let text = log.to_string();
    assert!(!text.contains(&credentials.kandji_token) && !text.contains(&credentials.access_key_secret));
}

#[tokio::test]
async fn switches_are_read_strictly_and_go_back_to_their_defaults() {
    let world = sandbox_with(0, json!({"kandji": {"html": true}})).await;
    assert_eq!(world.get_control("/faults").await["kandji"]["html"], true);
    let refused = world.try_control(Method::PATCH, "/faults", json!({"kandji": {"htlm": true}})).await;
    assert_eq!(refused.status(), 400);
    assert!(body(refused).await["error"].as_str().unwrap().contains("kandji.htlm"));
    let put = world.control(Method::PUT, "/faults", json!({"kandji": {"page_cap": 3}})).await;
    assert_eq!((&put["kandji"]["html"], &put["kandji"]["page_cap"]), (&json!(false), &json!(3)));
    let again = world.control(Method::PUT, "/faults", put.clone()).await;
    assert_eq!(again, put, "what is read back can be put again");
    let reset = world.control(Method::DELETE, "/faults", Value::Null).await;
    assert_eq!(reset["kandji"]["page_cap"], Value::Null);
    assert_eq!(reset["kandji"]["rate_limit"]["per_second"], 50);
}

#[tokio::test]
async fn the_fleet_is_edited_by_hand() {
    let world = sandbox(10).await;
    let ids: Vec<String> = world
        .devices("ordering=device_id")
        .await
        .iter()
        .map(|device| device["device_id"].as_str().unwrap().to_owned())
        .collect();
    let path = format!("/fleet/devices/{}", ids[4]);
    let patch = json!({"os_version": "99", "user": null, "asset_tag": null, "$remove": ["tags"]});
    let patched = world.control(Method::PATCH, &path, patch).await;
    assert_eq!((&patched["os_version"], &patched["user"], patched.get("tags")), (&json!("99"), &Value::Null, None));
    assert_eq!(world.devices("ordering=device_id").await[4], patched);
    world.control(Method::DELETE, &format!("/fleet/devices/{}", ids[0]), Value::Null).await;
    assert_eq!(world.kandji(&format!("devices/{}", ids[0])).await.status(), 404);
    let gone = world.try_control(Method::DELETE, "/fleet/devices/none", Value::Null).await;
    assert_eq!(gone.status(), 404);
    let added = world.control(Method::POST, "/fleet/devices", json!({"count": 2})).await;
    assert_eq!(added["device_ids"].as_array().unwrap().len(), 2);
    let one = json!({"serial_number": "MINE", "user": ""});
    let added = world.control(Method::POST, "/fleet/devices", one).await;
    let path = format!("devices/{}", added["device_ids"][0].as_str().unwrap());
    let device = body(world.kandji(&path).await).await;
    assert_eq!((&device["serial_number"], device.as_object().unwrap().len()), (&json!("MINE"), 22));
    let raw = json!([{"device_id": "raw", "serial_number": "R"}]);
    world.control(Method::POST, "/fleet/devices", raw.clone()).await;
    assert_eq!(body(world.kandji("devices/raw").await).await, raw[0]);
    assert_eq!(world.get_control("/fleet").await["devices"], 13);
    assert_eq!(world.devices("").await.len(), 13);
}

#[tokio::test]
async fn a_share_of_the_fleet_changes_and_all_check_in() {
    let world = sandbox(500).await;
    let before = world.devices("limit=300").await;
    let changed = world
        .control(
            Method::POST,
            "/fleet/change",
            json!({"percent": 1, "seed": 7, "fields": ["os_version", "device_name"]}),
        )
        .await;
    assert_eq!(changed["changed"], 5);
    let mut after = world.devices("limit=300").await;
    after.extend(world.devices("limit=300&offset=300").await);
    assert_eq!(after.iter().filter(|device| device["os_version"] == "27.1").count(), 5);
    world.control(Method::POST, "/fleet/check-ins", Value::Null).await;
    let checked = &world.devices("limit=1").await[0];
    assert_ne!(checked["last_check_in"], before[0]["last_check_in"]);
    let unknown = json!({"percent": 1, "fields": ["shoe_size"]});
    assert_eq!(world.try_control(Method::POST, "/fleet/change", unknown).await.status(), 400);
    let fleet = world.control(Method::POST, "/fleet", json!({"devices": 3, "seed": 9})).await;
    assert_eq!((&fleet["devices"], &fleet["changes"], &fleet["generated"]["seed"]), (&json!(3), &json!(0), &json!(9)));
}

#[tokio::test]
async fn users_are_edited_by_hand() {
    let world = sandbox(20).await;
    let user = body(world.kandji("users?limit=1").await).await["results"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/fleet/users/{user}");
    for active in [true, false] {
        world.control(Method::PATCH, &path, json!({ "active": active })).await;
        assert_eq!(body(world.kandji(&format!("users/{user}")).await).await["active"], active);
    }
    world.control(Method::DELETE, &path, Value::Null).await;
    assert_eq!(world.kandji(&format!("users/{user}")).await.status(), 404);
    let rest = body(world.kandji("users?limit=300").await).await;
    assert_eq!(rest["results"].as_array().unwrap().len(), 11);
}

#[tokio::test]
async fn records_are_seeded_listed_edited_and_deleted_by_hand() {
    let world = sandbox(0).await;
    let seed = json!({"records": [{"Serial Number": "S1", "Model": "a"}, {"Serial Number": "S1"}, {"Model": "c"}]});
    let seeded = world.control(Method::POST, "/records", seed).await;
    let first = seeded["record_ids"][0].as_str().unwrap().to_owned();
    let summary = world.get_control("/records/summary").await;
    assert_eq!(
        (&summary["total"], &summary["empty"], &summary["duplicates"]["surplus_records"]),
        (&json!(3), &json!(1), &json!(1))
    );
    let path = format!("/records/{first}");
    world.control(Method::PATCH, &path, json!({"Model": "b", "Serial Number": null})).await;
    let listed = world.get_control("/records?names=true&column=Model&value=b").await;
    assert_eq!(listed["records"], json!([{"id": first, "values": {"Model": "b"}, "updates": 1, "by_hand": true}]));
    assert_eq!(world.search("Model", "equals", &["b"]).await["total"], 1);
    world.control(Method::DELETE, &path, Value::Null).await;
    assert_eq!(world.total().await, 2);
    let made = world.create(json!([{"Serial Number": "S9"}])).await;
    let one = world.get_control(&format!("/records/{}", id(&made[0]))).await;
    assert_eq!((&one["by_hand"], &one["updates"]), (&json!(false), &json!(0)));
    let other = world.get_control("/records?collection_id=All%20Text").await;
    assert_eq!(other["total"], 0);
    world.control(Method::DELETE, "/records", Value::Null).await;
    assert_eq!(world.total().await, 0);
    let wrong = json!({"records": [{"Nothing": 1}]});
    assert_eq!(world.try_control(Method::POST, "/records", wrong).await.status(), 404);
}

#[tokio::test]
async fn columns_and_collections_are_edited_by_hand() {
    let world = sandbox(0).await;
    let added = world
        .control(Method::POST, "/columns", json!({"display_name": "Colour", "type": "select", "options": ["red"]}))
        .await;
    let column = added["id"].as_str().unwrap();
    assert!(column.ends_with("_28_colour_select"), "{column}");
    assert_eq!(world.create(json!([{column: "red"}])).await[0]["success"], true);
    assert_eq!(world.create(json!([{column: "blue"}])).await[0]["success"], false);
    world.control(Method::PATCH, &format!("/columns/{column}"), json!({"type": "text"})).await;
    assert_eq!(world.create(json!([{column: "blue"}])).await[0]["success"], true);
    let retired = &world.sandbox.ready().collections["Retired"];
    world.control(Method::PATCH, &format!("/collections/{retired}"), json!({"is_active": true})).await;
    let shown = body(world.panda_get(&format!("/collection/{retired}"), "").await).await;
    assert_eq!(shown["data"]["isActive"], true);
}

#[tokio::test]
async fn ready_says_what_the_library_says() {
    let world = sandbox(0).await;
    let ready = world.get_control("/ready").await;
    assert_eq!(ready, serde_json::to_value(world.sandbox.ready()).unwrap());
    assert_eq!(world.try_control(Method::GET, "/nothing", Value::Null).await.status(), 404);
}

#[tokio::test]
async fn a_shutdown_ends_even_what_hangs() {
    let world = sandbox_with(1, json!({"kandji": {"hang": true}})).await;
    let token = world.sandbox.ready().credentials.kandji_token.clone();
    let url = format!("{}/api/v1/devices", world.sandbox.kandji_url());
    let hanging = tokio::spawn(world.client.get(url).bearer_auth(token).send());
    while world.get_control("/counters").await["kandji"]["calls"] == 0 {
        tokio::task::yield_now().await;
    }
    world.sandbox.shutdown().await;
    assert!(hanging.await.unwrap().is_err());
}
