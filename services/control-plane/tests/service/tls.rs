//! TLS: certificates on both ends, that change while the server runs, and clients that take their time.

use std::path::Path;
use std::time::Duration;

use pandaport_access::{Access, AccessSettings, ServerTls, TlsFiles};
use pandaport_api::v1 as proto;
use pandaport_api::v1::control_plane_service_client::ControlPlaneServiceClient;
use pandaport_test_identity::{Authority, Leaf, Subject};
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::house::{Door, House, connect, refusal};

const POLICY: &str = r#"
[[rule]]
mtls = "spiffe://example.org/ns/ops/sa/*"
tenant = "acme"
role = "admin"
"#;

fn write(folder: &Path, server: &Leaf) {
    std::fs::write(folder.join("tls.crt"), &server.cert_pem).unwrap();
    std::fs::write(folder.join("tls.key"), &server.key_pem).unwrap();
}

fn trusting(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority.pem()))
}

fn showing(authority: &Authority, client: &Leaf) -> ClientTlsConfig {
    trusting(authority).identity(Identity::from_pem(&client.cert_pem, &client.key_pem))
}

struct Town {
    house: House,
    folder: tempfile::TempDir,
    servers: Authority,
    clients: Authority,
}

fn admin() -> Subject<'static> {
    Subject { uris: &["spiffe://example.org/ns/ops/sa/pandaport"], ..Subject::default() }
}

impl Town {
    /// A control plane that asks for client certificates; its own client is an admin.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let at = |name: &str| folder.path().join(name);
        write(folder.path(), &servers.server());
        std::fs::write(at("clients.crt"), clients.pem()).unwrap();
        std::fs::write(at("policy.toml"), POLICY).unwrap();
        let files = TlsFiles { cert: at("tls.crt"), key: at("tls.key"), client_ca: Some(at("clients.crt")) };
        let settings =
            AccessSettings { certificates: true, policy: Some(at("policy.toml")), ..AccessSettings::default() };
        let door = Door {
            access: Access::new(settings).unwrap(),
            tls: Some(ServerTls::load(files).unwrap()),
            client_tls: Some(showing(&servers, &clients.client(&admin()))),
            token: None,
        };
        Self { house: House::behind(door).await, folder, servers, clients }
    }

    /// What a client of its own gets when it lists connections: the code and reason, or that it got no connection.
    async fn tries(&self, tls: ClientTlsConfig) -> Result<(Code, String), String> {
        let answer = match connect(self.house.address, Some(tls)).await {
            Ok(channel) => {
                ControlPlaneServiceClient::new(channel).list_connections(proto::ListConnectionsRequest::default()).await
            }
            Err(error) => return Err(format!("{error:?}")),
        };
        match answer {
            Ok(_) => Ok((Code::Ok, String::new())),
            // With TLS 1.3 a client learns only by its first call that its certificate was refused.
            Err(status) if std::error::Error::source(&status).is_some() => Err(format!("{status:?}")),
            Err(status) => Ok((status.code(), refusal(&status).1)),
        }
    }

    async fn until(
        &self,
        what: &str,
        tls: impl Fn() -> ClientTlsConfig,
        wanted: impl Fn(&Result<(Code, String), String>) -> bool,
    ) {
        let mut last = None;
        for _ in 0..150 {
            let found = self.tries(tls()).await;
            if wanted(&found) {
                return;
            }
            last = Some(found);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("waited in vain: {what}; the last was {last:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_known_by_its_certificate_and_gets_its_role_from_the_policy() {
    let mut town = Town::new().await;
    let (_, _, _) = town.house.mapped().await;
    let request = proto::ListAuditEventsRequest::default();
    let events = town.house.client.list_audit_events(request).await.unwrap().into_inner().events;
    assert_eq!(events[0].actor, "spiffe://example.org/ns/ops/sa/pandaport");
    assert_eq!(events[0].proof(), proto::CallerProof::Mtls);

    let missing = (Code::Unauthenticated, "CREDENTIALS_MISSING".to_owned());
    assert_eq!(town.tries(trusting(&town.servers)).await, Ok(missing));
    let stranger = town.clients.client(&Subject::named("stranger"));
    let no_role = (Code::PermissionDenied, "ROLE_MISSING".to_owned());
    assert_eq!(town.tries(showing(&town.servers, &stranger)).await, Ok(no_role));
    let impostor = Authority::new("clients").client(&admin());
    let refused = town.tries(showing(&town.servers, &impostor)).await.unwrap_err();
    assert!(
        refused.contains("DecryptError")
            || refused.contains("UnknownCa")
            || refused.contains("UnknownCA")
            || refused.contains("BadCertificate"),
        "{refused}"
    );
    let distrusted = town.tries(trusting(&Authority::new("servers"))).await;
    assert!(distrusted.is_err(), "{distrusted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_authorities_and_the_policy_change_while_the_server_runs_and_broken_ones_change_nothing() {
    let mut town = Town::new().await;
    let client = town.clients.client(&admin());
    let (renewed, other_clients) = (Authority::new("renewed"), Authority::new("other clients"));
    let good = |found: &Result<(Code, String), String>| matches!(found, Ok((Code::Ok, _)));

    std::fs::write(town.folder.path().join("tls.key"), "no key").unwrap();
    std::fs::write(town.folder.path().join("policy.toml"), "no policy").unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(good(&town.tries(showing(&town.servers, &client)).await));

    write(town.folder.path(), &renewed.server());
    town.until("the renewed certificate", || showing(&renewed, &client), good).await;
    assert!(town.tries(showing(&town.servers, &client)).await.is_err());
    // Who was connected stays.
    town.house.client.list_connections(proto::ListConnectionsRequest::default()).await.unwrap();

    std::fs::write(
        town.folder.path().join("policy.toml"),
        POLICY.replace("admin", "none").replace("tenant = \"acme\"", ""),
    )
    .unwrap();
    town.until("no role", || showing(&renewed, &client), |found| matches!(found, Ok((Code::PermissionDenied, _))))
        .await;
    // A role is asked for at each call, also on a connection that is there.
    let refused = town.house.client.list_connections(proto::ListConnectionsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    std::fs::write(town.folder.path().join("policy.toml"), POLICY).unwrap();
    std::fs::write(town.folder.path().join("clients.crt"), other_clients.pem()).unwrap();
    let other = other_clients.client(&admin());
    town.until("the other authority", || showing(&renewed, &other), good).await;
    assert!(town.tries(showing(&renewed, &client)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_ends_a_handshake_keeps_nobody_waiting_and_is_put_out() {
    let town = Town::new().await;
    let client = town.clients.client(&admin());
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(tokio::net::TcpStream::connect(town.house.address).await.unwrap());
    }
    let begun = std::time::Instant::now();
    assert_eq!(town.tries(showing(&town.servers, &client)).await, Ok((Code::Ok, String::new())));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let mut one = silent.pop().unwrap();
    let mut buffer = [0; 16];
    let read = tokio::io::AsyncReadExt::read(&mut one, &mut buffer);
    let closed = tokio::time::timeout(Duration::from_secs(15), read).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
}
