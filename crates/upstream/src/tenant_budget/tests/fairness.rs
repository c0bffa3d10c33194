//! What tenants get of a limit that several processes share, in made-up time: no window holds more than the limit, nearly
//! all of it is used, and no tenant that has work gets less than four fifths of an equal share.

use proptest::prelude::*;

use super::*;

/// A process that works for a tenant.
#[derive(Clone, Debug)]
struct Crowd {
    tenant: usize,
    /// Calls at once.
    callers: u64,
    /// How long a call takes.
    call_ms: u64,
    /// When it begins.
    begins_ms: u64,
}

/// Lets all call until `end`; gives the times at which calls left, with the tenant.
async fn run(crowds: &[Crowd], limits: &[Limit], end: Duration) -> Vec<(Duration, usize)> {
    let book = Arc::new(MemoryBook::default());
    let start = Start::now();
    let budgets: Vec<_> =
        crowds.iter().map(|it| process("asset-panda test", &it.tenant.to_string(), limits, book.clone())).collect();
    let mut waiting: Vec<(Duration, usize)> = Vec::new();
    for (at, crowd) in crowds.iter().enumerate() {
        waiting.extend((0..crowd.callers).map(|n| (Duration::from_millis(crowd.begins_ms + n), at)));
    }
    let mut left = Vec::new();
    loop {
        let next = waiting.iter_mut().min_by_key(|it| it.0).unwrap();
        if next.0 >= end {
            return left;
        }
        match try_take(&budgets[next.1], start.after(next.0)).await {
            Ok(()) => {
                left.push((next.0, crowds[next.1].tenant));
                next.0 += Duration::from_millis(crowds[next.1].call_ms);
            }
            // Who waits longer than a caller does in place comes back through the queue: a poll late.
            Err(wait) => next.0 += wait + Duration::from_millis(if wait > PATIENCE { 100 } else { 0 }),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(2);

/// What is promised, once all have been at work for a window.
fn check(left: &[(Duration, usize)], tenants: usize, limit: Limit, (begin, end): (Duration, Duration)) {
    let times: Vec<Duration> = left.iter().map(|it| it.0).collect();
    assert_no_window_holds_more(&times, limit.calls as usize, limit.window);
    let windows = (end - begin).as_secs_f64() / limit.window.as_secs_f64();
    let calls: Vec<usize> = left.iter().filter(|it| it.0 >= begin).map(|it| it.1).collect();
    let used = calls.len() as f64 / (windows * f64::from(limit.calls));
    assert!(used >= 0.95, "only {used:.3} of the limit was used");
    for tenant in 0..tenants {
        let share = calls.iter().filter(|it| **it == tenant).count() as f64 * tenants as f64 / calls.len() as f64;
        assert!(share >= 0.8, "tenant {tenant} got only {share:.2} of an equal share");
    }
}

#[tokio::test]
async fn rule_16_four_workers_and_twenty_mappings_get_equal_shares_and_use_the_limit() {
    for limit in [Limit { calls: 400, window: seconds(180) }, Limit { calls: 240, window: seconds(6) }] {
        share_of_five(limit).await;
    }
}

async fn share_of_five(limit: Limit) {
    // Five tenants with one, two, four, five and eight mappings, spread over four workers.
    let mut crowds = Vec::new();
    for (tenant, mappings) in [1_u64, 2, 4, 5, 8].into_iter().enumerate() {
        for _ in 0..mappings.min(4) {
            crowds.push(Crowd { tenant, callers: 4 * mappings.div_ceil(4), call_ms: 150, begins_ms: 0 });
        }
    }
    let end = 6 * limit.window;
    let left = run(&crowds, &[limit], end).await;
    check(&left, 5, limit, (2 * limit.window, end));
}

#[tokio::test]
async fn rule_16_a_tenant_that_comes_late_has_its_share_within_a_window() {
    let limit = Limit { calls: 400, window: seconds(180) };
    let greedy = Crowd { tenant: 0, callers: 8, call_ms: 100, begins_ms: 0 };
    let late = Crowd { tenant: 1, callers: 1, call_ms: 200, begins_ms: 400_000 };
    let end = seconds(400) + 4 * limit.window;
    let left = run(&[greedy.clone(), greedy, late], &[limit], end).await;
    check(&left, 2, limit, (seconds(400) + limit.window, end));
}

#[tokio::test]
async fn rule_16_what_a_slow_tenant_leaves_is_used_by_the_others() {
    let limit = Limit { calls: 400, window: seconds(180) };
    let greedy = Crowd { tenant: 0, callers: 8, call_ms: 100, begins_ms: 0 };
    // A call every five seconds: 36 in a window, far less than its share.
    let slow = Crowd { tenant: 1, callers: 1, call_ms: 5_000, begins_ms: 0 };
    let end = 6 * limit.window;
    let left = run(&[greedy, slow], &[limit], end).await;
    check(&left, 1, limit, (2 * limit.window, end));
    let slow = left.iter().filter(|it| it.1 == 1).count();
    // It waits for its turn at each call, but no longer than its own calls take.
    assert!(slow >= 36 * 6 / 2, "the slow one made {slow} calls only");
}

fn crowds() -> impl Strategy<Value = Vec<Crowd>> {
    let crowd = (0..4_usize, 1..6_u64, 20..400_u64).prop_map(|(tenant, callers, call_ms)| Crowd {
        tenant,
        callers,
        call_ms,
        begins_ms: 0,
    });
    proptest::collection::vec(crowd, 1..10).prop_map(|mut crowds| {
        // Tenants without a gap.
        let mut tenants: Vec<usize> = crowds.iter().map(|it| it.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        for crowd in &mut crowds {
            crowd.tenant = tenants.binary_search(&crowd.tenant).unwrap();
        }
        crowds
    })
}

/// Found by the property below, when those at work were kept nothing.
#[tokio::test]
async fn rule_16_a_tenant_that_makes_its_calls_one_after_the_other_has_its_share_beside_a_quick_one() {
    let limit = Limit { calls: 717, window: seconds(180) };
    let one_by_one = Crowd { tenant: 1, callers: 1, call_ms: 174, begins_ms: 0 };
    let quick = Crowd { tenant: 0, callers: 4, call_ms: 20, begins_ms: 0 };
    let end = 4 * limit.window;
    let left = run(&[one_by_one, quick], &[limit], end).await;
    check(&left, 2, limit, (2 * limit.window, end));
}

#[test]
fn rule_16_shares_are_fair_and_the_limit_is_used_whoever_shares_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(crowds in crowds(), calls in 200..800_u32)| {
        let limit = Limit { calls, window: seconds(180) };
        let tenants = crowds.iter().map(|it| it.tenant).max().unwrap() + 1;
        let could_make = |tenant| -> u64 {
            let its = crowds.iter().filter(|it| it.tenant == tenant);
            its.map(|it| it.callers * 180_000 / it.call_ms).sum()
        };
        let share = u64::from(calls).div_ceil(tenants as u64);
        prop_assume!((0..tenants).all(|tenant| could_make(tenant) >= share * 5 / 4), "work for more than a share");
        let end = 4 * limit.window;
        let left = runtime.block_on(run(&crowds, &[limit], end));
        check(&left, tenants, limit, (2 * limit.window, end));
    });
}
