//! The phases of a sync (DESIGN 3), one file each.

pub(crate) mod apply;
mod batch;
pub(crate) mod brake;
mod confirm;
pub(crate) mod decide;
mod drift;
mod evidence;
pub(crate) mod lookup;
mod order;
pub(crate) mod plan_of;
pub(crate) mod read;
mod removal;
pub(crate) mod remove;
mod removed;
pub(crate) mod resolve;
pub(crate) mod schema;
pub(crate) mod settle;
mod shown;
mod standing;
pub(crate) mod users;
