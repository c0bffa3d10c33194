//! How the installation does.

use pandaport_api::v1::GetStatusResponse;

use super::table::sheet;
use super::text::number;
use super::time::{duration, length, moment};

/// A line for each thing.
#[must_use]
pub fn status(width: Option<u16>, it: &GetStatusResponse) -> String {
    let queue = it.queue.unwrap_or_default();
    let tenant = it.tenant.unwrap_or_default();
    let workers = match it.workers.first() {
        None => "none is alive: start pandaport-worker, or `pandaport up`".to_owned(),
        Some(oldest) => {
            format!("{} alive, the first since {}", it.workers.len(), moment(oldest.start_time.as_ref()))
        }
    };
    let waiting = match (queue.waiting, &queue.oldest_age) {
        (0, _) | (_, None) => "nothing waits".to_owned(),
        (waiting, Some(age)) => format!("{} wait, the first for {}", number(waiting.into()), length(duration(age))),
    };
    let schema = match it.schema_version == it.made_for_schema_version {
        true => it.schema_version.to_string(),
        false => format!("{}; this control plane was made for {}", it.schema_version, it.made_for_schema_version),
    };
    let lines = [
        ("Version", it.version.clone()),
        ("Schema", schema),
        ("Workers", workers),
        ("Queue", format!("{waiting}, {} at work", number(queue.running.into()))),
        ("Connections", number(tenant.connections.into())),
        ("Mappings", number(tenant.mappings.into())),
        ("Active syncs", number(tenant.active_syncs.into())),
    ];
    sheet(width, &lines)
}

#[cfg(test)]
mod tests {
    use pandaport_api::v1::{QueueStatus, TenantStatus, WorkerStatus};

    use super::*;

    #[test]
    fn a_status_is_shown() {
        let busy = GetStatusResponse {
            version: "1.2.3".into(),
            schema_version: 8,
            made_for_schema_version: 7,
            workers: vec![WorkerStatus {
                start_time: Some(prost_types::Timestamp { seconds: 1_795_166_042, nanos: 0 }),
                last_seen_time: None,
            }],
            queue: Some(QueueStatus {
                waiting: 1_200,
                running: 4,
                oldest_age: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
            }),
            tenant: Some(TenantStatus { connections: 1, mappings: 2, active_syncs: 3 }),
            time: None,
        };
        insta::assert_snapshot!(status(None, &busy), @r"
        Version       1.2.3
        Schema        8; this control plane was made for 7
        Workers       1 alive, the first since 2026-11-20T09:14:02Z
        Queue         1,200 wait, the first for 1 min 30 s, 4 at work
        Connections   1
        Mappings      2
        Active syncs  3
        ");
        assert!(status(None, &GetStatusResponse::default()).contains("none is alive"));
    }
}
