//! Rules 10 and 11: what becomes of the records of devices that are gone or left out, and what the brake holds.

use std::collections::{BTreeMap, BTreeSet};

use pandaport_import::OnFiltered;
use pandaport_store::held::{Held, HeldKind};
use pandaport_store::syncs::SyncState;

use super::fleet::{BACK, DEVICE_ID, Device, GONE, STATUS, cell, same};
use super::history::Policy;
use super::ledger::{Kind, Row};
use super::oracle::Seen;

/// Changes that the brake weighs together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Removal,
    /// Records that were deleted in Asset Panda, and would be made anew.
    Deleted,
    /// Values of this column that would be cleared.
    Clear(String),
}

/// The devices of each group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Items(BTreeMap<Group, BTreeSet<String>>);

impl Items {
    /// `columns`: their names by their ids.
    pub(super) fn of(held: Option<Held>, columns: &BTreeMap<String, String>) -> Self {
        let mut items = Self::default();
        for it in held.into_iter().flat_map(|it| it.sample) {
            let group = match it.kind {
                HeldKind::Removal => Group::Removal,
                HeldKind::Deleted => Group::Deleted,
                HeldKind::Clear => Group::Clear(columns[&it.column_id].clone()),
            };
            items.add(group, &it.device_id);
        }
        items
    }

    fn add(&mut self, group: Group, device: &str) {
        self.0.entry(group).or_default().insert(device.to_owned());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, group: &Group, device: &str) -> bool {
        self.0.get(group).is_some_and(|devices| devices.contains(device))
    }
}

/// Since when a device has been absent, by the clock of the sandbox.
#[derive(Clone, Copy, Debug)]
struct Absence {
    /// No complete read missed it before.
    at_first: u64,
    /// A complete read that surely missed it was over by then, and surely none has brought it since.
    at_last: Option<u64>,
}

/// What is remembered of devices that are not there.
#[derive(Debug, Default)]
pub(super) struct Removals {
    absences: BTreeMap<String, Absence>,
    /// Records that a sync without trouble told of as created.
    ours: BTreeSet<String>,
}

impl Removals {
    /// What may happen at no time, whatever goes wrong.
    pub(super) fn safe(&self, seen: &Seen<'_>) -> Result<(), String> {
        for row in &seen.ledger.rows {
            if row.is_removal() {
                self.removal(seen, row)?;
            } else if let Some(written) = row.sent.get(STATUS) {
                let back = seen.setup.policy == Policy::Mark { unmark_value: true };
                let wanted = if back { Some(BACK) } else { None };
                if row.kind != Kind::Update || !same(Some(written), wanted.map(Into::into).as_ref()) {
                    return Err(format!("rule 10: {STATUS} was written: {row:?}"));
                }
                let is_marked = row.before.as_ref().is_some_and(|it| cell(it, STATUS) == GONE);
                if !is_marked && !row.unsure && row.before.is_some() {
                    return Err(format!("rule 10: a mark was undone that was not there: {row:?}"));
                }
                let still_gone = |it: &Device| is_gone_though_there(seen, it) && holds(seen, &it.id(), row);
                if seen.steady && seen.present().any(still_gone) {
                    return Err(format!("rule 10: a mark was undone, and the device is gone: {row:?}"));
                }
            }
        }
        brake(seen)
    }

    /// A record is marked or deleted only for a device that is gone, as the policy says; deleted only if we made it.
    fn removal(&self, seen: &Seen<'_>, row: &Row) -> Result<(), String> {
        let record = row.record_id.as_deref().unwrap_or_default();
        let as_the_policy_says = match (seen.setup.policy, row.kind) {
            (Policy::Delete, Kind::Delete) => true,
            (Policy::Mark { .. }, Kind::Update) => row.sent.len() == 1,
            _ => false,
        };
        if !as_the_policy_says {
            return Err(format!("rule 10: under {:?}, {record} got {:?} {:?}", seen.setup.policy, row.kind, row.sent));
        }
        if row.kind == Kind::Delete && !seen.ledger.made.contains(record) {
            return Err(format!("rule 10: record {record} was deleted, and we had not created it"));
        }
        if !holders(seen, record).any(|device| self.may_be_gone(seen, device)) {
            return Err(format!(
                "rule 10: record {record} got {:?} {:?}, and its device is not gone",
                row.kind, row.sent
            ));
        }
        Ok(())
    }

