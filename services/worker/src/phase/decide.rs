//! DECIDE: for each planned device, what is to be done, by the pure rules of `pandaport_import`.

use std::collections::{HashMap, HashSet};

use pandaport_import::{Case, CellSpec, Decision, FoundRecord, Mode, RejectReason, WriteRule, decide, passenger_due};
use pandaport_outbound::SendError;
use pandaport_store::Micros;
use pandaport_store::engine::{CountDeltas, Holder, Op, Step, UndecidedRow, flag};

use super::evidence::{OwnLink, ask_again, found_of, read_record, read_records};
use super::lookup::not_searched;
use super::order::Orders;
use super::shown::ShownDevices;
use crate::halt::Halt;
use crate::plan::{Found, FoundSet, wanted};
use crate::run::Run;

mod leaves;
mod takeover;
mod weighed;

/// Devices decided on in one transaction.
const AT_ONCE: i64 = 200;

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    let projector = run.projector();
    let cells = projector.cells().to_vec();
    let mut orders = Orders::default();
    loop {
        run.in_time()?;
        let rows = run.store.next_undecided(&run.slice, AT_ONCE).await?;
        if rows.is_empty() {
            break;
        }
        let mut deciding = Deciding::new(run, &cells, &mut orders, &rows).await?;
        let mut stopped = None;
        for row in &rows {
            if let Err(halt) = deciding.device(row).await {
                stopped = Some(halt);
                break;
            }
        }
        let Deciding { ops, counts, passengers, .. } = deciding;
        run.checkpoint.passengers += passengers;
        run.commit(&ops, counts).await?;
        if let Some(halt) = stopped {
            return Err(halt);
        }
    }
    Ok(())
}

/// A batch of devices being decided on.
struct Deciding<'a> {
    run: &'a Run,
    cells: &'a [CellSpec],
    orders: &'a Orders,
    /// Who holds the records that were found, by record id.
    holders: HashMap<String, Holder>,
    /// Links of devices that are gone or lost to a rival, by serial number: re-enrolment (rule 12).
    by_serial: HashMap<String, Vec<Holder>>,
    /// Records of links that a FULL sync's look-up did not bring, read by their ids.
    read: HashMap<String, Result<Option<Found>, SendError>>,
    /// What the plan that is applied, if any, has shown (rule 14).
    shown: ShownDevices,
    /// Records taken over or adopted in this batch, with whose they are now.
    taken: HashMap<String, String>,
    /// Records that are known to be deleted, though search may still show them.
    gone: HashSet<String>,
    /// Records that the removal policy has treated so lately that search may not know yet.
    removed_lately: HashSet<String>,
    /// Updates of PASSENGER columns alone.
    passengers: u64,
    ops: Vec<Op>,
    counts: CountDeltas,
}

