//! How Kandji and Asset Panda are called.

use std::fmt;
use std::str::FromStr;

use clap::Args;

use super::budget::BudgetSpec;
use super::duration::{HumanDuration, positive};
use super::effective::Effective;
use super::texts::Malformed;

/// How Kandji and Asset Panda are called. Whatever calls them needs it: a worker, and the control plane
/// for tests of a connection and for its catalogue.
#[derive(Args, Clone, Debug)]
pub struct OutboundSettings {
    /// Hosts that credentials may also be sent to, besides those of Kandji and Asset Panda: host:port,host:port
    #[arg(long, env = "PANDAPORT_ALLOWED_HOSTS", default_value = "", value_name = "HOSTS")]
    pub allowed_hosts: AllowedHostsSetting,

    /// Calls allowed by Kandji, per API host, or off
    #[arg(long, env = "PANDAPORT_KANDJI_BUDGET", default_value = "10000/1h,50/1s", value_name = "CALLS/TIME")]
    pub kandji_budget: BudgetSpec,

    /// The share of Kandji's budget to use; the rest is left for other tools
    #[arg(long, env = "PANDAPORT_KANDJI_SHARE", default_value = "80%", value_name = "PERCENT")]
    pub kandji_share: Percent,

    /// Calls allowed by Asset Panda, per egress group, or off
    #[arg(long, env = "PANDAPORT_ASSET_PANDA_BUDGET", default_value = "400/3m", value_name = "CALLS/TIME")]
    pub asset_panda_budget: BudgetSpec,

    /// The name of the address that calls leave from: processes behind one address share Asset Panda's budget
    #[arg(
        long,
        env = "PANDAPORT_EGRESS_GROUP",
        default_value = "default",
        value_parser = egress_group,
        value_name = "NAME"
    )]
    pub egress_group: String,

    /// The longest that one attempt of a call may take
    #[arg(
        long,
        env = "PANDAPORT_HTTP_TIMEOUT",
        default_value = "8s",
        value_parser = positive,
        value_name = "TIME"
    )]
    pub http_timeout: HumanDuration,
}

impl OutboundSettings {
    /// Adds what is in effect to `out`.
    pub fn describe(&self, out: &mut Effective) {
        out.add("PANDAPORT_ALLOWED_HOSTS", &self.allowed_hosts.0);
        out.add("PANDAPORT_KANDJI_BUDGET", &self.kandji_budget);
        out.add("PANDAPORT_KANDJI_SHARE", self.kandji_share);
        out.add("PANDAPORT_ASSET_PANDA_BUDGET", &self.asset_panda_budget);
        out.add("PANDAPORT_EGRESS_GROUP", &self.egress_group);
        out.add("PANDAPORT_HTTP_TIMEOUT", self.http_timeout);
    }
}

/// A list of hosts as text. What a host is, is known by the crate that calls them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHostsSetting(pub String);

impl FromStr for AllowedHostsSetting {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// 1 to 100 percent, written `80%`, `80 %` or `80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// 1 to 100.
    pub fn get(self) -> u8 {
        self.0
    }

    /// This share of `whole`, rounded down, but at least 1 of anything.
    pub fn of(self, whole: u64) -> u64 {
        let share = u128::from(whole) * u128::from(self.0) / 100;
        u64::try_from(share).expect("a share is no more than the whole").max(whole.min(1))
    }
}

impl FromStr for Percent {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("write 1% to 100%");
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        if !number.bytes().all(|it| it.is_ascii_digit()) {
            return Err(malformed());
        }
        match number.parse() {
            Ok(percent @ 1..=100) => Ok(Self(percent)),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

fn egress_group(text: &str) -> Result<String, Malformed> {
    let fits = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        return Err(Malformed::new("write 1 to 64 letters, digits, dots, hyphens or underscores"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_percent() {
        for text in ["80", "80%", "80 %"] {
            assert_eq!(text.parse::<Percent>().unwrap().get(), 80, "{text}");
        }
        for text in ["", "%", "0", "101", "-1", "+5", "1.5", "300", "80%%", " 80"] {
            assert!(text.parse::<Percent>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_share_is_rounded_down_but_never_to_nothing() {
        let share: Percent = "80%".parse().unwrap();
        assert_eq!(share.of(10_000), 8000);
        assert_eq!(share.of(1), 1);
        assert_eq!(share.of(0), 0);
        assert_eq!("100".parse::<Percent>().unwrap().of(u64::MAX), u64::MAX);
    }

    #[test]
    fn an_egress_group_is_a_plain_name() {
        assert!(egress_group("office-1.eu").is_ok());
        for text in ["", "a b", "a/b", &"a".repeat(65)] {
            assert!(egress_group(text).is_err(), "{text:?}");
        }
    }
}
