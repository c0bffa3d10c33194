use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{World, body, id, sandbox, sandbox_with};

#[tokio::test]
async fn account_module_collections_and_columns_lead_to_the_collection() {
    let world = sandbox(0).await;
    let ready = world.sandbox.ready();
    let accounts = body(world.panda(Method::GET, "/accounts").send().await.unwrap()).await;
    assert_eq!(accounts["data"][0]["id"], ready.account_id.as_str());
    let account = format!("/account/{}", ready.account_id);
    assert_eq!(world.panda(Method::GET, &account).send().await.unwrap().status(), 200);
    let path = format!("/modules?accountId={}", ready.account_id);
    let modules = body(world.panda(Method::GET, &path).send().await.unwrap()).await;
    assert_eq!(modules["data"][0]["id"], ready.module_id.as_str());
    assert_eq!(modules["data"][0]["displayName"], "IT Assets");
    let collections = body(world.panda_get("/collections", "").await).await;
    let shown: Vec<_> =
        collections["data"].as_array().unwrap().iter().map(|c| (&c["displayName"], &c["isActive"])).collect();
    assert_eq!(
        shown,
        [(&json!("ITAM"), &json!(true)), (&json!("All Text"), &json!(true)), (&json!("Retired"), &json!(false))]
    );
    let one = body(world.panda_get(&format!("/collection/{}", ready.collection_id), "").await).await;
    assert_eq!(one["data"]["displayName"], "ITAM");
    let of = |id: &str| format!("&collectionId={id}");
    let columns = body(world.panda_get("/collection-columns", &of(&ready.collection_id)).await).await;
    let all = columns["data"]["columns"]["all"].as_array().unwrap();
    assert_eq!(all.len(), 28);
    let serial = all.iter().find(|c| c["displayName"] == "Serial Number").unwrap();
    assert_eq!(serial["type"], "ap://system/datatype/text");
    assert_eq!(serial["isUnique"], true);
    assert_eq!(serial["id"], format!("{}_0_serial_number_text", ready.collection_id));
    let texts = body(world.panda_get("/collection-columns", &of(&ready.collections["All Text"])).await).await;
    let texts = texts["data"]["columns"]["all"].as_array().unwrap();
    assert!(texts.iter().any(|c| c["references"]["entityType"] == "collection"));
    assert!(texts.iter().any(|c| c["deleted"] == true));
    assert!(texts.iter().any(|c| c["type"] == "ap://system/datatype/select" && c["options"][0] == "Mac"));
    assert_eq!(body(world.panda_get("/categories", "").await).await["data"], json!([]));
}

