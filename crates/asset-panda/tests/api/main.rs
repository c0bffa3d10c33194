//! The client over real sockets, against every shape and failure that the API may show.
#![allow(clippy::unwrap_used)]

mod failures;
mod reads;
mod search;
mod support;
mod writes;
