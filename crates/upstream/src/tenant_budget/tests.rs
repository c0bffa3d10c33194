#![allow(clippy::unwrap_used)]

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use jiff::Timestamp;
use pandaport_outbound::{RateSignal, RateWindow};
use pandaport_store::budgets::{self, Answer, Counted, CountedLot, Ended, Limit};
use pandaport_store::{LotId, Micros, StoreError};

use super::*;
use crate::ledger::later;
use crate::lots::LotBook;

mod fairness;

/// A book in memory.
#[derive(Default)]
struct MemoryBook {
    /// By ledger.
    ledgers: Mutex<std::collections::HashMap<String, Counted>>,
    ids: Mutex<Vec<(LotId, String, usize)>>,
    blocked_until: Mutex<Option<Timestamp>>,
    down: AtomicBool,
    writes: AtomicU32,
}

impl MemoryBook {
    fn up(&self) -> Result<(), StoreError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable { message: "disk I/O error".into(), disk_full: false });
        }
        Ok(())
    }

    fn end(&self, ended: Ended) {
        let ids = self.ids.lock().unwrap();
        let (_, key, at) = ids.iter().find(|it| it.0 == ended.lot_id).unwrap();
        let mut ledgers = self.ledgers.lock().unwrap();
        let lot = &mut ledgers.get_mut(key).unwrap().lots[*at];
        lot.size -= i64::from(ended.unused);
        lot.expire_time = lot.expire_time.min(ended.last_used);
    }

    /// The sizes of the lots, in the order in which they were granted.
    fn sizes(&self, key: &str) -> Vec<i64> {
        self.ledgers.lock().unwrap()[key].lots.iter().map(|lot| lot.size).collect()
    }
}

#[async_trait]
impl LotBook for MemoryBook {
    async fn reserve(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reservation, StoreError> {
        self.up()?;
        let now = Micros::from(now);
        if let Some(ended) = ask.ended {
            self.end(ended);
        }
        if let Some(until) = *self.blocked_until.lock().unwrap()
            && Micros::from(until) > now
        {
            return Ok(Reservation::Empty { retry_at: until.into() });
        }
        let mut ledgers = self.ledgers.lock().unwrap();
        let counted = ledgers.entry(ask.api.to_owned()).or_default();
        let answer = budgets::answer(counted, ask.limits, ask.tenant, ask.want, now);
        counted.wishes.retain(|wish| wish.tenant != *ask.tenant && wish.until_time > now);
        match answer {
            Answer::Grant(size) => {
                let (lot_id, expire_time) = (LotId::new(now), now.plus(ask.lot_life));
                self.ids.lock().unwrap().push((lot_id, ask.api.to_owned(), counted.lots.len()));
                counted.lots.push(CountedLot { tenant: ask.tenant.clone(), expire_time, size: size.into() });
                Ok(Reservation::Granted(budgets::Lot { lot_id, size, expire_time }))
            }
            Answer::Refuse { retry_at, wish } => {
                counted.wishes.push(wish);
                Ok(Reservation::Empty { retry_at })
            }
        }
    }

    async fn give_back(&self, _api: &str, ended: Ended) -> Result<(), StoreError> {
        self.up()?;
        self.end(ended);
        Ok(())
    }

    async fn block(&self, _api: &str, until: Timestamp) -> Result<(), StoreError> {
        self.up()?;
        *self.blocked_until.lock().unwrap() = Some(until);
        Ok(())
    }
}

/// A moment is a clock that stands still.
#[async_trait]
impl Clock for Moment {
    fn now(&self) -> Timestamp {
        self.shared
    }

