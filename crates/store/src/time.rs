//! Times as the database keeps them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Microseconds since the Unix epoch: exact, comparable, and the same on SQLite and PostgreSQL.
///
/// A [`Timestamp`] has nanoseconds; they are cut off here, once, so that what was written equals what is read.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, serde::Serialize, serde::Deserialize,
)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// The present, by this machine's clock. For the edges of a program; inside, times are passed in.
    #[must_use]
    pub fn now() -> Self {
        Timestamp::now().into()
    }

    /// This time and `duration` more; the end of time if that is past it.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// This time less `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same instant as a [`Timestamp`]; clamped to the range jiff knows, which no real time leaves.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX })
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl From<Timestamp> for Micros {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }
}

impl From<Micros> for Timestamp {
    fn from(micros: Micros) -> Self {
        micros.timestamp()
    }
}

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.timestamp().fmt(f)
    }
}

impl std::ops::Add<SignedDuration> for Micros {
    type Output = Self;

    fn add(self, duration: SignedDuration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn nanoseconds_are_cut_off_once() {
        let timestamp: Timestamp = "2026-11-23T10:00:00.123456789Z".parse().unwrap();
        let kept = Micros::from(timestamp);
        assert_eq!(kept.to_string(), "2026-11-23T10:00:00.123456Z");
        assert_eq!(Micros::from(kept.timestamp()), kept);
    }

    #[test]
    fn a_time_before_another_is_no_time_after_it() {
        let now = Micros(5_000_000);
        assert_eq!(now.plus(Duration::from_secs(2)).since(now), Duration::from_secs(2));
        assert_eq!(now.since(now.plus(Duration::from_secs(2))), Duration::ZERO);
    }
}
