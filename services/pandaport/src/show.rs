//! What people see: answers as tables and sentences. Pure, so that each can be looked at in a test.

pub mod alerts;
pub mod audit;
pub mod checks;
pub mod connection;
pub mod explain;
pub mod held;
pub mod mapping;
pub mod name;
mod policy;
pub mod progress;
pub mod record;
pub mod status;
pub mod suggestion;
pub mod sync;
pub mod table;
pub mod text;
pub mod time;
pub mod value;
