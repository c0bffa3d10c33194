//! The budget of one API in this process: its limits, and what its answers say about them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pandaport_outbound::{Denied, RateSignal};
use pandaport_store::StoreError;

use crate::clock::Clock;
use crate::ledger::{Ledger, later};
use crate::limits::Limit;
use crate::lots::LotBook;

/// The wait after a 429 that says nothing, where there is no limit to go by.
const BLIND_WAIT: Duration = Duration::from_secs(1);

/// The budget of one API, shared by everything in this process that calls it.
pub(crate) struct Budget {
    /// The name of the budget, such as `kandji yourcompany.api.kandji.io`.
    pub(crate) api: String,
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) book: Arc<dyn LotBook>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The wait after a 429 that says nothing: the shortest window there is.
    silent_wait: Duration,
    block: Mutex<Block>,
}

#[derive(Default)]
struct Block {
    until: Option<Instant>,
    /// Not written into the book yet.
    unwritten: Option<Instant>,
}

impl Budget {
    pub(crate) fn new(api: String, limits: &[Limit], book: Arc<dyn LotBook>, clock: Arc<dyn Clock>) -> Self {
        Self {
            ledgers: Ledger::of(&api, limits),
            api,
            book,
            clock,
            silent_wait: limits.iter().map(|limit| limit.window).min().unwrap_or(BLIND_WAIT),
            block: Mutex::default(),
        }
    }

    /// Takes what an answer said about the limits.
    pub(crate) fn observe(&self, signal: &RateSignal) {
        self.observe_at(signal, Instant::now(), self.clock.now());
    }

    pub(crate) fn observe_at(&self, signal: &RateSignal, now: Instant, wall: Timestamp) {
        let Some(wait) = wait_of(signal, self.silent_wait, wall) else { return };
        let until = now + wait;
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if block.until.is_none_or(|it| it < until) {
            *block = Block { until: Some(until), unwritten: Some(until) };
        }
    }

    /// How long the API is to be left alone.
    pub(crate) fn blocked_for(&self, now: Instant) -> Option<Duration> {
        let block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = block.until?.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// Tells the other processes of a block that they do not know of. It goes to the ledger of the shortest lots: that one
    /// is looked at soonest.
    pub(crate) async fn write_block(&self, now: Instant, clock: &dyn Clock) -> Result<(), Denied> {
        let unwritten = self.block.lock().unwrap_or_else(PoisonError::into_inner).unwritten.take();
        let (Some(until), Some(ledger)) = (unwritten, self.ledgers.last()) else { return Ok(()) };
        let written = async {
            let until = later(clock.shared().await?, until.saturating_duration_since(now));
            self.book.block(&ledger.key, until).await
        };
        written.await.map_err(|error| {
            self.block.lock().unwrap_or_else(PoisonError::into_inner).unwritten.get_or_insert(until);
            unavailable(&error)
        })
    }
}

/// How long an answer asks to wait.
fn wait_of(signal: &RateSignal, silent_wait: Duration, now: Timestamp) -> Option<Duration> {
    let exhausted = signal
        .windows
        .iter()
        .filter(|window| window.remaining == 0)
        .map(|window| window.reset.unwrap_or_else(|| to_next(window.length, now)))
        .max();
    let refused = signal.status == 429;
    match (signal.retry_after, exhausted) {
        (Some(asked), Some(reset)) if refused => Some(asked.max(reset)),
        (Some(asked), None) if refused => Some(asked),
        (_, Some(reset)) => Some(reset),
        (_, None) => refused.then_some(silent_wait),
    }
}

/// The time to the next window of a gateway whose windows are fixed to the clock, as Kandji's is.
fn to_next(window: Duration, now: Timestamp) -> Duration {
    let length = window.as_micros().max(1);
    let into = u128::try_from(now.as_microsecond()).unwrap_or(0) % length;
    Duration::from_micros(u64::try_from(length - into).unwrap_or(u64::MAX))
}

pub(crate) fn unavailable(error: &StoreError) -> Denied {
    Denied::Unavailable { message: error.to_string() }
}
