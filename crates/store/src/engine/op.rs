//! The small set of changes that deciding, sending and confirming make to single devices.

use super::{Conclusion, Item, ItemStep};
use crate::Micros;

/// Where a sync record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Step {
    /// Its identifier is to be looked up.
    LookUp = 0,
    /// Everything to decide on it is known.
    Decide = 1,
    /// A create to send.
    Create = 2,
    /// An update to send.
    Update = 3,
    /// A create that was sent, not confirmed.
    CreateSent = 4,
    /// A create of which it is unclear whether it was applied: its intent says when to look.
    Unclear = 5,
    /// A create to send in a batch of its own: its batch was refused as a whole.
    CreateAlone = 6,
    /// An update to send in a batch of its own.
    UpdateAlone = 7,
    /// An update that was sent, not confirmed.
    UpdateSent = 8,
    /// Its outcome stands.
    Done = 9,
    /// Its record is known to be deleted in Asset Panda: the brake is asked before another is made.
    Deleted = 10,
}

impl Step {
    pub(super) fn number(self) -> i64 {
        i64::from(self as u8)
    }
}

/// One change to one device. Those to links and intents are left out in a dry run.
#[derive(Clone, Debug)]
pub enum Op {
    /// Makes or replaces a device's link.
    PutLink(Box<LinkPut>),
    /// Unchanged, or a change that needed no write: the fingerprint moves on, a rejection is forgotten.
    KeepLink {
        /// The device.
        device_id: String,
        /// Of the values decided on.
        fingerprint: Vec<u8>,
        /// The values confirmed, JSON, if more is known of them.
        cells: Option<String>,
        /// New forms, JSON, if they changed.
        forms: Option<String>,
        /// PASSENGER columns were due and are as they should be.
        passenger_time: Option<Micros>,
    },
    /// A link goes from one device to another: re-enrolment, or a rival that won.
    MoveLink {
        /// Who had it.
        from: String,
        /// Who has it now; whatever link it had is dropped.
        to: String,
    },
    /// The link's record is gone in Asset Panda.
    ClearRecord {
        /// The device.
        device_id: String,
    },
    /// The link has no further use: its device is absent, and its record is gone.
    DropLink {
        /// The device.
        device_id: String,
    },
    /// Flags of a link that are set, and others that are not any more.
    Flag {
        /// The device.
        device_id: String,
        /// See [`super::flag`].
        set: i64,
        /// Likewise.
        clear: i64,
    },
    /// An update is about to be sent.
    MarkDirty {
        /// The device.
        device_id: String,
        /// What may be in the record until it is confirmed, JSON.
        cells: String,
    },
    /// An update that was marked was certainly not applied: the link is as it was before.
    MarkClean {
        /// The device.
        device_id: String,
        /// What was confirmed before, JSON.
        cells: String,
    },
    /// A device was rejected: its link says so, and is made if there is none.
    RejectLink(Box<Rejection>),
    /// A create is about to be sent.
    PutIntent(Box<Intent>),
    /// A create's outcome is clear.
    DropIntent {
        /// The device.
        device_id: String,
    },
    /// When to look for an unclear create next.
    LookAgain {
        /// The device.
        device_id: String,
        /// Looks made.
        looks: i64,
        /// The next.
        next_look_time: Micros,
        /// It is known to have been written; only its record id is not.
        applied: bool,
    },
    /// A sync record goes to another step.
    Step {
        /// The device.
        device_id: String,
        /// Where it goes.
        step: Step,
    },
    /// A record that was marked as sent, and was not: it goes back, and nothing counts as an attempt.
    Unsent {
        /// The device.
        device_id: String,
        /// Where it goes.
        step: Step,
    },
    /// What a look-up found, JSON; the record goes to [`Step::Decide`].
    Found {
        /// The device.
        device_id: String,
        /// The records, JSON.
        found: String,
    },
    /// A write is decided on.
    Plan {
        /// The device.
        device_id: String,
        /// [`Step::Create`] or [`Step::Update`].
        step: Step,
        /// What sending and confirming need, JSON.
        plan: String,
        /// The changes, JSON.
        changes: String,
        /// The record to update.
        record_id: Option<String>,
    },
    /// Why something is to be done, where there is more to say than the change itself: what was found in Asset Panda.
    Note {
        /// The device.
        device_id: String,
        /// In the words of the API.
        reason: &'static str,
        /// The same for a person.
        message: String,
    },
    /// The outcome stands.
    Done {
        /// The device.
        device_id: String,
        /// `CREATED`, `ADOPTED`, `UPDATED`, `REJECTED` ...
        outcome: &'static str,
        /// Why, for rejections; `None` keeps what was noted.
        reason: Option<&'static str>,
        /// The same for a person.
        message: Option<String>,
        /// The record.
        record_id: Option<String>,
        /// The changes, JSON, where they are not there already.
        changes: Option<String>,
    },
    /// A device that had no sync record, because nothing about it changed, is rejected: it lost to a rival.
    RejectUnchanged {
        /// The device.
        device_id: String,
        /// Why.
        reason: &'static str,
        /// The same for a person.
        message: String,
    },
    /// Unchanged after all: counted, not stored.
    Drop {
        /// The device.
        device_id: String,
    },
    /// A change for the brake to weigh, before anything of its kind is sent.
    Weigh {
        /// The change.
        item: Item,
        /// The record.
        record_id: Option<String>,
    },
    /// A change that was weighed goes to another step.
    Weighed {
        /// The change.
        item: Item,
        /// Where it goes.
        step: ItemStep,
        /// How often it was sent, since.
        attempts: i64,
    },
    /// A part of a planned write is held. What is left of it is sent, but the device counts as not decided on: the link it
    /// leaves fits no fingerprint, and the next sync works it out anew.
    HoldPart {
        /// The device.
        device_id: String,
        /// What sending and confirming the rest need, JSON; unset in a dry run.
        plan: Option<String>,
        /// The changes that are left, JSON.
        changes: String,
        /// What is held, for a person.
        message: String,
    },
    /// What came of a removal.
    Conclude(Box<Conclusion>),
    /// Asset Panda refused a removal: the device's link says so, and it is not sent again at once (rule 5).
    RefuseRemoval {
        /// The device.
        device_id: String,
        /// Why.
        reason: &'static str,
        /// The same for a person.
        message: String,
        /// When.
        time: Micros,
    },
    /// All that was planned for a device is held.
    Hold {
        /// The device.
        device_id: String,
        /// Why, for a person.
        message: String,
    },
}

