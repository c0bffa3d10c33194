//! What the worker keeps while it works a slice of a sync.
//!
//! Everything here works by sync id under the fence (rule 7): [`Store::begin_slice`] raises it, and every later write
//! carries it in [`Slice::guard`]. A write whose fence is no longer the row's answers [`StoreError::FenceLost`] and
//! changes nothing. What a write changes about single devices is a list of [`Op`]s, applied with the progress of the
//! sync in one transaction by [`Store::commit`].
//!
//! [`Store`]: crate::Store
//! [`Store::begin_slice`]: crate::Store::begin_slice
//! [`Store::commit`]: crate::Store::commit
//! [`StoreError::FenceLost`]: crate::StoreError::FenceLost

mod apply;
mod batches;
mod brake;
mod commit;
mod decide;
mod intents;
pub(crate) mod leftovers;
mod link_rows;
mod lookups;
mod op;
mod read;
mod record_rows;
mod rehearsal;
mod removal;
pub(crate) mod rivals;
pub(crate) mod slice;
mod standing;

pub use apply::ReadyRow;
pub use brake::{BrakeGroup, HeldRow, Item, ItemStep};
pub use decide::{Holder, LinkRow, UndecidedRow};
pub use intents::IntentRow;
pub use leftovers::drop_leftovers;
pub use lookups::LookupRow;
pub use op::{Intent, LinkPut, Op, Rejection, Step};
pub use read::{AtOnce, NarrowLink, PageState, PageWrite, PlannedRow, SeenDevice};
pub use rehearsal::{Differing, Shown};
pub use removal::{Conclusion, Due, RemovalRow};
pub use rivals::ClaimRow;
pub use slice::{CountDeltas, Ending, Guard, Origin, Progress, Slice, SliceRow, Wait};
pub use standing::{LeftOut, Standing};

/// A link's flags, as they stand in its narrow row.
pub mod flag {
    /// It has a record in Asset Panda.
    pub const LINKED: i64 = 1;
    /// An update was sent and not confirmed: it is sent again whatever the diff says (rule 4).
    pub const DIRTY: i64 = 2;
    /// Its values were refused: not sent again until they change (rule 5).
    pub const QUARANTINED: i64 = 4;
    /// Rejected last time for a reason that is looked at anew in each sync.
    pub const REJECTED: i64 = 8;
    /// Kandji lists the device with `is_removed`.
    pub const REMOVED: i64 = 16;
    /// The mapping's filter leaves the device out.
    pub const FILTERED: i64 = 32;
    /// The removal policy has marked the record (rule 10).
    pub const MARKED: i64 = 64;
    /// Asset Panda has said that the record is deleted; the brake holds its making anew (rule 11).
    pub const MISSING: i64 = 128;
    /// Gone, and left as it is: the policy deletes only records that we created, and it has been listed (rule 10).
    pub const LEFT: i64 = 256;
    /// A mark was sent and is not confirmed: it may stand in the record (rule 10).
    pub const MARKING: i64 = 512;

    /// The filter leaves the device out for being listed as removed, and for nothing else: another device id of the same
    /// machine may have its record (rule 12).
    pub const OUT_AS_REMOVED: i64 = 1024;

    /// What READ keeps current, and nobody else touches. In SQL: 1072.
    pub const OF_READ: i64 = REMOVED | FILTERED | OUT_AS_REMOVED;
}
