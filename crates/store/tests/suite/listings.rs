//! Records of a sync, devices of a mapping.

use pandaport_store::devices::{self, DeviceFilter, DeviceState};
use pandaport_store::records::{self, RecordOutcome};
use pandaport_store::{StoreError, Tenant};

use crate::{START, literal, site};

#[tokio::test]
async fn records_are_listed_by_outcome_and_page() {
    let site = site().await;
    let mapping = site.mapping().await;
    let sync_id = site.sync(&mapping, START).await.sync_id;
    for (device, outcome) in
        [("d1", "CREATED"), ("d2", "REJECTED"), ("d3", "CREATED"), ("d4", "PLANNED"), ("d5", "CREATED")]
    {
        site.sql(format!(
            "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, fingerprint, step, outcome, reason, serial_number) \
             VALUES ({}, '{device}', 'default', {}, x'00', 9, '{outcome}', NULL, 'S-{device}')",
            literal(sync_id.0),
            literal(mapping.mapping_id.0)
        ))
        .await;
    }
    let list = async |outcomes: &[RecordOutcome], after: Option<&str>, limit| {
        let page = records::list(&site.store, &site.tenant, sync_id, outcomes, after, limit).await.unwrap();
        page.into_iter().map(|record| record.device_id).collect::<Vec<_>>()
    };
    assert_eq!(list(&[], None, 10).await, ["d1", "d2", "d3", "d4", "d5"]);
    assert_eq!(list(&[RecordOutcome::Created], None, 2).await, ["d1", "d3"]);
    assert_eq!(list(&[RecordOutcome::Created], Some("d3"), 2).await, ["d5"]);
    assert_eq!(list(&[RecordOutcome::Planned, RecordOutcome::Rejected], None, 10).await, ["d2", "d4"]);
    let foreign = records::list(&site.store, &Tenant::new("other"), sync_id, &[], None, 10).await;
    assert!(matches!(foreign, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn a_device_is_in_the_first_state_that_fits() {
    let site = site().await;
    let id = site.mapping().await.mapping_id;
    // (device, flags, absent since, in flight)
    let devices = [
        ("current", 1, "NULL", false),
        ("dirty", 3, "NULL", false),
        ("filtered", 32, "NULL", false),
        ("filtered-linked-removed", 49, "NULL", false),
        ("gone", 1, "99", false),
        ("gone-rejected-filtered", 41, "99", false),
        ("neither", 0, "NULL", false),
        ("rejected", 8, "NULL", false),
        ("rejected-linked-removed", 25, "NULL", false),
        ("removed", 17, "NULL", false),
        ("quarantined", 4, "NULL", false),
        ("recreated", 8, "NULL", true),
    ];
    for (device, flags, absent_since, in_flight) in devices {
        let link = literal(uuid::Uuid::now_v7());
        site.sql(format!(
            "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, absent_since, flags) \
             VALUES ({0}, '{device}', 'default', {link}, x'00', {absent_since}, {flags})",
            literal(id.0)
        ))
        .await;
        site.sql(format!(
            "INSERT INTO link_values (link_id, tenant, mapping_id, device_id, serial_number, identifier, record_id) \
             VALUES ({link}, 'default', {0}, '{device}', 'S-{device}', 'I-{device}', NULL)",
            literal(id.0)
        ))
        .await;
        if in_flight {
            intent(&site, id, device).await;
        }
    }
    intent(&site, id, "fresh").await;
    site.sql(format!(
        "INSERT INTO held_changes (mapping_id, kind, device_id, tenant) VALUES ({}, 'REMOVAL', 'gone', 'default')",
        literal(id.0)
    ))
    .await;

    let listed = async |states: &[DeviceState], removed_is_gone, after: Option<&str>, limit| {
        let filter = DeviceFilter { states, removed_is_gone };
        devices::list(&site.store, &site.tenant, id, filter, after, limit).await.unwrap()
    };
    let list = async |states: &[DeviceState], after: Option<&str>, limit| {
        let page = listed(states, false, after, limit).await;
        page.into_iter().map(|device| device.device_id).collect::<Vec<_>>()
    };
    assert_eq!(list(&[DeviceState::Current], None, 10).await, ["current", "dirty", "removed"]);
    assert_eq!(list(&[DeviceState::Gone], None, 10).await, ["gone", "gone-rejected-filtered"]);
    assert_eq!(list(&[DeviceState::Filtered], None, 10).await, ["filtered", "filtered-linked-removed"]);
    assert_eq!(list(&[DeviceState::Rejected], None, 10).await, ["quarantined", "rejected", "rejected-linked-removed"]);
    assert_eq!(list(&[DeviceState::InFlight], None, 10).await, ["fresh", "recreated"]);
    let gone = listed(&[DeviceState::Gone], true, None, 10).await;
    let held: Vec<_> = gone.iter().map(|it| (it.device_id.as_str(), it.removal_held, it.deleted_held)).collect();
    let expected = [("gone", true, false), ("gone-rejected-filtered", false, false), ("removed", false, false)];
    assert_eq!(held, expected, "the policy acts on what Kandji lists as removed");
    let all = list(&[], None, 100).await;
    assert_eq!(all.len(), 12, "{all:?}");
    let mut paged = list(&[], None, 4).await;
    while let Some(last) = paged.last().cloned() {
        let page = list(&[], Some(&last), 4).await;
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let any = DeviceFilter { states: &[], removed_is_gone: false };
    let foreign = devices::list(&site.store, &Tenant::new("other"), id, any, None, 10).await;
    assert!(matches!(foreign, Err(StoreError::NotFound { .. })));
}

async fn intent(site: &crate::Site, id: pandaport_store::MappingId, device: &str) {
    site.sql(format!(
        "INSERT INTO intents (mapping_id, device_id, tenant, sync_id, fence, identifier, identifier_key, sent_time, next_look_time, payload) \
         VALUES ({0}, '{device}', 'default', {0}, 1, 'I-{device}', 'i-{device}', 0, 0, '{{}}')",
        literal(id.0)
    ))
    .await;
}
