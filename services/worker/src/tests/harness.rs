//! A sandbox, a store with one connection and one mapping, and a worker on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use pandaport_import::{IdentifierPair, MappingSpec, Pair, SourceField, WriteRule};
use pandaport_outbound::{AllowedHosts, HttpSettings, Outbound};
use pandaport_queue::{Behind, JobContext, Queue, SliceEnd, SyncJob};
use pandaport_sandbox::{Faults, FleetSpec, Ready, Sandbox, SandboxConfig};
use pandaport_store::connections::{self, AssetPandaKey, Credentials, NewConnection};
use pandaport_store::mappings::{self, MappingState, NewMapping};
use pandaport_store::records::{self, SyncRecord};
use pandaport_store::syncs::{self, Creation, Mode, NewSync, Sync, TriggerKind};
use pandaport_store::{ConnectionId, MappingId, Micros, Schedule, Store, SyncId, Tenant};
use pandaport_test_database::{TestDatabase, run, scalar};
use pandaport_upstream::{BudgetSettings, Upstream};
use secrecy::SecretString;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{Clock, Deps, Worker, WorkerSettings, Working, slice};

pub(super) struct World {
    pub(super) sandbox: Sandbox,
    pub(super) store: Store,
    pub(super) queue: Queue,
    pub(super) mapping_id: MappingId,
    pub(super) tenant: Tenant,
    pub(super) clock: Ahead,
    pub(super) passenger_cap: u64,
    /// Of the worker that runs.
    pub(super) deps: Option<Deps>,
    /// Of the sandbox's control.
    http: reqwest::Client,
    settle: Vec<Duration>,
    stop: CancellationToken,
    working: Option<Working>,
    _database: TestDatabase,
}

/// The machine's clock, put ahead by as much as a test wants: days pass at once.
#[derive(Clone, Default)]
pub(super) struct Ahead(Arc<AtomicI64>);

impl Ahead {
    pub(super) fn pass(&self, time: Duration) {
        self.step(i64::try_from(time.as_secs()).unwrap());
    }

