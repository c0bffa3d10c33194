//! What an INCREMENTAL sync would do with a device: the rules of a sync, asked without one. Pure.

use std::collections::HashMap;
use std::time::Duration;

use pandaport_api::v1::NextAction;
use pandaport_import::{
    Case, Change, Claim, Decision, FoundRecord, MappingSpec, Mode, NotImported, Projection, Projector, RejectReason,
    RemovalAction, SourceField, is_removed, settle,
};
use pandaport_kandji::Device;
use pandaport_store::Micros;
use pandaport_store::device_detail::{DeviceDetail, Other};
use pandaport_store::devices::DeviceState;
use pandaport_store::engine::flag;
use pandaport_upstream::KandjiDevice;
use serde_json::Value;

use super::kandji::Live;
use super::link::Link;
use crate::reason;
use crate::standing::{DELETED_HELD, Due, Fate, FateKind, Told, fate, gone, shown, told, when_filtered};

/// How often a quarantined device is sent again without a change (rule 5).
const RETRY_QUARANTINED: Duration = Duration::from_secs(24 * 60 * 60);

/// All that is known of the device.
pub(super) struct Situation<'a> {
    pub(super) spec: &'a MappingSpec,
    pub(super) detail: Option<&'a DeviceDetail>,
    pub(super) live: &'a Live,
    /// What Asset Panda says, as far as the decision needs it; else why it is not known.
    pub(super) evidence: Result<Evidence, String>,
    pub(super) now: Micros,
}

/// What a decision needs of Asset Panda and of other devices.
pub(super) struct Evidence {
    pub(super) projector: Projector,
    pub(super) wanted: Projection,
    pub(super) link: Option<Link>,
    pub(super) found: Vec<FoundRecord>,
    /// There are more with its identifier than can be read.
    pub(super) more: bool,
    pub(super) looked_up: bool,
    pub(super) passenger_due: bool,
    pub(super) rivals: Vec<Other>,
}

/// What would be done, and why.
#[derive(Debug, PartialEq)]
pub(super) struct Next {
    pub(super) action: NextAction,
    pub(super) told: Told,
    pub(super) changes: Vec<Changed>,
}

/// A column that would be written.
#[derive(Debug, PartialEq)]
pub(super) struct Changed {
    pub(super) column_id: String,
    /// `None`: the column that marks a removal.
    pub(super) source_field: Option<SourceField>,
    pub(super) old: Option<Value>,
    pub(super) new: Value,
}

impl Next {
    fn new(action: NextAction, reason: &str, message: impl Into<String>) -> Self {
        Self { action, told: Told::new(reason, message), changes: Vec::new() }
    }

    fn of(fate: Fate, cause: &str, stays: NextAction) -> Self {
        let action = match fate.kind {
            FateKind::Stays => stays,
            FateKind::Removed => NextAction::Remove,
            FateKind::Held => NextAction::Hold,
        };
        Self { action, told: fate.told.after(cause), changes: Vec::new() }
    }
}

/// What an INCREMENTAL sync would do now.
pub(super) fn next(it: &Situation<'_>) -> Next {
    if let Some(detail) = it.detail
        && detail.device.state == DeviceState::InFlight
    {
        let when = detail.next_look_time.map_or_else(|| "next".to_owned(), |at| format!("at {}", shown(at)));
        let message =
            format!("in flight: a record was sent, and whether it is there is not known; it is looked up {when}");
        return Next::new(NextAction::LookUp, "", message);
    }
    match it.live {
        Live::Listed(device) => listed(it, device),
        Live::Unreadable(why) => Next::new(NextAction::Reject, "UNREADABLE", why.as_str()),
        Live::NotListed => absent(it),
        Live::NotKnown(error) => as_of_the_last_sync(it, &format!("Kandji could not be asked: {error}")),
    }
}

/// From what is stored alone.
fn as_of_the_last_sync(it: &Situation<'_>, why: &str) -> Next {
    let Some(detail) = it.detail else { return Next::new(NextAction::NotKnown, "", why) };
    let Told { reason, message } = told(&detail.device, it.spec);
    let message = match (detail.device.state, message.is_empty()) {
        (DeviceState::Current, true) => unchanged(detail),
        _ => message,
    };
    Next::new(NextAction::NotKnown, &reason, format!("{why}. As of the last sync: {message}"))
}

fn unchanged(detail: &DeviceDetail) -> String {
    match detail.device.last_confirmed_time {
        Some(time) => format!("unchanged since {}", shown(time)),
        None => "unchanged".to_owned(),
    }
}

