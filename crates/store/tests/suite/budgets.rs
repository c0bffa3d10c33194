//! Rule 16: never more calls than the limit in any window, however it is laid.

use std::time::Duration;

use pandaport_store::budgets::{self, Ask, Ended, Limit, Lot, Reservation};
use pandaport_store::{LotId, Micros, Store, Tenant};
use proptest::prelude::*;

use crate::{START, after, site};

const API: &str = "asset-panda default";

async fn reserve(store: &Store, limit: Limit, want: u32, now: Micros, ttl: u64) -> Reservation {
    reserve_of(store, (API, "default"), &[limit], want, now, Duration::from_secs(ttl)).await
}

async fn reserve_of(
    store: &Store,
    (api, tenant): (&str, &str),
    limits: &[Limit],
    want: u32,
    now: Micros,
    lot_life: Duration,
) -> Reservation {
    let tenant = Tenant::new(tenant);
    let ask = Ask { api, tenant: &tenant, limits, want, lot_life, ended: None };
    budgets::reserve(store, &ask, now).await.unwrap()
}

async fn give_back(store: &Store, api: &str, lot_id: LotId, unused: u32, last_used: Micros) {
    budgets::give_back(store, api, Ended { lot_id, unused, last_used }).await.unwrap();
}

fn granted(reservation: Reservation) -> Lot {
    match reservation {
        Reservation::Granted(lot) => lot,
        Reservation::Empty { retry_at } => panic!("empty until {retry_at}"),
    }
}

/// Asks until nothing is free: how many calls that were, and when there are more.
async fn drain(store: &Store, tenant: &str, limits: &[Limit], now: Micros, lot_life: Duration) -> (u32, Micros) {
    let mut calls = 0;
    loop {
        match reserve_of(store, (API, tenant), limits, 1_000, now, lot_life).await {
            Reservation::Granted(lot) => calls += lot.size,
            Reservation::Empty { retry_at } => return (calls, retry_at),
        }
    }
}

#[tokio::test]
async fn what_is_free_is_granted_and_the_rest_has_a_time() {
    let site = site().await;
    let store = &site.store;
    let limit = Limit { calls: 20, window: Duration::from_secs(60) };
    let first = granted(reserve(store, limit, 4, START, 5).await);
    assert_eq!((first.size, first.expire_time), (4, after(5)));
    assert_eq!(granted(reserve(store, limit, 4, after(6), 5).await).size, 4);
    // The first lot's last call may leave at 5 s: until 65 s it counts.
    assert_eq!(drain(store, "default", &[limit], after(12), Duration::from_secs(5)).await, (12, after(65)));
    assert_eq!(drain(store, "default", &[limit], after(65), Duration::from_secs(5)).await, (4, after(71)));
    // Another API has its own.
    let other = reserve_of(store, ("kandji acme", "default"), &[limit], 5, after(66), Duration::from_secs(5)).await;
    assert_eq!(granted(other).size, 5);
}

#[tokio::test]
async fn lots_become_smaller_as_more_are_in_hand() {
    let site = site().await;
    let limit = Limit { calls: 40, window: Duration::from_secs(60) };
    let mut sizes = Vec::new();
    for _ in 0..6 {
        sizes.push(granted(reserve(&site.store, limit, 20, START, 5).await).size);
    }
    assert_eq!(sizes, [10, 5, 3, 2, 2, 1]);
}

#[tokio::test]
async fn what_is_given_back_is_free_again_and_the_lot_has_ended() {
    let site = site().await;
    let store = &site.store;
    let limit = Limit { calls: 40, window: Duration::from_secs(60) };
    let lot = granted(reserve(store, limit, 10, START, 30).await);
    give_back(store, API, lot.lot_id, 7, after(1)).await;
    // The three calls of the first lot left by 1 s, not by 30 s.
    assert_eq!(drain(store, "default", &[limit], after(2), Duration::from_secs(2)).await, (37, after(61)));
    let next = granted(reserve(store, limit, 10, after(61), 1).await);
    assert_eq!(next.size, 3);
    // What ends a lot may come with the next wish; it gives back no more than there was.
    let tenant = Tenant::default();
    let ended = Some(Ended { lot_id: next.lot_id, unused: 99, last_used: after(62) });
    let lot_life = Duration::from_secs(1);
    let ask = Ask { api: API, tenant: &tenant, limits: &[limit], want: 10, lot_life, ended };
    assert_eq!(granted(budgets::reserve(store, &ask, after(62)).await.unwrap()).size, 3);
}

#[tokio::test]
async fn all_limits_hold_at_once() {
    let site = site().await;
    let limits =
        [Limit { calls: 100, window: Duration::from_secs(3600) }, Limit { calls: 50, window: Duration::from_secs(1) }];
    let drain = async |now| drain(&site.store, "default", &limits, now, Duration::from_millis(100)).await;
    assert_eq!(drain(START).await, (50, START.plus(Duration::from_millis(1100))));
    let hour = START.plus(Duration::from_millis(3_600_100));
    assert_eq!(drain(after(2)).await, (50, hour));
    assert_eq!(drain(after(4)).await, (0, hour));
    assert_eq!(drain(hour).await.0, 50);
}

