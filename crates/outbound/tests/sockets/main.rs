//! Calls over real sockets on loopback: what a misbehaving API looks like to a caller.
#![allow(clippy::unwrap_used)]

mod bodies;
mod faults;
mod permits;
mod retries;
mod secrets;
mod support;
