//! What the answer to a batch means for each of its rows: link, record and counters, as changes to be kept in one
//! transaction (rules 3, 4, 5).

use pandaport_asset_panda::RowResult;
use pandaport_import::{RemovalAction, identifier_key};
use pandaport_outbound::{Effect, ErrorKind, SendError};
use pandaport_store::Micros;
use pandaport_store::engine::{CountDeltas, Item, LinkPut, Op, ReadyRow, Rejection, Step, flag};
use pandaport_store::held::HeldKind;

use super::batch::{Outgoing, Sent, intent};
use super::evidence::{and_unread, record_or_why_not};
use super::removal::STILL_MARKED;
use super::schema;
use crate::halt::{Api, Halt};
use crate::plan::{IntentPayload, WritePlan, json};
use crate::run::Run;

/// Creates in a row that may go unanswered. One lost answer is no outage: its rows wait for their look-up while others
/// go on. But a server that answers nothing must not be sent the whole fleet.
const UNANSWERED: u32 = 3;

/// How often a row may be sent without a usable answer, while others are answered, before it is rejected.
pub(super) const MOST_ATTEMPTS: i64 = 6;

/// Whether a call was refused for what it held: nothing of it was applied, and sending it again is of no use.
pub(super) fn is_refusal(error: &SendError) -> bool {
    error.effect == Effect::NotApplied && matches!(error.kind, ErrorKind::Refused | ErrorKind::NotFound)
}

/// The link that a confirmed write leaves.
pub(crate) fn confirmed_link(run: &Run, payload: &IntentPayload, of: LinkOf<'_>, record_id: String) -> LinkPut {
    let passengers = run.spec.pairs.iter().any(|pair| pair.write_rule == pandaport_import::WriteRule::Passenger);
    LinkPut {
        device_id: of.device_id.to_owned(),
        fingerprint: payload.fingerprint.clone(),
        last_enrollment: payload.last_enrollment,
        last_check_in: payload.last_check_in,
        passenger_time: passengers.then(|| run.now()),
        dirty: false,
        serial_number: of.serial_number.map(ToOwned::to_owned),
        identifier: of.identifier.to_owned(),
        identifier_key: identifier_key(of.identifier),
        record_id,
        cells: json(&payload.plan.baseline),
        forms: json(&payload.plan.forms),
        created_by_us: of.created.then_some(true),
        confirmed_time: Some(run.now()),
        seen: of.seen,
    }
}

/// Whose link it is.
pub(crate) struct LinkOf<'a> {
    pub(crate) device_id: &'a str,
    pub(crate) serial_number: Option<&'a str>,
    pub(crate) identifier: &'a str,
    pub(crate) created: bool,
    pub(crate) seen: bool,
}

/// What answers mean.
pub(super) struct Confirmed {
    pub(super) ops: Vec<Op>,
    pub(super) counts: CountDeltas,
    /// Why nothing more should be sent.
    pub(super) halt: Option<Halt>,
}

/// Answers being turned into what they mean for each row.
pub(super) struct Confirming<'a> {
    run: &'a Run,
    ops: Vec<Op>,
    counts: CountDeltas,
    halt: Option<Halt>,
    /// Creates that went unanswered since the last answer.
    pub(super) unanswered: u32,
}

impl<'a> Confirming<'a> {
    pub(super) fn new(run: &'a Run, unanswered: u32) -> Self {
        Self { run, ops: Vec::new(), counts: CountDeltas::default(), halt: None, unanswered }
    }

    pub(super) fn confirmed(self) -> Confirmed {
        Confirmed { ops: self.ops, counts: self.counts, halt: self.halt }
    }

    pub(super) async fn batch(&mut self, sent: Sent) -> Result<(), Halt> {
        let Sent { batch, result } = sent;
        match result {
            Ok(results) => {
                self.unanswered = 0;
                self.run.note_answer();
                for ((row, plan), result) in batch.rows.iter().zip(results) {
                    self.row(batch.create, row, plan, result).await;
                }
            }
            // The refusal of a call with one row is the refusal of that row.
            Err(error) if is_refusal(&error) && batch.rows.len() == 1 => {
                let (row, plan) = &batch.rows[0];
                self.row(batch.create, row, plan, RowResult::Refused { message: error.message }).await;
            }
            Err(error) => self.whole(&batch, &error),
        }
        Ok(())
    }

    async fn row(&mut self, create: bool, row: &ReadyRow, plan: &WritePlan, result: RowResult) {
        match result {
            // Others are answered, this one never: it is the row, and it must not hold the sync up (rule 5).
            RowResult::Unclear { message } if row.attempts >= MOST_ATTEMPTS && self.run.has_answered() => {
                self.reject(
                    row,
                    plan,
                    create,
                    format!("no usable answer after {} attempts: {message}", row.attempts + 1),
                );
            }
            result if create => self.created(row, plan, result).await,
            result => self.updated(row, plan, result).await,
        }
    }

