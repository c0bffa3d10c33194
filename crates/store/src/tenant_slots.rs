//! How many slices a tenant may have at work at once, over all workers, and whose turn it is when one more may begin.

use std::time::Duration;

use uuid::Uuid;

use crate::dialect::{on_read, on_write, row_list};
use crate::{Micros, Result, Store, SyncId, Tenant, Tx};

/// For how long somebody who waits is counted on beyond the time at which it asks again: it may have been cancelled, or its
/// worker is gone.
const COUNTED_ON: Duration = Duration::from_secs(10);
/// That is written down anew when there is less of it left.
const RENEWED_AT: Duration = Duration::from_secs(2);

/// How far the clocks of two workers may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// A sync whose slice is to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Whose it is.
    pub tenant: Tenant,
    /// The sync.
    pub sync_id: SyncId,
    /// Smaller goes first, however long others have waited.
    pub urgency: i64,
}

/// A slot of a tenant, held by one slice until it is given back or has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSlot {
    tenant: Tenant,
    slot: i64,
    holder: Uuid,
}

/// What came of asking for a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The slice may begin.
    Now(TenantSlot),
    /// All slots are taken, or others go first: it is to ask again after this pause, and waits in line until then.
    After(Duration),
    /// A slice of this sync is at work: a job too many is behind it.
    AtWork,
}

#[derive(sqlx::FromRow)]
struct Standing {
    held: i64,
    held_by_this: i64,
    ahead: i64,
    until_time: Option<Micros>,
    /// Slots that expire later than any of ours can.
    astray: i64,
}

/// Those that go before the candidate. `$1`: its tenant; `$2`: its sync; `$3`: now; `$4`: its urgency.
macro_rules! ahead {
    () => {
        "(SELECT COUNT(*) FROM slot_waits AS w \
          WHERE w.tenant = $1 AND w.sync_id <> $2 AND w.until_time > $3 \
            AND (w.urgency < $4 OR w.urgency = $4 AND w.since_time < COALESCE( \
              (SELECT mine.since_time FROM slot_waits AS mine WHERE mine.tenant = $1 AND mine.sync_id = $2), $3)))"
    };
}

/// Takes one of a tenant's `slots` for a slice of the candidate, until `life` is over. Of those that wait for one the more urgent
/// go first, then those that have waited for longer: they are asked for at most every half second, and a free slot waits for
/// them.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn take(store: &Store, candidate: &Candidate, slots: usize, now: Micros, life: Duration) -> Result<Turn> {
    let Candidate { tenant, sync_id, urgency } = candidate;
    let holder = Uuid::new_v4();
    let numbers = row_list((0..slots).map(|slot| (slot,)));
    let all = i64::try_from(slots).unwrap_or(i64::MAX);
    let latest = now.plus(life + CLOCKS_DIFFER);
    let mut standing = standing(store, candidate, now, latest).await?;
    if standing.astray > 0 {
        // A clock that was far ahead took them, and is right again, or its worker is gone: they would not expire for as long.
        on_write!(store, pool => sqlx::query("DELETE FROM tenant_slots WHERE tenant = $1 AND expire_time > $2")
            .bind(tenant).bind(latest).execute(pool).await.map(|_| ()))?;
        standing = self::standing(store, candidate, now, latest).await?;
    }
    // Others may take the same slot in the same moment: then this one tries another, and gives up once all are taken.
    for _ in 0..slots {
        if standing.held_by_this > 0 {
            return Ok(Turn::AtWork);
        }
        if standing.ahead >= all - standing.held {
            break;
        }
        let taken = on_write!(store, pool => sqlx::query_scalar::<_, i64>(store.sql(concat!(
            "INSERT INTO tenant_slots (tenant, slot, sync_id, holder, expire_time) \
             SELECT $1, n.slot, $2, $5, $6 FROM ROWS($7: slot BIGINT) AS n \
             LEFT JOIN tenant_slots AS t ON t.tenant = $1 AND t.slot = n.slot AND t.expire_time > $3 \
             WHERE t.slot IS NULL \
               AND NOT EXISTS (SELECT 1 FROM tenant_slots AS own \
                 WHERE own.tenant = $1 AND own.sync_id = $2 AND own.expire_time > $3) \
               AND ", ahead!(), " \
                 < $8 - (SELECT COUNT(*) FROM tenant_slots AS held WHERE held.tenant = $1 AND held.expire_time > $3) \
             ORDER BY n.slot LIMIT 1 \
             ON CONFLICT (tenant, slot) DO UPDATE \
               SET sync_id = excluded.sync_id, holder = excluded.holder, expire_time = excluded.expire_time \
               WHERE tenant_slots.expire_time <= $3 \
             RETURNING slot")))
            .bind(tenant).bind(sync_id).bind(now).bind(urgency).bind(holder).bind(now.plus(life)).bind(&numbers).bind(all)
            .fetch_optional(pool).await)?;
        if let Some(slot) = taken {
            if standing.until_time.is_some() {
                forget(store, tenant, *sync_id, now).await?;
            }
            return Ok(Turn::Now(TenantSlot { tenant: tenant.clone(), slot, holder }));
        }
        standing = self::standing(store, candidate, now, latest).await?;
    }
    wait(store, candidate, &standing, now).await
}

