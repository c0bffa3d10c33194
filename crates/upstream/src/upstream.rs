//! Connections, opened.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use pandaport_asset_panda::{AssetPandaClient, BaseUrl, BaseUrlError, Credentials, Scope, ScopedClient};
use pandaport_kandji::{HostError, KandjiClient, KandjiHost};
use pandaport_outbound::{AllowedHosts, Outbound};
use pandaport_store::{ConnectionId, Store, StoreError, Tenant, connections};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::budget::Budget;
use crate::calls::{Api, CallCounter};
use crate::clock::{Clock, DatabaseClock};
use crate::guard::Guard;
use crate::limits::{BudgetSettings, Limit};
use crate::permit::CallPermit;
use crate::tenant_budget::TenantBudget;

/// Opens connections. One per process: all that it opens share the HTTP connections and the budgets. Cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    http: Outbound,
    allowed: AllowedHosts,
    settings: BudgetSettings,
    clock: Arc<dyn Clock>,
    budgets: Mutex<Budgets>,
}

#[derive(Default)]
struct Budgets {
    /// By the names of the APIs. They stay: there are as many as there are Kandji customers.
    of_apis: HashMap<String, Arc<Budget>>,
    /// Those that somebody uses.
    of_tenants: HashMap<(String, Tenant), Arc<TenantBudget>>,
}

/// The two ends of a connection, ready to be called.
#[derive(Clone)]
pub struct Clients {
    /// Kandji.
    pub kandji: KandjiClient,
    /// Asset Panda as the whole key sees it.
    pub asset_panda: AssetPandaClient,
    /// Asset Panda within the connection's account and module; `None` until both are chosen. See [`Clients::scoped`].
    pub collection_scope: Option<ScopedClient>,
    /// The attempts that these clients make.
    pub calls: Arc<CallCounter>,
    budgets: Arc<Held>,
}

/// The settings of a connection that need not be stored.
#[derive(Clone)]
pub struct ConnectionSettings {
    /// The Kandji end.
    pub kandji_host: KandjiHost,
    /// Kandji's API token.
    pub kandji_token: SecretString,
    /// The Asset Panda end.
    pub asset_panda_url: BaseUrl,
    /// Asset Panda's API key.
    pub asset_panda_key: Credentials,
    /// The account and module, if both are chosen.
    pub scope: Option<Scope>,
}

/// Why a connection can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such connection, its secrets can't be opened, or the database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Kandji's host may not be called, or not any more.
    #[error("the connection's Kandji host can't be used: {0}")]
    Kandji(#[from] HostError),
    /// Asset Panda's host may not be called, or not any more.
    #[error("the connection's Asset Panda host can't be used: {0}")]
    AssetPanda(#[from] BaseUrlError),
    /// The account or the module is missing.
    #[error(
        "the connection's Asset Panda account and module are not chosen yet: TestConnection takes the only ones there \
         are, or lists the choices; ConfigureConnection sets them"
    )]
    ModuleNotChosen,
}

impl Upstream {
    /// Opens the connections of `store` over `http`.
    #[must_use]
    pub fn new(store: Store, http: Outbound, allowed: AllowedHosts, settings: BudgetSettings) -> Self {
        let clock = Arc::new(DatabaseClock(store.clone()));
        Self::with_clock(store, http, allowed, settings, clock)
    }

    /// The same with another clock for the shared budgets.
    #[must_use]
    pub fn with_clock(
        store: Store,
        http: Outbound,
        allowed: AllowedHosts,
        settings: BudgetSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let budgets = Mutex::default();
        Self { shared: Arc::new(Shared { store, http, allowed, settings, clock, budgets }) }
    }

    /// Opens a stored connection: reads it and its secrets, and calls nobody. Each attempt of its clients takes a call
    /// out of the API's budget and asks `guard`.
    ///
    /// # Errors
    /// [`OpenError`], but never [`OpenError::ModuleNotChosen`]: that is [`Clients::scoped`]'s.
    pub async fn open(
        &self,
        tenant: &Tenant,
        connection_id: Uuid,
        guard: Option<Arc<dyn Guard>>,
    ) -> Result<Clients, OpenError> {
        let store = &self.shared.store;
        let connection = connections::get(store, tenant, ConnectionId(connection_id)).await?;
        let secrets = connections::open_secrets(store, tenant, ConnectionId(connection_id)).await?;
        self.open_settings(
            tenant,
            ConnectionSettings {
                kandji_host: KandjiHost::parse(&connection.kandji_api_url, &self.shared.allowed)?,
                kandji_token: secrets.kandji_token,
                asset_panda_url: BaseUrl::parse(&connection.asset_panda_base_url, &self.shared.allowed)?,
                asset_panda_key: Credentials {
                    key_id: secrets.asset_panda.key_id.expose_secret().to_owned(),
                    secret: secrets.asset_panda.key_secret,
                },
                scope: scope(connection.account_id, connection.module_id),
            },
            guard,
        )
    }

