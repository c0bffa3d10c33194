//! Every device that is there, and that the filter lets pass, has exactly one record with the right values, or a reason
//! why not.

use pandaport_store::devices::{Device as Known, DeviceState};
use pandaport_store::records::{RecordOutcome, SyncRecord};

use super::fleet::{
    CREATE_ONLY, Cells, DEVICE_ID, Device, FILL_ONLY, ODD_TAG, PASSENGER, SERIAL, STATUS, cell, key, same,
};
use super::history::Policy;
use super::ledger::{Kind, Records, Row};
use super::minimal::without_passengers;
use super::oracle::{Oracle, QUARANTINE, Seen};
use super::removals::{self, Group};

pub(super) fn check(oracle: &Oracle, seen: &Seen<'_>) -> Result<(), String> {
    for device in seen.present() {
        let id = device.id();
        let known = seen.after.get(&id);
        if seen.leaves_out(device) {
            match known.map(|it| it.state) {
                Some(DeviceState::Filtered | DeviceState::InFlight) => continue,
                other => return Err(format!("device {id} is left out, and is {other:?}")),
            }
        }
        let Some(known) = known else {
            // Its record is deleted, and no other is made.
            if seen.setup.policy == Policy::Delete && device.removed {
                continue;
            }
            return Err(format!("device {id} was lost"));
        };
        let outcome = seen.outcomes.iter().find(|it| it.device_id == id);
        match known.state {
            DeviceState::Rejected => rejected(oracle, seen, device, known, outcome)?,
            DeviceState::Current => current(seen, device, known)?,
            // Written, under an id that is not known yet.
            DeviceState::InFlight if !seen.setup.names_records => {
                if with_serial(&seen.ledger.records, &device.serial).count() != 1 {
                    return Err(format!("device {id} is in flight, and has not one record"));
                }
            }
            other => return Err(format!("device {id} is there, and is {other:?}")),
        }
    }
    Ok(())
}

fn current(seen: &Seen<'_>, device: &Device, known: &Known) -> Result<(), String> {
    let id = device.id();
    if device.serial.is_empty() {
        return Err(format!("rule 12: device {id} has no serial number, and was not rejected"));
    }
    if let Some(winner) = rival(seen, device) {
        return Err(format!("rule 12: device {id} lost {} to {}, and was not rejected", device.serial, winner.id()));
    }
    let Some(record) = &known.record_id else { return Err(format!("device {id} has no record")) };
    let Some(cells) = seen.ledger.records.get(record) else {
        let told = if seen.is_full() && !seen.held.has(&Group::Deleted, &id) {
            Err(format!("rule 13: record {record} of device {id} is gone"))
        } else {
            Ok(())
        };
        return told;
    };
    removals::not_marked(seen, device, record)?;
    let edited = |id: &str| seen.ledger.is_by_hand(id, SERIAL);
    let twin = with_serial(&seen.ledger.records, &device.serial).find(|it| *it != record);
    if let Some(twin) =
        twin.filter(|twin| if seen.is_full() { !seen.is_fresh(twin) } else { !edited(twin) && !edited(record) })
    {
        return Err(format!(
            "rule 12: {} is in {record} and in {twin}, and device {id} was not rejected",
            device.serial
        ));
    }
    // A mark, set or taken back, is written alone.
    let is_write = |it: &Row| it.applied && it.sent.keys().any(|column| column != STATUS);
    let wrote = |kind: Kind| {
        seen.ledger.rows.iter().any(|it| it.kind == kind && is_write(it) && it.record_id.as_ref() == Some(record))
    };
    let adopted = seen.outcomes.iter().any(|it| it.device_id == id && it.outcome == RecordOutcome::Adopted);
    for (column, wanted) in device.wanted() {
        let there = cells.get(&column);
        let by_hand = seen.ledger.is_by_hand(record, &column);
        let none = same(Some(&wanted), None);
        let right = match column.as_str() {
            CREATE_ONLY => !wrote(Kind::Create) || same(there, Some(&wanted)),
            FILL_ONLY if wrote(Kind::Create) => same(there, Some(&wanted)),
            FILL_ONLY => none || !(seen.is_full() || adopted) || !same(there, None) || seen.is_fresh(record),
            _ if none && seen.held.has(&Group::Clear(column.clone()), &id) => true,
            PASSENGER if !wrote(Kind::Create) && !wrote(Kind::Update) => true,
            // A person's edit is found by a full sync; and an empty field clears only what is ours.
            _ if by_hand && (none || !(seen.is_full() || adopted) || seen.is_fresh(record)) => true,
            _ => same(there, Some(&wanted)),
        };
        if !right {
            return Err(format!("{column} of device {id} in {record} is {there:?}, not {wanted:?}"));
        }
    }
    Ok(())
}