/// Kandji does not list it.
fn absent(it: &Situation<'_>) -> Next {
    let Some(detail) = it.detail.filter(|it| it.device.flags & flag::LINKED != 0) else {
        let message = "Kandji does not list it, and it has no record: the next complete read forgets it";
        return Next::new(NextAction::Nothing, "", message);
    };
    let row = &detail.device;
    if row.absent_since.is_none() {
        // The read that notes its absence is the first of the two that the policy asks for.
        let from = it.now.plus(it.spec.removal_policy.min_absence);
        let fate = fate(row, it.spec, Due::Absent(from));
        let cause = "Kandji does not list it any more: the next complete read notes that";
        return Next { action: NextAction::Nothing, ..Next::of(fate, cause, NextAction::Nothing) };
    }
    let (since, due) = gone(row, it.spec);
    let later = matches!(due, Due::Absent(from) if from > it.now);
    let next = Next::of(fate(row, it.spec, due), &since, NextAction::Nothing);
    if later && next.action == NextAction::Remove { Next { action: NextAction::Nothing, ..next } } else { next }
}

/// Kandji lists it.
fn listed(it: &Situation<'_>, device: &Device) -> Next {
    let nobody = HashMap::new();
    let source = KandjiDevice { device, active_users: &nobody };
    let flags = it.detail.map_or(0, |it| it.device.flags);
    let linked = flags & flag::LINKED != 0;
    if let Some(why) = it.spec.not_imported(&source, linked) {
        return left_out(it, &why, linked);
    }
    let evidence = match &it.evidence {
        Ok(evidence) => evidence,
        Err(why) => {
            return as_of_the_last_sync(it, &format!("Kandji lists it, but Asset Panda could not be asked: {why}"));
        }
    };
    if let Some(waits) = quarantined(it, &source, evidence) {
        return waits;
    }
    if let Some(detail) = it.detail
        && detail.device.deleted_held
    {
        return Next::new(NextAction::Hold, reason::HELD, DELETED_HELD);
    }
    let next = lost_to_a_rival(it, device, evidence).unwrap_or_else(|| decided(it, evidence));
    and_then_the_policy(it, is_removed(&source), next)
}

fn left_out(it: &Situation<'_>, why: &NotImported, linked: bool) -> Next {
    let cause = why.to_string();
    match it.detail.filter(|_| linked) {
        Some(detail) => {
            let mut next = Next::of(when_filtered(&detail.device, it.spec), &cause, NextAction::Skip);
            if next.told.reason.is_empty() {
                next.told.reason = why.reason().to_owned();
            }
            next
        }
        None => Next::new(NextAction::Skip, why.reason(), cause),
    }
}

/// Rule 5. Whether values changed can't be told where User Active is mapped: it comes from another list, which is not
/// read for this.
fn quarantined(it: &Situation<'_>, source: &KandjiDevice<'_>, evidence: &Evidence) -> Option<Next> {
    let detail = it.detail.filter(|it| it.device.flags & flag::QUARANTINED != 0)?;
    let print = evidence.projector.fingerprint(source);
    let user_active = it.spec.pairs.iter().any(|pair| pair.source_field == SourceField::UserActive);
    let same = user_active || detail.fingerprint.as_deref() == Some(print.fingerprint.as_slice());
    let again = detail.device.rejected_time.map(|at| at.plus(RETRY_QUARANTINED)).filter(|at| *at > it.now)?;
    if !same {
        return None;
    }
    let Told { reason, message } = told(&detail.device, it.spec);
    // Its mark goes away along with its values.
    let is_back = !is_removed(source) && matches!(it.spec.removal_policy.action, RemovalAction::Mark { .. });
    let marked = is_back && detail.device.flags & (flag::MARKED | flag::MARKING) != 0;
    let marked =
        if marked { "; until then its record bears the mark of the removal policy, though it is back" } else { "" };
    let message = format!(
        "quarantined: {message}; tried again when a value of it changes, in a FULL sync, with retry_rejected, or from {} on{marked}",
        shown(again)
    );
    Some(Next::new(NextAction::StayRejected, &reason, message))
}

