//! How calls are made: timeouts, limits, retries.

use std::time::Duration;

/// How calls are made. `HttpSettings { timeout, ..Default::default() }` is the usual way to make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Longest time of one attempt, from looking up the name to the last byte of the body.
    pub timeout: Duration,
    /// Longest time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Largest body of an answer, counted after decompression.
    pub max_body_bytes: usize,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Longest wait inside one call, for a `Retry-After` or a backoff. A longer one is the caller's to wait out
    /// ([`SendError::retry_after`](crate::SendError::retry_after)). Zero: never wait, so never retry.
    pub max_inline_wait: Duration,
    /// How often an idempotent call is repeated after its first attempt.
    pub retries: u32,
    /// The first backoff; each further one is twice as long, and each gets up to as much again of jitter.
    pub first_backoff: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(8),
            connect_timeout: Duration::from_secs(4),
            max_body_bytes: 16 * 1024 * 1024,
            user_agent: concat!("pandaport/", env!("CARGO_PKG_VERSION")).to_owned(),
            max_inline_wait: Duration::from_secs(2),
            retries: 3,
            first_backoff: Duration::from_millis(200),
        }
    }
}
