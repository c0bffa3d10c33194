//! What an import is.
