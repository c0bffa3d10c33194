//! ListSyncRecords: what a sync has to do with each device.

use pandaport_api::v1 as proto;
use pandaport_store::{SyncId, records};

use crate::control_plane::{Caller, ControlPlane};
use crate::convert;
use crate::errors::Result;
use crate::paging::Page;
use crate::validate::Violations;

impl ControlPlane {
    pub(crate) async fn list_sync_records(
        &self,
        caller: &Caller,
        request: proto::ListSyncRecordsRequest,
    ) -> Result<proto::ListSyncRecordsResponse> {
        let mut violations = Violations::default();
        let bare = proto::ListSyncRecordsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let page = Page::read(&mut violations, "ListSyncRecords", &bare, request.page_size, &request.page_token);
        let sync_id = SyncId(violations.id("sync_id", &request.sync_id));
        let outcomes = violations.filter("outcomes", &request.outcomes, convert::stored_record_outcome);
        violations.check()?;

        let after = page.after.as_deref();
        let limit = page.rows_to_read();
        let mut rows = records::list(&self.store, &caller.tenant, sync_id, &outcomes, after, limit).await?;
        let next_page_token = page.cut(&mut rows, |row| row.device_id.clone());
        let records = rows.into_iter().map(convert::record).collect::<Result<_>>()?;
        Ok(proto::ListSyncRecordsResponse { records, next_page_token })
    }
}
