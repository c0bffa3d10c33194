//! READ: what is known of a page's devices, and keeping what the page brought.

use std::collections::{HashMap, HashSet};

use sqlx::QueryBuilder;

use super::slice::{Guard, Progress, fenced, lock_mapping};
use crate::dialect::{id_list, on_read, on_tx};
use crate::{MappingId, Micros, Result, Store, SyncId, Tenant, Tx};

/// The narrow half of a link: read for every device of every sync.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct NarrowLink {
    /// The device.
    pub device_id: String,
    /// Of the values last decided on.
    pub fingerprint: Vec<u8>,
    /// See [`super::flag`].
    pub flags: i64,
    /// When PASSENGER columns were last written.
    pub passenger_time: Option<Micros>,
    /// The sync that saw the device last.
    pub seen_sync: Option<SyncId>,
}

/// What is known of the devices of one page.
#[derive(Debug, Default)]
pub struct PageState {
    /// Links by device id.
    pub links: HashMap<String, NarrowLink>,
    /// Devices that this sync has taken already: pages may repeat devices.
    pub taken: HashSet<String>,
    /// When quarantined devices were last refused.
    pub refused: HashMap<String, Micros>,
    /// Whether users are active, by user id; only asked for where User Active is mapped.
    pub users: HashMap<String, bool>,
}

/// A device that is there, with the times that decide between rivals (rule 12).
#[derive(Clone, Debug)]
pub struct SeenDevice {
    /// The device.
    pub device_id: String,
    /// Its last enrolment.
    pub last_enrollment: Option<Micros>,
    /// Its last check-in.
    pub last_check_in: Option<Micros>,
    /// Those of [`super::flag::OF_READ`] that hold now.
    pub standing: i64,
}

/// A device about which something is to be decided.
#[derive(Clone, Debug)]
pub struct PlannedRow {
    /// The device and its times.
    pub device: SeenDevice,
    /// The value of the identifier.
    pub identifier: Option<String>,
    /// The same, folded: rivals and near matches share it.
    pub identifier_key: Option<String>,
    /// The serial number.
    pub serial_number: Option<String>,
    /// Of the wanted values.
    pub fingerprint: [u8; 16],
    /// The projection, JSON; `None` for a device that is done with at once.
    pub wanted: Option<String>,
    /// Whether its identifier may have to be looked up.
    pub look_up: bool,
    /// Done with as it was read.
    pub done: Option<AtOnce>,
}

/// What is decided as a device is read.
#[derive(Clone, Debug)]
pub struct AtOnce {
    /// `REJECTED` or `SKIPPED`.
    pub outcome: &'static str,
    /// Why.
    pub reason: &'static str,
    /// The same for a person.
    pub message: String,
}

/// What a page brought.
#[derive(Debug, Default)]
pub struct PageWrite {
    /// Devices with a link, which get its seen-mark. In a dry run: every device of the page.
    pub seen: Vec<SeenDevice>,
    /// Devices to decide on.
    pub planned: Vec<PlannedRow>,
    /// What the links of those rejected at once keep of it.
    pub rejections: Vec<super::Op>,
    /// Devices whose links do not yet say how they stand. Left out in a dry run.
    pub standings: Vec<super::Standing>,
}

