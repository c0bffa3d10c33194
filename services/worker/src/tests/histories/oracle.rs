//! What must be true after every sync, written from the rules of a sync (DESIGN section 4) and from nothing else: it sees
//! the two sides, the rows that were sent and what the control plane tells; it never asks the code how it decides.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pandaport_store::devices::{Device as Known, DeviceState};
use pandaport_store::records::{RecordOutcome, SyncRecord};
use pandaport_store::syncs::{Counts, Mode, Sync as SyncRow, SyncState};

use super::devices;
use super::fleet::{Cells, DEVICE_ID, Device, SERIAL, cell, key};
use super::history::{Policy, Setup};
use super::ledger::{Kind, Ledger, Records, Row};
use super::minimal;
use super::removals::{Items, Removals};

/// A sync that ended, and everything around it.
pub(super) struct Seen<'a> {
    pub(super) setup: &'a Setup,
    pub(super) sync: &'a SyncRow,
    pub(super) outcomes: &'a [SyncRecord],
    /// What was known of the devices before and after.
    pub(super) before: &'a BTreeMap<String, Known>,
    pub(super) after: &'a BTreeMap<String, Known>,
    /// The collection before; the ledger has it as it is now.
    pub(super) collection: &'a Records,
    pub(super) ledger: &'a Ledger,
    /// Calls to Kandji and to Asset Panda.
    pub(super) calls: [i64; 2],
    /// The devices when the sync began, and now.
    pub(super) was: &'a [Device],
    pub(super) fleet: &'a [Device],
    /// What the brake held before, what it holds now, and what of that this sync was to let through.
    pub(super) held_before: &'a Items,
    pub(super) held: &'a Items,
    pub(super) approved: Option<&'a Items>,
    /// When Kandji was first and last read, by the sandbox's clock.
    pub(super) told_at: Option<(u64, u64)>,
    /// Whether rows with the odd tag are refused.
    pub(super) refuses: bool,
    /// Whether nothing happened on either side meanwhile.
    pub(super) steady: bool,
    /// Whether nothing was to go wrong.
    pub(super) calm: bool,
    /// Whether quarantined devices are sent again.
    pub(super) retries: bool,
    pub(super) began: Timestamp,
    pub(super) now: Timestamp,
    /// The same by the sandbox's clock.
    pub(super) millis: u64,
}

/// When a device was refused, and what it was to hold then.
pub(super) struct Refusal {
    pub(super) began: Timestamp,
    pub(super) now: Timestamp,
    pub(super) wanted: Cells,
}

/// What a dry run told.
#[derive(Debug, PartialEq)]
struct Plan {
    mode: Mode,
    counts: Counts,
    is_held: bool,
    /// What comes of each device.
    outcomes: BTreeMap<String, RecordOutcome>,
}

impl Plan {
    fn of(seen: &Seen<'_>) -> Self {
        Self {
            mode: seen.sync.mode,
            counts: seen.sync.counts,
            is_held: seen.sync.state == SyncState::Held,
            outcomes: seen.outcomes.iter().map(|it| (it.device_id.clone(), it.outcome)).collect(),
        }
    }
}

/// What is remembered from sync to sync.
#[derive(Default)]
pub(super) struct Oracle {
    pub(super) refusals: BTreeMap<String, Refusal>,
    pub(super) removals: Removals,
    /// The dry run that nothing has happened since.
    dry_run: Option<Plan>,
    /// Whether after the last sync nothing was left to do, and what it sent all the same.
    quiet: bool,
    sent: Option<String>,
    /// Devices whose doubts are over.
    settled: BTreeSet<String>,
}

/// How long a refused device is left alone.
pub(super) const QUARANTINE: SignedDuration = SignedDuration::from_hours(24);

impl Oracle {
    /// Something happened on one of the two sides.
    pub(super) fn something_happened(&mut self) {
        self.dry_run = None;
    }

