//! What the Asset Panda Pro stand-in holds: its module, collections, columns and records, without the API before them.

mod defaults;
mod model;
mod records;

pub(crate) use defaults::panda;
pub(crate) use model::{Collection, Column, Panda, ulid_like};
pub(crate) use records::{Record, cells};
