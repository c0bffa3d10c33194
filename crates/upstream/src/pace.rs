//! Short limits, such as 50 calls a second, kept inside one process: a caller waits its turn.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::limits::Limit;

/// Lets at most so many callers through in any window, in the order in which they came.
pub(crate) struct Pace {
    /// Locked while waiting: its queue is the order of the callers.
    passed: Mutex<Passed>,
}

impl Pace {
    pub(crate) fn new(limit: Limit) -> Self {
        Self { passed: Mutex::new(Passed::new(limit)) }
    }

    /// Waits until one more call is allowed. The wait is short: callers that can wait at all are bounded by what a
    /// process has in flight.
    pub(crate) async fn pass(&self) {
        let mut passed = self.passed.lock().await;
        // The time is looked at again after each wait: a late timer must not let a later window hold too many.
        while let Err(wait) = passed.pass(Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }
}

/// The last callers that were let through.
struct Passed {
    calls: usize,
    window: Duration,
    /// At most `calls` of them, oldest first.
    times: VecDeque<Instant>,
}

impl Passed {
    fn new(limit: Limit) -> Self {
        Self {
            calls: limit.calls as usize,
            // The server counts when a call arrives: one may take a little longer on its way than the next.
            window: limit.window + limit.window / 20,
            times: VecDeque::new(),
        }
    }

    /// Lets one through at `now`, or says how long to wait.
    fn pass(&mut self, now: Instant) -> Result<(), Duration> {
        if self.times.len() >= self.calls
            && let Some(oldest) = self.times.front()
        {
            let wait = (*oldest + self.window).saturating_duration_since(now);
            if !wait.is_zero() {
                return Err(wait);
            }
            self.times.pop_front();
        }
        self.times.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_16_no_short_window_holds_more_than_the_limit_however_it_is_laid() {
        let window = Duration::from_secs(1);
        let mut passed = Passed::new(Limit { calls: 5, window });
        let start = Instant::now();
        let mut now = start;
        let mut times = Vec::new();
        for at in 0..200_u32 {
            now += Duration::from_millis(u64::from(at * 37 % 151));
            if let Err(wait) = passed.pass(now) {
                now += wait;
                assert_eq!(passed.pass(now), Ok(()), "the wait was long enough");
            }
            times.push(now);
        }
        for calls in times.windows(6) {
            assert!(calls[5] - calls[0] > window, "{:?}", calls[5] - calls[0]);
        }
        let used = times.len() as u128 * 200 * 100 / (now - start).as_millis();
        assert!(used >= 85, "the limit is used to {used} % only");
    }

    #[tokio::test]
    async fn a_caller_below_the_limit_does_not_wait() {
        let pace = Pace::new(Limit { calls: 3, window: Duration::from_secs(600) });
        for _ in 0..3 {
            pace.pass().await;
        }
    }
}