    /// The call failed as a whole.
    fn whole(&mut self, batch: &Outgoing, error: &SendError) {
        let refused = is_refusal(error);
        let hopeless = |row: &ReadyRow| {
            error.effect == Effect::Unclear
                && batch.rows.len() == 1
                && row.attempts >= MOST_ATTEMPTS
                && self.run.has_answered()
        };
        if let [(row, plan)] = batch.rows.as_slice()
            && hopeless(row)
        {
            self.reject(
                row,
                plan,
                batch.create,
                format!("no usable answer after {} attempts: {error}", row.attempts + 1),
            );
            return;
        }
        for (row, plan) in &batch.rows {
            let device_id = row.device_id.clone();
            if !batch.create && error.effect != Effect::Unclear {
                self.ops.extend(not_applied(row, plan));
            }
            let step = match (batch.create, refused, error.effect) {
                // One bad row may have spoilt the batch: each goes again on its own (rule 5).
                (true, true, _) => Step::CreateAlone,
                (false, true, _) => Step::UpdateAlone,
                (true, _, Effect::Unclear) => Step::Unclear,
                (true, _, Effect::NotSent | Effect::NotApplied) => Step::Create,
                // An update changes nothing twice: it goes again.
                (false, _, _) => Step::Update,
            };
            if batch.create && step != Step::Unclear {
                self.ops.push(Op::DropIntent { device_id: device_id.clone() });
            }
            self.ops.push(match error.effect {
                Effect::NotSent | Effect::NotApplied => Op::Unsent { device_id, step },
                Effect::Unclear => Op::Step { device_id, step },
            });
        }
        if refused || self.halt.is_some() {
            return;
        }
        let halt = Halt::from_call(Api::AssetPanda, error);
        if batch.create && error.effect == Effect::Unclear && error.kind != ErrorKind::ServerError {
            self.unanswered += 1;
            if self.unanswered < UNANSWERED {
                return;
            }
        }
        self.halt = Some(halt);
    }

    async fn created(&mut self, row: &ReadyRow, plan: &WritePlan, result: RowResult) {
        let device_id = row.device_id.clone();
        match result {
            RowResult::Done { record_id: Some(record_id) } => {
                self.confirm(row, plan, true, record_id.clone());
                self.ops.push(Op::DropIntent { device_id });
                self.counts.created += 1;
            }
            RowResult::Done { record_id: None } => {
                // Written, under an id we learn by looking: it is never created again.
                let next = self.run.settle.first().copied().unwrap_or_default();
                self.ops.push(Op::LookAgain {
                    device_id: device_id.clone(),
                    looks: 0,
                    next_look_time: self.run.now().plus(next),
                    applied: true,
                });
                self.ops.push(Op::Step { device_id, step: Step::Unclear });
            }
            RowResult::Refused { message } if pandaport_asset_panda::assumptions::says_not_unique(&message) => {
                let mut intent = intent(self.run, row, plan, self.run.now(), Some(message));
                intent.next_look_time = self.run.now();
                self.ops.push(Op::PutIntent(Box::new(intent)));
                self.ops.push(Op::Step { device_id, step: Step::Unclear });
            }
            RowResult::Refused { message } => self.refused(row, plan, true, message).await,
            RowResult::Unclear { .. } => self.ops.push(Op::Step { device_id, step: Step::Unclear }),
        }
    }

    async fn updated(&mut self, row: &ReadyRow, plan: &WritePlan, result: RowResult) {
        let device_id = row.device_id.clone();
        match result {
            RowResult::Done { .. } => {
                self.confirm(row, plan, false, row.record_id.clone().unwrap_or_default());
                if plan.outcome == "ADOPTED" {
                    self.counts.adopted += 1;
                } else {
                    self.counts.updated += 1;
                }
            }
            RowResult::Refused { message } => {
                // Rule 13: only the record's own GET says that it is gone.
                let record_id = row.record_id.clone().unwrap_or_default();
                match record_or_why_not(self.run, &record_id).await {
                    Ok(Ok(Some(_))) => {
                        self.ops.extend(not_applied(row, plan));
                        self.refused(row, plan, false, message).await;
                    }
                    Ok(Err(said)) => {
                        self.ops.extend(not_applied(row, plan));
                        self.refused(row, plan, false, and_unread(&message, &record_id, &said)).await;
                    }
                    Ok(Ok(None)) => {
                        self.counts.drifted += 1;
                        self.ops.push(super::drift::deleted(&device_id, &record_id));
                        self.ops.extend(known_deleted(&device_id, &record_id));
                    }
                    // Others are answered, this one never.
                    Err(Halt::Outage { message: said, .. })
                        if row.attempts >= MOST_ATTEMPTS && self.run.has_answered() =>
                    {
                        self.reject(row, plan, false, and_unread(&message, &record_id, &said));
                    }
                    // Refused is refused, though what becomes of the row is not known yet: it goes again as if not sent.
                    Err(halt) => {
                        self.ops.extend(not_applied(row, plan));
                        self.ops.push(match halt {
                            Halt::Outage { .. } => Op::Step { device_id, step: Step::Update },
                            _ => Op::Unsent { device_id, step: Step::Update },
                        });
                        self.halt.get_or_insert(halt);
                    }
                }
            }
            RowResult::Unclear { message } => {
                self.ops.push(Op::Step { device_id, step: Step::Update });
                self.halt.get_or_insert(Halt::Outage { api: Api::AssetPanda, message });
            }
        }
    }