    async fn shared(&self) -> Result<Timestamp, StoreError> {
        Ok(self.shared)
    }
}

/// A budget in a process of its own, of a tenant, with limits of so many calls in so many seconds.
fn budget_of<const N: usize>(tenant: &str, limits: [(u32, u64); N], book: &Arc<MemoryBook>) -> TenantBudget {
    let limits = limits.map(|(calls, length)| Limit { calls, window: seconds(length) });
    process("kandji test", tenant, &limits, book.clone())
}

fn budget<const N: usize>(limits: [(u32, u64); N], book: &Arc<MemoryBook>) -> TenantBudget {
    budget_of("default", limits, book)
}

fn process(api: &str, tenant: &str, limits: &[Limit], book: Arc<dyn LotBook>) -> TenantBudget {
    let budget = Budget::new(api.into(), limits, book, Arc::new(Start::now().0));
    TenantBudget::new(Arc::new(budget), Tenant::new(tenant))
}

/// Moments counted from the start of a test, so that no test waits.
struct Start(Moment);

impl Start {
    fn now() -> Self {
        Self(Moment { shared: Timestamp::from_second(1_000_000).unwrap(), monotonic: Instant::now() })
    }

    fn after(&self, time: Duration) -> Moment {
        Moment { shared: later(self.0.shared, time), monotonic: self.0.monotonic + time }
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Takes a call, asking again where it is told to do so at once.
async fn try_take(budget: &TenantBudget, now: Moment) -> Result<(), Duration> {
    loop {
        let mut hands = budget.hands.lock().await;
        match budget.attempt(&mut hands, now.monotonic, &now).await.unwrap() {
            Attempt::Go => return Ok(()),
            Attempt::Wait { time: Duration::ZERO, .. } => {}
            Attempt::Wait { time, .. } => return Err(time),
        }
    }
}

fn observe(budget: &TenantBudget, signal: &RateSignal, now: Moment) {
    budget.budget.observe_at(signal, now.monotonic, now.shared);
}

/// Lets `callers` of each budget call for that long, in made-up time; gives the times at which calls left.
async fn call_for(budgets: &[TenantBudget], callers: u64, time: Duration) -> Vec<Duration> {
    let start = Start::now();
    // Each caller: when it next asks, its budget, and how long its calls take.
    let mut waiting: Vec<(Duration, usize, Duration)> = (0..budgets.len())
        .flat_map(|at| (0..callers).map(move |caller| (Duration::ZERO, at, Duration::from_millis(40 + caller * 7))))
        .collect();
    let mut left = Vec::new();
    loop {
        let next = waiting.iter_mut().min_by_key(|it| it.0).unwrap();
        if next.0 >= time {
            return left;
        }
        match try_take(&budgets[next.1], start.after(next.0)).await {
            Ok(()) => {
                left.push(next.0);
                next.0 += next.2;
            }
            Err(wait) => next.0 += wait,
        }
    }
}

fn assert_no_window_holds_more(left: &[Duration], limit: usize, window: Duration) {
    for calls in left.windows(limit + 1) {
        assert!(calls[limit] - calls[0] > window, "{} calls in {:?}", limit + 1, calls[limit] - calls[0]);
    }
}

#[tokio::test]
async fn rule_16_concurrent_callers_stay_within_every_window_and_use_nearly_all_of_it() {
    let book = Arc::new(MemoryBook::default());
    let window = seconds(180);
    let left = call_for(&[budget([(400, 180)], &book)], 8, 5 * window).await;
    assert_no_window_holds_more(&left, 400, window);
    assert!(left.len() >= 5 * 400 * 95 / 100, "only {} calls left", left.len());
}

#[tokio::test]
async fn rule_16_two_processes_share_all_windows() {
    let book = Arc::new(MemoryBook::default());
    let budgets = [budget([(60, 20), (100, 60)], &book), budget([(60, 20), (100, 60)], &book)];
    let left = call_for(&budgets, 3, seconds(300)).await;
    assert_no_window_holds_more(&left, 60, seconds(20));
    assert_no_window_holds_more(&left, 100, seconds(60));
    assert!(left.len() >= 450, "only {} calls left", left.len());
}

#[tokio::test]
async fn rule_16_the_store_keeps_the_same_rule_for_all_processes_on_it() {
    let database = pandaport_test_database::TestDatabase::new().await;
    let store = database.open().await;
    let limits = [Limit { calls: 30, window: seconds(20) }];
    let process = || process("kandji test", "default", &limits, Arc::new(store.clone()));
    let budgets = [process(), process()];
    let left = call_for(&budgets, 2, seconds(100)).await;
    assert_no_window_holds_more(&left, 30, seconds(20));
    assert!(left.len() >= 120, "only {} calls left", left.len());

    let start = Start::now();
    observe(&budgets[0], &refused(Some(seconds(500))), start.after(seconds(100)));
    assert!(try_take(&budgets[0], start.after(seconds(200))).await.is_err());
    assert!(try_take(&budgets[1], start.after(seconds(200))).await.is_err(), "the other process is blocked, too");
}

#[tokio::test]
async fn callers_at_once_share_a_lot_and_nobody_gets_a_call_twice() {
    let book = Arc::new(MemoryBook::default());
    let budget = Arc::new(budget([(100, 3_600)], &book));
    let callers: Vec<_> = (0..150)
        .map(|_| {
            let budget = budget.clone();
            tokio::spawn(async move { budget.take().await.is_ok() })
        })
        .collect();
    let mut granted = 0;
    for caller in callers {
        granted += u32::from(caller.await.unwrap());
    }
    assert_eq!(granted, 100);
}

#[tokio::test]
async fn a_slow_caller_gives_back_what_it_does_not_use() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(400, 180)], &book);
    budget.take().await.unwrap();
    assert_eq!(book.sizes("kandji test"), [5]);
    budget.release().await;
    assert_eq!(book.sizes("kandji test"), [1]);
    // A second release has nothing left to do.
    let writes = book.writes.load(Ordering::Relaxed);
    budget.release().await;
    assert_eq!(book.writes.load(Ordering::Relaxed), writes);
}

