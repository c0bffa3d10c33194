//! Waiting for conditions. No test sleeps for a fixed time and hopes.

use std::time::{Duration, Instant};

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Asks until there is an answer.
///
/// # Panics
/// If there is none within the time: with `what` was waited for.
pub(crate) async fn until<T>(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(began.elapsed() < within, "waited {within:?} for {what}, in vain");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Asks until it is so.
pub(crate) async fn until_so(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> bool) {
    until(what, within, async || probe().await.then_some(())).await;
}
