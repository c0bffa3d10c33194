//! Whole syncs: the worker on a real SQLite file against the real sandbox, in one process.
#![allow(clippy::unwrap_used)]

mod bench;
mod brake;
mod clock;
mod created_by_us;
mod deleted;
mod drift;
mod harness;
mod histories;
mod history;
mod identifiers;
mod journey;
mod mapping_changes;
mod plan_of;
mod quarantine;
mod removal;
mod standing;
mod unanswerable;
mod upstream;
mod write_rules;
