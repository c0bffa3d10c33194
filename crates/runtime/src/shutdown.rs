//! Stopping as a value that is passed in.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::RuntimeError;

/// One request to stop may arrive as several signals at once: coreutils' `timeout` signals its child and then the whole
/// group, and a terminal's Ctrl-C reaches both a program and the one that passes signals on to it.
const ONE_REQUEST: Duration = Duration::from_millis(500);

/// How a process is asked to stop. The first SIGTERM or SIGINT begins to drain: not ready at once, no
/// new work, the grace for what is in flight. The second one, half a second later or more, means now: `main` returns
/// without waiting.
/// Clones share one state.
#[derive(Clone, Debug)]
pub struct Shutdown {
    draining: CancellationToken,
    now: CancellationToken,
}

impl Shutdown {
    /// One that is driven by hand: for tests, and for a service within another process.
    pub fn by_hand() -> Self {
        // `now` implies `draining` and not the other way round, so neither is the other's child token.
        Self { draining: CancellationToken::new(), now: CancellationToken::new() }
    }

    /// One that follows SIGTERM and SIGINT. From here on these no longer end the process by themselves.
    ///
    /// # Errors
    /// If the signals can't be listened for.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn on_signals() -> Result<Self, RuntimeError> {
        use tokio::signal::unix::{SignalKind, signal};

        let listen = |kind| signal(kind).map_err(|error| RuntimeError::setup("signals", error));
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let shutdown = Self::by_hand();
        let signalled = shutdown.clone();
        tokio::spawn(async move {
            let mut first: Option<Instant> = None;
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if first.is_some_and(|it| it.elapsed() < ONE_REQUEST) {
                    continue;
                }
                if signalled.is_draining() {
                    tracing::warn!(signal = name, "second signal: ending now");
                    signalled.stop_now();
                    return;
                }
                tracing::info!(signal = name, "stopping; a second signal ends at once");
                first = Some(Instant::now());
                signalled.drain();
            }
        });
        Ok(shutdown)
    }

    /// Begins to drain. Again: nothing happens.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Ends at once; also drains, if that has not begun.
    pub fn stop_now(&self) {
        self.draining.cancel();
        self.now.cancel();
    }

    /// Cancelled when the process drains.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Cancelled when the process must end without waiting for anything.
    pub fn now(&self) -> &CancellationToken {
        &self.now
    }

    /// Whether the process drains.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits for `work`, for at most `grace` after draining began, and not at all once it must end now.
    /// `None`: it was not done in time and has been dropped.
    pub async fn within_grace<T>(&self, grace: Duration, work: impl Future<Output = T>) -> Option<T> {
        let out_of_time = async {
            self.draining.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            biased;
            result = work => Some(result),
            () = self.now.cancelled() => None,
            () = out_of_time => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::pending;

    use super::*;

    #[test]
    fn ending_now_drains_too_but_draining_does_not_end() {
        let shutdown = Shutdown::by_hand();
        shutdown.drain();
        assert!(shutdown.is_draining());
        assert!(!shutdown.now().is_cancelled());

        let other = Shutdown::by_hand();
        other.clone().stop_now();
        assert!(other.is_draining());
        assert!(other.now().is_cancelled());
    }

    #[tokio::test]
    async fn work_has_the_grace_after_draining_began() {
        let shutdown = Shutdown::by_hand();
        let short = Duration::from_millis(20);

        // While nobody asks to stop, work takes as long as it takes.
        let slow = tokio::time::sleep(short * 3);
        assert!(shutdown.within_grace(short, slow).await.is_some());

        shutdown.drain();
        let begun = Instant::now();
        assert!(shutdown.within_grace(short, pending::<()>()).await.is_none());
        assert!(begun.elapsed() >= short);

        // The test would hang if ending now still waited for the grace.
        shutdown.stop_now();
        let long = Duration::from_secs(3600);
        assert!(shutdown.within_grace(long, pending::<()>()).await.is_none());
    }

    #[tokio::test]
    async fn the_first_signal_drains_its_echo_does_nothing_and_a_second_one_ends() {
        let shutdown = Shutdown::on_signals().unwrap();
        let send_signal = || {
            let status = std::process::Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status();
            assert!(status.unwrap().success());
        };

        send_signal();
        shutdown.draining().cancelled().await;
        send_signal();
        tokio::time::sleep(ONE_REQUEST).await;
        assert!(!shutdown.now().is_cancelled());

        send_signal();
        shutdown.now().cancelled().await;
    }
}