    /// The wall clock is set by so many seconds, ahead or back.
    pub(super) fn step(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for Ahead {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now() + jiff::SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

pub(super) fn no_limits() -> Faults {
    Faults::default().without_rate_limits()
}

impl World {
    /// A fleet of that size; `rule` says which fields are mapped beside the serial number, and when each is written.
    pub(super) async fn ruled(devices: u32, rule: impl Fn(SourceField) -> Option<WriteRule>) -> Self {
        Self::new(devices, no_limits(), rule).await
    }

    /// A fleet of that size, all 26 fields mapped, the serial number as identifier.
    pub(super) async fn of(devices: u32) -> Self {
        Self::with(devices, no_limits(), |_| true).await
    }

    pub(super) async fn with(devices: u32, faults: Faults, mapped: impl Fn(SourceField) -> bool) -> Self {
        Self::new(devices, faults, |field| mapped(field).then(|| WriteRule::default_for(field))).await
    }

    async fn new(devices: u32, faults: Faults, rule: impl Fn(SourceField) -> Option<WriteRule>) -> Self {
        let database = TestDatabase::new().await;
        let fleet = FleetSpec { devices, ..FleetSpec::default() };
        let sandbox = Sandbox::start(SandboxConfig { fleet, faults, ..SandboxConfig::default() }).await.unwrap();
        let store = database.unlocked().await;
        let queue = Queue::new(&store).unwrap();
        let tenant = Tenant::default();
        let ready = sandbox.ready();
        let ends = Ends { kandji_url: &ready.kandji_url, asset_panda_url: &ready.asset_panda_url, now: Micros::now() };
        let mapping_id = connect(&store, &tenant, ready, &ends, &spec(ready, rule)).await;
        let mut world = Self {
            sandbox,
            store,
            queue,
            mapping_id,
            tenant,
            clock: Ahead::default(),
            passenger_cap: u64::MAX,
            deps: None,
            http: reqwest::Client::new(),
            settle: [100, 300, 600].map(Duration::from_millis).to_vec(),
            stop: CancellationToken::new(),
            working: None,
            _database: database,
        };
        world.start().await;
        world
    }

    /// A fleet of that size with all fields mapped, by a mapping that `adapt` has changed.
    pub(super) async fn mapped(devices: u32, adapt: impl FnOnce(&mut MappingSpec)) -> Self {
        let world = Self::of(devices).await;
        world.remap(adapt).await;
        world
    }

    /// Changes what the mapping says, for the syncs to come.
    pub(super) async fn remap(&self, adapt: impl FnOnce(&mut MappingSpec)) {
        let spec: String = scalar(&self.store, "SELECT spec FROM mapping_revisions").await;
        let mut spec: MappingSpec = serde_json::from_str(&spec).unwrap();
        adapt(&mut spec);
        let spec = serde_json::to_string(&spec).unwrap();
        run(&self.store, format!("UPDATE mapping_revisions SET spec = '{}'", spec.replace('\'', "''"))).await;
    }

    /// The devices in Kandji, in the order of their ids.
    pub(super) async fn fleet(&self) -> Vec<Value> {
        let fleet = self.control(reqwest::Method::GET, "/fleet/devices?ordering=device_id", None).await;
        fleet["devices"].as_array().unwrap().clone()
    }

    /// Puts these keys over a device's in Kandji.
    pub(super) async fn edit(&self, device_id: &Value, keys: Value) {
        let path = format!("/fleet/devices/{}", device_id.as_str().unwrap());
        self.control(reqwest::Method::PATCH, &path, Some(keys)).await;
    }

    pub(super) async fn start(&mut self) {
        let allowed: AllowedHosts = [self.sandbox.kandji_url(), self.sandbox.asset_panda_url()]
            .map(|url| url.trim_start_matches("http://").to_owned())
            .join(",")
            .parse()
            .unwrap();
        let http = Outbound::new(HttpSettings { timeout: Duration::from_secs(2), ..HttpSettings::default() }).unwrap();
        let upstream = Upstream::new(self.store.clone(), http, allowed, BudgetSettings::off());
        let settings = WorkerSettings {
            passenger_cap: self.passenger_cap,
            slots: 6,
            tenant_slots: 4,
            slice: Duration::from_secs(30),
            http_timeout: Duration::from_secs(2),
            settle: self.settle.clone(),
            grace: Duration::from_secs(5),
            outage_limit: Duration::from_secs(60),
            history_retention: Duration::from_secs(90 * 86_400),
            audit_retention: Duration::from_secs(366 * 86_400),
        };
        self.stop = CancellationToken::new();
        let worker = Worker::new(self.store.clone(), self.queue.clone(), upstream, settings)
            .with_clock(Arc::new(self.clock.clone()));
        self.deps = Some(worker.deps.clone());
        self.working = Some(worker.start(self.stop.clone()).await.unwrap());
    }

    /// The same worker, stopped and started, with other times of looking.
    pub(super) async fn start_again(&mut self, settle: Vec<Duration>) {
        self.stop().await;
        self.settle = settle;
        self.start().await;
    }

    /// Ends the worker.
    pub(super) async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(working) = self.working.take() {
            working.stopped().await.unwrap();
        }
    }

    pub(super) async fn trigger(&self, mode: Mode, dry_run: bool) -> SyncId {
        let new = NewSync {
            mapping_id: self.mapping_id,
            mode,
            dry_run,
            retry_rejected: false,
            trigger_kind: TriggerKind::Call,
            traceparent: None,
        };
        self.trigger_new(&new).await
    }

    pub(super) async fn trigger_new(&self, new: &NewSync) -> SyncId {
        self.trigger_of(new, None).await
    }

    /// The same, applying the plan of a dry run.
    pub(super) async fn trigger_of(&self, new: &NewSync, plan: Option<SyncId>) -> SyncId {
        let mut tx = self.store.begin_write().await.unwrap();
        let Creation::Created(sync) = syncs::create(&mut tx, &self.tenant, new, Micros::now()).await.unwrap() else {
            panic!("a sync is active already");
        };
        if let Some(plan) = plan {
            syncs::apply_plan(&mut tx, &self.tenant, sync.sync_id, plan).await.unwrap();
        }
        self.queue.enqueue(&mut tx, &Behind::from(&sync)).await.unwrap();
        tx.commit().await.unwrap();
        sync.sync_id
    }

    /// Works a sync slice by slice, in the place of a worker that was stopped, and lets its pauses pass at once. Answers
    /// with those.
    pub(super) async fn work_by_hand(&self, id: SyncId) -> Vec<Duration> {
        let deps = self.deps.as_ref().unwrap();
        let mut pauses = Vec::new();
        loop {
            let context = JobContext { traceparent: None, stop: CancellationToken::new() };
            match Box::pin(slice::work(deps, SyncJob { v: 1, sync_id: id }, context)).await {
                SliceEnd::Done => return pauses,
                SliceEnd::Again(pause) => {
                    self.clock.pass(pause);
                    pauses.push(pause);
                }
            }
        }
    }

    /// Triggers a sync and waits for its end.
    pub(super) async fn sync(&self, mode: Mode) -> Sync {
        let id = self.trigger(mode, false).await;
        self.ended(id).await
    }

    pub(super) async fn ended(&self, id: SyncId) -> Sync {
        let deadline = std::time::Instant::now() + Duration::from_secs(100);
        loop {
            let sync = syncs::get(&self.store, &self.tenant, id).await.unwrap();
            if sync.state.is_final() {
                return sync;
            }
            assert!(std::time::Instant::now() < deadline, "the sync does not end: {sync:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn records(&self, id: SyncId) -> Vec<SyncRecord> {
        records::list(&self.store, &self.tenant, id, &[], None, 100_000).await.unwrap()
    }

    pub(super) async fn control(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}{path}", self.sandbox.control_url());
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// How often Asset Panda was called so, such as `PUT /collection-records`.
    pub(super) async fn calls(&self, path: &str) -> u64 {
        self.counters().await["asset_panda"]["by_path"][path].as_u64().unwrap_or(0)
    }

    /// A column's id, by the name of the field that is mapped to it.
    pub(super) fn column(&self, field: SourceField) -> String {
        self.sandbox.ready().columns[field.display_name()].clone()
    }

    /// The values of the record of a device with that serial number, by column id.
    pub(super) async fn values(&self, serial: &str) -> Value {
        let path = format!("/records?collection_id={}", self.sandbox.ready().collection_id);
        let all = self.control(reqwest::Method::GET, &path, None).await;
        let column = self.column(SourceField::SerialNumber);
        let mut with_it = all["records"].as_array().unwrap().iter().filter(|it| it["values"][&column] == *serial);
        let record = with_it.next().expect("it has a record");
        assert!(with_it.next().is_none(), "{serial} is there twice");
        record["values"].clone()
    }

    pub(super) async fn counters(&self) -> Value {
        self.control(reqwest::Method::GET, "/counters", None).await
    }
}

/// Every field that has a rule, into the column of its display name; the serial number is the identifier.
fn spec(ready: &Ready, rule: impl Fn(SourceField) -> Option<WriteRule>) -> MappingSpec {
    let column = |field: SourceField| ready.columns[field.display_name()].clone();
    MappingSpec::new(
        IdentifierPair { source_field: SourceField::SerialNumber, column_id: column(SourceField::SerialNumber) },
        SourceField::ALL
            .into_iter()
            .filter(|field| *field != SourceField::SerialNumber)
            .filter_map(|field| {
                Some(Pair {
                    source_field: field,
                    column_id: column(field),
                    write_rule: rule(field)?,
                    tag_separator: None,
                    date_format: None,
                })
            })
            .collect(),
    )
}

/// Where the two APIs are reached, and when.
pub(super) struct Ends<'a> {
    pub(super) kandji_url: &'a str,
    pub(super) asset_panda_url: &'a str,
    pub(super) now: Micros,
}

/// A connection to a sandbox, and a mapping of its collection.
pub(super) async fn connect(
    store: &Store,
    tenant: &Tenant,
    ready: &Ready,
    ends: &Ends<'_>,
    spec: &MappingSpec,
) -> MappingId {
    let now = ends.now;
    let connection = NewConnection {
        connection_id: ConnectionId::new(now),
        display_name: "test".into(),
        kandji_base_url: ends.kandji_url.to_owned(),
        kandji_api_url: ends.kandji_url.to_owned(),
        kandji_customer: "test".into(),
        asset_panda_base_url: ends.asset_panda_url.to_owned(),
        account_id: Some(ready.account_id.clone()),
        module_id: Some(ready.module_id.clone()),
        credentials: Credentials {
            kandji_token: SecretString::from(ready.credentials.kandji_token.clone()),
            asset_panda: AssetPandaKey {
                key_id: SecretString::from(ready.credentials.access_key_id.clone()),
                key_secret: SecretString::from(ready.credentials.access_key_secret.clone()),
            },
        },
        verified: true,
    };
    let mapping = NewMapping {
        mapping_id: MappingId::new(now),
        connection_id: connection.connection_id,
        display_name: "test".into(),
        external_entity: "DEVICES".into(),
        collection_id: ready.collection_id.clone(),
        collection_key: ready.collection_id.clone(),
        spec: serde_json::to_string(spec).unwrap(),
        state: MappingState::Active,
        columns: None,
        schedule: Schedule::Manual,
        full_sync_every: Duration::from_secs(7 * 86_400),
    };
    let mut tx = store.begin_write().await.unwrap();
    connections::insert(&mut tx, store.keyring().unwrap(), tenant, &connection, now).await.unwrap();
    mappings::insert(&mut tx, tenant, &mapping, now).await.unwrap();
    tx.commit().await.unwrap();
    mapping.mapping_id
}
