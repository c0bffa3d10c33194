//! WatchSync: a sync as it changes.

use std::pin::Pin;
use std::time::Duration;

use futures::stream::{self, Stream};
use pandaport_api::v1 as proto;
use pandaport_store::syncs;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::Status;

use crate::control_plane::{Caller, ControlPlane};
use crate::errors::{CallError, Result};
use crate::syncs::sync_id;

/// At most two states a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same state again, so that both ends know that the other is there.
const REPEAT_EVERY: Duration = Duration::from_secs(15);

/// What a watcher gets.
pub(crate) type Watched = Pin<Box<dyn Stream<Item = std::result::Result<proto::WatchSyncResponse, Status>> + Send>>;

struct Watch {
    control_plane: ControlPlane,
    caller: Caller,
    sync_id: pandaport_store::SyncId,
    /// What was sent last, and when.
    sent: Option<(proto::Sync, Instant)>,
    ended: bool,
    /// Given back when the stream ends, or its watcher is gone.
    _place: OwnedSemaphorePermit,
}

impl ControlPlane {
    pub(crate) async fn watch_sync(&self, caller: Caller, request: proto::WatchSyncRequest) -> Result<Watched> {
        let sync_id = sync_id(&request.sync_id)?;
        // Asked before the stream begins, so that NOT_FOUND is the answer to the call.
        syncs::get(&self.store, &caller.tenant, sync_id).await?;
        let place = self.load.watcher()?;
        let watch = Watch { control_plane: self.clone(), caller, sync_id, sent: None, ended: false, _place: place };
        Ok(Box::pin(stream::unfold(watch, |mut watch| async move {
            let next = watch.next().await?;
            let next = next.map(|sync| proto::WatchSyncResponse { sync: Some(sync) }).map_err(Status::from);
            Some((next, watch))
        })))
    }
}

impl Watch {
    async fn next(&mut self) -> Option<Result<proto::Sync>> {
        if self.ended {
            return None;
        }
        let next = self.next_state().await;
        self.ended = next.as_ref().map_or(true, |sync| sync.end_time.is_some());
        Some(next)
    }

    async fn next_state(&mut self) -> Result<proto::Sync> {
        loop {
            if let Some((_, sent_at)) = &self.sent {
                let draining = self.control_plane.shutdown.draining().cancelled();
                let tick = sent_at.elapsed().as_millis() / LOOK_EVERY.as_millis() + 1;
                let next_look = *sent_at + LOOK_EVERY * u32::try_from(tick).unwrap_or(u32::MAX);
                if tokio::time::timeout_at(next_look, draining).await.is_ok() {
                    return Err(CallError::Stopping);
                }
            }
            let control_plane = &self.control_plane;
            let look = async {
                let row = syncs::get(&control_plane.store, &self.caller.tenant, self.sync_id).await?;
                control_plane.describe(row).await
            };
            let sync = control_plane.store.in_time(Duration::ZERO, look).await?;
            let news = self.sent.as_ref().is_none_or(|(sent, at)| differ(sent, &sync) || at.elapsed() >= REPEAT_EVERY);
            if news {
                self.sent = Some((sync.clone(), Instant::now()));
                return Ok(sync);
            }
        }
    }
}

/// Whether a sync has news. Its estimated end moves with every look and is none.
fn differ(sent: &proto::Sync, now: &proto::Sync) -> bool {
    let plain = |sync: &proto::Sync| {
        let mut sync = sync.clone();
        if let Some(estimate) = &mut sync.estimate {
            estimate.finish_time = None;
        }
        sync
    };
    plain(sent) != plain(now)
}
