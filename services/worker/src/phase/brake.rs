//! The brake (rule 11): what DECIDE found to be removed, made anew or cleared is weighed over the whole fleet before anything
//! of it is sent. What it holds is taken out of what is sent; the rest goes on.

use pandaport_import::WriteRule;
use pandaport_store::engine::{BrakeGroup, CountDeltas, HeldRow, Item, ItemStep, Op, Step};
use pandaport_store::held::HeldKind;
use serde_json::Value;

use super::batch::ROWS;
use super::{removal, removed};
use crate::halt::Halt;
use crate::plan::{WritePlan, json, parse};
use crate::run::Run;

/// Held clears that are taken out in one transaction.
const AT_ONCE: i64 = 200;

const DELETED: &str = "its record was deleted in Asset Panda, and so were those of many others: making them anew is held \
                       until it is approved";

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    removal::list(run).await?;
    // Most syncs change little, and nothing of it is weighed.
    if !run.store.is_to_be_weighed(run.slice.guard).await? {
        return if run.slice.guard.dry_run { Ok(()) } else { estimate(run).await };
    }
    weigh(run).await?;
    let mut cancel = hold_removals(run).await?;
    if !run.slice.guard.dry_run {
        cancel |= run.store.hold_deleted(run.slice.guard, DELETED, &run.progress(CountDeltas::default())).await?;
        cancel |= run.store.free_deleted(&run.slice, &run.progress(CountDeltas::default())).await?;
    }
    take_out(run).await?;
    if cancel {
        return Err(Halt::Cancelled);
    }
    if run.slice.guard.dry_run { Ok(()) } else { estimate(run).await }
}

/// What is decided is known, and what of it is held: so are the calls that are left.
async fn estimate(run: &mut Run) -> Result<(), Halt> {
    let waiting = run.store.step_counts(&run.slice).await?;
    let at = |step: Step| waiting.iter().find(|it| it.0 == step as i64).map_or(0, |it| it.1);
    let calls: u64 = [at(Step::Create), at(Step::Update), run.store.removals_left(run.slice.guard).await?]
        .into_iter()
        .map(|rows| u64::try_from(rows).unwrap_or(0).div_ceil(ROWS as u64))
        .sum();
    run.enter("APPLY", Some(calls)).await
}

async fn hold_removals(run: &Run) -> Result<bool, Halt> {
    let changes = removed::listed(&run.spec.removal_policy.action).map(|it| json(&[it]));
    let message = if run.checkpoint.fleet_is_empty {
        "Kandji lists no device at all, and did before: the removal policy is held until that is approved"
    } else {
        "the device is gone, and so are many others: the removal policy is held until it is approved"
    };
    let progress = run.progress(CountDeltas::default());
    let mapping = run.slice.row.mapping_id;
    Ok(run.store.hold_removals(run.slice.guard, mapping, message, changes.as_deref(), &progress).await?)
}

/// Each kind for itself, and each column that would lose values.
async fn weigh(run: &mut Run) -> Result<(), Halt> {
    let groups = run.store.brake_groups(run.slice.guard).await?;
    if groups.is_empty() {
        return Ok(());
    }
    let linked = run.store.linked(run.slice.row.mapping_id).await?;
    for group in groups {
        let holds = is_held(run, &group, linked);
        if holds {
            tracing::warn!(kind = %group.kind, column = group.column_id, items = group.items, linked, "the brake holds this");
            run.checkpoint.held_moved |= run.slice.row.approved;
        }
        let progress = run.progress(CountDeltas::default());
        if run.store.weighed(run.slice.guard, &group, holds, &progress).await? {
            return Err(Halt::Cancelled);
        }
    }
    Ok(())
}

fn is_held(run: &Run, group: &BrakeGroup, linked: i64) -> bool {
    let count = |it: i64| u64::try_from(it).unwrap_or(0);
    let too_many = run.spec.brake.holds(count(group.items), count(linked));
    // A list that is empty after a non-empty one: more likely Kandji's mistake than the end of the fleet.
    let nobody_left = group.kind == HeldKind::Removal && run.checkpoint.fleet_is_empty;
    (too_many || nobody_left) && (!run.slice.row.approved || group.unapproved > 0)
}

async fn take_out(run: &mut Run) -> Result<(), Halt> {
    loop {
        let held = run.store.next_held(run.slice.guard, AT_ONCE).await?;
        if held.is_empty() {
            return Ok(());
        }
        let mut ops = Vec::new();
        let mut counts = CountDeltas::default();
        for held in held.chunk_by(|a, b| a.device_id == b.device_id) {
            for it in held {
                let item = Item { kind: it.kind, device_id: it.device_id.clone(), column_id: it.column_id.clone() };
                ops.push(Op::Weighed { item, step: ItemStep::Held, attempts: 0 });
            }
            if held.iter().any(|it| it.kind == HeldKind::Deleted) {
                take_back(&held[0], &mut ops, &mut counts);
            } else {
                keep_values(run, held, &mut ops, &mut counts)?;
            }
        }
        run.commit(&ops, counts).await?;
    }
}

/// A dry run has said that the record would be made anew: it would not.
fn take_back(device: &HeldRow, ops: &mut Vec<Op>, counts: &mut CountDeltas) {
    match device.outcome.as_str() {
        "CREATED" => counts.created -= 1,
        "ADOPTED" => counts.adopted -= 1,
        // Rejected for another reason: that it stays.
        _ => return,
    }
    counts.unchanged += 1;
    ops.push(Op::Hold { device_id: device.device_id.clone(), message: DELETED.to_owned() });
}

/// Takes values that are not to be cleared out of what is planned for one device.
fn keep_values(run: &Run, clears: &[HeldRow], ops: &mut Vec<Op>, counts: &mut CountDeltas) -> Result<(), Halt> {
    let device = &clears[0];
    let planned = [Step::Update, Step::UpdateAlone].iter().any(|step| *step as i64 == device.step);
    let dry_run = run.slice.guard.dry_run && device.outcome == "UPDATED";
    let Some(listed) = device.changes.as_deref().filter(|_| planned || dry_run) else { return Ok(()) };
    let mut listed: Vec<Value> = parse("list of changes", listed)?;
    let mut plan: Option<WritePlan> = device.plan.as_deref().map(|plan| parse("plan", plan)).transpose()?;
    let mut names = Vec::new();
    let cells = run.projector();
    for clear in clears {
        listed.retain(|it| it["column_id"] != clear.column_id.as_str());
        let Some(at) = cells.cells().iter().position(|it| it.column_id == clear.column_id) else { continue };
        names.push(cells.cells()[at].column_name.clone());
        if let Some(plan) = &mut plan {
            plan.keep_value(at, &clear.column_id);
        }
    }
    let message =
        format!("clearing {} is held until it is approved: many devices would lose the value", names.join(", "));
    // Passengers go along with other changes, or alone when they are due (rule 9).
    let passenger = |it: &Value| {
        let column = cells.cells().iter().find(|cell| it["column_id"] == cell.column_id.as_str());
        column.is_some_and(|cell| cell.write_rule == WriteRule::Passenger)
    };
    let may_go_alone = plan.as_ref().is_some_and(|it| it.passenger_due);
    if listed.iter().all(passenger) && (listed.is_empty() || !may_go_alone) {
        counts.unchanged += 1;
        counts.updated -= i64::from(dry_run);
        ops.push(Op::Hold { device_id: device.device_id.clone(), message });
    } else {
        ops.push(Op::HoldPart {
            device_id: device.device_id.clone(),
            plan: plan.as_ref().map(json),
            changes: json(&listed),
            message,
        });
    }
    Ok(())
}
