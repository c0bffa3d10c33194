//! What an import costs in calls, counted by the sandbox (DESIGN section 7).

use serde_json::json;

use crate::harness::caller::counts;
use crate::harness::journey::{self, PATIENCE, connect, create, mapping_of_all};
use crate::harness::scene::{Scene, assert_succeeded};

const DEVICES: u32 = 1_000;
/// Pages overlap by one device, and one more shows that the list has ended.
const LIST_READS: u64 = 1_000_u64.div_ceil(299) + 1;

#[tokio::test]
async fn a_first_import_of_1000_devices_costs_200_creates_and_the_next_sync_no_search_and_no_write() {
    let scene = Scene::of(DEVICES).await;
    let connection_id = connect(&scene.caller, &scene.sandbox).await;
    let mapping = mapping_of_all(&scene.caller, &scene.sandbox, &connection_id, "ITAM", "serial_number").await;
    let user_pages = u64::try_from(scene.sandbox.user_pages().await.len()).unwrap();

    scene.sandbox.forget_calls().await;
    let created = create(&scene.caller, &connection_id, mapping).await;
    let mapping_id = created.mapping.unwrap().mapping_id;
    let first = scene.caller.ended(&created.sync.unwrap().sync_id, PATIENCE).await;

    assert_succeeded(&first);
    assert_eq!(counts(&first), [DEVICES, DEVICES, 0, 0, 0, 0, 0]);
    let calls = scene.sandbox.counters().await;
    assert!(calls.device_pages() <= LIST_READS, "{calls:?}");
    assert!(calls.searches() <= 20, "{calls:?}");
    assert_eq!(calls.creates(), 200, "{calls:?}");
    // The sync's own count, where the schema is read once.
    let said = first.calls.unwrap();
    assert_eq!(
        u64::from(said.kandji),
        calls.device_pages() + user_pages,
        "{:#?}",
        scene.sandbox.kandji_requests().await
    );
    assert_eq!(u64::from(said.asset_panda), calls.searches() + calls.creates() + 1, "{calls:?}");
    // What CreateMapping asked before: whether users may be read, the collection, its columns.
    assert!(calls.all_kandji() <= u64::from(said.kandji) + 1, "{:#?}", scene.sandbox.kandji_requests().await);
    assert!(calls.all_asset_panda() <= u64::from(said.asset_panda) + 2, "{calls:?}");
    scene.assert_every_value_is_right().await;

    scene.sandbox.forget_calls().await;
    let second = scene.sync(&mapping_id).await;
    assert_succeeded(&second);
    assert_eq!(counts(&second), [DEVICES, 0, 0, 0, DEVICES, 0, 0]);
    let calls = scene.sandbox.counters().await;
    assert!(calls.device_pages() <= LIST_READS, "{calls:?}");
    assert_eq!((calls.searches(), calls.writes()), (0, 0), "{calls:?}");
    assert_eq!(calls.all_asset_panda(), 1, "the schema: {calls:?}");

    let changed = scene.sandbox.change(2.3, 7).await;
    assert_eq!(changed, 23);
    scene.sandbox.forget_calls().await;
    let third = scene.sync(&mapping_id).await;
    assert_succeeded(&third);
    assert_eq!(counts(&third), [DEVICES, 0, 0, changed, DEVICES - changed, 0, 0]);
    let calls = scene.sandbox.counters().await;
    assert_eq!((calls.searches(), calls.creates(), calls.updates()), (0, 0, 5), "{calls:?}");
    scene.assert_every_value_is_right().await;
    scene.sandbox.assert_no_violations().await;
}

#[tokio::test]
async fn last_check_ins_that_move_all_the_time_cause_no_write_of_their_own() {
    let scene = Scene::of(60).await;
    let import = journey::import(&scene.caller, &scene.sandbox, "serial_number").await;
    scene.sandbox.control(reqwest::Method::POST, "/fleet/check-ins", json!({})).await;
    let changed = scene.sandbox.change(10.0, 3).await;
    assert_eq!(changed, 6);

    let sync = scene.sync(&import.mapping_id).await;

    assert_eq!(counts(&sync), [60, 0, 0, 6, 54, 0, 0]);
    let mut current = 0;
    let records = scene.sandbox.records().await;
    for device in scene.sandbox.devices().await {
        let seen = device["last_check_in"].as_str().filter(|it| !it.is_empty());
        let record = records.iter().find(|it| it.values["Device ID"] == device["device_id"]).unwrap();
        let written = record.values.get("Last Check In").and_then(|it| it.as_str());
        current +=
            u32::from(record.updates > 0 && written == seen.map(super::harness::expected::whole_second).as_deref());
    }
    assert_eq!(current, changed, "those that were written anyway have their last check-in too");
}
