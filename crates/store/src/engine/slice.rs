//! A slice: taking a sync under a new fence, keeping its progress, and putting it down again.

use super::leftovers;
use crate::dialect::{on_read, on_tx};
use crate::syncs::TriggerKind;
use crate::{ConnectionId, MappingId, Micros, Result, Store, StoreError, SyncId, Tenant, Tx, continuity, health};

/// What every write of a slice must carry: it holds only while the sync's fence is this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The sync.
    pub sync_id: SyncId,
    /// Its fence when this slice began.
    pub fence: i64,
    /// A dry run, or a rehearsal: nothing about links or intents is written (rule 14).
    pub dry_run: bool,
    /// A sync that applies a shown plan works out what it would do, to compare. It counts nothing: it has done nothing.
    pub rehearsal: bool,
}

/// A sync as the slice finds it.
#[derive(Clone, Debug)]
pub struct Slice {
    /// What every write carries.
    pub guard: Guard,
    /// The rest of the row.
    pub row: SliceRow,
}

/// The columns a slice needs.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SliceRow {
    /// Whose sync it is.
    pub tenant: Tenant,
    /// The mapping that is run.
    pub mapping_id: MappingId,
    /// Its connection.
    pub connection_id: ConnectionId,
    /// The collection that is written.
    pub collection_id: String,
    /// The revision of the mapping that is pinned.
    pub revision: i64,
    /// The mapping as pinned, JSON.
    pub spec: String,
    /// The mapped columns as they were when it was made, JSON.
    pub columns: Option<String>,
    /// What the mapping says has moved in the collection, JSON.
    pub notes: String,
    /// `INCREMENTAL` or `FULL`.
    pub mode: String,
    /// Only plan.
    pub dry_run: bool,
    /// Send quarantined devices again.
    pub retry_rejected: bool,
    /// The phase it stands in.
    pub phase: String,
    /// Where the phase stands, JSON.
    pub checkpoint: String,
    /// Set when the sync is to be cancelled.
    pub cancel_request_time: Option<Micros>,
    /// Since when an API has been out, without a success in between.
    pub outage_since: Option<Micros>,
    /// Pauses made for that outage.
    pub outage_pauses: i64,
    /// When its first slice began.
    pub start_time: Micros,
    /// Devices in the last complete read.
    pub fleet_size: Option<i64>,
    /// The trace that asked for it.
    pub traceparent: Option<String>,
    /// Somebody approved what was held: it lets that through.
    pub approved: bool,
    /// The dry run whose plan is applied.
    pub plan_of: Option<SyncId>,
    /// When that began.
    pub plan_start_time: Option<Micros>,
}

/// What can be said of a sync before it is taken.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Origin {
    /// Whose sync it is.
    pub tenant: Tenant,
    /// The mapping that is run.
    pub mapping_id: MappingId,
    /// What asked for it.
    pub trigger_kind: TriggerKind,
    /// How often it was taken.
    pub fence: i64,
}

/// What a write adds to the sync row.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The phase it goes to.
    pub phase: Option<&'static str>,
    /// Where the phase stands, JSON.
    pub checkpoint: Option<String>,
    /// Devices counted since the last write.
    pub counts: CountDeltas,
    /// Calls made to Kandji since the last write.
    pub calls_kandji: u64,
    /// Calls made to Asset Panda since the last write.
    pub calls_asset_panda: u64,
    /// Calls that are still to be made, once known.
    pub calls_left: Option<u64>,
    /// An API answered: an outage before that is over.
    pub answered: bool,
}

/// Devices to add to (or take from) the counts of a sync.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountDeltas {
    pub read: i64,
    pub created: i64,
    pub adopted: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub skipped: i64,
    pub rejected: i64,
    pub still_rejected: i64,
    pub removed: i64,
    pub drifted: i64,
}

/// Why a sync waits, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// `BUDGET`, `OUTAGE` or `SETTLE`.
    pub reason: &'static str,
    /// The same for a person.
    pub message: String,
    /// When it goes on.
    pub until: Micros,
    /// For an outage: since when, and the pauses made for it.
    pub outage: Option<(Micros, i64)>,
}

/// How a sync ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The final state.
    pub state: &'static str,
    /// For a failure: its reason and message.
    pub error: Option<(String, String)>,
    /// Whether it did what it was to do: sets the mapping's last success.
    pub complete: bool,
    /// Whether the fleet was read to its end: only then does a FULL sync put the next one off for as long as is set.
    pub read_complete: bool,
    /// Whether what the brake holds was worked out: it takes the place of what was held before.
    pub weighed: bool,
    /// Break the mapping with this reason (rule 15).
    pub broken: Option<String>,
}

