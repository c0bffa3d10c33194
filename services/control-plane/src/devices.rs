//! ListDevices: what a mapping knows of its devices.

use pandaport_api::v1 as proto;
use pandaport_store::{MappingId, devices};

use crate::control_plane::{Caller, ControlPlane};
use crate::convert;
use crate::errors::Result;
use crate::paging::Page;
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
        let filtered = i32::from(proto::DeviceState::Filtered);
        if let Some(at) = request.states.iter().position(|state| *state == filtered) {
            violations.not_built(format!("states[{at}]"), "Filters are not part of this version yet.");
        }
        let others: Vec<i32> = request.states.iter().copied().filter(|state| *state != filtered).collect();
        let states = violations.filter("states", &others, convert::stored_device_state);
        violations.check()?;

        let after = page.after.as_deref();
        let limit = page.rows_to_read();
        let mut rows = devices::list(&self.store, &caller.tenant, mapping_id, &states, after, limit).await?;
        let next_page_token = page.cut(&mut rows, |row| row.device_id.clone());
        let devices = rows.into_iter().map(convert::device).collect();
        Ok(proto::ListDevicesResponse { devices, next_page_token })
    }
}
