//! ListDevices: what a mapping knows of its devices.

use pandaport_api::v1 as proto;
use pandaport_import::{MappingSpec, RemovalAction};
use pandaport_store::devices::{self, DeviceFilter};
use pandaport_store::{MappingId, StoreError, mappings};

use crate::control_plane::{Caller, ControlPlane};
use crate::convert;
use crate::errors::Result;
use crate::paging::Page;
use crate::standing;
use crate::validate::Violations;

impl ControlPlane {
    pub(crate) async fn list_devices(
        &self,
        caller: &Caller,
        request: proto::ListDevicesRequest,
    ) -> Result<proto::ListDevicesResponse> {
        let mut violations = Violations::default();
        let bare = proto::ListDevicesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let page = Page::read(&mut violations, "ListDevices", &bare, request.page_size, &request.page_token);
        let mapping_id = MappingId(violations.id("mapping_id", &request.mapping_id));
        let states = violations.filter("states", &request.states, convert::stored_device_state);
        violations.check()?;

        let after = page.after.as_deref();
        let limit = page.rows_to_read();
        let spec = self.spec(caller, mapping_id).await?;
        let filter = DeviceFilter { states: &states, removed_is_gone: removed_is_gone(&spec) };
        let mut rows = devices::list(&self.store, &caller.tenant, mapping_id, filter, after, limit).await?;
        let next_page_token = page.cut(&mut rows, |row| row.device_id.clone());
        let devices = rows
            .into_iter()
            .map(|row| {
                let told = standing::told(&row, &spec);
                convert::device(row, told)
            })
            .collect();
        Ok(proto::ListDevicesResponse { devices, next_page_token })
    }

    /// What a mapping says now.
    pub(crate) async fn spec(&self, caller: &Caller, mapping_id: MappingId) -> Result<MappingSpec> {
        let mapping = mappings::get(&self.store, &caller.tenant, mapping_id).await?;
        let spec = mappings::spec(&self.store, &caller.tenant, mapping_id, mapping.revision).await?;
        Ok(serde_json::from_str(&spec).map_err(|error| StoreError::corrupt("mapping", error))?)
    }
}

/// Whether the removal policy acts on devices that Kandji lists as removed.
pub(crate) fn removed_is_gone(spec: &MappingSpec) -> bool {
    spec.removal_policy.action != RemovalAction::Leave
}
