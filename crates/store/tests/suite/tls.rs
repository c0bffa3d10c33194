//! TLS to a PostgreSQL server, by the parameters that libpq has for it. The server and its certificates are the test's own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use pandaport_store::{Store, StoreError};
use pandaport_test_identity::Authority;

/// A server that speaks TLS, stopped when dropped; and the authority that its certificate is from.
struct TlsServer {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

impl TlsServer {
    /// `None`, with the reason printed, where a server's programs are not installed.
    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: PostgreSQL's programs are not installed here");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("pandaport-tls-").tempdir_in("/tmp").unwrap();
        let at = folder.path().to_owned();
        let (ours, another) = (Authority::new("ours"), Authority::new("another"));
        let certificate = ours.server_for(&["localhost"]);
        for (name, pem) in [
            ("ours.crt", &ours.pem()),
            ("another.crt", &another.pem()),
            ("server.crt", &certificate.cert_pem),
            ("server.key", &certificate.key_pem),
        ] {
            std::fs::write(at.join(name), pem).unwrap();
        }
        // PostgreSQL refuses a key that others may read.
        std::fs::set_permissions(at.join("server.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, programs, port };
        server.own();
        let data = at.join("data");
        let data = data.display();
        server.run(&format!("initdb -D {data} -U postgres -A trust -E UTF8 --no-locale -N"));
        let at = at.display();
        let options = format!(
            "-p {port} -k '' -h localhost -F -c ssl=on -c ssl_cert_file={at}/server.crt -c ssl_key_file={at}/server.key"
        );
        let (data, log) = (data.to_string(), format!("{at}/log"));
        succeeds(server.command("pg_ctl").args(["-D", &data, "-l", &log, "-w", "-o", &options, "start"]));
        Some(server)
    }

    /// The server refuses to run as root: everything belongs to the user that its package brings.
    fn own(&self) {
        if is_root() {
            succeeds(Command::new("chown").args(["-R", "postgres"]).arg(self.folder.path()));
        }
    }

    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        if !is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(path);
        command
    }

    fn run(&self, words: &str) {
        let (program, arguments) = words.split_once(' ').unwrap();
        succeeds(self.command(program).args(arguments.split(' ')));
    }

    /// With a password, which the server does not ask for, and no message may show.
    fn url(&self, host: &str, parameters: &str) -> String {
        format!("postgres://postgres:hunter2@{host}:{}/postgres?{parameters}", self.port)
    }

    fn certificate(&self, authority: &str) -> String {
        self.folder.path().join(authority).with_extension("crt").display().to_string()
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        let _ = self.command("pg_ctl").arg("-D").arg(data).args(["-m", "immediate", "stop"]).output();
    }
}

/// The newest version there is: Debian keeps the server's programs out of the path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|it| it.path().join("bin"));
    versions.filter(|it| it.join("initdb").exists()).max()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

fn succeeds(command: &mut Command) {
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).output().unwrap();
    assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

#[tokio::test]
async fn a_server_is_known_by_the_authority_that_the_url_names_and_one_that_is_not_is_refused_with_what_to_do() {
    let Some(server) = TlsServer::start() else { return };
    let ours = format!("sslmode=verify-full&sslrootcert={}", server.certificate("ours"));
    let store = Store::connect(&server.url("localhost", &ours)).await.unwrap();
    let pandaport_store::Pool::Postgres(pool) = store.pool() else { panic!("no server") };
    let is_encrypted: bool =
        sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetch_one(pool).await.unwrap();
    assert!(is_encrypted);
    store.close().await;

    let another = format!("sslmode=verify-full&sslrootcert={}", server.certificate("another"));
    let missing = format!("sslmode=verify-full&sslrootcert={}", server.certificate("none"));
    for (host, parameters, what_to_do) in [
        ("localhost", another.as_str(), "sslrootcert"),
        // The name is not in the certificate.
        ("127.0.0.1", ours.as_str(), "sslmode"),
        ("localhost", missing.as_str(), "sslrootcert"),
    ] {
        let refused = Store::connect(&server.url(host, parameters)).await.unwrap_err();
        let said = refused.to_string();
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused:?}");
        assert!(said.contains(&format!("postgres at {host}:{}", server.port)), "{said}");
        assert!(said.contains(what_to_do) && said.contains("PANDAPORT_DATABASE_URL"), "{said}");
        assert!(!format!("{said} {refused:?}").contains("hunter2"), "{said}");
    }
}
