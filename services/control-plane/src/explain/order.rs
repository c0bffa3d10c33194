//! Stored devices with their values in the present order of the mapping's pairs, whatever order they were written in.

use pandaport_import::{Baseline, MappingSpec};
use pandaport_store::device_detail::{self, By, DeviceDetail};
use pandaport_store::{MappingId, StoreError};

use crate::control_plane::ControlPlane;
use crate::errors::{CallError, Result};

impl ControlPlane {
    /// Devices of a mapping that the name fits. `order` are its columns ([`MappingSpec::column_order`]).
    pub(super) async fn details(
        &self,
        mapping_id: MappingId,
        order: &[&str],
        by: By<'_>,
        removed_is_gone: bool,
    ) -> Result<Vec<DeviceDetail>> {
        let mut details = device_detail::find(&self.store, mapping_id, by, removed_is_gone).await?;
        for detail in &mut details {
            if let (Some(cells), Some(written_as)) = (&detail.cells, &detail.written_as) {
                detail.cells = Some(in_present_order(cells, written_as, order)?);
            }
        }
        Ok(details)
    }
}

fn in_present_order(cells: &str, written_as: &str, order: &[&str]) -> Result<String> {
    let corrupt = |error| CallError::from(StoreError::corrupt("link", error));
    let before: MappingSpec = serde_json::from_str(written_as).map_err(corrupt)?;
    let baseline: Baseline = serde_json::from_str(cells).map_err(corrupt)?;
    let written: Vec<String> = before.column_order().map(ToOwned::to_owned).collect();
    serde_json::to_string(&baseline.realigned(&written, order.iter().copied())).map_err(corrupt)
}
