//! How many slices a tenant may have at work at once, over all workers.

use std::time::Duration;

use uuid::Uuid;

use crate::dialect::{on_read, on_write, row_list};
use crate::{Micros, Result, Store, SyncId, Tenant, Tx};

/// A slot of a tenant, held by one slice until it is given back or has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSlot {
    tenant: Tenant,
    slot: i64,
    holder: Uuid,
}

/// Takes one of a tenant's `slots` for a slice of `sync_id`, until `life` is over; `None` if all are taken. A slot that a
/// slice of the same sync holds is taken over: a sync is worked once, and that slice is gone or has lost its fence.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn take(
    store: &Store,
    tenant: &Tenant,
    slots: usize,
    sync_id: SyncId,
    now: Micros,
    life: Duration,
) -> Result<Option<TenantSlot>> {
    let holder = Uuid::new_v4();
    let numbers = row_list((0..slots).map(|slot| (slot,)));
    // Others may take the same slot in the same moment: then this one tries another, and gives up once all are taken.
    for _ in 0..slots {
        let taken = on_write!(store, pool => sqlx::query_scalar::<_, i64>(store.sql(
            "INSERT INTO tenant_slots (tenant, slot, sync_id, holder, expire_time) \
             SELECT $1, n.slot, $2, $3, $4 FROM ROWS($6: slot BIGINT) AS n \
             LEFT JOIN tenant_slots AS t ON t.tenant = $1 AND t.slot = n.slot AND t.expire_time > $5 \
             WHERE t.slot IS NULL OR t.sync_id = $2 \
             ORDER BY CASE WHEN t.slot IS NULL THEN 1 ELSE 0 END, n.slot LIMIT 1 \
             ON CONFLICT (tenant, slot) DO UPDATE \
               SET sync_id = excluded.sync_id, holder = excluded.holder, expire_time = excluded.expire_time \
               WHERE tenant_slots.expire_time <= $5 OR tenant_slots.sync_id = excluded.sync_id \
             RETURNING slot"))
            .bind(tenant).bind(sync_id).bind(holder).bind(now.plus(life)).bind(now).bind(&numbers)
            .fetch_optional(pool).await)?;
        if let Some(slot) = taken {
            return Ok(Some(TenantSlot { tenant: tenant.clone(), slot, holder }));
        }
        let held = on_read!(store, pool => sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(*) FROM tenant_slots WHERE tenant = $1 AND expire_time > $2")
            .bind(tenant).bind(now).fetch_one(pool).await)?;
        if usize::try_from(held).unwrap_or(slots) >= slots {
            break;
        }
    }
    Ok(None)
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
    crate::on_tx!(tx, conn => sqlx::query("DELETE FROM tenant_slots").execute(&mut *conn).await.map(|_| ()))?;
    Ok(())
}
