//! Generated users of the directory: drawn from the seed, three for every five devices.

use super::hash::{Draw, uuid_like};
use super::pools::{DEPARTMENTS, FAMILY, GIVEN};
use super::time::{Form, Micros, NOW, push_time};
use crate::json::Object;

/// Devices per block; a block's devices belong to the block's own users, so that neither depends on the
/// size of the fleet.
pub(super) const BLOCK_DEVICES: u32 = 5;
/// Users per block.
pub(super) const BLOCK_USERS: u32 = 3;
/// The old integer id of the first user.
pub(super) const FIRST_OLD_ID: u64 = 40_101;
/// How ids leave room between neighbours.
const ID_SHIFT: u32 = 11;

/// One generated user.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) index: u32,
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) given: &'static str,
    pub(crate) family: &'static str,
    pub(crate) active: bool,
    pub(crate) archived: bool,
}

impl Person {
    /// The user at `index` of the directory with this seed.
    pub(crate) fn generate(seed: u64, index: u32) -> Self {
        let draw = Draw::of(seed ^ 0x75_7365_7273, index.into());
        let given = draw.pick(1, GIVEN);
        let family = draw.pick(2, FAMILY);
        let archived = draw.percent(3, 5);
        Self {
            index,
            id: uuid_like((index + 1) << ID_SHIFT, draw.bits(4), draw.bits(5)),
            email: format!("{}.{}.{index}@example.com", given.1, family.1),
            given: given.0,
            family: family.0,
            active: !archived && !draw.percent(6, 4),
            archived,
        }
    }

    /// The index a generated user's id speaks of; whether it is that user's id is for the caller to check.
    pub(crate) fn index_of(id: &str) -> Option<u32> {
        let prefix = u32::from_str_radix(id.get(..8)?, 16).ok()?;
        (prefix >> ID_SHIFT).checked_sub(1)
    }

    pub(crate) fn old_id(&self) -> u64 {
        FIRST_OLD_ID + u64::from(self.index)
    }

    /// The user as `/users` shows it.
    pub(crate) fn to_object(&self, seed: u64, device_count: usize) -> Object {
        let draw = Draw::of(seed ^ 0x6a6f_6273, self.index.into());
        let department = draw.pick(1, DEPARTMENTS);
        let created = (NOW - 86_400 * (30 + draw.below(2, 900)).cast_signed()) * 1_000_000;
        let time = |micros: i64| {
            let mut out = String::new();
            push_time(&mut out, Micros(micros), Form::Z);
            out
        };
        let mut user = Object::default();
        user.set("active", self.active);
        user.set("archived", self.archived);
        user.set("created_at", time(created + 304_248));
        user.set("department", department);
        user.set("deprecated_user_id", self.old_id().to_string());
        user.set("email", &self.email);
        user.set("id", &self.id);
        user.set("integration", integration());
        user.set("job_title", department.map(|name| format!("{name} specialist")));
        user.set("name", format!("{} {}", self.given, self.family));
        user.set("device_count", device_count);
        user.set("updated_at", time(NOW * 1_000_000 - 304_280));
        user
    }
}

/// The directory that all users come from.
pub(super) fn integration() -> Object {
    let mut integration = Object::default();
    integration.set("id", 634);
    integration.set("name", "example-directory");
    integration.set("uuid", "e4631b55-3fde-45b4-a886-904732dce811");
    integration.set("type", "office365");
    integration
}