impl Store {
    /// Takes the sync under a new fence, or answers `None` if it is final or gone.
    ///
    /// What an earlier slice left between sending and confirming is put in order: sent creates wait for a look-up,
    /// sent updates go again. And where the work did not go on without a break since the sync's last slice, what is to be
    /// created is looked up anew: the database may be a backup, and the records may have been made meanwhile
    /// ([`crate::continuity`]).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn begin_slice(&self, sync_id: SyncId, now: Micros, next_slice_time: Micros) -> Result<Option<Slice>> {
        let mut tx = self.begin_write().await?;
        let sql = tx.sql("SELECT fence, stretch FROM syncs WHERE sync_id = $1 FOR NO KEY UPDATE");
        let before: Option<(i64, Option<i64>)> =
            on_tx!(&mut tx, conn => sqlx::query_as(sql).bind(sync_id).fetch_optional(conn).await)?;
        // Read once: what is compared is what is written down.
        let stretch = continuity::present(&mut tx).await?;
        let is_after_a_break = before.is_some_and(|(fence, last)| fence > 0 && last != Some(stretch));
        let fence: Option<(i64,)> = on_tx!(&mut tx, conn => sqlx::query_as(
            "UPDATE syncs SET fence = fence + 1, state = 'RUNNING', wait_reason = NULL, wait_message = NULL, wait_until = NULL,
                    start_time = COALESCE(start_time, $2), next_slice_time = $3,
                    stretch = $4
             WHERE sync_id = $1 AND state IN ('QUEUED', 'RUNNING', 'WAITING')
             RETURNING fence",
        ).bind(sync_id).bind(now).bind(next_slice_time).bind(stretch).fetch_optional(conn).await)?;
        let Some((fence,)) = fence else { return Ok(None) };
        on_tx!(&mut tx, conn => sqlx::query("UPDATE brake_items SET step = 1 WHERE sync_id = $1 AND step = 3")
            .bind(sync_id).execute(conn).await.map(|_| ()))?;
        for (from, to) in [(4_i64, 5_i64), (8, 3)] {
            on_tx!(&mut tx, conn => sqlx::query("UPDATE sync_records SET step = $3 WHERE sync_id = $1 AND step = $2")
                .bind(sync_id).bind(from).bind(to).execute(conn).await.map(|_| ()))?;
        }
        if is_after_a_break {
            on_tx!(&mut tx, conn => sqlx::query(
                "UPDATE sync_records SET step = 0, found = NULL
                 WHERE sync_id = $1 AND step IN (1, 2, 6) AND identifier IS NOT NULL AND (step <> 1 OR found IS NOT NULL)")
                .bind(sync_id).execute(conn).await.map(|_| ()))?;
        }
        let row: SliceRow = on_tx!(&mut tx, conn => sqlx::query_as(
            "SELECT s.tenant, s.mapping_id, m.connection_id, m.collection_id, s.revision, r.spec, r.columns, m.notes, s.mode, s.dry_run, s.retry_rejected,
                    s.phase, s.checkpoint, s.cancel_request_time, s.outage_since, s.outage_pauses, s.start_time,
                    m.fleet_size, s.traceparent, s.approved_digest IS NOT NULL AS approved, s.plan_of,
                    p.start_time AS plan_start_time
             FROM syncs s
             JOIN mappings m ON m.mapping_id = s.mapping_id
             JOIN mapping_revisions r ON r.mapping_id = s.mapping_id AND r.revision = s.revision
             LEFT JOIN syncs p ON p.sync_id = s.plan_of
             WHERE s.sync_id = $1",
        ).bind(sync_id).fetch_one(conn).await)?;
        tx.commit().await?;
        Ok(Some(Slice { guard: Guard { sync_id, fence, dry_run: row.dry_run, rehearsal: false }, row }))
    }

