//! What the brake holds.

use pandaport_api::v1 as proto;
use pandaport_store::held::{Held, HeldChange, HeldKind};

use super::{count, time};

pub(crate) fn held(stored: Held) -> proto::Held {
    proto::Held {
        removals: count(stored.removals),
        deleted: count(stored.deleted),
        clears: count(stored.clears),
        sample: stored.sample.into_iter().map(change).collect(),
        digest: stored.digest,
        since: Some(time(stored.since)),
    }
}

fn change(stored: HeldChange) -> proto::HeldChange {
    let kind = match stored.kind {
        HeldKind::Removal => proto::HeldKind::Removal,
        HeldKind::Deleted => proto::HeldKind::Deleted,
        HeldKind::Clear => proto::HeldKind::Clear,
    };
    proto::HeldChange {
        kind: kind.into(),
        device_id: stored.device_id,
        serial_number: stored.serial_number.unwrap_or_default(),
        identifier: stored.identifier.unwrap_or_default(),
        record_id: stored.record_id.unwrap_or_default(),
        column_id: stored.column_id,
    }
}
