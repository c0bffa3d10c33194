//! APPLY: what was decided is sent in full batches of five, several in flight. Each batch is marked before it leaves,
//! and confirmed with its links, records and counters in one transaction (rules 3, 4).

use pandaport_asset_panda::{Batch, NewRecord, RecordChange, RowResult, ScopedClient};
use pandaport_import::identifier_key;
use pandaport_outbound::{Effect, ErrorKind, SendError};
use pandaport_store::Micros;
use pandaport_store::engine::{CountDeltas, Intent, LinkPut, Op, ReadyRow, Rejection, Step};
use tokio::task::JoinSet;

use crate::halt::{Api, Halt};
use crate::plan::{IntentPayload, WritePlan, json, parse};
use crate::run::Run;

/// Batches in flight at once.
pub(crate) const IN_FLIGHT: usize = 8;
/// Creates in a row that may go unanswered. One lost answer is no outage: its rows wait for their look-up while others
/// go on. But a server that answers nothing must not be sent the whole fleet.
const UNANSWERED: u32 = 3;
/// Rows in a batch: the API's limit.
const ROWS: usize = 5;

pub(crate) async fn run(run: &mut Run) -> Result<(), Halt> {
    let mut sending: JoinSet<Sent> = JoinSet::new();
    let mut stopped: Option<Halt> = None;
    let mut unanswered = 0;
    loop {
        if stopped.is_none() && run.deadline.is_up() {
            stopped = Some(Halt::TimeUp);
        }
        if stopped.is_none() && sending.len() < IN_FLIGHT {
            let batches = next_batches(run, IN_FLIGHT - sending.len()).await?;
            mark(run, &batches).await.or_else(|halt| keep_first(&mut stopped, halt))?;
            if stopped.is_none() {
                for batch in batches {
                    let asset_panda = run.asset_panda.clone();
                    let collection_id = run.slice.row.collection_id.clone();
                    sending.spawn(async move { batch.send(&asset_panda, &collection_id).await });
                }
            }
        }
        let Some(first) = sending.join_next().await else { break };
        let mut answered = vec![first];
        while let Some(more) = sending.try_join_next() {
            answered.push(more);
        }
        let mut confirming = Confirming { run, ops: Vec::new(), counts: CountDeltas::default(), halt: None, unanswered };
        for sent in answered {
            // A task of ours that panicked leaves its rows as marked: the next slice looks them up.
            let sent = sent.map_err(|error| Halt::Outage { api: Api::AssetPanda, message: error.to_string() })?;
            confirming.batch(sent).await?;
        }
        let Confirming { ops, counts, halt, unanswered: in_a_row, .. } = confirming;
        unanswered = in_a_row;
        run.commit(&ops, counts).await.or_else(|halt| keep_first(&mut stopped, halt))?;
        if let (None, Some(halt)) = (&stopped, halt) {
            stopped = Some(halt);
        }
    }
    stopped.map_or(Ok(()), Err)
}

/// A cancel or the end of the time lets what is in flight be confirmed first; a lost fence does not.
fn keep_first(stopped: &mut Option<Halt>, halt: Halt) -> Result<(), Halt> {
    match halt {
        Halt::Cancelled | Halt::TimeUp => {
            stopped.get_or_insert(halt);
            Ok(())
        }
        other => Err(other),
    }
}

/// Rows that go in one call.
struct Outgoing {
    create: bool,
    rows: Vec<(ReadyRow, WritePlan)>,
}

/// A batch with its answer.
struct Sent {
    batch: Outgoing,
    result: Result<Vec<RowResult>, SendError>,
}

impl Outgoing {
    async fn send(self, asset_panda: &ScopedClient, collection_id: &str) -> Sent {
        let result = if self.create {
            let rows = self.rows.iter().map(|(_, plan)| NewRecord { values: plan.row.clone() }).collect();
            match Batch::new(rows) {
                Ok(rows) => asset_panda.create(collection_id, &rows).await,
                Err(error) => Err(SendError::new(ErrorKind::Refused, Effect::NotSent, error.to_string())),
            }
        } else {
            let rows = self
                .rows
                .iter()
                .map(|(row, plan)| RecordChange {
                    record_id: row.record_id.clone().unwrap_or_default(),
                    values: plan.row.clone(),
                })
                .collect();
            match Batch::new(rows) {
                Ok(rows) => asset_panda.update(collection_id, &rows).await,
                Err(error) => Err(SendError::new(ErrorKind::Refused, Effect::NotSent, error.to_string())),
            }
        };
        Sent { batch: self, result }
    }
}

/// Full batches first: creates, then updates, then rows that go alone.
async fn next_batches(run: &Run, batches: usize) -> Result<Vec<Outgoing>, Halt> {
    let mut out = Vec::new();
    for (step, rows_each) in
        [(Step::Create, ROWS), (Step::Update, ROWS), (Step::CreateAlone, 1), (Step::UpdateAlone, 1)]
    {
        let room = batches - out.len();
        if room == 0 {
            break;
        }
        let rows = run.store.next_ready(&run.slice, step, room * rows_each).await?;
        let mut rows = rows.into_iter().map(|row| {
            let plan: WritePlan = parse("plan", &row.plan)?;
            Ok::<_, Halt>((row, plan))
        });
        loop {
            let batch = rows.by_ref().take(rows_each).collect::<Result<Vec<_>, _>>()?;
            if batch.is_empty() {
                break;
            }
            out.push(Outgoing { create: matches!(step, Step::Create | Step::CreateAlone), rows: batch });
        }
    }
    Ok(out)
}

