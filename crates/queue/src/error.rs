//! What can go wrong with the queue.

use pandaport_store::StoreError;

/// What a function of the queue may answer instead of doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The database the queue lives in: see there for what may be done.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// River refused, or stopped. A mistake in this program, or in how it is set up.
    #[error("the queue failed: {0}")]
    Queue(String),
}

impl QueueError {
    /// Whether trying the same again later may work.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_unavailable())
    }
}

impl From<riverqueue::Error> for QueueError {
    fn from(error: riverqueue::Error) -> Self {
        match error {
            riverqueue::Error::Database(error) => Self::Store(error.into()),
            other => Self::Queue(chain(&other)),
        }
    }
}

impl From<riverqueue::migrate::Error> for QueueError {
    fn from(error: riverqueue::migrate::Error) -> Self {
        match error {
            riverqueue::migrate::Error::Database(error) => Self::Store(error.into()),
            other => Self::Queue(chain(&other)),
        }
    }
}

impl From<sqlx::Error> for QueueError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// River's messages leave their causes to the reader.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}
