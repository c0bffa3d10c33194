//! A history being played: both sides, the worker between them, and the clock that all of them go by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pandaport_outbound::{AllowedHosts, Outbound};
use pandaport_queue::{JobContext, Queue, SliceEnd, SyncJob};
use pandaport_sandbox::{Faults, FleetSpec, RefuseRow, Sandbox, SandboxConfig, SandboxTime};
use pandaport_store::devices::{self, Device as Known, DeviceFilter};
use pandaport_store::held;
use pandaport_store::syncs::{self, Creation, Mode, NewSync, Sync as SyncRow, TriggerKind};
use pandaport_store::{Micros, Pool, Store, SyncId, records};
use pandaport_upstream::{BudgetSettings, Upstream};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, HTTP_TIMEOUT};
use super::fleet::{self, Device, ODD_TAG, SERIAL};
use super::history::{Field, Policy, Setup, Step, Sync};
use super::mapping;
use super::oracle::{Oracle, Seen};
use super::removals::Items;
use super::wire::{Hands, Wire};
use crate::metrics::Metrics;
use crate::tests::harness::{Ends, connect};
use crate::{Clock as _, Deps, WorkerSettings, slice};

/// How long anything takes that is not said to take longer.
const MOMENT: Duration = Duration::from_secs(5);
/// How long it takes until another process goes on where one ended.
const RESCUE: Duration = Duration::from_secs(60);
/// More slices than any sync of a history takes.
const MOST_SLICES: u32 = 120;

pub(super) struct Stage<'a> {
    bench: &'a Bench,
    setup: Setup,
    hands: Arc<Hands>,
    sandbox: Sandbox,
    wire: Wire,
    /// Of the process that is at work.
    outbound: Outbound,
    store: Store,
    mapping_id: pandaport_store::MappingId,
    fleet: Vec<Device>,
    refuses: bool,
    oracle: Oracle,
    _folder: tempfile::TempDir,
}

/// Plays a history to its end; says what was wrong, if anything was.
pub(super) async fn play(bench: &Bench, setup: Setup, steps: &[Step]) -> Result<(), String> {
    let mut stage = Stage::new(bench, setup).await;
    for (at, step) in steps.iter().enumerate() {
        stage.step(step).await.map_err(|wrong| format!("at step {at}, {step:?}: {wrong}"))?;
    }
    stage.end().await.map_err(|wrong| format!("in the quiet at the end: {wrong}"))
}

impl<'a> Stage<'a> {
    async fn new(bench: &'a Bench, setup: Setup) -> Self {
        let hands = Arc::new(Hands::new());
        let sandbox = Sandbox::start(SandboxConfig {
            fleet: FleetSpec { devices: 0, ..FleetSpec::default() },
            faults: Faults::default().without_rate_limits(),
            time: SandboxTime::Turned(hands.millis.clone()),
            ..SandboxConfig::default()
        })
        .await
        .unwrap();
        let wire = Wire::new(bench.http.clone(), sandbox.ready().clone(), hands.clone(), setup.call_takes).await;
        let columns = sandbox.ready().columns.iter().map(|(name, id)| (id.clone(), name.clone()));
        wire.traffic().ledger.columns = columns.collect();
        let (store, folder) = bench.store().await;
        watch_commits(&store, &wire).await;
        let ends =
            Ends { kandji_url: &wire.kandji_url, asset_panda_url: &wire.asset_panda_url, now: hands.now().into() };
        let spec = mapping::spec(&setup, &sandbox.ready().columns);
        let mapping_id = connect(&store, &pandaport_store::Tenant::default(), sandbox.ready(), &ends, &spec).await;
        let fleet = (0..setup.devices).map(Device::new).collect();
        let mut stage = Self {
            bench,
            setup,
            hands,
            sandbox,
            wire,
            outbound: bench.outbound(),
            store,
            mapping_id,
            fleet,
            refuses: false,
            oracle: Oracle::default(),
            _folder: folder,
        };
        stage.set_faults();
        stage.list_fleet().await;
        stage
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        self.hands.turn(MOMENT);
        match step {
            Step::Sync(sync) => Box::pin(self.sync(sync)).await,
            Step::Approve(sync) => Box::pin(self.approve(sync)).await,
            other => {
                self.change(other).await;
                Ok(())
            }
        }
    }

