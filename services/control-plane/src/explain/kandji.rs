//! What Kandji says of a device, asked now: one or two GETs of the list, with a filter.

use pandaport_kandji::{Device, DeviceMatch, KandjiClient, PageEntry};
use pandaport_outbound::SendError;

/// What Kandji says of a device.
#[derive(Debug)]
pub(super) enum Live {
    /// It lists it.
    Listed(Box<Device>),
    /// It does, with an entry that can't be read; what is wrong with it.
    Unreadable(String),
    /// It does not.
    NotListed,
    /// It could not be asked.
    NotKnown(SendError),
}

impl Live {
    /// The device with this id, asked for by it.
    pub(super) async fn by_id(kandji: &KandjiClient, device_id: &str) -> Self {
        match kandji.matching(DeviceMatch::DeviceId(device_id)).await {
            Ok(entries) => Self::among(entries, device_id),
            Err(error) => Self::NotKnown(error),
        }
    }

    /// The device with this id among what a filter found: a filter that was not heeded finds others.
    pub(super) fn among(entries: Vec<PageEntry>, device_id: &str) -> Self {
        for entry in entries {
            match entry {
                PageEntry::Device(device) if device.device_id == device_id => return Self::Listed(device),
                PageEntry::Unreadable(entry) if entry.device_id.as_deref() == Some(device_id) => {
                    return Self::Unreadable(entry.reason);
                }
                _ => {}
            }
        }
        Self::NotListed
    }
}

/// Devices with just this serial number.
pub(super) async fn with_serial(kandji: &KandjiClient, serial: &str) -> Result<Vec<PageEntry>, SendError> {
    let mut entries = kandji.matching(DeviceMatch::SerialNumber(serial)).await?;
    entries.retain(|entry| match entry {
        PageEntry::Device(device) => device.serial_number.value().is_some_and(|it| it == serial),
        PageEntry::Unreadable(entry) => entry.device_id.is_some() && entry.serial_number.as_deref() == Some(serial),
    });
    Ok(entries)
}
