//! What the brake weighs and holds, and whose removal is due (rules 10, 11).

use std::time::Duration;

use pandaport_store::engine::{CountDeltas, Due, Ending, Item, ItemStep, Op, Progress, Slice, flag};
use pandaport_store::held::{self, HeldKind};
use pandaport_store::mappings::Mapping;
use pandaport_store::{Micros, syncs};

use crate::{Site, after, literal, site};

fn item(kind: HeldKind, device: &str) -> Item {
    Item { kind, device_id: device.into(), column_id: String::new() }
}

async fn begin(site: &Site, mapping: &Mapping, now: Micros) -> Slice {
    let sync = site.sync(mapping, now).await;
    site.store.begin_slice(sync.sync_id, now, now).await.unwrap().unwrap()
}

async fn weigh(site: &Site, slice: &Slice, kind: HeldKind, devices: &[&str], holds: bool) {
    let ops: Vec<Op> =
        devices.iter().map(|it| Op::Weigh { item: item(kind, it), record_id: Some(format!("r-{it}")) }).collect();
    site.store.commit(slice, &ops, &Progress::default()).await.unwrap();
    for group in site.store.brake_groups(slice.guard).await.unwrap() {
        site.store.weighed(slice.guard, &group, holds, &Progress::default()).await.unwrap();
    }
}

async fn end(site: &Site, slice: &Slice, read_complete: bool, now: Micros) {
    let ending = Ending { state: "HELD", error: None, complete: true, read_complete, weighed: true, broken: None };
    site.store.finish_sync(slice.guard, &Progress::default(), &ending, now).await.unwrap();
}

#[tokio::test]
async fn rule_11_what_is_held_belongs_to_the_mapping_under_a_digest() {
    let site = site().await;
    let mapping = site.mapping().await;
    let held = async || held::of_mapping(&site.store, &site.tenant, mapping.mapping_id, 1).await.unwrap();

    let slice = begin(&site, &mapping, after(0)).await;
    weigh(&site, &slice, HeldKind::Removal, &["a", "b"], true).await;
    weigh(&site, &slice, HeldKind::Deleted, &["c"], true).await;
    assert!(site.store.holds(slice.guard, true).await.unwrap());
    end(&site, &slice, true, after(10)).await;
    let first = held().await.unwrap();
    assert_eq!((first.removals, first.deleted, first.clears, first.sample.len()), (2, 1, 0, 1));
    assert_eq!(first.since, after(10));

    // The same set, worked out anew: the same digest, held since then.
    let slice = begin(&site, &mapping, after(20)).await;
    weigh(&site, &slice, HeldKind::Deleted, &["c"], true).await;
    weigh(&site, &slice, HeldKind::Removal, &["b", "a"], true).await;
    end(&site, &slice, true, after(30)).await;
    assert_eq!(held().await.unwrap(), first);

    // A part of it, and a read that was incomplete: nobody can say who is gone, so the removals stay.
    let slice = begin(&site, &mapping, after(40)).await;
    end(&site, &slice, false, after(50)).await;
    let removals = held().await.unwrap();
    assert_eq!((removals.removals, removals.deleted, removals.since), (2, 0, after(10)));
    assert_ne!(removals.digest, first.digest);

    // Other devices: another digest, held since now.
    let slice = begin(&site, &mapping, after(60)).await;
    weigh(&site, &slice, HeldKind::Removal, &["d"], true).await;
    end(&site, &slice, true, after(70)).await;
    let other = held().await.unwrap();
    assert_eq!((other.removals, other.since), (1, after(70)));

    // What is let through is not held.
    let slice = begin(&site, &mapping, after(80)).await;
    weigh(&site, &slice, HeldKind::Removal, &["d"], false).await;
    assert!(!site.store.holds(slice.guard, true).await.unwrap());
    end(&site, &slice, true, after(90)).await;
    assert_eq!(held().await, None);
}

