//! The service as its callers see it: over a real socket, on a real database, in front of the sandbox. No worker runs.

#![allow(clippy::unwrap_used)]

mod access;
mod alerts;
mod audit;
mod connections;
mod delete;
mod guarded;
mod held;
mod house;
mod limits;
mod mappings;
mod plan_of;
mod schedules;
mod serving;
mod status;
mod suggest;
mod syncs;
mod test_connection;
mod tls;
mod update_mapping;
