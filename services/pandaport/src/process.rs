//! What the processes that serve are made of: `pandaport up`, `pandaport-control-plane`, `pandaport-worker`.

pub(crate) mod access;
pub(crate) mod admin;
pub(crate) mod base;
pub(crate) mod keys;
pub(crate) mod presence;
pub(crate) mod ready_file;
pub(crate) mod settings;
pub(crate) mod steps;
pub(crate) mod stop;

/// The version that every program tells.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