#[tokio::test]
async fn rule_11_an_approval_is_of_what_was_held_then() {
    let site = site().await;
    let mapping = site.mapping().await;
    let slice = begin(&site, &mapping, after(0)).await;
    weigh(&site, &slice, HeldKind::Removal, &["a", "b"], true).await;
    end(&site, &slice, true, after(10)).await;

    let sync = site.sync(&mapping, after(20)).await;
    let mut tx = site.store.begin_write().await.unwrap();
    let (digest, deleted) = held::digest_in(&mut tx, &site.tenant, mapping.mapping_id).await.unwrap().unwrap();
    assert!(!deleted);
    held::approve(&mut tx, &site.tenant, mapping.mapping_id, sync.sync_id, &digest).await.unwrap();
    tx.commit().await.unwrap();
    let slice = site.store.begin_slice(sync.sync_id, after(21), after(21)).await.unwrap().unwrap();
    assert!(slice.row.approved);
    let ops = ["b", "c"].map(|it| Op::Weigh { item: item(HeldKind::Removal, it), record_id: None });
    site.store.commit(&slice, &ops, &Progress::default()).await.unwrap();
    let groups = site.store.brake_groups(slice.guard).await.unwrap();
    assert_eq!(groups.iter().map(|it| (it.items, it.unapproved)).collect::<Vec<_>>(), [(2, 1)]);
}

/// A link with a record, as earlier syncs left it.
async fn link(site: &Site, mapping: &Mapping, device: &str, flags: i64, absent_since: Option<Micros>, ours: bool) {
    let id = uuid::Uuid::now_v7();
    let absent = absent_since.map_or("NULL".to_owned(), |it| it.0.to_string());
    site.sql(format!(
        "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, flags, absent_since)
         VALUES ({0}, '{device}', 'default', {1}, x'00', {flags}, {absent})",
        literal(mapping.mapping_id.0),
        literal(id)
    ))
    .await;
    site.sql(format!(
        "INSERT INTO link_values (link_id, tenant, mapping_id, device_id, record_id, created_by_us, reason, rejected_time)
         VALUES ({1}, 'default', {0}, '{device}', 'r-{device}', {ours}, '{3}', {2})",
        literal(mapping.mapping_id.0),
        literal(id),
        if flags & flag::QUARANTINED != 0 { after(9_000).0 } else { 0 },
        if device == "refused" { "REMOVAL_REFUSED" } else { "REFUSED_BY_ASSET_PANDA" }
    ))
    .await;
}

