//! The fault suite: each fault is tried against a first import and against a sync with changes, with the real programs,
//! and held against the truth table (`harness/truth.rs`). Other faults have files of their own beside this folder:
//! `crashes.rs`, `frozen.rs`, `shutdown.rs`, `lost_answers.rs`, `pages.rs`, `refusals.rs`, `budgets.rs`.

mod answers;
mod disk;
mod fleet;
mod network;
mod search;
mod stops;
mod triggers;
mod withdrawn;