    pub(super) fn judge(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let tell = |wrong: String| format!("{wrong}\n{}", seen.told());
        self.sent = seen.sent_in_vain();
        self.quiet = false;
        self.settled.clear();
        if seen.sync.dry_run {
            return self.dry_run(seen).map_err(tell);
        }
        self.safe(seen).map_err(tell)?;
        self.removals.safe(seen).map_err(tell)?;
        if seen.sync.state == SyncState::Cancelled {
            self.removals.note(seen);
            self.dry_run = None;
            return Ok(());
        }
        if !seen.came_through() {
            return Err(tell("the sync did not come through".into()));
        }
        self.counted(seen).map_err(tell)?;
        self.as_planned(seen).map_err(tell)?;
        if seen.steady {
            minimal::check(self, seen).map_err(tell)?;
            devices::check(self, seen).map_err(tell)?;
            self.removals.check(seen).map_err(tell)?;
            self.quiet = !seen.frees_identifiers() && !seen.leaves_marks_to_make();
        }
        self.removals.note(seen);
        self.note_refusals(seen);
        if seen.calm && seen.steady {
            let sure = |it: &&Device| seen.after.get(&it.id()).is_some_and(|it| it.state == DeviceState::Current);
            let records = seen.present().filter(sure).filter_map(|it| seen.after[&it.id()].record_id.clone());
            let nobodys = |id: &&String| !seen.after.values().any(|it| it.record_id.as_ref() == Some(*id));
            self.settled = records.chain(seen.ledger.records.keys().filter(nobodys).cloned()).collect();
        }
        Ok(())
    }

