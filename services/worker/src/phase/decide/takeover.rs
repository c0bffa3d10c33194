//! Re-enrolment, and rivals (rule 12): a record stays one device's, whichever that is now.

use std::collections::HashMap;

use pandaport_import::RejectReason;
use pandaport_store::engine::{Holder, LinkRow, Op, Rejection, UndecidedRow, flag};

use super::Deciding;
use crate::halt::Halt;
use crate::phase::evidence::{OwnLink, may_be_taken_over};
use crate::phase::lookup::is_exact;
use crate::plan::{FoundSet, parse};

/// Links by the serial numbers they were made under: one may have several.
pub(super) fn by_serial(holders: Vec<Holder>) -> HashMap<String, Vec<Holder>> {
    let mut by_serial: HashMap<String, Vec<Holder>> = HashMap::new();
    for holder in holders {
        if let Some(serial) = &holder.link.serial_number {
            by_serial.entry(serial.clone()).or_default().push(holder);
        }
    }
    by_serial
}

impl Deciding<'_> {
    /// A link whose device is gone, or lost its identifier to this one, passes to this one.
    pub(super) fn take_over(&mut self, row: &UndecidedRow, found: &FoundSet) -> Result<Option<OwnLink>, Halt> {
        let run = self.run;
        let by_record = match found.records.as_slice() {
            [record] if is_exact(record, row.identifier.as_deref()) => self.holders.get(&record.record_id),
            _ => None,
        };
        let by_serial = row.serial_number.as_ref().and_then(|serial| self.by_serial.get(serial));
        let may_pass = |it: &&Holder| it.link.device_id != row.device_id && may_be_taken_over(run, it, &row.device_id);
        let holder = by_record.filter(may_pass).or_else(|| by_serial.into_iter().flatten().find(may_pass));
        let Some(old) = holder.map(|it| it.link.clone()) else { return Ok(None) };
        if self.taken.contains_key(&old.record_id) {
            return Ok(None);
        }
        self.taken.insert(old.record_id.clone(), row.device_id.clone());
        self.ops.push(Op::MoveLink { from: old.device_id.clone(), to: row.device_id.clone() });
        if let Some(holder) = self.holders.get(&old.record_id).filter(|it| it.rejected) {
            self.ops.push(self.lost_to(&holder.link, row));
        }
        self.holders.remove(&old.record_id);
        Ok(Some(OwnLink {
            record_id: old.record_id,
            baseline: self.orders.align(old.revision, self.cells, parse("link", &old.cells)?),
            forms: parse("link", &old.forms)?,
            dirty: old.flags & flag::DIRTY != 0,
            marked: old.flags & (flag::MARKED | flag::MARKING) != 0,
        }))
    }

    /// The loser's link went to the winner: what is known of the loser is that it was rejected.
    fn lost_to(&self, loser: &LinkRow, winner: &UndecidedRow) -> Op {
        Op::RejectLink(Box::new(Rejection {
            device_id: loser.device_id.clone(),
            fingerprint: vec![0; 16],
            last_enrollment: None,
            last_check_in: None,
            serial_number: loser.serial_number.clone(),
            identifier: winner.identifier.clone(),
            identifier_key: winner.identifier_key.clone(),
            quarantined: false,
            reason: RejectReason::IdentifierDuplicate.as_str(),
            message: format!(
                "device {} has the same identifier and enrolled later: the record is now its",
                winner.device_id
            ),
            time: self.run.now(),
        }))
    }
}
