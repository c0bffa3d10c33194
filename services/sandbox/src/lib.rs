//! Stand-ins for the Kandji and Asset Panda Pro APIs.
mod faults;
mod fleet;
mod json;
mod server;
mod traffic;
pub use faults::Faults;
pub use fleet::FleetSpec;
