//! How the installation does.

use pandaport_api::v1;
use serde::Serialize;

use super::well_known::{length, time};

/// `pandaport.v1.GetStatusResponse`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusView<'a> {
    version: &'a str,
    schema_version: u32,
    made_for_schema_version: u32,
    workers: Vec<Worker>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<Queue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Tenant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Worker {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_time: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    waiting: u32,
    running: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_age: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tenant {
    connections: u32,
    mappings: u32,
    active_syncs: u32,
}

impl<'a> From<&'a v1::GetStatusResponse> for StatusView<'a> {
    fn from(it: &'a v1::GetStatusResponse) -> Self {
        Self {
            version: &it.version,
            schema_version: it.schema_version,
            made_for_schema_version: it.made_for_schema_version,
            workers: it
                .workers
                .iter()
                .map(|it| Worker {
                    start_time: time(it.start_time.as_ref()),
                    last_seen_time: time(it.last_seen_time.as_ref()),
                })
                .collect(),
            queue: it.queue.as_ref().map(|it| Queue {
                waiting: it.waiting,
                running: it.running,
                oldest_age: length(it.oldest_age.as_ref()),
            }),
            tenant: it.tenant.as_ref().map(|it| Tenant {
                connections: it.connections,
                mappings: it.mappings,
                active_syncs: it.active_syncs,
            }),
            time: time(it.time.as_ref()),
        }
    }
}
