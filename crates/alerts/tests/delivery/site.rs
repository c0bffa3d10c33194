//! A store with a mapping whose syncs end as a test wants, and a sender.

use std::time::Duration;

use pandaport_alerts::{Sender, deliver_due};
use pandaport_outbound::{HttpSettings, Outbound};
use pandaport_store::alert_targets::{self, Settings, Target};
use pandaport_store::connections::{self, AssetPandaKey, Credentials, NewConnection};
use pandaport_store::engine::{CountDeltas, Ending, Progress};
use pandaport_store::mappings::{self, MappingState, NewMapping};
use pandaport_store::syncs::{self, Creation, Mode, NewSync, TriggerKind};
use pandaport_store::{ConnectionId, MappingId, Micros, Schedule, Store, Tenant, alerts};
use pandaport_test_database::TestDatabase;
use tokio_util::sync::CancellationToken;

use crate::receiver::SECRET;

/// A round time to begin with: 2023-11-14T22:13:20Z.
pub(crate) const START: Micros = Micros(1_700_000_000_000_000);

pub(crate) fn after(seconds: u64) -> Micros {
    START.plus(Duration::from_secs(seconds))
}

pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) sender: Sender,
    pub(crate) tenant: Tenant,
    _database: TestDatabase,
}

impl Site {
    /// `hosts` are allowed.
    pub(crate) async fn new(hosts: &str) -> Self {
        let database = TestDatabase::new().await;
        let store = database.unlocked().await;
        let settings = HttpSettings { timeout: Duration::from_secs(5), ..HttpSettings::default() };
        let sender = Sender::new(Outbound::new(settings).unwrap(), hosts.parse().unwrap());
        Self { store, sender, tenant: Tenant::default(), _database: database }
    }

    pub(crate) async fn configure(&self, tenant: &Tenant, url: &str, secret: Option<&str>, enabled: bool) -> Target {
        let stored = alert_targets::get(&self.store, tenant).await.unwrap();
        let settings = Settings {
            url: url.to_owned(),
            secret: secret.map(|it| it.to_owned().into()),
            enabled,
            version: stored.map(|it| it.version),
        };
        let mut tx = self.store.begin_write().await.unwrap();
        let keyring = self.store.keyring().unwrap();
        let target = alert_targets::configure(&mut tx, keyring, tenant, &settings, START).await.unwrap();
        tx.commit().await.unwrap();
        target
    }

    /// A store whose default tenant's alerts go to this receiver.
    pub(crate) async fn telling(receiver: &crate::receiver::Receiver) -> Self {
        let site = Self::new(&receiver.host).await;
        site.configure(&site.tenant.clone(), &receiver.url(), Some(SECRET), true).await;
        site
    }

    pub(crate) async fn target(&self) -> Target {
        alert_targets::get(&self.store, &self.tenant).await.unwrap().unwrap()
    }

    pub(crate) async fn waiting(&self) -> i64 {
        alerts::count_waiting(&self.store, &self.tenant).await.unwrap()
    }

    pub(crate) async fn deliver(&self, now: Micros) {
        deliver_due(&self.store, &self.sender, now, &CancellationToken::new()).await.unwrap();
    }

    pub(crate) async fn mapping(&self, tenant: &Tenant, name: &str) -> MappingId {
        let connection = NewConnection {
            connection_id: ConnectionId::new(START),
            display_name: "test".into(),
            kandji_base_url: "https://acme.kandji.io".into(),
            kandji_api_url: "https://acme.api.kandji.io".into(),
            kandji_customer: "acme".into(),
            asset_panda_base_url: "https://api.assetpanda.app".into(),
            account_id: None,
            module_id: None,
            credentials: Credentials {
                kandji_token: "token".to_owned().into(),
                asset_panda: AssetPandaKey { key_id: "id".to_owned().into(), key_secret: "secret".to_owned().into() },
            },
            verified: true,
        };
        let mapping = NewMapping {
            mapping_id: MappingId::new(START),
            connection_id: connection.connection_id,
            display_name: name.to_owned(),
            external_entity: "DEVICES".into(),
            collection_id: name.to_owned(),
            collection_key: format!("{tenant} {name}"),
            spec: "{}".into(),
            state: MappingState::Active,
            columns: None,
            schedule: Schedule::Manual,
            full_sync_every: Duration::from_secs(86_400),
        };
        let mut tx = self.store.begin_write().await.unwrap();
        connections::insert(&mut tx, self.store.keyring().unwrap(), tenant, &connection, START).await.unwrap();
        mappings::insert(&mut tx, tenant, &mapping, START).await.unwrap();
        tx.commit().await.unwrap();
        mapping.mapping_id
    }

    /// A sync of the mapping that ends so.
    pub(crate) async fn ends(&self, tenant: &Tenant, mapping_id: MappingId, ending: Ending, now: Micros) {
        let new = NewSync {
            mapping_id,
            mode: Mode::Incremental,
            dry_run: false,
            retry_rejected: false,
            trigger_kind: TriggerKind::Call,
            traceparent: None,
        };
        let mut tx = self.store.begin_write().await.unwrap();
        let Creation::Created(sync) = syncs::create(&mut tx, tenant, &new, now).await.unwrap() else { panic!() };
        tx.commit().await.unwrap();
        let slice = self.store.begin_slice(sync.sync_id, now, now).await.unwrap().unwrap();
        let counts = CountDeltas { read: 3, ..CountDeltas::default() };
        let progress = Progress { counts, ..Progress::default() };
        self.store.finish_sync(slice.guard, &progress, &ending, now).await.unwrap();
    }
}

pub(crate) fn fails() -> Ending {
    let error = Some(("TOKEN_REFUSED".to_owned(), "Kandji refused the token".to_owned()));
    Ending { state: "FAILED", error, complete: false, read_complete: false, weighed: false, broken: None }
}

pub(crate) fn succeeds() -> Ending {
    Ending { state: "SUCCEEDED", error: None, complete: true, read_complete: true, weighed: false, broken: None }
}
