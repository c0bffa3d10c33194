//! How many calls may be made: the settings of DESIGN rule 16.

use std::time::Duration;

pub use pandaport_store::budgets::Limit;

/// What the budgets of a process are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetSettings {
    /// Kandji's limits, per customer; none: calls are not limited.
    pub kandji: Vec<Limit>,
    /// How much of Kandji's limits is used, in percent: all tokens of a customer share them, so the rest is left for
    /// other tools.
    pub kandji_share_percent: u8,
    /// Asset Panda's limits, per egress group; none: calls are not limited.
    pub asset_panda: Vec<Limit>,
    /// Names the address that calls leave from: Asset Panda counts per IP address, so processes behind one address
    /// share one budget.
    pub egress_group: String,
}

impl BudgetSettings {
    /// Without any limit, for tests.
    #[must_use]
    pub fn off() -> Self {
        Self { kandji: Vec::new(), asset_panda: Vec::new(), ..Self::default() }
    }

    /// The part of Kandji's limits that may be used; at least one call of each.
    pub(crate) fn kandji_share(&self) -> Vec<Limit> {
        let share = u64::from(self.kandji_share_percent.min(100));
        let part = |calls: u32| u32::try_from(u64::from(calls) * share / 100).unwrap_or(calls).max(1);
        self.kandji.iter().map(|limit| Limit { calls: part(limit.calls), ..*limit }).collect()
    }
}

impl Default for BudgetSettings {
    /// 10,000 an hour and 50 a second for Kandji, of which 80 % are used; 400 in three minutes for Asset Panda.
    fn default() -> Self {
        let limit = |calls, seconds| Limit { calls, window: Duration::from_secs(seconds) };
        Self {
            kandji: vec![limit(10_000, 3_600), limit(50, 1)],
            kandji_share_percent: 80,
            asset_panda: vec![limit(400, 180)],
            egress_group: "default".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_leaves_the_rest_to_others() {
        let calls = |settings: BudgetSettings| settings.kandji_share().iter().map(|it| it.calls).collect::<Vec<_>>();
        assert_eq!(calls(BudgetSettings::default()), [8_000, 40]);
        assert_eq!(calls(BudgetSettings { kandji_share_percent: 1, ..Default::default() }), [100, 1]);
        assert!(calls(BudgetSettings::off()).is_empty());
    }
}
