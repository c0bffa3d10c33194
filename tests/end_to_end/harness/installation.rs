//! Pandaport as an operator would have it: a folder with a database, settings, and the programs on it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pandaport_store::{Keyring, Store};
use pandaport_test_database::{TestDatabase, is_postgres};
use serde_json::Value;
use tempfile::TempDir;

use super::caller::Caller;
use super::process::{Process, program};
use super::relay::Relay;
use super::sandbox::Sandbox;
use super::wait::until;

/// How long a program may take to be ready. It takes well under a second, but for a machine under load.
pub(crate) const START: Duration = Duration::from_secs(30);

/// 32 bytes in base64, as good as any.
const KEY: &str = "cGFuZGFwb3J0LWVuZC10by1lbmQtdGVzdC1rZXktMDE=";

/// A folder, a database (in it, if it is a SQLite file), and settings. No process.
pub(crate) struct Installation {
    dir: TempDir,
    settings: BTreeMap<&'static str, String>,
    server: Option<TestDatabase>,
}

/// A program that serves: its process, and where it listens.
pub(crate) struct Serving {
    pub(crate) process: Process,
    /// Where gRPC is served; empty for a worker alone.
    pub(crate) grpc: String,
    /// Where health and metrics are served.
    pub(crate) admin: String,
}

impl Serving {
    pub(crate) fn caller(&self) -> Caller {
        Caller::of(&self.grpc)
    }

    /// Whether the process's own loop turns.
    pub(crate) async fn is_live(&self) -> bool {
        self.asks_well("livez").await
    }

    /// Whether it takes work.
    pub(crate) async fn is_ready(&self) -> bool {
        self.asks_well("readyz").await
    }

