//! Whole syncs: the worker on a real SQLite file against the real sandbox, in one process.
#![allow(clippy::unwrap_used)]

mod bench;
mod brake;
mod clock;
mod harness;
mod identifiers;
mod journey;
mod mapping_changes;
mod removal;
mod standing;