/// The device that has this one's serial number, or nearly, and the better claim to it.
fn rival<'a>(seen: &'a Seen<'_>, device: &Device) -> Option<&'a Device> {
    let same = |it: &&Device| !it.serial.is_empty() && key(&it.serial) == key(&device.serial);
    let rivals = seen.present().filter(|it| seen.is_imported(it));
    rivals.filter(same).max_by_key(|it| it.rank()).filter(|it| it.id() != device.id())
}

fn with_serial<'a>(records: &'a Records, serial: &'a str) -> impl Iterator<Item = &'a String> {
    records.iter().filter(move |(_, cells)| cell(cells, SERIAL) == serial).map(|it| it.0)
}

fn near_serial<'a>(records: &'a Records, serial: &'a str) -> impl Iterator<Item = &'a String> {
    let near = move |cells: &Cells| key(cell(cells, SERIAL)) == key(serial) && cell(cells, SERIAL) != serial;
    records.iter().filter(move |(_, cells)| near(cells)).map(|it| it.0)
}

fn rejected(
    oracle: &Oracle,
    seen: &Seen<'_>,
    device: &Device,
    known: &Known,
    outcome: Option<&SyncRecord>,
) -> Result<(), String> {
    let id = device.id();
    let Some(outcome) = outcome.filter(|it| it.outcome == RecordOutcome::Rejected) else {
        return still_rejected(oracle, seen, device);
    };
    let reason = outcome.reason.as_deref().unwrap_or_default();
    let own = known.record_id.as_ref();
    // What was true before or after: records that are written meanwhile count as they were or as they are.
    let either = |test: &dyn Fn(&Records) -> bool| test(seen.collection) || test(&seen.ledger.records);
    let justified = match reason {
        "IDENTIFIER_EMPTY" => device.serial.is_empty(),
        "IDENTIFIER_DUPLICATE" => rival(seen, device).is_some_and(|it| it.serial == device.serial),
        "IDENTIFIER_NEAR_MATCH" => {
            rival(seen, device).is_some_and(|it| it.serial != device.serial)
                || either(&|all| near_serial(all, &device.serial).any(|it| Some(it) != own))
        }
        // Search may still show the value that a record had before our last write to it.
        "IDENTIFIER_AMBIGUOUS" => {
            either(&|all| with_serial(all, &device.serial).count() > 1)
                || seen.ledger.records.keys().any(|id| Some(id) != own && seen.is_fresh(id))
        }
        "IDENTIFIER_TAKEN" => {
            either(&|all| with_serial(all, &device.serial).any(|it| Some(it) != own)) || conflicts(seen, device, own)
        }
        "REFUSED_BY_ASSET_PANDA" => (seen.refuses && device.tag == ODD_TAG) || conflicts(seen, device, own),
        _ => false,
    };
    if justified { Ok(()) } else { Err(format!("device {id} was rejected for no good reason: {outcome:?}")) }
}

/// Whether Asset Panda refuses this device's row because another record has one of its unique values.
fn conflicts(seen: &Seen<'_>, device: &Device, own: Option<&String>) -> bool {
    let clash = |cells: &Cells| cell(cells, SERIAL) == device.serial || cell(cells, DEVICE_ID) == device.id();
    let any = |all: &Records| all.iter().any(|(id, cells)| Some(id) != own && clash(cells));
    seen.setup.unique && (any(seen.collection) || any(&seen.ledger.records))
}

/// Rule 5: left alone is only what was refused less than a day ago with the very same values.
fn still_rejected(oracle: &Oracle, seen: &Seen<'_>, device: &Device) -> Result<(), String> {
    let id = device.id();
    let Some(refusal) = oracle.refusals.get(&id) else {
        return Err(format!("device {id} stays rejected, and was never refused"));
    };
    let due = seen.began.duration_since(refusal.now) >= QUARANTINE;
    let changed = without_passengers(&device.wanted()) != without_passengers(&refusal.wanted);
    if seen.retries || due || changed {
        return Err(format!("rule 5: device {id} was to be tried again"));
    }
    Ok(())
}
