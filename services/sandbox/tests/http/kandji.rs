use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{body, sandbox, sandbox_with};

const EXAMPLES: [(&str, &str); 3] = [
    ("devices", include_str!("../../examples/devices.json")),
    ("devices-mixed-tenant", include_str!("../../examples/devices-mixed-tenant.json")),
    ("devices-defensive-variants", include_str!("../../examples/devices-defensive-variants.json")),
];

#[tokio::test]
async fn pages_meet_at_their_boundaries_and_end_with_an_empty_one() {
    let world = sandbox(0).await;
    for devices in [0, 1, 299, 300, 301, 600] {
        world.control(Method::POST, "/fleet", json!({ "devices": devices })).await;
        let mut seen = Vec::new();
        let mut sizes = Vec::new();
        loop {
            let query = format!("ordering=device_id&limit=300&offset={}", seen.len());
            let page = world.devices(&query).await;
            sizes.push(page.len());
            seen.extend(page.iter().map(|device| device["device_id"].as_str().unwrap().to_owned()));
            if page.is_empty() {
                break;
            }
        }
        assert_eq!(seen.len(), devices);
        assert!(seen.is_sorted_by(|a, b| a < b));
        assert_eq!(sizes.len(), devices.div_ceil(300) + 1, "{sizes:?}");
    }
}

#[tokio::test]
async fn limit_and_offset_bend_as_the_contract_says() {
    let world = sandbox(301).await;
    assert_eq!(world.devices("").await.len(), 300);
    for odd in ["limit=301", "limit=100000", "limit=0", "limit=-5", "limit=many", "offset=-1", "offset=x"] {
        assert_eq!(world.devices(odd).await.len(), 300, "{odd}");
    }
    assert_eq!(world.devices("limit=300&offset=300").await.len(), 1);
    assert_eq!(world.devices("offset=99999999999").await.len(), 0);
    assert_eq!(world.devices("limit=7&sort=x&page=9").await.len(), 7);
    let slash = world.kandji("devices/?limit=2").await;
    assert_eq!(body(slash).await, Value::from(world.devices("limit=2").await));
}

#[tokio::test]
async fn the_list_is_a_bare_array_of_devices_with_the_documented_keys_in_their_order() {
    let world = sandbox(5).await;
    let response = world.kandji("devices").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.headers().get("x-total-count").is_none());
    let text = response.text().await.unwrap();
    let first = text.trim_start_matches('[').split("},").next().unwrap();
    let keys = [
        "device_id",
        "device_name",
        "model",
        "serial_number",
        "platform",
        "os_version",
        "supplemental_build_version",
        "supplemental_os_version_extra",
        "last_check_in",
        "user",
        "asset_tag",
        "blueprint_id",
        "mdm_enabled",
        "agent_installed",
        "is_missing",
        "is_removed",
        "agent_version",
        "first_enrollment",
        "last_enrollment",
        "blueprint_name",
        "lost_mode_status",
        "tags",
    ];
    let places: Vec<usize> = keys.iter().filter_map(|key| text.find(&format!("\"{key}\":"))).collect();
    assert_eq!(places.len(), keys.len(), "{first}");
    assert!(places.is_sorted());
}

#[tokio::test]
async fn every_example_file_is_served_as_it_is() {
    let world = sandbox(0).await;
    for (name, text) in EXAMPLES {
        world.control(Method::POST, "/fleet/examples", json!({ "files": [name] })).await;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(body(world.kandji("devices").await).await, expected, "{name}");
    }
    let both = json!({"files": ["devices", "devices-defensive-variants.json"]});
    world.control(Method::POST, "/fleet/examples", both).await;
    assert_eq!(world.devices("").await.len(), 14 + 11);
}

