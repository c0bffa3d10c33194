//! A list that is empty all of a sudden.

use reqwest::Method;
use serde_json::json;

use crate::harness::caller::{counts, is_final};
use crate::harness::journey::import;
use crate::harness::scene::{Scene, assert_succeeded};
use crate::harness::truth::{Before, assert_truth};

const DEVICES: u32 = 500;

#[tokio::test]
async fn rule_11_a_fleet_of_none_after_one_of_five_hundred_touches_nothing() {
    let scene = Scene::of(DEVICES).await;
    let Scene { caller, sandbox, .. } = &scene;
    let first = import(caller, sandbox, "serial_number").await;
    assert_succeeded(&first.sync);
    let before = Before::of(sandbox).await;
    let there = sandbox.records().await;
    sandbox.control(Method::POST, "/fleet", json!({"devices": 0})).await;
    sandbox.forget_calls().await;

    // Twice: a device is gone only when two reads miss it.
    for _ in 0..2 {
        let sync = scene.sync(&first.mapping_id).await;
        assert!(is_final(&sync) && sync.counts.unwrap().removed == 0, "{sync:#?}");
    }
    assert_eq!(sandbox.counters().await.writes(), 0);
    assert_eq!(sandbox.records().await, there);

    sandbox.control(Method::POST, "/fleet", json!({"devices": DEVICES})).await;
    let back = scene.sync(&first.mapping_id).await;
    assert_eq!(counts(&back), [DEVICES, 0, 0, 0, DEVICES, 0, 0]);
    assert_truth(sandbox, &before, &back).await;
}