impl Store {
    /// What is known of these devices.
    ///
    /// # Errors
    /// [`crate::StoreError::Unavailable`].
    pub async fn page_state(
        &self,
        guard: Guard,
        mapping: MappingId,
        devices: &[&str],
        users: &[&str],
    ) -> Result<PageState> {
        let ids = id_list(devices);
        let links: Vec<NarrowLink> = on_read!(self, pool => sqlx::query_as(self.sql(
            "SELECT device_id, fingerprint, flags, passenger_time, seen_sync FROM links
             WHERE mapping_id = $1 AND device_id IN IDS($2)"))
            .bind(mapping).bind(&ids).fetch_all(pool).await)?;
        let taken: Vec<(String,)> = on_read!(self, pool => sqlx::query_as(self.sql(
            "SELECT device_id FROM sync_records WHERE sync_id = $1 AND device_id IN IDS($2)"))
            .bind(guard.sync_id).bind(&ids).fetch_all(pool).await)?;
        let mut state = PageState { taken: taken.into_iter().map(|it| it.0).collect(), ..PageState::default() };
        if guard.dry_run {
            let seen: Vec<(String,)> = on_read!(self, pool => sqlx::query_as(self.sql(
                "SELECT device_id FROM dry_run_seen WHERE sync_id = $1 AND device_id IN IDS($2)"))
                .bind(guard.sync_id).bind(&ids).fetch_all(pool).await)?;
            state.taken.extend(seen.into_iter().map(|it| it.0));
        }
        let quarantined: Vec<&str> = links
            .iter()
            .filter(|it| it.flags & super::flag::QUARANTINED != 0)
            .map(|it| it.device_id.as_str())
            .collect();
        if !quarantined.is_empty() {
            let refused: Vec<(String, Option<Micros>)> = on_read!(self, pool => sqlx::query_as(self.sql(
                "SELECT device_id, rejected_time FROM link_values WHERE mapping_id = $1 AND device_id IN IDS($2)"))
                .bind(mapping).bind(id_list(&quarantined)).fetch_all(pool).await)?;
            state.refused = refused.into_iter().filter_map(|(id, time)| Some((id, time?))).collect();
        }
        if !users.is_empty() {
            let active: Vec<(String, bool)> = on_read!(self, pool => sqlx::query_as(self.sql(
                "SELECT user_id, active FROM sync_users WHERE sync_id = $1 AND user_id IN IDS($2)"))
                .bind(guard.sync_id).bind(id_list(users)).fetch_all(pool).await)?;
            state.users = active.into_iter().collect();
        }
        state.links = links.into_iter().map(|it| (it.device_id.clone(), it)).collect();
        Ok(state)
    }

    /// Keeps a page: seen-marks, planned devices, links of those rejected at once, progress.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn save_page(&self, slice: &super::Slice, page: &PageWrite, progress: &Progress) -> Result<bool> {
        let guard = slice.guard;
        let row = &slice.row;
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, guard, progress).await?;
        if !page.seen.is_empty() {
            if guard.dry_run {
                mark_dry_run_seen(&mut tx, guard, &row.tenant, &page.seen).await?;
            } else {
                mark_seen(&mut tx, guard, row.mapping_id, row.start_time, &page.seen).await?;
            }
        }
        if !guard.dry_run {
            for standings in page.standings.chunks(INSERT_ROWS) {
                super::standing::keep(&mut tx, slice, standings).await?;
            }
        }
        for rows in page.planned.chunks(INSERT_ROWS) {
            insert_planned(&mut tx, guard, &row.tenant, row.mapping_id, rows).await?;
        }
        super::commit::apply(&mut tx, slice, &page.rejections).await?;
        tx.commit().await?;
        Ok(cancel)
    }

    /// Keeps which users are active, for the devices read later in this sync.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn save_users(
        &self,
        slice: &super::Slice,
        users: &[(String, bool)],
        progress: &Progress,
    ) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        let cancel = fenced(&mut tx, slice.guard, progress).await?;
        for users in users.chunks(INSERT_ROWS) {
            on_tx!(&mut tx, conn => {
                let mut sql = QueryBuilder::new("INSERT INTO sync_users (sync_id, user_id, tenant, active) ");
                sql.push_values(users, |mut row, (id, active)| {
                    row.push_bind(slice.guard.sync_id).push_bind(id).push_bind(&slice.row.tenant).push_bind(*active);
                });
                sql.push(" ON CONFLICT DO NOTHING");
                sql.build().persistent(false).execute(conn).await.map(|_| ())
            })?;
        }
        tx.commit().await?;
        Ok(cancel)
    }

    /// Ends READ. A complete read tells the mapping the size of the fleet, and the links which devices are absent: since
    /// `now`, for a sync may have waited long before it read them. `None`: an entry could be anybody's, and nobody is.
    ///
    /// # Errors
    /// [`crate::StoreError::FenceLost`], [`crate::StoreError::Unavailable`].
    pub async fn finish_read(
        &self,
        slice: &super::Slice,
        complete: Option<u64>,
        now: Option<Micros>,
        progress: &Progress,
    ) -> Result<bool> {
        let mut tx = self.begin_write().await?;
        lock_mapping(&mut tx, slice.guard.sync_id).await?;
        let cancel = fenced(&mut tx, slice.guard, progress).await?;
        if let (Some(size), false) = (complete, slice.guard.dry_run) {
            on_tx!(&mut tx, conn => sqlx::query(
                "UPDATE mappings SET fleet_size = $2, last_complete_read_time = $3 WHERE mapping_id = $1")
                .bind(slice.row.mapping_id).bind(i64::try_from(size).unwrap_or(i64::MAX)).bind(slice.row.start_time)
                .execute(conn).await.map(|_| ()))?;
            if let Some(now) = now {
                super::standing::note_absent(&mut tx, slice, now).await?;
            }
        }
        tx.commit().await?;
        Ok(cancel)
    }
}

