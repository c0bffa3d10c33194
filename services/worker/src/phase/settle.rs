//! Creates whose outcome is unclear: looked up until they are found, or until it is certain that they were not
//! applied (rule 3). They belong to the mapping: an earlier sync's are settled here as well.

use std::collections::HashSet;
use std::time::Duration;

use pandaport_import::{RejectReason, same};
use pandaport_store::engine::{CountDeltas, IntentRow, Op, Rejection, Step};

use super::confirm::{LinkOf, confirmed_link};
use super::lookup::{GROUP, is_exact, look_up, not_searched, text_of};
use super::order::Orders;
use crate::halt::Halt;
use crate::plan::{Found, FoundSet, IntentPayload, parse};
use crate::run::Run;

/// Looks up the intents that are due. Called only while nothing of this slice is in flight.
pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    if run.slice.guard.dry_run {
        return Ok(());
    }
    let projector = run.projector();
    let mut orders = Orders::default();
    let now = run.now();
    run.store.restamp_intents(&run.slice, now, run.look_time(now, 0).unwrap_or(now)).await?;
    loop {
        run.in_time()?;
        let limit = i64::try_from(GROUP).unwrap_or(i64::MAX);
        let due = run.store.due_intents(run.slice.guard, run.slice.row.mapping_id, run.now(), limit).await?;
        if due.is_empty() {
            break;
        }
        let payloads = payloads(run, &mut orders, projector.cells(), &due).await?;
        let identifiers: Vec<String> = due.iter().map(|it| it.identifier.clone()).collect();
        let found = look_up(run, projector.cells(), &identifiers).await?;
        let record_ids: Vec<&str> = found.iter().flat_map(|it| &it.records).map(|it| it.record_id.as_str()).collect();
        let holders = run.store.record_holders(&run.slice, &record_ids).await?;
        let mut settling = Settling {
            run,
            ops: Vec::new(),
            counts: CountDeltas::default(),
            cells: projector.cells(),
            held: holders.into_iter().collect(),
        };
        for ((intent, payload), found) in due.iter().zip(payloads).zip(&found) {
            settling.intent(intent, payload, found);
        }
        let Settling { ops, counts, .. } = settling;
        run.commit(&ops, counts).await?;
    }
    run.store.align_with_intents(&run.slice).await?;
    Ok(())
}

/// What was sent, with its values in the present order: the mapping may have been changed since.
async fn payloads(
    run: &Run,
    orders: &mut Orders,
    cells: &[pandaport_import::CellSpec],
    due: &[IntentRow],
) -> Result<Vec<IntentPayload>, Halt> {
    let mut payloads =
        due.iter().map(|it| parse("intent", &it.payload)).collect::<Result<Vec<IntentPayload>, Halt>>()?;
    orders.learn(run, payloads.iter().map(|it| it.revision).collect()).await?;
    for it in &mut payloads {
        it.plan.baseline = orders.align(it.revision, cells, std::mem::take(&mut it.plan.baseline));
        it.plan.unconfirmed = orders.align(it.revision, cells, std::mem::take(&mut it.plan.unconfirmed));
    }
    Ok(payloads)
}

/// Told of a record that was found where a create of ours had no answer.
const MAYBE_OURS: &str = "a create was sent and not answered, and this record was found, with other values: it is taken \
    as it is, and counts as not created by us";

/// How long after its time a look may come without a doubt about the clock.
const LATE: Duration = Duration::from_secs(60);

/// The time between the last look and the one before it.
fn last_distance(settle: &[Duration]) -> Duration {
    match settle {
        [.., before, last] => last.saturating_sub(*before),
        [only] => *only,
        [] => Duration::ZERO,
    }
}

struct Settling<'a> {
    run: &'a Run,
    cells: &'a [pandaport_import::CellSpec],
    ops: Vec<Op>,
    counts: CountDeltas,
    /// Records that links hold already.
    held: HashSet<String>,
}

