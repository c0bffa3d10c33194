//! The calls that this process may make to one API, shared by everything in it that calls that API.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pandaport_outbound::{Denied, RateSignal};
use pandaport_store::LotId;
use pandaport_store::budgets::{Limit, Reservation};

use crate::clock::{Clock, Moment};
use crate::lots::{Ask, BookUnavailable, LotBook, Settled};
use crate::pace::Pace;

/// Limits with a window up to this long are kept inside the process: a book kept by the second would cost a write for
/// nearly every call, and waiting a second is cheaper than putting work back.
const LONGEST_PACED_WINDOW: Duration = Duration::from_secs(1);
/// A wait up to this long is waited out in place; a longer one is the caller's to plan.
const LONGEST_WAIT_IN_PLACE: Duration = Duration::from_secs(2);
/// A lot holds this part of the smallest limit, so that one process does not starve the others.
const LOTS_PER_LIMIT: u32 = 20;
/// And at most so many calls: what a crash can lose.
const LARGEST_LOT: u32 = 50;
/// How long a lot may live. What is left of it then goes back, so a slow user loses nothing.
const LONGEST_LOT_LIFE: Duration = Duration::from_secs(5);
/// How much longer than its length a window is reckoned, as the server counts when calls arrive, not when they leave:
/// this part of it, and at most a second.
const ARRIVAL_MARGIN_PARTS: u32 = 50;
const LONGEST_ARRIVAL_MARGIN: Duration = Duration::from_secs(1);
/// Callers that find the budget empty come back one after the other.
const STAGGER: Duration = Duration::from_millis(50);
const LONGEST_STAGGER: Duration = Duration::from_secs(2);
/// The wait after a 429 that says nothing, where there is no limit to go by.
const BLIND_WAIT: Duration = Duration::from_secs(1);

/// The budget of one API in this process.
pub(crate) struct Budget {
    /// The name of the budget, such as `kandji yourcompany.api.kandji.io`.
    api: String,
    paces: Vec<Pace>,
    /// The long limits, each window with its margin.
    limits: Vec<Limit>,
    /// The wait after a 429 that says nothing: the shortest window there is.
    silent_wait: Duration,
    book: Arc<dyn LotBook>,
    clock: Arc<dyn Clock>,
    /// Locked while a new lot is fetched: callers wait for one fetch, in the order in which they came.
    lot: tokio::sync::Mutex<Option<Lot>>,
    block: Mutex<Block>,
    denied_in_a_row: AtomicU32,
    users: AtomicU32,
}

struct Lot {
    id: LotId,
    size: u32,
    used: u32,
    last_used: Timestamp,
    expire_time: Timestamp,
    /// The same by the monotonic clock: a wall clock that is set back makes no lot live longer.
    expire: Instant,
}

enum Attempt {
    Go,
    /// No call is free before this is over; zero: ask again at once.
    Wait(Duration),
}

#[derive(Default)]
struct Block {
    until: Option<Instant>,
    /// Not written into the book yet.
    unwritten: Option<Timestamp>,
}

impl Budget {
    pub(crate) fn new(api: String, limits: &[Limit], book: Arc<dyn LotBook>, clock: Arc<dyn Clock>) -> Self {
        let (short, long): (Vec<Limit>, Vec<Limit>) =
            limits.iter().partition(|limit| limit.window <= LONGEST_PACED_WINDOW);
        Self {
            api,
            paces: short.into_iter().map(Pace::new).collect(),
            limits: long.into_iter().map(with_margin).collect(),
            silent_wait: limits.iter().map(|limit| limit.window).min().unwrap_or(BLIND_WAIT),
            book,
            clock,
            lot: tokio::sync::Mutex::new(None),
            block: Mutex::new(Block::default()),
            denied_in_a_row: AtomicU32::new(0),
            users: AtomicU32::new(0),
        }
    }

    /// One more user.
    pub(crate) fn join(&self) {
        self.users.fetch_add(1, Ordering::AcqRel);
    }

