//! The record that a device holds, or takes over.

use pandaport_import::{Baseline, Forms, LinkedCase};
use pandaport_store::StoreError;
use pandaport_store::device_detail::DeviceDetail;
use pandaport_store::engine::flag;

use crate::errors::Result;

/// A link as a decision needs it.
pub(super) struct Link {
    pub(super) record_id: String,
    pub(super) baseline: Baseline,
    pub(super) forms: Forms,
    pub(super) dirty: bool,
    /// The device that is gone, whose record is taken over; `None`: the device's own.
    pub(super) of: Option<String>,
}

impl Link {
    /// The device's own, if it has a record.
    pub(super) fn own(detail: &DeviceDetail) -> Result<Option<Self>> {
        let (Some(record_id), Some(cells), Some(forms)) = (&detail.device.record_id, &detail.cells, &detail.forms)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            record_id: record_id.clone(),
            baseline: serde_json::from_str(cells).map_err(|error| StoreError::corrupt("link", error))?,
            forms: serde_json::from_str(forms).map_err(|error| StoreError::corrupt("link", error))?,
            dirty: detail.device.flags & flag::DIRTY != 0,
            of: None,
        }))
    }

    /// That of a device which is gone (rule 12: re-enrolment).
    pub(super) fn taken_over(gone: &DeviceDetail) -> Result<Option<Self>> {
        let link = Self::own(gone)?;
        Ok(link.map(|link| Self { of: Some(gone.device.device_id.clone()), ..link }))
    }

    pub(super) fn case(&self) -> LinkedCase<'_> {
        LinkedCase { record_id: &self.record_id, baseline: &self.baseline, forms: &self.forms, dirty: self.dirty }
    }
}