#[tokio::test]
async fn raw_devices_keep_their_text_and_the_order_of_their_keys() {
    let world = sandbox(0).await;
    let raw = r#"[{"zeta":1.0,"device_id":"d-1","tags":null},{"alpha":"é","device_id":"d-0"}]"#;
    let url = format!("{}/fleet/raw", world.sandbox.control_url());
    let put = world.client.put(url).body(raw).send().await.unwrap();
    assert_eq!(put.status(), 200);
    assert_eq!(world.kandji("devices").await.text().await.unwrap(), raw);
    let one = world.kandji("devices/d-1").await.text().await.unwrap();
    assert_eq!(one, r#"{"zeta":1.0,"device_id":"d-1","tags":null}"#);
}

#[tokio::test]
async fn a_wrong_or_missing_token_comes_before_everything_else() {
    let world = sandbox(3).await;
    let url = format!("{}/api/v1/devices", world.sandbox.kandji_url());
    let none = world.client.get(&url).send().await.unwrap();
    assert_eq!(none.status(), 401);
    assert_eq!(body(none).await["detail"], "Authentication credentials were not provided.");
    let token = world.sandbox.ready().credentials.kandji_token.clone();
    for wrong in ["Bearer 0", &token, &format!("Token {token}")] {
        let answer = world.client.get(&url).header("Authorization", wrong).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(body(answer).await["detail"], "Invalid token.");
    }
}

#[tokio::test]
async fn unknown_routes_are_the_gateways_404_and_unknown_devices_the_back_ends() {
    let world = sandbox(3).await;
    for path in ["nothing", "devices/x/y", "integrations/apple/ade/devices"] {
        let answer = world.kandji(path).await;
        assert_eq!(answer.status(), 404);
        assert_eq!(body(answer).await["message"], "no Route matched with those values");
    }
    let answer = world.kandji("devices/11111111-1111-4111-8111-111111111111").await;
    assert_eq!(answer.status(), 404);
    assert_eq!(body(answer).await["detail"], "Not found.");
}

#[tokio::test]
async fn whatever_is_not_a_get_is_refused_and_remembered() {
    let world = sandbox(1).await;
    let device = world.devices("").await[0]["device_id"].as_str().unwrap().to_owned();
    let url = format!("{}/api/v1/devices", world.sandbox.kandji_url());
    for (method, path, status) in [
        (Method::PATCH, format!("{url}/{device}"), 403),
        (Method::DELETE, format!("{url}/{device}/"), 403),
        (Method::POST, url.clone(), 405),
        (Method::HEAD, url.clone(), 405),
    ] {
        let answer = world.client.request(method, path).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let violations = world.get_control("/violations").await;
    assert_eq!(violations["count"], 4);
    assert_eq!(violations["violations"][0]["kind"], "kandji_not_a_get");
    assert_eq!(violations["violations"][0]["method"], "PATCH");
    assert_eq!(world.devices("").await.len(), 1);
}

#[tokio::test]
async fn users_are_paged_by_a_cursor_whose_link_points_at_the_web_app() {
    let world = sandbox(200).await;
    let mut seen = HashSet::new();
    let mut path = "users?limit=50".to_owned();
    let mut pages = 0;
    loop {
        let page = body(world.kandji(&path).await).await;
        pages += 1;
        for user in page["results"].as_array().unwrap() {
            assert!(seen.insert(user["id"].as_str().unwrap().to_owned()));
            assert!(user["active"].is_boolean() && user["deprecated_user_id"].is_string());
        }
        assert_eq!(page["previous"].is_null(), pages == 1);
        let Some(next) = page["next"].as_str() else { break };
        let query = next.strip_prefix("https://yourcompany.kandji.io/api/v1/users?").unwrap();
        path = format!("users?{query}");
    }
    assert_eq!(seen.len(), 120);
    assert_eq!(pages, 3);
    for device in world.devices("").await {
        if let Some(user) = device["user"].as_object() {
            assert!(seen.contains(user["id"].as_str().unwrap()));
        }
    }
    assert_eq!(body(world.kandji("users").await).await["results"].as_array().unwrap().len(), 25);
    let size = body(world.kandji("users?sizePerPage=300").await).await;
    assert_eq!(size["results"].as_array().unwrap().len(), 120);
    assert_eq!(size["next"], Value::Null);
    let one = seen.iter().next().unwrap();
    assert_eq!(body(world.kandji(&format!("users/{one}")).await).await["id"], one.as_str());
    assert_eq!(world.kandji("users/nobody").await.status(), 404);
    assert_eq!(world.kandji("users?cursor=%21").await.status(), 404);
}

#[tokio::test]
async fn the_previous_link_of_users_leads_back() {
    let world = sandbox(100).await;
    let first = body(world.kandji("users?limit=20").await).await;
    let link = |page: &Value, key: &str| {
        let url = page[key].as_str().unwrap();
        format!("users?{}", url.split_once('?').unwrap().1)
    };
    let second = body(world.kandji(&link(&first, "next")).await).await;
    let back = body(world.kandji(&link(&second, "previous")).await).await;
    assert_eq!(back["results"], first["results"]);
}

#[tokio::test]
async fn example_users_come_with_the_example_devices() {
    let world = sandbox(10).await;
    world.control(Method::POST, "/fleet/examples", json!({"files": ["devices"]})).await;
    let users = body(world.kandji("users").await).await;
    let active = |name: &str| {
        let users = users["results"].as_array().unwrap();
        users.iter().find(|user| user["name"] == name).unwrap()["active"].clone()
    };
    assert_eq!(users["results"].as_array().unwrap().len(), 7);
    assert_eq!(active("Dormant Sample"), false);
    assert_eq!(active("Ida Testwell"), true);
}

#[tokio::test]
async fn details_have_the_shape_of_their_platform_and_the_values_of_their_device() {
    let world = sandbox(0).await;
    let files = json!({"files": ["devices", "devices-mixed-tenant"]});
    world.control(Method::POST, "/fleet/examples", files).await;
    for (id, name, expected) in [
        ("68e58909-ccb2-4416-925a-56c9a30f4300", "Mac", include_str!("../../examples/details-mac.json")),
        ("e179f773-a6e0-43c0-9514-b7dde2ad0478", "iPhone", include_str!("../../examples/details-iphone.json")),
        ("c3dd75f6-8085-48e6-ac92-5f09a227f039", "iPad", include_str!("../../examples/details-ipad-lost-mode.json")),
        ("a398d022-d435-4df4-8322-905089933837", "AppleTV", include_str!("../../examples/details-appletv.json")),
        ("e5a9f6b1-a297-49bf-adf4-38f7b27c1c74", "Windows", include_str!("../../examples/details-windows.json")),
        ("f1a38d32-6834-4c65-927c-b2382bedda16", "Android", include_str!("../../examples/details-android.json")),
    ] {
        let details = body(world.kandji(&format!("devices/{id}/details")).await).await;
        let expected: Value = serde_json::from_str(expected).unwrap();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&details), keys(&expected), "{name}");
        assert_eq!(details["general"], expected["general"], "{name}");
        assert_eq!(details["hardware_overview"], expected["hardware_overview"], "{name}");
        assert_eq!(details["lost_mode"], expected["lost_mode"], "{name}");
    }
    let lost = world.kandji("devices/c3dd75f6-8085-48e6-ac92-5f09a227f039/details/lostmode").await;
    assert_eq!(lost.status(), 200);
    let not_lost = world.kandji("devices/68e58909-ccb2-4416-925a-56c9a30f4300/details/lostmode/").await;
    assert_eq!(not_lost.status(), 400);
    assert_eq!(body(not_lost).await, json!(["Device is not in lost mode."]));
}

