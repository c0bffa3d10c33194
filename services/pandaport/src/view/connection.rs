//! Connections and their checks.

use pandaport_api::v1;
use serde::Serialize;

use super::well_known::{length, time};

/// `pandaport.v1.Connection`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionView<'a> {
    connection_id: &'a str,
    display_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kandji: Option<Kandji<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asset_panda: Option<AssetPanda<'a>>,
    state: &'a str,
    state_reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_time: Option<String>,
    etag: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Kandji<'a> {
    base_url: &'a str,
    api_url: &'a str,
    token_hint: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AssetPanda<'a> {
    base_url: &'a str,
    account_id: &'a str,
    module_id: &'a str,
    key_hint: &'a str,
}

impl<'a> From<&'a v1::Connection> for ConnectionView<'a> {
    fn from(it: &'a v1::Connection) -> Self {
        Self {
            connection_id: &it.connection_id,
            display_name: &it.display_name,
            kandji: it.kandji.as_ref().map(|it| Kandji {
                base_url: &it.base_url,
                api_url: &it.api_url,
                token_hint: &it.token_hint,
            }),
            asset_panda: it.asset_panda.as_ref().map(|it| AssetPanda {
                base_url: &it.base_url,
                account_id: &it.account_id,
                module_id: &it.module_id,
                key_hint: &it.key_hint,
            }),
            state: it.state().as_str_name(),
            state_reason: &it.state_reason,
            verify_time: time(it.verify_time.as_ref()),
            create_time: time(it.create_time.as_ref()),
            update_time: time(it.update_time.as_ref()),
            etag: &it.etag,
        }
    }
}

/// `pandaport.v1.Check`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckView<'a> {
    name: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
    hint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<String>,
}

impl<'a> From<&'a v1::Check> for CheckView<'a> {
    fn from(it: &'a v1::Check) -> Self {
        Self {
            name: &it.name,
            status: it.status().as_str_name(),
            reason: &it.reason,
            message: &it.message,
            hint: &it.hint,
            latency: length(it.latency.as_ref()),
        }
    }
}

/// `pandaport.v1.ConfigureConnectionResponse`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfiguredView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionView<'a>>,
    checks: Vec<CheckView<'a>>,
    result: &'a str,
    saved: bool,
}

impl<'a> From<&'a v1::ConfigureConnectionResponse> for ConfiguredView<'a> {
    fn from(it: &'a v1::ConfigureConnectionResponse) -> Self {
        Self {
            connection: it.connection.as_ref().map(Into::into),
            checks: it.checks.iter().map(Into::into).collect(),
            result: it.result().as_str_name(),
            saved: it.saved,
        }
    }
}

/// `pandaport.v1.TestConnectionResponse`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestedView<'a> {
    result: &'a str,
    checks: Vec<CheckView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionView<'a>>,
}

impl<'a> From<&'a v1::TestConnectionResponse> for TestedView<'a> {
    fn from(it: &'a v1::TestConnectionResponse) -> Self {
        Self {
            result: it.result().as_str_name(),
            checks: it.checks.iter().map(Into::into).collect(),
            connection: it.connection.as_ref().map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_as_protobuf_json() {
        let connection = v1::Connection {
            connection_id: "c-1".into(),
            display_name: "Example Org".into(),
            state: v1::ConnectionState::Verified.into(),
            verify_time: Some(prost_types::Timestamp { seconds: 1_795_166_042, nanos: 500_000_000 }),
            kandji: Some(v1::KandjiEndpoint {
                api_url: "https://example.api.kandji.io".into(),
                ..v1::KandjiEndpoint::default()
            }),
            ..v1::Connection::default()
        };
        insta::assert_snapshot!(super::super::json(&ConnectionView::from(&connection)), @r#"
        {
          "connectionId": "c-1",
          "displayName": "Example Org",
          "kandji": {
            "baseUrl": "",
            "apiUrl": "https://example.api.kandji.io",
            "tokenHint": ""
          },
          "state": "CONNECTION_STATE_VERIFIED",
          "stateReason": "",
          "verifyTime": "2026-11-20T09:14:02.5Z",
          "etag": ""
        }
        "#);
    }
}