impl<'a> Deciding<'a> {
    async fn new(
        run: &'a Run,
        cells: &'a [CellSpec],
        orders: &'a mut Orders,
        rows: &[UndecidedRow],
    ) -> Result<Self, Halt> {
        let mut record_ids = Vec::new();
        let mut missing = Vec::new();
        for row in rows {
            let found = found_of(row)?.records;
            let own = row.record_id.as_ref().filter(|_| run.mode == Mode::Full && row.flags & flag::LINKED != 0);
            missing.extend(own.filter(|own| found.iter().all(|it| it.record_id != **own)).cloned());
            record_ids.extend(found.into_iter().map(|it| it.record_id));
        }
        let record_ids: Vec<&str> = record_ids.iter().map(String::as_str).collect();
        let holders = run.store.holders(&run.slice, &record_ids).await?;
        let gone = run.store.known_deleted(&run.slice, &record_ids).await?.into_iter().collect();
        let keys: Vec<&str> = rows
            .iter()
            .filter(|row| row.found.is_some() && row.flags & flag::LINKED == 0)
            .filter_map(|row| row.identifier_key.as_deref())
            .collect();
        let search_is_late_by = run.settle.last().copied().unwrap_or_default() + run.http_timeout;
        let removed_lately =
            run.store.removed_since(&run.slice, &keys, run.slice.row.start_time.minus(search_is_late_by)).await?;
        let serials: Vec<&str> = rows
            .iter()
            .filter(|row| row.flags & flag::LINKED == 0)
            .filter_map(|row| row.serial_number.as_deref())
            .collect();
        let by_serial = run.store.holders_of_serials(&run.slice, &serials).await?;
        let own = rows.iter().filter_map(|row| row.revision);
        let others = holders.iter().chain(&by_serial).map(|it| it.link.revision);
        orders.learn(run, own.chain(others).collect()).await?;
        Ok(Self {
            run,
            cells,
            orders,
            holders: holders.into_iter().map(|it| (it.link.record_id.clone(), it)).collect(),
            by_serial: takeover::by_serial(by_serial),
            read: read_records(run, cells, missing).await,
            shown: ShownDevices::of(run, rows).await?,
            taken: HashMap::new(),
            gone,
            removed_lately: removed_lately.into_iter().collect(),
            passengers: 0,
            ops: Vec::new(),
            counts: CountDeltas::default(),
        })
    }

