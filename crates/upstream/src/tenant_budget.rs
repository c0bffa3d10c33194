//! A tenant's part of an API's budget, in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pandaport_outbound::Denied;
use pandaport_store::Tenant;
use pandaport_store::budgets::{Ask, Reservation};

use crate::budget::{Budget, unavailable};
use crate::clock::{Clock, Moment};
use crate::ledger::{Hand, Ledger};

/// Callers that find the budget empty come back one after the other.
const STAGGER: Duration = Duration::from_millis(50);
const LONGEST_STAGGER: Duration = Duration::from_secs(2);
/// A book that is slower than this makes lots live no longer.
const LONGEST_BOOK_TOOK: Duration = Duration::from_secs(2);

/// What one tenant may call of an API, shared by everything in this process that calls it for that tenant. Lots belong to
/// a tenant, so that the book can share out what is free.
pub(crate) struct TenantBudget {
    pub(crate) budget: Arc<Budget>,
    tenant: Tenant,
    /// What is in hand, by ledger. Locked by the caller whose turn it is, also while it waits: callers go in the order in
    /// which they came, and one fetches for all.
    hands: tokio::sync::Mutex<Vec<Hand>>,
    denied_in_a_row: AtomicU32,
    users: AtomicU32,
}

#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    Go,
    /// No call is free before `time` is over (zero: ask again at once), and a caller waits in place for up to `patience`.
    Wait {
        time: Duration,
        patience: Duration,
    },
}

impl TenantBudget {
    pub(crate) fn new(budget: Arc<Budget>, tenant: Tenant) -> Self {
        let hands = budget.ledgers.iter().map(Hand::of).collect();
        Self {
            budget,
            tenant,
            hands: tokio::sync::Mutex::new(hands),
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

    /// Whose it is, of which budget.
    pub(crate) fn key(&self) -> (String, Tenant) {
        (self.budget.api.clone(), self.tenant.clone())
    }

    /// Takes one call, which must leave at once. Waits a little if that is enough.
    pub(crate) async fn take(&self) -> Result<(), Denied> {
        let came = Instant::now();
        let mut hands = self.hands.lock().await;
        loop {
            let clock = &*self.budget.clock;
            match self.attempt(&mut hands, Instant::now(), clock).await? {
                Attempt::Go => return Ok(()),
                Attempt::Wait { time, patience } if Instant::now() + time > came + patience => {
                    return Err(Denied::BudgetEmpty { retry_after: time + self.stagger() });
                }
                Attempt::Wait { time, .. } => tokio::time::sleep(time).await,
            }
        }
    }

    /// Takes one call out of every ledger if each has one at `now`, or goes one step toward that.
    async fn attempt(&self, hands: &mut [Hand], now: Instant, clock: &dyn Clock) -> Result<Attempt, Denied> {
        self.budget.write_block(now, clock).await?;
        if let (Some(time), Some(ledger)) = (self.budget.blocked_for(now), self.budget.ledgers.first()) {
            return Ok(Attempt::Wait { time, patience: ledger.patience });
        }
        for (ledger, hand) in self.budget.ledgers.iter().zip(hands.iter_mut()) {
            if !hand.has_call(now) {
                let time = self.fetch(ledger, hand, now, clock).await?;
                return Ok(Attempt::Wait { time, patience: ledger.patience });
            }
        }
        for hand in hands {
            hand.take(now);
        }
        self.denied_in_a_row.store(0, Ordering::Relaxed);
        Ok(Attempt::Go)
    }

    /// Asks for another lot; says after which time to look again. At once, if there is one: the book may have taken longer
    /// to answer than the lot lives.
    async fn fetch(
        &self,
        ledger: &Ledger,
        hand: &mut Hand,
        now: Instant,
        clock: &dyn Clock,
    ) -> Result<Duration, Denied> {
        if let Some(time) = hand.refused_for(now) {
            return Ok(time);
        }
        let asked = Moment { shared: clock.shared().await.map_err(|error| unavailable(&error))?, monotonic: now };
        let ended = hand.end_lot();
        let lot_life = ledger.lot_life + 2 * hand.book_took;
        let asked_book = Instant::now();
        let ask =
            Ask { api: &ledger.key, tenant: &self.tenant, limits: &ledger.limits, want: hand.want, lot_life, ended };
        let reserved = self.budget.book.reserve(&ask, asked.shared).await;
        hand.book_took = asked_book.elapsed().min(LONGEST_BOOK_TOOK);
        match reserved.map_err(|error| unavailable(&error))? {
            Reservation::Granted(lot) => {
                hand.put(lot.lot_id, lot.size, asked, lot_life);
                Ok(Duration::ZERO)
            }
            Reservation::Empty { retry_at } => {
                let wait = retry_at.since(asked.shared.into()).max(Duration::from_millis(1));
                hand.refuse(now, wait);
                Ok(wait)
            }
        }
    }

    /// Gives what is left in hand back, and writes a block that is not written yet.
    pub(crate) async fn release(&self) {
        let budget = &self.budget;
        let released = async {
            let mut hands = self.hands.lock().await;
            let ended = budget
                .ledgers
                .iter()
                .zip(hands.iter_mut())
                .filter_map(|(ledger, hand)| Some((ledger, hand.end_lot()?)));
            for (ledger, ended) in ended {
                budget.book.give_back(&ledger.key, ended).await.map_err(|error| unavailable(&error))?;
            }
            budget.write_block(Instant::now(), &*budget.clock).await
        };
        if let Err(Denied::Unavailable { message }) = released.await {
            // Nothing is lost but calls: the lot weighs in full until its window is over.
            tracing::warn!(api = %budget.api, %message, "unused calls could not be given back");
        }
    }

    fn stagger(&self) -> Duration {
        let place = self.denied_in_a_row.fetch_add(1, Ordering::Relaxed);
        (STAGGER * place).min(LONGEST_STAGGER)
    }
}

#[cfg(test)]
mod tests;