    /// Whatever happened: once it is quiet, a full sync makes all right, and then nothing is left to do. Devices that are
    /// gone have been for long enough a while later; what the brake holds is let through as soon as it is approved.
    async fn end(&mut self) -> Result<(), String> {
        let last = Sync { full: true, again: true, ..Sync::default() };
        self.hands.turn(Duration::from_secs(600));
        self.sync(&last).await?;
        if self.setup.policy == Policy::Leave && self.held().await.is_empty() {
            return Ok(());
        }
        self.hands.turn(Duration::from_secs(3_600 * (1 + u64::from(self.setup.min_absence))));
        self.sync(&Sync::default()).await?;
        self.hands.turn(MOMENT);
        self.approve(&Sync::default()).await?;
        match self.held().await {
            none if none.is_empty() => self.sync(&last).await,
            held => Err(format!("rule 11: approved, and held again: {held:?}")),
        }
    }

    /// Something happens on one of the two sides.
    async fn change(&mut self, step: &Step) {
        self.oracle.something_happened();
        let count = self.fleet.len();
        let at = |place: u8| usize::from(place) % count;
        match step {
            Step::Enrol if count < 7 => self.fleet.push(Device::new(u8::try_from(count).unwrap())),
            Step::Edit(place, field, value) => self.edit(*place, [fleet::edited(*field, *value)].into()).await,
            Step::EditSerial(place, serial) => {
                let serial = fleet::serial(&self.fleet, *place, *serial);
                self.edit(*place, [(SERIAL.to_owned(), json!(serial))].into()).await;
            }
            Step::Delete(place) => self.delete(*place).await,
            Step::Insert(serial, value) => {
                let serial = fleet::serial(&self.fleet, 0, *serial);
                let (tag, value) = fleet::edited(Field::Tag, *value);
                self.insert([(SERIAL.to_owned(), json!(serial)), (tag, value)].into()).await;
            }
            Step::Refuse(refuses) => {
                self.refuses = *refuses;
                self.set_faults();
            }
            Step::Wait(minutes) => self.hands.turn(Duration::from_secs(u64::from(*minutes) * 60)),
            Step::Enrol | Step::Sync(_) | Step::Approve(_) => {}
            _ if count == 0 => {}
            Step::Change(place, field, value) => self.fleet[at(*place)].change(*field, *value),
            Step::Identify(place, serial) => {
                let place = at(*place);
                let serial = fleet::serial(&self.fleet, u8::try_from(place).unwrap(), *serial);
                self.fleet[place].serial = serial;
            }
            Step::Swap(one, other) => {
                let (one, other) = (at(*one), at(*other));
                let serial = self.fleet[one].serial.clone();
                self.fleet[one].serial = std::mem::replace(&mut self.fleet[other].serial, serial);
            }
            Step::Leave(place) => self.fleet[at(*place)].present = false,
            Step::Return(place) => self.fleet[at(*place)].present = true,
            Step::EnrolAgain(place) => self.fleet[at(*place)].enrol_again(),
            Step::LeaveOut(place, is_left_out) => self.fleet[at(*place)].outside = *is_left_out,
        }
        self.list_fleet().await;
    }

    async fn sync(&mut self, sync: &Sync) -> Result<(), String> {
        let id = self.trigger(sync, false).await;
        self.until_it_ended(id, sync, None).await?;
        self.again(sync).await
    }

    /// Lets through what is held, if anything is.
    async fn approve(&mut self, sync: &Sync) -> Result<(), String> {
        let approved = self.held().await;
        if approved.is_empty() {
            return Ok(());
        }
        let sync = &Sync { dry_run: false, ..sync.clone() };
        let id = self.trigger(sync, true).await;
        self.until_it_ended(id, sync, Some(approved)).await?;
        self.again(sync).await
    }

    async fn again(&mut self, sync: &Sync) -> Result<(), String> {
        if sync.again {
            let quiet = self.oracle.is_quiet();
            // A full sync reads what search sees.
            self.hands.turn(MOMENT + Duration::from_secs(self.setup.lag.into()));
            let again = Sync { full: sync.full, ..Sync::default() };
            let second = |wrong| format!("in the second sync: {wrong}");
            let id = self.trigger(&again, false).await;
            self.until_it_ended(id, &again, None).await.map_err(second)?;
            self.oracle.nothing_to_do(quiet).map_err(second)?;
        }
        Ok(())
    }

