//! Why a device is not simply current, in words: what was done about it, or what will be.

use pandaport_import::{MappingSpec, OnFiltered, RemovalAction};
use pandaport_store::Micros;
use pandaport_store::devices::{Device, DeviceState};
use pandaport_store::engine::flag;

use crate::reason;

/// What is to be known of a device beside its state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// A reason of the contract's list, or empty.
    pub(crate) reason: String,
    /// The same for a person, or empty.
    pub(crate) message: String,
}

impl Told {
    pub(crate) fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), message: message.into() }
    }

    /// The same after what it follows from.
    pub(crate) fn after(self, cause: &str) -> Self {
        let message = if cause.is_empty() { self.message } else { format!("{cause}; {}", self.message) };
        Self { reason: self.reason, message }
    }

    fn stored(row: &Device) -> Self {
        Self { reason: row.reason.clone().unwrap_or_default(), message: row.message.clone().unwrap_or_default() }
    }
}

/// Why the device is in its state.
pub(crate) fn told(row: &Device, spec: &MappingSpec) -> Told {
    match row.state {
        DeviceState::InFlight => Told::new(
            "",
            "a record was sent, and Asset Panda's answer is not known: it is looked up before anything is sent again",
        ),
        DeviceState::Gone => {
            let (since, due) = gone(row, spec);
            fate(row, spec, due).told.after(&since)
        }
        DeviceState::Filtered => {
            let left_out = Told::stored(row);
            if row.flags & flag::LINKED == 0 {
                return left_out;
            }
            let Told { reason, message } = when_filtered(row, spec).told.after(&left_out.message);
            Told { reason: if reason.is_empty() { left_out.reason } else { reason }, message }
        }
        DeviceState::Rejected => Told::stored(row),
        DeviceState::Current if row.deleted_held => Told::new(reason::HELD, DELETED_HELD),
        DeviceState::Current => Told::default(),
    }
}

/// What the brake holds when many records were deleted in Asset Panda.
pub(crate) const DELETED_HELD: &str =
    "its record was deleted in Asset Panda, as were many others: making it anew is held until it is approved";

/// When the removal policy applies to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// In the next sync.
    Now,
    /// In the first complete read from then on that does not bring it.
    Absent(Micros),
}

/// What becomes of the record of a device that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) kind: FateKind,
    pub(crate) told: Told,
}

/// The same, to be matched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FateKind {
    /// It stays as it is.
    Stays,
    /// The policy applies once it is due.
    Removed,
    /// The brake holds that.
    Held,
}

/// Since when a GONE device is gone, in words, and when the policy applies to it.
pub(crate) fn gone(row: &Device, spec: &MappingSpec) -> (String, Due) {
    match row.absent_since {
        Some(since) => (
            format!("absent from Kandji since {}", shown(since)),
            Due::Absent(since.plus(spec.removal_policy.min_absence)),
        ),
        None => ("Kandji lists it as removed".to_owned(), Due::Now),
    }
}

/// The record of a device that the filter leaves out.
pub(crate) fn when_filtered(row: &Device, spec: &MappingSpec) -> Fate {
    match spec.on_filtered {
        OnFiltered::Leave => Fate { kind: FateKind::Stays, told: Told::new("", "its record is left as it is") },
        OnFiltered::AsRemoved => fate(row, spec, Due::Now),
    }
}

/// The record of a device that is gone.
pub(crate) fn fate(row: &Device, spec: &MappingSpec, due: Due) -> Fate {
    let stays = |told| Fate { kind: FateKind::Stays, told };
    let (done, deletes) = match &spec.removal_policy.action {
        RemovalAction::Leave => return stays(Told::new("", "its record is left as it is")),
        RemovalAction::Mark { .. } => ("marked", false),
        RemovalAction::Delete => ("deleted", true),
    };
    if row.flags & flag::LINKED == 0 {
        return stays(if deletes && row.flags & flag::REMOVED != 0 {
            Told::new("REMOVED_IN_KANDJI", "it has no record, and none is made for it")
        } else {
            Told::new("", "it has no record")
        });
    }
    if !deletes && row.flags & flag::MARKED != 0 {
        return stays(Told::new("", "its record is marked"));
    }
    if deletes && !row.created_by_us {
        return stays(Told::new("", "its record stays: only records that the import created are deleted"));
    }
    if row.removal_held {
        let message = format!("its record would be {done} with many others: that is held until it is approved");
        return Fate { kind: FateKind::Held, told: Told::new(reason::HELD, message) };
    }
    let message = match due {
        Due::Now => format!("the next sync has its record {done}"),
        Due::Absent(from) => {
            format!("its record is {done} if a complete read from {} on does not bring it either", shown(from))
        }
    };
    Fate { kind: FateKind::Removed, told: Told::new("", message) }
}