    /// Idempotence: a second sync sends nothing.
    pub(super) fn nothing_to_do(&self, first_was_quiet: bool) -> Result<(), String> {
        match &self.sent {
            Some(sent) if first_was_quiet => Err(format!("sent although nothing was left to do: {sent}")),
            _ => Ok(()),
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Updates that are confirmed by now.
    pub(super) fn settle_doubts(&self, ledger: &mut Ledger) {
        ledger.unsure.retain(|id| !self.settled.contains(id));
    }

    /// Rule 14: a dry run writes nothing.
    fn dry_run(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        if !seen.ledger.rows.is_empty() || (seen.steady && seen.ledger.records != *seen.collection) {
            return Err("a dry run wrote into Asset Panda".into());
        }
        if seen.before != seen.after {
            return Err(format!("a dry run changed what is known: {:?}, before {:?}", seen.after, seen.before));
        }
        if seen.held != seen.held_before {
            return Err(format!("a dry run changed what is held: {:?}, before {:?}", seen.held, seen.held_before));
        }
        let sees_all = !seen.ledger.written_at.keys().any(|id| seen.is_fresh(id));
        let is_whole = seen.sync.state != SyncState::Cancelled;
        let doubtless = seen.ledger.unsure.is_empty() && seen.steady && sees_all && is_whole;
        self.dry_run = doubtless.then(|| Plan::of(seen));
        Ok(())
    }

    /// Rule 14: what a dry run tells is what a sync then does.
    fn as_planned(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Some(plan) = self.dry_run.take() else { return Ok(()) };
        let refused = seen.ledger.rows.iter().any(|it| !it.applied);
        let is_that = plan.mode == seen.sync.mode && seen.approved.is_none() && !seen.sync.retry_rejected;
        let done = Plan::of(seen);
        if is_that && seen.calm && seen.steady && !refused && plan != done {
            return Err(format!("rule 14: a dry run told {plan:?}, the sync did {done:?}"));
        }
        Ok(())
    }

    /// What may happen at no time, whatever goes wrong.
    fn safe(&self, seen: &Seen<'_>) -> Result<(), String> {
        for row in &seen.ledger.rows {
            match row.kind {
                Kind::Create if row.applied => {
                    let serial = cell(&row.sent, SERIAL);
                    // What is only nearly the same is found where search is not exact.
                    let is_twin = |other: &str| other == serial || (seen.setup.loose && key(other) == key(serial));
                    let mut twins = row.others.iter().filter(|(_, cells)| is_twin(cell(cells, SERIAL)));
                    if let Some((id, _)) = twins.find(|(id, _)| !seen.unseen_by_search(id)) {
                        return Err(format!("rule 3: {serial} was created although record {id} has it"));
                    }
                    let device = cell(&row.sent, DEVICE_ID);
                    let own = seen.before.get(device).and_then(|it| it.record_id.as_ref());
                    if let Some(own) = own.filter(|own| row.others.contains_key(*own)) {
                        return Err(format!("rule 3: device {device} got a second record beside {own}"));
                    }
                }
                Kind::Create => {}
                Kind::Update => {
                    let id = row.record_id.as_deref().unwrap_or_default();
                    let holds =
                        |known: &BTreeMap<String, Known>| known.values().any(|it| it.record_id.as_deref() == Some(id));
                    if row.before.is_some() && !holds(seen.before) && !holds(seen.after) {
                        return Err(format!("record {id} is nobody's, and was written: {:?}", row.sent));
                    }
                }
                // See `removals`.
                Kind::Delete => {}
            }
        }
        let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
        for (device, known) in seen.after {
            let Some(record) = &known.record_id else { continue };
            if let Some(other) = holders.insert(record, device) {
                return Err(format!("devices {other} and {device} hold one record, {record}"));
            }
            let had = seen.before.get(device).and_then(|it| it.record_id.as_ref());
            if let Some(had) = had.filter(|had| *had != record && seen.ledger.records.contains_key(*had)) {
                return Err(format!("rule 12: device {device} had record {had}, and took {record}"));
            }
            let from = seen.before.iter().find(|(other, it)| *other != device && it.record_id.as_ref() == Some(record));
            if let Some((from, _)) = from.filter(|_| seen.steady) {
                let present = seen.present().any(|it| it.id() == **from);
                let lost = seen.after.get(from).is_some_and(|it| it.state == DeviceState::Rejected);
                if present && !lost {
                    return Err(format!("rule 12: device {device} took record {record} from {from}, which is there"));
                }
            }
        }
        no_twins(seen)
    }

    fn counted(&self, seen: &Seen<'_>) -> Result<(), String> {
        let it = &seen.sync.counts;
        let sum = it.created + it.adopted + it.updated + it.unchanged + it.skipped + it.rejected + it.still_rejected;
        if it.read != sum {
            return Err("each device read is to be in exactly one count".into());
        }
        let of = |outcome: RecordOutcome| seen.outcomes.iter().filter(|it| it.outcome == outcome).count() as i64;
        // What was written and then removed is told of as removed; what was rejected and then marked, as rejected.
        let removed = of(RecordOutcome::Removed);
        let written = [it.created, it.adopted, it.updated];
        let told = [RecordOutcome::Created, RecordOutcome::Adopted, RecordOutcome::Updated].map(of);
        let besides: i64 = written.iter().zip(told).map(|(counted, told)| counted - told).sum();
        if written.iter().zip(told).any(|(counted, told)| told > *counted)
            || besides > removed
            || of(RecordOutcome::Rejected) != it.rejected
            || removed > it.removed
            || it.removed > removed + it.rejected
        {
            return Err(format!("the records of the sync are not what it counted: {told:?}"));
        }
        let is_held = |it: &SyncRecord| it.reason.as_deref() == Some("HELD");
        if seen.outcomes.iter().any(|it| it.outcome == RecordOutcome::Planned && !is_held(it)) {
            return Err("a record of the sync stays planned".into());
        }
        let rejections = it.rejected + it.still_rejected > 0;
        let told_so = seen.sync.state == SyncState::CompletedWithRejections;
        if rejections != told_so && (told_so || seen.sync.state != SyncState::Held) {
            return Err("the state does not say whether there were rejections".into());
        }
        if let Some(mute) = seen.outcomes.iter().find(|it| {
            it.outcome == RecordOutcome::Rejected
                && (it.reason.is_none() || it.message.as_deref().is_none_or(str::is_empty))
        }) {
            return Err(format!("a rejection without a reason: {mute:?}"));
        }
        if seen.steady && it.read != seen.present().count() as i64 {
            return Err("not every device was read".into());
        }
        if seen.steady {
            let made = seen.ledger.rows.iter().filter(|it| it.kind == Kind::Create && it.applied).count() as i64;
            if made != it.created {
                return Err(format!("{made} records were made"));
            }
        }
        if seen.calm && seen.calls != [seen.sync.calls_kandji, seen.sync.calls_asset_panda] {
            return Err(format!("{:?} calls were made", seen.calls));
        }
        Ok(())
    }

    fn note_refusals(&mut self, seen: &Seen<'_>) {
        for it in seen.outcomes.iter().filter(|it| it.outcome == RecordOutcome::Rejected) {
            self.refusals.remove(&it.device_id);
            let device = seen.fleet.iter().find(|device| device.id() == it.device_id);
            if let (Some("REFUSED_BY_ASSET_PANDA"), Some(device)) = (it.reason.as_deref(), device) {
                let refusal = Refusal { began: seen.began, now: seen.now, wanted: device.wanted() };
                self.refusals.insert(it.device_id.clone(), refusal);
            }
        }
        let rejected = |id: &String| seen.after.get(id).is_some_and(|it| it.state != DeviceState::Current);
        self.refusals.retain(|id, _| rejected(id));
    }
}

/// Rule 3: two records whose serial number we wrote never have the same one, nor nearly.
fn no_twins(seen: &Seen<'_>) -> Result<(), String> {
    let mut written: BTreeMap<String, &str> = BTreeMap::new();
    for (id, cells) in &seen.ledger.records {
        let serial = cell(cells, SERIAL);
        if serial.is_empty() || seen.ledger.is_by_hand(id, SERIAL) {
            continue;
        }
        // What is only nearly the same is found where search is not exact.
        let serial = if seen.setup.loose { key(serial) } else { serial.to_owned() };
        if let Some(other) = written.insert(serial.clone(), id) {
            return Err(format!("rule 3: records {other} and {id} are both {serial}"));
        }
    }
    Ok(())
}

impl Seen<'_> {
    pub(super) fn present(&self) -> impl Iterator<Item = &Device> {
        self.fleet.iter().filter(|it| it.present)
    }

    /// Whether the filter leaves the device out.
    pub(super) fn leaves_out(&self, device: &Device) -> bool {
        self.setup.filter.is_some() && device.outside
    }

    /// Rule 10: a record that would be deleted at once is not made.
    pub(super) fn is_imported(&self, device: &Device) -> bool {
        let has_record = || self.before.get(&device.id()).is_some_and(|it| it.record_id.is_some());
        let is_deleted = self.setup.policy == Policy::Delete && device.removed;
        !self.leaves_out(device) && (!is_deleted || has_record())
    }

    /// Devices that this sync tells of as created.
    pub(super) fn created(&self) -> impl Iterator<Item = &SyncRecord> {
        self.outcomes.iter().filter(|it| it.outcome == RecordOutcome::Created)
    }

    /// Whether the sync did all that it could.
    pub(super) fn came_through(&self) -> bool {
        matches!(self.sync.state, SyncState::Succeeded | SyncState::CompletedWithRejections | SyncState::Held)
    }

    /// When the sync began, by the sandbox's clock.
    pub(super) fn began_at(&self) -> u64 {
        let took = u64::try_from(self.now.duration_since(self.began).as_millis()).unwrap_or(0);
        self.millis.saturating_sub(took)
    }

    /// How long a device must be absent, in milliseconds.
    pub(super) fn min_absence(&self) -> u64 {
        u64::from(self.setup.min_absence) * 3_600_000
    }

    pub(super) fn is_full(&self) -> bool {
        self.sync.mode == Mode::Full
    }

    /// Whether search did not see the record as it is for some of the time.
    pub(super) fn is_fresh(&self, id: &str) -> bool {
        let lag = u64::from(self.setup.lag) * 1_000;
        lag > 0 && self.ledger.written_at.get(id).is_some_and(|at| at + lag >= self.began_at())
    }

    /// Whether a person changed the serial number in a way that no search of this sync had to see.
    fn unseen_by_search(&self, id: &str) -> bool {
        self.ledger.is_by_hand(id, SERIAL) && (!self.steady || self.is_fresh(id))
    }

    /// Rule 12: swapped values go one after the other. A device was rejected for a serial number that this very sync took
    /// away from where it was: the next one has something to do.
    fn frees_identifiers(&self) -> bool {
        let frees = |row: &Row| row.applied && (row.kind == Kind::Delete || row.sent.contains_key(SERIAL));
        let waits = |it: &SyncRecord| {
            let reason = it.reason.as_deref().unwrap_or_default();
            ["IDENTIFIER_TAKEN", "IDENTIFIER_AMBIGUOUS", "IDENTIFIER_NEAR_MATCH"].contains(&reason)
        };
        self.ledger.rows.iter().any(frees) && self.outcomes.iter().any(waits)
    }

    /// Rule 10: the policy comes after the import. What is removed is weighed before anything is sent, so that a record made
    /// in this very sync is marked by the next.
    fn leaves_marks_to_make(&self) -> bool {
        let made = |it: &Device| {
            self.outcomes.iter().any(|told| told.device_id == it.id() && told.outcome == RecordOutcome::Created)
        };
        matches!(self.setup.policy, Policy::Mark { .. }) && self.present().any(|it| it.removed && made(it))
    }

    /// Rows that a sync with nothing to do would not send. What is quarantined may be tried again, and refused again; and
    /// a device that is absent is gone only when another read misses it.
    fn sent_in_vain(&self) -> Option<String> {
        let passengers = |sent: &Cells| !sent.is_empty() && sent.keys().all(|it| it == super::fleet::PASSENGER);
        let is_there = |row: &Row| {
            let holds = |it: &Device| self.before.get(&it.id()).is_some_and(|known| known.record_id == row.record_id);
            self.present().any(holds)
        };
        let in_vain = |row: &&Row| {
            (row.applied || !self.retries) && !passengers(&row.sent) && (!row.is_removal() || is_there(row))
        };
        let row = self.ledger.rows.iter().find(in_vain)?;
        Some(format!("{:?} {:?}: {:?}, before {:?}", row.kind, row.record_id, row.sent, row.before))
    }

    fn told(&self) -> String {
        let rows: Vec<_> =
            self.ledger.rows.iter().map(|it| (it.kind, &it.record_id, &it.sent, it.applied, it.unsure)).collect();
        let known: Vec<_> = self
            .after
            .values()
            .map(|it| (&it.device_id, &it.identifier, &it.record_id, it.state, &it.reason, &it.message))
            .collect();
        let fleet: Vec<_> = self.present().map(|it| (it.id(), self.leaves_out(it), it.wanted())).collect();
        format!(
            "  state {:?} mode {:?} counts {:?} error {:?} {:?}\n  held {:?} approved {:?}\n  fleet {fleet:?}\n  records {:?}\n  before {:?}\n  rows {rows:?}\n  known {known:?}\n  outcomes {:?}",
            self.sync.state,
            self.sync.mode,
            self.sync.counts,
            self.sync.error_reason,
            self.sync.error_message,
            self.held,
            self.approved,
            self.ledger.records,
            self.collection,
            self.outcomes.iter().map(|it| (&it.device_id, it.outcome, &it.reason)).collect::<Vec<_>>(),
        )
    }
}