    /// Opens settings that need not be stored, so that they can be tested before they are saved.
    ///
    /// # Errors
    /// [`OpenError::AssetPanda`] if the URL was checked against other allowed hosts than this process's.
    pub fn open_settings(
        &self,
        tenant: &Tenant,
        settings: ConnectionSettings,
        guard: Option<Arc<dyn Guard>>,
    ) -> Result<Clients, OpenError> {
        let shared = &self.shared;
        let calls = Arc::new(CallCounter::default());
        let customer = settings.kandji_host.customer_key();
        let kandji_budget = self.join(format!("kandji {customer}"), tenant, || shared.settings.kandji_share());
        let egress = format!("asset-panda {}", shared.settings.egress_group);
        let asset_panda_budget = self.join(egress, tenant, || shared.settings.asset_panda.clone());
        let held = Held {
            upstream: self.clone(),
            budgets: Mutex::new(vec![kandji_budget.clone(), asset_panda_budget.clone()]),
        };
        let permit = |api, budget: &Arc<TenantBudget>| {
            Arc::new(CallPermit { api, budget: budget.clone(), guard: guard.clone(), calls: calls.clone() })
        };
        let kandji = KandjiClient::new(
            shared.http.clone(),
            settings.kandji_host,
            settings.kandji_token,
            permit(Api::Kandji, &kandji_budget),
            shared.allowed.clone(),
        );
        let asset_panda = AssetPandaClient::new(
            shared.http.clone(),
            settings.asset_panda_url.as_url().clone(),
            settings.asset_panda_key,
            permit(Api::AssetPanda, &asset_panda_budget),
            shared.allowed.clone(),
        )?;
        let collection_scope = settings.scope.map(|scope| asset_panda.at(scope));
        Ok(Clients { kandji, asset_panda, collection_scope, calls, budgets: Arc::new(held) })
    }

    /// Gives back every call that this process took and has not made. For shutdown, when nothing calls any more.
    pub async fn release(&self) {
        let budgets: Vec<_> =
            self.shared.budgets.lock().unwrap_or_else(PoisonError::into_inner).of_tenants.values().cloned().collect();
        for budget in budgets {
            budget.release().await;
        }
    }

    /// The way out that all connections share.
    #[must_use]
    pub fn http(&self) -> &Outbound {
        &self.shared.http
    }

    /// The hosts that are allowed besides the known ones.
    #[must_use]
    pub fn allowed_hosts(&self) -> &AllowedHosts {
        &self.shared.allowed
    }

    /// The budgets of this process.
    #[must_use]
    pub fn budgets(&self) -> &BudgetSettings {
        &self.shared.settings
    }

    /// The tenant's budget of an API, with one user more.
    fn join(&self, api: String, tenant: &Tenant, limits: impl FnOnce() -> Vec<Limit>) -> Arc<TenantBudget> {
        let shared = &self.shared;
        let mut budgets = shared.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let Budgets { of_apis, of_tenants } = &mut *budgets;
        let new = || {
            let budget = of_apis.entry(api.clone()).or_insert_with_key(|api| {
                let book = Arc::new(shared.store.clone());
                Arc::new(Budget::new(api.clone(), &limits(), book, shared.clock.clone()))
            });
            Arc::new(TenantBudget::new(budget.clone(), tenant.clone()))
        };
        let budget = of_tenants.entry((api.clone(), tenant.clone())).or_insert_with(new).clone();
        budget.join();
        budget
    }

    /// Leaves budgets; gives those that nobody uses any more.
    fn leave(&self, mut left: Vec<Arc<TenantBudget>>) -> Vec<Arc<TenantBudget>> {
        let mut budgets = self.shared.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|budget| budget.leave());
        for idle in &left {
            budgets.of_tenants.remove(&idle.key());
        }
        left
    }
}

impl Clients {
    /// Asset Panda within the connection's account and module.
    ///
    /// # Errors
    /// [`OpenError::ModuleNotChosen`].
    pub fn scoped(&self) -> Result<&ScopedClient, OpenError> {
        self.collection_scope.as_ref().ok_or(OpenError::ModuleNotChosen)
    }

    /// Gives back calls that were taken and not made, unless someone else in this process still calls the API, and
    /// makes an API's wish to be left alone known to other processes. For the end of a slice; without it, dropping
    /// the last client does the same a little later.
    pub async fn release(self) {
        let idle = self.budgets.take_idle();
        drop(self);
        for budget in idle {
            budget.release().await;
        }
    }
}

/// The budgets that some clients use.
struct Held {
    upstream: Upstream,
    budgets: Mutex<Vec<Arc<TenantBudget>>>,
}

impl Held {
    /// Leaves the budgets; gives those that nobody uses any more.
    fn take_idle(&self) -> Vec<Arc<TenantBudget>> {
        let left = std::mem::take(&mut *self.budgets.lock().unwrap_or_else(PoisonError::into_inner));
        self.upstream.leave(left)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let idle = self.take_idle();
        if idle.is_empty() {
            return;
        }
        // Outside a runtime the lots run out by themselves.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                for budget in idle {
                    budget.release().await;
                }
            });
        }
    }
}

