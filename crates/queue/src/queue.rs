//! Putting jobs on the queue, and taking them off.

use std::time::Duration;

use pandaport_store::{Micros, Pool, Store, SyncId, Tx, on_tx};
use riverqueue::{Client, ClientBuilder, InsertOpts, JobArgs as _};

use crate::Result;
use crate::depth::{self, Depth};
use crate::job::{Behind, SyncJob, VERSION};

/// The name of River's queue.
pub(crate) const NAME: &str = "syncs";
/// The metadata key of the trace.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// River keeps attempts in a small integer. They only grow when a worker dies; none may ever run out.
pub(crate) const MAX_ATTEMPTS: i32 = i16::MAX as i32;

/// The queue. It lives in the store's database, so that a sync's row and its job are written together or not at all.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Only enqueues: never started, or it might become the leader of jobs it knows nothing of.
    client: Client,
    store: Store,
}

impl Queue {
    /// The queue in `store`'s database.
    ///
    /// # Errors
    /// [`crate::QueueError::Queue`] when River refuses how it is set up.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Self { client: river(store).build()?, store: store.clone() })
    }

    /// The store that it lives in.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A client of River's, to be set up for working jobs.
    pub(crate) fn river(&self) -> ClientBuilder {
        river(&self.store)
    }

    /// Puts a job behind a sync. It is there once the transaction commits.
    ///
    /// # Errors
    /// [`crate::QueueError::Store`].
    pub async fn enqueue(&self, tx: &mut Tx, behind: &Behind) -> Result<()> {
        let mut opts = InsertOpts::default()
            .with_queue(NAME)
            .with_priority(behind.urgency.priority())
            .with_max_attempts(MAX_ATTEMPTS);
        // A job that has a time waits for River's leader to look at it, also if that time is past.
        if let Some(time) = behind.not_before.filter(|time| *time > Micros::now()) {
            opts = opts.with_scheduled_at(time.timestamp());
        }
        if let Some(traceparent) = &behind.traceparent {
            let mut metadata = serde_json::Map::new();
            metadata.insert(TRACEPARENT.to_owned(), traceparent.clone().into());
            opts = opts.with_metadata(metadata);
        }
        let insert = self.client.insert(SyncJob { v: VERSION, sync_id: behind.sync_id }).opts(opts);
        match tx {
            Tx::Sqlite(tx) => insert.tx(tx).await?,
            Tx::Postgres(tx) => insert.tx(tx).await?,
        };
        Ok(())
    }

    /// Puts a fresh job behind a sync that has lost its own; answers whether it had. For the sweep: a job that is there and
    /// waits for a slot, or is offered again within `horizon`, is job enough. While all slots are taken for long, more and
    /// more of them would pile up behind the same syncs. One whose time lies further ahead is not counted on: a clock that
    /// went back has put that off. Nor is one that has been worked for longer than that.
    ///
    /// # Errors
    /// [`crate::QueueError::Store`].
    pub async fn enqueue_again(&self, tx: &mut Tx, behind: &Behind, horizon: Duration) -> Result<bool> {
        let sql = tx.sql(
            "SELECT COUNT(*) FROM river_job WHERE kind = $1 AND JOB_OF($2) \
               AND (state IN ('available', 'scheduled', 'retryable', 'pending') AND MICROS(scheduled_at) <= MICROS('now') + $3 \
                 OR state = 'running' AND MICROS(attempted_at) > MICROS('now') - $3 \
                    AND MICROS(attempted_at) < MICROS('now') + 60000000)",
        );
        let there: i64 = on_tx!(&mut *tx, conn => sqlx::query_scalar(sql)
            .bind(SyncJob::KIND).bind(behind.sync_id.to_string())
            .bind(i64::try_from(horizon.as_micros()).unwrap_or(i64::MAX)).fetch_one(conn).await)?;
        if there > 0 {
            return Ok(false);
        }
        self.enqueue(tx, behind).await?;
        Ok(true)
    }

    /// Takes the jobs behind a sync off the queue, save one that is being worked: its handler sees for itself that the sync
    /// is over.
    ///
    /// # Errors
    /// [`crate::QueueError::Store`].
    pub async fn cancel(&self, tx: &mut Tx, sync_id: SyncId) -> Result<()> {
        let sql = tx.sql(
            "DELETE FROM river_job WHERE kind = $1 AND state IN ('available', 'scheduled', 'retryable', 'pending') \
             AND JOB_OF($2)",
        );
        on_tx!(tx, conn => sqlx::query(sql)
            .bind(SyncJob::KIND).bind(sync_id.to_string()).execute(conn).await.map(|_| ()))?;
        Ok(())
    }

    /// Forgets all jobs and the leader of a program that is no more. Then put a job behind each active sync, in this same
    /// transaction: work goes on at once, instead of after the leader's lease (15 s) and the rescue of its jobs.
    ///
    /// Only for a program that is alone on its database: `pandaport up` holds a lock beside its file.
    ///
    /// # Errors
    /// [`crate::QueueError::Store`].
    pub async fn start_over(&self, tx: &mut Tx) -> Result<()> {
        on_tx!(&mut *tx, conn => sqlx::query("DELETE FROM river_leader").execute(conn).await.map(|_| ()))?;
        on_tx!(tx, conn => sqlx::query(
            "DELETE FROM river_job WHERE kind = $1 AND state IN ('available', 'scheduled', 'retryable', 'pending', 'running')")
            .bind(SyncJob::KIND).execute(conn).await.map(|_| ()))?;
        Ok(())
    }

    /// How much work waits.
    ///
    /// # Errors
    /// [`crate::QueueError::Store`].
    pub async fn depth(&self, now: Micros) -> Result<Depth> {
        depth::read(&self.store, now).await
    }
}

fn river(store: &Store) -> ClientBuilder {
    match store.pool() {
        // The store's one writer: River writes through it too, so that it waits its turn instead of polling for the lock.
        Pool::Sqlite { write, .. } => Client::builder(write.clone()),
        // Notifications need a connection of their own, for ever, and no pooler in transaction mode between. A job that is
        // put back is not announced anyway, and looking for one every 100 ms finds a fresh one as well.
        Pool::Postgres(pool) => Client::builder(pool.clone()).without_notifications(),
    }
}
