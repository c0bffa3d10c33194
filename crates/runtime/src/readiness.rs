//! Whether the process should be given work.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;

use crate::Shutdown;

/// The longest a check may take before it counts as failed. Below the usual probe timeouts of a
/// second or more is too short for a database that is only slow.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Outcome = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Probe = Arc<dyn Fn() -> Outcome + Send + Sync>;

/// What `/readyz` and gRPC health answer: named checks, and whether the process drains.
/// Clones share one list of checks.
#[derive(Clone)]
pub struct Readiness {
    shutdown: Shutdown,
    checks: Arc<Mutex<Vec<(&'static str, Probe)>>>,
    timeout: Duration,
}

/// The answer at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct ReadinessReport {
    /// All checks pass and the process does not drain.
    pub ready: bool,
    /// The process is stopping.
    pub draining: bool,
    /// The checks, in the order they were added.
    pub checks: Vec<CheckReport>,
}

/// How one check went.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// The check.
    pub name: &'static str,
    /// Whether it passed.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
}

impl Readiness {
    /// Ready until `shutdown` drains, and while all checks pass.
    pub fn new(shutdown: &Shutdown) -> Self {
        Self { shutdown: shutdown.clone(), checks: Arc::default(), timeout: CHECK_TIMEOUT }
    }

    /// Adds a check. `Err` says why the process is not ready, in a sentence that goes out over
    /// `/readyz` to anyone: no secrets, no URLs with passwords. It may take up to two seconds.
    pub fn check<F, O>(&self, name: &'static str, probe: F)
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Result<(), String>> + Send + 'static,
    {
        let probe: Probe = Arc::new(move || Box::pin(probe()));
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push((name, probe));
    }

    /// Runs all checks side by side.
    pub async fn report(&self) -> ReadinessReport {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Each in its own task, so that one that panics is a failed check and not a lost answer.
        let mut running = JoinSet::new();
        let mut reports = Vec::with_capacity(checks.len());
        for (position, (name, probe)) in checks.into_iter().enumerate() {
            reports.push(CheckReport {
                name,
                ok: false,
                message: Some("the check panicked".to_owned()),
                milliseconds: 0,
            });
            let timeout = self.timeout;
            running.spawn(async move { (position, run(probe, timeout).await) });
        }
        while let Some(ended) = running.join_next().await {
            if let Ok((position, (outcome, took))) = ended {
                let report = &mut reports[position];
                report.ok = outcome.is_ok();
                report.message = outcome.err();
                report.milliseconds = took.as_millis().try_into().unwrap_or(u64::MAX);
            }
        }
        let draining = self.shutdown.is_draining();
        ReadinessReport { ready: !draining && reports.iter().all(|it| it.ok), draining, checks: reports }
    }
}

async fn run(probe: Probe, timeout: Duration) -> (Result<(), String>, Duration) {
    let begun = Instant::now();
    let outcome = tokio::time::timeout(timeout, probe())
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", timeout.as_secs_f32())));
    (outcome, begun.elapsed())
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("draining", &self.shutdown.is_draining()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn ready_only_while_every_check_passes() {
        let readiness = Readiness::new(&Shutdown::by_hand());
        assert!(readiness.report().await.ready);

        readiness.check("database", || async { Ok(()) });
        assert!(readiness.report().await.ready);

        readiness.check("schema", || async { Err("run `pandaport migrate`".into()) });
        let report = readiness.report().await;
        assert!(!report.ready);
        assert!(report.checks[0].ok);
        assert_eq!(report.checks[1].name, "schema");
        assert_eq!(report.checks[1].message.as_deref(), Some("run `pandaport migrate`"));
    }

    #[tokio::test]
    async fn not_ready_from_the_moment_it_drains() {
        let shutdown = Shutdown::by_hand();
        let readiness = Readiness::new(&shutdown);
        readiness.check("database", || async { Ok(()) });
        shutdown.drain();
        let report = readiness.report().await;
        assert!(!report.ready);
        assert!(report.draining);
        assert!(report.checks[0].ok);
    }

    #[tokio::test]
    async fn a_check_that_hangs_or_panics_fails_alone() {
        let mut readiness = Readiness::new(&Shutdown::by_hand());
        readiness.timeout = Duration::from_millis(20);
        readiness.check("hangs", std::future::pending);
        readiness.check("panics", || async { panic!("on purpose") });
        readiness.check("passes", || async { Ok(()) });

        let report = readiness.report().await;

        let messages: Vec<_> = report.checks.iter().map(|it| it.message.clone()).collect();
        assert_eq!(messages[0].as_deref(), Some("no answer within 0.02 s"));
        assert_eq!(messages[1].as_deref(), Some("the check panicked"));
        assert!(report.checks[2].ok);
    }
}
