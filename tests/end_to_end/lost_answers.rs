//! Writes that are applied, but whose answer is lost or says too little (rules 3 and 4).

use pandaport_api::v1::{CancelSyncRequest, SyncState};
use serde_json::{Value, json};

use crate::harness::caller::{counts, incremental};
use crate::harness::installation::Installation;
use crate::harness::journey::{self, PATIENCE};
use crate::harness::sandbox::Sandbox;
use crate::harness::scene::{Scene, assert_succeeded};
use crate::harness::wait::until_so;

/// Search lags behind by two seconds: the last look comes later.
fn patient(installation: Installation) -> Installation {
    installation.with("PANDAPORT_SETTLE", "100ms,1s,2500ms")
}

async fn lost_creates(unique: bool) {
    let scene = Scene::with(100, patient).await;
    scene
        .sandbox
        .faults(json!({"asset_panda": {
            "lost_answer": {"on": "create", "every": 3},
            "search_lag_ms": 2000, "flags_present": unique, "enforce_unique": unique,
        }}))
        .await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_succeeded(&import.sync);
    scene.assert_each_device_once().await;
    assert!(scene.sandbox.struck("asset_panda.lost_answer").await >= 6);
    let [read, created, adopted, ..] = counts(&import.sync);
    assert_eq!((read, created + adopted), (100, 100), "{:#?}", import.sync);

    scene.sandbox.heal().await;
    scene.sandbox.forget_calls().await;
    let full = scene.full_sync(&import.mapping_id).await;
    assert_eq!(counts(&full), [100, 0, 0, 0, 100, 0, 0]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0);
}

#[tokio::test]
async fn rule_3_lost_answers_to_creates_leave_no_duplicates_in_a_unique_column() {
    lost_creates(true).await;
}

#[tokio::test]
async fn rule_3_lost_answers_to_creates_leave_no_duplicates_where_uniqueness_is_unknown() {
    lost_creates(false).await;
}

#[tokio::test]
async fn rule_3_where_every_answer_is_lost_all_records_are_found_and_none_is_sent_twice() {
    let scene = Scene::with(60, patient).await;
    let faults = json!({
        "lost_answer": {"on": "create"}, "search_lag_ms": 1000, "flags_present": false, "enforce_unique": false,
    });
    scene.sandbox.faults(json!({ "asset_panda": faults })).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;

    assert_succeeded(&import.sync);
    assert_eq!(counts(&import.sync), [60, 60, 0, 0, 0, 0, 0]);
    scene.assert_every_value_is_right().await;
    assert_eq!(scene.sandbox.counters().await.creates(), 12);
}

#[tokio::test]
async fn rule_3_in_whatever_way_an_answer_is_lost_the_device_is_there_once() {
    let scene = Scene::with(20, patient).await;
    scene
        .sandbox
        .faults(json!({"asset_panda": {"search_lag_ms": 500, "flags_present": false, "enforce_unique": false}}))
        .await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&import.sync);
    let lost = |answer: &str| json!({"lost_answer": {"answer": answer, "on": "create", "count": 1}});
    let ways: [(&str, Value); 7] = [
        ("lost_answer", lost("drop")),
        ("lost_answer", lost("reset")),
        ("lost_answer", lost("500")),
        ("lost_answer", lost("503")),
        ("lost_answer", lost("html")),
        ("short_reply", json!({"short_reply": {"on": "create", "count": 1}})),
        ("unreadable_reply", json!({"unreadable_reply": {"on": "create", "count": 1}})),
    ];
    for (name, way) in ways {
        scene.sandbox.add_device(json!({"count": 5})).await;
        scene.sandbox.faults(json!({ "asset_panda": way })).await;

        let sync = scene.sync(&import.mapping_id).await;

        assert_succeeded(&sync);
        assert_eq!(scene.sandbox.struck(&format!("asset_panda.{name}")).await, 1, "{way}");
        scene.assert_each_device_once().await;
        let [_, created, adopted, ..] = counts(&sync);
        assert_eq!(created + adopted, 5, "{way}: {sync:#?}");
        scene.sandbox.faults(json!({"asset_panda": {name: false}})).await;
    }
}

