//! The time that processes share.

use std::time::Instant;

use jiff::Timestamp;

/// Tells the time against which shared budgets are reckoned. Passed in, so that tests need not wait and a
/// program may use its database's time.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> Timestamp;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// One moment by both clocks: the one that processes share, and this process's own, which is never set back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    pub(crate) monotonic: Instant,
}