/// Rule 12: of present devices with one identifier, one wins.
fn lost_to_a_rival(it: &Situation<'_>, device: &Device, evidence: &Evidence) -> Option<Next> {
    let identifier = evidence.wanted.identifier.as_str()?;
    let claims: Vec<Claim> = std::iter::once(Claim {
        device_id: device.device_id.clone(),
        serial_number: device.serial_number.value().cloned(),
        identifier: identifier.to_owned(),
        last_enrollment: device.last_enrollment.value().copied(),
        last_check_in: device.last_check_in.value().copied(),
    })
    .chain(evidence.rivals.iter().map(|rival| Claim {
        device_id: rival.device_id.clone(),
        serial_number: rival.serial_number.clone(),
        identifier: rival.identifier.clone().unwrap_or_default(),
        last_enrollment: rival.last_enrollment.map(Micros::timestamp),
        last_check_in: rival.last_check_in.map(Micros::timestamp),
    }))
    .collect();
    let settled = settle(it.spec.identifier.source_field, &claims);
    let lost = settled.losers.into_iter().find(|loser| loser.claim == 0)?;
    Some(Next::new(NextAction::Reject, lost.reason.as_str(), lost.message))
}

fn decided(it: &Situation<'_>, evidence: &Evidence) -> Next {
    if evidence.more {
        let message = "more records match this identifier than can be read: make it unique in the collection";
        return Next::new(NextAction::Reject, RejectReason::IdentifierAmbiguous.as_str(), message);
    }
    let decision = pandaport_import::decide(&Case {
        cells: evidence.projector.cells(),
        wanted: &evidence.wanted,
        link: evidence.link.as_ref().map(Link::case),
        found: &evidence.found,
        looked_up: evidence.looked_up,
        mode: Mode::Incremental,
        passenger_due: evidence.passenger_due,
    });
    let taken_over = match evidence.link.as_ref().and_then(|link| link.of.as_deref()) {
        Some(other) => format!("it takes over the record of device {other}, which is gone"),
        None => String::new(),
    };
    match decision {
        Decision::Create { row } => writes(NextAction::Create, "no record has its identifier: one is created", row),
        Decision::Adopt { record_id, changes, .. } => {
            let message = format!("record {record_id} has its identifier: it is tied to the device");
            writes(NextAction::Adopt, &message, changes)
        }
        Decision::Update { changes, .. } if taken_over.is_empty() => {
            let columns = changes.len();
            let message = format!("{columns} {} written", if columns == 1 { "column is" } else { "columns are" });
            writes(NextAction::Update, &message, changes)
        }
        Decision::Update { changes, .. } => writes(NextAction::Update, &taken_over, changes),
        Decision::Unchanged { .. } if taken_over.is_empty() => {
            Next::new(NextAction::Nothing, "", it.detail.map_or_else(|| "unchanged".to_owned(), unchanged))
        }
        Decision::Unchanged { .. } => Next::new(NextAction::Nothing, "", taken_over),
        Decision::Reject { reason, message } => Next::new(NextAction::Reject, reason.as_str(), message),
        // Evidence is complete: neither comes up.
        Decision::MissingRecord | Decision::LookUp => {
            Next::new(NextAction::NotKnown, "", "its identifier has to be looked up in Asset Panda first")
        }
    }
}

fn writes(action: NextAction, message: &str, changes: Vec<Change>) -> Next {
    let changes = changes.into_iter().map(|it| Changed {
        column_id: it.column_id,
        source_field: Some(it.source_field),
        old: it.old,
        new: it.new,
    });
    Next { action, told: Told::new("", message), changes: changes.collect() }
}

/// Rule 10: what the policy does, or takes back, after the values.
fn and_then_the_policy(it: &Situation<'_>, removed: bool, next: Next) -> Next {
    let Some(row) = it.detail.map(|it| &it.device).filter(|it| it.flags & flag::LINKED != 0) else { return next };
    let policy = &it.spec.removal_policy.action;
    if removed && *policy != RemovalAction::Leave {
        let then = fate(row, it.spec, Due::Now);
        if next.action == NextAction::Nothing {
            return Next::of(then, "Kandji lists it as removed", NextAction::Nothing);
        }
        let message = format!("{}; Kandji lists it as removed: {}", next.told.message, then.told.message);
        return Next { told: Told::new(&next.told.reason, message), ..next };
    }
    match policy {
        // A mark that was sent and not confirmed may stand there: a sync takes it back like one that does.
        RemovalAction::Mark { column_id, value, unmark_value }
            if row.flags & (flag::MARKED | flag::MARKING) != 0 && !removed =>
        {
            let Next { action, told, mut changes } = next;
            if action == NextAction::Reject {
                return Next { action, told, changes };
            }
            changes.push(Changed {
                column_id: column_id.clone(),
                source_field: None,
                old: Some(value.clone()),
                new: unmark_value.clone().unwrap_or(Value::Null),
            });
            let message = format!("it is back: the mark of its record is taken away; {}", told.message);
            Next { action: NextAction::Update, told: Told::new(&told.reason, message), changes }
        }
        _ => next,
    }
}