    /// Works a sync to its end through whatever befalls it, and has the oracle look at it.
    async fn until_it_ended(&mut self, id: SyncId, sync: &Sync, approved: Option<Items>) -> Result<(), String> {
        let before = self.known().await;
        let (held_before, was) = (self.held().await, self.fleet.clone());
        let collection = {
            let mut traffic = self.wire.traffic();
            (traffic.ledger.rows, traffic.ledger.calls) = (Vec::new(), Vec::new());
            traffic.ledger.records.clone()
        };
        self.wire.arm(&sync.troubles);
        let began = self.hands.now();
        let mut meanwhile = sync.meanwhile.clone();
        let mut slices = 0;
        let mut steady = true;
        loop {
            slices += 1;
            if slices > MOST_SLICES {
                return Err(format!("the sync does not end: {:?}", self.row(id).await));
            }
            let deps = self.process();
            let context = JobContext { traceparent: None, stop: CancellationToken::new() };
            self.wire.at_work(true);
            let end = {
                let work = Box::pin(slice::work(&deps, SyncJob { v: 1, sync_id: id }, context));
                tokio::select! { biased;
                    () = self.wire.struck() => None,
                    end = work => Some(end),
                }
            };
            self.wire.at_work(false);
            let end = end.filter(|_| !self.wire.has_ended());
            let pause = match end {
                Some(SliceEnd::Done) => break,
                Some(SliceEnd::Again(pause)) => pause,
                None => {
                    self.wire.traffic().ledger.doubt_all();
                    self.outbound = self.bench.outbound();
                    RESCUE
                }
            };
            self.hands.turn(pause);
            self.wire.begin_process().await;
            if end.is_none() {
                watch_commits(&self.store, &self.wire).await;
            }
            if (end.is_none() || !pause.is_zero()) && !meanwhile.is_empty() {
                steady = false;
                for step in std::mem::take(&mut meanwhile) {
                    Box::pin(self.change(&step)).await;
                }
            }
            if sync.cancel && end.is_none() {
                self.cancel(id).await;
            }
        }
        let row = self.row(id).await;
        let tenant = pandaport_store::Tenant::default();
        let outcomes = records::list(&self.store, &tenant, id, &[], None, 1_000).await.unwrap();
        let (after, held) = (self.known().await, self.held().await);
        let traffic = self.wire.traffic();
        let seen = Seen {
            setup: &self.setup,
            sync: &row,
            outcomes: &outcomes,
            before: &before,
            after: &after,
            collection: &collection,
            ledger: &traffic.ledger,
            calls: traffic.by_api,
            was: &was,
            fleet: &self.fleet,
            held_before: &held_before,
            held: &held,
            approved: approved.as_ref(),
            told_at: traffic.told_at,
            refuses: self.refuses,
            steady,
            calm: sync.troubles.is_empty(),
            retries: row.mode == Mode::Full || sync.retry_rejected,
            began,
            now: self.hands.now(),
            millis: self.hands.at(),
        };
        self.oracle.judge(&seen)?;
        drop(traffic);
        self.oracle.settle_doubts(&mut self.wire.traffic().ledger);
        Ok(())
    }

    /// A worker's process.
    fn process(&self) -> Deps {
        let allowed: AllowedHosts = [&self.wire.kandji_url, &self.wire.asset_panda_url]
            .map(|url| url.trim_start_matches("http://"))
            .join(",")
            .parse()
            .unwrap();
        let upstream = Upstream::new(self.store.clone(), self.outbound.clone(), allowed, BudgetSettings::off());
        Deps {
            store: self.store.clone(),
            queue: Queue::new(&self.store).unwrap(),
            upstream,
            settings: WorkerSettings {
                slots: 1,
                tenant_slots: 1,
                slice: Duration::from_secs(30),
                http_timeout: HTTP_TIMEOUT,
                settle: [5, 30, 120].map(Duration::from_secs).to_vec(),
                grace: Duration::from_secs(5),
                outage_limit: Duration::from_secs(24 * 3_600),
                passenger_cap: u64::MAX,
                history_retention: Duration::from_secs(90 * 86_400),
                audit_retention: Duration::from_secs(366 * 86_400),
            },
            clock: self.hands.clone(),
            metrics: Metrics::new(),
            worker_id: "history".into(),
        }
    }

    async fn trigger(&self, sync: &Sync, approves: bool) -> SyncId {
        let tenant = pandaport_store::Tenant::default();
        let mut tx = self.store.begin_write().await.unwrap();
        let approved = held::digest_in(&mut tx, &tenant, self.mapping_id).await.unwrap().filter(|_| approves);
        // As the control plane does it: only a full sync looks again at records that are to be made anew.
        let full = approved.as_ref().map_or(sync.full, |(_, deleted)| *deleted);
        let new = NewSync {
            mapping_id: self.mapping_id,
            mode: if full { Mode::Full } else { Mode::Incremental },
            dry_run: sync.dry_run,
            retry_rejected: sync.retry_rejected,
            trigger_kind: TriggerKind::Call,
            traceparent: None,
        };
        let made = syncs::create(&mut tx, &tenant, &new, self.now()).await.unwrap();
        let Creation::Created(row) = made else { panic!("a sync is active already") };
        if let Some((digest, _)) = approved {
            held::approve(&mut tx, &tenant, self.mapping_id, row.sync_id, &digest).await.unwrap();
        }
        tx.commit().await.unwrap();
        row.sync_id
    }

