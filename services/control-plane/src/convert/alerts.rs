//! Alerts.

use pandaport_api::v1 as proto;
use pandaport_store::alert_targets::Target;

use super::{count, time};

/// A tenant's alerts; `None`: nothing was configured yet.
pub(crate) fn alerts(target: Option<Target>, waiting: i64) -> proto::Alerts {
    let Some(target) = target else { return proto::Alerts::default() };
    proto::Alerts {
        url: target.url,
        secret_hint: target.secret_hint,
        enabled: target.enabled,
        waiting_count: count(waiting),
        last_delivered_time: target.last_delivered_time.map(time),
        last_error: target.last_error.unwrap_or_default(),
        last_error_time: target.last_error_time.map(time),
        create_time: Some(time(target.create_time)),
        update_time: Some(time(target.update_time)),
        etag: target.version.to_string(),
    }
}
