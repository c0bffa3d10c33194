//! The alerts that wait, sent.
//!
//! One process at a time delivers a tenant's alerts, by a lease on its target; they go one after the other, the oldest
//! first. What is sent is marked afterwards: a process that is killed in between leaves an alert that is sent once more,
//! under the same id, when its lease has run out.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use pandaport_store::alert_targets::{self, Lease};
use pandaport_store::alerts::{self, Waiting};
use pandaport_store::{Micros, Result, Store, Tenant};
use tokio_util::sync::CancellationToken;

use crate::retry::next_try;
use crate::sender::{Sender, Undelivered};

/// Tenants served at once: a receiver that does not answer keeps no other from hearing of its own.
const AT_ONCE: usize = 8;
/// Tenants served in one go.
const TENANTS: u32 = 100;
/// Alerts of a tenant sent under one lease.
const OF_A_TENANT: u32 = 50;
/// How long a lease is used. It lasts longer by what one sending may take, so that it never ends during one.
const LEASE_USED_FOR: Duration = Duration::from_secs(30);

/// Sends what is due at `now`, for all tenants, and returns when each was tried. Ends early on `stop`, after what is on its
/// way.
///
/// # Errors
/// When the database does not answer. Whatever was sent and not marked is sent again.
pub async fn deliver_due(store: &Store, sender: &Sender, now: Micros, stop: &CancellationToken) -> Result<()> {
    let due = alerts::due(store, now, TENANTS).await?;
    let began = Instant::now();
    let each = due
        .into_iter()
        .map(|tenant| async move { of_tenant(store, sender, tenant, now.plus(began.elapsed()), stop).await });
    let results: Vec<Result<()>> = futures::stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
    results.into_iter().collect()
}

async fn of_tenant(
    store: &Store,
    sender: &Sender,
    tenant: Tenant,
    now: Micros,
    stop: &CancellationToken,
) -> Result<()> {
    let length = LEASE_USED_FOR + sender.longest() * 2;
    let Some(lease) = alert_targets::take_lease(store, &tenant, length, now).await? else { return Ok(()) };
    let sent = send_all(store, sender, &lease, now, stop).await;
    alert_targets::release(store, &lease).await?;
    sent
}

async fn send_all(store: &Store, sender: &Sender, lease: &Lease, now: Micros, stop: &CancellationToken) -> Result<()> {
    let began = Instant::now();
    for alert in alerts::waiting(store, &lease.tenant, OF_A_TENANT).await? {
        let elapsed = began.elapsed();
        if stop.is_cancelled() || elapsed >= LEASE_USED_FOR {
            break;
        }
        let sent = sender.send(&lease.url, &lease.secret, alert.alert_id, &alert.body, now.plus(elapsed)).await;
        let now = now.plus(began.elapsed());
        match sent {
            Ok(_) => delivered(store, lease, &alert, now).await?,
            Err(error) => {
                let alone = error.is_of_this_alert();
                failed(store, lease, &alert, error, now).await?;
                if !alone {
                    break;
                }
            }
        }
    }
    Ok(())
}

async fn delivered(store: &Store, lease: &Lease, alert: &Waiting, now: Micros) -> Result<()> {
    let mut tx = store.begin_write().await?;
    alert_targets::tried(&mut tx, &lease.tenant, None, now).await?;
    alerts::delivered(&mut tx, &lease.tenant, alert.alert_id, now).await?;
    tx.commit().await?;
    tracing::info!(alert_id = %alert.alert_id, tenant = %lease.tenant, "alert delivered");
    Ok(())
}

/// Where the receiver is out, all that wait are put off: they would only meet the same.
async fn failed(store: &Store, lease: &Lease, alert: &Waiting, error: Undelivered, now: Micros) -> Result<()> {
    let attempts = alert.attempts + 1;
    let next = next_try(attempts, error.retry_after, alert.create_time, now);
    let mut tx = store.begin_write().await?;
    alert_targets::tried(&mut tx, &lease.tenant, Some(&error.message), now).await?;
    alerts::failed(&mut tx, &lease.tenant, alert.alert_id, &error.message, next, now).await?;
    if let Some(next) = next.filter(|_| !error.is_of_this_alert()) {
        alerts::put_off(&mut tx, &lease.tenant, next).await?;
    }
    tx.commit().await?;
    let (alert_id, tenant, reason, message) = (alert.alert_id, &lease.tenant, error.reason, &error.message);
    match next {
        Some(next) => {
            tracing::warn!(%alert_id, %tenant, reason, message, attempts, next_try = %next, "an alert was not delivered");
        }
        None => {
            tracing::error!(%alert_id, %tenant, reason, message, attempts, "an alert was not delivered and is given up");
        }
    }
    Ok(())
}