    /// What can be said of a sync before it is taken; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn sync_origin(&self, sync_id: SyncId) -> Result<Option<Origin>> {
        Ok(on_read!(self, pool => sqlx::query_as(
            "SELECT tenant, mapping_id, trigger_kind, fence FROM syncs WHERE sync_id = $1")
            .bind(sync_id).fetch_optional(pool).await)?)
    }

    /// Keeps progress alone. Answers whether the sync is to be cancelled.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`], [`StoreError::Unavailable`].
    pub async fn checkpoint(&self, guard: Guard, progress: &Progress) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, guard, progress).await?;
        tx.commit().await?;
        Ok(cancel)
    }

    /// Puts the sync down until its wait is over.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`], [`StoreError::Unavailable`].
    pub async fn pause_sync(
        &self,
        guard: Guard,
        progress: &Progress,
        wait: &Wait,
        next_slice_time: Micros,
        now: Micros,
    ) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        // An outage that lasts is told to the mapping.
        if !guard.dry_run && wait.outage.is_some() {
            lock_mapping(&mut tx, guard.sync_id).await?;
        }
        let cancel = fenced(&mut tx, guard, progress).await?;
        on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE syncs SET state = 'WAITING', wait_reason = $2, wait_message = $3, wait_until = $4,
                    outage_since = $5, outage_pauses = $6, next_slice_time = $7
             WHERE sync_id = $1",
        ).bind(guard.sync_id).bind(wait.reason).bind(&wait.message).bind(wait.until)
            .bind(wait.outage.map(|it| it.0)).bind(wait.outage.map_or(0, |it| it.1)).bind(next_slice_time)
            .execute(conn).await.map(|_| ()))?;
        if !guard.dry_run {
            health::sync_waits(&mut tx, guard.sync_id, wait, now).await?;
        }
        tx.commit().await?;
        Ok(cancel)
    }

    /// Keeps what has moved in the collection and can be lived with, JSON: a sync of an earlier revision has nothing to say of
    /// the present one. `columns`, JSON, are kept with the sync's revision if it has none.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`], [`StoreError::Unavailable`].
    pub async fn note_schema(&self, slice: &Slice, notes: &str, columns: Option<&str>) -> Result<()> {
        let mut tx = self.begin_write().await?;
        lock_mapping(&mut tx, slice.guard.sync_id).await?;
        fenced(&mut tx, slice.guard, &Progress::default()).await?;
        on_tx!(&mut tx, conn => sqlx::query("UPDATE mappings SET notes = $3 WHERE mapping_id = $1 AND revision = $2")
            .bind(slice.row.mapping_id).bind(slice.row.revision).bind(notes).execute(conn).await.map(|_| ()))?;
        on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE mapping_revisions SET columns = $3 WHERE mapping_id = $1 AND revision = $2 AND columns IS NULL AND $3 IS NOT NULL")
            .bind(slice.row.mapping_id).bind(slice.row.revision).bind(columns).execute(conn).await.map(|_| ()))?;
        tx.commit().await
    }

    /// Ends the sync, and tells its mapping.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`], [`StoreError::Unavailable`].
    pub async fn finish_sync(&self, guard: Guard, progress: &Progress, ending: &Ending, now: Micros) -> Result<()> {
        let mut tx = self.begin_write().await?;
        lock_mapping(&mut tx, guard.sync_id).await?;
        fenced(&mut tx, guard, progress).await?;
        let (reason, message) = ending.error.clone().unzip();
        on_tx!(&mut tx, conn => sqlx::query(
            "UPDATE syncs SET state = $2, end_time = $3, error_reason = $4, error_message = $5, calls_left = NULL,
                    checkpoint = '{}', outage_since = NULL
             WHERE sync_id = $1",
        ).bind(guard.sync_id).bind(ending.state).bind(now).bind(reason).bind(message).execute(conn).await.map(|_| ()))?;
        if ending.weighed && !guard.dry_run {
            let (mapping,): (MappingId,) = on_tx!(&mut tx, conn => sqlx::query_as(
                "SELECT mapping_id FROM syncs WHERE sync_id = $1").bind(guard.sync_id).fetch_one(conn).await)?;
            crate::held::replace(&mut tx, mapping, guard.sync_id, ending.read_complete, now).await?;
        }
        leftovers::end(&mut tx, guard.sync_id).await?;
        if !guard.dry_run {
            on_tx!(&mut tx, conn => sqlx::query(TELL_MAPPING)
                .bind(guard.sync_id).bind(now).bind(ending.complete).bind(ending.broken.as_deref()).bind(ending.read_complete)
                .execute(conn).await.map(|_| ()))?;
            health::sync_ended(&mut tx, guard.sync_id, ending, now).await?;
        }
        tx.commit().await
    }

    /// Whether the sync still has this fence: asked before a batch leaves that no row marks.
    ///
    /// # Errors
    /// [`StoreError::FenceLost`], [`StoreError::Unavailable`].
    pub async fn hold_fence(&self, guard: Guard) -> Result<()> {
        let row: Option<(i64,)> = on_read!(self, pool => sqlx::query_as("SELECT fence FROM syncs WHERE sync_id = $1")
            .bind(guard.sync_id).fetch_optional(pool).await)?;
        if row == Some((guard.fence,)) { Ok(()) } else { Err(StoreError::FenceLost) }
    }
}

