//! An installation that asks callers who they are, from its settings to the commands.

use std::path::Path;
use std::process::Output;

use pandaport_test_identity::{Authority, SigningKey, Subject, claims, jwks, kubernetes_claims};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::installation::{Installation, Serving};
use crate::harness::process::without_own_settings;
use crate::harness::sandbox::Sandbox;

const POLICY: &str = r#"
[[rule]]
jwt = "system:serviceaccount:inventory:*"
tenant = "acme"
role = "viewer"

[[rule]]
mtls = "CN=nightly"
tenant = "acme"
role = "operator"
"#;

struct Locked {
    up: Serving,
    installation: Installation,
    tokens: Vec<String>,
    _sandbox: Sandbox,
}

impl Locked {
    async fn start() -> Self {
        let sandbox = Sandbox::start(5).await;
        let mut installation = Installation::new(&sandbox).with("RUST_LOG", "trace").with("PANDAPORT_AUTH", "jwt,mtls");
        let folder = installation.path().to_owned();
        let keep = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        let (servers, clients, key) = (Authority::new("servers"), Authority::new("clients"), SigningKey::new("k"));
        let (server, client) = (servers.server(), clients.client(&Subject::named("nightly")));
        let mut admin = claims("ann");
        admin["pandaport_tenant"] = json!("acme");
        admin["pandaport_roles"] = json!(["admin"]);
        let mut expired = admin.clone();
        expired["exp"] = json!(1);
        let tokens: Vec<String> =
            [admin, kubernetes_claims("inventory", "reporter"), expired].iter().map(|it| key.token(it)).collect();
        for (name, text) in [
            ("servers.crt", servers.pem().as_str()),
            ("clients.crt", &clients.pem()),
            ("tls.crt", &server.cert_pem),
            ("tls.key", &server.key_pem),
            ("client.crt", &client.cert_pem),
            ("client.key", &client.key_pem),
            ("jwks.json", &jwks(&[&key])),
            ("policy.toml", POLICY),
            ("admin", &tokens[0]),
            ("viewer", &tokens[1]),
            ("expired", &tokens[2]),
        ] {
            keep(name, text);
        }
        for (setting, value) in [
            ("PANDAPORT_TLS_CERT", "tls.crt"),
            ("PANDAPORT_TLS_KEY", "tls.key"),
            ("PANDAPORT_TLS_CLIENT_CA", "clients.crt"),
            ("PANDAPORT_JWT_JWKS_FILE", "jwks.json"),
            ("PANDAPORT_POLICY_FILE", "policy.toml"),
            ("PANDAPORT_JWT_ISSUER", "https://issuer.example"),
            ("PANDAPORT_JWT_AUDIENCE", "pandaport"),
            // With all of that it may listen beyond loopback.
            ("PANDAPORT_GRPC_LISTEN", "0.0.0.0:0"),
        ] {
            installation = installation.with(setting, value);
        }
        let up = installation.up().await;
        Self { up, installation, tokens, _sandbox: sandbox }
    }

    fn folder(&self) -> &Path {
        self.installation.path()
    }

    async fn run(&self, words: &str) -> Output {
        let port = self.up.grpc.rsplit(':').next().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pandaport"));
        command.args(words.split(' ')).env("PANDAPORT_ENDPOINT", format!("https://localhost:{port}"));
        without_own_settings(command.as_std_mut());
        command.current_dir(self.folder()).output().await.expect("the program starts")
    }

    async fn says(&self, words: &str) -> String {
        let output = self.run(words).await;
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn refuses(&self, words: &str) -> String {
        let output = self.run(words).await;
        assert!(!output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

#[tokio::test]
async fn a_locked_installation_by_its_settings_and_by_commands() {
    let locked = Locked::start().await;
    let by_certificate = "--ca servers.crt --client-cert client.crt --client-key client.key";
    for callers in ["--ca servers.crt --token-file admin", "--ca servers.crt --token-file viewer", by_certificate] {
        assert_eq!(locked.says(&format!("connections list {callers}")).await.trim(), "(none)", "{callers}");
    }

    let configure = "alerts configure --off --url https://alerts.example.com";
    for (words, said) in [
        ("connections list --ca servers.crt", "CREDENTIALS_MISSING"),
        ("connections list --ca servers.crt", "--token-file, or a certificate with --client-cert"),
        ("connections list --ca servers.crt --token-file expired", "The token expired at 1970-01-01T00:00:01Z"),
        ("connections list --ca clients.crt --token-file admin", "--ca names the one to trust"),
        (&format!("{configure} --ca servers.crt --token-file viewer"), "Your role is viewer, and this needs admin"),
        (&format!("{configure} {by_certificate}"), "Your role is operator, and this needs admin"),
        (&format!("audit list {by_certificate}"), "ROLE_MISSING"),
        ("connections list --ca servers.crt --client-cert client.crt --client-key tls.key", "error: "),
    ] {
        let text = locked.refuses(words).await;
        assert!(text.contains(said), "{words}: {text}");
    }

    let events: Value =
        serde_json::from_str(&locked.says("audit list --json --ca servers.crt --token-file admin").await).unwrap();
    let told: Vec<_> = events["events"].as_array().unwrap().iter().map(|it| (&it["actor"], &it["code"])).collect();
    let (denied, nightly) = (json!("PERMISSION_DENIED"), json!("CN=nightly"));
    let reporter = json!("system:serviceaccount:inventory:reporter");
    assert_eq!(told, [(&nightly, &denied), (&reporter, &denied)]);

    // The same stands in the log, and no token does, however talkative it is.
    let log = locked.installation.logs();
    assert!(
        log.contains("TRACE") && log.contains("CREDENTIALS") || log.contains("a caller was not let in"),
        "the log is there"
    );
    assert!(log.contains("\"target\":\"audit\"") && log.contains("system:serviceaccount:inventory:reporter"));
    for token in &locked.tokens {
        for part in token.split('.') {
            assert!(!log.contains(part), "a part of a token stands in the log");
        }
    }
}

#[tokio::test]
async fn a_setting_that_can_not_be_used_is_named_at_the_start() {
    let sandbox = Sandbox::start(1).await;
    for (setting, value, said) in [
        ("PANDAPORT_GRPC_LISTEN", "0.0.0.0:0", "PANDAPORT_AUTH=none"),
        ("PANDAPORT_AUTH", "jwt", "PANDAPORT_JWT_ISSUER: is needed"),
        ("PANDAPORT_POLICY_FILE", "policy.toml", "PANDAPORT_POLICY_FILE: is set, but PANDAPORT_AUTH is none"),
    ] {
        let installation = Installation::new(&sandbox).with(setting, value);
        let mut command = installation.command(env!("CARGO_BIN_EXE_pandaport"));
        without_own_settings(&mut command);
        let output = command.arg("up").current_dir(installation.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(said), "{text}");
    }
}
