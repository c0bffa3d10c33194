//! Runs syncs.
