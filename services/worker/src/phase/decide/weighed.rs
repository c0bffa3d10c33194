//! What DECIDE leaves for the brake to weigh, and what the removal policy has it undo (rules 10, 11).

use pandaport_import::{Change, Mode, NotImported, RemovalAction};
use pandaport_store::engine::{Item, Op, UndecidedRow, flag};
use pandaport_store::held::HeldKind;
use serde_json::Value;

use super::Deciding;
use crate::phase::confirm::known_deleted;
use crate::phase::drift;
use crate::phase::evidence::OwnLink;
use crate::phase::removal::is_gone_though_there;
use crate::plan::Unmark;

impl Deciding<'_> {
    /// A record that is known to be deleted is made anew only if the brake lets it: the device waits for that. A dry run says
    /// what would be done, and the brake takes it back (rule 14).
    pub(super) fn waits_for_brake(&mut self, row: &UndecidedRow, record_id: &str) -> bool {
        // An INCREMENTAL dry run comes here twice: the second time with what the look-up for the new record found.
        let counted = self.run.mode == Mode::Incremental && row.found.is_some();
        self.counts.drifted += i64::from(!counted);
        self.ops.push(drift::deleted(&row.device_id, record_id));
        let [flag, step, weigh] = known_deleted(&row.device_id, record_id);
        if self.run.slice.guard.dry_run {
            self.ops.push(weigh);
            return false;
        }
        self.ops.extend([flag, step, weigh]);
        true
    }

    /// Whether the policy would delete what is created for this device.
    pub(super) fn is_deleted_by_policy(&self, row: &UndecidedRow) -> bool {
        self.run.spec.removal_policy.action == RemovalAction::Delete && row.flags & flag::REMOVED != 0
    }

    /// Nothing is made for it, as for any device that is listed as removed and has no record: told of once.
    pub(super) fn leave_without_record(&mut self, row: &UndecidedRow) {
        let why = NotImported::RemovedInKandji;
        self.counts.skipped += 1;
        self.ops.push(Op::KeepLink {
            device_id: row.device_id.clone(),
            fingerprint: why.fingerprint().to_vec(),
            cells: None,
            forms: None,
            passenger_time: None,
        });
        self.ops.push(Op::Done {
            device_id: row.device_id.clone(),
            outcome: "SKIPPED",
            reason: Some(why.reason()),
            message: Some(why.to_string()),
            record_id: None,
            changes: None,
        });
    }

    /// Set for a device whose record is marked and that does not count as gone any more.
    pub(super) fn unmark(&self, row: &UndecidedRow, link: Option<&OwnLink>) -> Option<Unmark> {
        let run = self.run;
        let RemovalAction::Mark { column_id, value, unmark_value } = &run.spec.removal_policy.action else {
            return None;
        };
        if !link?.marked || is_gone_though_there(run, row.flags) {
            return None;
        }
        let cleared = || {
            let column = run.checkpoint.columns.iter().find(|it| it.id == *column_id);
            column.map_or(Value::Null, |it| it.column_type.cleared())
        };
        Some(Unmark {
            column_id: column_id.clone(),
            old: value.clone(),
            new: unmark_value.clone().unwrap_or_else(cleared),
        })
    }

    pub(super) fn weigh_clears(&mut self, row: &UndecidedRow, record_id: &str, changes: &[Change]) {
        self.ops.extend(changes.iter().filter(|it| it.clears()).map(|change| Op::Weigh {
            item: Item { kind: HeldKind::Clear, device_id: row.device_id.clone(), column_id: change.column_id.clone() },
            record_id: Some(record_id.to_owned()),
        }));
    }
}
