//! Records of a sync, devices of a mapping.

use pandaport_store::devices::{self, DeviceState};
use pandaport_store::records::{self, RecordOutcome};
use pandaport_store::{StoreError, Tenant};
use rstest::rstest;

use crate::{Database, START, literal};

#[rstest]
#[case::sqlite(Database::Sqlite)]
#[tokio::test]
async fn records_are_listed_by_outcome_and_page(#[case] database: Database) {
    let site = database.site().await;
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

#[rstest]
#[case::sqlite(Database::Sqlite)]
#[tokio::test]
async fn a_device_is_in_the_first_state_that_fits(#[case] database: Database) {
    let site = database.site().await;
    let id = site.mapping().await.mapping_id;
    site.sql(format!("UPDATE mappings SET last_complete_read_time = 100 WHERE mapping_id = {}", literal(id.0))).await;
    // (device, flags, seen, in flight)
    let devices = [
        ("current", 1, 100, false),
        ("dirty", 3, 150, false),
        ("gone", 1, 99, false),
        ("gone-rejected", 9, 99, false),
        ("neither", 0, 150, false),
        ("rejected", 8, 150, false),
        ("rejected-linked", 9, 150, false),
        ("quarantined", 4, 150, false),
        ("recreated", 8, 150, true),
    ];
    for (n, (device, flags, seen, in_flight)) in devices.into_iter().enumerate() {
        site.sql(format!(
            "INSERT INTO links (mapping_id, device_id, tenant, link_id, fingerprint, seen_time, flags) \
             VALUES ({0}, '{device}', 'default', x'0{n}', x'00', {seen}, {flags})",
            literal(id.0)
        ))
        .await;
        site.sql(format!(
            "INSERT INTO link_values (link_id, tenant, mapping_id, device_id, serial_number, identifier, record_id) \
             VALUES (x'0{n}', 'default', {0}, '{device}', 'S-{device}', 'I-{device}', NULL)",
            literal(id.0)
        ))
        .await;
        if in_flight {
            intent(&site, id, device).await;
        }
    }
    intent(&site, id, "fresh").await;

    let list = async |states: &[DeviceState], after: Option<&str>, limit| {
        let page = devices::list(&site.store, &site.tenant, id, states, after, limit).await.unwrap();
        page.into_iter().map(|device| device.device_id).collect::<Vec<_>>()
    };
    assert_eq!(list(&[DeviceState::Current], None, 10).await, ["current", "dirty"]);
    assert_eq!(list(&[DeviceState::Gone], None, 10).await, ["gone", "gone-rejected"]);
    assert_eq!(list(&[DeviceState::Rejected], None, 10).await, ["quarantined", "rejected", "rejected-linked"]);
    assert_eq!(list(&[DeviceState::InFlight], None, 10).await, ["fresh", "recreated"]);
    let all = list(&[], None, 100).await;
    assert_eq!(all.len(), 9, "{all:?}");
    let mut paged = list(&[], None, 4).await;
    while let Some(last) = paged.last().cloned() {
        let page = list(&[], Some(&last), 4).await;
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    let foreign = devices::list(&site.store, &Tenant::new("other"), id, &[], None, 10).await;
    assert!(matches!(foreign, Err(StoreError::NotFound { .. })));
}

async fn intent(site: &crate::Site, id: pandaport_store::MappingId, device: &str) {
    site.sql(format!(
        "INSERT INTO intents (mapping_id, device_id, tenant, sync_id, fence, identifier, identifier_key, sent_time, next_look_time, payload) \
         VALUES ({}, '{device}', 'default', x'00', 1, 'I-{device}', 'i-{device}', 0, 0, '{{}}')",
        literal(id.0)
    ))
    .await;
}
