//! Rate limits: fixed windows by the clock for Kandji, any window for Asset Panda.

use std::collections::VecDeque;

/// Kandji's gateway counts by the clock's seconds and hours.
#[derive(Debug, Default)]
pub(crate) struct FixedWindows {
    second: (u64, u64),
    hour: (u64, u64),
}

/// What the windows say to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    pub(crate) left_second: u64,
    pub(crate) left_hour: u64,
    /// The limit, what is left and the seconds to its end, of the window with least left.
    pub(crate) tightest: (u64, u64, u64),
}

impl FixedWindows {
    /// Counts a call at this second since 1970, if both windows let it through.
    pub(crate) fn take(&mut self, now: u64, per_second: u64, per_hour: u64) -> Verdict {
        if self.second.0 != now {
            self.second = (now, 0);
        }
        if self.hour.0 != now / 3_600 {
            self.hour = (now / 3_600, 0);
        }
        let allowed = self.second.1 < per_second && self.hour.1 < per_hour;
        if allowed {
            self.second.1 += 1;
            self.hour.1 += 1;
        }
        let left_second = per_second.saturating_sub(self.second.1);
        let left_hour = per_hour.saturating_sub(self.hour.1);
        let tightest = if left_hour < left_second {
            (per_hour, left_hour, 3_600 - now % 3_600)
        } else {
            (per_second, left_second, 1)
        };
        Verdict { allowed, left_second, left_hour, tightest }
    }
}

/// At most so many calls in any window of a length, however it is laid.
#[derive(Debug, Default)]
pub(crate) struct SlidingWindow(VecDeque<u64>);

impl SlidingWindow {
    /// Counts a call at this millisecond, or says in how many milliseconds one fits again.
    pub(crate) fn take(&mut self, now_ms: u64, limit: u64, window_ms: u64) -> Result<(), u64> {
        while self.0.front().is_some_and(|at| at + window_ms <= now_ms) {
            self.0.pop_front();
        }
        if (self.0.len() as u64) < limit {
            self.0.push_back(now_ms);
            return Ok(());
        }
        // With a limit that was lowered meanwhile, more than one call must leave the window first.
        let leaves = self.0.len() - usize::try_from(limit).unwrap_or(0).min(self.0.len());
        let at = self.0.get(leaves).or(self.0.back()).copied().unwrap_or(now_ms);
        Err((at + window_ms).saturating_sub(now_ms).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_windows_begin_anew_with_the_clock() {
        let mut windows = FixedWindows::default();
        assert!(windows.take(7_199, 2, 3).allowed);
        assert_eq!(windows.take(7_199, 2, 3).tightest, (2, 0, 1));
        assert!(!windows.take(7_199, 2, 3).allowed);
        assert!(windows.take(7_200, 2, 3).allowed, "another second, and another hour");
        windows.take(7_200, 2, 3);
        assert!(windows.take(7_201, 2, 3).allowed);
        let refused = windows.take(7_202, 2, 3);
        assert!(!refused.allowed);
        assert_eq!(refused.tightest, (3, 0, 3_598));
    }

    #[test]
    fn a_sliding_window_never_holds_more_than_its_limit() {
        let mut window = SlidingWindow::default();
        assert_eq!(window.take(0, 2, 100), Ok(()));
        assert_eq!(window.take(60, 2, 100), Ok(()));
        assert_eq!(window.take(99, 2, 100), Err(1));
        assert_eq!(window.take(100, 2, 100), Ok(()));
        assert_eq!(window.take(101, 2, 100), Err(59));
        assert_eq!(window.take(101, 1, 100), Err(99), "a lowered limit waits for the second to leave");
    }
}
