//! Alerts.

use pandaport_api::v1;
use serde::Serialize;

use super::CheckView;
use super::well_known::time;

/// `pandaport.v1.Alerts`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertsView<'a> {
    url: &'a str,
    secret_hint: &'a str,
    enabled: bool,
    waiting_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_delivered_time: Option<String>,
    last_error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_time: Option<String>,
    etag: &'a str,
}

impl<'a> From<&'a v1::Alerts> for AlertsView<'a> {
    fn from(it: &'a v1::Alerts) -> Self {
        Self {
            url: &it.url,
            secret_hint: &it.secret_hint,
            enabled: it.enabled,
            waiting_count: it.waiting_count,
            last_delivered_time: time(it.last_delivered_time.as_ref()),
            last_error: &it.last_error,
            last_error_time: time(it.last_error_time.as_ref()),
            create_time: time(it.create_time.as_ref()),
            update_time: time(it.update_time.as_ref()),
            etag: &it.etag,
        }
    }
}

/// `pandaport.v1.TestAlertsResponse`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestedAlertsView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<CheckView<'a>>,
    http_status: u32,
    alert_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<AlertsView<'a>>,
}

impl<'a> From<&'a v1::TestAlertsResponse> for TestedAlertsView<'a> {
    fn from(it: &'a v1::TestAlertsResponse) -> Self {
        Self {
            check: it.check.as_ref().map(Into::into),
            http_status: it.http_status,
            alert_id: &it.alert_id,
            alerts: it.alerts.as_ref().map(Into::into),
        }
    }
}
