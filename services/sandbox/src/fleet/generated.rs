//! A generated device as values, before it is written as JSON.

use std::borrow::Cow;

use super::time::Micros;

/// One generated device, before it is written as JSON.
#[derive(Clone, Debug)]
pub(crate) struct Generated {
    pub(crate) device_id: String,
    pub(crate) device_name: String,
    pub(crate) model: Cow<'static, str>,
    pub(crate) serial_number: String,
    pub(crate) platform: &'static str,
    pub(crate) os_version: Cow<'static, str>,
    pub(crate) build: Cow<'static, str>,
    pub(crate) os_extra: &'static str,
    pub(crate) security_patch_level: &'static str,
    pub(crate) last_check_in: Option<Micros>,
    /// The index of the user it is assigned to.
    pub(crate) user: Option<u32>,
    pub(crate) asset_tag: String,
    pub(crate) blueprint: usize,
    pub(crate) mdm_enabled: bool,
    pub(crate) agent_installed: bool,
    pub(crate) is_missing: bool,
    pub(crate) is_removed: bool,
    pub(crate) agent_version: Cow<'static, str>,
    pub(crate) first_enrollment: Micros,
    pub(crate) last_enrollment: Micros,
    pub(crate) lost_mode: bool,
    pub(crate) full_software_version: &'static str,
    pub(crate) tags: Vec<Cow<'static, str>>,
}
