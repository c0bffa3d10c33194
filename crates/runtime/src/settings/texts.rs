//! The error of a single value.

use thiserror::Error;

/// Why a text is no such value: a sentence that says what to write. The text itself is left to whoever
/// reports it, for it may be a secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
