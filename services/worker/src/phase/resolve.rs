//! RESOLVE: rivals for one identifier are settled (rule 12), then identifiers are looked up (rules 3, 13).

use futures::future::join_all;
use pandaport_import::{Claim, Mode, settle};
use pandaport_store::engine::{ClaimRow, CountDeltas, Op, Rejection};

use super::lookup::{GROUP, look_up};
use crate::halt::Halt;
use crate::plan::json;
use crate::run::Run;

/// Groups looked up at once.
const GROUPS_IN_FLIGHT: usize = 4;
/// Identifiers with rivals that are settled in one transaction.
const RIVALS_AT_ONCE: i64 = 200;

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    if !run.checkpoint.rivals_settled {
        settle_rivals(run).await?;
        // Once: a row that comes back for a look-up later needs it.
        if run.mode == Mode::Incremental {
            run.store.skip_known(&run.slice).await?;
        }
        run.checkpoint.rivals_settled = true;
    }
    let projector = run.projector();
    loop {
        run.in_time()?;
        let limit = i64::try_from(GROUP * GROUPS_IN_FLIGHT).unwrap_or(i64::MAX);
        let rows = run.store.next_lookups(&run.slice, limit).await?;
        if rows.is_empty() {
            break;
        }
        let this = &*run;
        let cells = projector.cells();
        let groups = join_all(rows.chunks(GROUP).map(|rows| async move {
            let identifiers: Vec<String> = rows.iter().map(|row| row.identifier.clone()).collect();
            look_up(this, cells, &identifiers).await
        }))
        .await;
        let mut ops = Vec::with_capacity(rows.len());
        let mut failed = None;
        for (rows, found) in rows.chunks(GROUP).zip(groups) {
            match found {
                Ok(found) => ops.extend(
                    rows.iter()
                        .zip(found)
                        .map(|(row, found)| Op::Found { device_id: row.device_id.clone(), found: json(&found) }),
                ),
                Err(halt) => failed = Some(halt),
            }
        }
        // What was found is kept whatever became of the other groups: calls are scarce.
        run.commit(&ops, CountDeltas::default()).await?;
        if let Some(halt) = failed {
            return Err(halt);
        }
    }
    run.enter("DECIDE", None).await
}

/// Of present devices with one identifier, one wins; the others are rejected and name it.
async fn settle_rivals(run: &mut Run) -> Result<(), Halt> {
    let mut after = String::new();
    loop {
        run.in_time()?;
        let keys = run.store.rival_keys(&run.slice, &after, RIVALS_AT_ONCE).await?;
        let Some(last) = keys.last().cloned() else { break };
        let claims = run.store.claims(&run.slice, &keys).await?;
        let mut ops = Vec::new();
        let mut counts = CountDeltas::default();
        for rivals in claims.chunk_by(|a, b| a.identifier_key == b.identifier_key) {
            reject_losers(run, rivals, &mut ops, &mut counts);
        }
        run.commit(&ops, counts).await?;
        after = last;
    }
    Ok(())
}

fn reject_losers(run: &Run, rivals: &[ClaimRow], ops: &mut Vec<Op>, counts: &mut CountDeltas) {
    if rivals.len() < 2 {
        return;
    }
    let claims: Vec<Claim> = rivals
        .iter()
        .map(|row| Claim {
            device_id: row.device_id.clone(),
            serial_number: row.serial_number.clone(),
            identifier: row.identifier.clone().unwrap_or_default(),
            last_enrollment: row.last_enrollment.map(pandaport_store::Micros::timestamp),
            last_check_in: row.last_check_in.map(pandaport_store::Micros::timestamp),
        })
        .collect();
    for loser in settle(run.spec.identifier.source_field, &claims).losers {
        let row = &rivals[loser.claim];
        let reason = loser.reason.as_str();
        if row.planned {
            ops.push(Op::Done {
                device_id: row.device_id.clone(),
                outcome: "REJECTED",
                reason: Some(reason),
                message: Some(loser.message.clone()),
                record_id: None,
                changes: None,
            });
        } else {
            ops.push(Op::RejectUnchanged { device_id: row.device_id.clone(), reason, message: loser.message.clone() });
            if row.flags & pandaport_store::engine::flag::QUARANTINED != 0 {
                counts.still_rejected -= 1;
            } else {
                counts.unchanged -= 1;
            }
        }
        counts.rejected += 1;
        ops.push(Op::RejectLink(Box::new(Rejection {
            device_id: row.device_id.clone(),
            fingerprint: row.fingerprint.clone(),
            last_enrollment: row.last_enrollment,
            last_check_in: row.last_check_in,
            serial_number: row.serial_number.clone(),
            identifier: row.identifier.clone(),
            identifier_key: Some(row.identifier_key.clone()),
            quarantined: false,
            reason,
            message: loser.message,
            time: run.now(),
        })));
    }
}
