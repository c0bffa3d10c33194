//! GetStatus: how the installation does.

use pandaport_api::v1 as proto;
use pandaport_store::{Micros, Store, connections, mappings, syncs, workers};

use crate::control_plane::{Caller, ControlPlane};
use crate::convert;
use crate::errors::Result;
use crate::syncs::WORKER_SILENCE;

impl ControlPlane {
    pub(crate) async fn get_status(
        &self,
        caller: &Caller,
        _request: proto::GetStatusRequest,
    ) -> Result<proto::GetStatusResponse> {
        let (store, tenant) = (&self.store, &caller.tenant);
        let now = Micros::now();
        let alive = workers::alive(store, now.minus(WORKER_SILENCE)).await?;
        let depth = self.queue.depth(now).await?;
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(proto::GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema_version: convert::count(store.schema_version().await?),
            made_for_schema_version: convert::count(Store::wanted_schema_version()),
            workers: alive
                .into_iter()
                .map(|it| proto::WorkerStatus {
                    start_time: Some(convert::time(it.start_time)),
                    last_seen_time: Some(convert::time(it.beat_time)),
                })
                .collect(),
            queue: Some(proto::QueueStatus {
                waiting: small(depth.waiting),
                running: small(depth.running),
                oldest_age: Some(convert::duration(depth.age)),
            }),
            tenant: Some(proto::TenantStatus {
                connections: convert::count(connections::count(store, tenant).await?),
                mappings: convert::count(mappings::count(store, tenant).await?),
                active_syncs: convert::count(syncs::count_active(store, tenant).await?),
            }),
            time: Some(convert::time(now)),
        })
    }
}