#[tokio::test]
async fn the_smaller_endpoints_answer_in_their_shapes() {
    let world = sandbox(40).await;
    let device = world.devices("").await[0]["device_id"].as_str().unwrap().to_owned();
    let licensing = body(world.kandji("settings/licensing").await).await;
    assert_eq!(licensing["counts"]["computers_count"], 40);
    assert_eq!(licensing["counts"].as_object().unwrap().len(), 5);
    assert_eq!(body(world.kandji("blueprints/").await).await["count"], 7);
    let past = body(world.kandji("blueprints?limit=3&offset=9").await).await;
    assert_eq!((past["count"].as_u64(), past["results"].as_array().unwrap().len()), (Some(7), 0));
    let blueprint = world.kandji("blueprints/f6fadfa7-e5c1-4b62-9362-da5cc13da58a").await;
    assert_eq!(body(blueprint).await["name"], "Engineering Macs");
    assert_eq!(body(world.kandji("tags?search=PRÜF").await).await["count"], 1);
    assert_eq!(body(world.kandji("audit/events").await).await["results"], json!([]));
    for path in ["status", "activity"] {
        let answer = body(world.kandji(&format!("devices/{device}/{path}")).await).await;
        assert_eq!(answer["device_id"], device.as_str());
    }
    let prism = body(world.kandji("prism/device_information?limit=3&offset=1").await).await;
    assert_eq!((prism["total"].as_u64(), prism["data"].as_array().unwrap().len()), (Some(40), 3));
}

#[tokio::test]
async fn the_documented_limits_hold_by_default_and_say_what_is_left() {
    let world = sandbox_with(1, json!({"kandji": {"rate_limit": {"per_hour": 3, "per_second": 100}}})).await;
    let header = |response: &reqwest::Response, name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let first = world.kandji("devices").await;
    assert_eq!(header(&first, "X-RateLimit-Limit-Hour"), "3");
    assert_eq!(header(&first, "X-RateLimit-Remaining-Hour"), "2");
    assert_eq!(header(&first, "RateLimit-Remaining"), "2");
    world.kandji("devices").await;
    world.kandji("devices").await;
    let refused = world.kandji("devices").await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = header(&refused, "Retry-After").parse().unwrap();
    assert!((1..=3_600).contains(&wait));
    assert_eq!(body(refused).await["message"], "API rate limit exceeded");
    world.faults(json!({"kandji": {"rate_limit": {"per_hour": 3, "retry_after": "date"}}})).await;
    assert!(header(&world.kandji("devices").await, "Retry-After").ends_with(" GMT"));
    world.faults(json!({"kandji": {"rate_limit": {"per_hour": 3, "retry_after": "none"}}})).await;
    assert!(world.kandji("devices").await.headers().get("Retry-After").is_none());
    world.faults(json!({"kandji": {"rate_limit": false}})).await;
    let free = world.kandji("devices").await;
    assert_eq!(free.status(), 200);
    assert!(free.headers().get("RateLimit-Limit").is_none());
}

#[tokio::test]
async fn a_million_devices_are_as_near_at_the_end_as_at_the_beginning() {
    let world = sandbox(1_000_000).await;
    let last = world.devices("ordering=device_id&limit=300&offset=999990").await;
    assert_eq!(last.len(), 10);
    let again = world.devices("ordering=device_id&limit=1&offset=999999").await;
    assert_eq!(again[0], last[9]);
    assert!(world.devices("ordering=device_id&offset=1000000").await.is_empty());
}
