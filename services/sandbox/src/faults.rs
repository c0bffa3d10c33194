//! Fault switches: what can be made to go wrong, at start and while the sandbox runs.

mod asset_panda;
mod kandji;
pub(crate) mod switch;
pub(crate) mod trigger;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::Value;

pub use asset_panda::{
    AssetPandaFaults, ClearAccepts, ColumnChange, LostAnswer, LostAs, PandaRateLimit, RefuseRow, UniqueRefusal,
    WriteTrigger,
};
pub use kandji::{BetweenPages, KandjiFaults, KandjiRateLimit, Permissions, Place, RetryAfter};
pub use switch::FaultError;
pub use trigger::{StatusBurst, Trigger};

use crate::traffic::Operation;
use switch::{Switch, switches};
use trigger::{Progress, Schedule};

switches! {
    /// All switches. By default only the documented rate limits are on.
    pub struct Faults {
        /// The Kandji stand-in.
        kandji: KandjiFaults = KandjiFaults::default(),
        /// The Asset Panda Pro stand-in.
        asset_panda: AssetPandaFaults = AssetPandaFaults::default(),
    }
}

impl Faults {
    /// Reads switches from JSON text; those not named keep their defaults.
    ///
    /// # Errors
    /// An unknown switch or an unfit value, with its path.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        let value = serde_json::from_str(text).map_err(|e| FaultError::NotJson(e.to_string()))?;
        Self::default().with(value)
    }

    /// These switches with those of `patch` set.
    pub(crate) fn with(mut self, patch: Value) -> Result<Self, FaultError> {
        self.set("", patch)?;
        self.check()?;
        Ok(self)
    }

    /// The same without any rate limit.
    #[must_use]
    pub fn without_rate_limits(mut self) -> Self {
        self.kandji.rate_limit = None;
        self.asset_panda.rate_limit = None;
        self
    }

    /// Every switch by its path; the page in docs/ is held against it.
    #[must_use]
    pub fn paths() -> Vec<String> {
        let mut out = Vec::new();
        <Self as Switch>::paths("", &mut out);
        out
    }

    /// What the types alone do not say.
    fn check(&self) -> Result<(), FaultError> {
        let panda = &self.asset_panda;
        let kandji = &self.kandji;
        let schedules: [(&str, Option<&dyn Schedule>); 10] = [
            ("kandji.truncate", kandji.truncate.as_ref().map(|s| s as _)),
            ("kandji.status_burst", kandji.status_burst.as_ref().map(|s| s as _)),
            ("kandji.reset_connection", kandji.reset_connection.as_ref().map(|s| s as _)),
            ("kandji.hang", kandji.hang.as_ref().map(|s| s as _)),
            ("asset_panda.status_burst", panda.status_burst.as_ref().map(|s| s as _)),
            ("asset_panda.reset_connection", panda.reset_connection.as_ref().map(|s| s as _)),
            ("asset_panda.hang", panda.hang.as_ref().map(|s| s as _)),
            ("asset_panda.lost_answer", panda.lost_answer.as_ref().map(|s| s as _)),
            ("asset_panda.short_reply", panda.short_reply.as_ref().map(|s| s as _)),
            ("asset_panda.unreadable_reply", panda.unreadable_reply.as_ref().map(|s| s as _)),
        ];
        for (path, schedule) in schedules {
            let Some(schedule) = schedule else { continue };
            if !Operation::is_selector(schedule.on()) {
                return Err(unfit_selector(&format!("{path}.on"), schedule.on()));
            }
        }
        for (index, rule) in panda.refuse_rows.iter().enumerate() {
            if !Operation::is_selector(&rule.on) {
                return Err(unfit_selector(&format!("asset_panda.refuse_rows[{index}].on"), &rule.on));
            }
        }
        for (path, status) in [
            ("kandji.status_burst.status", kandji.status_burst.as_ref().map(|b| b.status)),
            ("asset_panda.status_burst.status", panda.status_burst.as_ref().map(|b| b.status)),
            ("kandji.missing_permission_status", Some(kandji.missing_permission_status)),
        ] {
            if let Some(status) = status.filter(|s| !(200..=599).contains(s)) {
                return Err(switch::unfit(path, &status.into(), "a status from 200 to 599 is expected"));
            }
        }
        Ok(())
    }
}

fn unfit_selector(path: &str, given: &str) -> FaultError {
    let known = Operation::selectors().collect::<Vec<_>>().join(", ");
    switch::unfit(path, &given.into(), format!("one of these is expected: {known}"))
}

/// The switches in force, and how far the counted ones have come.
#[derive(Debug)]
pub(crate) struct FaultBox {
    current: RwLock<Arc<Faults>>,
    progress: Mutex<BTreeMap<String, Progress>>,
}

impl FaultBox {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { current: RwLock::new(Arc::new(faults)), progress: Mutex::default() }
    }

    /// The switches as they are now.
    pub(crate) fn now(&self) -> Arc<Faults> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other switches in force; counting begins anew.
    pub(crate) fn replace(&self, faults: Faults) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
        self.counts().clear();
    }

    /// Sets the switches that `patch` names; counting begins anew for these only.
    pub(crate) fn patch(&self, patch: Value) -> Result<(), FaultError> {
        let named: Vec<String> = patch
            .as_object()
            .into_iter()
            .flatten()
            .flat_map(|(api, switches)| {
                let keys = switches.as_object().into_iter().flatten();
                keys.map(move |(key, _)| format!("{api}.{key}"))
            })
            .collect();
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(Faults::clone(&current).with(patch)?);
        let mut counts = self.counts();
        counts.retain(|key, _| {
            // Rules of a list count one by one, as `refuse_rows[0]`.
            let switch = key.split('[').next().unwrap_or(key);
            !named.iter().any(|name| name == switch)
        });
        Ok(())
    }

    /// How far the counted faults have come, by path.
    pub(crate) fn progress(&self) -> BTreeMap<String, Progress> {
        self.counts().clone()
    }

    /// Counts a call for the fault at `path` and says whether it is struck.
    pub(crate) fn strikes<S: Schedule>(&self, path: &str, schedule: Option<&S>, operation: Operation) -> bool {
        schedule.is_some_and(|schedule| {
            operation.is(schedule.on()) && self.counted(path, schedule.after(), schedule.every(), schedule.count())
        })
    }

    /// Counts a call for a fault that strikes every so many.
    pub(crate) fn strikes_every(&self, path: &str, every: Option<u64>) -> bool {
        every.is_some_and(|every| self.counted(path, 0, every, None))
    }

    /// Counts a call; true from the one after `after` on.
    pub(crate) fn past(&self, path: &str, after: Option<u64>) -> bool {
        after.is_some_and(|after| self.counted(path, after, 1, None))
    }

    /// Counts a call by a schedule spelled out.
    pub(crate) fn counted(&self, path: &str, after: u64, every: u64, count: Option<u64>) -> bool {
        let mut counts = self.counts();
        if !counts.contains_key(path) {
            counts.insert(path.to_owned(), Progress::default());
        }
        counts.get_mut(path).is_some_and(|progress| progress.strikes(after, every, count))
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
