//! Kandji API client.
