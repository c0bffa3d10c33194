//! `etag`: what was changed since it was read is not changed, or deleted, by accident.

use crate::errors::{CallError, Result};
use crate::limits::MAX_ETAG;
use crate::reason;
use crate::validate::Violations;

/// Checks an etag's form.
pub(crate) fn read(violations: &mut Violations, etag: &str) {
    violations.text("etag", etag, MAX_ETAG);
}

/// Refuses a call for `what` if it is not at the etag any more that the caller has read. An empty one is not looked at.
pub(crate) fn check(what: &str, etag: &str, present: &str) -> Result<()> {
    if etag.is_empty() || etag == present {
        return Ok(());
    }
    let message = format!("The {what} changed since it was read: read again, then repeat the call.");
    Err(CallError::Moved { reason: reason::ETAG_MISMATCH, message })
}
