//! A caller's own say before each attempt.

use pandaport_outbound::Denied;

/// Asked right before each attempt leaves, after any wait for the budget, and again when its bytes do. A worker puts its
/// deadline, its fence and its shutdown behind it.
pub trait Guard: Send + Sync {
    /// Whether an attempt may still leave now.
    ///
    /// # Errors
    /// [`Denied`], usually [`Denied::DeadlinePassed`]; the attempt is then not made.
    fn may_send(&self) -> Result<(), Denied>;
}
