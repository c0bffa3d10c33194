//! Search that lags behind writes by ten seconds.

use serde_json::json;

use crate::harness::scene::Scene;
use crate::harness::trial::Trial;

#[tokio::test]
async fn rule_3_search_that_lags_ten_seconds_behind_writes_leaves_no_duplicates() {
    let scene = Scene::with(60, |it| it.with("PANDAPORT_SETTLE", "1s,5s,11s")).await;
    let Scene { caller, sandbox, .. } = &scene;
    let faults = json!({"asset_panda": {
        "search_lag_ms": 10_000, "lost_answer": {"on": "create", "count": 2},
        "flags_present": false, "enforce_unique": false,
    }});

    let first = Trial::of_first_import(caller, sandbox, faults.clone()).await;
    first.holds(caller, sandbox).await;
    let changes = Trial::of_changes(caller, sandbox, &first.mapping_id, faults).await;
    changes.holds_and_is_settled(caller, sandbox).await;
}
