//! The one way out over HTTP.
