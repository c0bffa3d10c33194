//! Connections: configure, look.

mod settings;

use pandaport_api::v1 as proto;
use pandaport_store::connections::{
    self, AssetPandaKey, Connection, ConnectionState, Credentials, NewConnection, NewSecrets,
};
use pandaport_store::{Conflict, ConnectionId, Micros, StoreError, Tenant};

use crate::control_plane::{Caller, ControlPlane};
use crate::errors::{CallError, Result};
use crate::paging::Page;
use crate::requests::Repeatable;
use crate::test_connection::{self, Target, Tested};
use crate::validate::Violations;
use crate::{convert, etag, reason};

use settings::{Entered, Resolved, Stored};

impl ControlPlane {
    pub(crate) async fn configure_connection(
        &self,
        caller: &Caller,
        request: proto::ConfigureConnectionRequest,
    ) -> Result<proto::ConfigureConnectionResponse> {
        let mut violations = Violations::default();
        let connection_id = violations.optional_id("connection_id", &request.connection_id).map(ConnectionId);
        let repeatable = self.repeatable(&mut violations, caller, "ConfigureConnection", &request.request_id, &request);
        let (verify, etag) = (request.verify, request.etag.clone());
        etag::read(&mut violations, &etag);
        if connection_id.is_none() && !etag.is_empty() {
            violations
                .malformed("etag", "Only a connection that is there has one: leave it out, or set connection_id.");
        }
        let entered = Entered::read(&mut violations, request, connection_id.is_none(), self.upstream.allowed_hosts());
        violations.check()?;
        repeatable.once(Box::pin(self.configure(caller, &repeatable, connection_id, entered, (verify, &etag)))).await
    }

    async fn configure(
        &self,
        caller: &Caller,
        repeatable: &Repeatable,
        connection_id: Option<ConnectionId>,
        entered: Entered,
        (verify, etag): (bool, &str),
    ) -> Result<proto::ConfigureConnectionResponse> {
        let stored = match connection_id {
            Some(id) => Some(Stored {
                row: connections::get(&self.store, &caller.tenant, id).await?,
                secrets: connections::open_secrets(&self.store, &caller.tenant, id).await?,
            }),
            None => None,
        };
        if let Some(stored) = &stored {
            etag::check("connection", etag, &stored.row.version.to_string())?;
        }
        let resolved = entered.resolve(stored.as_ref(), self.upstream.allowed_hosts())?;
        let tested = if verify { Some(self.try_out(&caller.tenant, &resolved).await?) } else { None };
        let row = stored.map(|it| it.row);

        let mut answer = proto::ConfigureConnectionResponse { saved: true, ..Default::default() };
        let mut tx = self.store.begin_write().await?;
        if tested.as_ref().is_some_and(|it| !it.checks.passed()) {
            answer.saved = false;
            if let Some(audited) = &caller.audited {
                audited.note(reason::NOT_SAVED);
            }
            answer.connection = row.map(convert::connection);
        } else {
            let saved = self.save(&mut tx, caller, row, resolved, tested.as_ref()).await?;
            answer.connection = Some(convert::connection(saved));
        }
        if let Some(tested) = tested {
            answer.result = tested.checks.result().into();
            answer.checks = tested.checks.into_proto();
        }
        self.finish(tx, caller, repeatable, &answer).await?;
        Ok(answer)
    }

    async fn try_out(&self, tenant: &Tenant, resolved: &Resolved) -> Result<Tested> {
        let clients = self.upstream.open_settings(tenant, resolved.to_open(), None)?;
        Ok(test_connection::run(Target {
            clients,
            region_guessed: resolved.kandji_host.region_guessed(),
            asset_panda_url: resolved.asset_panda_url.to_string(),
            account_id: resolved.account_id.clone(),
            module_id: resolved.module_id.clone(),
        })
        .await)
    }

