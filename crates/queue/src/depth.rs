//! How much work waits.

use std::time::Duration;

use pandaport_store::{Micros, Store, on_read};
use riverqueue::JobArgs as _;

use crate::Result;
use crate::job::SyncJob;

/// How much work waits, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Jobs that could be worked now, if a slot were free.
    pub waiting: u64,
    /// Jobs that are being worked.
    pub running: u64,
    /// How long the oldest waiting one has been waiting.
    pub age: Duration,
}

/// Reads the queue's depth.
pub(crate) async fn read(store: &Store, now: Micros) -> Result<Depth> {
    let sql = store.sql(
        "SELECT COUNT(*) FILTER (WHERE state = 'available'), COUNT(*) FILTER (WHERE state = 'running'), \
           MIN(MICROS(scheduled_at)) FILTER (WHERE state = 'available') \
         FROM river_job WHERE kind = $1 AND state IN ('available', 'running') \
           AND (state = 'running' OR MICROS(scheduled_at) <= $2)",
    );
    let (waiting, running, oldest): (i64, i64, Option<Micros>) = on_read!(store, pool => {
        sqlx::query_as(sql).bind(SyncJob::KIND).bind(now).fetch_one(pool).await
    })?;
    Ok(Depth {
        waiting: u64::try_from(waiting).unwrap_or(0),
        running: u64::try_from(running).unwrap_or(0),
        age: oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)),
    })
}
