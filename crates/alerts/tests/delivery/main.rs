//! Alerts, from the row that waits to a receiver on a socket.

#![allow(clippy::unwrap_used)]

mod deliveries;
mod receiver;
mod site;
