//! When a counted fault strikes.

use super::switch::switches;

/// What decides which of the calls are struck.
pub(crate) trait Schedule {
    /// Which calls count: a name of [`crate::traffic::Operation`], `write`, or `any`.
    fn on(&self) -> &str;
    /// How many calls pass untouched at first.
    fn after(&self) -> u64;
    /// Every how many calls it strikes from then on.
    fn every(&self) -> u64;
    /// How often it strikes at most.
    fn count(&self) -> Option<u64>;
}

/// How far a counted fault has come.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Progress {
    /// Calls that counted.
    pub(crate) seen: u64,
    /// Calls that were struck.
    pub(crate) fired: u64,
}

impl Progress {
    /// Counts one call, and says whether it is struck.
    pub(crate) fn strikes(&mut self, after: u64, every: u64, count: Option<u64>) -> bool {
        self.seen += 1;
        let turn = self.seen > after && (self.seen - after).is_multiple_of(every.max(1));
        let strikes = turn && count.is_none_or(|most| self.fired < most);
        if strikes {
            self.fired += 1;
        }
        strikes
    }
}

macro_rules! schedule {
    ($($name:ty),+) => { $(
        impl $crate::faults::trigger::Schedule for $name {
            fn on(&self) -> &str { &self.on }
            fn after(&self) -> u64 { self.after }
            fn every(&self) -> u64 { self.every }
            fn count(&self) -> Option<u64> { self.count }
        }
    )+ };
}
pub(crate) use schedule;

switches! {
    /// Which calls a fault strikes.
    pub struct Trigger {
        /// Which calls count: `any`, `write`, or one kind of call (see the table of calls in docs/sandbox.md).
        on: String = "any".to_owned(),
        /// How many of them pass untouched at first.
        after: u64 = 0,
        /// From then on it strikes every so many calls; 1: each.
        every: u64 = 1,
        /// How often it strikes at most; null: no end.
        count: Option<u64> = None,
    }
}
schedule!(Trigger);

switches! {
    /// Calls answered with an error status, nothing applied.
    pub struct StatusBurst {
        /// The status of the answer.
        status: u16 = 503,
        /// `Retry-After` of the answer: text as it is, `date` for an HTTP date three seconds ahead, null for none.
        retry_after: Option<String> = None,
        /// Which calls count, as everywhere.
        on: String = "any".to_owned(),
        /// How many of them pass untouched at first.
        after: u64 = 0,
        /// Every how many calls it strikes.
        every: u64 = 1,
        /// How often it strikes at most; null: no end.
        count: Option<u64> = None,
    }
}
schedule!(StatusBurst);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_lets_some_pass_then_strikes_in_its_rhythm_until_its_count_is_used_up() {
        let mut progress = Progress::default();
        let struck: Vec<u64> = (1..=12).filter(|_| progress.strikes(2, 3, Some(2))).collect();
        assert_eq!(struck, [5, 8]);
        assert_eq!((progress.seen, progress.fired), (12, 2));
    }
}
