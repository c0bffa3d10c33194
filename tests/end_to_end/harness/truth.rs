//! The truth table: what must hold after a sync, whatever went wrong while it ran.

use std::collections::{BTreeMap, BTreeSet};

use pandaport_api::v1::Sync;
use serde_json::json;

use super::caller::{Caller, counts, full};
use super::expected::{Columns, active_users, records};
use super::journey::PATIENCE;
use super::sandbox::{Record, Sandbox};
use super::scene::{assert_succeeded, assert_values};

/// The collection before a sync: our records, and those of others.
pub(crate) struct Before {
    ours: BTreeMap<String, Record>,
    others: BTreeMap<String, Record>,
}

impl Before {
    pub(crate) async fn of(sandbox: &Sandbox) -> Self {
        let (others, ours) = sandbox.records().await.into_iter().partition::<Vec<_>, _>(|it| it.by_hand);
        let by_id = |records: Vec<Record>| records.into_iter().map(|it| (it.id.clone(), it)).collect();
        Self { ours: by_id(ours), others: by_id(others) }
    }
}

/// Records that are no device's: whatever happens, nobody may touch them.
pub(crate) async fn seed_others(sandbox: &Sandbox) {
    let printers = json!([
        {"Serial Number": "PRN-0001", "Model": "Printer", "Notes": "by the window"},
        {"Serial Number": "PRN-0002", "Model": "Printer"},
        {"Notes": "no serial number"},
    ]);
    sandbox.seed_records(printers).await;
}

/// Every readable device exactly once in the collection, with its values right; nothing else touched, records of devices
/// that left before included; no request but GET to Kandji; and the sync counts what the sandbox counted.
pub(crate) async fn assert_truth(sandbox: &Sandbox, before: &Before, sync: &Sync) {
    assert_succeeded(sync);
    let now = Before::of(sandbox).await;
    let devices = sandbox.devices().await;
    let wanted = records(&devices, &active_users(&sandbox.user_pages().await), Columns::Typed, &[]);
    let ids: BTreeSet<&str> = devices.iter().filter_map(|it| it["device_id"].as_str()).collect();
    let is_there = |it: &Record| it.values["Device ID"].as_str().is_some_and(|id| ids.contains(id));
    let (ours, left): (Vec<Record>, Vec<Record>) = now.ours.values().cloned().partition(is_there);
    assert_values(&ours, &wanted);
    for record in left {
        assert_eq!(before.ours.get(&record.id), Some(&record), "the record of a device that left");
    }
    assert_eq!(now.others, before.others, "records of others");
    sandbox.assert_no_violations().await;

    let [read, created, adopted, updated, ..] = counts(sync);
    let made = now.ours.keys().filter(|id| !before.ours.contains_key(*id)).count();
    let rewritten = before.ours.iter().filter(|(id, it)| now.ours.get(*id).is_some_and(|now| now.updates > it.updates));
    assert_eq!(read as usize, devices.len(), "devices read: {sync:#?}");
    // Adopted: a unique column refused what was made already, and a look-up found it. Nothing else is there to adopt.
    assert_eq!((created + adopted) as usize, made, "records made: {sync:#?}");
    assert_eq!(updated as usize, rewritten.count(), "records rewritten: {sync:#?}");
}

/// What is kept is what was written: a full sync of the mapping finds nothing to do.
pub(crate) async fn assert_settled(caller: &Caller, sandbox: &Sandbox, mapping_id: &str) {
    sandbox.forget_calls().await;
    let next = caller.trigger(full(mapping_id)).await;
    let next = caller.ended(&next.sync_id, PATIENCE).await;
    assert_succeeded(&next);
    let [read, .., unchanged, _, _] = counts(&next);
    assert_eq!(read, unchanged, "{next:#?}");
    assert_eq!(sandbox.counters().await.writes(), 0, "nothing is left to write");
}
