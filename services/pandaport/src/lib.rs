//! All the programs of Pandaport.

pub mod cli;
pub mod client;
pub mod console;
pub mod error;
mod program;
pub mod show;
pub mod view;
