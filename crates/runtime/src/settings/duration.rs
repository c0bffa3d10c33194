//! Times as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::texts::Malformed;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A length of time, written as a whole number and a unit: `200ms`, `30s`, `5m`, `24h`, `7d`.
/// Displayed in the largest unit that holds it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(Duration);

impl HumanDuration {
    /// The same as the standard library has it.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for HumanDuration {
    fn from(value: Duration) -> Self {
        Self(value)
    }
}

impl FromStr for HumanDuration {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("write a whole number and a unit of ms, s, m, h or d, such as 200ms or 30s");
        let digits = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        let number: u64 = number.parse().map_err(|_| malformed())?;
        let total = number
            .checked_mul(*milliseconds)
            .filter(|it| *it <= 3660 * 86_400_000)
            .ok_or_else(|| Malformed::new("at most ten years, 3660d"))?;
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        if milliseconds == 0 {
            return f.write_str("0s");
        }
        let (unit, size) = UNITS
            .iter()
            .find(|(_, size)| milliseconds.is_multiple_of(u128::from(*size)))
            .expect("every number of milliseconds is a multiple of the last unit, one");
        write!(f, "{}{unit}", milliseconds / u128::from(*size))
    }
}

/// For settings where no time at all makes no sense.
pub(super) fn positive(text: &str) -> Result<HumanDuration, Malformed> {
    let duration: HumanDuration = text.parse()?;
    if duration.0.is_zero() {
        return Err(Malformed::new("must be longer than 0"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_and_writes_each_unit() {
        for (text, milliseconds) in
            [("200ms", 200), ("30s", 30_000), ("5m", 300_000), ("24h", 86_400_000), ("7d", 604_800_000), ("0s", 0)]
        {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.get(), Duration::from_millis(milliseconds));
            assert_eq!(duration.to_string().parse(), Ok(duration), "{text}");
        }
        assert_eq!(HumanDuration::from(Duration::from_secs(90)).to_string(), "90s");
        assert_eq!(HumanDuration::from(Duration::from_secs(120)).to_string(), "2m");
    }

    #[test]
    fn refuses_all_else() {
        for text in [
            "",
            "30",
            "s",
            "30 s",
            " 30s",
            "1.5s",
            "-1s",
            "+1s",
            "1h30m",
            "30S",
            "30sec",
            "１s",
            "3661d",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert!(text.parse::<HumanDuration>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn positive_refuses_zero() {
        assert!(positive("0ms").is_err());
        assert!(positive("1ms").is_ok());
    }
}
