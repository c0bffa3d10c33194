//! APPLY: what was decided is sent in full batches of five, several in flight. Each batch is marked before it leaves,
//! and confirmed with its links, records and counters in one transaction (rules 3, 4).

use pandaport_store::engine::{CountDeltas, Op, Step};
use tokio::task::JoinSet;

use super::batch::{Outgoing, Sent, intent};
use super::confirm::Confirming;
use crate::halt::{Api, Halt};
use crate::plan::{WritePlan, json, parse};
use crate::run::Run;

/// Batches in flight at once.
pub(crate) const IN_FLIGHT: usize = 8;
/// Rows in a batch: the API's limit.
const ROWS: usize = 5;

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    let mut sending: JoinSet<Sent> = JoinSet::new();
    let mut stopped: Option<Halt> = None;
    let mut unanswered = 0;
    loop {
        if stopped.is_none() && !run.may_go_on() {
            stopped = Some(Halt::TimeUp);
        }
        if stopped.is_none() && sending.len() < IN_FLIGHT {
            let batches = next_batches(run, IN_FLIGHT - sending.len()).await?;
            if let Err(halt) = mark(run, &batches).await {
                keep_first(&mut stopped, halt)?;
                unmark(run, &batches).await?;
            }
            if stopped.is_none() {
                for batch in batches {
                    let asset_panda = run.asset_panda.clone();
                    let collection_id = run.slice.row.collection_id.clone();
                    sending.spawn(async move { batch.send(&asset_panda, &collection_id).await });
                }
            }
        }
        let Some(first) = sending.join_next().await else { break };
        let mut answered = vec![first];
        while let Some(more) = sending.try_join_next() {
            answered.push(more);
        }
        let mut confirming =
            Confirming { run, ops: Vec::new(), counts: CountDeltas::default(), halt: None, unanswered };
        for sent in answered {
            // A task of ours that panicked leaves its rows as marked: the next slice looks them up.
            let sent = sent.map_err(|error| Halt::Outage { api: Api::AssetPanda, message: error.to_string() })?;
            confirming.batch(sent).await?;
        }
        let Confirming { ops, counts, halt, unanswered: in_a_row, .. } = confirming;
        unanswered = in_a_row;
        run.commit(&ops, counts).await.or_else(|halt| keep_first(&mut stopped, halt))?;
        if let (None, Some(halt)) = (&stopped, halt) {
            stopped = Some(halt);
        }
    }
    stopped.map_or(Ok(()), Err)
}

/// A cancel or the end of the time lets what is in flight be confirmed first; a lost fence does not.
fn keep_first(stopped: &mut Option<Halt>, halt: Halt) -> Result<(), Halt> {
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
        let room = batches - out.len();
        if room == 0 {
            break;
        }
        let rows = run.store.next_ready(&run.slice, step, room * rows_each).await?;
        let mut rows = rows.into_iter().map(|row| {
            let plan: WritePlan = parse("plan", &row.plan)?;
            Ok::<_, Halt>((row, plan))
        });
        loop {
            let batch = rows.by_ref().take(rows_each).collect::<Result<Vec<_>, _>>()?;
            if batch.is_empty() {
                break;
            }
            out.push(Outgoing { create: matches!(step, Step::Create | Step::CreateAlone), rows: batch });
        }
    }
    Ok(out)
}

/// Written down before it is sent: a create as in flight, an update's link as dirty.
async fn mark(run: &mut Run, batches: &[Outgoing]) -> Result<(), Halt> {
    if batches.is_empty() {
        return Ok(());
    }
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
    run.commit(&ops, CountDeltas::default()).await
}

/// Marked, and not sent after all.
async fn unmark(run: &mut Run, batches: &[Outgoing]) -> Result<(), Halt> {
    let mut ops = Vec::new();
    for batch in batches {
        for (row, _) in &batch.rows {
            let device_id = row.device_id.clone();
            if batch.create {
                ops.push(Op::DropIntent { device_id: device_id.clone() });
            }
            ops.push(Op::Step { device_id, step: if batch.create { Step::Create } else { Step::Update } });
        }
    }
    match run.commit(&ops, CountDeltas::default()).await {
        Err(Halt::Cancelled) | Ok(()) => Ok(()),
        Err(halt) => Err(halt),
    }
}
