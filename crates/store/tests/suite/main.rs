//! The store's promises, kept by every database it runs on: see `pandaport_test_database`.

#![allow(clippy::unwrap_used)]

mod audit;
mod bench;
mod brake;
mod budgets;
mod concurrency;
mod connections;
mod continuity;
mod deleted;
mod full_disk;
mod health;
mod history;
mod listings;
mod mappings;
mod plans;
mod relocate;
mod requests;
mod schema;
mod server;
mod syncs;
mod tenant_slots;
mod tls;

use std::time::Duration;

use pandaport_store::connections::{AssetPandaKey, Connection, Credentials, NewConnection};
use pandaport_store::engine::Ending;
use pandaport_store::mappings::{Mapping, MappingState, NewMapping};
use pandaport_store::syncs::{Creation, Mode, NewSync, Sync, TriggerKind};
use pandaport_store::{ConnectionId, MappingId, Micros, Schedule, Store, Tenant};
use pandaport_test_database::TestDatabase;
pub(crate) use pandaport_test_database::literal;

/// An empty store with its keys, and the database it is on.
pub(crate) struct Site {
    pub(crate) store: Store,
    pub(crate) tenant: Tenant,
    pub(crate) database: TestDatabase,
}

pub(crate) async fn site() -> Site {
    let database = TestDatabase::new().await;
    Site { store: database.unlocked().await, tenant: Tenant::default(), database }
}

/// A round time to begin with: 2023-11-14T22:13:20Z.
pub(crate) const START: Micros = Micros(1_700_000_000_000_000);

pub(crate) fn after(seconds: u64) -> Micros {
    START.plus(Duration::from_secs(seconds))
}

/// The end of a sync that did all it was to.
pub(crate) fn succeeded() -> Ending {
    Ending { state: "SUCCEEDED", error: None, complete: true, read_complete: true, weighed: true, broken: None }
}

pub(crate) fn new_connection(now: Micros) -> NewConnection {
    NewConnection {
        connection_id: ConnectionId::new(now),
        display_name: "Acme".into(),
        kandji_base_url: "https://acme.kandji.io".into(),
        kandji_api_url: "https://acme.api.kandji.io".into(),
        kandji_customer: "acme.api.kandji.io".into(),
        asset_panda_base_url: "https://api.assetpanda.app".into(),
        account_id: Some("account".into()),
        module_id: Some("module".into()),
        credentials: Credentials {
            kandji_token: "kandji-token-0123456789".to_owned().into(),
            asset_panda: AssetPandaKey {
                key_id: "asset-panda-key-id".to_owned().into(),
                key_secret: "asset-panda-key-secret".to_owned().into(),
            },
        },
        verified: false,
    }
}

impl Site {
    pub(crate) async fn connection(&self) -> Connection {
        let mut tx = self.store.begin_write().await.unwrap();
        let keyring = self.store.keyring().unwrap();
        let connection =
            pandaport_store::connections::insert(&mut tx, keyring, &self.tenant, &new_connection(START), START)
                .await
                .unwrap();
        tx.commit().await.unwrap();
        connection
    }

    pub(crate) fn new_mapping(&self, connection: &Connection, collection: &str) -> NewMapping {
        NewMapping {
            mapping_id: MappingId::new(START),
            connection_id: connection.connection_id,
            display_name: "Macs".into(),
            external_entity: "DEVICES".into(),
            collection_id: collection.into(),
            collection_key: format!("api.assetpanda.app/{collection}"),
            spec: r#"{"pairs":[]}"#.into(),
            state: MappingState::Active,
            columns: None,
            schedule: Schedule::Interval(Duration::from_secs(3600)),
            full_sync_every: Duration::from_secs(7 * 24 * 3600),
        }
    }

    pub(crate) async fn mapping_of(&self, connection: &Connection, collection: &str) -> Mapping {
        let mut tx = self.store.begin_write().await.unwrap();
        let new = self.new_mapping(connection, collection);
        let mapping = pandaport_store::mappings::insert(&mut tx, &self.tenant, &new, START).await.unwrap();
        tx.commit().await.unwrap();
        mapping
    }

    pub(crate) async fn mapping(&self) -> Mapping {
        self.mapping_of(&self.connection().await, "collection").await
    }

    pub(crate) async fn create(&self, mapping: &Mapping, dry_run: bool, now: Micros) -> Creation {
        let mut tx = self.store.begin_write().await.unwrap();
        let new = NewSync {
            mapping_id: mapping.mapping_id,
            mode: Mode::Incremental,
            dry_run,
            retry_rejected: false,
            trigger_kind: TriggerKind::Call,
            traceparent: Some("00-trace".into()),
        };
        let creation = pandaport_store::syncs::create(&mut tx, &self.tenant, &new, now).await.unwrap();
        tx.commit().await.unwrap();
        creation
    }

    pub(crate) async fn sync(&self, mapping: &Mapping, now: Micros) -> Sync {
        match self.create(mapping, false, now).await {
            Creation::Created(sync) => sync,
            Creation::AlreadyActive(sync) => panic!("{} is active", sync.sync_id),
        }
    }

    /// Runs a statement that a test needs to bring about what only time or a worker would.
    pub(crate) async fn sql(&self, sql: impl Into<String>) {
        pandaport_test_database::run(&self.store, sql).await;
    }
}
