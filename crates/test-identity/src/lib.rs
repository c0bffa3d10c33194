//! Certificates and tokens for tests: an authority with what it signs, an issuer's keys with theirs.
//!
//! For tests only: whatever goes wrong here is a panic.

#![allow(clippy::unwrap_used)]

mod certificates;
mod tokens;

pub use certificates::{Authority, Leaf, Subject};
pub use tokens::{SigningKey, claims, jwks, kubernetes_claims};