    async fn cancel(&self, id: SyncId) {
        let mut tx = self.store.begin_write().await.unwrap();
        syncs::cancel(&mut tx, &pandaport_store::Tenant::default(), id, self.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn row(&self, id: SyncId) -> SyncRow {
        syncs::get(&self.store, &pandaport_store::Tenant::default(), id).await.unwrap()
    }

    async fn known(&self) -> BTreeMap<String, Known> {
        let tenant = pandaport_store::Tenant::default();
        let any = DeviceFilter { states: &[], removed_is_gone: false };
        let all = devices::list(&self.store, &tenant, self.mapping_id, any, None, 1_000).await.unwrap();
        all.into_iter().map(|it| (it.device_id.clone(), it)).collect()
    }

    /// All that the brake holds.
    async fn held(&self) -> Items {
        let tenant = pandaport_store::Tenant::default();
        let held = held::of_mapping(&self.store, &tenant, self.mapping_id, 1_000).await.unwrap();
        Items::of(held, &self.wire.traffic().ledger.columns)
    }

    fn now(&self) -> Micros {
        self.hands.now().into()
    }

    fn set_faults(&self) {
        let mut faults = Faults::default().without_rate_limits();
        let panda = &mut faults.asset_panda;
        panda.search_lag_ms = u64::from(self.setup.lag) * 1_000;
        panda.flags_present = self.setup.unique;
        panda.enforce_unique = self.setup.unique;
        panda.loose_search = self.setup.loose;
        panda.record_id_in_create = self.setup.names_records;
        if self.refuses {
            let odd = RefuseRow { column: "Asset Tag".into(), value: Some(json!(ODD_TAG)), ..RefuseRow::default() };
            panda.refuse_rows = vec![odd];
        }
        self.sandbox.set_faults(faults);
    }

    async fn list_fleet(&mut self) {
        let listed: Vec<Value> = self.fleet.iter().filter(|it| it.present).map(Device::json).collect();
        self.control(reqwest::Method::PUT, "/fleet/raw", Some(Value::Array(listed))).await;
    }

    async fn edit(&self, place: u8, cells: fleet::Cells) {
        let Some(id) = self.record_at(place) else { return };
        self.control(reqwest::Method::PATCH, &format!("/records/{id}"), Some(json!(cells))).await;
        let all = self.control(reqwest::Method::GET, "/records?names=true", None).await;
        self.wire.traffic().ledger.written_by_hand(&id, cells.into_keys(), all);
    }

    async fn delete(&self, place: u8) {
        let Some(id) = self.record_at(place) else { return };
        self.control(reqwest::Method::DELETE, &format!("/records/{id}"), None).await;
        let all = self.control(reqwest::Method::GET, "/records?names=true", None).await;
        self.wire.traffic().ledger.written_by_hand(&id, std::iter::empty(), all);
    }

    async fn insert(&self, cells: fleet::Cells) {
        let made = self.control(reqwest::Method::POST, "/records", Some(json!({"records": [cells]}))).await;
        let id = made["record_ids"][0].as_str().unwrap().to_owned();
        let all = self.control(reqwest::Method::GET, "/records?names=true", None).await;
        self.wire.traffic().ledger.written_by_hand(&id, self.sandbox.ready().columns.keys().cloned(), all);
    }

    fn record_at(&self, place: u8) -> Option<String> {
        let traffic = self.wire.traffic();
        let records = &traffic.ledger.records;
        (!records.is_empty()).then(|| records.keys().nth(usize::from(place) % records.len()).unwrap().clone())
    }

    async fn control(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}{path}", self.sandbox.control_url());
        let request = self.bench.http.request(method, url);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.json().await.unwrap()
    }
}

/// The one connection that writes asks the wire before each commit.
async fn watch_commits(store: &Store, wire: &Wire) {
    let Pool::Sqlite { write, .. } = store.pool() else { panic!("histories are played on SQLite") };
    let mut writer = write.acquire().await.unwrap();
    writer.lock_handle().await.unwrap().set_commit_hook(wire.commits());
}
