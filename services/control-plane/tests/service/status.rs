//! GetStatus.

use pandaport_api::v1 as proto;
use pandaport_store::{Micros, workers};

use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_status_tells_of_workers_queue_and_what_is_the_callers() {
    let mut house = House::new().await;
    let empty = house.client.get_status(proto::GetStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(empty.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(empty.schema_version, empty.made_for_schema_version);
    assert!(empty.schema_version > 0 && empty.workers.is_empty());
    assert_eq!(empty.tenant, Some(proto::TenantStatus::default()));
    assert_eq!(empty.queue.unwrap().waiting, 0);

    house.mapped().await;
    // Another tenant's mapping is not counted; its job is: the queue is one for all.
    pandaport_test_database::run(&house.store, "UPDATE mappings SET tenant = 'other'").await;
    workers::beat(&house.store, "gone", Micros::now().minus(std::time::Duration::from_secs(60))).await.unwrap();
    workers::beat(&house.store, "alive", Micros::now()).await.unwrap();
    let status = house.client.get_status(proto::GetStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.workers.len(), 1, "one that has been silent for a minute is not counted on");
    assert_eq!(status.queue.unwrap().waiting, 1);
    let expected = proto::TenantStatus { connections: 1, mappings: 0, active_syncs: 1 };
    assert_eq!(status.tenant, Some(expected));
}
