//! What a history is made of: how the two sides are at first, and what happens then, step by step.
//!
//! Everything is small and chosen by number, so that a history that goes wrong can be shrunk and, printed, be pasted into
//! a test of its own.

use pandaport_import::{Brake, OnFiltered};
use proptest::prelude::*;

use self::Step::*;

/// How both sides are at first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// Devices that are there from the beginning.
    pub(super) devices: u8,
    /// Asset Panda says that the serial number and the device id are unique, and enforces it.
    pub(super) unique: bool,
    /// Search sees a write only after so many seconds.
    pub(super) lag: u8,
    /// The answer to a create names the record.
    pub(super) names_records: bool,
    /// Search finds more than what is asked for; else only what is exactly equal.
    pub(super) loose: bool,
    /// Seconds that each call takes. Slices last thirty.
    pub(super) call_takes: u8,
    /// What becomes of the records of devices that are gone, and after how many hours.
    pub(super) policy: Policy,
    pub(super) min_absence: u8,
    /// What the filter looks at, if there is one, and what becomes of those that it leaves out.
    pub(super) filter: Option<Filter>,
    pub(super) on_filtered: OnFiltered,
    /// As it is where a mapping says nothing, it holds nothing but the end of the fleet: there are too few devices.
    pub(super) brake: Brake,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            devices: 3,
            unique: false,
            lag: 0,
            names_records: true,
            loose: false,
            call_takes: 0,
            policy: Policy::Leave,
            min_absence: 0,
            filter: None,
            on_filtered: OnFiltered::Leave,
            brake: Brake::default(),
        }
    }
}

/// A removal policy (rule 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Leave,
    /// Status is marked. When the device is back, another value is written, or else it is cleared.
    Mark {
        unmark_value: bool,
    },
    Delete,
}

/// What a filter looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Platform,
    Tag,
}

/// A column whose value a device or a person changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Model,
    Tag,
    Email,
    /// Mapped FILL_ONLY.
    Name,
    /// Mapped PASSENGER.
    CheckIn,
    /// `is_removed`; odd: true.
    Removed,
}

/// What a serial number becomes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Serial {
    /// What it was at first.
    Own,
    Empty,
    /// Another device's.
    Of(u8),
    /// Another device's, but for case and space.
    Near(u8),
    /// One that no device had before.
    New(u8),
}

/// One thing that happens. Devices are chosen by their place among all that were ever there, records by their place
/// among all that are there.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Another device is enrolled.
    Enrol,
    Change(u8, Field, u8),
    Identify(u8, Serial),
    /// Two devices swap serial numbers.
    Swap(u8, u8),
    Leave(u8),
    Return(u8),
    /// The device is enrolled again under another id; the old one is gone.
    EnrolAgain(u8),
    /// A person edits a record.
    Edit(u8, Field, u8),
    /// A person edits a record's serial number.
    EditSerial(u8, Serial),
    /// A person deletes a record.
    Delete(u8),
    /// A person makes a record with this serial number.
    Insert(Serial, u8),
    /// Rows with the odd tag are refused from now on, or no longer.
    Refuse(bool),
    /// A device becomes one that a filter leaves out, or one that it lets pass.
    LeaveOut(u8, bool),
    /// So many minutes pass.
    Wait(u16),
    Sync(Sync),
    /// What the brake holds is approved as it is shown, and the sync for that is run. (It chooses its own mode.)
    Approve(Sync),
}

/// A sync, and what befalls it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sync {
    pub(super) full: bool,
    pub(super) dry_run: bool,
    pub(super) retry_rejected: bool,
    pub(super) troubles: Vec<Trouble>,
    /// What happens elsewhere after the first crash or pause.
    pub(super) meanwhile: Vec<Step>,
    /// The sync is cancelled at its first crash.
    pub(super) cancel: bool,
    /// Another sync follows at once: it must find nothing to do.
    pub(super) again: bool,
}

/// What goes wrong with a call or a write to the database, counted from the beginning of the sync.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// This write to Asset Panda is applied, and its answer is lost.
    Lost { write: u8 },
    /// This call is answered with 503, nothing applied.
    Down { call: u8 },
    /// This call is answered with 429, nothing applied.
    Busy { call: u8 },
    /// The process ends at this call: before the server applies it, or after.
    KilledAtCall { call: u8, applied: bool },
    /// The process ends at this commit: before it is kept, or after.
    KilledAtCommit { commit: u8, kept: bool },
}

pub(super) fn setup() -> impl Strategy<Value = Setup> {
    (sides(), rules()).prop_map(|(sides, rules)| Setup {
        policy: rules.policy,
        min_absence: rules.min_absence,
        filter: rules.filter,
        on_filtered: rules.on_filtered,
        brake: rules.brake,
        ..sides
    })
}

