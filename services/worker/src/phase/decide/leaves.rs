//! What a decision leaves: a write to send, a link as it is, or a rejection.

use pandaport_import::{Baseline, Change, Decision, Forms, Mode, Projection, RejectReason, WriteRule, identifier_key};
use pandaport_store::engine::{LinkPut, Op, Rejection, Step, UndecidedRow};

use super::Deciding;
use crate::halt::Halt;
use crate::phase::evidence::OwnLink;
use crate::phase::removal::{STILL_MARKED, is_marked_and_back};
use crate::phase::{confirm, drift};
use crate::plan::{WritePlan, json, listed, row_of, unconfirmed};

impl Deciding<'_> {
    /// One record that can't be read stops only its own device, and only until the next sync.
    pub(super) fn cannot_be_read(&mut self, row: &UndecidedRow, record_id: &str, said: &str) -> Result<(), Halt> {
        let message = format!("Asset Panda does not let record {record_id} be read: {said}");
        self.reject_for(row, RejectReason::RefusedByAssetPanda, message, false);
        Ok(())
    }

    pub(super) fn keep(
        &mut self,
        row: &UndecidedRow,
        wanted: &Projection,
        link: Option<&OwnLink>,
        passenger_due: bool,
        decision: Decision,
    ) {
        let before = link.map(|it| it.baseline.clone()).unwrap_or_default();
        let forms_before = link.map(|it| it.forms.clone()).unwrap_or_default();
        match decision {
            Decision::Reject { reason, message } => self.reject(row, reason, message),
            // It would be deleted in turn (rule 10): its record was deleted by hand before the policy came to it.
            Decision::Create { .. } if self.is_deleted_by_policy(row) => self.leave_without_record(row),
            Decision::Create { row: changes } => {
                let baseline = Baseline::default().confirmed(&wanted.cells, &changes, &[]);
                let listed = listed(&changes, &[], None);
                self.plan(
                    row,
                    Planned {
                        record_id: None,
                        listed,
                        plan: plan("CREATED", &changes, Before::doubtful(&before), baseline, Forms::default()),
                    },
                );
            }
            Decision::Adopt { record_id, changes, differences, equal } => {
                self.taken.insert(record_id.clone(), row.device_id.clone());
                let known = before.confirmed(&wanted.cells, &[], &equal);
                // The link is made before the update is sent, and dirty until it is confirmed (rule 4).
                let put = self.link_put(row, &record_id, &known, &forms_before, !changes.is_empty(), Some(false));
                self.ops.push(Op::PutLink(Box::new(put)));
                let listed = listed(&changes, &differences, None);
                if changes.is_empty() {
                    self.counts.adopted += 1;
                    self.done(row, "ADOPTED", Some(record_id), Some(listed));
                } else {
                    let baseline = before.confirmed(&wanted.cells, &changes, &equal);
                    let plan = plan("ADOPTED", &changes, Before::sure(&known), baseline, forms_before);
                    self.plan(row, Planned { record_id: Some(record_id), listed, plan });
                }
            }
            Decision::Update { record_id, changes, equal, forms } => {
                if let Some(note) = link.and_then(|link| drift::edited(&row.device_id, self.cells, link, &changes)) {
                    self.ops.push(note);
                    self.counts.drifted += 1;
                }
                let unmark = self.unmark(row, link);
                let passengers_only =
                    unmark.is_none() && changes.iter().all(|it| self.cells[it.cell].write_rule == WriteRule::Passenger);
                self.passengers += u64::from(self.run.mode == Mode::Full && passengers_only);
                self.weigh_clears(row, &record_id, &changes);
                let baseline = before.confirmed(&wanted.cells, &changes, &equal);
                let in_doubt = link.is_some_and(|it| it.dirty);
                let was = if in_doubt { Before::doubtful(&before) } else { Before::sure(&before) };
                let mut plan = plan("UPDATED", &changes, was, baseline, forms.unwrap_or(forms_before));
                plan.passenger_due = passenger_due;
                plan.row.extend(unmark.iter().map(|it| (it.column_id.clone(), it.new.clone())));
                let listed = listed(&changes, &[], unmark.as_ref());
                self.plan(row, Planned { record_id: Some(record_id), listed, plan });
            }
            Decision::Unchanged { equal, forms } if link.is_some_and(|it| self.unmark(row, Some(it)).is_some()) => {
                let record_id = link.map(|it| it.record_id.clone()).unwrap_or_default();
                let update = Decision::Update { record_id, changes: Vec::new(), equal, forms };
                self.keep(row, wanted, link, passenger_due, update);
            }
            Decision::Unchanged { equal, forms } => {
                let cells = (!equal.is_empty()).then(|| json(&before.confirmed(&wanted.cells, &[], &equal)));
                self.ops.push(Op::KeepLink {
                    device_id: row.device_id.clone(),
                    fingerprint: row.fingerprint.clone(),
                    cells,
                    forms: forms.as_ref().map(json),
                    // Left behind because they were not due, passengers stay as old as they are.
                    passenger_time: passenger_due.then(|| self.run.now()),
                });
                self.ops.push(Op::Drop { device_id: row.device_id.clone() });
                self.counts.unchanged += 1;
            }
            Decision::MissingRecord | Decision::LookUp => {}
        }
    }

    fn plan(&mut self, row: &UndecidedRow, planned: Planned) {
        let Planned { record_id, listed, plan } = planned;
        if self.run.slice.guard.dry_run {
            // Rule 14: the record says what would happen.
            match plan.outcome.as_str() {
                "CREATED" => self.counts.created += 1,
                "ADOPTED" => self.counts.adopted += 1,
                _ => self.counts.updated += 1,
            }
            self.done(row, confirm::outcome(&plan.outcome), record_id, Some(listed));
            return;
        }
        let step = if record_id.is_some() { Step::Update } else { Step::Create };
        self.ops.push(Op::Plan {
            device_id: row.device_id.clone(),
            step,
            plan: json(&plan),
            changes: listed,
            record_id,
        });
    }

    fn done(&mut self, row: &UndecidedRow, outcome: &'static str, record_id: Option<String>, changes: Option<String>) {
        self.ops.push(Op::Done {
            device_id: row.device_id.clone(),
            outcome,
            reason: None,
            message: None,
            record_id,
            changes,
        });
    }

    pub(super) fn reject(&mut self, row: &UndecidedRow, reason: RejectReason, message: String) {
        self.reject_for(row, reason, message, reason.is_quarantined());
    }

    pub(super) fn reject_for(
        &mut self,
        row: &UndecidedRow,
        reason: RejectReason,
        mut message: String,
        quarantined: bool,
    ) {
        self.counts.rejected += 1;
        if is_marked_and_back(self.run, row.flags) {
            message.push_str(STILL_MARKED);
        }
        self.ops.push(Op::RejectLink(Box::new(Rejection {
            device_id: row.device_id.clone(),
            fingerprint: row.fingerprint.clone(),
            last_enrollment: row.last_enrollment,
            last_check_in: row.last_check_in,
            serial_number: row.serial_number.clone(),
            identifier: row.identifier.clone(),
            identifier_key: row.identifier_key.clone(),
            quarantined,
            reason: reason.as_str(),
            message: message.clone(),
            time: self.run.now(),
        })));
        self.ops.push(Op::Done {
            device_id: row.device_id.clone(),
            outcome: "REJECTED",
            reason: Some(reason.as_str()),
            message: Some(message),
            record_id: row.record_id.clone(),
            changes: None,
        });
    }

    fn link_put(
        &self,
        row: &UndecidedRow,
        record_id: &str,
        baseline: &Baseline,
        forms: &Forms,
        dirty: bool,
        created_by_us: Option<bool>,
    ) -> LinkPut {
        let identifier = row.identifier.clone().unwrap_or_default();
        LinkPut {
            device_id: row.device_id.clone(),
            fingerprint: row.fingerprint.clone(),
            last_enrollment: row.last_enrollment,
            last_check_in: row.last_check_in,
            passenger_time: None,
            dirty,
            serial_number: row.serial_number.clone(),
            identifier_key: identifier_key(&identifier),
            identifier,
            record_id: record_id.to_owned(),
            cells: json(baseline),
            forms: json(forms),
            created_by_us,
            confirmed_time: Some(self.run.now()),
            seen: true,
        }
    }
}

/// A write that was decided on, and how its record lists it.
struct Planned {
    record_id: Option<String>,
    listed: String,
    plan: WritePlan,
}

/// What was known of a record before a write to it.
struct Before<'a> {
    baseline: &'a Baseline,
    /// Whether an earlier write is still in doubt.
    in_doubt: bool,
}

impl<'a> Before<'a> {
    fn sure(baseline: &'a Baseline) -> Self {
        Self { baseline, in_doubt: false }
    }

    fn doubtful(baseline: &'a Baseline) -> Self {
        Self { baseline, in_doubt: true }
    }
}

fn plan(outcome: &str, changes: &[Change], before: Before<'_>, after: Baseline, forms: Forms) -> WritePlan {
    WritePlan {
        row: row_of(changes),
        unconfirmed: unconfirmed(before.baseline, &after),
        confirmed: (!before.in_doubt).then(|| before.baseline.clone()),
        baseline: after,
        forms,
        outcome: outcome.to_owned(),
        passenger_due: false,
    }
}
