//! What the answer to a removal means for its device: link, record and counters, as changes to be kept in one transaction.

use pandaport_asset_panda::RowResult;
use pandaport_import::RemovalAction;
use pandaport_outbound::{Effect, SendError};
use pandaport_store::engine::{Conclusion, CountDeltas, Item, ItemStep, Op, RemovalRow, flag};
use pandaport_store::held::HeldKind;
use serde_json::Value;

use super::confirm::{MOST_ATTEMPTS, is_refusal};
use super::evidence::{and_unread, record_or_why_not};
use super::schema;
use crate::halt::{Api, Halt};
use crate::plan::{change, json};
use crate::run::Run;

/// Why a removal was rejected. Told apart from a refusal of values, which must not keep a record from being removed.
const REFUSED: &str = "REMOVAL_REFUSED";

/// The removal of a device's record, as the brake knows it.
pub(super) fn item(device_id: &str) -> Item {
    Item { kind: HeldKind::Removal, device_id: device_id.to_owned(), column_id: String::new() }
}

/// What a removal of this policy changes, as a record lists it; `None`: nothing is left that could be listed.
pub(super) fn listed(action: &RemovalAction) -> Option<Value> {
    match action {
        RemovalAction::Mark { column_id, value, .. } => Some(change(column_id, "", None, Some(value))),
        RemovalAction::Delete | RemovalAction::Leave => None,
    }
}

/// A batch with its answer.
pub(super) struct Sent {
    pub(super) rows: Vec<RemovalRow>,
    pub(super) result: Result<Vec<RowResult>, SendError>,
}

/// Answers being turned into what they mean.
pub(super) struct Removed<'a> {
    run: &'a Run,
    ops: Vec<Op>,
    counts: CountDeltas,
    halt: Option<Halt>,
}

impl<'a> Removed<'a> {
    pub(super) fn new(run: &'a Run) -> Self {
        Self { run, ops: Vec::new(), counts: CountDeltas::default(), halt: None }
    }

    /// The changes, the counts, and why nothing more should be sent.
    pub(super) fn into_parts(self) -> (Vec<Op>, CountDeltas, Option<Halt>) {
        (self.ops, self.counts, self.halt)
    }

    pub(super) async fn batch(&mut self, sent: Sent) {
        let Sent { rows, result } = sent;
        match result {
            Ok(results) => {
                self.run.note_answer();
                for (row, result) in rows.iter().zip(results) {
                    self.row(row, result).await;
                }
            }
            // The refusal of a call with one row is the refusal of that row.
            Err(error) if is_refusal(&error) && rows.len() == 1 => {
                self.row(&rows[0], RowResult::Refused { message: error.message }).await;
            }
            Err(error) => self.whole(&rows, &error),
        }
    }

    /// The call failed as a whole.
    fn whole(&mut self, rows: &[RemovalRow], error: &SendError) {
        if let [row] = rows
            && error.effect == Effect::Unclear
            && self.is_hopeless(row)
        {
            return self.refused(row, format!("no usable answer after {} attempts: {error}", row.attempts + 1));
        }
        let attempts = match error.effect {
            Effect::Unclear => 0,
            // One bad row may have spoilt the batch: each goes again on its own (rule 5).
            _ if is_refusal(error) => 1,
            Effect::NotSent | Effect::NotApplied => -1,
        };
        for row in rows {
            self.again(row, attempts);
            if error.effect != Effect::Unclear {
                self.not_applied(row);
            }
        }
        if !is_refusal(error) {
            self.halt.get_or_insert(Halt::from_call(Api::AssetPanda, error));
        }
    }

    async fn row(&mut self, row: &RemovalRow, result: RowResult) {
        match result {
            RowResult::Done { .. } => self.done(row, None),
            // Rule 13: only the record's own GET says that it is gone.
            RowResult::Refused { message } => match record_or_why_not(self.run, &row.record_id).await {
                Ok(there @ (Ok(Some(_)) | Err(_))) => {
                    self.not_applied(row);
                    let message = match there {
                        Ok(_) => message,
                        Err(said) => and_unread(&message, &row.record_id, &said),
                    };
                    match schema::refused(self.run).await {
                        Ok(()) => self.refused(row, message),
                        Err(halt) => {
                            self.again(row, -1);
                            self.halt.get_or_insert(halt);
                        }
                    }
                }
                Ok(Ok(None)) => self.gone(row),
                Err(Halt::Outage { message: said, .. }) if self.is_hopeless(row) => {
                    self.refused(row, and_unread(&message, &row.record_id, &said));
                }
                Err(halt) => {
                    self.not_applied(row);
                    self.again(row, if matches!(halt, Halt::Outage { .. }) { 0 } else { -1 });
                    self.halt.get_or_insert(halt);
                }
            },
            RowResult::Unclear { message } if self.is_hopeless(row) => {
                self.refused(row, format!("no usable answer after {} attempts: {message}", row.attempts + 1));
            }
            RowResult::Unclear { message } => {
                self.again(row, 0);
                self.halt.get_or_insert(Halt::Outage { api: Api::AssetPanda, message });
            }
        }
    }