#[tokio::test]
async fn rule_10_whose_removal_is_due() {
    let site = site().await;
    let mapping = site.mapping().await;
    let linked = flag::LINKED;
    for (device, flags, absent_since, ours) in [
        ("adopted", linked, Some(after(0)), false),
        ("just-missed", linked, Some(after(10_000)), true),
        ("lately", linked, Some(after(9_000)), true),
        ("long-gone", linked, Some(after(0)), true),
        ("marked", linked | flag::MARKED, Some(after(0)), true),
        ("refused", linked | flag::QUARANTINED, Some(after(0)), true),
        ("removed", linked | flag::REMOVED, None, true),
        ("stuck", linked | flag::QUARANTINED, Some(after(0)), true),
        ("there", linked, None, true),
        ("without", 0, Some(after(0)), true),
    ] {
        link(&site, &mapping, device, flags, absent_since, ours).await;
    }
    let slice = begin(&site, &mapping, after(10_000)).await;
    let seen = literal(slice.guard.sync_id.0);
    site.sql(format!("UPDATE links SET seen_sync = {seen} WHERE device_id IN ('removed', 'there')")).await;
    let due = Due {
        at_once: flag::REMOVED,
        settled: flag::MARKED,
        absent_by: slice.row.start_time.minus(Duration::from_secs(3_600)),
        refused_by: slice.row.start_time.minus(Duration::from_secs(3_600)),
        created_only: false,
    };
    site.store.list_removals(&slice, &due, &Progress::default()).await.unwrap();
    for group in site.store.brake_groups(slice.guard).await.unwrap() {
        site.store.weighed(slice.guard, &group, false, &Progress::default()).await.unwrap();
    }
    let next = async || {
        let rows = site.store.next_removals(&slice, 10).await.unwrap();
        rows.into_iter().map(|it| (it.device_id, it.present)).collect::<Vec<_>>()
    };
    // That its values were refused keeps no record from being removed.
    let expected = [("adopted", false), ("long-gone", false), ("removed", true), ("stuck", false)];
    assert_eq!(next().await, expected.map(|(device, present)| (device.to_owned(), present)));
    let sync = syncs::get(&site.store, &site.tenant, slice.guard.sync_id).await.unwrap();
    assert_eq!(sync.counts.still_rejected, 1, "the one that refused lately");

    // Sent and not confirmed by a slice that ended: it goes again.
    let sent = Op::Weighed { item: item(HeldKind::Removal, "long-gone"), step: ItemStep::Sent, attempts: 1 };
    site.store.commit(&slice, &[sent], &Progress::default()).await.unwrap();
    assert_eq!(next().await.len(), 3);
    let slice = site.store.begin_slice(slice.guard.sync_id, after(10_001), after(10_001)).await.unwrap().unwrap();
    let rows = site.store.next_removals(&slice, 10).await.unwrap();
    assert_eq!(rows.iter().map(|it| it.attempts).collect::<Vec<_>>(), [0, 1, 0, 0]);

    // Under DELETE only our own; the adopted one is left, once.
    let due = Due { created_only: true, settled: flag::LEFT, ..due };
    for expected in [1, 0] {
        let before = listed(&site, &slice, "NOT_CREATED_BY_US").await;
        site.store.leave_adopted(&slice, &due, "left", &Progress::default()).await.unwrap();
        assert_eq!(listed(&site, &slice, "NOT_CREATED_BY_US").await - before, expected);
    }
}

async fn listed(site: &Site, slice: &Slice, reason: &str) -> usize {
    let id = slice.guard.sync_id;
    let records = pandaport_store::records::list(&site.store, &site.tenant, id, &[], None, 100).await.unwrap();
    records.iter().filter(|it| it.reason.as_deref() == Some(reason)).count()
}

#[tokio::test]
async fn rule_11_devices_whose_records_are_deleted_wait_and_are_held_or_let_through() {
    let site = site().await;
    let mapping = site.mapping().await;
    for device in ["held", "free"] {
        link(&site, &mapping, device, flag::LINKED | flag::REMOVED, None, true).await;
    }
    let slice = begin(&site, &mapping, after(0)).await;
    for device in ["held", "free"] {
        site.sql(format!(
            "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, fingerprint, step, outcome)
             VALUES ({}, '{device}', 'default', {}, 'I', x'00', 10, 'PLANNED')",
            literal(slice.guard.sync_id.0),
            literal(mapping.mapping_id.0)
        ))
        .await;
    }
    weigh(&site, &slice, HeldKind::Deleted, &["free"], false).await;
    weigh(&site, &slice, HeldKind::Deleted, &["held"], true).await;
    let progress = Progress { counts: CountDeltas { unchanged: 1, ..CountDeltas::default() }, ..Progress::default() };
    site.store.hold_deleted(slice.guard, "held", &progress).await.unwrap();
    site.store.free_deleted(&slice, &Progress::default()).await.unwrap();
    let sync = syncs::get(&site.store, &site.tenant, slice.guard.sync_id).await.unwrap();
    assert_eq!(sync.counts.unchanged, 2);
    assert_eq!(listed(&site, &slice, "HELD").await, 1);
    let lookups = site.store.next_lookups(&slice, 10).await.unwrap();
    assert_eq!(lookups.iter().map(|it| it.device_id.as_str()).collect::<Vec<_>>(), ["free"]);
    assert_eq!(site.store.linked(mapping.mapping_id).await.unwrap(), 1, "its link forgot the record");
}
