//! Time, passed in.

use std::time::Instant;

use jiff::Timestamp;

/// Where the worker takes the time from.
pub trait Clock: Send + Sync {
    /// The present by the wall clock.
    fn now(&self) -> Timestamp;
    /// The present by a clock that never steps, and goes on while the process is stopped.
    fn monotonic(&self) -> Instant;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}
