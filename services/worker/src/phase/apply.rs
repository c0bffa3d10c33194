//! APPLY: what was decided is sent in full batches of five, several in flight. Each batch is marked before it leaves,
//! and confirmed with its links, records and counters in one transaction (rules 3, 4).

use pandaport_store::engine::{CountDeltas, Op, Step};
use tokio::task::JoinSet;

use super::batch::{IN_FLIGHT, Outgoing, ROWS, Sent, intent};
use super::confirm::{Confirmed, Confirming, not_applied};
use crate::halt::{Api, Halt};
use crate::plan::{WritePlan, json, parse};
use crate::run::Run;

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    let mut sending: JoinSet<Sent> = JoinSet::new();
    let mut stopped: Option<Halt> = None;
    let mut unanswered = 0;
    loop {
        let Confirmed { mut ops, counts, halt } = answers(run, &mut sending, &mut unanswered).await?;
        if stopped.is_none() {
            stopped = halt.or_else(|| (!run.may_go_on()).then_some(Halt::TimeUp));
        }
        let next = if stopped.is_none() {
            next_batches(run, IN_FLIGHT.saturating_sub(sending.len())).await?
        } else {
            Vec::new()
        };
        if ops.is_empty() && next.is_empty() && sending.is_empty() {
            return stopped.map_or(Ok(()), Err);
        }
        // What came back is confirmed, and what goes out is marked, in one transaction: each costs a write to the disk.
        ops.extend(marks(run, &next));
        if let Err(halt) = run.commit(&ops, counts).await {
            keep_first(&mut stopped, halt)?;
            unmark(run, &next).await?;
            continue;
        }
        for batch in next {
            let asset_panda = run.asset_panda.clone();
            let collection_id = run.slice.row.collection_id.clone();
            sending.spawn(async move { batch.send(&asset_panda, &collection_id).await });
        }
    }
}

/// What the answers that are there mean; waits for one if any is to come.
async fn answers(run: &Run, sending: &mut JoinSet<Sent>, unanswered: &mut u32) -> Result<Confirmed, Halt> {
    let mut confirming = Confirming::new(run, *unanswered);
    let mut next = sending.join_next().await;
    while let Some(sent) = next {
        // A task of ours that panicked leaves its rows as marked: the next slice looks them up.
        let sent = sent.map_err(|error| Halt::Outage { api: Api::AssetPanda, message: error.to_string() })?;
        confirming.batch(sent).await?;
        next = sending.try_join_next();
    }
    *unanswered = confirming.unanswered;
    Ok(confirming.confirmed())
}

/// A cancel or the end of the time lets what is in flight be confirmed first; a lost fence does not.
pub(super) fn keep_first(stopped: &mut Option<Halt>, halt: Halt) -> Result<(), Halt> {
    match halt {
        Halt::Cancelled | Halt::TimeUp => {
            stopped.get_or_insert(halt);
            Ok(())
        }
        other => Err(other),
    }
}

/// Full batches first: creates, then updates, then rows that go alone.
async fn next_batches(run: &Run, batches: usize) -> Result<Vec<Outgoing>, Halt> {
    let mut out = Vec::new();
    for (step, rows_each) in
        [(Step::Create, ROWS), (Step::Update, ROWS), (Step::CreateAlone, 1), (Step::UpdateAlone, 1)]
    {
        let room = batches.saturating_sub(out.len());
        if room == 0 {
            break;
        }
        let rows = run.store.next_ready(&run.slice, step, room * rows_each).await?;
        let create = matches!(step, Step::Create | Step::CreateAlone);
        let mut batch = Vec::with_capacity(rows_each);
        for row in rows {
            let plan: WritePlan = parse("plan", &row.plan)?;
            // Sent twice without a usable answer: alone, it can spoil no batch.
            if row.attempts >= 2 {
                out.push(Outgoing { create, rows: vec![(row, plan)] });
                continue;
            }
            batch.push((row, plan));
            if batch.len() == rows_each {
                out.push(Outgoing { create, rows: std::mem::take(&mut batch) });
            }
        }
        if !batch.is_empty() {
            out.push(Outgoing { create, rows: batch });
        }
    }
    Ok(out)
}

/// Written down before it is sent: a create as in flight, an update's link as dirty.
fn marks(run: &Run, batches: &[Outgoing]) -> Vec<Op> {
    let now = run.now();
    let mut ops = Vec::new();
    for batch in batches {
        for (row, plan) in &batch.rows {
            let device_id = row.device_id.clone();
            if batch.create {
                ops.push(Op::PutIntent(Box::new(intent(run, row, plan, now, None))));
                ops.push(Op::Step { device_id, step: Step::CreateSent });
            } else {
                ops.push(Op::MarkDirty { device_id: device_id.clone(), cells: json(&plan.unconfirmed) });
                ops.push(Op::Step { device_id, step: Step::UpdateSent });
            }
        }
    }
    ops
}

/// Marked, and not sent after all.
async fn unmark(run: &mut Run, batches: &[Outgoing]) -> Result<(), Halt> {
    if batches.is_empty() {
        return Ok(());
    }
    let mut ops = Vec::new();
    for batch in batches {
        for (row, plan) in &batch.rows {
            let device_id = row.device_id.clone();
            if batch.create {
                ops.push(Op::DropIntent { device_id: device_id.clone() });
            } else {
                ops.extend(not_applied(row, plan));
            }
            ops.push(Op::Unsent { device_id, step: if batch.create { Step::Create } else { Step::Update } });
        }
    }
    match run.commit(&ops, CountDeltas::default()).await {
        Err(Halt::Cancelled) | Ok(()) => Ok(()),
        Err(halt) => Err(halt),
    }
}