/// What the mapping keeps of a sync that ended: counts of its links are taken anew, so that they can't drift. That a sync
/// of an earlier revision broke says nothing of a mapping that was put right since: it gets the sync that it could not have
/// while that one was active. A FULL sync that could not read the fleet to its end puts the next one off for a day at most:
/// not each sync until then is to be a FULL one, and none is to be left out. One of an earlier revision puts none off, for
/// the change may have asked for it.
const TELL_MAPPING: &str = "
    UPDATE mappings SET
        last_sync_id = $1,
        next_sync_time = CASE WHEN $4 IS NOT NULL AND state = 'ACTIVE'
                                   AND revision <> (SELECT revision FROM syncs WHERE sync_id = $1)
                              THEN $2 ELSE next_sync_time END,
        last_success_time = CASE WHEN $3 AND (SELECT state FROM syncs WHERE sync_id = $1) <> 'HELD'
                                 THEN $2 ELSE last_success_time END,
        next_full_time = CASE WHEN (SELECT mode FROM syncs WHERE sync_id = $1) <> 'FULL'
                                   OR revision <> (SELECT revision FROM syncs WHERE sync_id = $1) THEN next_full_time
                              WHEN $5 THEN $2 + full_sync_every_ms * 1000
                              WHEN $3 AND next_full_time <= $2 AND full_sync_every_ms < 86400000
                              THEN $2 + full_sync_every_ms * 1000
                              WHEN $3 AND next_full_time <= $2 THEN $2 + 86400000000
                              ELSE next_full_time END,
        linked_count = (SELECT COUNT(*) FROM links l WHERE l.mapping_id = mappings.mapping_id AND (l.flags & 1) <> 0),
        rejected_count = (SELECT COUNT(*) FROM links l WHERE l.mapping_id = mappings.mapping_id AND (l.flags & 12) <> 0),
        state = CASE WHEN state = 'PAUSED' THEN state
                     WHEN $4 IS NOT NULL AND revision = (SELECT revision FROM syncs WHERE sync_id = $1) THEN 'BROKEN'
                     WHEN $3 AND state = 'BROKEN' THEN 'ACTIVE'
                     ELSE state END,
        state_reason = CASE WHEN $3 THEN ''
                            WHEN revision = (SELECT revision FROM syncs WHERE sync_id = $1) THEN COALESCE($4, state_reason)
                            ELSE state_reason END
    WHERE mapping_id = (SELECT mapping_id FROM syncs WHERE sync_id = $1)";

/// Locks the sync's mapping, for what writes to both: before the sync itself, as everybody does (see `dialect`).
pub(super) async fn lock_mapping(tx: &mut Tx, sync_id: SyncId) -> Result<()> {
    let sql = tx.sql(
        "SELECT mapping_id FROM mappings WHERE mapping_id = (SELECT mapping_id FROM syncs WHERE sync_id = $1) FOR NO KEY UPDATE",
    );
    on_tx!(tx, conn => sqlx::query(sql).bind(sync_id).execute(conn).await.map(|_| ()))?;
    Ok(())
}

/// Adds progress to the sync row if the fence is still ours, and keeps everybody else from the sync until the transaction
/// ends: it comes before all else that is written of it. Answers whether the sync is to be cancelled.
pub(super) async fn fenced(tx: &mut Tx, guard: Guard, progress: &Progress) -> Result<bool> {
    let counts = if guard.rehearsal { CountDeltas::default() } else { progress.counts };
    let row: Option<(Option<Micros>,)> = on_tx!(&mut *tx, conn => sqlx::query_as(
        "UPDATE syncs SET phase = COALESCE($3, phase), checkpoint = COALESCE($4, checkpoint),
                count_read = count_read + $5, count_created = count_created + $6, count_adopted = count_adopted + $7,
                count_updated = count_updated + $8, count_unchanged = count_unchanged + $9,
                count_skipped = count_skipped + $10, count_rejected = count_rejected + $11,
                count_still_rejected = count_still_rejected + $12, count_removed = count_removed + $13,
                count_drifted = count_drifted + $18,
                calls_kandji = calls_kandji + $14, calls_asset_panda = calls_asset_panda + $15,
                calls_left = COALESCE($16, CASE WHEN calls_left > $15 THEN calls_left - $15
                                                WHEN calls_left IS NOT NULL THEN 0 END),
                outage_since = CASE WHEN $17 THEN NULL ELSE outage_since END,
                outage_pauses = CASE WHEN $17 THEN 0 ELSE outage_pauses END
         WHERE sync_id = $1 AND fence = $2 AND state = 'RUNNING'
         RETURNING cancel_request_time",
    )
        .bind(guard.sync_id).bind(guard.fence).bind(progress.phase).bind(progress.checkpoint.as_deref())
        .bind(counts.read).bind(counts.created).bind(counts.adopted).bind(counts.updated).bind(counts.unchanged)
        .bind(counts.skipped).bind(counts.rejected).bind(counts.still_rejected).bind(counts.removed)
        .bind(signed(progress.calls_kandji)).bind(signed(progress.calls_asset_panda))
        .bind(progress.calls_left.map(signed)).bind(progress.answered).bind(counts.drifted)
        .fetch_optional(conn).await)?;
    match row {
        Some((cancel,)) => Ok(cancel.is_some()),
        None => Err(StoreError::FenceLost),
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
