#![allow(clippy::unwrap_used)]

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use pandaport_outbound::RateWindow;
use pandaport_store::budgets;

use super::*;
use crate::clock::SystemClock;

/// A book in memory that keeps the rule in the plainest way.
#[derive(Default)]
struct MemoryBook {
    lots: Mutex<Vec<(LotId, u32, Timestamp)>>,
    blocked_until: Mutex<Option<Timestamp>>,
    down: AtomicBool,
    writes: AtomicU32,
}

impl MemoryBook {
    fn up(&self) -> Result<(), BookUnavailable> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) { Err(BookUnavailable("disk I/O error".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl LotBook for MemoryBook {
    async fn reserve(&self, ask: &Ask<'_>) -> Result<Reservation, BookUnavailable> {
        self.up()?;
        if let Some(until) = *self.blocked_until.lock().unwrap()
            && until > ask.now
        {
            return Ok(Reservation::Empty { retry_at: until.into() });
        }
        let mut lots = self.lots.lock().unwrap();
        let mut size = ask.want;
        let mut until = ask.now;
        for limit in ask.limits {
            let weighing = || lots.iter().filter(|lot| later(lot.2, limit.window) > ask.now);
            let free = limit.calls - weighing().map(|lot| lot.1).sum::<u32>();
            if free == 0 {
                until = until.max(weighing().map(|lot| later(lot.2, limit.window)).min().unwrap());
            }
            size = size.min(free);
        }
        if size == 0 {
            return Ok(Reservation::Empty { retry_at: until.into() });
        }
        let lot_id = LotId::new(ask.now.into());
        let expire_time = later(ask.now, ask.ttl);
        lots.push((lot_id, size, expire_time));
        Ok(Reservation::Granted(budgets::Lot { lot_id, size, expire_time: expire_time.into() }))
    }

    async fn settle(&self, _api: &str, settled: Settled) -> Result<(), BookUnavailable> {
        self.up()?;
        let mut lots = self.lots.lock().unwrap();
        let lot = lots.iter_mut().find(|lot| lot.0 == settled.lot_id).unwrap();
        (lot.1, lot.2) = (lot.1 - settled.unused, settled.last_used);
        Ok(())
    }

    async fn block(&self, _api: &str, until: Timestamp) -> Result<(), BookUnavailable> {
        self.up()?;
        *self.blocked_until.lock().unwrap() = Some(until);
        Ok(())
    }
}

/// A budget with limits of so many calls in so many seconds.
fn budget<const N: usize>(limits: [(u32, u64); N], book: &Arc<MemoryBook>) -> Budget {
    let limits = limits.map(|(calls, length)| Limit { calls, window: seconds(length) });
    Budget::new("kandji test".into(), &limits, book.clone(), Arc::new(SystemClock))
}

/// Moments counted from the start of a test, so that no test waits.
struct Start(Moment);

impl Start {
    fn now() -> Self {
        Self(Moment { wall: Timestamp::from_second(1_000_000).unwrap(), monotonic: Instant::now() })
    }

    fn after(&self, time: Duration) -> Moment {
        Moment { wall: later(self.0.wall, time), monotonic: self.0.monotonic + time }
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Takes a call, asking again where it is told to do so at once.
async fn try_take(budget: &Budget, now: Moment) -> Result<(), Duration> {
    loop {
        match budget.attempt(now).await.unwrap() {
            Attempt::Go => return Ok(()),
            Attempt::Wait(Duration::ZERO) => {}
            Attempt::Wait(wait) => return Err(wait),
        }
    }
}

/// Lets `callers` of each budget call for that long, in made-up time; gives the times at which calls left.
async fn call_for(budgets: &[Budget], callers: u64, time: Duration) -> Vec<Duration> {
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
    let process = || Budget::new("kandji test".into(), &limits, Arc::new(store.clone()), Arc::new(SystemClock));
    let budgets = [process(), process()];
    let left = call_for(&budgets, 2, seconds(100)).await;
    assert_no_window_holds_more(&left, 30, seconds(20));
    assert!(left.len() >= 120, "only {} calls left", left.len());

    let start = Start::now();
    budgets[0].observe_at(&refused(Some(seconds(500))), start.after(seconds(100)));
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
    assert_eq!(book.lots.lock().unwrap()[0].1, 20);
    budget.release().await;
    assert_eq!(book.lots.lock().unwrap()[0].1, 1);
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
    let lots = book.lots.lock().unwrap();
    assert_eq!((lots[0].1, lots[1].1), (1, 20));
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
    one.observe_at(&refused(Some(seconds(30))), start.after(seconds(0)));
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
    budget.observe_at(&refused(Some(seconds(30))), start.after(seconds(0)));
    budget.observe_at(&refused(Some(seconds(5))), start.after(seconds(0)));
    assert_eq!(try_take(&budget, start.after(seconds(0))).await, Err(seconds(30)));
}

#[tokio::test]
async fn a_silent_429_waits_out_the_shortest_window() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(400, 180)], &book);
    let start = Start::now();
    budget.observe_at(&refused(None), start.after(seconds(0)));
    assert_eq!(try_take(&budget, start.after(seconds(0))).await, Err(seconds(180)));
}

#[tokio::test]
async fn an_exhausted_window_stops_calls_before_they_are_refused() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(8_000, 3_600), (40, 1)], &book);
    let start = Start::now();
    let hour = RateWindow { length: seconds(3_600), limit: 10_000, remaining: 0, reset: None };
    let signal = RateSignal { status: 200, retry_after: None, windows: vec![hour] };
    budget.observe_at(&signal, start.after(seconds(0)));
    // The windows of Kandji's gateway are fixed to the clock; the test's stands at 1,000,000 s.
    let to_the_hour = seconds(3_600 - 1_000_000 % 3_600);
    assert_eq!(try_take(&budget, start.after(seconds(0))).await, Err(to_the_hour));
    assert!(book.blocked_until.lock().unwrap().is_some());
}

#[tokio::test]
async fn a_wait_of_a_second_is_nobody_elses_business() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(40, 1)], &book);
    let start = Start::now();
    budget.observe_at(&refused(Some(seconds(1))), start.after(seconds(0)));
    assert_eq!(try_take(&budget, start.after(seconds(0))).await, Err(seconds(1)));
    assert_eq!(try_take(&budget, start.after(seconds(1))).await, Ok(()));
    assert_eq!(book.writes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_book_that_is_down_denies_and_keeps_the_block_for_later() {
    let book = Arc::new(MemoryBook::default());
    let budget = budget([(400, 180)], &book);
    book.down.store(true, Ordering::Relaxed);
    assert!(matches!(budget.take().await, Err(Denied::Unavailable { .. })));
    budget.observe(&refused(Some(seconds(60))));
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
