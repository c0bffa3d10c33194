//! A page of the device list.

use crate::Device;

/// One page of the device list, in the order it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DevicePage {
    /// Devices, and what should have been some.
    pub entries: Vec<PageEntry>,
    /// `X-Total-Count`, where it is sent (contract 3.2).
    pub total: Option<u64>,
}

impl DevicePage {
    /// What [`crate::Crawl::accept`] takes.
    pub fn identities(&self) -> Vec<&str> {
        self.entries.iter().map(PageEntry::identity).collect()
    }
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageEntry {
    /// A device.
    Device(Box<Device>),
    /// An entry that cannot be read as one. It is reported and skipped; it never stops a sync.
    Unreadable(Unreadable),
}

/// An entry that cannot be read as a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its device id, where that much could be read.
    pub device_id: Option<String>,
    /// Its serial number, where that much could be read.
    pub serial_number: Option<String>,
    /// What is wrong, with the name of the field.
    pub reason: String,
    /// What overlapping pages compare: the device id, else something made of the rest of the entry.
    pub identity: String,
}

impl PageEntry {
    /// What tells this entry from the others, and what overlapping pages compare.
    pub fn identity(&self) -> &str {
        match self {
            Self::Device(device) => &device.device_id,
            Self::Unreadable(unreadable) => &unreadable.identity,
        }
    }
}