#[tokio::test]
async fn a_lot_that_is_too_old_is_not_used_up() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(400, 180)], &book);
    let start = Start::now();
    try_take(&budget, start.after(seconds(0))).await.unwrap();
    try_take(&budget, start.after(seconds(6))).await.unwrap();
    assert_eq!(book.sizes("kandji test"), [1, 1], "and the next is as large as was needed");
}

#[tokio::test]
async fn an_empty_budget_says_when_to_come_back_and_waiters_come_one_after_the_other() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(2, 3_600)], &book);
    budget.take().await.unwrap();
    budget.take().await.unwrap();
    let mut waits = Vec::new();
    for _ in 0..3 {
        match budget.take().await {
            Err(Denied::BudgetEmpty { retry_after }) => waits.push(retry_after),
            other => panic!("{other:?}"),
        }
    }
    assert!(waits[0] > seconds(3_590), "{waits:?}");
    assert!(waits[2] > waits[0] + STAGGER, "{waits:?}");
}

fn refused(retry_after: Option<Duration>) -> RateSignal {
    RateSignal { status: 429, retry_after, windows: vec![] }
}

#[tokio::test]
async fn a_429_stops_every_process_until_the_time_it_names() {
    let book = Arc::new(MemoryBook::default());
    let (one, other) = (budget([(400, 180)], &book), budget([(400, 180)], &book));
    let start = Start::now();
    observe(&one, &refused(Some(seconds(30))), start.after(seconds(0)));
    assert_eq!(try_take(&one, start.after(seconds(0))).await, Err(seconds(30)));
    assert_eq!(try_take(&other, start.after(seconds(10))).await, Err(seconds(20)));
    assert_eq!(try_take(&one, start.after(seconds(30))).await, Ok(()));
    assert_eq!(try_take(&other, start.after(seconds(30))).await, Ok(()));
}