    /// One user less; says whether that was the last one.
    pub(crate) fn leave(&self) -> bool {
        self.users.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Takes one call, which must leave at once. Waits a little if that is enough.
    pub(crate) async fn take(&self) -> Result<(), Denied> {
        for pace in &self.paces {
            pace.pass().await;
        }
        let patience = Instant::now() + LONGEST_WAIT_IN_PLACE;
        loop {
            match self.attempt(self.moment()).await? {
                Attempt::Go => return Ok(()),
                Attempt::Wait(wait) if Instant::now() + wait > patience => {
                    return Err(Denied::BudgetEmpty { retry_after: wait + self.stagger() });
                }
                Attempt::Wait(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Takes one call out of the long limits if one is free at `now`.
    async fn attempt(&self, now: Moment) -> Result<Attempt, Denied> {
        self.write_block().await?;
        if let Some(wait) = self.blocked_for(now) {
            return Ok(Attempt::Wait(wait));
        }
        if self.limits.is_empty() {
            return Ok(Attempt::Go);
        }
        let mut held = self.lot.lock().await;
        if let Some(lot) = held.as_mut()
            && lot.take(now)
        {
            self.denied_in_a_row.store(0, Ordering::Relaxed);
            return Ok(Attempt::Go);
        }
        if let Some(lot) = held.take() {
            self.settle(&lot).await?;
        }
        let (want, ttl) = (self.lot_size(), self.lot_life());
        let ask = Ask { api: &self.api, limits: &self.limits, want, ttl, now: now.wall };
        match self.book.reserve(&ask).await.map_err(unavailable)? {
            Reservation::Granted(lot) => {
                let expire_time = lot.expire_time.timestamp();
                let expire = now.monotonic + between(now.wall, expire_time);
                let (id, size) = (lot.lot_id, lot.size);
                *held = Some(Lot { id, size, used: 0, last_used: now.wall, expire_time, expire });
                // Asked again with a fresh time: the book may have taken longer to answer than the lot lives.
                Ok(Attempt::Wait(Duration::ZERO))
            }
            Reservation::Empty { retry_at } => {
                let wait = between(now.wall, retry_at.timestamp());
                Ok(Attempt::Wait(wait.max(Duration::from_millis(1))))
            }
        }
    }

    /// Takes what an answer said about the limits.
    pub(crate) fn observe(&self, signal: &RateSignal) {
        self.observe_at(signal, self.moment());
    }

    fn observe_at(&self, signal: &RateSignal, now: Moment) {
        let Some((wait, shared)) = wait_of(signal, self.silent_wait, now.wall) else { return };
        let until = now.monotonic + wait;
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if block.until.is_none_or(|it| it < until) {
            block.until = Some(until);
            if shared {
                block.unwritten = Some(later(now.wall, wait));
            }
        }
    }

    /// Gives what is left of the lot back, and writes a block that is not written yet.
    pub(crate) async fn release(&self) {
        let written = self.write_block().await;
        let settled = match self.lot.lock().await.take() {
            Some(lot) => self.settle(&lot).await,
            None => Ok(()),
        };
        if let Err(Denied::Unavailable { message }) = written.and(settled) {
            // Nothing is lost but calls: the lot weighs in full until its window is over.
            tracing::warn!(api = %self.api, %message, "unused calls could not be given back");
        }
    }

    fn moment(&self) -> Moment {
        Moment { wall: self.clock.now(), monotonic: Instant::now() }
    }

    async fn settle(&self, lot: &Lot) -> Result<(), Denied> {
        let settled = Settled { lot_id: lot.id, unused: lot.size - lot.used, last_used: lot.last_used };
        self.book.settle(&self.api, settled).await.map_err(unavailable)
    }

    fn lot_size(&self) -> u32 {
        let smallest = self.limits.iter().map(|limit| limit.calls).min().unwrap_or(1);
        (smallest / LOTS_PER_LIMIT).clamp(1, LARGEST_LOT)
    }

    fn lot_life(&self) -> Duration {
        let shortest = self.limits.iter().map(|limit| limit.window).min().unwrap_or(LONGEST_LOT_LIFE);
        (shortest / 10).min(LONGEST_LOT_LIFE)
    }

    fn blocked_for(&self, now: Moment) -> Option<Duration> {
        let block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = block.until?.saturating_duration_since(now.monotonic);
        (!wait.is_zero()).then_some(wait)
    }

    async fn write_block(&self) -> Result<(), Denied> {
        let until = self.block.lock().unwrap_or_else(PoisonError::into_inner).unwritten.take();
        let Some(until) = until else { return Ok(()) };
        let written = self.book.block(&self.api, until).await;
        if written.is_err() {
            self.block.lock().unwrap_or_else(PoisonError::into_inner).unwritten.get_or_insert(until);
        }
        written.map_err(unavailable)
    }

    fn stagger(&self) -> Duration {
        let place = self.denied_in_a_row.fetch_add(1, Ordering::Relaxed);
        (STAGGER * place).min(LONGEST_STAGGER)
    }
}

impl Lot {
    fn take(&mut self, now: Moment) -> bool {
        let alive = now.wall < self.expire_time && now.monotonic < self.expire;
        if !alive || self.used >= self.size {
            return false;
        }
        self.used += 1;
        self.last_used = now.wall;
        true
    }
}

fn with_margin(limit: Limit) -> Limit {
    let margin = (limit.window / ARRIVAL_MARGIN_PARTS).min(LONGEST_ARRIVAL_MARGIN);
    Limit { window: limit.window + margin, ..limit }
}

/// How long an answer asks to wait, and whether that concerns other processes too.
fn wait_of(signal: &RateSignal, silent_wait: Duration, now: Timestamp) -> Option<(Duration, bool)> {
    let exhausted = signal
        .windows
        .iter()
        .filter(|window| window.remaining == 0)
        .map(|window| (window.reset.unwrap_or_else(|| to_next(window.length, now)), window.length))
        .max();
    let refused = signal.status == 429;
    let wait = match (signal.retry_after, exhausted) {
        (Some(asked), Some((reset, _))) if refused => asked.max(reset),
        (Some(asked), None) if refused => asked,
        (_, Some((reset, _))) => reset,
        (_, None) if refused => silent_wait,
        _ => return None,
    };
    let long = wait > LONGEST_PACED_WINDOW || exhausted.is_some_and(|(_, length)| length > LONGEST_PACED_WINDOW);
    Some((wait, long))
}

/// The time to the next window of a gateway whose windows are fixed to the clock, as Kandji's is.
fn to_next(window: Duration, now: Timestamp) -> Duration {
    let length = window.as_micros().max(1);
    let into = u128::try_from(now.as_microsecond()).unwrap_or(0) % length;
    Duration::from_micros(u64::try_from(length - into).unwrap_or(u64::MAX))
}

fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by).ok().and_then(|by| time.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

fn unavailable(BookUnavailable(message): BookUnavailable) -> Denied {
    Denied::Unavailable { message }
}

#[cfg(test)]
mod tests;
