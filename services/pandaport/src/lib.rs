//! All the programs of Pandaport.

pub mod client;
pub mod console;
pub mod error;
pub mod show;
pub mod view;