    /// Others are answered, this one never.
    fn is_hopeless(&self, row: &RemovalRow) -> bool {
        row.attempts >= MOST_ATTEMPTS && self.run.has_answered()
    }

    /// Nothing of it was done, and no earlier attempt may have done it: the record bears no mark of ours.
    fn not_applied(&mut self, row: &RemovalRow) {
        if row.attempts == 0 {
            self.ops.push(Op::Flag { device_id: row.device_id.clone(), set: 0, clear: flag::MARKING });
        }
    }

    fn again(&mut self, row: &RemovalRow, attempts: i64) {
        self.ops.push(Op::Weighed { item: item(&row.device_id), step: ItemStep::Free, attempts });
    }

    pub(super) fn done(&mut self, row: &RemovalRow, message: Option<String>) {
        let device_id = row.device_id.clone();
        let changes = listed(&self.run.spec.removal_policy.action);
        self.conclude(row, message, changes);
        self.ops.push(match self.run.spec.removal_policy.action {
            RemovalAction::Delete => without_record(row),
            // What a device that is there was rejected for still stands.
            _ => Op::Flag {
                device_id,
                set: flag::MARKED,
                clear: flag::MARKING | if row.present { 0 } else { flag::QUARANTINED },
            },
        });
    }

    /// Its record is deleted already: by hand, or by a call of ours whose answer was lost.
    fn gone(&mut self, row: &RemovalRow) {
        let ours = row.attempts > 0 && self.run.spec.removal_policy.action == RemovalAction::Delete;
        let message = (!ours).then(|| "its record was deleted in Asset Panda already".to_owned());
        self.conclude(row, message, None);
        let is_mark = matches!(self.run.spec.removal_policy.action, RemovalAction::Mark { .. });
        self.ops.push(if is_mark && row.present {
            // It would be made anew: the brake is asked first.
            Op::Flag { device_id: row.device_id.clone(), set: flag::MISSING, clear: 0 }
        } else {
            without_record(row)
        });
    }

    fn conclude(&mut self, row: &RemovalRow, message: Option<String>, change: Option<Value>) {
        let changes = change.map(|change| {
            let before: Option<Vec<Value>> = row.changes.as_deref().and_then(|it| serde_json::from_str(it).ok());
            let mut all = before.unwrap_or_default();
            all.push(change);
            json(&all)
        });
        self.counts.removed += 1;
        self.ops.push(Op::Conclude(Box::new(Conclusion {
            device_id: row.device_id.clone(),
            outcome: "REMOVED",
            reason: None,
            message,
            changes,
        })));
        self.ops.push(Op::Weighed { item: item(&row.device_id), step: ItemStep::Done, attempts: 0 });
    }

    /// Refused for itself: told in the server's words, and not tried again at once (rule 5).
    fn refused(&mut self, row: &RemovalRow, message: String) {
        let device_id = row.device_id.clone();
        self.counts.rejected += 1;
        if row.present {
            self.uncount(row);
        }
        self.ops.push(Op::Conclude(Box::new(Conclusion {
            device_id: device_id.clone(),
            outcome: "REJECTED",
            reason: Some(REFUSED),
            message: Some(message.clone()),
            changes: None,
        })));
        self.ops.push(Op::Weighed { item: item(&row.device_id), step: ItemStep::Done, attempts: 0 });
        self.ops.push(Op::RefuseRemoval { device_id, reason: REFUSED, message, time: self.run.now() });
    }

    /// A device that was read is in one count: it leaves the one it was in.
    fn uncount(&mut self, row: &RemovalRow) {
        let count = match row.outcome.as_deref() {
            Some("CREATED") => &mut self.counts.created,
            Some("ADOPTED") => &mut self.counts.adopted,
            Some("UPDATED") => &mut self.counts.updated,
            Some("REJECTED") => &mut self.counts.rejected,
            Some("SKIPPED") => &mut self.counts.skipped,
            None if row.flags & flag::FILTERED != 0 => &mut self.counts.skipped,
            // Its values were refused before, and it was left alone.
            None if row.flags & flag::QUARANTINED != 0 => &mut self.counts.still_rejected,
            _ => &mut self.counts.unchanged,
        };
        *count -= 1;
    }
}

/// The link of a device that is absent has no further use; one that is there is only without a record.
fn without_record(row: &RemovalRow) -> Op {
    let device_id = row.device_id.clone();
    if row.present { Op::ClearRecord { device_id } } else { Op::DropLink { device_id } }
}
