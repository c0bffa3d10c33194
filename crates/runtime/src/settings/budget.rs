//! How many calls an API allows.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::duration::{HumanDuration, positive};
use super::settle::write_list;
use super::texts::Malformed;

/// At most `limit` calls in any window of `length`. Written `400/3m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetWindow {
    /// Calls, one or more.
    pub limit: u64,
    /// The window.
    pub length: Duration,
}

/// All windows of an API, which hold at the same time: `10000/1h,50/1s`. `off`: no limit, for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetSpec(Vec<BudgetWindow>);

impl BudgetSpec {
    /// The windows, each of another length. Empty: no limit.
    pub fn windows(&self) -> &[BudgetWindow] {
        &self.0
    }

    /// Whether there is no limit.
    pub fn is_off(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for BudgetWindow {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("write calls per time, such as 400/3m or 10000/1h,50/1s, or off");
        let (limit, length) = text.split_once('/').ok_or_else(malformed)?;
        if !limit.bytes().all(|it| it.is_ascii_digit()) {
            return Err(malformed());
        }
        let limit: u64 = limit.parse().map_err(|_| malformed())?;
        // The stored counters are signed.
        if limit == 0 || limit > u64::from(u32::MAX) {
            return Err(Malformed::new("calls must be 1 to 4294967295"));
        }
        Ok(Self { limit, length: positive(length)?.get() })
    }
}

impl FromStr for BudgetSpec {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "off" {
            return Ok(Self(Vec::new()));
        }
        let mut windows: Vec<BudgetWindow> = Vec::new();
        for part in text.split(',') {
            let window: BudgetWindow = part.trim().parse()?;
            if windows.iter().any(|it| it.length == window.length) {
                return Err(Malformed::new("two windows of one length"));
            }
            windows.push(window);
        }
        Ok(Self(windows))
    }
}

impl fmt::Display for BudgetWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.limit, HumanDuration::from(self.length))
    }
}

impl fmt::Display for BudgetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_off() {
            return f.write_str("off");
        }
        write_list(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_windows_and_off() {
        let kandji: BudgetSpec = "10000/1h, 50/1s".parse().unwrap();
        assert_eq!(
            kandji.windows(),
            [
                BudgetWindow { limit: 10_000, length: Duration::from_secs(3600) },
                BudgetWindow { limit: 50, length: Duration::from_secs(1) },
            ]
        );
        assert_eq!(kandji.to_string(), "10000/1h,50/1s");
        let off: BudgetSpec = "off".parse().unwrap();
        assert!(off.is_off());
        assert_eq!(off.to_string(), "off");
        assert!(!"400/3m".parse::<BudgetSpec>().unwrap().is_off());
    }

    #[test]
    fn refuses_all_else() {
        for text in [
            "",
            "OFF",
            "400",
            "400/",
            "/3m",
            "0/3m",
            "-1/3m",
            "+1/3m",
            "400/0s",
            "400/3",
            "1/1s,",
            "1/1s,2/1000ms",
            "off,1/1s",
            "4294967296/1s",
            "400/3m/2",
        ] {
            assert!(text.parse::<BudgetSpec>().is_err(), "{text:?}");
        }
    }
}
