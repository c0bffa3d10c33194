//! A control plane in front of a sandbox.

use std::net::SocketAddr;
use std::time::Duration;

use pandaport_access::{Access, ServerTls};
use pandaport_api::v1 as proto;
use pandaport_api::v1::control_plane_service_client::ControlPlaneServiceClient;
use pandaport_control_plane::{CallLimits, ControlPlane, Listening, Parts, ServeError, serve};
use pandaport_outbound::{AllowedHosts, HttpSettings, Outbound};
use pandaport_queue::Queue;
use pandaport_runtime::{Readiness, Shutdown};
use pandaport_sandbox::{Faults, Sandbox, SandboxConfig};
use pandaport_store::Store;
use pandaport_test_database::TestDatabase;
use pandaport_upstream::{BudgetSettings, Upstream};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, ClientTlsConfig};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// A client that may show a token.
pub(crate) type Client = ControlPlaneServiceClient<InterceptedService<Channel, Shows>>;

/// A running control plane, its sandbox and a client of it.
pub(crate) struct House {
    pub(crate) client: Client,
    pub(crate) channel: Channel,
    pub(crate) address: SocketAddr,
    pub(crate) sandbox: Sandbox,
    pub(crate) store: Store,
    pub(crate) shutdown: Shutdown,
    pub(crate) readiness: Readiness,
    pub(crate) served: tokio::task::JoinHandle<Result<(), ServeError>>,
    _database: TestDatabase,
}

/// Who is let in, and how.
pub(crate) struct Door {
    pub(crate) access: Access,
    pub(crate) tls: Option<ServerTls>,
    /// The client's end of TLS, if there is one.
    pub(crate) client_tls: Option<ClientTlsConfig>,
    /// What the client shows.
    pub(crate) token: Option<String>,
}

impl Door {
    fn open() -> Self {
        Self { access: Access::open(), tls: None, client_tls: None, token: None }
    }
}

/// Shows a token with each call.
#[derive(Clone)]
pub(crate) struct Shows(Option<MetadataValue<Ascii>>);

impl Shows {
    pub(crate) fn token(token: &str) -> Self {
        Self(Some(format!("Bearer {token}").parse().unwrap()))
    }
}