#[tokio::test]
async fn creates_that_do_not_say_the_records_id_are_found_and_kept_current() {
    let scene = Scene::of(60).await;
    scene.sandbox.faults(json!({"asset_panda": {"record_id_in_create": false, "total_in_search": false}})).await;

    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    assert_succeeded(&import.sync);
    assert_eq!(counts(&import.sync), [60, 60, 0, 0, 0, 0, 0]);
    scene.assert_each_device_once().await;

    scene.sandbox.forget_calls().await;
    let second = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&second), [60, 0, 0, 0, 60, 0, 0]);
    assert_eq!(scene.sandbox.counters().await.writes(), 0);

    assert_eq!(scene.sandbox.change(10.0, 1).await, 6);
    let third = scene.sync(&import.mapping_id).await;
    assert_eq!(counts(&third), [60, 0, 0, 6, 54, 0, 0]);
    scene.assert_each_device_once().await;
}

/// A device whose OS version was written as 99.1, with the answer to that lost; then it is back to what it was.
struct Stale {
    scene: Scene,
    mapping_id: String,
    device_id: String,
    original: Value,
}

impl Stale {
    async fn new() -> Self {
        let scene = Scene::of(20).await;
        let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
        assert_succeeded(&import.sync);
        let device = scene.sandbox.devices().await[7].clone();
        let device_id = device["device_id"].as_str().unwrap().to_owned();
        scene.sandbox.edit_device(&device_id, json!({"os_version": "99.1"})).await;
        Self { scene, mapping_id: import.mapping_id, device_id, original: device["os_version"].clone() }
    }

    async fn until_applied(&self) {
        until_so("the update to be applied", PATIENCE, async || self.written(&self.scene.sandbox).await == "99.1")
            .await;
    }

    async fn written(&self, sandbox: &Sandbox) -> Value {
        sandbox.record("Device ID", &self.device_id).await.values["OS Version"].clone()
    }

    async fn change_back(&self) {
        self.scene.sandbox.edit_device(&self.device_id, json!({"os_version": self.original})).await;
    }

    async fn assert_not_stale(&self) {
        assert_eq!(self.written(&self.scene.sandbox).await, self.original);
        self.scene.sandbox.forget_calls().await;
        let next = self.scene.sync(&self.mapping_id).await;
        assert_eq!(counts(&next), [20, 0, 0, 0, 20, 0, 0]);
        assert_eq!(self.scene.sandbox.counters().await.writes(), 0, "and it is not sent again and again");
    }
}

#[tokio::test]
async fn rule_4_an_update_whose_answer_was_lost_and_a_change_back_leave_no_stale_row() {
    let stale = Stale::new().await;
    let Stale { scene, mapping_id, .. } = &stale;
    scene.sandbox.faults(json!({"asset_panda": {"lost_answer": {"on": "update"}}})).await;
    let sync = scene.caller.trigger(incremental(mapping_id)).await;
    stale.until_applied().await;
    let waiting = |sync: &pandaport_api::v1::Sync| sync.state() == SyncState::Waiting;
    scene.caller.sync_that("the sync to wait", &sync.sync_id, PATIENCE, waiting).await;
    let cancel = CancelSyncRequest { sync_id: sync.sync_id.clone() };
    scene.caller.grpc.clone().cancel_sync(cancel).await.expect("CancelSync is accepted");
    let cancelled = scene.caller.ended(&sync.sync_id, PATIENCE).await;
    assert_eq!(cancelled.state(), SyncState::Cancelled, "{cancelled:#?}");

    // For Kandji nothing has changed since the last write that was confirmed.
    stale.change_back().await;
    scene.sandbox.heal().await;
    let sync = scene.sync(mapping_id).await;

    assert_succeeded(&sync);
    assert_eq!(counts(&sync), [20, 0, 0, 1, 19, 0, 0]);
    stale.assert_not_stale().await;
}

#[tokio::test]
async fn rule_4_a_crash_between_an_applied_update_and_its_answer_and_a_change_back_leave_no_stale_row() {
    let mut stale = Stale::new().await;
    stale.scene.sandbox.faults(json!({"asset_panda": {"hold_after_apply_ms": 900}})).await;
    let sync = stale.scene.caller.trigger(incremental(&stale.mapping_id)).await;
    stale.until_applied().await;
    stale.scene.up.process.kill_hard();
    stale.change_back().await;
    stale.scene.sandbox.heal().await;
    stale.scene.start_again().await;

    // The sync that was under way goes by what it had read; the next one sees the change back.
    assert_succeeded(&stale.scene.caller.ended(&sync.sync_id, PATIENCE).await);
    assert_succeeded(&stale.scene.sync(&stale.mapping_id).await);
    stale.assert_not_stale().await;
}
