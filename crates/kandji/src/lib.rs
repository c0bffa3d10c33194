//! The Kandji (Iru Endpoint) API, as far as an import needs it: devices, users, and a probe of details.
//!
//! Kandji is read-only by construction: every request is made from a private list of things that can be *got*, in one
//! place, with the method GET.
//!
//! [`KandjiHost`] is the customer's API host, from whatever an admin pasted. [`KandjiClient`] makes the calls.
//! [`Crawl`] decides, without any I/O, which pages to ask for and when a read of the whole fleet is complete.
//!
//! Comments that say "contract 3.4" name a section of the fact sheet this client was built from.

mod client;
mod crawl;
mod device;
mod entry;
mod get;
mod host;
mod page;
mod presence;
mod time;
mod users;
mod wire;

pub use client::KandjiClient;
pub use crawl::{Crawl, CrawlState, Taken};
pub use device::{Device, User};
pub use entry::{DevicePage, PageEntry, Unreadable};
pub use get::DeviceMatch;
pub use host::{API_HOSTS, HostError, KandjiHost};
pub use presence::Presence;
pub use users::{DirectoryUser, UsersPage};

/// The largest page of devices or users Kandji gives (contract 3.1 and 9.1).
pub const LARGEST_PAGE: u32 = 300;
