//! Forgets what was deleted, what large syncs kept on their way and left at their end, and what is older than the history's
//! retention: what syncs did to devices, then the syncs; alerts that are done with; and what is older than the audit log's.
//! In small batches, with pauses, so that no sync waits for the writer. Any number of workers may do it at once.

use std::time::Duration;

use pandaport_store::{StoreError, audit, deleted, engine, history};
use tokio_util::sync::CancellationToken;

use crate::Deps;

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(60);
/// Rows dropped in one transaction.
const AT_ONCE: u32 = 500;
/// How long it is known of a deleted mapping that it was there: longer than what it sent could still come about.
const DELETED_KNOWN_FOR: Duration = Duration::from_secs(3_600);
/// Rows of each kind that a sync left, dropped in one transaction.
const LEFTOVERS_AT_ONCE: u32 = 2_000;
/// How long that may take, besides one wait for the database.
const BATCH: Duration = Duration::from_secs(60);
/// Between two batches.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks every minute until `shutdown`.
pub(crate) async fn run(deps: Deps, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let forget = async {
            let (left, old) = (drop_leftovers(&deps).await, prune(&deps).await);
            left.and(old)
        };
        if let Some(Err(error)) = shutdown.run_until_cancelled(forget).await {
            tracing::warn!(%error, "what is old or deleted could not be dropped; it is tried again in a minute");
        }
    }
}

/// Drops what syncs left that ended.
pub(crate) async fn drop_leftovers(deps: &Deps) -> Result<(), StoreError> {
    while deps.store.in_time(BATCH, engine::drop_leftovers(&deps.store, LEFTOVERS_AT_ONCE)).await?.is_some() {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Drops all that was deleted, or is too old now.
pub(crate) async fn prune(deps: &Deps) -> Result<(), StoreError> {
    let forgotten = deps.now().minus(DELETED_KNOWN_FOR);
    while deps.store.in_time(BATCH, deleted::prune(&deps.store, forgotten, AT_ONCE)).await? > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    let before = deps.now().minus(deps.settings.history_retention);
    let mut syncs = 0;
    loop {
        let batch = history::prune(&deps.store, before, AT_ONCE);
        let pruned = deps.store.in_time(BATCH, batch).await?;
        if pruned.is_nothing() {
            break;
        }
        syncs += pruned.syncs;
        tokio::time::sleep(PAUSE).await;
    }
    while deps.store.in_time(BATCH, history::prune_alerts(&deps.store, before, AT_ONCE)).await? > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    let audited_before = deps.now().minus(deps.settings.audit_retention);
    while deps.store.in_time(BATCH, audit::prune(&deps.store, audited_before, AT_ONCE)).await? > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    if syncs > 0 {
        tracing::info!(syncs, "syncs that ended before {before} are forgotten");
    }
    Ok(())
}