#[tokio::test]
async fn a_shorter_wait_never_shortens_a_longer_one() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(400, 180)], &book);
    let start = Start::now();
    observe(&budget, &refused(Some(seconds(30))), start.after(seconds(0)));
    observe(&budget, &refused(Some(seconds(5))), start.after(seconds(0)));
    assert_eq!(try_take(&budget, start.after(seconds(0))).await, Err(seconds(30)));
}

#[tokio::test]
async fn a_silent_429_waits_out_the_shortest_window() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(400, 180)], &book);
    let start = Start::now();
    observe(&budget, &refused(None), start.after(seconds(0)));
    assert_eq!(try_take(&budget, start.after(seconds(0))).await, Err(seconds(180)));
}

#[tokio::test]
async fn an_exhausted_window_stops_calls_before_they_are_refused() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(8_000, 3_600), (40, 1)], &book);
    let start = Start::now();
    let hour = RateWindow { length: seconds(3_600), limit: 10_000, remaining: 0, reset: None };
    let signal = RateSignal { status: 200, retry_after: None, windows: vec![hour] };
    observe(&budget, &signal, start.after(seconds(0)));
    // The windows of Kandji's gateway are fixed to the clock; the test's stands at 1,000,000 s.
    let to_the_hour = seconds(3_600 - 1_000_000 % 3_600);
    assert_eq!(try_take(&budget, start.after(seconds(0))).await, Err(to_the_hour));
    assert!(book.blocked_until.lock().unwrap().is_some());
}

#[tokio::test]
async fn a_wait_of_a_second_holds_for_every_process() {
    let book = Arc::new(MemoryBook::default());
    let limits = [(8_000, 3_600), (40, 1)];
    let (one, other) = (budget(limits, &book), budget(limits, &book));
    let start = Start::now();
    observe(&one, &refused(Some(seconds(1))), start.after(seconds(0)));
    assert_eq!(try_take(&one, start.after(seconds(0))).await, Err(seconds(1)));
    assert_eq!(try_take(&other, start.after(seconds(0))).await, Err(seconds(1)));
    assert_eq!(try_take(&other, start.after(seconds(1))).await, Ok(()));
}

#[tokio::test]
async fn rule_16_processes_share_a_limit_of_one_second() {
    let book = Arc::new(MemoryBook::default());
    let limits = [(8_000, 3_600), (40, 1)];
    let budgets = [budget(limits, &book), budget(limits, &book), budget(limits, &book), budget(limits, &book)];
    let left = call_for(&budgets, 2, seconds(20)).await;
    assert_no_window_holds_more(&left, 40, seconds(1));
    assert!(left.len() >= 20 * 40 * 80 / 100, "only {} calls left", left.len());
    let asked = book.writes.load(Ordering::Relaxed) as usize;
    assert!(asked <= left.len() * 3 / 2, "{asked} transactions for {} calls", left.len());
}

#[tokio::test]
async fn what_is_used_up_makes_lots_larger() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(400, 180)], &book);
    let start = Start::now();
    for call in 0..60 {
        try_take(&budget, start.after(Duration::from_millis(call * 10))).await.unwrap();
    }
    assert_eq!(book.sizes("kandji test"), [5, 10, 20, 20, 20]);
}

#[tokio::test]
async fn a_book_that_is_down_denies_and_keeps_the_block_for_later() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(400, 180)], &book);
    book.down.store(true, Ordering::Relaxed);
    assert!(matches!(budget.take().await, Err(Denied::Unavailable { .. })));
    budget.budget.observe(&refused(Some(seconds(60))));
    assert!(matches!(budget.take().await, Err(Denied::Unavailable { .. })));
    book.down.store(false, Ordering::Relaxed);
    assert!(matches!(budget.take().await, Err(Denied::BudgetEmpty { .. })));
    assert!(book.blocked_until.lock().unwrap().is_some());
}

#[tokio::test]
async fn off_asks_no_book() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([], &book);
    for _ in 0..10_000 {
        budget.take().await.unwrap();
    }
    assert_eq!(book.writes.load(Ordering::Relaxed), 0);
}