/// How the two sides behave.
fn sides() -> impl Strategy<Value = Setup> {
    let lag = prop::sample::select(vec![0_u8, 0, 20, 90]);
    let forgets_ids = prop::bool::weighted(0.15);
    (0_u8..6, any::<bool>(), lag, forgets_ids, any::<bool>(), 0_u8..2).prop_map(
        |(devices, unique, lag, forgets_ids, loose, slow)| Setup {
            devices,
            unique,
            lag,
            names_records: !forgets_ids,
            loose,
            call_takes: slow * 7,
            ..Setup::default()
        },
    )
}

/// What the mapping says.
fn rules() -> impl Strategy<Value = Setup> {
    let policy = prop_oneof![
        1 => Just(Policy::Leave),
        2 => any::<bool>().prop_map(|unmark_value| Policy::Mark { unmark_value }),
        2 => Just(Policy::Delete),
    ];
    let min_absence = prop::sample::select(vec![0_u8, 0, 2]);
    let filter = prop_oneof![2 => Just(None), 1 => Just(Some(Filter::Platform)), 1 => Just(Some(Filter::Tag))];
    let on_filtered = prop::sample::select(vec![OnFiltered::Leave, OnFiltered::AsRemoved]);
    let tight = |max_percent, min_count| Just(Brake { max_percent, min_count });
    let brake = prop_oneof![3 => Just(Brake::default()), 1 => tight(10, 1), 1 => tight(10, 2), 1 => tight(50, 1)];
    (policy, min_absence, filter, on_filtered, brake).prop_map(|(policy, min_absence, filter, on_filtered, brake)| {
        Setup { policy, min_absence, filter, on_filtered, brake, ..Setup::default() }
    })
}

pub(super) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![15 => change(), 10 => sync().prop_map(Sync), 2 => sync().prop_map(Approve)];
    prop::collection::vec(step, 1..most)
}

fn field() -> impl Strategy<Value = Field> {
    use Field::*;
    prop::sample::select(vec![Model, Tag, Tag, Email, Name, CheckIn, Removed])
}

fn serial() -> impl Strategy<Value = Serial> {
    prop_oneof![
        3 => Just(Serial::Own),
        1 => Just(Serial::Empty),
        2 => (0_u8..6).prop_map(Serial::Of),
        1 => (0_u8..6).prop_map(Serial::Near),
        2 => (0_u8..3).prop_map(Serial::New),
    ]
}

/// What happens on either side while no sync runs, or while one is down.
fn change() -> impl Strategy<Value = Step> {
    let device = || 0_u8..6;
    prop_oneof![
        2 => Just(Enrol),
        6 => (device(), field(), 0_u8..5).prop_map(|(device, field, value)| Change(device, field, value)),
        1 => device().prop_map(|device| Change(device, Field::Tag, 4)),
        3 => (device(), serial()).prop_map(|(device, serial)| Identify(device, serial)),
        1 => (device(), device()).prop_map(|(one, other)| Swap(one, other)),
        2 => device().prop_map(Leave),
        2 => device().prop_map(Return),
        2 => device().prop_map(EnrolAgain),
        3 => (device(), field(), 0_u8..5).prop_map(|(record, field, value)| Edit(record, field, value)),
        2 => (device(), serial()).prop_map(|(record, serial)| EditSerial(record, serial)),
        2 => device().prop_map(Delete),
        3 => (serial(), 0_u8..5).prop_map(|(serial, value)| Insert(serial, value)),
        2 => prop::bool::weighted(0.7).prop_map(Refuse),
        2 => (device(), prop::bool::weighted(0.6)).prop_map(|(device, is_left_out)| LeaveOut(device, is_left_out)),
        2 => prop::sample::select(vec![1_u16, 5, 70, 25 * 60, 30 * 60]).prop_map(Wait),
    ]
}

fn sync() -> impl Strategy<Value = Sync> {
    (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec(trouble(), 1..3)],
        prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(change(), 1..3)],
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(full, dry_run, retry_rejected, troubles, meanwhile, cancel, again)| Sync {
            full,
            dry_run,
            retry_rejected,
            troubles,
            meanwhile,
            cancel,
            again,
        })
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        3 => (1_u8..4).prop_map(|write| Trouble::Lost { write }),
        1 => (1_u8..8).prop_map(|call| Trouble::Down { call }),
        1 => (1_u8..8).prop_map(|call| Trouble::Busy { call }),
        3 => (1_u8..9, any::<bool>()).prop_map(|(call, applied)| Trouble::KilledAtCall { call, applied }),
        3 => (1_u8..14, any::<bool>()).prop_map(|(commit, kept)| Trouble::KilledAtCommit { commit, kept }),
    ]
}