    fn confirm(&mut self, row: &ReadyRow, plan: &WritePlan, created: bool, record_id: String) {
        let payload = IntentPayload {
            plan: plan.clone(),
            revision: self.run.slice.row.revision,
            fingerprint: row.fingerprint.clone(),
            last_enrollment: row.last_enrollment,
            last_check_in: row.last_check_in,
            refused: None,
            sent_before: false,
        };
        let of = LinkOf {
            device_id: &row.device_id,
            serial_number: row.serial_number.as_deref(),
            identifier: row.identifier.as_deref().unwrap_or_default(),
            created,
            seen: true,
        };
        self.ops.push(Op::PutLink(Box::new(confirmed_link(self.run, &payload, of, record_id.clone()))));
        self.ops.push(Op::Done {
            device_id: row.device_id.clone(),
            outcome: outcome(&plan.outcome),
            reason: None,
            message: None,
            record_id: Some(record_id),
            changes: None,
        });
    }

    /// Refused for what it holds; or for a column that is gone: then nothing more is sent, and the row is as before.
    async fn refused(&mut self, row: &ReadyRow, plan: &WritePlan, create: bool, message: String) {
        let Err(halt) = schema::refused(self.run).await else { return self.reject(row, plan, create, message) };
        let device_id = row.device_id.clone();
        if create {
            self.ops.push(Op::DropIntent { device_id: device_id.clone() });
        }
        self.ops.push(Op::Unsent { device_id, step: if create { Step::Create } else { Step::Update } });
        self.halt.get_or_insert(halt);
    }

    fn reject(&mut self, row: &ReadyRow, plan: &WritePlan, create: bool, mut message: String) {
        self.counts.rejected += 1;
        if let RemovalAction::Mark { column_id, .. } = &self.run.spec.removal_policy.action
            && plan.row.contains_key(column_id)
        {
            message.push_str(STILL_MARKED);
        }
        self.ops.extend(rejected(row, create, message, self.run.now()));
    }
}

/// What a record leaves whose own GET says that it is gone: whether another is made is for the brake to say (rules 11, 13).
pub(super) fn known_deleted(device_id: &str, record_id: &str) -> [Op; 3] {
    let item = Item { kind: HeldKind::Deleted, device_id: device_id.to_owned(), column_id: String::new() };
    [
        Op::Flag { device_id: device_id.to_owned(), set: flag::MISSING, clear: 0 },
        Op::Step { device_id: device_id.to_owned(), step: Step::Deleted },
        Op::Weigh { item, record_id: Some(record_id.to_owned()) },
    ]
}

/// An update that certainly was not applied, and of which no earlier attempt may have been, leaves its link as it was.
pub(super) fn not_applied(row: &ReadyRow, plan: &WritePlan) -> Option<Op> {
    let cells = plan.confirmed.as_ref().filter(|_| row.attempts == 0)?;
    Some(Op::MarkClean { device_id: row.device_id.clone(), cells: json(cells) })
}

/// What a refusal leaves: the server's words, and a quarantine (rule 5).
fn rejected(row: &ReadyRow, create: bool, message: String, now: Micros) -> Vec<Op> {
    let reason = pandaport_import::RejectReason::RefusedByAssetPanda.as_str();
    let mut ops = Vec::new();
    if create {
        ops.push(Op::DropIntent { device_id: row.device_id.clone() });
    }
    ops.push(Op::RejectLink(Box::new(Rejection {
        device_id: row.device_id.clone(),
        fingerprint: row.fingerprint.clone(),
        last_enrollment: row.last_enrollment,
        last_check_in: row.last_check_in,
        serial_number: row.serial_number.clone(),
        identifier: row.identifier.clone(),
        identifier_key: row.identifier_key.clone(),
        quarantined: true,
        reason,
        message: message.clone(),
        time: now,
    })));
    ops.push(Op::Done {
        device_id: row.device_id.clone(),
        outcome: "REJECTED",
        reason: Some(reason),
        message: Some(message),
        record_id: row.record_id.clone(),
        changes: None,
    });
    ops
}

/// The outcome's name as the store takes it.
pub(crate) fn outcome(name: &str) -> &'static str {
    match name {
        "CREATED" => "CREATED",
        "ADOPTED" => "ADOPTED",
        _ => "UPDATED",
    }
}