    /// Creates the connection, or changes the stored one; after a passed test it is VERIFIED.
    async fn save(
        &self,
        tx: &mut pandaport_store::Tx,
        caller: &Caller,
        stored: Option<Connection>,
        resolved: Resolved,
        passed: Option<&Tested>,
    ) -> Result<Connection> {
        let now = Micros::now();
        let keyring = self.store.keyring()?;
        let chosen = passed.and_then(|tested| tested.scope.clone()).map(|scope| (scope.account_id, scope.module_id));
        let (account_id, module_id) = match chosen {
            Some((account_id, module_id)) => (Some(account_id), Some(module_id)),
            None => (resolved.account_id.clone(), resolved.module_id.clone()),
        };
        let kandji_api_url = resolved.kandji_host.to_string();
        let kandji_customer = resolved.kandji_host.customer_key();
        let asset_panda_base_url = resolved.asset_panda_url.to_string();

        let Some(stored) = stored else {
            let new = NewConnection {
                connection_id: ConnectionId::new(now),
                display_name: resolved.display_name,
                kandji_base_url: resolved.kandji_base_url,
                kandji_api_url,
                kandji_customer,
                asset_panda_base_url,
                account_id,
                module_id,
                credentials: Credentials {
                    kandji_token: resolved.kandji_token.secret,
                    asset_panda: resolved.asset_panda_key.secret,
                },
                verified: passed.is_some(),
            };
            return Ok(connections::insert(tx, keyring, &caller.tenant, &new, now).await?);
        };

        let secrets = NewSecrets {
            kandji_token: resolved.kandji_token.entered(),
            asset_panda: resolved.asset_panda_key.entered(),
        };
        let changed = Connection {
            display_name: resolved.display_name,
            kandji_base_url: resolved.kandji_base_url,
            kandji_api_url,
            kandji_customer,
            asset_panda_base_url,
            account_id,
            module_id,
            ..stored.clone()
        };
        let changed = if passed.is_some() {
            test_connection::verified(changed, now)
        } else if leads_as_before(&stored, &changed, &secrets) {
            changed
        } else {
            Connection {
                state: ConnectionState::Unverified,
                state_reason: String::new(),
                refused_since: None,
                ..changed
            }
        };
        match connections::update(tx, keyring, &caller.tenant, &changed, &secrets, now).await {
            Err(StoreError::Conflict { what: Conflict::ConnectionInUse, message }) => Err(CallError::ConnectionInUse {
                message: message.into_owned(),
                fields: ends_changed(&stored, &changed),
            }),
            saved => Ok(saved?),
        }
    }

    pub(crate) async fn get_connection(
        &self,
        caller: &Caller,
        request: proto::GetConnectionRequest,
    ) -> Result<proto::GetConnectionResponse> {
        let mut violations = Violations::default();
        let id = ConnectionId(violations.id("connection_id", &request.connection_id));
        violations.check()?;
        let row = connections::get(&self.store, &caller.tenant, id).await?;
        Ok(proto::GetConnectionResponse { connection: Some(convert::connection(row)) })
    }

    pub(crate) async fn list_connections(
        &self,
        caller: &Caller,
        request: proto::ListConnectionsRequest,
    ) -> Result<proto::ListConnectionsResponse> {
        let mut violations = Violations::default();
        let bare = proto::ListConnectionsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let page = Page::read(&mut violations, "ListConnections", &bare, request.page_size, &request.page_token);
        let states = violations.filter("states", &request.states, convert::stored_connection_state);
        violations.check()?;
        let (after, limit) = (page.after_id().map(ConnectionId), page.rows_to_read());
        let mut rows = connections::list(&self.store, &caller.tenant, &states, after, limit).await?;
        let next_page_token = page.cut(&mut rows, |row| row.connection_id.to_string());
        let connections = rows.into_iter().map(convert::connection).collect();
        Ok(proto::ListConnectionsResponse { connections, next_page_token })
    }
}

/// The fields that would make a connection lead elsewhere.
fn ends_changed(stored: &Connection, changed: &Connection) -> Vec<&'static str> {
    [
        (stored.kandji_customer != changed.kandji_customer, "kandji.base_url"),
        (stored.asset_panda_base_url != changed.asset_panda_base_url, "asset_panda.base_url"),
        (stored.account_id != changed.account_id, "asset_panda.account_id"),
        (stored.module_id != changed.module_id, "asset_panda.module_id"),
    ]
    .into_iter()
    .filter_map(|(differs, field)| differs.then_some(field))
    .collect()
}

/// Whether nothing changed that a test looks at: the state then still holds.
fn leads_as_before(stored: &Connection, changed: &Connection, secrets: &NewSecrets) -> bool {
    let ends = |it: &Connection| {
        let (kandji, asset_panda) = (it.kandji_api_url.clone(), it.asset_panda_base_url.clone());
        (kandji, asset_panda, it.account_id.clone(), it.module_id.clone())
    };
    secrets.kandji_token.is_none() && secrets.asset_panda.is_none() && ends(stored) == ends(changed)
}

/// A secret, and whether the call brought it or it was stored before.
#[derive(Clone)]
struct Given<T> {
    secret: T,
    new: bool,
}

impl<T> Given<T> {
    fn entered(self) -> Option<T> {
        self.new.then_some(self.secret)
    }
}

type GivenKey = Given<AssetPandaKey>;