#[tokio::test]
async fn a_pause_that_the_api_asked_for_holds_for_all() {
    let site = site().await;
    let limit = Limit { calls: 10, window: Duration::from_secs(60) };
    budgets::block_until(&site.store, API, after(30)).await.unwrap();
    budgets::block_until(&site.store, API, after(20)).await.unwrap();
    assert_eq!(reserve(&site.store, limit, 1, after(25), 5).await, Reservation::Empty { retry_at: after(30) });
    assert_eq!(granted(reserve(&site.store, limit, 1, after(30), 5).await).size, 1);
}

#[tokio::test]
async fn rule_16_calls_granted_before_the_clock_went_back_an_hour_are_free_again_in_a_window() {
    let site = site().await;
    let limit = Limit { calls: 10, window: Duration::from_secs(180) };
    let drain = async |now| drain(&site.store, "default", &[limit], now, Duration::from_secs(5)).await;
    assert_eq!(drain(after(3600)).await.0, 10);
    // As if they had been granted just now by a process whose clock is a minute ahead.
    let free = after(5 + 60 + 180);
    assert_eq!(drain(START).await, (0, free));
    assert_eq!(drain(after(244)).await, (0, free));
    assert_eq!(drain(free).await.0, 10);
}

#[tokio::test]
async fn rule_16_what_a_waiting_tenant_could_claim_is_kept_from_one_that_has_had_its_share() {
    let site = site().await;
    let limit = Limit { calls: 40, window: Duration::from_secs(60) };
    let drain = async |tenant, now| drain(&site.store, tenant, &[limit], now, Duration::from_secs(1)).await;
    assert_eq!(drain("greedy", START).await.0, 30 + 10);
    let second = START.plus(Duration::from_secs(1));
    assert_eq!(drain("small", second).await, (0, after(61)));
    // All is free again at once: the one that asks first has its half, and more once the wish of the other has lapsed.
    assert_eq!(drain("greedy", after(61)).await, (20, after(64)));
    assert_eq!(drain("small", after(61)).await.0, 20);
}

#[tokio::test]
async fn nothing_is_kept_for_a_tenant_that_does_not_come_back() {
    let site = site().await;
    let limit = Limit { calls: 40, window: Duration::from_secs(60) };
    let drain = async |tenant, now| drain(&site.store, tenant, &[limit], now, Duration::from_secs(1)).await;
    drain("greedy", START).await;
    drain("gone", after(1)).await;
    assert_eq!(drain("greedy", after(70)).await.0, 40);
}

/// What a caller does between one moment and the next.
#[derive(Clone, Debug)]
struct Step {
    pause_ms: u64,
    want: u32,
    ttl_ms: u64,
    /// Of the lot's calls, how many are made; and whether the rest is given back, how long after.
    made: u32,
    give_back_ms: Option<u64>,
}

fn step() -> impl Strategy<Value = Step> {
    (0..4_000_u64, 1..8_u32, 1..3_000_u64, 0..8_u32, proptest::option::of(0..2_000_u64))
        .prop_map(|(pause_ms, want, ttl_ms, made, give_back_ms)| Step { pause_ms, want, ttl_ms, made, give_back_ms })
}

#[test]
fn no_window_ever_holds_more_calls_than_the_limit() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let site = runtime.block_on(site());
    let cases = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in proptest::collection::vec(step(), 1..40), calls in 3..12_u32, window_ms in 2_000..12_000_u64)| {
        cases.set(cases.get() + 1);
        let api = format!("case {}", cases.get());
        let limit = Limit { calls, window: Duration::from_millis(window_ms) };
        let left = runtime.block_on(run(&site.store, &api, limit, &steps));
        // The fullest windows begin at a call.
        for begin in &left {
            let within = left.iter().filter(|time| **time >= *begin && **time < begin.plus(limit.window)).count();
            prop_assert!(within <= calls as usize, "{within} calls from {begin}");
        }
    });
}

/// The times at which calls left: each lot's as late as it allows, but for those of every second one, which leave at once.
async fn run(store: &Store, api: &str, limit: Limit, steps: &[Step]) -> Vec<Micros> {
    let mut now = START;
    let mut left = Vec::new();
    let mut ending: Vec<(Micros, Lot, u32)> = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        now = now.plus(Duration::from_millis(step.pause_ms));
        ending.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        while let Some((at, lot, unused)) = ending.pop_if(|(at, ..)| *at <= now) {
            give_back(store, api, lot.lot_id, unused, at).await;
        }
        let ttl = Duration::from_millis(step.ttl_ms);
        let Reservation::Granted(lot) = reserve_of(store, (api, "default"), &[limit], step.want, now, ttl).await else {
            continue;
        };
        let made = step.made.min(lot.size);
        let last_moment = Micros(lot.expire_time.0 - 1);
        let at = match step.give_back_ms {
            _ if n % 2 == 0 => now,
            Some(after) => last_moment.min(Micros(now.plus(Duration::from_millis(after)).0 - 1).max(now)),
            None => last_moment,
        };
        if let Some(after) = step.give_back_ms {
            ending.push((at.max(now.plus(Duration::from_millis(after))), lot, lot.size - made));
        }
        left.extend((0..made).map(|_| at));
    }
    left
}
