//! Whole syncs: the worker on a real SQLite file against the real sandbox, in one process.
#![allow(clippy::unwrap_used)]

mod bench;
mod brake;
mod harness;
mod histories;
mod journey;
mod removal;
mod standing;