/// Written down before it is sent: a create as in flight, an update's link as dirty.
async fn mark(run: &mut Run, batches: &[Outgoing]) -> Result<(), Halt> {
    if batches.is_empty() {
        return Ok(());
    }
    let now = run.now();
    let mut ops = Vec::new();
    for batch in batches {
        for (row, plan) in &batch.rows {
            let device_id = row.device_id.clone();
            if batch.create {
                ops.push(Op::PutIntent(Box::new(intent(run, row, plan, now, None))));
                ops.push(Op::Step { device_id, step: Step::CreateSent });
            } else {
                ops.push(Op::MarkDirty { device_id: device_id.clone(), cells: json(&plan.unconfirmed) });
                ops.push(Op::Step { device_id, step: Step::UpdateSent });
            }
        }
    }
    run.commit(&ops, CountDeltas::default()).await
}

fn intent(run: &Run, row: &ReadyRow, plan: &WritePlan, now: Micros, refused: Option<String>) -> Intent {
    let payload = IntentPayload {
        plan: plan.clone(),
        fingerprint: row.fingerprint.clone(),
        last_enrollment: row.last_enrollment,
        last_check_in: row.last_check_in,
        refused,
    };
    let identifier = row.identifier.clone().unwrap_or_default();
    Intent {
        device_id: row.device_id.clone(),
        identifier_key: identifier_key(&identifier),
        identifier,
        serial_number: row.serial_number.clone(),
        sent_time: now,
        next_look_time: run.look_time(now, 0).unwrap_or(now),
        payload: json(&payload),
    }
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

/// Answers being turned into what they mean for each row.
struct Confirming<'a> {
    run: &'a Run,
    ops: Vec<Op>,
    counts: CountDeltas,
    halt: Option<Halt>,
    /// Creates that went unanswered since the last answer.
    unanswered: u32,
}

impl Confirming<'_> {
    async fn batch(&mut self, sent: Sent) -> Result<(), Halt> {
        let Sent { batch, result } = sent;
        match result {
            Ok(results) => {
                self.unanswered = 0;
                for ((row, plan), result) in batch.rows.iter().zip(results) {
                    if batch.create {
                        self.created(row, plan, result);
                    } else {
                        self.updated(row, plan, result).await?;
                    }
                }
            }
            Err(error) => self.whole(&batch, &error),
        }
        Ok(())
    }

    /// The call failed as a whole.
    fn whole(&mut self, batch: &Outgoing, error: &SendError) {
        let refused = error.effect == Effect::NotApplied && matches!(error.kind, ErrorKind::Refused | ErrorKind::NotFound);
        if refused && batch.rows.len() == 1 {
            let (row, _) = &batch.rows[0];
            self.reject(row, batch.create, error.message.clone());
            return;
        }
        for (row, _) in &batch.rows {
            let device_id = row.device_id.clone();
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
            self.ops.push(Op::Step { device_id, step });
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

    fn created(&mut self, row: &ReadyRow, plan: &WritePlan, result: RowResult) {
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
            RowResult::Refused { message } => self.reject(row, true, message),
            RowResult::Unclear { .. } => self.ops.push(Op::Step { device_id, step: Step::Unclear }),
        }
    }

    async fn updated(&mut self, row: &ReadyRow, plan: &WritePlan, result: RowResult) -> Result<(), Halt> {
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
                match self.run.asset_panda.record(&self.run.slice.row.collection_id, &record_id).await {
                    Ok(Some(_)) => self.reject(row, false, message),
                    Ok(None) => {
                        self.ops.push(Op::ClearRecord { device_id: device_id.clone() });
                        self.ops.push(Op::Step { device_id, step: Step::LookUp });
                    }
                    Err(error) => {
                        self.ops.push(Op::Step { device_id, step: Step::Update });
                        self.halt.get_or_insert(Halt::from_call(Api::AssetPanda, &error));
                    }
                }
            }
            RowResult::Unclear { message } => {
                self.ops.push(Op::Step { device_id, step: Step::Update });
                self.halt.get_or_insert(Halt::Outage { api: Api::AssetPanda, message });
            }
        }
        Ok(())
    }

    fn confirm(&mut self, row: &ReadyRow, plan: &WritePlan, created: bool, record_id: String) {
        let payload = IntentPayload {
            plan: plan.clone(),
            fingerprint: row.fingerprint.clone(),
            last_enrollment: row.last_enrollment,
            last_check_in: row.last_check_in,
            refused: None,
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

    fn reject(&mut self, row: &ReadyRow, create: bool, message: String) {
        self.counts.rejected += 1;
        self.ops.extend(refused(row, create, message, self.run.now()));
    }
}

/// What a refusal leaves: the server's words, and a quarantine (rule 5).
fn refused(row: &ReadyRow, create: bool, message: String, now: Micros) -> Vec<Op> {
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