    async fn device(&mut self, row: &UndecidedRow) -> Result<(), Halt> {
        let ops_before = self.ops.len();
        let wanted = wanted(&row.wanted)?;
        let mut found = found_of(row)?;
        found.records.retain(|it| !self.gone.contains(&it.record_id));
        if found.more {
            let message = "more records match this identifier than can be read: make it unique in the collection";
            self.reject(row, RejectReason::IdentifierAmbiguous, message.to_owned());
            return Ok(());
        }
        if let Some(refusal) = found.refused {
            let message = format!("Asset Panda refuses to search for this identifier: {refusal}");
            self.reject(row, RejectReason::RefusedByAssetPanda, message);
            return Ok(());
        }
        if let Some(said) = found.unanswered {
            self.reject_for(row, RejectReason::RefusedByAssetPanda, not_searched(&said), false);
            return Ok(());
        }
        let mut link = OwnLink::of(row, self.orders, self.cells)?;
        if link.is_none() {
            link = self.take_over(row, &found)?;
        }
        let has_passengers = self.cells.iter().any(|cell| cell.write_rule == WriteRule::Passenger);
        let passenger_due = has_passengers
            && self.shown.allows(&row.device_id)
            && self.passengers_may_go()
            && passenger_due(
                self.run.as_of.timestamp(),
                row.passenger_time.map(Micros::timestamp),
                self.run.spec.passenger_max_age,
                &row.device_id,
            );
        let mut looked_up = row.found.is_some();
        let mut may_be_late = self.search_may_be_late(row);
        loop {
            let records = self.records(&found, &row.device_id, link.as_ref());
            let case = Case {
                cells: self.cells,
                wanted: &wanted,
                link: link.as_ref().map(OwnLink::case),
                found: &records,
                looked_up,
                mode: self.run.mode,
                passenger_due,
            };
            match decide(&case) {
                Decision::MissingRecord => {
                    let record_id = link.as_ref().map(|it| it.record_id.clone()).unwrap_or_default();
                    match self.read_record(&record_id).await? {
                        Ok(Some(record)) => found.records.push(record),
                        Ok(None) if self.waits_for_brake(row, &record_id) => return Ok(()),
                        Ok(None) => {
                            found.records.retain(|it| it.record_id != record_id);
                            link = None;
                            looked_up = row.found.is_some();
                        }
                        Err(said) => return self.cannot_be_read(row, &record_id, &said),
                    }
                }
                // Known to be deleted since an earlier sync; a FULL one asks again.
                Decision::Update { .. } | Decision::Unchanged { .. }
                    if self.run.mode == Mode::Incremental && row.flags & flag::MISSING != 0 && link.is_some() =>
                {
                    let record_id = link.as_ref().map(|it| it.record_id.clone()).unwrap_or_default();
                    if self.waits_for_brake(row, &record_id) {
                        return Ok(());
                    }
                    found.records.retain(|it| it.record_id != record_id);
                    link = None;
                }
                Decision::LookUp => {
                    self.ops.push(Op::Step { device_id: row.device_id.clone(), step: Step::LookUp });
                    return Ok(());
                }
                // Search may show the record as it was before our last write to it: then only its own GET tells of an edit.
                Decision::Update { record_id, .. } if may_be_late && !found.records.is_empty() => {
                    may_be_late = false;
                    found.records.retain(|it| it.record_id != record_id);
                    match self.read_record(&record_id).await? {
                        Ok(record) => found.records.extend(record),
                        Err(said) => return self.cannot_be_read(row, &record_id, &said),
                    }
                }
                // What the policy deleted lately is no record to adopt, and nothing would be sent that tells so.
                Decision::Adopt { record_id, .. } if self.removed_lately.remove(&record_id) => {
                    found.records.retain(|it| it.record_id != record_id);
                    match self.read_record(&record_id).await? {
                        Ok(record) => found.records.extend(record),
                        Err(said) => return self.cannot_be_read(row, &record_id, &said),
                    }
                }
                decision => {
                    let done = !self.run.slice.guard.dry_run;
                    let unmark = self.unmark(row, link.as_ref());
                    let moved = self.shown.moved(self.cells, row, &decision, unmark.as_ref())?;
                    if let Some(moved) = moved.filter(|_| done) {
                        self.ops.truncate(ops_before);
                        self.reject(row, RejectReason::PlanMoved, moved);
                    } else {
                        self.keep(row, &wanted, link.as_ref(), passenger_due, decision);
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Rule 9: in an INCREMENTAL sync READ has counted those it planned; a FULL one plans every device, and counts here.
    fn passengers_may_go(&self) -> bool {
        self.run.mode == Mode::Incremental || self.run.checkpoint.passengers + self.passengers < self.run.passenger_cap
    }

    fn records(&self, found: &FoundSet, device_id: &str, link: Option<&OwnLink>) -> Vec<FoundRecord> {
        found
            .records
            .iter()
            .map(|record| {
                let own = link.is_some_and(|it| it.record_id == record.record_id);
                let holder = self.holders.get(&record.record_id).map(|it| &it.link.device_id);
                let held_by = holder.or_else(|| self.taken.get(&record.record_id)).filter(|_| !own);
                FoundRecord {
                    record_id: record.record_id.clone(),
                    values: record.values.clone(),
                    held_by: held_by.filter(|it| **it != device_id).cloned(),
                }
            })
            .collect()
    }

    /// Whether this FULL sync looked the record up so soon after it was written that search may not have seen that yet. When
    /// it did is not kept: at its start at the earliest, and deciding may come long after.
    fn search_may_be_late(&self, row: &UndecidedRow) -> bool {
        let settled = self.run.settle.last().copied().unwrap_or_default();
        let written_lately =
            row.confirmed_time.is_some_and(|written| self.run.slice.row.start_time.since(written) < settled);
        self.run.mode == Mode::Full && row.found.is_some() && written_lately
    }

    /// Rule 13: a linked record counts as deleted only when its own GET says so. `Err`: it, and only it, can't be read.
    async fn read_record(&mut self, record_id: &str) -> Result<Result<Option<Found>, String>, Halt> {
        let read = self.read.remove(record_id);
        let ask = async || read_record(self.run, self.cells, record_id).await;
        let record = match read {
            Some(record) => record,
            None => ask().await,
        };
        match record {
            Ok(record) => Ok(Ok(record)),
            Err(error) => ask_again(self.run, error, ask).await,
        }
    }
}
