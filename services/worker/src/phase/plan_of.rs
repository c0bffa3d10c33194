//! A sync that applies what a dry run has shown does exactly that, or nothing (rule 14).
//!
//! Once the devices are read and looked up, it rehearses: it decides like the dry run did, held changes and removals
//! included, with nothing written but its own records. What comes out is compared with what was shown, device by device.
//! If anything has moved, the sync ends there, and neither a record nor a link has been touched. Else its records are put
//! back to where they stood, and the same is decided in earnest; whatever turns up on the way that was not shown is rejected.

use pandaport_store::SyncId;
use pandaport_store::engine::{CountDeltas, Step};

use super::shown::Comparison;
use super::{brake, decide, remove, resolve, settle};
use crate::checkpoint::Rehearsal;
use crate::halt::Halt;
use crate::run::Run;

/// Records that are kept, compared or put back at once.
const AT_ONCE: i64 = 500;
/// Devices that a refusal names.
const SAMPLE: usize = 5;

/// Returns once nothing stands against the plan, if the sync has one.
pub(crate) async fn agree(run: &mut Run) -> Result<(), Halt> {
    let Some(plan) = run.slice.row.plan_of else { return Ok(()) };
    if run.checkpoint.rehearsal == Rehearsal::Before {
        settle::run(run).await?;
        resolve::run(run).await?;
        wait_for_unclear(run).await?;
        keep_records(run).await?;
    }
    if run.checkpoint.rehearsal == Rehearsal::Under {
        run.rehearse(true);
        let rehearsed = rehearse(run, plan).await;
        run.rehearse(false);
        rehearsed?;
    }
    if run.checkpoint.rehearsal == Rehearsal::Over {
        restore_records(run).await?;
    }
    Ok(())
}

/// What an earlier sync created, perhaps, decides on what there is to do.
async fn wait_for_unclear(run: &mut Run) -> Result<(), Halt> {
    let waiting = run.store.step_counts(&run.slice).await?;
    if !waiting.iter().any(|(step, _)| *step == Step::Unclear as i64) {
        return Ok(());
    }
    run.wait_for_next_look().await
}

async fn keep_records(run: &mut Run) -> Result<(), Halt> {
    let mut after = String::new();
    loop {
        run.in_time()?;
        let progress = run.progress(CountDeltas::default());
        let (last, cancel) = run.store.keep_records(run.slice.guard, &after, AT_ONCE, &progress).await?;
        run.got_on = true;
        if cancel {
            return Err(Halt::Cancelled);
        }
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    run.checkpoint.before_rehearsal = Some(Box::new(run.checkpoint.clone()));
    run.checkpoint.rehearsal = Rehearsal::Under;
    run.commit(&[], CountDeltas::default()).await
}

async fn rehearse(run: &mut Run, plan: SyncId) -> Result<(), Halt> {
    plan_all(run).await?;
    compare(run, plan).await?;
    run.checkpoint = *run.checkpoint.before_rehearsal.take().unwrap_or_default();
    run.checkpoint.rehearsal = Rehearsal::Over;
    let cancel = run.store.forget_rehearsal(run.slice.guard, &run.progress(CountDeltas::default())).await?;
    if cancel { Err(Halt::Cancelled) } else { Ok(()) }
}

/// Everything a dry run says, with what the brake holds and what is to be removed. A second round is for devices that turn out to need a look-up.
pub(crate) async fn plan_all(run: &mut Run) -> Result<(), Halt> {
    for _ in 0..2 {
        resolve::run(run).await?;
        decide::run(run).await?;
        brake::run(run).await?;
        let open = run.store.step_counts(&run.slice).await?;
        if !open.iter().any(|(step, _)| *step == Step::LookUp as i64) {
            break;
        }
    }
    remove::run(run).await
}

async fn compare(run: &mut Run, plan: SyncId) -> Result<(), Halt> {
    let projector = run.projector();
    let comparison = Comparison::new(projector.cells());
    let (mut moved, mut sample, mut after) = (0_u64, Vec::new(), String::new());
    loop {
        let page = run.store.differing(run.slice.guard, plan, &after, AT_ONCE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.device_id);
        for device in &page {
            if let Some(words) = comparison.moved(device)? {
                moved += 1;
                if sample.len() < SAMPLE {
                    sample.push(words);
                }
            }
        }
    }
    // Asked last: records that went meanwhile look like ones that moved.
    if !run.store.is_remembered(plan).await? {
        return Err(refused("the plan's records are past the history's retention".to_owned()));
    }
    if moved == 0 {
        return Ok(());
    }
    let more = if moved > sample.len() as u64 { " …" } else { "" };
    let devices = if moved == 1 { "1 device is" } else { &format!("{moved} devices are") };
    Err(refused(format!("{devices} not as the plan showed. {}{more}", sample.join("; "))))
}

fn refused(what: String) -> Halt {
    Halt::failed("PLAN_MOVED", format!("{what}. Nothing was written: make a new dry run, look at it, and apply that"))
}

async fn restore_records(run: &mut Run) -> Result<(), Halt> {
    loop {
        run.in_time()?;
        let progress = run.progress(CountDeltas::default());
        let (more, cancel) = run.store.restore_records(run.slice.guard, AT_ONCE, &progress).await?;
        run.got_on = true;
        if cancel {
            return Err(Halt::Cancelled);
        }
        if !more {
            break;
        }
    }
    run.checkpoint.rehearsal = Rehearsal::Agreed;
    run.commit(&[], CountDeltas::default()).await
}
