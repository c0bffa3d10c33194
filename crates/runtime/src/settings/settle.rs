//! When an unclear write is looked for.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::duration::HumanDuration;
use super::texts::Malformed;

/// The times after an unclear create at which it is looked for; not found at the last, it counts as not
/// written. One to ten, each later than the one before: `5s,30s,120s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettleTimes(Vec<HumanDuration>);

impl SettleTimes {
    /// The times, rising.
    pub fn looks(&self) -> Vec<Duration> {
        self.0.iter().map(|it| it.get()).collect()
    }
}

impl FromStr for SettleTimes {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let times = text.split(',').map(|it| it.trim().parse()).collect::<Result<Vec<HumanDuration>, _>>()?;
        if times.len() > 10 {
            return Err(Malformed::new("at most ten times"));
        }
        if !times.is_sorted_by(|earlier, later| earlier < later) {
            return Err(Malformed::new("each time must be longer than the one before, such as 5s,30s,120s"));
        }
        Ok(Self(times))
    }
}

impl fmt::Display for SettleTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &self.0)
    }
}

/// Writes values with commas between them.
pub(super) fn write_list(f: &mut fmt::Formatter<'_>, list: &[impl fmt::Display]) -> fmt::Result {
    for (position, item) in list.iter().enumerate() {
        if position > 0 {
            f.write_str(",")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_rising_times() {
        let times: SettleTimes = "5s, 30s,120s".parse().unwrap();
        assert_eq!(times.looks(), [5, 30, 120].map(Duration::from_secs));
        assert_eq!(times.to_string(), "5s,30s,2m");
        assert_eq!("0s".parse::<SettleTimes>().unwrap().looks().len(), 1);
    }

    #[test]
    fn refuses_all_else() {
        for text in ["", "5s,", ",5s", "5s 30s", "30s,5s", "5s,5s", "1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s"] {
            assert!(text.parse::<SettleTimes>().is_err(), "{text:?}");
        }
    }
}
