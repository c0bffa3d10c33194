//! Devices.

use pandaport_api::v1 as proto;
use pandaport_store::devices::{Device, DeviceState};

use super::time;
use crate::standing::Told;

/// A device, with why it is in its state.
pub(crate) fn device(row: Device, told: Told) -> proto::Device {
    proto::Device {
        device_id: row.device_id,
        identifier: row.identifier.unwrap_or_default(),
        serial_number: row.serial_number.unwrap_or_default(),
        record_id: row.record_id.unwrap_or_default(),
        state: device_state(row.state).into(),
        reason: told.reason,
        message: told.message,
        last_seen_time: row.last_seen_time.map(time),
        last_confirmed_time: row.last_confirmed_time.map(time),
        absent_since: row.absent_since.map(time),
    }
}

fn device_state(state: DeviceState) -> proto::DeviceState {
    match state {
        DeviceState::Current => proto::DeviceState::Current,
        DeviceState::Rejected => proto::DeviceState::Rejected,
        DeviceState::InFlight => proto::DeviceState::InFlight,
        DeviceState::Gone => proto::DeviceState::Gone,
        DeviceState::Filtered => proto::DeviceState::Filtered,
    }
}

/// The stored state that a filter names; `None`: UNSPECIFIED, which no device has.
pub(crate) fn stored_device_state(state: proto::DeviceState) -> Option<DeviceState> {
    DeviceState::ALL.iter().copied().find(|it| device_state(*it) == state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_state_has_one_of_the_contract_and_leads_back() {
        for state in DeviceState::ALL {
            assert_eq!(stored_device_state(device_state(*state)), Some(*state));
        }
        assert_eq!(stored_device_state(proto::DeviceState::Unspecified), None);
    }
}
