//! Rows that go in one call, on their way there and back.

use pandaport_asset_panda::{Batch, NewRecord, RecordChange, RowResult, ScopedClient};
use pandaport_import::identifier_key;
use pandaport_outbound::{Effect, ErrorKind, SendError};
use pandaport_store::Micros;
use pandaport_store::engine::{Intent, ReadyRow};

use crate::plan::{IntentPayload, WritePlan, json};
use crate::run::Run;

/// Batches in flight at once.
pub(super) const IN_FLIGHT: usize = 8;
/// Rows in a batch: the API's limit.
pub(super) const ROWS: usize = 5;

/// Rows that go in one call.
pub(super) struct Outgoing {
    pub(super) create: bool,
    pub(super) rows: Vec<(ReadyRow, WritePlan)>,
}

/// A batch with its answer.
pub(super) struct Sent {
    pub(super) batch: Outgoing,
    pub(super) result: Result<Vec<RowResult>, SendError>,
}

impl Outgoing {
    pub(super) async fn send(self, asset_panda: &ScopedClient, collection_id: &str) -> Sent {
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

/// What is written down before a create leaves (rule 3).
pub(super) fn intent(run: &Run, row: &ReadyRow, plan: &WritePlan, now: Micros, refused: Option<String>) -> Intent {
    let payload = IntentPayload {
        plan: plan.clone(),
        revision: run.slice.row.revision,
        fingerprint: row.fingerprint.clone(),
        last_enrollment: row.last_enrollment,
        last_check_in: row.last_check_in,
        refused,
        sent_before: row.attempts > 0,
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
