//! Connections.

use pandaport_api::v1 as proto;
use pandaport_store::connections::{Connection, ConnectionState};

use super::time;

pub(crate) fn connection(row: Connection) -> proto::Connection {
    proto::Connection {
        connection_id: row.connection_id.to_string(),
        display_name: row.display_name,
        kandji: Some(proto::KandjiEndpoint {
            base_url: row.kandji_base_url,
            api_url: row.kandji_api_url,
            token_hint: row.kandji_token_hint,
        }),
        asset_panda: Some(proto::AssetPandaEndpoint {
            base_url: row.asset_panda_base_url,
            account_id: row.account_id.unwrap_or_default(),
            module_id: row.module_id.unwrap_or_default(),
            key_hint: row.asset_panda_key_hint,
        }),
        state: connection_state(row.state).into(),
        state_reason: row.state_reason,
        verify_time: row.verify_time.map(time),
        create_time: Some(time(row.create_time)),
        update_time: Some(time(row.update_time)),
        etag: row.version.to_string(),
    }
}

fn connection_state(state: ConnectionState) -> proto::ConnectionState {
    match state {
        ConnectionState::Unverified => proto::ConnectionState::Unverified,
        ConnectionState::Verified => proto::ConnectionState::Verified,
        ConnectionState::Failing => proto::ConnectionState::Failing,
    }
}

/// The stored state that a filter names; `None`: UNSPECIFIED, which no connection has.
pub(crate) fn stored_connection_state(state: proto::ConnectionState) -> Option<ConnectionState> {
    ConnectionState::ALL.iter().copied().find(|it| connection_state(*it) == state)
}
