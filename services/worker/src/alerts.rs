//! Alerts that wait are looked for by the clock and sent. Like `schedule`, each look acts on stored state alone, and any
//! number of workers may look; it has a task of its own, so that a receiver that does not answer holds up nothing else.

use std::time::Duration;

use pandaport_alerts::{Sender, deliver_due};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::Deps;

/// How often alerts that are due are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a look may take, besides one wait for the database. Receivers have limits of their own, far below this: it ends
/// what waits for a database that will never answer.
const LOOK: Duration = Duration::from_secs(600);

/// Delivers until `shutdown`.
pub(crate) async fn run(deps: Deps, shutdown: CancellationToken) {
    let sender = Sender::new(deps.upstream.http().clone(), deps.upstream.allowed_hosts().clone());
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = look.tick() => {}
        }
        // Leases are shared: their times are the database's.
        let delivered = async { deliver_due(&deps.store, &sender, deps.store.time().await?, &shutdown).await };
        if let Err(error) = deps.store.in_time(LOOK, delivered).await {
            tracing::warn!(%error, "alerts could not be delivered; they are looked for again");
        }
    }
}
