//! Who gets what is free. Pure: what counts goes in, with the time; the answer comes out.
//!
//! A tenant may take what is free up to its equal share of the limit, and beyond that only what the tenants that wait could
//! not still claim up to theirs. So nobody is kept from a share by somebody who asks more often, and nothing stays unused
//! that nobody waits for: a wish lapses soon after the time at which its tenant was told to ask again.
//!
//! What is used up in a burst is free again in a burst, a window later. Who is quick would take it all while the others are
//! at their first calls. So tenants that share a long limit are paced: a part of the window has only a little more than its
//! part of the calls, and all wait for the next part, where each has its share again. Within a part, who is at work without
//! having to wait is kept, of its share, twice what it has used of late: one that makes its calls one after the other comes to
//! its share so, and one that needs little keeps little from the others.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Limit;
use crate::{Micros, Tenant};

/// Lots that are in hand hold at most this part of a limit together, so that it is not used up by calls that nobody makes.
const IN_HAND_PARTS: u32 = 4;
/// The parts of a window in which tenants are paced, and how much more than its part one may hold, so that what one leaves
/// the next can use.
const PACED_PARTS: u32 = 10;
const PACED_EXTRA: (u32, u32) = (5, 4);
/// How many times what a tenant has used of late it is kept.
const KEPT_TIMES: i64 = 2;
/// Not worth it, and too coarse, for a limit of fewer calls or a shorter window than this.
const FEWEST_PACED_CALLS: u32 = 80;
const SHORTEST_PACED_WINDOW: Duration = Duration::from_secs(2);
/// Nor for a longer one: a part of it would be a long time to wait for, while calls may be free for hours.
const LONGEST_PACED_WINDOW: Duration = Duration::from_secs(600);
/// How long after its time a wish still counts: this part of the window, within these bounds. Who was told to come back
/// later than a worker cares to wait comes through the queue.
const GRACE_PARTS: u32 = 10;
const SHORTEST_GRACE: Duration = Duration::from_millis(100);
const LONGEST_GRACE: Duration = Duration::from_secs(3);

/// Everything that counts against an API's limits.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// The lots, by the time at which they expire.
    pub lots: Vec<CountedLot>,
    /// The tenants that wait.
    pub wishes: Vec<Wish>,
}

/// A lot as it counts.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct CountedLot {
    /// Whose it is.
    pub tenant: Tenant,
    /// Its calls may leave until then.
    pub expire_time: Micros,
    /// Its calls.
    pub size: i64,
}

/// A tenant that asked in vain and will ask again.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Wish {
    /// Who.
    pub tenant: Tenant,
    /// Since when it waits: who has waited longest is told to come first.
    pub since_time: Micros,
    /// Who has not asked again by then is gone.
    pub until_time: Micros,
}

/// What an asker gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// So many calls: at least one.
    Grant(u32),
    /// None, and its wish is to be kept.
    Refuse {
        /// When it is to ask again.
        retry_at: Micros,
        /// Its place in the line.
        wish: Wish,
    },
}

/// Answers `tenant`, which asks at `now` for up to `want` calls.
#[must_use]
pub fn answer(counted: &Counted, limits: &[Limit], tenant: &Tenant, want: u32, now: Micros) -> Answer {
    let others = counted.lots.iter().filter(|lot| lot.expire_time > now).map(|lot| &lot.tenant);
    let mut others = others.chain(counted.wishes.iter().filter(|wish| wish.until_time > now).map(|wish| &wish.tenant));
    let shared = others.any(|other| other != tenant);
    let mut lines: Vec<Line<'_>> = limits.iter().map(|limit| Line::new(counted, *limit, tenant, now)).collect();
    let paced = limits.iter().filter(|_| shared).filter_map(|limit| paced(*limit));
    lines.extend(paced.map(|limit| Line::new(counted, limit, tenant, now).with_kept(counted, now)));
    let size = lines.iter().map(|line| line.allowed(now, 0).min(line.largest_lot)).min().unwrap_or(want.into());
    if size > 0 {
        return Answer::Grant(u32::try_from(size).unwrap_or(want).min(want));
    }
    let since_time =
        counted.wishes.iter().find(|wish| wish.tenant == *tenant && wish.until_time > now).map(|wish| wish.since_time);
    let since_time = since_time.unwrap_or(now);
    let retry_at = lines.into_iter().map(|line| line.free_at(since_time, now)).max().unwrap_or(now);
    let shortest = limits.iter().map(|limit| limit.window).min().unwrap_or_default();
    let grace = (shortest / GRACE_PARTS).clamp(SHORTEST_GRACE, LONGEST_GRACE);
    let wish = Wish { tenant: tenant.clone(), since_time, until_time: retry_at.plus(grace) };
    Answer::Refuse { retry_at, wish }
}

/// What a part of the limit's window may hold.
fn paced(limit: Limit) -> Option<Limit> {
    let (more, than) = PACED_EXTRA;
    let calls = limit.calls / PACED_PARTS * more / than;
    let long =
        limit.calls >= FEWEST_PACED_CALLS && (SHORTEST_PACED_WINDOW..=LONGEST_PACED_WINDOW).contains(&limit.window);
    long.then_some(Limit { calls, window: limit.window / PACED_PARTS })
}

