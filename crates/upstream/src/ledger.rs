//! How the limits of an API are kept in the book, and what a process has in hand of them.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use pandaport_store::LotId;
use pandaport_store::budgets::Ended;

use crate::clock::Moment;
use crate::limits::Limit;

/// Limits with a window up to this long have a ledger of their own. Theirs are many small lots of a short life; in one
/// ledger, all lots would have to be so.
const LONGEST_SHORT_WINDOW: Duration = Duration::from_secs(1);
/// A lot holds this part of the smallest limit at most, so that one process does not starve the others; of a short limit
/// a larger one, so that nobody has to ask for nearly every call.
const LOTS_PER_LIMIT: u32 = 20;
const LOTS_PER_SHORT_LIMIT: u32 = 8;
/// And at most so many calls: what a crash can lose.
const LARGEST_LOT: u32 = 50;
/// A lot lives for this part of the shortest window, and no longer than that. What is left of it then goes back, so a
/// slow user loses nothing. Of a long window a small part: what is in hand counts in full, also against the tenth of the
/// window in which tenants are paced.
const LIVES_PER_WINDOW: u32 = 40;
const LIVES_PER_SHORT_WINDOW: u32 = 10;
const LONGEST_LOT_LIFE: Duration = Duration::from_secs(5);
/// How much longer than its length a window is reckoned, as the server counts when calls arrive, not when they leave:
/// this part of it, but no less and no more than these.
const ARRIVAL_MARGIN_PARTS: u32 = 50;
const SHORTEST_ARRIVAL_MARGIN: Duration = Duration::from_millis(50);
const LONGEST_ARRIVAL_MARGIN: Duration = Duration::from_secs(1);
/// How long a caller waits in place rather than put its work back: little, or for a short limit until its turn comes.
const PATIENCE: Duration = Duration::from_secs(2);
const SHORT_LIMIT_PATIENCE: Duration = Duration::from_secs(10);

/// Limits that are kept together.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Its name in the book.
    pub(crate) key: String,
    /// Each window with its margin.
    pub(crate) limits: Vec<Limit>,
    /// Calls in a lot, at most.
    pub(crate) largest_lot: u32,
    pub(crate) lot_life: Duration,
    pub(crate) patience: Duration,
}

impl Ledger {
    /// The ledgers of an API: the one of the long limits first, so that a call that none of them allows takes nothing of
    /// the short ones, which wait for nobody.
    pub(crate) fn of(api: &str, limits: &[Limit]) -> Vec<Self> {
        let (short, long): (Vec<Limit>, Vec<Limit>) =
            limits.iter().partition(|limit| limit.window <= LONGEST_SHORT_WINDOW);
        let long = Self::new(api.to_owned(), long, LOTS_PER_LIMIT, LIVES_PER_WINDOW, PATIENCE);
        let short = Self::new(
            format!("{api} short"),
            short,
            LOTS_PER_SHORT_LIMIT,
            LIVES_PER_SHORT_WINDOW,
            SHORT_LIMIT_PATIENCE,
        );
        long.into_iter().chain(short).collect()
    }

    fn new(key: String, limits: Vec<Limit>, lots_per_limit: u32, lives: u32, patience: Duration) -> Option<Self> {
        let smallest = limits.iter().map(|limit| limit.calls).min()?;
        let shortest = limits.iter().map(|limit| limit.window).min()?;
        Some(Self {
            key,
            largest_lot: (smallest / lots_per_limit).clamp(1, LARGEST_LOT),
            lot_life: (shortest / lives).min(LONGEST_LOT_LIFE),
            limits: limits.into_iter().map(with_margin).collect(),
            patience,
        })
    }
}

fn with_margin(limit: Limit) -> Limit {
    let margin = (limit.window / ARRIVAL_MARGIN_PARTS).clamp(SHORTEST_ARRIVAL_MARGIN, LONGEST_ARRIVAL_MARGIN);
    Limit { window: limit.window + margin, ..limit }
}

/// What is in hand of a ledger: a lot at most.
#[derive(Debug)]
pub(crate) struct Hand {
    lot: Option<Lot>,
    /// How many calls the next lot is to hold: as many as the last ones were used for.
    pub(crate) want: u32,
    largest_lot: u32,
    /// The last refusal: when it came, and until when nothing is free.
    refused: Option<(Instant, Instant)>,
    /// How long the book took to answer the last time: a lot that does not live longer than that would be over before it is
    /// in hand, and be asked for again for ever.
    pub(crate) book_took: Duration,
}

#[derive(Debug)]
struct Lot {
    id: LotId,
    size: u32,
    used: u32,
    /// When it was asked for, by both clocks. By the shared one it was granted then or a little later; so what is counted
    /// on from here by the monotonic clock expires early and was used late, and errs on the safe side.
    asked: Moment,
    last_used: Instant,
    expire: Instant,
}

/// How long a refusal answers those who ask after it as well.
const REFUSAL_HOLDS: Duration = Duration::from_millis(250);

impl Hand {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let want = (ledger.largest_lot / 4).max(1);
        Self { lot: None, want, largest_lot: ledger.largest_lot, refused: None, book_took: Duration::ZERO }
    }

    /// Whether a call may leave now.
    pub(crate) fn has_call(&self, now: Instant) -> bool {
        self.lot.as_ref().is_some_and(|lot| now < lot.expire && lot.used < lot.size)
    }

    /// Takes the call that is there.
    pub(crate) fn take(&mut self, now: Instant) {
        if let Some(lot) = &mut self.lot {
            lot.used += 1;
            lot.last_used = now;
        }
    }

    /// A new lot.
    pub(crate) fn put(&mut self, id: LotId, size: u32, asked: Moment, life: Duration) {
        let (last_used, expire) = (asked.monotonic, asked.monotonic + life);
        self.refused = None;
        self.lot = Some(Lot { id, size, used: 0, asked, last_used, expire });
    }

    /// Puts the lot out of the hand. One that was used up makes the next larger, one that was not makes it as large as
    /// was needed.
    pub(crate) fn end_lot(&mut self) -> Option<Ended> {
        let lot = self.lot.take()?;
        self.want = if lot.used < lot.size { lot.used.max(1) } else { (self.want * 2).min(self.largest_lot) };
        let used_for = lot.last_used.saturating_duration_since(lot.asked.monotonic);
        let last_used = later(lot.asked.shared, used_for).into();
        Some(Ended { lot_id: lot.id, unused: lot.size - lot.used, last_used })
    }

    /// Nothing is free before this is over.
    pub(crate) fn refuse(&mut self, now: Instant, wait: Duration) {
        self.refused = Some((now, now + wait));
    }

    /// How long a refusal of just now still holds.
    pub(crate) fn refused_for(&self, now: Instant) -> Option<Duration> {
        let (at, until) = self.refused?;
        let holds = now < at + REFUSAL_HOLDS && now < until;
        holds.then(|| until.saturating_duration_since(now))
    }
}

/// `time` and `by` more.
pub(crate) fn later(time: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by).ok().and_then(|by| time.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}