    /// Whether at any time of the sync the device may have been gone.
    fn may_be_gone(&self, seen: &Seen<'_>, id: &str) -> bool {
        let long_enough = || match (self.absences.get(id), seen.told_at) {
            (Some(absence), Some((_, told))) => told.saturating_sub(absence.at_first) >= seen.min_absence(),
            _ => false,
        };
        [seen.was, seen.fleet].into_iter().any(|fleet| match fleet.iter().find(|it| it.present && it.id() == id) {
            Some(device) => is_gone_though_there(seen, device),
            None => long_enough(),
        })
    }

    /// Nothing that is due stays undone, and nothing is undone late: looked at where nothing happened meanwhile.
    pub(super) fn check(&self, seen: &Seen<'_>) -> Result<(), String> {
        for device in seen.present() {
            let id = device.id();
            if !seen.is_imported(device) {
                let is_its = |row: &&Row| {
                    (row.kind == Kind::Create && cell(&row.sent, DEVICE_ID) == id)
                        || (row.kind == Kind::Update && !row.is_removal() && holds(seen, &id, row))
                };
                if let Some(row) = seen.ledger.rows.iter().find(is_its) {
                    return Err(format!("device {id} is not to be imported, and was written: {row:?}"));
                }
            }
        }
        if seen.calm { self.all_due_is_done(seen) } else { Ok(()) }
    }

    fn all_due_is_done(&self, seen: &Seen<'_>) -> Result<(), String> {
        for (id, known) in seen.before {
            let Some(record) = known.record_id.as_ref().filter(|it| seen.collection.contains_key(*it)) else {
                continue;
            };
            let gone = match seen.present().find(|it| it.id() == *id) {
                Some(device) => is_gone_though_there(seen, device),
                None => self
                    .absences
                    .get(id)
                    .and_then(|it| it.at_last)
                    .is_some_and(|at| seen.began_at() >= at + seen.min_absence()),
            };
            let is_passed_on = holders(seen, record).any(|it| it != id);
            if !gone || is_passed_on || seen.held.has(&Group::Removal, id) {
                continue;
            }
            let there = seen.ledger.records.get(record);
            let is_done = match seen.setup.policy {
                Policy::Leave => true,
                Policy::Mark { .. } => there.is_none_or(|it| cell(it, STATUS) == GONE),
                Policy::Delete => there.is_none() || !self.ours.contains(record),
            };
            if !is_done {
                return Err(format!("rule 10: device {id} is gone, and its record {record} is as it was: {there:?}"));
            }
        }
        Ok(())
    }

    /// What this sync says of who is there, for the next one.
    pub(super) fn note(&mut self, seen: &Seen<'_>) {
        let reached_the_end = seen.came_through() && seen.sync.error_reason.as_deref() != Some("READ_INCOMPLETE");
        if seen.calm {
            self.ours.extend(seen.created().filter_map(|it| it.record_id.clone()));
        }
        let Some((told, _)) = seen.told_at else { return };
        let known = seen.before.keys().chain(seen.after.keys()).chain(self.absences.keys());
        for id in known.cloned().collect::<BTreeSet<_>>() {
            let [was, is] = [seen.was, seen.fleet].map(|fleet| fleet.iter().any(|it| it.present && it.id() == id));
            if was && is && reached_the_end {
                self.absences.remove(&id);
                continue;
            }
            if was && is {
                self.absences.entry(id).and_modify(|it| it.at_last = None);
                continue;
            }
            let absence = self.absences.entry(id.clone()).or_insert(Absence { at_first: told, at_last: None });
            let had_record = seen.before.get(&id).is_some_and(|it| it.record_id.is_some());
            if was || is {
                absence.at_last = None;
            } else if reached_the_end && had_record {
                absence.at_last.get_or_insert(seen.millis);
            }
        }
    }
}

/// Rule 10: listed as removed, or left out by a filter whose mapping treats that like a removal.
fn is_gone_though_there(seen: &Seen<'_>, device: &Device) -> bool {
    if seen.leaves_out(device) { seen.setup.on_filtered == OnFiltered::AsRemoved } else { device.removed }
}

/// A device that is back, or has never been gone, and its record.
pub(super) fn not_marked(seen: &Seen<'_>, device: &Device, record: &str) -> Result<(), String> {
    let status = seen.ledger.records.get(record).map(|it| cell(it, STATUS));
    if status == Some(GONE) && !is_gone_though_there(seen, device) {
        return Err(format!("rule 10: device {} is there, and its record {record} is marked", device.id()));
    }
    Ok(())
}

