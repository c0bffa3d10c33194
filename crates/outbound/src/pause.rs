//! Whether, and after which pause, an attempt is repeated.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::{Effect, ErrorKind, HttpSettings, Retry, SendError};

/// The pauses between the attempts of one call. Pure, but for the seed of its jitter.
pub(crate) struct Pauses {
    backoff: ExponentialBackoff,
    longest: Duration,
}

impl Pauses {
    pub(crate) fn new(settings: &HttpSettings, retry: Retry, jitter_seed: Option<u64>) -> Self {
        let times = match retry {
            Retry::Idempotent if !settings.max_inline_wait.is_zero() => settings.retries,
            _ => 0,
        };
        let mut builder = ExponentialBuilder::default()
            .with_min_delay(settings.first_backoff)
            .with_max_delay(settings.max_inline_wait)
            .with_max_times(times as usize)
            .with_jitter();
        if let Some(seed) = jitter_seed {
            builder = builder.with_jitter_seed(seed);
        }
        Self { backoff: builder.build(), longest: settings.max_inline_wait }
    }

    /// How long to pause before the next attempt; `None`: give the error to the caller.
    pub(crate) fn after(&mut self, error: &SendError) -> Option<Duration> {
        if !worth_repeating(error) {
            return None;
        }
        let asked = error.retry_after.unwrap_or(Duration::ZERO);
        if asked > self.longest {
            return None;
        }
        let backoff = self.backoff.next()?.min(self.longest);
        Some(backoff.max(asked))
    }
}

/// Whether the same request may fare better in a moment. A certificate, a web page or a too large body will not change.
fn worth_repeating(error: &SendError) -> bool {
    use ErrorKind::*;
    match error.kind {
        Dns | Connect | Timeout | ConnectionLost | RateLimited => true,
        ServerError => matches!(error.status, Some(500 | 502 | 503 | 504)),
        // A garbled compressed stream, seen while the answer came in.
        Unreadable => error.effect == Effect::Unclear,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: ErrorKind, status: Option<u16>, retry_after: Option<Duration>) -> SendError {
        SendError { status, retry_after, ..SendError::new(kind, Effect::Unclear, "") }
    }

    fn pauses(retry: Retry) -> Pauses {
        Pauses::new(&HttpSettings::default(), retry, Some(7))
    }

    #[test]
    fn pauses_grow_with_jitter_and_end() {
        let error = failed(ErrorKind::ServerError, Some(503), None);
        let mut pauses = pauses(Retry::Idempotent);
        let waits: Vec<Duration> = std::iter::from_fn(|| pauses.after(&error)).collect();
        assert_eq!(waits.len(), 3);
        for (wait, least) in waits.iter().zip([200, 400, 800]) {
            let least = Duration::from_millis(least);
            assert!(*wait >= least && *wait <= 2 * least, "{waits:?}");
        }
    }

    #[test]
    fn jitter_differs_between_callers() {
        let error = failed(ErrorKind::ServerError, Some(503), None);
        let first = |seed| Pauses::new(&HttpSettings::default(), Retry::Idempotent, Some(seed)).after(&error);
        assert!((1..10).any(|seed| first(seed) != first(0)));
    }

    #[test]
    fn retry_after_is_waited_out_up_to_the_limit_and_left_to_the_caller_beyond() {
        let two = failed(ErrorKind::RateLimited, Some(429), Some(Duration::from_secs(2)));
        assert_eq!(pauses(Retry::Idempotent).after(&two), Some(Duration::from_secs(2)));
        let three = failed(ErrorKind::RateLimited, Some(429), Some(Duration::from_secs(3)));
        assert_eq!(pauses(Retry::Idempotent).after(&three), None);
    }

    #[test]
    fn what_cannot_change_is_not_repeated() {
        for (kind, status) in [
            (ErrorKind::Unauthorized, Some(401)),
            (ErrorKind::Refused, Some(400)),
            (ErrorKind::NotFound, Some(404)),
            (ErrorKind::ServerError, Some(501)),
            (ErrorKind::Tls, None),
            (ErrorKind::Redirect, Some(302)),
            (ErrorKind::BodyTooLarge, Some(200)),
        ] {
            assert_eq!(pauses(Retry::Idempotent).after(&failed(kind, status, None)), None, "{kind:?}");
        }
    }

    #[test]
    fn creates_are_never_repeated() {
        for kind in [ErrorKind::Connect, ErrorKind::Timeout, ErrorKind::RateLimited, ErrorKind::ConnectionLost] {
            assert_eq!(pauses(Retry::Never).after(&failed(kind, None, None)), None, "{kind:?}");
        }
    }
}
