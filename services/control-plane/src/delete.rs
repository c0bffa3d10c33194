//! Deleting mappings and connections. What they have written in Asset Panda stays as it is.

use pandaport_api::v1 as proto;
use pandaport_store::{ConnectionId, MappingId, Micros, SyncId, Tenant, Tx, connections, mappings};

use crate::control_plane::{Caller, ControlPlane};
use crate::errors::Result;
use crate::requests::Repeatable;
use crate::validate::Violations;
use crate::{convert, etag};

/// What a deletion comes to.
#[derive(Default)]
struct Gone {
    cancelled: Vec<SyncId>,
    left_behind: proto::LeftBehind,
}

impl ControlPlane {
    pub(crate) async fn delete_mapping(
        &self,
        caller: &Caller,
        request: proto::DeleteMappingRequest,
    ) -> Result<proto::DeleteMappingResponse> {
        let mut violations = Violations::default();
        let id = MappingId(violations.id("mapping_id", &request.mapping_id));
        etag::read(&mut violations, &request.etag);
        let repeatable = self.repeatable(&mut violations, caller, "DeleteMapping", &request.request_id, &request);
        violations.check()?;
        let delete = async {
            let mut tx = self.store.begin_write().await?;
            let row = mappings::get_in(&mut tx, &caller.tenant, id).await?;
            etag::check("mapping", &request.etag, &row.version.to_string())?;
            let mut gone = Gone::default();
            self.delete_one(&mut tx, &caller.tenant, id, request.cancel_syncs, &mut gone).await?;
            let answer = proto::DeleteMappingResponse {
                cancelled_sync_ids: ids(&gone.cancelled),
                left_behind: Some(gone.left_behind),
            };
            self.finish(tx, caller, &repeatable, &answer).await?;
            Ok(answer)
        };
        repeatable.once(Box::pin(delete)).await
    }

    pub(crate) async fn delete_connection(
        &self,
        caller: &Caller,
        request: proto::DeleteConnectionRequest,
    ) -> Result<proto::DeleteConnectionResponse> {
        let mut violations = Violations::default();
        let id = ConnectionId(violations.id("connection_id", &request.connection_id));
        etag::read(&mut violations, &request.etag);
        let repeatable = self.repeatable(&mut violations, caller, "DeleteConnection", &request.request_id, &request);
        violations.check()?;
        repeatable.once(Box::pin(self.delete_whole(caller, &repeatable, id, &request))).await
    }

    async fn delete_whole(
        &self,
        caller: &Caller,
        repeatable: &Repeatable,
        id: ConnectionId,
        request: &proto::DeleteConnectionRequest,
    ) -> Result<proto::DeleteConnectionResponse> {
        let tenant = &caller.tenant;
        let mut tx = self.store.begin_write().await?;
        // Locked: nobody adds a mapping meanwhile.
        let row = connections::get_in(&mut tx, tenant, id).await?;
        etag::check("connection", &request.etag, &row.version.to_string())?;
        let mut gone = Gone::default();
        let mut deleted = Vec::new();
        if request.delete_mappings {
            deleted = mappings::ids_in(&mut tx, tenant, id).await?;
            for mapping in &deleted {
                self.delete_one(&mut tx, tenant, *mapping, request.cancel_syncs, &mut gone).await?;
            }
        }
        connections::delete(&mut tx, tenant, id, Micros::now()).await?;
        let answer = proto::DeleteConnectionResponse {
            deleted_mapping_ids: ids(&deleted),
            cancelled_sync_ids: ids(&gone.cancelled),
            left_behind: Some(gone.left_behind),
        };
        self.finish(tx, caller, repeatable, &answer).await?;
        Ok(answer)
    }

    async fn delete_one(
        &self,
        tx: &mut Tx,
        tenant: &Tenant,
        id: MappingId,
        cancel_syncs: bool,
        gone: &mut Gone,
    ) -> Result<()> {
        let deleted = mappings::delete(tx, tenant, id, cancel_syncs, Micros::now()).await?;
        for sync in &deleted.ended {
            self.queue.cancel(tx, *sync).await?;
        }
        gone.cancelled.extend(deleted.ended);
        let left = &mut gone.left_behind;
        left.records = left.records.saturating_add(convert::count(deleted.linked));
        left.marked = left.marked.saturating_add(convert::count(deleted.marked));
        left.in_flight = left.in_flight.saturating_add(convert::count(deleted.in_flight));
        Ok(())
    }
}

fn ids<I: std::fmt::Display>(ids: &[I]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