/// Rule 11: what is too much at once is held, unless it was approved; and nothing else is.
fn brake(seen: &Seen<'_>) -> Result<(), String> {
    let sent = sent(seen);
    let linked = [seen.before, seen.after].map(|all| all.values().filter(|it| it.record_id.is_some()).count());
    let bites = |items: usize, linked: usize| {
        let brake = seen.setup.brake;
        items >= brake.min_count as usize && items * 100 > linked * brake.max_percent as usize
    };
    let nobody = |fleet: &[Device]| !fleet.iter().any(|it| it.present);
    let approved = |group: &Group, device: &String| seen.approved.is_some_and(|all| all.has(group, device));
    for (group, devices) in &sent.0 {
        let is_end_of_fleet = *group == Group::Removal && nobody(seen.was) && nobody(seen.fleet);
        let is_too_much = is_end_of_fleet || bites(devices.len(), linked[0].max(linked[1]));
        if is_too_much && !devices.iter().all(|it| approved(group, it)) {
            return Err(format!("rule 11: {group:?} of {devices:?} was sent, approved: {:?}", seen.approved));
        }
    }
    if !seen.came_through() {
        return Ok(());
    }
    let reason = seen.sync.error_reason.as_deref();
    if (seen.sync.state == SyncState::Held) == seen.held.is_empty() {
        return Err(format!("rule 11: {:?} is held, and the state does not say so", seen.held));
    }
    let has_moved = seen.approved.is_some() && !seen.held.is_empty();
    if has_moved != (reason == Some("HELD_MOVED")) && reason != Some("READ_INCOMPLETE") {
        return Err("rule 11: what was approved has moved, and that is not told".into());
    }
    for (group, devices) in &seen.held.0 {
        // Of a fleet that was not read to its end nobody knows who is gone: its removals stay held.
        if *group == Group::Removal && reason == Some("READ_INCOMPLETE") {
            continue;
        }
        let none = BTreeSet::new();
        let sent = sent.0.get(group).unwrap_or(&none);
        let is_end_of_fleet = *group == Group::Removal && (nobody(seen.was) || nobody(seen.fleet));
        if !is_end_of_fleet && !bites(devices.union(sent).count(), linked[0].min(linked[1])) {
            return Err(format!("rule 11: {group:?} of {devices:?} is held, and is not too much"));
        }
        if let Some(device) = devices.intersection(sent).next() {
            return Err(format!("rule 11: {group:?} of {device} is held, and was sent"));
        }
        if devices.iter().all(|it| approved(group, it)) {
            return Err(format!("rule 11: {group:?} of {devices:?} was approved, and is held all the same"));
        }
    }
    Ok(())
}

/// What of the kinds that the brake weighs was sent.
fn sent(seen: &Seen<'_>) -> Items {
    let mut items = Items::default();
    for row in &seen.ledger.rows {
        let record = row.record_id.as_deref().unwrap_or_default();
        let Some(device) = (if row.kind == Kind::Create {
            row.sent.get(DEVICE_ID).and_then(serde_json::Value::as_str)
        } else {
            holders(seen, record).next().map(String::as_str)
        }) else {
            continue;
        };
        if row.is_removal() {
            items.add(Group::Removal, device);
        } else if row.kind == Kind::Create {
            let had = seen.before.get(device).and_then(|it| it.record_id.as_ref());
            if had.is_some_and(|it| !row.others.contains_key(it)) {
                items.add(Group::Deleted, device);
            }
        } else if let Some(before) = &row.before {
            let clears = |column: &&String| {
                *column != STATUS && same(row.sent.get(*column), None) && !same(before.get(*column), None)
            };
            for column in row.sent.keys().filter(clears) {
                items.add(Group::Clear(column.clone()), device);
            }
        }
    }
    items
}

/// Devices that held the record before, and those that hold it now.
fn holders<'a>(seen: &'a Seen<'_>, record: &'a str) -> impl Iterator<Item = &'a String> {
    let all = seen.before.iter().chain(seen.after);
    all.filter(move |(_, it)| it.record_id.as_deref() == Some(record)).map(|(id, _)| id)
}

/// Whether the row is of the record that the device holds now.
fn holds(seen: &Seen<'_>, device: &str, row: &Row) -> bool {
    row.record_id.is_some() && seen.after.get(device).is_some_and(|it| it.record_id == row.record_id)
}
