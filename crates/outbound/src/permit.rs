//! Leave to send, asked before every attempt.

use std::time::Duration;

use crate::RateSignal;

/// Asked before every attempt leaves, retries included. Budget, fence deadline and shutdown stand behind it.
#[async_trait::async_trait]
pub trait Permit: Send + Sync {
    /// Returns when one attempt may leave now, or says why it may not.
    async fn acquire(&self) -> Result<(), Denied>;

    /// Whether the leave that was given still stands: asked when the connection takes the body, as the last thing before
    /// its bytes leave. It takes nothing from the budget.
    fn still_stands(&self) -> Result<(), Denied>;

    /// Told what each answer (of any status) said about the rate limit.
    fn observe(&self, signal: &RateSignal);
}

/// Why an attempt may not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// No call is left in the budget for now.
    BudgetEmpty {
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// This slice of work is over, or the process is stopping: nothing more may be sent in its name.
    DeadlinePassed,
    /// It could not be found out whether a call may leave, because the budget's own store failed.
    Unavailable {
        /// What failed.
        message: String,
    },
}

/// A permit that always says yes, for tests and one-off probes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

#[async_trait::async_trait]
impl Permit for Unlimited {
    async fn acquire(&self) -> Result<(), Denied> {
        Ok(())
    }

    fn still_stands(&self) -> Result<(), Denied> {
        Ok(())
    }

    fn observe(&self, _signal: &RateSignal) {}
}