    async fn asks_well(&self, path: &str) -> bool {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
        let answer = http.expect("an HTTP client").get(format!("http://{}/{path}", self.admin)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

impl Installation {
    /// Settings that let a test be quick: no budgets, short timeouts and looks. The sandbox's addresses are allowed.
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        let here = Self::in_file(sandbox);
        if is_postgres() { here.on_server() } else { here }
    }

    /// The same on a SQLite file, wherever the other tests run.
    pub(crate) fn in_file(sandbox: &Sandbox) -> Self {
        let dir = tempfile::Builder::new().prefix("pandaport-test-").tempdir().expect("a temporary folder");
        let settings = [
            ("PANDAPORT_DATABASE_URL", format!("sqlite://{}", dir.path().join("pandaport.db").display())),
            ("PANDAPORT_GRPC_LISTEN", "127.0.0.1:0".to_owned()),
            ("PANDAPORT_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("PANDAPORT_ALLOWED_HOSTS", sandbox.hosts()),
            ("PANDAPORT_KANDJI_BUDGET", "off".to_owned()),
            ("PANDAPORT_ASSET_PANDA_BUDGET", "off".to_owned()),
            ("PANDAPORT_SLICE", "2s".to_owned()),
            ("PANDAPORT_HTTP_TIMEOUT", "2s".to_owned()),
            ("PANDAPORT_SETTLE", "100ms,500ms,1500ms".to_owned()),
            ("PANDAPORT_SHUTDOWN_GRACE", "5s".to_owned()),
            ("RUST_LOG", "info,pandaport_worker=debug".to_owned()),
        ];
        Self { dir, settings: settings.into(), server: None }
    }

    /// The same on a database of its own on the server. There `up` makes no key: it is given one, as the other programs are.
    pub(crate) fn on_server(mut self) -> Self {
        let server = TestDatabase::empty_at_once();
        self = self.with("PANDAPORT_DATABASE_URL", server.url()).with("PANDAPORT_ENCRYPTION_KEY", KEY);
        Self { server: Some(server), ..self }
    }

    /// Where its database is.
    pub(crate) fn database_url(&self) -> &str {
        &self.settings["PANDAPORT_DATABASE_URL"]
    }

    /// The database, opened beside the programs on it. Its key is that of a control plane and workers of their own.
    pub(crate) async fn store(&self) -> Store {
        let store = Store::connect(self.database_url()).await.expect("the database is there");
        store.unlock(Keyring::new(&[KEY.to_owned().into()]).expect("a key")).await.expect("the key fits")
    }

    /// Whether a text stands anywhere in the database, if it is on a server: else it is in a file of the folder.
    pub(crate) async fn database_contains(&self, text: &str) -> bool {
        match &self.server {
            Some(server) => server.contains(text).await,
            None => false,
        }
    }

    /// Whether a process is in the middle of a transaction, if the database is on a server.
    pub(crate) async fn database_is_held(&self) -> bool {
        match &self.server {
            Some(server) => server.is_held().await,
            None => false,
        }
    }

    /// The same with one setting more, or another one.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.insert(name, value.to_owned());
        self
    }

    /// The same without one of its settings.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.settings.remove(name);
        self
    }

    /// The same with one host more that may be called.
    pub(crate) fn allowing(mut self, host: &str) -> Self {
        let allowed = self.settings.entry("PANDAPORT_ALLOWED_HOSTS").or_default();
        *allowed = format!("{allowed},{host}");
        self
    }

    /// The same with a network between its programs and its database, which must be on a server.
    pub(crate) async fn behind_a_relay(self) -> (Self, Relay) {
        let mut url: url::Url = self.settings["PANDAPORT_DATABASE_URL"].parse().expect("a URL");
        let server = format!("{}:{}", url.host_str().expect("a server"), url.port().unwrap_or(5432));
        let relay = Relay::to(&server).await;
        let port = relay.address.rsplit(':').next().and_then(|it| it.parse().ok());
        url.set_host(Some("127.0.0.1")).expect("an address");
        url.set_port(port).expect("a port");
        (self.with("PANDAPORT_DATABASE_URL", url.as_str()), relay)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Everything that was ever logged by the programs here.
    pub(crate) fn logs(&self) -> String {
        let files = std::fs::read_dir(self.path()).expect("the folder is there");
        let logs = files.flatten().map(|it| it.path()).filter(|it| it.extension().is_some_and(|end| end == "log"));
        logs.map(|it| String::from_utf8_lossy(&std::fs::read(it).unwrap_or_default()).into_owned()).collect()
    }

    /// `pandaport up`: all in one process.
    pub(crate) async fn up(&self) -> Serving {
        let mut command = self.program("pandaport", env!("CARGO_BIN_EXE_pandaport"));
        command.arg("up");
        self.serve("up", command).await
    }

    /// The database, made and migrated, for the programs that do not do it themselves.
    pub(crate) async fn migrate(&self) {
        self.migrate_with(&[]).await;
    }

    /// The same with further flags; what it said.
    pub(crate) async fn migrate_with(&self, flags: &[&str]) -> String {
        let mut command = self.program("pandaport", env!("CARGO_BIN_EXE_pandaport"));
        command.arg("migrate").args(flags);
        let mut process = Process::start("migrate", command, self.path());
        let ended = process.end(START).await;
        assert!(ended.success(), "migrate: {ended}\n{}", process.log());
        process.log()
    }

    pub(crate) async fn control_plane(&self) -> Serving {
        self.control_plane_as("control-plane").await
    }

    /// One of several; `name` names its log.
    pub(crate) async fn control_plane_as(&self, name: &str) -> Serving {
        let mut command = self.program("pandaport-control-plane", env!("CARGO_BIN_EXE_pandaport-control-plane"));
        command.env("PANDAPORT_ENCRYPTION_KEY", KEY);
        self.serve(name, command).await
    }

    /// A worker of its own; `name` names its log.
    pub(crate) async fn worker(&self, name: &str) -> Serving {
        let mut command = self.program("pandaport-worker", env!("CARGO_BIN_EXE_pandaport-worker"));
        command.env("PANDAPORT_ENCRYPTION_KEY", KEY);
        self.serve(name, command).await
    }

    /// A program with this installation's settings.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.envs(&self.settings);
        command
    }

    fn program(&self, name: &str, built: &str) -> Command {
        self.command(program(name, built))
    }

    async fn serve(&self, name: &str, mut command: Command) -> Serving {
        let ready = self.ready_file(name);
        let _ = std::fs::remove_file(&ready);
        command.arg("--ready-file").arg(&ready);
        let mut process = Process::start(name, command, self.path());
        let said = until(&format!("{name} to be ready"), START, async || {
            if let Some(ended) = process.ended() {
                panic!("{name} ended at its start: {ended}\n{}", process.log());
            }
            read_json(&ready)
        })
        .await;
        let address = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
        Serving { process, grpc: address("grpc"), admin: address("admin") }
    }

    fn ready_file(&self, name: &str) -> PathBuf {
        self.path().join(format!("{name}.ready"))
    }
}

/// A JSON file, if it is there. It is written whole.
pub(crate) fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
