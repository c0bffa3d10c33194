//! All the programs of Pandaport: `pandaport` ([`cli`]), `pandaport-control-plane` ([`control_plane`]), `pandaport-worker`
//! ([`worker`]) and `pandaport-sandbox` ([`sandbox`]). Each `main` is in the module of its name.

pub mod cli;
pub mod client;
pub mod console;
pub mod control_plane;
pub mod demo;
pub mod error;
pub mod migrate;
mod process;
mod program;
mod relocate;
pub mod sandbox;
pub mod show;
pub mod up;
pub mod view;
pub mod worker;
