//! The sandbox as its users see it: over HTTP, from outside.
#![allow(clippy::unwrap_used)]

mod asset_panda;
mod client;
mod control;
mod docs;
mod faults_asset_panda;
mod faults_kandji;
mod kandji;