impl Settling<'_> {
    fn intent(&mut self, intent: &IntentRow, payload: IntentPayload, found: &FoundSet) {
        if let Some(said) = &found.unanswered {
            self.unanswered(intent, &payload, not_searched(said));
            return;
        }
        if found.records.is_empty() && !found.more && found.refused.is_none() {
            self.absent(intent, &payload);
            return;
        }
        match found.records.as_slice() {
            // One record, with just this identifier, that no link holds: it is what we created.
            [record]
                if is_exact(record, Some(&intent.identifier))
                    && self.may_be_ours(&payload, record)
                    && self.held.insert(record.record_id.clone()) =>
            {
                let same = self.is_what_we_sent(&payload, &record.values);
                self.applied(intent, payload, record.record_id.clone(), same);
            }
            // Another's, or several: decided on like any other look-up.
            _ => {
                self.ops.push(Op::DropIntent { device_id: intent.device_id.clone() });
                self.decide_anew(intent);
            }
        }
    }

    /// A record that refuses ours as not unique is another's, unless an earlier attempt made it: search may have been late.
    fn may_be_ours(&self, payload: &IntentPayload, record: &Found) -> bool {
        payload.refused.is_none() || (payload.sent_before && self.is_what_we_sent(payload, &record.values))
    }

    /// Whether the record has, by type, the values that were sent.
    fn is_what_we_sent(&self, payload: &IntentPayload, values: &[Option<serde_json::Value>]) -> bool {
        self.cells.iter().zip(values).enumerate().all(|(at, (cell, present))| {
            match (payload.plan.row.get(&cell.column_id), present) {
                (None, _) => true,
                (Some(sent), Some(present)) if at == 0 => text_of(sent) == text_of(present),
                (Some(sent), Some(present)) => same(&cell.column_type, sent, present),
                (Some(_), None) => false,
            }
        })
    }

    /// It was applied. Where that was not confirmed, and the record does not show the values that were sent (another form, or
    /// somebody was faster), the link is dirty: they are sent again. One that was confirmed, and shows others, was edited
    /// since: that is for a FULL sync to find (rule 13).
    fn applied(&mut self, intent: &IntentRow, mut payload: IntentPayload, record_id: String, same: bool) {
        // Only what shows our values, or was confirmed, is surely ours: the removal policy may delete that (rule 10).
        let created = same || intent.applied;
        if !created {
            payload.plan.baseline = payload.plan.unconfirmed.clone();
        }
        let of = LinkOf {
            device_id: &intent.device_id,
            serial_number: intent.serial_number.as_deref(),
            identifier: &intent.identifier,
            created,
            seen: intent.step.is_some(),
        };
        let mut link = confirmed_link(self.run, &payload, of, record_id.clone());
        link.dirty = !created;
        self.ops.push(Op::PutLink(Box::new(link)));
        self.ops.push(Op::DropIntent { device_id: intent.device_id.clone() });
        if self.is_this_syncs(intent) {
            let (outcome, message) = if created { ("CREATED", None) } else { ("ADOPTED", Some(MAYBE_OURS.to_owned())) };
            self.counts.created += i64::from(created);
            self.counts.adopted += i64::from(!created);
            self.ops.push(Op::Done {
                device_id: intent.device_id.clone(),
                outcome,
                reason: None,
                message,
                record_id: Some(record_id),
                changes: None,
            });
        } else {
            self.decide_anew(intent);
        }
    }

    /// Not there. It counts as not applied only at the last look; a unique column needs but one.
    fn absent(&mut self, intent: &IntentRow, payload: &IntentPayload) {
        let run = self.run;
        let device_id = intent.device_id.clone();
        let looks = intent.looks + 1;
        let made = usize::try_from(looks).unwrap_or(usize::MAX);
        let last_look = run.last_look_time(intent.sent_time);
        let one_is_enough = run.identifier_is_unique() && payload.refused.is_none() && !intent.applied;
        let now = run.now();
        // A look that comes this late may be early: the clock may have been set ahead. One more, after the last distance.
        let is_late = now.since(intent.next_look_time) > LATE;
        if !one_is_enough && now >= last_look && is_late && made <= run.settle.len() {
            let next = now.plus(last_distance(&run.settle));
            let looks = i64::try_from(run.settle.len()).unwrap_or(i64::MAX).max(looks);
            self.ops.push(Op::LookAgain { device_id, looks, next_look_time: next, applied: false });
            return;
        }
        let was_last = one_is_enough || now >= last_look;
        if !was_last {
            let next = run.look_time(intent.sent_time, made).unwrap_or(last_look).max(run.now());
            self.ops.push(Op::LookAgain { device_id, looks, next_look_time: next, applied: false });
        } else if intent.applied && !self.is_this_syncs(intent) {
            // An earlier sync's, long since written, and search does not know it: it was deleted. A new look-up decides.
            self.ops.push(Op::DropIntent { device_id });
            self.decide_anew(intent);
        } else if intent.applied {
            // It was written: the next sync looks for it again.
            let next = run.now().plus(run.settle.last().copied().unwrap_or_default());
            self.ops.push(Op::LookAgain { device_id: device_id.clone(), looks, next_look_time: next, applied: true });
            self.counts.created += 1;
            self.ops.push(Op::Done {
                device_id,
                outcome: "CREATED",
                reason: None,
                message: Some("Asset Panda confirmed the record; its id is not known yet".into()),
                record_id: None,
                changes: None,
            });
        } else if let Some(message) = &payload.refused {
            self.taken(intent, payload, message);
        } else {
            self.ops.push(Op::DropIntent { device_id: device_id.clone() });
            if self.is_this_syncs(intent) {
                self.ops.push(Op::Step { device_id, step: Step::Create });
            } else {
                self.decide_anew(intent);
            }
        }
    }

    /// Nobody can say whether it is there: it stays in flight, and this sync does not wait for it.
    fn unanswered(&mut self, intent: &IntentRow, payload: &IntentPayload, message: String) {
        let next_look_time = self.run.now().plus(self.run.settle.last().copied().unwrap_or_default());
        let device_id = intent.device_id.clone();
        self.ops.push(Op::LookAgain { device_id, looks: intent.looks, next_look_time, applied: false });
        if intent.step == Some(Step::Unclear as i64) {
            self.reject(intent, payload, RejectReason::RefusedByAssetPanda, message);
        }
    }

    /// Refused as not unique, and no look finds whose the value is.
    fn taken(&mut self, intent: &IntentRow, payload: &IntentPayload, refusal: &str) {
        let message = format!(
            "Asset Panda refused the row (\"{refusal}\"), but no record with identifier \"{}\" is found: it may be in the \
             recycle bin or hidden from this key",
            intent.identifier
        );
        self.ops.push(Op::DropIntent { device_id: intent.device_id.clone() });
        if !self.is_this_syncs(intent) {
            self.decide_anew(intent);
            return;
        }
        self.reject(intent, payload, RejectReason::IdentifierTaken, message);
    }

    fn reject(&mut self, intent: &IntentRow, payload: &IntentPayload, reason: RejectReason, message: String) {
        let reason = reason.as_str();
        self.counts.rejected += 1;
        self.ops.push(Op::RejectLink(Box::new(Rejection {
            device_id: intent.device_id.clone(),
            fingerprint: payload.fingerprint.clone(),
            last_enrollment: payload.last_enrollment,
            last_check_in: payload.last_check_in,
            serial_number: intent.serial_number.clone(),
            identifier: Some(intent.identifier.clone()),
            identifier_key: Some(intent.identifier_key.clone()),
            quarantined: false,
            reason,
            message: message.clone(),
            time: self.run.now(),
        })));
        self.ops.push(Op::Done {
            device_id: intent.device_id.clone(),
            outcome: "REJECTED",
            reason: Some(reason),
            message: Some(message),
            record_id: None,
            changes: None,
        });
    }

    fn is_this_syncs(&self, intent: &IntentRow) -> bool {
        intent.sync_id == self.run.slice.guard.sync_id && intent.step == Some(Step::Unclear as i64)
    }

    /// A record of this sync that waited for the intent goes back to its look-up.
    fn decide_anew(&mut self, intent: &IntentRow) {
        if intent.step.is_some_and(|step| step != Step::Done as i64) {
            self.ops.push(Op::Step { device_id: intent.device_id.clone(), step: Step::LookUp });
        }
    }
}
