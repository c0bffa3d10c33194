//! Numbers drawn from a seed: the same for the same seed, place and purpose, on any machine.

/// Mixes 64 bits so that neighbours look unrelated (the finaliser of splitmix64).
pub(crate) const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The draws of one thing: each purpose has its own, so that none depends on how often another was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) const fn of(seed: u64, index: u64) -> Self {
        Self(mix(mix(seed) ^ index))
    }

    pub(crate) const fn bits(self, purpose: u64) -> u64 {
        mix(self.0 ^ purpose.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// A number below `bound`.
    pub(crate) const fn below(self, purpose: u64, bound: u64) -> u64 {
        ((self.bits(purpose) >> 32) * bound) >> 32
    }

    pub(crate) const fn percent(self, purpose: u64, percent: u64) -> bool {
        self.below(purpose, 100) < percent
    }

    pub(crate) fn pick<T>(self, purpose: u64, pool: &[T]) -> &T {
        &pool[usize::try_from(self.below(purpose, pool.len() as u64)).unwrap_or(0)]
    }
}

/// A UUID-like text that sorts by `prefix`.
pub(crate) fn uuid_like(prefix: u32, high: u64, low: u64) -> String {
    let mut out = String::with_capacity(36);
    push_hex(&mut out, u64::from(prefix), 8);
    out.push('-');
    push_hex(&mut out, high, 4);
    out.push_str("-4");
    push_hex(&mut out, high >> 16, 3);
    out.push('-');
    push_hex(&mut out, 8 + (high >> 28) % 4, 1);
    push_hex(&mut out, high >> 32, 3);
    out.push('-');
    push_hex(&mut out, low, 12);
    out
}

fn push_hex(out: &mut String, value: u64, digits: u32) {
    for digit in (0..digits).rev() {
        let nibble = (value >> (4 * digit)) & 0xf;
        out.push(char::from(b"0123456789abcdef"[nibble as usize]));
    }
}

/// Crockford's digits, as in ULIDs.
pub(crate) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The low bits of `value` in Crockford's digits, most significant first.
pub(crate) fn push_crockford(out: &mut String, value: u64, digits: u32) {
    for digit in (0..digits).rev() {
        let five = value.checked_shr(5 * digit).unwrap_or(0) & 31;
        out.push(char::from(CROCKFORD[five as usize]));
    }
}

/// Reads what [`push_crockford`] wrote.
pub(crate) fn read_crockford(text: &str) -> Option<u64> {
    text.bytes().try_fold(0_u64, |value, byte| {
        let five = CROCKFORD.iter().position(|digit| *digit == byte)?;
        Some((value << 5) | five as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_uuids_and_sort_by_their_prefix() {
        let first = uuid_like(7, u64::MAX, 3);
        let second = uuid_like(8, 0, 0);
        assert_eq!(first, "00000007-ffff-4fff-bfff-000000000003");
        assert!(first < second);
    }

    #[test]
    fn crockford_digits_read_back() {
        let mut text = String::new();
        push_crockford(&mut text, 123_456_789, 8);
        assert_eq!(text.len(), 8);
        assert_eq!(read_crockford(&text), Some(123_456_789));
        assert_eq!(read_crockford("U"), None);
    }
}