/// Puts the candidate in the line, if it is not there.
async fn wait(store: &Store, candidate: &Candidate, standing: &Standing, now: Micros) -> Result<Turn> {
    let Candidate { tenant, sync_id, urgency } = candidate;
    let pause = pause(standing.ahead);
    let next = now.plus(pause);
    if standing.until_time.is_none_or(|until| until < next.plus(RENEWED_AT)) {
        on_write!(store, pool => sqlx::query(
            "INSERT INTO slot_waits (tenant, sync_id, urgency, since_time, until_time) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant, sync_id) DO UPDATE SET urgency = excluded.urgency, until_time = excluded.until_time, \
               since_time = CASE WHEN slot_waits.until_time > $4 THEN slot_waits.since_time ELSE excluded.since_time END")
            .bind(tenant).bind(sync_id).bind(urgency).bind(now).bind(next.plus(COUNTED_ON))
            .execute(pool).await.map(|_| ()))?;
    }
    Ok(Turn::After(pause))
}

/// Whoever is at the front asks every half second; the others as much later as it takes until they may be there. So thousands
/// that wait cost little.
fn pause(ahead: i64) -> Duration {
    const FRONT: Duration = Duration::from_millis(500);
    const EACH: Duration = Duration::from_millis(100);
    const MOST: Duration = Duration::from_secs(60);
    MOST.min(FRONT + EACH * u32::try_from(ahead).unwrap_or(u32::MAX).min(1_000))
}

async fn standing(store: &Store, candidate: &Candidate, now: Micros, latest: Micros) -> Result<Standing> {
    Ok(on_read!(store, pool => sqlx::query_as::<_, Standing>(concat!(
        "SELECT (SELECT COUNT(*) FROM tenant_slots WHERE tenant = $1 AND expire_time > $3) AS held, \
           (SELECT COUNT(*) FROM tenant_slots WHERE tenant = $1 AND expire_time > $3 AND sync_id = $2) AS held_by_this, ",
        ahead!(), " AS ahead, \
           (SELECT until_time FROM slot_waits WHERE tenant = $1 AND sync_id = $2) AS until_time, \
           (SELECT COUNT(*) FROM tenant_slots WHERE tenant = $1 AND expire_time > $5) AS astray"))
        .bind(&candidate.tenant).bind(candidate.sync_id).bind(now).bind(candidate.urgency).bind(latest)
        .fetch_one(pool).await)?)
}

/// It waits no longer; and whoever of its tenant is not counted on any more is forgotten.
async fn forget(store: &Store, tenant: &Tenant, sync_id: SyncId, now: Micros) -> Result<()> {
    on_write!(store, pool => sqlx::query("DELETE FROM slot_waits WHERE tenant = $1 AND (sync_id = $2 OR until_time < $3)")
        .bind(tenant).bind(sync_id).bind(now).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// A sync that ended waits for nothing.
pub(crate) async fn leave(tx: &mut Tx, tenant: &Tenant, sync_id: SyncId) -> Result<()> {
    crate::on_tx!(tx, conn => sqlx::query("DELETE FROM slot_waits WHERE tenant = $1 AND sync_id = $2")
        .bind(tenant).bind(sync_id).execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}

/// Gives a slot back, unless another slice has it by now.
///
/// # Errors
/// [`crate::StoreError::Unavailable`]; the slot then expires.
pub async fn give_back(store: &Store, slot: &TenantSlot) -> Result<()> {
    on_write!(store, pool => sqlx::query("DELETE FROM tenant_slots WHERE tenant = $1 AND slot = $2 AND holder = $3")
        .bind(&slot.tenant).bind(slot.slot).bind(slot.holder).execute(pool).await.map(|_| ()))?;
    Ok(())
}

/// Frees every slot: for a program alone on its database, when it starts.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn clear(tx: &mut Tx) -> Result<()> {
    for sql in ["DELETE FROM tenant_slots", "DELETE FROM slot_waits"] {
        crate::on_tx!(&mut *tx, conn => sqlx::query(sql).execute(&mut *conn).await.map(|_| ()))?;
    }
    Ok(())
}
