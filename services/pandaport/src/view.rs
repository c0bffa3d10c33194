//! What scripts see with `--json`: the contract's messages as JSON, in the names and forms that protobuf's own JSON has
//! (`syncId`, `SYNC_STATE_QUEUED`, `2026-11-20T09:14:02Z`, `900s`). Unset messages and times are left out; numbers, texts
//! and lists are always there.

mod alerts;
mod audit;
mod catalog;
mod connection;
mod deleted;
mod explain;
mod held;
mod mapping;
mod status;
mod suggestion;
mod sync;
mod well_known;

pub use alerts::{AlertsView, TestedAlertsView};
pub use audit::AuditEventView;
pub use catalog::{CollectionView, ColumnView, ModuleView, SourceFieldView};
pub use connection::{CheckView, ConfiguredView, ConnectionView, TestedView};
pub use deleted::DeletedView;
pub use explain::ExplainedView;
pub use held::HeldView;
pub use mapping::{MappingView, SavedMappingView, WarningView};
pub use status::StatusView;
pub use suggestion::SuggestionView;
pub use sync::{DeviceView, RecordView, SyncView, TriggeredView};

use serde::Serialize;

/// One message as JSON text, over several lines.
///
/// # Panics
/// Never: a view holds nothing that JSON can't.
#[must_use]
pub fn json<T: Serialize>(view: &T) -> String {
    serde_json::to_string_pretty(view).expect("views hold text, numbers and lists only")
}

/// One message as JSON text, on one line: for streams.
///
/// # Panics
/// As [`json`]: never.
#[must_use]
pub fn json_line<T: Serialize>(view: &T) -> String {
    serde_json::to_string(view).expect("views hold text, numbers and lists only")
}