fn scope(account_id: Option<String>, module_id: Option<String>) -> Option<Scope> {
    Some(Scope { account_id: account_id?, module_id: module_id? })
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("budgets", &self.shared.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("calls", &self.calls).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use pandaport_outbound::{Denied, ErrorKind, HttpSettings};
    use pandaport_store::Micros;
    use pandaport_store::budgets::{self, Ask, Reservation};
    use pandaport_store::connections::{AssetPandaKey, NewConnection};
    use pandaport_test_database::TestDatabase;

    use super::*;

    /// Nobody listens there: what is tested is what happens before a call leaves.
    const NOBODY: &str = "127.0.0.1:9";

    struct Closed;

    impl Guard for Closed {
        fn may_send(&self) -> Result<(), Denied> {
            Err(Denied::DeadlinePassed)
        }
    }

    async fn upstream(database: &TestDatabase, limit: u32) -> (Upstream, Uuid) {
        let store = database.unlocked().await;
        let now = Micros::now();
        let new = NewConnection {
            connection_id: ConnectionId::new(now),
            display_name: "Example Org".into(),
            kandji_base_url: format!("http://{NOBODY}"),
            kandji_api_url: format!("http://{NOBODY}"),
            kandji_customer: NOBODY.into(),
            asset_panda_base_url: format!("http://{NOBODY}"),
            account_id: Some("A".into()),
            module_id: None,
            credentials: connections::Credentials {
                kandji_token: "token".into(),
                asset_panda: AssetPandaKey { key_id: "id".into(), key_secret: "secret".into() },
            },
            verified: false,
        };
        let mut tx = store.begin_write().await.unwrap();
        connections::insert(&mut tx, store.keyring().unwrap(), &Tenant::default(), &new, now).await.unwrap();
        tx.commit().await.unwrap();
        let http = Outbound::new(HttpSettings { retries: 0, ..HttpSettings::default() }).unwrap();
        let limit = Limit { calls: limit, window: Duration::from_secs(3_600) };
        let settings = BudgetSettings { kandji: vec![limit], kandji_share_percent: 100, ..BudgetSettings::off() };
        (Upstream::new(store, http, NOBODY.parse().unwrap(), settings), new.connection_id.0)
    }

    #[tokio::test]
    async fn attempts_are_counted_budgeted_and_what_is_unused_goes_back() {
        let database = TestDatabase::new().await;
        let (upstream, id) = upstream(&database, 100).await;
        let clients = upstream.open(&Tenant::default(), id, None).await.unwrap();
        assert_eq!(clients.kandji.devices(0, 1).await.unwrap_err().kind, ErrorKind::Connect);
        assert_eq!(clients.asset_panda.accounts().await.unwrap_err().kind, ErrorKind::Connect);
        assert_eq!((clients.calls.kandji(), clients.calls.asset_panda()), (1, 1));

        let other = upstream.open(&Tenant::default(), id, None).await.unwrap();
        assert_eq!(other.calls.kandji(), 0, "each opening counts for itself");
        clients.release().await;
        other.release().await;
        let limits = [Limit { calls: 100, window: Duration::from_secs(3_600) }];
        let api = format!("kandji {NOBODY}");
        let (tenant, lot_life) = (Tenant::default(), Duration::ZERO);
        let ask = Ask { api: &api, tenant: &tenant, limits: &limits, want: 1_000, lot_life, ended: None };
        let mut left = 0;
        while let Reservation::Granted(lot) =
            budgets::reserve(&upstream.shared.store, &ask, Micros::now()).await.unwrap()
        {
            left += lot.size;
        }
        assert_eq!(left, 99);
    }

    #[tokio::test]
    async fn an_empty_budget_and_a_closed_guard_let_nothing_leave() {
        let database = TestDatabase::new().await;
        let (upstream, id) = upstream(&database, 1).await;
        let clients = upstream.open(&Tenant::default(), id, None).await.unwrap();
        clients.kandji.devices(0, 1).await.unwrap_err();
        let error = clients.kandji.devices(0, 1).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::BudgetEmpty);
        assert!(error.retry_after.unwrap() > Duration::from_secs(3_500));
        assert_eq!(clients.calls.take().kandji, 1);

        let clients = upstream.open(&Tenant::default(), id, Some(Arc::new(Closed))).await.unwrap();
        assert_eq!(clients.kandji.devices(0, 1).await.unwrap_err().kind, ErrorKind::DeadlinePassed);
        assert_eq!(clients.asset_panda.accounts().await.unwrap_err().kind, ErrorKind::DeadlinePassed);
        assert_eq!((clients.calls.kandji(), clients.calls.asset_panda()), (0, 0));
    }

    #[tokio::test]
    async fn what_is_missing_is_said() {
        let database = TestDatabase::new().await;
        let (upstream, id) = upstream(&database, 1).await;
        let clients = upstream.open(&Tenant::default(), id, None).await.unwrap();
        assert!(matches!(clients.scoped(), Err(OpenError::ModuleNotChosen)));
        let other = upstream.open(&Tenant::new("other"), id, None).await;
        assert!(matches!(other, Err(OpenError::Store(StoreError::NotFound { .. }))));
    }
}
