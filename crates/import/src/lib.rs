//! What an import is: which fields Kandji has, how a value is written into a column, and what one sync has to do with
//! one device.
//!
//! Everything here is pure. There is no clock, network, disk or async: plain values in, plain values out, so that each
//! rule of a sync can be tested exactly. The way of a device through the crate:
//!
//! 1. [`check`] says whether a mapping fits the columns of its collection.
//! 2. [`Projector`] turns a device into a [`Projection`]: its values in the written form of the mapped columns. For a
//!    device that did not change, [`Projector::fingerprint`] is enough and builds nothing.
//! 3. [`settle`] picks one of several devices that claim the same identifier.
//! 4. [`decide`] compares the projection with what we know ([`Baseline`], [`Forms`]) and what was read
//!    ([`FoundRecord`]), and returns a [`Decision`].
//! 5. After the write is confirmed, [`Baseline::confirmed`] says what to remember.

mod baseline;
mod catalogue;
mod cell;
mod change;
mod check;
mod column;
mod compare;
mod decide;
mod duplicates;
mod fingerprint;
mod forms;
mod given;
mod identifier;
mod mapping;
mod not_imported;
mod number;
mod passenger;
mod policy;
mod projection;
mod reasons;
mod source;
mod suggest;
#[cfg(test)]
mod support;
mod time;
mod value;

pub use baseline::{Baseline, BaselineCell};
pub use catalogue::{Fitness, SourceField, ValueType};
pub use cell::{Cell, CellSpec};
pub use change::{Change, Difference};
pub use check::{CheckReason, Checked, Finding, check, moved, renamed};
pub use column::{Column, ColumnType};
pub use compare::{is_empty, same};
pub use decide::{Case, Decision, FoundRecord, LinkedCase, Mode, decide, edited_by_others, needs_look_up};
pub use duplicates::{Claim, Loser, Settled, settle, winner};
pub use fingerprint::Fingerprint;
pub use forms::{Form, Forms};
pub use given::given_value;
pub use identifier::{Identifier, identifier_key};
pub use mapping::{DEFAULT_PASSENGER_MAX_AGE, DEFAULT_TAG_SEPARATOR, IdentifierPair, MappingSpec, Pair, WriteRule};
pub use not_imported::NotImported;
pub use passenger::passenger_due;
pub use policy::{Brake, DEFAULT_MIN_ABSENCE, Filter, LeftOut, OnFiltered, RemovalAction, RemovalPolicy, is_removed};
pub use projection::{Fingerprinted, Projection, Projector, record_values};
pub use reasons::RejectReason;
pub use source::{Source, SourceValue};
pub use suggest::{Confidence, Proposal, Suggestion, Unplaced, suggest};
