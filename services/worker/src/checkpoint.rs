//! Where a sync stands between two slices, beside what its rows say.

use pandaport_import::Column;
use pandaport_kandji::Crawl;
use serde::{Deserialize, Serialize};

/// Kept as JSON in the sync row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The mapped columns as SCHEMA found them.
    #[serde(default)]
    pub(crate) columns: Vec<Column>,
    /// How far `/users` has been read.
    #[serde(default)]
    pub(crate) users: Users,
    /// How far the devices have been read; unset before the first page and once the read is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crawl: Option<Crawl>,
    /// Why the read is incomplete, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) incomplete: Option<String>,
    /// Entries of the list of which nobody can say whose they are: any device that was not read may be theirs.
    #[serde(default)]
    pub(crate) unnamed: u64,
    /// Devices planned only because their PASSENGER columns are due.
    #[serde(default)]
    pub(crate) passengers: u64,
    /// The fleet was read to its end, and there is nobody in it.
    #[serde(default)]
    pub(crate) fleet_is_empty: bool,
    /// Whether the removals that are due have been listed.
    #[serde(default)]
    pub(crate) removals_listed: bool,
    /// The brake holds more than, or other than, what was approved.
    #[serde(default)]
    pub(crate) held_moved: bool,
    /// Whether rivals for one identifier have been settled.
    #[serde(default)]
    pub(crate) rivals_settled: bool,
    /// How far a sync that applies a shown plan has come.
    #[serde(default)]
    pub(crate) rehearsal: Rehearsal,
    /// Where it stood when it began to rehearse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before_rehearsal: Option<Box<Checkpoint>>,
}

/// How far `/users` has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Users {
    /// Not begun.
    #[default]
    Unread,
    /// Up to this cursor.
    Until(String),
    /// All, or as much as there is to have: not mapped, or not permitted.
    Done,
}

/// How far a sync that applies a shown plan has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Rehearsal {
    /// The devices are being looked up, or their records copied.
    #[default]
    Before,
    /// It decides as the dry run did.
    Under,
    /// Nothing has moved: the records are being put back.
    Over,
    /// All that is decided now is in earnest.
    Agreed,
}