/// A link as it is after a confirmed write or an adoption.
#[derive(Clone, Debug)]
pub struct LinkPut {
    /// The device.
    pub device_id: String,
    /// Of the values decided on.
    pub fingerprint: Vec<u8>,
    /// Its last enrolment.
    pub last_enrollment: Option<Micros>,
    /// Its last check-in.
    pub last_check_in: Option<Micros>,
    /// When PASSENGER columns were written; `None` keeps the time there is.
    pub passenger_time: Option<Micros>,
    /// An update is under way.
    pub dirty: bool,
    /// The serial number.
    pub serial_number: Option<String>,
    /// The identifier as confirmed.
    pub identifier: String,
    /// The same, folded.
    pub identifier_key: String,
    /// The record.
    pub record_id: String,
    /// The values confirmed, JSON.
    pub cells: String,
    /// Asset Panda's own forms, JSON.
    pub forms: String,
    /// Whether we created the record; `None` keeps what is known.
    pub created_by_us: Option<bool>,
    /// When the values were confirmed; `None` keeps the time there is.
    pub confirmed_time: Option<Micros>,
    /// Whether this sync has seen the device (an old create may be found after its device is gone).
    pub seen: bool,
}

/// A rejection as its device's link keeps it.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// The device.
    pub device_id: String,
    /// Of the values rejected.
    pub fingerprint: Vec<u8>,
    /// Its last enrolment.
    pub last_enrollment: Option<Micros>,
    /// Its last check-in.
    pub last_check_in: Option<Micros>,
    /// The serial number.
    pub serial_number: Option<String>,
    /// The identifier.
    pub identifier: Option<String>,
    /// The same, folded.
    pub identifier_key: Option<String>,
    /// Not sent again until its values change (rule 5).
    pub quarantined: bool,
    /// Why.
    pub reason: &'static str,
    /// The same for a person.
    pub message: String,
    /// When.
    pub time: Micros,
}

/// A create about to be sent.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The device.
    pub device_id: String,
    /// The identifier that is sent.
    pub identifier: String,
    /// The same, folded.
    pub identifier_key: String,
    /// The serial number.
    pub serial_number: Option<String>,
    /// When it is sent.
    pub sent_time: Micros,
    /// When to look for it, should its outcome stay unclear.
    pub next_look_time: Micros,
    /// What confirming it needs, JSON.
    pub payload: String,
}
