//! TestConnection: real checks of both ends of a connection, each told apart from the others and with a hint.

mod asset_panda;
mod check;
mod kandji;

use pandaport_api::v1 as proto;
use pandaport_asset_panda::Scope;
use pandaport_kandji::KandjiHost;
use pandaport_store::connections::{self, Connection, ConnectionState, NewSecrets};
use pandaport_store::{ConnectionId, Micros, Tx};
use pandaport_upstream::{Clients, OpenError};

pub(crate) use check::{Check, Checks};

use crate::control_plane::{Caller, ControlPlane};
use crate::errors::Result;
use crate::validate::Violations;
use crate::{convert, reason};

/// What a test of a connection came to.
pub(crate) struct Tested {
    pub(crate) checks: Checks,
    /// The account and module: the ones asked for, or the only ones there are.
    pub(crate) scope: Option<Scope>,
}

/// What is tested.
pub(crate) struct Target {
    pub(crate) clients: Clients,
    /// Whether the Kandji region is a guess: if the host does not answer, that is the first thing to look at.
    pub(crate) region_guessed: bool,
    /// Asset Panda's host or URL, for messages.
    pub(crate) asset_panda_url: String,
    pub(crate) account_id: Option<String>,
    pub(crate) module_id: Option<String>,
}

impl ControlPlane {
    pub(crate) async fn test_connection(
        &self,
        caller: &Caller,
        request: proto::TestConnectionRequest,
    ) -> Result<proto::TestConnectionResponse> {
        let mut violations = Violations::default();
        let connection_id = ConnectionId(violations.id("connection_id", &request.connection_id));
        violations.check()?;

        let connection = connections::get(&self.store, &caller.tenant, connection_id).await?;
        let tested = match self.upstream.open(&caller.tenant, connection_id.0, None).await {
            Ok(clients) => {
                let guessed = KandjiHost::parse(&connection.kandji_base_url, self.upstream.allowed_hosts())
                    .is_ok_and(|host| host.region_guessed());
                let (account_id, module_id) = (connection.account_id.clone(), connection.module_id.clone());
                let asset_panda_url = connection.asset_panda_base_url.clone();
                run(Target { clients, region_guessed: guessed, asset_panda_url, account_id, module_id }).await
            }
            Err(OpenError::Kandji(error)) => not_allowed("kandji_reachable", &error.to_string()),
            Err(OpenError::AssetPanda(error)) => not_allowed("asset_panda_reachable", &error.to_string()),
            Err(other) => return Err(other.into()),
        };

        let mut tx = self.store.begin_write().await?;
        let connection = self.record(&mut tx, caller, &connection, &tested).await?;
        self.commit(tx, caller).await?;
        Ok(proto::TestConnectionResponse {
            result: tested.checks.result().into(),
            checks: tested.checks.into_proto(),
            connection: Some(convert::connection(connection)),
        })
    }

    /// Makes the result of a test the state of its connection, unless the connection was changed meanwhile, or the result
    /// says nothing of it.
    async fn record(&self, tx: &mut Tx, caller: &Caller, before: &Connection, tested: &Tested) -> Result<Connection> {
        let (tenant, id, now) = (&caller.tenant, before.connection_id, Micros::now());
        let stored = connections::get_in(tx, tenant, id).await?;
        if stored.version != before.version {
            return Ok(stored);
        }
        if tested.checks.passed() {
            let chosen = tested.scope.as_ref().map(|scope| (scope.account_id.clone(), scope.module_id.clone()));
            let present = stored.account_id.clone().zip(stored.module_id.clone());
            if chosen == present {
                connections::verified(tx, tenant, id, now).await?;
                return Ok(connections::get_in(tx, tenant, id).await?);
            }
            let (account_id, module_id) = chosen.unzip();
            let keyring = self.store.keyring()?;
            let changed = verified(Connection { account_id, module_id, ..stored }, now);
            return Ok(connections::update(tx, keyring, tenant, &changed, &NewSecrets::default(), now).await?);
        }
        let Some(reason) = tested.checks.reason_to_fail(stored.state) else { return Ok(stored) };
        connections::failing(tx, tenant, id, reason, now).await?;
        Ok(connections::get_in(tx, tenant, id).await?)
    }
}

/// The connection in the state that a passed test gives it.
pub(crate) fn verified(connection: Connection, now: Micros) -> Connection {
    Connection {
        state: ConnectionState::Verified,
        state_reason: String::new(),
        verify_time: Some(now),
        refused_since: None,
        ..connection
    }
}

/// Runs all checks, both ends at once.
pub(crate) async fn run(target: Target) -> Tested {
    let kandji = kandji::run(&target.clients.kandji, target.region_guessed);
    let asset_panda_host = check::host_of(&target.asset_panda_url);
    let asset_panda =
        asset_panda::run(&target.clients.asset_panda, asset_panda_host, target.account_id, target.module_id);
    let (mut checks, (others, scope)) = tokio::join!(kandji, asset_panda);
    checks.append(others);
    target.clients.release().await;
    Tested { checks, scope }
}

fn not_allowed(name: &'static str, message: &str) -> Tested {
    let hint = "Enter the API's own URL, or ask the operator to allow the host (PANDAPORT_ALLOWED_HOSTS).";
    let mut checks = Checks::default();
    for it in kandji::NAMES.iter().chain(asset_panda::NAMES) {
        checks.push(if *it == name {
            Check::failed(name, reason::HOST_NOT_ALLOWED, message, hint)
        } else {
            Check::skipped(it, "Not looked at: the connection can't be opened.")
        });
    }
    Tested { checks, scope: None }
}