/// A time as a message shows it: whole seconds.
pub(crate) fn shown(time: Micros) -> String {
    let second = jiff::Timestamp::from_second(time.timestamp().as_second());
    second.unwrap_or_else(|_| time.timestamp()).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pandaport_import::{IdentifierPair, SourceField};
    use rstest::rstest;

    use super::*;

    fn mark() -> RemovalAction {
        RemovalAction::Mark { column_id: "c".into(), value: "retired".into(), unmark_value: None }
    }

    fn spec(action: RemovalAction) -> MappingSpec {
        let pair = IdentifierPair { source_field: SourceField::SerialNumber, column_id: "s".into() };
        let mut spec = MappingSpec::new(pair, Vec::new());
        spec.removal_policy.action = action;
        spec.removal_policy.min_absence = Duration::from_secs(7_200);
        spec
    }

    fn device(state: DeviceState, flags: i64) -> Device {
        Device {
            device_id: "d".into(),
            identifier: Some("S1".into()),
            serial_number: Some("S1".into()),
            record_id: Some("r".into()),
            state,
            flags,
            absent_since: None,
            created_by_us: true,
            removal_held: false,
            deleted_held: false,
            reason: None,
            message: None,
            rejected_time: None,
            last_seen_time: None,
            last_confirmed_time: None,
        }
    }

    /// 2026-11-20T09:14:02Z.
    const SINCE: Micros = Micros(1_795_166_042_000_000);

    #[rstest]
    #[case(RemovalAction::Leave, 1, "its record is left as it is")]
    #[case(mark(), 1, "its record is marked if a complete read from 2026-11-20T11:14:02Z on does not bring it either")]
    #[case(mark(), 65, "its record is marked")]
    #[case(
        RemovalAction::Delete,
        1,
        "its record is deleted if a complete read from 2026-11-20T11:14:02Z on does not bring it either"
    )]
    fn rule_10_a_device_that_is_gone_says_since_when_and_what_becomes_of_its_record(
        #[case] action: RemovalAction,
        #[case] flags: i64,
        #[case] fate: &str,
    ) {
        let gone = Device { absent_since: Some(SINCE), ..device(DeviceState::Gone, flags) };
        let expected = format!("absent from Kandji since 2026-11-20T09:14:02Z; {fate}");
        assert_eq!(told(&gone, &spec(action)), Told::new("", expected));
    }

    #[test]
    fn rule_10_a_record_that_was_adopted_is_never_deleted() {
        let gone = Device { created_by_us: false, ..device(DeviceState::Gone, 17) };
        let message = told(&gone, &spec(RemovalAction::Delete)).message;
        assert!(message.contains("only records that the import created are deleted"), "{message}");
        assert!(told(&gone, &spec(mark())).message.contains("the next sync has its record marked"));
    }

    #[test]
    fn rule_11_what_the_brake_holds_is_said() {
        let gone = Device { absent_since: Some(SINCE), removal_held: true, ..device(DeviceState::Gone, 1) };
        let gone = told(&gone, &spec(mark()));
        assert_eq!(gone.reason, "HELD");
        assert!(gone.message.contains("held until it is approved"), "{gone:?}");
        let deleted = Device { deleted_held: true, ..device(DeviceState::Current, 129) };
        assert_eq!(told(&deleted, &spec(mark())).reason, "HELD");
    }

    #[test]
    fn a_device_that_is_left_out_says_by_what_and_what_becomes_of_its_record() {
        let left_out = Device {
            reason: Some("FILTERED".into()),
            message: Some("filtered by tags".into()),
            ..device(DeviceState::Filtered, 33)
        };
        let mut spec = spec(RemovalAction::Delete);
        assert_eq!(told(&left_out, &spec), Told::new("FILTERED", "filtered by tags; its record is left as it is"));
        spec.on_filtered = OnFiltered::AsRemoved;
        let message = told(&left_out, &spec).message;
        assert_eq!(message, "filtered by tags; the next sync has its record deleted");
        let without = Device { flags: 32, ..left_out };
        assert_eq!(told(&without, &spec).message, "filtered by tags");
    }
}
