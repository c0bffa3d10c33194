//! The parts of a process that serves, and how they end together.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use pandaport_runtime::{Readiness, Shutdown};
use tokio::task::JoinSet;

use crate::error::Error;

/// How long after the grace what can't be interrupted (a commit, a blocking thread) is waited for.
const AFTER_GRACE: Duration = Duration::from_secs(8);

/// Parts that run until the process drains. One that ends before takes the others with it: half a process helps nobody,
/// and whoever watches over it starts a whole one.
#[derive(Default)]
pub(crate) struct Parts(JoinSet<(&'static str, Result<(), anyhow::Error>)>);

impl Parts {
    /// Runs a part; the process is ready only while it does.
    pub(crate) fn add<E>(
        &mut self,
        name: &'static str,
        readiness: &Readiness,
        part: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: std::error::Error + Send + Sync + 'static,
    {
        let running = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&running);
        readiness.check(name, move || {
            let running = seen.load(Ordering::Relaxed);
            async move { if running { Ok(()) } else { Err("it has ended".to_owned()) } }
        });
        self.0.spawn(async move {
            let result = part.await.map_err(anyhow::Error::new);
            running.store(false, Ordering::Relaxed);
            (name, result)
        });
    }

    /// Waits until all parts have ended: after draining began, for the grace and a little longer, and not at all once
    /// the process must end now.
    ///
    /// # Errors
    /// When a part ended by itself, or the process had to end at once.
    pub(crate) async fn ended(self, shutdown: &Shutdown, grace: Duration) -> Result<(), Error> {
        self.ended_within(shutdown, grace + AFTER_GRACE).await
    }

    async fn ended_within(mut self, shutdown: &Shutdown, longest: Duration) -> Result<(), Error> {
        let all = async {
            let mut outcome = Ok(());
            while let Some(joined) = self.0.join_next().await {
                let (name, result) = joined.unwrap_or_else(|error| ("a part", Err(error.into())));
                let unasked = !shutdown.is_draining();
                shutdown.drain();
                let result = match result {
                    Err(error) => Err(error.context(format!("{name} could not go on"))),
                    Ok(()) if unasked => Err(anyhow!("{name} ended by itself")),
                    Ok(()) => Ok(()),
                };
                if outcome.is_ok() {
                    outcome = result;
                }
            }
            outcome
        };
        match shutdown.within_grace(longest, all).await {
            Some(outcome) => Ok(outcome?),
            None if shutdown.now().is_cancelled() => Err(anyhow!("ended at once, by a second signal").into()),
            None => {
                tracing::warn!(?longest, "not all parts ended within the grace; the process ends all the same");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn parts(shutdown: &Shutdown, part: impl Future<Output = io::Result<()>> + Send + 'static) -> Parts {
        let mut parts = Parts::default();
        parts.add("the part", &Readiness::new(shutdown), part);
        parts
    }

    #[tokio::test]
    async fn what_does_not_end_is_not_waited_for_longer_than_the_grace() {
        let shutdown = Shutdown::by_hand();
        let parts = parts(&shutdown, std::future::pending());
        shutdown.drain();
        assert!(parts.ended_within(&shutdown, Duration::from_millis(20)).await.is_ok());
    }

    #[tokio::test]
    async fn a_second_signal_ends_it_at_once_and_not_well() {
        let shutdown = Shutdown::by_hand();
        let parts = parts(&shutdown, std::future::pending());
        shutdown.stop_now();
        let error = parts.ended(&shutdown, Duration::MAX / 2).await.expect_err("ended at once");
        assert_eq!(error.exit_code(), 1);
    }

    #[tokio::test]
    async fn a_part_that_ends_by_itself_ends_the_process_and_is_named() {
        let shutdown = Shutdown::by_hand();
        let mut parts = parts(&shutdown, async { Err(io::Error::other("the listener broke")) });
        let other = shutdown.draining().clone().cancelled_owned();
        parts.add("the other", &Readiness::new(&shutdown), async move {
            other.await;
            io::Result::Ok(())
        });
        let error = parts.ended(&shutdown, Duration::MAX / 2).await.expect_err("half a process");
        assert_eq!(error.to_string(), "the part could not go on: the listener broke");
        assert!(shutdown.is_draining());
    }
}
