//! Moments that look random and are the same in every run.

/// A stream of numbers from a seed (SplitMix64).
pub(crate) struct Moments(u64);

impl Moments {
    /// `TEST_SEED=7` in the environment gives other moments, to look further than every run does.
    pub(crate) fn seeded(seed: u64) -> Self {
        let further = std::env::var("TEST_SEED").ok().and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        Self(seed ^ further.rotate_left(32))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end
    }
}