/// One limit, as it stands for one tenant.
struct Line<'a> {
    limit: Limit,
    tenant: &'a Tenant,
    /// Those that count, by the time at which they expire.
    lots: Vec<&'a CountedLot>,
    /// The calls of each tenant among them, and of all.
    used: HashMap<&'a Tenant, i64>,
    all_used: i64,
    /// Of the others.
    wishes: Vec<&'a Wish>,
    /// Tenants at work, this one among them, that do not wait.
    at_work: HashSet<&'a Tenant>,
    /// What the others of them are kept, used calls included.
    kept: HashMap<&'a Tenant, i64>,
    /// What one lot may hold.
    largest_lot: i64,
}

impl<'a> Line<'a> {
    fn new(counted: &'a Counted, limit: Limit, tenant: &'a Tenant, now: Micros) -> Self {
        let begin = now.minus(limit.window);
        let mut lots: Vec<_> = counted.lots.iter().filter(|lot| lot.expire_time > begin).collect();
        lots.sort_by_key(|lot| lot.expire_time);
        let mut used = HashMap::new();
        for lot in &lots {
            *used.entry(&lot.tenant).or_default() += lot.size;
        }
        let wishes: Vec<_> = counted.wishes.iter().filter(|it| it.until_time > now && it.tenant != *tenant).collect();
        let waiting: HashSet<&Tenant> = wishes.iter().map(|it| &it.tenant).collect();
        let in_hand: Vec<_> = lots.iter().filter(|lot| lot.expire_time > now).collect();
        let mut at_work: HashSet<&Tenant> = in_hand.iter().map(|lot| &lot.tenant).collect();
        at_work.insert(tenant);
        let holders = u32::try_from(in_hand.len()).unwrap_or(u32::MAX).saturating_add(1);
        Self {
            limit,
            tenant,
            used,
            all_used: lots.iter().map(|lot| lot.size).sum(),
            lots,
            at_work: &at_work - &waiting,
            kept: HashMap::new(),
            wishes,
            largest_lot: i64::from((limit.calls / IN_HAND_PARTS / holders).max(1)),
        }
    }

    /// The same, where those that are at work are kept some calls, by what they have used in this window and the one before.
    fn with_kept(mut self, counted: &'a Counted, now: Micros) -> Self {
        let begin = now.minus(self.limit.window);
        let before = begin.minus(self.limit.window);
        let mut used_before: HashMap<&Tenant, i64> = HashMap::new();
        for lot in counted.lots.iter().filter(|lot| lot.expire_time > before && lot.expire_time <= begin) {
            *used_before.entry(&lot.tenant).or_default() += lot.size;
        }
        let of_late = |tenant| {
            let of = |used: &HashMap<&Tenant, i64>| used.get(tenant).copied().unwrap_or(0);
            of(&used_before).max(of(&self.used))
        };
        let others = self.at_work.iter().copied().filter(|tenant| *tenant != self.tenant);
        self.kept = others.map(|tenant| (tenant, KEPT_TIMES * of_late(tenant))).collect();
        self
    }

    /// How many calls this tenant may take at `now`, once `ahead` others have taken one each.
    fn allowed(&self, now: Micros, ahead: i64) -> i64 {
        let calls = i64::from(self.limit.calls);
        let waiting = || self.wishes.iter().filter(|wish| wish.until_time > now);
        let tenants = i64::try_from(self.at_work.len() + waiting().count()).unwrap_or(i64::MAX).max(1);
        let share = (calls + tenants - 1) / tenants;
        let left_of = |part: i64, tenant| (part - self.used.get(tenant).copied().unwrap_or(0)).max(0);
        let left_of_share = |tenant| left_of(share, tenant);
        let claims: i64 = waiting().map(|wish| left_of_share(&wish.tenant)).sum();
        let kept: i64 = self.kept.iter().map(|(tenant, kept)| left_of(share.min(*kept), tenant)).sum();
        let free = calls - self.all_used;
        let within_share = (free - ahead).min(left_of_share(self.tenant));
        within_share.max(free - (claims + kept).max(ahead)).max(0)
    }

    /// When one call fits: lots leave the window one by one, each a window after it expired; wishes lapse; and who has
    /// waited longer comes first.
    fn free_at(mut self, since: Micros, now: Micros) -> Micros {
        let leave = |lot: &CountedLot| lot.expire_time.plus(self.limit.window);
        let mut times: Vec<Micros> = self.lots.iter().map(|lot| leave(lot)).collect();
        times.extend(self.wishes.iter().map(|wish| wish.until_time));
        times.sort_unstable();
        let mut gone = 0;
        for at in std::iter::once(now).chain(times) {
            while let Some(lot) = self.lots.get(gone)
                && leave(lot) <= at
            {
                gone += 1;
                self.all_used -= lot.size;
                *self.used.entry(&lot.tenant).or_default() -= lot.size;
            }
            let ahead = self.wishes.iter().filter(|wish| wish.since_time < since && wish.until_time > at).count();
            let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
            // Looked at first, as it is quickly seen: there may be many that wait.
            let enough = i64::from(self.limit.calls) - self.all_used > ahead;
            if enough && self.allowed(at, ahead) > 0 {
                return at;
            }
        }
        // Unreachable: by then every lot has left and every wish has lapsed.
        now.plus(self.limit.window)
    }
}