/// Rows of one INSERT, of 15 parameters each: SQLite takes 32,766.
///
/// Statements of many rows are not kept prepared: their texts differ by the number of rows, and each one kept would hold
/// a megabyte of compiled program.
const INSERT_ROWS: usize = 500;

async fn mark_seen(tx: &mut Tx, guard: Guard, mapping: MappingId, time: Micros, seen: &[SeenDevice]) -> Result<()> {
    on_tx!(tx, conn => {
        let mut sql = QueryBuilder::new("WITH page (device_id, last_enrollment, last_check_in) AS (");
        sql.push_values(seen, |mut row, device| {
            row.push_bind(&device.device_id).push_bind(device.last_enrollment).push_bind(device.last_check_in);
        });
        sql.push(") UPDATE links SET last_enrollment = page.last_enrollment, last_check_in = page.last_check_in, absent_since = NULL, seen_sync = ")
            .push_bind(guard.sync_id)
            .push(", seen_time = ")
            .push_bind(time)
            .push(" FROM page WHERE links.device_id = page.device_id AND links.mapping_id = ")
            .push_bind(mapping);
        sql.build().persistent(false).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

async fn mark_dry_run_seen(tx: &mut Tx, guard: Guard, tenant: &Tenant, seen: &[SeenDevice]) -> Result<()> {
    on_tx!(tx, conn => {
        let mut sql = QueryBuilder::new("INSERT INTO dry_run_seen (sync_id, device_id, tenant, flags) ");
        sql.push_values(seen, |mut row, device| {
            row.push_bind(guard.sync_id).push_bind(&device.device_id).push_bind(tenant).push_bind(device.standing);
        });
        sql.push(" ON CONFLICT DO NOTHING");
        sql.build().persistent(false).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}

async fn insert_planned(
    tx: &mut Tx,
    guard: Guard,
    tenant: &Tenant,
    mapping: MappingId,
    rows: &[PlannedRow],
) -> Result<()> {
    on_tx!(tx, conn => {
        let mut sql = QueryBuilder::new(
            "INSERT INTO sync_records (sync_id, device_id, tenant, mapping_id, identifier, identifier_key, serial_number,
                 fingerprint, last_enrollment, last_check_in, wanted, step, outcome, reason, message) ");
        sql.push_values(rows, |mut row, planned| {
            let step: i64 = match (&planned.done, planned.look_up) {
                (Some(_), _) => 9,
                (None, true) => 0,
                (None, false) => 1,
            };
            let done = planned.done.as_ref();
            row.push_bind(guard.sync_id)
                .push_bind(&planned.device.device_id)
                .push_bind(tenant)
                .push_bind(mapping)
                .push_bind(planned.identifier.as_deref())
                .push_bind(planned.identifier_key.as_deref())
                .push_bind(planned.serial_number.as_deref())
                .push_bind(planned.fingerprint.to_vec())
                .push_bind(planned.device.last_enrollment)
                .push_bind(planned.device.last_check_in)
                .push_bind(planned.wanted.as_deref())
                .push_bind(step)
                .push_bind(done.map_or("PLANNED", |it| it.outcome))
                .push_bind(done.map(|it| it.reason))
                .push_bind(done.map(|it| it.message.as_str()));
        });
        sql.push(" ON CONFLICT DO NOTHING");
        sql.build().persistent(false).execute(conn).await.map(|_| ())
    })?;
    Ok(())
}
