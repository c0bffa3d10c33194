//! Pandaport end to end: its programs as processes, real sockets, a real database, against the sandbox.
//!
//! Each test starts what it needs, on ports of its own, in a folder of its own. Start at `harness/`.

#![allow(clippy::unwrap_used)]

mod access;
mod adoption;
mod alerts;
mod backup;
mod budgets;
mod calls;
mod command_line;
mod crashes;
mod database_away;
mod demo;
mod examples;
mod explain;
mod faults;
mod frozen;
mod growth;
mod guarantees;
mod harness;
mod lost_answers;
mod many_processes;
mod many_workers;
mod moved;
mod outages;
mod pages;
mod refusals;
mod rejections;
mod removals;
mod rivals;
mod schedule;
mod searches;
mod secrets;
mod shutdown;
mod triggers;
mod workers;
mod write_rules;
