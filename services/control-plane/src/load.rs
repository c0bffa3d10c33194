//! How much a server takes on at once, and for how long: more calls than it can do well are refused, with when to come back,
//! and none goes on longer than its caller waits for it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::metadata::MetadataMap;

use crate::errors::{CallError, Result};

const GRPC_TIMEOUT: &str = "grpc-timeout";
/// How much earlier than the caller's time is over it is told so: an answer takes its way.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// How many calls a server takes on.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Calls at work at once; an answer is a matter of milliseconds, unless Kandji or Asset Panda is asked.
    pub calls: usize,
    /// Syncs watched at once: each asks the database twice a second.
    pub watchers: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { calls: 256, watchers: 1_000 }
    }
}

/// The places that there are.
#[derive(Clone)]
pub(crate) struct Load {
    calls: Arc<Semaphore>,
    watchers: Arc<Semaphore>,
}

impl Load {
    pub(crate) fn new(limits: CallLimits) -> Self {
        Self { calls: Arc::new(Semaphore::new(limits.calls)), watchers: Arc::new(Semaphore::new(limits.watchers)) }
    }

    /// A place for somebody who watches, until it is dropped.
    pub(crate) fn watcher(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.watchers).try_acquire_owned().map_err(|_| CallError::Busy)
    }

    /// Does a call if there is a place, for as long as its caller waits. When the time is over, and when the caller goes away,
    /// the call is dropped where it stands: calls to others end, and a transaction that was not committed is undone.
    pub(crate) async fn call<T>(&self, limit: Option<Duration>, call: impl Future<Output = Result<T>>) -> Result<T> {
        let _place = self.calls.try_acquire().map_err(|_| CallError::Busy)?;
        match limit {
            Some(limit) => tokio::time::timeout(limit, call).await.unwrap_or(Err(CallError::DeadlinePassed)),
            None => call.await,
        }
    }
}

/// How long the caller waits, less the way of the answer; `None`: it does not say.
pub(crate) fn limit(metadata: &MetadataMap) -> Option<Duration> {
    let limit = parse(metadata.get(GRPC_TIMEOUT)?.to_str().ok()?)?;
    Some(if limit > 5 * ON_ITS_WAY { limit.saturating_sub(ON_ITS_WAY) } else { limit })
}

/// At most eight digits and a unit: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_callers_time_is_read() {
        assert_eq!(parse("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for wrong in ["", "S", "5", "5s", "-5S", "123456789S", "5\u{20ac}"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_call_without_a_place_is_refused_and_a_place_is_free_again_after_it() {
        let load = Load::new(CallLimits { calls: 1, watchers: 1 });
        let inner = load.clone();
        let outer = load.call(None, async { inner.call(None, async { Ok(()) }).await });
        assert!(matches!(outer.await, Err(CallError::Busy)));
        assert!(load.call(None, async { Ok(()) }).await.is_ok());
        let watcher = load.watcher().unwrap();
        assert!(matches!(load.watcher(), Err(CallError::Busy)));
        drop(watcher);
        assert!(load.watcher().is_ok());
    }

    #[tokio::test]
    async fn no_call_goes_on_longer_than_its_caller_waits() {
        let load = Load::new(CallLimits::default());
        let limit = Some(Duration::from_millis(10));
        let call = load.call(limit, std::future::pending::<Result<()>>());
        assert!(matches!(call.await, Err(CallError::DeadlinePassed)));
    }
}