impl Interceptor for Shows {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(SandboxConfig::default(), "").await
    }

    /// `more_hosts` are allowed besides the sandbox's own.
    pub(crate) async fn with(config: SandboxConfig, more_hosts: &str) -> Self {
        Self::with_budgets(config, more_hosts, BudgetSettings::off()).await
    }

    pub(crate) async fn with_budgets(config: SandboxConfig, more_hosts: &str, budgets: BudgetSettings) -> Self {
        Self::build(config, more_hosts, budgets, Door::open(), CallLimits::default()).await
    }

    /// One that takes on no more than this at once.
    pub(crate) async fn limited(limits: CallLimits) -> Self {
        Self::build(SandboxConfig::default(), "", BudgetSettings::off(), Door::open(), limits).await
    }

    /// One that asks callers who they are.
    pub(crate) async fn behind(door: Door) -> Self {
        Self::build(SandboxConfig::default(), "", BudgetSettings::off(), door, CallLimits::default()).await
    }

    async fn build(
        config: SandboxConfig,
        more_hosts: &str,
        budgets: BudgetSettings,
        door: Door,
        limits: CallLimits,
    ) -> Self {
        let faults = config.faults.clone().without_rate_limits();
        let sandbox = Sandbox::start(SandboxConfig { faults, ..config }).await.unwrap();
        let database = TestDatabase::new().await;
        let store = database.unlocked().await;

        let hosts = format!("{},{},{more_hosts}", host(sandbox.kandji_url()), host(sandbox.asset_panda_url()));
        let allowed: AllowedHosts = hosts.parse().unwrap();
        let settings = HttpSettings { timeout: Duration::from_secs(2), retries: 0, ..HttpSettings::default() };
        let http = Outbound::new(settings).unwrap();
        let upstream = Upstream::new(store.clone(), http, allowed, budgets);

        let shutdown = Shutdown::by_hand();
        let readiness = Readiness::new(&shutdown);
        let parts =
            Parts { store: store.clone(), queue: Queue::new(&store).unwrap(), upstream, shutdown: shutdown.clone() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let grace = Duration::from_secs(5);
        let Door { access, tls, client_tls, token } = door;
        let listening = Listening { listener, tls, access };
        let control_plane = ControlPlane::new(parts).with_limits(limits);
        let served = tokio::spawn(serve(control_plane, listening, readiness.clone(), shutdown.clone(), grace));
        let channel = connect(address, client_tls).await.unwrap();
        let shows = token.map_or(Shows(None), |token| Shows::token(&token));
        let client = ControlPlaneServiceClient::with_interceptor(channel.clone(), shows);
        Self { client, channel, address, sandbox, store, shutdown, readiness, served, _database: database }
    }

    /// A client that shows a token of its own.
    pub(crate) fn client_with(&self, token: &str) -> Client {
        ControlPlaneServiceClient::with_interceptor(self.channel.clone(), Shows::token(token))
    }

    pub(crate) fn faults(&self, json: &str) {
        self.sandbox.set_faults(Faults::parse(json).unwrap().without_rate_limits());
    }

    /// Good settings of a new connection.
    pub(crate) fn settings(&self) -> proto::ConfigureConnectionRequest {
        let ready = self.sandbox.ready();
        proto::ConfigureConnectionRequest {
            display_name: "Example Org".into(),
            kandji: Some(proto::KandjiSettings {
                base_url: ready.kandji_url.clone(),
                api_token: ready.credentials.kandji_token.clone(),
            }),
            asset_panda: Some(proto::AssetPandaSettings {
                base_url: ready.asset_panda_url.clone(),
                access_key_id: ready.credentials.access_key_id.clone(),
                access_key_secret: ready.credentials.access_key_secret.clone(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    pub(crate) async fn configure(
        &mut self,
        request: proto::ConfigureConnectionRequest,
    ) -> Result<proto::ConfigureConnectionResponse, Status> {
        self.client.configure_connection(request).await.map(tonic::Response::into_inner)
    }

    /// A VERIFIED connection; gives its id.
    pub(crate) async fn connection(&mut self) -> String {
        let request = proto::ConfigureConnectionRequest { verify: true, ..self.settings() };
        self.configure(request).await.unwrap().connection.unwrap().connection_id
    }

    pub(crate) async fn test(&mut self, connection_id: &str) -> proto::TestConnectionResponse {
        let request = proto::TestConnectionRequest { connection_id: connection_id.to_owned() };
        self.client.test_connection(request).await.unwrap().into_inner()
    }

    /// The id of a column of a collection, by their names.
    pub(crate) async fn column(&mut self, connection_id: &str, collection: &str, column: &str) -> String {
        let request = proto::ListColumnsRequest {
            connection_id: connection_id.to_owned(),
            collection_id: self.sandbox.ready().collections[collection].clone(),
        };
        let columns = self.client.list_columns(request).await.unwrap().into_inner().columns;
        columns.into_iter().find(|it| it.display_name == column).unwrap().column_id
    }

    /// A good mapping into "ITAM": the serial number identifies, and the model goes along.
    pub(crate) fn mapping(&self, connection_id: &str) -> proto::CreateMappingRequest {
        let columns = &self.sandbox.ready().columns;
        let mapping = proto::Mapping {
            display_name: "Kandji Device Import".into(),
            collection_id: self.sandbox.ready().collection_id.clone(),
            identifier: Some(proto::Identifier {
                source_field: "serial_number".into(),
                column_id: columns["Serial Number"].clone(),
            }),
            fields: vec![pair("model", &columns["Model"])],
            ..Default::default()
        };
        proto::CreateMappingRequest {
            connection_id: connection_id.to_owned(),
            mapping: Some(mapping),
            ..Default::default()
        }
    }

    /// Whether no connection's row has a sealed secret in it.
    pub(crate) async fn database_holds_no_credentials(&self) -> bool {
        let sealed = "SELECT COALESCE(SUM(LENGTH(kandji_token) + LENGTH(asset_panda_key)), 0) FROM connections";
        pandaport_test_database::scalar::<i64>(&self.store, sealed).await == 0
    }

    /// A removal policy that marks in the column of that name, and else what is the default.
    pub(crate) fn mark(&self, column: &str, mark: &str) -> proto::RemovalPolicy {
        let text = prost_types::value::Kind::StringValue(mark.to_owned());
        proto::RemovalPolicy {
            action: proto::RemovalAction::Mark.into(),
            mark_column_id: self.sandbox.ready().columns[column].clone(),
            mark_value: Some(prost_types::Value { kind: Some(text) }),
            ..Default::default()
        }
    }

    pub(crate) async fn create(
        &mut self,
        request: proto::CreateMappingRequest,
    ) -> Result<proto::CreateMappingResponse, Status> {
        self.client.create_mapping(request).await.map(tonic::Response::into_inner)
    }

    /// A connection with a mapping and its first sync, queued.
    pub(crate) async fn mapped(&mut self) -> (String, proto::Mapping, proto::Sync) {
        let connection_id = self.connection().await;
        let request = self.mapping(&connection_id);
        let created = self.create(request).await.unwrap();
        (connection_id, created.mapping.unwrap(), created.sync.unwrap())
    }
}

/// A connection of its own, with TLS if that is said how.
pub(crate) async fn connect(
    address: SocketAddr,
    tls: Option<ClientTlsConfig>,
) -> Result<Channel, tonic::transport::Error> {
    match tls {
        None => Channel::from_shared(format!("http://{address}")).unwrap().connect().await,
        Some(tls) => {
            let endpoint = Channel::from_shared(format!("https://localhost:{}", address.port())).unwrap();
            endpoint.tls_config(tls)?.connect().await
        }
    }
}

pub(crate) fn pair(source_field: &str, column_id: &str) -> proto::FieldPair {
    proto::FieldPair { source_field: source_field.into(), column_id: column_id.into(), ..Default::default() }
}

pub(crate) fn host(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// The code of a refusal, its reason, and its violations as `field: reason`.
pub(crate) fn refusal(status: &Status) -> (Code, String, Vec<String>) {
    let reason = status.get_details_error_info().map(|it| it.reason).unwrap_or_default();
    let violations = status.get_details_bad_request().map(|it| it.field_violations).unwrap_or_default();
    let violations = violations.into_iter().map(|it| format!("{}: {}", it.field, it.reason)).collect();
    (status.code(), reason, violations)
}