#[tokio::test]
async fn wrong_keys_are_401_and_a_foreign_tenant_is_404() {
    let world = sandbox(0).await;
    let url = format!("{}/accounts", world.sandbox.asset_panda_url());
    let answer = world.client.get(&url).header("Access-Key-Id", "x").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(body(answer).await, json!({"message": "Unauthorized"}));
    let path = "/collections?accountId=a&moduleId=b";
    assert_eq!(world.panda(Method::GET, path).send().await.unwrap().status(), 404);
    let foreign = json!({"tenant": {"accountId": "a", "moduleId": "b"}, "records": [{}]});
    let answer = world.panda(Method::POST, "/collection-records").json(&foreign).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(world.panda(Method::GET, "/nothing").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_record_is_made_read_changed_in_part_and_deleted() {
    let world = sandbox(0).await;
    let made = world
        .create(json!([{"Serial Number": "S1", "Model": "Mac mini", "MDM Enabled": true, "Last Check In": "2026-11-20T09:14:02Z"}]))
        .await;
    assert_eq!(made[0]["success"], true);
    let id = id(&made[0]);
    assert_eq!(id.len(), 26);
    let path = format!("/collection-record/{id}");
    let of = format!("&collectionId={}", world.sandbox.ready().collection_id);
    let read = async || body(world.panda_get(&path, &of).await).await["data"].clone();
    let record = read().await;
    assert_eq!(record["id"], id.as_str());
    assert_eq!(record[world.column("MDM Enabled")], true);
    let updated = world.update(json!([{"recordId": id, "Model": "Mac Studio", "MDM Enabled": null}])).await;
    assert_eq!(updated[0]["success"], true);
    let record = read().await;
    assert_eq!(record[world.column("Model")], "Mac Studio");
    assert_eq!(record[world.column("Serial Number")], "S1", "what was not sent stays");
    assert_eq!(record[world.column("MDM Enabled")], Value::Null);
    let gone = world.write(Method::DELETE, json!([{"recordId": id}])).await.unwrap();
    assert_eq!(body(gone).await["data"]["records"][0]["success"], true);
    assert_eq!(world.panda_get(&path, &of).await.status(), 404);
    let refused = world.update(json!([{"recordId": id, "Model": "x"}])).await;
    assert_eq!(refused[0]["success"], false);
    let unknown = world.panda_get("/collection-record/01KNOTHING", &of).await;
    assert_eq!(unknown.status(), 404);
}

#[tokio::test]
async fn more_than_five_rows_are_refused_whole_and_remembered() {
    let world = sandbox(0).await;
    let row = |n: usize| json!({"Serial Number": format!("S{n}")});
    let six: Value = (0..6).map(row).collect();
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        assert_eq!(world.write(method, six.clone()).await.unwrap().status(), 400);
    }
    assert_eq!(world.total().await, 0);
    assert_eq!(world.get_control("/violations").await["count"], 3);
    let five: Value = (0..5).map(row).collect();
    assert_eq!(world.create(five).await.len(), 5);
    assert_eq!(world.write(Method::POST, json!([])).await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_unique_column_takes_a_value_once_and_the_row_says_so() {
    let world = sandbox(0).await;
    let first = world.create(json!([{"Serial Number": "S1"}, {"Serial Number": "S1"}, {"Serial Number": "S2"}])).await;
    assert_eq!(first[0]["success"], true);
    assert_eq!(first[1], json!({"index": 1, "success": false, "errors": ["Serial Number must be unique"]}));
    assert_eq!(first[2]["success"], true);
    let clash = world.update(json!([{"recordId": id(&first[2]), "Serial Number": "S1"}])).await;
    assert_eq!(clash[0]["errors"][0], "Serial Number must be unique");
    let same = world.update(json!([{"recordId": id(&first[0]), "Serial Number": "S1", "Model": "m"}])).await;
    assert_eq!(same[0]["success"], true, "a record does not clash with itself");
    let empty = world.create(json!([{"Model": "a"}, {"Model": "b"}])).await;
    assert!(empty.iter().all(|row| row["success"] == true), "empty values do not clash");
    world.faults(json!({"asset_panda": {"unique_refusal": "call"}})).await;
    let rows = json!([{"Serial Number": "S8"}, {"Serial Number": "S8"}]);
    assert_eq!(world.write(Method::POST, rows).await.unwrap().status(), 400);
    let rows = json!([{"Serial Number": "S9"}, {"Serial Number": "S1"}]);
    assert_eq!(world.write(Method::POST, rows).await.unwrap().status(), 400);
    assert_eq!(world.total().await, 4, "nothing of a refused call is applied");
    world.faults(json!({"asset_panda": {"enforce_unique": false}})).await;
    world.create(json!([{"Serial Number": "S1"}])).await;
    let summary = world.get_control("/records/summary?column=Serial%20Number").await;
    assert_eq!(summary["duplicates"], json!({"values": 1, "surplus_records": 1, "named": {"S1": 2}}));
    assert_eq!(summary["written"], json!({"created": 5, "updated": 1, "deleted": 0, "refused": 2}));
}

#[tokio::test]
async fn rows_are_refused_one_by_one_for_what_their_columns_do_not_take() {
    let world = sandbox(0).await;
    let results = world
        .create(json!([
            {"Serial Number": "S1", "MDM Enabled": "perhaps"},
            {"Serial Number": "S2", "no such column": 1},
            {"Serial Number": "S3", "MDM Enabled": "true"},
        ]))
        .await;
    assert_eq!(results[0]["errors"][0], "MDM Enabled must be true or false");
    assert_eq!(results[1]["errors"][0], "unknown column no such column");
    assert_eq!(results[2]["success"], true);
    let column = world.column("Model");
    world.control(Method::PATCH, &format!("/columns/{column}"), json!({"is_required": true})).await;
    let results = world.create(json!([{"Serial Number": "S4"}])).await;
    assert_eq!(results[0]["errors"][0], "Model is required");
    world.control(Method::DELETE, &format!("/columns/{column}"), Value::Null).await;
    let results = world.create(json!([{"Serial Number": "S5", "Model": "m"}])).await;
    assert_eq!(results[0]["errors"][0], "Model does not exist");
    let location = world.control(Method::GET, "/columns?collection_id=All%20Text", Value::Null).await;
    assert_eq!(location["columns"].as_array().unwrap().len(), 36);
}

async fn seeded(count: usize) -> World {
    let world = sandbox(0).await;
    let rows: Vec<Value> = (0..count)
        .map(|n| json!({"Serial Number": format!("SER{n:05}"), "Model": if n % 2 == 0 { "even" } else { "odd" }}))
        .collect();
    world.control(Method::POST, "/records", json!({ "records": rows })).await;
    world
}

#[tokio::test]
async fn search_matches_any_or_all_with_every_operator() {
    let world = seeded(100).await;
    let found = world.search("Serial Number", "equals", &["SER00007", "SER00042", "ser00043", "nope"]).await;
    assert_eq!(found["total"], 2);
    assert_eq!(found["records"][0][world.column("Serial Number")], "SER00007");
    let count = async |operator: &str, value: &str| {
        world.search("Serial Number", operator, &[value]).await["total"].as_u64().unwrap()
    };
    assert_eq!(count("contains", "er0009").await, 10);
    assert_eq!(count("startsWith", "SER").await, 100);
    assert_eq!(count("notEquals", "SER00001").await, 99);
    assert_eq!(count("greaterThan", "SER00097").await, 2);
    assert_eq!(count("lessThan", "SER00003").await, 3);
    assert_eq!(count("isEmpty", "").await, 0);
    let filter = |column: &str, operator: &str, value: &str| json!({"field": world.column(column), "operator": operator, "value": value});
    let all = json!({"matchType": "All", "filters": [filter("Model", "equals", "odd"), filter("Serial Number", "lessThan", "SER00010")]});
    assert_eq!(world.search_body(all, 0, 100).await["total"], 5);
    let everything = json!({"matchType": "All", "filters": []});
    assert_eq!(world.search_body(everything, 0, 10).await["records"].as_array().unwrap().len(), 10);
    let odd = json!({"matchType": "Some", "filters": []});
    assert_eq!(world.send_search(odd, 0, 10).await.status(), 400);
    let unknown = json!({"matchType": "Any", "filters": [{"field": "x", "operator": "equals", "value": "y"}]});
    assert_eq!(world.send_search(unknown, 0, 10).await.status(), 400);
}

#[tokio::test]
async fn paging_in_search_ends_at_ten_thousand() {
    let world = seeded(30).await;
    let all = || json!({"matchType": "Any", "filters": []});
    let second = world.search_body(all(), 10, 10).await;
    assert_eq!(second["records"][0][world.column("Serial Number")], "SER00010");
    assert_eq!(second["total"], 30);
    assert_eq!(world.send_search(all(), 9_900, 100).await.status(), 200);
    assert_eq!(world.send_search(all(), 9_901, 100).await.status(), 400);
}

#[tokio::test]
async fn fifty_identifiers_are_found_among_many_records_at_once() {
    let world = seeded(20_000).await;
    let wanted: Vec<String> = (0..50).map(|n| format!("SER{:05}", n * 400)).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    for _ in 0..20 {
        assert_eq!(world.search("Serial Number", "equals", &wanted).await["total"], 50);
    }
    let made = world.create(json!([{"Serial Number": "NEW"}])).await;
    world.update(json!([{"recordId": id(&made[0]), "Serial Number": "NEWER"}])).await;
    assert_eq!(world.search("Serial Number", "equals", &["NEW"]).await["total"], 0);
    assert_eq!(world.search("Serial Number", "equals", &["NEWER"]).await["total"], 1);
}

#[tokio::test]
async fn the_documented_limit_holds_in_any_window_by_default() {
    let world = sandbox_with(0, json!({"asset_panda": {"rate_limit": {"limit": 3, "window_ms": 60_000}}})).await;
    for _ in 0..3 {
        assert_eq!(world.panda(Method::GET, "/accounts").send().await.unwrap().status(), 200);
    }
    let refused = world.panda(Method::GET, "/accounts").send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((50..=60).contains(&wait), "{wait}");
    world.faults(json!({"asset_panda": {"rate_limit": {"limit": 3, "retry_after": "none"}}})).await;
    let refused = world.panda(Method::GET, "/accounts").send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().get("retry-after").is_none());
}
