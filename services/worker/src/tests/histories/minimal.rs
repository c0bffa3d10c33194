//! Rule 4: only what differs is sent, and only columns that differ.

use std::collections::BTreeMap;

use pandaport_store::devices::DeviceState;

use super::fleet::{CREATE_ONLY, Cells, DEVICE_ID, FILL_ONLY, same};
use super::ledger::{Kind, Row};
use super::oracle::{Oracle, QUARANTINE, Seen};

pub(super) fn check(oracle: &Oracle, seen: &Seen<'_>) -> Result<(), String> {
    let mut applied: BTreeMap<(Kind, bool, &str), u32> = BTreeMap::new();
    for row in &seen.ledger.rows {
        let device = device_of(seen, row);
        // What is quarantined are values: the removal policy sends others.
        if let Some(device) = device.filter(|_| !row.is_removal()) {
            not_quarantined(oracle, seen, device, row)?;
        }
        match row.kind {
            Kind::Create => {
                if let Some((column, _)) = row.sent.iter().find(|(_, value)| same(Some(value), None)) {
                    return Err(format!("a create sends {column}, which is empty"));
                }
            }
            Kind::Update => update(seen, row)?,
            Kind::Delete => {}
        }
        let whose = device.or(row.record_id.as_deref()).unwrap_or_default();
        if row.applied {
            *applied.entry((row.kind, row.is_removal(), whose)).or_default() += 1;
        }
    }
    if let Some((twice, _)) = applied.iter().find(|(_, times)| **times > 1).filter(|_| seen.calm) {
        return Err(format!("{} was written more than once", twice.2));
    }
    full_batches(seen)
}

fn update(seen: &Seen<'_>, row: &Row) -> Result<(), String> {
    let id = row.record_id.as_deref().unwrap_or_default();
    let Some(before) = &row.before else { return Ok(()) };
    if row.sent.is_empty() {
        return Err(format!("an update of {id} sends nothing"));
    }
    for (column, value) in &row.sent {
        let there = before.get(column);
        if column == CREATE_ONLY {
            return Err(format!("rule 9: {column} of {id} is CREATE_ONLY, and was written again"));
        }
        let in_doubt = row.unsure || (seen.is_full() && seen.is_fresh(id));
        if column == FILL_ONLY && !in_doubt && !same(there, None) {
            return Err(format!("rule 9: {column} of {id} is FILL_ONLY, and was written over {there:?}"));
        }
        let clears = same(Some(value), None);
        if clears && !same(there, None) && !row.ever.contains(column) {
            return Err(format!("rule 8: {column} of {id} was cleared, and never was ours: {there:?}"));
        }
        if !in_doubt && !row.by_hand.contains(column) && same(there, Some(value)) {
            return Err(format!("rule 4: {column} of {id} was sent although it was {there:?} already"));
        }
    }
    Ok(())
}

/// Rule 5: what is quarantined is not sent.
fn not_quarantined(oracle: &Oracle, seen: &Seen<'_>, device: &str, row: &Row) -> Result<(), String> {
    let Some(refusal) = oracle.refusals.get(device).filter(|_| !seen.retries) else { return Ok(()) };
    let wanted = seen.present().find(|it| it.id() == device).map(|it| it.wanted());
    let unchanged = wanted.is_some_and(|wanted| without_passengers(&wanted) == without_passengers(&refusal.wanted));
    if unchanged && seen.now.duration_since(refusal.began) < QUARANTINE {
        return Err(format!("rule 5: device {device} is quarantined, and was sent: {:?}", row.sent));
    }
    Ok(())
}

pub(super) fn without_passengers(cells: &Cells) -> Cells {
    cells.iter().filter(|(column, _)| *column != super::fleet::PASSENGER).map(|(a, b)| (a.clone(), b.clone())).collect()
}

/// The device that a row is about.
fn device_of<'a>(seen: &'a Seen<'_>, row: &'a Row) -> Option<&'a str> {
    if row.kind == Kind::Create {
        return row.sent.get(DEVICE_ID)?.as_str();
    }
    let holds = |it: &&pandaport_store::devices::Device| it.record_id.is_some() && it.record_id == row.record_id;
    seen.after.values().find(holds).map(|it| it.device_id.as_str())
}

/// Where nothing goes wrong and nothing is refused, rows go five in a call.
fn full_batches(seen: &Seen<'_>) -> Result<(), String> {
    let rows = &seen.ledger.rows;
    // A device whose create is in flight is waited for, and so is one that has its identifier now.
    let waits = seen.before.values().any(|it| it.state == DeviceState::InFlight);
    if !seen.calm || waits || rows.iter().any(|it| !it.applied) {
        return Ok(());
    }
    let of = |kind: Kind, removal: bool| {
        rows.iter().filter(|it| it.kind == kind && it.is_removal() == removal).count().div_ceil(5)
    };
    let needed = of(Kind::Create, false) + of(Kind::Update, false) + of(Kind::Update, true) + of(Kind::Delete, true);
    if seen.ledger.calls.len() > needed {
        return Err(format!(
            "{} calls were made to write what {needed} could: {:?}",
            seen.ledger.calls.len(),
            seen.ledger.calls
        ));
    }
    Ok(())
}
