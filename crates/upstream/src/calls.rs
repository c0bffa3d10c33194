//! Counting of calls.

use std::sync::atomic::{AtomicU64, Ordering};

/// Attempts that left, retries included, since they were last taken.
#[derive(Debug, Default)]
pub struct CallCounter {
    kandji: AtomicU64,
    asset_panda: AtomicU64,
}

/// So many attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls {
    /// To Kandji.
    pub kandji: u64,
    /// To Asset Panda.
    pub asset_panda: u64,
}

/// One of the two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Api {
    Kandji,
    AssetPanda,
}

impl CallCounter {
    /// Attempts to Kandji.
    #[must_use]
    pub fn kandji(&self) -> u64 {
        self.kandji.load(Ordering::Relaxed)
    }

    /// Attempts to Asset Panda.
    #[must_use]
    pub fn asset_panda(&self) -> u64 {
        self.asset_panda.load(Ordering::Relaxed)
    }

    /// Both, and begins again at zero: no attempt is counted twice, none is lost.
    pub fn take(&self) -> Calls {
        Calls {
            kandji: self.kandji.swap(0, Ordering::Relaxed),
            asset_panda: self.asset_panda.swap(0, Ordering::Relaxed),
        }
    }

    pub(crate) fn add(&self, api: Api) {
        let counter = match api {
            Api::Kandji => &self.kandji,
            Api::AssetPanda => &self.asset_panda,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_not_counted_again() {
        let counter = CallCounter::default();
        counter.add(Api::Kandji);
        counter.add(Api::AssetPanda);
        counter.add(Api::AssetPanda);
        assert_eq!(counter.kandji(), 1);
        assert_eq!(counter.take(), Calls { kandji: 1, asset_panda: 2 });
        assert_eq!(counter.take(), Calls::default());
    }
}
